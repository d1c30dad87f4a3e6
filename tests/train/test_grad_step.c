/* test_grad_step.c - a batch in pieces has the gradient of the whole batch. */
#include "toy.h"
#include "train/grad_step.h"
#include <math.h>
#include <omp.h>

static toy set;
static size_t *peak_bytes; /* where gradient() writes the tape's memory; NULL: nowhere */

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
    if (peak_bytes) *peak_bytes = sns_arena_peak_bytes(sns_tape_arena(r->tape));
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

/* Every loss sees the whole batch through the features alone; in bfloat16 the towers round what
 * they compute, the loss does not. */
static void every_loss_goes_in_pieces(void **state) {
    (void)state;
    for (int loss = SNS_LOSS_SOFTMAX; loss <= SNS_LOSS_ORDER; loss++)
        for (int bf16 = 0; bf16 < 2; bf16++) {
            sns_train_options o;
            sns_step_loss whole, pieces;
            const char *data;
            size_t n;
            toy_options(&set, &data, "", &o);
            o.batch = 24;
            o.loss = (sns_loss)loss;
            o.bf16 = bf16;
            float *want = gradient(&o, "loss", 3, &whole, &n);
            o.micro_batch = 7;
            float *got = gradient(&o, "loss", 3, &pieces, &n);
            double off = relative(got, want, n);
            if (!(off <= (bf16 ? 1e-2 : 1e-5)))
                fail_msg("loss %d, bf16 %d: gradients differ by %g", loss, bf16, off);
            assert_true(fabs(pieces.loss - whole.loss) <= (bf16 ? 1e-3 : 1e-5) * whole.loss);
            free(got);
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

static void checkpointing_changes_no_bit(void **state) {
    (void)state;
    sns_train_options o;
    sns_step_loss loss[3];
    const char *data;
    size_t n, peak[3];
    toy_options(&set, &data, "", &o);
    o.patch_px = 4;
    o.vision.layers = 8;
    o.text.layers = 8;
    for (int micro = 0; micro < 2; micro++) {
        float *grad[3];
        o.micro_batch = micro * 4;
        for (int every = 0; every < 3; every++) {
            o.checkpoint_activations = every == 2 ? 0.5 : every;
            peak_bytes = &peak[every];
            grad[every] = gradient(&o, "checkpoint", 3, &loss[every], &n);
        }
        peak_bytes = NULL;
        for (int every = 1; every < 3; every++) {
            assert_true(loss[0].loss == loss[every].loss);
            assert_memory_equal(grad[0], grad[every], n * sizeof(float));
        }
        if (!(peak[1] < peak[2] && peak[2] < peak[0]))
            fail_msg("%zu bytes, half %zu, without %zu", peak[1], peak[2], peak[0]);
        for (int every = 0; every < 3; every++) free(grad[every]);
    }
}

/* The split of a batch, and what is computed twice, do not depend on threads. */
static void threads_change_no_bit(void **state) {
    (void)state;
    sns_train_options o;
    sns_step_loss loss[2];
    const char *data;
    float *grad[2];
    size_t n;
    toy_options(&set, &data, "", &o);
    o.image_px = 64; /* large enough to be worth a second thread */
    o.vision.width = o.text.width = 96;
    o.batch = 28;
    o.micro_batch = 9;
    o.checkpoint_activations = 1;
    for (int kind = SNS_LOSS_SOFTMAX; kind <= SNS_LOSS_ORDER; kind++) {
        o.loss = (sns_loss)kind;
        for (int i = 0; i < 2; i++) {
            omp_set_num_threads(i + 1);
            o.loader_threads = (size_t)i + 1;
            grad[i] = gradient(&o, "threads", 3, &loss[i], &n);
        }
        assert_true(loss[0].loss == loss[1].loss);
        assert_memory_equal(grad[0], grad[1], n * sizeof(float));
        free(grad[0]);
        free(grad[1]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(pieces_give_the_whole_gradient),
                                       cmocka_unit_test(every_loss_goes_in_pieces),
                                       cmocka_unit_test(checkpointing_changes_no_bit),
                                       cmocka_unit_test(threads_change_no_bit),
                                       cmocka_unit_test(smaller_batches_have_other_gradients)};
    return cmocka_run_group_tests(tests, make_set, free_set);
}
