/* stream.c - the window, the batches, the epochs. */
#include "train/stream.h"
#include "base/error.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include "train/brace.h"
#include "base/byte_source.h"
#include "train/dataset_internal.h"
#include "train/sampler.h"
#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>

enum { TOLD_MAX = 1 << 20, PATIENCE = 64 };

/* A growing list of held samples. */
typedef struct pairs {
    sns_pair **items;
    size_t count, capacity, bytes;
} pairs;

struct sns_stream {
    sns_stream_options o;
    volatile int stopped;
    sns_name_list names;
    uint32_t *order; /* [names.count] this epoch's */
    size_t cursor;   /* into order */
    sns_pair_reader *reader;
    bool reading; /* a shard is open */
    size_t named_langs;
    pairs window, waiting, last; /* last: the batch before, when of this epoch */
    sns_rng rng;
    sns_stream_position at;
    size_t step;     /* batches made, over all epochs */
    uint64_t *taken; /* concepts of the batch: open addressing, [taken_size], 0 is empty */
    size_t taken_size, distinct;
    size_t epoch_samples, epoch_captions, epoch_langs;
    bool lang_seen[SNS_LANGS_MAX]; /* in this epoch */
    uint64_t fingerprint;
    pthread_mutex_t lock; /* of what follows */
    sns_stream_counts counts;
    uint64_t *told; /* hashes of messages; open addressing, [told_size] */
    size_t told_size;
};

static bool push(pairs *list, sns_pair *p) {
    if (list->count == list->capacity) {
        size_t more = list->capacity ? 2 * list->capacity : 64;
        sns_pair **items = reallocarray(list->items, more, sizeof *items);
        if (!items) return false;
        list->items = items;
        list->capacity = more;
    }
    list->items[list->count++] = p;
    list->bytes += p->memory;
    return true;
}

static void clear(pairs *list) {
    for (size_t i = 0; i < list->count; i++) sns_pair_release(list->items[i]);
    list->count = list->bytes = 0;
}

/* Add a hash to a table that is at most half full; false: it is there. */
static bool add_hash(uint64_t *table, size_t size, uint64_t hash) {
    size_t mask = size - 1, i = (size_t)(hash * 0x9e3779b97f4a7c15u >> 20) & mask;
    for (; table[i]; i = (i + 1) & mask)
        if (table[i] == hash) return false;
    table[i] = hash;
    return true;
}

/* Was this message not told before? The lock is held. */
static bool is_news(sns_stream *s, const char *message) {
    uint64_t hash = sns_dataset_hash(message, strlen(message));
    if (2 * (s->counts.skipped + 1) > s->told_size && s->told_size < TOLD_MAX) {
        size_t size = s->told_size ? 2 * s->told_size : 256;
        uint64_t *table = calloc(size, sizeof *table);
        for (size_t i = 0; table && i < s->told_size; i++)
            if (s->told[i]) add_hash(table, size, s->told[i]);
        if (table) {
            free(s->told);
            s->told = table;
            s->told_size = size;
        }
    }
    if (2 * (s->counts.skipped + 1) > s->told_size) return false;
    return add_hash(s->told, s->told_size, hash);
}

void sns_stream_stop(sns_stream *s) {
    s->stopped = 1;
}

void sns_stream_skip(sns_stream *s, const char *message) {
    pthread_mutex_lock(&s->lock);
    if (is_news(s, message)) {
        s->counts.skipped++;
        if (s->o.warn) s->o.warn(s->o.user, message);
    }
    pthread_mutex_unlock(&s->lock);
}

static void tell(void *user, const char *message) {
    sns_stream_skip(user, message);
}

