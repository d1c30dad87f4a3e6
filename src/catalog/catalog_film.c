/* catalog_film.c - the moments of a catalog's films.
 *
 * A film's curve is the cosine of the query with each sample, of regions the best one's, smoothed;
 * its moments are that curve's (embed/span_curve.h), as `sns_moments_find` has them. */
#include "catalog/catalog_film.h"
#include "base/error.h"
#include "embed/span_curve.h"
#include "kernel/kernel.h"
#include <stdlib.h>
#include <string.h>

struct sns_films {
    sns_catalog *c;
    sqlite3_stmt *film_of, *samples_of;
    uint64_t *asked; /* a bit for each slot, as item: asked for */
    /* One film: */
    sns_span *spans;
    float *scores, *curve;
    uint32_t *slots; /* the best vector of each sample */
    size_t count, room;
};

static sns_status no_memory(const sns_films *f, sns_error *err) {
    return sns_fail(err, SNS_NOMEM, "%s: no memory to search", f->c->path);
}

sns_status sns_ranked_add(sns_ranked_list *list, const sns_ranked *r, sns_error *err) {
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        sns_ranked *items = realloc(list->items, room * sizeof *items);
        if (!items) return sns_fail(err, SNS_NOMEM, "no memory for the answers of a search");
        list->items = items;
        list->room = room;
    }
    list->items[list->count++] = *r;
    return SNS_OK;
}

sns_status sns_films_open(sns_catalog *c, sns_films **out, sns_error *err) {
    int64_t any;
    *out = NULL;
    sns_status status = sns_store_number(c, "SELECT EXISTS(SELECT 1 FROM moments)", &any, err);
    if (status || !any) return status;
    sns_films *f = calloc(1, sizeof *f);
    if (!f) return sns_fail(err, SNS_NOMEM, "%s: no memory to search", c->path);
    f->c = c;
    f->asked = calloc(c->slots / 64 + 1, sizeof *f->asked);
    if (!f->asked) status = no_memory(f, err);
    if (!status)
        status = sns_store_prepare(c, "SELECT item FROM moments WHERE vector = ?", &f->film_of,
                                   err);
    if (!status)
        status = sns_store_prepare(c,
                                   "SELECT vector, start, end, seconds, cut, view FROM moments"
                                   " WHERE item = ? ORDER BY vector",
                                   &f->samples_of, err);
    if (status)
        sns_films_close(f);
    else
        *out = f;
    return status;
}

void sns_films_close(sns_films *f) {
    if (!f) return;
    sqlite3_finalize(f->film_of);
    sqlite3_finalize(f->samples_of);
    free(f->asked);
    free(f->spans);
    free(f->scores);
    free(f->curve);
    free(f->slots);
    free(f);
}

void sns_films_forget(sns_films *f) {
    memset(f->asked, 0, (f->c->slots / 64 + 1) * sizeof *f->asked);
}

static sns_status lost_vector(const sns_films *f, int64_t id, sns_error *err) {
    return sns_fail(err, SNS_FORMAT, "%s: vector %lld is missing; index again with --rebuild",
                    f->c->path, (long long)id);
}

/* The slot of a row's id. */
static sns_status slot_of(const sns_films *f, int64_t id, uint32_t *slot, sns_error *err) {
    if (id < 1 || (uint64_t)id > f->c->slots) return lost_vector(f, id, err);
    *slot = (uint32_t)(id - 1);
    return SNS_OK;
}

sns_status sns_films_find(sns_films *f, uint32_t slot, int64_t *film, sns_error *err) {
    uint32_t first = 0;
    *film = 0;
    sqlite3_bind_int64(f->film_of, 1, (int64_t)slot + 1);
    int step = sqlite3_step(f->film_of);
    if (step == SQLITE_ROW) *film = sqlite3_column_int64(f->film_of, 0);
    sns_status status = step == SQLITE_ROW || step == SQLITE_DONE ? SNS_OK
                                                                  : sns_store_fail(f->c, err);
    sqlite3_reset(f->film_of);
    if (status || !*film || (status = slot_of(f, *film, &first, err))) return status;
    uint64_t *word = &f->asked[first / 64], bit = (uint64_t)1 << first % 64;
    if (*word & bit) *film = -1;
    *word |= bit;
    return SNS_OK;
}

