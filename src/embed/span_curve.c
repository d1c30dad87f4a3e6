/* span_curve.c - a score along a film: smoothed, and its moments.
 *
 * With s_k the score of sample k:
 *     s'_i = sum over k of w_ik s_k / sum of w_ik,   k in the shot of i
 *     w_ik = integral over the span of k of exp(-(u - m_i)^2 / (2 sigma^2)) du,  m_i the middle of
 * i the mean by a Gaussian in time of the curve that has s_k all along the span of k, so that
 * samples of unequal spans count as long as they last. It stops at cuts, which it would blur.
 *
 * Moments, with b the median of the curve s' over time:
 *     repeat: peak p = the highest local maximum s_i that no moment has yet
 *             end when s_p - b < 1/2 of what it was for the first peak
 *             moment = the samples around p with s_i >= b + 2/3 (s_p - b)
 * The threshold adapts to the film (median, since most of a film is something else) and to the
 * peak. A fraction of the peak is how localisation from a classifier's scores is done (Zhou et al.
 * 2016, class activation maps), with the background's level taken off first. Otsu's threshold
 * (1979) and median + k MAD found the ends of moments less well on films with known moments;
 * docs/VIDEO.md has the numbers. Parts with a short dip between them are one moment, and taking the
 * highest peak first with all around it is non-maximum suppression: no moment overlaps a better
 * one. */
#include "embed/span_curve.h"
#include "base/error.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { DEFAULT_MOST = 5 };
static const double sigma_seconds = 0.5, level = 2.0 / 3, least_part = 0.5, default_gap = 0.5;

/* ---- smoothing ---- */

/* The Gaussian's integral from its middle to u, but for a factor. */
static double up_to(double u, double middle) {
    return erf((u - middle) / (sigma_seconds * sqrt(2)));
}

static float smooth_at(const sns_span *s, size_t n, const float *in, size_t i) {
    const double reach = 3 * sigma_seconds;
    double middle = (s[i].start + s[i].end) / 2, sum = 0, weight = 0;
    size_t first = i, last = i;
    while (first > 0 && !s[first].cut && s[first - 1].end > middle - reach) first--;
    while (last + 1 < n && !s[last + 1].cut && s[last + 1].start < middle + reach) last++;
    for (size_t k = first; k <= last; k++) {
        double w = up_to(s[k].end, middle) - up_to(s[k].start, middle);
        sum += w * in[k];
        weight += w;
    }
    return weight > 0 ? (float)(sum / weight) : in[i];
}

void sns_spans_smooth(const sns_span *spans, size_t n, const float *in, float *out) {
    for (size_t i = 0; i < n; i++) out[i] = smooth_at(spans, n, in, i);
}

/* ---- moments ---- */

typedef struct weighted {
    float score;
    double seconds;
} weighted;

static int lowest_first(const void *a, const void *b) {
    const weighted *p = a, *q = b;
    return (p->score > q->score) - (p->score < q->score);
}

static double median_over_time(const sns_span *spans, size_t n, const float *curve,
                               weighted *room) {
    double total = 0, below = 0;
    size_t i = 0;
    for (size_t k = 0; k < n; k++) {
        double seconds = spans[k].end - spans[k].start;
        room[k] = (weighted){curve[k], seconds};
        total += seconds;
    }
    qsort(room, n, sizeof *room, lowest_first);
    for (; i + 1 < n && (below += room[i].seconds) < total / 2;) i++;
    return room[i].score;
}

/* What finding moments looks at. */
typedef struct search {
    const sns_span *spans;
    size_t n;
    const float *curve;
    bool *taken; /* by a moment */
    double gap;
} search;

/* The farthest sample from `at` in a direction that belongs to the same moment: all between are
 * free, and those below the threshold last no longer than the gap. */
static size_t grow(const search *s, size_t at, int step, double threshold) {
    size_t end = at;
    double dip = 0;
    for (size_t i = at; step > 0 ? i + 1 < s->n : i > 0;) {
        i = step > 0 ? i + 1 : i - 1;
        if (s->taken[i]) break;
        if (s->curve[i] >= threshold) {
            end = i;
            dip = 0;
        } else if ((dip += s->spans[i].end - s->spans[i].start) > s->gap) {
            break;
        }
    }
    return end;
}

static sns_moment take(search *s, size_t peak, double base) {
    const sns_span *spans = s->spans;
    double threshold = base + level * (s->curve[peak] - base);
    size_t first = grow(s, peak, -1, threshold), last = grow(s, peak, 1, threshold);
    for (size_t i = first; i <= last; i++) s->taken[i] = true;
    return (sns_moment){spans[first].start, spans[peak].seconds, spans[last].end, s->curve[peak]};
}

/* Is no sample beside it in its shot higher? The slopes of a moment are no moments of their own. */
static bool is_peak(const search *s, size_t i) {
    const sns_span *spans = s->spans;
    if (i && !spans[i].cut && s->curve[i - 1] > s->curve[i]) return false;
    return i + 1 == s->n || spans[i + 1].cut || s->curve[i + 1] <= s->curve[i];
}

static size_t highest_free(const search *s) {
    size_t best = s->n;
    for (size_t i = 0; i < s->n; i++)
        if (!s->taken[i] && is_peak(s, i) && (best == s->n || s->curve[i] > s->curve[best]))
            best = i;
    return best;
}

static sns_status find(search *s, double base, const sns_moment_options *o, sns_moment **out,
                       size_t *count, sns_error *err) {
    size_t most = o->most ? o->most : DEFAULT_MOST;
    if (most > s->n) most = s->n;
    if (!(*out = malloc(most * sizeof **out)))
        return sns_fail(err, SNS_NOMEM, "no memory for %zu moments", most);
    while (*count < most) {
        size_t peak = highest_free(s);
        if (peak == s->n || s->curve[peak] < o->least) break;
        if (*count && s->curve[peak] - base < least_part * ((*out)[0].score - base)) break;
        (*out)[(*count)++] = take(s, peak, base);
    }
    return SNS_OK;
}

sns_status sns_spans_moments(const sns_span *spans, size_t n, const float *curve,
                             const sns_moment_options *options, sns_moment **out, size_t *count,
                             sns_error *err) {
    static const sns_moment_options defaults = {.least = -2}; /* below any cosine */
    const sns_moment_options *o = options ? options : &defaults;
    *out = NULL;
    *count = 0;
    weighted *room = malloc(n * sizeof *room);
    bool *taken = calloc(n, sizeof *taken);
    sns_status s = room && taken ? SNS_OK : sns_fail(err, SNS_NOMEM, "no memory for a curve");
    if (!s) {
        search look = {spans, n, curve, taken, o->merge_gap > 0 ? o->merge_gap : default_gap};
        s = find(&look, median_over_time(spans, n, curve, room), o, out, count, err);
    }
    free(room);
    free(taken);
    return s;
}
