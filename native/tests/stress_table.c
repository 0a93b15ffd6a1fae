/*
 * Hammers shared cells to their limits from several processes, kills them at random, recovers, and
 * checks after each kill that the money is exact.
 *
 *   stress_table [--seconds N] [--kills N] [--seed N] [--workers N] [--overruns]
 *
 * Every worker runs the whole life of leases over 1 to 8 of the shared cells, and of cells that the
 * parent keeps closing.  What the "provider" charged is added up beside the table, before the
 * settle. The parent is master and steward.  Recoverers are children too, and half of them are
 * killed.
 *
 * After each kill: no cell differs from its leases; used <= limit (unless overruns are on).
 * At each standstill (all killed): nothing held; charged == the journal's sum; charged >= truth >=
 * spent; the lists of the table are whole.
 */
#include "harness.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#define WORKERS_MAX 8
#define CELLS 8
#define OPEN_MAX 6
#define LEASES_MAX 10 /* of all workers together: fewer than they would like to have */
#define LIMIT 5000000 /* the smallest cell pays for some milliseconds of work */

/* Beside the table: by worker and cell, only its worker writes. */
typedef struct {
    _Atomic int64_t truth[WORKERS_MAX][CELLS];
    _Atomic int64_t pairs[WORKERS_MAX];
    _Atomic int64_t denied[WORKERS_MAX];
} tally;

static s4_table *t;
static tally *told;
static uint32_t budget, cell[CELLS], generation[CELLS];
static s4_rate rates[2]; /* the first one's cell counts all leases, too */
static int64_t journal[CELLS], tails[WORKERS_MAX], emptied;
static int workers = 3, has_overruns;
static uint64_t seed;

/* -- a worker ---------------------------------------------------------------------------------- */

typedef struct {
    int64_t handle, amount;
    uint32_t mask;
    int is_sent;
} promise;

static const uint32_t no_values[8] = {1, 2, 3};

/* A cell that the parent closes whenever it is idle: claimed anew for each use. */
static int churn_cell(uint64_t *random, uint32_t *generation_out) {
    uint8_t session = (uint8_t)draw_below(random, 30);
    uint32_t id = (uint32_t)s4_table_intern(t, 5, &session, 1, 0);
    return (int)s4_table_claim(t, budget, 1, draw_below(random, 2), &id, 1, S4_NUSD_MAX, LIMIT,
                               generation_out);
}

static int begin(uint64_t *random, int self, promise *p) {
    static const uint8_t request[16] = "stress";
    uint32_t cells[8], generations[8], n = 0;
    s4_cell_set set;
    p->mask = draw_below(random, 255) + 1;
    for (uint32_t i = 0; i < CELLS; i++) {
        if (!(p->mask >> i & 1)) continue;
        cells[n] = cell[i];
        generations[n++] = generation[i];
    }
    if (n < 8 && draw_below(random, 4) == 0) {
        int index = churn_cell(random, &generations[n]);
        /* Its value was swept meanwhile; or the holder of the lock lost its processor. */
        CHECK(index >= 0 || index == S4_STALE || index == S4_BUSY);
        if (index >= 0) cells[n++] = (uint32_t)index;
    }
    CHECK_EQUAL(S4_OK, s4_table_cell_set(t, &set, cells, generations, n, no_values));
    CHECK_EQUAL(S4_OK, s4_table_limit_open(t, &set, rates[0].cell, rates[0].generation,
                                           LEASES_MAX));
    if (draw_below(random, 4) == 0) (void)s4_table_arrive(t, rates, 2, 0);
    p->amount = draw_below(random, 2000);
    p->is_sent = 0;
    p->handle = s4_table_reserve(t, &set, p->amount, request, 7);
    if (p->handle >= 0) return 1;
    CHECK(p->handle == S4_DENIED || p->handle == S4_STALE || p->handle == S4_BUSY ||
          p->handle == S4_RING_FULL || p->handle == S4_CROWDED);
    if (p->handle == S4_RING_FULL) usleep(100);
    if (p->handle == S4_DENIED) atomic_fetch_add(&told->denied[self], 1);
    return 0;
}

static void end(uint64_t *random, int self, promise *p) {
    int code;
    if (!p->is_sent) {
        if (draw_below(random, 8) == 0) {
            while ((code = s4_table_void(t, p->handle)) == S4_BUSY) continue;
            CHECK_EQUAL(S4_OK, code);
            return;
        }
        CHECK_EQUAL(S4_OK, s4_table_sent(t, p->handle));
    }
    int64_t actual = draw_below(random, (uint32_t)p->amount + 1);
    if (has_overruns && draw_below(random, 16) == 0) actual = p->amount + draw_below(random, 500);
    for (int i = 0; i < CELLS; i++)
        if (p->mask >> i & 1) atomic_fetch_add(&told->truth[self][i], actual);
    while ((code = s4_table_settle(t, p->handle, actual, 0)) == S4_BUSY) continue;
    CHECK_EQUAL(S4_OK, code);
    CHECK_EQUAL(S4_ALREADY, s4_table_settle(t, p->handle, actual, 0));
    atomic_fetch_add(&told->pairs[self], 1);
}

