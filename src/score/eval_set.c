/* eval_set.c - keeping a set of pictures and captions, and encoding it. */
#include "score/eval_set.h"
#include "base/error.h"
#include "base/strbuf.h"
#include <sensus/embed.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BATCH = 256 };

sns_eval_medium sns_eval_medium_of(const sns_model *model) {
    return sns_model_sound_rate_hz(model) ? SNS_EVAL_SOUNDS : SNS_EVAL_PICTURES;
}

static void free_picture(sns_eval_picture *p) {
    free(p->path);
    free(p->label);
    free(p->lang);
}

void sns_eval_set_free(sns_eval_set *set) {
    for (size_t i = 0; i < set->picture_count; i++) free_picture(&set->pictures[i]);
    for (size_t i = 0; i < set->caption_count; i++) {
        free(set->captions[i].language);
        free(set->captions[i].text);
    }
    free(set->pictures);
    free(set->captions);
    *set = (sns_eval_set){0};
}

static sns_status grow(void *array, size_t *capacity, size_t count, size_t size, sns_error *err) {
    void **p = array;
    if (count < *capacity) return SNS_OK;
    if (count >= SNS_EVAL_ROWS_MAX)
        return sns_fail(err, SNS_LIMIT, "more than %d rows", SNS_EVAL_ROWS_MAX);
    size_t n = *capacity ? 2 * *capacity : 256;
    void *q = realloc(*p, n * size);
    if (!q) return sns_fail(err, SNS_NOMEM, "no memory for %zu rows", n);
    *p = q;
    *capacity = n;
    return SNS_OK;
}

sns_status sns_eval_set_add_picture(sns_eval_set *set, const char *path, const char *label,
                                    sns_error *err) {
    sns_status s = grow(&set->pictures, &set->picture_capacity, set->picture_count,
                        sizeof *set->pictures, err);
    if (s) return s;
    sns_eval_picture p = {.path = sns_strdup(path), .label = label ? sns_strdup(label) : NULL};
    if (!p.path || (label && !p.label)) {
        free(p.path);
        free(p.label);
        return sns_fail(err, SNS_NOMEM, "no memory for a row");
    }
    set->pictures[set->picture_count++] = p;
    return SNS_OK;
}

sns_status sns_eval_set_add_caption(sns_eval_set *set, const char *language, const char *text,
                                    sns_error *err) {
    sns_status s = grow(&set->captions, &set->caption_capacity, set->caption_count,
                        sizeof *set->captions, err);
    if (s) return s;
    sns_eval_caption c = {(uint32_t)set->picture_count - 1, sns_strdup(language), sns_strdup(text)};
    if (!c.language || !c.text) {
        free(c.language);
        free(c.text);
        return sns_fail(err, SNS_NOMEM, "no memory for a caption");
    }
    set->captions[set->caption_count++] = c;
    return SNS_OK;
}

/* ---- leaving pictures out ---- */

enum { GONE = UINT32_MAX };

/* Renumber: picture i becomes to[i], GONE frees it. to rises along the pictures that stay; those
 * that join another one name it. keep[i]: it stays itself. */
static void renumber(sns_eval_set *set, const uint32_t *to, const bool *keep) {
    size_t pictures = 0, captions = 0;
    for (size_t i = 0; i < set->picture_count; i++) {
        if (keep[i])
            set->pictures[pictures++] = set->pictures[i];
        else
            free_picture(&set->pictures[i]);
    }
    for (size_t i = 0; i < set->caption_count; i++) {
        sns_eval_caption c = set->captions[i];
        c.picture = to[c.picture];
        if (c.picture != GONE) {
            set->captions[captions++] = c;
        } else {
            free(c.language);
            free(c.text);
        }
    }
    set->picture_count = pictures;
    set->caption_count = captions;
}

sns_status sns_eval_set_keep(sns_eval_set *set, const bool *keep, sns_error *err) {
    uint32_t *to = malloc((set->picture_count + 1) * sizeof *to), count = 0;
    if (!to) return sns_fail(err, SNS_NOMEM, "no memory for %zu rows", set->picture_count);
    for (size_t i = 0; i < set->picture_count; i++) to[i] = keep[i] ? count++ : GONE;
    renumber(set, to, keep);
    free(to);
    return SNS_OK;
}

typedef struct place {
    const char *path;
    uint32_t at;
} place;

