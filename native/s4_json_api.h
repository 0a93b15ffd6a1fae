/*
 * Strict JSON scan: the contract.  This file is read by the compiler (through s4_json.h) and, word
 * for word, by cffi as its cdef, so the two cannot drift; it therefore holds no preprocessor lines.
 *
 * Thread safety: every call works only on its arguments.  One s4_json_scratch belongs to one thread
 * at a time.  The key is process-wide: set it before threads or children exist.
 * Offsets are bytes from the start of the body.
 */

enum {
    S4_JSON_DEPTH_MAX = 64,      /* open objects and arrays; CPython's recursion limit is far off */
    S4_JSON_TOP_MAX = 256,       /* members of the top-level object; chat completions know ~40 */
    S4_JSON_MEMBERS_MAX = 65536, /* members of any object */
    S4_JSON_VALUES_MAX = 262144, /* values in the body: decoding them holds the GIL ~30 ms */
    S4_JSON_NUMBER_MAX = 32,     /* characters of one number */
    S4_JSON_DIGITS_MAX = 20,     /* digits of one integer: 2**64 has 20 */
    S4_JSON_ITEMS_MAX = 65536,   /* recorded elements of top-level arrays, all together */
    S4_JSON_KEYS_KEPT = 4096,    /* keys of open objects before memory is allocated for them */
    S4_JSON_LONG_MIN = 131072,   /* bytes from which a string value is recorded as long */
    S4_JSON_LONGS_MAX = 512,     /* recorded long strings; a body of 32 MiB has at most 256 */
    S4_JSON_TABLE_SIZE = 131072, /* twice S4_JSON_MEMBERS_MAX: at most half full */
    S4_JSON_BODY_MAX = 1073741824
};

enum { /* what is wrong; strictjson.py has the sentences, in this order */
    S4_JSON_OK = 0,
    S4_JSON_NOT_OBJECT,
    S4_JSON_CUT_SHORT,
    S4_JSON_TRAILING,
    S4_JSON_SYNTAX,
    S4_JSON_BAD_NUMBER,
    S4_JSON_LONG_NUMBER,
    S4_JSON_BAD_UTF8,
    S4_JSON_BAD_ESCAPE,
    S4_JSON_LONE_SURROGATE,
    S4_JSON_CONTROL,
    S4_JSON_TOO_DEEP,
    S4_JSON_TOO_MANY_TOP,
    S4_JSON_TOO_MANY_MEMBERS,
    S4_JSON_TOO_MANY_VALUES,
    S4_JSON_TOO_LONG,
    S4_JSON_NO_MEMORY,
    S4_JSON_DUPLICATE
};

enum {
    S4_JSON_OBJECT = 0,
    S4_JSON_ARRAY,
    S4_JSON_STRING,
    S4_JSON_NUMBER,
    S4_JSON_TRUE,
    S4_JSON_FALSE,
    S4_JSON_NULL
};

/* One member of the top-level object; 32 bytes. */
typedef struct {
    uint32_t key_start, key_end; /* the name between its quotes, escapes unresolved */
    uint32_t start, end;         /* the value */
    uint32_t first, count;       /* an array's elements: place in spans, how many there are */
    uint8_t kind;
    uint8_t is_escaped;   /* the name has escapes */
    uint8_t is_unrecorded; /* an array whose elements did not all fit in spans */
    uint8_t spare[5];
} s4_json_member;

typedef struct {
    uint32_t start, end;
} s4_json_span;

typedef struct {
    uint64_t hash; /* keyed, of the decoded name */
    uint32_t at;   /* the name's opening quote */
    uint32_t spare;
} s4_json_key;

/* What one scan leaves behind and works in.  Only pages that were needed are ever touched, so the
 * size (1.6 MB) costs address space, not memory, until a large body comes. */
typedef struct {
    uint32_t at; /* where the problem is */
    uint32_t member_count;
    uint32_t span_count;
    uint32_t value_count;
    uint32_t long_count;
    uint32_t veiled; /* letters, digits, underscores written as escapes: a search misses them */
    uint32_t spare[2];
    s4_json_member members[256];
    s4_json_span spans[65536];
    s4_json_span longs[512]; /* string values of at least S4_JSON_LONG_MIN bytes, with quotes */
    s4_json_key keys[4096];
    uint64_t table[131072];
} s4_json_scratch;

/* Sets the key of all hashes.  Once, before threads and forks. */
void s4_json_set_key(const uint8_t *key);

/* Validates the whole body and records its top level in `scratch`.  Returns a code; with any other
 * than S4_JSON_OK only `at` is meaningful.  Linear in `length`; allocates only for bodies with more
 * than S4_JSON_KEYS_KEPT keys open at once, and frees that before it returns. */
int s4_json_scan(const uint8_t *body, size_t length, s4_json_scratch *scratch);

/* SipHash-1-3-128 of `length` bytes: 16 bytes to `out`. */
void s4_json_digest(const uint8_t *bytes, size_t length, uint8_t *out);

/* For each of `count` ascending spans the digest of everything from `start` to the span's end:
 * 16 bytes each to `out`, in one pass. */
void s4_json_digests(const uint8_t *body, uint32_t start, const uint8_t *spans, uint32_t count,
                     uint8_t *out);
