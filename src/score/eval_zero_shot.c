/* eval_zero_shot.c - classification by the text of each class.
 *
 * Class of picture x = argmax over c of image(x) . w_c, with w as classifier.h says.
 *   images [n, E], w [classes, E] */
#include "base/error.h"
#include "score/eval_set.h"
#include <stdlib.h>

void sns_zero_shot_free(sns_zero_shot *result) {
    for (size_t c = 0; c < result->classes; c++) free(result->per_class[c].label);
    free(result->per_class);
    free(result->confusion);
    *result = (sns_zero_shot){0};
}

/* Ranks and answers, measures. */
static sns_status classify(const sns_classifier *classifier, const float *images,
                           const uint32_t *labels, size_t n, sns_zero_shot *out, sns_error *err) {
    size_t E = sns_classifier_dim(classifier), C = out->classes;
    sns_pair *pairs = malloc((n + 1) * sizeof *pairs);
    uint32_t *ranks = malloc((n + 1) * sizeof *ranks), *answers = malloc((n + 1) * sizeof *answers);
    sns_relation right = {0};
    sns_status s = pairs && ranks && answers ? SNS_OK
                                             : sns_fail(err, SNS_NOMEM, "no memory to classify");
    for (size_t i = 0; i < n && !s; i++) pairs[i] = (sns_pair){(uint32_t)i, labels[i]};
    if (!s) s = sns_relation_new(pairs, n, n, &right, err);
    if (!s)
        s = sns_rank_queries(images, n, sns_classifier_weights(classifier), C, E, &right, ranks,
                             NULL, answers, err);
    if (!s) s = sns_accuracy_measure(ranks, labels, n, C, out, err);
    if (!s) s = sns_confusion_measure(answers, labels, n, out, err);
    sns_relation_free(&right);
    free(pairs);
    free(ranks);
    free(answers);
    return s;
}

sns_status sns_zero_shot_of_set(const sns_model *model, const sns_eval_set *set,
                                const float *images, const char *data, const char *const *templates,
                                size_t template_count, const sns_class_name *names,
                                size_t name_count, const int *cancel, sns_zero_shot *result,
                                sns_error *err) {
    sns_eval_names classes = {0};
    uint32_t *labels = NULL;
    sns_classifier *classifier = NULL;
    *result = (sns_zero_shot){0};
    sns_status s = sns_eval_label_names(set, &classes, err);
    if (!s) s = sns_eval_number_labels(set, &classes, &labels, err);
    if (!s) s = sns_eval_name_classes(&classes, result, err);
    if (!s && result->classes < 2)
        s = sns_fail(err, SNS_FORMAT, "%s: it has %zu class only", data, result->classes);
    if (!s)
        s = sns_eval_classifier(model, &classes, templates, template_count, names, name_count,
                                cancel, &classifier, err);
    if (!s) s = classify(classifier, images, labels, set->picture_count, result, err);
    result->skipped = set->skipped;
    result->sounds = sns_eval_medium_of(model) == SNS_EVAL_SOUNDS;
    sns_classifier_free(classifier);
    sns_eval_names_free(&classes);
    free(labels);
    if (s) sns_zero_shot_free(result);
    return s;
}

sns_status sns_eval_zero_shot(const sns_model *model, const char *data,
                              const char *const *templates, size_t template_count,
                              const sns_class_name *names, size_t name_count,
                              const sns_eval_options *options, sns_zero_shot *result,
                              sns_error *err) {
    static const sns_eval_options none;
    sns_eval_set set = {0};
    float *images = NULL;
    *result = (sns_zero_shot){0};
    if (!options) options = &none;
    sns_status s = sns_eval_check_templates(templates, template_count, err);
    if (!s) s = sns_eval_set_read(data, sns_eval_medium_of(model), options, &set, err);
    if (s) return s;
    s = sns_eval_check_labels(&set, data, "", err);
    if (!s) s = sns_eval_set_encode(&set, model, options, &images, err);
    if (!s)
        s = sns_zero_shot_of_set(model, &set, images, data, templates, template_count, names,
                                 name_count, options->cancel, result, err);
    free(images);
    sns_eval_set_free(&set);
    return s;
}
