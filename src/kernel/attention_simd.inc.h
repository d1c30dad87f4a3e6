/* attention_simd.inc.h - attention in vectors; a part of kernel_simd.inc.h.
 *
 * Forward (Vaswani et al. 2017), 6 rows of Q at a time:
 *   S [6, T] = scale Q K^T    P = exp(S - max), l = sum    out = P V / l
 * Backward (Dao et al. 2022, section 3.1), a block of R rows of Q at a time:
 *   P [R, T] = exp(scale Q K^T - lse)    dP = dO V^T    dS = P (dP - delta), delta = rowsum(dO out)
 *   dQ = scale dS K    dV += P^T dO    dK += dS^T (scale Q)
 * Every product is the same tile: 6 rows of the result by VF_TILE vectors in registers, the left
 * matrix broadcast, the right one in strips (kernel_impl.h). What rounding up T, D and R adds is
 * computed and never read, except by sums over T, where P and dS are cleared beyond the row's end.
 * Where the vectors multiply pairs of bfloat16 (VF_PAIRS), the same tile takes those: a float of
 * either matrix is then two neighbours of the sum's index.
 */

#ifdef VF_PAIRS
#define STEP(pairs, left, right, sum)                                                              \
    ((pairs) ? vf_add_pairs(sum, left, right) : vf_fma(left, right, sum))
#else
#define STEP(pairs, left, right, sum) vf_fma(left, right, sum)
#endif

static size_t vectors_of(size_t n) {
    return (n + VF_LANES - 1) / VF_LANES;
}

/* c [6, nv vectors] (+)= a [6, K] b [K, nv vectors]; a's rows and columns are `a_row` and `a_col`
 * floats apart, so it may be transposed; b's rows are `b_row` apart, its vectors `strip`. */
