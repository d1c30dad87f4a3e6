/* catalog_index.c - bringing a catalog up to date: plan, batches, removals.
 *
 *   walk ─▶ plan: unchanged │ remembered as unreadable │ to do
 *   pictures to do ─▶ batches: hash (parallel) ─▶ known content │ decode + encode (parallel)
 *                     ─▶ one transaction
 *   films, recordings ─▶ one by one (index_stream.c), in a transaction for each stretch
 *   then one transaction that removes what is gone
 *
 * A batch is the unit of loss: a kill, a full disk or a cancellation leaves every earlier batch. */
#include "catalog/catalog_scale.h"
#include "catalog/index_internal.h"
#include "base/error.h"
#include "base/strbuf.h"
#include "media/image_kind.h"
#include "media/sound_kind.h"
#include <sensus/embed.h>
#include <omp.h>
#include <sys/stat.h>

enum { DEFAULT_BATCH = 128, MAX_BATCH = 4096 };

void sns_index_report(sns_indexer *x, sns_status status, const char *message) {
    if (x->o.problem) x->o.problem(x->o.user, status, message);
}

static void show_progress(sns_indexer *x, size_t total) {
    if (x->o.progress) x->o.progress(x->o.user, x->done, total);
}

sns_status sns_index_no_memory(sns_indexer *x, sns_error *err) {
    return sns_fail(err, SNS_NOMEM, "%s: no memory to index", x->c->path);
}

/* ---- statements ---- */

static sns_status prepare_all(sns_indexer *x, sns_error *err) {
    const struct {
        sqlite3_stmt **statement;
        const char *sql;
    } all[] = {
        {&x->find_file, "SELECT size, mtime_ns, vector, problem, (SELECT every FROM unfinished"
                        " WHERE item = vector) FROM files WHERE path = ?"},
        {&x->find_hash, "SELECT id FROM vectors WHERE hash = ?"},
        {&x->find_places, "SELECT path FROM files WHERE vector = ? ORDER BY path"},
        {&x->add_vector, "INSERT INTO vectors(id, hash) VALUES(?, ?)"},
        {&x->put_file, "INSERT OR REPLACE INTO files(path, size, mtime_ns, vector, problem)"
                       " VALUES(?, ?, ?, ?, ?)"},
        {&x->drop_file, "DELETE FROM files WHERE path = ?"},
        {&x->find_state, "SELECT every, regions, state FROM unfinished WHERE item = ?"},
        {&x->put_state, "INSERT OR REPLACE INTO unfinished(item, every, regions, state)"
                        " VALUES(?, ?, ?, ?)"},
        {&x->drop_state, "DELETE FROM unfinished WHERE item = ?"},
        {&x->add_moment, "INSERT INTO moments(vector, item, start, end, seconds, cut, view)"
                         " VALUES(?, ?, ?, ?, ?, ?, ?)"},
    };
    sns_status status = SNS_OK;
    for (size_t i = 0; i < sizeof all / sizeof *all && !status; i++)
        status = sns_store_prepare(x->c, all[i].sql, all[i].statement, err);
    return status;
}

static void finalize_all(sns_indexer *x) {
    sqlite3_finalize(x->find_file);
    sqlite3_finalize(x->find_hash);
    sqlite3_finalize(x->find_places);
    sqlite3_finalize(x->add_vector);
    sqlite3_finalize(x->put_file);
    sqlite3_finalize(x->drop_file);
    sqlite3_finalize(x->find_state);
    sqlite3_finalize(x->put_state);
    sqlite3_finalize(x->drop_state);
    sqlite3_finalize(x->add_moment);
}

sns_status sns_index_step(sns_indexer *x, sqlite3_stmt *s, sns_error *err) {
    sns_status status = sqlite3_step(s) == SQLITE_DONE ? SNS_OK : sns_store_fail(x->c, err);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return status;
}

