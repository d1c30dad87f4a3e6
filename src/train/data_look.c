/* data_look.c - samples for a caller: all of them, or some at random. */
#include "base/error.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include "train/data_scan.h"

enum { DRAW_STREAM = 202, DRAW_MAX = 1 << 20 };

/* The public view of a pair. */
typedef struct viewer {
    sns_data_fn *fn;
    void *user;
    sns_data_caption *captions;
    size_t capacity;
} viewer;

static sns_status view(void *user, sns_pair *p, const sns_dataset *langs, sns_error *err) {
    viewer *v = user;
    if (!p) return SNS_OK;
    if (p->caption_count > v->capacity) {
        sns_data_caption *more = reallocarray(v->captions, p->caption_count, sizeof *more);
        if (!more) return sns_fail(err, SNS_NOMEM, "%s: no memory for its captions", p->name);
        v->captions = more;
        v->capacity = p->caption_count;
    }
    for (size_t i = 0; i < p->caption_count; i++)
        v->captions[i] = (sns_data_caption){p->texts + p->captions[i].text,
                                            sns_dataset_lang(langs, p->captions[i].lang)};
    sns_data_sample s = {.name = p->name,
                         .bytes = p->bytes,
                         .size = p->size,
                         .is_sound = p->is_sound,
                         .concept = p->concept_name,
                         .flip = p->flip,
                         .captions = v->captions,
                         .caption_count = p->caption_count};
    return v->fn(v->user, &s, err);
}

sns_status sns_data_scan(const sns_data_options *o, sns_data_fn *fn, void *fn_user, size_t *skipped,
                         sns_error *err) {
    viewer v = {.fn = fn, .user = fn_user};
    sns_status s = sns_scan(o, view, &v, skipped, err);
    free(v.captions);
    return s;
}

/* Copy a sample and all it points to; false: no memory, *out is empty. */
static bool copy_sample(const sns_data_sample *s, sns_data_sample *out) {
    *out = (sns_data_sample){.size = s->size, .is_sound = s->is_sound, .flip = s->flip};
    sns_data_caption *captions = calloc(s->caption_count ? s->caption_count : 1, sizeof *captions);
    void *bytes = s->bytes ? malloc(s->size ? s->size : 1) : NULL;
    out->name = sns_strdup(s->name);
    out->concept = sns_strdup(s->concept);
    out->captions = captions;
    out->bytes = bytes;
    bool ok = captions && out->name && out->concept && (bytes || !s->bytes);
    if (ok && bytes) memcpy(bytes, s->bytes, s->size);
    for (size_t i = 0; ok && i < s->caption_count; i++) {
        captions[i] = (sns_data_caption){sns_strdup(s->captions[i].text),
                                         sns_strdup(s->captions[i].lang)};
        out->caption_count++;
        ok = captions[i].text && captions[i].lang;
    }
    if (!ok) sns_data_draw_free(out, 1);
    return ok;
}

void sns_data_draw_free(sns_data_sample *samples, size_t count) {
    for (size_t i = 0; i < count; i++) {
        sns_data_sample *s = &samples[i];
        for (size_t c = 0; c < s->caption_count; c++) {
            free((void *)s->captions[c].text);
            free((void *)s->captions[c].lang);
        }
        free((void *)s->captions);
        free((void *)s->bytes);
        free((void *)s->name);
        free((void *)s->concept);
        *s = (sns_data_sample){0};
    }
}

typedef struct drawing {
    sns_data_sample *samples;
    size_t n, seen;
    sns_rng rng;
} drawing;

/* Vitter's algorithm R: the i-th sample replaces one of the n with probability n / i. */
static sns_status consider(void *user, const sns_data_sample *s, sns_error *err) {
    drawing *d = user;
    size_t place = d->seen++;
    if (place >= d->n) place = (size_t)sns_rng_below(&d->rng, d->seen);
    if (place >= d->n) return SNS_OK;
    sns_data_draw_free(&d->samples[place], 1);
    if (!copy_sample(s, &d->samples[place]))
        return sns_fail(err, SNS_NOMEM, "%s: no memory for it", s->name);
    return SNS_OK;
}

sns_status sns_data_draw(const sns_data_options *o, size_t n, uint64_t seed,
                         sns_data_sample *samples, size_t *count, sns_error *err) {
    drawing d = {.samples = samples, .n = n};
    *count = 0;
    if (!n || n > DRAW_MAX) return sns_fail(err, SNS_ARG, "%zu samples to draw", n);
    memset(samples, 0, n * sizeof *samples);
    sns_rng_seed_at(&d.rng, seed, DRAW_STREAM, 0);
    sns_status s = sns_data_scan(o, consider, &d, NULL, err);
    size_t have = d.seen < n ? d.seen : n;
    if (s)
        sns_data_draw_free(samples, have);
    else
        *count = have;
    return s;
}
