/* test_sampler.c - batches: fixed by the seed, no concept twice, everything seen. */
#include "train/patch_drop.h"
#include "train/sampler.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { COUNT = 200, BATCH = 16 };

static sns_sampler *make(const uint64_t *concepts, size_t count, uint64_t seed) {
    sns_sampler *s;
    sns_error err;
    if (sns_sampler_new(concepts, count, BATCH, seed, &s, &err)) fail_msg("%s", err.message);
    return s;
}

static void no_concept_twice(void **state) {
    (void)state;
    uint64_t concepts[COUNT];
    for (size_t i = 0; i < COUNT; i++) concepts[i] = i % 40 == 7 ? 0 : 1 + i % 40;
    sns_sampler *s = make(concepts, COUNT, 1);
    for (int b = 0; b < 500; b++) {
        uint32_t batch[BATCH];
        bool seen[41] = {false}, sample[COUNT] = {false};
        sns_sampler_next(s, batch);
        for (size_t i = 0; i < BATCH; i++) {
            assert_true(batch[i] < COUNT && !sample[batch[i]]);
            sample[batch[i]] = true;
            uint64_t c = concepts[batch[i]];
            assert_false(c && seen[c]);
            seen[c] = true;
        }
    }
    sns_sampler_free(s);
}

static void seeds_fix_the_order(void **state) {
    (void)state;
    uint64_t concepts[COUNT];
    for (size_t i = 0; i < COUNT; i++) concepts[i] = 1 + i / 3;
    sns_sampler *a = make(concepts, COUNT, 1), *b = make(concepts, COUNT, 1);
    sns_sampler *c = make(concepts, COUNT, 2);
    bool differs = false;
    for (int k = 0; k < 60; k++) {
        uint32_t x[BATCH], y[BATCH], z[BATCH];
        assert_int_equal(sns_sampler_next(a, x), sns_sampler_next(b, y));
        sns_sampler_next(c, z);
        assert_memory_equal(x, y, sizeof x);
        differs = differs || memcmp(x, z, sizeof x);
    }
    assert_true(differs);
    sns_sampler_free(a);
    sns_sampler_free(b);
    sns_sampler_free(c);
}

static void an_epoch_shows_each_sample_once(void **state) {
    (void)state;
    uint64_t concepts[COUNT];
    for (size_t i = 0; i < COUNT; i++) concepts[i] = 1 + i / 2;
    sns_sampler *s = make(concepts, COUNT, 9);
    int times[COUNT] = {0};
    size_t epoch = 0, total = 0;
    while (epoch == 0) {
        uint32_t batch[BATCH];
        epoch = sns_sampler_next(s, batch);
        for (size_t i = 0; epoch == 0 && i < BATCH; i++) times[batch[i]]++, total++;
    }
    for (size_t i = 0; i < COUNT; i++) assert_true(times[i] <= 1);
    assert_true(total > COUNT - 2 * BATCH);
    sns_sampler_free(s);
}

static void impossible_batches_are_refused(void **state) {
    (void)state;
    uint64_t concepts[COUNT];
    sns_sampler *s;
    sns_error err;
    for (size_t i = 0; i < COUNT; i++) concepts[i] = 1 + i % (BATCH - 1);
    assert_int_equal(sns_sampler_new(concepts, COUNT, BATCH, 1, &s, &err), SNS_ARG);
    assert_non_null(strstr(err.message, "concepts"));
    assert_int_equal(sns_sampler_new(concepts, 5, BATCH, 1, &s, &err), SNS_ARG);
    assert_non_null(strstr(err.message, "5 samples"));
    assert_int_equal(sns_sampler_new(concepts, 5, 0, 1, &s, &err), SNS_ARG);
}

static void patches_are_drawn_evenly(void **state) {
    (void)state;
    enum { PATCHES = 16, KEEP = 4, STEPS = 100 };
    size_t rows[BATCH * (1 + KEEP)], times[PATCHES] = {0};
    uint32_t scratch[PATCHES];
    assert_int_equal(sns_patch_keep_count(PATCHES, 0.75), KEEP);
    assert_int_equal(sns_patch_keep_count(PATCHES, 0), PATCHES);
    assert_int_equal(sns_patch_keep_count(4, 0.9), 1);
    for (size_t step = 0; step < STEPS; step++) {
        sns_patch_keep_rows(1, step * BATCH, BATCH, PATCHES, KEEP, rows, scratch);
        for (size_t b = 0; b < BATCH; b++) {
            const size_t *r = rows + b * (1 + KEEP), first = b * (1 + PATCHES);
            assert_int_equal(r[0], first);
            for (size_t i = 1; i <= KEEP; i++) {
                assert_true(r[i] > r[i - 1] && r[i] <= first + PATCHES);
                times[r[i] - first - 1]++;
            }
        }
    }
    for (size_t i = 0; i < PATCHES; i++) /* 400 expected, deviation 17 */
        assert_in_range(times[i], 300, 500);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_concept_twice),
                                       cmocka_unit_test(seeds_fix_the_order),
                                       cmocka_unit_test(an_epoch_shows_each_sample_once),
                                       cmocka_unit_test(impossible_batches_are_refused),
                                       cmocka_unit_test(patches_are_drawn_evenly)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
