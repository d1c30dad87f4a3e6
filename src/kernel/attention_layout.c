/* attention_layout.c - the plan of attention's scratch. */
#include "kernel/kernel_impl.h"

static size_t round_up(size_t n, size_t unit) {
    return (n + unit - 1) / unit * unit;
}

/* The next `floats` of the plan, at a 64-byte boundary. */
static size_t take(size_t *end, size_t floats) {
    size_t at = *end;
    *end += round_up(floats, 16);
    return at;
}

static sns_attention_layout plan(size_t T, size_t D, size_t lanes, size_t block) {
    sns_attention_layout l = {
        .keys = round_up(T, lanes), .width = round_up(D, lanes), .block = block};
    size_t sums = round_up(T, SNS_ATTENTION_TILE) * l.width;
    l.key_strip = (D + 1) * lanes;
    l.row_strip = (T + 1) * lanes;
    l.block_strip = (l.block + 1) * lanes;
    l.kt = take(&l.total, l.keys / lanes * l.key_strip);
    l.vt = take(&l.total, l.keys / lanes * l.key_strip);
    l.rows = take(&l.total, l.width / lanes * l.row_strip);
    l.q = take(&l.total, l.block * l.width);
    l.dout = take(&l.total, l.block * l.width);
    l.q_strips = take(&l.total, l.width / lanes * l.block_strip);
    l.dout_strips = take(&l.total, l.width / lanes * l.block_strip);
    l.p = take(&l.total, l.block * l.keys);
    l.ds = take(&l.total, l.block * l.keys);
    l.dk = take(&l.total, sums);
    l.dv = take(&l.total, sums);
    l.out = take(&l.total, SNS_ATTENTION_TILE * l.width);
    l.tile = take(&l.total, 2 * SNS_ATTENTION_TILE * l.keys);
    return l;
}

sns_attention_layout sns_attention_layout_for(size_t T, size_t D, size_t lanes) {
    size_t blocks = (T + SNS_ATTENTION_BLOCK - 1) / SNS_ATTENTION_BLOCK;
    size_t block = round_up(blocks ? (T + blocks - 1) / blocks : 0, SNS_ATTENTION_TILE);
    return plan(T, D, lanes, block);
}

/* Of the largest block that any sequence of up to T has (66 rows are one block of 66, 67 are two of
 * 36): scratch for the longest sequence then serves the shorter ones too. */
size_t sns_attention_scratch_floats(size_t T, size_t D) {
    size_t block = T < SNS_ATTENTION_BLOCK ? T : SNS_ATTENTION_BLOCK;
    return plan(T, D, SNS_ATTENTION_MAX_LANES, round_up(block, SNS_ATTENTION_TILE)).total;
}
