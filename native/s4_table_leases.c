/*
 * Leases: the hot path.  Reserve, sent, settle, void; and correct, the late truth.
 *
 * Handles pack generation and index of a lease in the owner's slot, so a lease is resolved once: a
 * second settle finds another control word.
 */
#include "s4_table.h"

#define INDEX_BITS 32

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

int s4_table_cell_set(s4_table *t, s4_cell_set *set, const uint32_t *cells,
                      const uint32_t *generations, uint32_t n, const uint32_t *values) {
    if (n > S4_CELLS_MAX) return S4_INVALID;
    memset(set, 0, sizeof *set);
    for (uint32_t i = 0; i < n; i++) {
        if (cells[i] >= t->sizes.cells) return S4_INVALID;
        for (uint32_t j = 0; j < i; j++)
            if (cells[j] == cells[i]) return S4_INVALID; /* a redo record names each word once */
        set->cell[i] = cells[i];
        set->generation[i] = generations[i];
    }
    set->n = n;
    /* Before the values are touched: a sweep that comes between makes the set stale. */
    set->epoch = (uint32_t)s4_get_acquire(&t->root->epoch);
    memcpy(set->values, values, sizeof set->values);
    for (int i = 0; i < 8; i++)
        if (values[i] && !s4_value_touch(t, values[i])) return S4_STALE;
    return S4_OK;
}

int s4_table_limit_open(s4_table *t, s4_cell_set *set, uint32_t cell, uint32_t generation,
                        int64_t most) {
    if (cell >= t->sizes.cells || most < 1) return S4_INVALID;
    for (uint32_t i = 0; i < set->n; i++)
        if (set->cell[i] == cell) return S4_INVALID;
    set->caller = cell + 1;
    set->caller_generation = generation;
    set->open_max = most;
    set->held_max = 0;
    return S4_OK;
}

int s4_table_limit_held(s4_cell_set *set, int64_t most) {
    if (!set->caller || most < 1 || most > S4_NUSD_MAX) return S4_INVALID;
    set->held_max = most;
    return S4_OK;
}

int64_t *s4_table_answer(s4_table *t) { return t->answer; }

/* Under the lock: whether every cell is there and none is frozen; fills the answer on the way. */
static int look(s4_table *t, const s4_cell_set *set) {
    s4_root *root = t->root;
    t->answer[0] = -1;
    t->answer[1] = 0;
    if (s4_get(&root->epoch) != set->epoch) return S4_STALE;
    for (uint32_t i = 0; i < set->n; i++) {
        const s4_cell *cell = &t->cells[set->cell[i]];
        if (!s4_cell_is_open(t, set->cell[i], set->generation[i])) {
            t->answer[0] = i;
            return S4_STALE;
        }
        t->answer[2 + i] = s4_get(&cell->used);
        t->answer[2 + S4_CELLS_MAX + i] = s4_get(&cell->stated);
    }
    if (set->caller && !s4_cell_is_open(t, set->caller - 1, set->caller_generation)) {
        t->answer[0] = set->n;
        return S4_STALE;
    }
    if (s4_get(&root->frozen_all)) return S4_FROZEN;
    if (s4_get(&root->frozen_n) == 0) return S4_OK;
    for (uint32_t i = 0; i < set->n; i++) {
        if (!s4_is_frozen(t, t->cells[set->cell[i]].budget)) continue;
        t->answer[0] = i;
        return S4_FROZEN;
    }
    return S4_OK;
}

/* Under the lock: whether the caller has as many leases open, or holds as much, as it may; such a
 * refusal counts.  A caller without a lease may always have one: a share is no limit of a call. */
static int is_crowded(s4_table *t, const s4_cell_set *set, int64_t amount) {
    if (!set->caller) return 0;
    s4_cell *caller = &t->cells[set->caller - 1];
    int64_t open = s4_get(&caller->open);
    int64_t most = set->held_max ? set->held_max : S4_NUSD_MAX; /* the sum stays an int64 */
    int is_heavy = open && amount > most - s4_get(&caller->used);
    if (open < set->open_max && !is_heavy) return 0;
    t->answer[0] = open < set->open_max;
    s4_put(&caller->denials, s4_get(&caller->denials) + 1);
    return 1;
}

