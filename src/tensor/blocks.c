/* blocks.c - see blocks.h. */
#include "tensor/blocks.h"

bool sns_dtype_is_block(sns_dtype dtype) {
    return sns_dtype_block_bytes(dtype) != 0;
}

size_t sns_dtype_block_bytes(sns_dtype dtype) {
    switch (dtype) {
#define SNS_BLOCK_CASE(name, bytes)                                                                \
    case SNS_DTYPE_##name:                                                                         \
        return bytes;
        SNS_BLOCK_LIST(SNS_BLOCK_CASE)
#undef SNS_BLOCK_CASE
    default:
        return 0;
    }
}

/* The 4-bit numbers of a block, with their fifth bits where there are some. */
static void unpack(const unsigned char *nibbles, const unsigned char *fifth, int q[32]) {
    uint32_t bits = 0;
    if (fifth) memcpy(&bits, fifth, sizeof bits);
    for (int i = 0; i < 16; i++) {
        q[i] = (nibbles[i] & 15) | (int)(bits >> i & 1) << 4;
        q[i + 16] = nibbles[i] >> 4 | (int)(bits >> (i + 16) & 1) << 4;
    }
}

static void widen_block(sns_dtype dtype, const unsigned char *b, const sns_kernels *k,
                        float out[32]) {
    uint16_t half[2];
    float dm[2];
    int q[32];
    memcpy(half, b, sizeof half); /* the second is not a number where there is no m */
    bool has_m = dtype == SNS_DTYPE_Q4_1 || dtype == SNS_DTYPE_Q5_1;
    bool has_fifth = dtype == SNS_DTYPE_Q5_0 || dtype == SNS_DTYPE_Q5_1;
    k->f32_from_f16(dm, half, has_m ? 2 : 1);
    b += has_m ? 4 : 2;
    if (dtype == SNS_DTYPE_Q8_0) {
        for (int i = 0; i < 32; i++) out[i] = dm[0] * (float)(int8_t)b[i];
        return;
    }
    unpack(has_fifth ? b + 4 : b, has_fifth ? b : NULL, q);
    int zero = has_m ? 0 : has_fifth ? 16 : 8;
    for (int i = 0; i < 32; i++) out[i] = dm[0] * (float)(q[i] - zero) + (has_m ? dm[1] : 0);
}

void sns_blocks_to_f32(sns_dtype dtype, const unsigned char *data, const sns_kernels *k,
                       size_t first, size_t n, float *out) {
    size_t bytes = sns_dtype_block_bytes(dtype);
    while (n) {
        float whole[SNS_BLOCK_ELEMENTS];
        size_t skip = first % SNS_BLOCK_ELEMENTS, part = SNS_BLOCK_ELEMENTS - skip;
        if (part > n) part = n;
        widen_block(dtype, data + first / SNS_BLOCK_ELEMENTS * bytes, k, whole);
        memcpy(out, whole + skip, part * sizeof *out);
        first += part;
        out += part;
        n -= part;
    }
}
