/*
 * The table's rules in one process: what fits, what does not, what is counted, what is refused.
 */
#include "harness.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const uint8_t request[16] = "0123456789abcde";
static const uint32_t values[8] = {1, 2, 3};

static uint32_t budget_of(s4_table *t, const char *name) {
    return (uint32_t)s4_table_intern(t, 8, (const uint8_t *)name, (uint32_t)strlen(name), 0);
}

static s4_cell_set set_of(s4_table *t, const int64_t *limits, const int64_t *stated, uint32_t n) {
    uint32_t cells[8], generations[8], budget = budget_of(t, "b");
    s4_cell_set set;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t id = i + 1;
        int64_t index =
            s4_table_claim(t, budget, 0, 0, &id, 1, limits[i], stated[i], &generations[i]);
        CHECK(index >= 0);
        cells[i] = (uint32_t)index;
    }
    CHECK_EQUAL(S4_OK, s4_table_cell_set(t, &set, cells, generations, n, values));
    return set;
}

static s4_cell *cell_of(s4_table *t, const s4_cell_set *set, int i) {
    return &t->cells[set->cell[i]];
}

static s4_table *joined(uint32_t rows) {
    s4_table *t = scratch_table(2, 16, 4, 64, rows);
    CHECK_EQUAL(S4_OK, s4_table_join(t, 0, 1));
    return t;
}

/* used + amount == limit fits; one more does not, and nothing is held anywhere. */
static void test_reserve_up_to_the_limit_fits_and_one_more_is_denied_in_all(void) {
    s4_table *t = joined(8);
    s4_cell_set set = set_of(t, (int64_t[]){100, 60, 100}, (int64_t[]){100, 60, 100}, 3);
    int64_t lease = s4_table_reserve(t, &set, 60, request, 1);
    CHECK(lease >= 0);
    CHECK_EQUAL(60, t->answer[2]);
    CHECK_EQUAL(60, t->answer[10 + 1]);
    CHECK_EQUAL(S4_DENIED, s4_table_reserve(t, &set, 1, request, 1));
    CHECK_EQUAL(1, t->answer[0]);
    CHECK_EQUAL(60, t->answer[2 + 1]);
    CHECK_EQUAL(1, s4_get(&cell_of(t, &set, 1)->denials));
    CHECK_EQUAL(0, s4_get(&cell_of(t, &set, 0)->denials));
    for (int i = 0; i < 3; i++) CHECK_EQUAL(60, s4_get(&cell_of(t, &set, i)->used));
    CHECK(s4_table_reserve(t, &set, 0, request, 1) >= 0); /* nothing always fits */
    drop_scratch(t);
}

/* What was not needed is free again; what was needed beyond the hold is counted, never dropped. */
static void test_settle_moves_the_difference_and_counts_the_overrun(void) {
    s4_table *t = joined(8);
    s4_cell_set set = set_of(t, (int64_t[]){100}, (int64_t[]){100}, 1);
    s4_cell *cell = cell_of(t, &set, 0);
    int64_t lease = s4_table_reserve(t, &set, 60, request, 1);
    CHECK_EQUAL(S4_OK, s4_table_settle(t, lease, 25, 0));
    CHECK_EQUAL(25, s4_get(&cell->used));
    CHECK_EQUAL(25, s4_get(&cell->charged));
    lease = s4_table_reserve(t, &set, 75, request, 1);
    CHECK_EQUAL(S4_OK, s4_table_settle(t, lease, 95, 1));
    CHECK_EQUAL(120, s4_get(&cell->used));
    CHECK_EQUAL(95, s4_get(&cell->accrued));
    CHECK_EQUAL(20, s4_get(&cell->overrun));
    CHECK_EQUAL(S4_DENIED, s4_table_reserve(t, &set, 0, request, 1));
    lease = s4_table_reserve(t, &set, 0, request, 1);
    CHECK_EQUAL(S4_ALREADY, s4_table_settle(t, lease, 1, 0));
    drop_scratch(t);
}

