/* store.c - opening a catalog, its schema, its model, and SQLite's errors in words.
 *
 * Workload: one writer that stores batches of a hundred rows, readers that ask for a few of them.
 * Write-ahead logging lets readers go on while a batch is written; a kill leaves the last committed
 * batch. synchronous=NORMAL: a power cut may lose the newest batches but never damages the file. */
#include "catalog/slots.h"
#include "base/error.h"
#include "base/strbuf.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* "sns1", in the file's header, tells a catalog from other SQLite files. */
#define APPLICATION_ID       0x736e7331
#define SCHEMA_VERSION       3
#define SCHEMA_WITHOUT_FILMS 2

static const char schema[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    /* One row for each content: equal files share it. Its vector, of a film the first, is in slot
     * id - 1. */
    "CREATE TABLE vectors(id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE);"
    /* Slots of vectors that no file has any more. */
    "CREATE TABLE removed(id INTEGER PRIMARY KEY);"
    /* vector is NULL for an unreadable file, and then problem says why. */
    "CREATE TABLE files(path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,"
    " vector INTEGER REFERENCES vectors(id), problem TEXT) WITHOUT ROWID;"
    "CREATE INDEX files_by_vector ON files(vector, path);";

/* What a film has beside: all that layout 3 adds to 2. */
static const char film_schema[] =
    /* One row for each vector of a film, the first one too, by time: item is its row of vectors;
     * times in seconds; cut: a shot begins; view: 0 is the whole frame. */
    "CREATE TABLE moments(vector INTEGER PRIMARY KEY,"
    " item INTEGER NOT NULL REFERENCES vectors(id), start REAL NOT NULL, end REAL NOT NULL,"
    " seconds REAL NOT NULL, cut INTEGER NOT NULL, view INTEGER NOT NULL);"
    "CREATE INDEX moments_by_item ON moments(item, vector);"
    /* Films that are being read: how to go on (an sns_sampling), and the options they began with.
     */
    "CREATE TABLE unfinished(item INTEGER PRIMARY KEY REFERENCES vectors(id),"
    " every REAL NOT NULL, regions INTEGER NOT NULL, state BLOB NOT NULL);";

sns_status sns_store_fail(const sns_catalog *c, sns_error *err) {
    int code = sqlite3_errcode(c->db);
    switch (code & 0xff) {
    case SQLITE_FULL:
        return sns_fail(err, SNS_IO, "%s: the disk is full; what was stored before is kept",
                        c->path);
    case SQLITE_READONLY:
        return sns_fail(err, SNS_IO, "%s: no permission to write", c->path);
    case SQLITE_NOTADB:
        return sns_fail(err, SNS_FORMAT, "%s: not a catalog of sensus", c->path);
    case SQLITE_CORRUPT:
        return sns_fail(err, SNS_FORMAT, "%s: damaged (%s); delete it and index again", c->path,
                        sqlite3_errmsg(c->db));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return sns_fail(err, SNS_BUSY, "%s: in use by another process; try again when it has ended",
                        c->path);
    case SQLITE_NOMEM:
        return sns_fail(err, SNS_NOMEM, "%s: no memory", c->path);
    default:
        return sns_fail(err, SNS_IO, "%s: %s", c->path, sqlite3_errmsg(c->db));
    }
}

sns_status sns_store_exec(const sns_catalog *c, const char *sql, sns_error *err) {
    return sqlite3_exec(c->db, sql, NULL, NULL, NULL) ? sns_store_fail(c, err) : SNS_OK;
}

sns_status sns_store_prepare(const sns_catalog *c, const char *sql, sqlite3_stmt **out,
                             sns_error *err) {
    return sqlite3_prepare_v2(c->db, sql, -1, out, NULL) ? sns_store_fail(c, err) : SNS_OK;
}

sns_status sns_store_number(const sns_catalog *c, const char *sql, int64_t *out, sns_error *err) {
    sqlite3_stmt *s;
    *out = 0;
    sns_status status = sns_store_prepare(c, sql, &s, err);
    if (status) return status;
    int step = sqlite3_step(s);
    if (step == SQLITE_ROW) *out = sqlite3_column_int64(s, 0);
    if (step != SQLITE_ROW && step != SQLITE_DONE) status = sns_store_fail(c, err);
    sqlite3_finalize(s);
    return status;
}

sns_status sns_store_read_text(const sns_catalog *c, const char *key, char **value,
                               sns_error *err) {
    sqlite3_stmt *s;
    *value = NULL;
    sns_status status = sns_store_prepare(c, "SELECT value FROM meta WHERE key = ?", &s, err);
    if (status) return status;
    sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
    int step = sqlite3_step(s);
    if (step == SQLITE_ROW && sqlite3_column_text(s, 0)) {
        *value = sns_strdup((const char *)sqlite3_column_text(s, 0));
        if (!*value) status = sns_fail(err, SNS_NOMEM, "%s: no memory", c->path);
    } else if (step != SQLITE_DONE) {
        status = sns_store_fail(c, err);
    }
    sqlite3_finalize(s);
    return status;
}

sns_status sns_store_write_text(const sns_catalog *c, const char *key, const char *value,
                                sns_error *err) {
    sqlite3_stmt *s;
    sns_status status = sns_store_prepare(c, "INSERT OR REPLACE INTO meta(key, value) VALUES(?, ?)",
                                          &s, err);
    if (status) return status;
    sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 2, value, -1, SQLITE_STATIC);
    if (sqlite3_step(s) != SQLITE_DONE) status = sns_store_fail(c, err);
    sqlite3_finalize(s);
    return status;
}

