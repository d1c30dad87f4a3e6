/* catalog_search.c - exact search: the vectors are ranked, then the files that have them are looked
 * up.
 *
 * Equal files share a vector, so that slots are ranked and files are listed. The nearest ones come
 * of a scan in 8 bits (vector_scan.h); relevance depends on the scores of all vectors, which are
 * read in f32.
 *
 * Of films moments are ranked (catalog_film.h). A moment's score, a mean of its samples', is no
 * higher than the film's best sample. So when the scan gave m slots, every film and picture that it
 * did not give is below the m-th score, and the n best are known once the n-th of those found lies
 * above that; else m grows. Where sound is joined to pictures a moment may be higher: then all
 * films are ranked, and the scan is for pictures. */
#include "catalog/catalog_film.h"
#include "catalog/vector_scan.h"
#include "base/error.h"
#include "base/strbuf.h"
#include "kernel/kernel.h"
#include <math.h>
#include <stdlib.h>

enum {
    BLOCK_ROWS = 256,
    FIRST_SLOTS = 256 /* of the scan where there are films */
};

static sns_status no_memory(const sns_catalog *c, sns_error *err) {
    return sns_fail(err, SNS_NOMEM, "%s: no memory to search", c->path);
}

/* ---- from slots to files ---- */

/* Best first: by relevance where there is one, by score. */
static int by_rank(const void *a, const void *b) {
    const sns_ranked *x = a, *y = b;
    if (x->relevance != y->relevance) return x->relevance > y->relevance ? -1 : 1;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

static void sort_ranked(sns_ranked_list *list) {
    if (list->count) qsort(list->items, list->count, sizeof *list->items, by_rank);
}

static bool is_tie(const sns_ranked *a, const sns_ranked *b) {
    return a->relevance == b->relevance && a->score == b->score;
}

static int by_path(const void *a, const void *b) {
    const sns_hit *x = a, *y = b;
    int order = strcmp(x->path, y->path);
    return order ? order : (x->start > y->start) - (x->start < y->start);
}

static sns_status add_hit(const sns_catalog *c, sns_hits *out, size_t *room, const sns_ranked *r,
                          const char *path, sns_error *err) {
    if (out->count == *room) {
        size_t more = *room ? 2 * *room : 64;
        sns_hit *items = realloc(out->items, more * sizeof *items);
        if (!items) return no_memory(c, err);
        out->items = items;
        *room = more;
    }
    sns_hit hit = {.path = sns_strdup(path),
                   .score = r->score,
                   .relevance = r->relevance,
                   .in_time = r->item != 0,
                   .start = r->start,
                   .peak = r->peak,
                   .end = r->end};
    if (!hit.path) return no_memory(c, err);
    out->items[out->count++] = hit;
    return SNS_OK;
}

/* The first n files of one slot or film, by path. */
static sns_status add_files(const sns_catalog *c, sqlite3_stmt *s, const sns_ranked *r, size_t n,
                            sns_hits *out, size_t *room, sns_error *err) {
    int step;
    sns_status status = r->item ? sns_vector_file_check(&c->mapped, r->slot, err) : SNS_OK;
    if (status) return status;
    sqlite3_bind_int64(s, 1, r->item ? r->item : (int64_t)r->slot + 1);
    sqlite3_bind_int64(s, 2, n < INT64_MAX ? (int64_t)n : INT64_MAX);
    while (!status && (step = sqlite3_step(s)) == SQLITE_ROW)
        status = add_hit(c, out, room, r, (const char *)sqlite3_column_text(s, 0), err);
    if (!status && step != SQLITE_DONE) status = sns_store_fail(c, err);
    sqlite3_reset(s);
    return status;
}

/* The first n files of what is ranked; those of equal rank are listed by path. */
static sns_status list_files(const sns_catalog *c, const sns_ranked *slots, size_t count, size_t n,
                             sns_hits *out, sns_error *err) {
    sqlite3_stmt *s;
    size_t room = 0;
    sns_status status = sns_store_prepare(
        c, "SELECT path FROM files WHERE vector = ? ORDER BY path LIMIT ?", &s, err);
    for (size_t i = 0, end; i < count && out->count < n && !status; i = end) {
        size_t first = out->count;
        for (end = i; end < count && is_tie(&slots[i], &slots[end]) && !status; end++)
            status = add_files(c, s, &slots[end], n - first, out, &room, err);
        qsort(out->items + first, out->count - first, sizeof *out->items, by_path);
    }
    sqlite3_finalize(s);
    while (out->count > n) free((void *)(uintptr_t)out->items[--out->count].path);
    return status;
}

/* ---- the nearest ---- */

static sns_status list_near(const sns_catalog *c, const sns_near_list *near, size_t n,
                            sns_hits *out, sns_error *err) {
    sns_ranked *slots = malloc((near->count + 1) * sizeof *slots);
    if (!slots) return no_memory(c, err);
    for (size_t i = 0; i < near->count; i++)
        slots[i] = (sns_ranked){.slot = near->items[i].slot, .score = near->items[i].score};
    sns_status status = list_files(c, slots, near->count, n, out, err);
    free(slots);
    return status;
}

/* What a search over pictures and films looks at. */
typedef struct looking {
    sns_catalog *c;
    const uint64_t *removed;
    sns_films *films;
} looking;

/* Pictures and moments of the slots, ranked; *sure: nothing else can be among the n best. */
static sns_status rank_near(const looking *l, const float *query, const sns_near_list *near,
                            size_t n, sns_ranked_list *found, bool *sure, sns_error *err) {
    sns_status status = SNS_OK;
    found->count = 0;
    sns_films_forget(l->films);
    bool joined = sns_films_are_joined(l->films);
    if (joined) status = sns_films_rank_all(l->films, query, 0, found, err);
    for (size_t i = 0; i < near->count && !status; i++) {
        const sns_ranked r = {.slot = near->items[i].slot, .score = near->items[i].score};
        int64_t film;
        status = sns_films_find(l->films, r.slot, &film, err);
        if (!status && !film) status = sns_ranked_add(found, &r, err);
        if (!status && film > 0 && !joined)
            status = sns_films_rank(l->films, film, query, 0, found, err);
    }
    sort_ranked(found);
    *sure = found->count >= n && near->count &&
            found->items[n - 1].score > near->items[near->count - 1].score;
    return status;
}

/* One query, where there are films; near: what a scan for m slots gave, which is replaced. */
static sns_status list_mixed(const looking *l, const float *query, sns_near_list *near, size_t m,
                             size_t n, sns_hits *out, sns_error *err) {
    sns_ranked_list found = {0};
    bool sure;
    sns_status status = rank_near(l, query, near, n, &found, &sure, err);
    while (!status && !sure && m < l->c->slots) {
        m = m < l->c->slots / 4 ? 4 * m : l->c->slots;
        sns_near_list_free(near);
        status = sns_vector_scan(&l->c->mapped, l->removed, query, 1, m, near, err);
        if (!status) status = rank_near(l, query, near, n, &found, &sure, err);
    }
    if (!status) status = list_files(l->c, found.items, found.count, n, out, err);
    free(found.items);
    return status;
}

/* Inside a transaction. */
static sns_status search_nearest(sns_catalog *c, const float *queries, size_t Q, size_t n,
                                 sns_hits *out, sns_error *err) {
    looking l = {.c = c};
    uint64_t *removed = NULL;
    sns_near_list *near = calloc(Q, sizeof *near);
    if (!near) return no_memory(c, err);
    sns_status status = sns_films_open(c, &l.films, err);
    if (!status) status = sns_slots_removed(c, &removed, err);
    size_t m = l.films && n < FIRST_SLOTS ? FIRST_SLOTS : n;
    l.removed = removed;
    if (!status) status = sns_vector_scan(&c->mapped, removed, queries, Q, m, near, err);
    for (size_t q = 0; q < Q && !status; q++)
        status = l.films ? list_mixed(&l, queries + q * c->dim, &near[q], m, n, &out[q], err)
                         : list_near(c, &near[q], n, &out[q], err);
    for (size_t q = 0; q < Q; q++) sns_near_list_free(&near[q]);
    free(near);
    free(removed);
    sns_films_close(l.films);
    return status;
}

/* ---- the relevant ---- */

typedef struct judging {
    const float *query;
    const sns_classifier *cohort; /* NULL: none */
    sns_ranked *slots;
    sns_moments *moments; /* with a cohort */
    size_t count;
} judging;

static bool is_set(const uint64_t *bits, size_t slot) {
    return bits && bits[slot / 64] >> slot % 64 & 1;
}

static void score_block(const sns_vector_file *v, const uint64_t *removed, size_t first, size_t n,
                        judging *j) {
    float scores[BLOCK_ROWS];
    sns_moments moments[BLOCK_ROWS];
    const float *rows = sns_vector_file_row(v, first);
    sns_kernels_get()->dot_rows(scores, j->query, rows, n, v->dim);
    if (j->cohort) sns_cohort_moments(j->cohort, rows, n, moments);
    for (size_t i = 0; i < n; i++) {
        size_t slot = first + i;
        if (is_set(removed, slot)) continue;
        if (j->cohort) j->moments[j->count] = moments[i];
        j->slots[j->count++] = (sns_ranked){.slot = (uint32_t)slot, .score = scores[i]};
    }
}

static const sns_ranked *find_slot(const judging *j, uint32_t slot) {
    size_t low = 0, high = j->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (j->slots[middle].slot < slot)
            low = middle + 1;
        else
            high = middle;
    }
    return low < j->count && j->slots[low].slot == slot ? &j->slots[low] : NULL;
}

