/* entail.c - does a film show what a statement says?
 *
 * With t the standings of a text along the film (film_curve.c), smoothed, their peak P(q) = max
 * over i of t_i. A long film has higher peaks than a short one, whatever the text, so that the peak
 * is set beside those of the B texts of the cohort on the same film: z = (P(q) - mean over j of
 * P(c_j)) / deviation over j of P(c_j) p = 1 / (1 + exp(-(A z + B))) Sources: Platt 1999 (a sigmoid
 * makes a score a probability); z-norm and t-norm, Auckenthaler, Carey, Lloyd-Thomas 2000. A and B
 * were fitted by logistic regression on composed films of Tux Paint stamps and Caltech-101
 * photographs, half of whose statements are of another film; docs/VIDEO.md has how they do on other
 * films. They hold where half of all statements are true: other odds o add log(o). */
#include "base/error.h"
#include "embed/span_curve.h"
#include "ground/film.h"
#include <math.h>
#include <stdlib.h>

static const double slope = 0.430, offset = -0.166;
static const double least_deviation = 1e-6;

/* The highest point of a text's smoothed standings; *at its sample. room: 2 [count]. */
static double peak_of(const sns_film *film, const float *text, float *room, size_t *at) {
    float *smooth = room + film->count;
    sns_film_standings(film, text, room);
    sns_spans_smooth(film->spans, film->count, room, smooth);
    *at = 0;
    for (size_t i = 1; i < film->count; i++)
        if (smooth[i] > smooth[*at]) *at = i;
    return smooth[*at];
}

/* Mean and deviation of the peaks of the cohort's texts. */
static sns_moments peaks_of_others(const sns_film *film, float *room) {
    size_t at, n = sns_classifier_count(film->cohort);
    const float *others = sns_classifier_weights(film->cohort);
    double sum = 0, squares = 0;
    for (size_t j = 0; j < n; j++) {
        double p = peak_of(film, others + j * film->dim, room, &at);
        sum += p;
        squares += p * p;
    }
    double mean = sum / (double)n, variance = squares / (double)n - mean * mean;
    return (sns_moments){(float)mean, (float)sqrt(variance > 0 ? variance : 0)};
}

sns_status sns_film_entails(const sns_film *film, const float *texts, size_t n, sns_entailment *out,
                            sns_error *err) {
    float *room = malloc(2 * film->count * sizeof *room);
    if (!room) return sns_fail(err, SNS_NOMEM, "no memory for a curve");
    sns_moments others = peaks_of_others(film, room);
    for (size_t i = 0; i < n; i++) {
        size_t at;
        double peak = peak_of(film, texts + i * film->dim, room, &at);
        double z = (peak - others.mean) / fmax(others.std, least_deviation);
        out[i] = (sns_entailment){1 / (1 + exp(-(slope * z + offset))), z, film->spans[at].seconds};
    }
    free(room);
    return SNS_OK;
}
