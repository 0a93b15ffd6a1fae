/*
 * The table under several threads, for the thread sanitizer: workers with whole lives of leases, a
 * steward that drains, audits, closes and sweeps, readers of everything that is read without the
 * lock.
 *
 *   threads_table [--rounds N] [--seed N]
 *
 * The sanitizer knows addresses, so all threads share one mapping: each has a copy of the handle
 * with its own slot and out-areas.  Nobody dies here; that is what stress_table is for.
 */
#include "harness.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#ifdef __SANITIZE_THREAD__
/* The sanitizer does not know this call (gcc 12): what was taken by it would look like no lock. */
int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until) {
    int64_t deadline = (int64_t)until->tv_sec * 1000000000 + until->tv_nsec;
    int error;
    while ((error = pthread_mutex_trylock(mutex)) == EBUSY && s4_now_ns(clock) < deadline)
        sched_yield();
    return error == EBUSY ? ETIMEDOUT : error;
}
#endif

#define WORKERS 3
#define CELLS 4
#define SWEEP_NS 50000000 /* an hour in the product: until then who met a value has forgotten it */

static s4_table *shared;
static uint32_t budget, cell[CELLS], generation[CELLS];
static _Atomic int running = WORKERS;
static _Atomic int64_t truth[CELLS];
static int64_t journal[CELLS];
static long rounds = 20000;
static uint64_t seed = 1;

static s4_table handle_of_thread(void) {
    s4_table t = *shared;
    t.own = NULL;
    t.slot_fd = -1;
    return t;
}

/* -- workers ----------------------------------------------------------------------------------- */

static uint32_t choose(uint64_t *random, s4_table *t, uint32_t *cells, uint32_t *generations) {
    uint32_t n = 0, mask = draw_below(random, (1 << CELLS) - 1) + 1;
    for (uint32_t i = 0; i < CELLS; i++) {
        if (!(mask >> i & 1)) continue;
        cells[n] = cell[i];
        generations[n++] = generation[i];
    }
    if (draw_below(random, 4)) return n;
    uint8_t session = (uint8_t)draw_below(random, 20);
    uint32_t id = (uint32_t)s4_table_intern(t, 5, &session, 1, 0);
    int64_t index = s4_table_claim(t, budget, 1, draw_below(random, 2), &id, 1, S4_NUSD_MAX, 1,
                                   &generations[n]);
    if (index >= 0) cells[n++] = (uint32_t)index;
    return n;
}

static void exchange(uint64_t *random, s4_table *t) {
    static const uint32_t values[8] = {1, 2, 3};
    static const uint8_t request[16] = "threads";
    uint32_t cells[8], generations[8], n = choose(random, t, cells, generations);
    s4_cell_set set;
    CHECK_EQUAL(S4_OK, s4_table_cell_set(t, &set, cells, generations, n, values));
    int64_t amount = draw_below(random, 1000);
    int64_t lease = s4_table_reserve(t, &set, amount, request, 1);
    if (lease < 0) {
        s4_table_publish(t);
        return;
    }
    int code;
    if (draw_below(random, 8) == 0) {
        do code = s4_table_void(t, lease); /* busy: the holder lost its processor */
        while (code == S4_BUSY);
        CHECK_EQUAL(S4_OK, code);
        return;
    }
    CHECK_EQUAL(S4_OK, s4_table_sent(t, lease));
    int64_t actual = draw_below(random, 1200);
    for (uint32_t i = 0; i < n; i++)
        for (int c = 0; c < CELLS; c++)
            if (cells[i] == cell[c]) atomic_fetch_add(&truth[c], actual);
    do code = s4_table_settle(t, lease, actual, 0);
    while (code == S4_BUSY);
    CHECK_EQUAL(S4_OK, code);
}

static void *work(void *number) {
    uint32_t slot = (uint32_t)(uintptr_t)number;
    s4_table t = handle_of_thread();
    uint64_t random = (seed + slot) * UINT64_C(0x9e3779b97f4a7c15) | 1;
    CHECK_EQUAL(S4_OK, s4_table_join(&t, slot, 1));
    s4_table_set_strict(&t, 1);
    for (long i = 0; i < rounds; i++) {
        exchange(&random, &t);
        s4_table_beat(&t);
        s4_table_set_state(&t, i & 3);
    }
    s4_table_leave(&t);
    atomic_fetch_sub(&running, 1);
    return NULL;
}

/* -- steward and readers ----------------------------------------------------------------------- */

