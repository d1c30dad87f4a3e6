/* rank.h - where the right answers stand in the order of scores, and what follows from it.
 *
 * Shapes: Q queries, N candidates, E width of a vector. A relation lists for each query its right
 * candidates: items[start[q] .. start[q + 1]), each below N, each once. */
#ifndef SNS_SCORE_RANK_H
#define SNS_SCORE_RANK_H
#include <sensus/eval.h>
#include <stdint.h>

typedef struct sns_relation {
    size_t count;    /* Q */
    size_t *start;   /* [Q + 1] */
    uint32_t *items; /* [start[Q]] */
} sns_relation;

typedef struct sns_pair {
    uint32_t from, to;
} sns_pair;

/* The relation that lists for each of `count` froms its distinct tos; sorts pairs. */
sns_status sns_relation_new(sns_pair *pairs, size_t n, size_t count, sns_relation *out,
                            sns_error *err);
void sns_relation_free(sns_relation *r);
/* The other way round: for each of `count` tos its froms. */
sns_status sns_relation_turn(const sns_relation *r, size_t count, sns_relation *out,
                             sns_error *err);

/* One query: 1 + how many wrong candidates score at least as high as the best right one.
 *   scores [N]   right [right_count], right_count > 0 */
uint32_t sns_rank_of_best(const float *scores, size_t N, const uint32_t *right, size_t right_count);

/* The first of the highest of n scores. */
uint32_t sns_best_of(const float *scores, size_t n);

/* ranks [Q]: of the best right candidate by dot product; 0 for a query without a right one.
 *   queries [Q, E]   candidates [N, E]   precision  NULL, or [Q]: average precision, the mean over
 * the right candidates of the share of right ones among all down to it; 0 likewise. Wrong ones of
 * an equal score come first. best  NULL, or [Q]: the first candidate of the highest score. */
sns_status sns_rank_queries(const float *queries, size_t Q, const float *candidates, size_t N,
                            size_t E, const sns_relation *right, uint32_t *ranks, double *precision,
                            uint32_t *best, sns_error *err);
/* Everything of one direction from ranks [Q] (0 entries are no queries). */
sns_status sns_retrieval_measure(const uint32_t *ranks, const sns_relation *right, size_t N,
                                 sns_retrieval_side *out, sns_error *err);

/* Mean over the queries that have a right candidate of precision [Q], with interval and chance. */
sns_status sns_mean_average_precision(const double *precision, const sns_relation *right, size_t N,
                                      sns_measure *out, sns_error *err);

/* The mean of values [n], n above 0, with its interval; chance is left 0. */
sns_status sns_mean_measure(const double *values, size_t n, sns_measure *out, sns_error *err);

/* Of every bootstrap: how many draws, and what they follow from. */
enum { SNS_RESAMPLES = 1000, SNS_RESAMPLE_SEED = 20 };
/* low, high <- the interval from a measure's SNS_RESAMPLES draws, which are sorted. */
void sns_set_interval(double *draws, sns_measure *m);

/* Recall@k of n questions that are pairs of concepts, from[i], to[i] below `concepts`: value, low
 * and high (crossed.c). */
sns_status sns_crossed_recall(const uint32_t *ranks, const uint32_t *from, const uint32_t *to,
                              size_t n, size_t concepts, uint32_t k, sns_measure *m,
                              sns_error *err);

/* The chance that at least one of r right ones among N is in the first k of a random order:
 * 1 - C(N - r, k) / C(N, k). */
double sns_chance_recall(size_t N, size_t r, size_t k);

/* Top-1, top-5 and mean-per-class accuracy with intervals from the rank of the right class.
 *   ranks [n] 1-based   labels [n] below classes   per_class [classes]: images and top_* are filled
 */
sns_status sns_accuracy_measure(const uint32_t *ranks, const uint32_t *labels, size_t n,
                                size_t classes, sns_zero_shot *out, sns_error *err);
/* out->confusion from the answers [n] and out->classes. */
sns_status sns_confusion_measure(const uint32_t *answers, const uint32_t *labels, size_t n,
                                 sns_zero_shot *out, sns_error *err);
#endif
