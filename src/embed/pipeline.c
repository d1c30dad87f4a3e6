/* pipeline.c - the stages of sns_embed_files and sns_embed_stream.
 *
 *     threads:  take the source's next item -> decode -> prepare -> its slot
 *     caller:   wait for a batch of slots -> gather the good ones -> encode -> callback in order
 *
 * Item i uses slot i mod capacity, so order costs nothing, and a thread that is `capacity` items
 * ahead of what was delivered waits: memory is bounded and a slow encoder slows the decoders. A
 * batch is always the same `batch` consecutive items (less the bad ones), whatever the number of
 * threads, so results do not depend on it. Sounds differ in length and each is encoded by itself:
 * a batch is one of them.
 *
 * Two locks: `taking` is held by the one thread that is at the source, which may wait there for
 * long (a command, a terminal); `lock` is for the state and never held while waiting for anything
 * else. */
#include "embed/pipeline.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DEFAULT_BATCH = 32, MAX_BATCH = 1024, MAX_THREADS = 256, LOOK_MS = 100 };

typedef struct slot {
    bool ready;
    sns_embed_item item;
    int in_memory;
    sns_error error; /* code SNS_OK: pixels hold a prepared picture */
    size_t width_px, height_px;
    float *pixels;
    sns_sound sound; /* instead, of an encoder that hears */
} slot;

typedef struct pipeline {
    const sns_encoder *encoder;
    const sns_embed_source *source;
    size_t batch, capacity;
    sns_image_options image;
    const int *cancel;
    bool keep_bytes;
    slot *slots;
    float *in, *out; /* one batch */
    pthread_t threads[MAX_THREADS];
    size_t thread_count;

    pthread_mutex_t taking;
    pthread_mutex_t lock; /* of what follows, and of slot.ready */
    pthread_cond_t may_claim, became_ready;
    size_t next, delivered;
    bool stop, ended;  /* ended: the source has no more */
    sns_error failure; /* of the source */
} pipeline;

/* ---- the decoding threads ------------------------------------------------------------------- */

static bool cancelled(const pipeline *p) {
    return p->cancel && __atomic_load_n(p->cancel, __ATOMIC_RELAXED);
}

static sns_status load(const pipeline *p, slot *s, sns_image *image) {
    const sns_embed_item *it = &s->item;
    return it->bytes ? sns_image_decode(it->bytes, it->size, it->name, &p->image, image, &s->error)
                     : sns_image_load(it->name, &p->image, image, &s->error);
}

static void drop_bytes(slot *s) {
    free(s->item.bytes);
    s->item.bytes = NULL;
    s->item.size = 0;
}

static sns_status fill_sound(const pipeline *p, slot *s) {
    const sns_embed_item *it = &s->item;
    const sns_sound_options o = {.rate_hz = p->encoder->sound_rate_hz, .cancel = p->cancel};
    return it->bytes ? sns_sound_decode(it->bytes, it->size, it->name, &o, &s->sound, &s->error)
                     : sns_sound_load(it->name, &o, &s->sound, &s->error);
}

static sns_status fill_picture(const pipeline *p, slot *s) {
    sns_image image = {0};
    const char *name = s->item.name;
    sns_status status = SNS_OK;
    if (!s->pixels) s->pixels = sns_aligned_alloc(p->encoder->pixels * sizeof(float));
    if (!s->pixels) status = sns_fail(&s->error, SNS_NOMEM, "%s: no memory", name);
    if (!status) status = load(p, s, &image);
    if (!status) {
        status = p->encoder->prepare(p->encoder->user, &image, s->pixels, &s->error);
        if (status) sns_fail_in(&s->error, status, name);
        s->width_px = image.width_px;
        s->height_px = image.height_px;
    }
    sns_image_free(&image);
    return status;
}