static void drain(s4_table *t, int64_t *tails) {
    s4_row rows[32];
    for (uint32_t slot = 0; slot < WORKERS; slot++) {
        int n = s4_table_drain(t, slot, tails[slot], rows, 32);
        CHECK(n >= 0);
        for (int r = 0; r < n; r++) {
            CHECK_EQUAL(tails[slot] + r + 1, rows[r].seq);
            for (int c = 0; c < rows[r].n; c++)
                for (int i = 0; i < CELLS; i++)
                    if (rows[r].cell[c] == cell[i]) journal[i] += rows[r].charged;
        }
        tails[slot] += n;
        CHECK_EQUAL(S4_OK, s4_table_advance_tail(t, slot, tails[slot]));
    }
}

static void close_idle(s4_table *t) {
    s4_cell_info cells[64];
    uint32_t cursor = 0;
    int n = s4_table_cells(t, &cursor, cells, 64);
    for (int i = 0; i < n; i++) {
        CHECK(cells[i].used >= cells[i].charged && cells[i].budget == budget);
        if (cells[i].kind == 1)
            (void)s4_table_close_cell(t, cells[i].index, cells[i].generation);
    }
}

static void *tend(void *unused) {
    s4_table t = handle_of_thread();
    int64_t tails[WORKERS] = {0};
    s4_mismatch found[1];
    s4_swept swept;
    for (long i = 0; atomic_load(&running); i++) {
        drain(&t, tails);
        if (i % 8) continue;
        CHECK_EQUAL(0, s4_table_audit(&t, 0, t.sizes.cells, found, 1));
        close_idle(&t);
        CHECK_EQUAL(S4_OK, s4_table_sweep_values(&t, SWEEP_NS, &swept));
        uint32_t at = (uint32_t)i / 8 % CELLS;
        int64_t limit = s4_get(&t.cells[cell[at]].used) + 100000;
        CHECK_EQUAL(S4_OK, s4_table_set_limit(&t, cell[at], generation[at], limit, limit));
    }
    for (int i = 0; i < 100; i++) drain(&t, tails);
    return unused;
}

static void *look(void *unused) {
    s4_table t = handle_of_thread();
    int64_t offset, starts[S4_WINDOWS] = {0};
    uint32_t frozen[S4_FROZEN_MAX + 1], dimension;
    uint8_t text[S4_VALUE_BYTES];
    s4_slot_info info;
    for (long i = 0; atomic_load(&running); i++) {
        for (uint32_t slot = 0; slot < WORKERS; slot++) {
            s4_table_slot_info(&t, slot, &info);
            CHECK(info.head >= info.tail);
        }
        s4_table_publish_clock(&t, i, starts);
        s4_table_clock(&t, &offset, starts);
        for (uint32_t id = 1; id <= budget; id++) /* those that no sweep retires */
            (void)s4_table_value(&t, id, &dimension, text);
        if (i % 64 == 0) CHECK_EQUAL(S4_OK, s4_table_freeze(&t, budget));
        CHECK(s4_table_frozen(&t, frozen) <= 1);
        if (i % 64 == 0) CHECK_EQUAL(S4_OK, s4_table_release(&t, budget));
    }
    return unused;
}

static void check_standstill(void) {
    char problem[S4_PROBLEM_BYTES] = "";
    if (s4_check(shared, problem) != S4_OK) fail(__FILE__, __LINE__, problem);
    for (int i = 0; i < CELLS; i++) {
        const s4_cell *c = &shared->cells[cell[i]];
        CHECK_EQUAL(0, s4_get(&c->open));
        CHECK_EQUAL(atomic_load(&truth[i]), s4_get(&c->charged));
        CHECK_EQUAL(s4_get(&c->charged), s4_get(&c->used));
        CHECK_EQUAL(s4_get(&c->charged), journal[i]);
    }
}

int main(int argc, char **argv) {
    pthread_t threads[WORKERS + 2];
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--rounds") == 0) rounds = atol(argv[i + 1]);
        if (strcmp(argv[i], "--seed") == 0) seed = strtoull(argv[i + 1], NULL, 10);
    }
    shared = scratch_table(WORKERS, 64, 16, 64, 256);
    budget = (uint32_t)s4_table_intern(shared, 8, (const uint8_t *)"threads", 7, 0);
    for (uint32_t i = 0; i < CELLS; i++) {
        uint32_t id = i + 1;
        cell[i] = (uint32_t)s4_table_claim(shared, budget, 0, 0, &id, 1, 100000, 100000,
                                           &generation[i]);
    }
    for (uintptr_t i = 0; i < WORKERS; i++) pthread_create(&threads[i], NULL, work, (void *)i);
    pthread_create(&threads[WORKERS], NULL, tend, NULL);
    pthread_create(&threads[WORKERS + 1], NULL, look, NULL);
    for (int i = 0; i < WORKERS + 2; i++) pthread_join(threads[i], NULL);
    check_standstill();
    printf("%ld exchanges in %d threads: exact\n", rounds * WORKERS, WORKERS);
    drop_scratch(shared);
    return 0;
}
