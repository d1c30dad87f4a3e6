/* gemm_plain.c - the matrix products of gemm.h without oneDNN, from one kernel of the table.
 *
 * After Goto & van de Geijn 2008, "Anatomy of High-Performance Matrix Multiplication": a block of C
 * is a sum over steps of DEPTH; in each, the block's rows of A and its columns of B are copied into
 * the order in which the tile kernel reads them, short of both caches' sizes.
 *
 *     op(A) [M, K]   groups of 6 rows, [depth][6]        op(B) [K, N]   groups of 16 columns,
 * [depth][16]
 *
 * Blocks depend on the sizes alone, and one thread sums each: the same bits for any number of
 * threads. bfloat16 operands are rounded where they are copied. */
#include "base/error.h"
#include "base/memory.h"
#include "kernel/gemm.h"
#include "kernel/packed.h"

enum { ROWS = 96, COLS = 192, DEPTH = 256 };
_Static_assert(ROWS % SNS_GEMM_ROWS == 0 && COLS % SNS_GEMM_COLS == 0, "blocks are whole tiles");

/* n vectors along K: element k of vector i is data[i * vector + k * step]. */
typedef struct vectors {
    const float *data;
    size_t vector, step;
} vectors;

/* C = act(op(A) op(B) + bias) + residual; each of the last two may be NULL. */
typedef struct product {
    size_t M, N, K;
    vectors A, B;        /* rows of op(A), columns of op(B) */
    const float *packed; /* op(B) as sns_packed_new left it, instead of B */
    bool half;
    sns_act act;
    const float *bias, *residual;
    size_t residual_stride;
    float *C;
    size_t ldc;
} product;

/* What one thread needs for a block. */
typedef struct workspace {
    float sum[ROWS * COLS], left[ROWS * DEPTH], right[COLS * DEPTH];
} workspace;

struct sns_packed {
    size_t N, K, bytes;
    float *own;  /* data, unless it is in a memory for many weights */
    float *data; /* for each COLS columns, for each DEPTH of K, the groups of 16 columns */
};

