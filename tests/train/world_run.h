/* world_run.h - for tests of runs by several processes.
 *
 * A test starts itself under mpirun; `TEST child MODE DIR OUT` is one process of a run on the toy
 * set in DIR. MODE is some of these words: pieces and halves (gradient caching), kill (process 0
 * kills process 1 after step 10), other (process 1 has other data), resume, resnet, stream, teacher
 * (trains one), student (of DIR/teacher), hinge, hardest, order (losses). The first process writes
 * OUT.losses, one line a step, and OUT.error; each writes OUT.samples.RANK. */
#ifndef SNS_TESTS_TRAIN_WORLD_RUN_H
#define SNS_TESTS_TRAIN_WORLD_RUN_H
#include "toy.h"
#include <math.h>
#include <signal.h>

enum { WORLD_STEPS = 50 };

/* ---- one process of a run ---- */

typedef struct world_child {
    const char *mode, *dir, *out;
    FILE *losses;
} world_child;

static inline size_t world_rank(void) {
    const char *rank = getenv("OMPI_COMM_WORLD_RANK");
    return rank ? (size_t)strtoul(rank, NULL, 10) : 0;
}

static inline int world_on_step(void *user, const sns_train_progress *p) {
    const world_child *c = user;
    if (p->phase != SNS_TRAIN_STEP) return 0;
    fprintf(c->losses, "%zu %.9g\n", p->done, p->loss);
    if (!strstr(c->mode, "kill") || p->done != 10) return 0;
    char path[5000], *text;
    size_t size;
    sns_error err;
    snprintf(path, sizeof path, "%s/pid", c->dir);
    if (sns_file_read(path, 100, &text, &size, &err)) return 1;
    kill((pid_t)strtol(text, NULL, 10), SIGKILL);
    free(text);
    return 0;
}

static inline void world_write(const char *path, const char *text) {
    sns_error err;
    if (sns_file_write(path, text, strlen(text), &err)) fprintf(stderr, "%s\n", err.message);
}

/* What the mode says; data and teacher [5000] hold what the options point to. */
static inline void world_options(const world_child *c, char *data, char *teacher,
                                 sns_train_options *o) {
    o->batch = 24;
    o->steps = WORLD_STEPS;
    o->ema = 0.99;
    o->save_every = 4;
    o->patch_drop = 0.5;
    o->resume = strstr(c->mode, "resume") != NULL;
    if (strstr(c->mode, "pieces")) o->micro_batch = 4;
    if (strstr(c->mode, "halves")) o->micro_batch = 12;
    if (strstr(c->mode, "resnet")) {
        o->image_tower = SNS_IMAGE_RESNET;
        o->text_tower = SNS_TEXT_TOWER_CBOW;
        o->resnet_width = 4;
        o->resnet_layers = "1,1,1,1";
        o->image_px = 32;
        o->patch_drop = 0;
    }
    if (strstr(c->mode, "hinge")) o->loss = SNS_LOSS_HINGE;
    if (strstr(c->mode, "hardest")) o->loss = SNS_LOSS_HINGE_HARDEST;
    if (strstr(c->mode, "order")) o->loss = SNS_LOSS_ORDER;
    if (strstr(c->mode, "stream")) {
        snprintf(data, 5000, "%s/toy-{0..5}.tar", c->dir);
        o->shuffle = 12;
    }
    if (strstr(c->mode, "teacher")) o->embed = 20; /* another width: the student learns maps */
    snprintf(teacher, 5000, "%s/teacher/model", c->dir);
    if (strstr(c->mode, "student")) o->teacher_dir = teacher;
}

/* argv: MODE DIR OUT; the exit code. */
static inline int world_child_run(char **argv) {
    static toy set;
    static char manifest[5000], teacher[5000];
    world_child c = {argv[0], argv[1], argv[2], NULL};
    sns_train_options o;
    sns_train_result r;
    sns_error err;
    const char *data;
    char path[5000], number[32];
    size_t rank = world_rank();
    snprintf(set.tokenizer, sizeof set.tokenizer, "%s/tokenizer", c.dir);
    toy_options(&set, &data, c.out, &o);
    snprintf(manifest, sizeof manifest, "%s/%s.jsonl", c.dir,
             rank && strstr(c.mode, "other") ? "less" : "toy");
    data = manifest;
    world_options(&c, manifest, teacher, &o);
    snprintf(path, sizeof path, "%s.losses", c.out);
    if (!rank && !(c.losses = fopen(path, "w"))) return 3;
    snprintf(path, sizeof path, "%s/pid", c.dir);
    snprintf(number, sizeof number, "%ld", (long)getpid());
    if (rank == 1) world_write(path, number);
    o.progress = world_on_step;
    o.user = &c;
    sns_status s = sns_train(&o, &r, &err);
    if (c.losses) fclose(c.losses);
    snprintf(path, sizeof path, "%s.error", c.out);
    if (!r.process) world_write(path, s ? err.message : "");
    snprintf(path, sizeof path, "%s.samples.%zu", c.out, rank);
    snprintf(number, sizeof number, "%zu", r.samples);
    if (!s) world_write(path, number);
    return s ? 1 : 0;
}

