/* robust_points.h - reading points, and what follows from them; <sensus/robustness.h> says what
 * they are. */
#ifndef SNS_SCORE_ROBUST_POINTS_H
#define SNS_SCORE_ROBUST_POINTS_H
#include <sensus/robustness.h>

enum {
    SNS_ROBUST_POINTS = 10000,
    SNS_ROBUST_SHIFTS = 64,
    SNS_ROBUST_GROUPS = 16,
    SNS_ROBUST_NAME_BYTES = 200,
    SNS_ROBUST_TOTAL = 1000000000
};

/* points, point_count, names, groups and the lines' shifts of out, which is empty before; equal
 * names are one pointer. path is for messages. */
sns_status sns_robustness_parse(const char *text, size_t size, const char *path,
                                sns_robustness *out, sns_error *err);
/* The rest, from what parse has filled. */
sns_status sns_robustness_measure(sns_robustness *r, const char *baseline, sns_error *err);

/* log(p / (1 - p)) of p = (correct + 0.5) / (total + 1). */
double sns_score_logit(sns_score s);
#endif