/* Under the lock: the first cell that the amount does not fit, its denial counted; or -1. */
static int64_t find_denial(s4_table *t, const s4_cell_set *set, int64_t amount) {
    for (uint32_t i = 0; i < set->n; i++) {
        s4_cell *cell = &t->cells[set->cell[i]];
        /* Never used + amount: used may be near 2^63 after an overrun under a shadow budget. */
        if (amount <= s4_get(&cell->limit) - s4_get(&cell->used)) continue;
        s4_put(&cell->denials, s4_get(&cell->denials) + 1); /* one word: all or nothing by itself */
        return i;
    }
    return -1;
}

/* Under the lock: the first cell whose durable mark the amount would pass, or -1.  The mark is
 * never above what the disk says, so what a power loss can forget is at most what is below it. */
static int64_t find_unmarked(const s4_table *t, const s4_cell_set *set, int64_t amount) {
    if (!t->is_marked) return -1;
    for (uint32_t i = 0; i < set->n; i++) {
        const s4_cell *cell = &t->cells[set->cell[i]];
        if (cell->kind >= S4_MARKED_FROM && amount > s4_get(&cell->mark) - s4_get(&cell->used))
            return i;
    }
    return -1;
}

/* Under the lock: a free lease of our slot, the words that take it in the redo record; or NULL. */
static s4_lease *take_lease(s4_table *t) {
    int64_t index = s4_get(&t->own->lease_free) - 1;
    if (index >= 0) {
        s4_lease *lease = s4_lease_at(t, t->slot, (uint32_t)index);
        s4_redo_set(t, &t->own->lease_free, s4_get(&lease->next));
        return lease;
    }
    index = s4_get(&t->own->lease_fresh);
    if (index >= t->sizes.leases) return NULL;
    s4_redo_set(t, &t->own->lease_fresh, index + 1);
    return s4_lease_at(t, t->slot, (uint32_t)index);
}

static void describe(s4_lease *lease, const s4_cell_set *set, int64_t amount, int64_t now,
                     const uint8_t *request, uint32_t price) {
    lease->amount = amount;
    lease->born_ns = now;
    lease->n = set->n;
    lease->price = price;
    lease->caller = set->caller;
    memcpy(lease->cell, set->cell, sizeof lease->cell);
    memcpy(lease->generation, set->generation, sizeof lease->generation);
    memcpy(lease->values, set->values, sizeof lease->values);
    memcpy(lease->request, request, sizeof lease->request);
}

/* Under the lock, everything looked at: nothing below may fail once a lease is free. */
static int64_t promise(s4_table *t, const s4_cell_set *set, int64_t amount, const uint8_t *request,
                       uint32_t price) {
    int64_t now = s4_now_ns(CLOCK_MONOTONIC_COARSE);
    s4_redo_begin(t);
    s4_lease *lease = take_lease(t);
    if (!lease) return S4_FULL;
    describe(lease, set, amount, now, request, price);
    int64_t passed = 0;
    for (uint32_t i = 0; i < set->n; i++) {
        s4_cell *cell = &t->cells[set->cell[i]];
        int64_t used = s4_get(&cell->used) + amount;
        s4_redo_set(t, &cell->used, used);
        s4_redo_set(t, &cell->open, s4_get(&cell->open) + 1);
        s4_put(&cell->touched_ns, now);
        t->answer[2 + i] = used;
        passed |= (int64_t)(used > s4_get(&cell->stated)) << i;
    }
    t->answer[1] = passed;
    if (set->caller) {
        s4_cell *caller = &t->cells[set->caller - 1];
        s4_redo_set(t, &caller->open, s4_get(&caller->open) + 1);
        s4_redo_set(t, &caller->used, s4_get(&caller->used) + amount); /* nothing is charged here */
        s4_put(&caller->touched_ns, now);
    }
    int64_t generation = ((s4_get(&lease->control) >> 2) + 1) & INT32_MAX;
    s4_redo_set(t, &lease->control, generation << 2 | S4_LEASE_RESERVED);
    s4_redo_set(t, &t->own->open, s4_get(&t->own->open) + 1);
    s4_redo_commit(t);
    return generation << INDEX_BITS | (lease - s4_lease_at(t, t->slot, 0));
}

/* Strict: every open lease keeps room for its row. */
static int has_row_room(const s4_table *t) {
    int64_t rows = s4_get(&t->own->head) - s4_get_acquire(&t->own->tail);
    return rows + s4_get(&t->own->open) < t->sizes.rows;
}

