/* train_log.h - log.jsonl and curve.svg of a run. */
#ifndef SNS_TRAIN_TRAIN_LOG_H
#define SNS_TRAIN_TRAIN_LOG_H
#include <sensus/status.h>
#include <stdbool.h>
#include <stddef.h>

/* One point of a curve. */
typedef struct sns_point {
    double x, y;
} sns_point;

typedef struct sns_series {
    sns_point *points;
    size_t count, capacity;
} sns_series;

typedef struct sns_train_log sns_train_log;

/* Open dir/log.jsonl; lines after step `keep` are dropped (a resumed run repeats them). The file is
 * locked: SNS_BUSY when another run has it. Errors: SNS_IO, SNS_NOMEM. */
sns_status sns_train_log_open(const char *dir, size_t keep, sns_train_log **out, sns_error *err);
void sns_train_log_close(sns_train_log *log);

typedef struct sns_log_step {
    size_t step, epoch;
    double loss, loss_average, accuracy, lr, scale, grad_norm, samples_per_second;
} sns_log_step;
sns_status sns_train_log_step(sns_train_log *log, const sns_log_step *s, sns_error *err);
/* Held-out text -> image recall at 1, 5, 10 among `count` pairs, as fractions. */
sns_status sns_train_log_recall(sns_train_log *log, size_t step, const double recall[3],
                                size_t count, sns_error *err);
/* Write dir/curve.svg from all that was logged. */
sns_status sns_train_log_curve(const sns_train_log *log, sns_error *err);

/* An SVG of the loss and, when there are points, of the held-out recall. */
char *sns_curve_svg(const sns_series *loss,
                    const sns_series *recall); /* malloc'd; NULL: no memory */
bool sns_series_add(sns_series *s, double x, double y);
#endif
