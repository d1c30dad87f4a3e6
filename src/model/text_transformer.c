/* text_transformer.c - CLIP's text tower: causal blocks, the end token's row projected.
 *
 * Radford et al. 2021, section 2.4. Texts are packed one after another, so that a text of ten
 * tokens costs ten:
 *   ids [starts[n]] -> [starts[n], C] -> last row of each text [n, C] -> [n, E] */
#include "model/block.h"
#include "model/clip_walk.h"
#include "model/layer_util.h"

static sns_tensor *projected(sns_tape *t, const sns_clip *m, const uint32_t *ids,
                             const size_t *starts, size_t n) {
    const sns_clip_config *c = &m->config;
    size_t *ends = sns_tape_alloc(t, n * sizeof *ends);
    if (!ends) return NULL;
    for (size_t i = 0; i < n; i++) {
        if (starts[i] >= starts[i + 1]) {
            sns_tape_fail(t, SNS_ARG, "text tower: text %zu has no tokens", i);
            return NULL;
        }
        ends[i] = starts[i + 1] - 1;
    }
    if (c->text_kind == SNS_TEXT_SIGLIP) return sns_siglip_text_features(t, m, ids, starts, n);
    if (c->text_kind == SNS_TEXT_CBOW) return sns_cbow_features(t, m, ids, starts, n);
    sns_tensor *x = sns_token_embedding(t, &m->token_table, &m->text_positions, ids, starts, n);
    if (!x) return NULL;
    x = sns_blocks(t, &c->text, m->text_blocks, x, starts, ends, n, true);
    x = sns_layernorm(t, x, &m->final_gain, &m->final_bias, c->text.eps);
    return sns_linear(t, x, &m->text_projection, NULL, NULL);
}

sns_tensor *sns_clip_text_features(sns_tape *t, const sns_clip *m, const uint32_t *ids,
                                   const size_t *starts, size_t n) {
    sns_tensor *x = projected(t, m, ids, starts, n);
    return x && m->config.absolute ? sns_absolute(t, x) : x;
}
