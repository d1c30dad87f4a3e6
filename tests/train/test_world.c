/* test_world.c - a run by several processes is the run of one.
 *
 * The test starts itself under mpirun; `test_world child MODE DIR OUT` is one process of a run on
 * the toy set in DIR. MODE: plain, pieces (gradient caching), kill (process 0 kills process 1 after
 * step 10), other (process 1 has other data), resume. The first process writes OUT.losses, one line
 * a step, and OUT.error. */
#include "toy.h"
#include <math.h>
#include <signal.h>

enum { STEPS = 50 };

/* ---- one process of a run ---- */

typedef struct child {
    const char *dir, *mode;
    FILE *losses;
} child;

static size_t my_rank(void) {
    const char *rank = getenv("OMPI_COMM_WORLD_RANK");
    return rank ? (size_t)strtoul(rank, NULL, 10) : 0;
}

static int on_step(void *user, const sns_train_progress *p) {
    const child *c = user;
    if (p->phase != SNS_TRAIN_STEP) return 0;
    fprintf(c->losses, "%zu %.9g\n", p->done, p->loss);
    if (strcmp(c->mode, "kill") || p->done != 10) return 0;
    char path[5000], *text;
    size_t size;
    sns_error err;
    snprintf(path, sizeof path, "%s/pid", c->dir);
    if (sns_file_read(path, 100, &text, &size, &err)) return 1;
    kill((pid_t)strtol(text, NULL, 10), SIGKILL);
    free(text);
    return 0;
}

static void write_text(const char *path, const char *text) {
    sns_error err;
    if (sns_file_write(path, text, strlen(text), &err)) fprintf(stderr, "%s\n", err.message);
}

static int run_child(char **argv) {
    static toy set;
    child c = {.mode = argv[0], .dir = argv[1]};
    sns_train_options o;
    sns_train_result r;
    sns_error err;
    const char *data;
    char path[5000], pid[32];
    snprintf(set.tokenizer, sizeof set.tokenizer, "%s/tokenizer", c.dir);
    snprintf(set.manifest, sizeof set.manifest, "%s/%s.jsonl", c.dir,
             my_rank() && !strcmp(c.mode, "other") ? "less" : "toy");
    toy_options(&set, &data, argv[2], &o);
    o.batch = 24;
    o.steps = STEPS;
    o.patch_drop = 0.5;
    o.ema = 0.99;
    o.save_every = 4;
    if (!strcmp(c.mode, "pieces")) o.micro_batch = 4;
    o.resume = !strcmp(c.mode, "resume");
    snprintf(path, sizeof path, "%s.losses", argv[2]);
    if (!my_rank() && !(c.losses = fopen(path, "w"))) return 3;
    snprintf(path, sizeof path, "%s/pid", c.dir);
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    if (my_rank() == 1) write_text(path, pid);
    o.progress = on_step;
    o.user = &c;
    sns_status s = sns_train(&o, &r, &err);
    if (c.losses) fclose(c.losses);
    snprintf(path, sizeof path, "%s.error", argv[2]);
    if (!r.process) write_text(path, s ? err.message : "");
    return s ? 1 : 0;
}

/* ---- the test ---- */

static toy set;
static const char *self;

static int make_set(void **state) {
    (void)state;
    char path[5000], *text;
    size_t size;
    sns_error err;
    toy_make(&set);
    if (sns_file_read(set.manifest, 1 << 20, &text, &size, &err)) fail_msg("%s", err.message);
    snprintf(path, sizeof path, "%s/less.jsonl", set.dir);
    write_text(path, strchr(text, '\n') + 1);
    free(text);
    return 0;
}

static int free_set(void **state) {
    (void)state;
    toy_free(&set);
    return 0;
}

/* OUT below the set's folder; whether the run ended well. */
static bool launch(const char *processes, const char *mode, const char *out) {
    char path[5000];
    snprintf(path, sizeof path, "%s/%s", set.dir, out);
    const char *const argv[] = {"mpirun",
                                "--allow-run-as-root",
                                "--oversubscribe",
                                "--bind-to",
                                "none",
                                "--mca",
                                "mpi_yield_when_idle",
                                "1",
                                "-n",
                                processes,
                                self,
                                "child",
                                mode,
                                set.dir,
                                path,
                                NULL};
    return tool_run(argv);
}

static char *read_text(const char *out, const char *ending) {
    char path[5000], *text;
    size_t size;
    sns_error err;
    snprintf(path, sizeof path, "%s/%s%s", set.dir, out, ending);
    if (sns_file_read(path, 1 << 20, &text, &size, &err)) fail_msg("%s", err.message);
    return text;
}

/* losses[step - 1] of a run; returns the last step. */
static size_t read_losses(const char *out, double losses[STEPS]) {
    char *text = read_text(out, ".losses"), *at = text;
    size_t step = 0;
    while (*at) {
        step = strtoul(at, &at, 10);
        assert_in_range(step, 1, STEPS);
        losses[step - 1] = strtod(at, &at);
        while (*at == '\n') at++;
    }
    free(text);
    return step;
}

static void same_losses(const double *got, const double *want, size_t first, const char *what) {
    double worst = 0;
    for (size_t i = first; i < STEPS; i++) worst = fmax(worst, fabs(got[i] / want[i] - 1));
    print_message("%s: worst relative difference %.2g\n", what, worst);
    if (!(worst <= 1e-4)) fail_msg("%s: losses differ by %g", what, worst);
}

static void any_number_of_processes_has_the_same_losses(void **state) {
    (void)state;
    static const char *const runs[][3] = {
        {"2", "plain", "two"}, {"4", "plain", "four"}, {"2", "pieces", "two-pieces"}};
    double one[STEPS], many[STEPS];
    assert_true(launch("1", "plain", "one"));
    assert_int_equal(read_losses("one", one), STEPS);
    assert_true(one[STEPS - 1] < 0.8 * one[0]); /* it does learn */
    for (size_t i = 0; i < 3; i++) {
        assert_true(launch(runs[i][0], runs[i][1], runs[i][2]));
        assert_int_equal(read_losses(runs[i][2], many), STEPS);
        same_losses(many, one, 0, runs[i][2]);
    }
}

static void a_process_that_dies_ends_the_job(void **state) {
    (void)state;
    double whole[STEPS], resumed[STEPS];
    assert_true(launch("2", "plain", "whole"));
    read_losses("whole", whole);
    assert_false(launch("2", "kill", "killed"));
    assert_true(launch("2", "resume", "killed"));
    assert_int_equal(read_losses("killed", resumed), STEPS);
    same_losses(resumed, whole, 12, "resumed"); /* at the latest from checkpoint 12 */
}

static void other_data_is_refused(void **state) {
    (void)state;
    assert_false(launch("2", "other", "other"));
    char *message = read_text("other", ".error");
    if (!strstr(message, "process 1 of 2")) fail_msg("the message is '%s'", message);
    free(message);
}

int main(int argc, char **argv) {
    static const char *const version[] = {"mpirun", "--version", NULL};
    if (argc == 5 && !strcmp(argv[1], "child")) return run_child(argv + 2);
    if (!TEST_HAS_MPI || !tool_run(version)) {
        print_message("SKIP: built without MPI, or no mpirun\n");
        return 77;
    }
    self = argv[0];
    setenv("OMP_NUM_THREADS", "1", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_processes_has_the_same_losses),
        cmocka_unit_test(a_process_that_dies_ends_the_job),
        cmocka_unit_test(other_data_is_refused)};
    return cmocka_run_group_tests(tests, make_set, free_set);
}
