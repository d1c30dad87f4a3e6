/* test_tape.c - shapes, order of the nodes, sticky errors, memory. */
#include "tensor/tape.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void shapes(void **state) {
    (void)state;
    sns_tensor x = {0};
    assert_true(sns_tensor_set_shape(&x, 3, (size_t[]){2, 3, 5}));
    assert_int_equal(x.rows, 6);
    assert_int_equal(x.cols, 5);
    assert_true(sns_tensor_set_shape(&x, 0, NULL));
    assert_int_equal(x.rows * x.cols, 1);
    assert_true(sns_tensor_set_shape(&x, 1, (size_t[]){7}));
    assert_int_equal(x.rows, 1);
    assert_false(sns_tensor_set_shape(&x, 5, (size_t[]){1, 1, 1, 1, 1}));
    assert_false(sns_tensor_set_shape(&x, 3, (size_t[]){SIZE_MAX / 8, 3, 1}));
    assert_false(sns_tensor_set_shape(&x, 2, (size_t[]){SIZE_MAX / 4, 2}));
}

/* y = a * x + b, elementwise; the order in which nodes run is written down. */
typedef struct affine {
    sns_tensor *x, *y;
    float a;
    char *order;
} affine;

static void affine_backward(sns_tape *t, void *context) {
    const affine *f = context;
    (void)t;
    for (size_t i = 0; i < f->y->cols; i++) f->x->grad[i] += f->a * f->y->grad[i];
    strncat(f->order, f->a == 2 ? "2" : "3", 2);
}

static sns_tensor *affine_layer(sns_tape *t, sns_tensor *x, float a, char *order) {
    sns_tensor *y = sns_tape_matrix(t, 1, x->cols);
    for (size_t i = 0; i < x->cols; i++) y->data[i] = a * x->data[i] + 1;
    affine *f = sns_tape_push(t, affine_backward, sizeof *f);
    if (f) *f = (affine){.x = x, .y = y, .a = a, .order = order};
    return y;
}

static void nodes_run_backwards(void **state) {
    (void)state;
    sns_tape *t = sns_tape_new(sns_kernels_get(), true);
    for (int round = 0; round < 3; round++) {
        float data[2] = {1, 2}, grad[2] = {10, 0}, seed[2] = {1, -1};
        char order[8] = "";
        sns_tensor *x = sns_tape_wrap(t, data, grad, 1, (size_t[]){2});
        sns_tensor *y = affine_layer(t, affine_layer(t, x, 2, order), 3, order);
        assert_float_equal(y->data[1], 16, 0);
        assert_int_equal(sns_tape_backward(t, y, round ? seed : NULL, NULL), SNS_OK);
        assert_string_equal(order, "32");
        assert_float_equal(grad[0], 16, 0); /* added to what was there */
        assert_float_equal(grad[1], round ? -6 : 6, 0);
        sns_tape_reset(t);
    }
    sns_tape_free(t);
}

static void gradients_start_cleared(void **state) {
    (void)state;
    sns_tape *t = sns_tape_new(sns_kernels_get(), true);
    for (int round = 0; round < 2; round++) {
        sns_tensor *x = sns_tape_matrix(t, 3000, 700); /* cleared in several parts */
        size_t n = x->rows * x->cols, wrong = 0;
        for (size_t i = 0; i < n; i++) {
            wrong += x->grad[i] != 0;
            x->grad[i] = 1;
        }
        assert_int_equal(wrong, 0);
        sns_tape_reset(t);
    }
    sns_tape_free(t);
}

static void inference_keeps_nothing(void **state) {
    (void)state;
    sns_tape *t = sns_tape_new(sns_kernels_get(), false);
    sns_arena_mark mark = sns_tape_mark(t);
    sns_tensor *x = sns_tape_matrix(t, 4, 4);
    const float *data = x->data;
    assert_null(x->grad);
    assert_null(sns_tape_push(t, affine_backward, sizeof(affine)));
    assert_int_equal(sns_tape_status(t, NULL), SNS_OK);
    sns_tape_release(t, mark);
    assert_ptr_equal(sns_tape_matrix(t, 4, 4)->data, data);
    assert_int_equal(sns_tape_backward(t, x, NULL, NULL), SNS_ARG);
    sns_tape_free(t);
}

static void first_error_sticks(void **state) {
    (void)state;
    sns_tape *t = sns_tape_new(sns_kernels_get(), true);
    sns_error err = {0};
    assert_int_equal(sns_tape_status(t, &err), SNS_OK);
    sns_tape_fail(t, SNS_SHAPE, "first %d", 1);
    sns_tape_fail(t, SNS_IO, "second");
    assert_int_equal(sns_tape_status(t, &err), SNS_SHAPE);
    assert_string_equal(err.message, "first 1");
    assert_null(sns_tape_matrix(t, 1, 1));
    assert_null(sns_tape_alloc(t, 8));
    sns_tape_reset(t);
    assert_int_equal(sns_tape_status(t, NULL), SNS_OK);
    assert_null(sns_tape_alloc(t, SIZE_MAX / 2));
    assert_int_equal(sns_tape_status(t, NULL), SNS_NOMEM);
    sns_tape_free(t);
    sns_tape_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes),
        cmocka_unit_test(nodes_run_backwards),
        cmocka_unit_test(gradients_start_cleared),
        cmocka_unit_test(inference_keeps_nothing),
        cmocka_unit_test(first_error_sticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
