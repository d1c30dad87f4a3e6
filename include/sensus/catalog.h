/* catalog.h - what was indexed: files, their vectors, and search over them.
 *
 *   sns_catalog *c;
 *   sns_catalog_open("pictures.db", SNS_CATALOG_WRITE, &c, &err);
 *   sns_catalog_index(c, model, "models/small", folders, 1, NULL, &counts, &err);
 *   sns_query_encode(session, query, vector, &err);
 *   sns_catalog_search(c, vector, 10, &hits, &err);    hits.items[0].path, .score
 *
 * A catalog is a SQLite file and, beside it, the vectors: NAME-vectors-G and NAME-codes-G, G a
 * number (-wal, -shm and -lock come while in use). It never touches the files it describes. */
#ifndef SENSUS_CATALOG_H
#define SENSUS_CATALOG_H
#include <sensus/relevance.h>
#include <sensus/video.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sns_catalog sns_catalog; /* one thread at a time */

typedef enum sns_catalog_mode {
    SNS_CATALOG_READ, /* must exist; also from a read-only disk, also while another process writes
                       */
    SNS_CATALOG_WRITE /* made when missing; one process at a time, until it closes or dies */
} sns_catalog_mode;

/* Open a catalog.
 * Errors: SNS_MISSING (READ and there is none), SNS_IO (no permission, its folder is missing, full
 * disk), SNS_FORMAT (the file is something else, or damaged), SNS_UNSUPPORTED (made by a newer
 * sensus), SNS_BUSY (another process writes to it), SNS_NOMEM. */
SNS_API sns_status sns_catalog_open(const char *path, sns_catalog_mode mode, sns_catalog **out,
                                    sns_error *err);
SNS_API void sns_catalog_close(sns_catalog *c); /* NULL is fine */

/* The folder of the model that made the vectors, as it was given to sns_catalog_index; NULL for an
 * empty catalog. Borrowed, until the next call of sns_catalog_index, _rebuild or _close. */
SNS_API const char *sns_catalog_model_dir(const sns_catalog *c);
/* The same of the second model, which hears; NULL: there is none. */
SNS_API const char *sns_catalog_sound_model_dir(const sns_catalog *c);
/* How many files can be found. */
SNS_API sns_status sns_catalog_count(sns_catalog *c, size_t *files, sns_error *err);
/* SNS_MISMATCH, with the way out in the message, when the vectors were made with another model than
 * this one (weights, tokenizer or preprocessing differ); SNS_OK for an empty catalog. */
SNS_API sns_status sns_catalog_check_model(const sns_catalog *c, const sns_model *model,
                                           sns_error *err);
/* The same for the second model, which hears; SNS_OK where there was none yet. */
SNS_API sns_status sns_catalog_check_sound_model(const sns_catalog *c, const sns_model *model,
                                                 sns_error *err);
/* Forget all files and vectors, so that another model may be used. */
SNS_API sns_status sns_catalog_rebuild(sns_catalog *c, sns_error *err);

/* What one call of sns_catalog_index did, in files. found = unchanged + added + changed + moved +
 * unreadable. */
typedef struct sns_index_counts {
    size_t found;      /* pictures, films and recordings under the paths */
    size_t unchanged;  /* same size and time, or same content: nothing decoded */
    size_t added;      /* new to the catalog (a copy of a known file is new, but not decoded) */
    size_t changed;    /* known path, new content; or listened to now, by a sound_model that
                          came later */
    size_t moved;      /* new path, but the content of a file that is gone from its old path */
    size_t removed;    /* gone, and not as a move */
    size_t unreadable; /* each was reported to `problem` */
} sns_index_counts;

typedef struct sns_index_options {
    int retry;          /* nonzero: try files again that were unreadable and did not change since */
    int exact;          /* nonzero: never shrink while decoding (image.h) */
    size_t threads;     /* that decode and hash; 0: one for each processor */
    size_t batch_files; /* files in one transaction, the most that a kill can lose; 0: 128 */
    double every;       /* of films: seconds between samples while the picture changes; 0: 1 */
    int regions;        /* nonzero: of each sample also nine parts, half as wide and high */
    int fast;           /* nonzero: of films only frames that others need are decoded (video.h) */
    const sns_model *sound_model; /* hears, in the space of the model, which sees; NULL: no sound,
                                     or   that of a model that hears itself */
    const char *sound_model_dir;  /* remembered for sns_catalog_sound_model_dir; NULL: not */
    double sound_weight; /* of its sound beside the pictures of a film, remembered; 0: as it
                            is, at first 0.25 */
    const sns_isolation *isolation; /* where films are decoded (video.h); NULL: in this process */
    const int *cancel; /* NULL, or a flag: soon after it becomes nonzero the call ends with
                          SNS_CANCELLED; finished batches and stretches stay */
    /* done of total files that need work; total is 0 while folders are still being read. */
    void (*progress)(void *user, size_t done, size_t total);
    /* One unreadable file or folder: one line that names it and the reason. */
    void (*problem)(void *user, sns_status status, const char *message);
    /* A film or recording that was read, but not all of it: one line that names it and says what is
     * missing. */
    void (*note)(void *user, const char *message);
    /* Seconds of a film or recording that were stored so far, and in all (0: unknown). */
    void (*film)(void *user, const char *path, double seconds, double duration);
    void *user;
} sns_index_options;

