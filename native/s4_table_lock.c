/*
 * The lock and the redo record.  See "Theory of operation" in s4_table.h.
 */
#include "s4_table.h"

#include <errno.h>

/* Before it sleeps a waiter tries for about 2 us: 40 sections of ~50 ns.  A holder that needs
 * longer has lost its processor. */
#define SPINS 100

static inline void pause_briefly(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory"); /* `yield` is a no-op on Graviton; isb waits ~10 ns */
#endif
}

int s4_lock_init(s4_table *t) {
    pthread_mutexattr_t attributes;
    int failed = pthread_mutexattr_init(&attributes) ||
                 pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) ||
                 pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    if (!failed) {
        memset(&t->root->lock, 0, sizeof t->root->lock);
        failed = pthread_mutex_init(&t->root->lock, &attributes);
    }
    pthread_mutexattr_destroy(&attributes);
    return failed ? S4_SYSTEM : S4_OK;
}

/* Whether every word of the record lies in the table: a record that does not must never be
 * applied. */
int s4_redo_is_sound(const s4_table *t) {
    int64_t n = s4_get(&t->root->redo_n);
    if (n < 0 || n > S4_REDO_WORDS) return 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t offset = s4_get(&t->root->redo[i].offset);
        if (offset < (int64_t)sizeof(s4_static) || offset % 8 != 0 ||
            offset > (int64_t)t->sizes.bytes - 8)
            return 0;
    }
    return 1;
}

/*
 * Applies a valid record.  Also called by the next owner of the lock, with the owner dead anywhere
 * in here: every store below is of an absolute value, so from the top again is right from any
 * point.
 */
void s4_redo_apply(s4_table *t) {
    s4_root *root = t->root;
    int64_t n = s4_get(&root->redo_n);
    int64_t odd = s4_get(&root->seq) | 1; /* a dead owner may have left it odd */
    s4_put(&root->seq, odd);
    for (int64_t i = 0; i < n; i++) {
        s4_word *word = (s4_word *)(void *)(t->base + s4_get(&root->redo[i].offset));
        /* Release, each: a reader that sees the word also sees seq odd, what the word publishes
         * (row and value bytes) and the words before it (a new record's link before its bucket);
         * and `valid` was stored before any of them. */
        s4_put_release(word, s4_get(&root->redo[i].value));
        S4_FAULT(WORD);
    }
    /* Release: a reader that sees seq even again sees every word. */
    s4_put_release(&root->seq, odd + 1);
    S4_FAULT(APPLIED);
    /* Release: cleared after the last word, else a death between the two would lose words. */
    s4_put_release(&root->redo_valid, 0);
    S4_FAULT(CLEARED);
}

void s4_redo_commit(s4_table *t) {
    S4_FAULT(WRITTEN);
    /* The commit point.  Release: whoever finds it set after our death finds the whole record and
     * the scratch it links (rows, free records). */
    s4_put_release(&t->root->redo_valid, 1);
    S4_FAULT(VALID);
    s4_redo_apply(t);
}

/* The lock came with a dead owner: finish what it had committed, or forget what it had not. */
static int repair(s4_table *t) {
    if (s4_get_acquire(&t->root->redo_valid)) {
        if (!s4_redo_is_sound(t)) {
            pthread_mutex_unlock(&t->root->lock); /* not consistent: nobody gets it ever again */
            return S4_DAMAGED;
        }
        S4_FAULT(REPAIRING);
        s4_redo_apply(t);
    }
    S4_FAULT(REPAIRED);
    pthread_mutex_consistent(&t->root->lock);
    return S4_OK;
}

static int taken(s4_table *t, int error) {
    switch (error) {
    case 0:
        S4_FAULT(LOCKED);
        return S4_OK;
    case EOWNERDEAD:
        return repair(t);
    case ENOTRECOVERABLE:
        return S4_DAMAGED;
    default: /* ETIMEDOUT */
        return S4_BUSY;
    }
}

int s4_lock(s4_table *t, int deadline_ms) {
    for (int i = 0; i < SPINS; i++) {
        int error = pthread_mutex_trylock(&t->root->lock);
        if (error != EBUSY) return taken(t, error);
        pause_briefly();
    }
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    int64_t at = deadline.tv_nsec + (int64_t)deadline_ms * 1000000;
    deadline.tv_sec += at / 1000000000;
    deadline.tv_nsec = at % 1000000000;
    return taken(t, pthread_mutex_clocklock(&t->root->lock, CLOCK_MONOTONIC, &deadline));
}

void s4_unlock(s4_table *t) {
    S4_FAULT(UNLOCK);
    pthread_mutex_unlock(&t->root->lock);
}
