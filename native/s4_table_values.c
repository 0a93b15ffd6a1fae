/*
 * Interned values: names of tenants, sessions, models, budgets, as small numbers.
 *
 * A value is looked up without the lock: its bytes are written before its record is linked into a
 * bucket, and they do not change while it is linked.
 *
 * Sessions come and go, so values that nobody uses are retired and their ids used again.  Nobody
 * may still mean the old value then, and ids are remembered in other processes.  Hence the sweep,
 * at most once an hour:
 *
 *   live     -> retired   no cell names it and nobody touched it since the sweep before.  Sets of
 *                         cells touch their values when they are built and are stale after a sweep
 *                         (the epoch), so no set that can still reserve holds it.  It leaves its
 *                         bucket, so the same text gets another id; claim refuses the old one.
 *   retired  -> empty     an hour later, if nobody tried it meanwhile: leases, journal rows and
 *                         readers that met it are gone.
 *
 * Both are operations like all others, one for each value.
 */
#include "s4_table.h"

#include "s4_siphash.h"

uint64_t s4_siphash(const uint8_t key[16], const void *bytes, size_t n) {
    uint64_t words[2];
    sip stream;
    memcpy(words, key, sizeof words);
    sip_begin(&stream, words);
    sip_add(&stream, bytes, n);
    return sip_end_64(&stream);
}

static s4_word *bucket_of(s4_table *t, uint32_t dimension, const uint8_t *text, uint32_t bytes) {
    uint8_t key[1 + S4_VALUE_BYTES];
    key[0] = (uint8_t)dimension;
    memcpy(key + 1, text, bytes);
    return &t->value_buckets[s4_siphash(t->root->fixed.hash_key, key, 1 + bytes) & t->value_mask];
}

static s4_value *value_at(const s4_table *t, uint32_t id) {
    return id >= 1 && id <= t->sizes.values ? &t->values[id - 1] : NULL;
}

int s4_value_touch(s4_table *t, uint32_t id) {
    s4_value *value = value_at(t, id);
    if (!value) return 0;
    s4_put(&value->touched_ns, s4_now_ns(CLOCK_BOOTTIME));
    return s4_get(&value->state) == S4_VALUE_LIVE;
}

void s4_values_count(s4_table *t, const uint32_t ids[S4_IDS_MAX], int64_t change) {
    for (int i = 0; i < S4_IDS_MAX && ids[i]; i++) {
        int is_seen = 0;
        for (int j = 0; j < i; j++) is_seen |= ids[j] == ids[i];
        s4_value *value = value_at(t, ids[i]);
        if (!is_seen) s4_redo_set(t, &value->cells, s4_get(&value->cells) + change);
    }
}

/* The id, or 0.  Acquire: a link that is seen has its record's bytes behind it. */
static uint32_t find(s4_table *t, s4_word *bucket, uint32_t dimension, const uint8_t *text,
                     uint32_t bytes) {
    int64_t id = s4_get_acquire(bucket);
    for (uint32_t steps = 0; id > 0 && steps < t->sizes.values; steps++) {
        s4_value *value = value_at(t, (uint32_t)id);
        if (!value) break;
        if (value->dimension == dimension && value->bytes == bytes &&
            memcmp(value->text, text, bytes) == 0 && s4_get(&value->state) == S4_VALUE_LIVE)
            return (uint32_t)id;
        id = s4_get_acquire(&value->link);
    }
    return 0;
}

/* Dimensions of an attribution are chosen by callers: they have `other` to fall back on. */
static int is_chosen_by_callers(uint32_t dimension) { return dimension < 8; }

/* A free record's id, the words that take it already in the record of the operation; 0: none.
 * One in sixteen is kept for what callers cannot choose: budgets, price tables. */
static uint32_t take_record(s4_table *t, uint32_t dimension, uint32_t most) {
    int64_t of = s4_get(&t->root->values_of[dimension]);
    if (most && of >= most) return 0;
    s4_redo_set(t, &t->root->values_of[dimension], of + 1);
    int64_t id = s4_get(&t->root->value_free);
    if (id) {
        s4_redo_set(t, &t->root->value_free, s4_get(&t->values[id - 1].link));
        return (uint32_t)id;
    }
    int64_t fresh = s4_get(&t->root->value_fresh);
    uint32_t kept = is_chosen_by_callers(dimension) ? t->sizes.values / 16 : 0;
    if (fresh >= t->sizes.values - kept) return 0;
    s4_redo_set(t, &t->root->value_fresh, fresh + 1);
    return (uint32_t)fresh + 1;
}

static int64_t add(s4_table *t, s4_word *bucket, uint32_t dimension, const uint8_t *text,
                   uint32_t bytes, uint32_t most) {
    uint32_t id = find(t, bucket, dimension, text, bytes); /* another was faster */
    if (id) return id;
    s4_redo_begin(t);
    id = take_record(t, dimension, most);
    if (!id) return is_chosen_by_callers(dimension) ? (int64_t)dimension + 1 : S4_FULL;
    s4_value *value = &t->values[id - 1];
    value->dimension = dimension;
    value->bytes = bytes;
    memset(value->text, 0, sizeof value->text);
    memcpy(value->text, text, bytes);
    s4_put(&value->cells, 0);
    s4_put(&value->touched_ns, s4_now_ns(CLOCK_BOOTTIME));
    s4_redo_set(t, &value->state, S4_VALUE_LIVE);
    s4_redo_set(t, &value->link, s4_get(bucket));
    s4_redo_set(t, bucket, id);
    s4_redo_commit(t);
    return id;
}