sns_status sns_store_write_number(const sns_catalog *c, const char *key, uint64_t value,
                                  sns_error *err) {
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return sns_store_write_text(c, key, text, err);
}

static sns_status read_number(const sns_catalog *c, const char *key, uint64_t *value,
                              sns_error *err) {
    char *text;
    sns_status status = sns_store_read_text(c, key, &text, err);
    *value = text ? strtoull(text, NULL, 10) : 0;
    free(text);
    return status;
}

static void free_names(sns_catalog *c) {
    free(c->fingerprint);
    free(c->model_dir);
    free(c->sound_fingerprint);
    free(c->sound_dir);
    c->fingerprint = c->model_dir = c->sound_fingerprint = c->sound_dir = NULL;
}

sns_status sns_store_load_meta(sns_catalog *c, sns_error *err) {
    uint64_t dim, slots;
    sns_status status;
    free_names(c);
    if ((status = sns_store_read_text(c, "fingerprint", &c->fingerprint, err)) ||
        (status = sns_store_read_text(c, "model_dir", &c->model_dir, err)) ||
        (status = sns_store_read_text(c, "sound_fingerprint", &c->sound_fingerprint, err)) ||
        (status = sns_store_read_text(c, "sound_model_dir", &c->sound_dir, err)) ||
        (status = read_number(c, "dim", &dim, err)) ||
        (status = read_number(c, "slots", &slots, err)) ||
        (status = read_number(c, "generation", &c->generation, err)))
        return status;
    c->dim = (size_t)dim;
    c->slots = (size_t)slots;
    if (dim > 65536 || slots > UINT32_MAX || (c->fingerprint && !dim) || (slots && !dim))
        return sns_fail(err, SNS_FORMAT, "%s: damaged (width or number of vectors)", c->path);
    return SNS_OK;
}