int64_t s4_table_reserve(s4_table *t, const s4_cell_set *set, int64_t amount,
                         const uint8_t *request, uint32_t price) {
    if (!t->own || amount < 0 || set->n > S4_CELLS_MAX) return S4_INVALID;
    amount = smaller(amount, S4_NUSD_MAX);
    int64_t result = s4_lock(t, S4_LOCK_FAST_MS);
    if (result) return result;
    result = look(t, set);
    if (result == S4_OK && is_crowded(t, set, amount)) result = S4_CROWDED;
    if (result == S4_OK) {
        int64_t denial = find_denial(t, set, amount), unmarked = -1;
        if (denial >= 0) {
            t->answer[0] = denial;
            result = S4_DENIED;
        } else if ((unmarked = find_unmarked(t, set, amount)) >= 0) {
            t->answer[0] = unmarked;
            result = S4_UNMARKED;
        } else if (t->is_strict && !has_row_room(t)) {
            result = S4_RING_FULL;
        } else {
            result = promise(t, set, amount, request, price);
        }
    }
    s4_unlock(t);
    return result;
}

/* The lease of a handle while it is open, else NULL.  Only the owner resolves its leases while it
 * lives, so this needs no lock. */
static s4_lease *find_open(s4_table *t, int64_t handle) {
    uint32_t index = (uint32_t)handle;
    if (!t->own || handle < 0 || index >= t->sizes.leases) return NULL;
    s4_lease *lease = s4_lease_at(t, t->slot, index);
    int64_t control = s4_get(&lease->control);
    int is_open = (control & 3) != S4_LEASE_FREE && control >> 2 == handle >> INDEX_BITS;
    return is_open ? lease : NULL;
}

int s4_table_sent(s4_table *t, int64_t handle) {
    s4_lease *lease = find_open(t, handle);
    if (!lease) return S4_ALREADY;
    /* Release, and before any byte goes out: who recovers us after a byte went out sees it. */
    s4_put_release(&lease->control, (s4_get(&lease->control) & ~INT64_C(3)) | S4_LEASE_SENT);
    return S4_OK;
}

/* Moves one cell of a lease that ends: the hold goes, the charge comes. */
static void resolve_cell(s4_table *t, s4_cell *cell, int64_t amount, int64_t actual,
                         int is_accrued) {
    int64_t charged = s4_get(&cell->charged);
    /* Saturates below 2^62; held <= 2^62 always, so used = charged + held stays an int64. */
    int64_t added = smaller(actual, S4_NUSD_MAX - 1 - charged);
    s4_redo_set(t, &cell->used, s4_get(&cell->used) - amount + added);
    s4_redo_set(t, &cell->open, s4_get(&cell->open) - 1);
    if (added) s4_redo_set(t, &cell->charged, charged + added);
    if (added && is_accrued) s4_redo_set(t, &cell->accrued, s4_get(&cell->accrued) + added);
    if (actual > amount) {
        int64_t overrun = s4_get(&cell->overrun);
        s4_redo_set(t, &cell->overrun, overrun + smaller(actual - amount, S4_NUSD_MAX - overrun));
    }
}

static void fill_row(s4_row *row, const s4_lease *lease, int64_t charged) {
    memcpy(row->request, lease->request, sizeof row->request);
    memcpy(row->values, lease->values, sizeof row->values);
    memcpy(row->cell, lease->cell, sizeof row->cell);
    memcpy(row->generation, lease->generation, sizeof row->generation);
    row->n = (uint8_t)lease->n;
    row->reserved = lease->amount;
    row->charged = charged;
    row->price = lease->price;
}

void s4_resolve(s4_table *t, uint32_t slot, s4_lease *lease, int64_t actual, int is_accrued,
                const s4_row *source) {
    s4_slot *s = &t->slots[slot];
    s4_redo_begin(t);
    for (uint32_t i = 0; i < lease->n; i++)
        resolve_cell(t, &t->cells[lease->cell[i]], lease->amount, actual, is_accrued);
    if (lease->caller) {
        s4_cell *caller = &t->cells[lease->caller - 1];
        int64_t held = s4_get(&caller->used) - lease->amount;
        s4_redo_set(t, &caller->open, s4_get(&caller->open) - 1);
        s4_redo_set(t, &caller->used, held > 0 ? held : 0); /* of an older build's lease: unknown */
    }
    s4_row *row = s4_row_stage(t, slot, source);
    if (row) fill_row(row, lease, actual);
    s4_put(&lease->next, s4_get(&s->lease_free)); /* scratch until the control word says free */
    s4_redo_set(t, &lease->control, s4_get(&lease->control) & ~INT64_C(3));
    s4_redo_set(t, &s->lease_free, lease - s4_lease_at(t, slot, 0) + 1);
    s4_redo_set(t, &s->open, s4_get(&s->open) - 1);
    s4_redo_commit(t);
}

