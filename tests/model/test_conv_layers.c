/* test_conv_layers.c - the layers of convolutional towers: values against plain loops, gradients
 * against central differences, running statistics. */
#include "gradcheck.h"
#include <omp.h>

static const char *const TABLES[] = {"ref", "avx2", "avx512", "avx512vnni", "avx512bf16", "neon"};

static void check_all(scene *s, build_fn build) {
    for (int i = 0; i < 4; i++) {
        const sns_kernels *k = sns_kernels_named(TABLES[i]);
        if (k) check_gradients(k, s, build, 60);
    }
    free_scene(s);
}

static sns_rng rng_of(uint64_t seed) {
    sns_rng rng;
    sns_rng_seed(&rng, seed);
    return rng;
}

/* leaves: x, W; n: stride */
static sns_tensor *build_conv(sns_tape *t, const scene *s) {
    sns_param W = leaf_param(t, s, 1);
    return sns_conv2d(t, leaf_tensor(t, s, 0), &W, s->n);
}

static scene conv_scene(size_t B, size_t S, size_t in, size_t out, size_t kernel, size_t stride) {
    scene s = {.n = stride};
    sns_rng rng = rng_of(S);
    add_leaf(&s, &rng, 1, 0, 4, (size_t[]){B, S, S + 1, in});
    add_leaf(&s, &rng, 0.3f, 0, 4, (size_t[]){out, in, kernel, kernel});
    return s;
}

static void convolution_gradients(void **state) {
    (void)state;
    for (int frozen = 0; frozen < 3; frozen++)
        for (size_t i = 0; i < 4; i++) {
            scene s = conv_scene(2, 5 + i, 3, 4, i == 3 ? 1 : 3, i == 1 ? 2 : 1);
            if (frozen) s.leaf[frozen - 1].frozen = true;
            check_all(&s, build_conv);
        }
}

static void pointwise_is_linear(void **state) {
    (void)state;
    scene s = conv_scene(2, 3, 5, 4, 1, 1);
    sns_tape *t = sns_tape_new(sns_kernels_get(), false);
    const sns_tensor *y = build_conv(t, &s);
    assert_int_equal(y->dims, 4);
    assert_int_equal(y->dim[2], 4);
    for (size_t r = 0; r < y->rows; r++)
        for (size_t o = 0; o < 4; o++) {
            double want = 0;
            for (size_t c = 0; c < 5; c++)
                want += (double)s.leaf[0].data[r * 5 + c] * s.leaf[1].data[o * 5 + c];
            assert_float_equal(y->data[r * 4 + o], want, 1e-5);
        }
    sns_tape_free(t);
    free_scene(&s);
}

static sns_tensor *build_pool(sns_tape *t, const scene *s) {
    return sns_avg_pool(t, leaf_tensor(t, s, 0));
}

static sns_tensor *build_last(sns_tape *t, const scene *s) {
    return sns_channels_last(t, leaf_tensor(t, s, 0));
}

static sns_tensor *build_mean_rows(sns_tape *t, const scene *s) {
    return sns_mean_rows(t, leaf_tensor(t, s, 0), s->starts, s->n);
}

/* leaves: x, positions */
static sns_tensor *build_mean_token(sns_tape *t, const scene *s) {
    sns_param positions = leaf_param(t, s, 1);
    return sns_mean_token(t, leaf_tensor(t, s, 0), &positions, s->n);
}

static void small_layers(void **state) {
    (void)state;
    const size_t starts[] = {0, 1, 5, 7};
    sns_rng rng = rng_of(2);
    for (size_t C = 1; C < 400; C += 190) {
        scene s = {.starts = starts, .n = 3};
        add_leaf(&s, &rng, 1, 0, 4, (size_t[]){2, 4, 5, C});
        check_all(&s, build_pool);
        add_leaf(&s, &rng, 1, 0, 4, (size_t[]){2, C, 3, 4});
        check_all(&s, build_last);
        add_leaf(&s, &rng, 1, 0, 2, (size_t[]){7, C});
        check_all(&s, build_mean_rows);
        for (int frozen = 0; frozen < 3; frozen++) {
            add_leaf(&s, &rng, 1, 0, 2, (size_t[]){12, C});
            add_leaf(&s, &rng, 1, 0, 2, (size_t[]){5, C});
            if (frozen) s.leaf[frozen - 1].frozen = true;
            check_all(&s, build_mean_token);
        }
    }
}

