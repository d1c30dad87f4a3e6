/* examples.c - labelled vectors to learn from and others to measure with. */
#include "score/examples.h"
#include "base/error.h"
#include "base/rng.h"
#include <stdlib.h>
#include <string.h>

enum { HELD_OUT_OF = 5 };

void sns_examples_free(sns_examples *e) {
    free(e->x);
    free(e->labels);
    sns_eval_set_free(&e->set);
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static sns_status check_apart(const sns_examples *train, const sns_examples *test, sns_error *err) {
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

/* Said before anything is encoded. */
static sns_status check_known(const sns_examples *test, const char *data,
                              const sns_eval_names *classes, sns_error *err) {
    for (size_t i = 0; i < test->set.picture_count; i++)
        if (sns_eval_names_find(classes, test->set.pictures[i].label) == SNS_EVAL_NONE)
            return sns_fail(err, SNS_FORMAT, "%s: no training picture has the label '%s'", data,
                            test->set.pictures[i].label);
    return SNS_OK;
}

static sns_status encode(const sns_model *model, const sns_eval_options *options, sns_examples *e,
                         sns_error *err) {
    sns_status s = sns_eval_set_encode(&e->set, model, options, &e->x, err);
    e->n = e->set.picture_count;
    return s;
}

sns_status sns_examples_draw(const sns_examples *e, size_t classes, size_t most, uint64_t seed,
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

sns_status sns_examples_copy(const sns_examples *from, size_t dim, const bool *chosen, bool want,
                             sns_examples *out, sns_error *err) {
    *out = (sns_examples){.x = malloc((from->n * dim + 1) * sizeof *out->x),
                          .labels = malloc((from->n + 1) * sizeof *out->labels)};
    if (!out->x || !out->labels) {
        sns_examples_free(out);
        return sns_fail(err, SNS_NOMEM, "no memory for %zu examples", from->n);
    }
    for (size_t i = 0; i < from->n; i++) {
        if (chosen[i] != want) continue;
        memcpy(out->x + out->n * dim, from->x + i * dim, dim * sizeof *out->x);
        out->labels[out->n++] = from->labels[i];
    }
    return SNS_OK;
}

/* The classes are the training pictures' labels. Names point into the sets, and pictures that can't
 * be read leave them: copies name the classes from here on. */
static sns_status name_classes(const sns_examples *train, const sns_examples *test,
                               const char *train_data, const char *test_data,
                               sns_zero_shot *classes, sns_error *err) {
    sns_eval_names names;
    sns_status s = sns_eval_label_names(&train->set, &names, err);
    if (s) return s;
    s = sns_eval_name_classes(&names, classes, err);
    if (!s && classes->classes < 2)
        s = sns_fail(err, SNS_FORMAT, "%s: it has %zu class only", train_data, classes->classes);
    if (!s) s = check_known(test, test_data, &names, err);
    sns_eval_names_free(&names);
    return s;
}

/* Numbers by the classes' own copies of the names. */
static sns_status number(sns_examples *train, sns_examples *test, const sns_zero_shot *classes,
                         sns_error *err) {
    const char **labels = malloc((classes->classes + 1) * sizeof *labels);
    if (!labels) return sns_fail(err, SNS_NOMEM, "no memory for %zu labels", classes->classes);
    for (size_t c = 0; c < classes->classes; c++) labels[c] = classes->per_class[c].label;
    const sns_eval_names names = {labels, classes->classes};
    sns_status s = sns_eval_number_labels(&train->set, &names, &train->labels, err);
    if (!s) s = sns_eval_number_labels(&test->set, &names, &test->labels, err);
    free(labels);
    return s;
}

sns_status sns_examples_read(const sns_model *model, const char *train_data, const char *test_data,
                             const sns_eval_options *options, sns_examples *train,
                             sns_examples *test, sns_zero_shot *classes, sns_error *err) {
    sns_eval_medium medium = sns_eval_medium_of(model);
    *train = *test = (sns_examples){.x = NULL};
    classes->sounds = medium == SNS_EVAL_SOUNDS;
    sns_status s = sns_eval_set_read(train_data, medium, options, &train->set, err);
    if (!s) s = sns_eval_check_labels(&train->set, train_data, "", err);
    if (!s) s = sns_eval_set_read(test_data, medium, options, &test->set, err);
    if (!s) s = sns_eval_check_labels(&test->set, test_data, "", err);
    if (!s) s = check_apart(train, test, err);
    if (!s) s = name_classes(train, test, train_data, test_data, classes, err);
    if (!s) s = encode(model, options, train, err);
    if (!s) s = encode(model, options, test, err);
    if (!s) s = number(train, test, classes, err);
    classes->skipped = train->set.skipped + test->set.skipped;
    return s;
}
