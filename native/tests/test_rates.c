/*
 * Rates: what fits, what waits and for how long; and how many leases a caller has open.
 */
#include "harness.h"

#include <signal.h>
#include <unistd.h>

static const uint8_t request[16] = "0123456789abcde";
static const uint32_t values[8] = {1, 2, 3};

static s4_rate rate_of(s4_table *t, const char *name, int64_t interval_ns, int64_t burst) {
    s4_rate rate = {.interval_ns = interval_ns, .burst = burst};
    int64_t id = s4_table_intern(t, 10, (const uint8_t *)name, (uint32_t)strlen(name), 0);
    int64_t cell = s4_table_claim(t, (uint32_t)id, 5, 0, NULL, 0, S4_NUSD_MAX, S4_NUSD_MAX,
                                  &rate.generation);
    CHECK(cell >= 0);
    rate.cell = (uint32_t)cell;
    return rate;
}

/* The burst, then one each interval; an early one is told exactly how long, and then it fits. */
static void test_burst_fits_at_once_and_the_next_waits_for_its_interval(void) {
    s4_table *t = scratch_table(2, 16, 4, 64, 8);
    s4_rate rate = rate_of(t, "a", 100, 3);
    for (int i = 0; i < 3; i++) CHECK_EQUAL(0, s4_table_arrive(t, &rate, 1, 1000));
    CHECK_EQUAL(100, s4_table_arrive(t, &rate, 1, 1000));
    CHECK_EQUAL(1, s4_table_arrive(t, &rate, 1, 1099));
    CHECK_EQUAL(0, s4_table_arrive(t, &rate, 1, 1100));
    CHECK_EQUAL(100, s4_table_arrive(t, &rate, 1, 1100));
    CHECK_EQUAL(3, s4_get(&t->cells[rate.cell].denials));
    for (int i = 0; i < 3; i++) CHECK_EQUAL(0, s4_table_arrive(t, &rate, 1, 9000)); /* full again */
    CHECK(s4_table_arrive(t, &rate, 1, 9000) > 0);
    drop_scratch(t);
}

/* Who is refused by its own rate takes nothing from the others, and the other way round. */
static void test_refusal_by_either_rate_takes_a_turn_in_neither(void) {
    s4_table *t = scratch_table(2, 16, 4, 64, 8);
    s4_rate rates[2] = {rate_of(t, "own", 100, 1), rate_of(t, "all", 60, 2)};
    CHECK_EQUAL(0, s4_table_arrive(t, rates, 2, 0));
    CHECK_EQUAL(100, s4_table_arrive(t, rates, 2, 0));
    CHECK_EQUAL(0, t->answer[0]);
    CHECK_EQUAL(60, s4_get(&t->cells[rates[1].cell].arrival_ns));
    s4_rate other[2] = {rate_of(t, "other", 10, 2), rates[1]};
    CHECK_EQUAL(0, s4_table_arrive(t, other, 2, 0));
    CHECK_EQUAL(60, s4_table_arrive(t, other, 2, 0));
    CHECK_EQUAL(1, t->answer[0]);
    CHECK_EQUAL(10, s4_get(&t->cells[other[0].cell].arrival_ns));
    drop_scratch(t);
}

/* After a slower rate was configured, or with a foreign clock, nobody waits beyond an interval. */
static void test_arrival_far_ahead_counts_as_a_used_up_burst(void) {
    s4_table *t = scratch_table(2, 16, 4, 64, 8);
    s4_rate rate = rate_of(t, "a", 100, 3);
    s4_put(&t->cells[rate.cell].arrival_ns, INT64_MAX);
    CHECK_EQUAL(100, s4_table_arrive(t, &rate, 1, 1000));
    CHECK_EQUAL(0, s4_table_arrive(t, &rate, 1, 1100));
    drop_scratch(t);
}

static void test_rates_out_of_range_or_named_twice_are_refused(void) {
    s4_table *t = scratch_table(2, 16, 4, 64, 8);
    s4_rate good = rate_of(t, "a", 100, 3), bad = good;
    s4_rate twice[2] = {good, good};
    CHECK_EQUAL(S4_INVALID, s4_table_arrive(t, twice, 2, 0));
    CHECK_EQUAL(S4_INVALID, s4_table_arrive(t, &good, 1, -1));
    CHECK_EQUAL(S4_INVALID, s4_table_arrive(t, twice, 3, 0));
    bad.interval_ns = 0;
    CHECK_EQUAL(S4_INVALID, s4_table_arrive(t, &bad, 1, 0));
    bad = good, bad.burst = S4_BURST_MAX + 1;
    CHECK_EQUAL(S4_INVALID, s4_table_arrive(t, &bad, 1, 0));
    bad = good, bad.cell = 16;
    CHECK_EQUAL(S4_INVALID, s4_table_arrive(t, &bad, 1, 0));
    CHECK_EQUAL(0, s4_table_arrive(t, NULL, 0, 0)); /* no rate, no refusal */
    drop_scratch(t);
}