static void small_layers_by_hand(void **state) {
    (void)state;
    float x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, two[] = {1, 10, 2, 20, 3, 30, 4, 40}, p[] = {1, 2, 3};
    const size_t starts[] = {0, 1, 4};
    sns_tape *t = sns_tape_new(sns_kernels_get(), false);
    const sns_tensor *y = sns_avg_pool(t, sns_tape_wrap(t, x, NULL, 4, (size_t[]){1, 3, 3, 1}));
    assert_int_equal(y->rows, 1); /* the odd last row and column are left out */
    assert_float_equal(y->data[0], 3, 1e-6);
    y = sns_channels_last(t, sns_tape_wrap(t, x, NULL, 4, (size_t[]){1, 2, 2, 2}));
    assert_float_equal(y->data[1], 5, 0);
    assert_float_equal(y->data[6], 4, 0);
    y = sns_mean_rows(t, sns_tape_wrap(t, two, NULL, 2, (size_t[]){4, 2}), starts, 2);
    assert_float_equal(y->data[1], 10, 0);
    assert_float_equal(y->data[2], 3, 1e-6);
    sns_param positions = {.value = *sns_tape_wrap(t, p, NULL, 2, (size_t[]){3, 1})};
    y = sns_mean_token(t, sns_tape_wrap(t, x, NULL, 2, (size_t[]){4, 1}), &positions, 2);
    const float want[] = {2.5f, 3, 5, 4.5f, 5, 7};
    for (int i = 0; i < 6; i++) assert_float_equal(y->data[i], want[i], 1e-6);
    sns_tape_free(t);
}

/* leaves: x, gain, bias, running mean, running variance, residual */
static sns_batch_norm norm_of(sns_tape *t, const scene *s) {
    return (sns_batch_norm){leaf_param(t, s, 1), leaf_param(t, s, 2), leaf_param(t, s, 3),
                            leaf_param(t, s, 4)};
}

static sns_tensor *build_norm(sns_tape *t, const scene *s) {
    sns_batch_norm norm = norm_of(t, s);
    sns_tensor *x = leaf_tensor(t, s, 0);
    /* at inference the layer works in place: on a copy, so that the leaf stays */
    if (!sns_tape_recording(t)) x = sns_gather_rows(t, x, s->index, x->rows);
    return sns_batchnorm(t, x, &norm, s->causal, s->residual ? leaf_tensor(t, s, 5) : NULL);
}

static scene norm_scene(size_t N, size_t C) {
    static size_t order[2100];
    for (size_t i = 0; i < 2100; i++) order[i] = i;
    scene s = {.index = order};
    sns_rng rng = rng_of(N);
    add_leaf(&s, &rng, 2, 1, 2, (size_t[]){N, C});
    add_leaf(&s, &rng, 0.3f, 1, 1, &C);
    add_leaf(&s, &rng, 0.3f, 0, 1, &C);
    add_leaf(&s, &rng, 0.3f, 0.5f, 1, &C);
    add_leaf(&s, &rng, 0.1f, 2, 1, &C);
    add_leaf(&s, &rng, 1, 0, 2, (size_t[]){N, C});
    s.leaf[3].frozen = s.leaf[4].frozen = true;
    return s;
}

static void batchnorm_gradients(void **state) {
    (void)state;
    for (int way = 0; way < 8; way++) {
        scene s = norm_scene(7, 3);
        s.causal = way & 1; /* ReLU */
        s.residual = way & 2;
        s.learning = way & 4; /* else gain and bias are frozen, and the running averages are used */
        if (!s.residual) s.leaf[5].frozen = true;
        if (!s.learning) s.leaf[1].frozen = s.leaf[2].frozen = true;
        check_all(&s, build_norm);
    }
}

static double column_mean(const scene *s, size_t c, double about, int power) {
    size_t N = s->leaf[0].dim[0], C = s->leaf[0].dim[1];
    double sum = 0;
    for (size_t r = 0; r < N; r++) sum += pow((double)s->leaf[0].data[r * C + c] - about, power);
    return sum / (double)N;
}

