/* test_loader.c - captions drawn by language, augmentation, batches in order. */
#include "toy.h"
#include "train/caption_draw.h"
#include "train/loader.h"
#include <math.h>

static toy set;
static sns_dataset *data;
static sns_tokenizer *tokenizer;

static int make_set(void **state) {
    (void)state;
    sns_error err;
    toy_make(&set);
    const char *source = set.manifest;
    if (sns_dataset_open(&source, 1, NULL, NULL, &data, &err)) fail_msg("%s", err.message);
    if (sns_tokenizer_load(set.tokenizer, &tokenizer, &err)) fail_msg("%s", err.message);
    return 0;
}

static int free_set(void **state) {
    (void)state;
    sns_dataset_free(data);
    sns_tokenizer_free(tokenizer);
    toy_free(&set);
    return 0;
}

/* Shares of "en" and of the first English caption in many draws of sample 0. */
static void shares(const char *weights, double *english, double *first) {
    sns_lang_weights w;
    sns_error err;
    sns_rng rng;
    int en = 0, one = 0, n = 20000;
    assert_int_equal(sns_lang_weights_parse(weights, data, &w, &err), SNS_OK);
    sns_rng_seed(&rng, 3);
    for (int i = 0; i < n; i++) {
        const sns_caption *c = sns_dataset_caption(data, sns_caption_draw(data, 0, &w, &rng));
        if (strcmp(sns_dataset_lang(data, c->lang), "en")) continue;
        en++;
        one += !strcmp(sns_dataset_text(data, c->text), "a red square on green");
    }
    *english = (double)en / n;
    *first = (double)one / n;
}

static void languages_are_weighted(void **state) {
    (void)state;
    double english, first;
    shares("en=0.4", &english, &first);
    assert_true(fabs(english - 0.4) < 0.02 && fabs(first - 0.2) < 0.02);
    shares("", &english, &first);
    assert_true(fabs(english - 0.5) < 0.02);
    shares("en=0.3,de=0.1", &english, &first);
    assert_true(fabs(english - 0.75) < 0.02);
    shares("en=0,xx=0.5", &english, &first);
    assert_true(english == 0);
    shares("en=1", &english, &first);
    assert_true(english == 1);
    static const char *const bad[] = {"en",     "=0.5",  "en=",        "en=x",
                                      "en=1.5", "en=-1", "en=0.5;de=1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sns_lang_weights w;
        if (!sns_lang_weights_parse(bad[i], data, &w, NULL)) fail_msg("%s is accepted", bad[i]);
    }
}

enum { SIDE = 20, OUT = 8 };

static void fill_gradient(uint8_t *square) {
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            uint8_t *p = square + (y * SIDE + x) * 3;
            p[0] = (uint8_t)(x * 10), p[1] = (uint8_t)(y * 10), p[2] = 77;
        }
}

static void augmentation_keeps_its_bounds(void **state) {
    (void)state;
    uint8_t square[SIDE * SIDE * 3], scratch[OUT * OUT * 3];
    float plain[3 * OUT * OUT], x[3 * OUT * OUT], y[3 * OUT * OUT];
    sns_augment a = {.image_px = OUT, .crop_scale = 0.6, .crop_aspect = 4.0 / 3, .std = {1, 1, 1}};
    sns_error err;
    int mirrored = 0;
    fill_gradient(square);
    assert_int_equal(sns_augment_run(&a, NULL, true, square, SIDE, scratch, plain, &err), SNS_OK);
    assert_true(plain[0] < plain[OUT - 1]);
    for (uint64_t i = 0; i < 200; i++) {
        sns_rng rng, same;
        sns_rng_seed_at(&rng, 1, 2, i);
        same = rng;
        assert_int_equal(sns_augment_run(&a, &rng, true, square, SIDE, scratch, x, &err), SNS_OK);
        assert_int_equal(sns_augment_run(&a, &same, false, square, SIDE, scratch, y, &err), SNS_OK);
        assert_memory_equal(&rng, &same, sizeof rng); /* options do not shift the draws */
        assert_true(y[0] < y[OUT - 1]);
        mirrored += x[0] > x[OUT - 1];
        /* The range of red over the width tells the crop's width: at least 0.6 * 3/4 of the area.
         */
        assert_true(fabsf(x[0] - x[OUT - 1]) > 0.5f * (plain[OUT - 1] - plain[0]));
        assert_true(fabsf(x[2 * OUT * OUT] - 77 / 255.0f) < 1e-5f);
    }
    assert_true(mirrored > 60 && mirrored < 140);
    a.crop_scale = 1;
    sns_rng rng;
    sns_rng_seed(&rng, 1);
    assert_int_equal(sns_augment_run(&a, &rng, false, square, SIDE, scratch, x, &err), SNS_OK);
    assert_memory_equal(x, plain, sizeof x);
    a.jitter = 0.5;
    a.mean[1] = 0.5f;
    for (int i = 0; i < 100; i++) {
        sns_augment_run(&a, &rng, false, square, SIDE, scratch, x, &err);
        for (size_t p = 0; p < 3 * OUT * OUT; p++)
            assert_true(x[p] >= (p / (OUT * OUT) == 1 ? -0.5f : 0) && x[p] <= 1);
    }
    a.grayscale = 1;
    a.mean[1] = 0;
    assert_int_equal(sns_augment_run(&a, &rng, false, square, SIDE, scratch, x, &err), SNS_OK);
    for (size_t p = 0; p < OUT * OUT; p++)
        assert_true(x[p] == x[p + OUT * OUT] && x[p] == x[p + 2 * OUT * OUT]);
}

