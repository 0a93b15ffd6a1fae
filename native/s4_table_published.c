/*
 * Words that the master publishes: clock, clean mark, generation.  One writer, no lock.
 */
#include "s4_table.h"

void s4_table_publish_clock(s4_table *t, int64_t offset_ns, const int64_t *starts) {
    s4_put_release(&t->root->clock_offset_ns, offset_ns);
    for (int i = 0; i < S4_WINDOWS; i++) s4_put_release(&t->root->starts[i], starts[i]);
}

void s4_table_clock(s4_table *t, int64_t *offset_ns, int64_t *starts) {
    *offset_ns = s4_get_acquire(&t->root->clock_offset_ns);
    for (int i = 0; i < S4_WINDOWS; i++) starts[i] = s4_get_acquire(&t->root->starts[i]);
}

void s4_table_set_clean(s4_table *t, int is_clean) { s4_put_release(&t->root->clean, is_clean); }

int s4_table_is_clean(s4_table *t) { return s4_get_acquire(&t->root->clean) != 0; }

void s4_table_publish_generation(s4_table *t, int64_t generation) {
    s4_put_release(&t->root->generation, generation);
}

int64_t s4_table_generation(s4_table *t) { return s4_get_acquire(&t->root->generation); }