static void test_lease_resolves_once_even_when_its_record_is_used_again(void) {
    s4_table *t = joined(8);
    s4_cell_set set = set_of(t, (int64_t[]){100}, (int64_t[]){100}, 1);
    int64_t first = s4_table_reserve(t, &set, 10, request, 1);
    CHECK_EQUAL(S4_OK, s4_table_void(t, first));
    int64_t second = s4_table_reserve(t, &set, 10, request, 1);
    CHECK_EQUAL((uint32_t)first, (uint32_t)second); /* the same record */
    CHECK_EQUAL(S4_ALREADY, s4_table_settle(t, first, 5, 0));
    CHECK_EQUAL(S4_ALREADY, s4_table_void(t, first));
    CHECK_EQUAL(S4_ALREADY, s4_table_sent(t, first));
    CHECK_EQUAL(10, s4_get(&cell_of(t, &set, 0)->used));
    drop_scratch(t);
}

/* Unknown cost errs toward spent. */
static void test_settle_with_a_negative_amount_charges_the_whole_reservation(void) {
    s4_table *t = joined(8);
    s4_cell_set set = set_of(t, (int64_t[]){100}, (int64_t[]){100}, 1);
    CHECK_EQUAL(S4_OK, s4_table_settle(t, s4_table_reserve(t, &set, 40, request, 1), -3, 0));
    CHECK_EQUAL(40, s4_get(&cell_of(t, &set, 0)->charged));
    CHECK_EQUAL(40, s4_get(&cell_of(t, &set, 0)->accrued));
    drop_scratch(t);
}

/* The largest amounts there are, twice: sums saturate, used stays charged + held, no overflow. */
static void test_amounts_at_the_top_of_the_range_saturate_and_stay_consistent(void) {
    s4_table *t = joined(8);
    s4_mismatch found[1];
    s4_cell_set set = set_of(t, (int64_t[]){S4_NUSD_MAX}, (int64_t[]){5}, 1);
    s4_cell *cell = cell_of(t, &set, 0);
    int64_t held = s4_table_reserve(t, &set, INT64_MAX, request, 1);
    CHECK(held >= 0);
    CHECK_EQUAL(1, t->answer[1]); /* the stated limit is passed */
    CHECK_EQUAL(S4_NUSD_MAX, s4_get(&cell->used));
    CHECK_EQUAL(S4_DENIED, s4_table_reserve(t, &set, 1, request, 1));
    int64_t free_one = s4_table_reserve(t, &set, 0, request, 1);
    CHECK_EQUAL(S4_OK, s4_table_settle(t, free_one, INT64_MAX, 0));
    CHECK_EQUAL(S4_NUSD_MAX - 1, s4_get(&cell->charged));
    CHECK_EQUAL(INT64_MAX, s4_get(&cell->used));
    CHECK_EQUAL(S4_DENIED, s4_table_reserve(t, &set, INT64_MAX, request, 1));
    CHECK_EQUAL(S4_OK, s4_table_settle(t, held, INT64_MAX, 1));
    CHECK_EQUAL(S4_NUSD_MAX - 1, s4_get(&cell->used));
    CHECK_EQUAL(0, s4_table_audit(t, 0, 16, found, 1));
    CHECK_EQUAL(S4_INVALID, s4_table_reserve(t, &set, -1, request, 1));
    drop_scratch(t);
}

static void test_closed_cell_is_stale_and_its_record_gets_a_new_generation(void) {
    s4_table *t = joined(8);
    s4_cell_set set = set_of(t, (int64_t[]){100, 100}, (int64_t[]){100, 100}, 2);
    int64_t lease = s4_table_reserve(t, &set, 10, request, 1);
    CHECK_EQUAL(S4_IN_USE, s4_table_close_cell(t, set.cell[1], set.generation[1]));
    CHECK_EQUAL(S4_OK, s4_table_settle(t, lease, 4, 0));
    CHECK_EQUAL(S4_OK, s4_table_close_cell(t, set.cell[1], set.generation[1]));
    CHECK_EQUAL(S4_STALE, s4_table_close_cell(t, set.cell[1], set.generation[1]));
    CHECK_EQUAL(S4_STALE, s4_table_set_limit(t, set.cell[1], set.generation[1], 5, 5));
    CHECK_EQUAL(S4_STALE, s4_table_correct(t, set.cell[1], set.generation[1], 5));
    CHECK_EQUAL(S4_STALE, s4_table_reserve(t, &set, 10, request, 1));
    CHECK_EQUAL(1, t->answer[0]);
    uint32_t generation;
    CHECK_EQUAL(set.cell[1], s4_table_claim(t, 17, 1, 9, NULL, 0, 7, 7, &generation));
    CHECK(generation > set.generation[1]);
    CHECK_EQUAL(0, s4_get(&t->cells[set.cell[1]].charged));
    CHECK_EQUAL(S4_STALE, s4_table_reserve(t, &set, 10, request, 1));
    drop_scratch(t);
}

