/*
 * The counter table in shared memory: layout, and what its source files share.
 *
 * Theory of operation
 * -------------------
 * One file is mapped by every process.  It holds money: cells (one per budget, window and scope)
 * and leases (one per running exchange).  What moves money is one operation under one lock:
 *
 *     lock, look, write the redo record, valid := 1, apply it word by word, valid := 0, unlock
 *
 * The lock is a process-shared robust mutex: when its owner dies the kernel hands it on with
 * EOWNERDEAD, and the next owner applies the redo record if it is valid.  The record holds new
 * values, never differences, so applying it twice is applying it once, and a recoverer may die too.
 * Hence an operation either never happened or is completed, whatever instruction SIGKILL strikes.
 *
 * Who writes what
 *   the holder of the lock   every word that a redo record names, and only through the record;
 *                            scratch: free records and unpublished rows, before they are linked
 *   the owner of a slot      without the lock: its heartbeat, state, counters; reserved -> sent of
 *                            its own leases; the ring head, for rows without money
 *   the steward              without the lock: the ring tails
 *   the master               without the lock: the clock, the clean mark, the generation
 * No word has two unlocked writers, and a word written both ways (lease control, ring head) is
 * written under the lock by another process only once its owner is dead.
 *
 * Why the orderings suffice, also on ARM.  (1) Death.  SIGKILL stops a thread between two
 * instructions: what it stored is a prefix of its program order, and the kernel's hand-over of the
 * lock word (atomic, ordered) publishes all of that prefix to the next owner.  So the commit point
 * only needs program order: record, valid := 1, words, valid := 0, kept by release stores.
 * (2) Readers without the lock.  A sequence lock: `seq` is odd while words are applied; each word
 * is a release store, and so is the one that makes it even; the reader acquires it, reads, has an
 * acquire fence, and reads it again.  (3) A row or value published by linking it: the word that
 * links is released after its bytes, the reader acquires the head or the bucket.  tests/model lists
 * every access without the lock, and shows what breaks with a weaker order.
 *
 * What may be stale: slot words and counters (shown to people), `touched` (closes idle cells a few
 * milliseconds late).  Money never.  If a process is stopped inside its ~50 ns section the others
 * refuse after 50 ms until the master kills it.  A file that the next owner cannot repair makes
 * the lock unrecoverable: every call answers S4_DAMAGED, so the firewall fails closed.
 *
 * Alternatives measured and rejected: compare-and-swap per cell with rollback (as fast, one
 * ambiguous cell per crash), per-worker shards (over the limit), an owner process (20-50 us per
 * request).  See docs/internals/table.md.
 */
#ifndef S4_TABLE_H
#define S4_TABLE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "s4_table_api.h"

#define S4_MAGIC UINT64_C(0x0a656c6261543453) /* "S4Table\n" */
#define S4_VERSION 1
#define S4_NUSD_MAX (INT64_C(1) << 62)
#define S4_REDO_WORDS 64 /* the largest operation, a settle over 8 cells, needs 47 */
#define S4_ROOT_BYTES 4096

/* Every word that a redo record may name: 8 aligned bytes, so a store is all or nothing. */
typedef _Atomic int64_t s4_word;
_Static_assert(sizeof(s4_word) == 8 && ATOMIC_LLONG_LOCK_FREE == 2, "words are single stores");

/* The signed part of the header: written once, before the file gets its name. */
typedef struct {
    uint64_t magic;
    uint32_t version;
    uint32_t format; /* folds the sizes of all records: builds that differ refuse to share */
    uint32_t slots, cells, leases, values, rows;
    uint32_t cell_buckets, value_buckets; /* powers of two */
    uint32_t spare;
    uint64_t slots_at, cells_at, leases_at, values_at;
    uint64_t cell_buckets_at, value_buckets_at, rows_at, bytes;
    uint8_t hash_key[16]; /* callers choose values: chains must not be theirs to choose */
    uint8_t reserved[380];
    uint32_t crc; /* crc32 of all before it */
} s4_static;
_Static_assert(sizeof(s4_static) == 512, "the signed part is 512 bytes");

