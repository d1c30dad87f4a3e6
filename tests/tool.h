/* tool.h - for tests: run a program that makes their reference data, in a temporary folder. */
#ifndef SNS_TESTS_TOOL_H
#define SNS_TESTS_TOOL_H
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define TOOL_PYTHON "/usr/bin/python3"

/* Run argv (NULL-terminated; argv[0] is looked up in PATH); true when it exits with 0. */
static inline bool tool_run(const char *const argv[]) {
    pid_t pid;
    if (posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)argv, environ)) return false;
    int status = 0;
    if (waitpid(pid, &status, 0) != pid) return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Whether Debian's Python has Pillow and numpy. */
static inline bool tool_has_pillow(void) {
    const char *const argv[] = {TOOL_PYTHON, "-c", "import PIL.Image, numpy", NULL};
    return access(TOOL_PYTHON, X_OK) == 0 && tool_run(argv);
}

/* A path below the tests folder, which meson passes in SNS_TESTS; valid until the next call. */
static inline const char *tool_source(const char *name) {
    static char path[4096];
    const char *dir = getenv("SNS_TESTS");
    snprintf(path, sizeof path, "%s/%s", dir ? dir : "tests", name);
    return path;
}

/* A new folder; remove it with tool_remove. */
static inline char *tool_tmpdir(void) {
    const char *base = getenv("TMPDIR");
    char *dir = malloc(4096);
    snprintf(dir, 4096, "%s/sensus-test-XXXXXX", base ? base : "/tmp");
    if (mkdtemp(dir)) return dir;
    free(dir);
    return NULL;
}

static inline void tool_remove(char *dir) {
    const char *const argv[] = {"rm", "-rf", dir, NULL};
    if (dir) tool_run(argv);
    free(dir);
}
#endif
