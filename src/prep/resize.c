/* resize.c - antialiased bicubic resampling of 8-bit RGB, equal to Pillow's bit for bit.
 *
 * Keys 1981, "Cubic Convolution Interpolation for Digital Image Processing", a = -0.5:
 *
 *     W(x) = (a + 2)|x|^3 - (a + 3)|x|^2 + 1          |x| < 1
 *            a|x|^3 - 5a|x|^2 + 8a|x| - 4a            1 <= |x| < 2
 *
 * stretched by the scale when shrinking (antialiasing), cut at the picture's border and normalised
 * to sum 1. Rows are filtered first, then columns. What makes it equal to Pillow to the last bit:
 * weights are computed in double and rounded to 22 fractional bits, sums are 32-bit integers that
 * start at one half, and the picture between the two passes is rounded and clipped to 8 bits.
 *
 *     in [h, w, 3] -> (rows) [h', w'', 3] -> (columns) [h'', w'', 3]
 *
 * Only the window of the output that the caller wants is computed. */
#include "prep/preprocess.h"
#include "base/error.h"
#include "base/memory.h"
#include "prep/resize.h"
#include <math.h>
#include <sensus/image.h>

enum { WEIGHT_BITS = 22, HALF = 1 << (WEIGHT_BITS - 1), MAX_SIDE = 1 << 26 };
/* Of the AVX2 row filter: taps at once, bytes read past a row, bits of the low part of a weight. */
enum { TAPS = 4, OVERREAD = 16, SPLIT_BITS = 12 };

#if defined(__x86_64__) && defined(__GNUC__)
#define X86
#include <immintrin.h>
#endif

/* The same C compiled for wider registers too and chosen when the library is loaded: integer sums,
 * so every version gives the same bits. */
#if defined(X86) && !defined(__clang__)
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif

/* Weights for outputs first … first + count - 1 of one axis: output i sums taps[i] inputs from
 * start[i] with the weights at weight + i * stride. */
typedef struct axis {
    bool identity;
    size_t first, count, stride;
    size_t *start, *taps;
    int32_t *weight;
    int16_t *split; /* the same for AVX2: stride high parts, then stride low parts; or NULL */
} axis;

static double cubic(double x) {
    const double a = -0.5;
    if (x < 0) x = -x;
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
}

static void axis_free(axis *a) {
    free(a->start);
    free(a->taps);
    free(a->weight);
    free(a->split);
}

/* One output's weights; `raw` holds stride doubles of scratch. */
static void axis_fill(axis *a, size_t i, size_t size, double center, double support,
                      double filter_scale, double *raw) {
    double low = center - support + 0.5, high = center + support + 0.5;
    size_t start = low > 0 ? (size_t)low : 0;
    size_t end = high > 0 ? (size_t)high : 0;
    if (end > size) end = size;
    size_t n = end > start ? end - start : 0;
    double sum = 0, inverse = 1.0 / filter_scale;
    for (size_t x = 0; x < n; x++) {
        raw[x] = cubic(((double)(x + start) - center + 0.5) * inverse);
        sum += raw[x];
    }
    int32_t *weight = a->weight + i * a->stride;
    for (size_t x = 0; x < n; x++) {
        double w = (sum != 0 ? raw[x] / sum : raw[x]) * (1 << WEIGHT_BITS);
        weight[x] = (int32_t)(w < 0 ? w - 0.5 : w + 0.5);
    }
    a->start[i] = start;
    a->taps[i] = n;
}

