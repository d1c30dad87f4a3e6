/* robustness.c - effective robustness: how far above the baseline's line a model is under a shift.
 *
 * Taori et al. 2020, "Measuring robustness to natural distribution shifts in image classification",
 * section 2; Radford et al. 2021, section 3.3. With a model's accuracy on the ordinary set, id, and
 * on the shifted one, sh, the line of a shift is the least-squares fit over baseline models of
 *     logit(sh) = intercept + slope * logit(id),    logit(k of n) = log((k + .5) / (n - k + .5))
 * and the effective robustness of a model is
 *     rho = sh - sigmoid(intercept + slope * logit(id))
 *
 * Intervals: DRAWS times, every run of training gets a weight w ~ Exp(1) (Rubin 1981, "The Bayesian
 * bootstrap": a resample of runs in which no line is ever without its points), every count is
 * drawn again from Binomial(n, (k + .5) / (n + 1)), lines are fitted with those weights, and
 * means over a group's models are taken with them. */
#include "base/error.h"
#include "base/rng.h"
#include "score/robust_points.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { DRAWS = 1000, SEED = 13, LOW = 25, HIGH = 974 /* 2.5 and 97.5 % of 999 */ };

/* Where the numbers of a point come from. */
typedef struct place {
    size_t line;
    size_t model;   /* the first point of its model */
    size_t run;     /* and of its run, whose weight it has */
    size_t same_id; /* the first point with its model and its count of the ordinary set */
    size_t shift_mean, model_mean; /* the means that it is part of; not of the baseline's */
    bool baseline;
} place;

/* One state of the numbers: the counts as they are, or one draw. */
typedef struct state {
    double *x, *y;              /* [points] logits */
    double *accuracy;           /* [points] under the shift */
    double *weight;             /* [points] of its model */
    double *slope, *intercept;  /* [lines] */
    double *effective;          /* [points] */
    double *mean, *mean_weight; /* [means] */
} state;

typedef struct work {
    sns_robustness *r;
    place *places;
    state now;
    size_t quantities; /* points, means, and of each line two coefficients and its band */
    double *draws;     /* [quantities, DRAWS] */
    void *block;       /* owns now's arrays */
} work;

static double logit_of(double k, double n) {
    return log((k + 0.5) / (n - k + 0.5));
}

double sns_score_logit(sns_score s) {
    return logit_of((double)s.correct, (double)s.total);
}

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

/* Wilson 1927: the interval of a share that k of n show. */
static sns_interval wilson(sns_score s) {
    double n = (double)s.total, p = (double)s.correct / n, z = 1.959963984540054, d = 1 + z * z / n;
    double middle = (p + z * z / (2 * n)) / d;
    double half = z / d * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    return (sns_interval){p, fmax(middle - half, 0), fmin(middle + half, 1)};
}

/* ---- one state ---- */

/* Binomial(n, p): by waiting times between the rarer outcomes when those are few, else from the
 * normal distribution, which for more than 30 of them is as close as is needed. */
static double draw_binomial(sns_rng *rng, double n, double p) {
    double q = fmin(p, 1 - p), k = 0;
    if (n * q > 30) {
        k = round(n * q + sqrt(n * q * (1 - q)) * sns_rng_normal(rng));
        k = fmin(fmax(k, 0), n);
    } else {
        double rate = log1p(-q), at = 0;
        while ((at += floor(log(1 - sns_rng_uniform(rng)) / rate) + 1) <= n) k++;
    }
    return p > 0.5 ? n - k : k;
}

static double drawn_again(sns_score s, uint64_t draw, uint64_t stream, size_t index) {
    double n = (double)s.total;
    sns_rng rng;
    sns_rng_seed_at(&rng, SEED + draw, stream, index);
    return draw_binomial(&rng, n, ((double)s.correct + 0.5) / (n + 1));
}

/* draw 0: the counts as they are. */
static void set_numbers(work *w, uint64_t draw) {
    for (size_t i = 0; i < w->r->point_count; i++) {
        const sns_robust_point *p = &w->r->points[i];
        const place *at = &w->places[i];
        double id = (double)p->id.correct, shifted = (double)p->shifted.correct;
        w->now.weight[i] = 1;
        if (draw) {
            sns_rng rng;
            sns_rng_seed_at(&rng, SEED + draw, 0, at->run);
            w->now.weight[i] = -log(1 - sns_rng_uniform(&rng));
            id = drawn_again(p->id, draw, 1, at->same_id);
            shifted = drawn_again(p->shifted, draw, 2, i);
        }
        w->now.x[i] = logit_of(id, (double)p->id.total);
        w->now.y[i] = logit_of(shifted, (double)p->shifted.total);
        w->now.accuracy[i] = shifted / (double)p->shifted.total;
    }
}

typedef struct sums {
    double w, x, y, xx, xy, yy; /* the last three about the means */
} sums;

