/*
 * Strict JSON scan.
 *
 * Theory of operation
 *
 * One pass over the body, no recursion: `levels` holds what is open, `step` names what the grammar
 * allows next.  Nothing is decoded; the pass only proves that the body is RFC 8259 in valid UTF-8,
 * within the limits of s4_json_api.h, and that no object has two members of the same name, so that
 * every reader of the body (ours and the provider's) reads the same thing.
 *
 * Duplicate names.  Each name is hashed with its escapes resolved and pushed on one stack of keys.
 * When an object closes, its keys are the top of the stack: few are compared with each other, many
 * go through an open-addressed table, both in linear time.  Names are taken as equal when their
 * 64-bit hashes are.  The hash is SipHash-1-3 under a random key, so nobody can aim at a collision;
 * by chance one object of 65,536 members is refused wrongly with a probability below 2**-32.
 *
 * Top level.  Members of the outermost object are recorded, and of those that are arrays the span
 * of each element.  Digests are made later and only where asked for: most bodies need one.
 *
 * Text is the bulk of every real body, so strings are skipped eight bytes at a time until one of
 * them is a quote, a backslash, a control or not ASCII.
 */
#include "s4_json.h"
#include "s4_siphash.h"
#include "s4_utf8.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "eight bytes are read as one word");
_Static_assert(sizeof(s4_json_member) == 32, "strictjson.py unpacks members of 32 bytes");
_Static_assert(sizeof(s4_json_key) == 16, "keys have no padding");
_Static_assert(offsetof(s4_json_scratch, members) == 32, "strictjson.py reads members at 32");
_Static_assert(offsetof(s4_json_scratch, spans) == 32 + 32 * S4_JSON_TOP_MAX, "and spans there");
_Static_assert(sizeof(((s4_json_scratch *)0)->spans) == 8 * S4_JSON_ITEMS_MAX, "spans");
_Static_assert(sizeof(((s4_json_scratch *)0)->longs) == 8 * S4_JSON_LONGS_MAX, "longs");
_Static_assert(sizeof(((s4_json_scratch *)0)->keys) == 16 * S4_JSON_KEYS_KEPT, "keys");
_Static_assert(sizeof(((s4_json_scratch *)0)->table) == 8 * S4_JSON_TABLE_SIZE, "table");
_Static_assert(S4_JSON_TABLE_SIZE >= 2 * S4_JSON_MEMBERS_MAX, "the table is at most half full");

/* ---- Digests ---------------------------------------------------------------------------------*/

static uint64_t hash_key[2];

void s4_json_set_key(const uint8_t *key) { memcpy(hash_key, key, 16); }

void s4_json_digest(const uint8_t *bytes, size_t length, uint8_t *out) {
    sip s;
    sip_begin_128(&s, hash_key);
    sip_add(&s, bytes, length);
    sip_end_128(s, out);
}

void s4_json_digests(const uint8_t *body, uint32_t start, const uint8_t *spans, uint32_t count,
                     uint8_t *out) {
    sip s;
    sip_begin_128(&s, hash_key);
    for (uint32_t i = 0; i < count; i++, out += 16) {
        s4_json_span span;
        memcpy(&span, spans + 8 * (size_t)i, 8);
        sip_add(&s, body + start, span.end - start);
        start = span.end;
        sip_end_128(s, out);
    }
}

/* ---- The scan --------------------------------------------------------------------------------*/

enum step { VALUE, VALUE_OR_CLOSE, NAME, NAME_OR_CLOSE, COMMA_OR_CLOSE };

typedef struct {
    uint32_t first_key; /* of an object: where its keys begin on the stack */
    bool is_object;
} level;

typedef struct {
    const uint8_t *body, *at, *end;
    s4_json_scratch *out;
    s4_json_key *keys; /* out->keys until they do not fit */
    uint32_t key_count, key_room;
    int depth;
    int code;
    bool has_items; /* the second level is an array: its elements are recorded */
    level levels[S4_JSON_DEPTH_MAX];
} scan;

static inline uint32_t offset(const scan *c, const uint8_t *p) { return (uint32_t)(p - c->body); }