/* Tables that are missing, and the version that they make of the file; in one transaction. */
static sns_status make_tables(const sns_catalog *c, const char *first, sns_error *err) {
    char sql[sizeof schema + sizeof film_schema + 160];
    snprintf(sql, sizeof sql,
             "BEGIN IMMEDIATE; %s %s PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT;",
             first, film_schema, APPLICATION_ID, SCHEMA_VERSION);
    sns_status status = sns_store_exec(c, sql, err);
    if (status) sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

/* A catalog from before there were films gets their tables: in the file, or, for a reader, empty
 * ones that only it sees. */
static sns_status add_films(const sns_catalog *c, bool write, sns_error *err) {
    if (write) return make_tables(c, "", err);
    return sns_store_exec(c,
                          "PRAGMA temp_store = MEMORY;"
                          "CREATE TEMP TABLE moments(vector INTEGER PRIMARY KEY, item INTEGER,"
                          " start REAL, end REAL, seconds REAL, cut INTEGER, view INTEGER);"
                          "CREATE TEMP TABLE unfinished(item INTEGER PRIMARY KEY)",
                          err);
}

/* A fresh file gets the schema; any other must be a catalog of a version that we know. */
static sns_status check_schema(sns_catalog *c, bool write, sns_error *err) {
    int64_t application, version, tables;
    sns_status status;
    if ((status = sns_store_number(c, "PRAGMA application_id", &application, err)) ||
        (status = sns_store_number(c, "PRAGMA user_version", &version, err)) ||
        (status = sns_store_number(c, "SELECT count(*) FROM sqlite_master", &tables, err)))
        return status;
    if (application == APPLICATION_ID && version == SCHEMA_VERSION) return SNS_OK;
    if (application == APPLICATION_ID && version == SCHEMA_WITHOUT_FILMS)
        return add_films(c, write, err);
    if (application == APPLICATION_ID && version > SCHEMA_VERSION)
        return sns_fail(err, SNS_UNSUPPORTED, "%s: made by a newer sensus (layout %lld)", c->path,
                        (long long)version);
    if (application == APPLICATION_ID)
        return sns_fail(err, SNS_UNSUPPORTED,
                        "%s: made by an older sensus (layout %lld); delete it and index again",
                        c->path, (long long)version);
    if (!write || application || tables)
        return sns_fail(err, SNS_FORMAT, "%s: not a catalog of sensus", c->path);
    return make_tables(c, schema, err);
}

/* The lock lives in a file of its own: SQLite's locks come and go with each transaction, this one
 * lasts as long as the process indexes, and the kernel drops it when the process dies. */
static sns_status take_lock(sns_catalog *c, sns_error *err) {
    sns_strbuf name = {0};
    sns_strbuf_printf(&name, "%s-lock", c->path);
    if (name.failed) return sns_fail(err, SNS_NOMEM, "%s: no memory", c->path);
    c->lock_fd = open(name.data, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    sns_status status = SNS_OK;
    if (c->lock_fd < 0 && errno == ENOENT)
        status = sns_fail(err, SNS_IO, "%s: its folder does not exist", c->path);
    else if (c->lock_fd < 0)
        status = sns_fail_errno(err, SNS_IO, errno, "%s: can't write there", c->path);
    else if (flock(c->lock_fd, LOCK_EX | LOCK_NB))
        status = sns_fail(err, SNS_BUSY,
                          "%s: another sensus is indexing into it; wait until it ends", c->path);
    sns_strbuf_free(&name);
    return status;
}

static sns_status open_write(sns_catalog *c, sns_error *err) {
    struct stat st;
    if (!stat(c->path, &st) && !S_ISREG(st.st_mode))
        return sns_fail(err, SNS_IO, "%s: not a file", c->path);
    sns_status status = take_lock(c, err);
    if (status) return status;
    if (sqlite3_open_v2(c->path, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL))
        return sns_store_fail(c, err);
    if (sqlite3_db_readonly(c->db, "main") == 1)
        return sns_fail(err, SNS_IO, "%s: no permission to write", c->path);
    sqlite3_busy_timeout(c->db, 10000);
    return sns_store_exec(c,
                          "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL;"
                          "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;",
                          err);
}

/* A URI for a file on a read-only disk: SQLite then needs no companions. */
static char *immutable_uri(const char *path) {
    sns_strbuf b = {0};
    sns_strbuf_puts(&b, "file:");
    for (const char *p = path; *p; p++) {
        if (*p == '%' || *p == '?' || *p == '#')
            sns_strbuf_printf(&b, "%%%02X", (unsigned char)*p);
        else
            sns_strbuf_add(&b, p, 1);
    }
    sns_strbuf_puts(&b, "?immutable=1");
    if (!b.failed) return b.data;
    sns_strbuf_free(&b);
    return NULL;
}

static sns_status open_read(sns_catalog *c, sns_error *err) {
    struct stat st;
    if (stat(c->path, &st)) {
        if (errno == ENOENT || errno == ENOTDIR)
            return sns_fail(err, SNS_MISSING, "%s: no catalog here; make one with: sensus index",
                            c->path);
        return sns_fail_errno(err, SNS_IO, errno, "%s", c->path);
    }
    if (!S_ISREG(st.st_mode)) return sns_fail(err, SNS_IO, "%s: not a file", c->path);
    if (sqlite3_open_v2(c->path, &c->db, SQLITE_OPEN_READONLY, NULL)) return sns_store_fail(c, err);
    sqlite3_busy_timeout(c->db, 10000);
    int first = sqlite3_exec(c->db, "SELECT 1 FROM sqlite_master", NULL, NULL, NULL);
    if (first != SQLITE_CANTOPEN && first != SQLITE_READONLY) return SNS_OK;
    char *uri = immutable_uri(c->path);
    if (!uri) return sns_fail(err, SNS_NOMEM, "%s: no memory", c->path);
    sqlite3_close(c->db);
    int opened = sqlite3_open_v2(uri, &c->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
    free(uri);
    return opened ? sns_store_fail(c, err) : SNS_OK;
}

sns_status sns_catalog_open(const char *path, sns_catalog_mode mode, sns_catalog **out,
                            sns_error *err) {
    *out = NULL;
    if (!path || !*path) return sns_fail(err, SNS_ARG, "the catalog's path is empty");
    sns_catalog *c = calloc(1, sizeof *c);
    if (!c) return sns_fail(err, SNS_NOMEM, "%s: no memory", path);
    c->lock_fd = -1;
    bool write = mode == SNS_CATALOG_WRITE;
    sns_status status = SNS_OK;
    /* SQLite gives names like ":memory:" a meaning; a path with a folder has none. */
    c->path = *path == ':' ? sns_path_join(".", path) : sns_strdup(path);
    if (!c->path) status = sns_fail(err, SNS_NOMEM, "%s: no memory", path);
    if (!status) status = write ? open_write(c, err) : open_read(c, err);
    if (!status) status = check_schema(c, write, err);
    if (!status) status = sns_store_load_meta(c, err);
    if (!status && write) sns_slots_tidy(c);
    if (status) {
        sns_catalog_close(c);
        return status;
    }
    *out = c;
    return SNS_OK;
}

void sns_catalog_close(sns_catalog *c) {
    if (!c) return;
    sns_vector_file_close(&c->mapped);
    sns_vector_file_close(&c->adding);
    sqlite3_close(c->db);
    if (c->lock_fd >= 0) close(c->lock_fd);
    free_names(c);
    free(c->path);
    free(c);
}

const char *sns_catalog_model_dir(const sns_catalog *c) {
    return c->model_dir;
}

const char *sns_catalog_sound_model_dir(const sns_catalog *c) {
    return c->sound_dir;
}

sns_status sns_catalog_count(sns_catalog *c, size_t *files, sns_error *err) {
    int64_t n;
    sns_status status = sns_store_number(c, "SELECT count(*) FROM files WHERE vector IS NOT NULL",
                                         &n, err);
    *files = status ? 0 : (size_t)n;
    return status;
}

sns_status sns_catalog_check_model(const sns_catalog *c, const sns_model *model, sns_error *err) {
    const char *print = sns_model_fingerprint(model);
    if (!c->fingerprint || (!strcmp(c->fingerprint, print) && c->dim == sns_model_dim(model)))
        return SNS_OK;
    return sns_fail(
        err, SNS_MISMATCH,
        "%s: made with another model (%s, %.8s; this one is %.8s); use another --catalog, "
        "or make it anew with: sensus index --rebuild",
        c->path, c->model_dir ? c->model_dir : "unknown folder", c->fingerprint, print);
}

sns_status sns_catalog_check_sound_model(const sns_catalog *c, const sns_model *model,
                                         sns_error *err) {
    const char *print = sns_model_fingerprint(model);
    if (!c->sound_fingerprint || !strcmp(c->sound_fingerprint, print)) return SNS_OK;
    return sns_fail(err, SNS_MISMATCH,
                    "%s: made with another model for sound (%s, %.8s; this one is %.8s); use "
                    "another --catalog, or make it anew with: sensus index --rebuild",
                    c->path, c->sound_dir ? c->sound_dir : "unknown folder", c->sound_fingerprint,
                    print);
}

sns_status sns_store_set_sound_model(sns_catalog *c, const sns_model *model, const char *dir,
                                     sns_error *err) {
    sns_status status = sns_store_write_text(c, "sound_fingerprint", sns_model_fingerprint(model),
                                             err);
    if (!status && dir) status = sns_store_write_text(c, "sound_model_dir", dir, err);
    return status ? status : sns_store_load_meta(c, err);
}

sns_status sns_store_set_model(sns_catalog *c, const sns_model *model, const char *dir,
                               sns_error *err) {
    sns_status status;
    if ((status = sns_store_write_text(c, "fingerprint", sns_model_fingerprint(model), err)) ||
        (status = sns_store_write_number(c, "dim", sns_model_dim(model), err)) ||
        (dir && (status = sns_store_write_text(c, "model_dir", dir, err))))
        return status;
    return sns_store_load_meta(c, err);
}

sns_status sns_catalog_rebuild(sns_catalog *c, sns_error *err) {
    uint64_t old = c->generation;
    sns_status status = sns_store_exec(c,
                                       "BEGIN IMMEDIATE; DELETE FROM files;"
                                       "DELETE FROM unfinished; DELETE FROM moments;"
                                       "DELETE FROM vectors; DELETE FROM removed; DELETE FROM meta",
                                       err);
    if (!status) status = sns_store_write_number(c, "generation", old + 1, err);
    if (!status) status = sns_store_exec(c, "COMMIT", err);
    if (status) {
        sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
        return status;
    }
    sns_vector_file_close(&c->mapped);
    sns_vector_file_close(&c->adding);
    sns_vector_file_delete(c->path, old);
    return sns_store_load_meta(c, err);
}
