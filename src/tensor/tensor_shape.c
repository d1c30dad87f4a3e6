/* tensor_shape.c - the shape of a tensor, apart from the tape: a model has one before it runs. */
#include "tensor/tape.h"

bool sns_tensor_set_shape(sns_tensor *x, int dims, const size_t *dim) {
    if (dims < 0 || dims > SNS_MAX_DIMS) return false;
    size_t rows = 1, cols = dims ? dim[dims - 1] : 1, bytes;
    for (int i = 0; i + 1 < dims; i++)
        if (!sns_mul_size(rows, dim[i], &rows)) return false;
    if (!sns_mul_size(rows, cols, &bytes) || !sns_mul_size(bytes, sizeof(float), &bytes))
        return false;
    x->dims = dims;
    for (int i = 0; i < SNS_MAX_DIMS; i++) x->dim[i] = i < dims ? dim[i] : 0;
    x->rows = rows;
    x->cols = cols;
    return true;
}
