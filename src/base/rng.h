/* rng.h - reproducible random numbers.
 * xoshiro256** (Blackman and Vigna 2018) seeded by splitmix64: the same seed gives the same numbers
 * on every machine. The state is plain data, so that a checkpoint can hold it. */
#ifndef SNS_BASE_RNG_H
#define SNS_BASE_RNG_H
#include <stddef.h>
#include <stdint.h>

typedef struct sns_rng {
    uint64_t s[4];
} sns_rng;

void sns_rng_seed(sns_rng *rng, uint64_t seed);
/* An independent stream for item `index` of purpose `stream` under `seed`. */
void sns_rng_seed_at(sns_rng *rng, uint64_t seed, uint64_t stream, uint64_t index);
uint64_t sns_rng_next(sns_rng *rng);
/* Uniform in 0 … n-1, without bias; n > 0. */
uint64_t sns_rng_below(sns_rng *rng, uint64_t n);
/* Uniform in [0, 1). */
double sns_rng_uniform(sns_rng *rng);
/* Standard normal (Box-Muller, the cosine branch). */
double sns_rng_normal(sns_rng *rng);
/* Fisher-Yates. */
void sns_rng_shuffle(sns_rng *rng, uint32_t *items, size_t n);
#endif
