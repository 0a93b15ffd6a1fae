/*
 * Rates: how often callers may come.
 *
 * Theory of operation.  The generic cell rate algorithm (ITU-T I.371, annex A).  A rate is one word
 * of its cell, the theoretical arrival time: when the next request would come if all came evenly.
 * One that comes earlier than that is in order while it is early by no more than the burst allows:
 *
 *     early = max(arrival, now) - now         fits if early <= (burst - 1) * interval
 *     arrival := max(arrival, now) + interval
 *
 * So nothing has to tick, a rate that was not used for long is full again by itself, and in any
 * minute at most burst + 60 s / interval requests fit.
 *
 * A request has two rates, its caller's own and that of all.  It takes its turn in both or in none:
 * a caller who is refused by its own rate must not use up what all others share.  Two words cannot
 * be swapped at once, and taking one back later refuses others meanwhile what would have fitted; so
 * this is an operation like all others, under the table's lock with its redo record.  The section
 * is shorter than a reserve's.
 *
 * The clock is CLOCK_MONOTONIC, the same in all processes; steps of the wall clock do not matter.
 * After a reboot it begins anew, and whoever then makes the lock anew sets the words to 0.  A word
 * that is further ahead than a used-up burst (another rate was configured before) counts as a
 * used-up burst; hence nobody ever waits longer than one interval.
 */
#include "s4_table.h"

/* Under the lock: the arrival time with this request, or minus the ns that it has to wait. */
static int64_t arrival_of(s4_cell *cell, const s4_rate *rate, int64_t now_ns) {
    int64_t arrival = s4_get(&cell->arrival_ns);
    int64_t used_up = now_ns + rate->burst * rate->interval_ns;
    if (arrival < now_ns) arrival = now_ns;
    if (arrival > used_up) s4_put(&cell->arrival_ns, arrival = used_up); /* right by itself */
    arrival += rate->interval_ns;
    return arrival <= used_up ? arrival : used_up - arrival;
}

static int are_possible(const s4_table *t, const s4_rate *rates, uint32_t n, int64_t now_ns) {
    if (n > S4_RATES_MAX || now_ns < 0 || now_ns > S4_NUSD_MAX) return 0;
    if (n == 2 && rates[0].cell == rates[1].cell) return 0; /* a record names each word once */
    for (uint32_t i = 0; i < n; i++)
        if (rates[i].cell >= t->sizes.cells || rates[i].interval_ns < 1 ||
            rates[i].interval_ns > S4_INTERVAL_MAX_NS || rates[i].burst < 1 ||
            rates[i].burst > S4_BURST_MAX)
            return 0;
    return 1;
}

/* Under the lock. */
static int64_t take_turns(s4_table *t, const s4_rate *rates, uint32_t n, int64_t now_ns) {
    int64_t arrivals[S4_RATES_MAX], touched_ns = s4_now_ns(CLOCK_MONOTONIC_COARSE);
    for (uint32_t i = 0; i < n; i++) {
        s4_cell *cell = &t->cells[rates[i].cell];
        t->answer[0] = i;
        if (!s4_cell_is_open(t, rates[i].cell, rates[i].generation)) return S4_STALE;
        s4_put(&cell->touched_ns, touched_ns);
        arrivals[i] = arrival_of(cell, &rates[i], now_ns);
        if (arrivals[i] >= 0) continue;
        s4_put(&cell->denials, s4_get(&cell->denials) + 1); /* one word: all or nothing by itself */
        return -arrivals[i];
    }
    s4_redo_begin(t);
    for (uint32_t i = 0; i < n; i++)
        s4_redo_set(t, &t->cells[rates[i].cell].arrival_ns, arrivals[i]);
    s4_redo_commit(t);
    return S4_OK;
}

int64_t s4_table_arrive(s4_table *t, const s4_rate *rates, uint32_t n, int64_t now_ns) {
    if (!are_possible(t, rates, n, now_ns)) return S4_INVALID;
    int64_t result = s4_lock(t, S4_LOCK_FAST_MS);
    if (result) return result;
    result = take_turns(t, rates, n, now_ns);
    s4_unlock(t);
    return result;
}
