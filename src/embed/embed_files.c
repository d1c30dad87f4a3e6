/* embed_files.c - sns_embed_files, sns_embed_stream: the pipeline with a model as its encoder. */
#include "embed/pipeline.h"
#include "base/error.h"
#include <stdlib.h>

typedef struct bound_model {
    const sns_model *model;
    sns_session *sessions[SNS_PIPELINE_THREADS]; /* by lane; made when one is used */
} bound_model;

static sns_status prepare(void *user, const sns_image *image, float *out, sns_error *err) {
    const bound_model *b = user;
    return sns_model_prepare_image(b->model, image, out, err);
}

static sns_status need_session(bound_model *b, size_t lane, sns_error *err) {
    return b->sessions[lane] ? SNS_OK : sns_session_new(b->model, &b->sessions[lane], err);
}

static sns_status encode(void *user, size_t lane, const float *in, size_t n, float *out,
                         sns_error *err) {
    bound_model *b = user;
    sns_status s = need_session(b, lane, err);
    return s ? s : sns_encode_pixels(b->sessions[lane], in, n, out, err);
}

static sns_status encode_sound(void *user, size_t lane, const sns_sound *sound, float *out,
                               sns_error *err) {
    bound_model *b = user;
    sns_status s = need_session(b, lane, err);
    return s ? s : sns_encode_sound(b->sessions[lane], sound, out, err);
}

/* The encoder of a model; *b is to be released. */
static sns_status bind(const sns_model *model, bound_model **b, sns_encoder *out, sns_error *err) {
    size_t px = sns_model_image_px(model);
    *b = calloc(1, sizeof **b);
    if (!*b) return sns_fail(err, SNS_NOMEM, "no memory");
    (*b)->model = model;
    *out = (sns_encoder){.user = *b,
                         .target_px = px,
                         .pixels = 3 * px * px,
                         .dim = sns_model_dim(model),
                         .prepare = prepare,
                         .encode = encode,
                         .sound_rate_hz = sns_model_sound_rate_hz(model),
                         .encode_sound = encode_sound};
    return SNS_OK;
}

static void release(bound_model *b) {
    for (size_t i = 0; i < SNS_PIPELINE_THREADS; i++) sns_session_free(b->sessions[i]);
    free(b);
}

sns_status sns_embed_files(const sns_model *model, const char *const *paths, size_t n,
                           const sns_embed_options *options, sns_embed_fn *callback, void *user,
                           sns_error *err) {
    if (!model || !callback) return sns_fail(err, SNS_ARG, "embed: no model or callback");
    bound_model *b;
    sns_encoder encoder;
    sns_status s = bind(model, &b, &encoder, err);
    if (s) return s;
    s = sns_pipeline_run(&encoder, paths, n, options, callback, user, err);
    release(b);
    return s;
}

sns_status sns_embed_stream(const sns_model *model, const sns_embed_source *source,
                            const sns_embed_options *options, sns_embed_fn *callback, void *user,
                            sns_error *err) {
    if (!model || !callback) return sns_fail(err, SNS_ARG, "embed: no model or callback");
    bound_model *b;
    sns_encoder encoder;
    sns_status s = bind(model, &b, &encoder, err);
    if (s) return s;
    s = sns_pipeline_stream(&encoder, source, 0, options, callback, user, err);
    release(b);
    return s;
}
