/* transfer.c - what a model's vectors know, by classifiers trained on top of them.
 *
 * Radford et al. 2021, section 3.2 and appendix A.3: the model stays as it is; a logistic
 * regression (logistic.c) or nearest neighbours (knn.c) are given the vectors of labelled pictures,
 * and are measured on others. The regulariser is chosen on a part of the training pictures, and the
 * regression fitted once more to all of them. */
#include "base/error.h"
#include "score/examples.h"
#include <sensus/probe.h>
#include <stdlib.h>

enum { SHOTS_STREAM = 3, SPLIT_STREAM = 4, USUAL_K = 20 };

/* train becomes `shots` examples of each class. */
static sns_status take_shots(sns_examples *train, size_t E, size_t classes,
                             const sns_transfer_options *what, sns_error *err) {
    bool *keep = malloc(train->n + 1);
    sns_examples few = {.x = NULL};
    if (!keep) return sns_fail(err, SNS_NOMEM, "no memory for %zu examples", train->n);
    sns_status s = sns_examples_draw(train, classes, what->shots, what->seed, SHOTS_STREAM, keep,
                                     err);
    if (!s) s = sns_examples_copy(train, E, keep, true, &few, err);
    if (!s) {
        sns_examples_free(train);
        *train = few;
    }
    free(keep);
    return s;
}

static sns_status probe(const sns_examples *train, const sns_examples *test, size_t E,
                        size_t classes, const sns_transfer_options *what, sns_transfer *out,
                        float *scores, sns_error *err) {
    sns_examples learn = {.x = NULL}, choose = {.x = NULL};
    sns_probe *fitted = NULL;
    bool *held = malloc(train->n + 1);
    sns_status s = held ? sns_examples_draw(train, classes, 0, what->seed, SPLIT_STREAM, held, err)
                        : sns_fail(err, SNS_NOMEM, "no memory for %zu examples", train->n);
    if (!s) s = sns_examples_copy(train, E, held, false, &learn, err);
    if (!s) s = sns_examples_copy(train, E, held, true, &choose, err);
    out->lambda = 1; /* where no class has a picture to spare */
    out->validation_images = choose.n;
    if (!s && choose.n)
        s = sns_probe_sweep(learn.x, learn.labels, learn.n, choose.x, choose.labels, choose.n, E,
                            classes, NULL, NULL, &out->lambda, err);
    if (!s)
        s = sns_probe_fit(train->x, train->labels, train->n, E, classes, out->lambda, NULL, &fitted,
                          err);
    if (!s) s = sns_probe_scores(fitted, test->x, test->n, scores, err);
    sns_probe_free(fitted);
    sns_examples_free(&learn);
    sns_examples_free(&choose);
    free(held);
    return s;
}

static sns_status judge(const sns_examples *train, const sns_examples *test, size_t E,
                        const sns_transfer_options *what, sns_transfer *out, sns_error *err) {
    size_t K = out->test.classes, n = test->n;
    float *scores = malloc((n * K + 1) * sizeof *scores);
    uint32_t *ranks = malloc((n + 1) * sizeof *ranks), *answers = malloc((n + 1) * sizeof *answers);
    sns_status s = scores && ranks && answers
                       ? SNS_OK
                       : sns_fail(err, SNS_NOMEM, "no memory for %zu answers", n);
    if (!s && what->method == SNS_TRANSFER_PROBE)
        s = probe(train, test, E, K, what, out, scores, err);
    else if (!s)
        s = sns_knn_scores(train->x, train->labels, train->n, test->x, n, E, K,
                           what->k ? what->k : USUAL_K, what->temperature, scores, err);
    for (size_t i = 0; i < n && !s; i++) {
        const float *row = scores + i * K;
        ranks[i] = sns_rank_of_best(row, K, &test->labels[i], 1);
        answers[i] = sns_best_of(row, K);
    }
    if (!s) s = sns_accuracy_measure(ranks, test->labels, n, K, &out->test, err);
    if (!s) s = sns_confusion_measure(answers, test->labels, n, &out->test, err);
    free(scores);
    free(answers);
    free(ranks);
    return s;
}

sns_status sns_eval_transfer(const sns_model *model, const char *train_data, const char *test_data,
                             const sns_transfer_options *what, const sns_eval_options *options,
                             sns_transfer *result, sns_error *err) {
    static const sns_eval_options none;
    *result = (sns_transfer){0};
    sns_examples train, test;
    size_t E = sns_model_dim(model);
    sns_status s = sns_examples_read(model, train_data, test_data, options ? options : &none,
                                     &train, &test, &result->test, err);
    if (!s && what->shots) s = take_shots(&train, E, result->test.classes, what, err);
    result->train_images = train.n;
    if (!s) s = judge(&train, &test, E, what, result, err);
    sns_examples_free(&train);
    sns_examples_free(&test);
    if (s) sns_zero_shot_free(&result->test);
    return s;
}
