/* patch_drop.c - random subsets of patches.
 *
 * Li et al. 2023, "Scaling Language-Image Pre-training via Masking": the image tower sees a random
 * part of the patches of each picture, so a step costs less and more pairs are seen in the same
 * time; at the end of the training it sees all of them, as at inference. */
#include "train/patch_drop.h"
#include "base/rng.h"
#include "train/sampler.h"
#include <stdlib.h>

size_t sns_patch_keep_count(size_t patches, double drop) {
    size_t keep = (size_t)((double)patches * (1 - drop) + 0.5);
    return keep < 1 ? 1 : keep > patches ? patches : keep;
}

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

void sns_patch_keep_rows(uint64_t seed, uint64_t place, size_t count, size_t patches, size_t keep,
                         size_t *rows, uint32_t *scratch) {
    for (size_t b = 0; b < count; b++) {
        sns_rng rng;
        size_t first = b * (1 + patches);
        sns_rng_seed_at(&rng, seed, SNS_STREAM_PATCHES, place + b);
        for (size_t i = 0; i < patches; i++) scratch[i] = (uint32_t)i;
        sns_rng_shuffle(&rng, scratch, patches);
        qsort(scratch, keep, sizeof *scratch, ascending);
        *rows++ = first;
        for (size_t i = 0; i < keep; i++) *rows++ = first + 1 + scratch[i];
    }
}
