/* sound_cnn.c - a small residual convolutional tower over spectrograms.
 *
 * He et al. 2016's basic blocks; where a stage halves the picture, average pooling before
 * convolutions of stride 1 as in CLIP's ResNet; at the end the mean over time, so that what is
 * heard counts and not when, while the bands stay apart: a vowel is where its formants are. W =
 * channels of the first stage:
 *   spectrogram [B, 1, T, M] -> stem of stride 2 [B, T/2, M/2, W]
 *   stage s = 0 ... 3: blocks -> [B, T / 2^(s+1), M / 2^(s+1), W 2^s]
 *   block: x = relu(norm(conv3(relu(norm(conv3(pool(x)))))) + down(pool(x)))
 *   mean over time, bands side by side [B, (M / 16) 8 W] -> projected [B, E]
 * Stages of no blocks are left out, the last ones first. */
#include "model/sound_cnn.h"
#include "base/error.h"
#include "model/clip_walk.h"
#include "model/layer_util.h"
#include <math.h>

enum { MAX_STAGE = 64, MAX_WIDTH = 1024 };

sns_status sns_sound_cnn_check(const sns_clip_config *c, sns_error *err) {
    size_t W = c->vision.width, used = 0, least = 2;
    if (!W || W > MAX_WIDTH)
        return sns_fail(err, SNS_LIMIT, "audio tower: a CNN's width of %zu: 1 to %d", W, MAX_WIDTH);
    for (size_t s = 0; s < SNS_RESNET_STAGES; s++) {
        if (c->stages[s] > MAX_STAGE || (c->stages[s] && used < s))
            return sns_fail(err, SNS_LIMIT, "audio tower: stage %zu of a CNN has %zu blocks", s,
                            c->stages[s]);
        used += c->stages[s] > 0;
    }
    if (!used) return sns_fail(err, SNS_LIMIT, "audio tower: a CNN without blocks");
    for (size_t s = 1; s < used; s++) least *= 2;
    if (c->frames < least || c->mels < least)
        return sns_fail(err, SNS_SHAPE,
                        "audio tower: %zu frames of %zu bands are too few for %zu stages",
                        c->frames, c->mels, used);
    return SNS_OK;
}

sns_status sns_sound_cnn_new(const sns_clip_config *c, sns_sound_cnn *n, sns_error *err) {
    for (size_t s = 0; s < SNS_RESNET_STAGES; s++) n->count += c->stages[s];
    n->blocks = calloc(n->count, sizeof *n->blocks);
    if (!n->blocks) return sns_fail(err, SNS_NOMEM, "no memory for a model");
    sns_basic_block *b = n->blocks;
    for (size_t s = 0; s < SNS_RESNET_STAGES; s++)
        for (size_t i = 0; i < c->stages[s]; i++, b++) b->has_down = b->halves = !i && s;
    return SNS_OK;
}

/* The last gain starts at 0, so that a block starts as the identity (Goyal et al. 2017). */
static bool walk_block(sns_walker *v, sns_basic_block *b, size_t in, size_t out) {
    return sns_walk_conv_norm(v, &b->conv[0], in, out, 3, "conv1", "norm1", SNS_INIT_ONE) &&
           sns_walk_conv_norm(v, &b->conv[1], out, out, 3, "conv2", "norm2", SNS_INIT_ZERO) &&
           (!b->has_down ||
            sns_walk_conv_norm(v, &b->down, in, out, 1, "down_conv", "down_norm", SNS_INIT_ONE));
}

/* Bands that are left at the end: the stem keeps the half of an odd number, pooling does not. */
static size_t bands_left(const sns_clip_config *c) {
    size_t bands = (c->mels + 1) / 2;
    for (size_t s = 1; s < SNS_RESNET_STAGES && c->stages[s]; s++) bands /= 2;
    return bands;
}

bool sns_walk_sound_cnn(sns_walker *v, const sns_clip_config *c, sns_clip *m) {
    size_t W = c->vision.width, in = W;
    sns_basic_block *b = m->sound_cnn.blocks;
    snprintf(v->prefix, sizeof v->prefix, "audio_model");
    if (!sns_walk_conv_norm(v, &m->sound_cnn.stem, 1, W, 3, "conv", "norm", SNS_INIT_ONE))
        return false;
    for (size_t s = 0; s < SNS_RESNET_STAGES; s++)
        for (size_t i = 0; i < c->stages[s]; i++, in = W << s) {
            snprintf(v->prefix, sizeof v->prefix, "audio_model.stage%zu.%zu", s + 1, i);
            if (!walk_block(v, b++, in, W << s)) return false;
        }
    in *= bands_left(c);
    return sns_walk_tensor(v, &m->image_projection, -1, SNS_INIT_NORMAL, powf((float)in, -0.5f), 2,
                           (size_t[]){c->embed, in}, "audio_projection.weight");
}

typedef struct one_block {
    const sns_basic_block *block;
} one_block;

static sns_tensor *run_block(sns_tape *t, void *context, sns_tensor *x) {
    const sns_basic_block *b = ((one_block *)context)->block;
    if (b->halves) x = sns_avg_pool(t, x);
    sns_tensor *h = sns_run_conv_norm(t, x, &b->conv[0], 1, true, NULL);
    if (b->has_down) x = sns_run_conv_norm(t, x, &b->down, 1, false, NULL);
    return sns_run_conv_norm(t, h, &b->conv[1], 1, true, x);
}

static sns_tensor *block(sns_tape *t, const sns_basic_block *b, sns_tensor *x) {
    if (!x) return NULL;
    size_t by = b->halves ? 2 : 1;
    size_t dim[] = {x->dim[0], x->dim[1] / by, x->dim[2] / by, b->conv[1].weight.value.dim[0]};
    one_block o = {b};
    return sns_tape_segment_shaped(t, run_block, &o, sizeof o, x, 4, dim);
}

sns_tensor *sns_sound_cnn_features(sns_tape *t, const sns_clip *m, sns_tensor *spectrograms) {
    const sns_sound_cnn *n = &m->sound_cnn;
    size_t B = spectrograms->dim[0];
    sns_tensor *x = sns_channels_last(t, spectrograms);
    x = sns_run_conv_norm(t, x, &n->stem, 2, true, NULL);
    for (size_t i = 0; i < n->count; i++) x = block(t, &n->blocks[i], x);
    size_t *starts = sns_tape_alloc(t, (B + 1) * sizeof *starts);
    if (!x || !starts) return NULL;
    /* The bands of a frame follow each other: a frame is a row. */
    size_t frames = x->dim[1], dim[] = {B * frames, x->dim[2] * x->dim[3]};
    for (size_t b = 0; b <= B; b++) starts[b] = b * frames;
    x = sns_tape_wrap(t, x->data, x->grad, 2, dim);
    return sns_linear(t, sns_mean_rows(t, x, starts, B), &m->image_projection, NULL, NULL);
}
