/* vectors.c - vectors as a file for other programs. */
#include "base/error.h"
#include "tensor/npy.h"
#include <sensus/embed.h>

sns_status sns_vectors_save(const char *path, const float *vectors, size_t n, size_t dim,
                            sns_error *err) {
    if (!path || !vectors || !n || !dim)
        return sns_fail(err, SNS_ARG, "%s: no vectors to write", path ? path : "no file");
    const size_t dims[2] = {n, dim};
    return sns_npy_write(path, vectors, 2, dims, err);
}
