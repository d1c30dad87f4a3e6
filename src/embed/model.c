/* model.c - opening a model's folder: configuration, weights, tokenizer and preprocessing together.
 */
#include "base/error.h"
#include "base/strbuf.h"
#include "embed/model_internal.h"
#include <math.h>

/* Small tensors are checked for NaN at once; the others when their tower is made ready. */
enum { CHECK_AT_LOAD = 1 << 14 };

static sns_status check_small_tensors(const sns_model *m, sns_error *err) {
    sns_status s = SNS_OK;
    for (size_t i = 0; i < m->layout.count && !s; i++) {
        size_t n = m->layout.desc[i].count;
        if (n <= CHECK_AT_LOAD) s = sns_clip_weights_check_stored(&m->weights, i, n, err);
    }
    return s;
}

static sns_status read_scalar(const sns_model *m, const char *name, float *out, sns_error *err) {
    const sns_param_desc *d = sns_layout_find(&m->layout, name);
    return sns_clip_weights_get(&m->weights, &m->layout, (size_t)(d - m->layout.desc), out, err);
}

static sns_status read_scale(sns_model *m, sns_error *err) {
    float t = 0;
    sns_status s = read_scalar(m, "logit_scale", &t, err);
    if (!s && m->config.has_bias) s = read_scalar(m, "logit_bias", &m->bias, err);
    if (s) return s;
    m->scale = expf(t);
    if (isfinite(m->scale)) return SNS_OK;
    return sns_fail(err, SNS_FORMAT, "%s: logit_scale %g is out of range", m->dir, (double)t);
}

sns_status sns_model_read_mel(const char *dir, const sns_clip_config *c, sns_log_mel_config *out,
                              sns_error *err) {
    size_t frames = 0;
    sns_status s = sns_log_mel_read(dir, out, &frames, err);
    if (!s && (frames != c->frames || out->mels != c->mels))
        s = sns_fail(err, SNS_SHAPE,
                     "%s: sound becomes %zu frames of %zu bands, the model takes %zu of %zu", dir,
                     frames, out->mels, c->frames, c->mels);
    return s;
}

static sns_status read_mel(sns_model *m, sns_error *err) {
    sns_log_mel_config mel;
    sns_status s = sns_model_read_mel(m->dir, &m->config, &mel, err);
    return s ? s : sns_log_mel_new(&mel, &m->mel, err);
}

static sns_status read_companions(sns_model *m, sns_error *err) {
    sns_status s = sns_clip_hears(&m->config)
                       ? read_mel(m, err)
                       : sns_preprocess_read(m->dir, m->config.image_px, &m->prep, err);
    if (s) return s;
    s = sns_tokenizer_load(m->dir, &m->tokenizer, err);
    if (s == SNS_MISSING) return SNS_OK; /* said when a text comes */
    if (!s && sns_tokenizer_vocab_size(m->tokenizer) > m->config.vocab)
        s = sns_fail(err, SNS_MISMATCH, "%s: the tokenizer has %zu tokens, the model's table %zu",
                     m->dir, sns_tokenizer_vocab_size(m->tokenizer), m->config.vocab);
    return s;
}

static sns_status open_parts(sns_model *m, sns_error *err) {
    sns_status s = sns_clip_config_read(m->dir, &m->config, err);
    if (!s) s = sns_clip_layout(&m->config, &m->layout, err);
    if (!s) s = sns_clip_new(&m->config, &m->clip, err);
    if (!s) s = sns_clip_weights_open(m->dir, &m->layout, &m->weights, err);
    if (!s) s = check_small_tensors(m, err);
    if (!s) s = read_scale(m, err);
    if (!s) s = read_companions(m, err);
    if (!s) s = sns_model_take_fingerprint(m, err);
    if (s) return s;
    m->packed = calloc(m->layout.count, sizeof *m->packed);
    m->converted = sns_arena_new();
    if (!m->packed || !m->converted)
        s = sns_fail(err, SNS_NOMEM, "%s: no memory for the model", m->dir);
    return s;
}

sns_status sns_model_load(const char *dir, sns_model **out, sns_error *err) {
    *out = NULL;
    sns_model *m = calloc(1, sizeof *m);
    if (!m) return sns_fail(err, SNS_NOMEM, "%s: no memory for the model", dir);
    pthread_mutex_init(&m->lock, NULL);
    m->dir = sns_strdup(dir);
    sns_status s = m->dir ? open_parts(m, err)
                          : sns_fail(err, SNS_NOMEM, "%s: no memory for the model", dir);
    if (s)
        sns_model_free(m);
    else
        *out = m;
    return s;
}

void sns_model_free(sns_model *m) {
    if (!m) return;
    for (size_t i = 0; m->packed && i < m->layout.count; i++) sns_packed_free(m->packed[i]);
    free(m->packed);
    sns_arena_free(m->converted);
    for (int tower = 0; tower < SNS_TOWER_COUNT; tower++) {
        sns_packed_memory_free(&m->numbers[tower]);
        sns_map_close(&m->kept[tower]);
    }
    sns_tokenizer_free(m->tokenizer);
    sns_log_mel_free(m->mel);
    sns_clip_weights_close(&m->weights);
    sns_clip_free(m->clip);
    sns_layout_free(&m->layout);
    pthread_mutex_destroy(&m->lock);
    free(m->dir);
    free(m);
}

size_t sns_model_dim(const sns_model *m) {
    return m->config.embed;
}

float sns_model_scale(const sns_model *m) {
    return m->scale;
}

void sns_model_probabilities(const sns_model *m, const float *cosine, size_t n, float *out) {
    if (!n) return;
    if (m->config.has_bias) {
        for (size_t i = 0; i < n; i++) out[i] = 1 / (1 + expf(-(m->scale * cosine[i] + m->bias)));
        return;
    }
    for (size_t i = 0; i < n; i++) out[i] = m->scale * cosine[i];
    sns_kernels_get()->softmax_row(out, n);
}

const char *sns_model_fingerprint(const sns_model *m) {
    return m->fingerprint;
}

size_t sns_model_image_px(const sns_model *m) {
    return m->config.image_px;
}

size_t sns_model_sound_rate_hz(const sns_model *m) {
    return m->mel ? sns_log_mel_config_of(m->mel)->rate_hz : 0;
}

sns_status sns_model_prepare_image(const sns_model *m, const sns_image *image, float *out,
                                   sns_error *err) {
    if (m->mel) return sns_fail(err, SNS_SHAPE, "%s: the model hears, it sees nothing", m->dir);
    return sns_preprocess_run(&m->prep, sns_kernels_get(), image->rgb, image->width_px,
                              image->height_px, out, err);
}