static int place_order(const void *a, const void *b) {
    const place *p = a, *q = b;
    int c = strcmp(p->path, q->path);
    return c ? c : (p->at > q->at) - (p->at < q->at);
}

sns_status sns_eval_set_join(sns_eval_set *set, sns_error *err) {
    size_t n = set->picture_count;
    place *places = malloc((n + 1) * sizeof *places);
    uint32_t *first = malloc((n + 1) * 2 * sizeof *first), *to = first + n + 1;
    bool *keep = malloc(n + 1);
    if (places && first && keep) {
        for (size_t i = 0; i < n; i++) places[i] = (place){set->pictures[i].path, (uint32_t)i};
        qsort(places, n, sizeof *places, place_order);
        for (size_t i = 0; i < n; i++) {
            bool same = i && !strcmp(places[i].path, places[i - 1].path);
            first[places[i].at] = same ? first[places[i - 1].at] : places[i].at;
        }
        uint32_t count = 0;
        for (size_t i = 0; i < n; i++) {
            keep[i] = first[i] == i;
            to[i] = keep[i] ? count++ : to[first[i]];
        }
        renumber(set, to, keep);
    }
    bool ok = places && first && keep;
    free(places);
    free(first);
    free(keep);
    return ok ? SNS_OK : sns_fail(err, SNS_NOMEM, "no memory for %zu rows", n);
}

/* ---- encoding ---- */

typedef struct sink {
    float *vectors;
    size_t E, done, kept, total;
    uint32_t *to;
    bool *keep;
    const sns_eval_options *options;
} sink;

static sns_status take(void *user, const sns_embed_result *r) {
    sink *k = user;
    k->keep[r->index] = r->status == SNS_OK;
    k->to[r->index] = r->status == SNS_OK ? (uint32_t)k->kept : GONE;
    if (r->status == SNS_OK)
        memcpy(k->vectors + k->kept++ * k->E, r->vector, k->E * sizeof *k->vectors);
    else if (k->options->warn)
        k->options->warn(k->options->user, r->message);
    if (k->options->progress) k->options->progress(k->options->user, ++k->done, k->total);
    return SNS_OK;
}

static sns_status encode_all(sns_eval_set *set, const sns_model *model, sink *k, sns_error *err) {
    size_t n = set->picture_count;
    const char **paths = malloc(n * sizeof *paths);
    if (!paths || !k->vectors || !k->to || !k->keep) {
        free(paths);
        return sns_fail(err, SNS_NOMEM, "no memory for the vectors of %zu pictures", n);
    }
    for (size_t i = 0; i < n; i++) paths[i] = set->pictures[i].path;
    sns_embed_options o = {.threads = k->options->threads,
                           .batch = k->options->batch,
                           .exact = k->options->exact,
                           .cancel = k->options->cancel,
                           .isolation = k->options->isolation};
    sns_status s = sns_embed_files(model, paths, n, &o, take, k, err);
    free(paths);
    if (s) return s;
    set->skipped += n - k->kept;
    renumber(set, k->to, k->keep);
    return k->kept ? SNS_OK : sns_fail(err, SNS_FORMAT, "none of the %zu pictures can be read", n);
}

sns_status sns_eval_set_encode(sns_eval_set *set, const sns_model *model,
                               const sns_eval_options *options, float **vectors, sns_error *err) {
    size_t n = set->picture_count, E = sns_model_dim(model);
    sink k = {.E = E, .total = n, .options = options};
    k.vectors = calloc(n ? n : 1, E * sizeof *k.vectors);
    k.to = malloc((n + 1) * sizeof *k.to);
    k.keep = malloc(n + 1);
    sns_status s = encode_all(set, model, &k, err);
    free(k.to);
    free(k.keep);
    if (s) free(k.vectors);
    *vectors = s ? NULL : k.vectors;
    return s;
}

sns_status sns_eval_encode_texts(const sns_model *model, const char *const *texts, size_t n,
                                 const int *cancel, float *out, sns_error *err) {
    sns_session *session;
    size_t E = sns_model_dim(model);
    sns_status s = sns_session_new(model, &session, err);
    if (s) return s;
    for (size_t i = 0; i < n && !s; i += TEXT_BATCH) {
        size_t m = n - i < TEXT_BATCH ? n - i : TEXT_BATCH;
        s = cancel && *cancel ? sns_fail(err, SNS_CANCELLED, "cancelled")
                              : sns_encode_texts(session, texts + i, m, out + i * E, err);
    }
    sns_session_free(session);
    return s;
}
