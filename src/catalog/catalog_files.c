/* catalog_files.c - all files of a catalog, one after the other, with what was seen or heard. */
#include "base/error.h"
#include "catalog/slots.h"
#include <stdbool.h>
#include <stdlib.h>

/* The samples or windows of one file. */
typedef struct listing {
    sns_catalog *c;
    sqlite3_stmt *samples;
    const float **vectors; /* [room] */
    sns_span *spans;
    size_t count, room;
    bool heard;
} listing;

/* A film's samples, the whole frames of them; of what was only heard, its windows. */
static const char samples_sql[] =
    "SELECT vector, start, end, seconds, cut, view < 0 FROM moments WHERE item = ?1 AND view ="
    " (SELECT max(view) FROM moments WHERE item = ?1 AND view <= 0) ORDER BY vector";

static sns_status add_vector(listing *l, int64_t id, sns_error *err) {
    if (id < 1 || (uint64_t)id > l->c->slots)
        return sns_fail(err, SNS_FORMAT, "%s: vector %lld is missing; index again with --rebuild",
                        l->c->path, (long long)id);
    if (l->count == l->room) {
        size_t room = l->room ? 2 * l->room : 64;
        const float **vectors = realloc((void *)l->vectors, room * sizeof *vectors);
        if (vectors) l->vectors = vectors;
        sns_span *spans = realloc(l->spans, room * sizeof *spans);
        if (spans) l->spans = spans;
        if (!vectors || !spans) return sns_fail(err, SNS_NOMEM, "%s: no memory", l->c->path);
        l->room = room;
    }
    l->vectors[l->count++] = sns_vector_file_row(&l->c->mapped, (size_t)id - 1);
    return sns_vector_file_check(&l->c->mapped, (size_t)id - 1, err);
}

static sns_status read_samples(listing *l, int64_t item, sns_error *err) {
    sqlite3_stmt *s = l->samples;
    int step = SQLITE_DONE;
    sns_status status = SNS_OK;
    l->count = 0;
    sqlite3_bind_int64(s, 1, item);
    while (!status && (step = sqlite3_step(s)) == SQLITE_ROW) {
        if ((status = add_vector(l, sqlite3_column_int64(s, 0), err))) break;
        l->spans[l->count - 1] = (sns_span){.start = sqlite3_column_double(s, 1),
                                            .end = sqlite3_column_double(s, 2),
                                            .seconds = sqlite3_column_double(s, 3),
                                            .cut = sqlite3_column_int(s, 4)};
        l->heard = sqlite3_column_int(s, 5) != 0;
    }
    if (!status && step != SQLITE_DONE) status = sns_store_fail(l->c, err);
    sqlite3_reset(s);
    return status;
}

static sns_status give_file(listing *l, const char *path, int64_t item, sns_catalog_file_fn *fn,
                            void *user, sns_error *err) {
    sns_status status = read_samples(l, item, err);
    bool in_time = l->count > 0;
    if (!status && !in_time) status = add_vector(l, item, err);
    if (status) return status;
    const sns_catalog_file file = {.path = path,
                                   .count = l->count,
                                   .vectors = l->vectors,
                                   .spans = in_time ? l->spans : NULL,
                                   .heard = in_time && l->heard};
    return fn(user, &file, l->c->dim, err);
}

sns_status sns_catalog_files(sns_catalog *c, sns_catalog_file_fn *fn, void *user, sns_error *err) {
    listing l = {.c = c};
    sqlite3_stmt *s = NULL;
    int step = SQLITE_DONE;
    sns_status status = sns_slots_begin(c, err);
    if (status) return status;
    status = sns_store_prepare(
        c, "SELECT path, vector FROM files WHERE vector IS NOT NULL ORDER BY path", &s, err);
    if (!status) status = sns_store_prepare(c, samples_sql, &l.samples, err);
    while (!status && (step = sqlite3_step(s)) == SQLITE_ROW)
        status = give_file(&l, (const char *)sqlite3_column_text(s, 0), sqlite3_column_int64(s, 1),
                           fn, user, err);
    if (!status && step != SQLITE_DONE) status = sns_store_fail(c, err);
    sqlite3_finalize(s);
    sqlite3_finalize(l.samples);
    sns_slots_end(c);
    free((void *)l.vectors);
    free(l.spans);
    return status;
}
