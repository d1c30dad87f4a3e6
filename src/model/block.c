/* block.c - a pre-norm Transformer block (Vaswani et al. 2017; Radford et al. 2019):
 *   x = x + attention(norm(x)) Wo      x = x + fc2(act(fc1(norm(x))))
 *
 * When recording, every step has its own tensor. At inference x is updated in place and what a
 * block allocates is released after it, so that memory does not grow with depth. A tape that
 * checkpoints keeps the blocks' inputs only. */
#include "model/block.h"
#include "model/layer_util.h"

/* x + y W^T + b */
static sns_tensor *residual(sns_tape *t, sns_tensor *x, sns_tensor *y, const sns_param *W,
                            const sns_param *b) {
    if (sns_tape_recording(t)) return sns_linear(t, y, W, b, x);
    sns_linear_accumulate(t, y, W, b, x);
    return sns_tape_status(t, NULL) ? NULL : x;
}

static sns_tensor *attend(sns_tape *t, const sns_tower_config *c, const sns_block *b, sns_tensor *x,
                          const size_t *starts, size_t n, bool causal) {
    sns_tensor *qkv = sns_norm_linear(t, x, &b->ln1_gain, &b->ln1_bias, c->eps, &b->qkv_weight,
                                      &b->qkv_bias);
    const sns_packed *packed = b->qkv_weight.packed;
    bool bf16 = packed && sns_packed_numbers(packed) != SNS_PACKED_F32;
    return sns_attention(t, qkv, c->heads, starts, n, causal, bf16);
}

static sns_tensor *mlp(sns_tape *t, const sns_tower_config *c, const sns_block *b, sns_tensor *x) {
    sns_mlp_params p = {&b->ln2_gain,   &b->ln2_bias, &b->fc1_weight, &b->fc1_bias,
                        &b->fc2_weight, &b->fc2_bias, c->eps,         c->act};
    return sns_mlp(t, x, &p);
}

typedef struct one_block {
    const sns_tower_config *config;
    const sns_block *block;
    const size_t *starts, *index; /* index NULL: all rows go on */
    size_t n;
    bool causal;
} one_block;

static sns_tensor *run_block(sns_tape *t, void *context, sns_tensor *x) {
    const one_block *o = context;
    const sns_block *b = o->block;
    sns_tensor *a = attend(t, o->config, b, x, o->starts, o->n, o->causal);
    if (o->index) {
        a = sns_gather_rows(t, a, o->index, o->n);
        x = sns_gather_rows(t, x, o->index, o->n);
    }
    return mlp(t, o->config, b, residual(t, x, a, &b->out_weight, &b->out_bias));
}

static const size_t *keep(sns_tape *t, const size_t *from, size_t n) {
    size_t *copy = sns_tape_alloc(t, n * sizeof *copy);
    if (copy) memcpy(copy, from, n * sizeof *copy);
    return copy;
}

sns_tensor *sns_blocks(sns_tape *t, const sns_tower_config *c, const sns_block *blocks,
                       sns_tensor *x, const size_t *starts, const size_t *index, size_t n,
                       bool causal) {
    starts = keep(t, starts, n + 1); /* blocks may run again in the backward pass */
    const size_t *kept = index ? keep(t, index, n) : NULL;
    if (!starts || (index && !kept)) return NULL;
    one_block o = {c, blocks, starts, NULL, n, causal};
    for (; o.block + 1 < blocks + c->layers; o.block++) {
        sns_arena_mark mark = sns_tape_mark(t);
        x = sns_tape_segment(t, run_block, &o, sizeof o, x, x ? x->rows : 0);
        sns_tape_release(t, mark);
    }
    o.index = kept;
    return sns_tape_segment(t, run_block, &o, sizeof o, x, kept ? n : x ? x->rows : 0);
}
