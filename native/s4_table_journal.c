/*
 * The journal ring of a slot: one writer (its owner), one reader (the steward).
 *
 * A row with money is copied behind the head and published by the redo record that moves the money,
 * so it is there if and only if the money is.  A row without money is published by one store.  When
 * the ring is full rows are dropped and counted; the next row with money that finds room is
 * preceded by a gap row that says how many.
 */
#include "s4_table.h"

/* Copies `source` behind `head` as the row number head + 1. */
static s4_row *place(s4_table *t, uint32_t slot, int64_t head, const s4_row *source) {
    s4_row *row = s4_row_at(t, slot, head);
    memcpy(row, source, sizeof *row);
    row->seq = (uint64_t)head + 1;
    row->slot = (uint16_t)slot;
    return row;
}

static void place_gap(s4_table *t, uint32_t slot, int64_t head, int64_t dropped, int64_t at_ns) {
    s4_row gap = {.kind = S4_ROW_GAP, .at_ns = at_ns};
    gap.code = dropped < UINT32_MAX ? (uint32_t)dropped : UINT32_MAX;
    place(t, slot, head, &gap);
}

s4_row *s4_row_stage(s4_table *t, uint32_t slot, const s4_row *source) {
    s4_slot *s = &t->slots[slot];
    int64_t head = s4_get(&s->head), dropped = s4_get(&s->dropped), told = s4_get(&s->told);
    int has_gap = dropped != told;
    /* Acquire: the steward has read the rows before the tail that we see. */
    int64_t room = t->sizes.rows - (head - s4_get_acquire(&s->tail));
    if (room < 1 + has_gap) {
        s4_redo_set(t, &s->dropped, dropped + 1);
        return NULL;
    }
    if (has_gap) {
        place_gap(t, slot, head++, dropped - told, source->at_ns);
        s4_redo_set(t, &s->told, dropped);
    }
    s4_redo_set(t, &s->head, head + 1);
    return place(t, slot, head, source);
}

s4_row *s4_table_staging(s4_table *t) { return &t->staging; }

int s4_table_publish(s4_table *t) {
    if (!t->own) return S4_INVALID;
    s4_slot *own = t->own;
    int64_t head = s4_get(&own->head);
    int is_full = head - s4_get_acquire(&own->tail) >= t->sizes.rows;
    if (is_full) {
        s4_put(&own->dropped, s4_get(&own->dropped) + 1);
    } else {
        place(t, t->slot, head, &t->staging);
        s4_put_release(&own->head, head + 1); /* after its bytes */
    }
    memset(&t->staging, 0, sizeof t->staging);
    return is_full ? S4_RING_FULL : S4_OK;
}

int s4_table_drain(s4_table *t, uint32_t slot, int64_t tail, s4_row *out, uint32_t room) {
    if (slot >= t->sizes.slots) return S4_INVALID;
    s4_slot *s = &t->slots[slot];
    int64_t head = s4_get_acquire(&s->head); /* the rows before it are whole */
    if (tail < s4_get(&s->tail) || tail > head) return S4_INVALID;
    int64_t n = head - tail < room ? head - tail : room;
    for (int64_t i = 0; i < n; i++) memcpy(&out[i], s4_row_at(t, slot, tail + i), sizeof *out);
    return (int)n;
}

int s4_table_advance_tail(s4_table *t, uint32_t slot, int64_t tail) {
    if (slot >= t->sizes.slots) return S4_INVALID;
    s4_slot *s = &t->slots[slot];
    if (tail < s4_get(&s->tail) || tail > s4_get_acquire(&s->head)) return S4_INVALID;
    s4_put_release(&s->tail, tail); /* after the rows before it were read */
    return S4_OK;
}
