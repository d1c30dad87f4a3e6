/* cpu.c - which table of kernels this processor can run. */
#include "kernel/kernel_impl.h"
#include <stdatomic.h>
#if defined(__x86_64__)
#include <cpuid.h>

/* __builtin_cpu_supports also asks the operating system (XGETBV) whether it saves the registers. */
static bool has_avx2(void) {
    unsigned a, b, c = 0, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_F16C)) return false;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

static bool has_avx512vnni(void) {
    return has_avx512() && __builtin_cpu_supports("avx512vnni");
}

static bool has_avx512bf16(void) {
    return has_avx512vnni() && __builtin_cpu_supports("avx512bf16");
}
#endif

const sns_kernels *sns_kernels_named(const char *name) {
    if (!name) return NULL;
#if defined(__x86_64__)
    if (!strcmp(name, "avx512bf16")) return has_avx512bf16() ? &sns_kernels_avx512bf16 : NULL;
    if (!strcmp(name, "avx512vnni")) return has_avx512vnni() ? &sns_kernels_avx512vnni : NULL;
    if (!strcmp(name, "avx512")) return has_avx512() ? &sns_kernels_avx512 : NULL;
    if (!strcmp(name, "avx2")) return has_avx2() ? &sns_kernels_avx2 : NULL;
#elif defined(__aarch64__)
    if (!strcmp(name, "neon")) return &sns_kernels_neon; /* a part of the architecture */
#endif
    return !strcmp(name, "ref") ? &sns_kernels_ref : NULL;
}

/* Best first; an unknown SENSUS_CPU is ignored, one that the processor lacks gives the next. */
static const sns_kernels *choose(const char *limit) {
    static const char *const names[] = {"avx512bf16", "avx512vnni", "avx512",
                                        "avx2",       "neon",       "ref"};
    const size_t count = sizeof names / sizeof *names;
    size_t first = 0;
    for (size_t i = 0; limit && i < count; i++)
        if (!strcmp(limit, names[i])) first = i;
    for (size_t i = first; i < count; i++) {
        const sns_kernels *k = sns_kernels_named(names[i]);
        if (k) return k;
    }
    return &sns_kernels_ref;
}

const sns_kernels *sns_kernels_get(void) {
    /* The once guard and the choice in one: whoever is first decides, all others read it. */
    static _Atomic(const sns_kernels *) chosen;
    const sns_kernels *k = atomic_load_explicit(&chosen, memory_order_acquire);
    if (k) return k;
    const sns_kernels *mine = choose(getenv("SENSUS_CPU"));
    return atomic_compare_exchange_strong(&chosen, &k, mine) ? mine : k;
}
