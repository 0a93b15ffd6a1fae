/*
 * The first process of the emulated machine: runs the programs named on the kernel's command line
 * (behind `--`, each with its arguments in quotes), tells how each ended, and switches off.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 8

static int run(char *line) {
    char *words[WORDS_MAX + 1];
    int count = 0;
    for (char *word = strtok(line, " "); word && count < WORDS_MAX; word = strtok(NULL, " "))
        words[count++] = word;
    words[count] = NULL;
    pid_t child = fork();
    if (child == 0) {
        execv(words[0], words);
        _exit(127);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int main(int count, char **lines) {
    struct utsname name;
    mkdir("/proc", 0755);
    mkdir("/tmp", 01777);
    mkdir("/dev", 0755);
    mount("proc", "/proc", "proc", 0, 0);
    mount("tmp", "/tmp", "tmpfs", 0, 0);
    mount("dev", "/dev", "devtmpfs", 0, 0);
    mkdir("/dev/shm", 0755);
    mount("shm", "/dev/shm", "tmpfs", 0, 0);
    setenv("TMPDIR", "/tmp", 1);
    uname(&name);
    printf("running on %s\n", name.release);
    for (int i = 1; i < count; i++) {
        char line[256];
        snprintf(line, sizeof line, "%s", lines[i]);
        fflush(stdout);
        int code = run(line);
        printf("ended %d %s\n", code, lines[i]);
    }
    fflush(stdout);
    sync();
    reboot(RB_POWER_OFF);
    return 0;
}
