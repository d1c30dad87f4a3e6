/* safetensors.h - tensors in files: the safetensors format, one file or a sharded set.
 *
 * Format: u64 little-endian H; H bytes of JSON {"name": {"dtype", "shape", "data_offsets": [begin,
 * end]}, ..., "__metadata__": {string: string}}; then the data. Nothing of a file is trusted: the
 * header is at most 100 MB, every dtype, shape and offset is checked against each other and the
 * file's size, and the tensors must fill the data without overlap, hole or rest. */
#ifndef SNS_TENSOR_SAFETENSORS_H
#define SNS_TENSOR_SAFETENSORS_H
#include "kernel/kernel.h"
#include <sensus/status.h>

enum { SNS_STORED_MAX_DIMS = 8, SNS_STORED_MAX_NAME = 512 };

/* name, bytes of one element */
#define SNS_DTYPE_LIST(X)                                                                          \
    X(F32, 4)                                                                                      \
    X(F16, 2)                                                                                      \
    X(BF16, 2)                                                                                     \
    X(F64, 8)                                                                                      \
    X(I64, 8)                                                                                      \
    X(I32, 4)                                                                                      \
    X(I16, 2)                                                                                      \
    X(I8, 1)                                                                                       \
    X(U64, 8)                                                                                      \
    X(U32, 4)                                                                                      \
    X(U16, 2)                                                                                      \
    X(U8, 1)                                                                                       \
    X(BOOL, 1)                                                                                     \
    X(F8_E4M3, 1)                                                                                  \
    X(F8_E5M2, 1)

/* Of GGUF files only (blocks.h): name, bytes of a block of 32 elements */
#define SNS_BLOCK_LIST(X)                                                                          \
    X(Q4_0, 18)                                                                                    \
    X(Q4_1, 20)                                                                                    \
    X(Q5_0, 22)                                                                                    \
    X(Q5_1, 24)                                                                                    \
    X(Q8_0, 34)

typedef enum sns_dtype {
#define SNS_DTYPE_ENUM(name, bytes) SNS_DTYPE_##name,
    SNS_DTYPE_LIST(SNS_DTYPE_ENUM) SNS_DTYPE_COUNT, /* of safetensors' */
    SNS_BLOCK_LIST(SNS_DTYPE_ENUM)
#undef SNS_DTYPE_ENUM
} sns_dtype;

const char *sns_dtype_name(sns_dtype dtype); /* "F32" */
/* Of one element; 0 for those of blocks. */
size_t sns_dtype_bytes(sns_dtype dtype);
/* SNS_DTYPE_COUNT for an unknown name. */
sns_dtype sns_dtype_named(const char *name);

/* One tensor of an open file, safetensors or GGUF; data points into the mapping and may be
 * unaligned. */
typedef struct sns_stored {
    const char *name, *file; /* file: its path, for messages */
    sns_dtype dtype;
    int dims; /* 0: a scalar */
    size_t dim[SNS_STORED_MAX_DIMS];
    size_t count, bytes;
    const unsigned char *data;
} sns_stored;

typedef struct sns_safetensors sns_safetensors; /* immutable; may be shared by threads */

/* Map one file. Errors: SNS_MISSING, SNS_IO, SNS_FORMAT, SNS_LIMIT, SNS_UNSUPPORTED (a dtype not in
 * the list), SNS_NOMEM. */
sns_status sns_safetensors_open(const char *path, sns_safetensors **out, sns_error *err);
/* Map all shards that an index ("weight_map": {tensor: file beside the index}) names; a tensor must
 * be where the index says. */
sns_status sns_safetensors_open_index(const char *path, sns_safetensors **out, sns_error *err);
/* The same over the caller's memory, which must outlive the result; name is used in messages. */
sns_status sns_safetensors_parse(const void *bytes, size_t size, const char *name,
                                 sns_safetensors **out, sns_error *err);
void sns_safetensors_close(sns_safetensors *f);

size_t sns_safetensors_count(const sns_safetensors *f);
/* The i-th tensor, sorted by name (bytewise). */
const sns_stored *sns_safetensors_at(const sns_safetensors *f, size_t i);
/* NULL when there is none. */
const sns_stored *sns_safetensors_find(const sns_safetensors *f, const char *name);
/* A value of "__metadata__" (of the first shard that has it); NULL when there is none. */
const char *sns_safetensors_metadata(const sns_safetensors *f, const char *key);
/* Bytes of all files together. */
size_t sns_safetensors_bytes(const sns_safetensors *f);

/* Elements first … first + n - 1 as f32. Errors: SNS_UNSUPPORTED (not F32, F16, BF16
 * or of blocks). */
sns_status sns_stored_to_f32(const sns_stored *t, const sns_kernels *k, size_t first, size_t n,
                             float *out, sns_error *err);
/* Row r of an I8 tensor [R, C] whose row r is multiplied by scale[r], F32 [R], into out [C]. The
 * tensor's shape is what is said here, whatever its dims. */
void sns_stored_i8_row(const sns_stored *t, const sns_stored *scale, size_t r, size_t C,
                       float *out);
/* The data itself when it is F32 and aligned, else NULL. */
const float *sns_stored_f32(const sns_stored *t);
/* Tell the system that the tensor's pages are not needed in memory any more; reading them again is
 * correct, only slower. */
void sns_stored_drop(const sns_stored *t);
/* "[2, 3]" into text. */
const char *sns_shape_text(int dims, const size_t *dim, char *text, size_t size);

/* A tensor to write. data: floats for F32, F16 and BF16 (converted on the way), else the elements
 * as they are stored, little-endian. */
typedef struct sns_to_store {
    const char *name;
    sns_dtype dtype;
    int dims;
    size_t dim[SNS_STORED_MAX_DIMS];
    const void *data;
} sns_to_store;

/* Write n tensors in the given order; metadata: key, value, key, value, ..., NULL (NULL: none). The
 * file appears complete or not at all. Errors: SNS_ARG (a name twice or too long), SNS_IO,
 * SNS_LIMIT, SNS_NOMEM. */
sns_status sns_safetensors_write(const char *path, const sns_to_store *tensors, size_t n,
                                 const char *const *metadata, const sns_kernels *k, sns_error *err);
#endif
