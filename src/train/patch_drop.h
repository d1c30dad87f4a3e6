/* patch_drop.h - which patches of each picture a training step looks at. */
#ifndef SNS_TRAIN_PATCH_DROP_H
#define SNS_TRAIN_PATCH_DROP_H
#include <stddef.h>
#include <stdint.h>

/* Patches that remain of `patches` when a share is left out; at least 1. */
size_t sns_patch_keep_count(size_t patches, double drop);
/* rows [batch * (1 + keep)] for sns_clip_image_features_of: each picture's class token and `keep`
 * random patches in their order. scratch [patches]. */
void sns_patch_keep_rows(uint64_t seed, size_t step, size_t batch, size_t patches, size_t keep,
                         size_t *rows, uint32_t *scratch);
#endif
