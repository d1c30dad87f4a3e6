/* eval_zero_shot.c - classification by the text of each class.
 *
 * Class of picture x = argmax over c of image(x) . w_c, with w as classifier.h says.
 *   images [n, E], w [classes, E] */
#include "base/error.h"
#include "base/strbuf.h"
#include "score/eval_set.h"
#include <sensus/classifier.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void sns_zero_shot_free(sns_zero_shot *result) {
    for (size_t c = 0; c < result->classes; c++) free(result->per_class[c].label);
    free(result->per_class);
    free(result->confusion);
    *result = (sns_zero_shot){0};
}

char *sns_eval_class_name(const char *label, const sns_class_name *names, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!strcmp(names[i].label, label)) return sns_strdup(names[i].name);
    char *name = sns_strdup(label);
    for (char *p = name; p && *p; p++)
        if (*p == '_') *p = ' ';
    return name;
}

/* The classes' vectors from their names and the templates. */
static sns_status make_classifier(const sns_model *model, const sns_zero_shot *of,
                                  const char *const *templates, size_t T,
                                  const sns_class_name *names, size_t name_count, const int *cancel,
                                  sns_classifier **out, sns_error *err) {
    size_t C = of->classes;
    char **name = calloc(C, sizeof *name);
    sns_class *classes = calloc(C, sizeof *classes);
    bool ok = name && classes;
    for (size_t c = 0; c < C && ok; c++) {
        const char *label = of->per_class[c].label;
        ok = (name[c] = sns_eval_class_name(label, names, name_count));
        classes[c] = (sns_class){label, (const char *const *)&name[c], 1};
    }
    const sns_classifier_options o = {.cancel = cancel};
    sns_status s = ok ? sns_classifier_new(model, classes, C, templates, T, &o, out, err)
                      : sns_fail(err, SNS_NOMEM, "no memory for %zu classes", C);
    for (size_t c = 0; c < C && name; c++) free(name[c]);
    free(name);
    free(classes);
    return s;
}

static int label_order(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The distinct labels in byte order into result, and each picture's number. */
static sns_status number_labels(const sns_eval_set *set, sns_zero_shot *out, uint32_t *labels,
                                sns_error *err) {
    size_t n = set->picture_count;
    const char **sorted = malloc((n + 1) * sizeof *sorted);
    out->per_class = calloc(n + 1, sizeof *out->per_class);
    if (!sorted || !out->per_class) {
        free(sorted);
        return sns_fail(err, SNS_NOMEM, "no memory for %zu labels", n);
    }
    for (size_t i = 0; i < n; i++) sorted[i] = set->pictures[i].label;
    qsort(sorted, n, sizeof *sorted, label_order);
    size_t classes = 0;
    bool ok = true;
    for (size_t i = 0; i < n && ok; i++) {
        if (i && !strcmp(sorted[i], sorted[classes - 1])) continue;
        sorted[classes] = sorted[i];
        ok = (out->per_class[classes].label = sns_strdup(sorted[i]));
        classes += ok;
    }
    out->classes = classes;
    for (size_t i = 0; i < n && ok; i++)
        labels[i] = (uint32_t)((const char **)bsearch(&set->pictures[i].label, sorted, classes,
                                                      sizeof *sorted, label_order) -
                               sorted);
    free(sorted);
    return ok ? SNS_OK : sns_fail(err, SNS_NOMEM, "no memory for %zu labels", n);
}

/* Class vectors, ranks, measures. */
static sns_status classify(const sns_model *model, const float *images, const uint32_t *labels,
                           size_t n, const char *const *templates, size_t T,
                           const sns_class_name *names, size_t name_count, const int *cancel,
                           sns_zero_shot *out, sns_error *err) {
    size_t E = sns_model_dim(model), C = out->classes;
    sns_pair *pairs = malloc(n * sizeof *pairs);
    uint32_t *ranks = malloc(n * sizeof *ranks), *answers = malloc(n * sizeof *answers);
    sns_relation right = {0};
    sns_classifier *classifier = NULL;
    sns_status s = pairs && ranks && answers ? SNS_OK
                                             : sns_fail(err, SNS_NOMEM, "no memory to classify");
    if (!s)
        s = make_classifier(model, out, templates, T, names, name_count, cancel, &classifier, err);
    for (size_t i = 0; i < n && !s; i++) pairs[i] = (sns_pair){(uint32_t)i, labels[i]};
    if (!s) s = sns_relation_new(pairs, n, n, &right, err);
    if (!s)
        s = sns_rank_queries(images, n, sns_classifier_weights(classifier), C, E, &right, ranks,
                             NULL, err);
    if (!s) s = sns_accuracy_measure(ranks, labels, n, C, out, err);
    if (!s)
        s = sns_best_candidates(images, n, sns_classifier_weights(classifier), C, E, answers, err);
    if (!s) s = sns_confusion_measure(answers, labels, n, out, err);
    sns_relation_free(&right);
    sns_classifier_free(classifier);
    free(pairs);
    free(ranks);
    free(answers);
    return s;
}

static sns_status check_set(const sns_eval_set *set, const char *data, sns_error *err) {
    for (size_t i = 0; i < set->picture_count; i++)
        if (!set->pictures[i].label || !*set->pictures[i].label)
            return sns_fail(err, SNS_FORMAT, "%s: %s has no label", data, set->pictures[i].path);
    return SNS_OK;
}

sns_status sns_eval_zero_shot(const sns_model *model, const char *data,
                              const char *const *templates, size_t template_count,
                              const sns_class_name *names, size_t name_count,
                              const sns_eval_options *options, sns_zero_shot *result,
                              sns_error *err) {
    static const sns_eval_options none;
    static const char *const usual[1] = {"a photo of a {}."};
    *result = (sns_zero_shot){0};
    if (!options) options = &none;
    if (!template_count) {
        templates = usual;
        template_count = 1;
    }
    for (size_t t = 0; t < template_count; t++) /* before pictures are encoded */
        if (!strstr(templates[t], "{}"))
            return sns_fail(err, SNS_ARG, "the template '%s' has no {}", templates[t]);
    sns_eval_set set;
    float *images = NULL;
    uint32_t *labels = NULL;
    sns_status s = sns_eval_set_read(data, options, &set, err);
    if (s) return s;
    s = check_set(&set, data, err);
    if (!s) s = sns_eval_set_encode(&set, model, options, &images, err);
    if (!s && !(labels = malloc((set.picture_count + 1) * sizeof *labels)))
        s = sns_fail(err, SNS_NOMEM, "no memory for %zu labels", set.picture_count);
    if (!s) s = number_labels(&set, result, labels, err);
    if (!s && result->classes < 2)
        s = sns_fail(err, SNS_FORMAT, "%s: it has %zu class only", data, result->classes);
    if (!s)
        s = classify(model, images, labels, set.picture_count, templates, template_count, names,
                     name_count, options->cancel, result, err);
    result->skipped = set.skipped;
    free(images);
    free(labels);
    sns_eval_set_free(&set);
    if (s) sns_zero_shot_free(result);
    return s;
}