static void fill_slot(const pipeline *p, slot *s) {
    s->error = s->item.problem;
    s->width_px = s->height_px = 0;
    s->in_memory = s->item.bytes != NULL;
    if (!s->error.code)
        s->error.code = p->encoder->sound_rate_hz ? fill_sound(p, s) : fill_picture(p, s);
    if (!p->keep_bytes) drop_bytes(s);
}

/* Wait until there is a free slot; false when no more is to be taken. */
static bool wait_room(pipeline *p) {
    pthread_mutex_lock(&p->lock);
    while (!p->stop && !p->ended && p->next >= p->delivered + p->capacity)
        pthread_cond_wait(&p->may_claim, &p->lock);
    if (cancelled(p)) p->stop = true;
    bool room = !p->stop && !p->ended;
    pthread_mutex_unlock(&p->lock);
    return room;
}

/* The next item, in its slot; NULL at the end. */
static slot *claim(pipeline *p) {
    slot *s = NULL;
    sns_error err;
    pthread_mutex_lock(&p->taking);
    if (wait_room(p)) {
        s = &p->slots[p->next % p->capacity];
        s->item = (sns_embed_item){0};
        sns_status status = p->source->next(p->source->user, &s->item, &err);
        pthread_mutex_lock(&p->lock);
        if (status && !p->stop) {
            p->failure = err;
            p->failure.code = status;
            p->stop = true;
        }
        if (status || !s->item.name) {
            p->ended = true;
            s = NULL;
        } else {
            p->next++;
        }
        pthread_mutex_unlock(&p->lock);
    }
    pthread_mutex_unlock(&p->taking);
    return s;
}

static void *decode_thread(void *arg) {
    pipeline *p = arg;
    for (slot *s; (s = claim(p));) {
        fill_slot(p, s);
        pthread_mutex_lock(&p->lock);
        s->ready = true;
        pthread_cond_signal(&p->became_ready);
        pthread_mutex_unlock(&p->lock);
    }
    pthread_mutex_lock(&p->lock);
    pthread_cond_signal(&p->became_ready);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- the caller's thread -------------------------------------------------------------------- */

typedef enum wait_result { READY, NO_MORE, STOPPED } wait_result;

/* Wait for item i. A thread may be waiting at the source, so the flag is looked at from here too.
 */
static wait_result wait_ready(pipeline *p, size_t i) {
    pthread_mutex_lock(&p->lock);
    const slot *s = &p->slots[i % p->capacity];
    while (!s->ready && !p->stop && !(p->ended && i >= p->next) && !cancelled(p)) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        t.tv_nsec += LOOK_MS * 1000000L;
        t.tv_sec += t.tv_nsec / 1000000000;
        t.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&p->became_ready, &p->lock, &t);
    }
    wait_result r = cancelled(p) ? STOPPED : s->ready ? READY : p->stop ? STOPPED : NO_MORE;
    pthread_mutex_unlock(&p->lock);
    return r;
}

static void free_item(slot *s) {
    free(s->item.name);
    s->item.name = NULL;
    drop_bytes(s);
    sns_sound_free(&s->sound);
}

static void release(pipeline *p, size_t first, size_t count) {
    for (size_t i = first; i < first + count; i++) free_item(&p->slots[i % p->capacity]);
    pthread_mutex_lock(&p->lock);
    for (size_t i = first; i < first + count; i++) p->slots[i % p->capacity].ready = false;
    p->delivered = first + count;
    pthread_cond_broadcast(&p->may_claim);
    pthread_mutex_unlock(&p->lock);
}

