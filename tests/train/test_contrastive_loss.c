/* test_contrastive_loss.c - the loss against its definition, its gradients against differences. */
#include "gradcheck.h"
#include "train/contrastive_loss.h"

static sns_tensor *build(sns_tape *t, const scene *s) {
    sns_param scale = leaf_param(t, s, 2);
    sns_param *kept = sns_tape_alloc(t, sizeof *kept);
    *kept = scale;
    return sns_contrastive_loss(t, sns_l2_normalize(t, leaf_tensor(t, s, 0)),
                                sns_l2_normalize(t, leaf_tensor(t, s, 1)), kept, NULL);
}

static void make_scene(scene *s, size_t B, size_t E, float t) {
    sns_rng rng;
    sns_rng_seed(&rng, 5 + B);
    *s = (scene){0};
    add_leaf(s, &rng, 1, 0, 2, (size_t[]){B, E});
    add_leaf(s, &rng, 1, 0, 2, (size_t[]){B, E});
    add_leaf(s, &rng, 0, t, 1, (size_t[]){1});
}

static void gradients_equal_differences(void **state) {
    (void)state;
    static const size_t sizes[][2] = {{2, 3}, {7, 5}, {33, 8}, {70, 12}};
    for (size_t i = 0; i < 4; i++) {
        scene s;
        make_scene(&s, sizes[i][0], sizes[i][1], 1.5f);
        check_gradients(sns_kernels_get(), &s, build, 40);
        s.leaf[1].frozen = true;
        check_gradients(sns_kernels_get(), &s, build, 5);
        free_scene(&s);
    }
}

/* The survey's pseudocode in double. */
static double by_definition(const float *I, const float *T, size_t B, size_t E, double t,
                            size_t *correct) {
    double loss = 0, *S = calloc(B * B, sizeof *S);
    *correct = 0;
    for (size_t i = 0; i < B; i++)
        for (size_t j = 0; j < B; j++) {
            for (size_t e = 0; e < E; e++) S[i * B + j] += (double)I[i * E + e] * T[j * E + e];
            S[i * B + j] *= exp(t);
        }
    for (size_t i = 0; i < B; i++) {
        double row = 0, column = 0;
        bool best = true;
        for (size_t j = 0; j < B; j++) {
            row += exp(S[i * B + j]);
            column += exp(S[j * B + i]);
            if (j != i && S[i * B + j] >= S[i * B + i]) best = false;
        }
        loss += (log(row) + log(column) - 2 * S[i * B + i]) / 2;
        *correct += best;
    }
    free(S);
    return loss / (double)B;
}

static void loss_equals_its_definition(void **state) {
    (void)state;
    for (size_t B = 2; B < 100; B += 31) {
        scene s;
        size_t correct = 0, want_correct;
        make_scene(&s, B, 16, 2.0f);
        sns_tape *t = sns_tape_new(sns_kernels_get(), false);
        sns_tensor *I = sns_l2_normalize(t, leaf_tensor(t, &s, 0));
        sns_tensor *T = sns_l2_normalize(t, leaf_tensor(t, &s, 1));
        sns_param scale = leaf_param(t, &s, 2);
        sns_tensor *loss = sns_contrastive_loss(t, I, T, &scale, &correct);
        assert_non_null(loss);
        double want = by_definition(I->data, T->data, B, 16, 2.0, &want_correct);
        assert_true(fabs(loss->data[0] - want) < 1e-5 * (1 + fabs(want)));
        assert_int_equal(correct, want_correct);
        sns_tape_free(t);
        free_scene(&s);
    }
}

/* dloss/dI by definition in double, of picture i. */
static void picture_gradient(const double *S, const double *row, const double *column, size_t B,
                             size_t E, const float *T, double t, size_t i, double *out) {
    for (size_t e = 0; e < E; e++) out[e] = 0;
    for (size_t j = 0; j < B; j++) {
        double s = S[i * B + j], g = exp(s - row[i]) + exp(s - column[j]) - 2.0 * (i == j);
        for (size_t e = 0; e < E; e++)
            out[e] += exp(t) * g / (2 * (double)B) * (double)T[j * E + e];
    }
}

