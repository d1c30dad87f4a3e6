/* test_world.c - a run by several processes is the run of one. */
#include "world_run.h"

/* Beside the toy set, one with a sample less. */
static int make_set(void **state) {
    char path[5000], *text;
    size_t size;
    sns_error err;
    world_make_set(state);
    if (sns_file_read(world_set.manifest, 1 << 20, &text, &size, &err)) fail_msg("%s", err.message);
    snprintf(path, sizeof path, "%s/less.jsonl", world_set.dir);
    world_write(path, strchr(text, '\n') + 1);
    free(text);
    return 0;
}

static void any_number_of_processes_has_the_same_losses(void **state) {
    (void)state;
    static const char *const runs[][3] = {
        {"2", "plain", "two"}, {"4", "plain", "four"}, {"2", "pieces", "two-pieces"}};
    double one[WORLD_STEPS], many[WORLD_STEPS];
    world_train("1", "plain", "one", one);
    assert_true(one[WORLD_STEPS - 1] < 0.8 * one[0]); /* it does learn */
    for (size_t i = 0; i < 3; i++) {
        world_train(runs[i][0], runs[i][1], runs[i][2], many);
        world_same(many, one, 0, runs[i][2]);
    }
}

static void a_process_that_dies_ends_the_job(void **state) {
    (void)state;
    double whole[WORLD_STEPS], resumed[WORLD_STEPS];
    world_train("2", "plain", "whole", whole);
    assert_false(world_launch("2", "kill", "killed"));
    world_train("2", "resume", "killed", resumed);
    world_same(resumed, whole, 12, "resumed"); /* at the latest from checkpoint 12 */
}

static void other_data_is_refused(void **state) {
    (void)state;
    world_refused("2", "other", "other", "process 1 of 2");
}

int main(int argc, char **argv) {
    if (argc == 5 && !strcmp(argv[1], "child")) return world_child_run(argv + 2);
    if (!world_exists()) return 77;
    world_open(argv[0]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_processes_has_the_same_losses),
        cmocka_unit_test(a_process_that_dies_ends_the_job),
        cmocka_unit_test(other_data_is_refused)};
    return cmocka_run_group_tests(tests, make_set, world_free_set);
}
