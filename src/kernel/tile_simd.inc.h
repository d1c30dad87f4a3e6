/* tile_simd.inc.h - tiles of products with narrow packed weights; a part of kernel_simd.inc.h.
 *
 * A tile of up to 14 rows by two vectors of columns is summed up in registers over all of K: 28
 * sums, two words of W and one of x, broadcast, are 31 of 32 registers. W is read straight ahead.
 * With all sums done, what makes numbers of y of them is applied on the way to y. */

#if defined(VF_BYTES) || defined(VF_PAIRS)

enum { TILE_VECTORS = SNS_TILE_COLS / VF_LANES, LINE_WORDS = SNS_TILE_LINE / SNS_TILE_WORD };
_Static_assert(TILE_VECTORS == 2, "a tile is two vectors wide");

/* Either of the two instructions; where there is only one, bytes are all there is. */
static inline __attribute__((always_inline)) sns_vf add_words(const bool bytes, sns_vf sum,
                                                              sns_vf x, sns_vf w) {
#ifdef VF_PAIRS
    if (!bytes) return vf_add_pairs(sum, x, w);
#endif
    (void)bytes;
    return vf_add_bytes(sum, x, w);
}

/* sums [rows][2 vectors] = the tile's rows of x times W. Arrays stay in registers when every loop
 * over rows is unrolled. y is fetched meanwhile: stores that wait for it would hold up the next
 * tile. */
static inline __attribute__((always_inline)) void
sum_tile(const bool bytes, const sns_tile *t, sns_vf sums[][TILE_VECTORS], const int rows) {
    sns_vf s[SNS_TILE_ROWS][TILE_VECTORS];
    const char *x = t->x, *w = t->w, *ahead = t->ahead;
    const size_t words = t->words, step = t->ahead_step;
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++) {
        s[r][0] = s[r][1] = vf_set1(0);
        __builtin_prefetch(t->y + r * t->stride, 1);
        __builtin_prefetch(t->y + r * t->stride + VF_LANES, 1);
    }
    for (size_t line = 0; line < words; line += LINE_WORDS, x += (rows - 1) * SNS_TILE_LINE) {
        size_t left = words - line < LINE_WORDS ? words - line : LINE_WORDS;
        for (size_t i = 0; i < left; i++) {
            sns_vf w0 = vf_load((const float *)(const void *)w);
            sns_vf w1 = vf_load((const float *)(const void *)w + VF_LANES);
            __builtin_prefetch(ahead, 0, 2);
            __builtin_prefetch(ahead + 64, 0, 2);
#pragma GCC unroll 14
            for (int r = 0; r < rows; r++) {
                float word;
                memcpy(&word, x + r * SNS_TILE_LINE, sizeof word);
                s[r][0] = add_words(bytes, s[r][0], vf_set1(word), w0);
                s[r][1] = add_words(bytes, s[r][1], vf_set1(word), w1);
            }
            x += SNS_TILE_WORD, w += SNS_TILE_COLS * SNS_TILE_WORD, ahead += step;
        }
    }
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++) sums[r][0] = s[r][0], sums[r][1] = s[r][1];
}

static inline __attribute__((always_inline)) void
finish_tile(const bool bytes, const sns_act act, const sns_tile *t, sns_vf sums[][TILE_VECTORS]) {
    for (size_t v = 0, at = 0; at < t->cols; v++, at += VF_LANES) {
        size_t left = t->cols - at;
        sns_vf bias = t->bias ? get(t->bias + at, left) : vf_set1(0);
        sns_vf scale = bias, sum = bias;
        if (bytes) scale = vf_load(t->w_scale + at);
        if (bytes) sum = vf_load((const float *)(const void *)(t->w_sum + at));
        for (size_t r = 0; r < t->rows; r++) {
            sns_vf y = sums[r][v];
#ifdef VF_BYTES
            if (bytes)
                y = vf_mul(vf_whole_minus(y, sum, t->x_zero[r]),
                           vf_mul(vf_set1(t->x_scale[r]), scale));
#endif
            y = vf_act(act, vf_add(y, bias));
            if (t->residual) y = vf_add(y, get(t->residual + r * t->stride + at, left));
            put(t->y + r * t->stride + at, y, left);
        }
    }
}

static inline __attribute__((always_inline)) void make_tile(const bool bytes, const sns_tile *t) {
    sns_vf sums[SNS_TILE_ROWS][TILE_VECTORS];
#define ROWS(n)                                                                                    \
    if (t->rows == (n)) sum_tile(bytes, t, sums, n)
    ROWS(1);
    ROWS(2);
    ROWS(3);
    ROWS(4);
    ROWS(5);
    ROWS(6);
    ROWS(7);
    ROWS(8);
    ROWS(9);
    ROWS(10);
    ROWS(11);
    ROWS(12);
    ROWS(13);
    ROWS(14);
#undef ROWS
    switch (t->act) {
    case SNS_ACT_NONE:
        finish_tile(bytes, SNS_ACT_NONE, t, sums);
        break;
    case SNS_ACT_GELU:
        finish_tile(bytes, SNS_ACT_GELU, t, sums);
        break;
    case SNS_ACT_QUICK_GELU:
        finish_tile(bytes, SNS_ACT_QUICK_GELU, t, sums);
        break;
    case SNS_ACT_GELU_TANH:
        finish_tile(bytes, SNS_ACT_GELU_TANH, t, sums);
        break;
    }
}
#endif

#ifdef VF_BYTES
static void tile_int8(const sns_tile *t) {
    make_tile(true, t);
}
#define TILE_INT8 tile_int8
#else
#define TILE_INT8 NULL
#endif

#ifdef VF_PAIRS
static void tile_bf16(const sns_tile *t) {
    make_tile(false, t);
}
#define TILE_BF16 tile_bf16
#else
#define TILE_BF16 NULL
#endif
