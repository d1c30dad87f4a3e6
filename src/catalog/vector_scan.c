/* vector_scan.c - the nearest vectors: all codes are read, then the few rows that may be among
 * them.
 *
 * With q = q' + d the query (q' in steps of 1 / 32767 of its largest number or coarser), x = x' + r
 * a row (x' = scale * code, |r_i| <= scale / 2), s' = q' . x' the product of whole numbers:
 *     s = q . x,   |s - s'| = |q . r + d . x'| <= B
 *     B = |q| |r| + |d| (1 + |r|)                       always, by Cauchy-Schwarz
 *     B = Z |q| scale / sqrt(12) + |d| (1 + |r|)        Z deviations of q . r, where r is what
 *                                                       rounding leaves: uniform and unrelated to q
 * Let t be the n-th highest s' - B. A row with s' + B < t is not among the n best, so only the
 * others, the candidates, are read in f32. The second B, three times narrower, is taken first, and
 * the candidates show whether it may be: their s - s' are known by then. Where one is beyond
 * TRUST deviations - vectors of a few large numbers beside many that rounding makes 0 - the scan is
 * done again with the first B. So the answer is that of f32, from a quarter of the bytes.
 *
 * Rounding to 8 bits with a scale for each row: as in sns_packed; the two-stage scan is that of
 * VA-files, Weber, Schek, Blott 1998, with their bounds. */
#include "catalog/vector_scan.h"
#include "base/error.h"
#include "base/memory.h"
#include "kernel/kernel.h"
#include <float.h>
#include <math.h>
#include <omp.h>

enum {
    CHUNK_BLOCKS = 16, /* what a thread takes at a time */
    MIN_CHUNKS = 4,    /* that are worth another thread */
    FIRST_ROOM = 1024  /* candidates */
};
static const float Z = 6, TRUST = 4.75f;

/* A query as the kernel takes it. */
typedef struct coded {
    const float *q;   /* [dim] */
    int16_t *numbers; /* [width], padding zero */
    float step;       /* q' = step * numbers */
    float length;     /* |q| */
    float residue;    /* |d|, and what adding up in f32 may lose */
    bool strict;      /* bounds that always hold */
} coded;

typedef struct candidate {
    uint32_t slot;
    float high; /* s' + B */
    float s;    /* s' */
} candidate;

/* What one thread found for one query. */
typedef struct harvest {
    float *low; /* a heap of the n highest s' - B, the least on top */
    size_t held;
    candidate *items;
    size_t count, room;
    bool failed; /* no memory */
} harvest;

/* ---- queries ---- */

static void code_query(coded *c, const float *q, size_t dim, size_t width) {
    float largest = 0;
    double squares = 0, lost = 0;
    /* Sums of `width` products with numbers of up to 127 stay within 32 bits. */
    double most = fmin(32767, floor(2147483647.0 / (127.0 * (double)width)));
    for (size_t i = 0; i < dim; i++) largest = fmaxf(largest, fabsf(q[i]));
    c->q = q;
    c->step = largest > 0 ? largest / (float)most : 1;
    for (size_t i = 0; i < dim; i++) {
        double whole = fmin(most, fmax(-most, rint((double)q[i] / c->step)));
        double d = q[i] - whole * c->step;
        c->numbers[i] = (int16_t)whole;
        squares += (double)q[i] * q[i];
        lost += d * d;
    }
    c->length = (float)sqrt(squares);
    c->residue = (float)sqrt(lost) + c->length * (float)(dim + 8) * FLT_EPSILON;
}

static inline float bound(const coded *c, float scale, float error) {
    float usual = Z * 0.28867513f * scale;
    float rounding = c->strict || error < usual ? error : usual;
    return c->length * rounding + c->residue * (1.001f + error);
}

/* ---- the first stage ---- */

static void sift_down(float *heap, size_t n) {
    float x = heap[0];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && heap[child + 1] < heap[child]) child++;
        if (heap[child] >= x) break;
        heap[i] = heap[child];
    }
    heap[i] = x;
}