static size_t min_size(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t round_up(size_t n, size_t unit) {
    return (n + unit - 1) / unit * unit;
}

/* `count` vectors from i on, elements k … k + depth - 1, in groups of `unit`: [depth][unit]; the
 * last group is filled up with zeros. */
static void pack(float *to, const vectors *v, size_t i, size_t count, size_t k, size_t depth,
                 size_t unit) {
    for (size_t g = 0; g < count; g += unit, to += depth * unit) {
        const float *from = v->data + (i + g) * v->vector + k * v->step;
        size_t have = min_size(unit, count - g);
        for (size_t d = 0; d < depth; d++) {
            for (size_t u = 0; u < have; u++) to[d * unit + u] = from[u * v->vector + d * v->step];
            for (size_t u = have; u < unit; u++) to[d * unit + u] = 0;
        }
    }
}

/* n floats to bfloat16 and back, in place. */
static void round_floats(float *x, size_t n) {
    const sns_kernels *k = sns_kernels_get();
    uint16_t half[DEPTH];
    for (size_t at = 0; at < n; at += DEPTH) {
        size_t m = min_size(DEPTH, n - at);
        k->bf16_from_f32(half, x + at, m);
        k->f32_from_bf16(x + at, half, m);
    }
}

/* w->sum = the block of op(A) op(B) at row i and column j. */
static void sum_block(const product *p, size_t i, size_t j, size_t rows, size_t cols,
                      workspace *w) {
    const sns_kernels *kernels = sns_kernels_get();
    size_t height = round_up(rows, SNS_GEMM_ROWS), width = round_up(cols, SNS_GEMM_COLS);
    memset(w->sum, 0, sizeof w->sum);
    for (size_t k = 0; k < p->K; k += DEPTH) {
        size_t depth = min_size(DEPTH, p->K - k);
        const float *right = p->packed ? p->packed + j * p->K + k * width : w->right;
        pack(w->left, &p->A, i, rows, k, depth, SNS_GEMM_ROWS);
        if (!p->packed) pack(w->right, &p->B, j, cols, k, depth, SNS_GEMM_COLS);
        if (p->half) round_floats(w->left, height * depth);
        if (p->half) round_floats(w->right, width * depth);
        for (size_t c = 0; c < width; c += SNS_GEMM_COLS)
            for (size_t r = 0; r < height; r += SNS_GEMM_ROWS)
                kernels->gemm_tile(w->sum + r * COLS + c, COLS, w->left + r * depth,
                                   right + c * depth, depth);
    }
}

/* The block's rows into C. The residual may be C. */
static void finish_block(const product *p, size_t i, size_t j, size_t rows, size_t cols,
                         float *sum) {
    const sns_kernels *k = sns_kernels_get();
    for (size_t r = 0; r < rows; r++, sum += COLS) {
        if (p->bias) k->add(sum, p->bias + j, cols);
        if (p->act != SNS_ACT_NONE) k->act_forward(p->act, sum, sum, cols);
        if (p->residual) k->add(sum, p->residual + (i + r) * p->residual_stride + j, cols);
        memcpy(p->C + (i + r) * p->ldc + j, sum, cols * sizeof *sum);
    }
}

static sns_status run(const product *p, sns_error *err) {
    size_t across = (p->N + COLS - 1) / COLS, blocks = (p->M + ROWS - 1) / ROWS * across;
    int failed = 0;
#pragma omp parallel for schedule(static) if (blocks > 1 && (double)p->M * p->N * p->K > 1e6)      \
    reduction(|                                                                                    \
              : failed)
    for (size_t b = 0; b < blocks; b++) {
        size_t i = b / across * ROWS, j = b % across * COLS;
        size_t rows = min_size(ROWS, p->M - i), cols = min_size(COLS, p->N - j);
        workspace *w = sns_aligned_alloc(sizeof *w);
        if (w) sum_block(p, i, j, rows, cols, w);
        if (w) finish_block(p, i, j, rows, cols, w->sum);
        failed |= !w;
        sns_aligned_free(w);
    }
    if (!failed) return SNS_OK;
    return sns_fail(err, SNS_NOMEM, "no memory for a product of %zu x %zu x %zu", p->M, p->N, p->K);
}

static product plain(bool transpose_a, bool transpose_b, size_t M, size_t N, size_t K,
                     const float *A, size_t lda, const float *B, size_t ldb, float beta, float *C,
                     size_t ldc) {
    return (product){.M = M,
                     .N = N,
                     .K = K,
                     .A = {A, transpose_a ? 1 : lda, transpose_a ? lda : 1},
                     .B = {B, transpose_b ? ldb : 1, transpose_b ? 1 : ldb},
                     .residual = beta != 0 ? C : NULL,
                     .residual_stride = ldc,
                     .C = C,
                     .ldc = ldc};
}

sns_status sns_gemm(bool transpose_a, bool transpose_b, size_t M, size_t N, size_t K,
                    const float *A, size_t lda, const float *B, size_t ldb, float beta, float *C,
                    size_t ldc, sns_error *err) {
    product p = plain(transpose_a, transpose_b, M, N, K, A, lda, B, ldb, beta, C, ldc);
    return run(&p, err);
}

sns_status sns_gemm_bf16(bool transpose_a, bool transpose_b, size_t M, size_t N, size_t K,
                         const float *A, size_t lda, const float *B, size_t ldb, float beta,
                         float *C, size_t ldc, sns_error *err) {
    product p = plain(transpose_a, transpose_b, M, N, K, A, lda, B, ldb, beta, C, ldc);
    p.half = true;
    return run(&p, err);
}

static sns_status pack_floats(const float *W, size_t N, size_t K, sns_packed_memory *memory,
                              sns_packed **out, sns_error *err) {
    size_t floats, bytes;
    if (!sns_mul_size(round_up(N, SNS_GEMM_COLS), K, &floats) ||
        !sns_mul_size(floats, sizeof *W, &bytes))
        return sns_fail(err, SNS_NOMEM, "no memory for a packed weight");
    sns_packed *w = calloc(1, sizeof *w);
    if (w) *w = (sns_packed){.N = N, .K = K, .bytes = bytes};
    bool filled = memory && memory->filled;
    if (memory) sns_packed_memory_note(memory, (size_t[2]){N, K}, 2 * sizeof N);
    if (w && memory) w->data = sns_packed_memory_take(memory, bytes);
    if (w && !w->data && !filled) w->data = w->own = sns_aligned_alloc(bytes);
    if (!w || !w->data) {
        sns_packed_free(w);
        return sns_fail(err, filled ? SNS_MISMATCH : SNS_NOMEM, "no memory for a packed weight");
    }
    const vectors rows = {W, K, 1};
    for (size_t j = 0; j < N && !filled; j += COLS) {
        size_t cols = min_size(COLS, N - j), width = round_up(cols, SNS_GEMM_COLS);
        for (size_t k = 0; k < K; k += DEPTH)
            pack(w->data + j * K + k * width, &rows, j, cols, k, min_size(DEPTH, K - k),
                 SNS_GEMM_COLS);
    }
    *out = w;
    return SNS_OK;
}

sns_status sns_packed_new(const float *W, size_t N, size_t K, sns_packed **out, sns_error *err) {
    return sns_packed_new_from(&(sns_packed_source){.type = SNS_PACKED_F32, .weights = W}, N, K,
                               NULL, out, err);
}

/* In f32 whatever the type: there is no narrower product here. */
sns_status sns_packed_new_from(const sns_packed_source *from, size_t N, size_t K,
                               sns_packed_memory *memory, sns_packed **out, sns_error *err) {
    size_t count, bytes;
    *out = NULL;
    if (N == 0 || K == 0 || N > INT32_MAX || K > INT32_MAX || (from->more[0] && N % 3))
        return sns_fail(err, SNS_ARG, "a weight of %zu x %zu", N, K);
    if ((from->type == SNS_PACKED_F32 && !from->more[0]) || (memory && memory->filled))
        return pack_floats(from->weights, N, K, memory, out, err);
    float *wide = sns_mul_size(N, K, &count) && sns_mul_size(count, sizeof *wide, &bytes)
                      ? sns_aligned_alloc(bytes)
                      : NULL;
    if (!wide) return sns_fail(err, SNS_NOMEM, "no memory to widen a weight");
    sns_packed_source_widen(from, N, K, 0, N, wide);
    sns_status s = pack_floats(wide, N, K, memory, out, err);
    sns_aligned_free(wide);
    return s;
}

sns_packed_type sns_packed_arithmetic(sns_packed_type type, size_t K) {
    (void)type;
    (void)K;
    return SNS_PACKED_F32;
}

size_t sns_packed_room(sns_packed_type type, size_t N, size_t K) {
    (void)type;
    return round_up(N, SNS_GEMM_COLS) * K * sizeof(float) + 64;
}

/* Packed floats are not worth keeping, so nothing is said of the processor. */
void sns_packed_describe(char *text, size_t size) {
    snprintf(text, size, "plain products");
}

void sns_packed_free(sns_packed *w) {
    if (!w) return;
    sns_aligned_free(w->own);
    free(w);
}

sns_packed_type sns_packed_numbers(const sns_packed *w) {
    (void)w;
    return SNS_PACKED_F32;
}

size_t sns_packed_bytes(const sns_packed *w) {
    return w->bytes;
}

sns_status sns_packed_run(const sns_packed *w, size_t M, const float *x, const float *bias,
                          sns_act act, const float *residual, float *y, sns_error *err) {
    product p = {.M = M,
                 .N = w->N,
                 .K = w->K,
                 .A = {x, w->K, 1},
                 .packed = w->data,
                 .act = act,
                 .bias = bias,
                 .residual = residual,
                 .residual_stride = w->N,
                 .C = y,
                 .ldc = w->N};
    return run(&p, err);
}

void sns_gemm_describe(char *text, size_t size) {
    snprintf(text, size, "plain products (built without oneDNN)");
}
