/* catalog_kill.c - see catalog_kill.h. */
#include "catalog_kill.h"
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

extern char **environ;

enum { CATALOG = 2, MODEL, SOUND, FOLDER, FILES, STRETCHES, ARGUMENTS };

typedef struct limits {
    size_t files, stretches, seen;
} limits;

static void count_files(void *user, size_t done, size_t total) {
    const limits *l = user;
    (void)total;
    if (l->files && done >= l->files) kill(getpid(), SIGKILL);
}

static void count_stretches(void *user, const char *path, double seconds, double duration) {
    limits *l = user;
    (void)path, (void)seconds, (void)duration;
    if (++l->seen == l->stretches) kill(getpid(), SIGKILL);
}

static sns_status index_and_die(char **argv, sns_error *err) {
    sns_model *model, *sound = NULL;
    sns_isolation *isolation;
    sns_catalog *c;
    limits l = {strtoul(argv[FILES], NULL, 10), strtoul(argv[STRETCHES], NULL, 10), 0};
    const char *folder = argv[FOLDER];
    sns_status s = sns_isolation_new(&isolation, err);
    if (!s) s = sns_model_load(argv[MODEL], &model, err);
    if (!s && *argv[SOUND]) s = sns_model_load(argv[SOUND], &sound, err);
    if (!s) s = sns_catalog_open(argv[CATALOG], SNS_CATALOG_WRITE, &c, err);
    if (s) return s;
    const sns_index_options o = {.batch_files = KILL_BATCH,
                                 .sound_model = sound,
                                 .sound_model_dir = sound ? argv[SOUND] : NULL,
                                 .isolation = isolation,
                                 .progress = count_files,
                                 .film = count_stretches,
                                 .user = &l};
    s = sns_catalog_index(c, model, argv[MODEL], &folder, 1, &o, NULL, err);
    sns_catalog_close(c);
    sns_model_free(sound);
    sns_model_free(model);
    sns_isolation_free(isolation);
    return s;
}

bool kill_is_child(int argc, char **argv, int *code) {
    sns_error err;
    if (argc != ARGUMENTS || strcmp(argv[1], "index") != 0) return false;
    *code = index_and_die(argv, &err) ? 1 : 0;
    if (*code) fprintf(stderr, "%s\n", err.message);
    return true;
}

pid_t kill_start(const kill_plan *p) {
    pid_t pid;
    char files[24], stretches[24];
    snprintf(files, sizeof files, "%zu", p->files);
    snprintf(stretches, sizeof stretches, "%zu", p->stretches);
    const char *argv[ARGUMENTS + 1] = {
        "child",   "index", p->catalog, p->model_dir, p->sound_dir ? p->sound_dir : "",
        p->folder, files,   stretches,  NULL};
    assert_int_equal(
        posix_spawn(&pid, "/proc/self/exe", NULL, NULL, (char *const *)(uintptr_t)argv, environ),
        0);
    return pid;
}

void kill_run(const kill_plan *p) {
    int status;
    pid_t pid = kill_start(p);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}
