/* relevance.c - does one threshold on relevance find what fits, and nothing where nothing
 * fits?
 *
 * Queries are the distinct texts of one language; those pictures fit a text that carry it. Over all
 * (query, picture) pairs, with a threshold h on some score:
 *     precision P(h) = fitting pairs among those with score >= h     recall R(h) = found fitting
 * pairs F1 = 2 P R / (P + R)     average precision = sum over h of P(h) (R(h) - R(before h)) Two
 * scores are compared: relevance (src/embed/cohort.c) at the threshold that was fixed before, and
 * the plain cosine at the one flat threshold whose F1 is the best on these very answers.
 * Each query is also asked of the same pictures without those that fit it: anything listed then is
 * wrong. Scores are counted in bins, so memory does not grow with queries x pictures. */
#include "base/error.h"
#include "base/memory.h"
#include "kernel/kernel.h"
#include "score/eval_set.h"
#include <math.h>
#include "base/rng.h"
#include <sensus/relevance.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { BINS = 8192, SCORES = SNS_RELEVANCE_WAYS };

/* Bins of cosines (-1 ... 1) and of relevance. */
static const double LOWEST[SCORES] = {[SNS_BY_RELEVANCE] = -16, [SNS_BY_COSINE] = -1};
static const double HIGHEST[SCORES] = {[SNS_BY_RELEVANCE] = 48, [SNS_BY_COSINE] = 1};

typedef struct histogram {
    uint64_t right[BINS], wrong[BINS];
} histogram;

/* What a query got at the two thresholds. */
typedef struct outcome {
    uint32_t right[SCORES], wrong[SCORES]; /* listed pictures that fit, that do not */
    uint32_t false_alarms[SCORES];         /* listed where none fits */
    uint32_t fitting;
} outcome;

typedef struct work {
    const float *images; /* [N, E] */
    const float *texts;  /* [T, E] */
    size_t N, E;
    const sns_relation *right;
    sns_moments *moments, *rest;             /* [N]; of the pictures that do not fit */
    float *cosine, *relevance, *rest_cosine; /* [N] */
    bool *fits;                              /* [N] */
    histogram *bins;                         /* [SCORES] */
    outcome *outcomes;                       /* [T] */
} work;

static size_t bin_of(int way, double score) {
    double at = (score - LOWEST[way]) / (HIGHEST[way] - LOWEST[way]) * BINS;
    return at <= 0 ? 0 : at >= BINS ? BINS - 1 : (size_t)at;
}

static double score_of(int way, size_t bin) {
    return LOWEST[way] + (HIGHEST[way] - LOWEST[way]) * (double)bin / BINS;
}

/* ---- asking ---- */

static void score_query(work *w, size_t q) {
    sns_kernels_get()->dot_rows(w->cosine, w->texts + q * w->E, w->images, w->N, w->E);
    sns_relevance(w->cosine, w->moments, w->N, w->relevance);
    memset(w->fits, 0, w->N * sizeof *w->fits);
    for (size_t i = w->right->start[q]; i < w->right->start[q + 1]; i++)
        w->fits[w->right->items[i]] = true;
}

static void count_bins(work *w) {
    for (size_t i = 0; i < w->N; i++)
        for (int way = 0; way < SCORES; way++) {
            size_t bin = bin_of(way, way == SNS_BY_COSINE ? w->cosine[i] : w->relevance[i]);
            ++*(w->fits[i] ? &w->bins[way].right[bin] : &w->bins[way].wrong[bin]);
        }
}

/* The same query where no picture fits. */
static void count_false_alarms(work *w, const double least[SCORES], outcome *o) {
    size_t n = 0;
    for (size_t i = 0; i < w->N; i++) {
        if (w->fits[i]) continue;
        w->rest[n] = w->moments[i];
        w->rest_cosine[n++] = w->cosine[i];
    }
    for (size_t i = 0; i < n; i++)
        o->false_alarms[SNS_BY_COSINE] += w->rest_cosine[i] >= least[SNS_BY_COSINE];
    sns_relevance(w->rest_cosine, w->rest, n, w->rest_cosine);
    for (size_t i = 0; i < n; i++)
        o->false_alarms[SNS_BY_RELEVANCE] += w->rest_cosine[i] >= least[SNS_BY_RELEVANCE];
}

