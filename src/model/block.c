/* block.c - a pre-norm Transformer block (Vaswani et al. 2017; Radford et al. 2019):
 *   x = x + attention(norm(x)) Wo      x = x + fc2(act(fc1(norm(x))))
 *
 * When recording, every step has its own tensor. At inference x is updated in place and what a
 * block allocates is released after it, so that memory does not grow with depth. */
#include "model/block.h"
#include "model/layer_util.h"

/* x + y W^T + b */
static sns_tensor *residual(sns_tape *t, sns_tensor *x, sns_tensor *y, const sns_param *W,
                            const sns_param *b) {
    if (sns_tape_recording(t)) return sns_linear(t, y, W, b, SNS_ACT_NONE, x);
    sns_linear_accumulate(t, y, W, b, x);
    return sns_tape_status(t, NULL) ? NULL : x;
}

static sns_tensor *attend(sns_tape *t, const sns_tower_config *c, const sns_block *b, sns_tensor *x,
                          const size_t *starts, size_t n, bool causal) {
    sns_tensor *h = sns_layernorm(t, x, &b->ln1_gain, &b->ln1_bias, c->eps);
    sns_tensor *qkv = sns_linear(t, h, &b->qkv_weight, &b->qkv_bias, SNS_ACT_NONE, NULL);
    return sns_attention(t, qkv, c->heads, starts, n, causal);
}

static sns_tensor *mlp(sns_tape *t, const sns_tower_config *c, const sns_block *b, sns_tensor *x) {
    sns_tensor *h = sns_layernorm(t, x, &b->ln2_gain, &b->ln2_bias, c->eps);
    h = sns_linear(t, h, &b->fc1_weight, &b->fc1_bias, c->act, NULL);
    return residual(t, x, h, &b->fc2_weight, &b->fc2_bias);
}

sns_tensor *sns_blocks(sns_tape *t, const sns_tower_config *c, const sns_block *blocks,
                       sns_tensor *x, const size_t *starts, const size_t *index, size_t n,
                       bool causal) {
    for (size_t i = 0; i + 1 < c->layers; i++) {
        sns_arena_mark mark = sns_tape_mark(t);
        const sns_block *b = &blocks[i];
        sns_tensor *a = attend(t, c, b, x, starts, n, causal);
        x = mlp(t, c, b, residual(t, x, a, &b->out_weight, &b->out_bias));
        sns_tape_release(t, mark);
    }
    const sns_block *last = &blocks[c->layers - 1];
    sns_tensor *a = attend(t, c, last, x, starts, n, causal);
    a = sns_gather_rows(t, a, index, n);
    x = sns_gather_rows(t, x, index, n);
    return mlp(t, c, last, residual(t, x, a, &last->out_weight, &last->out_bias));
}