/* Relevance of the slots whose bit is `kind`, among each other. */
static void relate_kind(judging *j, const uint64_t *sound, bool kind, float *scores,
                        sns_moments *moments) {
    size_t n = 0, at = 0;
    for (size_t i = 0; i < j->count; i++) {
        if (is_set(sound, j->slots[i].slot) != kind) continue;
        if (j->moments) moments[n] = j->moments[i];
        scores[n++] = j->slots[i].score;
    }
    sns_relevance(scores, j->moments ? moments : NULL, n, scores);
    for (size_t i = 0; i < j->count; i++)
        if (is_set(sound, j->slots[i].slot) == kind) j->slots[i].relevance = scores[at++];
}

/* Pictures and sound are related each among their own. sound: a bit for each slot; NULL: none */
static sns_status relate(judging *j, const uint64_t *sound, const sns_catalog *c, sns_error *err) {
    float *scores = malloc((j->count + 1) * sizeof *scores);
    sns_moments *moments = malloc((j->count + 1) * sizeof *moments);
    sns_status status = scores && moments ? SNS_OK : no_memory(c, err);
    for (int kind = 0; kind < 2 && !status; kind++) relate_kind(j, sound, kind, scores, moments);
    free(scores);
    free(moments);
    return status;
}

/* Films' moments, each as relevant as the frame at its peak, with its sound. */
static sns_status add_moments(const judging *j, sns_films *films, sns_ranked_list *found,
                              sns_error *err) {
    size_t first = found->count;
    sns_status status = sns_films_rank_all(films, j->query, SIZE_MAX, found, err);
    for (size_t i = first; i < found->count; i++) {
        sns_ranked *r = &found->items[i];
        const sns_ranked *peak = find_slot(j, r->slot);
        const sns_ranked *sound = r->sound != SNS_NO_SLOT ? find_slot(j, r->sound) : NULL;
        r->relevance = peak ? peak->relevance : -INFINITY;
        if (sound) r->relevance = sns_films_join(films, r->relevance, sound->relevance);
    }
    return status;
}

