/* hash.h - one step of a quick hash that is not cryptographic. */
#ifndef SNS_BASE_HASH_H
#define SNS_BASE_HASH_H
#include <stdint.h>

/* Both the state and the word can be told from the result and the other one, so that any changed
 * bit of either changes it. */
static inline uint64_t sns_hash_mix(uint64_t state, uint64_t word) {
    uint64_t x = (state ^ word) * 0x9e3779b97f4a7c15u;
    return x ^ x >> 32;
}
#endif