static inline __attribute__((always_inline)) void
tile(const bool pairs, float *c, size_t c_row, bool accumulate, const float *a, size_t a_row,
     size_t a_col, const float *b, size_t b_row, size_t strip, size_t K, const int nv) {
    (void)pairs; /* where there are none */
    sns_vf sum[SNS_ATTENTION_TILE][VF_TILE];
#pragma GCC unroll 6
    for (int r = 0; r < SNS_ATTENTION_TILE; r++)
#pragma GCC unroll 4
        for (int v = 0; v < nv; v++) sum[r][v] = vf_set1(0.0f);
    for (size_t k = 0; k < K; k++, a += a_col, b += b_row) {
        sns_vf right[VF_TILE];
#pragma GCC unroll 4
        for (int v = 0; v < nv; v++) right[v] = vf_load(b + v * strip);
#pragma GCC unroll 6
        for (int r = 0; r < SNS_ATTENTION_TILE; r++) {
            sns_vf left = vf_set1(a[r * a_row]);
#pragma GCC unroll 4
            for (int v = 0; v < nv; v++) sum[r][v] = STEP(pairs, left, right[v], sum[r][v]);
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < SNS_ATTENTION_TILE; r++)
#pragma GCC unroll 4
        for (int v = 0; v < nv; v++) {
            float *to = c + r * c_row + v * VF_LANES;
            vf_store(to, accumulate ? vf_add(vf_load(to), sum[r][v]) : sum[r][v]);
        }
}

/* The same for any number of vectors, cut evenly into tiles (5 are 3 + 2, not 4 + 1). */
static inline __attribute__((always_inline)) void tiles(const bool pairs, float *c, size_t c_row,
                                                        bool accumulate, const float *a,
                                                        size_t a_row, size_t a_col, const float *b,
                                                        size_t strip, size_t K, size_t vectors) {
    for (size_t left = (vectors + VF_TILE - 1) / VF_TILE; left; left--) {
        size_t nv = (vectors + left - 1) / left;
        if (nv == 1)
            tile(pairs, c, c_row, accumulate, a, a_row, a_col, b, VF_LANES, strip, K, 1);
        else if (nv == 2)
            tile(pairs, c, c_row, accumulate, a, a_row, a_col, b, VF_LANES, strip, K, 2);
#if VF_TILE > 2
        else if (nv == 3)
            tile(pairs, c, c_row, accumulate, a, a_row, a_col, b, VF_LANES, strip, K, 3);
        else
            tile(pairs, c, c_row, accumulate, a, a_row, a_col, b, VF_LANES, strip, K, 4);
#endif
        c += nv * VF_LANES;
        b += nv * strip;
        vectors -= nv;
    }
}

static void product(float *c, size_t c_row, bool accumulate, const float *a, size_t a_row,
                    size_t a_col, const float *b, size_t strip, size_t K, size_t vectors) {
    tiles(false, c, c_row, accumulate, a, a_row, a_col, b, strip, K, vectors);
}

static void gemm_tile(float *C, size_t stride, const float *A, const float *B, size_t K) {
    _Static_assert(SNS_GEMM_ROWS == SNS_ATTENTION_TILE, "one tile serves both");
    tile(false, C, stride, true, A, 1, SNS_GEMM_ROWS, B, SNS_GEMM_COLS, VF_LANES, K,
         SNS_GEMM_COLS / VF_LANES);
}

/* x [T, D] by stride to strips of x^T. Lanes beyond T repeat the last row. */
static void pack_transposed(float *strips, size_t strip, const float *x, size_t stride, size_t T,
                            size_t D) {
    for (size_t j = 0; j < vectors_of(T) * VF_LANES; j += VF_SQUARE) {
        const float *row[VF_SQUARE];
        float *to = strips + j / VF_LANES * strip + j % VF_LANES;
        size_t d = 0;
        for (size_t r = 0; r < VF_SQUARE; r++) row[r] = x + (j + r < T ? j + r : T - 1) * stride;
        for (; d + VF_SQUARE <= D; d += VF_SQUARE)
            transpose_square(to + d * VF_LANES, VF_LANES, row, d);
        for (; d < D; d++)
            for (size_t r = 0; r < VF_SQUARE; r++) to[d * VF_LANES + r] = row[r][d];
    }
}

/* x [rows, D] by stride to strips of x. Lanes beyond D are zero. */
static void pack_strips(float *strips, size_t strip, const float *x, size_t stride, size_t rows,
                        size_t D) {
    for (size_t r = 0; r < rows; r++)
        for (size_t d = 0; d < D; d += VF_LANES)
            vf_store(strips + d / VF_LANES * strip + r * VF_LANES, get(x + r * stride + d, D - d));
}

/* to [rows up to a whole tile, D] = factor x [rows, D] by stride; the rest is zero. */
static void pack_rows(float *to, const float *x, size_t stride, size_t rows, size_t D,
                      float factor) {
    sns_vf f = vf_set1(factor);
    size_t tiles = (rows + SNS_ATTENTION_TILE - 1) / SNS_ATTENTION_TILE;
    for (size_t r = 0; r < rows; r++)
        for (size_t d = 0; d < D; d += VF_LANES)
            put(to + r * D + d, vf_mul(f, get(x + r * stride + d, D - d)), D - d);
    memset(to + rows * D, 0, (tiles * SNS_ATTENTION_TILE - rows) * D * sizeof *to);
}

/* Rows of P, still to be multiplied by `inverse`, of `keys` numbers each. own: of how many the
 * first row is, each one more than the last; what follows is cleared; 0: all are whole. */
static void softmax_rows(float *p, size_t stride, size_t rows, size_t keys, size_t own,
                         float *inverse, float *lse) {
    for (size_t r = 0; r < rows; r++) {
        size_t n = own ? own + r : keys;
        float max, sum = exp_row(p + r * stride, n, &max);
        memset(p + r * stride + n, 0, (keys - n) * sizeof *p);
        inverse[r] = 1.0f / sum;
        if (lse) lse[r] = max + logf(sum);
    }
}

/* out [rows, D] by stride = rows of `from`, `width` apart, each times its factor. */
static void put_rows(float *out, size_t stride, const float *from, size_t width,
                     const float *factor, size_t rows, size_t D) {
    for (size_t r = 0; r < rows; r++)
        for (size_t d = 0; d < D; d += VF_LANES)
            put(out + r * stride + d, vf_mul(vf_load(from + r * width + d), vf_set1(factor[r])),
                D - d);
}

static void attention_forward(float *out, size_t out_stride, float *lse, const float *q,
                              const float *k, const float *v, size_t stride, size_t T, size_t D,
                              float factor, bool causal, float *scratch) {
    const sns_attention_layout l = sns_attention_layout_for(T, D, VF_LANES);
    float *p = scratch + l.p, *tile_out = scratch + l.out;
    pack_transposed(scratch + l.kt, l.key_strip, k, stride, T, D);
    pack_strips(scratch + l.rows, l.row_strip, v, stride, T, D);
    for (size_t i = 0; i < T; i += SNS_ATTENTION_TILE) {
        size_t rows = T - i < SNS_ATTENTION_TILE ? T - i : SNS_ATTENTION_TILE;
        size_t keys = causal ? i + rows : T;
        float inverse[SNS_ATTENTION_TILE];
        pack_rows(scratch + l.q, q + i * stride, stride, rows, D, factor);
        product(p, l.keys, false, scratch + l.q, D, 1, scratch + l.kt, l.key_strip, D,
                vectors_of(keys));
        softmax_rows(p, l.keys, rows, keys, causal ? i + 1 : 0, inverse, lse ? lse + i : NULL);
        product(tile_out, l.width, false, p, l.keys, 1, scratch + l.rows, l.row_strip, keys,
                vectors_of(D));
        put_rows(out + i * out_stride, out_stride, tile_out, l.width, inverse, rows, D);
    }
}

#ifdef VF_PAIRS
/* to [rows][width / 2 pairs] = bfloat16 of factor x [rows, D] by stride; zero beyond D. */
static void pack_pairs(float *to, size_t width, const float *x, size_t stride, size_t rows,
                       size_t D, float factor) {
    for (size_t r = 0; r < rows; r++)
        for (size_t d = 0; d < width; d += VF_LANES) {
            sns_vf part = d < D ? get(x + r * stride + d, D - d) : vf_set1(0);
            vf_store_near(to + (r * width + d) / 2, vf_mul(part, vf_set1(factor)));
        }
}

/* factor x [rows, D] by stride to strips of pairs of its rows. Lanes beyond D and a row beyond the
 * last are zero. */
static void pack_row_pairs(float *strips, size_t strip, const float *x, size_t stride, size_t rows,
                           size_t D, float factor) {
    sns_vf f = vf_set1(factor);
    for (size_t r = 0; r < rows; r += 2)
        for (size_t d = 0; d < D; d += VF_LANES) {
            const float *at = x + r * stride + d;
            sns_vf second = r + 1 < rows ? get(at + stride, D - d) : vf_set1(0);
            vf_store(strips + d / VF_LANES * strip + r / 2 * VF_LANES,
                     vf_pairs(vf_mul(f, get(at, D - d)), vf_mul(f, second)));
        }
}

/* Rows of n floats become bfloat16 in their places: what is written was read. */
static void near_rows(float *x, size_t stride, size_t rows, size_t n) {
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < n; j += VF_LANES)
            vf_store_near(x + r * stride + j / 2, get(x + r * stride + j, n - j));
}

