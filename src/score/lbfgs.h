/* lbfgs.h - the minimum of a smooth function of many numbers. */
#ifndef SNS_SCORE_LBFGS_H
#define SNS_SCORE_LBFGS_H
#include <sensus/status.h>
#include <stdbool.h>
#include <stddef.h>

/* f(x), and its gradient [n]. Returns false when it can't (err is set). */
typedef bool sns_objective_fn(void *user, const double *x, double *f, double *gradient,
                              sns_error *err);

typedef struct sns_lbfgs_options {
    size_t most_iterations;
    double tolerance; /* stop where no part of the gradient is larger */
} sns_lbfgs_options;

/* x [n]: start, then the best point. Ends by tolerance, by iterations, or where rounding lets
 * nothing get smaller. Errors: SNS_NOMEM, the objective's. */
sns_status sns_lbfgs(size_t n, double *x, sns_objective_fn *objective, void *user,
                     const sns_lbfgs_options *options, double *f, size_t *iterations,
                     sns_error *err);
#endif
