/* encode.c - pictures and texts to unit vectors.
 *
 * Radford et al. 2021, figure 3: features = tower(input) projected, divided by their L2 norm.
 *
 * Inputs are cut into parts whose activations stay in a core's cache from layer to layer. Where
 * there are enough of them each thread takes a part through the whole tower; the rest go one after
 * the other with all threads inside each product. How inputs are cut does not depend on the number
 * of threads, and so neither do the vectors. */
#include "base/error.h"
#include "embed/model_internal.h"
#include <math.h>
#include <omp.h>

/* Rows are tokens or patches of all sequences of a part together. */
enum { PART_ROWS = 400, PART_IMAGES = 32, PART_TEXTS = 512 };
enum { BATCH_IMAGES = 64 }; /* prepared at once */
/* Texts cut into parts at once; one of them may have as many rows as all. */
enum { WAVE_ROWS = 64 * PART_ROWS, WAVE_TEXTS = 8 * PART_TEXTS };
enum { PART_STEM_FLOATS = 1 << 18 };

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
    for (size_t i = 0; i < s->lane_count; i++) sns_tape_free(s->lanes[i]);
    free((void *)s->lanes);
    sns_tape_free(s->tape);
    free(s);
}

/* ---- parts ---- */

/* Into how many parts: n things, of which one takes `most`; an even number or a multiple of four,
 * so that two or four threads end together. */
static size_t count_parts(size_t n, size_t most) {
    size_t parts = (n + most - 1) / most;
    return parts > 2 ? (parts + 3) / 4 * 4 : parts;
}

/* Encode part i on a tape. */
typedef sns_status part_fn(const sns_session *s, sns_tape *tape, void *job, size_t i,
                           sns_error *err);

/* A tape for each of n threads. */
static bool need_lanes(sns_session *s, size_t n) {
    if (n <= s->lane_count) return true;
    sns_tape **lanes = realloc((void *)s->lanes, n * sizeof *lanes);
    if (!lanes) return false;
    s->lanes = lanes;
    while (s->lane_count < n) {
        if (!(lanes[s->lane_count] = sns_tape_new(sns_kernels_get(), false))) return false;
        s->lane_count++;
    }
    return true;
}

/* The first failure (by index) is reported. */
static sns_status run_together(sns_session *s, size_t n, part_fn *run, void *job, sns_error *err) {
    sns_status status = SNS_OK;
    size_t failed = n;
#pragma omp parallel for schedule(dynamic, 1)
    for (size_t i = 0; i < n; i++) {
        sns_error e = {0};
        sns_status found = run(s, s->lanes[omp_get_thread_num()], job, i, &e);
        if (!found) continue;
#pragma omp critical(sns_run_together)
        if (i < failed) {
            failed = i;
            status = found;
            if (err) *err = e;
        }
    }
    return status;
}

static sns_status run_parts(sns_session *s, size_t n, part_fn *run, void *job, sns_error *err) {
    size_t threads = (size_t)omp_get_max_threads();
    size_t together = threads > 1 ? n / threads * threads : 0;
    if (together && !need_lanes(s, threads))
        return sns_fail(err, SNS_NOMEM, "%s: no memory for %zu threads", s->model->dir, threads);
    sns_status status = together ? run_together(s, together, run, job, err) : SNS_OK;
    for (size_t i = together; i < n && !status; i++) status = run(s, s->tape, job, i, err);
    return status;
}

/* out [n, E] <- features divided by their norms. A norm that is 0 or not finite has no direction.
 */