static _Noreturn void work(int self, uint64_t random) {
    promise open[OPEN_MAX];
    int n = 0;
    CHECK(nice(5) != -1); /* the parent shall kill on time */
    CHECK_EQUAL(S4_OK, s4_table_join(t, (uint32_t)self, 1));
    s4_table_set_strict(t, 1); /* no row is dropped, so the journal must add up */
    for (;;) {
        if (n < OPEN_MAX && draw_below(&random, 2)) {
            n += begin(&random, self, &open[n]);
        } else if (n > 0) {
            int at = (int)draw_below(&random, (uint32_t)n);
            end(&random, self, &open[at]);
            open[at] = open[--n];
        }
        if (n && draw_below(&random, 4) == 0) {
            promise *p = &open[draw_below(&random, (uint32_t)n)];
            CHECK_EQUAL(S4_OK, s4_table_sent(t, p->handle));
            p->is_sent = 1;
        }
    }
}

/* -- the parent: master and steward
 * -------------------------------------------------------------- */

static pid_t start(int self, uint64_t *random) {
    uint64_t state = draw(random) | 1;
    pid_t child = start_child();
    if (child == 0) work(self, state);
    return child;
}

static void drain(void) {
    s4_row rows[64];
    for (int slot = 0; slot < workers; slot++) {
        int n;
        while ((n = s4_table_drain(t, (uint32_t)slot, tails[slot], rows, 64)) > 0) {
            for (int r = 0; r < n; r++) {
                CHECK_EQUAL(tails[slot] + r + 1, rows[r].seq);
                CHECK(rows[r].kind != S4_ROW_GAP);
                for (int c = 0; c < rows[r].n; c++)
                    for (int i = 0; i < CELLS; i++)
                        if (rows[r].cell[c] == cell[i]) journal[i] += rows[r].charged;
            }
            tails[slot] += n;
            CHECK_EQUAL(S4_OK, s4_table_advance_tail(t, (uint32_t)slot, tails[slot]));
        }
        CHECK(n >= 0);
    }
}

static void check_running(void) {
    s4_mismatch found[4];
    s4_cell_info cells[128];
    uint32_t cursor = 0;
    CHECK_EQUAL(0, s4_table_audit(t, 0, t->sizes.cells, found, 4));
    int n = s4_table_cells(t, &cursor, cells, 128);
    CHECK(n >= CELLS);
    for (int i = 0; i < n; i++) {
        CHECK(cells[i].used >= cells[i].charged && cells[i].charged >= cells[i].accrued);
        if (cells[i].kind == 2) CHECK(cells[i].open <= LEASES_MAX);
        if (!has_overruns && cells[i].kind == 0) CHECK(cells[i].used <= cells[i].limit);
        /* Idle churn cells are closed under the workers' hands. */
        if (cells[i].kind == 1)
            (void)s4_table_close_cell(t, cells[i].index, cells[i].generation);
    }
    s4_swept swept;
    CHECK_EQUAL(S4_OK, s4_table_sweep_values(t, 0, &swept));
    emptied += swept.emptied;
}

static void recover(int slot, uint64_t *random) {
    for (;;) {
        pid_t child = start_child();
        if (child == 0) {
            s4_recovered out;
            CHECK_EQUAL(S4_OK, s4_table_recover(t, (uint32_t)slot, 1, 19, &out));
            _exit(0);
        }
        if (draw_below(random, 2)) {
            usleep(draw_below(random, 300));
            kill(child, SIGKILL);
        }
        if (wait_for(child) == 0) return;
    }
}

/* Everyone is dead and recovered: now every sum must be equal. */
static void check_standstill(void) {
    char problem[S4_PROBLEM_BYTES] = "";
    drain();
    if (s4_check(t, problem) != S4_OK) fail(__FILE__, __LINE__, problem);
    CHECK_EQUAL(0, s4_get(&t->cells[rates[0].cell].open));
    int64_t came = s4_get(&t->cells[rates[0].cell].arrival_ns) / rates[0].interval_ns;
    CHECK_EQUAL(came * rates[1].interval_ns, s4_get(&t->cells[rates[1].cell].arrival_ns));
    for (int i = 0; i < CELLS; i++) {
        s4_cell *c = &t->cells[cell[i]];
        int64_t truth = 0;
        for (int w = 0; w < workers; w++) truth += atomic_load(&told->truth[w][i]);
        CHECK_EQUAL(0, s4_get(&c->open));
        CHECK_EQUAL(s4_get(&c->charged), s4_get(&c->used));
        CHECK_EQUAL(s4_get(&c->charged), journal[i]);
        if (!has_overruns) CHECK(s4_get(&c->charged) >= truth);
        CHECK(s4_get(&c->charged) - s4_get(&c->accrued) <= truth);
    }
}

