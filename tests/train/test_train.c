/* test_train.c - whole runs of a toy model: learning, killing, resuming, threads, refusals. */
#include "toy.h"
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static toy set;

static int make_set(void **state) {
    (void)state;
    toy_make(&set);
    return 0;
}

static int free_set(void **state) {
    (void)state;
    toy_free(&set);
    return 0;
}

/* DIR/name, valid until the next two calls. */
static const char *in_set(const char *name) {
    static char path[2][5000];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", set.dir, name);
    return path[turn];
}

/* Assert that two runs have the same file, byte for byte. */
static void same_file(const char *a, const char *b, const char *name) {
    char path[2][6000], *data[2];
    size_t size[2];
    sns_error err;
    snprintf(path[0], sizeof path[0], "%s/%s", a, name);
    snprintf(path[1], sizeof path[1], "%s/%s", b, name);
    for (int i = 0; i < 2; i++)
        if (sns_file_read(path[i], 1 << 28, &data[i], &size[i], &err)) fail_msg("%s", err.message);
    assert_int_equal(size[0], size[1]);
    if (memcmp(data[0], data[1], size[0])) fail_msg("%s and %s differ", path[0], path[1]);
    free(data[0]);
    free(data[1]);
}

static void run(const sns_train_options *o, sns_train_result *r) {
    sns_error err;
    if (sns_train(o, r, &err)) fail_msg("%s", err.message);
}

static void learns_the_toy(void **state) {
    (void)state;
    sns_train_options o;
    sns_train_result r;
    const char *data;
    char out[5000];
    snprintf(out, sizeof out, "%s", in_set("learn"));
    toy_options(&set, &data, out, &o);
    o.steps = 300;
    o.warmup = 20;
    o.lr = 2e-3;
    o.batch = 20;
    o.crop_scale = 1;
    o.ema = 0.98;
    o.val = data;
    o.val_every = 100;
    run(&o, &r);
    assert_int_equal(r.samples, TOY_COUNT);
    assert_int_equal(r.concepts, TOY_COUNT);
    assert_int_equal(r.languages, 2);
    assert_int_equal(r.captions, 3 * TOY_COUNT);
    assert_int_equal(r.steps, 300);
    if (!(r.loss < 0.7 && r.recall10 > 0.95)) fail_msg("loss %g, recall@10 %g", r.loss, r.recall10);
    assert_int_equal(access(in_set("learn/model/config.json"), R_OK), 0);
    assert_int_equal(access(in_set("learn/model/preprocessor_config.json"), R_OK), 0);
    assert_int_equal(access(in_set("learn/curve.svg"), R_OK), 0);
    /* What shipped can be trained on. */
    o.init_dir = in_set("learn/model");
    o.tokenizer_dir = NULL;
    o.out_dir = in_set("more");
    o.ema = 0;
    o.lr = 1e-6;
    o.steps = 2;
    sns_train_result again;
    run(&o, &again);
    assert_true(again.loss < 1);
}

static int slow_step(void *user, const sns_train_progress *p) {
    (void)user;
    (void)p;
    usleep(3000);
    return 0;
}