static void attention_of_pairs(float *out, size_t out_stride, float *lse, const float *q,
                               const float *k, const float *v, size_t stride, size_t T, size_t D,
                               float factor, bool causal, float *scratch) {
    const sns_attention_layout l = sns_attention_layout_for(T, D, VF_LANES);
    const size_t half = (D + 1) / 2, key_strip = (half + 1) * VF_LANES;
    const size_t row_strip = ((T + 1) / 2 + 1) * VF_LANES;
    float *p = scratch + l.p, *tile_out = scratch + l.out, *tile_q = scratch + l.dv;
    pack_pairs(scratch + l.dk, l.width, k, stride, T, D, 1);
    pack_transposed(scratch + l.kt, key_strip, scratch + l.dk, l.width / 2, T, half);
    pack_row_pairs(scratch + l.rows, row_strip, v, stride, T, D, 1);
    memset(tile_q, 0, SNS_ATTENTION_TILE * l.width / 2 * sizeof *tile_q);
    for (size_t i = 0; i < T; i += SNS_ATTENTION_TILE) {
        size_t rows = T - i < SNS_ATTENTION_TILE ? T - i : SNS_ATTENTION_TILE;
        size_t keys = causal ? i + rows : T;
        float inverse[SNS_ATTENTION_TILE];
        pack_pairs(tile_q, l.width, q + i * stride, stride, rows, D, factor);
        tiles(true, p, l.keys, false, tile_q, l.width / 2, 1, scratch + l.kt, key_strip, half,
              vectors_of(keys));
        softmax_rows(p, l.keys, rows, keys, causal ? i + 1 : 0, inverse, lse ? lse + i : NULL);
        near_rows(p, l.keys, rows, keys);
        tiles(true, tile_out, l.width, false, p, l.keys, 1, scratch + l.rows, row_strip,
              (keys + 1) / 2, vectors_of(D));
        put_rows(out + i * out_stride, out_stride, tile_out, l.width, inverse, rows, D);
    }
}
#else
#define attention_of_pairs attention_forward
#endif

