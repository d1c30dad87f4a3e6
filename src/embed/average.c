/* average.c - a fine-tuned model averaged with the one it came from.
 *
 * Wortsman et al. 2022, "Robust fine-tuning of zero-shot models" (WiSE-FT):
 *     w = (1 - alpha) w_original + alpha w_fine-tuned         for every tensor
 * Fine-tuning stays in the original's basin, so that the weights between both are good models too:
 * they keep most of what the one learned and the breadth that the other had. */
#include "base/error.h"
#include "embed/model_internal.h"

typedef struct side {
    const char *dir;
    sns_clip_config config;
    sns_layout layout;
    sns_clip_weights weights;
} side;

static sns_status open_side(side *m, const char *dir, sns_error *err) {
    m->dir = dir;
    sns_status s = sns_clip_config_read(dir, &m->config, err);
    if (!s) s = sns_clip_layout(&m->config, &m->layout, err);
    return s ? s : sns_clip_weights_open(dir, &m->layout, &m->weights, err);
}

static void close_side(side *m) {
    sns_clip_weights_close(&m->weights);
    sns_layout_free(&m->layout);
}

static sns_status check_equal(const side *a, const side *b, sns_error *err) {
    size_t n = a->layout.count < b->layout.count ? a->layout.count : b->layout.count;
    for (size_t i = 0; i < n; i++) {
        const sns_param_desc *x = &a->layout.desc[i], *y = &b->layout.desc[i];
        if (strcmp(x->name, y->name) || x->count != y->count)
            return sns_fail(err, SNS_MISMATCH,
                            "%s and %s are models of different shape: %s (%zu values), %s (%zu)",
                            a->dir, b->dir, x->name, x->count, y->name, y->count);
    }
    const sns_clip_config *c = &a->config, *d = &b->config;
    if (a->layout.count != b->layout.count || c->image_px != d->image_px ||
        c->frames != d->frames || c->mels != d->mels || c->patch_px != d->patch_px ||
        c->vision_kind != d->vision_kind || c->vision.heads != d->vision.heads ||
        c->text.heads != d->text.heads || c->vision.act != d->vision.act ||
        c->text.act != d->text.act || c->absolute != d->absolute)
        return sns_fail(err, SNS_MISMATCH, "%s and %s are models of different shape", a->dir,
                        b->dir);
    return SNS_OK;
}

/* Entry i of b scaled into out, plus entry i of a. */
static sns_status mix(const side *a, const side *b, size_t i, float alpha, float *other, float *out,
                      sns_error *err) {
    const sns_kernels *k = sns_kernels_get();
    size_t n = a->layout.desc[i].count;
    sns_status s = sns_clip_weights_get(&a->weights, &a->layout, i, other, err);
    if (!s) s = sns_clip_weights_check(&a->weights, i, 0, other, n, err);
    if (!s) s = sns_clip_weights_get(&b->weights, &b->layout, i, out, err);
    if (!s) s = sns_clip_weights_check(&b->weights, i, 0, out, n, err);
    if (s) return s;
    k->scale(out, alpha, n);
    k->axpy(out, 1 - alpha, other, n);
    return SNS_OK;
}

static sns_status average(const side *a, const side *b, float alpha, const char *dir,
                          const char *dtype, sns_error *err) {
    const sns_layout *l = &a->layout;
    size_t largest = 0;
    for (size_t i = 0; i < l->count; i++)
        largest = l->desc[i].count > largest ? l->desc[i].count : largest;
    float *data = sns_aligned_alloc(l->total * sizeof *data);
    float *other = sns_aligned_alloc(largest * sizeof *other);
    sns_status s = data && other
                       ? SNS_OK
                       : sns_fail(err, SNS_NOMEM, "no memory for %zu parameters", l->total);
    for (size_t i = 0; i < l->count && !s; i++)
        s = mix(a, b, i, alpha, other, data + l->desc[i].offset, err);
    if (!dtype) dtype = sns_dtype_name(b->weights.at[0].tensor->dtype);
    if (!s) s = sns_clip_save(dir, &b->config, l, data, dtype, err);
    sns_aligned_free(data);
    sns_aligned_free(other);
    return s;
}

sns_status sns_model_average(const char *original, const char *tuned, double alpha, const char *dir,
                             const char *dtype, sns_error *err) {
    side a = {0}, b = {0};
    if (!(alpha >= 0 && alpha <= 1))
        return sns_fail(err, SNS_ARG, "alpha %g: must be in [0, 1]", alpha);
    sns_status s = open_side(&a, original, err);
    if (!s) s = open_side(&b, tuned, err);
    if (!s) s = check_equal(&a, &b, err);
    if (!s) s = sns_clip_weights_refuse_int8(&a.weights, &a.layout, original, err);
    if (!s) s = sns_clip_weights_refuse_int8(&b.weights, &b.layout, tuned, err);
    if (!s) s = sns_model_copy_companions(tuned, &b.config, dir, err);
    if (!s) s = average(&a, &b, (float)alpha, dir, dtype, err);
    close_side(&a);
    close_side(&b);
    return s;
}
