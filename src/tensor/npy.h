/* npy.h - NumPy's .npy files (format 1.0 and 2.0), little-endian float32 in C order. */
#ifndef SNS_TENSOR_NPY_H
#define SNS_TENSOR_NPY_H
#include <sensus/status.h>
#include <stddef.h>

enum { SNS_NPY_MAX_DIMS = 8 };

typedef struct sns_npy {
    float *data; /* malloc'd */
    int dims;
    size_t dim[SNS_NPY_MAX_DIMS];
    size_t count;
} sns_npy;

/* Errors: SNS_MISSING, SNS_IO, SNS_FORMAT (damaged, data short or long), SNS_UNSUPPORTED (another
 * type or order), SNS_NOMEM. */
sns_status sns_npy_read(const char *path, sns_npy *out, sns_error *err);
void sns_npy_free(sns_npy *a);
/* The file appears complete or not at all. */
sns_status sns_npy_write(const char *path, const float *data, int dims, const size_t *dim,
                         sns_error *err);
#endif