static void test_claim_finds_the_same_cell_again_and_a_full_table_says_so(void) {
    s4_table *t = joined(8);
    uint32_t generation, again;
    for (uint32_t i = 0; i < 16; i++)
        CHECK_EQUAL(i, s4_table_claim(t, 17, 2, i, NULL, 0, 7, 7, &generation));
    CHECK_EQUAL(S4_FULL, s4_table_claim(t, 17, 2, 99, NULL, 0, 7, 7, &generation));
    for (uint32_t i = 0; i < 16; i++)
        CHECK_EQUAL(i, s4_table_claim(t, 17, 2, i, NULL, 0, 99, 99, &again));
    CHECK_EQUAL(generation, again);
    CHECK_EQUAL(7, s4_get(&t->cells[3].limit)); /* an existing cell keeps its limits */
    CHECK_EQUAL(S4_INVALID, s4_table_claim(t, 17, 6, 0, NULL, 0, 7, 7, &generation));
    CHECK_EQUAL(S4_INVALID, s4_table_claim(t, 17, 2, 0, NULL, 0, -1, 7, &generation));
    CHECK_EQUAL(S4_STALE, s4_table_claim(t, 17, 2, 0, (uint32_t[]){60}, 1, 7, 7, &generation));
    drop_scratch(t);
}

/* A set that named a cell twice would write one word twice in one record. */
static void test_cell_set_refuses_a_cell_named_twice(void) {
    s4_table *t = joined(8);
    s4_cell_set set;
    uint32_t twice[2] = {3, 3}, generations[2] = {1, 1}, far = 16;
    CHECK_EQUAL(S4_INVALID, s4_table_cell_set(t, &set, twice, generations, 2, values));
    CHECK_EQUAL(S4_INVALID, s4_table_cell_set(t, &set, &far, generations, 1, values));
    CHECK_EQUAL(S4_INVALID, s4_table_cell_set(t, &set, twice, generations, 9, values));
    drop_scratch(t);
}

static void test_lowered_limit_below_used_lets_nothing_new_in(void) {
    s4_table *t = joined(8);
    s4_cell_set set = set_of(t, (int64_t[]){100}, (int64_t[]){100}, 1);
    int64_t lease = s4_table_reserve(t, &set, 50, request, 1);
    CHECK_EQUAL(S4_OK, s4_table_set_limit(t, set.cell[0], set.generation[0], 20, 20));
    CHECK_EQUAL(S4_DENIED, s4_table_reserve(t, &set, 1, request, 1));
    CHECK_EQUAL(S4_OK, s4_table_settle(t, lease, 19, 0));
    CHECK(s4_table_reserve(t, &set, 1, request, 1) >= 0);
    drop_scratch(t);
}

static void test_correction_moves_charged_and_never_below_zero(void) {
    s4_table *t = joined(8);
    s4_cell_set set = set_of(t, (int64_t[]){100}, (int64_t[]){100}, 1);
    s4_cell *cell = cell_of(t, &set, 0);
    s4_row row;
    CHECK_EQUAL(S4_OK, s4_table_settle(t, s4_table_reserve(t, &set, 50, request, 1), 50, 1));
    CHECK_EQUAL(S4_OK, s4_table_correct(t, set.cell[0], set.generation[0], -20));
    CHECK_EQUAL(30, s4_get(&cell->used));
    CHECK_EQUAL(30, s4_get(&cell->accrued));
    CHECK_EQUAL(S4_OK, s4_table_correct(t, set.cell[0], set.generation[0], -90));
    CHECK_EQUAL(0, s4_get(&cell->charged));
    CHECK_EQUAL(1, s4_table_drain(t, 0, 2, &row, 1));
    CHECK_EQUAL(S4_ROW_CORRECT, row.kind);
    CHECK_EQUAL(-30, row.charged); /* what really moved, so that the journal adds up */
    drop_scratch(t);
}