/* Bring the catalog up to date with files and folders.
 *   Folders are walked in depth; hidden ones, and hidden files, are skipped; links are followed,
 * but no folder is visited twice. In folders, files count as pictures, films, recordings by
 * extension (.ts, which TypeScript has too, by content); a file that is itself among `paths`
 * always does. A model that sees takes pictures and films; one that hears takes recordings and the
 * sound of films; two models of one space (`sound_model`) take all. A sound_model may come later
 * than films that are known: only their sound is read then.
 *   A file whose size and modification time are known is not read. Otherwise its content is hashed
 *   (SHA-256); known content is not decoded, so moved and equal files share their vectors. What
 * remains is decoded and encoded. Pictures: in parallel, and stored batch by batch, each in one
 * transaction. Films: one after the other, by samples (video.h) of at most a minute each, and by
 * windows of sound (model.h), which are stored with how to go on every 32 or minute of the film; an
 * interrupted film is found as far as it is stored, and the next call, with the same `every`,
 * `regions` and `fast` (else it begins the film anew), goes on there, to the vectors that it would
 * have had without the interruption. Files under the paths that are gone disappear; those elsewhere
 * stay. A folder that can't be read keeps what is known below it. Unreadable files are reported
 * each time, and read again only when they changed (or `retry`). A film that is damaged is read as
 * far as that goes, and noted.
 *
 *   c          opened with SNS_CATALOG_WRITE
 *   model_dir  remembered for sns_catalog_model_dir; NULL: not
 *   paths      n files or folders
 *   counts     filled as far as the work got, on failure too
 *
 * Errors: SNS_ARG, SNS_MISMATCH (made with another model), SNS_IO (full disk ...), SNS_CANCELLED,
 * SNS_NOMEM, SNS_FORMAT (the model gives NaN). What was stored before stays. A path that does not
 * exist and never did is unreadable, not an error. */
SNS_API sns_status sns_catalog_index(sns_catalog *c, const sns_model *model, const char *model_dir,
                                     const char *const *paths, size_t n,
                                     const sns_index_options *options, sns_index_counts *counts,
                                     sns_error *err);

/* A file, and what was seen or heard in it. All borrowed. */
typedef struct sns_catalog_file {
    const char *path;            /* absolute */
    size_t count;                /* samples of a film or windows of a recording; of a picture 1 */
    const float *const *vectors; /* [count], each [dim], of unit length, by time */
    const sns_span *spans;       /* [count]; NULL: a picture */
    int heard;                   /* nonzero: windows of sound, by the model that hears */
} sns_catalog_file;

/* Called for each file that has vectors, by path (byte order); `file` lives until it returns.
 * Anything but SNS_OK ends the walk and becomes its answer. */
typedef sns_status sns_catalog_file_fn(void *user, const sns_catalog_file *file, size_t dim,
                                       sns_error *err);
/* All files with their vectors, as they were at one moment. Of films the whole frames are given,
 * neither parts of them nor their sound, which is that of files without pictures; of a film that is
 * not read to its end, what is stored. Errors: SNS_IO, SNS_FORMAT (a damaged vector), SNS_NOMEM,
 * what fn returned. */
SNS_API sns_status sns_catalog_files(sns_catalog *c, sns_catalog_file_fn *fn, void *user,
                                     sns_error *err);

/* A picture, or a moment of a film or recording. */
typedef struct sns_hit {
    const char *path; /* absolute */
    float score;      /* cosine, -1 to 1; of a moment, that of the film's curve at its peak */
    float relevance;  /* of sns_catalog_search_relevant; else 0 */
    int in_time;      /* nonzero: a moment */
    double start, peak, end; /* of a moment, in seconds of the film; else 0 */
} sns_hit;

typedef struct sns_hits {
    sns_hit *items; /* best first; equal scores by path (byte order), then by start */
    size_t count;
} sns_hits;

