/*
 * The native JSON scan under libFuzzer, with the address and undefined-behaviour sanitizers.
 *
 * The body is copied to a block of exactly its size, so that reading one byte too far is seen.
 * What the scan says of an accepted body must lie within it.
 */
#include <stdlib.h>
#include <string.h>

#include "s4_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static s4_json_scratch scratch;
    uint8_t *body = malloc(size ? size : 1);
    if (body == NULL)
        return 0;
    if (size)
        memcpy(body, data, size);
    if (s4_json_scan(body, size, &scratch) == S4_JSON_OK) {
        uint8_t digest[16];
        if (scratch.member_count > S4_JSON_TOP_MAX || scratch.span_count > S4_JSON_ITEMS_MAX)
            abort();
        for (uint32_t i = 0; i < scratch.member_count; i++) {
            const s4_json_member *member = &scratch.members[i];
            if (member->key_start > member->key_end || member->key_end > member->start ||
                member->start >= member->end || member->end > size)
                abort();
            s4_json_digest(body + member->start, member->end - member->start, digest);
        }
        for (uint32_t i = 0; i < scratch.span_count; i++)
            if (scratch.spans[i].start >= scratch.spans[i].end || scratch.spans[i].end > size)
                abort();
    } else if (scratch.at > size) {
        abort();
    }
    free(body);
    return 0;
}
