/* log_mel.c - log-mel spectrograms of two conventions, by small matrix products a block of frames.
 *
 * With N = n_fft, H = N / 2, bins k = 0 ... H, frames x_f every `hop` samples, y = x_f times a
 * window and followed by zeros up to N: X[k] = sum_n y[n] exp(-2 pi i k n / N)        mel_f = W
 * (|X|^2), W [M, bins] The transform is products with matrices of cosines and sines: any N, one
 * order of sums, at the speed of a matrix product. What is symmetric is added up before, which
 * leaves an eighth of them:
 *   - y is real, so samples n and N - n meet: e = y[n] + y[N-n] for the cosines, o = y[n] - y[N-n]
 *     for the sines, n = 0 ... H.
 *   - If N is a multiple of 4, so do n and H - n, whose cosines differ by (-1)^k and sines by
 *     -(-1)^k: e[n] + e[H-n] and o[n] - o[H-n] for even k, the opposite signs for odd ones.
 *   - And bins k and H - k differ by the sign of odd n: with A, B the cosine sums over even and odd
 * n, C, D the sine sums, |X[k]|^2 = (A + B)^2 + (C + D)^2        |X[H-k]|^2 = (A - B)^2 + (C - D)^2
 * So there are eight products of about N / 8 samples and bins: (k even, odd) x (n even, odd) x
 * (cosines, sines). Where N is no multiple of 4 there are two, of H + 1.
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

/* The transform's matrices have MAX_FFT^2 / 2 floats at most: 32 MiB. */
enum { MAX_RATE = 192000, MAX_FFT = 1 << 12, MAX_MELS = 512, BLOCK = 256 };
static const double KALDI_LOW_HZ = 20, PREEMPHASIS = 0.97;
static const float KALDI_FLOOR = 1.1920929e-07f, WHISPER_FLOOR = 1e-10f;