typedef struct {
    s4_word offset; /* of the word, from the start of the file */
    s4_word value;  /* its new value */
} s4_redo_word;
_Static_assert(5 * S4_CELLS_MAX + 7 <= S4_REDO_WORDS,
               "five words a cell, two of the caller, lease, slot and ring");

/* The first page: everything that exists once. */
typedef struct {
    s4_static fixed;
    /* 512: published by the master */
    uint8_t boot_id[16]; /* of the boot in which `touched` was written */
    s4_word clean;
    s4_word generation;
    s4_word clock_offset_ns;
    s4_word starts[S4_WINDOWS];
    s4_word epoch;    /* raised by each sweep of the values: sets of cells are then built anew */
    s4_word swept_ns; /* CLOCK_BOOTTIME of that sweep */
    s4_word durable[32]; /* for what outlives the machine: checkpoints, marks */
    uint8_t pad_published[152];
    /* 1024: freeze */
    s4_word frozen_all;
    s4_word frozen_n;
    s4_word frozen[S4_FROZEN_MAX];
    /* 1536: free records.  Lists hold index + 1; "fresh" ones were never used: zero is empty */
    s4_word cell_free, cell_fresh, cells_open;
    s4_word value_free, value_fresh;
    s4_word values_of[S4_DIMENSIONS]; /* how many of each dimension, `other` not counted */
    uint8_t pad_free[344];
    /* 2048: the lock, alone on its line: those who wait for it must not slow its holder */
    pthread_mutex_t lock;
    uint8_t pad_lock[128 - sizeof(pthread_mutex_t)];
    /* 2176 */
    s4_word seq;
    s4_word redo_valid;
    s4_word redo_n;
    uint8_t pad_redo[40];
    s4_redo_word redo[S4_REDO_WORDS];
    uint8_t reserved[832];
} s4_root;
_Static_assert(offsetof(s4_root, frozen_all) == 1024, "layout");
_Static_assert(offsetof(s4_root, cell_free) == 1536, "layout");
_Static_assert(offsetof(s4_root, lock) == 2048, "layout");
_Static_assert(offsetof(s4_root, seq) == 2176, "layout");
_Static_assert(offsetof(s4_root, redo) == 2240, "layout");
_Static_assert(sizeof(s4_root) == S4_ROOT_BYTES, "the root is one page");

/* One process that may reserve.  Lines are apart by who writes them. */
typedef struct {
    s4_word pid, incarnation, heartbeat_ns, state, generation, kind;
    uint8_t pad_owner[16];
    s4_word lease_free, lease_fresh, open; /* through redo records */
    uint8_t pad_leases[40];
    s4_word head, dropped, told; /* told: the dropped rows that a gap row speaks of */
    uint8_t pad_head[40];
    s4_word tail;
    uint8_t pad_tail[56];
    uint64_t counters[S4_COUNTERS];
} s4_slot;
_Static_assert(offsetof(s4_slot, lease_free) == 64, "layout");
_Static_assert(offsetof(s4_slot, head) == 128, "layout");
_Static_assert(offsetof(s4_slot, tail) == 192, "layout");
_Static_assert(offsetof(s4_slot, counters) == 256, "layout");
_Static_assert(sizeof(s4_slot) == 768, "a slot is 12 lines");

/* One counter record: a hot line and a cold one.  used = charged + held, always. */
typedef struct {
    s4_word control; /* generation << 1 | is open */
    s4_word limit;   /* enforced */
    s4_word stated;  /* what people are told; differs from `limit` for a shadow budget */
    s4_word used;
    s4_word charged;
    s4_word accrued; /* part of charged */
    s4_word open;    /* leases that name it */
    s4_word touched_ns;
    uint32_t budget, kind; /* the key, fixed while open */
    int64_t start_s;
    uint32_t ids[S4_IDS_MAX];
    s4_word link; /* next in its bucket, or in the free list: index + 1 */
    s4_word denials;
    s4_word overrun;
    union { /* no cell counts both money and requests */
        s4_word arrival_ns; /* of a cell that paces requests: see s4_table_rates.c; else 0 */
        s4_word mark;       /* of a cell with money: its durable mark, see s4_table_set_mark */
    };
} s4_cell;
_Static_assert(offsetof(s4_cell, budget) == 64, "the first line is the hot one");
_Static_assert(sizeof(s4_cell) == 128, "a cell is two lines");