/* ---- one film ---- */

static sns_status reserve(sns_films *f, sns_error *err) {
    if (f->count < f->room) return SNS_OK;
    size_t n = f->room ? 2 * f->room : 256;
    sns_span *spans = realloc(f->spans, n * sizeof *spans);
    if (spans) f->spans = spans;
    float *scores = realloc(f->scores, n * sizeof *scores);
    if (scores) f->scores = scores;
    float *curve = realloc(f->curve, n * sizeof *curve);
    if (curve) f->curve = curve;
    uint32_t *slots = realloc(f->slots, n * sizeof *slots);
    if (slots) f->slots = slots;
    if (!spans || !scores || !curve || !slots) return no_memory(f, err);
    f->room = n;
    return SNS_OK;
}

/* One row of the film: a new sample, or another view of the last one. */
static sns_status take_row(sns_films *f, sqlite3_stmt *s, const float *query, sns_error *err) {
    uint32_t slot = 0;
    float score;
    sns_status status = slot_of(f, sqlite3_column_int64(s, 0), &slot, err);
    if (status) return status;
    sns_kernels_get()->dot_rows(&score, query, sns_vector_file_row(&f->c->mapped, slot), 1,
                                f->c->dim);
    if (!sqlite3_column_int(s, 5) || !f->count) {
        if ((status = reserve(f, err))) return status;
        f->spans[f->count] = (sns_span){.start = sqlite3_column_double(s, 1),
                                        .end = sqlite3_column_double(s, 2),
                                        .seconds = sqlite3_column_double(s, 3),
                                        .cut = sqlite3_column_int(s, 4)};
        f->scores[f->count] = score;
        f->slots[f->count++] = slot;
    } else if (score > f->scores[f->count - 1]) {
        f->scores[f->count - 1] = score;
        f->slots[f->count - 1] = slot;
    }
    return SNS_OK;
}

static sns_status read_film(sns_films *f, int64_t film, const float *query, sns_error *err) {
    sqlite3_stmt *s = f->samples_of;
    int step = SQLITE_DONE;
    sns_status status = SNS_OK;
    f->count = 0;
    sqlite3_bind_int64(s, 1, film);
    while (!status && (step = sqlite3_step(s)) == SQLITE_ROW) status = take_row(f, s, query, err);
    if (!status && step != SQLITE_DONE) status = sns_store_fail(f->c, err);
    sqlite3_reset(s);
    return status;
}

static size_t sample_at(const sns_films *f, double seconds) {
    size_t i = 0;
    while (i + 1 < f->count && f->spans[i].seconds != seconds) i++;
    return i;
}

sns_status sns_films_rank(sns_films *f, int64_t film, const float *query, size_t most,
                          sns_ranked_list *out, sns_error *err) {
    const sns_moment_options o = {.most = most, .least = -2};
    sns_moment *m = NULL;
    size_t count = 0;
    sns_status status = read_film(f, film, query, err);
    if (status || !f->count) return status;
    sns_spans_smooth(f->spans, f->count, f->scores, f->curve);
    status = sns_spans_moments(f->spans, f->count, f->curve, &o, &m, &count, err);
    for (size_t i = 0; i < count && !status; i++) {
        const sns_ranked r = {.slot = f->slots[sample_at(f, m[i].peak)],
                              .score = m[i].score,
                              .item = film,
                              .start = m[i].start,
                              .peak = m[i].peak,
                              .end = m[i].end};
        status = sns_ranked_add(out, &r, err);
    }
    free(m);
    return status;
}

sns_status sns_films_rank_all(sns_films *f, const float *query, sns_ranked_list *out,
                              sns_error *err) {
    sqlite3_stmt *s;
    int step = SQLITE_DONE;
    sns_status status = sns_store_prepare(f->c, "SELECT DISTINCT item FROM moments", &s, err);
    while (!status && (step = sqlite3_step(s)) == SQLITE_ROW)
        status = sns_films_rank(f, sqlite3_column_int64(s, 0), query, SIZE_MAX, out, err);
    if (!status && step != SQLITE_DONE) status = sns_store_fail(f->c, err);
    sqlite3_finalize(s);
    return status;
}
