/* gguf.h - tensors and metadata in one file: GGUF, the format of ggml's programs.
 *
 * Format, little-endian: "GGUF", u32 version (2 or 3), u64 tensors, u64 metadata entries; each
 * entry a key, a u32 type and a value; each tensor a name, u32 dimensions, u64 sizes (fastest
 * first), u32 type, u64 offset; then, at a multiple of the alignment, the data, each tensor at a
 * multiple of it too. A string is a u64 length and its bytes; an array a u32 type, a u64 count and
 * its elements.
 *
 * Nothing of a file is trusted: every count, length and offset is checked against what is left of
 * the file before it is used, and tensors must not overlap. */
#ifndef SNS_TENSOR_GGUF_H
#define SNS_TENSOR_GGUF_H
#include "tensor/safetensors.h"
#include <stdbool.h>

typedef struct sns_gguf sns_gguf; /* immutable; may be shared by threads */

/* A string of the file: not NUL-terminated. */
typedef struct sns_gguf_string {
    const char *data;
    size_t size;
} sns_gguf_string;

/* Is path a file rather than a folder? A model that is one is read as GGUF. */
bool sns_gguf_is_file(const char *path);

/* Map a file. Errors: SNS_MISSING, SNS_IO, SNS_FORMAT, SNS_LIMIT, SNS_UNSUPPORTED (a version, byte
 * order or type of tensor that is not read), SNS_NOMEM. */
sns_status sns_gguf_open(const char *path, sns_gguf **out, sns_error *err);
/* The same over the caller's memory, which must outlive the result; name is used in messages. */
sns_status sns_gguf_parse(const void *bytes, size_t size, const char *name, sns_gguf **out,
                          sns_error *err);
void sns_gguf_close(sns_gguf *g);

size_t sns_gguf_count(const sns_gguf *g);
/* The i-th tensor, sorted by name (bytewise); its dims are slowest first, as safetensors has them.
 */
const sns_stored *sns_gguf_at(const sns_gguf *g, size_t i);
/* NULL when there is none. */
const sns_stored *sns_gguf_find(const sns_gguf *g, const char *name);
/* Bytes of the file; and of all in it that comes before the data. */
size_t sns_gguf_bytes(const sns_gguf *g);
sns_gguf_string sns_gguf_header(const sns_gguf *g);

/* Values of metadata. Errors: SNS_MISSING (no such key, *out is as it was), SNS_FORMAT (of another
 * type), SNS_LIMIT (a size beyond 32 bits). */
sns_status sns_gguf_size(const sns_gguf *g, const char *key, size_t *out, sns_error *err);
sns_status sns_gguf_number(const sns_gguf *g, const char *key, double *out, sns_error *err);
sns_status sns_gguf_bool(const sns_gguf *g, const char *key, bool *out, sns_error *err);
sns_status sns_gguf_text(const sns_gguf *g, const char *key, sns_gguf_string *out, sns_error *err);
/* An array of exactly n finite numbers. */
sns_status sns_gguf_numbers(const sns_gguf *g, const char *key, size_t n, float *out,
                            sns_error *err);
/* A list of strings, malloc'd; they point into the file. Also SNS_NOMEM. */
sns_status sns_gguf_strings(const sns_gguf *g, const char *key, sns_gguf_string **out, size_t *n,
                            sns_error *err);
#endif