/* Train in a child and kill it after some time, again and again, until it is done. */
static void killed_runs_end_the_same(void **state) {
    (void)state;
    sns_train_options o;
    sns_train_result r;
    const char *data;
    char whole[5000], killed[5000];
    snprintf(whole, sizeof whole, "%s", in_set("whole"));
    snprintf(killed, sizeof killed, "%s", in_set("killed"));
    toy_options(&set, &data, whole, &o);
    o.steps = 40;
    o.save_every = 4;
    o.patch_drop = 0.5;
    o.ema = 0.99;
    run(&o, &r);
    o.out_dir = killed;
    o.resume = 1;
    o.progress = slow_step;
    int status = 1, kills = 0;
    for (unsigned wait_us = 60000; status; wait_us += 37000) {
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
    same_file(whole, killed, "checkpoint-00000040.safetensors");
    same_file(whole, killed, "checkpoint-00000036.safetensors");
    same_file(whole, killed, "model/model.safetensors");
}

static void threads_do_not_matter(void **state) {
    (void)state;
    sns_train_options o;
    const char *data;
    char one[5000], many[5000];
    snprintf(one, sizeof one, "%s", in_set("one"));
    snprintf(many, sizeof many, "%s", in_set("many"));
    toy_options(&set, &data, one, &o);
    o.cache_mb = 0; /* decode in the loader */
    run(&o, NULL);
    o.out_dir = many;
    o.threads = 3;
    o.loader_threads = 3;
    o.cache_mb = 100;
    run(&o, NULL);
    same_file(one, many, "checkpoint-00000012.safetensors");
    same_file(one, many, "model/model.safetensors");
}

static int stop_at_five(void *user, const sns_train_progress *p) {
    (void)user;
    return p->phase == SNS_TRAIN_STEP && p->done == 5;
}

static void a_stopped_run_saves_and_goes_on(void **state) {
    (void)state;
    sns_train_options o;
    sns_train_result r;
    sns_error err;
    const char *data;
    char whole[5000], stopped[5000];
    snprintf(whole, sizeof whole, "%s", in_set("unstopped"));
    snprintf(stopped, sizeof stopped, "%s", in_set("stopped"));
    toy_options(&set, &data, whole, &o);
    run(&o, NULL);
    o.out_dir = stopped;
    o.progress = stop_at_five;
    assert_int_equal(sns_train(&o, &r, &err), SNS_CANCELLED);
    assert_int_equal(r.steps, 5);
    assert_int_equal(access(in_set("stopped/checkpoint-00000005.safetensors"), R_OK), 0);
    o.progress = NULL;
    assert_int_equal(sns_train(&o, &r, &err), SNS_ARG); /* holds a run; not said to resume */
    o.resume = 1;
    o.seed = 2;
    assert_int_equal(sns_train(&o, &r, &err), SNS_MISMATCH);
    assert_non_null(strstr(err.message, "seed 1, now it is 2"));
    o.seed = 1;
    o.text.layers = 1;
    assert_int_equal(sns_train(&o, &r, &err), SNS_MISMATCH);
    o.text.layers = 2;
    run(&o, &r);
    assert_int_equal(r.first_step, 5);
    same_file(whole, stopped, "checkpoint-00000012.safetensors");
    volatile int cancel = 1;
    o.cancel = &cancel;
    o.out_dir = in_set("cancelled");
    assert_int_equal(sns_train(&o, &r, &err), SNS_CANCELLED);
}

static void bad_options_get_one_line(void **state) {
    (void)state;
    sns_train_options o, good;
    sns_error err;
    const char *data, *missing = "/nonexistent/train-0.tar", *none = "/nonexistent/*.tar";
    char out[5000], file[5000];
    snprintf(out, sizeof out, "%s", in_set("bad"));
    toy_options(&set, &data, out, &good);
#define REFUSED(code, change)                                                                      \
    o = good;                                                                                      \
    change;                                                                                        \
    err = (sns_error){0};                                                                          \
    assert_int_equal(sns_train(&o, NULL, &err), code);                                             \
    assert_true(err.message[0] && !strchr(err.message, '\n'))
    REFUSED(SNS_ARG, o.batch = 31);
    assert_non_null(strstr(err.message, "30 samples"));
    REFUSED(SNS_ARG, o.batch = 1);
    REFUSED(SNS_ARG, o.micro_batch = o.batch + 1);
    int holder = open(out, O_RDONLY | O_DIRECTORY); /* another run in the same folder */
    assert_int_equal(flock(holder, LOCK_EX | LOCK_NB), 0);
    REFUSED(SNS_BUSY, (void)0);
    assert_non_null(strstr(err.message, "another run"));
    close(holder);
    REFUSED(SNS_MISSING, o.data = &missing);
    REFUSED(SNS_MISSING, o.data = &none);
    REFUSED(SNS_ARG, o.data_count = 0);
    REFUSED(SNS_ARG, o.lr = 0);
    REFUSED(SNS_ARG, o.patch_drop = 1);
    REFUSED(SNS_ARG, o.dtype = "I8");
    REFUSED(SNS_ARG, o.lang_weight = "en");
    REFUSED(SNS_ARG, o.lang_weight = "en=0.7,de=0.7");
    REFUSED(SNS_MISSING, o.tokenizer_dir = "/nonexistent");
    assert_true(sns_train((o = good, o.patch_px = 7, &o), NULL, &err) != SNS_OK);
    snprintf(file, sizeof file, "%s/file/run", set.dir);
    assert_int_equal(sns_file_write(in_set("file"), "x", 1, &err), SNS_OK);
    REFUSED(SNS_IO, o.out_dir = file);
    /* A tokenizer with more tokens than the model has. */
    good.steps = 1;
    good.batch = 4;
    run(&good, NULL);
    char other[5000], texts[5000];
    const char *files[] = {texts};
    snprintf(other, sizeof other, "%s", in_set("other"));
    snprintf(texts, sizeof texts, "%s", in_set("texts.txt"));
    assert_int_equal(sns_make_dirs(other, &err), SNS_OK);
    assert_int_equal(sns_tokenizer_train(files, 1, 530, other, &err), SNS_OK);
    REFUSED(SNS_SHAPE, (o.config_dir = in_set("bad/model"), o.tokenizer_dir = other,
                        o.out_dir = in_set("bad2")));
}

static void a_full_disk_keeps_the_last_checkpoint(void **state) {
    (void)state;
    sns_train_options o;
    const char *data;
    char out[5000];
    snprintf(out, sizeof out, "%s", in_set("full"));
    toy_options(&set, &data, out, &o);
    o.steps = 4;
    run(&o, NULL);
    o.resume = 1;
    o.steps = 8;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid) { /* no file larger than 8 kB can be written: as on a full disk */
        struct rlimit limit = {8192, 8192};
        sns_error err;
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        sns_status s = sns_train(&o, NULL, &err);
        _exit(s == SNS_IO && strstr(err.message, "checkpoint-00000008") ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_not_equal(access(in_set("full/checkpoint-00000008.safetensors"), F_OK), 0);
    sns_train_result r;
    run(&o, &r);
    assert_int_equal(r.first_step, 4);
}

/* The newest checkpoint of the run in OUT, changed: its first `keep` bytes, one bit at `flip`. */
static void damage(const char *file, const char *good, size_t keep, size_t flip) {
    char *bytes = malloc(keep + 1);
    sns_error err;
    memcpy(bytes, good, keep);
    if (flip < keep) bytes[flip] ^= 1;
    if (sns_file_write(file, bytes, keep, &err)) fail_msg("%s", err.message);
    free(bytes);
}

/* Cut off or changed anywhere, step 8's file is refused by name, with the step before it. */
static void damage_is_seen(const sns_train_options *o, const char *file, const char *good,
                           size_t size) {
    sns_error err;
    const size_t cases[][2] = {{0, size},
                               {5, size},
                               {200, size},
                               {size / 2, size},
                               {size - 1, size},
                               {size, 3},
                               {size, 8},
                               {size, size / 8},
                               {size, size / 3},
                               {size, 5 * size / 8},
                               {size, 7 * size / 8},
                               {size, size - 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        damage(file, good, cases[i][0], cases[i][1]);
        if (!sns_train(o, NULL, &err)) fail_msg("case %zu: damage is not seen", i);
        if (!strstr(err.message, "checkpoint-00000008") || !strstr(err.message, "from step 4"))
            fail_msg("case %zu: '%s'", i, err.message);
        if (i == 3 || i == 8) print_message("%s\n", strstr(err.message, "checkpoint-"));
    }
    char *step = memmem(good, size, "\"step\":\"8\"", 10);
    if (step) damage(file, good, size, (size_t)(step + 8 - good));
    if (!step || sns_train(o, NULL, &err) != SNS_FORMAT) fail_msg("another step is not seen");
}

static void a_damaged_checkpoint_is_refused(void **state) {
    (void)state;
    sns_train_options o;
    sns_train_result r;
    sns_error err;
    const char *data;
    char out[5000], file[5100], *good;
    size_t size;
    snprintf(out, sizeof out, "%s", in_set("damaged"));
    snprintf(file, sizeof file, "%s/checkpoint-00000008.safetensors", out);
    toy_options(&set, &data, out, &o);
    o.save_every = 4;
    o.ema = 0.9;
    o.steps = 8;
    run(&o, NULL);
    if (sns_file_read(file, 1 << 28, &good, &size, &err)) fail_msg("%s", err.message);
    o.resume = 1;
    o.steps = 12;
    damage_is_seen(&o, file, good, size);
    /* As the message says. */
    assert_int_equal(unlink(file), 0);
    run(&o, &r);
    assert_int_equal(r.first_step, 4);
    damage(file, good, 100, 0);
    assert_int_equal(unlink(in_set("damaged/checkpoint-00000012.safetensors")), 0);
    assert_int_equal(sns_train(&o, &r, &err), SNS_FORMAT);
    assert_non_null(strstr(err.message, "no checkpoint before it"));
    free(good);
}

static void a_loss_that_explodes_stops(void **state) {
    (void)state;
    sns_train_options o;
    sns_error err;
    const char *data;
    toy_options(&set, &data, in_set("nan"), &o);
    o.lr = 1e30;
    o.warmup = 0;
    assert_int_equal(sns_train(&o, NULL, &err), SNS_FORMAT);
    assert_non_null(strstr(err.message, "last checkpoint"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_runs_end_the_same), /* first: forks before OpenMP has threads */
        cmocka_unit_test(a_full_disk_keeps_the_last_checkpoint),
        cmocka_unit_test(learns_the_toy),
        cmocka_unit_test(a_stopped_run_saves_and_goes_on),
        cmocka_unit_test(bad_options_get_one_line),
        cmocka_unit_test(a_damaged_checkpoint_is_refused),
        cmocka_unit_test(a_loss_that_explodes_stops),
        cmocka_unit_test(threads_do_not_matter)};
    return cmocka_run_group_tests(tests, make_set, free_set);
}
