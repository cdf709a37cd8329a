/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "state.h"

#define STATE_MAGIC UINT64_C(0x646272656b737431)
#define SLOTS 2
#define ALIGN(n) (((n) + 63) & ~(size_t) 63) /* a cache line */

typedef struct Head {
        uint64_t magic;
        uint64_t layout; /* of the sizes and the version: other ones mean other structs */
} Head;

typedef struct Slot {
        _Atomic uint64_t serial; /* the higher one counts; 0: being written, or empty */
        uint64_t sum;            /* of the serial and the data */
        uint64_t n_bytes;        /* 0: empty on purpose */
        char data[];
} Slot;

struct State {
        const StateLayout *layout;
        char *map;
        size_t map_bytes;
};

/* Against slots that were half written and versions that differ, not against an enemy: words are mixed one after the
 * other (FNV-1a over 64-bit words). */
static uint64_t sum_over(uint64_t sum, const void *data, size_t n_bytes) {
        const char *p = data;
        uint64_t word;

        for (; n_bytes > 0; p += sizeof(word)) {
                size_t n = MIN(n_bytes, sizeof(word));

                word = 0;
                memcpy(&word, p, n);
                sum = (sum ^ word) * UINT64_C(0x100000001b3);
                sum ^= sum >> 32; /* the high bits back into the low ones, which the product never does */
                n_bytes -= n;
        }
        return sum;
}

static uint64_t layout_sum(const StateLayout *layout) {
        uint64_t sum = sum_over(STATE_MAGIC, DISKBRAKE_VERSION, sizeof(DISKBRAKE_VERSION));

        return sum_over(sum, layout->record_bytes, layout->n_records * sizeof(*layout->record_bytes));
}

static size_t slot_bytes(const StateLayout *layout, size_t record) {
        return ALIGN(sizeof(Slot) + layout->record_bytes[record]);
}

static size_t offset_of(const StateLayout *layout, size_t record) {
        size_t offset = ALIGN(sizeof(Head));

        for (size_t i = 0; i < record; i++)
                offset += SLOTS * slot_bytes(layout, i);
        return offset;
}

int state_make(const StateLayout *layout, int *ret_fd) {
        _cleanup_close_ int fd = memfd_create("diskbrake-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        if (fd < 0 || ftruncate(fd, (off_t) offset_of(layout, layout->n_records)) < 0)
                return -errno;
        /* Who maps it could be killed (SIGBUS) by whoever makes it shorter. */
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

bool state_fits(int fd, const StateLayout *layout) {
        int seals = fcntl(fd, F_GET_SEALS);
        struct stat st;

        return seals >= 0 && (seals & F_SEAL_SHRINK) && fstat(fd, &st) == 0 &&
                (size_t) st.st_size == offset_of(layout, layout->n_records);
}

int state_open(int fd, const StateLayout *layout, State **ret_state) {
        _cleanup_(state_freep) State *s = calloc(1, sizeof(*s));
        Head *head;

        if (!s)
                return -ENOMEM;
        if (!state_fits(fd, layout))
                return -EINVAL;
        s->layout = layout;
        s->map_bytes = offset_of(layout, layout->n_records);
        s->map = mmap(NULL, s->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (s->map == MAP_FAILED) {
                s->map = NULL;
                return -errno;
        }
        head = (Head *) (void *) s->map;
        if (head->magic != STATE_MAGIC || head->layout != layout_sum(layout)) {
                memset(s->map, 0, s->map_bytes);
                *head = (Head){STATE_MAGIC, layout_sum(layout)};
        }
        *ret_state = TAKE_PTR(s);
        return 0;
}

State *state_free(State *s) {
        if (s && s->map)
                (void) munmap(s->map, s->map_bytes);
        free(s);
        return NULL;
}

static Slot *slot_at(const State *s, size_t record, size_t i) {
        return (Slot *) (void *) (s->map + offset_of(s->layout, record) + i * slot_bytes(s->layout, record));
}

static uint64_t serial_of(const Slot *slot) { return atomic_load_explicit(&slot->serial, memory_order_acquire); }

static uint64_t slot_sum(const Slot *slot, uint64_t serial) {
        uint64_t sum = sum_over(STATE_MAGIC, &serial, sizeof(serial));

        sum = sum_over(sum, &slot->n_bytes, sizeof(slot->n_bytes));
        return sum_over(sum, slot->data, slot->n_bytes);
}

/* The newest slot that is valid; NULL: neither is. */
static Slot *find_valid(const State *s, size_t record) {
        Slot *best = NULL;

        for (size_t i = 0; i < SLOTS; i++) {
                Slot *slot = slot_at(s, record, i);
                uint64_t serial = serial_of(slot);

                if (serial == 0 || slot->n_bytes > s->layout->record_bytes[record] ||
                    slot->sum != slot_sum(slot, serial) || (best && serial_of(best) > serial))
                        continue;
                best = slot;
        }
        return best;
}

void state_put(State *s, size_t record, const void *data) {
        /* No checksum of the old one is needed to see which one to leave alone: the one with the higher serial. */
        uint64_t serials[SLOTS] = {serial_of(slot_at(s, record, 0)), serial_of(slot_at(s, record, 1))};
        Slot *slot = slot_at(s, record, serials[0] > serials[1]);
        uint64_t serial = MAX(serials[0], serials[1]) + 1;

        atomic_store_explicit(&slot->serial, 0, memory_order_seq_cst);
        slot->n_bytes = data ? s->layout->record_bytes[record] : 0;
        if (data)
                memcpy(slot->data, data, slot->n_bytes);
        slot->sum = slot_sum(slot, serial);
        atomic_store_explicit(&slot->serial, serial, memory_order_seq_cst);
}

bool state_get(const State *s, size_t record, void *ret_data) {
        const Slot *slot = find_valid(s, record);

        if (!slot || slot->n_bytes != s->layout->record_bytes[record])
                return false;
        memcpy(ret_data, slot->data, slot->n_bytes);
        return true;
}
