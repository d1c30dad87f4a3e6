/* measure.c - recall, ranks and accuracies with bootstrap intervals and chance.
 *
 * Bootstrap (Efron 1979): draw as many queries as there are, with replacement, RESAMPLES times; the
 * interval is from the 2.5th to the 97.5th percentile of the measure over the draws. The draws are
 * the same for every measure and every run. */
#include "base/error.h"
#include "base/rng.h"
#include "score/rank.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RESAMPLES = SNS_RESAMPLES, SEED = SNS_RESAMPLE_SEED, MOST_CONFUSED = 4096 };

/* A measure of a sample: values [n] of the queries drawn. May reorder them. */
typedef double statistic(double *values, size_t n);

static double mean(double *values, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += values[i];
    return sum / (double)n;
}

static int double_order(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t n) {
    qsort(values, n, sizeof *values, double_order);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

void sns_set_interval(double *draws, sns_measure *m) {
    qsort(draws, RESAMPLES, sizeof *draws, double_order);
    m->low = draws[(int)(0.025 * (RESAMPLES - 1) + 0.5)];
    m->high = draws[(int)(0.975 * (RESAMPLES - 1) + 0.5)];
}

/* room: n doubles of scratch. */
static void bootstrap(const double *values, size_t n, statistic *f, double *room, sns_measure *m) {
    double draws[RESAMPLES];
    memcpy(room, values, n * sizeof *room);
    m->value = f(room, n);
    for (uint64_t b = 0; b < RESAMPLES; b++) {
        sns_rng rng;
        sns_rng_seed_at(&rng, SEED, 0, b);
        for (size_t i = 0; i < n; i++) room[i] = values[sns_rng_below(&rng, n)];
        draws[b] = f(room, n);
    }
    sns_set_interval(draws, m);
}

double sns_chance_recall(size_t N, size_t r, size_t k) {
    double miss = 1; /* the product over the k places of: no right one here, given none before */
    if (r + k > N) return 1;
    for (size_t i = 0; i < k; i++) miss *= (double)(N - r - i) / (double)(N - i);
    return 1 - miss;
}

/* Fill values [n] with 1 for each rank up to k. */
static void hits(const double *ranks, size_t n, double k, double *values) {
    for (size_t i = 0; i < n; i++) values[i] = ranks[i] <= k;
}

sns_status sns_retrieval_measure(const uint32_t *ranks, const sns_relation *right, size_t N,
                                 sns_retrieval_side *out, sns_error *err) {
    static const size_t ks[3] = {1, 5, 10};
    sns_measure *recall[3] = {&out->recall_1, &out->recall_5, &out->recall_10};
    double *rank = malloc((right->count ? right->count : 1) * 4 * sizeof *rank);
    if (!rank) return sns_fail(err, SNS_NOMEM, "no memory for %zu ranks", right->count);
    double *expected = rank + right->count, *values = expected + right->count;
    double *room = values + right->count;
    size_t n = 0;
    *out = (sns_retrieval_side){.candidates = N};
    for (size_t q = 0; q < right->count; q++) {
        size_t r = right->start[q + 1] - right->start[q];
        if (!ranks[q]) continue;
        for (int i = 0; i < 3; i++) recall[i]->chance += sns_chance_recall(N, r, ks[i]);
        /* The first of r right ones in a random order of N stands at (N + 1) / (r + 1); those
         * right ones that tie with the best do not count as being before it. */
        expected[n] = (double)(N + 1) / (double)(r + 1);
        rank[n++] = ranks[q];
    }
    out->queries = n;
    if (n) {
        for (int i = 0; i < 3; i++) {
            hits(rank, n, (double)ks[i], values);
            recall[i]->chance /= (double)n;
            bootstrap(values, n, mean, room, recall[i]);
        }
        bootstrap(rank, n, mean, room, &out->mean_rank);
        bootstrap(rank, n, median, room, &out->median_rank);
        out->mean_rank.chance = mean(expected, n);
        out->median_rank.chance = median(expected, n);
    }
    free(rank);
    return SNS_OK;
}

sns_status sns_mean_measure(const double *values, size_t n, sns_measure *out, sns_error *err) {
    *out = (sns_measure){0};
    double *room = malloc((n + 1) * sizeof *room);
    if (!n || !room) {
        free(room);
        return n ? sns_fail(err, SNS_NOMEM, "no memory for %zu values", n)
                 : sns_fail(err, SNS_ARG, "there is no picture to measure");
    }
    bootstrap(values, n, mean, room, out);
    free(room);
    return SNS_OK;
}

/* The expected average precision of r right ones in a random order of N: at place k one more of the
 * r stands with chance r / N, and (k - 1) (r - 1) / (N - 1) of the others are expected before it.
 */
static double chance_precision(size_t N, size_t r) {
    double sum = 0, others = N > 1 ? (double)(r - 1) / (double)(N - 1) : 0;
    for (size_t k = 1; k <= N; k++) sum += (1 + others * (double)(k - 1)) / (double)k;
    return sum / (double)N;
}

sns_status sns_mean_average_precision(const double *precision, const sns_relation *right, size_t N,
                                      sns_measure *out, sns_error *err) {
    double *values = malloc((right->count + 1) * 2 * sizeof *values), last = 0;
    if (!values) return sns_fail(err, SNS_NOMEM, "no memory for %zu queries", right->count);
    size_t n = 0, last_r = 0;
    *out = (sns_measure){0};
    for (size_t q = 0; q < right->count; q++) {
        size_t r = right->start[q + 1] - right->start[q];
        if (!r) continue;
        if (r != last_r) last = chance_precision(N, last_r = r);
        values[n++] = precision[q];
        out->chance += last;
    }
    if (n) {
        out->chance /= (double)n;
        bootstrap(values, n, mean, values + n, out);
    }
    free(values);
    return SNS_OK;
}

/* Mean over classes of each class's mean; resampled within classes, so that all stay present. A
 * class without a picture has no part in it.
 *   order [n]: pictures by class   start [classes + 1]: where each class begins in it */
static void mean_per_class(const double *hit, const size_t *order, const size_t *start,
                           size_t classes, sns_measure *m) {
    double draws[RESAMPLES];
    for (uint64_t b = 0; b <= RESAMPLES; b++) { /* the last round is the data itself */
        sns_rng rng;
        double sum = 0;
        size_t present = 0;
        sns_rng_seed_at(&rng, SEED, 1, b);
        for (size_t c = 0; c < classes; c++) {
            size_t n = start[c + 1] - start[c];
            double of_class = 0;
            for (size_t i = 0; i < n; i++)
                of_class += hit[order[start[c] + (b == RESAMPLES ? i : sns_rng_below(&rng, n))]];
            sum += n ? of_class / (double)n : 0;
            present += n > 0;
        }
        *(b == RESAMPLES ? &m->value : &draws[b]) = sum / (double)present;
    }
    sns_set_interval(draws, m);
}

/* Pictures in the order of their classes. */
static void order_by_class(const uint32_t *labels, size_t n, size_t classes, size_t *order,
                           size_t *start) {
    memset(start, 0, (classes + 2) * sizeof *start);
    for (size_t i = 0; i < n; i++) start[labels[i] + 2]++;
    for (size_t c = 0; c < classes; c++) start[c + 2] += start[c + 1];
    for (size_t i = 0; i < n; i++) order[start[labels[i] + 1]++] = i;
}

sns_status sns_accuracy_measure(const uint32_t *ranks, const uint32_t *labels, size_t n,
                                size_t classes, sns_zero_shot *out, sns_error *err) {
    double *hit = malloc((n ? n : 1) * 3 * sizeof *hit), C = (double)classes;
    size_t *order = malloc((n + classes + 2) * sizeof *order);
    if (!hit || !order || !n) {
        free(hit);
        free(order);
        return n ? sns_fail(err, SNS_NOMEM, "no memory for %zu ranks", n)
                 : sns_fail(err, SNS_ARG, "there is no picture to measure");
    }
    double *hit_5 = hit + n, *room = hit_5 + n;
    for (size_t i = 0; i < n; i++) {
        sns_class_result *c = &out->per_class[labels[i]];
        hit[i] = ranks[i] <= 1;
        hit_5[i] = ranks[i] <= 5;
        c->images++;
        c->top_1 += hit[i];
        c->top_5 += hit_5[i];
    }
    for (size_t c = 0; c < classes; c++) {
        if (!out->per_class[c].images) continue;
        out->per_class[c].top_1 /= (double)out->per_class[c].images;
        out->per_class[c].top_5 /= (double)out->per_class[c].images;
    }
    out->images = n;
    out->classes = classes;
    bootstrap(hit, n, mean, room, &out->top_1);
    bootstrap(hit_5, n, mean, room, &out->top_5);
    order_by_class(labels, n, classes, order, order + n);
    mean_per_class(hit, order, order + n, classes, &out->mean_per_class);
    out->top_1.chance = out->mean_per_class.chance = 1 / C;
    out->top_5.chance = fmin(5 / C, 1);
    free(hit);
    free(order);
    return SNS_OK;
}

sns_status sns_confusion_measure(const uint32_t *answers, const uint32_t *labels, size_t n,
                                 sns_zero_shot *out, sns_error *err) {
    size_t C = out->classes;
    if (C > MOST_CONFUSED) return SNS_OK;
    if (!(out->confusion = calloc(C * C + 1, sizeof *out->confusion)))
        return sns_fail(err, SNS_NOMEM, "no memory for a confusion matrix of %zu classes", C);
    for (size_t i = 0; i < n; i++) out->confusion[labels[i] * C + answers[i]]++;
    return SNS_OK;
}
