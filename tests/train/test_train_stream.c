/* test_train_stream.c - whole runs on streamed shards: the same after a kill, with more threads,
 * through a command; damaged members and a failing command. */
#include "toy_shards.h"
#include <math.h>
#include <signal.h>
#include <unistd.h>

static toy set;
static char shards[5000];

static int make_set(void **state) {
    (void)state;
    toy_make(&set);
    toy_make_shards(&set, true);
    snprintf(shards, sizeof shards, "%s/toy-{0..5}.tar", set.dir);
    return 0;
}

static int free_set(void **state) {
    (void)state;
    toy_free(&set);
    return 0;
}

/* Options of a streamed run into DIR/name. out [5000]. */
static void options(const char **data, char *out, const char *name, sns_train_options *o) {
    snprintf(out, 5000, "%s/%s", set.dir, name);
    toy_options(&set, data, out, o);
    *data = shards;
    o->shuffle = 12;
    o->batch = 8;
    o->steps = 21; /* 3 steps an epoch */
    o->warmup = 4;
}

static void same_checkpoint(const char *a, const char *b, const char *name) {
    char path[5200], *data[2];
    size_t size[2];
    sns_error err;
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", i ? b : a, name);
        if (sns_file_read(path, 1 << 28, &data[i], &size[i], &err)) fail_msg("%s", err.message);
    }
    assert_int_equal(size[0], size[1]);
    if (memcmp(data[0], data[1], size[0])) fail_msg("%s and %s differ in %s", a, b, name);
    free(data[0]);
    free(data[1]);
}

static int slow_step(void *user, const sns_train_progress *p) {
    (void)user;
    (void)p;
    usleep(3000);
    return 0;
}

static void killed_streams_end_the_same(void **state) {
    (void)state;
    sns_train_options o;
    sns_train_result r;
    sns_error err;
    const char *data;
    char whole[5000], killed[5000];
    options(&data, whole, "whole", &o);
    if (sns_train(&o, &r, &err)) fail_msg("%s", err.message);
    assert_int_equal(r.samples, 29);
    assert_int_equal(r.captions, 85);
    assert_int_equal(r.languages, 3); /* the junk's captions are of none */
    assert_int_equal(r.skipped, 5);   /* two shards' damage, and a picture that is none */
    options(&data, killed, "killed", &o);
    o.resume = 1;
    o.save_every = 1;
    o.progress = slow_step;
    int status = 1, kills = 0;
    for (unsigned wait_us = 40000; status; wait_us += 17000) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (!pid) _exit(sns_train(&o, NULL, NULL) ? 2 : 0);
        if (kills < 8) {
            usleep(wait_us);
            kill(pid, SIGKILL);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status)) assert_int_equal(WEXITSTATUS(status), 0);
        kills += WIFSIGNALED(status);
    }
    same_checkpoint(whole, killed, "checkpoint-00000021.safetensors");
}

static int stop_at(void *user, const sns_train_progress *p) {
    return p->phase == SNS_TRAIN_STEP && p->done == *(size_t *)user;
}

static void every_step_can_be_resumed(void **state) {
    (void)state;
    sns_train_options o;
    sns_error err;
    const char *data;
    char out[5000], whole[5000], name[32];
    snprintf(whole, sizeof whole, "%s/whole", set.dir);
    for (size_t step = 2; step < 8; step++) {
        snprintf(name, sizeof name, "stopped-%zu", step);
        options(&data, out, name, &o);
        o.threads = 2;
        o.loader_threads = 3;
        o.progress = stop_at;
        o.user = &step;
        assert_int_equal(sns_train(&o, NULL, &err), SNS_CANCELLED);
        o.progress = NULL;
        o.resume = 1;
        if (sns_train(&o, NULL, &err)) fail_msg("%s", err.message);
        same_checkpoint(whole, out, "checkpoint-00000021.safetensors");
    }
    o.shuffle = 13; /* another order */
    assert_int_equal(sns_train(&o, NULL, &err), SNS_MISMATCH);
}

static void a_batch_in_pieces_has_the_same_samples(void **state) {
    (void)state;
    sns_train_options o;
    sns_train_result whole, pieces;
    sns_error err;
    const char *data;
    char out[5000];
    options(&data, out, "one-piece", &o);
    if (sns_train(&o, &whole, &err)) fail_msg("%s", err.message);
    options(&data, out, "pieces", &o);
    o.micro_batch = 3;
    if (sns_train(&o, &pieces, &err)) fail_msg("%s", err.message);
    if (!(fabs(pieces.loss - whole.loss) < 1e-4 * whole.loss))
        fail_msg("loss %.9g in pieces, %.9g whole", pieces.loss, whole.loss);
    assert_int_equal(pieces.skipped, whole.skipped);
}

