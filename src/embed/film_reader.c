/* film_reader.c - a film as vectors, in batches.
 *
 *     thread:  sample -> cut out regions -> prepare      a batch ahead (ahead.h)
 *     caller:  encode
 */
#include "embed/film_reader.h"
#include "base/error.h"
#include "base/memory.h"
#include "embed/ahead.h"
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_PICTURES = 16, MOST_PICTURES = 1024 };

/* A batch that was read. */
typedef struct read_batch {
    size_t count;    /* samples */
    sns_span *spans; /* [most] */
    float *pixels;   /* [most, views, 3 side side] */
    sns_sampling next;
    size_t damaged;
    sns_error error; /* instead of samples; its code SNS_OK: none */
} read_batch;

struct sns_film_reader {
    const sns_model *model;
    const char *path;
    sns_film_reading o;
    sns_session *session;
    sns_video *video; /* in this process, with its shots, or a worker */
    sns_shots *shots;
    sns_worker *worker;
    size_t views, most, side, dim; /* most: samples of a batch */
    double duration;
    float *vectors; /* [most, views, dim] */
    size_t damaged; /* up to the batch that was handed out */

    /* The thread's, once it has begun. */
    sns_ahead *ahead;
    read_batch batch[SNS_AHEAD_PLACES];
    uint8_t *crop; /* a region */
    size_t crop_size;
    bool any, ended;
    sns_error failure; /* to be told after what came before it; its code SNS_OK: none */
    bool stop;         /* atomic: nobody waits for what is read */
};

/* ---- opening ---- */

/* Open the film, here or in a process of its own. */
static sns_status open_film(sns_film_reader *r, sns_error *err) {
    const sns_film_reading *o = &r->o;
    const sns_video_options video = {.target_px = r->side * (o->regions ? 2 : 1),
                                     .max_pixels = o->max_pixels,
                                     .threads = o->threads,
                                     .cancel = o->cancel};
    sns_video_info info = {0};
    sns_status s;
    if (o->isolation) {
        s = sns_worker_open(o->isolation, r->path, &video, &o->sampling, &r->worker, err);
        if (!s) info.duration = sns_worker_duration(r->worker);
    } else {
        s = sns_video_open(r->path, &video, &r->video, err);
        if (!s) sns_video_describe(r->video, &info);
        if (!s) s = sns_shots_new(r->video, &o->sampling, &r->shots, err);
    }
    r->duration = info.duration > 0 ? info.duration : 0;
    return s;
}

static bool fill(void *user, size_t place);

static sns_status begin(sns_film_reader *r, sns_error *err) {
    size_t pictures = r->o.pictures ? r->o.pictures : DEFAULT_PICTURES;
    r->side = sns_model_image_px(r->model);
    r->dim = sns_model_dim(r->model);
    if (!r->side) return sns_fail(err, SNS_SHAPE, "the model has no image tower");
    if (pictures > MOST_PICTURES)
        return sns_fail(err, SNS_ARG, "a batch of %zu, more than %d", pictures, MOST_PICTURES);
    r->views = r->o.regions ? SNS_VIEWS : 1;
    r->most = (pictures + r->views - 1) / r->views;
    sns_status s = open_film(r, err);
    if (s) return s;
    size_t n = r->most * r->views;
    bool room = (r->vectors = malloc(n * r->dim * sizeof *r->vectors));
    for (size_t i = 0; i < SNS_AHEAD_PLACES && room; i++) {
        read_batch *b = &r->batch[i];
        b->spans = malloc(r->most * sizeof *b->spans);
        b->pixels = sns_aligned_alloc(n * 3 * r->side * r->side * sizeof *b->pixels);
        room = b->spans && b->pixels;
    }
    if (!room) return sns_fail(err, SNS_NOMEM, "%s: no memory", r->path);
    if ((s = sns_session_new(r->model, &r->session, err))) return s;
    return sns_ahead_new(fill, r, &r->ahead, err);
}

sns_status sns_film_reader_open(const sns_model *model, const char *path, const sns_film_reading *o,
                                sns_film_reader **out, sns_error *err) {
    *out = NULL;
    sns_film_reader *r = calloc(1, sizeof *r);
    if (!r) return sns_fail(err, SNS_NOMEM, "%s: no memory", path);
    r->model = model;
    r->path = path;
    r->o = *o;
    sns_status s = begin(r, err);
    if (s)
        sns_film_reader_free(r);
    else
        *out = r;
    return s;
}

void sns_film_reader_free(sns_film_reader *r) {
    if (!r) return;
    __atomic_store_n(&r->stop, true, __ATOMIC_RELAXED);
    sns_ahead_free(r->ahead);
    sns_worker_free(r->worker);
    sns_shots_free(r->shots);
    sns_video_close(r->video);
    sns_session_free(r->session);
    for (size_t i = 0; i < SNS_AHEAD_PLACES; i++) {
        free(r->batch[i].spans);
        sns_aligned_free(r->batch[i].pixels);
    }
    free(r->vectors);
    free(r->crop);
    free(r);
}

