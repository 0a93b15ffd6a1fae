/*
 * Every operation, killed at every point of it, one at a time: afterwards it never happened (killed
 * before the commit point) or it is whole (killed behind it), and a repair that is itself killed at
 * every point changes nothing of that.  Each point must really have fired.
 */
#include "harness.h"

#include <signal.h>
#include <unistd.h>

#define SLOT 1
#define DEAD 2 /* a slot whose owner died with leases open */

/* -- the world before the operation
 * ------------------------------------------------------------- */

typedef struct {
    s4_table *t;
    uint32_t budget, cell[8], generation[8], spare_cell, spare_generation;
    s4_rate rates[2]; /* the first one's cell counts the leases of the set's caller, too */
    s4_cell_set set;
    int64_t leases[4];
} world;

static const uint32_t values[8] = {1, 2, 3, 4, 5, 6, 7, 8};
static const uint8_t request[16] = "0123456789abcde";

static void claim_cells(world *w) {
    w->budget = (uint32_t)s4_table_intern(w->t, 8, (const uint8_t *)"b", 1, 0);
    for (uint32_t i = 0; i < 8; i++) {
        uint32_t id = i + 1;
        w->cell[i] = (uint32_t)s4_table_claim(w->t, w->budget, 2, 0, &id, 1, 1000, 1000,
                                              &w->generation[i]);
    }
    /* Closed and claimed again: lists are not in the order of a new table. */
    w->spare_cell = (uint32_t)s4_table_claim(w->t, w->budget, 3, 0, NULL, 0, 5, 5,
                                             &w->spare_generation);
    CHECK_EQUAL(S4_OK, s4_table_close_cell(w->t, w->cell[3], w->generation[3]));
    w->cell[3] = (uint32_t)s4_table_claim(w->t, w->budget, 3, 60, NULL, 0, 1000, 1000,
                                          &w->generation[3]);
    CHECK_EQUAL(S4_OK, s4_table_cell_set(w->t, &w->set, w->cell, w->generation, 8, values));
    for (uint32_t i = 0; i < 2; i++) {
        s4_rate *rate = &w->rates[i];
        rate->cell = (uint32_t)s4_table_claim(w->t, w->budget, 5, i, NULL, 0, S4_NUSD_MAX,
                                              S4_NUSD_MAX, &rate->generation);
        rate->interval_ns = 100 + i;
        rate->burst = 2;
    }
    CHECK_EQUAL(S4_OK, s4_table_limit_open(w->t, &w->set, w->rates[0].cell,
                                           w->rates[0].generation, 100));
}

/* A process that dies with one lease reserved and one sent. */
static void leave_a_dead_slot(world *w) {
    pid_t child = start_child();
    if (child == 0) {
        CHECK_EQUAL(S4_OK, s4_table_join(w->t, DEAD, 1));
        CHECK(s4_table_reserve(w->t, &w->set, 7, request, 1) >= 0);
        int64_t sent = s4_table_reserve(w->t, &w->set, 11, request, 1);
        CHECK_EQUAL(S4_OK, s4_table_sent(w->t, sent));
        kill(getpid(), SIGKILL);
    }
    CHECK_EQUAL(SIGKILL, wait_for(child));
}

/* One value that the next sweep empties and one that it retires. */
static void age_values(world *w) {
    s4_swept out;
    for (int round = 0; round < 2; round++) {
        uint8_t text = (uint8_t)('p' + round);
        CHECK(s4_table_intern(w->t, 5, &text, 1, 0) > S4_DIMENSIONS);
        CHECK_EQUAL(S4_OK, s4_table_sweep_values(w->t, 0, &out));
        CHECK_EQUAL(round, out.retired);
    }
}

static void build(world *w) {
    w->t = scratch_table(4, 32, 8, 64, 16);
    age_values(w);
    claim_cells(w);
    leave_a_dead_slot(w);
}

