/* pipeline.c - the stages of sns_embed_files and sns_embed_stream.
 *
 *     threads:  a part whose pictures are all prepared? encode it
 *               else: take the source's next item -> decode -> prepare -> its place in its part
 *     caller:   wait for the next part -> callback in order
 *
 * One kind of thread does both kinds of work, so that as many as there are processors keep them all
 * busy, whichever kind takes longer. Item i is picture i mod batch of part i / batch, and part k
 * uses place k mod ring, so order costs nothing, and a thread that is a ring ahead of what was
 * delivered waits: memory is bounded. A part is always the same `batch` consecutive items (less the
 * bad ones), whatever the number of threads, so results do not depend on it. Sounds differ in
 * length and each is encoded by itself: a part is one of them.
 *
 * Two locks: `taking` is held by the one thread that is at the source, which may wait there for
 * long (a command, a terminal); `lock` is for the state and never held while waiting for anything
 * else. Who prepares the last picture of a part looks for parts first, so none is left behind while
 * the others wait at the source. */
#include "embed/pipeline.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DEFAULT_BATCH = 8, MAX_BATCH = 1024, LOOK_MS = 100 };

typedef struct picture {
    sns_embed_item item;
    int in_memory;
    sns_error error; /* code SNS_OK: prepared */
    size_t width_px, height_px;
    sns_sound sound; /* instead of pixels, of an encoder that hears */
} picture;

typedef struct part {
    picture *pictures; /* [batch] */
    float *pixels;     /* [batch, pixels] */
    float *vectors;    /* [batch, dim], of the good ones */
    size_t prepared;   /* how many of its pictures are, the bad ones too */
    bool encoded;
} part;

typedef struct pipeline pipeline;

typedef struct worker {
    pipeline *p;
    size_t lane;
    pthread_t thread;
} worker;

struct pipeline {
    const sns_encoder *encoder;
    const sns_embed_source *source;
    size_t batch, ring;
    sns_image_options image;
    const int *cancel;
    const sns_isolation *isolation;
    bool keep_bytes;
    part *parts; /* [ring] */
    worker workers[SNS_PIPELINE_THREADS];
    size_t worker_count;

    pthread_mutex_t taking;
    pthread_mutex_t lock; /* of what follows, and of parts' prepared and encoded */
    pthread_cond_t for_workers, for_caller;
    size_t next;            /* item that the source gives next */
    size_t encode, deliver; /* parts */
    size_t busy;            /* threads that decode or encode */
    bool stop, ended;       /* ended: the source has no more */
    sns_error failure;      /* of the source or the encoder */
};

static part *part_of(const pipeline *p, size_t k) {
    return &p->parts[k % p->ring];
}

/* How many items part k has, as far as is known. */
static size_t part_size(const pipeline *p, size_t k) {
    size_t first = k * p->batch;
    return p->next <= first ? 0 : p->next - first < p->batch ? p->next - first : p->batch;
}

static bool cancelled(const pipeline *p) {
    return p->cancel && __atomic_load_n(p->cancel, __ATOMIC_RELAXED);
}

/* Under the lock. */
static void fail(pipeline *p, sns_status status, const sns_error *why) {
    if (p->stop) return;
    p->failure = *why;
    p->failure.code = status;
    p->stop = true;
}

static void wake_all(pipeline *p) {
    pthread_cond_broadcast(&p->for_workers);
    pthread_cond_signal(&p->for_caller);
}

/* ---- preparing ------------------------------------------------------------------------------ */

static sns_status load(const pipeline *p, picture *s, sns_image *image) {
    const sns_embed_item *it = &s->item;
    return it->bytes ? sns_image_decode(it->bytes, it->size, it->name, &p->image, image, &s->error)
                     : sns_image_load(it->name, &p->image, image, &s->error);
}

static void drop_bytes(picture *s) {
    free(s->item.bytes);
    s->item.bytes = NULL;
    s->item.size = 0;
}

static sns_status prepare_sound(const pipeline *p, picture *s) {
    const sns_embed_item *it = &s->item;
    const sns_sound_options o = {
        .rate_hz = p->encoder->sound_rate_hz, .cancel = p->cancel, .isolation = p->isolation};
    return it->bytes ? sns_sound_decode(it->bytes, it->size, it->name, &o, &s->sound, &s->error)
                     : sns_sound_load(it->name, &o, &s->sound, &s->error);
}

