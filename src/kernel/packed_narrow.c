/* packed_narrow.c - products with packed weights in 8 and 16 bits.
 *
 * Rows of x are brought to narrow numbers once for each product, and lie in blocks of at most
 * SNS_TILE_ROWS as the tile kernel reads them. With x = s (q - z), W = t w, both per row, in 8
 * bits: y[m][n] = s[m] t[n] (sum over k of q[m][k] w[n][k] - z[m] sum over k of w[n][k]) For one
 * panel of the weight after the other all blocks are taken, so that the weight, which may come from
 * memory, is read once, and the next panel is fetched meanwhile. */
#include "kernel/packed_narrow.h"
#include "base/error.h"
#include "base/memory.h"
#include <string.h>

enum {
    LINE = 64, /* bytes of a row of x that lie together */
    PANEL_WORD = SNS_TILE_COLS * SNS_TILE_WORD,
    GROUP_BYTES = 512 << 10, /* of x, for which all panels are read: half of a second cache */
    AHEAD_ROWS = 6 /* with fewer the processor's own fetching of what is read next is faster */
};

static size_t ceil_div(size_t a, size_t b) {
    return (a + b - 1) / b;
}
static size_t min_size(size_t a, size_t b) {
    return a < b ? a : b;
}
static size_t element_bytes(sns_packed_type type) {
    return type == SNS_PACKED_BF16 ? 2 : 1;
}

/* ---- packing ---- */

/* Each row of q [rows, K] added up. 256 numbers of 8 bits fit 16, of which more go into a register.
 */
static void add_rows(const int8_t *q, size_t rows, size_t K, int32_t *sum) {
    for (size_t r = 0; r < rows; r++) {
        int32_t total = 0;
        for (size_t n, left = K; left; left -= n, q += n) {
            int16_t part = 0;
            n = min_size(left, 256);
            for (size_t k = 0; k < n; k++) part = (int16_t)(part + q[k]);
            total += part;
        }
        sum[r] = total;
    }
}

/* Rows of `bytes` bytes, one after another, to a panel [words][SNS_TILE_COLS] words; a line of each
 * row at a time, so that what is written stays in the first cache. */
static void interleave(const char *rows, size_t count, size_t bytes, size_t words,
                       unsigned char *panel) {
    memset(panel, 0, count < SNS_TILE_COLS ? words * PANEL_WORD : 0);
    for (size_t at = 0; at < bytes; at += LINE)
        for (size_t r = 0; r < count; r++) {
            const char *line = rows + r * bytes + at;
            unsigned char *to = panel + at / SNS_TILE_WORD * PANEL_WORD + r * SNS_TILE_WORD;
            size_t left = min_size(bytes - at, LINE), whole = left / SNS_TILE_WORD;
            for (size_t w = 0; w < whole; w++)
                memcpy(to + w * PANEL_WORD, line + w * SNS_TILE_WORD, SNS_TILE_WORD);
            if (left % SNS_TILE_WORD == 0) continue;
            unsigned char last[SNS_TILE_WORD] = {0};
            memcpy(last, line + whole * SNS_TILE_WORD, left % SNS_TILE_WORD);
            memcpy(to + whole * PANEL_WORD, last, SNS_TILE_WORD);
        }
}

static bool pack_panel(const sns_packed_narrow *w, const sns_packed_source *from, size_t panel) {
    size_t first = panel * SNS_TILE_COLS, count = min_size(SNS_TILE_COLS, w->N - first);
    size_t bytes = w->K * element_bytes(w->type);
    void *copy = from->more[0] ? malloc(count * bytes) : NULL;
    if (from->more[0] && !copy) return false;
    const void *rows = sns_packed_source_rows(from, w->N, w->K, first, count, copy);
    interleave(rows, count, bytes, w->words, w->data + panel * w->words * PANEL_WORD);
    if (w->sum) add_rows(rows, count, w->K, w->sum + first);
    free(copy);
    return true;
}

/* The panels of a large weight side by side. On a busy machine waiting for a thread takes longer
 * than a small weight. */
