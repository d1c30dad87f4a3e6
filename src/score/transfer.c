/* transfer.c - what a model's vectors know, by classifiers trained on top of them.
 *
 * Radford et al. 2021, section 3.2 and appendix A.3: the model stays as it is; a logistic
 * regression (logistic.c) or nearest neighbours (knn.c) are given the vectors of labelled pictures,
 * and are measured on others. The regulariser is chosen on a part of the training pictures, and the
 * regression fitted once more to all of them. */
#include "base/error.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include "score/eval_set.h"
#include <sensus/probe.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { HELD_OUT_OF = 5, SHOTS_STREAM = 3, SPLIT_STREAM = 4, USUAL_K = 20 };

/* Labelled vectors. */
typedef struct examples {
    sns_eval_set set;
    float *x;         /* [n, E] */
    uint32_t *labels; /* [n] */
    size_t n;
} examples;

static void examples_free(examples *e) {
    free(e->x);
    free(e->labels);
    sns_eval_set_free(&e->set);
}

static sns_status read_examples(const char *data, const sns_eval_options *options, examples *e,
                                sns_error *err) {
    sns_status s = sns_eval_set_read(data, options, &e->set, err);
    for (size_t i = 0; !s && i < e->set.picture_count; i++)
        if (!e->set.pictures[i].label || !*e->set.pictures[i].label)
            s = sns_fail(err, SNS_FORMAT, "%s: %s has no label", data, e->set.pictures[i].path);
    return s;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static sns_status check_apart(const examples *train, const examples *test, sns_error *err) {
    size_t n = train->set.picture_count;
    const char **paths = malloc((n + 1) * sizeof *paths);
    if (!paths) return sns_fail(err, SNS_NOMEM, "no memory for %zu pictures", n);
    for (size_t i = 0; i < n; i++) paths[i] = train->set.pictures[i].path;
    qsort(paths, n, sizeof *paths, by_text);
    sns_status s = SNS_OK;
    for (size_t i = 0; i < test->set.picture_count && !s; i++) {
        const char *path = test->set.pictures[i].path;
        if (bsearch(&path, paths, n, sizeof *paths, by_text))
            s = sns_fail(err, SNS_FORMAT, "%s: is a training picture and a test picture", path);
    }
    free(paths);
    return s;
}

/* The classes are the training pictures' labels in byte order. */
static sns_status name_classes(const examples *train, const char *data, sns_zero_shot *out,
                               sns_error *err) {
    size_t n = train->set.picture_count;
    const char **sorted = malloc((n + 1) * sizeof *sorted);
    out->per_class = calloc(n + 1, sizeof *out->per_class);
    bool ok = sorted && out->per_class;
    for (size_t i = 0; i < n && ok; i++) sorted[i] = train->set.pictures[i].label;
    if (ok) qsort(sorted, n, sizeof *sorted, by_text);
    for (size_t i = 0; i < n && ok; i++) {
        if (i && !strcmp(sorted[i], sorted[i - 1])) continue;
        ok = (out->per_class[out->classes].label = sns_strdup(sorted[i]));
        out->classes += ok;
    }
    free(sorted);
    if (!ok) return sns_fail(err, SNS_NOMEM, "no memory for %zu labels", n);
    return out->classes < 2
               ? sns_fail(err, SNS_FORMAT, "%s: it has %zu class only", data, out->classes)
               : SNS_OK;
}

static int by_label(const void *a, const void *b) {
    return strcmp(((const sns_class_result *)a)->label, ((const sns_class_result *)b)->label);
}

static const sns_class_result *find_class(const sns_zero_shot *classes, char *label) {
    const sns_class_result key = {.label = label};
    return bsearch(&key, classes->per_class, classes->classes, sizeof key, by_label);
}

/* Said before anything is encoded. */
static sns_status check_labels(const examples *test, const char *data, const sns_zero_shot *classes,
                               sns_error *err) {
    for (size_t i = 0; i < test->set.picture_count; i++)
        if (!find_class(classes, test->set.pictures[i].label))
            return sns_fail(err, SNS_FORMAT, "%s: no training picture has the label '%s'", data,
                            test->set.pictures[i].label);
    return SNS_OK;
}

/* Of the pictures that could be read. */
static sns_status number_labels(examples *e, const sns_zero_shot *classes, sns_error *err) {
    e->n = e->set.picture_count;
    if (!(e->labels = malloc((e->n + 1) * sizeof *e->labels)))
        return sns_fail(err, SNS_NOMEM, "no memory for %zu labels", e->n);
    for (size_t i = 0; i < e->n; i++)
        e->labels[i] = (uint32_t)(find_class(classes, e->set.pictures[i].label) -
                                  classes->per_class);
    return SNS_OK;
}

/* Keep the rows that keep[] says. */
static void filter(examples *e, size_t E, const bool *keep) {
    size_t n = 0;
    for (size_t i = 0; i < e->n; i++) {
        if (!keep[i]) continue;
        memmove(e->x + n * E, e->x + i * E, E * sizeof *e->x);
        e->labels[n++] = e->labels[i];
    }
    e->n = n;
}

/* chosen[i]: is example i among the first `most` of its class, or (most 0) in its first fifth, in
 * an order drawn by the seed? */
static sns_status draw(const examples *e, size_t classes, size_t most, uint64_t seed,
                       uint64_t stream, bool *chosen, sns_error *err) {
    uint32_t *order = malloc((e->n + 1) * sizeof *order);
    size_t *left = calloc(classes, sizeof *left);
    sns_rng rng;
    if (!order || !left) {
        free(order);
        free(left);
        return sns_fail(err, SNS_NOMEM, "no memory for %zu examples", e->n);
    }
    for (size_t i = 0; i < e->n; i++) {
        order[i] = (uint32_t)i;
        left[e->labels[i]]++;
    }
    for (size_t c = 0; c < classes; c++)
        left[c] = most ? most : left[c] < 2 ? 0 : (left[c] + HELD_OUT_OF - 1) / HELD_OUT_OF;
    sns_rng_seed_at(&rng, seed, stream, 0);
    sns_rng_shuffle(&rng, order, e->n);
    for (size_t i = 0; i < e->n; i++) {
        size_t *of_class = &left[e->labels[order[i]]];
        chosen[order[i]] = *of_class > 0;
        *of_class -= *of_class > 0;
    }
    free(order);
    free(left);
    return SNS_OK;
}

static sns_status take_shots(examples *train, size_t E, size_t classes,
                             const sns_transfer_options *what, sns_error *err) {
    bool *keep = malloc(train->n + 1);
    if (!keep) return sns_fail(err, SNS_NOMEM, "no memory for %zu examples", train->n);
    sns_status s = draw(train, classes, what->shots, what->seed, SHOTS_STREAM, keep, err);
    if (!s) filter(train, E, keep);
    free(keep);
    return s;
}

/* Training and validation part, copied. */
static sns_status split(const examples *all, size_t E, size_t classes, uint64_t seed,
                        examples part[2], sns_error *err) {
    bool *held = malloc(all->n + 1);
    bool ok = held != NULL;
    for (int i = 0; i < 2; i++) {
        part[i].x = malloc((all->n * E + 1) * sizeof *part[i].x);
        part[i].labels = malloc((all->n + 1) * sizeof *part[i].labels);
        ok = ok && part[i].x && part[i].labels;
    }
    sns_status s = ok ? draw(all, classes, 0, seed, SPLIT_STREAM, held, err)
                      : sns_fail(err, SNS_NOMEM, "no memory for %zu examples", all->n);
    for (size_t i = 0; i < all->n && !s; i++) {
        examples *to = &part[held[i]];
        memcpy(to->x + to->n * E, all->x + i * E, E * sizeof *to->x);
        to->labels[to->n++] = all->labels[i];
    }
    free(held);
    return s;
}

static sns_status probe(const examples *train, const examples *test, size_t E, size_t classes,
                        const sns_transfer_options *what, sns_transfer *out, float *scores,
                        sns_error *err) {
    examples part[2] = {{.x = NULL}, {.x = NULL}};
    sns_probe *fitted = NULL;
    out->lambda = 1; /* where no class has a picture to spare */
    sns_status s = split(train, E, classes, what->seed, part, err);
    out->validation_images = part[1].n;
    if (!s && part[1].n)
        s = sns_probe_sweep(part[0].x, part[0].labels, part[0].n, part[1].x, part[1].labels,
                            part[1].n, E, classes, NULL, NULL, &out->lambda, err);
    if (!s)
        s = sns_probe_fit(train->x, train->labels, train->n, E, classes, out->lambda, NULL, &fitted,
                          err);
    if (!s) s = sns_probe_scores(fitted, test->x, test->n, scores, err);
    sns_probe_free(fitted);
    for (int i = 0; i < 2; i++) {
        free(part[i].x);
        free(part[i].labels);
    }
    return s;
}

static sns_status judge(const examples *train, const examples *test, size_t E,
                        const sns_transfer_options *what, sns_transfer *out, sns_error *err) {
    size_t K = out->test.classes, n = test->n;
    float *scores = malloc((n * K + 1) * sizeof *scores);
    uint32_t *ranks = malloc((n + 1) * sizeof *ranks), *answers = calloc(n + 1, sizeof *answers);
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
        for (uint32_t c = 1; c < K; c++)
            if (row[c] > row[answers[i]]) answers[i] = c;
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
    if (!options) options = &none;
    *result = (sns_transfer){0};
    examples train = {.x = NULL}, test = {.x = NULL};
    size_t E = sns_model_dim(model);
    sns_status s = read_examples(train_data, options, &train, err);
    if (!s) s = read_examples(test_data, options, &test, err);
    if (!s) s = check_apart(&train, &test, err);
    if (!s) s = name_classes(&train, train_data, &result->test, err);
    if (!s) s = check_labels(&test, test_data, &result->test, err);
    if (!s) s = sns_eval_set_encode(&train.set, model, options, &train.x, err);
    if (!s) s = sns_eval_set_encode(&test.set, model, options, &test.x, err);
    if (!s) s = number_labels(&train, &result->test, err);
    if (!s) s = number_labels(&test, &result->test, err);
    if (!s && what->shots) s = take_shots(&train, E, result->test.classes, what, err);
    result->train_images = train.n;
    if (!s) s = judge(&train, &test, E, what, result, err);
    result->test.skipped = train.set.skipped + test.set.skipped;
    examples_free(&train);
    examples_free(&test);
    if (s) sns_zero_shot_free(&result->test);
    return s;
}
