/*
 * Interned values: found again, bounded, and their ids used again when nobody can still mean them.
 */
#include "harness.h"

static const uint8_t request[16] = "0123456789abcde";
static const uint32_t values[8] = {1, 2, 3};

static void test_values_are_found_again_and_the_surplus_is_other(void) {
    s4_table *t = scratch_table(2, 16, 4, 128, 4);
    uint32_t dimension;
    uint8_t text[S4_VALUE_BYTES], longest[S4_VALUE_BYTES + 1];
    memset(longest, 'x', sizeof longest);
    int64_t acme = s4_table_intern(t, 1, (const uint8_t *)"acme", 4, 0);
    CHECK_EQUAL(acme, s4_table_intern(t, 1, (const uint8_t *)"acme", 4, 0));
    CHECK(acme != s4_table_intern(t, 2, (const uint8_t *)"acme", 4, 0));
    CHECK_EQUAL(3, s4_table_intern(t, 2, (const uint8_t *)"other", 5, 0));
    CHECK_EQUAL(4, s4_table_value(t, (uint32_t)acme, &dimension, text));
    CHECK(dimension == 1 && memcmp(text, "acme", 4) == 0);
    CHECK_EQUAL(S4_MISSING, s4_table_value(t, 0, &dimension, text));
    CHECK_EQUAL(S4_MISSING, s4_table_value(t, 127, &dimension, text));
    CHECK(s4_table_intern(t, 1, longest, S4_VALUE_BYTES, 0) > S4_DIMENSIONS);
    CHECK_EQUAL(S4_INVALID, s4_table_intern(t, 1, longest, S4_VALUE_BYTES + 1, 0));
    CHECK_EQUAL(S4_INVALID, s4_table_intern(t, 1, longest, 0, 0));
    CHECK_EQUAL(S4_INVALID, s4_table_intern(t, 16, longest, 4, 0));
    CHECK_EQUAL(2, s4_table_intern(t, 1, (const uint8_t *)"third", 5, 2)); /* there are two */
    CHECK_EQUAL(acme, s4_table_intern(t, 1, (const uint8_t *)"acme", 4, 2));
    char name[24];
    int64_t id = 0;
    for (int i = 0; i < 128 && id != 6; i++) {
        snprintf(name, sizeof name, "session-%d", i);
        id = s4_table_intern(t, 5, (const uint8_t *)name, (uint32_t)strlen(name), 0);
    }
    CHECK_EQUAL(6, id); /* full for callers, and still room for what is ours */
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "budget-%d", i);
        CHECK(s4_table_intern(t, 8, (const uint8_t *)name, (uint32_t)strlen(name), 0) > 16);
    }
    CHECK_EQUAL(S4_FULL, s4_table_intern(t, 8, (const uint8_t *)"no", 2, 0));
    drop_scratch(t);
}

/* An id may mean another value only when nobody can still mean the old one. */
static void test_sweep_retires_unused_values_then_empties_them_and_makes_sets_stale(void) {
    s4_table *t = scratch_table(2, 16, 4, 64, 8);
    s4_swept out;
    uint32_t dimension, generation;
    uint8_t text[S4_VALUE_BYTES];
    uint32_t idle = (uint32_t)s4_table_intern(t, 5, (const uint8_t *)"idle", 4, 0);
    uint32_t named = (uint32_t)s4_table_intern(t, 5, (const uint8_t *)"named", 5, 0);
    uint32_t ours = (uint32_t)s4_table_intern(t, 8, (const uint8_t *)"ours", 4, 0);
    uint32_t cell = (uint32_t)s4_table_claim(t, 17, 0, 0, &named, 1, 9, 9, &generation);
    s4_cell_set set;
    CHECK_EQUAL(S4_OK, s4_table_join(t, 0, 1));
    CHECK_EQUAL(S4_OK, s4_table_cell_set(t, &set, &cell, &generation, 1, values));
    CHECK_EQUAL(S4_OK, s4_table_sweep_values(t, INT64_MAX, &out)); /* too early: nothing */
    CHECK(s4_table_reserve(t, &set, 0, request, 1) >= 0);
    CHECK_EQUAL(S4_OK, s4_table_sweep_values(t, 0, &out));
    CHECK_EQUAL(0, out.retired); /* all were touched since the table was made */
    CHECK_EQUAL(S4_STALE, s4_table_reserve(t, &set, 0, request, 1));
    CHECK_EQUAL(S4_OK, s4_table_sweep_values(t, 0, &out));
    CHECK_EQUAL(1, out.retired);
    CHECK_EQUAL(4, s4_table_value(t, idle, &dimension, text)); /* rows may still name it */
    CHECK_EQUAL(S4_STALE, s4_table_claim(t, 17, 1, 0, &idle, 1, 9, 9, &generation));
    CHECK_EQUAL(S4_STALE, s4_table_cell_set(t, &set, &cell, &generation, 1, (uint32_t[8]){idle}));
    CHECK(s4_table_intern(t, 5, (const uint8_t *)"idle", 4, 0) != idle);
    CHECK_EQUAL(S4_OK, s4_table_sweep_values(t, 0, &out));
    CHECK_EQUAL(0, out.emptied); /* someone still tried it a moment ago */
    CHECK_EQUAL(S4_OK, s4_table_sweep_values(t, 0, &out));
    CHECK_EQUAL(1, out.emptied);
    CHECK_EQUAL(S4_MISSING, s4_table_value(t, idle, &dimension, text));
    CHECK_EQUAL(idle, s4_table_intern(t, 5, (const uint8_t *)"next", 4, 0));
    CHECK_EQUAL(named, s4_table_intern(t, 5, (const uint8_t *)"named", 5, 0));
    CHECK_EQUAL(ours, s4_table_intern(t, 8, (const uint8_t *)"ours", 4, 0));
    drop_scratch(t);
}

int main(void) {
    int ran = 0;
    RUN(test_values_are_found_again_and_the_surplus_is_other);
    RUN(test_sweep_retires_unused_values_then_empties_them_and_makes_sets_stale);
    printf("%d tests passed\n", ran);
    return 0;
}
