/* test_train_kill.c - a run killed at ten random moments ends with the bytes of one that was not.
 *
 * The moments differ from run to run; SNS_SEED repeats one. Large batches in pieces, checkpointed
 * activations, dropped patches and averaged weights are all on. */
#include "base/rng.h"
#include "toy.h"
#include <signal.h>
#include <time.h>

enum { KILLS = 10, STEPS = 60 };

static int slow_step(void *user, const sns_train_progress *p) {
    (void)user;
    (void)p;
    usleep(5000);
    return 0;
}

static char *read_run(const char *dir, const char *name, size_t *size) {
    char path[6000], *data;
    sns_error err;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (sns_file_read(path, 1 << 28, &data, size, &err)) fail_msg("%s", err.message);
    return data;
}

static void same_file(const char *a, const char *b, const char *name) {
    size_t size[2];
    char *x = read_run(a, name, &size[0]), *y = read_run(b, name, &size[1]);
    assert_int_equal(size[0], size[1]);
    if (memcmp(x, y, size[0])) fail_msg("%s of %s and of %s differ", name, a, b);
    free(x);
    free(y);
}

static uint64_t moments(void) {
    const char *given = getenv("SNS_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_message("SNS_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

/* Train in a child, killed after wait_us (0: never); whether it was done before. */
static bool train_in_child(const sns_train_options *o, unsigned wait_us) {
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid) _exit(sns_train(o, NULL, NULL) ? 2 : 0);
    if (wait_us) {
        usleep(wait_us);
        kill(pid, SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status)) assert_int_equal(WEXITSTATUS(status), 0);
    return WIFEXITED(status);
}

static void ten_kills_change_no_bit(void **state) {
    (void)state;
    static toy set;
    sns_train_options o;
    const char *data;
    char whole[5000], killed[5000];
    sns_rng rng;
    toy_make(&set);
    snprintf(whole, sizeof whole, "%s/whole", set.dir);
    snprintf(killed, sizeof killed, "%s/killed", set.dir);
    toy_options(&set, &data, whole, &o);
    o.steps = STEPS;
    o.save_every = 3;
    o.micro_batch = 4;
    o.checkpoint_activations = 1;
    o.patch_drop = 0.5;
    o.ema = 0.99;
    assert_true(train_in_child(&o, 0));
    o.out_dir = killed;
    o.resume = 1;
    o.progress = slow_step;
    sns_rng_seed(&rng, moments());
    int kills = 0;
    for (bool done = false; !done;) {
        /* Early and late: before the first checkpoint, while one is written, near the end. A run
         * that ends too soon for ten kills begins anew. */
        done = train_in_child(&o, kills < KILLS ? 1000 + (unsigned)sns_rng_below(&rng, 250000) : 0);
        kills += !done;
        if (!done || kills >= KILLS) continue;
        tool_remove(strdup(killed));
        done = false;
    }
    same_file(whole, killed, "checkpoint-00000060.safetensors");
    same_file(whole, killed, "checkpoint-00000057.safetensors");
    same_file(whole, killed, "model/model.safetensors");
    toy_free(&set);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(ten_kills_change_no_bit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
