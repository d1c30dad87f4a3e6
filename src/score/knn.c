/* knn.c - k-nearest neighbours.
 *
 * Wu et al. 2018: of the k training vectors with the highest similarity s_i to a query, each votes
 * for its label with exp(s_i / temperature); here less the highest s, which changes no order.
 * Equally near ones count in the order of the training data. */
#include "base/error.h"
#include "base/memory.h"
#include "kernel/gemm.h"
#include <math.h>
#include <sensus/probe.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 64 };

typedef struct near {
    float similarity;
    uint32_t index;
} near;

static bool is_further(const near *a, const near *b) {
    return a->similarity < b->similarity || (a->similarity == b->similarity && a->index > b->index);
}

/* The heap's top is the furthest of those kept. */
static void sift_down(near *heap, size_t count, size_t i) {
    for (size_t child; (child = 2 * i + 1) < count; i = child) {
        if (child + 1 < count && is_further(&heap[child + 1], &heap[child])) child++;
        if (!is_further(&heap[child], &heap[i])) return;
        near t = heap[i];
        heap[i] = heap[child];
        heap[child] = t;
    }
}

static void nearest(const float *row, size_t n, size_t k, near *heap) {
    for (size_t i = 0; i < k; i++) heap[i] = (near){row[i], (uint32_t)i};
    for (size_t i = k / 2; i-- > 0;) sift_down(heap, k, i);
    for (size_t i = k; i < n; i++) {
        near one = {row[i], (uint32_t)i};
        if (!is_further(&heap[0], &one)) continue;
        heap[0] = one;
        sift_down(heap, k, 0);
    }
}

static void vote(const near *heap, size_t k, const uint32_t *labels, double temperature,
                 size_t classes, float *scores) {
    float most = heap[0].similarity;
    for (size_t i = 1; i < k; i++) most = fmaxf(most, heap[i].similarity);
    memset(scores, 0, classes * sizeof *scores);
    for (size_t i = 0; i < k; i++)
        scores[labels[heap[i].index]] += temperature > 0
                                             ? (float)exp((heap[i].similarity - most) / temperature)
                                             : 1;
}

sns_status sns_knn_scores(const float *train, const uint32_t *labels, size_t n, const float *query,
                          size_t m, size_t dim, size_t classes, size_t k, double temperature,
                          float *scores, sns_error *err) {
    if (!n || !k || n > UINT32_MAX || !(temperature >= 0))
        return sns_fail(err, SNS_ARG, "nearest neighbours: no example, or k is 0");
    for (size_t i = 0; i < n; i++)
        if (labels[i] >= classes)
            return sns_fail(err, SNS_ARG, "example %zu: label %u of %zu classes", i, labels[i],
                            classes);
    if (k > n) k = n;
    size_t bytes;
    float *block = sns_mul_size(n, BLOCK * sizeof *block, &bytes) ? sns_aligned_alloc(bytes) : NULL;
    near *heap = malloc(k * sizeof *heap);
    sns_status s = block && heap ? SNS_OK : sns_fail(err, SNS_NOMEM, "no memory for %zu scores", n);
    for (size_t i = 0; i < m && !s; i += BLOCK) {
        size_t rows = m - i < BLOCK ? m - i : BLOCK;
        s = sns_gemm(false, true, rows, n, dim, query + i * dim, dim, train, dim, 0, block, n, err);
        for (size_t r = 0; r < rows && !s; r++) {
            nearest(block + r * n, n, k, heap);
            vote(heap, k, labels, temperature, classes, scores + (i + r) * classes);
        }
    }
    sns_aligned_free(block);
    free(heap);
    return s;
}