/* What is at least as relevant as `least`, best first. */
static sns_status judge(judging *j, sns_films *films, float least, sns_ranked_list *found,
                        sns_error *err) {
    sns_status status = SNS_OK;
    for (size_t i = 0; i < j->count && !status; i++) {
        int64_t film = 0;
        if (films) status = sns_films_find(films, j->slots[i].slot, &film, err);
        if (!status && !film) status = sns_ranked_add(found, &j->slots[i], err);
    }
    if (!status && films) status = add_moments(j, films, found, err);
    size_t kept = 0;
    for (size_t i = 0; i < found->count; i++)
        if (found->items[i].relevance >= least) found->items[kept++] = found->items[i];
    found->count = kept;
    sort_ranked(found);
    return status;
}

/* Inside a transaction. */
static sns_status search_relevant(sns_catalog *c, const float *query, const sns_classifier *cohort,
                                  float least, size_t n, sns_hits *out, sns_error *err) {
    judging j = {.query = query, .cohort = cohort};
    sns_ranked_list found = {0};
    sns_films *films = NULL;
    uint64_t *removed = NULL, *sound = NULL;
    sns_status status = sns_slots_removed(c, &removed, err);
    if (!status) status = sns_films_open(c, &films, err);
    if (!status && films) status = sns_films_sound(films, &sound, err);
    j.slots = malloc((c->slots + 1) * sizeof *j.slots);
    if (cohort) j.moments = malloc((c->slots + 1) * sizeof *j.moments);
    if (!status && (!j.slots || (cohort && !j.moments))) status = no_memory(c, err);
    for (size_t first = 0; first < c->slots && !status; first += BLOCK_ROWS)
        score_block(&c->mapped, removed, first,
                    c->slots - first < BLOCK_ROWS ? c->slots - first : BLOCK_ROWS, &j);
    if (!status) status = relate(&j, sound, c, err);
    if (!status) status = judge(&j, films, least, &found, err);
    if (!status) status = list_files(c, found.items, found.count, n, out, err);
    sns_films_close(films);
    free(found.items);
    free(removed);
    free(sound);
    free(j.slots);
    free(j.moments);
    return status;
}