static sns_status drop_file(sns_indexer *x, const char *path, sns_error *err) {
    sqlite3_bind_text(x->drop_file, 1, path, -1, SQLITE_STATIC);
    return sns_index_step(x, x->drop_file, err);
}

/* ---- plan ---- */

/* By its name, or what it begins with. */
static sns_medium medium_of(const char *path) {
    unsigned char start[1 << 13];
    if (sns_is_picture_name(path)) return SNS_MEDIUM_PICTURE;
    if (sns_is_film_name(path)) return SNS_MEDIUM_FILM;
    if (sns_is_sound_name(path)) return SNS_MEDIUM_SOUND;
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(start, 1, sizeof start, f) : 0;
    if (f) fclose(f);
    return sns_kind_of(start, n) == SNS_KIND_UNKNOWN ? SNS_MEDIUM_FILM : SNS_MEDIUM_PICTURE;
}

/* Pictures, films, recordings, each by path. */
static int by_medium(const void *a, const void *b) {
    const sns_index_task *x = a, *y = b;
    if (x->medium != y->medium) return x->medium < y->medium ? -1 : 1;
    return x->file < y->file ? -1 : x->file > y->file;
}

/* Sorts one file into unchanged, remembered and to do. */
static sns_status plan_file(sns_indexer *x, const sns_walk_file *f, sns_error *err) {
    sqlite3_stmt *s = x->find_file;
    sns_index_task t = {.file = f, .medium = medium_of(f->path)};
    sqlite3_bind_text(s, 1, f->path, -1, SQLITE_STATIC);
    int step = sqlite3_step(s);
    bool same = false;
    if (step == SQLITE_ROW) {
        t.known = true;
        t.old_vector = sqlite3_column_int64(s, 2);
        same = sqlite3_column_int64(s, 0) == f->size && sqlite3_column_int64(s, 1) == f->mtime_ns;
        if (same && sqlite3_column_type(s, 4) != SQLITE_NULL) {
            t.unfinished = t.old_vector;
            t.unheard = sqlite3_column_double(s, 4) == SNS_UNHEARD;
            t.old_vector = 0;
            same = false;
        } else if (same && t.old_vector) {
            x->counts->unchanged++;
        } else if (same && !x->o.retry) {
            const char *problem = (const char *)sqlite3_column_text(s, 3);
            x->counts->unreadable++;
            sns_index_report(x, SNS_FORMAT, problem ? problem : f->path);
        } else {
            same = false;
        }
    }
    sns_status status = step == SQLITE_ROW || step == SQLITE_DONE ? SNS_OK
                                                                  : sns_store_fail(x->c, err);
    sqlite3_reset(s);
    if (!same) x->tasks[x->task_count++] = t;
    return status;
}

/* A given path where nothing was found is fine when the catalog knows files there (they are gone),
 * else a mistake of the caller. */
static sns_status plan_nothing(sns_indexer *x, const char *path, const char *reason,
                               sns_error *err) {
    sqlite3_stmt *s;
    sns_error nothing;
    sns_status status = sns_store_prepare(
        x->c, "SELECT 1 FROM files WHERE path = ?1 OR (path > ?1 || '/' AND path < ?1 || '0')", &s,
        err);
    if (status) return status;
    sqlite3_bind_text(s, 1, path, -1, SQLITE_STATIC);
    int step = sqlite3_step(s);
    if (step == SQLITE_DONE) {
        x->counts->found++;
        x->counts->unreadable++;
        sns_fail(&nothing, SNS_MISSING, "%s: %s", path, reason);
        sns_index_report(x, SNS_MISSING, nothing.message);
    } else if (step != SQLITE_ROW) {
        status = sns_store_fail(x->c, err);
    }
    sqlite3_finalize(s);
    return status;
}

/* Was anything found, or reported already, at or below root? */
static bool found_below(const sns_walk *w, const char *root) {
    const sns_names one = {(char **)(uintptr_t)&root, 1, 1};
    if (sns_walk_has(w, root)) return true;
    for (size_t i = 0; i < w->count; i++)
        if (sns_names_cover(&one, w->files[i].path)) return true;
    for (size_t i = 0; i < w->problems.count; i++)
        if (!strncmp(w->problems.items[i], root, strlen(root))) return true;
    return sns_names_cover(&w->absent, root);
}

