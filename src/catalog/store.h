/* store.h - the SQLite file behind a catalog. */
#ifndef SNS_CATALOG_STORE_H
#define SNS_CATALOG_STORE_H
#include "catalog/vector_file.h"
#include <sensus/catalog.h>
#include <sqlite3.h>

struct sns_catalog {
    sqlite3 *db;
    char *path;
    int lock_fd;       /* of the -lock file; -1 when reading */
    char *fingerprint; /* of the model; NULL: no vectors yet */
    char *model_dir;
    char *sound_fingerprint, *sound_dir; /* of the second model, which hears; NULL: none */
    size_t dim;                          /* width of the vectors; 0: none yet */
    uint64_t generation; /* of the files of vectors, and how many slots of them were committed */
    size_t slots;
    sns_vector_file mapped, adding; /* opened when needed; slots.h */
};

/* The last SQLite failure as a message of one line with the catalog's path. */
sns_status sns_store_fail(const sns_catalog *c, sns_error *err);
/* Statements without a result, split by ';'. */
sns_status sns_store_exec(const sns_catalog *c, const char *sql, sns_error *err);
sns_status sns_store_prepare(const sns_catalog *c, const char *sql, sqlite3_stmt **out,
                             sns_error *err);
/* The number that a query gives; 0 when it gives no row. */
sns_status sns_store_number(const sns_catalog *c, const char *sql, int64_t *out, sns_error *err);
/* Read the meta table: the model's names, the state of the files of vectors. */
sns_status sns_store_load_meta(sns_catalog *c, sns_error *err);
sns_status sns_store_write_number(const sns_catalog *c, const char *key, uint64_t value,
                                  sns_error *err);
/* A value of the meta table, malloc'd; NULL when there is none. */
sns_status sns_store_read_text(const sns_catalog *c, const char *key, char **value, sns_error *err);
sns_status sns_store_write_text(const sns_catalog *c, const char *key, const char *value,
                                sns_error *err);
/* Remember which model makes the vectors, and which those of sound; inside a transaction of the
 * caller. */
sns_status sns_store_set_model(sns_catalog *c, const sns_model *model, const char *dir,
                               sns_error *err);
sns_status sns_store_set_sound_model(sns_catalog *c, const sns_model *model, const char *dir,
                                     sns_error *err);
#endif
