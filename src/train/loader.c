/* loader.c - a ring of batches, or pieces of them, filled in parallel, delivered in order.
 *
 * A thread takes the next piece's place and its samples under the lock (the sampler is sequential),
 * then prepares the batch without it. What is random in a batch follows from (seed, step, place)
 * only, so neither the number of threads nor where a run was resumed can change it. Pieces of a
 * stream's batch hold their samples until they are filled. */
#include "train/loader.h"
#include "base/error.h"
#include "base/memory.h"
#include "train/caption_draw.h"
#include "train/sampler.h"
#include <pthread.h>

enum { DEPTH = 4, THREADS_MAX = 64, SUBSTITUTES = 16 };

struct sns_loader {
    sns_loader_options o;
    sns_lang_weights weights;
    sns_sampler *sampler;
    sns_batch slot[DEPTH];
    bool ready[DEPTH];
    uint32_t *order;  /* [batch] samples of the step whose pieces are being handed out */
    sns_pair **pairs; /* [places + SNS_LOADER_SPARES] the same of a stream */
    size_t spares;
    sns_stream_position at;
    sns_status status; /* of the stream */
    sns_error error;
    size_t step, epoch;
    size_t pieces;              /* of one pass */
    void *scratch[THREADS_MAX]; /* [S, S, 3] bytes each; of sounds, a window's floats */
    size_t floats;              /* of one picture or spectrogram */
    pthread_t thread[THREADS_MAX];
    size_t thread_count, started;
    size_t next_make, next_take; /* pieces since the start */
    bool lent, closing;
    pthread_mutex_t choosing; /* of all about the step; taken before `lock` */
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

typedef struct worker {
    sns_loader *loader;
    size_t index;
} worker;

/* A decoded picture or sound. */
typedef struct decoded {
    uint8_t *square;
    int16_t *sound;
    uint32_t side, count;
} decoded;

static void free_decoded(decoded *m) {
    free(m->square);
    free(m->sound);
}

/* A picture or sound as training sees or hears it. */
static sns_status augment(const sns_loader_options *o, uint64_t counter, bool flip,
                          const decoded *m, void *scratch, float *out, sns_error *err) {
    sns_rng rng;
    sns_rng_seed_at(&rng, o->seed, SNS_STREAM_AUGMENT, counter);
    if (m->sound)
        return sns_sound_augment_run(&o->sound, &rng, m->sound, m->count, scratch, out, err);
    return sns_augment_run(&o->augment, &rng, flip && !o->no_flip, m->square, m->side, scratch, out,
                           err);
}

static sns_status decode(const sns_loader_options *o, size_t sample, decoded *m, sns_error *err) {
    return o->sound.mel
               ? sns_dataset_decode_sound(o->data, sample, &m->sound, &m->count, err)
               : sns_dataset_decode(o->data, sample, o->cache_px, &m->square, &m->side, err);
}

static sns_status decode_pair(const sns_loader_options *o, const sns_pair *p, decoded *m,
                              sns_error *err) {
    if (o->sound.mel)
        return sns_decode_sound(p->bytes, p->size, p->name,
                                sns_log_mel_config_of(o->sound.mel)->rate_hz, o->isolation,
                                &m->sound, &m->count, err);
    return sns_decode_square(p->bytes, p->size, p->name, o->cache_px, o->squash, &m->square,
                             &m->side, err);
}

/* One picture or sound into out. A file that became unreadable since the start is replaced by the
 * sample after it, which *sample then names. */
static sns_status load_sample(const sns_loader_options *o, uint32_t *sample, uint64_t counter,
                              void *scratch, float *out, sns_error *err) {
    size_t n = sns_dataset_count(o->data);
    sns_status s = SNS_OK;
    for (size_t attempt = 0; attempt < SUBSTITUTES; attempt++) {
        const sns_sample *p = sns_dataset_sample(o->data, *sample);
        decoded m = {p->square, p->sound, p->side, p->sound_count};
        bool held = m.square || m.sound;
        if (!held) s = decode(o, *sample, &m, err);
        if (!s) {
            s = augment(o, counter, p->flip, &m, scratch, out, err);
            if (!held) free_decoded(&m);
            return s;
        }
        *sample = (uint32_t)((*sample + 1) % n);
    }
    return s;
}

/* The same for place i of a piece of a stream. What cannot be read is told, and one of the spares
 * takes its place; which one depends on the place alone, so that every pass finds the same. */
static sns_status stream_sample(const sns_loader_options *o, sns_batch *b, size_t i,
                                uint64_t counter, void *scratch, float *out, sns_error *err) {
    const sns_pair *p = b->pairs[i];
    for (size_t tried = 0;; tried++) {
        decoded m = {0};
        sns_status s = decode_pair(o, p, &m, err);
        if (!s) {
            s = augment(o, counter, p->flip, &m, scratch, out, err);
            free_decoded(&m);
            return s;
        }
        if (s == SNS_NOMEM || tried == b->spares) return s;
        sns_stream_skip(o->stream, err->message);
        p = b->pairs[b->count + (b->first + i + tried) % b->spares];
        sns_pair_release(b->pairs[i]);
        b->pairs[i] = sns_pair_hold((sns_pair *)p);
    }
}

/* One of a sample's captions as tokens. */
static sns_status load_text(const sns_loader *l, sns_batch *b, size_t i, uint64_t counter,
                            uint32_t *ids, size_t *count, sns_error *err) {
    sns_rng rng;
    const sns_caption *c;
    const char *text;
    sns_rng_seed_at(&rng, l->o.seed, SNS_STREAM_CAPTION, counter);
    if (l->o.stream) {
        const sns_pair *p = b->pairs[i];
        c = &p->captions[sns_caption_pick(p->captions, p->caption_count, &l->weights, &rng)];
        text = p->texts + c->text;
    } else {
        const sns_dataset *d = l->o.data;
        c = sns_dataset_caption(d, sns_caption_draw(d, b->sample[i], &l->weights, &rng));
        text = sns_dataset_text(d, c->text);
    }
    b->captions[i] = text;
    return sns_tokenizer_encode(l->o.tokenizer, text, c->size, l->o.context, ids, count, err);
}

static void release_pairs(const sns_loader *l, sns_batch *b) {
    for (size_t i = 0; b->pairs && i < l->o.piece + SNS_LOADER_SPARES; i++) {
        sns_pair_release(b->pairs[i]);
        b->pairs[i] = NULL;
    }
}

static void fill_batch(sns_loader *l, sns_batch *b, void *scratch) {
    size_t at = 0;
    b->starts[0] = 0;
    for (size_t i = 0; i < b->count && !b->status; i++) {
        uint64_t counter = (uint64_t)b->step * l->o.batch + b->first + i;
        size_t count = 0;
        float *out = b->pixels + i * l->floats;
        b->status = l->o.stream
                        ? stream_sample(&l->o, b, i, counter, scratch, out, &b->error)
                        : load_sample(&l->o, &b->sample[i], counter, scratch, out, &b->error);
        if (!b->status) b->status = load_text(l, b, i, counter, b->ids + at, &count, &b->error);
        at += count;
        b->starts[i + 1] = at;
    }
    release_pairs(l, b);
}

static void release_step(sns_loader *l) {
    for (size_t i = 0; l->pairs && i < l->o.places + SNS_LOADER_SPARES; i++) {
        sns_pair_release(l->pairs[i]);
        l->pairs[i] = NULL;
    }
    l->spares = 0;
}

/* The next step's samples. A stream that has failed stays failed. */
static void choose_step(sns_loader *l) {
    if (!l->o.stream) {
        l->epoch = sns_sampler_next(l->sampler, l->order);
        return;
    }
    release_step(l);
    if (!l->status)
        l->status = sns_stream_next(l->o.stream, l->pairs, &l->spares, &l->at, &l->error);
    if (l->status) memset(l->pairs, 0, (l->o.places + SNS_LOADER_SPARES) * sizeof *l->pairs);
    l->epoch = l->at.epoch;
}

/* A piece's samples, from `place` of this loader's places on. */
static void take_samples(sns_loader *l, sns_batch *b, size_t place) {
    b->status = l->status;
    if (l->status) b->error = l->error;
    if (!l->o.stream) {
        memcpy(b->sample, l->order + b->first, b->count * sizeof *b->sample);
        return;
    }
    b->at = l->at;
    b->spares = l->spares;
    for (size_t i = 0; i < b->count + b->spares && !l->status; i++)
        b->pairs[i] = sns_pair_hold(
            l->pairs[i < b->count ? place + i : l->o.places + i - b->count]);
}

/* Which part of which step piece number `made` is. */
static void assign(sns_loader *l, sns_batch *b, size_t made) {
    size_t at = made % (l->pieces * l->o.passes), place = at % l->pieces * l->o.piece;
    if (at == 0) {
        l->step = made == 0 ? l->o.first_step : l->step + 1;
        choose_step(l);
    }
    b->step = l->step;
    b->epoch = l->epoch;
    b->pass = at / l->pieces;
    b->first = l->o.first + place;
    b->count = l->o.places - place < l->o.piece ? l->o.places - place : l->o.piece;
    take_samples(l, b, place);
}

/* Wait for a free slot; SIZE_MAX when the loader closes, otherwise the number of its piece. */
static size_t take_slot(sns_loader *l) {
    pthread_mutex_lock(&l->lock);
    while (!l->closing && l->next_make - l->next_take + l->lent >= DEPTH)
        pthread_cond_wait(&l->changed, &l->lock);
    size_t made = l->closing ? SIZE_MAX : l->next_make++;
    pthread_mutex_unlock(&l->lock);
    return made;
}

/* The next piece and its samples, for one thread after the other; NULL when the loader closes. A
 * stream is read without `lock`, so that pieces which are ready can be fetched meanwhile. */
static sns_batch *take_piece(sns_loader *l) {
    pthread_mutex_lock(&l->choosing);
    size_t made = take_slot(l);
    sns_batch *b = made == SIZE_MAX ? NULL : &l->slot[made % DEPTH];
    if (b) assign(l, b, made);
    pthread_mutex_unlock(&l->choosing);
    return b;
}

static void *work(void *arg) {
    worker w = *(worker *)arg;
    sns_loader *l = w.loader;
    free(arg);
    for (sns_batch *b; (b = take_piece(l));) {
        fill_batch(l, b, l->scratch[w.index]);
        pthread_mutex_lock(&l->lock);
        l->ready[b - l->slot] = true;
        pthread_cond_broadcast(&l->changed);
        pthread_mutex_unlock(&l->lock);
    }
    return NULL;
}

sns_status sns_loader_next(sns_loader *l, const sns_batch **batch, sns_error *err) {
    pthread_mutex_lock(&l->lock);
    l->lent = false;
    pthread_cond_broadcast(&l->changed);
    size_t slot = l->next_take % DEPTH;
    while (!l->ready[slot]) pthread_cond_wait(&l->changed, &l->lock);
    l->ready[slot] = false;
    l->next_take++;
    l->lent = true;
    pthread_mutex_unlock(&l->lock);
    const sns_batch *b = &l->slot[slot];
    *batch = b;
    return b->status ? sns_fail(err, b->status, "%s", b->error.message) : SNS_OK;
}

static bool allocate(sns_loader *l) {
    size_t B = l->o.piece, S = l->o.augment.image_px, scratch = S * S * 3;
    l->floats = 3 * S * S;
    if (l->o.sound.mel) {
        l->floats = l->o.sound.frames * sns_log_mel_config_of(l->o.sound.mel)->mels;
        scratch = sns_sound_augment_scratch(&l->o.sound) * sizeof(float);
    }
    l->order = calloc(l->o.batch, sizeof *l->order);
    bool ok = l->order != NULL;
    if (l->o.stream) {
        l->pairs = calloc(l->o.places + SNS_LOADER_SPARES, sizeof *l->pairs);
        ok = ok && l->pairs;
    }
    for (size_t i = 0; i < DEPTH; i++) {
        sns_batch *b = &l->slot[i];
        b->pixels = sns_aligned_alloc(B * l->floats * sizeof(float));
        b->ids = calloc(B * l->o.context, sizeof *b->ids);
        b->starts = calloc(B + 1, sizeof *b->starts);
        b->sample = calloc(B, sizeof *b->sample);
        b->captions = calloc(B, sizeof *b->captions);
        ok = ok && b->pixels && b->ids && b->starts && b->sample && b->captions;
        if (!l->o.stream) continue;
        b->pairs = calloc(B + SNS_LOADER_SPARES, sizeof *b->pairs);
        ok = ok && b->pairs;
    }
    for (size_t i = 0; i < l->thread_count; i++) {
        l->scratch[i] = malloc(scratch);
        ok = ok && l->scratch[i];
    }
    return ok;
}

static sns_status start_threads(sns_loader *l, sns_error *err) {
    for (; l->started < l->thread_count; l->started++) {
        worker *w = malloc(sizeof *w);
        if (w) *w = (worker){l, l->started};
        if (!w || pthread_create(&l->thread[l->started], NULL, work, w)) {
            free(w);
            return sns_fail(err, SNS_NOMEM, "cannot start a loader thread");
        }
    }
    return SNS_OK;
}

sns_status sns_loader_new(const sns_loader_options *o, sns_loader **out, sns_error *err) {
    sns_loader *l = calloc(1, sizeof *l);
    *out = NULL;
    if (!l) return sns_fail(err, SNS_NOMEM, "no memory for the loader");
    l->o = *o;
    l->thread_count = o->threads < 1 ? 1 : o->threads > THREADS_MAX ? THREADS_MAX : o->threads;
    if (!l->o.places) l->o.places = o->batch - (o->first < o->batch ? o->first : o->batch);
    if (!l->o.piece || l->o.piece > l->o.places) l->o.piece = l->o.places;
    if (!l->o.passes) l->o.passes = 1;
    if (l->o.piece) l->pieces = (l->o.places + l->o.piece - 1) / l->o.piece;
    pthread_mutex_init(&l->choosing, NULL);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    sns_status s = SNS_OK;
    if (!l->o.places || o->first > o->batch || l->o.places > o->batch - o->first)
        s = sns_fail(err, SNS_ARG, "%zu places from %zu are not in a batch of %zu", l->o.places,
                     o->first, o->batch);
    const sns_dataset *langs = o->stream ? sns_stream_langs(o->stream) : o->data;
    if (!s) s = sns_lang_weights_parse(o->lang_weight, langs, &l->weights, err);
    if (!s && !o->stream)
        s = sns_sampler_new(o->concepts, sns_dataset_count(o->data), o->batch, o->seed, &l->sampler,
                            err);
    if (!s && !allocate(l)) s = sns_fail(err, SNS_NOMEM, "no memory for batches of %zu", o->batch);
    for (size_t i = 0; i < o->first_step && !s && !o->stream; i++)
        sns_sampler_next(l->sampler, l->order);
    if (!s) s = start_threads(l, err);
    if (s) {
        sns_loader_free(l);
        return s;
    }
    *out = l;
    return SNS_OK;
}

void sns_loader_free(sns_loader *l) {
    if (!l) return;
    pthread_mutex_lock(&l->lock);
    l->closing = true;
    if (l->o.stream) sns_stream_stop(l->o.stream);
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    for (size_t i = 0; i < l->started; i++) pthread_join(l->thread[i], NULL);
    for (size_t i = 0; i < DEPTH; i++) {
        sns_aligned_free(l->slot[i].pixels);
        free(l->slot[i].ids);
        free(l->slot[i].starts);
        free(l->slot[i].sample);
        release_pairs(l, &l->slot[i]);
        free(l->slot[i].pairs);
        free(l->slot[i].captions);
    }
    release_step(l);
    free(l->pairs);
    for (size_t i = 0; i < l->thread_count; i++) free(l->scratch[i]);
    free(l->order);
    sns_sampler_free(l->sampler);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    pthread_mutex_destroy(&l->choosing);
    free(l);
}
