/* summary.c - a film's parts that say most about a text, or about the film, in a given time.
 *
 * The film is split at cuts, and shots into pieces of some 3 seconds: piece i of length d_i, with
 * v_i the mean direction of its samples and c_i the mean of the text's curve (film_curve.c). With b
 * the median of c over time and t its highest, w_i = max(0, (c_i - b) / (t - b))        what the
 * text makes of it; without a text 1 F(S) = sum over i of d_i w_i max over s in S of max(0, v_i .
 * v_s)^2 / sum over i of d_i w_i is the part of what matters that the pieces S stand for (facility
 * location; Lin and Bilmes 2011; for films Gygli, Grabner, Van Gool 2015). A second piece like the
 * first adds nothing to it, which is diversity; a piece that the text does not fit has no weight,
 * which is relevance. F is monotone and submodular; chosen is the piece with most gain a second,
 * while there is time (Leskovec et al. 2007, cost-effective greedy; pieces are of like length,
 * where greedy is within 1 - 1/e of the best, Nemhauser, Wolsey, Fisher 1978). */
#include "base/error.h"
#include "ground/film.h"
#include "kernel/kernel.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PIECES = 4096 };
static const double piece_seconds = 3, least_seconds = 1, default_seconds = 15;

typedef struct piece {
    double start, end, peak;
    float score, best; /* mean of the curve; its highest */
    double weight;     /* d w */
    double covered;    /* by the chosen ones: max of similarity */
    bool chosen;
} piece;

typedef struct summary {
    const sns_film *film;
    const float *curve; /* NULL: no text */
    piece *pieces;
    float *vectors; /* [count, dim] */
    size_t count;
} summary;

/* ---- pieces --------------------------------------------------------------------------------- */

/* Add what a sample shows from start to end to the last piece. */
static void extend(summary *s, size_t sample, double start, double end) {
    piece *p = &s->pieces[s->count - 1];
    float *sum = s->vectors + (s->count - 1) * s->film->dim;
    float score = s->curve ? s->curve[sample] : 0, seconds = (float)(end - start);
    if (end - start > 0 && (p->end == p->start || score > p->best)) {
        p->best = score;
        p->peak = fmax(start, s->film->spans[sample].seconds);
    }
    const float *v = s->film->vectors + sample * s->film->dim;
    for (size_t k = 0; k < s->film->dim; k++) sum[k] += seconds * v[k];
    p->score += seconds * score;
    p->end = end;
}

static void begin(summary *s, double at) {
    memset(s->vectors + s->count * s->film->dim, 0, s->film->dim * sizeof *s->vectors);
    s->pieces[s->count++] = (piece){.start = at, .end = at};
}

/* Where to split a shot near a time: at the sample before which its picture changes most, within
 * almost half a piece to both sides, since shots may melt into each other without a cut. */
static double split_near(const summary *s, size_t first, size_t last, double time, double length) {
    const sns_film *f = s->film;
    const double reach = 0.45 * length;
    double at = time;
    float least = 2;
    for (size_t i = first + 1; i <= last && f->spans[i].start < time + reach; i++) {
        if (f->spans[i].start <= time - reach) continue;
        float c = sns_kernels_get()->dot(f->vectors + (i - 1) * f->dim, f->vectors + i * f->dim,
                                         f->dim);
        if (c < least) {
            least = c;
            at = f->spans[i].start;
        }
    }
    return at;
}

/* A shot's pieces of about `length`. */
static void split_shot(summary *s, size_t first, size_t last, double length) {
    const sns_span *spans = s->film->spans;
    double start = spans[first].start, whole = spans[last].end - start;
    size_t n = (size_t)fmax(1, floor(whole / length)), sample = first;
    double from = start;
    for (size_t i = 0; i < n; i++) {
        double to = spans[last].end;
        if (i + 1 < n)
            to = split_near(s, first, last, start + whole * (double)(i + 1) / (double)n,
                            whole / (double)n);
        begin(s, from);
        while (spans[sample].end < to && sample < last) {
            extend(s, sample, from, spans[sample].end);
            from = spans[sample++].end;
        }
        if (to > from) extend(s, sample, from, to);
        from = to;
    }
}

static void finish_piece(summary *s, size_t i) {
    float *v = s->vectors + i * s->film->dim;
    double seconds = s->pieces[i].end - s->pieces[i].start, norm = 0;
    for (size_t k = 0; k < s->film->dim; k++) norm += (double)v[k] * v[k];
    float factor = norm > 0 ? (float)(1 / sqrt(norm)) : 0;
    for (size_t k = 0; k < s->film->dim; k++) v[k] *= factor;
    s->pieces[i].score /= (float)seconds;
}

static size_t count_cuts(const sns_film *f) {
    size_t n = 1;
    for (size_t i = 1; i < f->count; i++) n += f->spans[i].cut != 0;
    return n;
}

static sns_status split(summary *s, sns_error *err) {
    const sns_film *f = s->film;
    double whole = f->spans[f->count - 1].end - f->spans[0].start;
    double length = fmax(piece_seconds, whole / MOST_PIECES);
    size_t most = count_cuts(f) + (size_t)(whole / length) + 1;
    s->pieces = malloc(most * sizeof *s->pieces);
    s->vectors = malloc(most * f->dim * sizeof *s->vectors);
    if (!s->pieces || !s->vectors) return sns_fail(err, SNS_NOMEM, "no memory for a summary");
    for (size_t first = 0, last; first < f->count; first = last + 1) {
        last = first;
        while (last + 1 < f->count && !f->spans[last + 1].cut) last++;
        split_shot(s, first, last, length);
    }
    for (size_t i = 0; i < s->count; i++) finish_piece(s, i);
    return SNS_OK;
}