static sns_status deliver(const pipeline *p, size_t first, size_t count, sns_embed_fn *callback,
                          void *user) {
    const float *vector = p->out;
    for (size_t i = first; i < first + count; i++) {
        const slot *s = &p->slots[i % p->capacity];
        bool ok = s->error.code == SNS_OK;
        sns_embed_result result = {
            .index = i,
            .path = s->item.name,
            .status = s->error.code,
            .message = ok ? "" : s->error.message,
            .vector = ok ? vector : NULL,
            .width_px = ok ? s->width_px : 0,
            .height_px = ok ? s->height_px : 0,
            .seconds = s->sound.rate_hz ? (double)s->sound.count / (double)s->sound.rate_hz : 0,
            .in_memory = s->in_memory,
            .bytes = s->item.bytes,
            .size = s->item.size};
        sns_status status = callback(user, &result);
        if (status) return status;
        if (ok) vector += p->encoder->dim;
    }
    return SNS_OK;
}

/* Why there is no picture: the source failed, or the caller wants no more. */
static sns_status stopped(pipeline *p, sns_error *err) {
    pthread_mutex_lock(&p->lock);
    const sns_error failure = p->failure;
    pthread_mutex_unlock(&p->lock);
    return failure.code ? sns_fail(err, failure.code, "%s", failure.message)
                        : sns_fail(err, SNS_CANCELLED, "cancelled");
}

/* A good slot joins the batch: its pixels, or at once its sound's vector. */
static sns_status gather(pipeline *p, const slot *s, size_t good, sns_error *err) {
    const sns_encoder *e = p->encoder;
    if (e->sound_rate_hz) return e->encode_sound(e->user, &s->sound, p->out + good * e->dim, err);
    memcpy(p->in + good * e->pixels, s->pixels, e->pixels * sizeof(float));
    return SNS_OK;
}

/* *count <- how many were delivered: p->batch, or less at the end. */
static sns_status run_batch(pipeline *p, size_t first, size_t *count, sns_embed_fn *callback,
                            void *user, sns_error *err) {
    size_t good = 0;
    for (*count = 0; *count < p->batch; ++*count) {
        wait_result r = wait_ready(p, first + *count);
        if (r == STOPPED) return stopped(p, err);
        if (r == NO_MORE) break;
        const slot *s = &p->slots[(first + *count) % p->capacity];
        if (s->error.code) continue;
        sns_status failed = gather(p, s, good++, err);
        if (failed) return failed;
    }
    if (good && !p->encoder->sound_rate_hz) {
        sns_status s = p->encoder->encode(p->encoder->user, p->in, good, p->out, err);
        if (s) return s;
    }
    sns_status s = deliver(p, first, *count, callback, user);
    if (s) return sns_fail(err, s, "%s", sns_status_text(s));
    release(p, first, *count);
    return SNS_OK;
}

/* ---- start and end -------------------------------------------------------------------------- */

static size_t processor_count(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (size_t)CPU_COUNT(&set) : 1;
}

static size_t at_most(size_t a, size_t b) {
    return a < b ? a : b;
}

static sns_status allocate(pipeline *p, sns_error *err) {
    size_t in, out;
    if (!sns_mul_size(p->batch, p->encoder->pixels, &in) || !sns_mul_size(in, sizeof(float), &in) ||
        !sns_mul_size(p->batch, p->encoder->dim, &out) || !sns_mul_size(out, sizeof(float), &out))
        return sns_fail(err, SNS_LIMIT, "a batch of %zu pictures is too large", p->batch);
    p->slots = calloc(p->capacity, sizeof *p->slots);
    p->in = sns_aligned_alloc(in);
    p->out = sns_aligned_alloc(out);
    if (p->slots && p->in && p->out) return SNS_OK;
    return sns_fail(err, SNS_NOMEM, "no memory for a batch of %zu pictures", p->batch);
}

static sns_status start_threads(pipeline *p, size_t wanted, sns_error *err) {
    while (p->thread_count < wanted &&
           !pthread_create(&p->threads[p->thread_count], NULL, decode_thread, p))
        p->thread_count++;
    return p->thread_count ? SNS_OK : sns_fail(err, SNS_NOMEM, "no thread can be started");
}

