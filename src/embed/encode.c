/* encode.c - pictures and texts to unit vectors, in batches whose memory is bounded.
 *
 * Radford et al. 2021, figure 3: features = tower(input) projected, divided by their L2 norm. */
#include "base/error.h"
#include "embed/model_internal.h"
#include <math.h>

/* Rows are tokens or patches of all sequences of a batch together. */
enum { BATCH_IMAGES = 32, BATCH_IMAGE_ROWS = 4096, BATCH_TEXT_ROWS = 2048, BATCH_TEXTS = 512 };
enum { BATCH_STEM_FLOATS = 1 << 24 };

sns_status sns_session_new(const sns_model *m, sns_session **out, sns_error *err) {
    *out = NULL;
    sns_session *s = calloc(1, sizeof *s);
    if (s) s->tape = sns_tape_new(sns_kernels_get(), false);
    if (!s || !s->tape) {
        free(s);
        return sns_fail(err, SNS_NOMEM, "%s: no memory for a session", m->dir);
    }
    s->model = (sns_model *)(uintptr_t)m; /* its towers are made ready under its lock */
    *out = s;
    return SNS_OK;
}

void sns_session_free(sns_session *s) {
    if (!s) return;
    sns_tape_free(s->tape);
    free(s);
}

/* out [n, E] <- features divided by their norms. A norm that is 0 or not finite has no direction.
 */
static sns_status take_features(const sns_session *s, const sns_tensor *features, size_t n,
                                float *out, sns_error *err) {
    sns_status status = sns_tape_status(s->tape, err);
    if (status) return status;
    size_t E = s->model->config.embed;
    for (size_t i = 0; i < n; i++) {
        const float *x = features->data + i * E;
        double norm = sqrt(sns_kernels_get()->sum_squares(x, E));
        if (!isfinite(norm) || norm == 0)
            return sns_fail(err, SNS_FORMAT, "%s: the model gives %s for an input", s->model->dir,
                            norm == 0 ? "zero" : "NaN");
        for (size_t c = 0; c < E; c++) out[i * E + c] = (float)(x[c] / norm);
    }
    return SNS_OK;
}

size_t sns_inputs_at_once(const sns_model *m) {
    const sns_clip_config *c = &m->config;
    sns_input in = sns_clip_input(c);
    size_t fit = BATCH_IMAGE_ROWS / (1 + sns_clip_patches(c));
    if (c->vision_kind == SNS_VISION_RESNET || c->vision_kind == SNS_VISION_SOUND_CNN)
        fit = BATCH_STEM_FLOATS / (in.rows * in.cols / 4 * c->vision.width); /* after the stem */
    return fit < 1 ? 1 : fit > BATCH_IMAGES ? BATCH_IMAGES : fit;
}

static sns_status encode_pixel_batch(sns_session *s, const float *pixels, size_t n, float *out,
                                     sns_error *err) {
    sns_input d = sns_clip_input(&s->model->config);
    sns_tape_reset(s->tape);
    sns_tensor *in = sns_tape_wrap(s->tape, (float *)(uintptr_t)pixels, NULL, 4,
                                   (const size_t[]){n, d.channels, d.rows, d.cols});
    return take_features(s, sns_clip_image_features(s->tape, s->model->clip, in), n, out, err);
}

sns_status sns_encode_pixels(sns_session *s, const float *pixels, size_t n, float *out,
                             sns_error *err) {
    if (!n) return sns_fail(err, SNS_ARG, "no pictures to encode");
    sns_status status = sns_model_ready(s->model, SNS_TOWER_IMAGE, err);
    size_t size = sns_clip_input_floats(&s->model->config), E = s->model->config.embed;
    size_t step = sns_inputs_at_once(s->model);
    for (size_t i = 0; i < n && !status; i += step)
        status = encode_pixel_batch(s, pixels + i * size, n - i < step ? n - i : step, out + i * E,
                                    err);
    return status;
}