enum { S4_LEASE_FREE = 0, S4_LEASE_RESERVED = 1, S4_LEASE_SENT = 2 };

/* One promise.  All but the control word is scratch while free. */
typedef struct {
    s4_word control; /* generation << 2 | state */
    s4_word next;    /* in the free list: index + 1; scratch while open */
    int64_t amount;
    int64_t born_ns;
    uint32_t cell[S4_CELLS_MAX];
    uint32_t generation[S4_CELLS_MAX];
    uint32_t values[8];
    uint8_t request[16];
    uint32_t price;
    uint32_t n;
    uint32_t caller; /* index + 1 of the cell whose `open` counts it too; 0: none */
    uint8_t reserved[36];
} s4_lease;
_Static_assert(sizeof(s4_lease) == 192, "a lease is three lines");

enum { S4_VALUE_EMPTY = 0, S4_VALUE_LIVE = 1, S4_VALUE_RETIRED = 2 };

/* One interned value; its id is its index + 1. */
typedef struct {
    s4_word link;       /* next in its bucket, or in the free list: id */
    s4_word state;      /* S4_VALUE_* */
    s4_word cells;      /* open cells that have it in their key */
    s4_word touched_ns; /* CLOCK_BOOTTIME of the last intern or set of cells; or of retirement */
    uint32_t dimension;
    uint32_t bytes;
    uint8_t text[S4_VALUE_BYTES];
} s4_value;
_Static_assert(sizeof(s4_value) == 168, "a value is 168 bytes");

_Static_assert(sizeof(s4_row) == S4_ROW_BYTES, "a row is 256 bytes");
_Static_assert(offsetof(s4_row, values) == 40 && offsetof(s4_row, reserved) == 136, "row layout");
_Static_assert(offsetof(s4_row, price) == 152 && offsetof(s4_row, code) == 196, "row layout");

/* The handle: private to a process (copied by fork), so its sizes cannot be changed by others. */
struct s4_table {
    uint8_t *base;
    s4_root *root;
    s4_slot *slots;
    s4_cell *cells;
    s4_lease *leases;
    s4_value *values;
    s4_word *cell_buckets;
    s4_word *value_buckets;
    s4_row *rows;
    s4_sizes sizes;
    uint32_t cell_mask, value_mask, row_mask;
    int fd;      /* carries the "attached" lock: shared with forked children */
    int slot_fd; /* carries the slot's lock; -1: none */
    uint32_t slot;
    s4_slot *own; /* NULL: no slot joined */
    int is_strict;
    int is_marked;
    int64_t answer[2 + 2 * S4_CELLS_MAX];
    s4_row staging;
};

/* -- words ------------------------------------------------------------------------------------- */

/* Relaxed: the lock orders its holders; readers without it acquire, or look at seq. */
static inline int64_t s4_get(const s4_word *word) {
    return atomic_load_explicit((s4_word *)word, memory_order_relaxed);
}
static inline void s4_put(s4_word *word, int64_t value) {
    atomic_store_explicit(word, value, memory_order_relaxed);
}
/* Acquire and release: for words that publish others (ring heads and tails, buckets). */
static inline int64_t s4_get_acquire(const s4_word *word) {
    return atomic_load_explicit((s4_word *)word, memory_order_acquire);
}
static inline void s4_put_release(s4_word *word, int64_t value) {
    atomic_store_explicit(word, value, memory_order_release);
}

/* The coarse clock is right to a tick (1-4 ms) and costs 5 ns instead of 25. */
static inline int64_t s4_now_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* -- shared between the sources ---------------------------------------------------------------- */