static sns_status prepare_picture(const pipeline *p, picture *s, float *pixels) {
    sns_image image = {0};
    sns_status status = load(p, s, &image);
    if (status) return status;
    status = p->encoder->prepare(p->encoder->user, &image, pixels, &s->error);
    if (status) sns_fail_in(&s->error, status, s->item.name);
    s->width_px = image.width_px;
    s->height_px = image.height_px;
    sns_image_free(&image);
    return status;
}

static void prepare(const pipeline *p, picture *s, float *pixels) {
    s->error = s->item.problem;
    s->width_px = s->height_px = 0;
    s->in_memory = s->item.bytes != NULL;
    if (!s->error.code)
        s->error.code = p->encoder->sound_rate_hz ? prepare_sound(p, s)
                                                  : prepare_picture(p, s, pixels);
    if (!p->keep_bytes) drop_bytes(s);
}

/* Is there a place for the next item? Under the lock. */
static bool has_room(const pipeline *p) {
    return p->next < (p->deliver + p->ring) * p->batch;
}

/* Take the next item; false at the end, or when this is not the time: stopped, no room, or the last
 * picture of a part was prepared meanwhile. Under `taking`. */
static bool take_item(pipeline *p, size_t *number) {
    sns_embed_item item = {0};
    sns_error err;
    pthread_mutex_lock(&p->lock);
    bool may = !p->stop && !p->ended && has_room(p);
    pthread_mutex_unlock(&p->lock);
    if (!may) return false;
    sns_status status = p->source->next(p->source->user, &item, &err);
    pthread_mutex_lock(&p->lock);
    bool taken = !status && item.name;
    if (taken) {
        *number = p->next++;
        part_of(p, *number / p->batch)->pictures[*number % p->batch].item = item;
        p->busy++;
    } else {
        if (status) fail(p, status, &err);
        p->ended = true;
        wake_all(p);
    }
    pthread_mutex_unlock(&p->lock);
    return taken;
}

/* One more picture; false where there is none to take now. */
static bool prepare_next(pipeline *p) {
    size_t i = 0;
    pthread_mutex_lock(&p->taking);
    bool taken = take_item(p, &i);
    pthread_mutex_unlock(&p->taking);
    if (!taken) return false;
    part *of = part_of(p, i / p->batch);
    size_t at = i % p->batch;
    prepare(p, &of->pictures[at], of->pixels + at * p->encoder->pixels);
    pthread_mutex_lock(&p->lock);
    of->prepared++;
    p->busy--;
    if (p->ended) pthread_cond_broadcast(&p->for_workers); /* the last parts are for all */
    pthread_mutex_unlock(&p->lock);
    return true;
}

/* ---- encoding ------------------------------------------------------------------------------- */

/* Under the lock: may part p->encode be encoded? */
static bool part_is_ready(const pipeline *p) {
    size_t size = part_size(p, p->encode);
    bool whole = size == p->batch || (p->ended && size);
    return whole && part_of(p, p->encode)->prepared == size;
}

/* The good pictures together, encoded. */
static sns_status encode_part(pipeline *p, part *of, size_t size, size_t lane, sns_error *err) {
    size_t good = 0, pixels = p->encoder->pixels;
    for (size_t i = 0; i < size; i++) {
        if (of->pictures[i].error.code) continue;
        if (good < i)
            memcpy(of->pixels + good * pixels, of->pixels + i * pixels, pixels * sizeof(float));
        good++;
    }
    if (!good) return SNS_OK;
    if (p->encoder->sound_rate_hz)
        return p->encoder->encode_sound(p->encoder->user, lane, &of->pictures->sound, of->vectors,
                                        err);
    return p->encoder->encode(p->encoder->user, lane, of->pixels, good, of->vectors, err);
}

