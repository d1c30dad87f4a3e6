/* film_curve.c - how a text scores along a film, and the moments that fit it.
 *
 * With x_i the vector of sample i, q the text's, the curve is the cosine q . x_i smoothed in time
 * (embed/span_curve.c). The standing sets the cosine beside what the B texts c_j of the cohort
 * score on the same picture, t_i = (q . x_i - mean over j of c_j . x_i) / deviation over j of c_j .
 * x_i (t-norm: Auckenthaler, Carey, Lloyd-Thomas 2000), for some pictures are near to every text.
 */
#include "base/error.h"
#include "embed/span_curve.h"
#include "ground/film.h"
#include "kernel/kernel.h"
#include <math.h>
#include <stdlib.h>

static const float least_deviation = 1e-6f;

void sns_film_standings(const sns_film *film, const float *text, float *out) {
    sns_kernels_get()->dot_rows(out, text, film->vectors, film->count, film->dim);
    for (size_t i = 0; i < film->count; i++)
        out[i] = (out[i] - film->moments[i].mean) / fmaxf(film->moments[i].std, least_deviation);
}

sns_status sns_film_curve(const sns_film *film, const float *text, float *out, sns_error *err) {
    float *cosine = malloc(film->count * sizeof *cosine);
    if (!cosine) return sns_fail(err, SNS_NOMEM, "no memory for a curve");
    sns_kernels_get()->dot_rows(cosine, text, film->vectors, film->count, film->dim);
    sns_spans_smooth(film->spans, film->count, cosine, out);
    free(cosine);
    return SNS_OK;
}

sns_status sns_moments_find(const sns_film *film, const float *text,
                            const sns_moment_options *options, sns_moment **out, size_t *count,
                            sns_error *err) {
    *out = NULL;
    *count = 0;
    float *curve = malloc(film->count * sizeof *curve);
    if (!curve) return sns_fail(err, SNS_NOMEM, "no memory for a curve");
    sns_status s = sns_film_curve(film, text, curve, err);
    if (!s) s = sns_spans_moments(film->spans, film->count, curve, options, out, count, err);
    free(curve);
    return s;
}
