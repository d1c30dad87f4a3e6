/* test_sigmoid_loss.c - SigLIP's loss: definition, differences, PyTorch. */
#include "golden_loss.h"
#include "train/sigmoid_loss.h"

static sns_tensor *build(sns_tape *t, const scene *s) {
    sns_param *p = sns_tape_alloc(t, 2 * sizeof *p);
    p[0] = leaf_param(t, s, 2);
    p[1] = leaf_param(t, s, 3);
    return sns_sigmoid_loss(t, sns_l2_normalize(t, leaf_tensor(t, s, 0)),
                            sns_l2_normalize(t, leaf_tensor(t, s, 1)), &p[0], &p[1], NULL);
}

static void make_scene(scene *s, size_t B, size_t E, float t, float b) {
    sns_rng rng;
    sns_rng_seed(&rng, 7 + B);
    *s = (scene){0};
    add_leaf(s, &rng, 1, 0, 2, (size_t[]){B, E});
    add_leaf(s, &rng, 1, 0, 2, (size_t[]){B, E});
    add_leaf(s, &rng, 0, t, 1, (size_t[]){1});
    add_leaf(s, &rng, 0, b, 1, (size_t[]){1});
}

static void gradients_equal_differences(void **state) {
    (void)state;
    static const size_t sizes[][2] = {{2, 3}, {7, 5}, {33, 8}, {70, 12}};
    for (size_t i = 0; i < 4; i++) {
        scene s;
        make_scene(&s, sizes[i][0], sizes[i][1], 1.2f, -2);
        check_gradients(sns_kernels_get(), &s, build, 40);
        s.leaf[0].frozen = true;
        s.leaf[3].frozen = true;
        check_gradients(sns_kernels_get(), &s, build, 5);
        free_scene(&s);
    }
}

/* More pictures than a block holds, so that blocks join. */
static void loss_equals_its_definition(void **state) {
    (void)state;
    enum { B = 300, E = 6 };
    scene s;
    make_scene(&s, B, E, 2, -4);
    sns_tape *t = sns_tape_new(sns_kernels_get(), true);
    sns_tensor *I = sns_l2_normalize(t, leaf_tensor(t, &s, 0));
    sns_tensor *T = sns_l2_normalize(t, leaf_tensor(t, &s, 1));
    sns_param scale = leaf_param(t, &s, 2), bias = leaf_param(t, &s, 3);
    size_t correct, want_correct = 0;
    sns_tensor *loss = sns_sigmoid_loss(t, I, T, &scale, &bias, &correct);
    assert_non_null(loss);
    double want = 0;
    for (size_t i = 0; i < B; i++) {
        double own = 0;
        bool best = true;
        for (size_t e = 0; e < E; e++) own += (double)I->data[i * E + e] * T->data[i * E + e];
        for (size_t j = 0; j < B; j++) {
            double dot = 0;
            for (size_t e = 0; e < E; e++) dot += (double)I->data[i * E + e] * T->data[j * E + e];
            double x = exp(2) * dot - 4;
            want += log1p(exp(i == j ? -x : x)) / B;
            if (j != i && dot >= own) best = false;
        }
        want_correct += best;
    }
    assert_true(fabs(loss->data[0] - want) < 1e-5 * want);
    assert_true(abs((int)correct - (int)want_correct) <= 1);
    check_gradients(sns_kernels_get(), &s, build, 4);
    sns_tape_free(t);
    free_scene(&s);
}

static void equals_pytorch(void **state) {
    (void)state;
    static const char *const names[] = {"sigmoid", "sigmoid_late"};
    sns_safetensors *f = golden_open();
    for (size_t i = 0; i < 2; i++) {
        sns_tape *t = sns_tape_new(sns_kernels_get(), true);
        const char *name = names[i];
        sns_tensor *I = golden_tensor(t, f, name, "images", true);
        sns_tensor *T = golden_tensor(t, f, name, "texts", true);
        sns_param scale = {.value = *golden_tensor(t, f, name, "scale", true)};
        sns_param bias = {.value = *golden_tensor(t, f, name, "bias", true)};
        sns_tensor *loss = sns_sigmoid_loss(t, I, T, &scale, &bias, NULL);
        assert_non_null(loss);
        golden_equal(t, f, name, "loss", loss->data, 1e-6);
        assert_int_equal(sns_tape_backward(t, loss, NULL, NULL), SNS_OK);
        golden_equal(t, f, name, "dimages", I->grad, 2e-5);
        golden_equal(t, f, name, "dtexts", T->grad, 2e-5);
        golden_equal(t, f, name, "dscale", scale.value.grad, 2e-5);
        golden_equal(t, f, name, "dbias", bias.value.grad, 2e-5);
        sns_tape_free(t);
    }
    sns_safetensors_close(f);
}

static void extreme_temperatures_stay_finite(void **state) {
    (void)state;
    scene s;
    make_scene(&s, 9, 4, 12, -60); /* exp(t) = 162,755 */
    sns_tape *t = sns_tape_new(sns_kernels_get(), true);
    sns_tensor *loss = build(t, &s);
    assert_non_null(loss);
    assert_int_equal(sns_tape_backward(t, loss, NULL, NULL), SNS_OK);
    assert_true(isfinite(loss->data[0]));
    for (size_t i = 0; i < s.leaf[0].n; i++) assert_true(isfinite(s.leaf[0].grad[i]));
    sns_tape_free(t);
    free_scene(&s);
}

static void shapes_are_checked(void **state) {
    (void)state;
    sns_tape *t = sns_tape_new(sns_kernels_get(), true);
    float one = 0;
    sns_param p = {.value = *sns_tape_wrap(t, &one, NULL, 1, (size_t[]){1})};
    sns_tensor *a = sns_tape_matrix(t, 4, 3), *b = sns_tape_matrix(t, 4, 5);
    assert_null(sns_sigmoid_loss(t, a, b, &p, &p, NULL));
    assert_int_equal(sns_tape_status(t, NULL), SNS_SHAPE);
    sns_tape_free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_equal_differences), cmocka_unit_test(loss_equals_its_definition),
        cmocka_unit_test(equals_pytorch), cmocka_unit_test(extreme_temperatures_stay_finite),
        cmocka_unit_test(shapes_are_checked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
