/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "macros.h"
#include "watched.h"

#define CAPACITY_FIRST 64u /* a multiple of the 64 bits of a word */

void watched_done(WatchedTable *table) {
        free(table->items);
        free(table->used);
        free(table->index);
        for (size_t i = 0; i < ELEMENTS(table->lists); i++)
                free(table->lists[i]);
        *table = (WatchedTable){};
}

static uint8_t digit_value(char c) { return (uint8_t) (c <= '9' ? c - '0' : c - 'a' + 10); }

void watched_id_from_text(const char *text, uint8_t ret_id[static 32]) {
        for (size_t i = 0; i < 32; i++)
                ret_id[i] = (uint8_t) (digit_value(text[2 * i]) << 4 | digit_value(text[2 * i + 1]));
}

const char *watched_id_to_text(const uint8_t id[static 32], char ret_text[static CONTAINER_ID_MAX]) {
        static const char digits[] = "0123456789abcdef";

        for (size_t i = 0; i < 32; i++) {
                ret_text[2 * i] = digits[id[i] >> 4];
                ret_text[2 * i + 1] = digits[id[i] & 15];
        }
        ret_text[64] = 0;
        return ret_text;
}

static uint32_t hash(uint32_t root, const uint8_t id[static 32]) {
        uint64_t words[4], h = UINT64_C(0x9E3779B97F4A7C15) * (root + 1);

        memcpy(words, id, sizeof(words));
        for (size_t i = 0; i < ELEMENTS(words); i++)
                h = (h ^ words[i] ^ h >> 29) * UINT64_C(0xBF58476D1CE4E5B9);
        /* A product has in its lower bits nothing of the higher ones of its factors. */
        h = (h ^ h >> 32) * UINT64_C(0xBF58476D1CE4E5B9);
        return (uint32_t) (h >> 32);
}

static bool is_same(const Watched *watched, uint32_t root, const uint8_t id[static 32]) {
        return watched->root == root && memcmp(watched->id, id, sizeof(watched->id)) == 0;
}

/* Where the id stands in the index, or where it would be put. */
static uint32_t index_place(const WatchedTable *table, uint32_t root, const uint8_t id[static 32]) {
        uint32_t mask = table->index_capacity - 1, i = hash(root, id) & mask;

        while (table->index[i] != 0 && !is_same(&table->items[table->index[i] - 1], root, id))
                i = (i + 1) & mask;
        return i;
}

static void index_remove(WatchedTable *table, uint32_t hole) {
        uint32_t mask = table->index_capacity - 1;

        for (uint32_t i = (hole + 1) & mask; table->index[i] != 0; i = (i + 1) & mask) {
                const Watched *watched = &table->items[table->index[i] - 1];
                uint32_t home = hash(watched->root, watched->id) & mask;
                if (((i - home) & mask) >= ((i - hole) & mask)) {
                        table->index[hole] = table->index[i];
                        hole = i;
                }
        }
        table->index[hole] = 0;
}

static int grow_array(void *array, uint32_t n, size_t element_bytes) {
        void **pointer = array;
        void *larger = reallocarray(*pointer, n, element_bytes);

        if (!larger)
                return -ENOMEM;
        *pointer = larger;
        return 0;
}

static int grow_index(WatchedTable *table, uint32_t capacity) {
        uint32_t *index = calloc(capacity, sizeof(*index));

        if (!index)
                return -ENOMEM;
        free(table->index);
        table->index = index;
        table->index_capacity = capacity;
        for (uint32_t slot = watched_next(table, 0); slot != WATCHED_NONE;
             slot = watched_next(table, slot + 1))
                table->index[index_place(table, table->items[slot].root, table->items[slot].id)] = slot + 1;
        return 0;
}

