/* few_shot.c - a linear probe's accuracy with a few examples of each class.
 *
 * Radford et al. 2021, figure 6. For each number of shots, `seeds` draws of so many training
 * pictures a class; lambda is chosen on the training pictures that were not drawn, so the curve is
 * that of someone who knows the right lambda. A test picture counts by the share of draws that got
 * it right; intervals are over the test pictures (Efron 1979). */
#include "base/error.h"
#include "score/examples.h"
#include <sensus/probe.h>
#include <stdlib.h>

enum { STREAM = 5 };

typedef struct task {
    const sns_examples *train, *test;
    size_t E, classes;
    bool *drawn;   /* [train n] */
    float *scores; /* [test n, classes] */
    double *hit;   /* [test n] draws that were right */
} task;

/* One draw: learn, choose, judge. */
static sns_status one_draw(task *t, size_t shots, uint64_t seed, sns_error *err) {
    sns_examples few = {.x = NULL}, rest = {.x = NULL};
    sns_probe *p = NULL;
    double lambda = 1;
    sns_status s = sns_examples_draw(t->train, t->classes, shots, seed, STREAM, t->drawn, err);
    if (!s) s = sns_examples_copy(t->train, t->E, t->drawn, true, &few, err);
    if (!s) s = sns_examples_copy(t->train, t->E, t->drawn, false, &rest, err);
    if (!s && rest.n)
        s = sns_probe_sweep(few.x, few.labels, few.n, rest.x, rest.labels, rest.n, t->E, t->classes,
                            NULL, NULL, &lambda, err);
    if (!s) s = sns_probe_fit(few.x, few.labels, few.n, t->E, t->classes, lambda, NULL, &p, err);
    if (!s) s = sns_probe_scores(p, t->test->x, t->test->n, t->scores, err);
    for (size_t i = 0; i < t->test->n && !s; i++)
        t->hit[i] += sns_rank_of_best(t->scores + i * t->classes, t->classes, &t->test->labels[i],
                                      1) == 1;
    sns_probe_free(p);
    sns_examples_free(&few);
    sns_examples_free(&rest);
    return s;
}

static sns_status measure(task *t, const sns_few_shot_options *what, sns_few_shot *out,
                          sns_error *err) {
    sns_status s = SNS_OK;
    for (size_t i = 0; i < out->points && !s; i++) {
        for (size_t k = 0; k < t->test->n; k++) t->hit[k] = 0;
        for (size_t r = 0; r < out->seeds && !s; r++) {
            if (what->progress)
                what->progress(what->user, i * out->seeds + r, out->points * out->seeds);
            s = one_draw(t, out->shots[i], what->seed + r, err);
        }
        for (size_t k = 0; k < t->test->n; k++) t->hit[k] /= (double)out->seeds;
        if (!s) s = sns_mean_measure(t->hit, t->test->n, &out->accuracy[i], err);
        out->accuracy[i].chance = 1 / (double)t->classes;
    }
    return s;
}

sns_status sns_eval_few_shot(const sns_model *model, const char *train_data, const char *test_data,
                             const sns_few_shot_options *what, const sns_eval_options *options,
                             sns_few_shot *result, sns_error *err) {
    static const size_t shots[SNS_FEW_SHOT_POINTS] = {1, 2, 4, 8, 16};
    static const sns_eval_options none;
    sns_examples train = {.x = NULL}, test = {.x = NULL};
    sns_zero_shot classes = {0};
    *result = (sns_few_shot){.points = SNS_FEW_SHOT_POINTS, .seeds = what->seeds ? what->seeds : 3};
    for (size_t i = 0; i < SNS_FEW_SHOT_POINTS; i++) result->shots[i] = shots[i];
    if (!options) options = &none;
    sns_status s = sns_eval_check_templates(what->templates, what->template_count, err);
    if (!s)
        s = sns_examples_read(model, train_data, test_data, options, &train, &test, &classes, err);
    task t = {&train, &test, sns_model_dim(model), classes.classes, NULL, NULL, NULL};
    if (!s) {
        t.drawn = malloc(train.n + 1);
        t.scores = malloc((test.n * t.classes + 1) * sizeof *t.scores);
        t.hit = malloc((test.n + 1) * sizeof *t.hit);
        if (!t.drawn || !t.scores || !t.hit)
            s = sns_fail(err, SNS_NOMEM, "no memory for %zu test pictures", test.n);
    }
    if (!s) s = measure(&t, what, result, err);
    if (!s)
        s = sns_zero_shot_of_set(model, &test.set, test.x, test_data, what->templates,
                                 what->template_count, NULL, 0, options->cancel, &result->zero_shot,
                                 err);
    result->images = test.n;
    result->classes = classes.classes;
    result->skipped = classes.skipped;
    free(t.drawn);
    free(t.scores);
    free(t.hit);
    sns_examples_free(&train);
    sns_examples_free(&test);
    sns_zero_shot_free(&classes);
    return s;
}
