/*
 * Walks every list of a table that nobody else uses: a broken one must be found before the first
 * request walks it, and is never mended by guessing.
 */
#include "s4_table.h"

#include <stdlib.h>

static int broken(char *problem, const char *what, int64_t at) {
    snprintf(problem, S4_PROBLEM_BYTES, "its %s is broken at %lld", what, (long long)at);
    return S4_DAMAGED;
}

static int check_cells(const s4_table *t, char *problem) {
    int64_t fresh = s4_get(&t->root->cell_fresh), seen = 0, listed = 0, open = 0;
    if (fresh < 0 || fresh > t->sizes.cells) return broken(problem, "count of cells", fresh);
    for (uint32_t bucket = 0; bucket <= t->cell_mask; bucket++) {
        for (int64_t at = s4_get(&t->cell_buckets[bucket]); at; seen++) {
            if (at < 1 || at > fresh || seen >= fresh) return broken(problem, "cell chain", bucket);
            const s4_cell *cell = &t->cells[at - 1];
            if (!(s4_get(&cell->control) & 1) ||
                s4_cell_hash(t, cell->budget, cell->kind, cell->start_s, cell->ids) != bucket)
                return broken(problem, "cell chain", bucket);
            at = s4_get(&cell->link);
        }
    }
    for (int64_t at = s4_get(&t->root->cell_free); at; listed++) {
        if (at < 1 || at > fresh || listed >= fresh || (s4_get(&t->cells[at - 1].control) & 1))
            return broken(problem, "list of free cells", at);
        at = s4_get(&t->cells[at - 1].link);
    }
    for (int64_t i = 0; i < fresh; i++) {
        const s4_cell *cell = &t->cells[i];
        if (!(s4_get(&cell->control) & 1)) continue;
        open++;
        int64_t charged = s4_get(&cell->charged), held = s4_get(&cell->used) - charged;
        if (charged < 0 || charged >= S4_NUSD_MAX || held < 0 || s4_get(&cell->limit) < 0)
            return broken(problem, "sum of a cell", i);
    }
    if (seen != open || seen + listed != fresh || open != s4_get(&t->root->cells_open))
        return broken(problem, "count of cells", open);
    return S4_OK;
}

static int check_slot(const s4_table *t, uint32_t slot, char *problem) {
    const s4_slot *s = &t->slots[slot];
    int64_t fresh = s4_get(&s->lease_fresh), listed = 0, open = 0;
    if (fresh < 0 || fresh > t->sizes.leases) return broken(problem, "count of leases", slot);
    for (int64_t at = s4_get(&s->lease_free); at; listed++) {
        if (at < 1 || at > fresh || listed >= fresh) return broken(problem, "list of leases", slot);
        const s4_lease *lease = s4_lease_at(t, slot, (uint32_t)at - 1);
        if ((s4_get(&lease->control) & 3) != S4_LEASE_FREE)
            return broken(problem, "list of leases", slot);
        at = s4_get(&lease->next);
    }
    for (int64_t i = 0; i < fresh; i++) {
        const s4_lease *lease = s4_lease_at(t, slot, (uint32_t)i);
        if ((s4_get(&lease->control) & 3) == S4_LEASE_FREE) continue;
        open++;
        if (lease->n > S4_CELLS_MAX || lease->amount < 0 || lease->caller > t->sizes.cells)
            return broken(problem, "lease", i);
        for (uint32_t c = 0; c < lease->n; c++)
            if (lease->cell[c] >= t->sizes.cells) return broken(problem, "lease", i);
    }
    if (open != s4_get(&s->open) || open + listed != fresh)
        return broken(problem, "count of leases", slot);
    int64_t lag = s4_get(&s->head) - s4_get(&s->tail);
    if (lag < 0 || lag > t->sizes.rows) return broken(problem, "ring", slot);
    return S4_OK;
}

/* How many open cells name each value; NULL when there is no memory for it. */
static int64_t *count_names(const s4_table *t) {
    int64_t *names = calloc(t->sizes.values, sizeof *names);
    for (int64_t i = 0; names && i < s4_get(&t->root->cell_fresh); i++) {
        const s4_cell *cell = &t->cells[i];
        if (!(s4_get(&cell->control) & 1)) continue;
        for (int k = 0; k < S4_IDS_MAX && cell->ids[k]; k++) {
            int is_seen = 0;
            for (int j = 0; j < k; j++) is_seen |= cell->ids[j] == cell->ids[k];
            if (!is_seen && cell->ids[k] <= t->sizes.values) names[cell->ids[k] - 1]++;
        }
    }
    return names;
}

static int check_names(const s4_table *t, char *problem) {
    int code = S4_OK;
    int64_t *names = count_names(t);
    for (uint32_t i = 0; names && i < t->sizes.values && code == S4_OK; i++) {
        const s4_value *value = &t->values[i];
        int is_live = s4_get(&value->state) == S4_VALUE_LIVE;
        if (names[i] != (is_live ? s4_get(&value->cells) : 0))
            code = broken(problem, "count of a value's cells", i + 1);
    }
    free(names);
    return code;
}

static int check_values(const s4_table *t, char *problem) {
    int64_t fresh = s4_get(&t->root->value_fresh), seen = 0;
    if (fresh < S4_DIMENSIONS || fresh > t->sizes.values)
        return broken(problem, "count of values", fresh);
    for (uint32_t bucket = 0; bucket <= t->value_mask; bucket++) {
        for (int64_t id = s4_get(&t->value_buckets[bucket]); id; seen++) {
            if (id < 1 || id > fresh || seen >= fresh)
                return broken(problem, "value chain", bucket);
            const s4_value *value = &t->values[id - 1];
            if (value->bytes < 1 || value->bytes > S4_VALUE_BYTES ||
                value->dimension >= S4_DIMENSIONS || s4_get(&value->state) != S4_VALUE_LIVE)
                return broken(problem, "value", id);
            id = s4_get(&value->link);
        }
    }
    int64_t listed = 0;
    for (int64_t id = s4_get(&t->root->value_free); id; listed++) {
        if (id < 1 || id > fresh || listed >= fresh ||
            s4_get(&t->values[id - 1].state) != S4_VALUE_EMPTY)
            return broken(problem, "list of free values", id);
        id = s4_get(&t->values[id - 1].link);
    }
    return check_names(t, problem);
}

int s4_check(const s4_table *t, char *problem) {
    int64_t frozen = s4_get(&t->root->frozen_n);
    if (frozen < 0 || frozen > S4_FROZEN_MAX) return broken(problem, "list of freezes", frozen);
    int code = check_cells(t, problem);
    for (uint32_t slot = 0; code == S4_OK && slot < t->sizes.slots; slot++)
        code = check_slot(t, slot, problem);
    return code == S4_OK ? check_values(t, problem) : code;
}

int s4_table_check(s4_table *t, char *problem) {
    int code = s4_lock(t, S4_LOCK_SLOW_MS);
    if (code) return code;
    code = s4_check(t, problem);
    s4_unlock(t);
    return code;
}