/* Pillow keeps the box in single precision; so do we, or fractional boxes would differ. */
static sns_status axis_plan(axis *a, size_t size, float from, float to, size_t out_size,
                            sns_error *err) {
    a->identity = out_size == size && from == 0 && to == (float)size;
    if (a->identity) return SNS_OK;
    double scale = (double)(to - from) / (double)out_size;
    double filter_scale = scale < 1 ? 1 : scale, support = 2 * filter_scale;
    a->stride = ((size_t)ceil(support) * 2 + 1 + TAPS - 1) / TAPS * TAPS;
    size_t weights, bytes;
    if (!sns_mul_size(a->count, a->stride, &weights) ||
        !sns_mul_size(weights, sizeof *a->weight, &bytes))
        return sns_fail(err, SNS_LIMIT, "resize: %zu to %zu pixels is too large", size, out_size);
    a->start = calloc(a->count, sizeof *a->start);
    a->taps = calloc(a->count, sizeof *a->taps);
    a->weight = calloc(1, bytes);
    double *raw = calloc(a->stride, sizeof *raw);
    bool ok = a->start && a->taps && a->weight && raw;
    for (size_t i = 0; ok && i < a->count; i++) {
        double center = (double)from + ((double)(a->first + i) + 0.5) * scale;
        axis_fill(a, i, size, center, support, filter_scale, raw);
    }
    free(raw);
    return ok ? SNS_OK : sns_fail(err, SNS_NOMEM, "resize: no memory for the weights");
}

/* Take the weights apart where the processor has AVX2 (and SENSUS_CPU doesn't forbid it). Without
 * memory, or with a weight of 8 or more, which no sane box gives, the reference does the work. */
static void axis_split(axis *a) {
#ifdef X86
    if (a->identity || !strcmp(sns_kernels_get()->name, "ref")) return;
    size_t n = a->count * a->stride, stride = a->stride;
    int16_t *split = malloc(n * 2 * sizeof *split);
    for (size_t i = 0; split && i < n; i++) {
        int32_t w = a->weight[i];
        if (w >= 8 << WEIGHT_BITS || w <= -(8 << WEIGHT_BITS)) {
            free(split);
            return;
        }
        int16_t *at = split + i / stride * stride * 2 + i % stride;
        at[0] = (int16_t)(w >> SPLIT_BITS);
        at[stride] = (int16_t)(w & ((1 << SPLIT_BITS) - 1));
    }
    a->split = split;
#else
    (void)a;
#endif
}

static inline uint8_t clip8(int32_t sum) {
    int32_t v = sum >> WEIGHT_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* One row: out[i] = sum of weight * in. */
static void filter_row_ref(const axis *a, const uint8_t *in, uint8_t *out) {
    for (size_t i = 0; i < a->count; i++) {
        const int32_t *weight = a->weight + i * a->stride;
        const uint8_t *p = in + a->start[i] * 3;
        int32_t r = HALF, g = HALF, b = HALF;
        for (size_t x = 0, n = a->taps[i]; x < n; x++, p += 3) {
            r += weight[x] * p[0];
            g += weight[x] * p[1];
            b += weight[x] * p[2];
        }
        out[i * 3] = clip8(r), out[i * 3 + 1] = clip8(g), out[i * 3 + 2] = clip8(b);
    }
}

#ifdef X86
/* The same, four taps at a time. AVX2 multiplies pairs of 16-bit numbers and adds them at twice the
 * rate of 32-bit products, so a weight is taken apart exactly, w = high * 2^12 + low:
 *
 *     lanes 0 … 2   r g b of taps 0 and 1      lanes 4 … 6   r g b of taps 2 and 3
 *
 * Sums may wrap on the way; the total, which fits, comes out right. `in` must be readable OVERREAD
 * bytes past the row; what lies there meets weights of zero. */
__attribute__((target("avx2"))) static void filter_row_avx2(const axis *a, const uint8_t *in,
                                                            uint8_t *out) {
    const __m256i pairs = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1,
                                           6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1,
                                           -1);
    const __m256i halves = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
    for (size_t i = 0; i < a->count; i++) {
        const int16_t *high = a->split + i * a->stride * 2, *low = high + a->stride;
        const uint8_t *p = in + a->start[i] * 3;
        __m256i sum_high = _mm256_setzero_si256(), sum_low = _mm256_setzero_si256();
        for (size_t x = 0, n = a->taps[i]; x < n; x += TAPS, p += TAPS * 3) {
            __m256i v = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i_u *)p));
            v = _mm256_shuffle_epi8(v, pairs);
            __m256i h = _mm256_castsi128_si256(_mm_loadu_si64(high + x));
            __m256i l = _mm256_castsi128_si256(_mm_loadu_si64(low + x));
            h = _mm256_madd_epi16(v, _mm256_permutevar8x32_epi32(h, halves));
            l = _mm256_madd_epi16(v, _mm256_permutevar8x32_epi32(l, halves));
            sum_high = _mm256_add_epi32(sum_high, h);
            sum_low = _mm256_add_epi32(sum_low, l);
        }
        __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(sum_high, SPLIT_BITS), sum_low);
        __m128i total = _mm_add_epi32(_mm256_castsi256_si128(sum),
                                      _mm256_extracti128_si256(sum, 1));
        total = _mm_srai_epi32(_mm_add_epi32(total, _mm_set1_epi32(HALF)), WEIGHT_BITS);
        total = _mm_packus_epi16(_mm_packs_epi32(total, total), total);
        uint32_t rgb = (uint32_t)_mm_cvtsi128_si32(total);
        memcpy(out + i * 3, &rgb, 3);
    }
}
#endif

