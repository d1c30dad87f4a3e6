/* pipeline.c - the stages of sns_embed_files.
 *
 *     threads:  claim the next path -> decode -> prepare -> its slot
 *     caller:   wait for a batch of slots -> gather the good ones -> encode -> callback in order
 *
 * Path i uses slot i mod capacity, so order costs nothing, and a thread that is `capacity` paths
 * ahead of what was delivered waits: memory is bounded and a slow encoder slows the decoders. A
 * batch is always the same `batch` consecutive paths (less the bad ones), whatever the number of
 * threads, so results do not depend on it. */
#include "embed/pipeline.h"
#include "base/error.h"
#include "base/memory.h"
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>

enum { DEFAULT_BATCH = 32, MAX_BATCH = 1024, MAX_THREADS = 256 };

typedef struct slot {
    bool ready;
    sns_error error; /* code SNS_OK: pixels hold a prepared picture */
    size_t width_px, height_px;
    float *pixels;
} slot;

typedef struct pipeline {
    const sns_encoder *encoder;
    const char *const *paths;
    size_t n, batch, capacity;
    sns_image_options image;
    const int *cancel;
    slot *slots;
    float *in, *out; /* one batch */
    pthread_t threads[MAX_THREADS];
    size_t thread_count;

    pthread_mutex_t lock; /* of what follows, and of slot.ready */
    pthread_cond_t may_claim, became_ready;
    size_t next, delivered;
    bool stop;
} pipeline;

/* ---- the decoding threads ------------------------------------------------------------------- */

static bool cancelled(const pipeline *p) {
    return p->cancel && __atomic_load_n(p->cancel, __ATOMIC_RELAXED);
}

static void fill_slot(const pipeline *p, const char *path, slot *s) {
    sns_image image = {0};
    s->error = (sns_error){0};
    s->width_px = s->height_px = 0;
    sns_status status = SNS_OK;
    if (!s->pixels) s->pixels = sns_aligned_alloc(p->encoder->pixels * sizeof(float));
    if (!s->pixels) status = sns_fail(&s->error, SNS_NOMEM, "%s: no memory", path);
    if (!status) status = sns_image_load(path, &p->image, &image, &s->error);
    if (!status) {
        status = p->encoder->prepare(p->encoder->user, &image, s->pixels, &s->error);
        if (status) sns_fail_in(&s->error, status, path);
        s->width_px = image.width_px;
        s->height_px = image.height_px;
    }
    s->error.code = status;
    sns_image_free(&image);
}

static void *decode_thread(void *arg) {
    pipeline *p = arg;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->stop && p->next < p->n && p->next >= p->delivered + p->capacity)
            pthread_cond_wait(&p->may_claim, &p->lock);
        if (cancelled(p)) p->stop = true;
        if (p->stop || p->next >= p->n) break;
        size_t i = p->next++;
        pthread_mutex_unlock(&p->lock);
        slot *s = &p->slots[i % p->capacity];
        fill_slot(p, p->paths[i], s);
        pthread_mutex_lock(&p->lock);
        s->ready = true;
        pthread_cond_signal(&p->became_ready);
    }
    pthread_cond_signal(&p->became_ready);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- the caller's thread -------------------------------------------------------------------- */

/* Wait for path i; false when the work was cancelled. */
static bool wait_ready(pipeline *p, size_t i) {
    pthread_mutex_lock(&p->lock);
    const slot *s = &p->slots[i % p->capacity];
    while (!s->ready && !p->stop) pthread_cond_wait(&p->became_ready, &p->lock);
    bool ready = s->ready && !cancelled(p);
    pthread_mutex_unlock(&p->lock);
    return ready;
}

static void release(pipeline *p, size_t first, size_t count) {
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
        sns_embed_result result = {.index = i,
                                   .path = p->paths[i],
                                   .status = s->error.code,
                                   .message = ok ? "" : s->error.message,
                                   .vector = ok ? vector : NULL,
                                   .width_px = ok ? s->width_px : 0,
                                   .height_px = ok ? s->height_px : 0};
        sns_status status = callback(user, &result);
        if (status) return status;
        if (ok) vector += p->encoder->dim;
    }
    return SNS_OK;
}

static sns_status run_batch(pipeline *p, size_t first, size_t count, sns_embed_fn *callback,
                            void *user, sns_error *err) {
    size_t good = 0, pixels = p->encoder->pixels;
    for (size_t i = first; i < first + count; i++) {
        if (!wait_ready(p, i)) return sns_fail(err, SNS_CANCELLED, "cancelled");
        const slot *s = &p->slots[i % p->capacity];
        if (s->error.code == SNS_OK)
            memcpy(p->in + good++ * pixels, s->pixels, pixels * sizeof(float));
    }
    if (good) {
        sns_status s = p->encoder->encode(p->encoder->user, p->in, good, p->out, err);
        if (s) return s;
    }
    sns_status s = deliver(p, first, count, callback, user);
    if (s) return sns_fail(err, s, "%s", sns_status_text(s));
    release(p, first, count);
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
    pthread_cond_broadcast(&p->may_claim);
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < p->thread_count; i++) pthread_join(p->threads[i], NULL);
    for (size_t i = 0; p->slots && i < p->capacity; i++) sns_aligned_free(p->slots[i].pixels);
    free(p->slots);
    sns_aligned_free(p->in);
    sns_aligned_free(p->out);
    pthread_cond_destroy(&p->may_claim);
    pthread_cond_destroy(&p->became_ready);
    pthread_mutex_destroy(&p->lock);
}

sns_status sns_pipeline_run(const sns_encoder *encoder, const char *const *paths, size_t n,
                            const sns_embed_options *options, sns_embed_fn *callback, void *user,
                            sns_error *err) {
    const sns_embed_options defaults = {0}, *o = options ? options : &defaults;
    if (!encoder || !encoder->pixels || !encoder->dim || (n && !paths) || !callback)
        return sns_fail(err, SNS_ARG, "embed: no encoder, paths or callback");
    if (o->batch > MAX_BATCH || o->threads > MAX_THREADS)
        return sns_fail(err, SNS_ARG, "embed: at most %d pictures in a batch, %d threads",
                        MAX_BATCH, MAX_THREADS);
    if (!n) return SNS_OK;
    size_t threads = o->threads ? o->threads : processor_count();
    threads = at_most(at_most(threads, MAX_THREADS), n);
    size_t batch = at_most(o->batch ? o->batch : DEFAULT_BATCH, n);
    pipeline *p = calloc(1, sizeof *p);
    if (!p) return sns_fail(err, SNS_NOMEM, "no memory");
    *p = (pipeline){.encoder = encoder,
                    .paths = paths,
                    .n = n,
                    .batch = batch,
                    .capacity = at_most(2 * batch + threads, n),
                    .cancel = o->cancel,
                    .lock = PTHREAD_MUTEX_INITIALIZER,
                    .may_claim = PTHREAD_COND_INITIALIZER,
                    .became_ready = PTHREAD_COND_INITIALIZER};
    p->image.exact = o->exact;
    p->image.max_pixels = o->max_pixels;
    p->image.target_px = encoder->target_px;
    sns_status s = allocate(p, err);
    if (!s) s = start_threads(p, threads, err);
    for (size_t first = 0; !s && first < n; first += batch)
        s = run_batch(p, first, at_most(batch, n - first), callback, user, err);
    finish(p);
    free(p);
    return s;
}