static void count_outcome(work *w, const double least[SCORES], outcome *o) {
    *o = (outcome){0};
    for (size_t i = 0; i < w->N; i++) {
        o->fitting += w->fits[i];
        for (int way = 0; way < SCORES; way++) {
            double score = way == SNS_BY_COSINE ? w->cosine[i] : w->relevance[i];
            if (score >= least[way]) ++*(w->fits[i] ? &o->right[way] : &o->wrong[way]);
        }
    }
    count_false_alarms(w, least, o);
}

/* ---- measures ---- */

static double f1(double right, double wrong, double fitting) {
    return right + wrong + fitting > 0 ? 2 * right / (right + wrong + fitting) : 0;
}

/* From the highest bin down: the curve at SNS_RELEVANCE_POINTS recalls, its area, the best F1. */
static void walk_curve(const histogram *h, int way, sns_relevance_way *out) {
    double fitting = 0, right = 0, wrong = 0, before = 0, best = -1;
    size_t point = 0;
    for (size_t b = 0; b < BINS; b++) fitting += (double)h->right[b];
    for (size_t b = BINS; b-- > 0;) {
        right += (double)h->right[b];
        wrong += (double)h->wrong[b];
        if (right + wrong == 0) continue;
        double precision = right / (right + wrong), recall = right / fitting;
        out->average_precision += precision * (recall - before);
        before = recall;
        if (f1(right, wrong, fitting) > best) {
            best = f1(right, wrong, fitting);
            out->best_threshold = score_of(way, b);
            out->best_f1 = best;
        }
        while (point < SNS_RELEVANCE_POINTS &&
               recall >= (double)(point + 1) / SNS_RELEVANCE_POINTS - 1e-12)
            out->precision_at[point++] = precision;
    }
}

typedef enum what { PRECISION, RECALL, F1, SILENT, WHATS } what;

static void summarise(const outcome *o, const uint32_t *draw, size_t n, int way,
                      double out[WHATS]) {
    double right = 0, wrong = 0, fitting = 0, silent = 0;
    for (size_t i = 0; i < n; i++) {
        const outcome *q = &o[draw ? draw[i] : i];
        right += q->right[way];
        wrong += q->wrong[way];
        fitting += q->fitting;
        silent += !q->false_alarms[way];
    }
    out[PRECISION] = right + wrong > 0 ? right / (right + wrong) : 1;
    out[RECALL] = fitting > 0 ? right / fitting : 0;
    out[F1] = f1(right, wrong, fitting);
    out[SILENT] = silent / (double)n;
}

/* Intervals over queries drawn with replacement (Efron 1979). */
static sns_status measure(const outcome *o, size_t n, int way, sns_relevance_way *out,
                          sns_error *err) {
    sns_measure *to[WHATS] = {&out->precision, &out->recall, &out->f1, &out->silent};
    double value[WHATS], (*draws)[SNS_RESAMPLES] = malloc(WHATS * sizeof *draws);
    uint32_t *drawn = malloc(n * sizeof *drawn);
    if (!draws || !drawn) {
        free(draws);
        free(drawn);
        return sns_fail(err, SNS_NOMEM, "no memory for %zu queries", n);
    }
    summarise(o, NULL, n, way, value);
    for (int k = 0; k < WHATS; k++) to[k]->value = value[k];
    for (uint64_t b = 0; b < SNS_RESAMPLES; b++) {
        sns_rng rng;
        sns_rng_seed_at(&rng, SNS_RESAMPLE_SEED, 0, b);
        for (size_t i = 0; i < n; i++) drawn[i] = (uint32_t)sns_rng_below(&rng, n);
        summarise(o, drawn, n, way, value);
        for (int k = 0; k < WHATS; k++) draws[k][b] = value[k];
    }
    for (int k = 0; k < WHATS; k++) sns_set_interval(draws[k], to[k]);
    free(draws);
    free(drawn);
    return SNS_OK;
}

/* ---- the whole ---- */

static void work_free(work *w) {
    free(w->moments);
    free(w->rest);
    free(w->cosine);
    free(w->relevance);
    free(w->rest_cosine);
    free(w->fits);
    free(w->bins);
    free(w->outcomes);
}

