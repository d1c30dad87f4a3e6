/* data_scan.c - shards are streamed; manifests and folders are lists of files. */
#include "train/data_scan.h"
#include "base/byte_source.h"
#include "base/error.h"
#include "base/rng.h"
#include "train/brace.h"
#include "train/dataset_internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { TICK = 64, PORTION = 64, MIX_STREAM = 201 };

typedef struct scan {
    const sns_data_options *o;
    sns_scan_fn *fn;
    void *fn_user;
    size_t done, skipped;
} scan;

static void tell(void *user, const char *message) {
    scan *s = user;
    s->skipped++;
    if (s->o->warn) s->o->warn(s->o->user, message);
}

static sns_status take(scan *s, sns_pair *p, const sns_dataset *langs, size_t total,
                       sns_error *err) {
    sns_status st = s->fn(s->fn_user, p, langs, err);
    s->done++;
    if (!st && s->o->progress && s->done % TICK == 0 && s->o->progress(s->o->user, s->done, total))
        st = sns_fail(err, SNS_CANCELLED, "stopped after %zu samples", s->done);
    return st;
}

static sns_status scan_shard(scan *s, const char *name, sns_error *err) {
    sns_pair_reader *r = sns_pair_reader_new(NULL, tell, s);
    if (!r) return sns_fail(err, SNS_NOMEM, "%s: no memory to read it", name);
    sns_pair_reader_keep_both(r);
    sns_pair *p = NULL;
    sns_status st = sns_pair_reader_open(r, name, err);
    while (!st && !(st = sns_pair_reader_next(r, &p, err)) && p) {
        st = take(s, p, sns_pair_reader_langs(r), 0, err);
        sns_pair_release(p);
    }
    if (!st) st = s->fn(s->fn_user, NULL, sns_pair_reader_langs(r), err);
    sns_pair_reader_free(r);
    return st;
}

static sns_status scan_list(scan *s, const sns_dataset *d, sns_error *err) {
    sns_rng rng;
    uint32_t *order = calloc(d->count ? d->count : 1, sizeof *order);
    if (!order) return sns_fail(err, SNS_NOMEM, "no memory for %zu samples", d->count);
    for (size_t i = 0; i < d->count; i++) order[i] = (uint32_t)i;
    sns_rng_seed_at(&rng, 1, MIX_STREAM, d->count);
    if (s->o->mix) sns_rng_shuffle(&rng, order, d->count);
    sns_status st = SNS_OK;
    size_t total = s->done + d->count;
    for (size_t i = 0; i < d->count && !st; i++) {
        sns_pair *p = sns_pair_copy(d, order[i], NULL, NULL);
        st = p ? take(s, p, d, total, err) : sns_fail(err, SNS_NOMEM, "no memory for a sample");
        sns_pair_release(p);
    }
    if (!st) st = s->fn(s->fn_user, NULL, d, err);
    free(order);
    return st;
}

static sns_status scan_manifest(scan *s, const char *name, bool csv, sns_error *err) {
    sns_map map;
    sns_status st = sns_map_open(name, &map, err);
    if (st) return st;
    sns_dataset *d = sns_dataset_new(tell, s);
    if (d) d->both = true;
    if (!d)
        st = sns_fail(err, SNS_NOMEM, "%s: no memory to read it", name);
    else
        st = csv ? sns_dataset_read_csv(d, name, map, err)
                 : sns_dataset_read_jsonl(d, name, map, err);
    if (!st) st = scan_list(s, d, err);
    sns_dataset_free(d);
    sns_map_close(&map);
    return st;
}

static sns_status scan_folder(scan *s, const char *name, sns_error *err) {
    sns_dataset *d = sns_dataset_new(tell, s);
    if (!d) return sns_fail(err, SNS_NOMEM, "%s: no memory to read it", name);
    sns_status st = sns_dataset_read_folder(d, name, s->o->naming, err);
    if (!st) st = scan_list(s, d, err);
    sns_dataset_free(d);
    return st;
}

static sns_status scan_source(scan *s, const char *name, sns_error *err) {
    struct stat st;
    if (sns_bytes_is_pipe(name)) return scan_shard(s, name, err);
    if (stat(name, &st))
        return sns_fail_errno(err, errno == ENOENT || errno == ENOTDIR ? SNS_MISSING : SNS_IO,
                              errno, "%s", name);
    if (S_ISDIR(st.st_mode)) return scan_folder(s, name, err);
    if (sns_ends_with_nocase(name, ".tar")) return scan_shard(s, name, err);
    bool csv = sns_ends_with_nocase(name, ".csv");
    if (csv || sns_ends_with_nocase(name, ".jsonl")) return scan_manifest(s, name, csv, err);
    return sns_fail(err, SNS_UNSUPPORTED,
                    "%s: data must be .tar, .csv, .jsonl, a folder or pipe:COMMAND", name);
}

