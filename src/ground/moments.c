/* moments.c - the moments of a film that fit a text.
 *
 * With s_i the curve (film_curve.c), b its median over time:
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
#include "base/error.h"
#include "ground/film.h"
#include <stdbool.h>
#include <stdlib.h>

enum { DEFAULT_MOST = 5 };
static const double level = 2.0 / 3, least_part = 0.5, default_gap = 0.5;

typedef struct weighted {
    float score;
    double seconds;
} weighted;

static int lowest_first(const void *a, const void *b) {
    const weighted *p = a, *q = b;
    return (p->score > q->score) - (p->score < q->score);
}

static double median_over_time(const sns_film *film, const float *curve, weighted *room) {
    double total = 0, below = 0;
    size_t i = 0;
    for (size_t k = 0; k < film->count; k++) {
        double seconds = film->spans[k].end - film->spans[k].start;
        room[k] = (weighted){curve[k], seconds};
        total += seconds;
    }
    qsort(room, film->count, sizeof *room, lowest_first);
    for (; i + 1 < film->count && (below += room[i].seconds) < total / 2;) i++;
    return room[i].score;
}

/* What finding moments looks at. */
typedef struct search {
    const sns_film *film;
    const float *curve;
    bool *taken; /* by a moment */
    double gap;
} search;

/* The farthest sample from `at` in a direction that belongs to the same moment: all between are
 * free, and those below the threshold last no longer than the gap. */
static size_t grow(const search *s, size_t at, int step, double threshold) {
    size_t end = at;
    double dip = 0;
    for (size_t i = at; step > 0 ? i + 1 < s->film->count : i > 0;) {
        i = step > 0 ? i + 1 : i - 1;
        if (s->taken[i]) break;
        if (s->curve[i] >= threshold) {
            end = i;
            dip = 0;
        } else if ((dip += s->film->spans[i].end - s->film->spans[i].start) > s->gap) {
            break;
        }
    }
    return end;
}

static sns_moment take(search *s, size_t peak, double base) {
    const sns_span *spans = s->film->spans;
    double threshold = base + level * (s->curve[peak] - base);
    size_t first = grow(s, peak, -1, threshold), last = grow(s, peak, 1, threshold);
    for (size_t i = first; i <= last; i++) s->taken[i] = true;
    return (sns_moment){spans[first].start, spans[peak].seconds, spans[last].end, s->curve[peak]};
}

/* Is no sample beside it in its shot higher? The slopes of a moment are no moments of their own. */
static bool is_peak(const search *s, size_t i) {
    const sns_span *spans = s->film->spans;
    if (i && !spans[i].cut && s->curve[i - 1] > s->curve[i]) return false;
    return i + 1 == s->film->count || spans[i + 1].cut || s->curve[i + 1] <= s->curve[i];
}

static size_t highest_free(const search *s) {
    size_t best = s->film->count;
    for (size_t i = 0; i < s->film->count; i++)
        if (!s->taken[i] && is_peak(s, i) &&
            (best == s->film->count || s->curve[i] > s->curve[best]))
            best = i;
    return best;
}

static sns_status find(search *s, double base, const sns_moment_options *o, sns_moment **out,
                       size_t *count, sns_error *err) {
    size_t most = o->most ? o->most : DEFAULT_MOST;
    if (most > s->film->count) most = s->film->count;
    if (!(*out = malloc(most * sizeof **out)))
        return sns_fail(err, SNS_NOMEM, "no memory for %zu moments", most);
    while (*count < most) {
        size_t peak = highest_free(s);
        if (peak == s->film->count || s->curve[peak] < o->least) break;
        if (*count && s->curve[peak] - base < least_part * ((*out)[0].score - base)) break;
        (*out)[(*count)++] = take(s, peak, base);
    }
    return SNS_OK;
}

sns_status sns_moments_find(const sns_film *film, const float *text,
                            const sns_moment_options *options, sns_moment **out, size_t *count,
                            sns_error *err) {
    static const sns_moment_options defaults = {.least = -2}; /* below any cosine */
    const sns_moment_options *o = options ? options : &defaults;
    *out = NULL;
    *count = 0;
    float *curve = malloc(film->count * sizeof *curve);
    weighted *room = malloc(film->count * sizeof *room);
    bool *taken = calloc(film->count, sizeof *taken);
    sns_status s = curve && room && taken ? sns_film_curve(film, text, curve, err)
                                          : sns_fail(err, SNS_NOMEM, "no memory for a curve");
    if (!s) {
        search look = {film, curve, taken, o->merge_gap > 0 ? o->merge_gap : default_gap};
        s = find(&look, median_over_time(film, curve, room), o, out, count, err);
    }
    free(curve);
    free(room);
    free(taken);
    return s;
}
