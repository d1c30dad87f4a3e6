/* test_world_kinds.c - several processes with what is not alike for one: batch norm, streamed
 * shards, a teacher, losses that rank. */
#include "toy_shards.h"
#include "world_run.h"

static int make_set(void **state) {
    world_make_set(state);
    toy_make_shards(&world_set, false);
    return 0;
}

/* Batch norm normalises by what one process computes at a time, so n processes are one process with
 * micro-batches of batch / n, and are not one with the batch whole. */
static void a_resnets_batch_is_cut_as_by_micro_batches(void **state) {
    (void)state;
    double whole[WORLD_STEPS], halves[WORLD_STEPS], two[WORLD_STEPS];
    world_train("1", "resnet", "resnet-whole", whole);
    world_train("1", "resnet halves", "resnet-halves", halves);
    world_train("2", "resnet", "resnet-two", two);
    assert_true(two[WORLD_STEPS - 1] < 0.8 * two[0]);
    world_same(two, halves, 0, "ResNet by two processes, beside micro-batches of 12");
    double off = world_worst(two, whole, 0);
    print_message("ResNet by two processes, beside one with the batch whole: %.2g\n", off);
    assert_true(off > 1e-3); /* docs/DISTRIBUTED.md and sensus train -h say so */
}

static void shards_are_divided(void **state) {
    (void)state;
    double first[WORLD_STEPS], again[WORLD_STEPS];
    world_train("2", "stream", "stream", first);
    assert_true(first[WORLD_STEPS - 1] < 0.8 * first[0]);
    size_t samples = 0;
    for (int rank = 0; rank < 2; rank++) {
        char ending[32];
        snprintf(ending, sizeof ending, ".samples.%d", rank);
        char *text = world_read("stream", ending);
        samples += strtoul(text, NULL, 10);
        free(text);
    }
    assert_int_equal(samples, TOY_COUNT); /* each process read half of an epoch */
    assert_false(world_launch("2", "stream kill", "stream-killed"));
    world_refused("1", "stream resume", "stream-killed", "made with data");
    world_train("2", "stream resume", "stream-killed", again);
    world_same(again, first, 12, "streamed, resumed");
    world_train("2", "stream pieces", "stream-pieces", again);
    world_same(again, first, 0, "streamed, in pieces");
}

static void a_teacher_teaches_all_alike(void **state) {
    (void)state;
    double one[WORLD_STEPS], two[WORLD_STEPS];
    world_train("1", "teacher", "teacher", one);
    world_train("1", "student", "student-one", one);
    assert_true(one[WORLD_STEPS - 1] < 0.9 * one[0]);
    world_train("2", "student", "student-two", two);
    world_same(two, one, 0, "taught, two processes");
    world_train("2", "student pieces", "student-pieces", two);
    world_same(two, one, 0, "taught, two processes, in pieces");
}

/* The hardest negative is that of the whole batch, whichever process has it. */
static void ranking_losses_see_the_whole_batch(void **state) {
    (void)state;
    static const char *const losses[][3] = {{"hinge", "hinge pieces", "hinge-two"},
                                            {"hardest", "hardest pieces", "hardest-two"},
                                            {"order", "order pieces", "order-two"}};
    for (size_t i = 0; i < 3; i++) {
        double one[WORLD_STEPS], two[WORLD_STEPS];
        world_train("1", losses[i][0], losses[i][0], one);
        assert_true(one[WORLD_STEPS - 1] < 0.9 * one[0]);
        world_train("2", losses[i][1], losses[i][2], two);
        world_same(two, one, 0, losses[i][2]);
    }
}

int main(int argc, char **argv) {
    if (argc == 5 && !strcmp(argv[1], "child")) return world_child_run(argv + 2);
    if (!world_exists()) return 77;
    world_open(argv[0]);
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_resnets_batch_is_cut_as_by_micro_batches),
                                       cmocka_unit_test(shards_are_divided),
                                       cmocka_unit_test(a_teacher_teaches_all_alike),
                                       cmocka_unit_test(ranking_losses_see_the_whole_batch)};
    return cmocka_run_group_tests(tests, make_set, world_free_set);
}
