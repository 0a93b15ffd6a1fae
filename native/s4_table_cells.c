/*
 * Cells: claimed by key, closed by the steward, read by anyone; and the freeze words.
 *
 * A window is never reset: its start is in the key, so the next window is another cell.  A closed
 * cell's record is reused for another key with a higher generation; whoever still holds the old
 * generation is told S4_STALE.
 */
#include "s4_table.h"

/* Ids are small numbers given out by us, not chosen by callers: a mixer is enough (splitmix64). */
static uint64_t mix(uint64_t x) {
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

uint64_t s4_cell_hash(const s4_table *t, uint32_t budget, uint32_t kind, int64_t start_s,
                      const uint32_t ids[S4_IDS_MAX]) {
    uint64_t hash = mix((uint64_t)budget << 32 | kind) + (uint64_t)start_s;
    hash = mix(hash) + ((uint64_t)ids[0] << 32 | ids[1]);
    hash = mix(hash) + ((uint64_t)ids[2] << 32 | ids[3]);
    return mix(hash) & t->cell_mask;
}

static int has_key(const s4_cell *cell, uint32_t budget, uint32_t kind, int64_t start_s,
                   const uint32_t ids[S4_IDS_MAX]) {
    return cell->budget == budget && cell->kind == kind && cell->start_s == start_s &&
           memcmp(cell->ids, ids, sizeof cell->ids) == 0;
}

/* The key is written under the lock, as scratch of a closed cell, and read without it by copies
 * that are thrown away when seq moved meanwhile: so both are atomic, in no order of their own. */
#define PUT(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)
#define GET(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)

/* Writes the fields that a free cell holds as scratch; the control word stays closed. */
static void prepare(s4_cell *cell, uint32_t budget, uint32_t kind, int64_t start_s,
                    const uint32_t ids[S4_IDS_MAX], int64_t limit, int64_t stated) {
    /* Release fence: a reader that copies any word below, and believed that the cell was still the
     * old one, also sees that `seq` moved when it was closed, by whichever process. */
    atomic_thread_fence(memory_order_release);
    s4_put(&cell->limit, limit);
    s4_put(&cell->stated, stated);
    s4_word *zeros[] = {&cell->used, &cell->charged, &cell->accrued,
                        &cell->open, &cell->denials, &cell->overrun,
                        &cell->arrival_ns};
    for (size_t i = 0; i < sizeof zeros / sizeof *zeros; i++) s4_put(zeros[i], 0);
    PUT(cell->budget, budget);
    PUT(cell->kind, kind);
    PUT(cell->start_s, start_s);
    for (int i = 0; i < S4_IDS_MAX; i++) PUT(cell->ids[i], ids[i]);
}

/* Under the lock: the index of a free cell, the words that take it already in the redo record. */
static int64_t take_cell(s4_table *t) {
    int64_t index = s4_get(&t->root->cell_free) - 1;
    if (index >= 0) {
        s4_redo_set(t, &t->root->cell_free, s4_get(&t->cells[index].link));
        return index;
    }
    index = s4_get(&t->root->cell_fresh);
    if (index >= t->sizes.cells) return S4_FULL;
    s4_redo_set(t, &t->root->cell_fresh, index + 1);
    return index;
}

/* Whether a key may take one of the last cells: one without values, or with nothing but `other`.
 * There are few of those, and a request that found no cell for its own values falls back on one;
 * without them callers that make up values could keep a new window from opening. */
static int may_take_the_last(const uint32_t ids[S4_IDS_MAX]) {
    for (int i = 0; i < S4_IDS_MAX; i++)
        if (ids[i] > S4_DIMENSIONS) return 0;
    return 1;
}

static int64_t open_cell(s4_table *t, s4_word *bucket, uint32_t budget, uint32_t kind,
                         int64_t start_s, const uint32_t ids[S4_IDS_MAX], int64_t limit,
                         int64_t stated) {
    int64_t kept = t->sizes.cells / S4_CELLS_KEPT;
    if (s4_get(&t->root->cells_open) >= t->sizes.cells - kept && !may_take_the_last(ids))
        return S4_FULL;
    s4_redo_begin(t);
    int64_t index = take_cell(t);
    if (index < 0) return index;
    s4_cell *cell = &t->cells[index];
    prepare(cell, budget, kind, start_s, ids, limit, stated);
    int64_t generation = (s4_get(&cell->control) >> 1) + 1;
    s4_redo_set(t, &cell->control, (generation & UINT32_MAX) << 1 | 1);
    s4_redo_set(t, &cell->link, s4_get(bucket));
    s4_redo_set(t, bucket, index + 1);
    s4_redo_set(t, &t->root->cells_open, s4_get(&t->root->cells_open) + 1);
    s4_values_count(t, ids, 1);
    s4_redo_commit(t);
    return index;
}

static int64_t find_or_open(s4_table *t, uint32_t budget, uint32_t kind, int64_t start_s,
                            const uint32_t ids[S4_IDS_MAX], uint32_t n, int64_t limit,
                            int64_t stated) {
    for (uint32_t i = 0; i < n; i++)
        if (!s4_value_touch(t, ids[i])) return S4_STALE;
    s4_word *bucket = &t->cell_buckets[s4_cell_hash(t, budget, kind, start_s, ids)];
    int64_t at = s4_get(bucket);
    for (; at; at = s4_get(&t->cells[at - 1].link))
        if (has_key(&t->cells[at - 1], budget, kind, start_s, ids)) return at - 1;
    return open_cell(t, bucket, budget, kind, start_s, ids, limit, stated);
}

int64_t s4_table_claim(s4_table *t, uint32_t budget, uint32_t kind, int64_t start_s,
                       const uint32_t *ids, uint32_t n, int64_t limit, int64_t stated,
                       uint32_t *generation) {
    if (n > S4_IDS_MAX || kind >= S4_WINDOWS || limit < 0 || limit > S4_NUSD_MAX || stated < 0 ||
        stated > S4_NUSD_MAX)
        return S4_INVALID;
    uint32_t key[S4_IDS_MAX] = {0};
    if (n) memcpy(key, ids, n * sizeof *key);
    int code = s4_lock(t, S4_LOCK_FAST_MS);
    if (code) return code;
    int64_t index = find_or_open(t, budget, kind, start_s, key, n, limit, stated);
    if (index >= 0) {
        *generation = (uint32_t)(s4_get(&t->cells[index].control) >> 1);
        s4_put(&t->cells[index].touched_ns, s4_now_ns(CLOCK_MONOTONIC_COARSE));
    }
    s4_unlock(t);
    return index;
}

int s4_table_set_limit(s4_table *t, uint32_t cell, uint32_t generation, int64_t limit,
                       int64_t stated) {
    if (cell >= t->sizes.cells || limit < 0 || limit > S4_NUSD_MAX || stated < 0 ||
        stated > S4_NUSD_MAX)
        return S4_INVALID;
    int code = s4_lock(t, S4_LOCK_SLOW_MS);
    if (code) return code;
    if (s4_cell_is_open(t, cell, generation)) {
        s4_redo_begin(t);
        s4_redo_set(t, &t->cells[cell].limit, limit);
        s4_redo_set(t, &t->cells[cell].stated, stated);
        s4_redo_commit(t);
    } else {
        code = S4_STALE;
    }
    s4_unlock(t);
    return code;
}

int s4_table_set_mark(s4_table *t, uint32_t cell, uint32_t generation, int64_t mark) {
    if (cell >= t->sizes.cells || mark < 0) return S4_INVALID;
    int code = s4_lock(t, S4_LOCK_SLOW_MS);
    if (code) return code;
    if (s4_cell_is_open(t, cell, generation))
        s4_put(&t->cells[cell].mark, mark); /* one word: all or nothing by itself */
    else
        code = S4_STALE;
    s4_unlock(t);
    return code;
}

/* Under the lock: the word that leads to a cell, in its bucket or in the cell before it. */
static s4_word *link_to(s4_table *t, const s4_cell *cell) {
    int64_t wanted = cell - t->cells + 1;
    s4_word *link =
        &t->cell_buckets[s4_cell_hash(t, cell->budget, cell->kind, cell->start_s, cell->ids)];
    while (s4_get(link) && s4_get(link) != wanted) link = &t->cells[s4_get(link) - 1].link;
    return link;
}

static int close_cell(s4_table *t, uint32_t index, uint32_t generation) {
    s4_cell *cell = &t->cells[index];
    if (!s4_cell_is_open(t, index, generation)) return S4_STALE;
    if (s4_get(&cell->open)) return S4_IN_USE;
    s4_word *link = link_to(t, cell);
    if (!s4_get(link)) return S4_DAMAGED; /* an open cell is always in its bucket */
    s4_redo_begin(t);
    s4_redo_set(t, link, s4_get(&cell->link));
    s4_redo_set(t, &cell->control, (int64_t)generation << 1);
    s4_redo_set(t, &cell->link, s4_get(&t->root->cell_free));
    s4_redo_set(t, &t->root->cell_free, (int64_t)index + 1);
    s4_redo_set(t, &t->root->cells_open, s4_get(&t->root->cells_open) - 1);
    s4_values_count(t, cell->ids, -1);
    s4_redo_commit(t);
    return S4_OK;
}

int s4_table_close_cell(s4_table *t, uint32_t cell, uint32_t generation) {
    if (cell >= t->sizes.cells) return S4_INVALID;
    int code = s4_lock(t, S4_LOCK_SLOW_MS);
    if (code) return code;
    code = close_cell(t, cell, generation);
    s4_unlock(t);
    return code;
}

/* -- reading without the lock ------------------------------------------------------------------ */

static void copy_cell(s4_table *t, uint32_t index, s4_cell_info *out) {
    const s4_cell *cell = &t->cells[index];
    int64_t control = s4_get(&cell->control);
    out->index = index;
    out->generation = (uint32_t)(control >> 1);
    out->spare = control & 1;
    out->budget = GET(cell->budget);
    out->kind = GET(cell->kind);
    out->start_s = GET(cell->start_s);
    for (int i = 0; i < S4_IDS_MAX; i++) out->ids[i] = GET(cell->ids[i]);
    out->limit = s4_get(&cell->limit);
    out->stated = s4_get(&cell->stated);
    out->used = s4_get(&cell->used);
    out->charged = s4_get(&cell->charged);
    out->accrued = s4_get(&cell->accrued);
    out->open = s4_get(&cell->open);
    out->denials = s4_get(&cell->denials);
    out->overrun = s4_get(&cell->overrun);
    out->touched_ns = s4_get(&cell->touched_ns);
    out->arrival_ns = s4_get(&cell->arrival_ns);
    out->is_frozen = (uint32_t)s4_is_frozen(t, out->budget);
}

/* A copy is whole when no operation was applied meanwhile.  It takes ~20 ns and an application ~20,
 * so a few tries do even when all workers are busy; what defeats 1,000 is an owner that died half
 * way, and taking the lock repairs that. */
#define TRIES 1000

static int64_t begin_copy(const s4_table *t) { return s4_get_acquire(&t->root->seq); }

static int is_whole(const s4_table *t, int64_t before) {
    /* Acquire fence: the copies are read before seq is read again. */
    atomic_thread_fence(memory_order_acquire);
    return before % 2 == 0 && before == s4_get(&t->root->seq);
}

static int read_cell(s4_table *t, uint32_t index, s4_cell_info *out) {
    for (int tries = 0; tries < TRIES; tries++) {
        int64_t before = begin_copy(t);
        copy_cell(t, index, out);
        if (is_whole(t, before)) return S4_OK;
    }
    int code = s4_lock(t, S4_LOCK_SLOW_MS);
    if (code) return code;
    copy_cell(t, index, out);
    s4_unlock(t);
    return S4_OK;
}

int s4_table_cells(s4_table *t, uint32_t *cursor, s4_cell_info *out, uint32_t room) {
    uint32_t n = 0;
    int64_t fresh = s4_get_acquire(&t->root->cell_fresh);
    for (; n < room && *cursor < fresh && *cursor < t->sizes.cells; ++*cursor) {
        int code = read_cell(t, *cursor, &out[n]);
        if (code) return code;
        if (out[n].spare) out[n++].spare = 0; /* open */
    }
    return (int)n;
}

/* -- freeze ------------------------------------------------------------------------------------ */

/* -1, or the budget's place in the list. */
static int64_t frozen_at(const s4_table *t, uint32_t budget) {
    int64_t n = s4_get(&t->root->frozen_n);
    for (int64_t i = 0; i < n && i < S4_FROZEN_MAX; i++)
        if (s4_get(&t->root->frozen[i]) == budget) return i;
    return -1;
}

int s4_is_frozen(const s4_table *t, uint32_t budget) {
    return s4_get(&t->root->frozen_all) || frozen_at(t, budget) >= 0;
}

int s4_table_freeze(s4_table *t, uint32_t budget) {
    int code = s4_lock(t, S4_LOCK_SLOW_MS);
    if (code) return code;
    s4_root *root = t->root;
    int64_t n = s4_get(&root->frozen_n);
    s4_redo_begin(t);
    if (budget == 0 || (frozen_at(t, budget) < 0 && n >= S4_FROZEN_MAX)) {
        s4_redo_set(t, &root->frozen_all, 1);
    } else if (frozen_at(t, budget) < 0) {
        s4_redo_set(t, &root->frozen[n], budget);
        s4_redo_set(t, &root->frozen_n, n + 1);
    }
    s4_redo_commit(t);
    s4_unlock(t);
    return S4_OK;
}

int s4_table_release(s4_table *t, uint32_t budget) {
    int code = s4_lock(t, S4_LOCK_SLOW_MS);
    if (code) return code;
    s4_root *root = t->root;
    int64_t n = s4_get(&root->frozen_n), at = frozen_at(t, budget);
    s4_redo_begin(t);
    if (budget == 0) {
        s4_redo_set(t, &root->frozen_all, 0);
    } else if (at >= 0) {
        s4_redo_set(t, &root->frozen[at], s4_get(&root->frozen[n - 1]));
        s4_redo_set(t, &root->frozen_n, n - 1);
    }
    s4_redo_commit(t);
    s4_unlock(t);
    return S4_OK;
}

static int copy_frozen(const s4_table *t, uint32_t *out) {
    int n = 0;
    if (s4_get(&t->root->frozen_all)) out[n++] = 0;
    int64_t listed = s4_get(&t->root->frozen_n);
    for (int64_t i = 0; i < listed && i < S4_FROZEN_MAX; i++)
        out[n++] = (uint32_t)s4_get(&t->root->frozen[i]);
    return n;
}

int s4_table_frozen(s4_table *t, uint32_t *out) {
    for (int tries = 0; tries < TRIES; tries++) {
        int64_t before = begin_copy(t);
        int n = copy_frozen(t, out);
        if (is_whole(t, before)) return n;
    }
    int code = s4_lock(t, S4_LOCK_SLOW_MS);
    int n = copy_frozen(t, out); /* without the lock it may be of two instants, which people bear */
    if (code == S4_OK) s4_unlock(t);
    return n;
}