/* The n pictures and moments nearest to a unit vector, by exact search over all: vectors are
 * scanned in 8 bits with bounds for what that loses, and those that may be among the n are compared
 * in f32. In as many threads as OpenMP gives. The moments of a film are those that sns_moments_find
 * (ground.h) gives for the film's samples, so that none overlaps another; a sample with regions
 * counts as its best one. Recordings have moments in the same way. Where a second model hears, a
 * film's pictures and sound are joined (src/catalog/catalog_film.c), and scores of sound lie on the
 * scale of pictures, where they may exceed 1. query  sns_model_dim floats, |query| = 1 Errors:
 * SNS_ARG (n == 0), SNS_SHAPE (the catalog's vectors have another width than dim), SNS_FORMAT
 * (damaged), SNS_IO, SNS_NOMEM. An empty catalog gives no hits. Free with sns_hits_free. */
SNS_API sns_status sns_catalog_search(sns_catalog *c, const float *query, size_t dim, size_t n,
                                      sns_hits *out, sns_error *err);
/* The same for Q queries [Q, dim] at once, which share each read of the vectors: out[q] is what
 * sns_catalog_search gives for query q. Errors leave all of out empty. */
SNS_API sns_status sns_catalog_search_batch(sns_catalog *c, const float *queries, size_t Q,
                                            size_t dim, size_t n, sns_hits *out, sns_error *err);
/* The pictures and moments that fit the query, n at most, best first by relevance (relevance.h),
 * those of at least `least` (SNS_RELEVANT is a good one): perhaps none. A moment's relevance is
 * that of the frame at its peak. cohort  from sns_cohort_new; NULL where the query has a picture in
 * it Reads every vector; with a cohort of B texts B times the work of sns_catalog_search. */
SNS_API sns_status sns_catalog_search_relevant(sns_catalog *c, const float *query, size_t dim,
                                               size_t n, const sns_classifier *cohort, float least,
                                               sns_hits *out, sns_error *err);
SNS_API void sns_hits_free(sns_hits *hits);
/* Read all of the catalog: are its tables sound, and is every vector what was stored? Errors:
 * SNS_FORMAT (it is damaged), SNS_IO, SNS_NOMEM. */
SNS_API sns_status sns_catalog_verify(sns_catalog *c, sns_error *err);

/* A query: pictures, recordings and texts added and subtracted. */
typedef struct sns_query_term {
    int is_image; /* text is the path of a picture or recording */
    float weight; /* negative after '-'; never 0 */
    char *text;
} sns_query_term;

typedef struct sns_query {
    sns_query_term *terms;
    size_t count;
} sns_query;

/* Read a query from words as a shell gives them: terms joined by "+" and "-" (words of their own),
 * each with an optional weight: "a dog" + beach.jpg - "2:leash". Words next to each other join to
 * one text ("a" "dog" is "a dog"); a sign is one term's, and a term without one is added. A term
 * that is an existing file is a picture or recording, any other a text; one that looks like such a
 * file's name but isn't there is an error. A leading "-" is allowed. Errors: SNS_ARG (empty, an
 * operator without its term, a bad weight), SNS_MISSING, SNS_LIMIT (a text over 16 MiB, more than
 * 256 terms), SNS_NOMEM. Free with sns_query_free. */
SNS_API sns_status sns_query_parse(const char *const *words, size_t n, sns_query *out,
                                   sns_error *err);
SNS_API void sns_query_free(sns_query *q);

/* The unit vector of a query: the sum of weight * unit vector of each term, normalised. Files are
 * pictures, to a model that hears recordings.
 *   session  of the model that made the catalog;  out  sns_model_dim(model) floats
 * Errors: those of encoding and of reading a file; SNS_ARG (the terms cancel out), SNS_SHAPE (a
 * recording, to a model that sees). */
SNS_API sns_status sns_query_encode(const sns_model *model, sns_session *session,
                                    const sns_query *q, float *out, sns_error *err);
/* The same by two models: files that are recordings by their names are `hears`'s. */
typedef struct sns_query_models {
    const sns_model *model;
    sns_session *session;
    const sns_model *hears;         /* NULL: none; as of sns_index_options.sound_model */
    sns_session *hearing;           /* its */
    const sns_isolation *isolation; /* where recordings are decoded; NULL: in this process */
} sns_query_models;
SNS_API sns_status sns_query_encode_by(const sns_query_models *models, const sns_query *q,
                                       float *out, sns_error *err);

#ifdef __cplusplus
}
#endif
#endif
