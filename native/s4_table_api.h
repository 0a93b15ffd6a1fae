/*
 * The counter table: what a process may ask of it.  This file is the contract and, read as it is,
 * the declaration of the Python binding (s4fw/ledger/table.py), so the two cannot drift apart:
 * plain declarations only, no directives but numeric constants.  Layout and theory: s4_table.h.
 *
 * Who may call.  "Any" is every process that attached (or was forked by one that did); "owner" is
 * the process that joined a slot, for its own slot; "master" is the one process that holds the
 * master lock; "steward" is the one process that drains the rings.  Within a process one thread at
 * a time: the handle holds the out-areas of the last call.
 *
 * Cost.  Hot calls allocate nothing and make no system call unless the lock is contended; "locked"
 * means that the one lock is held for the length given.
 *
 * Money is int64 nano-USD in [0, 2^62].
 */

/* Results of every call that returns int or int64: >= 0 is success, each code has one meaning. */
#define S4_OK 0
#define S4_DENIED -1    /* the amount does not fit one of the cells */
#define S4_STALE -2     /* a cell was closed, or a value retired, since the handle was made */
#define S4_FROZEN -3    /* spending is frozen, for everything or for a budget of this set */
#define S4_FULL -4      /* no record of the kind asked for is free */
#define S4_BUSY -5      /* the lock was not had before the deadline: its holder is stopped */
#define S4_RING_FULL -6 /* strict only: no room for the journal row this lease would need */
#define S4_ALREADY -7   /* the lease is past: nothing was changed */
#define S4_TAKEN -8     /* the slot is live, or holds leases of a dead owner */
#define S4_INVALID -9   /* an argument out of range: a mistake of the caller */
#define S4_DAMAGED -10  /* the file is not a whole table of this version */
#define S4_SYSTEM -11   /* a system call failed: errno says which way */
#define S4_IN_USE -12   /* the cell still has open leases */
#define S4_MISSING -13  /* there is no such file or record */
#define S4_CROWDED -14  /* the caller has as many leases open as it may */
#define S4_UNMARKED -15 /* the amount would pass the durable mark of one of the cells */

/* Bounds of the layout. */
#define S4_CELLS_MAX 8       /* cells of one lease */
#define S4_RATES_MAX 2       /* rates of one request: its caller's own, and that of all */
#define S4_IDS_MAX 4         /* value ids in the key of a cell */
#define S4_CELLS_KEPT 16     /* one cell in so many is kept for keys of `other` and of no values */
#define S4_DIMENSIONS 16     /* kinds of interned values; the first 8 are those of an attribution */
#define S4_VALUE_BYTES 128   /* longest interned value */
#define S4_COUNTERS 64       /* counters of a slot */
#define S4_INTERVAL_MAX_NS 3600000000000
#define S4_BURST_MAX 1000000
#define S4_WINDOWS 6         /* kinds of windows */
#define S4_MARKED_FROM 2     /* from this kind on (a day) windows have a durable mark */
#define S4_FROZEN_MAX 62     /* budgets frozen one by one */
#define S4_ROW_BYTES 256     /* one journal row */
#define S4_PROBLEM_BYTES 256 /* room for a sentence about a damaged file */
#define S4_LOCK_FAST_MS 50   /* how long a request waits for the lock */
#define S4_LOCK_SLOW_MS 2000 /* how long work that must not be lost waits for it */

/* Kinds of journal rows. */
#define S4_ROW_SETTLE 1
#define S4_ROW_VOID 2
#define S4_ROW_BLOCK 3
#define S4_ROW_CORRECT 4
#define S4_ROW_RECOVER 5
#define S4_ROW_GAP 6
#define S4_ROW_EVENT 7

/* A handle: one mapping of one table in one process. */
typedef struct s4_table s4_table;

/* What a reserve names: cells with the generation seen at claim, and the value ids of who pays
 * (they go to the lease, so that a journal row written after its owner died is complete). */
typedef struct {
    uint32_t n;
    uint32_t epoch;
    uint32_t cell[8];
    uint32_t generation[8];
    uint32_t values[8];
    uint32_t caller; /* index + 1 of the cell in which its leases are counted; 0: none */
    uint32_t caller_generation;
    int64_t open_max;
    int64_t held_max; /* of all its leases together; 0: no limit */
} s4_cell_set;