double sns_film_reader_duration(const sns_film_reader *r) {
    return r->duration;
}

size_t sns_film_reader_damaged(const sns_film_reader *r) {
    return r->damaged;
}

/* ---- reading ---- */

/* View v > 0 of a picture, which is larger than one pixel: nine windows of half of its sides, a
 * quarter apart. */
static sns_status cut_out(sns_film_reader *r, const sns_image *from, size_t v, sns_image *out,
                          sns_error *err) {
    size_t w = (from->width_px + 1) / 2, h = (from->height_px + 1) / 2;
    size_t x = (from->width_px - w) * ((v - 1) % 3) / 2;
    size_t y = (from->height_px - h) * ((v - 1) / 3) / 2;
    if (r->crop_size < 3 * w * h) {
        free(r->crop);
        r->crop_size = 3 * w * h;
        if (!(r->crop = malloc(r->crop_size))) {
            r->crop_size = 0;
            return sns_fail(err, SNS_NOMEM, "%s: no memory for a frame", r->path);
        }
    }
    for (size_t i = 0; i < h; i++)
        memcpy(r->crop + 3 * w * i, from->rgb + 3 * ((y + i) * from->width_px + x), 3 * w);
    *out = (sns_image){.width_px = w, .height_px = h, .rgb = r->crop};
    return SNS_OK;
}

static sns_status take(sns_film_reader *r, const sns_sample *sample, read_batch *b,
                       sns_error *err) {
    size_t floats = 3 * r->side * r->side;
    float *pixels = b->pixels + b->count * r->views * floats;
    sns_status s = sns_model_prepare_image(r->model, &sample->image, pixels, err);
    for (size_t v = 1; v < r->views && !s; v++) {
        sns_image region;
        s = cut_out(r, &sample->image, v, &region, err);
        if (!s) s = sns_model_prepare_image(r->model, &region, pixels + v * floats, err);
    }
    if (s) return s;
    b->spans[b->count++] = (sns_span){sample->seconds, sample->start, sample->end, sample->cut};
    b->next = sample->next;
    return SNS_OK;
}

static sns_status next_sample(sns_film_reader *r, sns_sample *sample, sns_error *err) {
    return r->worker ? sns_worker_next(r->worker, sample, err)
                     : sns_shots_next(r->shots, sample, err);
}

/* A failure of the film itself, which it would meet again? */
static bool is_lasting(const sns_film_reader *r, sns_status s) {
    bool cancelled = r->o.cancel && *(const volatile int *)r->o.cancel;
    return !cancelled && (s == SNS_FORMAT || s == SNS_LIMIT || s == SNS_UNSUPPORTED);
}

/* Samples until the batch is full, the film over or the next can't be read. */
static sns_status read_samples(sns_film_reader *r, read_batch *b, sns_error *err) {
    sns_sample sample;
    while (b->count < r->most && !__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
        sns_status s = next_sample(r, &sample, &r->failure);
        if (!s) r->failure.code = SNS_OK;
        r->ended = s || !sample.image.rgb;
        if (s && !is_lasting(r, s)) return sns_fail(err, s, "%s", r->failure.message);
        if (r->ended) break;
        if ((s = take(r, &sample, b, err))) return s;
        if (r->o.seconds > 0 && sample.end - b->spans[0].start >= r->o.seconds) break;
    }
    return SNS_OK;
}

/* What stands at the end of the film, instead of samples. */
static sns_status conclude(const sns_film_reader *r, sns_error *err) {
    if (r->failure.code) return sns_fail(err, r->failure.code, "%s", r->failure.message);
    if (!r->any && !(r->o.sampling.after.seconds > 0))
        return sns_fail(err, SNS_FORMAT, "%s: no frame can be read", r->path);
    return SNS_OK;
}

static bool fill(void *user, size_t place) {
    sns_film_reader *r = user;
    read_batch *b = &r->batch[place];
    b->count = 0;
    b->next = (sns_sampling){0};
    b->error.code = SNS_OK;
    sns_status s = r->ended ? SNS_OK : read_samples(r, b, &b->error);
    if (!s && !b->count) s = conclude(r, &b->error);
    r->any |= b->count > 0;
    b->damaged = r->worker ? sns_worker_damaged(r->worker) : sns_video_damaged(r->video);
    return !s && b->count;
}

sns_status sns_film_reader_next(sns_film_reader *r, sns_film_batch *out, sns_error *err) {
    const read_batch *b = &r->batch[sns_ahead_next(r->ahead)];
    *out = (sns_film_batch){.spans = b->spans, .vectors = r->vectors, .next = b->next};
    r->damaged = b->damaged;
    if (b->error.code) return sns_fail(err, b->error.code, "%s", b->error.message);
    out->count = b->count;
    if (!b->count) return SNS_OK;
    return sns_encode_pixels(r->session, b->pixels, b->count * r->views, r->vectors, err);
}
