/*
 * The strict scan on damaged bodies, to be built with sanitizers: every body lies in memory of
 * exactly its size, so that reading a byte too many ends the test.  What is refused is compared
 * with Python in tests/dialects; here only memory, arithmetic and linear time are judged.
 *
 * cc -std=c11 -g -fsanitize=address,undefined -Inative native/s4_json.c native/tests/test_json.c
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s4_json.h"

static s4_json_scratch scratch;
static uint64_t state = 88172645463325252ULL; /* xorshift64, Marsaglia 2003: the same every time */

static uint32_t draw(uint32_t below) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (uint32_t)(state >> 32) % below;
}

static int scan_exact(const char *bytes, size_t length) {
    uint8_t *body = malloc(length + !length);
    assert(body != NULL);
    memcpy(body, bytes, length);
    int code = s4_json_scan(body, length, &scratch);
    assert(code != S4_JSON_OK || scratch.member_count <= S4_JSON_TOP_MAX);
    assert(code == S4_JSON_OK || scratch.at <= length);
    for (uint32_t i = 0; code == S4_JSON_OK && i < scratch.member_count; i++) {
        const s4_json_member *member = &scratch.members[i];
        assert(member->key_start <= member->key_end && member->key_end < member->start);
        assert(member->start < member->end && member->end < length);
        uint8_t digest[16];
        s4_json_digest(body + member->start, member->end - member->start, digest);
    }
    for (uint32_t i = 0; code == S4_JSON_OK && i < scratch.span_count; i++)
        assert(scratch.spans[i].start < scratch.spans[i].end && scratch.spans[i].end < length);
    free(body);
    return code;
}

static const char *const GOOD[] = {
    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"h\\u00e9 \\ud83d\\ude00\"}]}",
    "{\"a\":[1,-2.5e+10,0,[],{},[[true,false],null]],\"b\":{\"c\":{\"d\":\"\"}}}",
    "{\"\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80\":\"\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80 and more\"}",
    " { \"\\u0061\\n\" : \"long enough for words of eight bytes, twice\" , \"x\" : [ ] } \r\n",
    "{\"1\":1,\"2\":1,\"3\":1,\"4\":1,\"5\":1,\"6\":1,\"7\":1,\"8\":1,\"9\":1,\"a\":1,\"b\":1,"
    "\"c\":1,\"d\":1,\"e\":1,\"f\":1}",
};
static const char BYTES[] = "{}[]\",:\\u019.-+eE tfn\n\x01\x7f\x80\xbf\xc3\xe2\xed\xf0\xff";

static void test_good_bodies_pass_and_every_prefix_of_one_is_safe(void) {
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) {
        assert(scan_exact(GOOD[i], strlen(GOOD[i])) == S4_JSON_OK);
        size_t whole = strlen(GOOD[i]);
        while (GOOD[i][whole - 1] != '}') whole--;
        for (size_t length = 0; length < whole; length++)
            assert(scan_exact(GOOD[i], length) != S4_JSON_OK);
    }
}

static void test_damaged_bodies_are_safe(void) {
    char body[512];
    for (int round = 0; round < 200000; round++) {
        const char *good = GOOD[draw(sizeof GOOD / sizeof *GOOD)];
        size_t length = strlen(good);
        memcpy(body, good, length);
        for (uint32_t change = draw(4); change < 4; change++) {
            size_t at = draw((uint32_t)length);
            body[at] = BYTES[draw(sizeof BYTES)];
            if (draw(3) == 0) memmove(body + at, body + at + 1, --length - at);
        }
        scan_exact(body, length);
    }
}

static void test_many_open_keys_use_and_free_memory(void) {
    size_t room = 40 * 500 * 12 + 40 * 8 + 64, length = 0;
    char *body = malloc(room);
    assert(body != NULL);
    for (int depth = 0; depth < 40; depth++) {
        length += (size_t)sprintf(body + length, "%s{", depth ? "\"in\":" : "");
        for (int key = 0; key < (depth ? 500 : 200); key++)
            length += (size_t)sprintf(body + length, "\"k%d\":1,", key);
    }
    length += (size_t)sprintf(body + length, "\"z\":1");
    for (int depth = 0; depth < 40; depth++) body[length++] = '}';
    assert(length < room);
    assert(scan_exact(body, length) == S4_JSON_OK);
    assert(scan_exact(body, length - 1) == S4_JSON_CUT_SHORT);
    free(body);
}

int main(void) {
    s4_json_set_key((const uint8_t *)"0123456789abcdef");
    test_good_bodies_pass_and_every_prefix_of_one_is_safe();
    test_damaged_bodies_are_safe();
    test_many_open_keys_use_and_free_memory();
    puts("ok");
    return 0;
}