static sums sums_of(const work *w, size_t line) {
    const state *t = &w->now;
    sums s = {0};
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < w->r->point_count; i++) {
            if (!w->places[i].baseline || w->places[i].line != line) continue;
            double k = t->weight[i], dx = t->x[i] - s.x, dy = t->y[i] - s.y;
            if (!pass) {
                s.w += k;
                s.x += k / s.w * dx; /* running means */
                s.y += k / s.w * dy;
            } else {
                s.xx += k * dx * dx;
                s.xy += k * dx * dy;
                s.yy += k * dy * dy;
            }
        }
    }
    return s;
}

static void fit_lines(work *w) {
    for (size_t l = 0; l < w->r->line_count; l++) {
        sums s = sums_of(w, l);
        w->now.slope[l] = s.xx > 0 ? s.xy / s.xx : 0;
        w->now.intercept[l] = s.y - w->now.slope[l] * s.x;
    }
    for (size_t i = 0; i < w->r->point_count; i++) {
        size_t l = w->places[i].line;
        w->now.effective[i] = w->now.accuracy[i] -
                              sigmoid(w->now.intercept[l] + w->now.slope[l] * w->now.x[i]);
    }
}

/* Means of the groups' shifts are weighted; a model's points all have its one weight; a group's
 * mean is that of its shifts, which stand before it in the list. */
static void take_means(work *w) {
    const sns_robustness *r = w->r;
    double *sum = w->now.mean, *weight = w->now.mean_weight;
    memset(sum, 0, r->mean_count * sizeof *sum);
    memset(weight, 0, r->mean_count * sizeof *weight);
    for (size_t i = 0; i < r->point_count; i++) {
        const place *at = &w->places[i];
        if (at->baseline) continue;
        sum[at->shift_mean] += w->now.weight[i] * w->now.effective[i];
        weight[at->shift_mean] += w->now.weight[i];
        sum[at->model_mean] += w->now.effective[i];
        weight[at->model_mean]++;
    }
    for (size_t i = 0; i < r->mean_count; i++) {
        const sns_robust_mean *m = &r->means[i];
        bool of_group = !m->model && !m->shift;
        for (size_t k = i; of_group && k-- > 0 && r->means[k].shift; weight[i]++) sum[i] += sum[k];
        sum[i] = weight[i] > 0 ? sum[i] / weight[i] : 0;
    }
}

/* Every number that gets an interval, in the order in which set_intervals takes them; stride: from
 * one to the next in out. */
static void gather(const work *w, double *out, size_t stride) {
    const sns_robustness *r = w->r;
    for (size_t i = 0; i < r->point_count; i++, out += stride) *out = w->now.effective[i];
    for (size_t i = 0; i < r->mean_count; i++, out += stride) *out = w->now.mean[i];
    for (size_t l = 0; l < r->line_count; l++) {
        double a = w->now.intercept[l], b = w->now.slope[l];
        *out = b;
        out[stride] = a;
        out += 2 * stride;
        for (size_t i = 0; i < SNS_ROBUST_BAND; i++, out += stride)
            *out = a + b * r->lines[l].band_x[i];
    }
}

/* ---- intervals ---- */

