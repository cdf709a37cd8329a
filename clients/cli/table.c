/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "table.h"

static void print_row(FILE *out, const Style *style, Ink ink, const TableColumn *columns, size_t n_columns,
                      const char *const *cells) {
        while (n_columns > 0 && !*cells[n_columns - 1]) /* no blanks at the end */
                n_columns--;
        for (size_t i = 0; i < n_columns; i++) {
                size_t n_cells = columns[i].n_cells;
                if (i + 1 == n_columns && !columns[i].right)
                        n_cells = MIN(n_cells, render_width(cells[i]));
                fputs("  ", out);
                render_cell(out, style, ink, cells[i], n_cells, columns[i].right);
        }
        fputc('\n', out);
}

void table_head(FILE *out, const Style *style, const TableColumn *columns, size_t n_columns) {
        const char *titles[16];

        for (size_t i = 0; i < n_columns && i < ELEMENTS(titles); i++)
                titles[i] = columns[i].title;
        print_row(out, style, INK_DIM, columns, MIN(n_columns, ELEMENTS(titles)), titles);
}

void table_row(FILE *out, const Style *style, const TableColumn *columns, size_t n_columns,
        const char *const *cells) {
        print_row(out, style, INK_PLAIN, columns, n_columns, cells);
}