/* ---- the test ---- */

static toy world_set;
static const char *world_self;

/* What mpirun is started by and with; the last is NULL. */
static const char *const world_here[] = {"mpirun", "--oversubscribe", NULL};

/* Run it; OUT below the set's folder. Whether it ended well. */
static inline bool world_launch_as(const char *const *launcher, const char *processes,
                                   const char *mode, const char *out) {
    static const char *const always[] = {"--allow-run-as-root", "--bind-to", "none", "--mca",
                                         "mpi_yield_when_idle", "1",         NULL};
    char path[5000];
    const char *argv[64];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/%s", world_set.dir, out);
    const char *const run[] = {"-n", processes,     world_self, "child",
                               mode, world_set.dir, path,       NULL};
    const char *const *const parts[] = {launcher, always, run};
    for (size_t i = 0; i < 3; i++)
        for (const char *const *word = parts[i]; *word && n < 63; word++) argv[n++] = *word;
    argv[n] = NULL;
    return tool_run(argv);
}

static inline bool world_launch(const char *processes, const char *mode, const char *out) {
    return world_launch_as(world_here, processes, mode, out);
}

static inline char *world_read(const char *out, const char *ending) {
    char path[5000], *text;
    size_t size;
    sns_error err;
    snprintf(path, sizeof path, "%s/%s%s", world_set.dir, out, ending);
    if (sns_file_read(path, 1 << 20, &text, &size, &err)) fail_msg("%s", err.message);
    return text;
}

/* losses[step - 1] of a run; returns the last step. */
static inline size_t world_losses(const char *out, double losses[WORLD_STEPS]) {
    char *text = world_read(out, ".losses"), *at = text;
    size_t step = 0;
    while (*at) {
        step = strtoul(at, &at, 10);
        assert_in_range(step, 1, WORLD_STEPS);
        losses[step - 1] = strtod(at, &at);
        while (*at == '\n') at++;
    }
    free(text);
    return step;
}

static inline double world_worst(const double *got, const double *want, size_t first) {
    double worst = 0;
    for (size_t i = first; i < WORLD_STEPS; i++) worst = fmax(worst, fabs(got[i] / want[i] - 1));
    return worst;
}

static inline void world_same(const double *got, const double *want, size_t first,
                              const char *what) {
    double worst = world_worst(got, want, first);
    print_message("%s: worst relative difference %.2g\n", what, worst);
    if (!(worst <= 1e-4)) fail_msg("%s: losses differ by %g", what, worst);
}

/* Launch and read a run that is to end well. */
static inline void world_train(const char *processes, const char *mode, const char *out,
                               double losses[WORLD_STEPS]) {
    if (!world_launch(processes, mode, out)) fail_msg("%s: the run failed", out);
    assert_int_equal(world_losses(out, losses), WORLD_STEPS);
}

/* The message of a run by so many processes that is to fail. */
static inline void world_refused(const char *processes, const char *mode, const char *out,
                                 const char *said) {
    assert_false(world_launch(processes, mode, out));
    char *message = world_read(out, ".error");
    if (!strstr(message, said)) fail_msg("the message is '%s', without '%s'", message, said);
    free(message);
}

/* Whether there is an MPI to test; else says so. */
static inline bool world_exists(void) {
    static const char *const version[] = {"mpirun", "--version", NULL};
    if (TEST_HAS_MPI && tool_run(version)) return true;
    print_message("SKIP: built without MPI, or no mpirun\n");
    return false;
}

/* Once, before the first launch; processes are single-threaded. */
static inline void world_open(const char *self) {
    world_self = self;
    setenv("OMP_NUM_THREADS", "1", 1);
}

static inline int world_make_set(void **state) {
    (void)state;
    toy_make(&world_set);
    return 0;
}

static inline int world_free_set(void **state) {
    (void)state;
    toy_free(&world_set);
    return 0;
}
#endif
