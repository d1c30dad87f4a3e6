/* gemm.c - matrix products of plain operands by oneDNN 2.x, for training.
 *
 * oneDNN runs each block of rows or columns on the calling thread only (primitives are made with
 * one thread); the blocks are ours and depend on the sizes alone, so every sum has one order
 * whatever the number of threads. */
#include "kernel/gemm.h"
#include "base/error.h"
#include "base/memory.h"
#include "kernel/onednn.h"
#include <omp.h>

static size_t ceil_div(size_t a, size_t b) {
    return (a + b - 1) / b;
}
static size_t min_size(size_t a, size_t b) {
    return a < b ? a : b;
}

static sns_status fail_dnnl(sns_error *err, dnnl_status_t code, const char *what, size_t M,
                            size_t N, size_t K) {
    return sns_fail(err, code == dnnl_out_of_memory ? SNS_NOMEM : SNS_INTERNAL,
                    "oneDNN: %s of %zu x %zu x %zu failed with status %d", what, M, N, K,
                    (int)code);
}

/* Products are cut along their longer side into an even number of blocks, up to 16, of about 384 or
 * more (oneDNN copies the other operand for each block, so small blocks are dear). A multiple
 * of 16. */
static size_t block_size(size_t side) {
    size_t blocks = min_size(16, 2 * ceil_div(side, 768));
    return ceil_div(ceil_div(side, blocks), 16) * 16;
}

sns_status sns_gemm(bool transpose_a, bool transpose_b, size_t M, size_t N, size_t K,
                    const float *A, size_t lda, const float *B, size_t ldb, float beta, float *C,
                    size_t ldc, sns_error *err) {
    if (M == 0 || N == 0) return SNS_OK;
    sns_onednn_engine(); /* for SENSUS_CPU's sake */
    bool by_rows = M >= N;
    size_t side = by_rows ? M : N, block = block_size(side);
    ptrdiff_t blocks = (ptrdiff_t)ceil_div(side, block);
    bool parallel = blocks > 1 && (double)M * N * K > 1e6;
    /* Outside of a parallel region oneDNN would split K among all threads: other sums. */
    int failed = 0, threads = omp_get_max_threads();
    if (!parallel) omp_set_num_threads(1);
#pragma omp parallel for schedule(static) if (parallel) reduction(| : failed)
    for (ptrdiff_t i = 0; i < blocks; i++) {
        size_t at = (size_t)i * block, n = min_size(block, side - at);
        const float *a = A, *b = B;
        float *c = C;
        if (by_rows) {
            a += transpose_a ? at : at * lda;
            c += at * ldc;
        } else {
            b += transpose_b ? at * ldb : at;
            c += at;
        }
        failed |= dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N',
                             (dnnl_dim_t)(by_rows ? n : M), (dnnl_dim_t)(by_rows ? N : n),
                             (dnnl_dim_t)K, 1.0f, a, (dnnl_dim_t)lda, b, (dnnl_dim_t)ldb, beta, c,
                             (dnnl_dim_t)ldc);
    }
    if (!parallel) omp_set_num_threads(threads);
    return failed ? fail_dnnl(err, (dnnl_status_t)failed, "product", M, N, K) : SNS_OK;
}

/* ---- bfloat16 operands ---- */

/* rows x cols floats of stride ld, rounded to a dense bfloat16 matrix; NULL: no memory. */
static uint16_t *round_matrix(const float *from, size_t rows, size_t cols, size_t ld) {
    const sns_kernels *k = sns_kernels_get();
    size_t bytes, count;
    if (!sns_mul_size(rows, cols, &count) || !sns_mul_size(count, sizeof(uint16_t), &bytes))
        return NULL;
    uint16_t *to = sns_aligned_alloc(bytes);
    if (!to) return NULL;
    ptrdiff_t n = (ptrdiff_t)rows;
#pragma omp parallel for schedule(static) if (count > 1 << 16)
    for (ptrdiff_t r = 0; r < n; r++)
        k->bf16_from_f32(to + (size_t)r * cols, from + (size_t)r * ld, cols);
    return to;
}

/* One block's product: C [m, n] = op(A) op(B) + beta C, all operands strided in place. */
typedef struct half_product {
    dnnl_primitive_t primitive;
    dnnl_memory_desc_t a, b, c, scratch;
} half_product;

static dnnl_status_t strided(dnnl_memory_desc_t *d, bool transposed, size_t rows, size_t cols,
                             size_t ld, dnnl_data_type_t type) {
    dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)cols};
    dnnl_dims_t strides = {transposed ? 1 : (dnnl_dim_t)ld, transposed ? (dnnl_dim_t)ld : 1};
    return dnnl_memory_desc_init_by_strides(d, 2, dims, type, strides);
}