/* Encode the next part when it is ready. The only work left is spread over all processors. */
static bool encode_next(worker *w) {
    pipeline *p = w->p;
    sns_error err = {0};
    pthread_mutex_lock(&p->lock);
    bool ready = !p->stop && part_is_ready(p);
    size_t k = p->encode, size = part_size(p, k);
    bool alone = p->ended && !p->busy && (k + 1) * p->batch >= p->next;
    if (ready) {
        p->encode++;
        p->busy++;
    }
    pthread_mutex_unlock(&p->lock);
    if (!ready) return false;
    omp_set_num_threads(alone ? omp_get_num_procs() : 1); /* of this thread */
    sns_status status = encode_part(p, part_of(p, k), size, w->lane, &err);
    pthread_mutex_lock(&p->lock);
    if (status) fail(p, status, &err);
    part_of(p, k)->encoded = true;
    p->busy--;
    wake_all(p);
    pthread_mutex_unlock(&p->lock);
    return true;
}

/* Wait for work; false when there will be none. */
static bool wait_work(pipeline *p) {
    pthread_mutex_lock(&p->lock);
    while (!p->stop && !part_is_ready(p) && (p->ended ? p->busy > 0 : !has_room(p)))
        pthread_cond_wait(&p->for_workers, &p->lock);
    if (cancelled(p)) p->stop = true;
    bool work = !p->stop && (part_is_ready(p) || !p->ended);
    if (!work) wake_all(p);
    pthread_mutex_unlock(&p->lock);
    return work;
}

static void *run_worker(void *arg) {
    worker *w = arg;
    while (wait_work(w->p))
        if (!encode_next(w)) prepare_next(w->p);
    return NULL;
}

/* ---- the caller's thread -------------------------------------------------------------------- */

typedef enum wait_result { READY, NO_MORE, STOPPED } wait_result;

/* Wait for part k. A thread may be waiting at the source, so the flag is looked at from here too.
 */
static wait_result wait_part(pipeline *p, size_t k, size_t *size) {
    pthread_mutex_lock(&p->lock);
    const part *of = part_of(p, k);
    while (!of->encoded && !p->stop && !(p->ended && !part_size(p, k)) && !cancelled(p)) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        t.tv_nsec += LOOK_MS * 1000000L;
        t.tv_sec += t.tv_nsec / 1000000000;
        t.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&p->for_caller, &p->lock, &t);
    }
    wait_result r = cancelled(p) || p->failure.code ? STOPPED
                    : of->encoded                   ? READY
                    : p->stop                       ? STOPPED
                                                    : NO_MORE;
    *size = part_size(p, k);
    pthread_mutex_unlock(&p->lock);
    return r;
}

static void free_item(picture *s) {
    free(s->item.name);
    s->item.name = NULL;
    drop_bytes(s);
    sns_sound_free(&s->sound);
}

static void release(pipeline *p, size_t k) {
    part *of = part_of(p, k);
    for (size_t i = 0; i < p->batch; i++) free_item(&of->pictures[i]);
    pthread_mutex_lock(&p->lock);
    of->prepared = 0;
    of->encoded = false;
    p->deliver = k + 1;
    pthread_cond_broadcast(&p->for_workers);
    pthread_mutex_unlock(&p->lock);
}

static sns_status deliver(const pipeline *p, size_t k, size_t size, sns_embed_fn *callback,
                          void *user) {
    const part *of = part_of(p, k);
    const float *vector = of->vectors;
    for (size_t i = 0; i < size; i++) {
        const picture *s = &of->pictures[i];
        bool ok = s->error.code == SNS_OK;
        size_t rate = s->sound.rate_hz;
        sns_embed_result result = {.index = k * p->batch + i,
                                   .path = s->item.name,
                                   .status = s->error.code,
                                   .message = ok ? "" : s->error.message,
                                   .vector = ok ? vector : NULL,
                                   .width_px = ok ? s->width_px : 0,
                                   .height_px = ok ? s->height_px : 0,
                                   .seconds = rate ? (double)s->sound.count / (double)rate : 0,
                                   .in_memory = s->in_memory,
                                   .bytes = s->item.bytes,
                                   .size = s->item.size};
        sns_status status = callback(user, &result);
        if (status) return status;
        if (ok) vector += p->encoder->dim;
    }
    return SNS_OK;
}

