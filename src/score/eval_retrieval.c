/* eval_retrieval.c - recall in both directions for each language of a manifest. */
#include "base/error.h"
#include "score/eval_set.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The captions of one language: distinct texts and whose they are. */
typedef struct side {
    const char **texts; /* [text_count], borrowed from the set */
    size_t text_count, pair_count;
    sns_pair *pairs; /* [pair_count] text, picture */
    sns_relation text_images, image_texts;
} side;

static void side_free(side *d) {
    free(d->texts);
    free(d->pairs);
    sns_relation_free(&d->text_images);
    sns_relation_free(&d->image_texts);
}

static int caption_order(const void *a, const void *b) {
    const sns_eval_caption *const *p = a, *const *q = b;
    return strcmp((*p)->text, (*q)->text);
}

/* The captions in a language, no more than options->captions of a picture; returns how many. */
static size_t select_captions(const sns_eval_set *set, const char *language, size_t most,
                              uint32_t *taken, const sns_eval_caption **out) {
    size_t n = 0;
    for (size_t i = 0; i < set->caption_count; i++) {
        const sns_eval_caption *c = &set->captions[i];
        if (strcmp(c->language, language) || (most && taken[c->picture] >= most)) continue;
        taken[c->picture]++;
        out[n++] = c;
    }
    return n;
}

/* Equal texts become one. */
static void number_texts(side *d, const sns_eval_caption **captions, size_t n) {
    qsort(captions, n, sizeof *captions, caption_order);
    for (size_t i = 0; i < n; i++) {
        if (!i || strcmp(captions[i]->text, captions[i - 1]->text))
            d->texts[d->text_count++] = captions[i]->text;
        d->pairs[i] = (sns_pair){(uint32_t)d->text_count - 1, captions[i]->picture};
    }
    d->pair_count = n;
}

static sns_status side_new(const sns_eval_set *set, const char *language, size_t most, side *d,
                           sns_error *err) {
    size_t n = set->caption_count;
    const sns_eval_caption **captions = malloc((n + 1) * sizeof *captions);
    uint32_t *taken = calloc(set->picture_count + 1, sizeof *taken);
    d->texts = malloc((n + 1) * sizeof *d->texts);
    d->pairs = malloc((n + 1) * sizeof *d->pairs);
    bool ok = captions && taken && d->texts && d->pairs;
    if (ok) number_texts(d, captions, select_captions(set, language, most, taken, captions));
    free(captions);
    free(taken);
    if (!ok) return sns_fail(err, SNS_NOMEM, "no memory for %zu captions", n);
    if (!d->text_count)
        return sns_fail(err, SNS_MISSING, "no caption in the language '%s'", language);
    sns_status s = sns_relation_new(d->pairs, d->pair_count, d->text_count, &d->text_images, err);
    if (s) return s;
    for (size_t i = 0; i < d->pair_count; i++) {
        uint32_t text = d->pairs[i].from;
        d->pairs[i] = (sns_pair){d->pairs[i].to, text};
    }
    return sns_relation_new(d->pairs, d->pair_count, set->picture_count, &d->image_texts, err);
}

/* One direction: rank, then measure. */
static sns_status measure(const float *queries, const float *candidates, size_t N, size_t E,
                          const sns_relation *right, sns_retrieval_side *out, sns_error *err) {
    uint32_t *ranks = malloc((right->count + 1) * sizeof *ranks);
    if (!ranks) return sns_fail(err, SNS_NOMEM, "no memory for %zu ranks", right->count);
    sns_status s = sns_rank_queries(queries, right->count, candidates, N, E, right, ranks, err);
    if (!s) s = sns_retrieval_measure(ranks, right, N, out, err);
    free(ranks);
    return s;
}

static sns_status eval_language(const sns_model *model, const sns_eval_set *set,
                                const float *images, const char *language,
                                const sns_eval_options *options, sns_retrieval *out,
                                sns_error *err) {
    side d = {0};
    float *texts = NULL;
    size_t E = sns_model_dim(model), I = set->picture_count;
    *out = (sns_retrieval){0};
    sns_status s = side_new(set, language, options->captions, &d, err);
    if (!s && !(texts = calloc(d.text_count, E * sizeof *texts)))
        s = sns_fail(err, SNS_NOMEM, "no memory for the vectors of %zu texts", d.text_count);
    if (!s) s = sns_eval_encode_texts(model, d.texts, d.text_count, options->cancel, texts, err);
    if (!s) s = measure(texts, images, I, E, &d.text_images, &out->text_to_image, err);
    if (!s) s = measure(images, texts, d.text_count, E, &d.image_texts, &out->image_to_text, err);
    if (!s) {
        snprintf(out->language, sizeof out->language, "%s", language);
        out->images = I;
        out->texts = d.text_count;
        out->pairs = d.text_images.start[d.text_count];
    }
    free(texts);
    side_free(&d);
    return s;
}

/* A language without a caption is known before any picture is encoded. */
static sns_status check_languages(const sns_eval_set *set, const char *manifest,
                                  const char *const *languages, size_t n, sns_error *err) {
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < set->caption_count && strcmp(set->captions[k].language, languages[i])) k++;
        if (k == set->caption_count)
            return sns_fail(err, SNS_MISSING, "%s: no caption in the language '%s'", manifest,
                            languages[i]);
    }
    return SNS_OK;
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
    sns_status s = sns_eval_set_read(manifest, options, &set, err);
    if (s) return s;
    s = check_languages(&set, manifest, languages, language_count, err);
    if (!s) s = sns_eval_set_encode(&set, model, options, &images, err);
    for (size_t i = 0; i < language_count && !s; i++)
        s = eval_language(model, &set, images, languages[i], options, &results[i], err);
    if (skipped) *skipped = set.skipped;
    free(images);
    sns_eval_set_free(&set);
    return s;
}