static sns_status plan(sns_indexer *x, sns_error *err) {
    sns_status status = SNS_OK;
    x->counts->found = x->walk.count + x->walk.problems.count;
    x->counts->unreadable = x->walk.problems.count;
    for (size_t i = 0; i < x->walk.problems.count; i++)
        sns_index_report(x, SNS_IO, x->walk.problems.items[i]);
    for (size_t i = 0; i < x->walk.absent.count && !status; i++)
        status = plan_nothing(x, x->walk.absent.items[i], "no such file or folder", err);
    for (size_t i = 0; i < x->walk.roots.count && !status; i++)
        if (!found_below(&x->walk, x->walk.roots.items[i]))
            status = plan_nothing(x, x->walk.roots.items[i], "nothing to index in this folder",
                                  err);
    if (status) return status;
    x->tasks = calloc(x->walk.count ? x->walk.count : 1, sizeof *x->tasks);
    if (!x->tasks) return sns_index_no_memory(x, err);
    for (size_t i = 0; i < x->walk.count && !status; i++)
        status = plan_file(x, &x->walk.files[i], err);
    qsort(x->tasks, x->task_count, sizeof *x->tasks, by_medium);
    return status;
}

/* ---- one batch ---- */

void sns_index_fail(sns_index_task *t, sns_status status, const char *message) {
    t->status = status;
    t->message = sns_strdup(message); /* NULL: the path alone is reported */
}

void sns_index_hash(sns_indexer *x, sns_index_task *tasks, size_t n) {
    int threads = x->o.threads ? (int)x->o.threads : omp_get_num_procs();
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (size_t i = 0; i < n; i++) {
        sns_error err;
        sns_status status = sns_digest_file(tasks[i].file->path, tasks[i].hash, &err);
        if (status) sns_index_fail(&tasks[i], status, err.message);
    }
}

sns_status sns_index_match(sns_indexer *x, sns_index_task *tasks, size_t n, size_t *work,
                           size_t *work_count, sns_error *err) {
    sns_status status = SNS_OK;
    *work_count = 0;
    for (size_t i = 0; i < n && !status; i++) {
        sns_index_task *t = &tasks[i];
        t->leader = i;
        if (t->status) continue;
        sqlite3_bind_blob(x->find_hash, 1, t->hash, SNS_DIGEST_BYTES, SQLITE_STATIC);
        int step = sqlite3_step(x->find_hash);
        if (step == SQLITE_ROW)
            t->vector = sqlite3_column_int64(x->find_hash, 0);
        else if (step != SQLITE_DONE)
            status = sns_store_fail(x->c, err);
        sqlite3_reset(x->find_hash);
        for (size_t k = 0; k < *work_count && !t->vector; k++)
            if (!memcmp(tasks[work[k]].hash, t->hash, SNS_DIGEST_BYTES)) t->leader = work[k];
        if (!t->vector && t->leader == i) work[(*work_count)++] = i;
    }
    return status;
}

typedef struct encoding {
    sns_indexer *x;
    sns_index_task *tasks;
    const size_t *work;
    size_t dim;
} encoding;

static sns_status take_vector(void *user, const sns_embed_result *r) {
    encoding *e = user;
    sns_index_task *t = &e->tasks[e->work[r->index]];
    if (r->status) {
        sns_index_fail(t, r->status, r->message);
    } else {
        t->encoded = e->x->vectors + r->index * e->dim;
        memcpy(t->encoded, r->vector, e->dim * sizeof(float));
    }
    e->x->done++;
    show_progress(e->x, e->x->task_count);
    return SNS_OK;
}

