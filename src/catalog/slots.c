/* slots.c - the tables of a catalog and its files of vectors, kept together. */
#include "catalog/slots.h"
#include "base/error.h"
#include <stdlib.h>

enum {
    MIN_REMOVED = 1024, /* slots that are not worth writing all others anew */
    TRIES = 8           /* to read while writers compact */
};

/* ---- writing ---- */

sns_status sns_slots_add(sns_catalog *c, const float *vector, int64_t *id, sns_error *err) {
    sns_status status = SNS_OK;
    if (!c->adding.rows_path)
        status = sns_vector_file_write(&c->adding, c->path, c->generation, c->dim, c->slots, err);
    if (!status) status = sns_vector_file_append(&c->adding, vector, 1, err);
    *id = status ? 0 : (int64_t)c->adding.count;
    return status;
}

sns_status sns_slots_commit(sns_catalog *c, sns_error *err) {
    if (!c->adding.rows_path || c->adding.count == c->slots) return SNS_OK;
    sns_status status = sns_vector_file_sync(&c->adding, err);
    if (!status) status = sns_store_write_number(c, "slots", c->adding.count, err);
    if (!status) c->slots = c->adding.count;
    return status;
}

void sns_slots_reload(sns_catalog *c) {
    sns_vector_file_close(&c->adding); /* opened again with what was committed */
    sns_store_load_meta(c, NULL);
}

void sns_slots_tidy(const sns_catalog *c) {
    if (c->generation) sns_vector_file_delete(c->path, c->generation - 1);
    sns_vector_file_delete(c->path, c->generation + 1);
}

/* ---- compaction ---- */

/* The ids that are in use, ascending. */
static sns_status list_ids(const sns_catalog *c, int64_t **ids, size_t *count, sns_error *err) {
    sqlite3_stmt *s;
    int step = SQLITE_DONE;
    *count = 0;
    *ids = malloc(c->slots * sizeof **ids);
    if (!*ids) return sns_fail(err, SNS_NOMEM, "%s: no memory to compact it", c->path);
    sns_status status = sns_store_prepare(
        c, "SELECT id FROM vectors UNION SELECT vector FROM moments ORDER BY 1", &s, err);
    while (!status && *count < c->slots && (step = sqlite3_step(s)) == SQLITE_ROW)
        (*ids)[(*count)++] = sqlite3_column_int64(s, 0);
    if (!status && step != SQLITE_DONE && step != SQLITE_ROW) status = sns_store_fail(c, err);
    sqlite3_finalize(s);
    return status;
}

/* The vectors of ids, in runs that lie together. */
static sns_status copy_slots(const sns_catalog *c, sns_vector_file *to, const int64_t *ids,
                             size_t count, sns_error *err) {
    sns_status status = SNS_OK;
    for (size_t i = 0, run; i < count && !status; i += run) {
        for (run = 1;
             i + run < count && run < SNS_CODE_ROWS && ids[i + run] == ids[i] + (int64_t)run;)
            run++;
        if (ids[i] < 1 || (uint64_t)ids[i] + run - 1 > c->slots)
            return sns_fail(err, SNS_FORMAT,
                            "%s: damaged (vector %lld); index again with --rebuild", c->path,
                            (long long)ids[i]);
        for (size_t k = 0; k < run && !status; k++)
            status = sns_vector_file_check(&c->mapped, (size_t)ids[i] - 1 + k, err);
        if (!status)
            status = sns_vector_file_append(to, sns_vector_file_row(&c->mapped, (size_t)ids[i] - 1),
                                            run, err);
    }
    return status;
}

/* New ids are never above old ones, so that in ascending order none is taken yet. */
static sns_status renumber(const sns_catalog *c, const int64_t *ids, size_t count, sns_error *err) {
    static const char *const sql[] = {"UPDATE vectors SET id = ?1 WHERE id = ?2",
                                      "UPDATE files SET vector = ?1 WHERE vector = ?2",
                                      "UPDATE moments SET vector = ?1 WHERE vector = ?2",
                                      "UPDATE moments SET item = ?1 WHERE item = ?2",
                                      "UPDATE unfinished SET item = ?1 WHERE item = ?2"};
    sns_status status = SNS_OK;
    for (size_t t = 0; t < sizeof sql / sizeof *sql && !status; t++) {
        sqlite3_stmt *s;
        if ((status = sns_store_prepare(c, sql[t], &s, err))) return status;
        for (size_t i = 0; i < count && !status; i++) {
            if (ids[i] == (int64_t)i + 1) continue;
            sqlite3_bind_int64(s, 1, (int64_t)i + 1);
            sqlite3_bind_int64(s, 2, ids[i]);
            if (sqlite3_step(s) != SQLITE_DONE) status = sns_store_fail(c, err);
            sqlite3_reset(s);
        }
        sqlite3_finalize(s);
    }
    return status;
}

