/*
 * The file of the table: made whole, attached by anyone, its lock made anew when one is alone.
 *
 * "Alone" is known by a lock on byte 0: each attach holds it shared, on a file description that its
 * forked children share, and the master tries to have it exclusively.  So an orphan of a former
 * master counts from before it joined a slot until its death, and pids do not matter.
 */
#include "s4_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((format(printf, 2, 3))) static void say(char *problem, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(problem, S4_PROBLEM_BYTES, format, arguments);
    va_end(arguments);
}

static uint32_t crc32(const void *bytes, size_t n) {
    const uint8_t *at = bytes;
    uint32_t crc = ~UINT32_C(0);
    while (n--) {
        crc ^= *at++;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (UINT32_C(0xedb88320) & -(crc & 1));
    }
    return ~crc;
}

static uint32_t power_of_two(uint32_t n) {
    uint32_t power = 1;
    while (power < n) power <<= 1;
    return power;
}

static uint32_t format_word(void) {
    const uint64_t sizes[] = {sizeof(s4_root),  sizeof(s4_slot), sizeof(s4_cell),
                              sizeof(s4_lease), sizeof(s4_value), sizeof(s4_row),
                              sizeof(pthread_mutex_t)};
    return crc32(sizes, sizeof sizes);
}

/* Places every area behind the root, each on a page of its own; the sizes are already checked. */
static void lay_out(s4_static *fixed) {
    uint64_t at = S4_ROOT_BYTES;
#define PLACE(field, n, bytes) \
    (fixed->field = at, at = (at + (uint64_t)(n) * (bytes) + 4095) & ~UINT64_C(4095))
    fixed->cell_buckets = power_of_two(fixed->cells);
    fixed->value_buckets = power_of_two(fixed->values);
    PLACE(slots_at, fixed->slots, sizeof(s4_slot));
    PLACE(cells_at, fixed->cells, sizeof(s4_cell));
    PLACE(leases_at, (uint64_t)fixed->slots * fixed->leases, sizeof(s4_lease));
    PLACE(values_at, fixed->values, sizeof(s4_value));
    PLACE(cell_buckets_at, fixed->cell_buckets, sizeof(s4_word));
    PLACE(value_buckets_at, fixed->value_buckets, sizeof(s4_word));
    PLACE(rows_at, (uint64_t)fixed->slots * fixed->rows, sizeof(s4_row));
#undef PLACE
    fixed->bytes = at;
}

static int are_sizes_possible(const s4_static *fixed) {
    return fixed->slots >= 1 && fixed->slots <= 1024 && fixed->cells >= 1 &&
           fixed->cells <= 1u << 20 && fixed->leases >= 1 && fixed->leases <= 1u << 16 &&
           fixed->values >= 64 && fixed->values <= 1u << 22 && fixed->rows >= 2 &&
           fixed->rows <= 1u << 16 && (fixed->rows & (fixed->rows - 1)) == 0;
}

static void point(s4_table *t, const s4_static *fixed) {
    t->root = (s4_root *)(void *)t->base;
    t->slots = (s4_slot *)(void *)(t->base + fixed->slots_at);
    t->cells = (s4_cell *)(void *)(t->base + fixed->cells_at);
    t->leases = (s4_lease *)(void *)(t->base + fixed->leases_at);
    t->values = (s4_value *)(void *)(t->base + fixed->values_at);
    t->cell_buckets = (s4_word *)(void *)(t->base + fixed->cell_buckets_at);
    t->value_buckets = (s4_word *)(void *)(t->base + fixed->value_buckets_at);
    t->rows = (s4_row *)(void *)(t->base + fixed->rows_at);
    t->cell_mask = fixed->cell_buckets - 1;
    t->value_mask = fixed->value_buckets - 1;
    t->row_mask = fixed->rows - 1;
    t->sizes = (s4_sizes){fixed->slots,  fixed->cells, fixed->leases, fixed->values,
                          fixed->rows, 0,            fixed->bytes};
    t->slot_fd = -1;
}

static void read_boot_id(uint8_t out[16]) {
    char text[40] = "";
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (read(fd, text, sizeof text - 1) < 0) text[0] = 0;
        close(fd);
    }
    static const uint8_t key[16] = "s4fw boot id key";
    uint64_t halves[2] = {s4_siphash(key, text, sizeof text), s4_siphash(key, text, 20)};
    memcpy(out, halves, 16);
}

