/* packed_narrow.h - packed weights in 8 and 16 bits, for packed.c.
 *
 * A word is 4 bytes along K: four whole numbers or two bfloat16, what one lane of the processor's
 * instruction multiplies and adds up at once. W [N, K] lies in panels of SNS_TILE_COLS columns of
 * y, [words][columns] words each; N and K are filled up with zeros. */
#ifndef SNS_KERNEL_PACKED_NARROW_H
#define SNS_KERNEL_PACKED_NARROW_H
#include "kernel/packed.h"

typedef struct sns_packed_narrow {
    sns_packed_type type; /* bf16 or int8 */
    size_t N, K, words, panels, bytes;
    unsigned char *data; /* [panels][words][SNS_TILE_COLS] words */
    float *scale;        /* int8: of each column, else NULL */
    int32_t *sum;        /* int8: of each column's weights, else NULL */
    void *own;           /* all of it, unless it is in a memory for many weights */
} sns_packed_narrow;

/* Numbers of one of the two types, which this processor multiplies. Arguments and errors are those
 * of sns_packed_new_from. */
sns_status sns_packed_narrow_new(const sns_packed_source *from, size_t N, size_t K,
                                 sns_packed_memory *memory, sns_packed_narrow *out, sns_error *err);
void sns_packed_narrow_free(sns_packed_narrow *w);
/* Bytes that a weight takes. */
size_t sns_packed_narrow_bytes(sns_packed_type type, size_t N, size_t K);
/* As sns_packed_run. */
sns_status sns_packed_narrow_run(const sns_packed_narrow *w, size_t M, const float *x,
                                 const float *bias, sns_act act, const float *residual, float *y,
                                 sns_error *err);
/* Is a product worth threads? They save it a part of a tenth of a millisecond otherwise, and cost
 * it several whenever one of them waits for a processor: a short text is some fifty products. */
bool sns_packed_is_large(size_t weight_bytes, size_t M, size_t N, size_t K);
#endif