static sns_status take_features(const sns_session *s, const sns_tape *tape,
                                const sns_tensor *features, size_t n, float *out, sns_error *err) {
    sns_status status = sns_tape_status(tape, err);
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

/* ---- pictures ---- */

static size_t images_in_part(const sns_model *m) {
    const sns_clip_config *c = &m->config;
    sns_input in = sns_clip_input(c);
    size_t fit = PART_ROWS / (1 + sns_clip_patches(c));
    if (c->vision_kind == SNS_VISION_RESNET || c->vision_kind == SNS_VISION_SOUND_CNN)
        fit = PART_STEM_FLOATS / (in.rows * in.cols / 4 * c->vision.width); /* after the stem */
    return fit < 1 ? 1 : fit > PART_IMAGES ? PART_IMAGES : fit;
}

typedef struct picture_job {
    const float *pixels;
    float *out;
    size_t n, parts;
} picture_job;

static sns_status encode_picture_part(const sns_session *s, sns_tape *tape, void *job, size_t i,
                                      sns_error *err) {
    const picture_job *j = job;
    const sns_clip_config *c = &s->model->config;
    sns_input d = sns_clip_input(c);
    size_t first = i * j->n / j->parts, n = (i + 1) * j->n / j->parts - first;
    const float *pixels = j->pixels + first * sns_clip_input_floats(c);
    sns_tape_reset(tape);
    sns_tensor *in = sns_tape_wrap(tape, (float *)(uintptr_t)pixels, NULL, 4,
                                   (const size_t[]){n, d.channels, d.rows, d.cols});
    return take_features(s, tape, sns_clip_image_features(tape, s->model->clip, in), n,
                         j->out + first * c->embed, err);
}

sns_status sns_encode_pixels(sns_session *s, const float *pixels, size_t n, float *out,
                             sns_error *err) {
    if (!n) return sns_fail(err, SNS_ARG, "no pictures to encode");
    sns_status status = sns_model_ready(s->model, SNS_TOWER_IMAGE, err);
    if (status) return status;
    picture_job j = {pixels, out, n, count_parts(n, images_in_part(s->model))};
    if (j.parts > n) j.parts = n;
    return run_parts(s, j.parts, encode_picture_part, &j, err);
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
    size_t step = BATCH_IMAGES, size = sns_clip_input_floats(&m->config);
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

/* ---- texts ---- */

sns_status sns_encode_tokens(sns_session *s, const uint32_t *ids, const size_t *starts, size_t n,
                             float *out, sns_error *err) {
    sns_status status = sns_model_ready(s->model, SNS_TOWER_TEXT, err);
    if (status) return status;
    sns_tape_reset(s->tape);
    return take_features(
        s, s->tape, sns_clip_text_features(s->tape, s->model->clip, ids, starts, n), n, out, err);
}

/* Texts that were tokenized and wait: text i has the ids from starts[i] up to starts[i + 1]. */
typedef struct text_wave {
    uint32_t ids[WAVE_ROWS];
    size_t starts[WAVE_TEXTS + 1], n;
    size_t first[WAVE_TEXTS + 1]; /* text of part i */
    size_t parts;
    float *out; /* of the first text */
} text_wave;

static sns_status encode_text_part(const sns_session *s, sns_tape *tape, void *job, size_t i,
                                   sns_error *err) {
    const text_wave *w = job;
    size_t first = w->first[i], n = w->first[i + 1] - first, starts[PART_TEXTS + 1];
    for (size_t j = 0; j <= n; j++) starts[j] = w->starts[first + j] - w->starts[first];
    sns_tape_reset(tape);
    const sns_tensor *features = sns_clip_text_features(tape, s->model->clip,
                                                        w->ids + w->starts[first], starts, n);
    return take_features(s, tape, features, n, w->out + first * s->model->config.embed, err);
}

/* Cut the wave into parts of at most `most` texts and nearly as many rows. */
static void cut_wave(text_wave *w, size_t most) {
    size_t rows = w->starts[w->n], parts = count_parts(rows, PART_ROWS);
    w->parts = 0;
    for (size_t i = 0, n; i < w->n; i += n) {
        size_t left = parts > w->parts ? parts - w->parts : 1;
        size_t share = (rows - w->starts[i] + left - 1) / left;
        for (n = 1; i + n < w->n && n < most; n++)
            if (w->starts[i + n + 1] - w->starts[i] > share) break;
        w->first[w->parts++] = i;
    }
    w->first[w->parts] = w->n;
}

static sns_status encode_wave(sns_session *s, text_wave *w, sns_error *err) {
    size_t most = PART_TEXTS, context = s->model->config.context;
    if (s->model->config.text_kind == SNS_TEXT_SIGLIP) /* every text is padded to the context */
        most = context < PART_ROWS ? PART_ROWS / context : 1;
    cut_wave(w, most);
    sns_status status = run_parts(s, w->parts, encode_text_part, w, err);
    w->out += w->n * s->model->config.embed;
    w->n = 0;
    return status;
}

static sns_status encode_texts(sns_session *s, text_wave *w, const char *const *texts, size_t n,
                               sns_error *err) {
    const sns_model *m = s->model;
    size_t rows = m->config.context < WAVE_ROWS ? m->config.context : WAVE_ROWS;
    sns_status status = SNS_OK;
    for (size_t i = 0; i < n && !status; i++) {
        size_t begin = w->n ? w->starts[w->n] : 0, count;
        if (w->n == WAVE_TEXTS || WAVE_ROWS - begin < rows) {
            if ((status = encode_wave(s, w, err))) break;
            begin = 0;
        }
        status = sns_tokenizer_encode(m->tokenizer, texts[i], strlen(texts[i]), rows,
                                      w->ids + begin, &count, err);
        w->starts[w->n] = begin;
        w->starts[++w->n] = begin + count;
    }
    return status ? status : encode_wave(s, w, err);
}

sns_status sns_encode_texts(sns_session *s, const char *const *texts, size_t n, float *out,
                            sns_error *err) {
    if (!n) return sns_fail(err, SNS_ARG, "no texts to encode");
    if (!s->model->tokenizer)
        return sns_fail(err, SNS_MISSING, "%s: no tokenizer.json nor vocab.json: it reads no text",
                        s->model->dir);
    sns_status status = sns_model_ready(s->model, SNS_TOWER_TEXT, err);
    if (status) return status;
    text_wave *w = malloc(sizeof *w);
    if (!w) return sns_fail(err, SNS_NOMEM, "no memory for texts");
    w->n = 0;
    w->out = out;
    status = encode_texts(s, w, texts, n, err);
    free(w);
    return status;
}