/* Notes what is wrong and where; always false, so that callers can return it. */
static bool fail(scan *c, int code, const uint8_t *p) {
    c->code = code;
    c->at = p;
    return false;
}

static bool fail_here(scan *c) {
    return fail(c, c->at == c->end ? S4_JSON_CUT_SHORT : S4_JSON_SYNTAX, c->at);
}

static inline void skip_space(scan *c) {
    const uint8_t *p = c->at;
    while (p < c->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
    c->at = p;
}

/* ---- Strings */

#define EACH 0x0101010101010101ULL

/* Bits at bytes that end a plain run: quote, backslash, control, not ASCII.  Only the lowest set
 * bit is exact, because a borrow may mark bytes above it. */
static inline uint64_t stops_in(uint64_t word) {
    uint64_t quote = word ^ EACH * '"', slash = word ^ EACH * '\\';
    return ((quote - EACH) | (slash - EACH) | (word - EACH * 0x20) | word) & (EACH << 7);
}

static inline const uint8_t *skip_plain(const uint8_t *p, const uint8_t *end) {
    while (end - p >= 8) {
        uint64_t stops = stops_in(word_at(p));
        if (stops != 0) return p + (__builtin_ctzll(stops) >> 3);
        p += 8;
    }
    while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\') p++;
    return p;
}

/* Four hexadecimal digits, or -1. */
static int hex4(const uint8_t *p, const uint8_t *end) {
    int value = 0;
    if (end - p < 4) return -1;
    for (int i = 0; i < 4; i++) {
        uint8_t byte = p[i], letter = byte | 0x20;
        if (byte >= '0' && byte <= '9') value = value << 4 | (byte - '0');
        else if (letter >= 'a' && letter <= 'f') value = value << 4 | (letter - 'a' + 10);
        else return -1;
    }
    return value;
}

/* Checks the escape at p and gives its code point; returns its length, 0 when it failed. */
static int escape(scan *c, const uint8_t *p, uint32_t *point) {
    static const uint8_t plain[256] = {['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = 8,
                                       ['f'] = 12,  ['n'] = 10,    ['r'] = 13,  ['t'] = 9};
    if (c->end - p < 2) return fail(c, S4_JSON_CUT_SHORT, c->end);
    if (plain[p[1]] != 0) return *point = plain[p[1]], 2;
    if (p[1] != 'u') return fail(c, S4_JSON_BAD_ESCAPE, p);
    int high = hex4(p + 2, c->end);
    if (high < 0) return fail(c, S4_JSON_BAD_ESCAPE, p);
    c->out->veiled += is_word(*point = (uint32_t)high);
    if (high < 0xD800 || high > 0xDFFF) return 6;
    if (high > 0xDBFF || c->end - p < 12 || p[6] != '\\' || p[7] != 'u')
        return fail(c, S4_JSON_LONE_SURROGATE, p);
    int low = hex4(p + 8, c->end);
    if (low < 0xDC00 || low > 0xDFFF) return fail(c, S4_JSON_LONE_SURROGATE, p);
    *point = 0x10000 + ((uint32_t)(high - 0xD800) << 10) + (uint32_t)(low - 0xDC00);
    return 12;
}

/* Skips the string whose opening quote is at c->at.  `has_escapes` is set, never cleared. */
static bool skip_string(scan *c, bool *has_escapes) {
    const uint8_t *p = c->at + 1;
    uint32_t point;
    for (;;) {
        p = skip_plain(p, c->end);
        if (p == c->end) return fail(c, S4_JSON_CUT_SHORT, p);
        if (*p == '"') break;
        if (*p == '\\') {
            int length = escape(c, p, &point);
            if (length == 0) return false;
            *has_escapes = true;
            p += length;
        } else if (*p < 0x20) {
            return fail(c, S4_JSON_CONTROL, p);
        } else {
            do { /* what is not ASCII comes in runs */
                int length = utf8_length(p, c->end);
                if (length == 0) return fail(c, S4_JSON_BAD_UTF8, p);
                p += length;
            } while (p < c->end && *p >= 0x80);
        }
    }
    c->at = p + 1;
    return true;
}

/* ---- Names */

/* Hash of a name between p and end, escapes resolved; it was checked before. */
static uint64_t name_hash(scan *c, const uint8_t *p, const uint8_t *end, bool has_escapes) {
    sip s;
    sip_begin(&s, hash_key);
    while (has_escapes && p < end) {
        const uint8_t *slash = memchr(p, '\\', (size_t)(end - p));
        if (slash == NULL) break;
        sip_add(&s, p, (size_t)(slash - p));
        uint32_t point = 0;
        uint8_t bytes[4];
        p = slash + escape(c, slash, &point);
        sip_add(&s, bytes, (size_t)utf8_encode(point, bytes));
    }
    sip_add(&s, p, (size_t)(end - p));
    uint64_t hash = sip_end_64(&s);
    return hash == 0 ? 1 : hash; /* 0 is a free place in the table */
}

static bool grow_keys(scan *c) {
    uint32_t room = c->key_room * 4;
    bool is_ours = c->keys != c->out->keys;
    s4_json_key *keys = realloc(is_ours ? c->keys : NULL, room * sizeof *keys);
    if (keys == NULL) return fail(c, S4_JSON_NO_MEMORY, c->at);
    if (!is_ours) memcpy(keys, c->keys, c->key_count * sizeof *keys);
    c->keys = keys;
    c->key_room = room;
    return true;
}

static bool push_key(scan *c, const uint8_t *quote, bool has_escapes) {
    const level *object = &c->levels[c->depth - 1];
    if (c->key_count - object->first_key == S4_JSON_MEMBERS_MAX)
        return fail(c, S4_JSON_TOO_MANY_MEMBERS, quote);
    if (c->key_count == c->key_room && !grow_keys(c)) return false;
    s4_json_key *key = &c->keys[c->key_count++];
    key->hash = name_hash(c, quote + 1, c->at - 1, has_escapes);
    key->at = offset(c, quote);
    return true;
}

/* Takes the closing object's keys off the stack; fails when two of them are equal. */
static bool pop_keys(scan *c, uint32_t first) {
    const s4_json_key *keys = c->keys + first;
    uint32_t count = c->key_count - first;
    c->key_count = first;
    if (count <= 12) { /* at most 66 comparisons of words in one cache line or three */
        for (uint32_t i = 1; i < count; i++)
            for (uint32_t j = 0; j < i; j++)
                if (keys[i].hash == keys[j].hash)
                    return fail(c, S4_JSON_DUPLICATE, c->body + keys[i].at);
        return true;
    }
    uint32_t size = 32;
    while (size < 2 * count) size *= 2;
    uint64_t *table = c->out->table;
    memset(table, 0, size * sizeof *table);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t place = (uint32_t)keys[i].hash & (size - 1);
        for (; table[place] != 0; place = (place + 1) & (size - 1))
            if (table[place] == keys[i].hash)
                return fail(c, S4_JSON_DUPLICATE, c->body + keys[i].at);
        table[place] = keys[i].hash;
    }
    return true;
}

/* ---- The top level's record */

static bool begin_member(scan *c, const uint8_t *quote, bool has_escapes) {
    s4_json_scratch *out = c->out;
    if (out->member_count == S4_JSON_TOP_MAX) return fail(c, S4_JSON_TOO_MANY_TOP, quote);
    s4_json_member *member = &out->members[out->member_count++];
    memset(member, 0, sizeof *member);
    member->key_start = offset(c, quote + 1);
    member->key_end = offset(c, c->at - 1);
    member->is_escaped = has_escapes;
    return true;
}

/* A value of the first or second level begins at p. */
static void begin_value(scan *c, const uint8_t *p, int kind) {
    s4_json_scratch *out = c->out;
    s4_json_member *member = &out->members[out->member_count - 1];
    if (c->depth == 1) {
        member->start = offset(c, p);
        member->kind = (uint8_t)kind;
        member->first = out->span_count;
        c->has_items = kind == S4_JSON_ARRAY;
    } else if (c->has_items) {
        member->count++;
        if (out->span_count < S4_JSON_ITEMS_MAX) out->spans[out->span_count++].start = offset(c, p);
        else member->is_unrecorded = 1;
    }
}

/* A value of the first or second level ended before c->at. */
static void end_value(scan *c) {
    s4_json_scratch *out = c->out;
    s4_json_member *member = &out->members[out->member_count - 1];
    if (c->depth == 1) member->end = offset(c, c->at);
    else if (c->has_items && !member->is_unrecorded)
        out->spans[out->span_count - 1].end = offset(c, c->at);
}

/* ---- The grammar */

static bool skip_digits(scan *c) {
    const uint8_t *p = c->at;
    while (p < c->end && *p >= '0' && *p <= '9') p++;
    bool has_any = p != c->at;
    c->at = p;
    return has_any;
}

static bool skip_number(scan *c) {
    const uint8_t *start = c->at, *first = start + (*start == '-');
    bool is_integer = true;
    c->at = first;
    if (!skip_digits(c)) return fail(c, S4_JSON_BAD_NUMBER, start);
    if (*first == '0' && c->at - first > 1) return fail(c, S4_JSON_BAD_NUMBER, start);
    ptrdiff_t digits = c->at - first;
    if (c->at < c->end && *c->at == '.') {
        is_integer = false;
        c->at++;
        if (!skip_digits(c)) return fail(c, S4_JSON_BAD_NUMBER, start);
    }
    if (c->at < c->end && (*c->at | 0x20) == 'e') {
        is_integer = false;
        c->at++;
        if (c->at < c->end && (*c->at == '+' || *c->at == '-')) c->at++;
        if (!skip_digits(c)) return fail(c, S4_JSON_BAD_NUMBER, start);
    }
    if (c->at - start > S4_JSON_NUMBER_MAX || (is_integer && digits > S4_JSON_DIGITS_MAX))
        return fail(c, S4_JSON_LONG_NUMBER, start);
    return true;
}

static bool skip_string_value(scan *c) {
    const uint8_t *quote = c->at;
    s4_json_scratch *out = c->out;
    bool has_escapes = false;
    if (!skip_string(c, &has_escapes)) return false;
    if (c->at - quote >= S4_JSON_LONG_MIN && out->long_count < S4_JSON_LONGS_MAX)
        out->longs[out->long_count++] = (s4_json_span){offset(c, quote), offset(c, c->at)};
    return true;
}

static bool skip_literal(scan *c, const char *word, size_t length) {
    if ((size_t)(c->end - c->at) < length) return fail(c, S4_JSON_SYNTAX, c->at);
    if (memcmp(c->at, word, length) != 0) return fail(c, S4_JSON_SYNTAX, c->at);
    c->at += length;
    return true;
}

static bool open_level(scan *c, bool is_object) {
    if (c->depth == S4_JSON_DEPTH_MAX) return fail(c, S4_JSON_TOO_DEEP, c->at);
    c->levels[c->depth++] = (level){.first_key = c->key_count, .is_object = is_object};
    c->at++;
    return true;
}

static bool close_level(scan *c) {
    const level *closed = &c->levels[--c->depth];
    c->at++;
    if (closed->is_object && !pop_keys(c, closed->first_key)) return false;
    if (c->depth == 1 || c->depth == 2) end_value(c);
    return true;
}

/* Reads the beginning of a value at c->at; `next` is what may follow. */
static bool read_value(scan *c, enum step *next) {
    static const uint8_t kinds[256] = {
        ['{'] = 1 + S4_JSON_OBJECT, ['['] = 1 + S4_JSON_ARRAY,  ['"'] = 1 + S4_JSON_STRING,
        ['t'] = 1 + S4_JSON_TRUE,   ['f'] = 1 + S4_JSON_FALSE,  ['n'] = 1 + S4_JSON_NULL,
        ['-'] = 1 + S4_JSON_NUMBER, ['0'] = 1 + S4_JSON_NUMBER, ['1'] = 1 + S4_JSON_NUMBER,
        ['2'] = 1 + S4_JSON_NUMBER, ['3'] = 1 + S4_JSON_NUMBER, ['4'] = 1 + S4_JSON_NUMBER,
        ['5'] = 1 + S4_JSON_NUMBER, ['6'] = 1 + S4_JSON_NUMBER, ['7'] = 1 + S4_JSON_NUMBER,
        ['8'] = 1 + S4_JSON_NUMBER, ['9'] = 1 + S4_JSON_NUMBER};
    if (c->at == c->end) return fail_here(c);
    int kind = kinds[*c->at] - 1;
    bool is_good = false;
    if (kind < 0) return fail_here(c);
    if (c->out->value_count++ == S4_JSON_VALUES_MAX)
        return fail(c, S4_JSON_TOO_MANY_VALUES, c->at);
    if (c->depth <= 2) begin_value(c, c->at, kind);
    switch (kind) {
    case S4_JSON_OBJECT: return *next = NAME_OR_CLOSE, open_level(c, true);
    case S4_JSON_ARRAY: return *next = VALUE_OR_CLOSE, open_level(c, false);
    case S4_JSON_STRING: is_good = skip_string_value(c); break;
    case S4_JSON_NUMBER: is_good = skip_number(c); break;
    case S4_JSON_TRUE: is_good = skip_literal(c, "true", 4); break;
    case S4_JSON_FALSE: is_good = skip_literal(c, "false", 5); break;
    case S4_JSON_NULL: is_good = skip_literal(c, "null", 4); break;
    }
    if (is_good && c->depth <= 2) end_value(c);
    *next = COMMA_OR_CLOSE;
    return is_good;
}

static bool read_name(scan *c) {
    const uint8_t *quote = c->at;
    bool has_escapes = false;
    if (quote == c->end || *quote != '"') return fail_here(c);
    if (!skip_string(c, &has_escapes) || !push_key(c, quote, has_escapes)) return false;
    if (c->depth == 1 && !begin_member(c, quote, has_escapes)) return false;
    skip_space(c);
    if (c->at == c->end || *c->at != ':') return fail_here(c);
    c->at++;
    return true;
}

static bool read_comma_or_close(scan *c, enum step *next) {
    bool is_object = c->levels[c->depth - 1].is_object;
    if (c->at == c->end) return fail_here(c);
    if (*c->at == ',') {
        c->at++;
        *next = is_object ? NAME : VALUE;
        return true;
    }
    if (*c->at == (is_object ? '}' : ']')) return close_level(c);
    return fail_here(c);
}

static bool read_body(scan *c) {
    enum step step = NAME_OR_CLOSE;
    skip_space(c);
    if (c->at == c->end || *c->at != '{') return fail(c, S4_JSON_NOT_OBJECT, c->at);
    if (!open_level(c, true)) return false;
    while (c->depth > 0) {
        bool is_good = false;
        skip_space(c);
        if ((step == VALUE_OR_CLOSE && c->at < c->end && *c->at == ']') ||
            (step == NAME_OR_CLOSE && c->at < c->end && *c->at == '}'))
            step = COMMA_OR_CLOSE;
        switch (step) {
        case VALUE:
        case VALUE_OR_CLOSE: is_good = read_value(c, &step); break;
        case NAME:
        case NAME_OR_CLOSE: is_good = read_name(c), step = VALUE; break;
        case COMMA_OR_CLOSE: is_good = read_comma_or_close(c, &step); break;
        }
        if (!is_good) return false;
    }
    skip_space(c);
    return c->at == c->end || fail(c, S4_JSON_TRAILING, c->at);
}

int s4_json_scan(const uint8_t *body, size_t length, s4_json_scratch *scratch) {
    scan c = {.body = body, .at = body, .end = body + length, .out = scratch,
              .keys = scratch->keys, .key_room = S4_JSON_KEYS_KEPT};
    scratch->at = 0;
    scratch->member_count = 0;
    scratch->span_count = 0;
    scratch->value_count = 0;
    scratch->long_count = scratch->veiled = 0;
    if (length > S4_JSON_BODY_MAX) return S4_JSON_TOO_LONG;
    bool is_good = read_body(&c);
    if (c.keys != scratch->keys) free(c.keys);
    if (is_good) return S4_JSON_OK;
    scratch->at = offset(&c, c.at);
    return c.code;
}
