/* dataset.c - the table of samples and captions, and the sources it is read from.
 *
 * Texts live in one pool and pictures stay in their mapped shards, so that a set of millions of
 * captions costs about its own size. */
#include "train/dataset_internal.h"
#include "base/error.h"
#include "train/brace.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t sns_dataset_hash(const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 0x100000001b3u;
    return h ? h : 1;
}

void sns_dataset_skip(sns_dataset *d, const char *fmt, ...) {
    char line[512];
    va_list args;
    d->skipped++;
    if (!d->warn) return;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    for (char *p = line; *p; p++)
        if ((unsigned char)*p < 32) *p = '?';
    d->warn(d->user, line);
}

/* Make room for one more item of an array; NULL: no memory, the old array stays. */
static void *grown(void *items, size_t count, size_t *capacity, size_t item_size) {
    if (count < *capacity) return items;
    size_t more = *capacity ? *capacity * 2 : 256;
    void *p = reallocarray(items, more, item_size);
    if (p) *capacity = more;
    return p;
}

void sns_dataset_begin(sns_dataset *d, sns_draft *draft) {
    *draft = (sns_draft){.sample = {.first_caption = d->caption_count,
                                    .flip = true,
                                    .concept_name = SNS_NO_NAME,
                                    .beside_name = SNS_NO_NAME}};
}

void sns_dataset_set_concept(sns_dataset *d, sns_draft *draft, const char *name) {
    uint64_t concept = sns_dataset_hash(name, strlen(name));
    if (!*name || concept == draft->sample.concept) return;
    draft->sample.concept = concept;
    draft->sample.concept_name = d->pool.size;
    sns_strbuf_add(&d->pool, name, strlen(name) + 1);
}

void sns_dataset_discard(sns_dataset *d, const sns_draft *draft) {
    d->caption_count = draft->sample.first_caption;
}

uint16_t sns_dataset_lang_index(sns_dataset *d, const char *lang) {
    char name[16];
    size_t n = strlen(lang);
    if (n >= sizeof name) n = sizeof name - 1;
    memcpy(name, lang, n);
    name[n] = 0;
    for (size_t i = 0; i < d->lang_count; i++)
        if (!memcmp(d->lang[i], name, n + 1)) return (uint16_t)i;
    if (d->lang_count == SNS_LANGS_MAX) return SNS_LANGS_MAX - 1;
    memcpy(d->lang[d->lang_count], name, n + 1);
    return (uint16_t)d->lang_count++;
}

/* Does the text have this (lower-case) word, between non-letters? */
static bool has_word(const char *text, size_t size, const char *word) {
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= size; i++) {
        if (i && isalpha((unsigned char)text[i - 1])) continue;
        if (i + n < size && isalpha((unsigned char)text[i + n])) continue;
        size_t k = 0;
        while (k < n && tolower((unsigned char)text[i + k]) == word[k]) k++;
        if (k == n) return true;
    }
    return false;
}

sns_status sns_dataset_add_caption(sns_dataset *d, sns_draft *draft, const char *lang,
                                   const char *text, size_t size, sns_error *err) {
    while (size && isspace((unsigned char)text[size - 1])) size--;
    while (size && isspace((unsigned char)*text)) text++, size--;
    if (!size) return SNS_OK;
    if (size > SNS_CAPTION_BYTES_MAX)
        return sns_fail(err, SNS_LIMIT, "a caption of %zu bytes", size);
    if (d->caption_count - draft->sample.first_caption >= SNS_CAPTIONS_PER_SAMPLE_MAX)
        return sns_fail(err, SNS_LIMIT, "more than %d captions", SNS_CAPTIONS_PER_SAMPLE_MAX);
    sns_caption *list = grown(d->captions, d->caption_count, &d->caption_capacity,
                              sizeof *d->captions);
    if (!list) return sns_fail(err, SNS_NOMEM, "no memory for captions");
    d->captions = list;
    list[d->caption_count++] = (sns_caption){d->pool.size, (uint32_t)size,
                                             sns_dataset_lang_index(d, lang)};
    sns_strbuf_add(&d->pool, text, size);
    sns_strbuf_add(&d->pool, "", 1);
    if (d->pool.failed) return sns_fail(err, SNS_NOMEM, "no memory for captions");
    if (has_word(text, size, "left") || has_word(text, size, "right")) draft->directional = true;
    return SNS_OK;
}

static int by_lang(const void *a, const void *b) {
    const sns_caption *x = a, *y = b;
    if (x->lang != y->lang) return x->lang < y->lang ? -1 : 1;
    return x->text < y->text ? -1 : x->text > y->text;
}

sns_status sns_dataset_commit(sns_dataset *d, sns_draft *draft, const char *name, sns_error *err) {
    sns_sample s = draft->sample;
    s.caption_count = (uint32_t)(d->caption_count - s.first_caption);
    if (draft->directional) s.flip = false;
    qsort(d->captions + s.first_caption, s.caption_count, sizeof *d->captions, by_lang);
    sns_sample *list = grown(d->samples, d->count, &d->sample_capacity, sizeof *d->samples);
    if (!list || d->count >= UINT32_MAX)
        return sns_fail(err, SNS_NOMEM, "%s: no memory for %zu samples", name, d->count);
    d->samples = list;
    s.name = d->pool.size;
    sns_strbuf_add(&d->pool, name, strlen(name) + 1);
    if (d->pool.failed) return sns_fail(err, SNS_NOMEM, "%s: no memory for its name", name);
    list[d->count++] = s;
    return SNS_OK;
}