static sns_loader_options loader_options(size_t threads, size_t first_step,
                                         const uint64_t *concepts) {
    return (sns_loader_options){.data = data,
                                .concepts = concepts,
                                .tokenizer = tokenizer,
                                .augment = {.image_px = 16,
                                            .crop_scale = 0.6,
                                            .crop_aspect = 4.0 / 3,
                                            .jitter = 0.1,
                                            .mean = {0.5f, 0.5f, 0.5f},
                                            .std = {0.3f, 0.3f, 0.3f}},
                                .batch = 7,
                                .context = 6,
                                .cache_px = 20,
                                .threads = threads,
                                .first_step = first_step,
                                .seed = 11,
                                .lang_weight = "en=0.4"};
}

static sns_loader *open_loader(size_t threads, size_t first_step, const uint64_t *concepts) {
    sns_loader_options o = loader_options(threads, first_step, concepts);
    sns_loader *l;
    sns_error err;
    if (sns_loader_new(&o, &l, &err)) fail_msg("%s", err.message);
    return l;
}

/* Batches do not depend on threads, nor on the step at which the loader began. */
static void batches_are_fixed_by_the_step(void **state) {
    (void)state;
    uint64_t concepts[TOY_COUNT];
    for (size_t i = 0; i < TOY_COUNT; i++) concepts[i] = sns_dataset_sample(data, i)->concept;
    sns_loader *one = open_loader(1, 0, concepts), *many = open_loader(5, 0, concepts);
    sns_loader *late = open_loader(2, 9, concepts);
    sns_error err;
    for (size_t step = 0; step < 20; step++) {
        const sns_batch *b[3] = {NULL};
        int n = step < 9 ? 2 : 3;
        assert_int_equal(sns_loader_next(one, &b[0], &err), SNS_OK);
        assert_int_equal(sns_loader_next(many, &b[1], &err), SNS_OK);
        if (n == 3) assert_int_equal(sns_loader_next(late, &b[2], &err), SNS_OK);
        for (int k = 0; k < n; k++) {
            assert_int_equal(b[k]->step, step);
            assert_int_equal(b[k]->epoch, b[0]->epoch);
            assert_memory_equal(b[k]->pixels, b[0]->pixels, 7 * 3 * 16 * 16 * sizeof(float));
            assert_memory_equal(b[k]->starts, b[0]->starts, 8 * sizeof(size_t));
            assert_memory_equal(b[k]->ids, b[0]->ids, b[0]->starts[7] * sizeof(uint32_t));
        }
        for (size_t i = 0; i < 7; i++) {
            size_t length = b[0]->starts[i + 1] - b[0]->starts[i];
            assert_true(length >= 2 && length <= 6);
            assert_int_equal(b[0]->ids[b[0]->starts[i + 1] - 1], sns_tokenizer_end_id(tokenizer));
        }
    }
    sns_loader_free(one);
    sns_loader_free(many);
    sns_loader_free(late);
}

/* A share of the places in pieces, twice over, is the same places of the whole batch. */
static void pieces_are_parts_of_the_batch(void **state) {
    (void)state;
    enum { FIRST = 1, PLACES = 5, PIECE = 2, PICTURE = 3 * 16 * 16 };
    uint64_t concepts[TOY_COUNT];
    for (size_t i = 0; i < TOY_COUNT; i++) concepts[i] = sns_dataset_sample(data, i)->concept;
    sns_loader *whole = open_loader(1, 4, concepts), *parts;
    sns_loader_options o = loader_options(3, 4, concepts);
    sns_error err;
    o.first = FIRST, o.places = PLACES, o.piece = PIECE, o.passes = 2;
    if (sns_loader_new(&o, &parts, &err)) fail_msg("%s", err.message);
    for (size_t step = 4; step < 14; step++) {
        const sns_batch *b, *p;
        assert_int_equal(sns_loader_next(whole, &b, &err), SNS_OK);
        for (size_t i = 0; i < 6; i++) {
            assert_int_equal(sns_loader_next(parts, &p, &err), SNS_OK);
            assert_int_equal(p->step, step);
            assert_int_equal(p->epoch, b->epoch);
            assert_int_equal(p->pass, i / 3);
            assert_int_equal(p->first, FIRST + i % 3 * PIECE);
            assert_int_equal(p->count, i % 3 == 2 ? 1 : PIECE);
            assert_memory_equal(p->pixels, b->pixels + p->first * PICTURE,
                                p->count * PICTURE * sizeof(float));
            assert_memory_equal(p->ids, b->ids + b->starts[p->first],
                                p->starts[p->count] * sizeof(uint32_t));
        }
    }
    sns_loader_free(parts);
    o.places = 7;
    assert_int_equal(sns_loader_new(&o, &parts, &err), SNS_ARG);
    sns_loader_free(whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(languages_are_weighted),
                                       cmocka_unit_test(augmentation_keeps_its_bounds),
                                       cmocka_unit_test(batches_are_fixed_by_the_step),
                                       cmocka_unit_test(pieces_are_parts_of_the_batch)};
    return cmocka_run_group_tests(tests, make_set, free_set);
}
