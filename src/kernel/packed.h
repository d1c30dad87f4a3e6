/* packed.h - a linear layer's weight, packed once for many products at inference.
 *
 * Three kinds of numbers; what goes in and comes out is f32 in all of them:
 *   f32    weights and products in f32
 *   bf16   weights in bfloat16, x rounded to it, products added up in f32
 *   int8   weights W[n][k] = scale[n] q[n][k], q in -127 ... 127; each row of x is brought to
 *          0 ... 255 by a scale and a zero point of its own (u8_from_f32); products added up in 32
 *          bits, exactly, then taken back to f32 (Jacob et al. 2018, "Quantization and Training of
 *          Neural Networks for Efficient Integer-Arithmetic-Only Inference", equation 7)
 * A processor without the instructions for one of them (avx512_bf16, avx512_vnni) multiplies in
 * f32: its packed weights are the same numbers widened, x stays as it is, so that the results are a
 * little closer to the f32 model's, and the memory is that of f32.
 *
 * Work is cut into blocks by size and run with OpenMP, each block on one thread: the same sums in
 * the same order for any number of threads. */
#ifndef SNS_KERNEL_PACKED_H
#define SNS_KERNEL_PACKED_H
#include "kernel/kernel.h"
#include <sensus/status.h>

typedef enum sns_packed_type { SNS_PACKED_F32, SNS_PACKED_BF16, SNS_PACKED_INT8 } sns_packed_type;

/* W [N, K] for y = act(x W^T + b) + residual. Immutable; shared by threads. */
typedef struct sns_packed sns_packed;

/* The numbers to pack, borrowed for the call: floats, bfloat16 or int8_t, and for int8 the scale of
 * each row [N]. */
typedef struct sns_packed_source {
    sns_packed_type type;
    const void *weights; /* [N, K] */
    const float *scale;
    const void *more[2]; /* unless NULL: the rows lie in three places, N / 3 in each (q, k, v) */
} sns_packed_source;

/* Where the numbers of many packed weights lie one after another, in the order of the calls. The
 * same calls fill it with the same numbers, unless the processor or oneDNN is another one, so they
 * may be kept and given again as `filled`. */
typedef struct sns_packed_memory {
    unsigned char *data; /* at a multiple of 64 */
    size_t size, used;
    uint64_t layout; /* a hash of the shapes and layouts of all weights so far */
    bool filled;     /* nothing is packed, sources are not read, data is only read */
    bool overflowed; /* a weight did not fit */
} sns_packed_memory;

/* False: no memory. */
bool sns_packed_memory_new(sns_packed_memory *m, size_t size);
/* Data of filled memory is the caller's. */
void sns_packed_memory_free(sns_packed_memory *m);
/* More than enough for a weight. */
size_t sns_packed_room(sns_packed_type type, size_t N, size_t K);
/* For packed.c: n bytes at a multiple of 64, NULL: too few are left; and what the layout hashes. */
void *sns_packed_memory_take(sns_packed_memory *m, size_t n);
void sns_packed_memory_note(sns_packed_memory *m, const void *bytes, size_t n);
/* What packed numbers depend on beside the weights: oneDNN's version, the instruction set. */
void sns_packed_describe(char *text, size_t size);

/* memory: where the packed numbers go, which must outlive the result; NULL: memory of its own.
 * Errors: SNS_ARG (an empty weight), SNS_NOMEM, SNS_INTERNAL (oneDNN refused), SNS_MISMATCH (filled
 * memory ends). */
sns_status sns_packed_new_from(const sns_packed_source *from, size_t N, size_t K,
                               sns_packed_memory *memory, sns_packed **out, sns_error *err);
/* The same of floats. */
sns_status sns_packed_new(const float *W, size_t N, size_t K, sns_packed **out, sns_error *err);
void sns_packed_free(sns_packed *p);
size_t sns_packed_bytes(const sns_packed *p);
/* The numbers that it multiplies in. */
sns_packed_type sns_packed_numbers(const sns_packed *p);
/* What a weight of this type and K columns is multiplied in on this processor. 32 bits hold the sum
 * of 65,536 products of bytes: longer ones are f32. */
sns_packed_type sns_packed_arithmetic(sns_packed_type type, size_t K);
/* Rows first … first + rows - 1 as they are: where they lie if that is in one piece, else copied to
 * copy, which has room for them. */
const void *sns_packed_source_rows(const sns_packed_source *from, size_t N, size_t K, size_t first,
                                   size_t rows, void *copy);
/* The same as floats [rows, K]. */
void sns_packed_source_widen(const sns_packed_source *from, size_t N, size_t K, size_t first,
                             size_t rows, float *out);
/* y [M, N] = act(x [M, K] W^T + bias) + residual; bias [N] or NULL; residual [M, N] or NULL, may be
 * y. int8: a row of x with NaN or infinity gives NaN. */
sns_status sns_packed_run(const sns_packed *p, size_t M, const float *x, const float *bias,
                          sns_act act, const float *residual, float *y, sns_error *err);
#endif