static void a_command_is_a_shard(void **state) {
    (void)state;
    sns_train_options o;
    sns_train_result r;
    sns_error err;
    const char *data;
    char out[5000], command[6000];
    options(&data, out, "pipe", &o);
    snprintf(command, sizeof command, "pipe:cat %s/toy-{0,4,5}.tar", set.dir);
    data = command;
    o.shuffle = 0;
    o.steps = 5;
    if (sns_train(&o, &r, &err)) fail_msg("%s", err.message);
    assert_int_equal(r.samples, 15);
    assert_int_equal(r.skipped, 0);
}

static void a_command_that_fails_keeps_the_checkpoint(void **state) {
    (void)state;
    sns_train_options o;
    sns_train_result r;
    sns_error err;
    const char *data;
    char out[5000], command[11000], file[5100];
    options(&data, out, "failing", &o);
    /* It fails in the third epoch. */
    snprintf(command, sizeof command,
             "pipe:cat %s/toy-0.tar; echo x >> %s/count; [ $(wc -l < %s/count) -lt 3 ] || { echo "
             "disk on fire >&2; exit 5; }",
             set.dir, set.dir, set.dir);
    data = command;
    o.batch = 5;
    o.save_every = 1;
    assert_int_equal(sns_train(&o, &r, &err), SNS_IO);
    assert_non_null(strstr(err.message, "exit status 5: disk on fire"));
    assert_int_equal(r.steps, 2);
    snprintf(file, sizeof file, "%s/checkpoint-00000002.safetensors", out);
    assert_int_equal(access(file, R_OK), 0);
}

static void a_loss_that_explodes_keeps_the_checkpoint(void **state) {
    (void)state;
    sns_train_options o;
    sns_train_result r;
    sns_error err;
    const char *data;
    char out[5000], file[5100];
    options(&data, out, "explodes", &o);
    o.steps = 4;
    if (sns_train(&o, &r, &err)) fail_msg("%s", err.message);
    o.resume = 1;
    o.steps = 12;
    o.warmup = 0;
    o.lr = o.min_lr = 1e30;
    assert_int_equal(sns_train(&o, &r, &err), SNS_FORMAT);
    assert_non_null(strstr(err.message, "checkpoint-00000004.safetensors"));
    snprintf(file, sizeof file, "%s/checkpoint-00000004.safetensors", out);
    assert_int_equal(access(file, R_OK), 0);
    o.lr = 1e-3;
    o.min_lr = 0;
    if (sns_train(&o, &r, &err)) fail_msg("%s", err.message);
    assert_int_equal(r.first_step, 4);
    assert_true(isfinite(r.loss));
}

static void bad_streams_get_one_line(void **state) {
    (void)state;
    sns_train_options o, good;
    sns_error err;
    const char *data, *missing = "/nonexistent/{0..3}.tar";
    char out[5000];
    options(&data, out, "bad", &good);
#define REFUSED(code, text, change)                                                                \
    o = good;                                                                                      \
    change;                                                                                        \
    err = (sns_error){0};                                                                          \
    assert_int_equal(sns_train(&o, NULL, &err), code);                                             \
    if (!strstr(err.message, text)) fail_msg("'%s' does not say '%s'", err.message, text)
    REFUSED(SNS_ARG, "how many steps", o.steps = 0);
    REFUSED(SNS_MISSING, "/nonexistent/0.tar", o.data = &missing);
    REFUSED(SNS_ARG, "larger than the data: 29 samples", o.batch = 40);
    char same[6000];
    const char *one = same;
    snprintf(same, sizeof same, "%s/toy-{0,0,0}.tar", set.dir);
    REFUSED(SNS_ARG, "as many different concepts", o.data = &one);
    REFUSED(SNS_UNSUPPORTED, "toy.jsonl", (missing = set.manifest, o.data = &missing));
    REFUSED(SNS_MISSING, "no-val", o.val = "/nonexistent/no-val.tar");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_streams_end_the_same), /* first: forks */
        cmocka_unit_test(every_step_can_be_resumed),
        cmocka_unit_test(a_command_is_a_shard),
        cmocka_unit_test(a_batch_in_pieces_has_the_same_samples),
        cmocka_unit_test(a_command_that_fails_keeps_the_checkpoint),
        cmocka_unit_test(a_loss_that_explodes_keeps_the_checkpoint),
        cmocka_unit_test(bad_streams_get_one_line)};
    return cmocka_run_group_tests(tests, make_set, free_set);
}
