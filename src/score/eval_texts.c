/* eval_texts.c - the captions of one language: distinct texts, and whose they are. */
#include "base/error.h"
#include "score/eval_set.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int caption_order(const void *a, const void *b) {
    const sns_eval_caption *const *p = a, *const *q = b;
    return strcmp((*p)->text, (*q)->text);
}

/* The captions in a language, no more than `most` (0: all) of a picture; returns how many. */
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
static void number_texts(sns_texts *d, const sns_eval_caption **captions, size_t n,
                         sns_pair *pairs) {
    qsort(captions, n, sizeof *captions, caption_order);
    for (size_t i = 0; i < n; i++) {
        if (!i || strcmp(captions[i]->text, captions[i - 1]->text))
            d->text[d->count++] = captions[i]->text;
        pairs[i] = (sns_pair){(uint32_t)d->count - 1, captions[i]->picture};
    }
}

sns_status sns_texts_new(const sns_eval_set *set, const char *language, size_t most, sns_texts *out,
                         sns_error *err) {
    size_t n = set->caption_count;
    const sns_eval_caption **captions = malloc((n + 1) * sizeof *captions);
    uint32_t *taken = calloc(set->picture_count + 1, sizeof *taken);
    sns_pair *pairs = malloc((n + 1) * sizeof *pairs);
    *out = (sns_texts){.text = malloc((n + 1) * sizeof *out->text)};
    bool ok = captions && taken && pairs && out->text;
    sns_status s = ok ? SNS_OK : sns_fail(err, SNS_NOMEM, "no memory for %zu captions", n);
    if (!s) {
        size_t chosen = select_captions(set, language, most, taken, captions);
        number_texts(out, captions, chosen, pairs);
        if (!chosen) s = sns_fail(err, SNS_MISSING, "no caption in the language '%s'", language);
        if (!s) s = sns_relation_new(pairs, chosen, out->count, &out->pictures, err);
    }
    free(captions);
    free(taken);
    free(pairs);
    return s;
}

void sns_texts_free(sns_texts *texts) {
    free(texts->text);
    sns_relation_free(&texts->pictures);
}

sns_status sns_eval_check_language(const sns_eval_set *set, const char *manifest,
                                   const char *language, sns_error *err) {
    for (size_t i = 0; i < set->caption_count; i++)
        if (!strcmp(set->captions[i].language, language)) return SNS_OK;
    return sns_fail(err, SNS_MISSING, "%s: no caption in the language '%s'", manifest, language);
}
