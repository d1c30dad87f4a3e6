/* pair_reader.c - members of a streamed archive become samples.
 *
 * The members are parsed by the code of mapped shards (dataset_shard.c) into a data set that holds
 * one sample at a time, which is then copied out and forgotten. */
#include "train/pair_reader.h"
#include "base/error.h"
#include "train/dataset_internal.h"
#include "train/tar_stream.h"

struct sns_pair_reader {
    sns_dataset *d; /* of one sample */
    const volatile int *stop;
    sns_bytes *bytes; /* NULL: no shard is open */
    char *path;
    unsigned char *media[2]; /* of the open sample: the picture, the sound */
    sns_tar_member member;   /* read, but of the sample after it */
    bool ended;              /* no members are left */
    sns_shard shard;
    sns_tar_stream tar;
};

sns_pair *sns_pair_hold(sns_pair *p) {
    atomic_fetch_add(&p->holders, 1);
    return p;
}

void sns_pair_release(sns_pair *p) {
    if (!p || atomic_fetch_sub(&p->holders, 1) != 1) return;
    free(p->bytes);
    free(p->beside);
    free(p);
}

/* Append a NUL-terminated text; returns where it is. */
static const char *put(char **at, const char *text) {
    size_t n = strlen(text) + 1;
    char *to = *at;
    memcpy(to, text, n);
    *at += n;
    return to;
}

sns_pair *sns_pair_copy(const sns_dataset *d, size_t i, unsigned char *medium,
                        unsigned char *beside) {
    const sns_sample *s = &d->samples[i];
    const sns_caption *captions = d->captions + s->first_caption;
    const char *name = sns_dataset_text(d, s->name);
    const char *concept = s->concept_name == SNS_NO_NAME ? ""
                                                         : sns_dataset_text(d, s->concept_name);
    const char *beside_name = s->beside_name == SNS_NO_NAME ? ""
                                                            : sns_dataset_text(d, s->beside_name);
    size_t n = s->caption_count, bytes = sizeof(sns_pair) + n * sizeof(sns_caption);
    bytes += strlen(name) + 1 + strlen(concept) + 1 + strlen(beside_name) + 1;
    for (size_t c = 0; c < n; c++) bytes += captions[c].size + 1;
    sns_pair *p = malloc(bytes);
    if (!p) return NULL;
    char *texts = (char *)(p->captions + n), *at = texts;
    for (size_t c = 0; c < n; c++) {
        p->captions[c] = captions[c];
        p->captions[c].text = (size_t)(at - texts);
        memcpy(at, sns_dataset_text(d, captions[c].text), captions[c].size + 1);
        at += captions[c].size + 1;
    }
    p->bytes = medium;
    p->size = medium ? s->size : 0;
    p->is_sound = s->is_sound;
    p->beside = beside;
    p->beside_size = beside ? s->beside_size : 0;
    p->texts = texts;
    p->name = put(&at, name);
    p->concept_name = put(&at, concept);
    p->beside_name = put(&at, beside_name);
    p->concept = s->concept;
    p->flip = s->flip;
    p->caption_count = (uint32_t)n;
    p->memory = bytes + p->size + p->beside_size;
    atomic_init(&p->holders, 1);
    return p;
}

sns_pair_reader *sns_pair_reader_new(const volatile int *stop, sns_warn_fn warn, void *user) {
    sns_pair_reader *r = calloc(1, sizeof *r);
    if (r) r->d = sns_dataset_new(warn, user);
    if (!r || !r->d) {
        free(r);
        return NULL;
    }
    r->stop = stop;
    return r;
}

void sns_pair_reader_want_sounds(sns_pair_reader *r, size_t rate_hz) {
    r->d->sound_rate_hz = rate_hz;
}

void sns_pair_reader_keep_both(sns_pair_reader *r) {
    r->d->both = true;
}

static void drop_media(sns_pair_reader *r) {
    for (size_t k = 0; k < 2; k++) {
        free(r->media[k]);
        r->media[k] = NULL;
    }
}

static void close_shard(sns_pair_reader *r) {
    sns_bytes_free(r->bytes);
    free(r->path);
    drop_media(r);
    free(r->member.data);
    r->bytes = NULL;
    r->path = NULL;
    r->member = (sns_tar_member){0};
}

