/* robustness.h - accuracy under a distribution shift against accuracy without it.
 *
 * A point is one model on one shifted set: how many it gets right of its ordinary test set, and of
 * the shifted one. Over a baseline group of models (say, those trained with labels) the second
 * follows the first along a line in logits; a model's effective robustness is how far it is above
 * that line. Source: Taori et al. 2020, section 2; Radford et al. 2021, section 3.3, figure 13. */
#ifndef SENSUS_ROBUSTNESS_H
#define SENSUS_ROBUSTNESS_H
#include <sensus/status.h>
#include <stddef.h>

/* A number and its 95 % interval. */
typedef struct sns_interval {
    double value, low, high;
} sns_interval;

typedef struct sns_score {
    size_t correct, total;
} sns_score;

typedef struct sns_robust_point {
    const char *model, *group, *shift;
    sns_score id, shifted;                      /* id: in distribution, on the ordinary set */
    sns_interval id_accuracy, shifted_accuracy; /* fractions; Wilson's intervals */
    sns_interval effective; /* of a baseline model: its distance from the line */
} sns_robust_point;

enum { SNS_ROBUST_BAND = 41 };

/* One shift's line: logit(shifted) = intercept + slope * logit(id), over the baseline's models. */
typedef struct sns_robust_line {
    const char *shift;
    size_t models;
    sns_interval slope, intercept;
    double r2;                      /* of the fit, in logits */
    double band_x[SNS_ROBUST_BAND]; /* logits of id accuracy, from the least to the largest point */
    sns_interval band[SNS_ROBUST_BAND]; /* logits of the line there */
} sns_robust_line;

/* A mean of effective robustness: of a group's models on one shift (model NULL), of one model over
 * shifts (shift NULL), or of a group over both (both NULL). */
typedef struct sns_robust_mean {
    const char *group, *model, *shift;
    size_t points;
    sns_interval effective;
} sns_robust_mean;

typedef struct sns_robustness {
    const char *baseline;
    sns_robust_point *points; /* as in the file */
    size_t point_count;
    sns_robust_line *lines; /* a shift each, in the order in which the file names them */
    size_t line_count;
    sns_robust_mean *means; /* of the groups other than the baseline: each group's by shift, its
                               mean, then its models' */
    size_t mean_count;
    const char **groups; /* in the file's order */
    size_t group_count;
    char *names; /* owns every name */
} sns_robustness;

/* Read points and measure them.
 *   file      JSON lines of {"model": name, "group": name, "shift": name, "id": {"correct": k,
 *             "total": n}, "shifted": {"correct": k, "total": n}}; other keys are passed over
 *   baseline  the group that the lines are fitted over
 *   out       free with sns_robustness_free, also after an error
 * A logit is that of (k + 0.5) / (n + 1). Intervals are the 2.5th and 97.5th percentile of 1,000
 * draws from a fixed seed, in each of which every model has a weight of its own (the Bayesian
 * bootstrap, Rubin 1981), the same on all shifts, and every count is drawn again from its binomial
 * distribution; a model's equal counts of an ordinary set are one count. Errors: SNS_MISSING,
 * SNS_IO, SNS_FORMAT (a line that is no point, names its line; the same model and shift twice; a
 * shift with fewer than three baseline models, or whose baseline models are all equally good),
 * SNS_LIMIT (64 MiB, 10,000 points, 64 shifts, 16 groups, names of 200 bytes, totals of 1e9),
 * SNS_NOMEM. */
SNS_API sns_status sns_eval_robustness(const char *file, const char *baseline, sns_robustness *out,
                                       sns_error *err);
SNS_API void sns_robustness_free(sns_robustness *r);

/* A table for readers, or (json nonzero) one JSON object a line, each with a "kind": line, mean,
 * point. malloc'd. */
SNS_API sns_status sns_robustness_report(const sns_robustness *r, int json, char **text,
                                         sns_error *err);
/* Figure 13 as SVG: a panel for each shift, both axes in logits. malloc'd. */
SNS_API sns_status sns_robustness_svg(const sns_robustness *r, char **text, sns_error *err);
#endif
