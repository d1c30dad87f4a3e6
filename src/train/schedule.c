/* schedule.c - linear warm-up (Goyal et al. 2017), then cosine decay (Loshchilov and Hutter 2017):
 *     step < warmup:  lr * (step + 1) / warmup
 *     after:          min + (lr - min) * (1 + cos(pi * (step - warmup) / (steps - warmup))) / 2 */
#include "train/schedule.h"
#include <math.h>

double sns_schedule_lr(const sns_schedule *s, size_t step) {
    if (step < s->warmup) return s->lr * (double)(step + 1) / (double)s->warmup;
    if (s->steps <= s->warmup || step >= s->steps) return s->min_lr;
    double x = (double)(step - s->warmup) / (double)(s->steps - s->warmup);
    return s->min_lr + (s->lr - s->min_lr) * 0.5 * (1 + cos(3.14159265358979323846 * x));
}