/* Fills a new file of zeros: nearly all records are valid as zeros. */
static int fill(int fd, s4_static *fixed) {
    s4_table t = {.base = mmap(NULL, fixed->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)};
    if (t.base == MAP_FAILED) return S4_SYSTEM;
    point(&t, fixed);
    read_boot_id(t.root->boot_id);
    s4_put(&t.root->clean, 1);
    int code = s4_lock_init(&t);
    /* The first ids are the `other` of each dimension: id = dimension + 1. */
    for (uint32_t d = 0; d < S4_DIMENSIONS; d++) {
        s4_value *other = &t.values[d];
        other->dimension = d;
        other->bytes = 5;
        memcpy(other->text, "other", 5);
        s4_put(&other->state, S4_VALUE_LIVE);
        uint8_t key[1 + 5] = {(uint8_t)d, 'o', 't', 'h', 'e', 'r'};
        s4_word *bucket =
            &t.value_buckets[s4_siphash(fixed->hash_key, key, sizeof key) & t.value_mask];
        s4_put(&other->link, s4_get(bucket));
        s4_put(bucket, d + 1);
    }
    s4_put(&t.root->value_fresh, S4_DIMENSIONS);
    s4_put(&t.root->swept_ns, s4_now_ns(CLOCK_BOOTTIME));
    memcpy(&t.root->fixed, fixed, sizeof *fixed);
    if (code == S4_OK && msync(t.base, fixed->bytes, MS_SYNC)) code = S4_SYSTEM;
    munmap(t.base, fixed->bytes);
    return code;
}

static void sync_folder(const char *path) {
    char folder[4096];
    const char *slash = strrchr(path, '/');
    int length = slash ? (int)(slash - path) + 1 : 1;
    snprintf(folder, sizeof folder, "%.*s", length, slash ? path : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    fsync(fd);
    close(fd);
}

static int make(const char *name, const char *path, s4_static *fixed, char *problem) {
    unlink(name); /* left by a master that died right here, with our pid */
    int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        say(problem, "cannot create %s: %s", name, strerror(errno));
        return S4_SYSTEM;
    }
    /* Allocated now: a full disk must be an error here, not a SIGBUS in a worker. */
    int error = posix_fallocate(fd, 0, (off_t)fixed->bytes);
    if (!error && (fill(fd, fixed) != S4_OK || fsync(fd))) error = errno;
    /* link, not rename: it fails when the name exists, so no table is ever replaced. */
    if (!error && link(name, path)) error = errno;
    close(fd);
    unlink(name);
    if (error) {
        say(problem, "cannot create %s: %s", path, strerror(error));
        errno = error; /* the unlink above may have left its own */
        return error == EEXIST ? S4_TAKEN : S4_SYSTEM;
    }
    sync_folder(path);
    return S4_OK;
}

int s4_table_create(const char *path, uint32_t slots, uint32_t cells, uint32_t leases,
                    uint32_t values, uint32_t rows, char *problem) {
    s4_static fixed = {.magic = S4_MAGIC, .version = S4_VERSION, .format = format_word()};
    fixed.slots = slots;
    fixed.cells = cells;
    fixed.leases = leases;
    fixed.values = values;
    fixed.rows = rows <= 1u << 16 ? power_of_two(rows) : rows;
    if (!are_sizes_possible(&fixed)) {
        say(problem, "the sizes of the table are out of range");
        return S4_INVALID;
    }
    lay_out(&fixed);
    if (getrandom(fixed.hash_key, sizeof fixed.hash_key, 0) != sizeof fixed.hash_key) {
        say(problem, "the kernel gave no random bytes: %s", strerror(errno));
        return S4_SYSTEM;
    }
    fixed.crc = crc32(&fixed, offsetof(s4_static, crc));
    char name[4096];
    int length = snprintf(name, sizeof name, "%s.new.%d", path, (int)getpid());
    if (length < 0 || (size_t)length >= sizeof name) {
        say(problem, "the path of the table is too long");
        return S4_INVALID;
    }
    return make(name, path, &fixed, problem);
}