/* ---- the calls ---- */

static sns_status begin(sns_catalog *c, size_t dim, size_t n, sns_error *err) {
    if (!n || !dim) return sns_fail(err, SNS_ARG, "%s: a search for 0 files", c->path);
    sns_status status = sns_slots_begin(c, err);
    if (status || !c->dim || c->dim == dim) return status;
    sns_slots_end(c);
    return sns_fail(err, SNS_SHAPE, "%s: its vectors have %zu numbers, the query has %zu", c->path,
                    c->dim, dim);
}

static sns_status end(sns_catalog *c, sns_hits *out, size_t Q, sns_status status) {
    sns_slots_end(c);
    for (size_t q = 0; q < Q && status; q++) sns_hits_free(&out[q]);
    return status;
}

sns_status sns_catalog_search_batch(sns_catalog *c, const float *queries, size_t Q, size_t dim,
                                    size_t n, sns_hits *out, sns_error *err) {
    for (size_t q = 0; q < Q; q++) out[q] = (sns_hits){0};
    if (!Q) return SNS_OK;
    sns_status status = begin(c, dim, n, err);
    if (status) return status;
    if (c->slots) status = search_nearest(c, queries, Q, n, out, err);
    return end(c, out, Q, status);
}

sns_status sns_catalog_search(sns_catalog *c, const float *query, size_t dim, size_t n,
                              sns_hits *out, sns_error *err) {
    return sns_catalog_search_batch(c, query, 1, dim, n, out, err);
}

sns_status sns_catalog_search_relevant(sns_catalog *c, const float *query, size_t dim, size_t n,
                                       const sns_classifier *cohort, float least, sns_hits *out,
                                       sns_error *err) {
    *out = (sns_hits){0};
    if (cohort && sns_classifier_dim(cohort) != dim)
        return sns_fail(err, SNS_SHAPE, "%s: the cohort is of another model", c->path);
    sns_status status = begin(c, dim, n, err);
    if (status) return status;
    if (c->slots) status = search_relevant(c, query, cohort, least, n, out, err);
    return end(c, out, 1, status);
}

/* Every row of `files` has a vector, and none is of a removed slot; so it is with moments, which
 * are some time. */
static const char dangling[] =
    "SELECT (SELECT count(*) FROM files WHERE vector IS NOT NULL AND"
    " (vector NOT IN (SELECT id FROM vectors) OR vector IN (SELECT id FROM removed))) +"
    " (SELECT count(*) FROM moments WHERE item NOT IN (SELECT id FROM vectors) OR"
    " vector IN (SELECT id FROM removed) OR"
    " vector > (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'slots') OR"
    " NOT (start <= seconds AND seconds < end))";

sns_status sns_catalog_verify(sns_catalog *c, sns_error *err) {
    int64_t lost, faults;
    sns_status status = sns_slots_begin(c, err);
    if (status) return status;
    status = sns_store_number(
        c, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check != 'ok'", &faults,
        err);
    if (!status) status = sns_store_number(c, dangling, &lost, err);
    if (!status && (faults || lost))
        status = sns_fail(err, SNS_FORMAT, "%s: damaged (%s); index again with --rebuild", c->path,
                          faults ? "its tables" : "files without their vectors");
    if (!status && c->slots) status = sns_vector_file_check_all(&c->mapped, err);
    sns_slots_end(c);
    return status;
}

void sns_hits_free(sns_hits *hits) {
    if (!hits) return;
    for (size_t i = 0; i < hits->count; i++) free((void *)(uintptr_t)hits->items[i].path);
    free(hits->items);
    *hits = (sns_hits){0};
}