sns_status sns_scan(const sns_data_options *o, sns_scan_fn *fn, void *fn_user, size_t *skipped,
                    sns_error *err) {
    scan s = {.o = o, .fn = fn, .fn_user = fn_user};
    sns_name_list names = {0};
    if (!o->source_count) return sns_fail(err, SNS_ARG, "no data given");
    sns_status st = sns_name_list_expand(o->sources, o->source_count, &names, err);
    for (size_t i = 0; i < names.count && !st; i++) st = scan_source(&s, names.items[i], err);
    sns_name_list_free(&names);
    if (skipped) *skipped = s.skipped;
    return st;
}

/* Samples that wait to be decoded together. */
typedef struct portion {
    const sns_data_options *o;
    const sns_scan_work *work;
    sns_pair *pairs[PORTION];
    const sns_dataset *langs; /* of all of them */
    unsigned char *results;   /* [PORTION][result_size] */
    sns_error why[PORTION];
    size_t count, unreadable;
} portion;

static sns_status decode_picture(const portion *p, const sns_pair *pair, void *result,
                                 sns_error *err) {
    const sns_image_options options = {0};
    sns_image image = {0};
    sns_status s = pair->bytes ? sns_image_decode(pair->bytes, pair->size, pair->name, &options,
                                                  &image, err)
                               : sns_image_load(pair->name, &options, &image, err);
    if (!s) s = p->work->prepare(&image, result, err);
    sns_image_free(&image);
    return s;
}

static sns_status decode_sound(const portion *p, const void *bytes, size_t size, const char *name,
                               void *result, sns_error *err) {
    sns_sound_options options = p->work->sound;
    sns_sound sound = {0};
    options.isolation = p->o->isolation;
    sns_status s = bytes ? sns_sound_decode(bytes, size, name, &options, &sound, err)
                         : sns_sound_load(name, &options, &sound, err);
    if (!s && (s = p->work->prepare_sound(&sound, result, err))) sns_fail_in(err, s, name);
    sns_sound_free(&sound);
    return s;
}

static void decode_one(portion *p, size_t i) {
    const sns_pair *pair = p->pairs[i];
    void *result = p->results + i * p->work->result_size;
    sns_error *why = &p->why[i];
    *why = (sns_error){0};
    memset(result, 0, p->work->result_size);
    sns_status s = pair->is_sound
                       ? decode_sound(p, pair->bytes, pair->size, pair->name, result, why)
                       : decode_picture(p, pair, result, why);
    if (!s && (pair->beside || *pair->beside_name))
        s = decode_sound(p, pair->beside, pair->beside_size,
                         pair->beside ? pair->name : pair->beside_name, result, why);
    why->code = s;
}

static sns_status flush(portion *p, sns_error *err) {
    sns_status st = SNS_OK;
#pragma omp parallel for schedule(dynamic)
    for (size_t i = 0; i < p->count; i++) decode_one(p, i);
    for (size_t i = 0; i < p->count; i++) {
        bool bad = p->why[i].code != SNS_OK;
        if (!st && p->why[i].code == SNS_NOMEM)
            st = sns_fail(err, SNS_NOMEM, "%s", p->why[i].message);
        if (!st && bad) p->unreadable++;
        if (!st && bad && p->o->warn) p->o->warn(p->o->user, p->why[i].message);
        if (!st)
            st = p->work->take(p->work->user, p->pairs[i], p->langs,
                               bad ? NULL : p->results + i * p->work->result_size, err);
        sns_pair_release(p->pairs[i]);
    }
    p->count = 0;
    return st;
}

/* A portion holds samples of one source, whose languages only grow in number. */
static sns_status gather(void *user, sns_pair *pair, const sns_dataset *langs, sns_error *err) {
    portion *p = user;
    p->langs = langs;
    if (pair) p->pairs[p->count++] = sns_pair_hold(pair);
    return p->count == PORTION || !pair ? flush(p, err) : SNS_OK;
}

sns_status sns_scan_decoded(const sns_data_options *o, const sns_scan_work *work, size_t *skipped,
                            size_t *unreadable, sns_error *err) {
    portion *p = calloc(1, sizeof *p);
    if (p) p->results = malloc(PORTION * work->result_size);
    if (!p || !p->results) {
        free(p);
        return sns_fail(err, SNS_NOMEM, "no memory to decode pictures");
    }
    p->o = o;
    p->work = work;
    sns_status st = sns_scan(o, gather, p, skipped, err);
    for (size_t i = 0; i < p->count; i++) sns_pair_release(p->pairs[i]);
    *unreadable = p->unreadable;
    free(p->results);
    free(p);
    return st;
}
