/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Columns of fixed width, indented by two; together with the gaps they must fit RENDER_COLUMNS. */

#include "render.h"

typedef struct TableColumn {
        const char *title;
        size_t n_cells;
        bool right; /* numbers */
} TableColumn;

void table_head(FILE *out, const Style *style, const TableColumn *columns, size_t n_columns);
void table_row(FILE *out, const Style *style, const TableColumn *columns, size_t n_columns,
        const char *const *cells);
