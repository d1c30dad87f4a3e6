/* siglip.c - SigLIP's two towers, by the names of Hugging Face's SiglipModel.
 *
 * Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training". What differs from CLIP:
 *   pictures: no class token and no norm before the blocks; all patches are pooled by one learned
 *     query (the probe) and an MLP, and that row is the feature, E = C:
 *       x [B G G, C] -> norm -> a = attention(probe; x) Wo [B, C] -> a + fc2(act(fc1(norm(a))))
 *   texts: no causal mask; a text is padded to the whole context, padding is attended like any
 *     token, and the last place is the feature: [n P, C] -> norm -> row P - 1 -> W h + b [n, E]
 *   pairs: sigmoid(exp(t) cosine + b), each by itself. */
#include "model/block.h"
#include "model/clip_walk.h"
#include "model/layer_util.h"
#include <math.h>

static bool walk_head(sns_walker *v, const sns_tower_config *c, sns_siglip *h) {
    size_t C = c->width;
    float in = powf((float)C, -0.5f), mlp = powf((float)c->mlp, -0.5f);
    return sns_walk_tensor(v, &h->probe, -1, SNS_INIT_NORMAL, 1, 3, (size_t[]){1, 1, C},
                           "vision_model.head.probe") &&
           sns_walk_matrix(v, &h->in_weight, -1, in, 3 * C, C, "head.attention.in_proj_weight") &&
           sns_walk_vector(v, &h->in_bias, -1, SNS_INIT_ZERO, 3 * C,
                           "head.attention.in_proj_bias") &&
           sns_walk_matrix(v, &h->out_weight, -1, in, C, C, "head.attention.out_proj.weight") &&
           sns_walk_vector(v, &h->out_bias, -1, SNS_INIT_ZERO, C, "head.attention.out_proj.bias") &&
           sns_walk_vector(v, &h->gain, -1, SNS_INIT_ONE, C, "head.layernorm.weight") &&
           sns_walk_vector(v, &h->bias, -1, SNS_INIT_ZERO, C, "head.layernorm.bias") &&
           sns_walk_matrix(v, &h->fc1_weight, -1, in, c->mlp, C, "head.mlp.fc1.weight") &&
           sns_walk_vector(v, &h->fc1_bias, -1, SNS_INIT_ZERO, c->mlp, "head.mlp.fc1.bias") &&
           sns_walk_matrix(v, &h->fc2_weight, -1, mlp, C, c->mlp, "head.mlp.fc2.weight") &&
           sns_walk_vector(v, &h->fc2_bias, -1, SNS_INIT_ZERO, C, "head.mlp.fc2.bias");
}

bool sns_walk_siglip_image(sns_walker *v, const sns_clip_config *c, sns_clip *m) {
    size_t C = c->vision.width, P = c->patch_px, G = c->image_px / P;
    float patch = powf(3 * (float)(P * P), -0.5f);
    snprintf(v->prefix, sizeof v->prefix, "vision_model");
    return sns_walk_tensor(v, &m->patch_weight, -1, SNS_INIT_NORMAL, patch, 4,
                           (size_t[]){C, 3, P, P},
                           "vision_model.embeddings.patch_embedding.weight") &&
           sns_walk_vector(v, &m->siglip.patch_bias, -1, SNS_INIT_ZERO, C,
                           "embeddings.patch_embedding.bias") &&
           sns_walk_matrix(v, &m->image_positions, -1, powf((float)C, -0.5f), G * G, C,
                           "embeddings.position_embedding.weight") &&
           sns_walk_blocks(v, &c->vision, m->image_blocks, "vision_model") &&
           sns_walk_vector(v, &m->post_gain, -1, SNS_INIT_ONE, C, "post_layernorm.weight") &&
           sns_walk_vector(v, &m->post_bias, -1, SNS_INIT_ZERO, C, "post_layernorm.bias") &&
           walk_head(v, &c->vision, &m->siglip);
}