static sns_status check_shard(sns_stream *s, const char *name, sns_error *err) {
    struct stat st = {0};
    const char *base = strrchr(name, '/');
    if (sns_bytes_is_pipe(name)) {
        base = NULL;
    } else if (stat(name, &st)) {
        return sns_fail_errno(err, errno == ENOENT || errno == ENOTDIR ? SNS_MISSING : SNS_IO,
                              errno, "%s", name);
    } else if (!sns_ends_with_nocase(name, ".tar")) {
        return sns_fail(err, SNS_UNSUPPORTED,
                        "%s: only tar shards can be streamed; a packed one as \"pipe:gzip -dc "
                        "FILE\" or the like",
                        name);
    }
    base = base ? base + 1 : name;
    uint64_t part[3] = {s->fingerprint, sns_dataset_hash(base, strlen(base)), (uint64_t)st.st_size};
    s->fingerprint = sns_dataset_hash(part, sizeof part);
    return SNS_OK;
}

static sns_status list_shards(sns_stream *s, sns_error *err) {
    const sns_stream_options *o = &s->o;
    uint64_t part[4] = {o->window, o->window_bytes, o->rank, o->ranks};
    s->fingerprint = sns_dataset_hash(part, sizeof part);
    sns_status st = sns_name_list_expand(o->sources, o->source_count, &s->names, err);
    for (size_t i = 0; i < s->names.count && !st; i++) st = check_shard(s, s->names.items[i], err);
    if (!st && s->names.count < o->ranks)
        st = sns_fail(err, SNS_ARG, "%zu shards are too few for %zu readers", s->names.count,
                      o->ranks);
    return st;
}

/* The languages that have a weight get the first numbers, in every run and epoch. */
static void add_langs(sns_stream *s) {
    for (const char *p = s->o.langs ? s->o.langs : ""; *p;) {
        char name[16];
        size_t n = strcspn(p, "=,");
        snprintf(name, sizeof name, "%.*s", (int)n, p);
        if (n && n < sizeof name) sns_pair_reader_add_lang(s->reader, name);
        p += strcspn(p, ",");
        p += *p == ',';
    }
    s->named_langs = sns_dataset_lang_count(sns_pair_reader_langs(s->reader));
}

static void start_epoch(sns_stream *s) {
    clear(&s->window);
    clear(&s->waiting);
    clear(&s->last);
    sns_rng_seed_at(&s->rng, s->o.seed, SNS_STREAM_EPOCH, s->at.epoch);
    for (size_t i = 0; i < s->names.count; i++) s->order[i] = (uint32_t)i;
    sns_rng_shuffle(&s->rng, s->order, s->names.count);
    s->cursor = s->o.rank;
    s->reading = false;
    s->epoch_samples = s->epoch_captions = s->epoch_langs = 0;
    memset(s->lang_seen, 0, sizeof s->lang_seen);
    s->at.first_step = s->step;
    sns_pair_reader_truncate_langs(s->reader, s->named_langs);
}

sns_status sns_stream_new(const sns_stream_options *o, sns_stream **out, sns_error *err) {
    *out = NULL;
    if (!o->source_count || !o->window || !o->batch || !o->ranks || o->rank >= o->ranks)
        return sns_fail(err, SNS_ARG, "a stream needs sources, a window and a batch");
    sns_stream *s = calloc(1, sizeof *s);
    if (!s) return sns_fail(err, SNS_NOMEM, "no memory for a stream");
    s->o = *o;
    pthread_mutex_init(&s->lock, NULL);
    sns_status st = list_shards(s, err);
    for (s->taken_size = 16; s->taken_size < 2 * (o->batch + o->spares) + 2;) s->taken_size *= 2;
    if (!st) {
        s->order = calloc(s->names.count, sizeof *s->order);
        s->taken = calloc(s->taken_size, sizeof *s->taken);
        s->reader = sns_pair_reader_new(&s->stopped, tell, s);
        if (s->reader) sns_pair_reader_want_sounds(s->reader, o->sound_rate_hz);
        if (!s->order || !s->taken || !s->reader)
            st = sns_fail(err, SNS_NOMEM, "no memory for a stream of %zu shards", s->names.count);
    }
    if (st) {
        sns_stream_free(s);
        return st;
    }
    s->counts.shards = s->names.count;
    add_langs(s);
    start_epoch(s);
    *out = s;
    return SNS_OK;
}