/* So many pairs that the logits are never there as a whole: two blocks, the second a short one. */
static void blocks_of_logits_make_one_loss(void **state) {
    (void)state;
    enum { B = 2100, E = 8 };
    const double temperature = 2;
    scene s;
    size_t correct, want_correct;
    make_scene(&s, B, E, (float)temperature);
    sns_tape *t = sns_tape_new(sns_kernels_get(), true);
    sns_tensor *I = sns_l2_normalize(t, leaf_tensor(t, &s, 0));
    sns_tensor *T = sns_l2_normalize(t, leaf_tensor(t, &s, 1));
    float *images = malloc(B * E * sizeof(float)), dt = 0, scale = (float)temperature;
    memcpy(images, I->data, B * E * sizeof(float));
    float *dI = calloc(B * E, sizeof(float)), *dT = calloc(B * E, sizeof(float));
    sns_tensor *leaf_i = sns_tape_wrap(t, images, dI, 2, (size_t[]){B, E});
    sns_tensor *leaf_t = sns_tape_wrap(t, T->data, dT, 2, (size_t[]){B, E});
    sns_param p = {.value = *sns_tape_wrap(t, &scale, &dt, 1, (size_t[]){1})};
    sns_tensor *loss = sns_contrastive_loss(t, leaf_i, leaf_t, &p, &correct);
    assert_non_null(loss);
    double want = by_definition(images, T->data, B, E, temperature, &want_correct);
    assert_true(fabs(loss->data[0] - want) < 1e-5 * want);
    assert_int_equal(correct, want_correct);
    assert_int_equal(sns_tape_backward(t, loss, NULL, NULL), SNS_OK);

    double *S = calloc((size_t)B * B, sizeof *S), *row = calloc(B, sizeof *row);
    double *column = calloc(B, sizeof *column), want_dt = 0;
    for (size_t i = 0; i < B; i++)
        for (size_t j = 0; j < B; j++) {
            for (size_t e = 0; e < E; e++)
                S[i * B + j] += exp(temperature) * images[i * E + e] * T->data[j * E + e];
            row[i] += exp(S[i * B + j]);
            column[j] += exp(S[i * B + j]);
        }
    for (size_t i = 0; i < B; i++) row[i] = log(row[i]), column[i] = log(column[i]);
    for (size_t i = 0; i < B; i++)
        for (size_t j = 0; j < B; j++)
            want_dt += (exp(S[i * B + j] - row[i]) + exp(S[i * B + j] - column[j]) -
                        2.0 * (i == j)) *
                       S[i * B + j] / (2.0 * B);
    assert_true(fabs(dt - want_dt) < 1e-4 * fabs(want_dt));
    for (size_t i = 0; i < B; i += 67) {
        double g[E], size = 0;
        picture_gradient(S, row, column, B, E, T->data, temperature, i, g);
        for (size_t e = 0; e < E; e++) size += g[e] * g[e];
        for (size_t e = 0; e < E; e++)
            if (!(fabs(dI[i * E + e] - g[e]) < 1e-4 * sqrt(size)))
                fail_msg("dI[%zu][%zu] is %g, not %g", i, e, dI[i * E + e], g[e]);
    }
    for (size_t j = 5; j < B; j += 211) { /* dT: the same with rows and columns exchanged */
        double g[E] = {0};
        for (size_t i = 0; i < B; i++) {
            double x = S[i * B + j], w = exp(x - row[i]) + exp(x - column[j]) - 2.0 * (i == j);
            for (size_t e = 0; e < E; e++)
                g[e] += exp(temperature) * w / (2.0 * B) * (double)images[i * E + e];
        }
        for (size_t e = 0; e < E; e++) assert_true(fabs(dT[j * E + e] - g[e]) < 1e-4 * exp(2) / B);
    }
    free(S), free(row), free(column), free(images), free(dI), free(dT);
    sns_tape_free(t);
    free_scene(&s);
}

static void shapes_are_checked(void **state) {
    (void)state;
    sns_tape *t = sns_tape_new(sns_kernels_get(), true);
    float one = 0;
    sns_param scale = {.value = *sns_tape_wrap(t, &one, NULL, 1, (size_t[]){1})};
    sns_tensor *a = sns_tape_matrix(t, 4, 3), *b = sns_tape_matrix(t, 5, 3);
    assert_null(sns_contrastive_loss(t, a, b, &scale, NULL));
    assert_int_equal(sns_tape_status(t, NULL), SNS_SHAPE);
    sns_tape_free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_equal_differences), cmocka_unit_test(loss_equals_its_definition),
        cmocka_unit_test(blocks_of_logits_make_one_loss), cmocka_unit_test(shapes_are_checked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
