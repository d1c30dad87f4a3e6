/* block.h - the Transformer block that both towers repeat. */
#ifndef SNS_MODEL_BLOCK_H
#define SNS_MODEL_BLOCK_H
#include "model/clip.h"

/* Run x [N, C], sequences by starts [n + 1], through c->layers blocks and return the rows
 * index[0 ... n-1] of the result -> [n, C] (NULL: all rows). After the attention of the last block
 * no other row is needed, so only these are computed. When the tape does not record, x is
 * overwritten. */
sns_tensor *sns_blocks(sns_tape *t, const sns_tower_config *c, const sns_block *blocks,
                       sns_tensor *x, const size_t *starts, const size_t *index, size_t n,
                       bool causal);
#endif
