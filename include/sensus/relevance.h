/* relevance.h - does a picture fit the query, or is it only the nearest there is?
 *
 * Cosines are compared with what unrelated texts (the cohort) and unrelated pictures give; a
 * relevance is a number of standard deviations above them, and one threshold serves all queries,
 * catalogs and models. src/embed/cohort.c has the equations and sources. */
#ifndef SENSUS_RELEVANCE_H
#define SENSUS_RELEVANCE_H
#include <sensus/classifier.h>

#ifdef __cplusplus
extern "C" {
#endif

/* From here on a picture counts as one that fits. Chosen on held-out emoji and Caltech-101
 * photographs; bench or tests on other data: `sensus eval relevance`. */
#define SNS_RELEVANT 3.0f

/* Mean and standard deviation of scores. */
typedef struct sns_moments {
    float mean, std;
} sns_moments;

/* A classifier of some 260 everyday things. templates: as for sns_classifier_new, those of the
 * labels that it stands beside; none: the bare words, for queries. Errors: those of
 * sns_classifier_new. Free with sns_classifier_free. */
SNS_API sns_status sns_cohort_new(const sns_model *model, const char *const *templates,
                                  size_t template_count, sns_classifier **out, sns_error *err);

/* What the cohort's texts score on each of n pictures.
 *   vectors  [n, E] of unit length;  out  n */
SNS_API void sns_cohort_moments(const sns_classifier *cohort, const float *vectors, size_t n,
                                sns_moments *out);

/* How far the score of a text with one picture stands above the cohort's with it, in standard
 * deviations (t alone).
 *   vector, text  [E] of unit length, E the cohort's */
SNS_API float sns_standing(const sns_classifier *cohort, const float *vector, const float *text);

/* Relevance of n pictures, all that there are, to one query.
 *   cosines  n, of the query with each;  m  n from sns_cohort_moments, or NULL: only beside each
 *            other, for a query that is itself a picture (pictures are nearer to each other than
 * any text is, so texts say nothing there);  out  n, may be cosines */
SNS_API void sns_relevance(const float *cosines, const sns_moments *m, size_t n, float *out);

#ifdef __cplusplus
}
#endif
#endif