static sns_status encode_batch(sns_indexer *x, sns_index_task *tasks, const size_t *work,
                               size_t work_count, sns_error *err) {
    if (!work_count) return SNS_OK;
    encoding e = {x, tasks, work, sns_model_dim(x->model)};
    sns_embed_options o = {.threads = x->o.threads, .exact = x->o.exact, .cancel = x->o.cancel};
    const char **paths = calloc(work_count, sizeof *paths);
    if (!paths) return sns_index_no_memory(x, err);
    for (size_t i = 0; i < work_count; i++) paths[i] = tasks[work[i]].file->path;
    sns_status status = sns_embed_files(x->model, paths, work_count, &o, take_vector, &e, err);
    free((void *)paths);
    return status;
}

void sns_index_check_same(sns_index_task *t) {
    struct stat st;
    if (t->status || stat(t->file->path, &st)) return;
    int64_t mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    if (st.st_size == t->file->size && mtime_ns == t->file->mtime_ns) return;
    sns_error err;
    sns_status status = sns_fail(&err, SNS_IO, "%s: changed while it was read; index again",
                                 t->file->path);
    sns_index_fail(t, status, err.message);
}

/* What the leader of equal files found out is true of the others. */
static void follow_leader(sns_index_task *t, const sns_index_task *leader) {
    if (t == leader || t->status) return;
    t->vector = leader->vector;
    if (leader->vector || !leader->status) return;
    sns_error err;
    sns_fail(&err, leader->status, "%s: has the same bytes as %s", t->file->path,
             leader->message ? leader->message : leader->file->path);
    sns_index_fail(t, leader->status, err.message);
}

static sns_status store_vector(sns_indexer *x, sns_index_task *t, sns_error *err) {
    if (!t->encoded || t->status) return SNS_OK;
    sns_status status = sns_slots_add(x->c, t->encoded, &t->vector, err);
    if (status) return status;
    sqlite3_bind_int64(x->add_vector, 1, t->vector);
    sqlite3_bind_blob(x->add_vector, 2, t->hash, SNS_DIGEST_BYTES, SQLITE_STATIC);
    return sns_index_step(x, x->add_vector, err);
}

bool sns_index_is_lasting(sns_status status) {
    return status == SNS_FORMAT || status == SNS_LIMIT || status == SNS_UNSUPPORTED ||
           status == SNS_SHAPE;
}

sns_status sns_index_store_file(sns_indexer *x, const sns_index_task *t, sns_error *err) {
    sqlite3_stmt *s = x->put_file;
    bool remember = !t->status || sns_index_is_lasting(t->status);
    sqlite3_bind_text(s, 1, t->file->path, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 2, remember ? t->file->size : -1); /* -1 equals no file: tried again */
    sqlite3_bind_int64(s, 3, t->file->mtime_ns);
    if (!t->status)
        sqlite3_bind_int64(s, 4, t->vector);
    else
        sqlite3_bind_text(s, 5, t->message ? t->message : t->file->path, -1, SQLITE_STATIC);
    return sns_index_step(x, s, err);
}

static bool is_gone(const sns_indexer *x, const char *path) {
    return sns_names_cover(&x->walk.roots, path) && !sns_walk_has(&x->walk, path) &&
           !sns_names_cover(&x->walk.unread, path);
}

/* Is there a file of the same content that is gone? Then this one is it, moved; its old row goes.
 */
static sns_status take_move(sns_indexer *x, const sns_index_task *t, bool *moved, sns_error *err) {
    sqlite3_stmt *s = x->find_places;
    char *old = NULL;
    int step;
    sqlite3_bind_int64(s, 1, t->vector);
    while ((step = sqlite3_step(s)) == SQLITE_ROW) {
        const char *path = (const char *)sqlite3_column_text(s, 0);
        if (!path || !is_gone(x, path)) continue;
        old = sns_strdup(path);
        break;
    }
    sns_status status = step == SQLITE_ROW || step == SQLITE_DONE ? SNS_OK
                                                                  : sns_store_fail(x->c, err);
    sqlite3_reset(s);
    if (!status && step == SQLITE_ROW && !old) status = sns_index_no_memory(x, err);
    if (!status && old) status = drop_file(x, old, err);
    *moved = old != NULL;
    free(old);
    return status;
}