/* One row of the result from `taps` rows: out[j] = sum of weight * in[x * stride + j]. */
WIDE static void filter_column(const int32_t *weight, size_t taps, const uint8_t *in, size_t stride,
                               uint8_t *out, size_t n) {
    enum { BLOCK = 192 };
    for (size_t at = 0; at < n; at += BLOCK) {
        size_t m = n - at < BLOCK ? n - at : BLOCK;
        int32_t sum[BLOCK];
        for (size_t j = 0; j < m; j++) sum[j] = HALF;
        for (size_t x = 0; x < taps; x++) {
            const uint8_t *row = in + x * stride + at;
            int32_t w = weight[x];
            for (size_t j = 0; j < m; j++) sum[j] += row[j] * w;
        }
        for (size_t j = 0; j < m; j++) out[at + j] = clip8(sum[j]);
    }
}

/* Rows top … bottom - 1 of the input [h, w, 3] through the row filter. */
static sns_status filter_rows(const axis *a, const uint8_t *in, size_t w, size_t h, size_t top,
                              size_t bottom, uint8_t *out, sns_error *err) {
    /* Rows near the picture's end are copied, so that reading past them is allowed. */
    void (*filter_row)(const axis *, const uint8_t *, uint8_t *) = filter_row_ref;
#ifdef X86
    if (a->split) filter_row = filter_row_avx2;
#endif
    uint8_t *copy = calloc(1, w * 3 + OVERREAD);
    if (!copy) return sns_fail(err, SNS_NOMEM, "resize: no memory");
    for (size_t y = top; y < bottom; y++) {
        const uint8_t *row = in + y * w * 3;
        if ((h - 1 - y) * w * 3 < OVERREAD) row = memcpy(copy, row, w * 3);
        filter_row(a, row, out + (y - top) * a->count * 3);
    }
    free(copy);
    return SNS_OK;
}

/* Both passes; `rows` is the picture between them, with its first row being input row `top`. */
static sns_status filter_both(const axis *ax, const axis *ay, const uint8_t *in, size_t w, size_t h,
                              size_t row_first, size_t row_end, uint8_t *out, sns_error *err) {
    const uint8_t *rows = in + row_first * w * 3 + ax->first * 3;
    size_t stride = w * 3, n = ax->count * 3, bytes;
    uint8_t *between = NULL;
    if (!ax->identity) {
        if (!sns_mul_size(n, row_end - row_first, &bytes) || !(between = malloc(bytes)))
            return sns_fail(err, SNS_NOMEM, "resize: no memory");
        sns_status s = filter_rows(ax, in, w, h, row_first, row_end, between, err);
        if (s) {
            free(between);
            return s;
        }
        rows = between;
        stride = n;
    }
    for (size_t i = 0; i < ay->count; i++) {
        if (ay->identity)
            memcpy(out + i * n, rows + i * stride, n);
        else
            filter_column(ay->weight + i * ay->stride, ay->taps[i],
                          rows + (ay->start[i] - row_first) * stride, stride, out + i * n, n);
    }
    free(between);
    return SNS_OK;
}