bool sns_walk_siglip_text(sns_walker *v, const sns_clip_config *c, sns_clip *m) {
    size_t C = c->text.width;
    snprintf(v->prefix, sizeof v->prefix, "text_model");
    return sns_walk_matrix(v, &m->token_table, -1, 0.02f, c->vocab, C,
                           "embeddings.token_embedding.weight") &&
           sns_walk_matrix(v, &m->text_positions, -1, 0.01f, c->context, C,
                           "embeddings.position_embedding.weight") &&
           sns_walk_blocks(v, &c->text, m->text_blocks, "text_model") &&
           sns_walk_vector(v, &m->final_gain, -1, SNS_INIT_ONE, C, "final_layer_norm.weight") &&
           sns_walk_vector(v, &m->final_bias, -1, SNS_INIT_ZERO, C, "final_layer_norm.bias") &&
           sns_walk_matrix(v, &m->text_projection, -1, powf((float)C, -0.5f), c->embed, C,
                           "head.weight") &&
           sns_walk_vector(v, &m->siglip.text_bias, -1, SNS_INIT_ZERO, c->embed, "head.bias");
}

/* starts [n + 1] of n sequences of `rows` rows. */
static size_t *even_starts(sns_tape *t, size_t n, size_t rows) {
    size_t *starts = sns_tape_alloc(t, (n + 1) * sizeof *starts);
    for (size_t i = 0; starts && i <= n; i++) starts[i] = i * rows;
    return starts;
}

static sns_tensor *pool(sns_tape *t, const sns_clip *m, sns_tensor *x, const size_t *starts,
                        size_t B) {
    const sns_tower_config *c = &m->config.vision;
    const sns_siglip *h = &m->siglip;
    x = sns_append_row(t, x, &h->probe);
    x = sns_linear(t, x, &h->in_weight, &h->in_bias, NULL);
    x = sns_probe_attention(t, x, c->heads, starts, B);
    sns_tensor *a = sns_linear(t, x, &h->out_weight, &h->out_bias, NULL);
    sns_mlp_params mlp = {&h->gain,       &h->bias,     &h->fc1_weight, &h->fc1_bias,
                          &h->fc2_weight, &h->fc2_bias, c->eps,         c->act};
    return sns_mlp(t, a, &mlp);
}

sns_tensor *sns_siglip_image_features(sns_tape *t, const sns_clip *m, sns_tensor *pixels) {
    const sns_clip_config *c = &m->config;
    size_t B = pixels->dim[0], G = c->image_px / c->patch_px;
    size_t *starts = even_starts(t, B, G * G);
    sns_tensor *x = sns_patch_embedding(t, pixels, &m->patch_weight, &m->siglip.patch_bias, NULL,
                                        &m->image_positions, c->patch_px);
    if (!x || !starts) return NULL;
    x = sns_blocks(t, &c->vision, m->image_blocks, x, starts, NULL, B, false);
    x = sns_layernorm(t, x, &m->post_gain, &m->post_bias, c->vision.eps);
    return pool(t, m, x, starts, B);
}

/* Every text followed by padding up to the context. */
static uint32_t *pad(sns_tape *t, const sns_clip_config *c, const uint32_t *ids,
                     const size_t *starts, size_t n) {
    uint32_t *out = sns_tape_alloc(t, n * c->context * sizeof *out);
    for (size_t i = 0; out && i < n; i++) {
        size_t size = starts[i + 1] - starts[i];
        if (size > c->context) {
            sns_tape_fail(t, SNS_ARG, "text %zu has %zu tokens, the model takes %zu", i, size,
                          c->context);
            return NULL;
        }
        uint32_t *row = out + i * c->context;
        memcpy(row, ids + starts[i], size * sizeof *row);
        for (size_t j = size; j < c->context; j++) row[j] = c->pad_id;
    }
    return out;
}

sns_tensor *sns_siglip_text_features(sns_tape *t, const sns_clip *m, const uint32_t *ids,
                                     const size_t *starts, size_t n) {
    const sns_clip_config *c = &m->config;
    uint32_t *padded = pad(t, c, ids, starts, n);
    size_t *even = even_starts(t, n, c->context), *last = sns_tape_alloc(t, n * sizeof *last);
    if (!padded || !even || !last) return NULL;
    for (size_t i = 0; i < n; i++) last[i] = even[i + 1] - 1;
    sns_tensor *x = sns_token_embedding(t, &m->token_table, &m->text_positions, padded, even, n);
    if (!x) return NULL;
    x = sns_blocks(t, &c->text, m->text_blocks, x, even, last, n, false);
    x = sns_layernorm(t, x, &m->final_gain, &m->final_bias, c->text.eps);
    return sns_linear(t, x, &m->text_projection, &m->siglip.text_bias, NULL);
}