/* Done by the process that will run the operation and die. */
static void take_seat(world *w) {
    CHECK_EQUAL(S4_OK, s4_table_join(w->t, SLOT, 1));
    for (int i = 0; i < 4; i++) {
        w->leases[i] = s4_table_reserve(w->t, &w->set, 10 + i, request, 1);
        CHECK(w->leases[i] >= 0);
    }
    CHECK_EQUAL(S4_OK, s4_table_sent(w->t, w->leases[1]));
    CHECK_EQUAL(S4_OK, s4_table_settle(w->t, w->leases[2], 5, 0));
    s4_table_staging(w->t)->at_ns = 77;
}

/* -- the operations
 * ------------------------------------------------------------------------------ */

static void reserve(world *w) { CHECK(s4_table_reserve(w->t, &w->set, 20, request, 1) >= 0); }
static void arrive(world *w) { CHECK_EQUAL(0, s4_table_arrive(w->t, w->rates, 2, 1000)); }
static void settle(world *w) { CHECK_EQUAL(S4_OK, s4_table_settle(w->t, w->leases[1], 9, 0)); }
static void settle_more(world *w) {
    CHECK_EQUAL(S4_OK, s4_table_settle(w->t, w->leases[1], 500, 1)); /* every word there is */
}
static void give_back(world *w) { CHECK_EQUAL(S4_OK, s4_table_void(w->t, w->leases[0])); }
static void correct(world *w) {
    CHECK_EQUAL(S4_OK, s4_table_correct(w->t, w->cell[0], w->generation[0], 3));
}
static void claim_new(world *w) {
    uint32_t generation;
    CHECK(s4_table_claim(w->t, w->budget, 4, 0, NULL, 0, 1, 1, &generation) >= 0);
}
static void claim_reused(world *w) {
    uint32_t generation;
    CHECK_EQUAL(S4_OK, s4_table_close_cell(w->t, w->spare_cell, w->spare_generation));
    CHECK(s4_table_claim(w->t, w->budget, 4, 0, NULL, 0, 1, 1, &generation) >= 0);
}
static void close_one(world *w) {
    CHECK_EQUAL(S4_OK, s4_table_close_cell(w->t, w->spare_cell, w->spare_generation));
}
static void set_limit(world *w) {
    CHECK_EQUAL(S4_OK, s4_table_set_limit(w->t, w->cell[1], w->generation[1], 5, 6));
}
static void freeze(world *w) { CHECK_EQUAL(S4_OK, s4_table_freeze(w->t, w->budget)); }
static void intern(world *w) {
    CHECK(s4_table_intern(w->t, 1, (const uint8_t *)"acme", 4, 0) > S4_DIMENSIONS);
}
static void recover(world *w) {
    s4_recovered out;
    CHECK_EQUAL(S4_OK, s4_table_recover(w->t, DEAD, 5, 19, &out));
}

static void sweep(world *w) {
    s4_swept out;
    CHECK_EQUAL(S4_OK, s4_table_sweep_values(w->t, 0, &out));
    CHECK(out.retired <= 1 && out.emptied <= 1);
}

/* `commits`: how many records the operation commits, one after the other. */
static const struct operation {
    const char *name;
    void (*run)(world *);
    int commits;
} operations[] = {
    {"reserve", reserve, 1},       {"settle", settle, 1},
    {"settle_more", settle_more, 1}, {"void", give_back, 1},
    {"correct", correct, 1},       {"claim_new", claim_new, 1},
    {"claim_reused", claim_reused, 2}, {"close", close_one, 1},
    {"set_limit", set_limit, 1},   {"freeze", freeze, 1},
    {"intern", intern, 1},         {"recover", recover, 2},
    {"sweep", sweep, 3},           {"arrive", arrive, 1},
};

/* -- what a table means
 * ---------------------------------------------------------------------------- */