static void sift_up(float *heap, size_t i) {
    float x = heap[i];
    for (; i && heap[(i - 1) / 2] > x; i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = x;
}

static void keep_low(harvest *h, size_t n, float low) {
    if (h->held < n) {
        h->low[h->held] = low;
        sift_up(h->low, h->held++);
    } else if (low > h->low[0]) {
        h->low[0] = low;
        sift_down(h->low, n);
    }
}

/* What nothing below can be among the n best. */
static float threshold(const harvest *h, size_t n) {
    return h->held < n ? -INFINITY : h->low[0];
}

static void prune(harvest *h, float least) {
    size_t kept = 0;
    for (size_t i = 0; i < h->count; i++)
        if (h->items[i].high >= least) h->items[kept++] = h->items[i];
    h->count = kept;
}

/* Room for one more: by dropping what is out by now, or by growing. */
static bool make_room(harvest *h, size_t n) {
    if (h->count < h->room) return true;
    prune(h, threshold(h, n));
    if (h->count <= h->room / 2 && h->room) return true;
    size_t room = h->room ? 2 * h->room : FIRST_ROOM;
    candidate *more = realloc(h->items, room * sizeof *more);
    if (!more) return false;
    h->items = more;
    h->room = room;
    return true;
}

typedef struct scan {
    const sns_vector_file *v;
    const uint64_t *removed;
    const coded *queries;
    size_t Q, n, threads;
    harvest *harvests; /* [threads, Q] */
} scan;

static bool is_removed(const scan *s, size_t slot) {
    return s->removed && s->removed[slot / 64] >> slot % 64 & 1;
}

/* One more candidate. */
static bool take(const scan *s, harvest *h, size_t slot, float found, float B) {
    if (!make_room(h, s->n)) return false;
    h->items[h->count++] = (candidate){(uint32_t)slot, found + B, found};
    keep_low(h, s->n, found - B);
    return true;
}

static void sift_block(const scan *s, const coded *c, harvest *h, const sns_code_block *b,
                       size_t first, size_t rows) {
    int32_t products[SNS_CODE_ROWS];
    float found[SNS_CODE_ROWS], B[SNS_CODE_ROWS];
    sns_kernels_get()->dot_rows_s8(products, c->numbers, b->codes, rows, s->v->width);
    for (size_t r = 0; r < rows; r++) {
        found[r] = (float)products[r] * (c->step * b->scale[r]);
        B[r] = bound(c, b->scale[r], b->error[r]);
    }
    for (size_t r = 0; r < rows; r++)
        if (found[r] + B[r] >= threshold(h, s->n) && !is_removed(s, first + r) && !h->failed)
            h->failed = !take(s, h, first + r, found[r], B[r]);
}

static void sift_chunk(const scan *s, harvest *of_thread, size_t chunk) {
    size_t first = chunk * CHUNK_BLOCKS * SNS_CODE_ROWS, end = first + CHUNK_BLOCKS * SNS_CODE_ROWS;
    if (end > s->v->count) end = s->v->count;
    for (; first < end; first += SNS_CODE_ROWS) {
        sns_code_block b = sns_vector_file_block(s->v, first);
        size_t rows = end - first < SNS_CODE_ROWS ? end - first : SNS_CODE_ROWS;
        for (size_t q = 0; q < s->Q; q++)
            if (!of_thread[q].failed) sift_block(s, &s->queries[q], &of_thread[q], &b, first, rows);
    }
}

static size_t count_chunks(const sns_vector_file *v) {
    size_t rows = (size_t)CHUNK_BLOCKS * SNS_CODE_ROWS;
    return (v->count + rows - 1) / rows;
}

static void sift_all(const scan *s) {
    size_t chunks = count_chunks(s->v);
#pragma omp parallel for schedule(dynamic) num_threads((int)s->threads)
    for (size_t i = 0; i < chunks; i++)
        sift_chunk(s, s->harvests + (size_t)omp_get_thread_num() * s->Q, i);
}

/* ---- the second stage ---- */

/* Joins what the threads found for query q into the first thread's harvest. */
static bool join(const scan *s, size_t q) {
    harvest *all = &s->harvests[q];
    bool ok = !all->failed;
    for (size_t t = 1; t < s->threads; t++) {
        harvest *h = &s->harvests[t * s->Q + q];
        ok &= !h->failed;
        for (size_t i = 0; i < h->held; i++) keep_low(all, s->n, h->low[i]);
    }
    float least = threshold(all, s->n);
    prune(all, least);
    for (size_t t = 1; t < s->threads && ok; t++) {
        harvest *h = &s->harvests[t * s->Q + q];
        for (size_t i = 0; i < h->count && ok; i++) {
            if (h->items[i].high < least) continue;
            if ((ok = make_room(all, s->n))) all->items[all->count++] = h->items[i];
        }
    }
    return ok;
}

static int by_score(const void *a, const void *b) {
    const sns_near *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

/* Do the products show that rounding has nothing to do with the query? */
static bool is_trusted(const scan *s, const coded *c, const candidate *x, float score) {
    sns_code_block b = sns_vector_file_block(s->v, x->slot - x->slot % SNS_CODE_ROWS);
    float deviation = 0.28867513f * b.scale[x->slot % SNS_CODE_ROWS] * c->length;
    return fabsf(score - x->s) <= TRUST * deviation + 2 * c->residue;
}

/* The candidates' products in f32, sorted; what comes after the n-th and does not equal it goes.
 * *trusted: the bounds held with room to spare. */
static sns_status weigh(const scan *s, size_t q, sns_near_list *out, bool *trusted,
                        sns_error *err) {
    const coded *c = &s->queries[q];
    const harvest *h = &s->harvests[q];
    sns_near *items = malloc((h->count ? h->count : 1) * sizeof *items);
    *trusted = true;
    if (!items) return sns_fail(err, SNS_NOMEM, "no memory for the answers of a search");
    for (size_t i = 0; i < h->count; i++) {
        uint32_t slot = h->items[i].slot;
        items[i].slot = slot;
        sns_kernels_get()->dot_rows(&items[i].score, c->q, sns_vector_file_row(s->v, slot), 1,
                                    s->v->dim);
        *trusted &= c->strict || is_trusted(s, c, &h->items[i], items[i].score);
    }
    qsort(items, h->count, sizeof *items, by_score);
    size_t count = h->count < s->n ? h->count : s->n;
    while (count && count < h->count && items[count].score == items[count - 1].score) count++;
    *out = (sns_near_list){items, count};
    sns_status status = SNS_OK;
    for (size_t i = 0; i < count && !status && *trusted; i++)
        status = sns_vector_file_check(s->v, items[i].slot, err);
    return status;
}

static void free_harvests(const scan *s) {
    for (size_t i = 0; s->harvests && i < s->threads * s->Q; i++) {
        free(s->harvests[i].low);
        free(s->harvests[i].items);
    }
    free(s->harvests);
}

static sns_status new_harvests(scan *s, sns_error *err) {
    bool ok = (s->harvests = calloc(s->threads * s->Q, sizeof *s->harvests));
    for (size_t i = 0; ok && i < s->threads * s->Q; i++)
        ok = (s->harvests[i].low = malloc(s->n * sizeof(float)));
    return ok ? SNS_OK : sns_fail(err, SNS_NOMEM, "no memory to search for %zu vectors", s->n);
}

/* Both stages for queries that are coded; *trusted of each. */
static sns_status answer(scan *s, sns_near_list *lists, bool *trusted, sns_error *err) {
    sns_status status = new_harvests(s, err);
    if (!status) sift_all(s);
    for (size_t q = 0; q < s->Q && !status; q++) {
        if (!join(s, q)) status = sns_fail(err, SNS_NOMEM, "no memory for candidates of a search");
        if (!status) status = weigh(s, q, &lists[q], &trusted[q], err);
    }
    free_harvests(s);
    return status;
}

/* Once more, with bounds that always hold, for what is not to be trusted. */
static sns_status answer_strictly(scan *s, coded *queries, sns_near_list *lists,
                                  const bool *trusted, size_t Q, sns_error *err) {
    sns_status status = SNS_OK;
    bool always;
    for (size_t q = 0; q < Q && !status; q++) {
        if (trusted[q]) continue;
        sns_near_list_free(&lists[q]);
        queries[q].strict = true;
        s->queries = &queries[q];
        s->Q = 1;
        status = answer(s, &lists[q], &always, err);
    }
    return status;
}

sns_status sns_vector_scan(const sns_vector_file *v, const uint64_t *removed, const float *queries,
                           size_t Q, size_t n, sns_near_list *lists, sns_error *err) {
    for (size_t q = 0; q < Q; q++) lists[q] = (sns_near_list){0};
    if (!Q || !n || !v->count) return SNS_OK;
    scan s = {.v = v, .removed = removed, .Q = Q, .n = n < v->count ? n : v->count};
    s.threads = (size_t)omp_get_max_threads();
    if (s.threads > count_chunks(v) / MIN_CHUNKS) s.threads = count_chunks(v) / MIN_CHUNKS;
    if (!s.threads) s.threads = 1;
    coded *coding = calloc(Q, sizeof *coding);
    int16_t *numbers = sns_aligned_calloc(Q * v->width * sizeof *numbers);
    bool *trusted = calloc(Q, sizeof *trusted);
    sns_status status = coding && numbers && trusted
                            ? SNS_OK
                            : sns_fail(err, SNS_NOMEM, "no memory for %zu queries", Q);
    for (size_t q = 0; q < Q && !status; q++) {
        coding[q].numbers = numbers + q * v->width;
        code_query(&coding[q], queries + q * v->dim, v->dim, v->width);
    }
    s.queries = coding;
    if (!status) status = answer(&s, lists, trusted, err);
    if (!status) status = answer_strictly(&s, coding, lists, trusted, Q, err);
    free(coding);
    free(trusted);
    sns_aligned_free(numbers);
    return status;
}

void sns_near_list_free(sns_near_list *list) {
    free(list->items);
    *list = (sns_near_list){0};
}
