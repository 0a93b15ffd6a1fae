#ifndef S4_SIPHASH_H
#define S4_SIPHASH_H

/*
 * SipHash-1-3 of 64 and 128 bits as a stream (Aumasson, Bernstein: "SipHash: a fast short-input
 * PRF", 2012; the 128-bit variant as in the authors' reference code).  Without the key nobody can
 * find two inputs of one digest.  Header only: all of it is inlined where it is used.
 *
 * begin, add any number of times, end.  `sip_end_128` works on a copy, so a stream can give the
 * digest of every prefix on its way.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    uint64_t v0, v1, v2, v3;
    uint64_t tail;   /* the bytes not yet taken in, lowest first */
    uint64_t length; /* of everything */
} sip;

static inline uint64_t rotated(uint64_t word, int bits) {
    return word << bits | word >> (64 - bits);
}

static inline uint64_t word_at(const uint8_t *p) {
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

static inline void sip_round(sip *s) {
    s->v0 += s->v1, s->v1 = rotated(s->v1, 13) ^ s->v0, s->v0 = rotated(s->v0, 32);
    s->v2 += s->v3, s->v3 = rotated(s->v3, 16) ^ s->v2;
    s->v0 += s->v3, s->v3 = rotated(s->v3, 21) ^ s->v0;
    s->v2 += s->v1, s->v1 = rotated(s->v1, 17) ^ s->v2, s->v2 = rotated(s->v2, 32);
}

static inline void sip_word(sip *s, uint64_t word) {
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

static inline void sip_begin(sip *s, const uint64_t key[2]) {
    s->v0 = key[0] ^ 0x736f6d6570736575ULL;
    s->v1 = key[1] ^ 0x646f72616e646f6dULL;
    s->v2 = key[0] ^ 0x6c7967656e657261ULL;
    s->v3 = key[1] ^ 0x7465646279746573ULL;
    s->tail = 0;
    s->length = 0;
}

static inline void sip_add(sip *s, const uint8_t *p, size_t length) {
    const uint8_t *end = p + length;
    unsigned kept = s->length & 7;
    s->length += length;
    while (kept != 0 && p < end) { /* fill the open word first */
        s->tail |= (uint64_t)*p++ << 8 * kept;
        kept = (kept + 1) & 7;
        if (kept == 0) {
            sip_word(s, s->tail);
            s->tail = 0;
        }
    }
    for (; end - p >= 8; p += 8) sip_word(s, word_at(p));
    for (; p < end; p++) s->tail |= (uint64_t)*p << 8 * kept++;
}

static inline uint64_t sip_fold(sip *s) {
    for (int i = 0; i < 3; i++) sip_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

static inline uint64_t sip_end_64(sip *s) {
    sip_word(s, s->tail | s->length << 56);
    s->v2 ^= 0xff;
    return sip_fold(s);
}

/* The 128-bit variant, of a copy: the stream may go on. */
static inline void sip_end_128(sip s, uint8_t *out) {
    sip_word(&s, s.tail | s.length << 56);
    s.v2 ^= 0xee;
    uint64_t low = sip_fold(&s);
    s.v1 ^= 0xdd;
    uint64_t high = sip_fold(&s);
    memcpy(out, &low, 8);
    memcpy(out + 8, &high, 8);
}

static inline void sip_begin_128(sip *s, const uint64_t key[2]) {
    sip_begin(s, key);
    s->v1 ^= 0xee;
}

#endif
