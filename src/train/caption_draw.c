/* caption_draw.c - a language by weight, then one of its captions uniformly.
 *
 * A concept may have one English name and eighty translations. Drawing among all captions would
 * show English once in eighty; drawing the language first, with a fixed share for the named ones
 * and the rest spread evenly over the others that this sample has, keeps both. */
#include "train/caption_draw.h"
#include "base/error.h"
#include <stdlib.h>
#include <string.h>

static size_t lang_find(const sns_dataset *d, const char *name, size_t n) {
    for (size_t i = 0; i < sns_dataset_lang_count(d); i++) {
        const char *lang = sns_dataset_lang(d, i);
        if (!strncmp(lang, name, n) && !lang[n]) return i;
    }
    return SIZE_MAX;
}

sns_status sns_lang_weights_parse(const char *text, const sns_dataset *d, sns_lang_weights *out,
                                  sns_error *err) {
    double sum = 0;
    for (size_t i = 0; i < SNS_LANGS_MAX; i++) out->weight[i] = -1;
    for (const char *p = text ? text : ""; *p;) {
        size_t n = strcspn(p, "=");
        char *end = NULL;
        double w = p[n] ? strtod(p + n + 1, &end) : -1;
        if (!n || !p[n] || end == p + n + 1 || (*end && *end != ',') || !(w >= 0 && w <= 1))
            return sns_fail(err, SNS_ARG, "language weights '%s': want LANG=WEIGHT,...", text);
        size_t lang = lang_find(d, p, n);
        if (lang != SIZE_MAX) out->weight[lang] = (float)w;
        sum += w;
        p = *end ? end + 1 : end;
    }
    if (sum > 1.000001)
        return sns_fail(err, SNS_ARG, "language weights '%s' add up to more than 1", text);
    return SNS_OK;
}

size_t sns_caption_pick(const sns_caption *c, size_t n, const sns_lang_weights *w, sns_rng *rng) {
    size_t from = 0, to;
    double named = 0;
    size_t others = 0;
    for (size_t k = 0; k < n; k++) {
        if (k && c[k].lang == c[k - 1].lang) continue;
        float x = w->weight[c[k].lang];
        if (x >= 0)
            named += x;
        else
            others++;
    }
    double share = others ? (1 - named) / (double)others : 0;
    double u = sns_rng_uniform(rng) * (others ? 1 : named);
    for (;; from = to) {
        for (to = from + 1; to < n && c[to].lang == c[from].lang;) to++;
        float x = w->weight[c[from].lang];
        u -= x >= 0 ? x : share;
        if (u < 0 || to == n) break;
    }
    return from + (size_t)sns_rng_below(rng, to - from);
}

size_t sns_caption_draw(const sns_dataset *d, size_t i, const sns_lang_weights *w, sns_rng *rng) {
    const sns_sample *s = sns_dataset_sample(d, i);
    return s->first_caption +
           sns_caption_pick(sns_dataset_caption(d, s->first_caption), s->caption_count, w, rng);
}