static sns_status work_new(work *w, size_t T, sns_error *err) {
    w->moments = malloc(w->N * sizeof *w->moments);
    w->rest = malloc(w->N * sizeof *w->rest);
    w->cosine = malloc(w->N * sizeof *w->cosine);
    w->relevance = malloc(w->N * sizeof *w->relevance);
    w->rest_cosine = malloc(w->N * sizeof *w->rest_cosine);
    w->fits = malloc(w->N * sizeof *w->fits);
    w->bins = calloc(SCORES, sizeof *w->bins);
    w->outcomes = calloc(T, sizeof *w->outcomes);
    bool ok = w->moments && w->rest && w->cosine && w->relevance && w->rest_cosine && w->fits &&
              w->bins && w->outcomes;
    return ok ? SNS_OK : sns_fail(err, SNS_NOMEM, "no memory for %zu pictures", w->N);
}

static sns_status ask_all(work *w, size_t T, const int *cancel, sns_relevance_result *r,
                          sns_error *err) {
    double least[SCORES] = {[SNS_BY_RELEVANCE] = SNS_RELEVANT};
    for (size_t q = 0; q < T; q++) {
        if (cancel && *cancel) return sns_fail(err, SNS_CANCELLED, "cancelled");
        score_query(w, q);
        count_bins(w);
    }
    for (int way = 0; way < SCORES; way++) walk_curve(&w->bins[way], way, &r->way[way]);
    least[SNS_BY_COSINE] = r->way[SNS_BY_COSINE].best_threshold;
    for (int way = 0; way < SCORES; way++) r->way[way].threshold = least[way];
    for (size_t q = 0; q < T; q++) {
        if (cancel && *cancel) return sns_fail(err, SNS_CANCELLED, "cancelled");
        score_query(w, q);
        count_outcome(w, least, &w->outcomes[q]);
    }
    for (int way = 0; way < SCORES; way++) {
        sns_status s = measure(w->outcomes, T, way, &r->way[way], err);
        if (s) return s;
    }
    return SNS_OK;
}

static sns_status evaluate(const sns_model *model, const float *images, size_t N,
                           const sns_texts *texts, const int *cancel, sns_relevance_result *r,
                           sns_error *err) {
    size_t T = texts->count, E = sns_model_dim(model);
    float *vectors = calloc(T, E * sizeof *vectors);
    work w = {.images = images, .texts = vectors, .N = N, .E = E, .right = &texts->pictures};
    sns_classifier *cohort = NULL;
    sns_status s = vectors ? work_new(&w, T, err)
                           : sns_fail(err, SNS_NOMEM, "no memory for the vectors of %zu texts", T);
    if (!s) s = sns_cohort_new(model, NULL, 0, &cohort, err);
    if (!s) s = sns_eval_encode_texts(model, texts->text, T, cancel, vectors, err);
    if (!s) {
        sns_cohort_moments(cohort, images, N, w.moments);
        s = ask_all(&w, T, cancel, r, err);
    }
    r->images = N;
    r->queries = T;
    r->pairs = texts->pictures.start[T];
    sns_classifier_free(cohort);
    work_free(&w);
    free(vectors);
    return s;
}

sns_status sns_eval_relevance(const sns_model *model, const char *manifest, const char *language,
                              const sns_eval_options *options, sns_relevance_result *result,
                              sns_error *err) {
    static const sns_eval_options none;
    if (!options) options = &none;
    *result = (sns_relevance_result){0};
    sns_eval_set set;
    sns_texts texts = {0};
    float *images = NULL;
    sns_status s = sns_eval_set_read(manifest, sns_eval_medium_of(model), options, &set, err);
    if (s) return s;
    s = sns_eval_check_language(&set, manifest, language, err);
    if (!s) s = sns_eval_set_encode(&set, model, options, &images, err);
    if (!s) s = sns_texts_new(&set, language, options->captions, &texts, err);
    if (!s) s = evaluate(model, images, set.picture_count, &texts, options->cancel, result, err);
    result->skipped = set.skipped;
    free(images);
    sns_texts_free(&texts);
    sns_eval_set_free(&set);
    return s;
}
