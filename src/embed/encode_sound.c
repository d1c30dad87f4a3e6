/* encode_sound.c - a sound of any length to one unit vector.
 *
 * With W = samples of a window, n samples in all:
 *   n <= W: one window, silence after the sound
 *   else windows from 0, W/2, W, ... and the last from n - W
 *   v_i = tower(log-mel of window i) / its norm      v = mean of v_i / its norm
 * Every window is a sound of its own for the front end, as in training. Batches hold windows of one
 * sound only, so that no neighbour can change a bit of its vector. */
#include "base/error.h"
#include "embed/model_internal.h"
#include <math.h>

enum { WINDOWS_AT_ONCE = 16 };

typedef struct windows {
    const sns_sound *sound;
    size_t size, step, count; /* samples of a window, samples between two, windows */
} windows;

static windows windows_of(const sns_model *m, const sns_sound *sound) {
    windows w = {.sound = sound, .count = 1};
    w.size = sns_log_mel_samples(sns_log_mel_config_of(m->mel), m->config.frames);
    w.step = w.size / 2 ? w.size / 2 : 1;
    if (sound->count > w.size) w.count += (sound->count - w.size + w.step - 1) / w.step;
    return w;
}

/* Spectrograms of windows first ... first + n - 1. padded: room for one window. */
static sns_status prepare(const sns_model *m, const windows *w, size_t first, size_t n,
                          float *padded, float *out, sns_error *err) {
    sns_status s = SNS_OK;
    size_t floats = sns_clip_input_floats(&m->config), total = w->sound->count;
    for (size_t i = 0; i < n && !s; i++, out += floats) {
        const float *from = w->sound->samples;
        size_t at = (first + i) * w->step;
        if (total < w->size) {
            memcpy(padded, from, total * sizeof *padded);
            memset(padded + total, 0, (w->size - total) * sizeof *padded);
            from = padded;
        } else {
            from += at < total - w->size ? at : total - w->size;
        }
        s = sns_log_mel_run(m->mel, from, w->size, out, err);
    }
    return s;
}

/* out <- the mean of unit vectors, of which sum is the sum. */
static sns_status take_mean(const sns_model *m, const double *sum, float *out, sns_error *err) {
    size_t E = m->config.embed;
    double norm = 0;
    for (size_t c = 0; c < E; c++) norm += sum[c] * sum[c];
    norm = sqrt(norm);
    if (!(norm > 1e-12))
        return sns_fail(err, SNS_FORMAT, "%s: the windows of a sound cancel out", m->dir);
    for (size_t c = 0; c < E; c++) out[c] = (float)(sum[c] / norm);
    return SNS_OK;
}

static sns_status encode_windows(sns_session *s, const windows *w, size_t at_once, float *padded,
                                 float *inputs, float *vectors, double *sum, sns_error *err) {
    size_t E = s->model->config.embed;
    sns_status status = SNS_OK;
    for (size_t i = 0; i < w->count && !status; i += at_once) {
        size_t n = w->count - i < at_once ? w->count - i : at_once;
        status = prepare(s->model, w, i, n, padded, inputs, err);
        if (!status) status = sns_encode_pixels(s, inputs, n, vectors, err);
        for (size_t k = 0; k < n * E && !status; k++) sum[k % E] += (double)vectors[k];
    }
    return status;
}

sns_status sns_encode_sound(sns_session *s, const sns_sound *sound, float *out, sns_error *err) {
    const sns_model *m = s->model;
    if (!m->mel) return sns_fail(err, SNS_SHAPE, "%s: the model has no audio tower", m->dir);
    if (!sound->count) return sns_fail(err, SNS_ARG, "an empty sound can't be encoded");
    if (sound->rate_hz != sns_model_sound_rate_hz(m))
        return sns_fail(err, SNS_ARG, "sound at %zu Hz, the model hears %zu Hz", sound->rate_hz,
                        sns_model_sound_rate_hz(m));
    windows w = windows_of(m, sound);
    size_t E = m->config.embed, at_once = w.count < WINDOWS_AT_ONCE ? w.count : WINDOWS_AT_ONCE;
    float *padded = malloc(w.size * sizeof *padded);
    float *inputs = sns_aligned_alloc(at_once * sns_clip_input_floats(&m->config) * sizeof *inputs);
    float *vectors = malloc(at_once * E * sizeof *vectors);
    double *sum = calloc(E, sizeof *sum);
    sns_status status = padded && inputs && vectors && sum
                            ? SNS_OK
                            : sns_fail(err, SNS_NOMEM, "no memory for the windows of a sound");
    if (!status) status = encode_windows(s, &w, at_once, padded, inputs, vectors, sum, err);
    if (!status) status = take_mean(m, sum, out, err);
    free(padded);
    sns_aligned_free(inputs);
    free(vectors);
    free(sum);
    return status;
}