/* Why there is no part: the source or the encoder failed, or the caller wants no more. */
static sns_status stopped(pipeline *p, sns_error *err) {
    pthread_mutex_lock(&p->lock);
    const sns_error failure = p->failure;
    pthread_mutex_unlock(&p->lock);
    return failure.code ? sns_fail(err, failure.code, "%s", failure.message)
                        : sns_fail(err, SNS_CANCELLED, "cancelled");
}

static sns_status deliver_all(pipeline *p, sns_embed_fn *callback, void *user, sns_error *err) {
    for (size_t k = 0, size;; k++) {
        wait_result r = wait_part(p, k, &size);
        if (r == STOPPED) return stopped(p, err);
        if (r == NO_MORE) return SNS_OK;
        sns_status s = deliver(p, k, size, callback, user);
        if (s) return sns_fail(err, s, "%s", sns_status_text(s));
        release(p, k);
    }
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
    if (!in) in = sizeof(float); /* sounds need none */
    bool ok = (p->parts = calloc(p->ring, sizeof *p->parts));
    for (size_t i = 0; ok && i < p->ring; i++) {
        part *of = &p->parts[i];
        of->pictures = calloc(p->batch, sizeof *of->pictures);
        of->pixels = sns_aligned_alloc(in);
        of->vectors = sns_aligned_alloc(out);
        ok = of->pictures && of->pixels && of->vectors;
    }
    return ok ? SNS_OK
              : sns_fail(err, SNS_NOMEM, "no memory for batches of %zu pictures", p->batch);
}

static sns_status start_workers(pipeline *p, size_t wanted, sns_error *err) {
    while (p->worker_count < wanted) {
        worker *w = &p->workers[p->worker_count];
        *w = (worker){.p = p, .lane = p->worker_count};
        if (pthread_create(&w->thread, NULL, run_worker, w)) break;
        p->worker_count++;
    }
    return p->worker_count ? SNS_OK : sns_fail(err, SNS_NOMEM, "no thread can be started");
}

static void finish(pipeline *p) {
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    bool early = !p->ended;
    wake_all(p);
    pthread_mutex_unlock(&p->lock);
    if (early && p->source->stop) p->source->stop(p->source->user);
    for (size_t i = 0; i < p->worker_count; i++) pthread_join(p->workers[i].thread, NULL);
    for (size_t k = 0; p->parts && k < p->ring; k++) {
        part *of = &p->parts[k];
        for (size_t i = 0; of->pictures && i < p->batch; i++) free_item(&of->pictures[i]);
        free(of->pictures);
        sns_aligned_free(of->pixels);
        sns_aligned_free(of->vectors);
    }
    free(p->parts);
    pthread_cond_destroy(&p->for_workers);
    pthread_cond_destroy(&p->for_caller);
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
    if (o->batch > MAX_BATCH || o->threads > SNS_PIPELINE_THREADS)
        return sns_fail(err, SNS_ARG, "embed: at most %d pictures in a batch, %d threads",
                        MAX_BATCH, SNS_PIPELINE_THREADS);
    size_t threads = at_most(o->threads ? o->threads : processor_count(), SNS_PIPELINE_THREADS);
    size_t batch = encoder->sound_rate_hz ? 1 : o->batch ? o->batch : DEFAULT_BATCH;
    if (most) threads = at_most(threads, most), batch = at_most(batch, most);
    pipeline *p = calloc(1, sizeof *p);
    if (!p) return sns_fail(err, SNS_NOMEM, "no memory");
    *p = (pipeline){.encoder = encoder,
                    .source = source,
                    .batch = batch,
                    .ring = (threads + batch - 1) / batch + 2,
                    .cancel = o->cancel,
                    .isolation = o->isolation,
                    .keep_bytes = o->keep_bytes,
                    .taking = PTHREAD_MUTEX_INITIALIZER,
                    .lock = PTHREAD_MUTEX_INITIALIZER,
                    .for_workers = PTHREAD_COND_INITIALIZER,
                    .for_caller = PTHREAD_COND_INITIALIZER};
    p->image.exact = o->exact;
    p->image.max_pixels = o->max_pixels;
    p->image.target_px = encoder->target_px;
    if (most) p->ring = at_most(p->ring, (most + batch - 1) / batch);
    sns_status s = allocate(p, err);
    if (!s) s = start_workers(p, threads, err);
    if (!s) s = deliver_all(p, callback, user, err);
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