/* One rate: a request each `interval_ns`, of which `burst` may come at once.  Its cell is claimed
 * like any other, without money. */
typedef struct {
    uint32_t cell;
    uint32_t generation;
    int64_t interval_ns; /* 1 to S4_INTERVAL_MAX_NS */
    int64_t burst;       /* 1 to S4_BURST_MAX */
} s4_rate;

/* One journal row.  C fills seq, kind, slot, n, cell, generation, values, reserved, charged and
 * request from the lease; the rest is the caller's, in the staging row (s4_table_staging). */
typedef struct {
    uint64_t seq; /* 1, 2, 3 ... within the slot */
    int64_t at_ns; /* wall clock */
    uint8_t request[16];
    uint8_t kind;
    uint8_t reason;
    uint8_t decision;
    uint8_t n;
    uint16_t status;
    uint16_t slot;
    uint32_t values[8];
    uint32_t cell[8];
    uint32_t generation[8];
    int64_t reserved;
    int64_t charged;
    uint32_t price;
    uint32_t tokens[8];
    uint32_t duration_ms;
    uint32_t first_byte_ms;
    uint32_t code; /* of a gap row: how many rows were dropped */
    uint8_t spare[56];
} s4_row;

/* One open cell, as of one instant. */
typedef struct {
    uint32_t index;
    uint32_t generation;
    uint32_t budget;
    uint32_t kind;
    int64_t start_s;
    uint32_t ids[4];
    int64_t limit;
    int64_t stated;
    int64_t used;
    int64_t charged;
    int64_t accrued;
    int64_t open;
    int64_t denials;
    int64_t overrun;
    int64_t touched_ns; /* CLOCK_MONOTONIC of the last claim or reserve, to some milliseconds */
    uint32_t is_frozen;
    uint32_t spare;
    int64_t arrival_ns; /* of a cell that paces requests: see s4_table_arrive; else its mark */
} s4_cell_info;

/* One slot.  Its words are read one by one: each is right, together they may be of two instants. */
typedef struct {
    uint32_t slot;
    uint32_t is_live;
    int64_t kind;
    int64_t pid;
    int64_t incarnation;
    int64_t heartbeat_ns;
    int64_t state;
    int64_t generation;
    int64_t open;
    int64_t head;
    int64_t tail;
    int64_t dropped;
    uint64_t counters[64];
} s4_slot_info;

/* Sizes of a table, fixed when it is made. */
typedef struct {
    uint32_t slots;
    uint32_t cells;
    uint32_t leases; /* of each slot */
    uint32_t values;
    uint32_t rows; /* of each slot */
    uint32_t spare;
    uint64_t bytes;
} s4_sizes;

/* What a recovery did. */
typedef struct {
    int64_t voided;
    int64_t accrued;
    int64_t accrued_nusd;
} s4_recovered;

/* What a sweep of the values did. */
typedef struct {
    int64_t retired;
    int64_t emptied;
} s4_swept;

/* A cell that does not add up: the sums found in it, and those of the leases that name it. */
typedef struct {
    uint32_t index;
    uint32_t budget;
    int64_t held;
    int64_t held_by_leases;
    int64_t open;
    int64_t open_leases;
} s4_mismatch;

/* -- the file ---------------------------------------------------------------------------------- */

/* Master.  Makes the file whole under a temporary name, syncs it and links it to `path`.  `leases`
 * and `rows` are rounded up to powers of two.  S4_OK; S4_TAKEN when `path` exists; S4_INVALID;
 * S4_SYSTEM (no space, no permission).  `problem` has room for S4_PROBLEM_BYTES; it gets a
 * sentence. */
int s4_table_create(const char *path, uint32_t slots, uint32_t cells, uint32_t leases,
                    uint32_t values, uint32_t rows, char *problem);

/* Any.  Maps an existing table, whatever its sizes.  NULL with *code = S4_MISSING (no file) or
 * S4_DAMAGED (foreign, newer, torn, truncated, unreadable) and a sentence in `problem`.  Changes
 * nothing in the file. */
s4_table *s4_table_attach(const char *path, int *code, char *problem);

/* Any.  Unmaps and frees the handle; a joined slot is dropped as by death. */
void s4_table_detach(s4_table *t);

