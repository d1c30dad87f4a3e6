/* film.c - a film as vectors: all that the reader gives, with what the cohort scores. */
#include "base/error.h"
#include "embed/film_reader.h"
#include "ground/film.h"
#include <stdlib.h>
#include <string.h>

enum { MOST_SAMPLES = 1 << 19 };
static const double default_every = 0.25;

static sns_status reserve(sns_film *f, size_t more, const char *path, sns_error *err) {
    if (f->count + more <= f->capacity) return SNS_OK;
    if (f->count + more > MOST_SAMPLES)
        return sns_fail(err, SNS_LIMIT, "%s: more than %d samples", path, MOST_SAMPLES);
    size_t n = f->capacity ? 2 * f->capacity : 256;
    if (n < f->count + more) n = f->count + more;
    sns_span *spans = realloc(f->spans, n * sizeof *spans);
    if (spans) f->spans = spans;
    float *vectors = realloc(f->vectors, n * f->dim * sizeof *vectors);
    if (vectors) f->vectors = vectors;
    sns_moments *moments = realloc(f->moments, n * sizeof *moments);
    if (moments) f->moments = moments;
    if (!spans || !vectors || !moments)
        return sns_fail(err, SNS_NOMEM, "%s: no memory for %zu samples", path, n);
    f->capacity = n;
    return SNS_OK;
}

static sns_status append(sns_film *f, const sns_film_batch *b, const char *path, sns_error *err) {
    sns_status s = reserve(f, b->count, path, err);
    if (s) return s;
    float *vectors = f->vectors + f->count * f->dim;
    memcpy(f->spans + f->count, b->spans, b->count * sizeof *b->spans);
    memcpy(vectors, b->vectors, b->count * f->dim * sizeof *vectors);
    sns_cohort_moments(f->cohort, vectors, b->count, f->moments + f->count);
    f->count += b->count;
    return SNS_OK;
}

static sns_status read_all(sns_film *f, sns_film_reader *r, const sns_film_options *o,
                           const char *path, sns_error *err) {
    sns_film_batch b;
    sns_status s;
    double duration = o->until > 0 ? o->until : sns_film_reader_duration(r);
    while (!(s = sns_film_reader_next(r, &b, err)) && b.count) {
        if ((s = append(f, &b, path, err))) return s;
        if (o->progress) o->progress(o->user, f->spans[f->count - 1].end, duration);
    }
    f->damaged = sns_film_reader_damaged(r);
    return s;
}

sns_status sns_film_read(const sns_model *model, const sns_classifier *cohort, const char *path,
                         const sns_film_options *options, sns_film **out, sns_error *err) {
    static const sns_film_options defaults = {0};
    const sns_film_options *o = options ? options : &defaults;
    *out = NULL;
    if (sns_classifier_dim(cohort) != sns_model_dim(model))
        return sns_fail(err, SNS_ARG, "the cohort is another model's");
    const sns_film_reading how = {.sampling = {.every = o->every > 0 ? o->every : default_every,
                                               .from = o->from,
                                               .until = o->until,
                                               .fast = o->fast},
                                  .pictures = o->batch,
                                  .threads = o->threads,
                                  .max_pixels = o->max_pixels,
                                  .cancel = o->cancel,
                                  .isolation = o->isolation};
    sns_film_reader *r = NULL;
    sns_film *film = calloc(1, sizeof *film);
    if (!film) return sns_fail(err, SNS_NOMEM, "no memory");
    film->dim = sns_model_dim(model);
    film->cohort = cohort;
    sns_status s = sns_film_reader_open(model, path, &how, &r, err);
    if (!s) s = read_all(film, r, o, path, err);
    sns_film_reader_free(r);
    if (s)
        sns_film_free(film);
    else
        *out = film;
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
