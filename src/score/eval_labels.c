/* eval_labels.c - labels: that they are there, their numbers, and the classifier of their names. */
#include "base/error.h"
#include "base/strbuf.h"
#include "score/eval_set.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

sns_status sns_eval_check_labels(const sns_eval_set *set, const char *data, const char *hint,
                                 sns_error *err) {
    for (size_t i = 0; i < set->picture_count; i++)
        if (!set->pictures[i].label || !*set->pictures[i].label)
            return sns_fail(err, SNS_FORMAT, "%s: %s has no label%s", data, set->pictures[i].path,
                            hint);
    return SNS_OK;
}

sns_status sns_eval_check_templates(const char *const *templates, size_t n, sns_error *err) {
    for (size_t t = 0; t < n; t++)
        if (!strstr(templates[t], "{}"))
            return sns_fail(err, SNS_ARG, "the template '%s' has no {}", templates[t]);
    return SNS_OK;
}

/* ---- numbers ---- */

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

sns_status sns_eval_names_new(const char *const *keys, size_t n, sns_eval_names *out,
                              sns_error *err) {
    *out = (sns_eval_names){.name = malloc((n + 1) * sizeof *out->name)};
    if (!out->name) return sns_fail(err, SNS_NOMEM, "no memory for %zu names", n);
    size_t given = 0;
    for (size_t i = 0; i < n; i++)
        if (keys[i]) out->name[given++] = keys[i];
    if (given) qsort(out->name, given, sizeof *out->name, by_text);
    for (size_t i = 0; i < given; i++)
        if (!i || strcmp(out->name[i], out->name[out->count - 1]) != 0)
            out->name[out->count++] = out->name[i];
    return SNS_OK;
}

uint32_t sns_eval_names_find(const sns_eval_names *names, const char *key) {
    const char **at = key ? bsearch(&key, names->name, names->count, sizeof *names->name, by_text)
                          : NULL;
    return at ? (uint32_t)(at - names->name) : SNS_EVAL_NONE;
}

void sns_eval_names_free(sns_eval_names *names) {
    free(names->name);
    *names = (sns_eval_names){0};
}

sns_status sns_eval_label_names(const sns_eval_set *set, sns_eval_names *out, sns_error *err) {
    const char **keys = malloc((set->picture_count + 1) * sizeof *keys);
    if (!keys) return sns_fail(err, SNS_NOMEM, "no memory for %zu labels", set->picture_count);
    for (size_t i = 0; i < set->picture_count; i++) keys[i] = set->pictures[i].label;
    sns_status s = sns_eval_names_new(keys, set->picture_count, out, err);
    free(keys);
    return s;
}

sns_status sns_eval_number_labels(const sns_eval_set *set, const sns_eval_names *names,
                                  uint32_t **labels, sns_error *err) {
    *labels = malloc((set->picture_count + 1) * sizeof **labels);
    if (!*labels) return sns_fail(err, SNS_NOMEM, "no memory for %zu labels", set->picture_count);
    for (size_t i = 0; i < set->picture_count; i++)
        (*labels)[i] = sns_eval_names_find(names, set->pictures[i].label);
    return SNS_OK;
}

sns_status sns_eval_name_classes(const sns_eval_names *names, sns_zero_shot *out, sns_error *err) {
    out->per_class = calloc(names->count + 1, sizeof *out->per_class);
    bool ok = out->per_class;
    for (size_t c = 0; c < names->count && ok; c++) {
        ok = (out->per_class[c].label = sns_strdup(names->name[c]));
        out->classes += ok;
    }
    return ok ? SNS_OK : sns_fail(err, SNS_NOMEM, "no memory for %zu classes", names->count);
}

/* ---- the classifier of names ---- */

/* What a caption calls a class: its name among n, or the label with '_' as ' '. */
static char *class_name(const char *label, const sns_class_name *names, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!strcmp(names[i].label, label)) return sns_strdup(names[i].name);
    char *name = sns_strdup(label);
    for (char *p = name; p && *p; p++)
        if (*p == '_') *p = ' ';
    return name;
}

sns_status sns_eval_classifier(const sns_model *model, const sns_eval_names *labels,
                               const char *const *templates, size_t template_count,
                               const sns_class_name *names, size_t name_count, const int *cancel,
                               sns_classifier **out, sns_error *err) {
    static const char *const usual[1] = {"a photo of a {}."};
    size_t C = labels->count;
    char **name = calloc(C + 1, sizeof *name);
    sns_class *classes = calloc(C + 1, sizeof *classes);
    bool ok = name && classes;
    for (size_t c = 0; c < C && ok; c++) {
        ok = (name[c] = class_name(labels->name[c], names, name_count));
        classes[c] = (sns_class){labels->name[c], (const char *const *)&name[c], 1};
    }
    const sns_classifier_options o = {.cancel = cancel};
    sns_status s = ok ? sns_classifier_new(model, classes, C, template_count ? templates : usual,
                                           template_count ? template_count : 1, &o, out, err)
                      : sns_fail(err, SNS_NOMEM, "no memory for %zu classes", C);
    for (size_t c = 0; c < C && name; c++) free(name[c]);
    free(name);
    free(classes);
    return s;
}
