/* index_internal.h - what the files that index share. */
#ifndef SNS_CATALOG_INDEX_INTERNAL_H
#define SNS_CATALOG_INDEX_INTERNAL_H
#include "catalog/digest.h"
#include "catalog/slots.h"
#include "catalog/walk.h"

typedef enum sns_medium { SNS_MEDIUM_PICTURE, SNS_MEDIUM_FILM, SNS_MEDIUM_SOUND } sns_medium;

enum {
    SNS_VIEW_SOUND = -1, /* of a moment: a window of sound, no picture */
    SNS_UNHEARD = 0      /* `every` of an unfinished film that only lacks its sound */
};

/* A file that needs work. */
typedef struct sns_index_task {
    const sns_walk_file *file;
    sns_medium medium;
    bool known;         /* its path is in the catalog */
    int64_t old_vector; /* of that row; 0: none */
    int64_t unfinished; /* the same of a film that was not read to its end; then old_vector is 0 */
    bool unheard;       /* unfinished only since a model that hears came later */
    unsigned char hash[SNS_DIGEST_BYTES];
    sns_status status; /* why it is unreadable */
    char *message;
    int64_t vector; /* row of its content; 0: not stored yet */
    size_t leader;  /* the task of this batch with the same content: itself, or an earlier one */
    float *encoded; /* its vector, when it was encoded */
} sns_index_task;

typedef struct sns_indexer {
    sns_catalog *c;
    const sns_model *model;
    const sns_model *hears; /* this one, another, or NULL */
    const char *model_dir;
    sns_index_options o;
    sns_index_counts *counts;
    sns_walk walk;
    sns_index_task *tasks; /* pictures, then films, then recordings */
    size_t task_count, done;
    float *vectors; /* of the batch */
    bool orphans;   /* some content has lost its last file */
    sqlite3_stmt *find_file, *find_hash, *find_places, *add_vector, *put_file, *drop_file;
    sqlite3_stmt *find_state, *put_state, *drop_state, *add_moment;
} sns_indexer;

void sns_index_report(sns_indexer *x, sns_status status, const char *message);
sns_status sns_index_no_memory(sns_indexer *x, sns_error *err);
/* Run a statement that gives no row. */
sns_status sns_index_step(sns_indexer *x, sqlite3_stmt *s, sns_error *err);
/* Why a task is unreadable. */
void sns_index_fail(sns_index_task *t, sns_status status, const char *message);
/* Unreadable because of its content, which stays so until the file changes? */
bool sns_index_is_lasting(sns_status status);
void sns_index_hash(sns_indexer *x, sns_index_task *tasks, size_t n);
/* Fill in vector where the content is known; *work, *work_count: the tasks whose content is not. */
sns_status sns_index_match(sns_indexer *x, sns_index_task *tasks, size_t n, size_t *work,
                           size_t *work_count, sns_error *err);
/* A file that was written to meanwhile must not be stored: its hash and vector may be of two
 * different contents. */
void sns_index_check_same(sns_index_task *t);
/* A transaction that stores; end commits it when status is SNS_OK, else takes all of it back and
 * returns status. */
sns_status sns_index_begin(sns_indexer *x, sns_error *err);
sns_status sns_index_end(sns_indexer *x, sns_status status, sns_error *err);
/* Inside one: what became of a task, and its count. */
sns_status sns_index_store(sns_indexer *x, sns_index_task *tasks, sns_index_task *t,
                           sns_index_counts *counts, sns_error *err);
sns_status sns_index_store_file(sns_indexer *x, const sns_index_task *t, sns_error *err);
/* Both for n tasks that are done, in one transaction; the unreadable ones are reported. */
sns_status sns_index_store_all(sns_indexer *x, sns_index_task *tasks, size_t n, sns_error *err);

/* A model that hears has come: films that are known are to be listened to, and what could not be
 * read is tried again. Inside a transaction. */
sns_status sns_index_unheard(sns_catalog *c, sns_error *err);
/* All of one film or recording, or what is left of it. */
sns_status sns_index_stream(sns_indexer *x, sns_index_task *t, sns_error *err);
#endif