void sns_stream_free(sns_stream *s) {
    if (!s) return;
    clear(&s->window);
    clear(&s->waiting);
    clear(&s->last);
    free(s->window.items);
    free(s->waiting.items);
    free(s->last.items);
    sns_pair_reader_free(s->reader);
    sns_name_list_free(&s->names);
    pthread_mutex_destroy(&s->lock);
    free(s->order);
    free(s->taken);
    free(s->told);
    free(s);
}

static void note_counts(sns_stream *s) {
    pthread_mutex_lock(&s->lock);
    sns_stream_counts *c = &s->counts;
    if (s->epoch_samples > c->samples) c->samples = s->epoch_samples;
    if (s->epoch_captions > c->captions) c->captions = s->epoch_captions;
    if (s->epoch_langs > c->langs) c->langs = s->epoch_langs;
    pthread_mutex_unlock(&s->lock);
}

void sns_stream_count(sns_stream *s, sns_stream_counts *out) {
    pthread_mutex_lock(&s->lock);
    *out = s->counts;
    pthread_mutex_unlock(&s->lock);
}

/* The next sample of the epoch as the shards hold them; NULL at its end. */
static sns_status pull(sns_stream *s, sns_pair **pair, sns_error *err) {
    sns_status st = SNS_OK;
    *pair = NULL;
    while (!st && !*pair) {
        if (!s->reading) {
            if (s->cursor >= s->names.count) return SNS_OK;
            st = sns_pair_reader_open(s->reader, s->names.items[s->order[s->cursor]], err);
            s->cursor += s->o.ranks;
            s->reading = true;
        }
        if (!st) st = sns_pair_reader_next(s->reader, pair, err);
        s->reading = *pair != NULL;
    }
    if (st) return st;
    s->epoch_samples++;
    s->epoch_captions += (*pair)->caption_count;
    for (size_t i = 0; i < (*pair)->caption_count; i++) {
        bool *seen = &s->lang_seen[(*pair)->captions[i].lang];
        s->epoch_langs += !*seen;
        *seen = true;
    }
    return SNS_OK;
}

/* A random sample of the window, which is filled up first; NULL at the epoch's end. */
static sns_status draw(sns_stream *s, sns_pair **pair, sns_error *err) {
    pairs *w = &s->window;
    while (w->count < s->o.window && (!w->count || w->bytes < s->o.window_bytes)) {
        sns_status st = pull(s, pair, err);
        if (st) return st;
        if (!*pair) break;
        if (!push(w, *pair)) {
            sns_pair_release(*pair);
            return sns_fail(err, SNS_NOMEM, "no memory for a window of %zu samples", w->count);
        }
    }
    *pair = NULL;
    if (!w->count) return SNS_OK;
    size_t i = (size_t)sns_rng_below(&s->rng, w->count);
    *pair = w->items[i];
    w->items[i] = w->items[--w->count];
    w->bytes -= (*pair)->memory;
    return SNS_OK;
}

static bool claim(sns_stream *s, uint64_t concept) {
    bool is_new = !concept || add_hash(s->taken, s->taken_size, concept);
    s->distinct += is_new;
    return is_new;
}

static sns_status too_few(const sns_stream *s, sns_error *err) {
    if (s->epoch_samples < s->o.batch)
        return sns_fail(err, SNS_ARG, "a batch of %zu is larger than the data: %zu samples",
                        s->o.batch, s->epoch_samples);
    return sns_fail(err, SNS_ARG,
                    "a batch of %zu needs as many different concepts; %zu samples had %zu",
                    s->o.batch, s->epoch_samples, s->distinct);
}

/* Fill a batch from this epoch; *n < batch when too little is left. A sample whose concept is in
 * the batch waits, or is left out of this epoch when as many wait as the window holds. */