/* A step that fails leaves larger arrays than needed and an unchanged capacity: nothing is lost. */
static int grow(WatchedTable *table) {
        uint32_t capacity = table->capacity > 0 ? table->capacity * 2 : CAPACITY_FIRST;
        int r;

        r = grow_array(&table->items, capacity, sizeof(*table->items));
        for (size_t i = 0; r == 0 && i < ELEMENTS(table->lists); i++)
                r = grow_array(&table->lists[i], capacity, sizeof(*table->lists[i]));
        if (r == 0)
                r = grow_array(&table->used, capacity / 64, sizeof(*table->used));
        if (r == 0)
                r = grow_index(table, capacity * 2);
        if (r < 0)
                return r;
        for (uint32_t word = table->capacity / 64; word < capacity / 64; word++)
                table->used[word] = 0;
        table->capacity = capacity;
        return 0;
}

static uint32_t lowest_free(const WatchedTable *table) {
        for (uint32_t word = 0; word < table->capacity / 64; word++)
                if (~table->used[word] != 0)
                        return word * 64 + (uint32_t) __builtin_ctzll(~table->used[word]);
        return WATCHED_NONE;
}

int watched_add(WatchedTable *table, uint32_t root, const uint8_t id[static 32], uint32_t *ret_slot) {
        uint32_t slot;
        int r;

        assert(root <= UINT8_MAX);
        assert(watched_find(table, root, id) == WATCHED_NONE);
        if (table->n >= WATCHED_MAX)
                return -ENOSPC;
        if (table->n == table->capacity) {
                r = grow(table);
                if (r < 0)
                        return r;
        }
        slot = lowest_free(table);
        table->items[slot] = (Watched){.root = (uint8_t) root, .writer_append = UNKNOWN};
        memcpy(table->items[slot].id, id, sizeof(table->items[slot].id));
        memset(table->items[slot].position, 0xff, sizeof(table->items[slot].position));
        table->index[index_place(table, root, id)] = slot + 1;
        table->used[slot / 64] |= UINT64_C(1) << slot % 64;
        table->n++;
        *ret_slot = slot;
        return 0;
}

void watched_remove(WatchedTable *table, uint32_t slot) {
        Watched *watched = watched_get(table, slot);

        if (!watched)
                return;
        for (WatchedList list = 0; list < _WATCHED_LIST_MAX; list++)
                watched_list_remove(table, list, slot);
        index_remove(table, index_place(table, watched->root, watched->id));
        table->used[slot / 64] &= ~(UINT64_C(1) << slot % 64);
        table->n--;
}

Watched *watched_get(const WatchedTable *table, uint32_t slot) {
        if (slot >= table->capacity || !(table->used[slot / 64] >> slot % 64 & 1))
                return NULL;
        return &table->items[slot];
}

uint32_t watched_find(const WatchedTable *table, uint32_t root, const uint8_t id[static 32]) {
        if (table->capacity == 0)
                return WATCHED_NONE;
        return table->index[index_place(table, root, id)] - 1; /* 0 - 1 is WATCHED_NONE */
}

uint32_t watched_next(const WatchedTable *table, uint32_t slot) {
        for (; slot < table->capacity; slot = (slot / 64 + 1) * 64) {
                uint64_t rest = table->used[slot / 64] >> slot % 64;
                if (rest != 0)
                        return slot + (uint32_t) __builtin_ctzll(rest);
        }
        return WATCHED_NONE;
}

void watched_list_add(WatchedTable *table, WatchedList list, uint32_t slot) {
        Watched *watched = &table->items[slot];

        if (watched_is_listed(watched, list))
                return;
        watched->position[list] = table->n_listed[list];
        table->lists[list][table->n_listed[list]++] = slot;
}

void watched_list_remove(WatchedTable *table, WatchedList list, uint32_t slot) {
        Watched *watched = &table->items[slot];
        uint32_t last;

        if (!watched_is_listed(watched, list))
                return;
        last = table->lists[list][--table->n_listed[list]];
        table->lists[list][watched->position[list]] = last;
        table->items[last].position[list] = watched->position[list];
        watched->position[list] = WATCHED_NONE;
}