/* Reads and judges the signed part; the file is not mapped yet, so nothing here can fault. */
static int read_fixed(int fd, s4_static *fixed, char *problem) {
    struct stat status;
    if (fstat(fd, &status) || !S_ISREG(status.st_mode)) {
        say(problem, "it is not a regular file");
        return S4_DAMAGED;
    }
    if (pread(fd, fixed, sizeof *fixed, 0) != sizeof *fixed) {
        say(problem, "it is too short: %lld bytes", (long long)status.st_size);
        return S4_DAMAGED;
    }
    if (fixed->magic != S4_MAGIC) {
        say(problem, "it is not a counter table (its first bytes are foreign)");
        return S4_DAMAGED;
    }
    if (fixed->version != S4_VERSION) {
        say(problem, "it has layout version %u, this program reads %u", fixed->version, S4_VERSION);
        return S4_DAMAGED;
    }
    if (fixed->crc != crc32(fixed, offsetof(s4_static, crc))) {
        say(problem, "the checksum of its header is wrong");
        return S4_DAMAGED;
    }
    s4_static expected = *fixed;
    if (fixed->format != format_word() || !are_sizes_possible(fixed) ||
        (lay_out(&expected), memcmp(&expected, fixed, sizeof expected) != 0)) {
        say(problem, "it was made by a build with another memory layout");
        return S4_DAMAGED;
    }
    if ((uint64_t)status.st_size != fixed->bytes) {
        say(problem, "it has %lld bytes instead of %llu", (long long)status.st_size,
            (unsigned long long)fixed->bytes);
        return S4_DAMAGED;
    }
    return S4_OK;
}

s4_table *s4_table_attach(const char *path, int *code, char *problem) {
    s4_static fixed;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        *code = errno == ENOENT ? S4_MISSING : S4_DAMAGED;
        say(problem, "it cannot be opened for reading and writing: %s", strerror(errno));
        return NULL;
    }
    *code = read_fixed(fd, &fixed, problem);
    if (*code == S4_OK && s4_file_lock(fd, F_RDLCK, 0, 1)) {
        *code = S4_SYSTEM;
        say(problem, "its file system has no record locks: %s", strerror(errno));
    }
    s4_table *t = *code == S4_OK ? calloc(1, sizeof *t) : NULL;
    if (t) {
        t->base = mmap(NULL, fixed.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (t->base != MAP_FAILED) {
            t->fd = fd;
            point(t, &fixed);
            return t;
        }
    }
    if (*code == S4_OK) {
        *code = S4_SYSTEM;
        say(problem, "it cannot be mapped: %s", strerror(errno));
    }
    free(t);
    close(fd);
    return NULL;
}

void s4_table_detach(s4_table *t) {
    s4_table_forget_slot(t);
    munmap(t->base, t->sizes.bytes);
    close(t->fd);
    free(t);
}

void s4_table_sizes(const s4_table *t, s4_sizes *out) { *out = t->sizes; }

int s4_reopen(const s4_table *t) {
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", t->fd);
    return open(path, O_RDWR | O_CLOEXEC);
}

/* After a reboot the clocks began anew: cells and values count as touched now. */
static void adopt_boot(s4_table *t) {
    uint8_t boot_id[16];
    read_boot_id(boot_id);
    if (memcmp(boot_id, t->root->boot_id, 16) == 0) return;
    int64_t now = s4_now_ns(CLOCK_MONOTONIC);
    for (uint32_t i = 0; i < t->sizes.cells; i++) {
        s4_put(&t->cells[i].touched_ns, now);
        s4_put(&t->cells[i].arrival_ns, 0);
    }
    now = s4_now_ns(CLOCK_BOOTTIME);
    for (uint32_t i = 0; i < t->sizes.values; i++) s4_put(&t->values[i].touched_ns, now);
    s4_put(&t->root->swept_ns, now);
    memcpy(t->root->boot_id, boot_id, 16);
}

int s4_table_reset_if_alone(s4_table *t, char *problem) {
    if (s4_file_lock(t->fd, F_WRLCK, 0, 0)) {
        if (errno == EAGAIN || errno == EACCES) return 0;
        say(problem, "its lock cannot be taken: %s", strerror(errno));
        return S4_SYSTEM;
    }
    int code = S4_OK;
    /* Children of our own share our description and do not count there: ask their slots. */
    for (uint32_t slot = 0; slot < t->sizes.slots; slot++) {
        if (!s4_slot_is_live(t, slot)) continue;
        s4_file_lock(t->fd, F_RDLCK, 0, 1);
        return 0;
    }
    /* A copied file may have holes, and a store into a hole of a full disk is a SIGBUS. */
    if (fallocate(t->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)t->sizes.bytes) && errno == ENOSPC) {
        say(problem, "there is no space for all of it");
        code = S4_SYSTEM;
    }
    if (code == S4_OK && s4_get_acquire(&t->root->redo_valid)) {
        if (s4_redo_is_sound(t)) {
            s4_redo_apply(t);
        } else {
            say(problem, "its redo record names words outside of it");
            code = S4_DAMAGED;
        }
    }
    if (code == S4_OK) code = s4_check(t, problem);
    if (code == S4_OK) code = s4_lock_init(t);
    if (code == S4_OK) adopt_boot(t);
    s4_file_lock(t->fd, F_RDLCK, 0, 1);
    return code == S4_OK ? 1 : code;
}