static void test_frozen_budget_blocks_only_its_own_sets_until_released(void) {
    s4_table *t = joined(8);
    uint32_t frozen[S4_FROZEN_MAX + 1], generation, budget = budget_of(t, "b");
    s4_cell_set set = set_of(t, (int64_t[]){100}, (int64_t[]){100}, 1), other;
    uint32_t index = (uint32_t)s4_table_claim(t, 40, 0, 0, NULL, 0, 9, 9, &generation);
    CHECK_EQUAL(S4_OK, s4_table_cell_set(t, &other, &index, &generation, 1, values));
    CHECK_EQUAL(S4_OK, s4_table_freeze(t, budget));
    CHECK_EQUAL(S4_OK, s4_table_freeze(t, budget)); /* twice is once */
    CHECK_EQUAL(S4_FROZEN, s4_table_reserve(t, &set, 1, request, 1));
    CHECK_EQUAL(0, t->answer[0]);
    CHECK(s4_table_reserve(t, &other, 1, request, 1) >= 0);
    CHECK_EQUAL(S4_OK, s4_table_freeze(t, 0));
    CHECK_EQUAL(S4_FROZEN, s4_table_reserve(t, &other, 1, request, 1));
    CHECK_EQUAL(-1, t->answer[0]);
    CHECK_EQUAL(2, s4_table_frozen(t, frozen));
    CHECK_EQUAL(S4_OK, s4_table_release(t, 0));
    CHECK_EQUAL(S4_OK, s4_table_release(t, budget));
    CHECK(s4_table_reserve(t, &set, 1, request, 1) >= 0);
    for (uint32_t i = 100; i < 100 + S4_FROZEN_MAX; i++) CHECK_EQUAL(S4_OK, s4_table_freeze(t, i));
    CHECK_EQUAL(S4_OK, s4_table_freeze(t, 999)); /* no room in the list: everything */
    CHECK_EQUAL(S4_FROZEN, s4_table_reserve(t, &other, 1, request, 1));
    drop_scratch(t);
}

/* Money goes on when nobody drains; the gap is told once there is room. */
static void test_full_ring_drops_rows_and_a_gap_row_tells_how_many(void) {
    s4_table *t = joined(4);
    s4_row rows[8];
    s4_cell_set set = set_of(t, (int64_t[]){100}, (int64_t[]){100}, 1);
    for (int i = 0; i < 7; i++)
        CHECK_EQUAL(S4_OK, s4_table_settle(t, s4_table_reserve(t, &set, 2, request, 1), 1, 0));
    CHECK_EQUAL(7, s4_get(&cell_of(t, &set, 0)->charged));
    CHECK_EQUAL(3, s4_get(&t->own->dropped));
    CHECK_EQUAL(4, s4_table_drain(t, 0, 0, rows, 8));
    CHECK_EQUAL(S4_INVALID, s4_table_advance_tail(t, 0, 5));
    CHECK_EQUAL(S4_OK, s4_table_advance_tail(t, 0, 4));
    CHECK_EQUAL(S4_INVALID, s4_table_drain(t, 0, 3, rows, 8));
    s4_table_staging(t)->at_ns = 42;
    CHECK_EQUAL(S4_OK, s4_table_settle(t, s4_table_reserve(t, &set, 2, request, 1), 1, 0));
    CHECK_EQUAL(0, s4_table_staging(t)->at_ns); /* blank again */
    CHECK_EQUAL(2, s4_table_drain(t, 0, 4, rows, 8));
    CHECK_EQUAL(S4_ROW_GAP, rows[0].kind);
    CHECK_EQUAL(3, rows[0].code);
    CHECK_EQUAL(42, rows[0].at_ns);
    CHECK_EQUAL(S4_ROW_SETTLE, rows[1].kind);
    CHECK_EQUAL(6, rows[1].seq);
    CHECK_EQUAL(1, rows[1].charged);
    CHECK_EQUAL(2, rows[1].reserved);
    CHECK_EQUAL(2, rows[1].values[1]);
    CHECK(memcmp(rows[1].request, request, 16) == 0);
    drop_scratch(t);
}