/* ---- weights -------------------------------------------------------------------------------- */

static int by_score(const void *a, const void *b) {
    const piece *const *p = a, *const *q = b;
    return ((*p)->score > (*q)->score) - ((*p)->score < (*q)->score);
}

static sns_status weigh(summary *s, sns_error *err) {
    const piece **order = malloc(s->count * sizeof *order);
    if (!order) return sns_fail(err, SNS_NOMEM, "no memory for a summary");
    double total = 0, below = 0;
    for (size_t i = 0; i < s->count; i++) {
        order[i] = &s->pieces[i];
        total += s->pieces[i].end - s->pieces[i].start;
    }
    qsort(order, s->count, sizeof *order, by_score);
    size_t m = 0;
    while (m + 1 < s->count && (below += order[m]->end - order[m]->start) < total / 2) m++;
    double median = order[m]->score, top = order[s->count - 1]->score;
    free(order);
    for (size_t i = 0; i < s->count; i++) {
        piece *p = &s->pieces[i];
        double w = s->curve && top > median ? fmax(0, (p->score - median) / (top - median)) : 1;
        p->weight = w * (p->end - p->start);
    }
    return SNS_OK;
}

/* ---- choosing ------------------------------------------------------------------------------- */

static double similarity(const summary *s, size_t i, size_t k) {
    size_t dim = s->film->dim;
    float c = sns_kernels_get()->dot(s->vectors + i * dim, s->vectors + k * dim, dim);
    return c > 0 ? (double)c * c : 0;
}

/* What piece k would add to F, but for F's divisor. */
static double gain(const summary *s, size_t k) {
    double sum = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (!(s->pieces[i].weight > 0)) continue;
        double more = similarity(s, i, k) - s->pieces[i].covered;
        if (more > 0) sum += s->pieces[i].weight * more;
    }
    return sum;
}

static void choose(summary *s, size_t k) {
    s->pieces[k].chosen = true;
    for (size_t i = 0; i < s->count; i++)
        s->pieces[i].covered = fmax(s->pieces[i].covered, similarity(s, i, k));
}

/* *seconds: what time is left. Gains only fall as pieces are chosen (submodular), so that a piece
 * whose last known gain is no better than the best fresh one need not be looked at again (Minoux
 * 1978). */
static bool choose_next(summary *s, double *known, double *seconds) {
    size_t best = s->count;
    double most = 0;
    for (size_t k = 0; k < s->count; k++) {
        const piece *p = &s->pieces[k];
        double length = p->end - p->start;
        if (p->chosen || length > *seconds || length < least_seconds / 2) continue;
        if (best < s->count && known[k] / length <= most) continue;
        known[k] = gain(s, k);
        if (known[k] / length > most) {
            most = known[k] / length;
            best = k;
        }
    }
    if (best == s->count) return false;
    *seconds -= s->pieces[best].end - s->pieces[best].start;
    choose(s, best);
    return true;
}

/* The chosen pieces in the film's order, neighbours joined. */
static sns_status join(const summary *s, sns_moment **out, size_t *count, sns_error *err) {
    if (!(*out = malloc(s->count * sizeof **out)))
        return sns_fail(err, SNS_NOMEM, "no memory for a summary");
    for (size_t i = 0; i < s->count; i++) {
        const piece *p = &s->pieces[i];
        sns_moment *before = *count ? &(*out)[*count - 1] : NULL;
        if (!p->chosen) continue;
        if (before && before->end == p->start) {
            before->end = p->end;
            if (p->best > before->score) before->score = p->best, before->peak = p->peak;
        } else {
            (*out)[(*count)++] = (sns_moment){p->start, p->peak, p->end, p->best};
        }
    }
    return SNS_OK;
}

static sns_status summarise(summary *s, double seconds, sns_moment **out, size_t *count,
                            sns_error *err) {
    sns_status status = split(s, err);
    if (!status) status = weigh(s, err);
    double *known = malloc((s->count + 1) * sizeof *known);
    if (!status && !known) status = sns_fail(err, SNS_NOMEM, "no memory for a summary");
    for (size_t k = 0; k < s->count && !status; k++) known[k] = INFINITY;
    while (!status && choose_next(s, known, &seconds)) continue;
    free(known);
    return status ? status : join(s, out, count, err);
}

sns_status sns_film_summarise(const sns_film *film, const float *text, double seconds,
                              sns_moment **out, size_t *count, sns_error *err) {
    summary s = {.film = film};
    float *curve = NULL;
    sns_status status = SNS_OK;
    *out = NULL;
    *count = 0;
    if (text && !(curve = malloc(film->count * sizeof *curve)))
        return sns_fail(err, SNS_NOMEM, "no memory for a summary");
    if (text) status = sns_film_curve(film, text, curve, err);
    s.curve = curve;
    if (!status) status = summarise(&s, seconds > 0 ? seconds : default_seconds, out, count, err);
    free(curve);
    free(s.pieces);
    free(s.vectors);
    return status;
}
