/*
 * Slots: who owns one, and whether the owner lives.
 *
 * A live owner holds an open-file-description lock on the first byte of its slot.  The kernel drops
 * it when the last descriptor of that description closes, which death does; pids are for people
 * only.
 */
#include "s4_table.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int s4_file_lock(int fd, short type, int64_t at, int is_waiting) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
    int result;
    do result = fcntl(fd, is_waiting ? F_OFD_SETLKW : F_OFD_SETLK, &lock);
    while (result && errno == EINTR);
    return result;
}

/* Asked through the attached descriptor, which never holds a slot's byte: so it sees our own,
 * too. */
int s4_slot_is_live(const s4_table *t, uint32_t slot) {
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = s4_slot_byte(t, slot), .l_len = 1};
    if (fcntl(t->fd, F_OFD_GETLK, &lock)) return 1; /* not known: never recover a live one */
    return lock.l_type != F_UNLCK;
}

int s4_table_join(s4_table *t, uint32_t slot, int64_t kind) {
    if (slot >= t->sizes.slots || t->own) return S4_INVALID;
    int fd = s4_reopen(t);
    if (fd < 0) return S4_SYSTEM;
    if (s4_file_lock(fd, F_WRLCK, s4_slot_byte(t, slot), 0)) {
        int is_taken = errno == EAGAIN || errno == EACCES;
        close(fd);
        return is_taken ? S4_TAKEN : S4_SYSTEM;
    }
    s4_slot *own = &t->slots[slot];
    if (s4_get_acquire(&own->open)) { /* leases of a dead owner: to be recovered first */
        close(fd);
        return S4_TAKEN;
    }
    s4_put(&own->state, 0);
    s4_put(&own->generation, 0);
    s4_put(&own->kind, kind);
    s4_put(&own->incarnation, s4_get(&own->incarnation) + 1);
    s4_put(&own->heartbeat_ns, s4_now_ns(CLOCK_MONOTONIC));
    s4_put_release(&own->pid, getpid()); /* last: who sees the pid sees its words */
    memset(&t->staging, 0, sizeof t->staging);
    t->slot_fd = fd;
    t->slot = slot;
    t->own = own;
    return S4_OK;
}

void s4_table_leave(s4_table *t) {
    if (!t->own) return;
    s4_put(&t->own->state, 0);
    s4_put_release(&t->own->pid, 0);
    s4_table_forget_slot(t);
}

void s4_table_forget_slot(s4_table *t) {
    if (t->slot_fd >= 0) close(t->slot_fd); /* the parent's descriptor keeps its lock */
    t->slot_fd = -1;
    t->own = NULL;
}

void s4_table_beat(s4_table *t) {
    if (t->own) s4_put_release(&t->own->heartbeat_ns, s4_now_ns(CLOCK_MONOTONIC));
}

void s4_table_set_state(s4_table *t, int64_t state) {
    if (t->own) s4_put_release(&t->own->state, state);
}

void s4_table_set_generation(s4_table *t, int64_t generation) {
    if (t->own) s4_put_release(&t->own->generation, generation);
}

void s4_table_set_strict(s4_table *t, int is_strict) { t->is_strict = is_strict; }
void s4_table_set_marked(s4_table *t, int is_marked) { t->is_marked = is_marked; }

int s4_table_slot_info(s4_table *t, uint32_t slot, s4_slot_info *out) {
    if (slot >= t->sizes.slots) return S4_INVALID;
    s4_slot *from = &t->slots[slot];
    out->slot = slot;
    out->is_live = (uint32_t)s4_slot_is_live(t, slot);
    out->pid = s4_get_acquire(&from->pid);
    out->kind = s4_get(&from->kind);
    out->incarnation = s4_get(&from->incarnation);
    out->heartbeat_ns = s4_get_acquire(&from->heartbeat_ns);
    out->state = s4_get_acquire(&from->state);
    out->generation = s4_get_acquire(&from->generation);
    out->open = s4_get(&from->open);
    out->tail = s4_get_acquire(&from->tail); /* before the head: the lag is never negative */
    out->head = s4_get_acquire(&from->head);
    out->dropped = s4_get(&from->dropped);
    memcpy(out->counters, from->counters, sizeof out->counters);
    return S4_OK;
}

int s4_table_free_slot(s4_table *t) {
    for (uint32_t i = 0; i < t->sizes.slots; i++) {
        s4_slot *slot = &t->slots[i];
        if (s4_get(&slot->open) == 0 && s4_get(&slot->head) == s4_get(&slot->tail) &&
            !s4_slot_is_live(t, i))
            return (int)i;
    }
    return S4_FULL;
}

uint64_t *s4_table_counters(s4_table *t, uint32_t slot) {
    return slot < t->sizes.slots ? t->slots[slot].counters : NULL;
}