struct sns_log_mel {
    sns_log_mel_config c;
    bool quartered;  /* n_fft is a multiple of 4 */
    size_t products; /* 8, or 2 */
    size_t count;    /* samples of a product, and its bins; 0 beyond what there is */
    size_t R, K;     /* the same, filled up with 0 to what products are fast with */
    size_t slots;    /* powers of a frame, [4, count] or [count], in an order of their own */
    float *window;   /* [window] */
    float *basis;    /* [products, R, K] */
    float *filters;  /* [M, slots] */
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

/* Sample i and bin j of product p: their angle's cosine or sine; 0 beyond what there is. */
static float basis_at(const sns_log_mel *m, size_t p, size_t i, size_t j) {
    size_t N = m->c.n_fft, n = i, k = j, last = N / 2;
    if (m->quartered) n = 2 * i + (p >> 1 & 1), k = 2 * j + (p >> 2), last = N / 4;
    if (i >= m->count || j >= m->count || n > last || k > last) return 0;
    double angle = 2 * M_PI * (double)(k * n % N) / (double)N;
    return (float)(p & 1 ? sin(angle) : cos(angle));
}

static void fill_basis(sns_log_mel *m) {
    float *at = m->basis;
    for (size_t p = 0; p < m->products; p++)
        for (size_t i = 0; i < m->R; i++)
            for (size_t j = 0; j < m->K; j++) *at++ = basis_at(m, p, i, j);
}

/* The bin of a slot; bins is none, where another slot has it. */
static size_t bin_of(const sns_log_mel *m, size_t slot) {
    size_t H = m->c.n_fft / 2, none = H + 1;
    if (!m->quartered) return slot;
    size_t k = 2 * (slot % m->count) + slot / (2 * m->count);
    bool mirrored = slot / m->count % 2;
    if (k > H / 2 || (mirrored && 2 * k == H)) return none;
    return mirrored ? H - k : k;
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
        for (size_t slot = 0; slot < m->slots; slot++) {
            size_t k = bin_of(m, slot);
            double hz = (double)k * (double)c->rate_hz / (double)c->n_fft;
            double y = triangle(at[0], at[1], at[2], whisper ? hz : kaldi_mel(hz));
            if (whisper) y *= 2 / (at[2] - at[0]);
            if (!whisper && 2 * k == c->n_fft) y = 0; /* Kaldi leaves the last bin out */
            m->filters[i * m->slots + slot] = y > 0 && 2 * k <= c->n_fft ? (float)y : 0;
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
    m->quartered = c->n_fft % 4 == 0;
    m->products = m->quartered ? 8 : 2;
    m->count = c->n_fft / (m->quartered ? 8 : 2) + 1;
    m->slots = m->quartered ? 4 * m->count : m->count;
    m->R = round_up(m->count, 4);
    m->K = round_up(m->count, 16);
    m->window = sns_aligned_alloc(c->window * sizeof *m->window);
    m->basis = sns_aligned_alloc(m->products * m->R * m->K * sizeof *m->basis);
    m->filters = sns_aligned_alloc(c->mels * m->slots * sizeof *m->filters);
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
    size_t rows;     /* at most BLOCK */
    float *frame;    /* [n_fft] */
    float *e, *o;    /* [H + 1] */
    float *pair[4];  /* [2 R]: sums and differences of e, of o */
    float *folded;   /* [products, rows, R] */
    float *spectrum; /* [products, rows, K] */
    float *power;    /* [rows, slots] */
} scratch;

static void part(const float *restrict from, size_t n, float *restrict even, float *restrict odd) {
    for (size_t i = 0; i < n; i++) {
        even[i] = from[2 * i];
        odd[i] = from[2 * i + 1];
    }
}

/* Sums and differences of n and H - n, of even and of odd k. */
static void fold_quarters(const sns_log_mel *m, const scratch *t, float *out) {
    size_t H = m->c.n_fft / 2, Q = H / 2, R = m->R, plane = t->rows * R;
    float *plus_e = t->pair[0], *minus_e = t->pair[1], *plus_o = t->pair[2], *minus_o = t->pair[3];
    for (size_t n = 0; n < Q; n++) {
        plus_e[n] = t->e[n] + t->e[H - n];
        minus_e[n] = t->e[n] - t->e[H - n];
        plus_o[n] = t->o[n] + t->o[H - n];
        minus_o[n] = t->o[n] - t->o[H - n];
    }
    plus_e[Q] = t->e[Q];
    plus_o[Q] = t->o[Q];
    part(plus_e, R, out, out + 2 * plane); /* even k: cosines, sines */
    part(minus_o, R, out + plane, out + 3 * plane);
    part(minus_e, R, out + 4 * plane, out + 6 * plane); /* odd k */
    part(plus_o, R, out + 5 * plane, out + 7 * plane);
}

/* Row `row` of every product: a frame times the window, what is symmetric added up. */
static void fold(const sns_log_mel *m, const scratch *t, size_t row) {
    size_t N = m->c.n_fft;
    float *y = t->frame, *out = t->folded + row * m->R;
    for (size_t n = 0; n < m->c.window; n++) y[n] *= m->window[n];
    t->e[0] = y[0];
    t->e[N / 2] = y[N / 2]; /* of an odd N, replaced */
    for (size_t n = 1; n < (N + 1) / 2; n++) {
        t->e[n] = y[n] + y[N - n];
        t->o[n] = y[n] - y[N - n];
    }
    if (m->quartered) {
        fold_quarters(m, t, out);
        return;
    }
    memcpy(out, t->e, m->count * sizeof *out);
    memcpy(out + t->rows * m->R, t->o, m->count * sizeof *out);
}

/* |X|^2 of one row in all slots. */
static void add_up(const sns_log_mel *m, const scratch *t, size_t row) {
    size_t n = m->count, plane = t->rows * m->K;
    const float *A = t->spectrum + row * m->K, *C = A + plane;
    float *power = t->power + row * m->slots;
    if (!m->quartered)
        for (size_t k = 0; k < n; k++) power[k] = A[k] * A[k] + C[k] * C[k];
    for (size_t q = 0; m->quartered && q < 2; q++, A += 4 * plane, C += 4 * plane, power += 2 * n) {
        const float *B = A + 2 * plane, *D = C + 2 * plane;
        for (size_t j = 0; j < n; j++) {
            float re = A[j] + B[j], im = C[j] + D[j];
            power[j] = re * re + im * im;
        }
        for (size_t j = 0; j < n; j++) {
            float re = A[j] - B[j], im = C[j] - D[j];
            power[n + j] = re * re + im * im;
        }
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
    for (size_t p = 0; p < m->products && !s; p++)
        s = sns_gemm(false, false, count, K, R, t->folded + p * t->rows * R, R,
                     m->basis + p * R * K, K, 0, t->spectrum + p * t->rows * K, K, err);
    if (s) return s;
    for (size_t i = 0; i < count; i++) add_up(m, t, i);
    return sns_gemm(false, true, count, c->mels, m->slots, t->power, m->slots, m->filters, m->slots,
                    0, out, c->mels, err);
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

static bool take_scratch(const sns_log_mel *m, size_t rows, scratch *t) {
    size_t half = m->c.n_fft / 2 + 1;
    t->rows = rows;
    t->frame = sns_aligned_calloc(m->c.n_fft * sizeof *t->frame);
    t->e = sns_aligned_calloc(half * sizeof *t->e);
    t->o = sns_aligned_calloc(half * sizeof *t->o);
    t->folded = sns_aligned_calloc(m->products * rows * m->R * sizeof *t->folded);
    t->spectrum = sns_aligned_alloc(m->products * rows * m->K * sizeof *t->spectrum);
    t->power = sns_aligned_alloc(rows * m->slots * sizeof *t->power);
    bool ok = t->frame && t->e && t->o && t->folded && t->spectrum && t->power;
    for (int i = 0; i < 4; i++) {
        t->pair[i] = sns_aligned_calloc(2 * m->R * sizeof *t->pair[i]);
        ok &= t->pair[i] != NULL;
    }
    return ok;
}

static void drop_scratch(scratch *t) {
    sns_aligned_free(t->frame);
    sns_aligned_free(t->e);
    sns_aligned_free(t->o);
    for (int i = 0; i < 4; i++) sns_aligned_free(t->pair[i]);
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
    sns_status s = take_scratch(m, F < BLOCK ? F : BLOCK, &t)
                       ? SNS_OK
                       : sns_fail(err, SNS_NOMEM, "no memory for a spectrogram");
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