/* Folds all that an operation may change and that must be the same in the end. */
static uint64_t meaning(const s4_table *t) {
    static const uint8_t key[16] = {1};
    s4_root root = *t->root;
    uint64_t sum = s4_siphash(key, &root.frozen_all, 1024); /* freezes, free records */
    sum ^= (uint64_t)s4_get(&root.epoch);
    for (uint32_t i = 0; i < t->sizes.cells; i++) {
        s4_cell cell = t->cells[i];
        s4_put(&cell.touched_ns, 0);
        int is_open = s4_get(&cell.control) & 1; /* a closed cell is scratch but for its links */
        const s4_word words[2] = {cell.control, cell.link};
        uint64_t one = is_open ? s4_siphash(key, &cell, sizeof cell)
                               : s4_siphash(key, words, sizeof words);
        sum = s4_siphash(key, (uint64_t[]){sum, one}, 16);
    }
    for (uint32_t i = 0; i <= t->cell_mask; i++)
        sum = s4_siphash(key, (int64_t[]){(int64_t)sum, s4_get(&t->cell_buckets[i])}, 16);
    for (uint32_t s = 0; s < t->sizes.slots; s++) {
        const s4_slot *slot = &t->slots[s];
        sum = s4_siphash(key, (int64_t[]){(int64_t)sum, s4_get(&slot->lease_free),
                                          s4_get(&slot->lease_fresh), s4_get(&slot->open),
                                          s4_get(&slot->head), s4_get(&slot->dropped)}, 48);
        for (uint32_t i = 0; i < t->sizes.leases; i++) {
            const s4_lease *lease = s4_lease_at(t, s, i);
            int64_t control = s4_get(&lease->control);
            int64_t amount = control & 3 ? lease->amount : 0;
            sum = s4_siphash(key, (int64_t[]){(int64_t)sum, control, amount}, 24);
        }
        for (int64_t r = 0; r < s4_get(&slot->head); r++)
            sum ^= s4_siphash(key, s4_row_at(t, s, r), sizeof(s4_row));
    }
    for (uint32_t i = 0; i < t->sizes.values; i++) {
        const s4_value *value = &t->values[i];
        if (s4_get(&value->state) == S4_VALUE_EMPTY) continue;
        int64_t words[] = {(int64_t)sum, s4_get(&value->state), s4_get(&value->cells),
                           value->dimension, value->text[0]};
        sum = s4_siphash(key, words, sizeof words);
    }
    return sum;
}

/* Takes the lock, which repairs, and looks whether everything adds up. */
static void repair_and_check(s4_table *t) {
    char problem[S4_PROBLEM_BYTES] = "";
    s4_mismatch found[1];
    CHECK_EQUAL(0, s4_table_audit(t, 0, t->sizes.cells, found, 1));
    CHECK_EQUAL(0, s4_get(&t->root->redo_valid));
    CHECK_EQUAL(0, s4_get(&t->root->seq) % 2);
    if (s4_check(t, problem) != S4_OK) fail(__FILE__, __LINE__, problem);
}

/* The dead are recovered, and what they held is gone. */
static void bury(world *w) {
    s4_recovered out;
    CHECK_EQUAL(S4_OK, s4_table_recover(w->t, SLOT, 5, 19, &out));
    CHECK_EQUAL(S4_OK, s4_table_recover(w->t, DEAD, 5, 19, &out));
    repair_and_check(w->t);
    for (uint32_t s = 0; s < w->t->sizes.slots; s++)
        CHECK_EQUAL(0, s4_get(&w->t->slots[s].open));
    for (uint32_t i = 0; i < 8; i++) {
        const s4_cell *cell = &w->t->cells[w->cell[i]];
        CHECK_EQUAL(s4_get(&cell->charged), s4_get(&cell->used));
    }
    CHECK_EQUAL(0, s4_get(&w->t->cells[w->rates[0].cell].open));
}

/* Runs the operation in a child that dies at the nth passing of a point.  0: it never got there. */
static int run_and_die(world *w, const struct operation *operation, int point, int nth) {
    pid_t child = start_child();
    if (child == 0) {
        take_seat(w);
        if (point >= 0) arm(point, nth);
        operation->run(w);
        if (point >= 0) _exit(0);
        kill(getpid(), SIGKILL); /* the whole operation, then death */
    }
    return wait_for(child) == SIGKILL;
}

/* A child that only takes the lock, and dies on the way. */
static int repair_and_die(world *w, int point, int nth) {
    pid_t child = start_child();
    if (child == 0) {
        s4_mismatch found[1];
        arm(point, nth);
        s4_table_audit(w->t, 0, 1, found, 1);
        _exit(0);
    }
    return wait_for(child) == SIGKILL;
}

