/* film.c - a film as vectors: sample, prepare, encode in batches. */
#include "base/error.h"
#include "ground/film.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SAMPLES = 1 << 19, DEFAULT_BATCH = 32, MOST_BATCH = 1024 };
static const double default_every = 0.25;

/* What reading holds until its end. */
typedef struct reader {
    const sns_film_options *options;
    const char *path;
    const sns_model *model;
    sns_session *session;
    sns_video *video; /* in this process, with its shots, or a worker */
    sns_shots *shots;
    sns_worker *worker;
    float *pixels; /* [batch, 3 S S] */
    size_t batch, waiting, pixel_count;
    double duration;
    sns_film *film;
} reader;

static sns_status grow(reader *r, sns_error *err) {
    sns_film *f = r->film;
    if (f->count < f->capacity) return SNS_OK;
    if (f->capacity >= MOST_SAMPLES)
        return sns_fail(err, SNS_LIMIT, "%s: more than %d samples", r->path, MOST_SAMPLES);
    size_t n = f->capacity ? 2 * f->capacity : 256;
    sns_span *spans = realloc(f->spans, n * sizeof *spans);
    if (spans) f->spans = spans;
    float *vectors = realloc(f->vectors, n * f->dim * sizeof *vectors);
    if (vectors) f->vectors = vectors;
    sns_moments *moments = realloc(f->moments, n * sizeof *moments);
    if (moments) f->moments = moments;
    if (!spans || !vectors || !moments)
        return sns_fail(err, SNS_NOMEM, "%s: no memory for %zu samples", r->path, n);
    f->capacity = n;
    return SNS_OK;
}

/* Encode the pictures that wait: those of the last samples. */
static sns_status encode_waiting(reader *r, sns_error *err) {
    sns_film *f = r->film;
    size_t first = f->count - r->waiting;
    if (!r->waiting) return SNS_OK;
    float *vectors = f->vectors + first * f->dim;
    sns_status s = sns_encode_pixels(r->session, r->pixels, r->waiting, vectors, err);
    if (!s) sns_cohort_moments(f->cohort, vectors, r->waiting, f->moments + first);
    r->waiting = 0;
    if (!s && r->options->progress)
        r->options->progress(r->options->user, f->spans[f->count - 1].end, r->duration);
    return s;
}

static sns_status take(reader *r, const sns_sample *sample, sns_error *err) {
    sns_film *f = r->film;
    sns_status s = grow(r, err);
    if (!s)
        s = sns_model_prepare_image(r->model, &sample->image,
                                    r->pixels + r->waiting * r->pixel_count, err);
    if (s) return s;
    f->spans[f->count++] = (sns_span){sample->seconds, sample->start, sample->end, sample->cut};
    if (++r->waiting < r->batch) return SNS_OK;
    return encode_waiting(r, err);
}

static sns_status next_sample(reader *r, sns_sample *sample, sns_error *err) {
    return r->worker ? sns_worker_next(r->worker, sample, err)
                     : sns_shots_next(r->shots, sample, err);
}

static sns_status read_all(reader *r, sns_error *err) {
    sns_sample sample;
    sns_status s;
    while (!(s = next_sample(r, &sample, err)) && sample.image.rgb)
        if ((s = take(r, &sample, err))) return s;
    if (!s) s = encode_waiting(r, err);
    if (s) return s;
    r->film->damaged = r->worker ? sns_worker_damaged(r->worker) : sns_video_damaged(r->video);
    if (!r->film->count) return sns_fail(err, SNS_FORMAT, "%s: no frame can be read", r->path);
    return SNS_OK;
}

/* Open the film, here or in a process of its own; *duration: what it announces. */
static sns_status open_film(reader *r, size_t side, double *duration, sns_error *err) {
    const sns_film_options *o = r->options;
    const sns_video_options video = {
        .target_px = side, .max_pixels = o->max_pixels, .threads = o->threads, .cancel = o->cancel};
    const sns_sample_options sampling = {.every = o->every > 0 ? o->every : default_every,
                                         .from = o->from,
                                         .until = o->until,
                                         .fast = o->fast};
    sns_video_info info;
    sns_status s;
    if (o->isolation) {
        s = sns_worker_open(o->isolation, r->path, &video, &sampling, &r->worker, err);
        if (!s) *duration = sns_worker_duration(r->worker);
        return s;
    }
    s = sns_video_open(r->path, &video, &r->video, err);
    if (s) return s;
    sns_video_describe(r->video, &info);
    *duration = info.duration;
    return sns_shots_new(r->video, &sampling, &r->shots, err);
}

static sns_status begin(reader *r, sns_error *err) {
    const sns_film_options *o = r->options;
    size_t side = sns_model_image_px(r->model);
    double duration = 0;
    if (!side) return sns_fail(err, SNS_SHAPE, "the model has no image tower");
    if (o->batch > MOST_BATCH)
        return sns_fail(err, SNS_ARG, "a batch of %zu, more than %d", o->batch, MOST_BATCH);
    sns_status s = open_film(r, side, &duration, err);
    if (s) return s;
    r->duration = o->until > 0 ? o->until : duration > 0 ? duration : 0;
    r->batch = o->batch ? o->batch : DEFAULT_BATCH;
    r->pixel_count = 3 * side * side;
    r->pixels = malloc(r->batch * r->pixel_count * sizeof *r->pixels);
    if (!r->pixels) return sns_fail(err, SNS_NOMEM, "%s: no memory", r->path);
    return sns_session_new(r->model, &r->session, err);
}

sns_status sns_film_read(const sns_model *model, const sns_classifier *cohort, const char *path,
                         const sns_film_options *options, sns_film **out, sns_error *err) {
    static const sns_film_options defaults = {0};
    *out = NULL;
    if (sns_classifier_dim(cohort) != sns_model_dim(model))
        return sns_fail(err, SNS_ARG, "the cohort is another model's");
    reader r = {.options = options ? options : &defaults, .path = path, .model = model};
    if (!(r.film = calloc(1, sizeof *r.film))) return sns_fail(err, SNS_NOMEM, "no memory");
    r.film->dim = sns_model_dim(model);
    r.film->cohort = cohort;
    sns_status s = begin(&r, err);
    if (!s) s = read_all(&r, err);
    sns_worker_free(r.worker);
    sns_shots_free(r.shots);
    sns_video_close(r.video);
    sns_session_free(r.session);
    free(r.pixels);
    if (s)
        sns_film_free(r.film);
    else
        *out = r.film;
    return s;
}

void sns_film_free(sns_film *film) {
    if (!film) return;
    free(film->spans);
    free(film->vectors);
    free(film->moments);
    free(film);
}

size_t sns_film_count(const sns_film *film) {
    return film->count;
}

const sns_span *sns_film_spans(const sns_film *film) {
    return film->spans;
}

const float *sns_film_vectors(const sns_film *film) {
    return film->vectors;
}

size_t sns_film_damaged(const sns_film *film) {
    return film->damaged;
}
