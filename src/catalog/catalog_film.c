/* catalog_film.c - the moments of a catalog's films and recordings.
 *
 * A film's curve is the cosine of the query with each sample, of regions the best one's, or with
 * each window of sound; smoothed, its moments are that curve's (embed/span_curve.h), as
 * `sns_moments_find` has them.
 *
 * Where two models made the vectors, one that sees and one that hears, cosines with pictures and
 * with sound lie on different scales. With m, d the mean and deviation of what unrelated texts (the
 * cohort of relevance.h) score on the catalog's pictures (p) and windows of sound (a), stored when
 * it was indexed (catalog_scale.c), and q . x the cosines at one time:
 *     z_p = (q . x_p - m_p) / d_p      z_a = (q . x_a - m_a) / d_a
 *     z   = (z_p + w z_a) / sqrt(1 + w^2)         both;  z_p or z_a where there is one
 *     score = m_p + d_p z                         so that pictures keep their cosines
 * Late fusion by the sum rule (Kittler, Hatef, Duin, Matas 1998) after z-normalisation (Jain,
 * Nandakumar, Ross 2005); the divisor keeps what says nothing at deviation 1. */
#include "catalog/catalog_film.h"
#include "catalog/catalog_scale.h"
#include "base/error.h"
#include "embed/span_curve.h"
#include "kernel/kernel.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double SLACK_SECONDS = 1;

/* Scores along a film. */
typedef struct track {
    sns_span *spans; /* [room] */
    float *scores, *curve;
    uint32_t *slots, *sounds; /* the best vector of each, and that of the sound joined to it */
    size_t count, room;
} track;