/* One row: p = exp(p - lse), ds = p (ds - delta) for the first n of `width` (whole vectors); zero
 * after. */
static void score_gradients(float *p, float *ds, float lse, float delta, size_t n, size_t width) {
    for (size_t j = 0; j < n; j += VF_LANES) {
        sns_vf e = keep(vf_exp(vf_sub(vf_load(p + j), vf_set1(lse))), n - j, 0.0f);
        sns_vf d = keep(vf_sub(vf_load(ds + j), vf_set1(delta)), n - j, 0.0f);
        vf_store(p + j, e);
        vf_store(ds + j, vf_mul(e, d));
    }
    size_t done = vectors_of(n) * VF_LANES;
    memset(p + done, 0, (width - done) * sizeof *p);
    memset(ds + done, 0, (width - done) * sizeof *ds);
}

/* y [rows, D] by stride += a x [rows, D] by x_stride */
static void add_rows(float *y, size_t stride, float a, const float *x, size_t x_stride, size_t rows,
                     size_t D) {
    for (size_t r = 0; r < rows; r++) axpy(y + r * stride, a, x + r * x_stride, D);
}

/* P and dS of `rows` rows of Q from row i on, and their dQ. dq, dout, out, lse are at row i. */
static void backward_rows(const sns_attention_layout *l, float *scratch, float *dq,
                          const float *dout, const float *out, size_t out_stride, const float *lse,
                          size_t stride, size_t i, size_t rows, size_t T, size_t D, float factor,
                          bool causal) {
    size_t width = vectors_of(causal ? i + rows : T) * VF_LANES;
    for (size_t r = 0; r < rows; r += SNS_ATTENTION_TILE) {
        size_t left = rows - r < SNS_ATTENTION_TILE ? rows - r : SNS_ATTENTION_TILE;
        size_t keys = causal ? i + r + left : T;
        float *p = scratch + l->p + r * l->keys, *ds = scratch + l->ds + r * l->keys;
        product(p, l->keys, false, scratch + l->q + r * D, D, 1, scratch + l->kt, l->key_strip, D,
                vectors_of(keys));
        product(ds, l->keys, false, scratch + l->dout + r * D, D, 1, scratch + l->vt, l->key_strip,
                D, vectors_of(keys));
        for (size_t t = 0; t < left; t++) {
            size_t at = (r + t) * out_stride;
            score_gradients(p + t * l->keys, ds + t * l->keys, lse[r + t],
                            dot(dout + at, out + at, D), causal ? i + r + t + 1 : T, width);
        }
        product(scratch + l->out, l->width, false, ds, l->keys, 1, scratch + l->rows, l->row_strip,
                keys, vectors_of(D));
        add_rows(dq + r * stride, stride, factor, scratch + l->out, l->width, left, D);
    }
}

/* dV += P^T dO, dK += dS^T (scale Q) of one block; causal: row j of them starts at row j of Q. */
static void backward_columns(const sns_attention_layout *l, float *scratch, size_t i, size_t rows,
                             size_t T, size_t D, bool causal) {
    size_t keys = causal ? i + rows : T;
    for (size_t j = 0; j < keys; j += SNS_ATTENTION_TILE) {
        size_t first = causal && j > i ? j - i : 0, at = first * l->keys + j;
        product(scratch + l->dv + j * l->width, l->width, true, scratch + l->p + at, 1, l->keys,
                scratch + l->dout_strips + first * VF_LANES, l->block_strip, rows - first,
                vectors_of(D));
        product(scratch + l->dk + j * l->width, l->width, true, scratch + l->ds + at, 1, l->keys,
                scratch + l->q_strips + first * VF_LANES, l->block_strip, rows - first,
                vectors_of(D));
    }
}

