/* patch_drop.h - which patches of each picture a training step looks at. */
#ifndef SNS_TRAIN_PATCH_DROP_H
#define SNS_TRAIN_PATCH_DROP_H
#include <stddef.h>
#include <stdint.h>

/* Patches that remain of `patches` when a share is left out; at least 1. */
size_t sns_patch_keep_count(size_t patches, double drop);
/* rows [count * (1 + keep)] for sns_clip_image_features_of: the class token and `keep` random
 * patches in their order, of the `count` pictures whose places in all batches one after another
 * begin at `place`. scratch [patches]. */
void sns_patch_keep_rows(uint64_t seed, uint64_t place, size_t count, size_t patches, size_t keep,
                         size_t *rows, uint32_t *scratch);
#endif
