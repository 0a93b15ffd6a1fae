/*
 * Interned values: names of tenants, sessions, models, budgets, as small numbers.
 *
 * A value is looked up without the lock: its bytes are written before its record is linked into a
 * bucket, and they do not change while it is linked.
 */
#include "s4_table.h"

#define ROTATE(x, bits) ((x) << (bits) | (x) >> (64 - (bits)))
#define SIP_ROUND                                                                 \
    do {                                                                          \
        v0 += v1, v1 = ROTATE(v1, 13), v1 ^= v0, v0 = ROTATE(v0, 32);             \
        v2 += v3, v3 = ROTATE(v3, 16), v3 ^= v2;                                  \
        v0 += v3, v3 = ROTATE(v3, 21), v3 ^= v0;                                  \
        v2 += v1, v1 = ROTATE(v1, 17), v1 ^= v2, v2 = ROTATE(v2, 32);             \
    } while (0)

/* SipHash-1-3 (Aumasson, Bernstein 2012; the rounds that Rust and Python use for hash tables). */
uint64_t s4_siphash(const uint8_t key[16], const void *bytes, size_t n) {
    const uint8_t *at = bytes;
    uint64_t k0, k1, word;
    memcpy(&k0, key, 8);
    memcpy(&k1, key + 8, 8);
    uint64_t v0 = k0 ^ UINT64_C(0x736f6d6570736575), v1 = k1 ^ UINT64_C(0x646f72616e646f6d);
    uint64_t v2 = k0 ^ UINT64_C(0x6c7967656e657261), v3 = k1 ^ UINT64_C(0x7465646279746573);
    uint64_t last = (uint64_t)n << 56;
    for (; n >= 8; n -= 8, at += 8) {
        memcpy(&word, at, 8);
        v3 ^= word;
        SIP_ROUND;
        v0 ^= word;
    }
    for (size_t i = 0; i < n; i++) last |= (uint64_t)at[i] << (8 * i);
    v3 ^= last;
    SIP_ROUND;
    v0 ^= last;
    v2 ^= 0xff;
    SIP_ROUND;
    SIP_ROUND;
    SIP_ROUND;
    return v0 ^ v1 ^ v2 ^ v3;
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

int s4_value_is_live(const s4_table *t, uint32_t id) {
    s4_value *value = value_at(t, id);
    return value && s4_get(&value->state) == S4_VALUE_LIVE;
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
    if (id) return id;
    int code = s4_lock(t, S4_LOCK_FAST_MS);
    if (code) return code;
    id = add(t, bucket, dimension, text, bytes, most);
    s4_unlock(t);
    return id;
}

int s4_table_value(s4_table *t, uint32_t id, uint32_t *dimension, uint8_t *out) {
    s4_value *value = value_at(t, id);
    if (!value || s4_get_acquire(&value->state) == S4_VALUE_EMPTY) return S4_MISSING;
    *dimension = value->dimension;
    memcpy(out, value->text, S4_VALUE_BYTES);
    return (int)value->bytes;
}
