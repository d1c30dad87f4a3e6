/* bench_geometry.h - the models that benchmarks are about. */
#ifndef BENCH_GEOMETRY_H
#define BENCH_GEOMETRY_H
#include "model/clip.h"
#include <string.h>

/* b32: ViT-B/32 (Radford et al. 2021); tiny: TinyCLIP-ViT-8M/16-Text-3M (Wu et al. 2023); small: a
 * model to train on this machine. */
static inline sns_clip_config bench_geometry(const char *name) {
    if (!strcmp(name, "small"))
        return (sns_clip_config){.vision = {192, 6, 3, 768, SNS_ACT_QUICK_GELU, 1e-5f},
                                 .text = {192, 4, 3, 768, SNS_ACT_QUICK_GELU, 1e-5f},
                                 .image_px = 64,
                                 .patch_px = 8,
                                 .vocab = 16384,
                                 .context = 48,
                                 .embed = 128};
    if (!strcmp(name, "tiny"))
        return (sns_clip_config){.vision = {256, 10, 4, 1024, SNS_ACT_GELU, 1e-5f},
                                 .text = {256, 3, 4, 1024, SNS_ACT_GELU, 1e-5f},
                                 .image_px = 224,
                                 .patch_px = 16,
                                 .vocab = 49408,
                                 .context = 77,
                                 .embed = 512};
    return (sns_clip_config){.vision = {768, 12, 12, 3072, SNS_ACT_QUICK_GELU, 1e-5f},
                             .text = {512, 12, 8, 2048, SNS_ACT_QUICK_GELU, 1e-5f},
                             .image_px = 224,
                             .patch_px = 32,
                             .vocab = 49408,
                             .context = 77,
                             .embed = 512};
}
#endif