void sns_pair_reader_free(sns_pair_reader *r) {
    if (!r) return;
    close_shard(r);
    sns_strbuf_free(&r->shard.full);
    sns_dataset_free(r->d);
    free(r);
}

static sns_status begin(sns_pair_reader *r, const char *name, sns_bytes *bytes, sns_error *err) {
    r->bytes = bytes;
    r->path = sns_strdup(name);
    if (!r->path || !bytes) {
        close_shard(r);
        return sns_fail(err, SNS_NOMEM, "%s: no memory to read it", name);
    }
    r->ended = false;
    r->shard.d = r->d;
    r->shard.path = r->path;
    r->shard.open = false;
    sns_tar_stream_begin(&r->tar, r->path, bytes);
    return SNS_OK;
}

sns_status sns_pair_reader_open(sns_pair_reader *r, const char *name, sns_error *err) {
    sns_bytes *bytes;
    close_shard(r);
    sns_status s = sns_bytes_open(name, r->stop, &bytes, err);
    return s ? s : begin(r, name, bytes, err);
}

sns_status sns_pair_reader_open_memory(sns_pair_reader *r, const char *name, const void *data,
                                       size_t size, sns_error *err) {
    close_shard(r);
    return begin(r, name, sns_bytes_of_memory(name, data, size), err);
}

/* Close the open sample; *pair <- it, unless it was left out. */
static sns_status close_sample(sns_pair_reader *r, sns_pair **pair, sns_error *err) {
    sns_dataset *d = r->d;
    sns_status s = sns_shard_close(&r->shard, err);
    if (!s && d->count) {
        bool sound = d->samples[0].is_sound, beside = d->samples[0].beside;
        *pair = sns_pair_copy(d, 0, r->media[sound], beside ? r->media[1] : NULL);
        if (!*pair) s = sns_fail(err, SNS_NOMEM, "%s: no memory for a sample", r->path);
        if (*pair) r->media[sound] = NULL;
        if (*pair && beside) r->media[1] = NULL;
    }
    d->count = d->caption_count = 0;
    sns_strbuf_clear(&d->pool);
    drop_media(r);
    return s;
}

/* The held member goes into the open sample. */
static sns_status add_member(sns_pair_reader *r, sns_error *err) {
    sns_tar_entry e = {r->member.name, r->member.data, r->member.size};
    sns_status s = sns_shard_add(&r->shard, &e, err);
    bool taken = false;
    for (size_t k = 0; k < 2 && !taken; k++) {
        taken = r->shard.draft.media[k].bytes == r->member.data;
        if (!taken) continue;
        free(r->media[k]);
        r->media[k] = r->member.data;
    }
    if (!taken) free(r->member.data);
    r->member = (sns_tar_member){0};
    return s;
}

/* Hold the next good member; told about the others. */
static sns_status next_member(sns_pair_reader *r, sns_error *err) {
    sns_error why = {0};
    for (;;) {
        sns_status s = sns_tar_stream_next(&r->tar, sns_shard_wants, &r->member, &r->ended, &why);
        if (!s) return SNS_OK;
        if (s != SNS_FORMAT && s != SNS_LIMIT) return sns_fail(err, s, "%s", why.message);
        sns_dataset_skip(r->d, "%s", why.message);
    }
}

sns_status sns_pair_reader_next(sns_pair_reader *r, sns_pair **pair, sns_error *err) {
    *pair = NULL;
    sns_status s = SNS_OK;
    while (r->bytes && !s && !*pair) {
        if (!r->member.data && !r->ended && (s = next_member(r, err))) break;
        if (r->ended) {
            s = close_sample(r, pair, err);
            close_shard(r);
        } else {
            if (sns_shard_starts_new(&r->shard, r->member.name)) s = close_sample(r, pair, err);
            if (!s) s = add_member(r, err);
        }
    }
    if (s) {
        sns_pair_release(*pair);
        *pair = NULL;
        close_shard(r);
    }
    return s;
}

const sns_dataset *sns_pair_reader_langs(const sns_pair_reader *r) {
    return r->d;
}

size_t sns_pair_reader_add_lang(sns_pair_reader *r, const char *name) {
    return sns_dataset_lang_index(r->d, name);
}

void sns_pair_reader_truncate_langs(sns_pair_reader *r, size_t n) {
    if (n < r->d->lang_count) r->d->lang_count = n;
}