static bool pack_all(const sns_packed_narrow *w, const sns_packed_source *from) {
    ptrdiff_t panels = (ptrdiff_t)w->panels;
    int failed = 0;
    if (w->scale) {
        memset(w->scale, 0, w->panels * SNS_TILE_COLS * sizeof *w->scale);
        memset(w->sum, 0, w->panels * SNS_TILE_COLS * sizeof *w->sum);
        memcpy(w->scale, from->scale, w->N * sizeof *w->scale);
    }
#pragma omp parallel for schedule(static) if (w->bytes > 4 << 20) reduction(| : failed)
    for (ptrdiff_t i = 0; i < panels; i++) failed |= !pack_panel(w, from, (size_t)i);
    return !failed;
}

static sns_packed_narrow shape_of(sns_packed_type type, size_t N, size_t K) {
    sns_packed_narrow w = {.type = type, .N = N, .K = K};
    w.words = ceil_div(K * element_bytes(type), SNS_TILE_WORD);
    w.panels = ceil_div(N, SNS_TILE_COLS);
    size_t lists = type == SNS_PACKED_INT8 ? sizeof *w.scale + sizeof *w.sum : 0;
    w.bytes = w.panels * (w.words * PANEL_WORD + SNS_TILE_COLS * lists);
    return w;
}

size_t sns_packed_narrow_bytes(sns_packed_type type, size_t N, size_t K) {
    return shape_of(type, N, K).bytes;
}

sns_status sns_packed_narrow_new(const sns_packed_source *from, size_t N, size_t K,
                                 sns_packed_memory *memory, sns_packed_narrow *out,
                                 sns_error *err) {
    sns_packed_narrow w = shape_of(from->type, N, K);
    bool filled = memory && memory->filled;
    unsigned char *at = memory ? sns_packed_memory_take(memory, w.bytes) : NULL;
    if (memory) {
        const size_t shape[] = {N, K, (size_t)w.type, SNS_TILE_COLS, w.bytes};
        sns_packed_memory_note(memory, shape, sizeof shape);
    }
    if (!at && filled)
        return sns_fail(err, SNS_MISMATCH, "the packed weights that were kept end too early");
    if (!at) at = w.own = sns_aligned_alloc(w.bytes);
    if (!at) return sns_fail(err, SNS_NOMEM, "no memory for a packed weight");
    w.data = at;
    if (w.type == SNS_PACKED_INT8) {
        w.scale = (float *)(void *)(at + w.panels * w.words * PANEL_WORD);
        w.sum = (int32_t *)(void *)(w.scale + w.panels * SNS_TILE_COLS);
    }
    if (!filled && !pack_all(&w, from)) {
        sns_packed_narrow_free(&w);
        return sns_fail(err, SNS_NOMEM, "no memory to pack a weight");
    }
    *out = w;
    return SNS_OK;
}

void sns_packed_narrow_free(sns_packed_narrow *w) {
    sns_aligned_free(w->own);
    *w = (sns_packed_narrow){0};
}

/* ---- products ---- */

/* One call of sns_packed_narrow_run. M rows are `blocks` of nearly the same size: the last few rows
 * of a long one would cost as many loads of the weight. */
typedef struct product {
    const sns_packed_narrow *w;
    size_t M, blocks, groups;
    size_t row_bytes; /* of x, whole lines */
    unsigned char *x; /* of each block: [lines][its rows][LINE] */
    float *scale;     /* int8: of each row */
    int32_t *zero;    /* int8: of each row */
    const float *bias, *residual;
    sns_act act;
    float *y;
} product;

/* Where part i of `parts` of n things begins. */
static size_t part_begin(size_t n, size_t parts, size_t i) {
    return n / parts * i + min_size(i, n % parts);
}

/* Row r of a block to bfloat16, in lines that are `step` bytes apart. */
static void bf16_lines(unsigned char *to, size_t step, const float *x, size_t K) {
    const sns_kernels *k = sns_kernels_get();
    for (size_t i = 0, n; i < K; i += n, to += step) {
        uint16_t line[LINE / sizeof(uint16_t)] = {0};
        n = min_size(K - i, LINE / sizeof *line);
        k->bf16_from_f32(line, x + i, n);
        memcpy(to, line, LINE);
    }
}

