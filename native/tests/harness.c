#include "harness.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

char context[256] = "";
fault_counts *counts;

static char folder[64], path[96];
static pid_t folder_owner;
static int armed_point = -1, armed_for;

/* Only by the process that made it: children fail, too. */
static void remove_folder(void) {
    if (!folder[0] || getpid() != folder_owner) return;
    unlink(path);
    rmdir(folder);
    folder[0] = 0;
}

_Noreturn void fail(const char *file, int line, const char *condition) {
    fprintf(stderr, "%s:%d: %s\n  %s\n", file, line, condition, context);
    remove_folder();
    _exit(1);
}

_Noreturn void fail_equal(const char *file, int line, const char *what, long long expected,
                          long long actual) {
    fprintf(stderr, "%s:%d: %s is %lld, expected %lld\n  %s\n", file, line, what, actual, expected,
            context);
    remove_folder();
    _exit(1);
}

pid_t start_child(void) {
    pid_t parent = getpid(), child = fork();
    CHECK(child >= 0);
    if (child == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)) _exit(1);
    return child;
}

const char *scratch_path(void) { return path; }

s4_table *scratch_table(uint32_t slots, uint32_t cells, uint32_t leases, uint32_t values,
                        uint32_t rows) {
    char problem[S4_PROBLEM_BYTES] = "";
    const char *root = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    int code;
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "%.40s/s4tableXXXXXX", root);
        CHECK(mkdtemp(folder) != NULL);
        folder_owner = getpid();
        snprintf(path, sizeof path, "%s/table", folder);
        atexit(remove_folder);
    }
    code = s4_table_create(path, slots, cells, leases, values, rows, problem);
    if (code != S4_OK) fail(__FILE__, __LINE__, problem);
    s4_table *t = s4_table_attach(path, &code, problem);
    if (!t) fail(__FILE__, __LINE__, problem);
    return t;
}

void drop_scratch(s4_table *t) {
    s4_table_detach(t);
    unlink(path);
}

int wait_for(pid_t child) {
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return SIGKILL;
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return 0;
}

void share_counts(void) {
    counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(counts != MAP_FAILED);
}

void arm(int point, int nth) {
    armed_point = point;
    armed_for = nth;
}

void s4_fault(int point) {
    if (counts && point == S4_AT_REPAIRING) atomic_fetch_add(&counts->repairing, 1);
    if (counts && point == S4_AT_REPAIRED) atomic_fetch_add(&counts->repaired, 1);
    if (point == armed_point && --armed_for == 0) kill(getpid(), SIGKILL);
}

const char *point_name(int point) {
    static const char *names[] = {"locked",  "written", "valid",     "word",    "applied",
                                  "cleared", "unlock",  "repairing", "repaired"};
    _Static_assert(sizeof names / sizeof *names == S4_AT_POINTS, "every point has a name");
    return names[point];
}