/* Any.  The sizes of the table, read from its file. */
void s4_table_sizes(const s4_table *t, s4_sizes *out);

/* Master, before it forks.  1: nobody else is attached; the redo record was applied, the lock is
 * new, the structure was walked and is sound.  0: another process is attached (its children count);
 * nothing was changed, the robust lock goes on.  S4_DAMAGED: the structure is broken, `problem`
 * says where.  S4_SYSTEM. */
int s4_table_reset_if_alone(s4_table *t, char *problem);

/* -- slots ------------------------------------------------------------------------------------- */

/* The process that will own the slot, after fork.  Takes the slot's file lock on a description of
 * its own, so that the kernel drops it at death.  S4_OK; S4_TAKEN; S4_INVALID; S4_SYSTEM. */
int s4_table_join(s4_table *t, uint32_t slot, int64_t kind);

/* Owner.  Leaves the slot; with leases open it then counts as dead and is recovered. */
void s4_table_leave(s4_table *t);

/* The child of an owner, right after fork: forgets the parent's slot without ending it. */
void s4_table_forget_slot(s4_table *t);

/* Owner.  The heartbeat: one release store of CLOCK_MONOTONIC. */
void s4_table_beat(s4_table *t);

/* Owner.  The state word and the acknowledged configuration generation: one release store each. */
void s4_table_set_state(s4_table *t, int64_t state);
void s4_table_set_generation(s4_table *t, int64_t generation);

/* Owner.  Strict: a reserve needs room for its journal row.  Of this handle, off at first. */
void s4_table_set_strict(s4_table *t, int is_strict);

/* Owner.  Marked: a reserve never passes the durable mark of a cell.  Of this handle, off at first.
 * Nothing is refused by a mark where it is off. */
void s4_table_set_marked(s4_table *t, int is_marked);

/* Any.  One slot; one system call to ask whether it is live.  S4_OK; S4_INVALID. */
int s4_table_slot_info(s4_table *t, uint32_t slot, s4_slot_info *out);

/* Any.  The first slot that is not live, has no open leases and an empty ring; or S4_FULL. */
int s4_table_free_slot(s4_table *t);

/* Any.  The counters of a slot, in shared memory; only the owner writes.  NULL: no such slot. */
uint64_t *s4_table_counters(s4_table *t, uint32_t slot);

/* -- values ------------------------------------------------------------------------------------ */

/* Any.  The id of a value, >= 1, making it where it is new (then locked, ~0.5 us).  Where the area
 * is full, or the dimension has `most` values (0: any number): the id of `other` for the dimensions
 * of an attribution, S4_FULL for the rest.  S4_BUSY; S4_INVALID. */
int64_t s4_table_intern(s4_table *t, uint32_t dimension, const uint8_t *value, uint32_t bytes,
                        uint32_t most);

/* Steward.  Retires values of callers that nobody used for a whole interval, and empties records
 * retired by the sweep before; then all sets of cells are stale.  Nothing before the interval is
 * over (an hour; tests may take less).  Each value is an operation of its own.  S4_OK; S4_BUSY. */
int s4_table_sweep_values(s4_table *t, int64_t interval_ns, s4_swept *out);

/* Any.  Copies a value to out[S4_VALUE_BYTES] and its dimension; returns its length or
 * S4_MISSING. */
int s4_table_value(s4_table *t, uint32_t id, uint32_t *dimension, uint8_t *out);

/* -- cells ------------------------------------------------------------------------------------- */

/* Any.  Finds or makes the cell of a key; locked, ~0.2 us.  The limits are those of a new cell; an
 * existing one keeps its own.  The index, and the generation in *generation; S4_FULL (no
 * cell, or only those kept for keys of `other` and of no values); S4_STALE (an id was retired:
 * intern again); S4_BUSY; S4_INVALID. */
int64_t s4_table_claim(s4_table *t, uint32_t budget, uint32_t kind, int64_t start_s,
                       const uint32_t *ids, uint32_t n, int64_t limit, int64_t stated,
                       uint32_t *generation);

/* Master.  New limits of a cell; locked.  A limit below `used` is legal.  S4_OK; S4_STALE;
 * S4_BUSY. */
int s4_table_set_limit(s4_table *t, uint32_t cell, uint32_t generation, int64_t limit,
                       int64_t stated);