sns_status sns_index_store(sns_indexer *x, sns_index_task *tasks, sns_index_task *t,
                           sns_index_counts *counts, sns_error *err) {
    bool moved = false;
    sns_status status;
    if ((status = store_vector(x, t, err))) return status;
    follow_leader(t, &tasks[t->leader]);
    if (t->status) {
        counts->unreadable++;
        x->orphans |= t->old_vector || t->unfinished;
    } else {
        if (!t->known && (status = take_move(x, t, &moved, err))) return status;
        if (moved)
            counts->moved++;
        else if (t->unheard)
            counts->changed++;
        else if (!t->old_vector)
            counts->added++;
        else if (t->old_vector == t->vector)
            counts->unchanged++;
        else
            counts->changed++;
    }
    return sns_index_store_file(x, t, err);
}

sns_status sns_index_begin(sns_indexer *x, sns_error *err) {
    sns_status status = sns_store_exec(x->c, "BEGIN IMMEDIATE", err);
    if (status || x->c->fingerprint) return status;
    status = sns_store_set_model(x->c, x->model, x->model_dir, err);
    if (!status && x->o.sound_model)
        status = sns_store_set_sound_model(x->c, x->o.sound_model, x->o.sound_model_dir, err);
    return status ? sns_index_end(x, status, err) : SNS_OK;
}

sns_status sns_index_end(sns_indexer *x, sns_status status, sns_error *err) {
    if (!status) status = sns_slots_commit(x->c, err);
    if (!status) status = sns_store_exec(x->c, "COMMIT", err);
    if (!status) return SNS_OK;
    sqlite3_exec(x->c->db, "ROLLBACK", NULL, NULL, NULL);
    sns_slots_reload(x->c);
    return status;
}

sns_status sns_index_store_all(sns_indexer *x, sns_index_task *tasks, size_t n, sns_error *err) {
    sns_index_counts counts = *x->counts;
    sns_status status = sns_index_begin(x, err);
    if (status) return status;
    for (size_t i = 0; i < n; i++) sns_index_check_same(&tasks[i]);
    for (size_t i = 0; i < n && !status; i++)
        status = sns_index_store(x, tasks, &tasks[i], &counts, err);
    if ((status = sns_index_end(x, status, err))) return status;
    *x->counts = counts;
    for (size_t i = 0; i < n; i++)
        if (tasks[i].status)
            sns_index_report(x, tasks[i].status,
                             tasks[i].message ? tasks[i].message : tasks[i].file->path);
    return SNS_OK;
}

static sns_status run_batch(sns_indexer *x, sns_index_task *tasks, size_t n, sns_error *err) {
    size_t work[MAX_BATCH], work_count, first = x->done;
    sns_index_hash(x, tasks, n);
    sns_status status = sns_index_match(x, tasks, n, work, &work_count, err);
    if (!status) status = encode_batch(x, tasks, work, work_count, err);
    if (!status) status = sns_index_store_all(x, tasks, n, err);
    x->done = first + n;
    show_progress(x, x->task_count);
    for (size_t i = 0; i < n; i++) free(tasks[i].message);
    return status;
}

static sns_status check_cancel(const sns_indexer *x, sns_error *err) {
    if (!x->o.cancel || !*(const volatile int *)x->o.cancel) return SNS_OK;
    return sns_fail(err, SNS_CANCELLED, "cancelled; what was stored before is kept");
}

static sns_status run_pictures(sns_indexer *x, size_t count, sns_error *err) {
    size_t batch = x->o.batch_files ? x->o.batch_files : DEFAULT_BATCH;
    if (batch > MAX_BATCH) batch = MAX_BATCH;
    x->vectors = calloc(batch, sns_model_dim(x->model) * sizeof(float));
    if (!x->vectors) return sns_index_no_memory(x, err);
    sns_status status = SNS_OK;
    for (size_t i = 0; i < count && !status; i += batch) {
        status = check_cancel(x, err);
        if (!status)
            status = run_batch(x, x->tasks + i, count - i < batch ? count - i : batch, err);
    }
    return status;
}

