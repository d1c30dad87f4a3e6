/* test_tile.c - rows in 8 bits, and tiles of products with narrow packed weights: every variant
 * against the reference, all numbers of rows, odd columns and lengths, with guard bytes; and the
 * reference against double precision over matrices that lie row by row. */
#include "kernel_check.h"

enum { LINE = SNS_TILE_LINE, WORD = SNS_TILE_WORD };

static size_t lines_of(size_t bytes) {
    return (bytes + LINE - 1) / LINE;
}

/* Rows equal the reference to the bit: one sided ones (after GELU), flat ones, ones with NaN and
 * infinity. Lines lie `step` apart, and nothing is written between them. */
static void check_row(const sns_kernels *k, sns_rng *rng, size_t n, int kind) {
    const sns_kernels *ref = sns_kernels_named("ref");
    const size_t step = 3 * LINE, bytes = n ? (lines_of(n) - 1) * step + LINE : 0;
    guarded x = random_floats(rng, n, kind == 1 ? 1e-20f : 3), got = guarded_new(bytes, 1),
            want = guarded_new(bytes, 1);
    float *v = x.data;
    for (size_t i = 0; i < n; i++) {
        if (kind == 2) v[i] = fabsf(v[i]);
        if (kind == 3) v[i] = i % 2 ? 0 : -0.0f;
    }
    if (kind == 4 && n) v[n - 1] = NAN;
    if (kind == 5 && n) v[n / 2] = -INFINITY;
    int32_t zero = -1, ref_zero = -2;
    float scale = k->u8_from_f32(got.data, step, &zero, v, n);
    float ref_scale = ref->u8_from_f32(want.data, step, &ref_zero, v, n);
    assert_memory_equal(got.data, want.data, bytes);
    assert_int_equal(zero, ref_zero);
    assert_true(scale == ref_scale || (isnan(scale) && isnan(ref_scale)));
    assert_true(!n || !!isnan(scale) == (kind >= 4));
    for (size_t i = n; i < lines_of(n) * LINE; i++)
        assert_int_equal(((uint8_t *)want.data)[i / LINE * step + i % LINE], zero);
    guarded_end(&x), guarded_end(&got), guarded_end(&want);
}

static void rows_in_8_bits(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 7, 15, 16, 17, 63, 64, 65, 128, 129, 511, 768, 1000};
    const sns_kernels *fast[FAST_MAX];
    size_t variants = fast_variants(fast);
    sns_rng rng;
    sns_rng_seed(&rng, 5);
    if (!variants) skip();
    for (size_t v = 0; v < variants; v++)
        for (size_t i = 0; i < COUNT(sizes); i++)
            for (int kind = 0; kind < 6; kind++) check_row(fast[v], &rng, sizes[i], kind);
}

/* Half a step is the largest error, 0 is met exactly, and the range's ends are used. */
static void reference_rows(void **state) {
    (void)state;
    const sns_kernels *ref = sns_kernels_named("ref");
    enum { N = 999 };
    float x[N];
    uint8_t q[N + LINE];
    int32_t zero;
    sns_rng rng;
    sns_rng_seed(&rng, 6);
    for (float shift = -3; shift <= 3; shift++) {
        int low = 255, high = 0;
        for (int i = 0; i < N; i++) x[i] = (float)sns_rng_normal(&rng) + shift;
        x[7] = 0;
        float scale = ref->u8_from_f32(q, LINE, &zero, x, N);
        for (int i = 0; i < N; i++) {
            check_near("byte", scale * (float)(q[i] - zero), x[i], scale * 0.501);
            low = q[i] < low ? q[i] : low;
            high = q[i] > high ? q[i] : high;
        }
        assert_int_equal(q[7], zero);
        assert_true(low <= 1 && high >= 254);
    }
}

/* A tile's operands, filled with random numbers; what a tile does not have is between guards. */
typedef struct operands {
    guarded x, w, x_scale, x_zero, w_scale, w_sum, bias, y;
    sns_tile tile;
} operands;

