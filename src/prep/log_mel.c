/* log_mel.c - log-mel spectrograms of two conventions, by a Fourier transform of 16 frames at once.
 *
 * With N = n_fft, bins k = 0 ... N / 2, frames x_f every `hop` samples, y = x_f times a window and
 * followed by zeros up to N:
 *   X[k] = sum_n y[n] exp(-2 pi i k n / N)        mel_f = W (|X|^2)        W [M, bins]
 * The transform is made of passes of the prime factors of its size (kernel.h), so any N is
 * possible, and a frame's numbers depend on nothing but the frame. For an even N the real samples
 * become H = N / 2 complex ones, z[n] = y[2n] + i y[2n+1], with Z[H] = Z[0]: e = (Z[k] + conj
 * Z[H-k]) / 2     o = (Z[k] - conj Z[H-k]) / 2     w = exp(-2 pi i k / N) X[k] = e - i w o conj
 * X[H-k] = e + i w o
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
#include "kernel/kernel.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RATE = 192000, MAX_FFT = 1 << 12, MAX_MELS = 512, MAX_PASSES = 12 };
enum { LANES = SNS_FFT_LANES, NUMBER = 2 * LANES }; /* frames at once; floats of a complex number */
static const double KALDI_LOW_HZ = 20, PREEMPHASIS = 0.97;
static const float KALDI_FLOOR = 1.1920929e-07f, WHISPER_FLOOR = 1e-10f;

/* A triangle: its weights of the bins from `first` on. */
typedef struct filter {
    size_t first, count;
    float *weights; /* [count] */
} filter;