/* s4_table_lock.c: S4_OK, S4_BUSY, or S4_DAMAGED. */
int s4_lock(s4_table *t, int deadline_ms);
void s4_unlock(s4_table *t);
int s4_lock_init(s4_table *t);
int s4_redo_is_sound(const s4_table *t);
void s4_redo_apply(s4_table *t);
/* Under the lock: begin, set each word once, commit (which applies). */
static inline void s4_redo_begin(s4_table *t) { s4_put(&t->root->redo_n, 0); }
static inline void s4_redo_set(s4_table *t, s4_word *word, int64_t value) {
    int64_t n = s4_get(&t->root->redo_n);
    s4_redo_word *redo = &t->root->redo[n];
    s4_put(&redo->offset, (uint8_t *)word - t->base);
    s4_put(&redo->value, value);
    s4_put(&t->root->redo_n, n + 1);
}
void s4_redo_commit(s4_table *t);

/* s4_table_file.c: opens the very same file once more, also when its name is another's by now. */
int s4_reopen(const s4_table *t);
/* s4_table_slots.c: an open-file-description lock on one byte. */
int s4_file_lock(int fd, short type, int64_t at, int is_waiting);
int s4_slot_is_live(const s4_table *t, uint32_t slot);
static inline int64_t s4_slot_byte(const s4_table *t, uint32_t slot) {
    return (int64_t)((uint8_t *)&t->slots[slot] - t->base);
}

/* s4_table_cells.c */
int s4_is_frozen(const s4_table *t, uint32_t budget);
uint64_t s4_cell_hash(const s4_table *t, uint32_t budget, uint32_t kind, int64_t start_s,
                      const uint32_t ids[S4_IDS_MAX]);
/* s4_table_values.c */
uint64_t s4_siphash(const uint8_t key[16], const void *bytes, size_t n);
/* Whether an id may be used; if so it counts as used now. */
int s4_value_touch(s4_table *t, uint32_t id);
/* Under the lock, into the redo record: one cell more or less names these values. */
void s4_values_count(s4_table *t, const uint32_t ids[S4_IDS_MAX], int64_t change);
/* s4_table_leases.c: one whole operation on an open lease, under the lock. */
void s4_resolve(s4_table *t, uint32_t slot, s4_lease *lease, int64_t actual, int is_accrued,
                const s4_row *source);
/* s4_table_leases.c, under the lock: `charged` of a cell grows by delta, with the staging row if
 * asked for; into the redo record.  `used` is the caller's to set. */
void s4_charge_more(s4_table *t, uint32_t index, int64_t delta, int is_accrued, int has_row);
/* s4_table_journal.c: puts a copy of `source` behind the head of a ring and the new head into the
 * redo record; NULL when it is full: the record then counts the gap. */
s4_row *s4_row_stage(s4_table *t, uint32_t slot, const s4_row *source);
/* s4_table_check.c: walks every list; S4_DAMAGED and a sentence where one is broken. */
int s4_check(const s4_table *t, char *problem);

static inline s4_lease *s4_lease_at(const s4_table *t, uint32_t slot, uint32_t index) {
    return &t->leases[(size_t)slot * t->sizes.leases + index];
}
static inline int s4_cell_is_open(const s4_table *t, uint32_t cell, uint32_t generation) {
    return s4_get(&t->cells[cell].control) == ((int64_t)generation << 1 | 1);
}
static inline s4_row *s4_row_at(const s4_table *t, uint32_t slot, int64_t at) {
    return &t->rows[(size_t)slot * t->sizes.rows + ((uint64_t)at & t->row_mask)];
}

/* -- fault points ------------------------------------------------------------------------------ */

/* Where the tests kill the process.  Nothing in the product's build. */
#ifdef S4_FAULTS
enum {
    S4_AT_LOCKED,
    S4_AT_WRITTEN, /* the redo record is complete, not yet valid */
    S4_AT_VALID,
    S4_AT_WORD, /* after each applied word */
    S4_AT_APPLIED, /* seq is even again */
    S4_AT_CLEARED, /* valid = 0 */
    S4_AT_UNLOCK,
    S4_AT_REPAIRING, /* a dead owner's record is about to be applied */
    S4_AT_REPAIRED, /* it is, where it was valid; the lock is not yet consistent */
    S4_AT_POINTS
};
void s4_fault(int point);
#define S4_FAULT(point) s4_fault(S4_AT_##point)
#else
#define S4_FAULT(point) ((void)0)
#endif

#endif