/* Steward.  The durable mark of a cell: what stands on a disk that survives the machine, so that
 * after a power loss `used` up to here can be charged.  One word, locked.  S4_OK; S4_STALE;
 * S4_BUSY; S4_INVALID. */
int s4_table_set_mark(s4_table *t, uint32_t cell, uint32_t generation, int64_t mark);

/* Steward.  Ends a cell whose window is over or which idled; locked.  S4_OK; S4_STALE (it is
 * another one by now); S4_IN_USE (a lease names it); S4_BUSY. */
int s4_table_close_cell(s4_table *t, uint32_t cell, uint32_t generation);

/* Any.  Copies open cells from *cursor on, each as of one instant, without the lock unless a writer
 * died in its middle; returns how many (< room: that was the end) and moves the cursor. 
 * S4_BUSY. */
int s4_table_cells(s4_table *t, uint32_t *cursor, s4_cell_info *out, uint32_t room);

/* -- leases ------------------------------------------------------------------------------------ */

/* Any.  Fills a set; no lock.  S4_INVALID: more than 8 cells, one twice, or one out of range.
 * S4_STALE: a value was retired. */
int s4_table_cell_set(s4_table *t, s4_cell_set *set, const uint32_t *cells,
                      const uint32_t *generations, uint32_t n, const uint32_t *values);

/* Any.  Names the cell that counts the leases of this set's caller: a reserve is refused where
 * `most` are open.  No lock.  S4_INVALID: out of range, or a cell of the set. */
int s4_table_limit_open(s4_table *t, s4_cell_set *set, uint32_t cell, uint32_t generation,
                        int64_t most);

/* Any.  A reserve of this set is refused, too, where its caller already holds something and would
 * hold more than `most` with it, whatever the cells.  After s4_table_limit_open; no lock.
 * S4_INVALID: no caller is named, or out of range. */
int s4_table_limit_held(s4_cell_set *set, int64_t most);

/* Owner, hot, locked ~50 ns.  All cells or none.  >= 0: the lease.  S4_DENIED, S4_STALE, S4_FROZEN,
 * S4_FULL, S4_BUSY, S4_RING_FULL, S4_CROWDED, S4_UNMARKED, S4_INVALID.  `request` is 16 bytes.
 * The answer area:
 *   [0]     place in the set of the cell that denied, is stale, frozen or unmarked (n: the
 *           caller's); -1 for all or none; crowded: 0 too many leases open, 1 too much held
 *   [1]     bit i: the stated limit of cell i is passed by this reserve
 *   [2+i]   used of cell i, after this reserve or at the denial
 *   [10+i]  stated limit of cell i */
int64_t s4_table_reserve(s4_table *t, const s4_cell_set *set, int64_t amount,
                         const uint8_t *request, uint32_t price);
int64_t *s4_table_answer(s4_table *t);

/* Owner, hot, no lock.  One release store: from here on a crash charges the amount.  S4_ALREADY. */
int s4_table_sent(s4_table *t, int64_t lease);

/* Owner, hot, locked ~50 ns.  Resolves the lease with what was charged (a negative amount is taken
 * as "unknown": the whole reservation, accrued) and publishes the staging row with it.  S4_OK;
 * S4_ALREADY; S4_BUSY after S4_LOCK_FAST_MS: nothing happened, call again later. */
int s4_table_settle(s4_table *t, int64_t lease, int64_t actual, int is_accrued);

/* Owner, hot, locked.  Gives the reservation back: only when provably nothing was charged. */
int s4_table_void(s4_table *t, int64_t lease);

/* Owner, locked.  A later truth: moves `charged` of one cell by delta (not below 0), with a journal
 * row of its own.  S4_OK; S4_STALE; S4_BUSY; S4_INVALID. */
int s4_table_correct(s4_table *t, uint32_t cell, uint32_t generation, int64_t delta);

/* Master, locked.  Moves `charged` of a cell up to an amount, and `used` with it; never down.  What
 * is added counts as accrued if so told.  With a slot joined and `has_row` the staging row goes
 * with it, as a correction.  S4_OK, also where nothing was to do; S4_STALE; S4_BUSY;
 * S4_INVALID. */