static void test_strict_reserve_keeps_room_for_the_row_of_every_open_lease(void) {
    s4_table *t = joined(4);
    s4_cell_set set = set_of(t, (int64_t[]){100}, (int64_t[]){100}, 1);
    int64_t leases[4];
    s4_table_set_strict(t, 1);
    CHECK_EQUAL(S4_OK, s4_table_publish(t));
    for (int i = 0; i < 3; i++) leases[i] = s4_table_reserve(t, &set, 1, request, 1);
    CHECK_EQUAL(S4_RING_FULL, s4_table_reserve(t, &set, 1, request, 1));
    for (int i = 0; i < 3; i++) CHECK_EQUAL(S4_OK, s4_table_settle(t, leases[i], 1, 0));
    CHECK_EQUAL(0, s4_get(&t->own->dropped));
    CHECK_EQUAL(S4_RING_FULL, s4_table_publish(t));
    CHECK_EQUAL(1, s4_get(&t->own->dropped));
    drop_scratch(t);
}

static void test_leases_of_a_slot_run_out_and_come_back(void) {
    s4_table *t = joined(16);
    s4_cell_set set = set_of(t, (int64_t[]){100}, (int64_t[]){100}, 1);
    int64_t leases[4];
    for (int i = 0; i < 4; i++) leases[i] = s4_table_reserve(t, &set, 1, request, 1);
    CHECK_EQUAL(S4_FULL, s4_table_reserve(t, &set, 1, request, 1));
    CHECK_EQUAL(4, s4_get(&cell_of(t, &set, 0)->used));
    CHECK_EQUAL(S4_OK, s4_table_void(t, leases[2]));
    CHECK(s4_table_reserve(t, &set, 1, request, 1) >= 0);
    drop_scratch(t);
}

static void test_stopped_holder_of_the_lock_makes_others_refuse_in_time(void) {
    s4_table *t = joined(8);
    s4_cell_set set = set_of(t, (int64_t[]){100}, (int64_t[]){100}, 1);
    int ready[2];
    CHECK(pipe(ready) == 0);
    pid_t child = start_child();
    if (child == 0) {
        CHECK_EQUAL(S4_OK, s4_lock(t, 1000));
        CHECK(write(ready[1], "x", 1) == 1);
        for (;;) pause();
    }
    char byte;
    CHECK(read(ready[0], &byte, 1) == 1);
    int64_t before = s4_now_ns(CLOCK_MONOTONIC);
    CHECK_EQUAL(S4_BUSY, s4_table_reserve(t, &set, 1, request, 1));
    int64_t waited_ms = (s4_now_ns(CLOCK_MONOTONIC) - before) / 1000000;
    CHECK(waited_ms >= 49 && waited_ms < 1000);
    kill(child, SIGKILL);
    wait_for(child);
    CHECK(s4_table_reserve(t, &set, 1, request, 1) >= 0); /* the kernel handed the lock on */
    close(ready[0]);
    close(ready[1]);
    drop_scratch(t);
}

/* A record that points outside is never applied; the table refuses from then on. */
static void test_unsound_redo_record_is_never_applied_and_all_calls_say_damaged(void) {
    s4_table *t = joined(8);
    s4_cell_set set = set_of(t, (int64_t[]){100}, (int64_t[]){100}, 1);
    char problem[S4_PROBLEM_BYTES];
    pid_t child = start_child();
    if (child == 0) {
        CHECK_EQUAL(S4_OK, s4_lock(t, 1000));
        s4_put(&t->root->redo_n, 1);
        s4_put(&t->root->redo[0].offset, (int64_t)t->sizes.bytes);
        s4_put(&t->root->redo_valid, 1);
        kill(getpid(), SIGKILL);
    }
    CHECK_EQUAL(SIGKILL, wait_for(child));
    CHECK_EQUAL(S4_DAMAGED, s4_table_reserve(t, &set, 1, request, 1));
    CHECK_EQUAL(S4_DAMAGED, s4_table_reserve(t, &set, 1, request, 1));
    s4_table_leave(t);
    CHECK_EQUAL(S4_DAMAGED, s4_table_reset_if_alone(t, problem));
    drop_scratch(t);
}

