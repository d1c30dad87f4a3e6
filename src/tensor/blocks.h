/* blocks.h - numbers stored in blocks of 32, as GGUF has them.
 *
 *   Q8_0  f16 d; 32 signed bytes q                       x = d q
 *   Q4_0  f16 d; 16 bytes of two 4-bit q                 x = d (q - 8)
 *   Q4_1  f16 d, m; 16 bytes                             x = d q + m
 *   Q5_0  f16 d; 32 fifth bits, lowest first; 16 bytes   x = d (q - 16)
 *   Q5_1  f16 d, m; 32 fifth bits; 16 bytes              x = d q + m
 * Byte i of the 16 holds element i in its low half and element i + 16 in its high one. A row is a
 * whole number of blocks. */
#ifndef SNS_TENSOR_BLOCKS_H
#define SNS_TENSOR_BLOCKS_H
#include "tensor/safetensors.h"

enum { SNS_BLOCK_ELEMENTS = 32 };

/* Is it one of SNS_BLOCK_LIST? */
bool sns_dtype_is_block(sns_dtype dtype);
/* Bytes of a block; 0 for the other types. */
size_t sns_dtype_block_bytes(sns_dtype dtype);
/* Elements first ... first + n - 1 of the blocks at data, into out. */
void sns_blocks_to_f32(sns_dtype dtype, const unsigned char *data, const sns_kernels *k,
                       size_t first, size_t n, float *out);
#endif