/* Inside a transaction with c->mapped: everything moves to the next generation. */
static sns_status move_on(sns_catalog *c, sns_vector_file *to, sns_error *err) {
    int64_t *ids = NULL;
    size_t count;
    sns_status status;
    if (!(status = list_ids(c, &ids, &count, err)) &&
        !(status = copy_slots(c, to, ids, count, err)) &&
        !(status = sns_vector_file_sync(to, err)) && !(status = renumber(c, ids, count, err)) &&
        !(status = sns_store_write_number(c, "slots", count, err)) &&
        !(status = sns_store_write_number(c, "generation", c->generation + 1, err)))
        status = sns_store_exec(c, "DELETE FROM removed; COMMIT", err);
    free(ids);
    return status;
}

sns_status sns_slots_compact(sns_catalog *c, sns_error *err) {
    sns_vector_file to = {0};
    uint64_t old = c->generation;
    int64_t removed;
    sns_status status = sns_store_number(c, "SELECT count(*) FROM removed", &removed, err);
    if (status || removed < MIN_REMOVED || (uint64_t)removed < c->slots / 4) return status;
    if ((status = sns_slots_begin(c, err))) return status;
    status = sns_store_exec(c, "PRAGMA defer_foreign_keys = ON", err);
    if (!status) status = sns_vector_file_write(&to, c->path, old + 1, c->dim, 0, err);
    if (!status) status = move_on(c, &to, err);
    sns_vector_file_close(&to);
    if (status) sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    sns_vector_file_delete(c->path, status ? old + 1 : old);
    sns_vector_file_close(&c->mapped);
    sns_slots_reload(c); /* all anew from what was committed */
    return status;
}

/* ---- reading ---- */

/* c->mapped as the meta table says. */
static sns_status map(sns_catalog *c, sns_error *err) {
    sns_status status = sns_store_load_meta(c, err);
    if (status) return status;
    if (c->mapped.rows_path && c->mapped.count == c->slots && c->mapped.generation == c->generation)
        return SNS_OK;
    sns_vector_file_close(&c->mapped);
    if (!c->slots) return SNS_OK;
    return sns_vector_file_read(&c->mapped, c->path, c->generation, c->dim, c->slots, err);
}

/* A writer that compacts may delete a file between the moment that the transaction stands for and
 * the one when it is opened: then there is a newer moment. */
sns_status sns_slots_begin(sns_catalog *c, sns_error *err) {
    sns_status status = SNS_OK;
    for (int i = 0; i < TRIES; i++) {
        if ((status = sns_store_exec(c, "BEGIN", err))) return status;
        if (!(status = map(c, err))) return SNS_OK;
        sns_slots_end(c);
        if (status != SNS_MISSING) return status;
    }
    return sns_fail(err, SNS_FORMAT, "%s: its vectors are gone; index again with --rebuild",
                    c->path);
}

void sns_slots_end(sns_catalog *c) {
    sqlite3_exec(c->db, "COMMIT", NULL, NULL, NULL);
}

sns_status sns_slots_removed(sns_catalog *c, uint64_t **bits, sns_error *err) {
    sqlite3_stmt *s;
    int step = SQLITE_DONE;
    *bits = NULL;
    sns_status status = sns_store_prepare(c, "SELECT id FROM removed", &s, err);
    while (!status && (step = sqlite3_step(s)) == SQLITE_ROW) {
        uint64_t slot = (uint64_t)sqlite3_column_int64(s, 0) - 1;
        if (!*bits && !(*bits = calloc(c->slots / 64 + 1, sizeof **bits)))
            status = sns_fail(err, SNS_NOMEM, "%s: no memory to search", c->path);
        else if (slot < c->slots)
            (*bits)[slot / 64] |= (uint64_t)1 << slot % 64;
    }
    if (!status && step != SQLITE_DONE) status = sns_store_fail(c, err);
    sqlite3_finalize(s);
    return status;
}
