/* gemm.c - matrix products by oneDNN 2.x.
 *
 * oneDNN runs each block on the calling thread only (primitives are made with one thread); the
 * blocks are ours and depend on the sizes alone, so every sum has one order whatever the number of
 * threads. sns_gemm          plain operands, for training: dnnl_sgemm on blocks of rows or columns
 *   sns_packed_run    a weight packed once into panels of columns; bias, activation and residual as
 * post-operations */
#include "kernel/gemm.h"
#include "base/error.h"
#include "base/memory.h"
#include "kernel/onednn.h"
#include <omp.h>
#include <pthread.h>

enum { PANEL = 384, ROWS = 192, PLANS = 24 };

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

/* Run a matmul primitive on the calling thread. desc, data: source, weights, destination, bias (a
 * NULL datum is left out); desc[4]: the scratchpad's. */
static dnnl_status_t execute(dnnl_primitive_t primitive, const dnnl_memory_desc_t *const desc[5],
                             void *const data[4]) {
    static const int names[4] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_BIAS};
    sns_onednn_arg arg[4];
    for (int i = 0; i < 4; i++) arg[i] = (sns_onednn_arg){names[i], desc[i], data[i]};
    return sns_onednn_run(primitive, arg, 4, desc[4]);
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
        const dnnl_memory_desc_t *desc[] = {&p->a, &p->b, &p->c, NULL, &p->scratch};
        void *data[] = {(void *)(uintptr_t)from_a, (void *)(uintptr_t)from_b, to, NULL};
        failed |= (int)execute(p->primitive, desc, data);
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

/* ---- packed weights ---- */

/* A primitive for one number of rows, one panel width and one set of post-operations. */
typedef struct plan {
    size_t rows, cols;
    int flags; /* act | bias << 4 | residual << 5 */
    int users;
    unsigned long last_use;
    dnnl_primitive_t primitive;
    dnnl_memory_desc_t x, y, bias, scratch;
} plan;

typedef struct panel {
    size_t first, cols; /* columns of y, rows of W */
    void *data;
    dnnl_memory_desc_t desc;
} panel;

struct sns_packed {
    size_t N, K, panels, bytes;
    panel *panel;
    pthread_mutex_t lock; /* of plans and clock */
    unsigned long clock;
    plan plans[PLANS];
};

static dnnl_status_t matrix_desc(dnnl_memory_desc_t *d, size_t rows, size_t cols,
                                 size_t row_stride) {
    dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)cols}, strides = {(dnnl_dim_t)row_stride, 1};
    return dnnl_memory_desc_init_by_strides(d, 2, dims, dnnl_f32, strides);
}

static dnnl_status_t add_post_ops(dnnl_primitive_attr_t attr, int flags) {
    dnnl_post_ops_t ops;
    dnnl_status_t s = dnnl_post_ops_create(&ops);
    if (s) return s;
    sns_act act = (sns_act)(flags & 15);
    if (act == SNS_ACT_GELU) s = dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_gelu_erf, 0, 0);
    if (act == SNS_ACT_GELU_TANH)
        s = dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_gelu_tanh, 0, 0);
    if (act == SNS_ACT_QUICK_GELU)
        s = dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_swish, 1.702f, 0);
    if (!s && (flags & 32)) s = dnnl_post_ops_append_sum(ops, 1);
    if (!s) s = dnnl_primitive_attr_set_post_ops(attr, ops);
    dnnl_post_ops_destroy(ops);
    return s;
}

/* y [rows, cols of N] = x [rows, K] times a weight whose layout oneDNN chooses (weights->any) or is
 * given. */
static dnnl_status_t describe(size_t rows, size_t cols, size_t N, size_t K, int flags,
                              const dnnl_memory_desc_t *weights, dnnl_primitive_desc_t *out) {
    dnnl_memory_desc_t x, y, bias;
    dnnl_dims_t bias_dims = {1, (dnnl_dim_t)cols};
    dnnl_matmul_desc_t op;
    dnnl_primitive_attr_t attr;
    dnnl_status_t s;
    if ((s = matrix_desc(&x, rows, K, K)) || (s = matrix_desc(&y, rows, cols, N)) ||
        (s = dnnl_memory_desc_init_by_tag(&bias, 2, bias_dims, dnnl_f32, dnnl_ab)) ||
        (s = dnnl_matmul_desc_init(&op, &x, weights, flags & 16 ? &bias : NULL, &y)) ||
        (s = dnnl_primitive_attr_create(&attr)))
        return s;
    s = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (!s) s = add_post_ops(attr, flags);
    if (!s) s = dnnl_primitive_desc_create(out, &op, attr, sns_onednn_engine(), NULL);
    dnnl_primitive_attr_destroy(attr);
    return s;
}

