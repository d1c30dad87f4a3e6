/* store.h - the SQLite file behind a catalog. */
#ifndef SNS_CATALOG_STORE_H
#define SNS_CATALOG_STORE_H
#include <sensus/catalog.h>
#include <sqlite3.h>

struct sns_catalog {
    sqlite3 *db;
    char *path;
    int lock_fd;       /* of the -lock file; -1 when reading */
    char *fingerprint; /* of the model; NULL: no vectors yet */
    char *model_dir;
    size_t dim; /* width of the vectors; 0: none yet */
};

/* The last SQLite failure as a message of one line with the catalog's path. */
sns_status sns_store_fail(const sns_catalog *c, sns_error *err);
/* Statements without a result, split by ';'. */
sns_status sns_store_exec(const sns_catalog *c, const char *sql, sns_error *err);
sns_status sns_store_prepare(const sns_catalog *c, const char *sql, sqlite3_stmt **out,
                             sns_error *err);
/* Read the model's names again (after a rollback). */
sns_status sns_store_load_model(sns_catalog *c, sns_error *err);
/* Remember which model makes the vectors; inside a transaction of the caller. */
sns_status sns_store_set_model(sns_catalog *c, const sns_model *model, const char *dir,
                               sns_error *err);
#endif