/* A cell that idled is closed; its next user starts full, and an old handle says so. */
static void test_closed_cell_is_stale_and_the_next_one_starts_full(void) {
    s4_table *t = scratch_table(2, 16, 4, 64, 8);
    s4_rate rate = rate_of(t, "a", 100, 1);
    CHECK_EQUAL(0, s4_table_arrive(t, &rate, 1, 0));
    CHECK_EQUAL(S4_OK, s4_table_close_cell(t, rate.cell, rate.generation));
    CHECK_EQUAL(S4_STALE, s4_table_arrive(t, &rate, 1, 0));
    s4_rate again = rate_of(t, "a", 100, 1);
    CHECK_EQUAL(0, s4_table_arrive(t, &again, 1, 0));
    drop_scratch(t);
}

static s4_cell_set set_of(s4_table *t, s4_rate caller, int64_t most) {
    uint32_t cell, generation;
    cell = (uint32_t)s4_table_claim(t, 20, 0, 0, NULL, 0, 1000, 1000, &generation);
    s4_cell_set set;
    CHECK_EQUAL(S4_OK, s4_table_cell_set(t, &set, &cell, &generation, 1, values));
    CHECK_EQUAL(S4_INVALID, s4_table_limit_open(t, &set, cell, generation, most));
    CHECK_EQUAL(S4_INVALID, s4_table_limit_open(t, &set, caller.cell, caller.generation, 0));
    CHECK_EQUAL(S4_OK, s4_table_limit_open(t, &set, caller.cell, caller.generation, most));
    return set;
}

/* One lease too many holds no money; each one that ends makes room, whatever way it ends. */
static void test_caller_with_all_its_leases_open_is_refused_until_one_ends(void) {
    s4_table *t = scratch_table(2, 16, 8, 64, 8);
    CHECK_EQUAL(S4_OK, s4_table_join(t, 0, 1));
    s4_rate caller = rate_of(t, "a", 1, 1);
    s4_cell_set set = set_of(t, caller, 2);
    int64_t first = s4_table_reserve(t, &set, 1, request, 1);
    int64_t second = s4_table_reserve(t, &set, 1, request, 1);
    CHECK(first >= 0 && second >= 0);
    CHECK_EQUAL(S4_CROWDED, s4_table_reserve(t, &set, 1, request, 1));
    CHECK_EQUAL(2, s4_get(&t->cells[set.cell[0]].used));
    CHECK_EQUAL(2, s4_get(&t->cells[caller.cell].open));
    CHECK_EQUAL(2, s4_get(&t->cells[caller.cell].used)); /* what its leases hold, in all cells */
    CHECK_EQUAL(S4_IN_USE, s4_table_close_cell(t, caller.cell, caller.generation));
    CHECK_EQUAL(S4_OK, s4_table_void(t, first));
    CHECK(s4_table_reserve(t, &set, 1, request, 1) >= 0);
    CHECK_EQUAL(S4_CROWDED, s4_table_reserve(t, &set, 1, request, 1));
    CHECK_EQUAL(S4_OK, s4_table_settle(t, second, 1, 0));
    CHECK(s4_table_reserve(t, &set, 1, request, 1) >= 0);
    s4_mismatch found[1];
    CHECK_EQUAL(0, s4_table_audit(t, 0, 16, found, 1));
    s4_put(&t->cells[caller.cell].open, 1);
    CHECK_EQUAL(1, s4_table_audit(t, 0, 16, found, 1));
    CHECK_EQUAL(2, found[0].open_leases);
    drop_scratch(t);
}

