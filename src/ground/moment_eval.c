/* moment_eval.c - measures on films whose moments are known.
 *
 * A found moment is right when its intersection with the true one is at least 0.5 or 0.7 of their
 * union (recall@1 at IoU, Gao et al. 2017, TALL). Chance puts a segment of the true moments' median
 * length anywhere in the film. The area under the ROC curve is a mean over true statements of the
 * share of false ones that are less probable, which is what is resampled for its interval; the
 * calibration error is that of Guo et al. 2017. */
#include "base/error.h"
#include "base/strbuf.h"
#include "ground/moment_truth.h"
#include "score/rank.h"
#include "score/report.h"
#include <math.h>
#include <sensus/ground.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { BEST = 5, PLACES = 1000, BINS = 10 };

/* What each query gave; recall_* are 0 or 1. */
typedef struct outcome {
    double recall_50, recall_70, recall5_50, recall5_70, peak, film_seconds;
    double p_true, p_false; /* of the statements; p_false below zero: there was none */
} outcome;

typedef struct work {
    const sns_model *model;
    const sns_eval_options *options;
    sns_session *session;
    sns_classifier *cohort;
    const sns_truth_list *truth;
    outcome *outcomes;
    size_t *query; /* [count] of an outcome's line */
    size_t count;
    float *vectors;
} work;

static double overlap(double a, double b, double c, double d) {
    double in = fmin(b, d) - fmax(a, c);
    return in > 0 ? in / (fmax(b, d) - fmin(a, c)) : 0;
}

/* ---- asking --------------------------------------------------------------------------------- */

static sns_status ask_moments(const sns_film *film, const float *text, const sns_truth *t,
                              outcome *o, sns_error *err) {
    const double rounding = 1e-3; /* of times in manifests and containers */
    const sns_moment_options options = {.most = BEST, .least = -2};
    sns_moment *m;
    size_t n;
    sns_status s = sns_moments_find(film, text, &options, &m, &n, err);
    if (s) return s;
    for (size_t i = 0; i < n; i++) {
        double iou = overlap(m[i].start, m[i].end, t->start, t->end);
        if (iou >= 0.5) o->recall5_50 = 1;
        if (iou >= 0.7) o->recall5_70 = 1;
        if (i) continue;
        o->recall_50 = iou >= 0.5;
        o->recall_70 = iou >= 0.7;
        o->peak = m[i].peak >= t->start - rounding && m[i].peak < t->end;
    }
    free(m);
    return SNS_OK;
}

/* The queries [first, end) of one film, and as many statements that are false. */
static sns_status ask_film(work *w, const sns_film *film, size_t first, size_t end,
                           sns_error *err) {
    size_t n = end - first, dim = sns_model_dim(w->model);
    const sns_truth *truth = w->truth->items;
    const char **texts = malloc(2 * n * sizeof *texts);
    float *vectors = malloc(2 * n * dim * sizeof *vectors);
    sns_entailment *e = malloc(2 * n * sizeof *e);
    sns_status s = texts && vectors && e ? SNS_OK : sns_fail(err, SNS_NOMEM, "no memory to ask");
    bool foreign = true;
    for (size_t i = 0; i < n && !s; i++) {
        const char *other = sns_truth_foreign(w->truth, first, end, first + i);
        texts[i] = truth[first + i].query;
        texts[n + i] = other ? other : texts[i];
        foreign = foreign && other;
    }
    if (!s) s = sns_encode_texts(w->session, texts, 2 * n, vectors, err);
    if (!s) s = sns_film_entails(film, vectors, 2 * n, e, err);
    double length = sns_film_spans(film)[sns_film_count(film) - 1].end;
    for (size_t i = 0; i < n && !s; i++) {
        outcome *o = &w->outcomes[w->count];
        *o = (outcome){.film_seconds = length,
                       .p_true = e[i].probability,
                       .p_false = foreign ? e[n + i].probability : -1};
        w->query[w->count++] = first + i;
        s = ask_moments(film, vectors + i * dim, &truth[first + i], o, err);
    }
    free(texts);
    free(vectors);
    free(e);
    return s;
}