static int double_order(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void take(const double **value, double **draws, sns_interval *out) {
    qsort(*draws, DRAWS, sizeof **draws, double_order);
    *out = (sns_interval){*(*value)++, (*draws)[LOW], (*draws)[HIGH]};
    *draws += DRAWS;
}

static void set_intervals(work *w, const double *values) {
    sns_robustness *r = w->r;
    double *draws = w->draws;
    for (size_t i = 0; i < r->point_count; i++) take(&values, &draws, &r->points[i].effective);
    for (size_t i = 0; i < r->mean_count; i++) take(&values, &draws, &r->means[i].effective);
    for (size_t l = 0; l < r->line_count; l++) {
        sns_robust_line *line = &r->lines[l];
        take(&values, &draws, &line->slope);
        take(&values, &draws, &line->intercept);
        for (size_t i = 0; i < SNS_ROBUST_BAND; i++) take(&values, &draws, &line->band[i]);
    }
}

static sns_status draw_all(work *w, sns_error *err) {
    double *values = malloc(w->quantities * sizeof *values);
    if (!values) return sns_fail(err, SNS_NOMEM, "no memory for %zu values", w->quantities);
    gather(w, values, 1);
    for (uint64_t d = 0; d < DRAWS; d++) {
        set_numbers(w, d + 1);
        fit_lines(w);
        take_means(w);
        gather(w, w->draws + d, DRAWS);
    }
    set_intervals(w, values);
    free(values);
    return SNS_OK;
}

/* ---- what the points are ---- */

static void find_places(work *w, const char *baseline) {
    const sns_robustness *r = w->r;
    for (size_t i = 0; i < r->point_count; i++) {
        sns_robust_point *p = &r->points[i];
        place *at = &w->places[i];
        *at = (place){.model = i, .run = i, .same_id = i, .baseline = !strcmp(p->group, baseline)};
        while (r->lines[at->line].shift != p->shift) at->line++;
        for (size_t k = i; k-- > 0;) {
            const sns_robust_point *q = &r->points[k];
            if (q->run == p->run) at->run = k;
            if (q->model != p->model) continue;
            at->model = k;
            if (q->id.correct == p->id.correct && q->id.total == p->id.total) at->same_id = k;
        }
        p->id_accuracy = wilson(p->id);
        p->shifted_accuracy = wilson(p->shifted);
    }
}

/* R squared of each line, and where its band is drawn. */
static sns_status describe_lines(work *w, const char *baseline, sns_error *err) {
    for (size_t l = 0; l < w->r->line_count; l++) {
        sns_robust_line *line = &w->r->lines[l];
        double least = INFINITY, most = -INFINITY;
        for (size_t i = 0; i < w->r->point_count; i++) {
            if (w->places[i].line != l) continue;
            line->models += w->places[i].baseline;
            least = fmin(least, w->now.x[i]);
            most = fmax(most, w->now.x[i]);
        }
        sums s = sums_of(w, l);
        if (line->models < 3)
            return sns_fail(err, SNS_FORMAT,
                            "shift \"%s\": a line needs three models of the group \"%s\", here are "
                            "%zu",
                            line->shift, baseline, line->models);
        if (s.xx <= 1e-12 * s.w)
            return sns_fail(err, SNS_FORMAT,
                            "shift \"%s\": the models of the group \"%s\" are all equally good, so "
                            "no line goes through them",
                            line->shift, baseline);
        line->r2 = s.yy > 0 ? s.xy * s.xy / (s.xx * s.yy) : 1;
        for (size_t i = 0; i < SNS_ROBUST_BAND; i++)
            line->band_x[i] = least + (most - least) * (double)i / (SNS_ROBUST_BAND - 1);
    }
    return SNS_OK;
}

/* Lists the mean unless no point is in it. Names are one pointer each. */
static void add_mean(work *w, const char *group, const char *model, const char *shift) {
    sns_robustness *r = w->r;
    sns_robust_mean *m = &r->means[r->mean_count];
    *m = (sns_robust_mean){.group = group, .model = model, .shift = shift};
    for (size_t i = 0; i < r->point_count; i++) {
        const sns_robust_point *p = &r->points[i];
        if (p->group != group || (model && p->model != model) || (shift && p->shift != shift))
            continue;
        m->points++;
        if (model) w->places[i].model_mean = r->mean_count;
        if (shift) w->places[i].shift_mean = r->mean_count;
    }
    r->mean_count += m->points > 0;
}

static sns_status list_means(work *w, const char *baseline, sns_error *err) {
    sns_robustness *r = w->r;
    size_t most = r->point_count + r->group_count * (r->line_count + 1);
    r->means = calloc(most, sizeof *r->means);
    w->now.mean = calloc(2 * most, sizeof *w->now.mean);
    w->now.mean_weight = w->now.mean + most;
    if (!r->means || !w->now.mean) return sns_fail(err, SNS_NOMEM, "no memory for %zu means", most);
    for (size_t g = 0; g < r->group_count; g++) {
        if (!strcmp(r->groups[g], baseline)) {
            r->baseline = r->groups[g];
            continue;
        }
        for (size_t l = 0; l < r->line_count; l++)
            add_mean(w, r->groups[g], NULL, r->lines[l].shift);
        add_mean(w, r->groups[g], NULL, NULL);
        for (size_t i = 0; i < r->point_count; i++)
            if (r->points[i].group == r->groups[g] && w->places[i].model == i)
                add_mean(w, r->groups[g], r->points[i].model, NULL);
    }
    return r->baseline ? SNS_OK
                       : sns_fail(err, SNS_FORMAT, "no point of the group \"%s\"", baseline);
}

static sns_status open_work(work *w, sns_error *err) {
    size_t n = w->r->point_count, lines = w->r->line_count;
    w->places = calloc(n, sizeof *w->places);
    double *at = calloc(5 * n + 2 * lines, sizeof *at);
    w->block = at;
    if (!w->places || !at) return sns_fail(err, SNS_NOMEM, "no memory for %zu points", n);
    w->now = (state){.x = at,
                     .y = at + n,
                     .accuracy = at + 2 * n,
                     .weight = at + 3 * n,
                     .effective = at + 4 * n,
                     .slope = at + 5 * n,
                     .intercept = at + 5 * n + lines};
    return SNS_OK;
}

static sns_status open_draws(work *w, sns_error *err) {
    const sns_robustness *r = w->r;
    w->quantities = r->point_count + r->mean_count + r->line_count * (2 + SNS_ROBUST_BAND);
    w->draws = calloc(w->quantities, DRAWS * sizeof *w->draws);
    return w->draws ? SNS_OK
                    : sns_fail(err, SNS_NOMEM, "no memory for draws of %zu numbers", w->quantities);
}

sns_status sns_robustness_measure(sns_robustness *r, const char *baseline, sns_error *err) {
    work w = {.r = r};
    sns_status s = open_work(&w, err);
    if (!s) {
        find_places(&w, baseline);
        s = list_means(&w, baseline, err);
    }
    if (!s) {
        set_numbers(&w, 0);
        s = describe_lines(&w, baseline, err);
    }
    if (!s) s = open_draws(&w, err);
    if (!s) {
        fit_lines(&w);
        take_means(&w);
        s = draw_all(&w, err);
    }
    free(w.draws);
    free(w.now.mean);
    free(w.places);
    free(w.block);
    return s;
}
