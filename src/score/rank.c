/* rank.c - relations and ranks. */
#include "score/rank.h"
#include "base/error.h"
#include "base/memory.h"
#include "kernel/gemm.h"
#include <stdlib.h>

static int pair_order(const void *a, const void *b) {
    const sns_pair *p = a, *q = b;
    if (p->from != q->from) return p->from < q->from ? -1 : 1;
    return (p->to > q->to) - (p->to < q->to);
}

void sns_relation_free(sns_relation *r) {
    free(r->start);
    free(r->items);
    *r = (sns_relation){0};
}

sns_status sns_relation_new(sns_pair *pairs, size_t n, size_t count, sns_relation *out,
                            sns_error *err) {
    *out = (sns_relation){count, calloc(count + 1, sizeof *out->start),
                          malloc((n ? n : 1) * sizeof *out->items)};
    if (!out->start || !out->items) {
        sns_relation_free(out);
        return sns_fail(err, SNS_NOMEM, "no memory for %zu pairs", n);
    }
    if (n) qsort(pairs, n, sizeof *pairs, pair_order);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (i && !pair_order(&pairs[i], &pairs[i - 1])) continue;
        out->items[kept++] = pairs[i].to;
        out->start[pairs[i].from + 1] = kept;
    }
    for (size_t q = 0; q < count; q++)
        if (out->start[q + 1] < out->start[q]) out->start[q + 1] = out->start[q];
    return SNS_OK;
}

sns_status sns_relation_turn(const sns_relation *r, size_t count, sns_relation *out,
                             sns_error *err) {
    size_t n = r->start[r->count];
    *out = (sns_relation){count, calloc(count + 1, sizeof *out->start),
                          malloc((n ? n : 1) * sizeof *out->items)};
    if (!out->start || !out->items) {
        sns_relation_free(out);
        return sns_fail(err, SNS_NOMEM, "no memory for %zu pairs", n);
    }
    for (size_t i = 0; i < n; i++) out->start[r->items[i]]++;
    for (size_t to = 0, sum = 0; to <= count; to++) { /* the ends, which filling makes the starts */
        sum += to < count ? out->start[to] : 0;
        out->start[to] = sum;
    }
    for (size_t from = r->count; from-- > 0;)
        for (size_t i = r->start[from + 1]; i-- > r->start[from];)
            out->items[--out->start[r->items[i]]] = (uint32_t)from;
    return SNS_OK;
}

uint32_t sns_rank_of_best(const float *scores, size_t N, const uint32_t *right,
                          size_t right_count) {
    float best = scores[right[0]];
    for (size_t i = 1; i < right_count; i++)
        if (scores[right[i]] > best) best = scores[right[i]];
    uint32_t rank = 1;
    for (size_t j = 0; j < N; j++) rank += scores[j] >= best;
    for (size_t i = 0; i < right_count; i++) rank -= scores[right[i]] >= best;
    return rank;
}

typedef struct scored {
    float score;
    uint32_t item;
} scored;

static int best_first(const void *a, const void *b) {
    const scored *p = a, *q = b;
    return (p->score < q->score) - (p->score > q->score);
}

/* room [count] */
static double average_precision(const float *scores, size_t N, const uint32_t *right, size_t count,
                                scored *room) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) room[i] = (scored){scores[right[i]], right[i]};
    qsort(room, count, sizeof *room, best_first);
    for (size_t i = 0; i < count; i++) {
        size_t position = i + 1; /* among the right ones; wrong ones that tie come before it */
        for (size_t j = 0; j < N; j++) position += scores[j] >= room[i].score;
        for (size_t j = 0; j < count; j++) position -= room[j].score >= room[i].score;
        sum += (double)(i + 1) / (double)position;
    }
    return sum / (double)count;
}

uint32_t sns_best_of(const float *scores, size_t n) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        if (scores[i] > scores[best]) best = i;
    return best;
}

sns_status sns_rank_queries(const float *queries, size_t Q, const float *candidates, size_t N,
                            size_t E, const sns_relation *right, uint32_t *ranks, double *precision,
                            uint32_t *best, sns_error *err) {
    enum { BLOCK = 64 };
    size_t bytes;
    float *scores = NULL;
    if (sns_mul_size(N, BLOCK * sizeof *scores, &bytes)) scores = sns_aligned_alloc(bytes);
    scored *room = malloc(N * sizeof *room);
    sns_status s = scores && room
                       ? SNS_OK
                       : sns_fail(err, SNS_NOMEM, "no memory for scores of %zu candidates", N);
    for (size_t q = 0; q < Q && !s; q += BLOCK) {
        size_t n = Q - q < BLOCK ? Q - q : BLOCK;
        s = sns_gemm(false, true, n, N, E, queries + q * E, E, candidates, E, 0, scores, N, err);
        for (size_t i = 0; i < n && !s; i++) {
            size_t begin = right->start[q + i], count = right->start[q + i + 1] - begin;
            const uint32_t *items = right->items + begin;
            ranks[q + i] = count ? sns_rank_of_best(scores + i * N, N, items, count) : 0;
            if (best) best[q + i] = sns_best_of(scores + i * N, N);
            if (precision)
                precision[q + i] = count ? average_precision(scores + i * N, N, items, count, room)
                                         : 0;
        }
    }
    free(room);
    sns_aligned_free(scores);
    return s;
}