static void fill(guarded *g, sns_rng *rng, bool bf16) {
    uint8_t *bytes = g->data;
    for (size_t i = 0; i < g->bytes; i++) bytes[i] = (uint8_t)sns_rng_below(rng, 256);
    for (size_t i = 0; bf16 && i + 1 < g->bytes; i += 2) { /* numbers of 2^-3 ... 2 */
        uint16_t half = (uint16_t)(sns_rng_below(rng, 2) << 15 |
                                   (124 + sns_rng_below(rng, 4)) << 7 | sns_rng_below(rng, 128));
        memcpy(bytes + i, &half, sizeof half);
    }
}

static guarded whole_numbers(sns_rng *rng, size_t n, uint32_t below, int32_t from) {
    guarded g = guarded_new(n * sizeof(int32_t), 4);
    for (size_t i = 0; i < n; i++)
        ((int32_t *)g.data)[i] = (int32_t)sns_rng_below(rng, below) + from;
    return g;
}

static operands operands_new(sns_rng *rng, size_t rows, size_t cols, size_t words, bool bf16) {
    operands o = {.x = guarded_new(lines_of(words * WORD) * LINE * rows, 8),
                  .w = guarded_new(words * SNS_TILE_COLS * WORD, 0),
                  .x_scale = random_floats(rng, rows, 0.1f),
                  .x_zero = whole_numbers(rng, rows, 256, 0),
                  .w_scale = random_floats(rng, SNS_TILE_COLS, 0.1f),
                  .w_sum = whole_numbers(rng, SNS_TILE_COLS, 1u << 16, -(1 << 15)),
                  .bias = random_floats(rng, cols, 1),
                  .y = random_floats(rng, (rows - 1) * (cols + 5) + cols, 1)};
    fill(&o.x, rng, bf16);
    fill(&o.w, rng, bf16);
    o.tile = (sns_tile){.rows = rows,
                        .cols = cols,
                        .words = words,
                        .x = o.x.data,
                        .w = o.w.data,
                        .ahead = o.w.data,
                        .ahead_step = 3,
                        .x_scale = o.x_scale.data,
                        .x_zero = o.x_zero.data,
                        .w_scale = o.w_scale.data,
                        .w_sum = o.w_sum.data,
                        .y = o.y.data,
                        .stride = cols + 5};
    return o;
}

static void operands_end(operands *o) {
    guarded *all[] = {&o->x,       &o->w,     &o->x_scale, &o->x_zero,
                      &o->w_scale, &o->w_sum, &o->bias,    &o->y};
    for (size_t i = 0; i < COUNT(all); i++) guarded_end(all[i]);
}

/* The same tile by a variant and by the reference; kind: bias, residual in place or elsewhere. */
static void check_tile(const sns_kernels *k, sns_rng *rng, size_t rows, size_t cols, size_t words,
                       bool bf16, int kind, sns_act act) {
    const sns_kernels *ref = sns_kernels_named("ref");
    operands o = operands_new(rng, rows, cols, words, bf16);
    guarded want = copy_of(&o.y), other = copy_of(&o.y);
    sns_tile same = o.tile;
    same.act = o.tile.act = act;
    same.y = want.data;
    same.bias = o.tile.bias = kind & 1 ? o.bias.data : NULL;
    if (kind & 2) o.tile.residual = o.y.data, same.residual = want.data;
    if (kind & 4) same.residual = o.tile.residual = other.data;
    (bf16 ? k->tile_bf16 : k->tile_int8)(&o.tile);
    (bf16 ? ref->tile_bf16 : ref->tile_int8)(&same);
    size_t n = o.y.bytes / sizeof(float);
    if (bf16 || act != SNS_ACT_NONE)
        check_close(bf16 ? "tile_bf16" : "tile_int8", k->name, o.y.data, want.data, n,
                    bf16 ? 1e-5 : 1e-6, 2e-6);
    else
        assert_memory_equal(o.y.data, want.data, o.y.bytes);
    guarded_end(&want), guarded_end(&other);
    operands_end(&o);
}