static sns_status ask_all(work *w, sns_moment_eval *out, sns_error *err) {
    const sns_eval_options *o = w->options;
    const sns_film_options reading = {.threads = o->threads, .cancel = o->cancel};
    sns_status s = SNS_OK;
    for (size_t first = 0, end; first < w->truth->count && !s; first = end) {
        sns_film *film;
        sns_error reason;
        end = sns_truth_film_end(w->truth, first);
        s = sns_film_read(w->model, w->cohort, w->truth->items[first].video, &reading, &film,
                          &reason);
        if (s == SNS_NOMEM || s == SNS_CANCELLED || s == SNS_SHAPE)
            return sns_fail(err, s, "%s", reason.message);
        if (s) {
            if (o->warn) o->warn(o->user, reason.message);
            out->skipped++;
            s = SNS_OK;
            continue;
        }
        out->films++;
        s = ask_film(w, film, first, end, err);
        sns_film_free(film);
        if (o->progress) o->progress(o->user, end, w->truth->count);
    }
    if (!s && !w->count) s = sns_fail(err, SNS_FORMAT, "no film of the manifest can be read");
    return s;
}

/* ---- measures ------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The share of places in the film at which a segment of `length` is right. */
static double chance_of(const sns_truth *t, double film, double length, double least) {
    size_t right = 0;
    double room = film > length ? film - length : 0;
    for (size_t k = 0; k < PLACES; k++) {
        double start = room * ((double)k + 0.5) / PLACES;
        right += overlap(start, start + length, t->start, t->end) >= least;
    }
    return (double)right / PLACES;
}

static sns_status mean_of(const work *w, size_t field, double *room, sns_measure *m,
                          sns_error *err) {
    for (size_t i = 0; i < w->count; i++)
        memcpy(&room[i], (const char *)&w->outcomes[i] + field, sizeof *room);
    double chance = m->chance;
    sns_status s = sns_mean_measure(room, w->count, m, err);
    m->chance = chance;
    return s;
}

static void set_chances(const work *w, double *room, sns_moment_eval *out) {
    for (size_t i = 0; i < w->count; i++) {
        const sns_truth *t = &w->truth->items[w->query[i]];
        room[i] = t->end - t->start;
    }
    qsort(room, w->count, sizeof *room, by_value);
    out->median_seconds = room[w->count / 2];
    double half = 0, most = 0, peak = 0;
    for (size_t i = 0; i < w->count; i++) {
        const sns_truth *t = &w->truth->items[w->query[i]];
        double film = w->outcomes[i].film_seconds;
        half += chance_of(t, film, out->median_seconds, 0.5);
        most += chance_of(t, film, out->median_seconds, 0.7);
        peak += fmin(1, (t->end - t->start) / film);
    }
    double n = (double)w->count;
    out->recall_50.chance = half / n;
    out->recall_70.chance = most / n;
    /* Of five that are drawn one by one. */
    out->recall5_50.chance = 1 - pow(1 - half / n, BEST);
    out->recall5_70.chance = 1 - pow(1 - most / n, BEST);
    out->peak.chance = peak / n;
}

static void add_to_bin(double p, bool truth, double sum[BINS], double right[BINS],
                       sns_moment_eval *out) {
    size_t bin = p >= 1 ? BINS - 1 : (size_t)(p * BINS);
    sum[bin] += p;
    right[bin] += truth;
    out->brier += (p - truth) * (p - truth);
}

/* Statements: false ones in room [0, n), values in room [n, 2n). */
static sns_status measure_statements(const work *w, double *room, sns_moment_eval *out,
                                     sns_error *err) {
    double sum[BINS] = {0}, right[BINS] = {0}, *values = room + w->count;
    size_t n = 0;
    for (size_t i = 0; i < w->count; i++) {
        const outcome *o = &w->outcomes[i];
        if (o->p_false < 0) continue;
        values[n] = 0.5 * ((o->p_true >= 0.5) + (o->p_false < 0.5));
        room[n++] = o->p_false;
        add_to_bin(o->p_true, true, sum, right, out);
        add_to_bin(o->p_false, false, sum, right, out);
    }
    if (!n) return SNS_OK;
    for (size_t b = 0; b < BINS; b++)
        out->calibration_error += fabs(sum[b] - right[b]) / (2 * (double)n);
    out->brier /= 2 * (double)n;
    sns_status s = sns_mean_measure(values, n, &out->accuracy, err);
    if (s) return s;
    size_t k = 0;
    for (size_t i = 0; i < w->count; i++) {
        if (w->outcomes[i].p_false < 0) continue;
        double below = 0;
        for (size_t j = 0; j < n; j++) /* of equals, half */
            below += room[j] < w->outcomes[i].p_true    ? 1
                     : room[j] == w->outcomes[i].p_true ? 0.5
                                                        : 0;
        values[k++] = below / (double)n;
    }
    s = sns_mean_measure(values, n, &out->auc, err);
    out->accuracy.chance = out->auc.chance = 0.5;
    return s;
}