static void narrow_rows(const product *p, const float *x) {
    const sns_kernels *k = sns_kernels_get();
    ptrdiff_t blocks = (ptrdiff_t)p->blocks;
#pragma omp parallel for schedule(static) if (p->M * p->w->K > 1 << 16)
    for (ptrdiff_t b = 0; b < blocks; b++) {
        size_t first = part_begin(p->M, p->blocks, (size_t)b);
        size_t rows = part_begin(p->M, p->blocks, (size_t)b + 1) - first;
        for (size_t r = 0; r < rows; r++) {
            unsigned char *to = p->x + first * p->row_bytes + r * LINE;
            const float *row = x + (first + r) * p->w->K;
            if (p->w->type == SNS_PACKED_BF16)
                bf16_lines(to, rows * LINE, row, p->w->K);
            else
                p->scale[first + r] = k->u8_from_f32(to, rows * LINE, &p->zero[first + r], row,
                                                     p->w->K);
        }
    }
}

/* All blocks of a group of rows by one panel. */
static void run_panel(const product *p, size_t group, size_t panel) {
    const sns_kernels *k = sns_kernels_get();
    const sns_packed_narrow *w = p->w;
    size_t begin = part_begin(p->blocks, p->groups, group);
    size_t count = part_begin(p->blocks, p->groups, group + 1) - begin;
    size_t bytes = w->words * PANEL_WORD, column = panel * SNS_TILE_COLS;
    bool ahead = panel + 1 < w->panels && p->M >= AHEAD_ROWS;
    for (size_t i = 0; i < count; i++) {
        size_t row = part_begin(p->M, p->blocks, begin + i), at = row * w->N + column;
        sns_tile t = {.rows = part_begin(p->M, p->blocks, begin + i + 1) - row,
                      .cols = min_size(SNS_TILE_COLS, w->N - column),
                      .words = w->words,
                      .x = p->x + row * p->row_bytes,
                      .w = w->data + panel * bytes,
                      .bias = p->bias ? p->bias + column : NULL,
                      .act = p->act,
                      .residual = p->residual ? p->residual + at : NULL,
                      .y = p->y + at,
                      .stride = w->N};
        t.ahead = ahead ? (const char *)t.w + bytes + bytes / count * i : t.w;
        t.ahead_step = ahead ? PANEL_WORD / count : 0;
        if (w->type == SNS_PACKED_BF16) {
            k->tile_bf16(&t);
            continue;
        }
        t.x_scale = p->scale + row, t.x_zero = p->zero + row;
        t.w_scale = w->scale + column, t.w_sum = w->sum + column;
        k->tile_int8(&t);
    }
}

bool sns_packed_is_large(size_t weight_bytes, size_t M, size_t N, size_t K) {
    return weight_bytes > 2 << 20 || (double)M * (double)N * (double)K > 1 << 26;
}

sns_status sns_packed_narrow_run(const sns_packed_narrow *w, size_t M, const float *x,
                                 const float *bias, sns_act act, const float *residual, float *y,
                                 sns_error *err) {
    product p = {.w = w, .M = M, .bias = bias, .act = act, .residual = residual, .y = y};
    size_t bytes;
    p.row_bytes = ceil_div(w->words * SNS_TILE_WORD, LINE) * LINE;
    p.blocks = ceil_div(M, SNS_TILE_ROWS);
    p.groups = ceil_div(p.blocks, ceil_div(GROUP_BYTES, SNS_TILE_ROWS * p.row_bytes));
    if (sns_mul_size(M, p.row_bytes + sizeof *p.scale + sizeof *p.zero, &bytes))
        p.x = sns_aligned_alloc(bytes);
    if (!p.x)
        return sns_fail(err, SNS_NOMEM, "no memory for a product of %zu x %zu x %zu", M, w->N,
                        w->K);
    p.scale = (float *)(void *)(p.x + M * p.row_bytes);
    p.zero = (int32_t *)(void *)(p.scale + M);
    narrow_rows(&p, x);
    ptrdiff_t tasks = (ptrdiff_t)(p.groups * w->panels);
#pragma omp parallel for schedule(static) if (sns_packed_is_large(w->bytes, M, w->N, w->K))
    for (ptrdiff_t i = 0; i < tasks; i++)
        run_panel(&p, (size_t)i / w->panels, (size_t)i % w->panels);
    sns_aligned_free(p.x);
    return SNS_OK;
}
