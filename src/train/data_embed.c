/* data_embed.c - unit vectors of all samples of some sources, in bounded memory.
 *
 * Pictures are decoded and prepared by all threads, a portion at a time, and encoded BATCH at once.
 */
#include "base/error.h"
#include "base/memory.h"
#include "train/data_scan.h"
#include <stdlib.h>
#include <string.h>

enum { BATCH = 32 };

typedef struct embedding {
    const sns_model *model;
    sns_session *session;
    size_t pixels, dim, count;
    sns_pair *pairs[BATCH];
    float *in, *out; /* [BATCH, pixels], [BATCH, dim] */
    sns_data_vector_fn *fn;
    void *fn_user;
} embedding;

static sns_status prepare(void *user, const sns_image *image, void *result, sns_error *err) {
    const embedding *e = user;
    return sns_model_prepare_image(e->model, image, result, err);
}

static sns_status flush(embedding *e, sns_error *err) {
    sns_status s = SNS_OK;
    if (e->count) s = sns_encode_pixels(e->session, e->in, e->count, e->out, err);
    for (size_t i = 0; i < e->count; i++) {
        const sns_pair *p = e->pairs[i];
        if (!s) s = e->fn(e->fn_user, p->name, p->bytes, p->size, e->out + i * e->dim, err);
        sns_pair_release(e->pairs[i]);
    }
    e->count = 0;
    return s;
}

static sns_status take(void *user, sns_pair *pair, const sns_dataset *langs, const void *result,
                       sns_error *err) {
    (void)langs;
    embedding *e = user;
    if (!result) return SNS_OK;
    memcpy(e->in + e->count * e->pixels, result, e->pixels * sizeof *e->in);
    e->pairs[e->count++] = sns_pair_hold(pair);
    return e->count == BATCH ? flush(e, err) : SNS_OK;
}

sns_status sns_data_embed(const sns_model *model, const sns_data_options *o, sns_data_vector_fn *fn,
                          void *fn_user, size_t *skipped, sns_error *err) {
    size_t px = sns_model_image_px(model), left_out = 0, unreadable = 0;
    if (!px) return sns_fail(err, SNS_SHAPE, "the model has no image tower");
    embedding e = {.model = model,
                   .pixels = 3 * px * px,
                   .dim = sns_model_dim(model),
                   .fn = fn,
                   .fn_user = fn_user};
    e.in = sns_aligned_alloc(BATCH * e.pixels * sizeof *e.in);
    e.out = sns_aligned_alloc(BATCH * e.dim * sizeof *e.out);
    const sns_scan_work work = {.prepare = prepare,
                                .result_size = e.pixels * sizeof(float),
                                .target_px = px,
                                .take = take,
                                .user = &e};
    sns_status s = e.in && e.out ? sns_session_new(model, &e.session, err)
                                 : sns_fail(err, SNS_NOMEM, "no memory to encode pictures");
    if (!s) s = sns_scan_decoded(o, &work, &left_out, &unreadable, err);
    if (!s) s = flush(&e, err);
    for (size_t i = 0; i < e.count; i++) sns_pair_release(e.pairs[i]);
    if (skipped) *skipped = left_out + unreadable;
    sns_session_free(e.session);
    sns_aligned_free(e.in);
    sns_aligned_free(e.out);
    return s;
}