static int resolve_own(s4_table *t, int64_t handle, int64_t actual, int is_accrued, uint8_t kind) {
    s4_lease *lease = find_open(t, handle);
    if (!lease) return S4_ALREADY;
    int code = s4_lock(t, S4_LOCK_FAST_MS); /* the caller keeps it and tries again: see the API */
    if (code) return code;
    if (actual < 0) { /* unknown: err toward spent */
        actual = lease->amount;
        is_accrued = 1;
    }
    t->staging.kind = kind;
    s4_resolve(t, t->slot, lease, smaller(actual, S4_NUSD_MAX), is_accrued, &t->staging);
    s4_unlock(t);
    memset(&t->staging, 0, sizeof t->staging);
    return S4_OK;
}

int s4_table_settle(s4_table *t, int64_t lease, int64_t actual, int is_accrued) {
    return resolve_own(t, lease, actual, is_accrued, S4_ROW_SETTLE);
}

int s4_table_void(s4_table *t, int64_t lease) { return resolve_own(t, lease, 0, 0, S4_ROW_VOID); }

/* Under the lock, into the redo record: the row of one cell's charge that no lease explains. */
static void stage_correction(s4_table *t, uint32_t index, uint32_t generation, int64_t delta) {
    t->staging.kind = S4_ROW_CORRECT;
    s4_row *row = s4_row_stage(t, t->slot, &t->staging);
    if (!row) return;
    row->n = 1;
    row->cell[0] = index;
    row->generation[0] = generation;
    row->charged = delta;
}

/* Under the lock.  `accrued` stays a part of `charged`. */
static void correct_cell(s4_table *t, s4_cell *cell, uint32_t index, uint32_t generation,
                         int64_t delta) {
    int64_t charged = s4_get(&cell->charged);
    int64_t corrected = smaller(charged + delta, S4_NUSD_MAX - 1);
    if (corrected < 0) corrected = 0;
    s4_redo_begin(t);
    s4_redo_set(t, &cell->charged, corrected);
    s4_redo_set(t, &cell->used, s4_get(&cell->used) + corrected - charged);
    s4_redo_set(t, &cell->accrued, smaller(s4_get(&cell->accrued), corrected));
    stage_correction(t, index, generation, corrected - charged);
    s4_redo_commit(t);
}

int s4_table_correct(s4_table *t, uint32_t index, uint32_t generation, int64_t delta) {
    if (!t->own || index >= t->sizes.cells || delta < -S4_NUSD_MAX || delta > S4_NUSD_MAX)
        return S4_INVALID;
    int code = s4_lock(t, S4_LOCK_SLOW_MS);
    if (code) return code;
    s4_cell *cell = &t->cells[index];
    if (s4_cell_is_open(t, index, generation))
        correct_cell(t, cell, index, generation, delta);
    else
        code = S4_STALE;
    s4_unlock(t);
    if (code == S4_OK) memset(&t->staging, 0, sizeof t->staging);
    return code;
}

/* Under the lock. */
void s4_charge_more(s4_table *t, uint32_t index, int64_t delta, int is_accrued, int has_row) {
    s4_cell *cell = &t->cells[index];
    s4_redo_set(t, &cell->charged, s4_get(&cell->charged) + delta);
    if (is_accrued) s4_redo_set(t, &cell->accrued, s4_get(&cell->accrued) + delta);
    if (has_row && t->own)
        stage_correction(t, index, (uint32_t)(s4_get(&cell->control) >> 1), delta);
}

int s4_table_raise(s4_table *t, uint32_t index, uint32_t generation, int64_t charged,
                   int is_accrued, int has_row) {
    if (index >= t->sizes.cells || charged < 0) return S4_INVALID;
    int code = s4_lock(t, S4_LOCK_SLOW_MS);
    if (code) return code;
    s4_cell *cell = &t->cells[index];
    int64_t delta = smaller(charged, S4_NUSD_MAX - 1) - s4_get(&cell->charged);
    if (!s4_cell_is_open(t, index, generation)) {
        code = S4_STALE;
    } else if (delta > 0) {
        s4_redo_begin(t);
        s4_redo_set(t, &cell->used, s4_get(&cell->used) + delta);
        s4_charge_more(t, index, delta, is_accrued, has_row);
        s4_redo_commit(t);
    }
    s4_unlock(t);
    if (code == S4_OK && delta > 0 && has_row) memset(&t->staging, 0, sizeof t->staging);
    return code;
}
