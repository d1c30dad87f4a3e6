/* log_mel.c - log-mel spectrograms of two conventions, by three matrix products a block of frames.
 *
 * With N = window, bins k = 0 ... n_fft / 2, frames x_f [N] every `hop` samples:
 *     X_f[k] = sum_n w[n] x_f[n] exp(-2 pi i k n / n_fft)        the window w is in the matrix
 *     mel_f  = W (|X_f|^2)                                       W [M, bins]
 * The transform is a product with a matrix of cosines and sines: any n_fft, one order of sums, and
 * at these sizes (400 x 402) as fast as what surrounds it.
 *
 * WHISPER (Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision"):
 *   frames are centred on 0, hop, 2 hop, ... of the sound mirrored at its ends, F = n / hop; w is a
 *   periodic Hann window; W are triangles of area 1 on Slaney's scale (linear to 1 kHz, logarithmic
 *   above), 0 to rate / 2; then l = log10 max(mel, 1e-10), l = max(l, max l - 8), (l + 4) / 4.
 * KALDI (Povey et al. 2011; Gong et al. 2021, "AST: Audio Spectrogram Transformer"):
 *   frames lie inside the sound, F = 1 + (n - N) / hop; of each its mean is taken off, then
 *   x[n] - 0.97 x[n-1]; w is a symmetric Hann window; W are triangles of height 1 on
 *   mel = 1127 ln(1 + f / 700), 20 Hz to rate / 2; then log max(mel, 2^-23), (l - mean) / (2 std).
 */
#include "prep/log_mel.h"
#include "base/error.h"
#include "base/memory.h"
#include "kernel/gemm.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The transform's matrix has MAX_FFT^2 floats at most: 64 MiB. */
enum { MAX_RATE = 192000, MAX_FFT = 1 << 12, MAX_MELS = 512, BLOCK = 128 };
static const double KALDI_LOW_HZ = 20, PREEMPHASIS = 0.97;
static const float KALDI_FLOOR = 1.1920929e-07f, WHISPER_FLOOR = 1e-10f;

struct sns_log_mel {
    sns_log_mel_config c;
    size_t bins;
    float *basis;   /* [window, 2 bins]: cosines, then sines, times the window */
    float *filters; /* [M, bins] */
};

void sns_log_mel_whisper(sns_log_mel_config *c) {
    *c = (sns_log_mel_config){.kind = SNS_LOG_MEL_WHISPER,
                              .rate_hz = 16000,
                              .window = 400,
                              .hop = 160,
                              .n_fft = 400,
                              .mels = 80,
                              .std = 0.5f};
}

void sns_log_mel_ast(sns_log_mel_config *c) {
    *c = (sns_log_mel_config){.kind = SNS_LOG_MEL_KALDI,
                              .rate_hz = 16000,
                              .window = 400,
                              .hop = 160,
                              .n_fft = 512,
                              .mels = 128,
                              .mean = -4.2677393f,
                              .std = 4.5689974f};
}

sns_status sns_log_mel_check(const sns_log_mel_config *c, sns_error *err) {
    if (c->rate_hz < 1000 || c->rate_hz > MAX_RATE)
        return sns_fail(err, SNS_LIMIT, "a spectrogram at %zu Hz: 1000 to %d", c->rate_hz,
                        MAX_RATE);
    if (c->n_fft < 16 || c->n_fft > MAX_FFT || c->window < 2 || c->window > c->n_fft || !c->hop ||
        c->hop > c->window || c->mels < 2 || c->mels > MAX_MELS)
        return sns_fail(err, SNS_LIMIT,
                        "a spectrogram of %zu bands, windows of %zu samples every %zu, transforms "
                        "of %zu is out of range",
                        c->mels, c->window, c->hop, c->n_fft);
    if (c->kind == SNS_LOG_MEL_WHISPER && c->window != c->n_fft)
        return sns_fail(err, SNS_SHAPE, "Whisper's windows are its transforms' size: %zu, %zu",
                        c->window, c->n_fft);
    if (!isfinite(c->mean) || !(c->std >= 1e-6f && c->std < 1e6f))
        return sns_fail(err, SNS_LIMIT, "a spectrogram's mean %g or std %g is out of range",
                        (double)c->mean, (double)c->std);
    return SNS_OK;
}

