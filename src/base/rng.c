/* rng.c - xoshiro256** and what is drawn from it. */
#include "base/rng.h"
#include <math.h>

static uint64_t splitmix64(uint64_t *x) {
    uint64_t z = (*x += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void sns_rng_seed(sns_rng *rng, uint64_t seed) {
    for (int i = 0; i < 4; i++) rng->s[i] = splitmix64(&seed);
}

void sns_rng_seed_at(sns_rng *rng, uint64_t seed, uint64_t stream, uint64_t index) {
    uint64_t a = seed, b = stream ^ 0x6a09e667f3bcc909u, c = index ^ 0xbb67ae8584caa73bu;
    sns_rng_seed(rng, splitmix64(&a) ^ splitmix64(&b) * 3 ^ splitmix64(&c) * 5);
}

static uint64_t rotl(uint64_t x, int k) {
    return (x << k) | (x >> (64 - k));
}

uint64_t sns_rng_next(sns_rng *rng) {
    uint64_t *s = rng->s, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t sns_rng_below(sns_rng *rng, uint64_t n) {
    uint64_t limit = UINT64_MAX - UINT64_MAX % n, x;
    do x = sns_rng_next(rng);
    while (x >= limit);
    return x % n;
}

double sns_rng_uniform(sns_rng *rng) {
    return (double)(sns_rng_next(rng) >> 11) * 0x1p-53;
}

double sns_rng_normal(sns_rng *rng) {
    double u = 1.0 - sns_rng_uniform(rng), v = sns_rng_uniform(rng);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

void sns_rng_shuffle(sns_rng *rng, uint32_t *items, size_t n) {
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)sns_rng_below(rng, i);
        uint32_t t = items[i - 1];
        items[i - 1] = items[j];
        items[j] = t;
    }
}