static sns_status fill(sns_stream *s, sns_pair **out, size_t *n, sns_error *err) {
    size_t kept = 0, tries = 0, batch = s->o.batch;
    pairs *w = &s->waiting;
    memset(s->taken, 0, s->taken_size * sizeof *s->taken);
    s->distinct = 0;
    *n = 0;
    for (size_t i = 0; i < w->count; i++) {
        if (*n < batch && claim(s, w->items[i]->concept)) {
            w->bytes -= w->items[i]->memory;
            out[(*n)++] = w->items[i];
        } else {
            w->items[kept++] = w->items[i];
        }
    }
    w->count = kept;
    while (*n < batch) {
        sns_pair *p;
        sns_status st = draw(s, &p, err);
        if (st || !p) return st;
        if (claim(s, p->concept)) {
            out[(*n)++] = p;
        } else if (w->count >= s->o.window || w->bytes > s->o.window_bytes) {
            sns_pair_release(p);
            if (++tries > PATIENCE * (batch + s->o.window)) return too_few(s, err);
        } else if (!push(w, p)) {
            sns_pair_release(p);
            return sns_fail(err, SNS_NOMEM, "no memory for %zu waiting samples", w->count);
        }
    }
    return SNS_OK;
}

/* Others of the window, then of the batch before, that could stand in for members of this one. */
static size_t add_spares(sns_stream *s, sns_pair **out) {
    const pairs *from[] = {&s->window, &s->last};
    size_t n = 0;
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < from[k]->count && n < s->o.spares; i++)
            if (claim(s, from[k]->items[i]->concept)) out[n++] = sns_pair_hold(from[k]->items[i]);
    return n;
}

static sns_status remember_batch(sns_stream *s, sns_pair **batch, sns_error *err) {
    clear(&s->last);
    for (size_t i = 0; i < s->o.batch; i++) {
        if (!push(&s->last, batch[i])) return sns_fail(err, SNS_NOMEM, "no memory for a batch");
        sns_pair_hold(batch[i]);
    }
    return SNS_OK;
}

static void release(sns_pair **list, size_t n) {
    for (size_t i = 0; i < n; i++) sns_pair_release(list[i]);
}

sns_status sns_stream_next(sns_stream *s, sns_pair **out, size_t *spares, sns_stream_position *at,
                           sns_error *err) {
    size_t n;
    *spares = 0;
    for (;;) {
        sns_status st = fill(s, out, &n, err);
        if (!st && n < s->o.batch && s->step == s->at.first_step) st = too_few(s, err);
        if (st) {
            release(out, n);
            return st;
        }
        note_counts(s);
        if (n == s->o.batch) break;
        release(out, n);
        s->at.epoch++;
        start_epoch(s);
    }
    *spares = add_spares(s, out + n);
    sns_status st = remember_batch(s, out, err);
    if (st) {
        release(out, n + *spares);
        return st;
    }
    *at = s->at;
    s->step++;
    return SNS_OK;
}

sns_status sns_stream_seek(sns_stream *s, sns_stream_position at, size_t step, sns_error *err) {
    if (at.first_step > step)
        return sns_fail(err, SNS_MISMATCH, "step %zu is before its epoch's first, %zu", step,
                        at.first_step);
    sns_pair **out = calloc(s->o.batch + s->o.spares, sizeof *out);
    if (!out) return sns_fail(err, SNS_NOMEM, "no memory for a batch");
    s->at = at;
    s->step = at.first_step;
    start_epoch(s);
    sns_status st = SNS_OK;
    while (s->step < step && !st) {
        sns_stream_position now;
        size_t spares;
        st = sns_stream_next(s, out, &spares, &now, err);
        if (st) break;
        release(out, s->o.batch + spares);
        if (s->o.cancel && *s->o.cancel)
            st = sns_fail(err, SNS_CANCELLED, "stopped while finding the place in the data");
        else if (now.epoch != at.epoch)
            st = sns_fail(err, SNS_MISMATCH, "epoch %zu has become shorter: the shards changed",
                          at.epoch);
    }
    free(out);
    return st;
}

const sns_dataset *sns_stream_langs(const sns_stream *s) {
    return sns_pair_reader_langs(s->reader);
}

uint64_t sns_stream_fingerprint(const sns_stream *s) {
    return s->fingerprint;
}