/* The limits rise above what is used, so that the cells are hammered up to them again and again. */
static void raise_limits(void) {
    for (int i = 0; i < CELLS; i++) {
        const s4_cell *c = &t->cells[cell[i]];
        int64_t limit = s4_get(&c->used) + (int64_t)LIMIT * (i + 1) / CELLS;
        if (limit < s4_get(&c->limit)) continue;
        CHECK_EQUAL(S4_OK, s4_table_set_limit(t, cell[i], generation[i], limit, limit));
    }
}

static void set_up(void) {
    t = scratch_table(WORKERS_MAX, 128, 16, 64, 4096);
    told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(told != MAP_FAILED);
    budget = (uint32_t)s4_table_intern(t, 8, (const uint8_t *)"stress", 6, 0);
    for (uint32_t i = 0; i < CELLS; i++) {
        uint32_t id = i + 1;
        cell[i] = (uint32_t)s4_table_claim(t, budget, 0, 0, &id, 1, 0, 0, &generation[i]);
    }
    for (uint32_t i = 0; i < 2; i++) {
        s4_rate *rate = &rates[i];
        rate->cell = (uint32_t)s4_table_claim(t, budget, 2, i, NULL, 0, S4_NUSD_MAX, S4_NUSD_MAX,
                                              &rate->generation);
        rate->interval_ns = 10 + i;
        rate->burst = S4_BURST_MAX;
    }
    raise_limits();
}

static long run(double seconds, long kills_max, uint64_t *random) {
    pid_t child[WORKERS_MAX];
    long kills = 0;
    int64_t until = s4_now_ns(CLOCK_MONOTONIC) + (int64_t)(seconds * 1e9);
    for (int w = 0; w < workers; w++) child[w] = start(w, random);
    while (kills < kills_max && s4_now_ns(CLOCK_MONOTONIC) < until) {
        usleep(draw_below(random, 800));
        drain();
        int all = draw_below(random, 16) == 0; /* a standstill */
        int first = (int)draw_below(random, (uint32_t)workers);
        for (int w = all ? 0 : first; w < (all ? workers : first + 1); w++, kills++) {
            kill(child[w], SIGKILL);
            CHECK_EQUAL(SIGKILL, wait_for(child[w]));
            if (!all) recover(w, random);
        }
        for (int w = 0; all && w < workers; w++) recover(w, random);
        check_running();
        if (all) check_standstill();
        raise_limits();
        for (int w = all ? 0 : first; w < (all ? workers : first + 1); w++)
            child[w] = start(w, random);
    }
    for (int w = 0; w < workers; w++) kill(child[w], SIGKILL);
    for (int w = 0; w < workers; w++) wait_for(child[w]);
    for (int w = 0; w < workers; w++) recover(w, random);
    check_standstill();
    return kills;
}

int main(int argc, char **argv) {
    double seconds = 3;
    long kills_max = 1000000;
    seed = (uint64_t)s4_now_ns(CLOCK_REALTIME);
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "0";
        if (strcmp(argv[i], "--overruns") == 0) has_overruns = 1;
        if (strcmp(argv[i], "--seconds") == 0) seconds = atof(value);
        if (strcmp(argv[i], "--kills") == 0) kills_max = atol(value);
        if (strcmp(argv[i], "--seed") == 0) seed = strtoull(value, NULL, 10);
        if (strcmp(argv[i], "--workers") == 0) workers = atoi(value);
    }
    CHECK(workers >= 1 && workers <= WORKERS_MAX);
    snprintf(context, sizeof context, "seed %llu", (unsigned long long)seed);
    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    uint64_t random = seed | 1;
    share_counts();
    set_up();
    long kills = run(seconds, kills_max, &random);
    int64_t pairs = 0, denied = 0;
    for (int w = 0; w < workers; w++) {
        pairs += atomic_load(&told->pairs[w]);
        denied += atomic_load(&told->denied[w]);
    }
    printf("kills %ld, lock held %ld, records applied %ld, pairs %lld, denied %lld, values reused "
           "%lld: exact\n", kills, counts->repaired, counts->repairing, (long long)pairs,
           (long long)denied, (long long)emptied);
    CHECK(pairs > 0 && denied > 0);
    drop_scratch(t);
    return 0;
}
