/* log_mel.c - log-mel spectrograms of two conventions, by small matrix products a block of frames.
 *
 * With N = n_fft, bins k = 0 ... H = N / 2, frames x_f every `hop` samples, times a window w and
 * followed by zeros up to N:
 *     X_f[k] = sum_n w[n] x_f[n] exp(-2 pi i k n / N)
 *     mel_f  = W (|X_f|^2)                                       W [M, bins]
 * The transform is products with matrices of cosines and sines: any N, one order of sums, at the
 * speed of a matrix product. Symmetry leaves a quarter of them. The sound is real and cosines are
 * even, so samples n and N - n meet in e = y[n] + y[N-n] for the cosines and o = y[n] - y[N-n] for
 * the sines. And for an even N, cos(2 pi (H-k) n / N) is (-1)^n cos(2 pi k n / N), and the sine
 * likewise with the opposite sign: with A, B the cosine sums over even and odd n, C, D the sine sums,
 *     |X[k]|^2 = (A + B)^2 + (C + D)^2        |X[H-k]|^2 = (A - B)^2 + (C - D)^2
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

/* The transform's matrices have MAX_FFT^2 / 4 floats at most, of an odd size MAX_FFT^2 / 2. */
enum { MAX_RATE = 192000, MAX_FFT = 1 << 12, MAX_MELS = 512, BLOCK = 128 };
static const double KALDI_LOW_HZ = 20, PREEMPHASIS = 0.97;
static const float KALDI_FLOOR = 1.1920929e-07f, WHISPER_FLOOR = 1e-10f;