static sns_status measure(const work *w, sns_moment_eval *out, sns_error *err) {
    double *room = malloc(2 * w->count * sizeof *room);
    if (!room) return sns_fail(err, SNS_NOMEM, "no memory for %zu queries", w->count);
    out->queries = w->count;
    set_chances(w, room, out);
    sns_status s = mean_of(w, offsetof(outcome, recall_50), room, &out->recall_50, err);
    if (!s) s = mean_of(w, offsetof(outcome, recall_70), room, &out->recall_70, err);
    if (!s) s = mean_of(w, offsetof(outcome, recall5_50), room, &out->recall5_50, err);
    if (!s) s = mean_of(w, offsetof(outcome, recall5_70), room, &out->recall5_70, err);
    if (!s) s = mean_of(w, offsetof(outcome, peak), room, &out->peak, err);
    if (!s) s = measure_statements(w, room, out, err);
    free(room);
    return s;
}

sns_status sns_eval_moments(const sns_model *model, const char *manifest,
                            const sns_eval_options *options, sns_moment_eval *out, sns_error *err) {
    static const sns_eval_options defaults = {0};
    sns_truth_list truth;
    work w = {.model = model, .options = options ? options : &defaults, .truth = &truth};
    *out = (sns_moment_eval){0};
    sns_status s = sns_truth_read(manifest, w.options, &truth, err);
    if (s) return s;
    out->skipped = truth.skipped;
    w.outcomes = malloc(truth.count * sizeof *w.outcomes);
    w.query = malloc(truth.count * sizeof *w.query);
    if (!w.outcomes || !w.query) s = sns_fail(err, SNS_NOMEM, "%s: no memory", manifest);
    if (!s) s = sns_session_new(model, &w.session, err);
    if (!s) s = sns_cohort_new(model, NULL, 0, &w.cohort, err);
    if (!s) s = ask_all(&w, out, err);
    if (!s) s = measure(&w, out, err);
    sns_classifier_free(w.cohort);
    sns_session_free(w.session);
    free(w.outcomes);
    free(w.query);
    sns_truth_free(&truth);
    return s;
}

/* ---- report --------------------------------------------------------------------------------- */

static void put_line(sns_strbuf *b, const char *name, const sns_measure *m) {
    sns_strbuf_printf(b, "  %-22s %6.1f %%   %5.1f to %5.1f   chance %.1f %%\n", name,
                      100 * m->value, 100 * m->low, 100 * m->high, 100 * m->chance);
}

static json_t *measure_json(const sns_measure *m) {
    return json_pack("{s:f,s:f,s:f,s:f}", "value", m->value, "low", m->low, "high", m->high,
                     "chance", m->chance);
}

sns_status sns_moment_report(const sns_moment_eval *r, int json, char **text, sns_error *err) {
    const struct {
        const char *name, *key;
        const sns_measure *measure;
    } lines[] = {{"recall@1, IoU 0.5", "recall@1_iou0.5", &r->recall_50},
                 {"recall@1, IoU 0.7", "recall@1_iou0.7", &r->recall_70},
                 {"recall@5, IoU 0.5", "recall@5_iou0.5", &r->recall5_50},
                 {"recall@5, IoU 0.7", "recall@5_iou0.7", &r->recall5_70},
                 {"peak in the moment", "peak", &r->peak},
                 {"statements, accuracy", "accuracy", &r->accuracy},
                 {"statements, AUC", "auc", &r->auc}};
    sns_strbuf b = {0};
    json_t *object = NULL;
    if (json)
        object = json_pack("{s:I,s:I,s:f,s:f,s:f}", "films", (json_int_t)r->films, "queries",
                           (json_int_t)r->queries, "median_seconds", r->median_seconds,
                           "calibration_error", r->calibration_error, "brier", r->brier);
    else
        sns_strbuf_printf(&b, "%zu films, %zu queries, true moments of %.1f s (median)\n", r->films,
                          r->queries, r->median_seconds);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (json)
            json_object_set_new(object, lines[i].key, measure_json(lines[i].measure));
        else
            put_line(&b, lines[i].name, lines[i].measure);
    }
    if (json)
        sns_report_json(&b, object, 6);
    else
        sns_strbuf_printf(&b, "  %-22s %6.3f     Brier score %.3f\n", "calibration error",
                          r->calibration_error, r->brier);
    return sns_report_finish(&b, text, err);
}
