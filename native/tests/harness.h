/*
 * What the C tests share: checks that say where they failed, scratch tables, children, fault
 * points.
 */
#ifndef S4_TESTS_HARNESS_H
#define S4_TESTS_HARNESS_H

#include "../s4_table.h"

#include <stdlib.h>
#include <sys/types.h>

#define CHECK(condition)                                                                \
    do {                                                                                \
        if (!(condition)) fail(__FILE__, __LINE__, #condition);                         \
    } while (0)
#define CHECK_EQUAL(expected, actual)                                                   \
    do {                                                                                \
        long long expected_ = (long long)(expected), actual_ = (long long)(actual);     \
        if (expected_ != actual_)                                                       \
            fail_equal(__FILE__, __LINE__, #actual, expected_, actual_);                \
    } while (0)

/* Told with every failure: the seed, or the kill point at work. */
extern char context[256];
_Noreturn void fail(const char *file, int line, const char *condition);
_Noreturn void fail_equal(const char *file, int line, const char *what, long long expected,
                          long long actual);

/* Runs one test of a program that counts them in `ran`. */
#define RUN(test) (strcpy(context, #test), test(), ran++)

/* A new table in a folder of its own, removed at exit. */
s4_table *scratch_table(uint32_t slots, uint32_t cells, uint32_t leases, uint32_t values,
                        uint32_t rows);
const char *scratch_path(void);
void drop_scratch(s4_table *t);

/* A fork whose child dies with us, however we die: a test must not leave a busy process behind. */
pid_t start_child(void);

/* Waits for one child; 0: it ended well, SIGKILL: it was killed, anything else fails the test. */
int wait_for(pid_t child);

/* From now on this process dies when it passes `point` for the nth time. */
void arm(int point, int nth);
const char *point_name(int point);
/* Counts of all processes: repairs with a committed record, repairs in all. */
typedef struct {
    _Atomic long repairing, repaired;
} fault_counts;
extern fault_counts *counts;
void share_counts(void);

/* xorshift64*: the same numbers from the same seed everywhere. */
static inline uint64_t draw(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}
static inline uint32_t draw_below(uint64_t *state, uint32_t below) {
    return (uint32_t)(draw(state) >> 33) % below;
}

#endif