struct sns_log_mel {
    sns_log_mel_config c;
    size_t bins, size; /* of the complex transform: n_fft / 2, or an odd n_fft */
    size_t pass_count;
    sns_fft_pass passes[MAX_PASSES];
    float *window; /* [window] */
    float *turns;  /* [size / 2 + 1] complex: exp(-2 pi i k / n_fft) */
    float *tables; /* of the passes */
    float *weights;
    filter *filters; /* [mels] */
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

/* exp(-2 pi i n / N) */
static void put_root(float *to, size_t n, size_t N) {
    double angle = 2 * M_PI * (double)(n % N) / (double)N;
    to[0] = (float)cos(angle);
    to[1] = (float)-sin(angle);
}

/* The next pass of what is left of a transform: 4 while it can be, then 2, then odd primes. */
static size_t next_radix(size_t left) {
    if (left % 2 == 0) return left % 4 ? 2 : 4;
    for (size_t r = 3; r * r <= left; r += 2)
        if (left % r == 0) return r;
    return left;
}

/* Passes, and (at not NULL) their tables. -> the tables' floats */
static size_t plan_passes(sns_log_mel *m, float *at) {
    size_t floats = 0;
    m->pass_count = 0;
    for (size_t left = m->size, r; left > 1; left /= r) {
        r = next_radix(left);
        sns_fft_pass *p = &m->passes[m->pass_count++];
        *p = (sns_fft_pass){.count = m->size, .length = left, .radix = r};
        floats += 2 * (left + r);
        if (!at) continue;
        p->twiddles = at;
        for (size_t i = 0; i < left / r; i++)
            for (size_t j = 0; j < r; j++, at += 2) put_root(at, i * j, left);
        p->roots = at;
        for (size_t j = 0; j < r; j++, at += 2) put_root(at, j, r);
    }
    return floats;
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

/* Triangle i at bin k; 0 outside. */
static double weight(const sns_log_mel_config *c, size_t i, size_t k) {
    bool whisper = c->kind == SNS_LOG_MEL_WHISPER;
    double nyquist = (double)c->rate_hz / 2, at[3];
    double low = whisper ? slaney_mel(0) : kaldi_mel(KALDI_LOW_HZ);
    double high = whisper ? slaney_mel(nyquist) : kaldi_mel(nyquist);
    double step = (high - low) / (double)(c->mels + 1);
    for (size_t j = 0; j < 3; j++) {
        at[j] = low + (double)(i + j) * step;
        if (whisper) at[j] = slaney_hz(at[j]);
    }
    if (!whisper && 2 * k == c->n_fft) return 0; /* Kaldi leaves the last bin out */
    double hz = (double)k * (double)c->rate_hz / (double)c->n_fft;
    double y = triangle(at[0], at[1], at[2], whisper ? hz : kaldi_mel(hz));
    if (whisper) y *= 2 / (at[2] - at[0]);
    return y > 0 ? y : 0;
}

/* A bin lies in at most two triangles. */
static void fill_filters(sns_log_mel *m) {
    float *to = m->weights;
    for (size_t i = 0; i < m->c.mels; i++) {
        filter *f = &m->filters[i];
        f->weights = to;
        for (size_t k = 0; k < m->bins; k++) {
            double w = weight(&m->c, i, k);
            if (!(w > 0)) continue;
            if (!f->count++) f->first = k;
            *to++ = (float)w;
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
    m->size = c->n_fft % 2 ? c->n_fft : c->n_fft / 2;
    m->window = sns_aligned_alloc(c->window * sizeof *m->window);
    m->turns = sns_aligned_alloc((m->size + 2) * sizeof *m->turns);
    m->tables = sns_aligned_alloc(plan_passes(m, NULL) * sizeof *m->tables);
    m->weights = sns_aligned_alloc(2 * m->bins * sizeof *m->weights);
    m->filters = calloc(c->mels, sizeof *m->filters);
    if (!m->window || !m->turns || !m->tables || !m->weights || !m->filters) {
        sns_log_mel_free(m);
        return sns_fail(err, SNS_NOMEM, "no memory for a spectrogram's tables");
    }
    fill_window(m);
    plan_passes(m, m->tables);
    for (size_t k = 0; k <= m->size / 2; k++) put_root(m->turns + 2 * k, k, c->n_fft);
    fill_filters(m);
    *out = m;
    return SNS_OK;
}

void sns_log_mel_free(sns_log_mel *m) {
    if (!m) return;
    sns_aligned_free(m->window);
    sns_aligned_free(m->turns);
    sns_aligned_free(m->tables);
    sns_aligned_free(m->weights);
    free(m->filters);
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
    float *frame; /* [n_fft] */
    float *x, *y; /* [size] complex numbers of LANES frames */
    float *power; /* [bins, LANES] */
} scratch;

/* Frames first ... first + count - 1 side by side; those that are missing are silence. */
static void take_frames(const sns_log_mel *m, const float *x, size_t n, size_t first, size_t count,
                        const scratch *t) {
    const sns_log_mel_config *c = &m->c;
    size_t step = c->n_fft % 2 ? NUMBER : LANES; /* between samples */
    memset(t->x, 0, m->size * NUMBER * sizeof *t->x);
    for (size_t f = 0; f < count; f++) {
        if (c->kind == SNS_LOG_MEL_WHISPER)
            centred_frame(c, x, n, first + f, t->frame);
        else
            kaldi_frame(c, x, first + f, t->frame);
        for (size_t i = 0; i < c->window; i++) t->x[i * step + f] = t->frame[i] * m->window[i];
    }
}

/* |X[k]|^2 and |X[H-k]|^2 from Z[k] and Z[H-k]. */
static inline void add_halves(const float *restrict a, const float *restrict b, const float w[2],
                              float *restrict low, float *restrict high) {
    for (size_t l = 0; l < LANES; l++) {
        float e_re = a[l] + b[l], e_im = a[LANES + l] - b[LANES + l];
        float o_re = a[l] - b[l], o_im = a[LANES + l] + b[LANES + l];
        float re = w[0] * o_im + w[1] * o_re, im = w[1] * o_im - w[0] * o_re; /* -i w o */
        low[l] = 0.25f * ((e_re + re) * (e_re + re) + (e_im + im) * (e_im + im));
        high[l] = 0.25f * ((e_re - re) * (e_re - re) + (e_im - im) * (e_im - im));
    }
}

/* |X|^2 of Z, which is X itself for an odd n_fft. */
static void take_power(const sns_log_mel *m, const float *Z, float *power) {
    size_t H = m->size;
    if (m->c.n_fft % 2) {
        for (size_t k = 0; k < m->bins; k++, Z += NUMBER, power += LANES)
            for (size_t l = 0; l < LANES; l++) power[l] = Z[l] * Z[l] + Z[LANES + l] * Z[LANES + l];
        return;
    }
    for (size_t k = 0; k <= H / 2; k++) {
        float last[LANES]; /* where the two are one, what the second gets */
        float *high = 2 * k == H ? last : power + (H - k) * LANES;
        add_halves(Z + k * NUMBER, Z + (k ? H - k : 0) * NUMBER, m->turns + 2 * k,
                   power + k * LANES, high);
    }
}

/* out [count, M] = the power in mel bands of the frames side by side. */
static void filter_power(const sns_log_mel *m, const float *power, size_t count, float *out) {
    size_t M = m->c.mels;
    for (size_t i = 0; i < M; i++) {
        const filter *f = &m->filters[i];
        const float *at = power + f->first * LANES;
        float sum[LANES] = {0};
        for (size_t k = 0; k < f->count; k++, at += LANES)
            for (size_t l = 0; l < LANES; l++) sum[l] += f->weights[k] * at[l];
        for (size_t l = 0; l < count; l++) out[l * M + i] = sum[l];
    }
}

/* Frames first ... first + count - 1, of LANES at most, as power in mel bands. */
static void block(const sns_log_mel *m, const float *x, size_t n, size_t first, size_t count,
                  const scratch *t, float *out) {
    float *from = t->x, *to = t->y;
    take_frames(m, x, n, first, count, t);
    for (size_t i = 0; i < m->pass_count; i++) {
        sns_kernels_get()->fft_pass(to, from, &m->passes[i]);
        float *swap = from;
        from = to;
        to = swap;
    }
    take_power(m, from, t->power);
    filter_power(m, t->power, count, out);
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

static bool take_scratch(const sns_log_mel *m, scratch *t) {
    t->frame = sns_aligned_alloc(m->c.n_fft * sizeof *t->frame);
    t->x = sns_aligned_alloc(m->size * NUMBER * sizeof *t->x);
    t->y = sns_aligned_alloc(m->size * NUMBER * sizeof *t->y);
    t->power = sns_aligned_alloc(m->bins * LANES * sizeof *t->power);
    return t->frame && t->x && t->y && t->power;
}

static void drop_scratch(scratch *t) {
    sns_aligned_free(t->frame);
    sns_aligned_free(t->x);
    sns_aligned_free(t->y);
    sns_aligned_free(t->power);
}

sns_status sns_log_mel_run(const sns_log_mel *m, const float *samples, size_t n, float *out,
                           sns_error *err) {
    const sns_log_mel_config *c = &m->c;
    size_t F = sns_log_mel_frames(c, n);
    scratch t = {0};
    if (!F)
        return sns_fail(err, SNS_ARG, "%zu samples are less than one frame of a spectrogram", n);
    bool ok = take_scratch(m, &t);
    for (size_t f = 0; f < F && ok; f += LANES)
        block(m, samples, n, f, F - f < LANES ? F - f : LANES, &t, out + f * c->mels);
    drop_scratch(&t);
    if (!ok) return sns_fail(err, SNS_NOMEM, "no memory for a spectrogram");
    if (c->kind == SNS_LOG_MEL_WHISPER)
        whisper_scale(out, F * c->mels);
    else
        kaldi_scale(c, out, F * c->mels);
    return SNS_OK;
}