size_t sns_log_mel_frames(const sns_log_mel_config *c, size_t n) {
    if (c->kind == SNS_LOG_MEL_WHISPER) return n / c->hop;
    return n < c->window ? 0 : 1 + (n - c->window) / c->hop;
}

size_t sns_log_mel_samples(const sns_log_mel_config *c, size_t frames) {
    return c->kind == SNS_LOG_MEL_WHISPER ? frames * c->hop : c->window + (frames - 1) * c->hop;
}

/* ---- tables ---- */

static void fill_basis(sns_log_mel *m) {
    const sns_log_mel_config *c = &m->c;
    size_t around = c->kind == SNS_LOG_MEL_WHISPER ? c->window : c->window - 1;
    for (size_t n = 0; n < c->window; n++) {
        double w = 0.5 - 0.5 * cos(2 * M_PI * (double)n / (double)around);
        float *row = m->basis + n * 2 * m->bins;
        for (size_t k = 0; k < m->bins; k++) {
            double angle = 2 * M_PI * (double)(k * n % c->n_fft) / (double)c->n_fft;
            row[k] = (float)(w * cos(angle));
            row[m->bins + k] = (float)(w * sin(angle));
        }
    }
}

static double slaney_mel(double hz) {
    return hz < 1000 ? hz * 3 / 200 : 15 + log(hz / 1000) * 27 / log(6.4);
}

static double slaney_hz(double mel) {
    return mel < 15 ? mel * 200 / 3 : 1000 * exp((mel - 15) * log(6.4) / 27);
}

static double kaldi_mel(double hz) {
    return 1127 * log(1 + hz / 700);
}

/* The triangle low, centre, high at x; negative outside. */
static double triangle(double low, double centre, double high, double x) {
    return fmin((x - low) / (centre - low), (high - x) / (high - centre));
}

static void fill_filters(sns_log_mel *m) {
    const sns_log_mel_config *c = &m->c;
    bool whisper = c->kind == SNS_LOG_MEL_WHISPER;
    double nyquist = (double)c->rate_hz / 2;
    double low = whisper ? slaney_mel(0) : kaldi_mel(KALDI_LOW_HZ);
    double high = whisper ? slaney_mel(nyquist) : kaldi_mel(nyquist);
    double step = (high - low) / (double)(c->mels + 1);
    for (size_t i = 0; i < c->mels; i++) {
        double at[3];
        for (size_t j = 0; j < 3; j++) {
            at[j] = low + (double)(i + j) * step;
            if (whisper) at[j] = slaney_hz(at[j]);
        }
        for (size_t k = 0; k < m->bins; k++) {
            double hz = (double)k * (double)c->rate_hz / (double)c->n_fft;
            double y = triangle(at[0], at[1], at[2], whisper ? hz : kaldi_mel(hz));
            if (whisper) y *= 2 / (at[2] - at[0]);
            if (!whisper && 2 * k == c->n_fft) y = 0; /* Kaldi leaves the last bin out */
            m->filters[i * m->bins + k] = y > 0 ? (float)y : 0;
        }
    }
}

sns_status sns_log_mel_new(const sns_log_mel_config *c, sns_log_mel **out, sns_error *err) {
    *out = NULL;
    sns_status s = sns_log_mel_check(c, err);
    if (s) return s;
    sns_log_mel *m = calloc(1, sizeof *m);
    if (!m) return sns_fail(err, SNS_NOMEM, "no memory for a spectrogram");
    m->c = *c;
    m->bins = c->n_fft / 2 + 1;
    m->basis = sns_aligned_alloc(c->window * 2 * m->bins * sizeof *m->basis);
    m->filters = sns_aligned_alloc(c->mels * m->bins * sizeof *m->filters);
    if (!m->basis || !m->filters) {
        sns_log_mel_free(m);
        return sns_fail(err, SNS_NOMEM, "no memory for a spectrogram's tables");
    }
    fill_basis(m);
    fill_filters(m);
    *out = m;
    return SNS_OK;
}

void sns_log_mel_free(sns_log_mel *m) {
    if (!m) return;
    sns_aligned_free(m->basis);
    sns_aligned_free(m->filters);
    free(m);
}

const sns_log_mel_config *sns_log_mel_config_of(const sns_log_mel *m) {
    return &m->c;
}

/* ---- computing ---- */

