/* test_half.c - 16-bit floats: every half and bfloat16, and what lies between them. */
#include "kernel_check.h"
#include <float.h>

static float float_of(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The value of a half by its definition: (-1)^s 2^(e-25) (1024 + f). */
static double value_of_half(uint16_t h) {
    int exponent = h >> 10 & 31, fraction = h & 1023;
    double x = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    if (exponent == 31) x = fraction ? NAN : INFINITY;
    return h & 0x8000 ? -x : x;
}

static void every_half_by_definition(void **state) {
    (void)state;
    const sns_kernels *ref = sns_kernels_named("ref");
    for (uint32_t i = 0; i < 65536; i++) {
        uint16_t h = (uint16_t)i, back;
        float x;
        ref->f32_from_f16(&x, &h, 1);
        double want = value_of_half(h);
        assert_true(isnan(want) ? isnan(x) : x == want && !signbit(x) == !signbit(want));
        ref->f16_from_f32(&back, &x, 1);
        assert_int_equal(back, isnan(want) ? h | 0x200 : h);
        ref->f32_from_bf16(&x, &h, 1);
        ref->bf16_from_f32(&back, &x, 1);
        assert_int_equal(back, isnan(x) ? h | 0x40 : h);
    }
}

/* Between two neighbours: the middle goes to the even one, anything beside it to the nearer. */
static void rounding_is_to_nearest_even(void **state) {
    (void)state;
    const sns_kernels *ref = sns_kernels_named("ref");
    for (uint16_t h = 0; h < 0x7c00; h++) {
        double next = h == 0x7bff ? 65536 : value_of_half((uint16_t)(h + 1));
        float middle = (float)((value_of_half(h) + next) / 2); /* exact: 12 bits */
        float x[3] = {nextafterf(middle, 0), middle, nextafterf(middle, INFINITY)};
        uint16_t got[3];
        ref->f16_from_f32(got, x, 3);
        assert_int_equal(got[0], h);
        assert_int_equal(got[1], h + (h & 1));
        assert_int_equal(got[2], h + 1);
    }
    for (uint16_t h = 0; h < 0x7f80; h++) {
        uint32_t middle = (uint32_t)h << 16 | 0x8000;
        float x[3] = {float_of(middle - 1), float_of(middle), float_of(middle + 1)};
        uint16_t got[3];
        ref->bf16_from_f32(got, x, 3);
        assert_int_equal(got[0], h);
        assert_int_equal(got[1], h + (h & 1));
        assert_int_equal(got[2], h + 1);
    }
}

/* Bits, because NaNs and zeros' signs count. */
static void check_equal(const sns_kernels *k, const guarded *halves, const guarded *floats,
                        size_t n) {
    const sns_kernels *ref = sns_kernels_named("ref");
    guarded a = guarded_floats(n), b = guarded_floats(n);
    k->f32_from_f16(a.data, halves->data, n);
    ref->f32_from_f16(b.data, halves->data, n);
    assert_memory_equal(a.data, b.data, n * sizeof(float));
    k->f32_from_bf16(a.data, halves->data, n);
    ref->f32_from_bf16(b.data, halves->data, n);
    assert_memory_equal(a.data, b.data, n * sizeof(float));
    guarded_end(&a);
    guarded_end(&b);
    a = guarded_new(2 * n, 2), b = guarded_new(2 * n, 2);
    k->f16_from_f32(a.data, floats->data, n);
    ref->f16_from_f32(b.data, floats->data, n);
    assert_memory_equal(a.data, b.data, n * sizeof(uint16_t));
    k->bf16_from_f32(a.data, floats->data, n);
    ref->bf16_from_f32(b.data, floats->data, n);
    assert_memory_equal(a.data, b.data, n * sizeof(uint16_t));
    guarded_end(&a);
    guarded_end(&b);
}

static void variants_equal_the_reference(void **state) {
    (void)state;
    static const uint32_t low[] = {0, 1, 0x0fff, 0x1000, 0x1001, 0x7fff, 0x8000, 0x8001, 0xffff};
    enum { N = 65536 };
    const sns_kernels *fast[FAST_MAX];
    size_t variants = fast_variants(fast);
    if (!variants) skip();
    guarded halves = guarded_new(N * 2, 2), floats = guarded_floats(N);
    for (uint32_t i = 0; i < N; i++) ((uint16_t *)halves.data)[i] = (uint16_t)i;
    for (size_t v = 0; v < variants; v++) {
        for (size_t l = 0; l < COUNT(low); l++) { /* every upper half of a float */
            for (uint32_t i = 0; i < N; i++) ((uint32_t *)floats.data)[i] = i << 16 | low[l];
            check_equal(fast[v], &halves, &floats, N);
        }
        for (size_t n = 0; n < 70; n++) check_equal(fast[v], &halves, &floats, n);
    }
    guarded_end(&halves);
    guarded_end(&floats);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_by_definition),
        cmocka_unit_test(rounding_is_to_nearest_even),
        cmocka_unit_test(variants_equal_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
