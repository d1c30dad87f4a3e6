/* vector_scan.h - the nearest of many vectors, exact. */
#ifndef SNS_CATALOG_VECTOR_SCAN_H
#define SNS_CATALOG_VECTOR_SCAN_H
#include "catalog/vector_file.h"

typedef struct sns_near {
    uint32_t slot;
    float score; /* the product of the f32 vectors, as the kernel dot_rows gives it */
} sns_near;

typedef struct sns_near_list {
    sns_near *items; /* highest score first; equal ones by slot */
    size_t count;
} sns_near_list;

/* For each of Q queries the n slots of the highest product, and all that equal the last of them.
 *   v        mapped; rows of length 1
 *   removed  a bit for each slot (slot / 64, slot % 64): 1 is passed over; NULL: none
 *   queries  [Q, dim], each of length 1
 *   lists    Q of them, to be freed with sns_near_list_free, also after an error
 * Memory: n floats and some candidates for each query and thread. The vectors are read once for all
 * queries; the answer does not depend on the number of threads.
 * Errors: SNS_FORMAT (a vector that is among the best is damaged), SNS_NOMEM. */
sns_status sns_vector_scan(const sns_vector_file *v, const uint64_t *removed, const float *queries,
                           size_t Q, size_t n, sns_near_list *lists, sns_error *err);
void sns_near_list_free(sns_near_list *list);
#endif