static dnnl_status_t plan_make(plan *p, const sns_packed *w, const panel *of) {
    dnnl_primitive_desc_t pd;
    int threads = omp_get_max_threads();
    omp_set_num_threads(1); /* of this thread only: oneDNN plans for one thread */
    dnnl_status_t s = describe(p->rows, p->cols, w->N, w->K, p->flags, &of->desc, &pd);
    if (!s) {
        p->x = *dnnl_primitive_desc_query_md(pd, dnnl_query_src_md, 0);
        p->y = *dnnl_primitive_desc_query_md(pd, dnnl_query_dst_md, 0);
        p->scratch = *dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
        dnnl_dims_t bias_dims = {1, (dnnl_dim_t)p->cols};
        s = dnnl_memory_desc_init_by_tag(&p->bias, 2, bias_dims, dnnl_f32, dnnl_ab);
        if (!s) s = dnnl_primitive_create(&p->primitive, pd);
        dnnl_primitive_desc_destroy(pd);
    }
    omp_set_num_threads(threads);
    return s;
}

/* A plan from the cache, or a new one in the place of the least recently used that nobody holds. */
static plan *plan_get(sns_packed *w, size_t rows, const panel *of, int flags,
                      dnnl_status_t *status) {
    plan *found = NULL, *oldest = NULL;
    *status = dnnl_success;
    pthread_mutex_lock(&w->lock);
    for (plan *p = w->plans; p < w->plans + PLANS && !found; p++) {
        if (p->primitive && p->rows == rows && p->cols == of->cols && p->flags == flags) found = p;
        if (!p->users && (!oldest || p->last_use < oldest->last_use)) oldest = p;
    }
    if (!found && oldest) {
        if (oldest->primitive) dnnl_primitive_destroy(oldest->primitive);
        *oldest = (plan){.rows = rows, .cols = of->cols, .flags = flags};
        *status = plan_make(oldest, w, of);
        if (*status)
            oldest->primitive = NULL;
        else
            found = oldest;
    } else if (!found)
        *status = dnnl_out_of_memory;
    if (found) {
        found->users++;
        found->last_use = ++w->clock;
    }
    pthread_mutex_unlock(&w->lock);
    return found;
}

static void plan_release(sns_packed *w, plan *p) {
    pthread_mutex_lock(&w->lock);
    p->users--;
    pthread_mutex_unlock(&w->lock);
}

static dnnl_status_t pack_panel(const sns_packed *w, const float *W, panel *p, size_t *bytes) {
    dnnl_dims_t dims = {(dnnl_dim_t)w->K, (dnnl_dim_t)p->cols};
    dnnl_memory_desc_t any, plain;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t s;
    if ((s = dnnl_memory_desc_init_by_tag(&any, 2, dims, dnnl_f32, dnnl_format_tag_any)) ||
        (s = dnnl_memory_desc_init_by_tag(&plain, 2, dims, dnnl_f32, dnnl_ba)) ||
        (s = describe(64, p->cols, w->N, w->K, 16, &any, &pd)))
        return s;
    p->desc = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
    dnnl_primitive_desc_destroy(pd);
    *bytes = dnnl_memory_desc_get_size(&p->desc);
    if (!(p->data = sns_aligned_alloc(*bytes))) return dnnl_out_of_memory;
    return sns_onednn_reorder(&plain, W + p->first * w->K, &p->desc, p->data);
}