static void attention_backward(float *dq, float *dk, float *dv, const float *dout, const float *out,
                               size_t out_stride, const float *lse, const float *q, const float *k,
                               const float *v, size_t stride, size_t T, size_t D, float factor,
                               bool causal, float *scratch) {
    const sns_attention_layout l = sns_attention_layout_for(T, D, VF_LANES);
    pack_transposed(scratch + l.kt, l.key_strip, k, stride, T, D);
    pack_transposed(scratch + l.vt, l.key_strip, v, stride, T, D);
    pack_strips(scratch + l.rows, l.row_strip, k, stride, T, D);
    memset(scratch + l.dk, 0, (l.dv - l.dk) * sizeof *scratch);
    memset(scratch + l.dv, 0, (l.out - l.dv) * sizeof *scratch);
    for (size_t i = 0; i < T; i += l.block) {
        size_t rows = T - i < l.block ? T - i : l.block, at = i * out_stride;
        pack_rows(scratch + l.q, q + i * stride, stride, rows, D, factor);
        pack_rows(scratch + l.dout, dout + at, out_stride, rows, D, 1.0f);
        pack_strips(scratch + l.q_strips, l.block_strip, scratch + l.q, D, rows, D);
        pack_strips(scratch + l.dout_strips, l.block_strip, dout + at, out_stride, rows, D);
        backward_rows(&l, scratch, dq + i * stride, dout + at, out + at, out_stride, lse + i,
                      stride, i, rows, T, D, factor, causal);
        backward_columns(&l, scratch, i, rows, T, D, causal);
    }
    add_rows(dk, stride, 1.0f, scratch + l.dk, l.width, T, D);
    add_rows(dv, stride, 1.0f, scratch + l.dv, l.width, T, D);
}

#ifdef VF_PAIRS
/* to [rows / 2, n] = pairs of neighbouring rows of x [rows, n] by stride, a row beyond the last
 * being zero; n: whole vectors. */
static void pair_rows(float *to, size_t to_stride, const float *x, size_t stride, size_t rows,
                      size_t n) {
    for (size_t r = 0; r < rows; r += 2)
        for (size_t j = 0; j < n; j += VF_LANES) {
            sns_vf second = r + 1 < rows ? vf_load(x + (r + 1) * stride + j) : vf_set1(0);
            vf_store(to + r / 2 * to_stride + j, vf_pairs(vf_load(x + r * stride + j), second));
        }
}

/* backward_rows in pairs: P and dS are left as pairs of rows. */
static void backward_rows_of_pairs(const sns_attention_layout *l, float *scratch, float *dq,
                                   const float *dout, const float *out, size_t out_stride,
                                   const float *lse, size_t stride, size_t i, size_t rows, size_t T,
                                   size_t D, float factor, bool causal) {
    const size_t width = vectors_of(causal ? i + rows : T) * VF_LANES, half = (D + 1) / 2;
    const size_t key_strip = (half + 1) * VF_LANES, row_strip = ((T + 1) / 2 + 1) * VF_LANES;
    float *p = scratch + l->tile, *ds = p + SNS_ATTENTION_TILE * l->keys;
    for (size_t r = 0; r < rows; r += SNS_ATTENTION_TILE) {
        size_t left = rows - r < SNS_ATTENTION_TILE ? rows - r : SNS_ATTENTION_TILE;
        size_t keys = causal ? i + r + left : T, at = r * l->width / 2, pair = r / 2 * l->keys;
        tiles(true, p, l->keys, false, scratch + l->q + at, l->width / 2, 1, scratch + l->kt,
              key_strip, half, vectors_of(keys));
        tiles(true, ds, l->keys, false, scratch + l->dout + at, l->width / 2, 1, scratch + l->vt,
              key_strip, half, vectors_of(keys));
        for (size_t t = 0; t < left; t++) {
            size_t row = (r + t) * out_stride;
            score_gradients(p + t * l->keys, ds + t * l->keys, lse[r + t],
                            dot(dout + row, out + row, D), causal ? i + r + t + 1 : T, width);
        }
        pair_rows(scratch + l->p + pair, l->keys, p, l->keys, left, width);
        pair_rows(scratch + l->ds + pair, l->keys, ds, l->keys, left, width);
        near_rows(ds, l->keys, left, keys);
        tiles(true, scratch + l->out, l->width, false, ds, l->keys, 1, scratch + l->rows, row_strip,
              (keys + 1) / 2, vectors_of(D));
        add_rows(dq + r * stride, stride, factor, scratch + l->out, l->width, left, D);
    }
}

