/* golden_loss.h - tests/goldens/losses.safetensors, made by make_losses.py with PyTorch. */
#ifndef SNS_TESTS_GOLDEN_LOSS_H
#define SNS_TESTS_GOLDEN_LOSS_H
#include "gradcheck.h"
#include "tensor/safetensors.h"
#include "tool.h"

static inline sns_safetensors *golden_open(void) {
    sns_safetensors *f;
    sns_error err;
    if (sns_safetensors_open(tool_source("goldens/losses.safetensors"), &f, &err))
        fail_msg("%s", err.message);
    return f;
}

/* name.key as a tensor on the tape; `grad`: one that collects a gradient. */
static inline sns_tensor *golden_tensor(sns_tape *t, const sns_safetensors *f, const char *name,
                                        const char *key, bool grad) {
    char full[64];
    snprintf(full, sizeof full, "%s.%s", name, key);
    const sns_stored *s = sns_safetensors_find(f, full);
    if (!s) fail_msg("no %s", full);
    float *data = sns_tape_alloc(t, s->count * sizeof *data), *d = NULL;
    if (grad) d = memset(sns_tape_alloc(t, s->count * sizeof *d), 0, s->count * sizeof *d);
    assert_int_equal(sns_stored_to_f32(s, sns_kernels_get(), 0, s->count, data, NULL), SNS_OK);
    return sns_tape_wrap(t, data, d, s->dims, s->dim);
}

/* Largest difference from name.key at most `tolerance` of its largest value. */
static inline void golden_equal(sns_tape *t, const sns_safetensors *f, const char *name,
                                const char *key, const float *got, double tolerance) {
    sns_tensor *want = golden_tensor(t, f, name, key, false);
    double largest = 0, worst = 0;
    for (size_t i = 0; i < want->rows * want->cols; i++) {
        largest = fmax(largest, fabs((double)want->data[i]));
        worst = fmax(worst, fabs((double)want->data[i] - got[i]));
    }
    if (!(worst <= tolerance * largest))
        fail_msg("%s.%s: off by %g of %g", name, key, worst, largest);
}
#endif
