/* examples.c - labelled vectors to learn from and others to measure with. */
#include "score/examples.h"
#include "base/error.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include <stdlib.h>
#include <string.h>

enum { HELD_OUT_OF = 5 };

void sns_examples_free(sns_examples *e) {
    free(e->x);
    free(e->labels);
    sns_eval_set_free(&e->set);
}

static sns_status read_examples(const char *data, const sns_eval_options *options, sns_examples *e,
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

/* The classes are the training pictures' labels in byte order. */
static sns_status name_classes(const sns_examples *train, const char *data, sns_zero_shot *out,
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
static sns_status check_labels(const sns_examples *test, const char *data,
                               const sns_zero_shot *classes, sns_error *err) {
    for (size_t i = 0; i < test->set.picture_count; i++)
        if (!find_class(classes, test->set.pictures[i].label))
            return sns_fail(err, SNS_FORMAT, "%s: no training picture has the label '%s'", data,
                            test->set.pictures[i].label);
    return SNS_OK;
}

/* Of the pictures that could be read. */
static sns_status number_labels(sns_examples *e, const sns_zero_shot *classes, sns_error *err) {
    e->n = e->set.picture_count;
    if (!(e->labels = malloc((e->n + 1) * sizeof *e->labels)))
        return sns_fail(err, SNS_NOMEM, "no memory for %zu labels", e->n);
    for (size_t i = 0; i < e->n; i++)
        e->labels[i] = (uint32_t)(find_class(classes, e->set.pictures[i].label) -
                                  classes->per_class);
    return SNS_OK;
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

sns_status sns_examples_read(const sns_model *model, const char *train_data, const char *test_data,
                             const sns_eval_options *options, sns_examples *train,
                             sns_examples *test, sns_zero_shot *classes, sns_error *err) {
    *train = *test = (sns_examples){.x = NULL};
    sns_status s = read_examples(train_data, options, train, err);
    if (!s) s = read_examples(test_data, options, test, err);
    if (!s) s = check_apart(train, test, err);
    if (!s) s = name_classes(train, train_data, classes, err);
    if (!s) s = check_labels(test, test_data, classes, err);
    if (!s) s = sns_eval_set_encode(&train->set, model, options, &train->x, err);
    if (!s) s = sns_eval_set_encode(&test->set, model, options, &test->x, err);
    if (!s) s = number_labels(train, classes, err);
    if (!s) s = number_labels(test, classes, err);
    classes->skipped = train->set.skipped + test->set.skipped;
    return s;
}