/* What one caller holds at once is bounded, too, but for its only lease. */
static void test_caller_that_holds_its_share_is_refused_until_some_of_it_is_back(void) {
    s4_table *t = scratch_table(2, 16, 8, 64, 8);
    CHECK_EQUAL(S4_OK, s4_table_join(t, 0, 1));
    s4_rate caller = rate_of(t, "a", 1, 1);
    s4_cell_set set = set_of(t, caller, 9);
    CHECK_EQUAL(S4_INVALID, s4_table_limit_held(&set, 0));
    CHECK_EQUAL(S4_OK, s4_table_limit_held(&set, 100));
    int64_t heavy = s4_table_reserve(t, &set, 150, request, 1);
    CHECK(heavy >= 0);
    CHECK_EQUAL(S4_CROWDED, s4_table_reserve(t, &set, 1, request, 1));
    CHECK_EQUAL(1, s4_table_answer(t)[0]);
    CHECK_EQUAL(S4_OK, s4_table_settle(t, heavy, 900, 0)); /* what is charged is held no more */
    CHECK_EQUAL(0, s4_get(&t->cells[caller.cell].used));
    CHECK(s4_table_reserve(t, &set, 60, request, 1) >= 0);
    CHECK(s4_table_reserve(t, &set, 40, request, 1) >= 0);
    CHECK_EQUAL(S4_CROWDED, s4_table_reserve(t, &set, 0 + 1, request, 1));
    s4_mismatch found[1];
    CHECK_EQUAL(0, s4_table_audit(t, 0, 16, found, 1));
    drop_scratch(t);
}

/* The share of a dead process comes back when it is recovered, and not before. */
static void test_leases_of_a_dead_process_count_until_it_is_recovered(void) {
    s4_table *t = scratch_table(2, 16, 8, 64, 8);
    CHECK_EQUAL(S4_OK, s4_table_join(t, 0, 1));
    s4_cell_set set = set_of(t, rate_of(t, "a", 1, 1), 2);
    pid_t child = start_child();
    if (child == 0) {
        s4_table_forget_slot(t);
        CHECK_EQUAL(S4_OK, s4_table_join(t, 1, 1));
        CHECK(s4_table_reserve(t, &set, 1, request, 1) >= 0);
        CHECK_EQUAL(S4_OK, s4_table_sent(t, s4_table_reserve(t, &set, 1, request, 1)));
        kill(getpid(), SIGKILL);
    }
    CHECK_EQUAL(SIGKILL, wait_for(child));
    CHECK_EQUAL(S4_CROWDED, s4_table_reserve(t, &set, 1, request, 1));
    s4_recovered out;
    CHECK_EQUAL(S4_OK, s4_table_recover(t, 1, 5, 19, &out));
    CHECK(s4_table_reserve(t, &set, 1, request, 1) >= 0);
    CHECK(s4_table_reserve(t, &set, 1, request, 1) >= 0);
    CHECK_EQUAL(S4_CROWDED, s4_table_reserve(t, &set, 1, request, 1));
    drop_scratch(t);
}

/* Processes that come as fast as they can: while the clock stands still exactly the burst fits. */
static void test_processes_that_share_a_rate_take_exactly_the_burst(void) {
    s4_table *t = scratch_table(2, 16, 4, 64, 8);
    s4_rate rates[2] = {rate_of(t, "own", 1000, 5000), rate_of(t, "all", 1000, 4000)};
    share_counts(); /* shared memory of the test: `repairing` counts what was admitted here */
    pid_t children[3];
    for (int i = 0; i < 3; i++) {
        children[i] = start_child();
        if (children[i]) continue;
        for (int n = 0; n < 2000; n++)
            if (s4_table_arrive(t, rates, 2, 77) == 0) counts->repairing++;
        _exit(0);
    }
    for (int i = 0; i < 3; i++) CHECK_EQUAL(0, wait_for(children[i]));
    CHECK_EQUAL(4000, counts->repairing);
    CHECK_EQUAL(77 + 4000 * 1000, s4_get(&t->cells[rates[0].cell].arrival_ns));
    drop_scratch(t);
}

int main(void) {
    int ran = 0;
    RUN(test_burst_fits_at_once_and_the_next_waits_for_its_interval);
    RUN(test_refusal_by_either_rate_takes_a_turn_in_neither);
    RUN(test_arrival_far_ahead_counts_as_a_used_up_burst);
    RUN(test_rates_out_of_range_or_named_twice_are_refused);
    RUN(test_closed_cell_is_stale_and_the_next_one_starts_full);
    RUN(test_caller_with_all_its_leases_open_is_refused_until_one_ends);
    RUN(test_caller_that_holds_its_share_is_refused_until_some_of_it_is_back);
    RUN(test_leases_of_a_dead_process_count_until_it_is_recovered);
    RUN(test_processes_that_share_a_rate_take_exactly_the_burst);
    printf("%d tests passed\n", ran);
    return 0;
}