/* lda, ldb, ldc: row strides as stored. */
static dnnl_status_t half_product_make(half_product *p, bool ta, bool tb, size_t m, size_t n,
                                       size_t k, size_t lda, size_t ldb, size_t ldc, float beta) {
    dnnl_matmul_desc_t op;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t ops = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t s;
    int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    if (!(s = strided(&p->a, ta, m, k, lda, dnnl_bf16)) &&
        !(s = strided(&p->b, tb, k, n, ldb, dnnl_bf16)) &&
        !(s = strided(&p->c, false, m, n, ldc, dnnl_f32)) &&
        !(s = dnnl_matmul_desc_init(&op, &p->a, &p->b, NULL, &p->c)) &&
        !(s = dnnl_primitive_attr_create(&attr)) &&
        !(s = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user)) &&
        !(s = dnnl_post_ops_create(&ops)) &&
        !(s = beta != 0 ? dnnl_post_ops_append_sum(ops, beta) : dnnl_success) &&
        !(s = dnnl_primitive_attr_set_post_ops(attr, ops)) &&
        !(s = dnnl_primitive_desc_create(&pd, &op, attr, sns_onednn_engine(), NULL))) {
        p->scratch = *dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
        s = dnnl_primitive_create(&p->primitive, pd);
    }
    omp_set_num_threads(threads);
    dnnl_primitive_desc_destroy(pd);
    dnnl_post_ops_destroy(ops);
    dnnl_primitive_attr_destroy(attr);
    return s;
}

/* The same numbers where oneDNN has no bfloat16 products: rounded operands as f32. */
static sns_status product_of_rounded(bool ta, bool tb, size_t M, size_t N, size_t K,
                                     const uint16_t *a, const uint16_t *b, float beta, float *C,
                                     size_t ldc, sns_error *err) {
    const sns_kernels *k = sns_kernels_get();
    float *wide_a = sns_aligned_alloc(M * K * sizeof *wide_a),
          *wide_b = sns_aligned_alloc(N * K * sizeof *wide_b);
    sns_status s = SNS_NOMEM;
    if (wide_a && wide_b) {
        k->f32_from_bf16(wide_a, a, M * K);
        k->f32_from_bf16(wide_b, b, N * K);
        s = sns_gemm(ta, tb, M, N, K, wide_a, ta ? M : K, wide_b, tb ? K : N, beta, C, ldc, err);
    } else
        sns_fail(err, SNS_NOMEM, "no memory for a product of %zu x %zu x %zu", M, N, K);
    sns_aligned_free(wide_a);
    sns_aligned_free(wide_b);
    return s;
}

sns_status sns_gemm_bf16(bool transpose_a, bool transpose_b, size_t M, size_t N, size_t K,
                         const float *A, size_t lda, const float *B, size_t ldb, float beta,
                         float *C, size_t ldc, sns_error *err) {
    if (M == 0 || N == 0) return SNS_OK;
    size_t a_cols = transpose_a ? M : K, b_cols = transpose_b ? K : N;
    uint16_t *a = round_matrix(A, transpose_a ? K : M, a_cols, lda);
    uint16_t *b = round_matrix(B, transpose_b ? N : K, b_cols, ldb);
    bool by_rows = M >= N;
    size_t side = by_rows ? M : N, block = block_size(side),
           last = side - (ceil_div(side, block) - 1) * block;
    ptrdiff_t blocks = (ptrdiff_t)ceil_div(side, block);
    half_product product[2] = {{0}, {0}}; /* full block, last block */
    int failed = a && b ? 0 : (int)dnnl_out_of_memory;
    for (int i = 0; i < 2 && !failed; i++) {
        size_t n = i ? last : block;
        if (!i && blocks == 1) continue;
        failed = (int)half_product_make(&product[i], transpose_a, transpose_b, by_rows ? n : M,
                                        by_rows ? N : n, K, a_cols, b_cols, ldc, beta);
    }
    if (failed) blocks = 0;
#pragma omp parallel for schedule(static) if (blocks > 1 && (double)M * N * K > 1e6)               \
    reduction(|                                                                                    \
              : failed)
    for (ptrdiff_t i = 0; i < blocks; i++) {
        size_t at = (size_t)i * block;
        const half_product *p = &product[i == blocks - 1];
        const uint16_t *from_a = a, *from_b = b;
        float *to = C;
        if (by_rows) {
            from_a += transpose_a ? at : at * a_cols;
            to += at * ldc;
        } else {
            from_b += transpose_b ? at * b_cols : at;
            to += at;
        }
        const sns_onednn_arg arg[] = {{DNNL_ARG_SRC, &p->a, from_a},
                                      {DNNL_ARG_WEIGHTS, &p->b, from_b},
                                      {DNNL_ARG_DST, &p->c, to}};
        failed |= (int)sns_onednn_run(p->primitive, arg, 3, &p->scratch);
    }
    for (int i = 0; i < 2; i++) dnnl_primitive_destroy(product[i].primitive);
    sns_status s = SNS_OK;
    if (failed == (int)dnnl_unimplemented)
        s = product_of_rounded(transpose_a, transpose_b, M, N, K, a, b, beta, C, ldc, err);
    else if (failed)
        s = fail_dnnl(err, (dnnl_status_t)failed, "bfloat16 product", M, N, K);
    sns_aligned_free(a);
    sns_aligned_free(b);
    return s;
}

void sns_gemm_describe(char *text, size_t size) {
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, size, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
}