struct sns_log_mel {
    sns_log_mel_config c;
    size_t bins;
    size_t parts;   /* 2: even and odd samples apart; 1: n_fft is odd */
    size_t R, K;    /* samples and bins of a part, filled up to what products are fast with */
    float *window;  /* [window] */
    float *basis;   /* [parts, 2, R, K]: cosines, sines; 0 where it is filled up */
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

static void fill_window(sns_log_mel *m) {
    const sns_log_mel_config *c = &m->c;
    size_t around = c->kind == SNS_LOG_MEL_WHISPER ? c->window : c->window - 1;
    for (size_t n = 0; n < c->window; n++)
        m->window[n] = (float)(0.5 - 0.5 * cos(2 * M_PI * (double)n / (double)around));
}

static size_t round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

/* Row i of part r is sample n = parts i + r. */
static void fill_basis(sns_log_mel *m) {
    size_t N = m->c.n_fft, R = m->R, K = m->K;
    for (size_t r = 0; r < m->parts; r++)
        for (size_t i = 0; i < R; i++) {
            size_t n = m->parts * i + r;
            float *cosines = m->basis + (2 * r * R + i) * K, *sines = cosines + R * K;
            for (size_t k = 0; k < K; k++) {
                double angle = 2 * M_PI * (double)(k * n % N) / (double)N;
                cosines[k] = n <= N / 2 ? (float)cos(angle) : 0;
                sines[k] = n <= N / 2 ? (float)sin(angle) : 0;
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
    m->parts = c->n_fft % 2 ? 1 : 2;
    m->R = round_up(c->n_fft / 2 / m->parts + 1, 4);
    m->K = round_up(c->n_fft / 2 / m->parts + 1, 16);
    m->window = sns_aligned_alloc(c->window * sizeof *m->window);
    m->basis = sns_aligned_alloc(m->parts * 2 * m->R * m->K * sizeof *m->basis);
    m->filters = sns_aligned_alloc(c->mels * m->bins * sizeof *m->filters);
    if (!m->window || !m->basis || !m->filters) {
        sns_log_mel_free(m);
        return sns_fail(err, SNS_NOMEM, "no memory for a spectrogram's tables");
    }
    fill_window(m);
    fill_basis(m);
    fill_filters(m);
    *out = m;
    return SNS_OK;
}

void sns_log_mel_free(sns_log_mel *m) {
    if (!m) return;
    sns_aligned_free(m->window);
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
    float *frame;            /* [n_fft] */
    float *sums, *differences; /* [parts R], of samples n and N - n; 0 beyond H */
    float *folded;           /* [parts, 2, rows, R] */
    float *spectrum;         /* [parts, 2, rows, K] */
    float *power;            /* [rows, bins] */
    size_t rows;             /* at most BLOCK */
} scratch;

/* Row `to` of each part: a frame times the window, samples n and N - n together. */
static void fold(const sns_log_mel *m, const scratch *t, size_t to) {
    size_t N = m->c.n_fft, R = m->R, plane = t->rows * R;
    float *y = t->frame, *e = t->sums, *o = t->differences;
    for (size_t n = 0; n < m->c.window; n++) y[n] *= m->window[n];
    e[0] = y[0];
    e[N / 2] = y[N / 2]; /* of an odd N, replaced */
    for (size_t n = 1; n < (N + 1) / 2; n++) {
        e[n] = y[n] + y[N - n];
        o[n] = y[n] - y[N - n];
    }
    float *out = t->folded + to * R;
    if (m->parts == 1) {
        memcpy(out, e, R * sizeof *out);
        memcpy(out + plane, o, R * sizeof *out);
        return;
    }
    for (size_t i = 0; i < R; i++) out[i] = e[2 * i];
    for (size_t i = 0; i < R; i++) out[plane + i] = o[2 * i];
    for (size_t i = 0; i < R; i++) out[2 * plane + i] = e[2 * i + 1];
    for (size_t i = 0; i < R; i++) out[3 * plane + i] = o[2 * i + 1];
}

/* |X|^2 of all bins of one row. */
static void add_up(const sns_log_mel *m, const scratch *t, size_t row) {
    size_t H = m->c.n_fft / 2, bins = H / m->parts + 1, plane = t->rows * m->K;
    const float *A = t->spectrum + row * m->K, *C = A + plane, *B = C + plane, *D = B + plane;
    float *power = t->power + row * m->bins;
    if (m->parts == 1) {
        for (size_t k = 0; k < bins; k++) power[k] = A[k] * A[k] + C[k] * C[k];
        return;
    }
    for (size_t k = 0; k < bins; k++) {
        float re = A[k] + B[k], im = C[k] + D[k];
        power[k] = re * re + im * im;
    }
    for (size_t k = 0; k < bins; k++) {
        float re = A[k] - B[k], im = C[k] - D[k];
        power[H - k] = re * re + im * im;
    }
}

/* Frames first ... first + count - 1 as power in mel bands. */
static sns_status block(const sns_log_mel *m, const float *x, size_t n, size_t first, size_t count,
                        const scratch *t, float *out, sns_error *err) {
    const sns_log_mel_config *c = &m->c;
    size_t R = m->R, K = m->K;
    sns_status s = SNS_OK;
    for (size_t i = 0; i < count; i++) {
        if (c->kind == SNS_LOG_MEL_WHISPER)
            centred_frame(c, x, n, first + i, t->frame);
        else
            kaldi_frame(c, x, first + i, t->frame);
        fold(m, t, i);
    }
    for (size_t p = 0; p < 2 * m->parts && !s; p++)
        s = sns_gemm(false, false, count, K, R, t->folded + p * t->rows * R, R,
                     m->basis + p * R * K, K, 0, t->spectrum + p * t->rows * K, K, err);
    if (s) return s;
    for (size_t i = 0; i < count; i++) add_up(m, t, i);
    return sns_gemm(false, true, count, c->mels, m->bins, t->power, m->bins, m->filters, m->bins, 0,
                    out, c->mels, err);
}

/* A number's bits; those of numbers above 0 are in the order of the numbers, and, unlike these,
 * compilers compare many of them at once. */
static inline int32_t bits_of(float x) {
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* ln max(x, least) to 2e-7, from the bits of normal numbers above 0: with x = 2^e m, m within a
 * factor of sqrt 2 of 1, and t = (m - 1) / (m + 1), ln m = 2 (t + t^3 / 3 + ...). */
static inline float log_above(int32_t bits, int32_t least) {
    float m;
    bits = bits > least ? bits : least;
    int32_t e = (bits - 0x3f3504f3) >> 23;
    bits -= (int32_t)((uint32_t)e << 23);
    memcpy(&m, &bits, sizeof m);
    float t = (m - 1) / (m + 1), u = t * t;
    float tail = u * (1 / 3.f + u * (1 / 5.f + u * (1 / 7.f + u * (1 / 9.f))));
    return (float)e * 0.69314718f + 2 * (t + t * tail);
}

static void whisper_scale(float *x, size_t n) {
    int32_t top = bits_of(WHISPER_FLOOR);
    for (size_t i = 0; i < n; i++) {
        int32_t bits = bits_of(x[i]);
        top = bits > top ? bits : top;
    }
    float most;
    memcpy(&most, &top, sizeof most);
    int32_t least = bits_of(fmaxf(WHISPER_FLOOR, most * 1e-8f));
    const float scale = 0.43429448f / 4; /* to log10, by 4 */
    for (size_t i = 0; i < n; i++) x[i] = log_above(bits_of(x[i]), least) * scale + 1;
}

static void kaldi_scale(const sns_log_mel_config *c, float *x, size_t n) {
    const float scale = 1 / (2 * c->std);
    const int32_t least = bits_of(KALDI_FLOOR);
    for (size_t i = 0; i < n; i++) x[i] = (log_above(bits_of(x[i]), least) - c->mean) * scale;
}

static sns_status take_scratch(const sns_log_mel *m, size_t rows, scratch *t, sns_error *err) {
    t->rows = rows;
    t->frame = sns_aligned_calloc(m->c.n_fft * sizeof *t->frame);
    t->sums = sns_aligned_calloc(m->parts * m->R * sizeof *t->sums);
    t->differences = sns_aligned_calloc(m->parts * m->R * sizeof *t->differences);
    t->folded = sns_aligned_alloc(rows * m->parts * 2 * m->R * sizeof *t->folded);
    t->spectrum = sns_aligned_alloc(rows * m->parts * 2 * m->K * sizeof *t->spectrum);
    t->power = sns_aligned_alloc(rows * m->bins * sizeof *t->power);
    return t->frame && t->sums && t->differences && t->folded && t->spectrum && t->power
               ? SNS_OK
               : sns_fail(err, SNS_NOMEM, "no memory for a spectrogram");
}

static void drop_scratch(scratch *t) {
    sns_aligned_free(t->frame);
    sns_aligned_free(t->sums);
    sns_aligned_free(t->differences);
    sns_aligned_free(t->folded);
    sns_aligned_free(t->spectrum);
    sns_aligned_free(t->power);
}

sns_status sns_log_mel_run(const sns_log_mel *m, const float *samples, size_t n, float *out,
                           sns_error *err) {
    const sns_log_mel_config *c = &m->c;
    size_t F = sns_log_mel_frames(c, n);
    scratch t = {0};
    if (!F)
        return sns_fail(err, SNS_ARG, "%zu samples are less than one frame of a spectrogram", n);
    sns_status s = take_scratch(m, F < BLOCK ? F : BLOCK, &t, err);
    for (size_t f = 0; f < F && !s; f += BLOCK)
        s = block(m, samples, n, f, F - f < BLOCK ? F - f : BLOCK, &t, out + f * c->mels, err);
    drop_scratch(&t);
    if (s) return s;
    if (c->kind == SNS_LOG_MEL_WHISPER)
        whisper_scale(out, F * c->mels);
    else
        kaldi_scale(c, out, F * c->mels);
    return SNS_OK;
}
