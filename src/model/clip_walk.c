/* clip_walk.c - what the walk over a model's tensors says of one tensor, and of Transformer blocks.
 *
 * Names and order within a block are those of Hugging Face's CLIPModel. */
#include "model/clip_walk.h"
#include <math.h>
#include <stdarg.h>

bool sns_walk_tensor(sns_walker *v, sns_param *param, int third, sns_init init, float std, int dims,
                     const size_t *dim, const char *format, ...) {
    sns_param_desc *d = &v->desc;
    *d = (sns_param_desc){
        .dims = dims, .count = 1, .decay = dims > 1, .buffer = v->buffer, .init = init, .std = std};
    for (int i = 0; i < dims; i++) {
        d->dim[i] = dim[i];
        d->count *= dim[i];
    }
    va_list args;
    va_start(args, format);
    vsnprintf(d->name, sizeof d->name, format, args);
    va_end(args);
    return v->visit(v, param, third, d);
}

bool sns_walk_vector(sns_walker *v, sns_param *p, int third, sns_init init, size_t n,
                     const char *part) {
    return sns_walk_tensor(v, p, third, init, 0, 1, (size_t[]){n}, "%s.%s", v->prefix, part);
}

bool sns_walk_matrix(sns_walker *v, sns_param *p, int third, float std, size_t rows, size_t cols,
                     const char *part) {
    return sns_walk_tensor(v, p, third, SNS_INIT_NORMAL, std, 2, (size_t[]){rows, cols}, "%s.%s",
                           v->prefix, part);
}

/* Radford et al. 2021's released initialisation: what writes into the residual stream is scaled
 * down by its number of additions, sqrt(2 layers). */
static bool walk_block(sns_walker *v, const sns_tower_config *c, sns_block *b) {
    static const char *const weight[] = {"self_attn.q_proj.weight", "self_attn.k_proj.weight",
                                         "self_attn.v_proj.weight"};
    static const char *const bias[] = {"self_attn.q_proj.bias", "self_attn.k_proj.bias",
                                       "self_attn.v_proj.bias"};
    size_t C = c->width;
    float in = powf((float)C, -0.5f), out = in * powf(2 * (float)c->layers, -0.5f);
    bool ok = sns_walk_vector(v, &b->ln1_gain, -1, SNS_INIT_ONE, C, "layer_norm1.weight") &&
              sns_walk_vector(v, &b->ln1_bias, -1, SNS_INIT_ZERO, C, "layer_norm1.bias");
    for (int i = 0; ok && i < 3; i++)
        ok = sns_walk_matrix(v, &b->qkv_weight, i, in, C, C, weight[i]);
    for (int i = 0; ok && i < 3; i++)
        ok = sns_walk_vector(v, &b->qkv_bias, i, SNS_INIT_ZERO, C, bias[i]);
    return ok && sns_walk_matrix(v, &b->out_weight, -1, out, C, C, "self_attn.out_proj.weight") &&
           sns_walk_vector(v, &b->out_bias, -1, SNS_INIT_ZERO, C, "self_attn.out_proj.bias") &&
           sns_walk_vector(v, &b->ln2_gain, -1, SNS_INIT_ONE, C, "layer_norm2.weight") &&
           sns_walk_vector(v, &b->ln2_bias, -1, SNS_INIT_ZERO, C, "layer_norm2.bias") &&
           sns_walk_matrix(v, &b->fc1_weight, -1, powf(2 * (float)C, -0.5f), c->mlp, C,
                           "mlp.fc1.weight") &&
           sns_walk_vector(v, &b->fc1_bias, -1, SNS_INIT_ZERO, c->mlp, "mlp.fc1.bias") &&
           sns_walk_matrix(v, &b->fc2_weight, -1, out, C, c->mlp, "mlp.fc2.weight") &&
           sns_walk_vector(v, &b->fc2_bias, -1, SNS_INIT_ZERO, C, "mlp.fc2.bias");
}

bool sns_walk_blocks(sns_walker *v, const sns_tower_config *c, sns_block *blocks,
                     const char *tower) {
    for (size_t i = 0; i < c->layers; i++) {
        snprintf(v->prefix, sizeof v->prefix, "%s.encoder.layers.%zu", tower, i);
        if (!walk_block(v, c, &blocks[i])) return false;
    }
    snprintf(v->prefix, sizeof v->prefix, "%s", tower);
    return true;
}
