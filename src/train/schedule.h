/* schedule.h - the learning rate of each step. */
#ifndef SNS_TRAIN_SCHEDULE_H
#define SNS_TRAIN_SCHEDULE_H
#include <stddef.h>

typedef struct sns_schedule {
    double lr, min_lr;
    size_t warmup, steps;
} sns_schedule;

/* The rate of step 0 ... steps-1: linear from lr/warmup to lr, then half a cosine to min_lr. */
double sns_schedule_lr(const sns_schedule *s, size_t step);
#endif
