/* gemm.h - matrix products: by oneDNN, whose API stays in gemm.c, packed.c, conv.c and onednn.c,
 * or, in builds without it, by gemm_plain.c.
 *
 * Work is cut into blocks by size and run with OpenMP, each block on one thread: the same sums in
 * the same order for any number of threads. May be called from inside an OpenMP parallel region
 * (then sequential). */
#ifndef SNS_KERNEL_GEMM_H
#define SNS_KERNEL_GEMM_H
#include "kernel/kernel.h"
#include <sensus/status.h>

/* C[M, N] = op(A) op(B) + beta * C, row-major, ld* = row strides in floats; op = transpose when the
 * flag is set (A is then stored [K, M], B [N, K]). beta 0 or 1. Errors: SNS_INTERNAL (oneDNN
 * refused), SNS_NOMEM. */
sns_status sns_gemm(bool transpose_a, bool transpose_b, size_t M, size_t N, size_t K,
                    const float *A, size_t lda, const float *B, size_t ldb, float beta, float *C,
                    size_t ldc, sns_error *err);

/* The same with A and B rounded to bfloat16 first; sums and C stay f32 (1e-2 relative). Where the
 * processor has no bfloat16 products (avx512_bf16) it is slower than sns_gemm but gives the same
 * kind of result. */
sns_status sns_gemm_bf16(bool transpose_a, bool transpose_b, size_t M, size_t N, size_t K,
                         const float *A, size_t lda, const float *B, size_t ldb, float beta,
                         float *C, size_t ldc, sns_error *err);
typedef sns_status sns_gemm_fn(bool transpose_a, bool transpose_b, size_t M, size_t N, size_t K,
                               const float *A, size_t lda, const float *B, size_t ldb, float beta,
                               float *C, size_t ldc, sns_error *err);

/* The name and version of what multiplies, for people. */
void sns_gemm_describe(char *text, size_t size);
#endif