/* Prepare n pictures in parallel; the first failure (by index) is reported. */
static sns_status prepare_batch(const sns_model *m, const sns_image *images, size_t n,
                                float *pixels, sns_error *err) {
    size_t size = sns_clip_input_floats(&m->config), failed = n;
    sns_status status = SNS_OK;
#pragma omp parallel for schedule(dynamic, 1)
    for (size_t i = 0; i < n; i++) {
        sns_error e = {0};
        sns_status s = sns_model_prepare_image(m, &images[i], pixels + i * size, &e);
        if (!s) continue;
#pragma omp critical(sns_prepare_batch)
        if (i < failed) {
            failed = i;
            status = s;
            if (err) *err = e;
        }
    }
    return status;
}

sns_status sns_encode_images(sns_session *s, const sns_image *images, size_t n, float *out,
                             sns_error *err) {
    if (!n) return sns_fail(err, SNS_ARG, "no pictures to encode");
    const sns_model *m = s->model;
    size_t step = sns_inputs_at_once(m), size = sns_clip_input_floats(&m->config);
    if (step > n) step = n;
    float *pixels = sns_aligned_alloc(step * size * sizeof *pixels);
    if (!pixels) return sns_fail(err, SNS_NOMEM, "no memory for %zu pictures", step);
    sns_status status = SNS_OK;
    for (size_t i = 0; i < n && !status; i += step) {
        size_t part = n - i < step ? n - i : step;
        status = prepare_batch(m, images + i, part, pixels, err);
        if (!status) status = sns_encode_pixels(s, pixels, part, out + i * m->config.embed, err);
    }
    sns_aligned_free(pixels);
    return status;
}

sns_status sns_encode_tokens(sns_session *s, const uint32_t *ids, const size_t *starts, size_t n,
                             float *out, sns_error *err) {
    sns_status status = sns_model_ready(s->model, SNS_TOWER_TEXT, err);
    if (status) return status;
    sns_tape_reset(s->tape);
    return take_features(s, sns_clip_text_features(s->tape, s->model->clip, ids, starts, n), n, out,
                         err);
}

/* Texts waiting to be encoded together. */
typedef struct text_batch {
    uint32_t ids[BATCH_TEXT_ROWS];
    size_t starts[BATCH_TEXTS + 1], n;
} text_batch;

static sns_status flush_texts(sns_session *s, text_batch *b, float **out, sns_error *err) {
    if (!b->n) return SNS_OK;
    sns_status status = sns_encode_tokens(s, b->ids, b->starts, b->n, *out, err);
    *out += b->n * s->model->config.embed;
    b->n = 0;
    return status;
}

static sns_status encode_texts(sns_session *s, text_batch *b, const char *const *texts, size_t n,
                               float *out, sns_error *err) {
    const sns_model *m = s->model;
    size_t room = m->config.context < BATCH_TEXT_ROWS ? m->config.context : BATCH_TEXT_ROWS;
    size_t most = BATCH_TEXTS;
    if (m->config.text_kind == SNS_TEXT_SIGLIP) /* every text is padded to the context */
        most = m->config.context < BATCH_TEXT_ROWS ? BATCH_TEXT_ROWS / m->config.context : 1;
    sns_status status = SNS_OK;
    for (size_t i = 0; i < n && !status; i++) {
        if (b->n == most || BATCH_TEXT_ROWS - b->starts[b->n] < room) {
            status = flush_texts(s, b, &out, err);
            if (status) return status;
        }
        size_t begin = b->starts[b->n], count = 0; /* starts[0] stays 0 */
        status = sns_tokenizer_encode(m->tokenizer, texts[i], strlen(texts[i]), room,
                                      b->ids + begin, &count, err);
        b->starts[++b->n] = begin + count;
    }
    return status ? status : flush_texts(s, b, &out, err);
}

sns_status sns_encode_texts(sns_session *s, const char *const *texts, size_t n, float *out,
                            sns_error *err) {
    if (!n) return sns_fail(err, SNS_ARG, "no texts to encode");
    if (!s->model->tokenizer)
        return sns_fail(err, SNS_MISSING, "%s: no tokenizer.json nor vocab.json: it reads no text",
                        s->model->dir);
    text_batch *b = calloc(1, sizeof *b);
    if (!b) return sns_fail(err, SNS_NOMEM, "no memory for texts");
    sns_status status = encode_texts(s, b, texts, n, out, err);
    free(b);
    return status;
}