int64_t s4_table_intern(s4_table *t, uint32_t dimension, const uint8_t *text, uint32_t bytes,
                        uint32_t most) {
    if (dimension >= S4_DIMENSIONS || bytes < 1 || bytes > S4_VALUE_BYTES) return S4_INVALID;
    s4_word *bucket = bucket_of(t, dimension, text, bytes);
    int64_t id = find(t, bucket, dimension, text, bytes);
    if (!id) {
        int code = s4_lock(t, S4_LOCK_FAST_MS);
        if (code) return code;
        id = add(t, bucket, dimension, text, bytes, most);
        s4_unlock(t);
    }
    if (id > 0) s4_value_touch(t, (uint32_t)id);
    return id;
}

int s4_table_value(s4_table *t, uint32_t id, uint32_t *dimension, uint8_t *out) {
    s4_value *value = value_at(t, id);
    if (!value || s4_get_acquire(&value->state) == S4_VALUE_EMPTY) return S4_MISSING;
    *dimension = value->dimension;
    memcpy(out, value->text, S4_VALUE_BYTES);
    return (int)value->bytes;
}

/* -- the sweep --------------------------------------------------------------------------------- */

/* Under the lock: takes an unused value out of its bucket. */
static int retire(s4_table *t, uint32_t id, int64_t since_ns, int64_t now_ns) {
    s4_value *value = value_at(t, id);
    if (s4_get(&value->state) != S4_VALUE_LIVE || s4_get(&value->cells) ||
        s4_get(&value->touched_ns) >= since_ns)
        return 0;
    s4_word *link = bucket_of(t, value->dimension, value->text, value->bytes);
    while (s4_get(link) && s4_get(link) != id) link = &value_at(t, (uint32_t)s4_get(link))->link;
    if (!s4_get(link)) return 0; /* a live value is always in its bucket */
    s4_word *of = &t->root->values_of[value->dimension];
    s4_redo_begin(t);
    s4_redo_set(t, link, s4_get(&value->link)); /* its own link stays: readers may stand on it */
    s4_redo_set(t, &value->state, S4_VALUE_RETIRED);
    s4_redo_set(t, &value->touched_ns, now_ns);
    s4_redo_set(t, of, s4_get(of) - 1);
    s4_redo_commit(t);
    return 1;
}

/* Under the lock: a value retired by an earlier sweep becomes a free record. */
static int empty(s4_table *t, uint32_t id, int64_t since_ns) {
    s4_value *value = value_at(t, id);
    if (s4_get(&value->state) != S4_VALUE_RETIRED || s4_get(&value->touched_ns) > since_ns)
        return 0;
    s4_redo_begin(t);
    s4_redo_set(t, &value->state, S4_VALUE_EMPTY);
    s4_redo_set(t, &value->link, s4_get(&t->root->value_free));
    s4_redo_set(t, &t->root->value_free, id);
    s4_redo_commit(t);
    return 1;
}

/* One value: a look without the lock, and only for a candidate the lock and a second look. */
static int sweep_value(s4_table *t, uint32_t id, int64_t since_ns, int64_t now_ns,
                       s4_swept *out) {
    s4_value *value = value_at(t, id);
    int64_t state = s4_get_acquire(&value->state); /* its dimension was written before */
    int is_unused = state == S4_VALUE_LIVE && is_chosen_by_callers(value->dimension) &&
                    s4_get(&value->cells) == 0 && s4_get(&value->touched_ns) < since_ns;
    if (!is_unused && state != S4_VALUE_RETIRED) return S4_OK;
    int code = s4_lock(t, S4_LOCK_SLOW_MS);
    if (code) return code;
    if (state == S4_VALUE_RETIRED)
        out->emptied += empty(t, id, since_ns);
    else
        out->retired += retire(t, id, since_ns, now_ns);
    s4_unlock(t);
    return S4_OK;
}

int s4_table_sweep_values(s4_table *t, int64_t interval_ns, s4_swept *out) {
    memset(out, 0, sizeof *out);
    int64_t since_ns = s4_get(&t->root->swept_ns), now_ns = s4_now_ns(CLOCK_BOOTTIME);
    if (now_ns - since_ns < interval_ns) return S4_OK;
    int64_t fresh = s4_get_acquire(&t->root->value_fresh);
    for (int64_t id = S4_DIMENSIONS + 1; id <= fresh && id <= t->sizes.values; id++) {
        int code = sweep_value(t, (uint32_t)id, since_ns, now_ns, out);
        if (code) return code;
    }
    int code = s4_lock(t, S4_LOCK_SLOW_MS);
    if (code) return code;
    s4_redo_begin(t);
    s4_redo_set(t, &t->root->epoch, (s4_get(&t->root->epoch) + 1) & UINT32_MAX);
    s4_redo_set(t, &t->root->swept_ns, now_ns);
    s4_redo_commit(t);
    s4_unlock(t);
    return S4_OK;
}