/* Rows enough for many chunks. */
static void batchnorm_values(void **state) {
    (void)state;
    size_t N = 2050, C = 70;
    scene s = norm_scene(N, C);
    s.learning = true;
    sns_tape *t = sns_tape_new(sns_kernels_get(), true),
             *plain = sns_tape_new(sns_kernels_get(), false);
    float before[2][70];
    memcpy(before[0], s.leaf[3].data, sizeof before[0]);
    memcpy(before[1], s.leaf[4].data, sizeof before[1]);
    sns_tensor *y = build_norm(t, &s);
    float after[2][70];
    memcpy(after[0], s.leaf[3].data, sizeof after[0]);
    memcpy(after[1], s.leaf[4].data, sizeof after[1]);
    sns_tape_set_replay(t, true); /* the same again moves nothing */
    assert_non_null(build_norm(t, &s));
    assert_memory_equal(after[0], s.leaf[3].data, sizeof after[0]);
    memcpy(s.leaf[3].data, before[0], sizeof before[0]);
    memcpy(s.leaf[4].data, before[1], sizeof before[1]);
    const sns_tensor *frozen = build_norm(plain, &s);
    for (size_t c = 0; c < C; c++) {
        double mean = column_mean(&s, c, 0, 1), var = column_mean(&s, c, mean, 2);
        double gain = s.leaf[1].data[c], bias = s.leaf[2].data[c];
        for (size_t r = 0; r < N; r += 97) {
            double x = s.leaf[0].data[r * C + c];
            assert_float_equal(y->data[r * C + c], (x - mean) / sqrt(var + 1e-5) * gain + bias,
                               1e-4);
            assert_float_equal(frozen->data[r * C + c],
                               (x - before[0][c]) / sqrt(before[1][c] + 1e-5) * gain + bias, 1e-4);
        }
    }
    assert_memory_equal(before[0], s.leaf[3].data, sizeof before[0]); /* inference moves nothing */
    for (size_t c = 0; c < C; c++) {
        double mean = column_mean(&s, c, 0, 1);
        double var = column_mean(&s, c, mean, 2) * (double)N / (double)(N - 1);
        assert_float_equal(after[0][c], 0.9 * before[0][c] + 0.1 * mean, 1e-5);
        assert_float_equal(after[1][c], 0.9 * before[1][c] + 0.1 * var, 1e-4);
    }
    sns_tape_free(t);
    sns_tape_free(plain);
    free_scene(&s);
}

static sns_status status_of(const scene *s, build_fn build) {
    sns_tape *t = sns_tape_new(sns_kernels_get(), true);
    assert_null(build(t, s));
    sns_status status = sns_tape_status(t, NULL);
    sns_tape_free(t);
    return status;
}

static void bad_input_is_refused(void **state) {
    (void)state;
    const size_t empty[] = {0, 2, 2}, far[] = {0, 2, 9};
    sns_rng rng = rng_of(1);
    scene s = conv_scene(1, 3, 3, 2, 3, 1);
    s.leaf[1].dim[1] = 2;
    assert_int_equal(status_of(&s, build_conv), SNS_SHAPE);
    free_scene(&s);
    s = norm_scene(1, 3);
    assert_int_equal(status_of(&s, build_norm), SNS_ARG); /* one row has no variance */
    s.leaf[1].dim[0] = 2;
    assert_int_equal(status_of(&s, build_norm), SNS_SHAPE);
    free_scene(&s);
    s = (scene){.starts = empty, .n = 2};
    add_leaf(&s, &rng, 1, 0, 2, (size_t[]){2, 3});
    assert_int_equal(status_of(&s, build_mean_rows), SNS_ARG);
    s.starts = far;
    assert_int_equal(status_of(&s, build_mean_rows), SNS_ARG);
    add_leaf(&s, &rng, 1, 0, 2, (size_t[]){3, 3});
    assert_int_equal(status_of(&s, build_mean_token), SNS_SHAPE);
    assert_int_equal(status_of(&s, build_pool), SNS_SHAPE);
    assert_int_equal(status_of(&s, build_last), SNS_SHAPE);
    free_scene(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolution_gradients), cmocka_unit_test(pointwise_is_linear),
        cmocka_unit_test(small_layers),          cmocka_unit_test(small_layers_by_hand),
        cmocka_unit_test(batchnorm_gradients),   cmocka_unit_test(batchnorm_values),
        cmocka_unit_test(bad_input_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