static sns_status run_all(sns_indexer *x, sns_error *err) {
    size_t pictures = 0;
    while (pictures < x->task_count && x->tasks[pictures].medium == SNS_MEDIUM_PICTURE) pictures++;
    sns_status status = run_pictures(x, pictures, err);
    for (size_t i = pictures; i < x->task_count && !status; i++) {
        status = check_cancel(x, err);
        if (!status) status = sns_index_stream(x, &x->tasks[i], err);
        free(x->tasks[i].message);
        x->done++;
        show_progress(x, x->task_count);
    }
    return status;
}

/* ---- what is gone ---- */

/* Paths of the catalog that are under the roots and were not found; *findable counts those that a
 * search could have given. */
static sns_status list_gone(sns_indexer *x, sns_names *gone, size_t *findable, sns_error *err) {
    sqlite3_stmt *s;
    int step = SQLITE_DONE;
    sns_status status = sns_store_prepare(x->c, "SELECT path, vector IS NOT NULL FROM files", &s,
                                          err);
    while (!status && (step = sqlite3_step(s)) == SQLITE_ROW) {
        const char *path = (const char *)sqlite3_column_text(s, 0);
        if (!path || !is_gone(x, path)) continue;
        *findable += (size_t)sqlite3_column_int(s, 1);
        status = sns_names_add(gone, path, err);
    }
    if (!status && step != SQLITE_DONE) status = sns_store_fail(x->c, err);
    sqlite3_finalize(s);
    return status;
}

/* What no file has any more. */
static const char orphans[] =
    "CREATE TEMP TABLE lost(item INTEGER PRIMARY KEY);"
    "INSERT INTO lost SELECT id FROM vectors WHERE id NOT IN"
    " (SELECT vector FROM files WHERE vector IS NOT NULL);"
    "INSERT INTO removed SELECT item FROM lost"
    " UNION SELECT vector FROM moments WHERE item IN (SELECT item FROM lost);"
    "DELETE FROM unfinished WHERE item IN (SELECT item FROM lost);"
    "DELETE FROM moments WHERE item IN (SELECT item FROM lost);"
    "DELETE FROM vectors WHERE id IN (SELECT item FROM lost);"
    "DROP TABLE lost";

