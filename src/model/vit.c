/* vit.c - CLIP's image tower: patches, blocks, the class token's row projected.
 *
 * Dosovitskiy et al. 2021 with a layer norm before the blocks (Radford et al. 2021, section 2.4).
 *   pixels [B, 3, S, S] -> [B (1 + (S/P)^2), C] -> class rows [B, C] -> [B, E]
 * The same over patches of spectrograms [B, 1, frames, mels] hears (Gong et al. 2021, "AST: Audio
 * Spectrogram Transformer", whose patches overlap; here they do not).
 * While training, the blocks may be given only some of each picture's patches (Li et al. 2023,
 * "Scaling Language-Image Pre-training via Masking"): steps cost less, and more of them fit. */
#include "model/block.h"
#include "model/clip_walk.h"
#include "model/layer_util.h"

/* starts [B + 1] of B sequences of n rows; their first B are the rows of the class tokens. */
static size_t *even_starts(sns_tape *t, size_t B, size_t n) {
    size_t *starts = sns_tape_alloc(t, (B + 1) * sizeof *starts);
    for (size_t b = 0; starts && b <= B; b++) starts[b] = b * n;
    return starts;
}

static sns_tensor *projected(sns_tape *t, const sns_clip *m, sns_tensor *pixels, const size_t *rows,
                             size_t per_picture) {
    const sns_clip_config *c = &m->config;
    if (!sns_layer_ready(t, "image tower", pixels)) return NULL;
    sns_input in = sns_clip_input(c);
    if (pixels->dims != 4 || pixels->dim[1] != in.channels || pixels->dim[2] != in.rows ||
        pixels->dim[3] != in.cols || !pixels->dim[0]) {
        sns_tape_fail(t, SNS_SHAPE, "image tower: %s must be %zu x %zu",
                      sns_clip_hears(c) ? "spectrograms" : "pictures", in.rows, in.cols);
        return NULL;
    }
    if (c->vision_kind == SNS_VISION_SOUND_CNN) {
        if (!rows) return sns_sound_cnn_features(t, m, pixels);
        sns_tape_fail(t, SNS_ARG, "audio tower: a CNN looks at whole spectrograms");
        return NULL;
    }
    if (c->vision_kind == SNS_VISION_SIGLIP) {
        if (!rows) return sns_siglip_image_features(t, m, pixels);
        sns_tape_fail(t, SNS_ARG, "image tower: SigLIP looks at all patches");
        return NULL;
    }
    if (c->vision_kind == SNS_VISION_RESNET) {
        if (!rows) return sns_resnet_features(t, m, pixels);
        sns_tape_fail(t, SNS_ARG, "image tower: a ResNet looks at whole pictures, not at patches");
        return NULL;
    }
    size_t B = pixels->dim[0];
    size_t *starts = even_starts(t, B, rows ? per_picture : 1 + sns_clip_patches(c));
    sns_tensor *x = sns_patch_embedding(t, pixels, &m->patch_weight, NULL, &m->class_token,
                                        &m->image_positions, c->patch_px);
    if (rows) x = sns_gather_rows(t, x, rows, B * per_picture);
    x = sns_layernorm(t, x, &m->pre_gain, &m->pre_bias, c->vision.eps);
    if (!x || !starts) return NULL;
    x = sns_blocks(t, &c->vision, m->image_blocks, x, starts, starts, B, false);
    x = sns_layernorm(t, x, &m->post_gain, &m->post_bias, c->vision.eps);
    return sns_linear(t, x, &m->image_projection, NULL, NULL);
}

sns_tensor *sns_clip_image_features_of(sns_tape *t, const sns_clip *m, sns_tensor *pixels,
                                       const size_t *rows, size_t per_picture) {
    sns_tensor *x = projected(t, m, pixels, rows, per_picture);
    return x && m->config.absolute ? sns_absolute(t, x) : x;
}

sns_tensor *sns_clip_image_features(sns_tape *t, const sns_clip *m, sns_tensor *pixels) {
    return sns_clip_image_features_of(t, m, pixels, NULL, 0);
}
