/* resnet.c - CLIP's residual convolutional image tower.
 *
 * He et al. 2016 with the changes of Radford et al. 2021, section 2.4 (after He et al. 2019 and
 * Zhang 2019): a stem of three convolutions and average pooling; where a stage halves the picture,
 * average pooling before a convolution of stride 1; attention pooling at the end. W = stem width:
 *   pixels [B, 3, S, S] -> stem [B, S/4, S/4, W]
 *   stage s = 0 ... 3: bottlenecks -> [B, S / (4 2^s), S / (4 2^s), 4 W 2^s]
 *   bottleneck: x = relu(norm(conv1(pool(relu(norm(conv3(relu(norm(conv1 x)))))))) + down(x))
 *   pooling: q from the mean of all pixels, k and v from it and every pixel -> [B, E]
 * Names of tensors are open_clip's with "vision_model." for "visual.". */
#include "model/resnet.h"
#include "base/error.h"
#include "model/clip_walk.h"
#include "model/layer_util.h"
#include <math.h>

enum { MAX_STAGE = 256, MAX_STEM = 2048 };

sns_status sns_resnet_check(const sns_clip_config *c, sns_error *err) {
    size_t W = c->vision.width, H = c->vision.heads;
    for (int s = 0; s < SNS_RESNET_STAGES; s++)
        if (!c->stages[s] || c->stages[s] > MAX_STAGE)
            return sns_fail(err, SNS_LIMIT, "image tower: stage %d of a ResNet has %zu blocks", s,
                            c->stages[s]);
    if (W < 2 || W > MAX_STEM || W % 2)
        return sns_fail(err, SNS_LIMIT, "image tower: a ResNet's width of %zu: even, 2 to %d", W,
                        MAX_STEM);
    if (!H || W * 32 % H)
        return sns_fail(err, SNS_SHAPE, "image tower: %zu channels do not divide by %zu heads",
                        W * 32, H);
    if (c->patch_px != SNS_RESNET_STRIDE)
        return sns_fail(err, SNS_SHAPE, "image tower: a ResNet ends in steps of %d px, not %zu",
                        SNS_RESNET_STRIDE, c->patch_px);
    return SNS_OK;
}

sns_status sns_resnet_new(const sns_clip_config *c, sns_resnet *r, sns_error *err) {
    for (int s = 0; s < SNS_RESNET_STAGES; s++) r->count += c->stages[s];
    r->blocks = calloc(r->count, sizeof *r->blocks);
    if (!r->blocks) return sns_fail(err, SNS_NOMEM, "no memory for a model");
    sns_bottleneck *b = r->blocks;
    for (int s = 0; s < SNS_RESNET_STAGES; s++)
        for (size_t i = 0; i < c->stages[s]; i++, b++) {
            b->has_down = !i;
            b->halves = !i && s;
        }
    return SNS_OK;
}

/* ---- names and shapes ---- */

bool sns_walk_conv_norm(sns_walker *v, sns_conv_norm *p, size_t in, size_t out, size_t kernel,
                        const char *conv, const char *norm, sns_init gain) {
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    sns_param *at[] = {&p->norm.gain, &p->norm.bias, &p->norm.mean, &p->norm.var};
    const sns_init init[] = {gain, SNS_INIT_ZERO, SNS_INIT_ZERO, SNS_INIT_ONE};
    /* the spread of PyTorch's uniform start, 1 / sqrt(fan in) at its edge */
    float std = powf(3 * (float)(in * kernel * kernel), -0.5f);
    bool ok = sns_walk_tensor(v, &p->weight, -1, SNS_INIT_NORMAL, std, 4,
                              (size_t[]){out, in, kernel, kernel}, "%s.%s.weight", v->prefix, conv);
    for (int i = 0; i < 4 && ok; i++) {
        v->buffer = i >= 2;
        ok = sns_walk_tensor(v, at[i], -1, init[i], 0, 1, (size_t[]){out}, "%s.%s.%s", v->prefix,
                             norm, parts[i]);
        v->buffer = false;
    }
    return ok;
}

