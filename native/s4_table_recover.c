/*
 * Recovery of dead slots, and the audit.
 */
#include "s4_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define AUDIT_CELLS_MAX 1024

/* One lease: a whole operation of its own, so that a death between two of them is no death at
 * all. */
static int recover_lease(s4_table *t, uint32_t slot, s4_lease *lease, const s4_row *source,
                         uint8_t reason, s4_recovered *out) {
    int code = s4_lock(t, S4_LOCK_SLOW_MS);
    if (code) return code;
    int64_t state = s4_get(&lease->control) & 3;
    s4_row row = *source;
    if (state == S4_LEASE_SENT) {
        row.reason = reason;
        s4_resolve(t, slot, lease, lease->amount, 1, &row);
        out->accrued++;
        out->accrued_nusd += lease->amount;
    } else if (state == S4_LEASE_RESERVED) {
        s4_resolve(t, slot, lease, 0, 0, &row);
        out->voided++;
    }
    s4_unlock(t);
    return S4_OK;
}

int s4_table_recover(s4_table *t, uint32_t slot, int64_t at_ns, uint8_t reason, s4_recovered *out) {
    memset(out, 0, sizeof *out);
    if (slot >= t->sizes.slots) return S4_INVALID;
    /* Holding the slot's own file lock proves that it is dead, and keeps everyone from joining. */
    int fd = s4_reopen(t);
    if (fd < 0) return S4_SYSTEM;
    int code = S4_OK;
    if (s4_file_lock(fd, F_WRLCK, s4_slot_byte(t, slot), 0))
        code = errno == EAGAIN || errno == EACCES ? S4_TAKEN : S4_SYSTEM;
    /* The dead one may have died with a committed record that opens a lease: repaired by the
     * lock. */
    if (code == S4_OK && (code = s4_lock(t, S4_LOCK_SLOW_MS)) == S4_OK) s4_unlock(t);
    s4_row source = {.at_ns = at_ns, .kind = S4_ROW_RECOVER, .reason = 1 /* not sent */};
    for (int64_t i = 0; code == S4_OK && i < s4_get(&t->slots[slot].lease_fresh); i++) {
        s4_lease *lease = s4_lease_at(t, slot, (uint32_t)i);
        if ((s4_get(&lease->control) & 3) != S4_LEASE_FREE)
            code = recover_lease(t, slot, lease, &source, reason, out);
    }
    if (code == S4_OK) {
        s4_put(&t->slots[slot].state, 0);
        s4_put_release(&t->slots[slot].pid, 0);
    }
    close(fd);
    return code;
}

typedef struct {
    int64_t held, open;
} sums;

/* Adds up the leases of one slot that name the cells [start, start + n). */
static void sum_leases(const s4_table *t, uint32_t slot, uint32_t start, uint32_t n, sums *into) {
    int64_t open = s4_get(&t->slots[slot].open), found = 0;
    int64_t fresh = s4_get(&t->slots[slot].lease_fresh);
    for (int64_t i = 0; i < fresh && found < open; i++) {
        const s4_lease *lease = s4_lease_at(t, slot, (uint32_t)i);
        if ((s4_get(&lease->control) & 3) == S4_LEASE_FREE) continue;
        found++;
        for (uint32_t c = 0; c < lease->n; c++) {
            uint32_t at = lease->cell[c] - start;
            if (at >= n) continue;
            into[at].held += lease->amount;
            into[at].open++;
        }
        uint32_t at = lease->caller - 1 - start; /* huge where there is none */
        if (!lease->caller || at >= n) continue;
        into[at].held += lease->amount;
        into[at].open++;
    }
}

static uint32_t compare(const s4_table *t, uint32_t start, uint32_t n, const sums *leases,
                        s4_mismatch *out, uint32_t room) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < n && found < room; i++) {
        const s4_cell *cell = &t->cells[start + i];
        int is_open = s4_get(&cell->control) & 1;
        int64_t held = is_open ? s4_get(&cell->used) - s4_get(&cell->charged) : 0;
        int64_t open = is_open ? s4_get(&cell->open) : 0;
        if (held == leases[i].held && open == leases[i].open) continue;
        out[found++] = (s4_mismatch){start + i, cell->budget, held,
                                     leases[i].held, open, leases[i].open};
    }
    return found;
}

int s4_table_audit(s4_table *t, uint32_t start, uint32_t n, s4_mismatch *out, uint32_t room) {
    sums leases[AUDIT_CELLS_MAX] = {{0, 0}};
    if (n > AUDIT_CELLS_MAX || start > t->sizes.cells || n > t->sizes.cells - start)
        return S4_INVALID;
    int code = s4_lock(t, S4_LOCK_SLOW_MS);
    if (code) return code;
    for (uint32_t slot = 0; slot < t->sizes.slots; slot++)
        if (s4_get(&t->slots[slot].open)) sum_leases(t, slot, start, n, leases);
    int found = (int)compare(t, start, n, leases, out, room);
    s4_unlock(t);
    return found;
}

/* Under the lock: what `held` is not explained by leases was spent as far as anybody knows. */
static void recount(s4_table *t, uint32_t index, const sums *leases) {
    s4_cell *cell = &t->cells[index];
    int64_t held = s4_get(&cell->used) - s4_get(&cell->charged);
    s4_redo_begin(t);
    if (held < leases->held)
        s4_redo_set(t, &cell->used, s4_get(&cell->charged) + leases->held);
    if (held > leases->held) s4_charge_more(t, index, held - leases->held, 1, 1);
    s4_redo_set(t, &cell->open, leases->open);
    s4_redo_commit(t);
}

int s4_table_recount(s4_table *t, uint32_t cell, uint32_t generation, s4_mismatch *out) {
    sums leases = {0, 0};
    if (cell >= t->sizes.cells) return S4_INVALID;
    int code = s4_lock(t, S4_LOCK_SLOW_MS);
    if (code) return code;
    for (uint32_t slot = 0; slot < t->sizes.slots; slot++)
        if (s4_get(&t->slots[slot].open)) sum_leases(t, slot, cell, 1, &leases);
    if (!s4_cell_is_open(t, cell, generation))
        code = S4_STALE;
    else if (compare(t, cell, 1, &leases, out, 1))
        recount(t, cell, &leases);
    s4_unlock(t);
    memset(&t->staging, 0, sizeof t->staging);
    return code;
}