static void backward_columns_of_pairs(const sns_attention_layout *l, float *scratch, size_t i,
                                      size_t rows, size_t T, size_t D, bool causal) {
    const size_t keys = causal ? i + rows : T, pairs = (rows + 1) / 2;
    for (size_t j = 0; j < keys; j += SNS_ATTENTION_TILE) {
        size_t first = causal && j > i ? (j - i) / 2 : 0, at = first * l->keys + j;
        tiles(true, scratch + l->dv + j * l->width, l->width, true, scratch + l->p + at, 1, l->keys,
              scratch + l->dout_strips + first * VF_LANES, l->block_strip, pairs - first,
              vectors_of(D));
        tiles(true, scratch + l->dk + j * l->width, l->width, true, scratch + l->ds + at, 1,
              l->keys, scratch + l->q_strips + first * VF_LANES, l->block_strip, pairs - first,
              vectors_of(D));
    }
}

static void attention_backward_of_pairs(float *dq, float *dk, float *dv, const float *dout,
                                        const float *out, size_t out_stride, const float *lse,
                                        const float *q, const float *k, const float *v,
                                        size_t stride, size_t T, size_t D, float factor,
                                        bool causal, float *scratch) {
    const sns_attention_layout l = sns_attention_layout_for(T, D, VF_LANES);
    const size_t half = (D + 1) / 2, key_strip = (half + 1) * VF_LANES;
    pack_pairs(scratch + l.dk, l.width, k, stride, T, D, 1);
    pack_transposed(scratch + l.kt, key_strip, scratch + l.dk, l.width / 2, T, half);
    pack_pairs(scratch + l.dk, l.width, v, stride, T, D, 1);
    pack_transposed(scratch + l.vt, key_strip, scratch + l.dk, l.width / 2, T, half);
    pack_row_pairs(scratch + l.rows, ((T + 1) / 2 + 1) * VF_LANES, k, stride, T, D, 1);
    memset(scratch + l.dk, 0, (l.dv - l.dk) * sizeof *scratch);
    memset(scratch + l.dv, 0, (l.out - l.dv) * sizeof *scratch);
    for (size_t i = 0; i < T; i += l.block) {
        size_t rows = T - i < l.block ? T - i : l.block, at = i * out_stride;
        memset(scratch + l.q, 0, l.block * l.width / 2 * sizeof *scratch);
        memset(scratch + l.dout, 0, l.block * l.width / 2 * sizeof *scratch);
        pack_pairs(scratch + l.q, l.width, q + i * stride, stride, rows, D, factor);
        pack_pairs(scratch + l.dout, l.width, dout + at, out_stride, rows, D, 1);
        pack_row_pairs(scratch + l.q_strips, l.block_strip, q + i * stride, stride, rows, D,
                       factor);
        pack_row_pairs(scratch + l.dout_strips, l.block_strip, dout + at, out_stride, rows, D, 1);
        backward_rows_of_pairs(&l, scratch, dq + i * stride, dout + at, out + at, out_stride,
                               lse + i, stride, i, rows, T, D, factor, causal);
        backward_columns_of_pairs(&l, scratch, i, rows, T, D, causal);
    }
    add_rows(dk, stride, 1.0f, scratch + l.dk, l.width, T, D);
    add_rows(dv, stride, 1.0f, scratch + l.dv, l.width, T, D);
}
#else
#define attention_backward_of_pairs attention_backward
#endif