/* The last gain starts at 0, so that a block starts as the identity (Goyal et al. 2017). */
static bool walk_bottleneck(sns_walker *v, sns_bottleneck *b, size_t in, size_t planes) {
    return sns_walk_conv_norm(v, &b->conv[0], in, planes, 1, "conv1", "bn1", SNS_INIT_ONE) &&
           sns_walk_conv_norm(v, &b->conv[1], planes, planes, 3, "conv2", "bn2", SNS_INIT_ONE) &&
           sns_walk_conv_norm(v, &b->conv[2], planes, 4 * planes, 1, "conv3", "bn3",
                              SNS_INIT_ZERO) &&
           (!b->has_down || sns_walk_conv_norm(v, &b->down, in, 4 * planes, 1, "downsample.0",
                                               "downsample.1", SNS_INIT_ONE));
}

static bool walk_pooling(sns_walker *v, const sns_clip_config *c, sns_resnet *r) {
    static const char *const weight[] = {"q_proj.weight", "k_proj.weight", "v_proj.weight"};
    static const char *const bias[] = {"q_proj.bias", "k_proj.bias", "v_proj.bias"};
    size_t C = 32 * c->vision.width, G = c->image_px / SNS_RESNET_STRIDE;
    float std = powf((float)C, -0.5f);
    snprintf(v->prefix, sizeof v->prefix, "vision_model.attnpool");
    bool ok = sns_walk_matrix(v, &r->positions, -1, std, 1 + G * G, C, "positional_embedding");
    for (int i = 0; ok && i < 3; i++)
        ok = sns_walk_matrix(v, &r->qkv_weight, i, std, C, C, weight[i]);
    for (int i = 0; ok && i < 3; i++)
        ok = sns_walk_vector(v, &r->qkv_bias, i, SNS_INIT_ZERO, C, bias[i]);
    return ok && sns_walk_matrix(v, &r->out_weight, -1, std, c->embed, C, "c_proj.weight") &&
           sns_walk_vector(v, &r->out_bias, -1, SNS_INIT_ZERO, c->embed, "c_proj.bias");
}

bool sns_walk_resnet(sns_walker *v, const sns_clip_config *c, sns_resnet *r) {
    size_t W = c->vision.width, in = W;
    snprintf(v->prefix, sizeof v->prefix, "vision_model");
    if (!sns_walk_conv_norm(v, &r->stem[0], 3, W / 2, 3, "conv1", "bn1", SNS_INIT_ONE) ||
        !sns_walk_conv_norm(v, &r->stem[1], W / 2, W / 2, 3, "conv2", "bn2", SNS_INIT_ONE) ||
        !sns_walk_conv_norm(v, &r->stem[2], W / 2, W, 3, "conv3", "bn3", SNS_INIT_ONE))
        return false;
    sns_bottleneck *b = r->blocks;
    for (int s = 0; s < SNS_RESNET_STAGES; s++)
        for (size_t i = 0; i < c->stages[s]; i++) {
            size_t planes = W << s;
            snprintf(v->prefix, sizeof v->prefix, "vision_model.layer%d.%zu", s + 1, i);
            if (!walk_bottleneck(v, b++, in, planes)) return false;
            in = 4 * planes;
        }
    return walk_pooling(v, c, r);
}

/* ---- computing ---- */

/* At inference a block's output is copied to one of two places, and what the block allocated is
 * released, so that memory does not grow with depth. */
typedef struct places {
    float *data[2];
    int turn;
} places;

static sns_tensor *keep(sns_tape *t, places *p, sns_arena_mark mark, const sns_tensor *x) {
    if (!x || sns_tape_recording(t)) return (sns_tensor *)(uintptr_t)x;
    sns_tensor shape = *x;
    float *to = p->data[p->turn ^= 1];
    memcpy(to, x->data, x->rows * x->cols * sizeof *to);
    sns_tape_release(t, mark);
    return sns_tape_wrap(t, to, NULL, shape.dims, shape.dim);
}

sns_tensor *sns_run_conv_norm(sns_tape *t, sns_tensor *x, const sns_conv_norm *p, size_t stride,
                              bool relu, sns_tensor *residual) {
    return sns_batchnorm(t, sns_conv2d(t, x, &p->weight, stride), &p->norm, relu, residual);
}