int s4_table_raise(s4_table *t, uint32_t cell, uint32_t generation, int64_t charged,
                   int is_accrued, int has_row);

/* -- rates ------------------------------------------------------------------------------------- */

/* Any, hot, locked ~30 ns.  A request comes: it takes its turn in each rate or in none.  0: it may
 * go on.  > 0: how many ns from now until the first rate that refuses it would not, at most its
 * interval; answer[0] is that rate's place.  S4_STALE (answer[0]: whose cell), S4_BUSY, S4_INVALID.
 * `now_ns` is CLOCK_MONOTONIC. */
int64_t s4_table_arrive(s4_table *t, const s4_rate *rates, uint32_t n, int64_t now_ns);

/* -- journal ----------------------------------------------------------------------------------- */

/* Owner.  The staging row of this process: settle, void, correct and publish copy it into the ring
 * and blank it. */
s4_row *s4_table_staging(s4_table *t);

/* Owner, no lock.  Publishes the staging row of something that moved no money.  S4_OK;
 * S4_RING_FULL: the row was dropped and counted. */
int s4_table_publish(s4_table *t);

/* Steward.  Copies published rows of a slot from `tail` on; returns how many.  S4_INVALID when
 * `tail` is not between the ring's own tail and head. */
int s4_table_drain(s4_table *t, uint32_t slot, int64_t tail, s4_row *out, uint32_t room);

/* Steward.  Frees the rows before `tail` for reuse: they are safe elsewhere.  S4_INVALID. */
int s4_table_advance_tail(s4_table *t, uint32_t slot, int64_t tail);

/* -- freeze ------------------------------------------------------------------------------------ */

/* Any, locked.  Stops all spending (budget 0) or that of one budget, in all workers at once; kept
 * in the file.  When the list of budgets is full everything is frozen.  S4_OK; S4_BUSY. */
int s4_table_freeze(s4_table *t, uint32_t budget);
int s4_table_release(s4_table *t, uint32_t budget);

/* Any.  The frozen budgets, 0 for everything; out has room for S4_FROZEN_MAX + 1.  How many. */
int s4_table_frozen(s4_table *t, uint32_t *out);

/* -- recovery and audit ------------------------------------------------------------------------ */

/* Master.  Resolves every lease of a dead slot, one whole operation each: reserved -> void, sent ->
 * charged in full, accrued.  May die at any point; the next caller goes on.  S4_OK; S4_TAKEN: it is
 * live; S4_BUSY; S4_INVALID; S4_SYSTEM. */
int s4_table_recover(s4_table *t, uint32_t slot, int64_t at_ns, uint8_t reason, s4_recovered *out);

/* Steward, locked for the whole call (~1 us per open lease of the table).  Compares the cells
 * [start, start + n) with the leases; n at most 1024.  How many mismatches were written;
 * S4_BUSY. */
int s4_table_audit(s4_table *t, uint32_t start, uint32_t n, s4_mismatch *out, uint32_t room);

/* Master, locked.  Makes a cell equal to its leases without lowering `used` or `charged`: a hold
 * that no lease explains is charged (accrued), one that is too small is raised.  With a slot joined
 * the staging row goes with a charge.  `out` tells what was found.  S4_OK; S4_STALE; S4_BUSY;
 * S4_INVALID. */
int s4_table_recount(s4_table *t, uint32_t cell, uint32_t generation, s4_mismatch *out);

/* Any, locked for the whole call (milliseconds).  Walks every list.  S4_OK; S4_BUSY; S4_DAMAGED and
 * a sentence in `problem`. */
int s4_table_check(s4_table *t, char *problem);

/* -- words the master publishes ---------------------------------------------------------------- */

/* Master.  The accepted clock: wall clock minus CLOCK_BOOTTIME, and the start of each current
 * window. Plain words, each right on its own. */
void s4_table_publish_clock(s4_table *t, int64_t offset_ns, const int64_t *starts);
void s4_table_clock(s4_table *t, int64_t *offset_ns, int64_t *starts);

/* Master.  Whether the last stop was clean; the configuration generation workers should reach. */
void s4_table_set_clean(s4_table *t, int is_clean);
int s4_table_is_clean(s4_table *t);
void s4_table_publish_generation(s4_table *t, int64_t generation);
int64_t s4_table_generation(s4_table *t);
