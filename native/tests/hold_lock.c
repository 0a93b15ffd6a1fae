/*
 * A process that is stopped in the middle of an operation, with the table's lock held and half of
 * a committed record applied: hold_lock TABLE.  Prints "held" before it stops; then somebody
 * kills it, and the next owner of the lock has to finish the record.
 */
#include "../s4_table.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

void s4_fault(int point) {
    if (point != S4_AT_WORD) return;
    if (write(1, "held\n", 5) != 5) _exit(1);
    raise(SIGSTOP);
}

int main(int argc, char **argv) {
    char problem[S4_PROBLEM_BYTES] = "";
    s4_table *t;
    int code;
    if (argc != 2) return 2;
    t = s4_table_attach(argv[1], &code, problem);
    if (!t) {
        fprintf(stderr, "%s\n", problem);
        return 1;
    }
    return s4_table_intern(t, 0, (const uint8_t *)"of a stopped process", 20, 0) > 0 ? 0 : 1;
}