typedef struct one_stem {
    const sns_resnet *resnet;
} one_stem;

static sns_tensor *run_stem(sns_tape *t, void *context, sns_tensor *pixels) {
    const sns_resnet *r = ((one_stem *)context)->resnet;
    sns_tensor *x = sns_run_conv_norm(t, sns_channels_last(t, pixels), &r->stem[0], 2, true, NULL);
    x = sns_run_conv_norm(t, x, &r->stem[1], 1, true, NULL);
    x = sns_run_conv_norm(t, x, &r->stem[2], 1, true, NULL);
    return sns_avg_pool(t, x);
}

/* Both parts may be computed again in the backward pass (see sns_tape_segment). */
static sns_tensor *stem(sns_tape *t, const sns_resnet *r, sns_tensor *pixels) {
    const size_t *d = pixels->dim;
    size_t dim[] = {d[0], d[2] / 4, d[3] / 4, r->stem[2].weight.value.dim[0]};
    one_stem o = {r};
    return sns_tape_segment_shaped(t, run_stem, &o, sizeof o, pixels, 4, dim);
}

typedef struct one_block {
    const sns_bottleneck *block;
} one_block;

static sns_tensor *run_block(sns_tape *t, void *context, sns_tensor *x) {
    const sns_bottleneck *b = ((one_block *)context)->block;
    sns_tensor *h = sns_run_conv_norm(t, x, &b->conv[0], 1, true, NULL);
    h = sns_run_conv_norm(t, h, &b->conv[1], 1, true, NULL);
    sns_tensor *identity = x;
    if (b->halves) {
        h = sns_avg_pool(t, h);
        identity = sns_avg_pool(t, x);
    }
    if (b->has_down) identity = sns_run_conv_norm(t, identity, &b->down, 1, false, NULL);
    return sns_run_conv_norm(t, h, &b->conv[2], 1, true, identity);
}

static sns_tensor *bottleneck(sns_tape *t, const sns_bottleneck *b, sns_tensor *x) {
    if (!x) return NULL;
    size_t by = b->halves ? 2 : 1;
    size_t dim[] = {x->dim[0], x->dim[1] / by, x->dim[2] / by, b->conv[2].weight.value.dim[0]};
    one_block o = {b};
    return sns_tape_segment_shaped(t, run_block, &o, sizeof o, x, 4, dim);
}

/* The query of a picture is its mean's: row 0 of its sequence. */
static sns_tensor *attention_pool(sns_tape *t, const sns_resnet *r, size_t heads, sns_tensor *x,
                                  size_t B) {
    size_t T = r->positions.value.rows;
    size_t *starts = sns_tape_alloc(t, (B + 1) * sizeof *starts);
    if (!starts) return NULL;
    for (size_t b = 0; b <= B; b++) starts[b] = b * T;
    x = sns_mean_token(t, x, &r->positions, B);
    x = sns_linear(t, x, &r->qkv_weight, &r->qkv_bias, NULL);
    x = sns_attention(t, x, heads, starts, B, false, false);
    x = sns_gather_rows(t, x, starts, B);
    return sns_linear(t, x, &r->out_weight, &r->out_bias, NULL);
}

sns_tensor *sns_resnet_features(sns_tape *t, const sns_clip *m, sns_tensor *pixels) {
    const sns_resnet *r = &m->resnet;
    size_t B = pixels->dim[0], G = m->config.image_px / 4;
    places p = {0};
    for (int i = 0; i < 2 && !sns_tape_recording(t); i++) {
        p.data[i] = sns_tape_alloc(t, B * G * G * 4 * m->config.vision.width * sizeof(float));
        if (!p.data[i]) return NULL;
    }
    sns_arena_mark mark = sns_tape_mark(t);
    sns_tensor *x = keep(t, &p, mark, stem(t, r, pixels));
    for (size_t i = 0; i < r->count; i++) {
        mark = sns_tape_mark(t);
        x = keep(t, &p, mark, bottleneck(t, &r->blocks[i], x));
    }
    return attention_pool(t, r, m->config.vision.heads, x, B);
}