static void tiles_equal_the_reference(void **state) {
    (void)state;
    static const size_t columns[] = {32, 1, 15, 16, 17, 31}, lengths[] = {1, 15, 16, 17, 48, 100};
    const sns_kernels *fast[FAST_MAX];
    size_t variants = fast_variants(fast), tried = 0;
    sns_rng rng;
    sns_rng_seed(&rng, 7);
    for (size_t i = 0; i < 2 * variants; i++) {
        const sns_kernels *k = fast[i / 2];
        bool bf16 = i % 2;
        if (!(bf16 ? k->tile_bf16 : k->tile_int8)) continue;
        for (size_t rows = 1; rows <= SNS_TILE_ROWS; rows++)
            for (size_t c = 0; c < COUNT(columns); c++)
                for (size_t l = 0; l < COUNT(lengths); l++, tried++)
                    check_tile(k, &rng, rows, columns[c], lengths[l], bf16, (int)(tried % 6),
                               (sns_act)(tried / 6 % 4));
    }
    if (!tried) print_message("SKIP: no tiles of narrow numbers on this processor\n");
    if (!tried) skip();
}

static double bf16_at(const void *p) {
    float x;
    sns_kernels_named("ref")->f32_from_bf16(&x, p, 1);
    return (double)x;
}

/* Where element k of row r of x, and of column c of W, must lie, written out once more. */
static double element(const operands *o, bool of_x, size_t at, size_t k, bool bf16) {
    size_t per_word = bf16 ? 2 : 4, word = k / per_word, in_word = k % per_word;
    size_t words = of_x ? word / 16 * 16 * o->tile.rows + at * 16 + word % 16
                        : word * SNS_TILE_COLS + at;
    const char *p = (const char *)(of_x ? o->x.data : o->w.data) + 4 * words;
    if (bf16) return bf16_at(p + 2 * in_word);
    return of_x ? ((const uint8_t *)p)[in_word] : ((const int8_t *)p)[in_word];
}

static void reference_tiles(void **state) {
    (void)state;
    const sns_kernels *ref = sns_kernels_named("ref");
    enum { ROWS = 5, COLS = 19, WORDS = 37 };
    sns_rng rng;
    sns_rng_seed(&rng, 8);
    for (int bf16 = 0; bf16 < 2; bf16++) {
        operands o = operands_new(&rng, ROWS, COLS, WORDS, bf16);
        guarded before = copy_of(&o.y);
        o.tile.act = SNS_ACT_QUICK_GELU;
        o.tile.bias = o.bias.data;
        o.tile.residual = o.y.data;
        (bf16 ? ref->tile_bf16 : ref->tile_int8)(&o.tile);
        for (size_t r = 0; r < ROWS; r++)
            for (size_t c = 0; c < COLS; c++) {
                double z = 0, bias = ((float *)o.bias.data)[c];
                for (size_t k = 0; k < WORDS * (bf16 ? 2 : 4); k++)
                    z += element(&o, true, r, k, bf16) * element(&o, false, c, k, bf16);
                if (!bf16)
                    z = (z - (double)o.tile.x_zero[r] * o.tile.w_sum[c]) * o.tile.x_scale[r] *
                        o.tile.w_scale[c];
                z = (z + bias) / (1 + exp(-1.702 * (z + bias)));
                z += ((float *)before.data)[r * o.tile.stride + c];
                check_near("tile", o.tile.y[r * o.tile.stride + c], z, 1e-4 + 1e-5 * fabs(z));
            }
        guarded_end(&before);
        operands_end(&o);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_in_8_bits),
        cmocka_unit_test(reference_rows),
        cmocka_unit_test(tiles_equal_the_reference),
        cmocka_unit_test(reference_tiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