/* -- the walk
 * ----------------------------------------------------------------------------------- */

static long fired[S4_AT_POINTS], deaths;

static const int is_behind_commit[S4_AT_POINTS] = {
    [S4_AT_VALID] = 1, [S4_AT_WORD] = 1, [S4_AT_APPLIED] = 1, [S4_AT_CLEARED] = 1,
    [S4_AT_UNLOCK] = 1};

/* What the table means before the operation and after each of its commits. */
static void expectations(const struct operation *operation, uint64_t expected[4]) {
    for (int commits = 0; commits <= operation->commits; commits++) {
        world w;
        build(&w);
        /* Dying at the nth locking is dying with n - 1 commits done. */
        CHECK(commits < operation->commits ? run_and_die(&w, operation, S4_AT_WRITTEN, commits + 1)
                                           : run_and_die(&w, operation, -1, 0));
        repair_and_check(w.t);
        expected[commits] = meaning(w.t);
        drop_scratch(w.t);
    }
    for (int i = 0; i < operation->commits; i++) CHECK(expected[i] != expected[i + 1]);
}

static int is_one_of(const uint64_t expected[4], int commits, uint64_t found) {
    for (int i = 0; i <= commits; i++)
        if (expected[i] == found) return 1;
    return 0;
}

/* One kill point.  `repair_nth`: also kill the first repairer at its nth word; 0: do not. */
static int kill_at(const struct operation *operation, const uint64_t expected[4], int point,
                   int nth, int repair_point, int repair_nth) {
    world w;
    snprintf(context, sizeof context, "%s killed at %s %d, repair killed at %s %d", operation->name,
             point_name(point), nth, repair_nth ? point_name(repair_point) : "nothing", repair_nth);
    build(&w);
    if (!run_and_die(&w, operation, point, nth)) {
        drop_scratch(w.t);
        return 0;
    }
    deaths++;
    fired[point]++;
    if (repair_nth && !repair_and_die(&w, repair_point, repair_nth)) {
        drop_scratch(w.t);
        return 0;
    }
    if (repair_nth) fired[repair_point]++;
    repair_and_check(w.t);
    uint64_t found = meaning(w.t);
    if (operation->commits == 1)
        CHECK(found == expected[is_behind_commit[point]]);
    CHECK(is_one_of(expected, operation->commits, found));
    bury(&w);
    drop_scratch(w.t);
    return 1;
}

static void walk(const struct operation *operation) {
    static const int points[] = {S4_AT_LOCKED,  S4_AT_WRITTEN, S4_AT_VALID, S4_AT_WORD,
                                 S4_AT_APPLIED, S4_AT_CLEARED, S4_AT_UNLOCK};
    uint64_t expected[4];
    expectations(operation, expected);
    for (size_t p = 0; p < sizeof points / sizeof *points; p++) {
        int nth = 1;
        while (kill_at(operation, expected, points[p], nth, 0, 0)) nth++;
        if (nth == 1) fail(__FILE__, __LINE__, "a point that never fired");
    }
    /* The repairer dies, too: before, in the middle of, and behind what it applies. */
    static const int repairs[] = {S4_AT_REPAIRING, S4_AT_WORD, S4_AT_APPLIED, S4_AT_CLEARED,
                                  S4_AT_REPAIRED};
    for (size_t r = 0; r < sizeof repairs / sizeof *repairs; r++) {
        int nth = 1;
        while (kill_at(operation, expected, S4_AT_WORD, 1, repairs[r], nth)) nth++;
        if (nth == 1) fail(__FILE__, __LINE__, "a repair point that never fired");
    }
}

int main(void) {
    share_counts();
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) walk(&operations[i]);
    for (int p = 0; p < S4_AT_POINTS; p++) CHECK(fired[p] > 0);
    printf("%zu operations, %ld deaths, every point fired, every table exact\n",
           sizeof operations / sizeof *operations, deaths);
    return 0;
}
