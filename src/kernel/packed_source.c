/* packed_source.c - the numbers that a packed weight is made of, row by row. */
#include "kernel/packed.h"
#include <string.h>

static size_t element_bytes(sns_packed_type type) {
    return type == SNS_PACKED_F32 ? 4 : type == SNS_PACKED_BF16 ? 2 : 1;
}

/* Row n, and in *run how many rows lie one after another from there. */
static const char *row_at(const sns_packed_source *from, size_t N, size_t K, size_t n,
                          size_t *run) {
    size_t part = from->more[0] ? N / 3 : N, which = n / part;
    const void *begin = which ? from->more[which - 1] : from->weights;
    *run = part - n % part;
    return (const char *)begin + n % part * K * element_bytes(from->type);
}

const void *sns_packed_source_rows(const sns_packed_source *from, size_t N, size_t K, size_t first,
                                   size_t rows, void *copy) {
    size_t run, bytes = K * element_bytes(from->type);
    const char *at = row_at(from, N, K, first, &run);
    if (run >= rows) return at;
    for (size_t done = 0; done < rows; done += run) {
        at = row_at(from, N, K, first + done, &run);
        if (run > rows - done) run = rows - done;
        memcpy((char *)copy + done * bytes, at, run * bytes);
    }
    return copy;
}

void sns_packed_source_widen(const sns_packed_source *from, size_t N, size_t K, size_t first,
                             size_t rows, float *out) {
    size_t run;
    for (size_t r = 0; r < rows; r++, out += K) {
        const void *row = row_at(from, N, K, first + r, &run);
        const int8_t *q = row;
        if (from->type == SNS_PACKED_F32)
            memcpy(out, row, K * sizeof *out);
        else if (from->type == SNS_PACKED_BF16)
            sns_kernels_get()->f32_from_bf16(out, row, K);
        else
            for (size_t k = 0; k < K; k++) out[k] = from->scale[first + r] * q[k];
    }
}
