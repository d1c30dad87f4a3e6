/* embed.h - many picture files to unit vectors: decoding in parallel with encoding. */
#ifndef SENSUS_EMBED_H
#define SENSUS_EMBED_H
#include <sensus/model.h>

typedef struct sns_embed_options {
    size_t threads;    /* that decode and prepare; 0: one for each processor */
    size_t batch;      /* pictures encoded at once; 0: 32; at most 1024 */
    int exact;         /* nonzero: never shrink while decoding (image.h) */
    size_t max_pixels; /* refuse larger pictures; 0: image.h's default */
    const int *cancel; /* NULL, or a flag: soon after it becomes nonzero (set by any thread or a
                          signal handler) the call ends with SNS_CANCELLED */
} sns_embed_options;

/* What became of one file; valid during the callback only. */
typedef struct sns_embed_result {
    size_t index;               /* into paths */
    const char *path;           /* paths[index] */
    sns_status status;          /* SNS_OK, or why this file has no vector (image.h's errors) */
    const char *message;        /* one line that names the file and the reason; "" when SNS_OK */
    const float *vector;        /* sns_model_dim(model) floats, length 1; NULL unless SNS_OK */
    size_t width_px, height_px; /* as decoded (a decoder may shrink); 0 unless SNS_OK */
} sns_embed_result;

/* Called on the thread that called sns_embed_files, once for each file, in the order of paths.
 * Anything but SNS_OK ends the work and becomes the answer of sns_embed_files. */
typedef sns_status sns_embed_fn(void *user, const sns_embed_result *result);

/* Decode, prepare and encode n pictures. A file that can't be read is reported to the callback and
 * the work goes on. Memory does not grow with n: at most 2 * batch + threads pictures are held.
 * The vector of a picture does not depend on its neighbours beyond rounding (1e-6), nor on threads.
 *   paths    n paths; borrowed for the call
 *   options  NULL: all defaults
 * Errors: SNS_ARG, SNS_NOMEM, SNS_SHAPE (no image tower), SNS_FORMAT (the model gives NaN),
 * SNS_CANCELLED, or what the callback returned; a file's own failure is not one.
 * Threads: starts its own; several calls may run at once with one model. */
SNS_API sns_status sns_embed_files(const sns_model *model, const char *const *paths, size_t n,
                                   const sns_embed_options *options, sns_embed_fn *callback,
                                   void *user, sns_error *err);

/* Write n vectors as a NumPy array [n, dim] (.npy, little-endian float32). The file appears whole
 * or not at all. Errors: SNS_ARG, SNS_IO, SNS_NOMEM. */
SNS_API sns_status sns_vectors_save(const char *path, const float *vectors, size_t n, size_t dim,
                                    sns_error *err);
#endif
