/* bench_peak.h - what the processor can multiply: loops of independent multiply-adds in registers.
 *
 * One for each kind of numbers, at the instruction set that the kernels use (SENSUS_CPU lowers it).
 * The limits that bench.py prints are operations divided by these. */
#ifndef BENCH_PEAK_H
#define BENCH_PEAK_H
#include "bench_turns.h"
#include "kernel/kernel.h"
#include "kernel/packed.h"
#include <immintrin.h>

enum { PEAK_CHAINS = 12, PEAK_LOOPS = 1 << 18 };

/* The number of operations that it did; operations: of one instruction. */
#define BENCH_PEAK(name, isa, vec, zero, step, operations)                                         \
    __attribute__((target(isa))) static inline double name(void) {                                 \
        vec x[PEAK_CHAINS], a = zero(), b = zero();                                                \
        for (int i = 0; i < PEAK_CHAINS; i++) x[i] = zero();                                       \
        __asm__ volatile("" : "+x"(a), "+x"(b)); /* unknown to the compiler */                     \
        for (int n = 0; n < PEAK_LOOPS; n++)                                                       \
            _Pragma("GCC unroll 12") for (int i = 0; i < PEAK_CHAINS; i++)                         \
                x[i] = step(x[i], a, b);                                                           \
        for (int i = 0; i < PEAK_CHAINS; i++) __asm__ volatile("" ::"x"(x[i]));                    \
        return (double)(operations)*PEAK_CHAINS * PEAK_LOOPS;                                      \
    }
#define BENCH_FMA_512(x, a, b) _mm512_fmadd_ps(a, b, x)
#define BENCH_FMA_256(x, a, b) _mm256_fmadd_ps(a, b, x)
#define BENCH_BF16(x, a, b)    (__m512i) _mm512_dpbf16_ps((__m512)(x), (__m512bh)(a), (__m512bh)(b))
BENCH_PEAK(bench_peak_avx512, "avx512f", __m512, _mm512_setzero_ps, BENCH_FMA_512, 32)
BENCH_PEAK(bench_peak_avx2, "avx2,fma", __m256, _mm256_setzero_ps, BENCH_FMA_256, 16)
BENCH_PEAK(bench_peak_bf16, "avx512f,avx512bf16", __m512i, _mm512_setzero_si512, BENCH_BF16, 64)
BENCH_PEAK(bench_peak_int8, "avx512f,avx512vnni", __m512i, _mm512_setzero_si512,
           _mm512_dpbusd_epi32, 128)

/* 1e9 operations a second of all threads together, in the numbers that weights of this type are
 * multiplied in here; 0 where the kernels are the reference. */
static inline double bench_peak_gops(sns_packed_type type) {
    const char *name = sns_kernels_get()->name;
    double (*loop)(void) = strncmp(name, "avx512", 6) ? bench_peak_avx2 : bench_peak_avx512;
    if (!strcmp(name, "ref")) return 0;
    type = sns_packed_arithmetic(type, 64);
    if (type == SNS_PACKED_BF16) loop = bench_peak_bf16;
    if (type == SNS_PACKED_INT8) loop = bench_peak_int8;
    double best = 0;
    for (int i = 0; i < 3; i++) {
        double done = 0, start = bench_now_ms();
#pragma omp parallel reduction(+ : done)
        done += loop();
        double rate = done / (bench_now_ms() - start) * 1e-6;
        if (rate > best) best = rate;
    }
    return best;
}
#endif