static sns_status remove_listed(sns_indexer *x, const sns_names *gone, sns_error *err) {
    sns_status status = sns_store_exec(x->c, "BEGIN IMMEDIATE", err);
    if (status) return status;
    for (size_t i = 0; i < gone->count && !status; i++) status = drop_file(x, gone->items[i], err);
    if (!status) status = sns_store_exec(x->c, orphans, err);
    if (!status) status = sns_store_exec(x->c, "COMMIT", err);
    if (status) sqlite3_exec(x->c->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

/* Rows of files that are gone, and vectors that no file has any more. */
static sns_status remove_gone(sns_indexer *x, sns_error *err) {
    sns_names gone = {0};
    size_t findable = 0;
    sns_status status = list_gone(x, &gone, &findable, err);
    if (!status && (gone.count || x->counts->changed || x->orphans)) {
        status = remove_listed(x, &gone, err);
        if (!status) status = sns_slots_compact(x->c, err);
    }
    if (!status) x->counts->removed = findable;
    sns_names_free(&gone);
    return status;
}

static bool is_elsewhere(const char *known, const char *dir) {
    return dir && (!known || strcmp(known, dir));
}

/* Models that lie elsewhere now are remembered there, and a second one that comes later. */
static sns_status refresh_models(sns_indexer *x, sns_error *err) {
    sns_catalog *c = x->c;
    bool later = x->o.sound_model && !c->sound_fingerprint;
    bool model = is_elsewhere(c->model_dir, x->model_dir);
    bool sound = x->o.sound_model && is_elsewhere(c->sound_dir, x->o.sound_model_dir);
    if (!c->fingerprint || (!model && !sound && !later)) return SNS_OK;
    sns_status status = sns_index_begin(x, err);
    if (status) return status;
    if (model) status = sns_store_set_model(c, x->model, x->model_dir, err);
    if (!status && later) status = sns_index_unheard(c, err);
    if (!status && (later || sound))
        status = sns_store_set_sound_model(c, x->o.sound_model, x->o.sound_model_dir, err);
    return sns_index_end(x, status, err);
}

/* Which model hears, and whether it is the catalog's. */
static sns_status choose_senses(sns_indexer *x, sns_error *err) {
    const sns_model *sound = x->o.sound_model;
    if (sns_model_sound_rate_hz(x->model)) {
        x->hears = x->model;
        return sound ? sns_fail(err, SNS_ARG, "%s: its model hears, a second one can't be used",
                                x->c->path)
                     : SNS_OK;
    }
    x->hears = sound;
    if (!sound && x->c->sound_fingerprint)
        return sns_fail(
            err, SNS_ARG,
            "%s: made with a model for sound too (%s), which is needed; to do without it "
            "make the catalog anew with: sensus index --rebuild",
            x->c->path, x->c->sound_dir ? x->c->sound_dir : "unknown folder");
    if (!sound) return SNS_OK;
    if (!sns_model_sound_rate_hz(sound))
        return sns_fail(err, SNS_SHAPE, "the model for sound does not hear");
    sns_status status = sns_catalog_check_sound_model(x->c, sound, err);
    return status ? status : sns_models_share_space(x->model, sound, err);
}

/* With two models, what joins their scores follows what is there. */
static sns_status refresh_scale(sns_indexer *x, sns_error *err) {
    const sns_index_counts *n = x->counts;
    sns_scale scale;
    bool known;
    if (!x->o.sound_model) return SNS_OK;
    sns_status status = x->o.sound_weight > 0 ? sns_scale_weigh(x->c, x->o.sound_weight, err)
                                              : SNS_OK;
    if (!status) status = sns_scale_read(x->c, &scale, &known, err);
    if (status || (known && !n->added && !n->changed && !n->removed)) return status;
    return sns_scale_store(x->c, x->model, err);
}

sns_status sns_catalog_index(sns_catalog *c, const sns_model *model, const char *model_dir,
                             const char *const *paths, size_t n, const sns_index_options *options,
                             sns_index_counts *counts, sns_error *err) {
    static const sns_index_options defaults = {0};
    sns_index_counts unused;
    sns_indexer x = {.c = c, .model = model, .model_dir = model_dir};
    x.o = options ? *options : defaults;
    x.counts = counts ? counts : &unused;
    *x.counts = (sns_index_counts){0};
    if (c->lock_fd < 0) return sns_fail(err, SNS_ARG, "%s: opened for reading only", c->path);
    if (!n) return sns_fail(err, SNS_ARG, "no files or folders to index");
    sns_status status = sns_catalog_check_model(c, model, err);
    if (!status) status = choose_senses(&x, err);
    if (status) return status;
    x.walk.cancel = x.o.cancel;
    x.walk.films = true;
    x.walk.sounds = x.hears != NULL;
    x.walk.no_pictures = !sns_model_image_px(model);
    show_progress(&x, 0);
    if (!(status = refresh_models(&x, err)) && !(status = prepare_all(&x, err)) &&
        !(status = sns_walk_paths(&x.walk, paths, n, err)) && !(status = plan(&x, err)) &&
        !(status = run_all(&x, err)))
        status = remove_gone(&x, err);
    if (!status) status = refresh_scale(&x, err);
    finalize_all(&x);
    free(x.tasks);
    free(x.vectors);
    sns_walk_free(&x.walk);
    return status;
}