sns_status sns_resize_window(const sns_resize_job *job, uint8_t *out, sns_error *err) {
    const sns_resize_job *j = job;
    if (!j->in || !out || !j->w || !j->h || !j->window_w || !j->window_h ||
        !(j->x0 >= 0 && j->x1 > j->x0 && j->x1 <= (double)j->w) ||
        !(j->y0 >= 0 && j->y1 > j->y0 && j->y1 <= (double)j->h))
        return sns_fail(err, SNS_ARG, "resize: an empty picture or a box outside it");
    if (j->w > MAX_SIDE || j->h > MAX_SIDE || j->out_w > MAX_SIDE || j->out_h > MAX_SIDE)
        return sns_fail(err, SNS_LIMIT, "resize: a side of more than %d pixels", MAX_SIDE);
    if (j->window_x > j->out_w || j->window_w > j->out_w - j->window_x || j->window_y > j->out_h ||
        j->window_h > j->out_h - j->window_y)
        return sns_fail(err, SNS_ARG, "resize: a window outside the result");
    axis ax = {.first = j->window_x, .count = j->window_w};
    axis ay = {.first = j->window_y, .count = j->window_h};
    sns_status s = axis_plan(&ax, j->w, (float)j->x0, (float)j->x1, j->out_w, err);
    if (!s) s = axis_plan(&ay, j->h, (float)j->y0, (float)j->y1, j->out_h, err);
    if (!s) {
        axis_split(&ax);
        size_t last = ay.count - 1, first_row = ay.identity ? ay.first : ay.start[0];
        size_t end_row = ay.identity ? ay.first + ay.count : ay.start[last] + ay.taps[last];
        s = filter_both(&ax, &ay, j->in, j->w, j->h, first_row, end_row, out, err);
    }
    axis_free(&ax);
    axis_free(&ay);
    return s;
}

sns_status sns_resize_bicubic(const uint8_t *in, size_t w, size_t h, double x0, double y0,
                              double x1, double y1, uint8_t *out, size_t out_w, size_t out_h,
                              sns_error *err) {
    sns_resize_job job = {.in = in,
                          .w = w,
                          .h = h,
                          .x0 = x0,
                          .y0 = y0,
                          .x1 = x1,
                          .y1 = y1,
                          .out_w = out_w,
                          .out_h = out_h,
                          .window_w = out_w,
                          .window_h = out_h};
    return sns_resize_window(&job, out, err);
}

sns_status sns_image_resize(const sns_image *image, size_t width_px, size_t height_px,
                            sns_image *out, sns_error *err) {
    *out = (sns_image){0};
    if (!image || !image->rgb || !width_px || !height_px)
        return sns_fail(err, SNS_ARG, "resize: an empty picture");
    size_t pixels, bytes;
    if (!sns_mul_size(width_px, height_px, &pixels) || !sns_mul_size(pixels, 3, &bytes))
        return sns_fail(err, SNS_LIMIT, "resize: %zu x %zu is too large", width_px, height_px);
    uint8_t *rgb = malloc(bytes);
    if (!rgb) return sns_fail(err, SNS_NOMEM, "resize: no memory for %zu bytes", bytes);
    sns_status s = sns_resize_bicubic(image->rgb, image->width_px, image->height_px, 0, 0,
                                      (double)image->width_px, (double)image->height_px, rgb,
                                      width_px, height_px, err);
    if (s)
        free(rgb);
    else
        *out = (sns_image){width_px, height_px, rgb};
    return s;
}
