/* test_grad_step.c - a batch in pieces has the gradient of the whole batch. */
#include "toy.h"
#include "train/grad_step.h"
#include <math.h>

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

/* The toy's first `steps` gradients; the last is returned (malloc'd, *n floats). */
static float *gradient(const sns_train_options *o, const char *name, size_t steps,
                       sns_step_loss *loss, size_t *n) {
    static int turn;
    char out[5000];
    sns_train_options mine = *o;
    sns_error err;
    sns_run *r = calloc(1, sizeof *r);
    snprintf(out, sizeof out, "%s/%s-%d", set.dir, name, turn++);
    mine.out_dir = out;
    if (sns_run_open(r, &mine, &err)) fail_msg("%s", err.message);
    for (size_t i = 0; i < steps; i++) {
        double lr, norm;
        if (sns_grad_step(r, loss, &err)) fail_msg("%s", err.message);
        if (i + 1 == steps) break;
        if (sns_apply_gradients(r, loss->loss, &lr, &norm, &err)) fail_msg("%s", err.message);
        r->state.step++;
    }
    *n = r->state.total;
    float *copy = malloc(*n * sizeof *copy);
    memcpy(copy, r->grads, *n * sizeof *copy);
    sns_run_close(r);
    free(r);
    return copy;
}

/* |a - b| / |b| */
static double relative(const float *a, const float *b, size_t n) {
    double difference = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        difference += pow((double)a[i] - b[i], 2);
        size += pow((double)b[i], 2);
    }
    return sqrt(difference / size);
}

static void pieces_give_the_whole_gradient(void **state) {
    (void)state;
    static const size_t micro[] = {1, 3, 8, 12, 23};
    sns_train_options o;
    const char *data;
    toy_options(&set, &data, "", &o);
    o.batch = 24;
    for (int drop = 0; drop < 2; drop++) {
        sns_step_loss whole, pieces;
        size_t n, same;
        o.patch_drop = drop * 0.5;
        o.micro_batch = 0;
        float *want = gradient(&o, "whole", 3, &whole, &n);
        for (size_t i = 0; i < sizeof micro / sizeof *micro; i++) {
            o.micro_batch = micro[i];
            float *got = gradient(&o, "pieces", 3, &pieces, &same);
            double off = relative(got, want, n);
            assert_int_equal(same, n);
            if (!(off <= 1e-5)) fail_msg("pieces of %zu: gradients differ by %g", micro[i], off);
            assert_true(fabs(pieces.loss - whole.loss) <= 1e-5 * whole.loss);
            assert_int_equal(pieces.correct, whole.correct);
            free(got);
        }
        free(want);
    }
}

/* The measure above is not blind: the same pieces with a loss over each piece alone are far off. */
static void smaller_batches_have_other_gradients(void **state) {
    (void)state;
    sns_train_options o;
    sns_step_loss loss;
    const char *data;
    size_t n;
    toy_options(&set, &data, "", &o);
    o.batch = 24;
    float *want = gradient(&o, "large", 1, &loss, &n);
    o.batch = 12;
    float *got = gradient(&o, "small", 1, &loss, &n);
    assert_true(relative(got, want, n) > 0.1);
    free(got);
    free(want);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(pieces_give_the_whole_gradient),
                                       cmocka_unit_test(smaller_batches_have_other_gradients)};
    return cmocka_run_group_tests(tests, make_set, free_set);
}