static void finish(pipeline *p) {
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    bool early = !p->ended;
    pthread_cond_broadcast(&p->may_claim);
    pthread_mutex_unlock(&p->lock);
    if (early && p->source->stop) p->source->stop(p->source->user);
    for (size_t i = 0; i < p->thread_count; i++) pthread_join(p->threads[i], NULL);
    for (size_t i = 0; p->slots && i < p->capacity; i++) {
        free_item(&p->slots[i]);
        sns_aligned_free(p->slots[i].pixels);
    }
    free(p->slots);
    sns_aligned_free(p->in);
    sns_aligned_free(p->out);
    pthread_cond_destroy(&p->may_claim);
    pthread_cond_destroy(&p->became_ready);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->taking);
}

sns_status sns_pipeline_stream(const sns_encoder *encoder, const sns_embed_source *source,
                               size_t most, const sns_embed_options *options,
                               sns_embed_fn *callback, void *user, sns_error *err) {
    const sns_embed_options defaults = {0}, *o = options ? options : &defaults;
    if (!encoder || (!encoder->pixels && !encoder->sound_rate_hz) || !encoder->dim || !source ||
        !callback)
        return sns_fail(err, SNS_ARG, "embed: no encoder, pictures or callback");
    if (o->batch > MAX_BATCH || o->threads > MAX_THREADS)
        return sns_fail(err, SNS_ARG, "embed: at most %d pictures in a batch, %d threads",
                        MAX_BATCH, MAX_THREADS);
    size_t threads = at_most(o->threads ? o->threads : processor_count(), MAX_THREADS);
    size_t batch = o->batch ? o->batch : DEFAULT_BATCH, count;
    if (encoder->sound_rate_hz) batch = 1;
    if (most) threads = at_most(threads, most), batch = at_most(batch, most);
    pipeline *p = calloc(1, sizeof *p);
    if (!p) return sns_fail(err, SNS_NOMEM, "no memory");
    *p = (pipeline){.encoder = encoder,
                    .source = source,
                    .batch = batch,
                    .capacity = 2 * batch + threads,
                    .cancel = o->cancel,
                    .keep_bytes = o->keep_bytes,
                    .taking = PTHREAD_MUTEX_INITIALIZER,
                    .lock = PTHREAD_MUTEX_INITIALIZER,
                    .may_claim = PTHREAD_COND_INITIALIZER,
                    .became_ready = PTHREAD_COND_INITIALIZER};
    p->image.exact = o->exact;
    p->image.max_pixels = o->max_pixels;
    p->image.target_px = encoder->target_px;
    if (most) p->capacity = at_most(p->capacity, most);
    sns_status s = allocate(p, err);
    if (!s) s = start_threads(p, threads, err);
    for (size_t first = 0; !s; first += count) {
        s = run_batch(p, first, &count, callback, user, err);
        if (count < batch) break;
    }
    finish(p);
    free(p);
    return s;
}

/* ---- a list of paths ------------------------------------------------------------------------ */

typedef struct path_list {
    const char *const *paths;
    size_t n, at;
} path_list;

static sns_status next_path(void *user, sns_embed_item *item, sns_error *err) {
    path_list *l = user;
    if (l->at == l->n) return SNS_OK;
    item->name = sns_strdup(l->paths[l->at]);
    if (!item->name) return sns_fail(err, SNS_NOMEM, "%s: no memory", l->paths[l->at]);
    l->at++;
    return SNS_OK;
}

sns_status sns_pipeline_run(const sns_encoder *encoder, const char *const *paths, size_t n,
                            const sns_embed_options *options, sns_embed_fn *callback, void *user,
                            sns_error *err) {
    if (n && !paths) return sns_fail(err, SNS_ARG, "embed: no paths");
    if (!n) return SNS_OK;
    path_list list = {paths, n, 0};
    const sns_embed_source source = {.next = next_path, .user = &list};
    return sns_pipeline_stream(encoder, &source, n, options, callback, user, err);
}