/* Sample i of a sound mirrored at both ends; beyond its mirror image there is silence. */
static float mirrored(const float *x, ptrdiff_t n, ptrdiff_t i) {
    if (i < 0) i = -i;
    if (i >= n) i = 2 * (n - 1) - i;
    return i >= 0 && i < n ? x[i] : 0;
}

static void centred_frame(const sns_log_mel_config *c, const float *x, size_t n, size_t f,
                          float *out) {
    ptrdiff_t first = (ptrdiff_t)(f * c->hop) - (ptrdiff_t)(c->n_fft / 2);
    if (first >= 0 && (size_t)first + c->window <= n) {
        memcpy(out, x + first, c->window * sizeof *out);
        return;
    }
    for (size_t j = 0; j < c->window; j++) out[j] = mirrored(x, (ptrdiff_t)n, first + (ptrdiff_t)j);
}

static void kaldi_frame(const sns_log_mel_config *c, const float *x, size_t f, float *out) {
    const float *at = x + f * c->hop;
    double sum = 0;
    for (size_t j = 0; j < c->window; j++) sum += at[j];
    double mean = sum / (double)c->window, before = at[0] - mean;
    for (size_t j = 0; j < c->window; j++) {
        double now = at[j] - mean;
        out[j] = (float)(now - PREEMPHASIS * before);
        before = now;
    }
}

typedef struct scratch {
    float *frames;   /* [BLOCK, window] */
    float *spectrum; /* [BLOCK, 2 bins], then power in its first half, [BLOCK, bins] */
} scratch;

/* Frames first ... first + count - 1 as power in mel bands. */
static sns_status block(const sns_log_mel *m, const float *x, size_t n, size_t first, size_t count,
                        const scratch *t, float *out, sns_error *err) {
    const sns_log_mel_config *c = &m->c;
    size_t N = c->window, K = m->bins;
    for (size_t i = 0; i < count; i++) {
        if (c->kind == SNS_LOG_MEL_WHISPER)
            centred_frame(c, x, n, first + i, t->frames + i * N);
        else
            kaldi_frame(c, x, first + i, t->frames + i * N);
    }
    sns_status s = sns_gemm(false, false, count, 2 * K, N, t->frames, N, m->basis, 2 * K, 0,
                            t->spectrum, 2 * K, err);
    if (s) return s;
    float *power = t->spectrum;
    for (size_t i = 0; i < count; i++) {
        const float *re = t->spectrum + i * 2 * K, *im = re + K;
        for (size_t k = 0; k < K; k++) power[i * K + k] = re[k] * re[k] + im[k] * im[k];
    }
    return sns_gemm(false, true, count, c->mels, K, power, K, m->filters, K, 0, out, c->mels, err);
}

static void whisper_scale(float *x, size_t n) {
    float top = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        x[i] = log10f(fmaxf(x[i], WHISPER_FLOOR));
        top = fmaxf(top, x[i]);
    }
    for (size_t i = 0; i < n; i++) x[i] = (fmaxf(x[i], top - 8) + 4) / 4;
}

static void kaldi_scale(const sns_log_mel_config *c, float *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = (logf(fmaxf(x[i], KALDI_FLOOR)) - c->mean) / (2 * c->std);
}

sns_status sns_log_mel_run(const sns_log_mel *m, const float *samples, size_t n, float *out,
                           sns_error *err) {
    const sns_log_mel_config *c = &m->c;
    size_t F = sns_log_mel_frames(c, n), rows = F < BLOCK ? F : BLOCK;
    if (!F)
        return sns_fail(err, SNS_ARG, "%zu samples are less than one frame of a spectrogram", n);
    scratch t = {sns_aligned_alloc(rows * c->window * sizeof(float)),
                 sns_aligned_alloc(rows * 2 * m->bins * sizeof(float))};
    sns_status s = t.frames && t.spectrum ? SNS_OK
                                          : sns_fail(err, SNS_NOMEM, "no memory for a spectrogram");
    for (size_t f = 0; f < F && !s; f += BLOCK)
        s = block(m, samples, n, f, F - f < BLOCK ? F - f : BLOCK, &t, out + f * c->mels, err);
    sns_aligned_free(t.frames);
    sns_aligned_free(t.spectrum);
    if (s) return s;
    if (c->kind == SNS_LOG_MEL_WHISPER)
        whisper_scale(out, F * c->mels);
    else
        kaldi_scale(c, out, F * c->mels);
    return SNS_OK;
}
