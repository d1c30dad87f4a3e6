/* embed.h - many files of pictures, or of sound for a model that hears, to unit vectors: decoding
 * and encoding side by side. */
#ifndef SENSUS_EMBED_H
#define SENSUS_EMBED_H
#include <sensus/isolation.h>
#include <sensus/model.h>

typedef struct sns_embed_options {
    size_t threads;    /* that decode and encode, at most 256; 0: one for each processor */
    size_t batch;      /* pictures that a thread encodes at once; 0: 8; at most 1024 */
    int exact;         /* nonzero: never shrink while decoding (image.h) */
    size_t max_pixels; /* refuse larger pictures; 0: image.h's default */
    const int *cancel; /* NULL, or a flag: soon after it becomes nonzero (set by any thread or a
                          signal handler) the call ends with SNS_CANCELLED */
    int keep_bytes;    /* nonzero: results of a stream have the picture as it is stored */
    const sns_isolation *isolation; /* where recordings are decoded (isolation.h); NULL: in this
                                       process */
} sns_embed_options;

/* What became of one file; valid during the callback only. */
typedef struct sns_embed_result {
    size_t index;               /* into paths, or the place in the stream */
    const char *path;           /* paths[index], or the item's name */
    sns_status status;          /* SNS_OK, or why this file has no vector (image.h's errors) */
    const char *message;        /* one line that names the file and the reason; "" when SNS_OK */
    const float *vector;        /* sns_model_dim(model) floats, length 1; NULL unless SNS_OK */
    size_t width_px, height_px; /* as decoded (a decoder may shrink); 0 unless SNS_OK */
    double seconds;             /* of sound; 0 of a picture and unless SNS_OK */
    int in_memory;              /* nonzero: not a file, path is only a name */
    const void *bytes;          /* with keep_bytes, what a picture in memory consists of; or NULL */
    size_t size;                /* of bytes */
} sns_embed_result;

/* Called on the thread that called sns_embed_files, once for each file, in the order of paths.
 * Anything but SNS_OK ends the work and becomes the answer of sns_embed_files. */
typedef sns_status sns_embed_fn(void *user, const sns_embed_result *result);

/* Decode, prepare and encode n pictures. A file that can't be read is reported to the callback and
 * the work goes on. Memory does not grow with n: at most 3 * batch + threads pictures are held.
 * The vector of a picture does not depend on its neighbours beyond rounding (1e-6), nor on threads.
 * A model that hears (sns_model_sound_rate_hz) takes recordings and films instead: at most 2 +
 * threads of up to an hour are held, and a file's vector depends on nothing but the file.
 *   paths    n paths; borrowed for the call
 *   options  NULL: all defaults
 * Errors: SNS_ARG, SNS_NOMEM, SNS_FORMAT (the model gives NaN), SNS_CANCELLED, or what the callback
 * returned; a file's own failure is not one. Threads: starts its own; several calls may run at once
 * with one model. */
SNS_API sns_status sns_embed_files(const sns_model *model, const char *const *paths, size_t n,
                                   const sns_embed_options *options, sns_embed_fn *callback,
                                   void *user, sns_error *err);

/* One picture of a stream: a file or bytes. */
typedef struct sns_embed_item {
    char *name;        /* the file's path, or what messages call the bytes; NULL: the stream ends */
    void *bytes;       /* NULL: read the file `name` */
    size_t size;       /* of bytes */
    sns_error problem; /* its code not SNS_OK: there is no picture, and this is why */
} sns_embed_item;

/* Where a stream of pictures comes from, for example sns_pictures (pictures.h). */
typedef struct sns_embed_source {
    /* Fill *item, which is zeroed; its name and bytes are malloc'd and change hands. Called by one
     * thread at a time, but not always the same one. A failure ends the work; one picture's is an
     * item with a problem. */
    sns_status (*next)(void *user, sns_embed_item *item, sns_error *err);
    /* Called when the work ends early, by any thread: a `next` that waits should soon return. NULL
     * ok. */
    void (*stop)(void *user);
    void *user;
} sns_embed_source;

/* sns_embed_files for pictures whose number is not known beforehand: they are taken from the source
 * as the work goes on, at most 3 * batch + threads ahead of the callback. Their bytes are freed
 * when they are decoded, unless keep_bytes. Errors: also what `next` returned. */
SNS_API sns_status sns_embed_stream(const sns_model *model, const sns_embed_source *source,
                                    const sns_embed_options *options, sns_embed_fn *callback,
                                    void *user, sns_error *err);

/* Write n vectors as a NumPy array [n, dim] (.npy, little-endian float32). The file appears whole
 * or not at all. Errors: SNS_ARG, SNS_IO, SNS_NOMEM. */
SNS_API sns_status sns_vectors_save(const char *path, const float *vectors, size_t n, size_t dim,
                                    sns_error *err);
#endif
