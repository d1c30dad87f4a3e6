/* probe.h - how much a model's vectors know: a linear classifier and nearest neighbours on top of
 * them, the model itself left as it is.
 *
 * Letters: n examples, E floats each, K classes, labels below K. */
#ifndef SENSUS_PROBE_H
#define SENSUS_PROBE_H
#include <sensus/status.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Multinomial logistic regression, p(k | x) = softmax over k of w_k . x + b_k, fitted by L-BFGS to
 * the minimum of   sum over examples of -log p(label | x)  +  lambda / 2 * sum of w^2.
 * The minimum is unique in w for lambda > 0; 1 / lambda is scikit-learn's C. */
typedef struct sns_probe {
    size_t classes, dim;
    float *weights; /* [K, E] */
    float *bias;    /* [K] */
    double loss;    /* at the minimum */
    size_t iterations;
} sns_probe;

/*   x  [n, E]   labels  [n]   lambda  > 0   start  NULL, or where to begin (same K and E)
 * Errors: SNS_ARG (no example, fewer than two classes, a label out of range, lambda), SNS_LIMIT,
 * SNS_FORMAT (x holds NaN or infinity), SNS_NOMEM. Free with sns_probe_free. */
SNS_API sns_status sns_probe_fit(const float *x, const uint32_t *labels, size_t n, size_t dim,
                                 size_t classes, double lambda, const sns_probe *start,
                                 sns_probe **out, sns_error *err);
SNS_API void sns_probe_free(sns_probe *p);
/* scores [n, K] <- w_k . x + b_k. Errors: SNS_NOMEM. */
SNS_API sns_status sns_probe_scores(const sns_probe *p, const float *x, size_t n, float *scores,
                                    sns_error *err);

/* The lambda whose fit on the training examples is most accurate on the validation ones, searched
 * for as in Radford et al. 2021, appendix A.3: 1e-6, 1e-4 ... 1e6 first, then half the distance
 * around the best until there are 8 steps a decade; of equal ones the largest.
 *   tried  NULL, or called for each with its accuracy, 0 to 1 */
SNS_API sns_status sns_probe_sweep(const float *x, const uint32_t *labels, size_t n,
                                   const float *validation, const uint32_t *validation_labels,
                                   size_t m, size_t dim, size_t classes,
                                   void (*tried)(void *user, double lambda, double accuracy),
                                   void *user, double *lambda, sns_error *err);

/* k-nearest neighbours by dot product, with votes of exp(similarity / temperature) (Wu et al. 2018,
 * "Unsupervised Feature Learning via Non-Parametric Instance Discrimination"; temperature 0: one
 * vote each).
 *   train [n, E]   query [m, E]   scores [m, K] <- votes
 * Errors: SNS_ARG (no example, k 0), SNS_NOMEM. */
SNS_API sns_status sns_knn_scores(const float *train, const uint32_t *labels, size_t n,
                                  const float *query, size_t m, size_t dim, size_t classes,
                                  size_t k, double temperature, float *scores, sns_error *err);

#ifdef __cplusplus
}
#endif
#endif