struct sns_films {
    sns_catalog *c;
    sqlite3_stmt *film_of, *samples_of;
    uint64_t *asked; /* a bit for each slot, as item: asked for */
    bool joined;
    sns_scale scale;
    track pictures, sound, both; /* of one film */
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
    if (!status) status = sns_scale_read(c, &f->scale, &f->joined, err);
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

static void free_track(track *t) {
    free(t->spans);
    free(t->scores);
    free(t->curve);
    free(t->slots);
    free(t->sounds);
}

void sns_films_close(sns_films *f) {
    if (!f) return;
    sqlite3_finalize(f->film_of);
    sqlite3_finalize(f->samples_of);
    free(f->asked);
    free_track(&f->pictures);
    free_track(&f->sound);
    free_track(&f->both);
    free(f);
}

void sns_films_forget(sns_films *f) {
    memset(f->asked, 0, (f->c->slots / 64 + 1) * sizeof *f->asked);
}

bool sns_films_are_joined(const sns_films *f) {
    return f->joined;
}

float sns_films_join(const sns_films *f, float picture, float sound) {
    float w = f->scale.weight;
    return (picture + w * sound) / sqrtf(1 + w * w);
}

/* The slot of a row's id. */
static sns_status slot_of(const sns_films *f, int64_t id, uint32_t *slot, sns_error *err) {
    if (id < 1 || (uint64_t)id > f->c->slots)
        return sns_fail(err, SNS_FORMAT, "%s: vector %lld is missing; index again with --rebuild",
                        f->c->path, (long long)id);
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

sns_status sns_films_sound(const sns_films *f, uint64_t **bits, sns_error *err) {
    sqlite3_stmt *s;
    uint32_t slot = 0;
    int step = SQLITE_DONE;
    *bits = NULL;
    sns_status status = sns_store_prepare(f->c, "SELECT vector FROM moments WHERE view < 0", &s,
                                          err);
    while (!status && (step = sqlite3_step(s)) == SQLITE_ROW) {
        status = slot_of(f, sqlite3_column_int64(s, 0), &slot, err);
        if (!status && !*bits && !(*bits = calloc(f->c->slots / 64 + 1, sizeof **bits)))
            status = no_memory(f, err);
        if (!status) (*bits)[slot / 64] |= (uint64_t)1 << slot % 64;
    }
    if (!status && step != SQLITE_DONE) status = sns_store_fail(f->c, err);
    sqlite3_finalize(s);
    return status;
}

/* ---- one film ---- */

/* Room for one more; NULL: no memory. */
static sns_status reserve(const sns_films *f, track *t, sns_error *err) {
    if (t->count < t->room) return SNS_OK;
    size_t n = t->room ? 2 * t->room : 256;
    sns_span *spans = realloc(t->spans, n * sizeof *spans);
    if (spans) t->spans = spans;
    float *scores = realloc(t->scores, n * sizeof *scores);
    if (scores) t->scores = scores;
    float *curve = realloc(t->curve, n * sizeof *curve);
    if (curve) t->curve = curve;
    uint32_t *slots = realloc(t->slots, n * sizeof *slots);
    if (slots) t->slots = slots;
    uint32_t *sounds = realloc(t->sounds, n * sizeof *sounds);
    if (sounds) t->sounds = sounds;
    if (!spans || !scores || !curve || !slots || !sounds) return no_memory(f, err);
    t->room = n;
    return SNS_OK;
}

static sns_status add(const sns_films *f, track *t, sns_span span, float score, uint32_t slot,
                      uint32_t sound, sns_error *err) {
    sns_status status = reserve(f, t, err);
    if (status) return status;
    t->spans[t->count] = span;
    t->scores[t->count] = score;
    t->slots[t->count] = slot;
    t->sounds[t->count++] = sound;
    return SNS_OK;
}

/* One row of the film: a window, a new sample, or another view of the last one. */
static sns_status take_row(sns_films *f, sqlite3_stmt *s, const float *query, sns_error *err) {
    uint32_t slot = 0;
    float score;
    int view = sqlite3_column_int(s, 5);
    sns_status status = slot_of(f, sqlite3_column_int64(s, 0), &slot, err);
    if (status) return status;
    sns_kernels_get()->dot_rows(&score, query, sns_vector_file_row(&f->c->mapped, slot), 1,
                                f->c->dim);
    track *t = view < 0 ? &f->sound : &f->pictures;
    if (view <= 0 || !t->count) {
        const sns_span span = {.start = sqlite3_column_double(s, 1),
                               .end = sqlite3_column_double(s, 2),
                               .seconds = sqlite3_column_double(s, 3),
                               .cut = sqlite3_column_int(s, 4)};
        return add(f, t, span, score, slot, SNS_NO_SLOT, err);
    }
    if (score > t->scores[t->count - 1]) {
        t->scores[t->count - 1] = score;
        t->slots[t->count - 1] = slot;
    }
    return SNS_OK;
}

static sns_status read_film(sns_films *f, int64_t film, const float *query, sns_error *err) {
    sqlite3_stmt *s = f->samples_of;
    int step = SQLITE_DONE;
    sns_status status = SNS_OK;
    f->pictures.count = f->sound.count = 0;
    sqlite3_bind_int64(s, 1, film);
    while (!status && (step = sqlite3_step(s)) == SQLITE_ROW) status = take_row(f, s, query, err);
    if (!status && step != SQLITE_DONE) status = sns_store_fail(f->c, err);
    sqlite3_reset(s);
    return status;
}

/* ---- pictures and sound joined ---- */

static float deviations(sns_moments m, float score) {
    return (score - m.mean) / m.std;
}

/* What a number of deviations is among the cosines with pictures. */
static float on_scale(const sns_films *f, float z) {
    return f->scale.pictures.mean + f->scale.pictures.std * z;
}

static bool within(const sns_span *s, double time) {
    return s->start <= time && time < s->end;
}

/* From one border of either track to the next. */
static sns_status join_part(sns_films *f, size_t i, size_t k, double start, double end,
                            sns_error *err) {
    const track *p = &f->pictures, *a = &f->sound;
    bool sees = i < p->count && within(&p->spans[i], start);
    bool hears = k < a->count && within(&a->spans[k], start);
    if (!sees && !hears) return SNS_OK;
    sns_span span = {.start = start, .end = end, .seconds = start};
    float z_p = sees ? deviations(f->scale.pictures, p->scores[i]) : 0;
    float z_a = hears ? deviations(f->scale.sound, a->scores[k]) : 0;
    if (hears && a->spans[k].seconds >= start && a->spans[k].seconds < end)
        span.seconds = a->spans[k].seconds;
    if (sees && p->spans[i].seconds >= start && p->spans[i].seconds < end)
        span.seconds = p->spans[i].seconds;
    span.cut = sees && p->spans[i].cut && p->spans[i].start == start;
    float z = sees && hears ? sns_films_join(f, z_p, z_a) : sees ? z_p : z_a;
    return add(f, &f->both, span, on_scale(f, z), sees ? p->slots[i] : a->slots[k],
               sees && hears ? a->slots[k] : SNS_NO_SLOT, err);
}

/* The next border of a track after `now`, whose spans before i have ended. */
static double border(const track *t, size_t i, double now) {
    if (i == t->count) return INFINITY;
    return t->spans[i].start > now ? t->spans[i].start : t->spans[i].end;
}

/* A track that begins a little later than the other, or ends a little earlier, is stretched: what
 * is left over would be a moment of one of them alone. */
static void align_ends(track *p, track *a) {
    sns_span *first[2] = {p->spans, a->spans};
    sns_span *last[2] = {p->spans + p->count - 1, a->spans + a->count - 1};
    if (fabs(first[0]->start - first[1]->start) < SLACK_SECONDS)
        first[0]->start = first[1]->start = fmin(first[0]->start, first[1]->start);
    if (fabs(last[0]->end - last[1]->end) < SLACK_SECONDS)
        last[0]->end = last[1]->end = fmax(last[0]->end, last[1]->end);
}

static sns_status join_tracks(sns_films *f, sns_error *err) {
    const track *p = &f->pictures, *a = &f->sound;
    align_ends(&f->pictures, &f->sound);
    double now = fmin(border(p, 0, -1), border(a, 0, -1));
    size_t i = 0, k = 0;
    sns_status status = SNS_OK;
    f->both.count = 0;
    while (!status) {
        while (i < p->count && p->spans[i].end <= now) i++;
        while (k < a->count && a->spans[k].end <= now) k++;
        double next = fmin(border(p, i, now), border(a, k, now));
        if (isinf(next)) break;
        status = join_part(f, i, k, now, next, err);
        now = next;
    }
    return status;
}

/* *out: the track whose moments count. */
static sns_status choose_track(sns_films *f, track **out, sns_error *err) {
    *out = f->pictures.count ? &f->pictures : &f->sound;
    if (!f->joined || !f->sound.count) return SNS_OK;
    if (f->pictures.count) {
        *out = &f->both;
        return join_tracks(f, err);
    }
    for (size_t i = 0; i < f->sound.count; i++)
        f->sound.scores[i] = on_scale(f, deviations(f->scale.sound, f->sound.scores[i]));
    return SNS_OK;
}

/* ---- moments ---- */

static size_t sample_at(const track *t, double seconds) {
    size_t i = 0;
    while (i + 1 < t->count && t->spans[i].seconds != seconds) i++;
    return i;
}

sns_status sns_films_rank(sns_films *f, int64_t film, const float *query, size_t most,
                          sns_ranked_list *out, sns_error *err) {
    const sns_moment_options o = {.most = most, .least = -INFINITY};
    sns_moment *m = NULL;
    track *t;
    size_t count = 0;
    sns_status status = read_film(f, film, query, err);
    if (!status) status = choose_track(f, &t, err);
    if (status || !t->count) return status;
    sns_spans_smooth(t->spans, t->count, t->scores, t->curve);
    status = sns_spans_moments(t->spans, t->count, t->curve, &o, &m, &count, err);
    for (size_t i = 0; i < count && !status; i++) {
        size_t at = sample_at(t, m[i].peak);
        const sns_ranked r = {.slot = t->slots[at],
                              .sound = t->sounds[at],
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

sns_status sns_films_rank_all(sns_films *f, const float *query, size_t most, sns_ranked_list *out,
                              sns_error *err) {
    sqlite3_stmt *s;
    int step = SQLITE_DONE;
    sns_status status = sns_store_prepare(f->c, "SELECT DISTINCT item FROM moments", &s, err);
    while (!status && (step = sqlite3_step(s)) == SQLITE_ROW)
        status = sns_films_rank(f, sqlite3_column_int64(s, 0), query, most, out, err);
    if (!status && step != SQLITE_DONE) status = sns_store_fail(f->c, err);
    sqlite3_finalize(s);
    return status;
}