static void test_slot_belongs_to_one_process_and_is_free_after_its_death(void) {
    s4_table *t = scratch_table(2, 16, 4, 64, 4);
    int ready[2];
    char byte, problem[S4_PROBLEM_BYTES];
    s4_recovered out;
    s4_slot_info info;
    CHECK(pipe(ready) == 0);
    pid_t child = start_child();
    if (child == 0) {
        CHECK_EQUAL(S4_OK, s4_table_join(t, 0, 1));
        CHECK_EQUAL(S4_INVALID, s4_table_join(t, 1, 1)); /* one slot each */
        CHECK(write(ready[1], "x", 1) == 1);
        for (;;) pause();
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    CHECK_EQUAL(S4_TAKEN, s4_table_join(t, 0, 1));
    CHECK_EQUAL(S4_TAKEN, s4_table_recover(t, 0, 1, 19, &out));
    CHECK_EQUAL(1, s4_table_free_slot(t));
    CHECK_EQUAL(S4_OK, s4_table_slot_info(t, 0, &info));
    CHECK_EQUAL(1, info.is_live);
    CHECK_EQUAL(child, info.pid);
    CHECK_EQUAL(0, s4_table_reset_if_alone(t, problem)); /* our own child counts */
    kill(child, SIGKILL);
    CHECK_EQUAL(SIGKILL, wait_for(child));
    CHECK_EQUAL(0, s4_table_free_slot(t));
    CHECK_EQUAL(1, s4_table_reset_if_alone(t, problem));
    CHECK_EQUAL(S4_OK, s4_table_join(t, 0, 1));
    CHECK_EQUAL(2, s4_get(&t->own->incarnation));
    close(ready[0]);
    close(ready[1]);
    drop_scratch(t);
}

static void test_audit_finds_what_does_not_add_up(void) {
    s4_table *t = joined(8);
    s4_mismatch found[4];
    s4_cell_set set = set_of(t, (int64_t[]){100, 100}, (int64_t[]){100, 100}, 2);
    CHECK(s4_table_reserve(t, &set, 10, request, 1) >= 0);
    CHECK_EQUAL(0, s4_table_audit(t, 0, 16, found, 4));
    s4_put(&cell_of(t, &set, 1)->used, 11);
    CHECK_EQUAL(1, s4_table_audit(t, 0, 16, found, 4));
    CHECK_EQUAL(set.cell[1], found[0].index);
    CHECK_EQUAL(11, found[0].held);
    CHECK_EQUAL(10, found[0].held_by_leases);
    CHECK_EQUAL(0, s4_table_audit(t, 0, 1, found, 4)); /* another part of the table */
    CHECK_EQUAL(S4_INVALID, s4_table_audit(t, 16, 1, found, 4));
    drop_scratch(t);
}

int main(void) {
    int ran = 0;
    RUN(test_reserve_up_to_the_limit_fits_and_one_more_is_denied_in_all);
    RUN(test_settle_moves_the_difference_and_counts_the_overrun);
    RUN(test_lease_resolves_once_even_when_its_record_is_used_again);
    RUN(test_settle_with_a_negative_amount_charges_the_whole_reservation);
    RUN(test_amounts_at_the_top_of_the_range_saturate_and_stay_consistent);
    RUN(test_closed_cell_is_stale_and_its_record_gets_a_new_generation);
    RUN(test_claim_finds_the_same_cell_again_and_a_full_table_says_so);
    RUN(test_cell_set_refuses_a_cell_named_twice);
    RUN(test_lowered_limit_below_used_lets_nothing_new_in);
    RUN(test_correction_moves_charged_and_never_below_zero);
    RUN(test_frozen_budget_blocks_only_its_own_sets_until_released);
    RUN(test_full_ring_drops_rows_and_a_gap_row_tells_how_many);
    RUN(test_strict_reserve_keeps_room_for_the_row_of_every_open_lease);
    RUN(test_leases_of_a_slot_run_out_and_come_back);
    RUN(test_stopped_holder_of_the_lock_makes_others_refuse_in_time);
    RUN(test_unsound_redo_record_is_never_applied_and_all_calls_say_damaged);
    RUN(test_slot_belongs_to_one_process_and_is_free_after_its_death);
    RUN(test_audit_finds_what_does_not_add_up);
    printf("%d tests passed\n", ran);
    return 0;
}
