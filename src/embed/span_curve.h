/* span_curve.h - a score along a film: smoothed, and its moments. */
#ifndef SNS_EMBED_SPAN_CURVE_H
#define SNS_EMBED_SPAN_CURVE_H
#include <sensus/ground.h>

/* Smooth values [n] in time, within shots; in and out differ. What comes out lies between the least
 * and the greatest of what goes in.
 *   spans  [n], ascending */
void sns_spans_smooth(const sns_span *spans, size_t n, const float *in, float *out);
/* The moments of a curve [n], n > 0, as sns_moments_find has them. */
sns_status sns_spans_moments(const sns_span *spans, size_t n, const float *curve,
                             const sns_moment_options *options, sns_moment **out, size_t *count,
                             sns_error *err);
#endif