static sns_status read_source(sns_dataset *d, const char *path, sns_map map, sns_error *err) {
    if (sns_ends_with_nocase(path, ".tar")) return sns_dataset_read_shard(d, path, map, err);
    if (sns_ends_with_nocase(path, ".csv")) return sns_dataset_read_csv(d, path, map, err);
    if (sns_ends_with_nocase(path, ".jsonl")) return sns_dataset_read_jsonl(d, path, map, err);
    return sns_fail(err, SNS_UNSUPPORTED, "%s: data must be .tar, .csv or .jsonl", path);
}

static sns_status open_source(sns_dataset *d, const char *path, sns_error *err) {
    sns_map map;
    sns_status s = sns_map_open(path, &map, err);
    if (s) return s;
    sns_map *maps = reallocarray(d->maps, d->map_count + 1, sizeof *maps);
    if (!maps) {
        sns_map_close(&map);
        return sns_fail(err, SNS_NOMEM, "%s: no memory", path);
    }
    d->maps = maps;
    maps[d->map_count++] = map;
    return read_source(d, path, map, err);
}

sns_dataset *sns_dataset_new(sns_warn_fn warn, void *user) {
    sns_dataset *d = calloc(1, sizeof *d);
    if (!d) return NULL;
    d->warn = warn;
    d->user = user;
    return d;
}

static sns_status finish(sns_dataset *d, sns_status s, const char *what, sns_dataset **out,
                         sns_error *err) {
    if (!s && !d->count)
        s = sns_fail(err, SNS_ARG,
                     "%s: no sample with a picture or sound and a caption (%zu skipped)", what,
                     d->skipped);
    if (s) {
        sns_dataset_free(d);
        return s;
    }
    *out = d;
    return SNS_OK;
}

sns_status sns_dataset_open(const char *const *sources, size_t source_count, sns_warn_fn warn,
                            void *user, sns_dataset **out, sns_error *err) {
    return sns_dataset_open_sounds(sources, source_count, 0, warn, user, out, err);
}

sns_status sns_dataset_open_sounds(const char *const *sources, size_t source_count, size_t rate_hz,
                                   sns_warn_fn warn, void *user, sns_dataset **out,
                                   sns_error *err) {
    *out = NULL;
    if (!source_count) return sns_fail(err, SNS_ARG, "no training data given");
    sns_dataset *d = sns_dataset_new(warn, user);
    if (!d) return sns_fail(err, SNS_NOMEM, "no memory for the data set");
    d->sound_rate_hz = rate_hz;
    sns_name_list names = {0};
    sns_status s = sns_name_list_expand(sources, source_count, &names, err);
    for (size_t i = 0; !s && i < names.count; i++) s = open_source(d, names.items[i], err);
    sns_name_list_free(&names);
    return finish(d, s, sources[0], out, err);
}

sns_status sns_dataset_open_memory(const char *name, const void *bytes, size_t size,
                                   sns_warn_fn warn, void *user, sns_dataset **out,
                                   sns_error *err) {
    *out = NULL;
    sns_dataset *d = sns_dataset_new(warn, user);
    if (!d) return sns_fail(err, SNS_NOMEM, "no memory for the data set");
    return finish(d, read_source(d, name, (sns_map){bytes, size}, err), name, out, err);
}

void sns_dataset_free(sns_dataset *d) {
    if (!d) return;
    for (size_t i = 0; i < d->count; i++) {
        free(d->samples[i].square);
        free(d->samples[i].sound);
    }
    for (size_t i = 0; i < d->map_count; i++) sns_map_close(&d->maps[i]);
    free(d->maps);
    free(d->samples);
    free(d->captions);
    sns_strbuf_free(&d->pool);
    free(d);
}

size_t sns_dataset_count(const sns_dataset *d) {
    return d->count;
}

sns_sample *sns_dataset_sample(const sns_dataset *d, size_t i) {
    return &d->samples[i];
}

size_t sns_dataset_caption_count(const sns_dataset *d) {
    return d->caption_count;
}

const sns_caption *sns_dataset_caption(const sns_dataset *d, size_t i) {
    return &d->captions[i];
}

const char *sns_dataset_text(const sns_dataset *d, size_t offset) {
    return d->pool.data + offset;
}

size_t sns_dataset_lang_count(const sns_dataset *d) {
    return d->lang_count;
}

const char *sns_dataset_lang(const sns_dataset *d, size_t i) {
    return d->lang[i];
}

size_t sns_dataset_skipped(const sns_dataset *d) {
    return d->skipped;
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

size_t sns_dataset_concepts(const sns_dataset *d) {
    uint64_t *all = malloc((d->count + 1) * sizeof *all);
    if (!all) return 0;
    size_t n = 0, distinct = 0;
    for (size_t i = 0; i < d->count; i++) {
        if (d->samples[i].concept)
        all[n++] = d->samples[i].concept;
        else distinct++;
    }
    qsort(all, n, sizeof *all, by_value);
    for (size_t i = 0; i < n; i++) distinct += i == 0 || all[i] != all[i - 1];
    free(all);
    return distinct;
}

uint64_t sns_dataset_fingerprint(const sns_dataset *d) {
    uint64_t h = sns_dataset_hash("", 0);
    for (size_t i = 0; i < d->count; i++) {
        const sns_sample *s = &d->samples[i];
        const char *name = d->pool.data + s->name, *base = strrchr(name, '/');
        base = base ? base + 1 : name;
        uint64_t part[5] = {h, s->concept, s->size, s->flip, sns_dataset_hash(base, strlen(base))};
        h = sns_dataset_hash(part, sizeof part);
        for (size_t c = 0; c < s->caption_count; c++) {
            const sns_caption *cap = &d->captions[s->first_caption + c];
            uint64_t text[2] = {h, sns_dataset_hash(d->pool.data + cap->text, cap->size)};
            h = sns_dataset_hash(text, sizeof text);
        }
    }
    return h;
}