sns_status sns_packed_new(const float *W, size_t N, size_t K, sns_packed **out, sns_error *err) {
    *out = NULL;
    if (N == 0 || K == 0 || N > INT32_MAX || K > INT32_MAX)
        return sns_fail(err, SNS_ARG, "a weight of %zu x %zu", N, K);
    sns_packed *w = calloc(1, sizeof *w);
    if (!w) return sns_fail(err, SNS_NOMEM, "no memory for a packed weight");
    pthread_mutex_init(&w->lock, NULL);
    w->N = N;
    w->K = K;
    w->panels = ceil_div(N, PANEL);
    w->panel = calloc(w->panels, sizeof *w->panel);
    if (!w->panel) {
        sns_packed_free(w);
        return sns_fail(err, SNS_NOMEM, "no memory for a packed weight");
    }
    size_t width = ceil_div(ceil_div(N, w->panels), 16) * 16;
    int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    dnnl_status_t s = sns_onednn_engine() ? dnnl_success : dnnl_unimplemented;
    for (size_t i = 0; i < w->panels && !s; i++) {
        size_t bytes = 0, first = min_size(i * width, N);
        w->panel[i].first = first;
        w->panel[i].cols = min_size(width, N - first);
        if (w->panel[i].cols) s = pack_panel(w, W, &w->panel[i], &bytes);
        w->bytes += bytes;
    }
    omp_set_num_threads(threads);
    while (w->panels && !w->panel[w->panels - 1].cols) w->panels--;
    if (s) {
        sns_packed_free(w);
        return fail_dnnl(err, s, "packing", 0, N, K);
    }
    *out = w;
    return SNS_OK;
}

void sns_packed_free(sns_packed *w) {
    if (!w) return;
    for (plan *p = w->plans; p < w->plans + PLANS; p++)
        if (p->primitive) dnnl_primitive_destroy(p->primitive);
    for (size_t i = 0; i < w->panels; i++) sns_aligned_free(w->panel[i].data);
    free(w->panel);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

size_t sns_packed_bytes(const sns_packed *w) {
    return w->bytes;
}

/* One block of rows times one panel, on the calling thread. */
static dnnl_status_t run_block(const plan *p, const panel *of, const float *x, const float *bias,
                               float *y) {
    const dnnl_memory_desc_t *desc[] = {&p->x, &of->desc, &p->y, &p->bias, &p->scratch};
    void *data[] = {(void *)(uintptr_t)x, of->data, y, (void *)(uintptr_t)bias};
    return execute(p->primitive, desc, data);
}

/* The plans of one call: for full blocks and the last one, for full panels and the last one. */
typedef struct plan_set {
    plan *of[2][2]; /* [last block of rows][last panel] */
} plan_set;

static dnnl_status_t plan_set_get(sns_packed *w, size_t M, size_t blocks, int flags,
                                  plan_set *set) {
    dnnl_status_t s = dnnl_success;
    *set = (plan_set){0};
    for (int last_row = 0; last_row < 2; last_row++) {
        size_t rows = last_row ? M - (blocks - 1) * ROWS : ROWS;
        if (!last_row && blocks == 1) continue;
        for (int last_panel = 0; last_panel < 2 && !s; last_panel++) {
            if (!last_panel && w->panels == 1) continue;
            set->of[last_row][last_panel] = plan_get(
                w, rows, &w->panel[last_panel ? w->panels - 1 : 0], flags, &s);
        }
    }
    return s;
}

sns_status sns_packed_run(const sns_packed *packed, size_t M, const float *x, const float *bias,
                          sns_act act, const float *residual, float *y, sns_error *err) {
    if (M == 0) return SNS_OK;
    sns_packed *w = (sns_packed *)(uintptr_t)
        packed; /* the cache of plans is all that changes, under its lock */
    if (residual && residual != y) memcpy(y, residual, M * w->N * sizeof *y);
    int flags = (int)act | (bias ? 16 : 0) | (residual ? 32 : 0);
    size_t blocks = ceil_div(M, ROWS);
    plan_set set;
    int failed = (int)plan_set_get(w, M, blocks, flags, &set);
    ptrdiff_t tasks = failed ? 0 : (ptrdiff_t)(blocks * w->panels);
#pragma omp parallel for schedule(static) if (tasks > 1) reduction(| : failed)
    for (ptrdiff_t i = 0; i < tasks; i++) {
        size_t block = (size_t)i / w->panels, j = (size_t)i % w->panels;
        const panel *of = &w->panel[j];
        const plan *p = set.of[block == blocks - 1][j == w->panels - 1];
        failed |= run_block(p, of, x + block * ROWS * w->K, bias ? bias + of->first : NULL,
                            y + block * ROWS * w->N + of->first);
    }
    for (int i = 0; i < 4; i++)
        if (set.of[i / 2][i % 2]) plan_release(w, set.of[i / 2][i % 2]);
    return failed ? fail_dnnl(err, (dnnl_status_t)failed, "packed product", M, w->N, w->K) : SNS_OK;
}

void sns_gemm_describe(char *text, size_t size) {
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, size, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
}
