/* film_curve.c - how a text scores along a film.
 *
 * With x_k the vector of sample k, q the text's:
 *     s_i = sum over k of w_ik q . x_k / sum of w_ik,   k in the shot of i
 *     w_ik = integral over the span of k of exp(-(u - m_i)^2 / (2 sigma^2)) du,  m_i the middle of
 * i the mean by a Gaussian in time of the curve that has the cosine q . x_k all along the span of
 * k, so that samples of unequal spans count as long as they last. It stops at cuts, which it would
 * blur.
 *
 * The standing sets the cosine beside what the B texts c_j of the cohort score on the same picture,
 *     t_i = (q . x_i - mean over j of c_j . x_i) / deviation over j of c_j . x_i
 * (t-norm: Auckenthaler, Carey, Lloyd-Thomas 2000), for some pictures are near to every text. */
#include "ground/film.h"
#include "base/error.h"
#include "kernel/kernel.h"
#include <math.h>
#include <stdlib.h>

static const double sigma_seconds = 0.5;
static const float least_deviation = 1e-6f;

void sns_film_standings(const sns_film *film, const float *text, float *out) {
    sns_kernels_get()->dot_rows(out, text, film->vectors, film->count, film->dim);
    for (size_t i = 0; i < film->count; i++)
        out[i] = (out[i] - film->moments[i].mean) / fmaxf(film->moments[i].std, least_deviation);
}

/* The Gaussian's integral from its middle to u, but for a factor. */
static double up_to(double u, double middle) {
    return erf((u - middle) / (sigma_seconds * sqrt(2)));
}

static float smooth_at(const sns_film *film, const float *in, size_t i) {
    const sns_span *s = film->spans;
    const double reach = 3 * sigma_seconds;
    double middle = (s[i].start + s[i].end) / 2, sum = 0, weight = 0;
    size_t first = i, last = i;
    while (first > 0 && !s[first].cut && s[first - 1].end > middle - reach) first--;
    while (last + 1 < film->count && !s[last + 1].cut && s[last + 1].start < middle + reach) last++;
    for (size_t k = first; k <= last; k++) {
        double w = up_to(s[k].end, middle) - up_to(s[k].start, middle);
        sum += w * in[k];
        weight += w;
    }
    return weight > 0 ? (float)(sum / weight) : in[i];
}

void sns_film_smooth(const sns_film *film, const float *in, float *out) {
    for (size_t i = 0; i < film->count; i++) out[i] = smooth_at(film, in, i);
}

sns_status sns_film_curve(const sns_film *film, const float *text, float *out, sns_error *err) {
    float *cosine = malloc(film->count * sizeof *cosine);
    if (!cosine) return sns_fail(err, SNS_NOMEM, "no memory for a curve");
    sns_kernels_get()->dot_rows(cosine, text, film->vectors, film->count, film->dim);
    sns_film_smooth(film, cosine, out);
    free(cosine);
    return SNS_OK;
}
