/* eval_retrieval.c - recall in both directions for each language of a manifest. */
#include "base/error.h"
#include "score/eval_set.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

sns_status sns_eval_side(const float *queries, const float *candidates, size_t N, size_t E,
                         const sns_relation *right, sns_retrieval_side *out, sns_error *err) {
    uint32_t *ranks = malloc((right->count + 1) * sizeof *ranks);
    double *precision = malloc((right->count + 1) * sizeof *precision);
    sns_status s = ranks && precision
                       ? SNS_OK
                       : sns_fail(err, SNS_NOMEM, "no memory for %zu ranks", right->count);
    if (!s)
        s = sns_rank_queries(queries, right->count, candidates, N, E, right, ranks, precision, NULL,
                             err);
    if (!s) s = sns_retrieval_measure(ranks, right, N, out, err);
    if (!s) s = sns_mean_average_precision(precision, right, N, &out->mean_average_precision, err);
    free(ranks);
    free(precision);
    return s;
}

static sns_status eval_language(const sns_model *model, const sns_eval_set *set,
                                const float *images, const char *language,
                                const sns_eval_options *options, sns_retrieval *out,
                                sns_error *err) {
    sns_texts d = {0};
    sns_relation back = {0};
    float *texts = NULL;
    size_t E = sns_model_dim(model), I = set->picture_count;
    *out = (sns_retrieval){0};
    sns_status s = sns_texts_new(set, language, options->captions, &d, err);
    if (!s) s = sns_relation_turn(&d.pictures, I, &back, err);
    if (!s && !(texts = calloc(d.count, E * sizeof *texts)))
        s = sns_fail(err, SNS_NOMEM, "no memory for the vectors of %zu texts", d.count);
    if (!s) s = sns_eval_encode_texts(model, d.text, d.count, options->cancel, texts, err);
    if (!s) s = sns_eval_side(texts, images, I, E, &d.pictures, &out->text_to_image, err);
    if (!s) s = sns_eval_side(images, texts, d.count, E, &back, &out->image_to_text, err);
    if (!s) {
        snprintf(out->language, sizeof out->language, "%s", language);
        out->sounds = sns_eval_medium_of(model) == SNS_EVAL_SOUNDS;
        out->images = I;
        out->texts = d.count;
        out->pairs = d.pictures.start[d.count];
    }
    free(texts);
    sns_relation_free(&back);
    sns_texts_free(&d);
    return s;
}

sns_status sns_eval_retrieval(const sns_model *model, const char *manifest,
                              const char *const *languages, size_t language_count,
                              const sns_eval_options *options, sns_retrieval *results,
                              size_t *skipped, sns_error *err) {
    static const sns_eval_options none;
    if (!options) options = &none;
    if (skipped) *skipped = 0;
    if (!language_count) return sns_fail(err, SNS_ARG, "%s: no language was asked for", manifest);
    sns_eval_set set;
    float *images = NULL;
    sns_status s = sns_eval_set_read(manifest, sns_eval_medium_of(model), options, &set, err);
    if (s) return s;
    for (size_t i = 0; i < language_count && !s; i++)
        s = sns_eval_check_language(&set, manifest, languages[i], err);
    if (!s) s = sns_eval_set_encode(&set, model, options, &images, err);
    for (size_t i = 0; i < language_count && !s; i++)
        s = eval_language(model, &set, images, languages[i], options, &results[i], err);
    if (skipped) *skipped = set.skipped;
    free(images);
    sns_eval_set_free(&set);
    return s;
}
