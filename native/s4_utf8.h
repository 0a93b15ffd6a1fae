#ifndef S4_UTF8_H
#define S4_UTF8_H

/* UTF-8 sequences as RFC 3629 and the Unicode standard allow them, and no others. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool is_follow(uint8_t byte) { return (byte & 0xC0) == 0x80; }

/* Length of the UTF-8 sequence at p (Unicode table 3-7: no overlong forms, no surrogates, nothing
 * above U+10FFFF), 0 when there is none. */
static inline int utf8_length(const uint8_t *p, const uint8_t *end) {
    ptrdiff_t room = end - p;
    uint8_t lead = p[0];
    if (lead < 0xC2 || lead > 0xF4 || room < 2 || !is_follow(p[1])) return 0;
    if (lead < 0xE0) return 2;
    if (room < 3 || !is_follow(p[2])) return 0;
    if (lead == 0xE0 && p[1] < 0xA0) return 0;
    if (lead == 0xED && p[1] > 0x9F) return 0;
    if (lead < 0xF0) return 3;
    if (room < 4 || !is_follow(p[3])) return 0;
    if (lead == 0xF0 && p[1] < 0x90) return 0;
    if (lead == 0xF4 && p[1] > 0x8F) return 0;
    return 4;
}

/* Writes the sequence of a code point to `out`, which has four bytes; returns its length. */
static inline int utf8_encode(uint32_t point, uint8_t *out) {
    if (point < 0x80) return out[0] = (uint8_t)point, 1;
    int length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const uint8_t lead[5] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (int i = length - 1; i > 0; i--, point >>= 6) out[i] = (uint8_t)(0x80 | (point & 0x3F));
    out[0] = (uint8_t)(lead[length] | point);
    return length;
}

/* Whether names are made of it, so that nobody has to escape it. */
static inline uint32_t is_word(uint32_t point) {
    uint32_t letter = point | 0x20;
    return (letter >= 'a' && letter <= 'z') || (point >= '0' && point <= '9') || point == '_';
}

#endif
