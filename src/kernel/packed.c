/* packed.c - products with packed weights by oneDNN 2.x: the weight is cut into panels of columns,
 * the rows of x into blocks; bias, activation and (f32) residual are post-operations.
 *
 * In f32 products go to y itself. In bf16 and int8 the product of one block and one panel is dense
 * and stays in the second-level cache until its rows go to y, because oneDNN's fast kernels
 * (brgemm) take no destination with a stride; in f32 they are no faster. With int8 it is a matrix
 * of 32-bit sums, of which f32_from_s32 makes floats. With x = s (q - z), W = t w, both per row:
 *   y[m][n] = s[m] t[n] (sum over k of q[m][k] w[n][k] - z[m] sum over k of w[n][k]) */
#include "kernel/packed.h"
#include "base/error.h"
#include "base/memory.h"
#include "kernel/onednn.h"
#include <omp.h>
#include <pthread.h>

enum { PANEL = 384, MOST_ROWS = 192, PLANS = 24, INT8_MAX_K = 1 << 16 };

/* A primitive for one number of rows, one panel width and one set of post-operations. */
typedef struct plan {
    size_t rows, cols;
    int flags; /* act | bias << 4 | residual << 5; 0 for int8 */
    int users;
    unsigned long last_use;
    dnnl_primitive_t primitive;
    dnnl_memory_desc_t x, y, bias, scratch;
} plan;

typedef struct panel {
    size_t first, cols; /* columns of y, rows of W */
    void *data;
    dnnl_memory_desc_t desc;
} panel;

struct sns_packed {
    sns_packed_type type; /* of the arithmetic */
    size_t N, K, panels, bytes;
    panel *panel;
    void *own;            /* the numbers, unless they are in a memory for many weights */
    float *scale;         /* int8: [N], else NULL */
    int32_t *sum;         /* int8: each row of W added up [N], else NULL */
    pthread_mutex_t lock; /* of plans and clock */
    unsigned long clock;
    plan plans[PLANS];
};

static const struct {
    dnnl_data_type_t x, weights, y;
    size_t x_bytes, weight_bytes;
} types[] = {
    [SNS_PACKED_F32] = {dnnl_f32, dnnl_f32, dnnl_f32, 4, 4},
    [SNS_PACKED_BF16] = {dnnl_bf16, dnnl_bf16, dnnl_f32, 2, 2},
    [SNS_PACKED_INT8] = {dnnl_u8, dnnl_s8, dnnl_s32, 1, 1},
};

static size_t ceil_div(size_t a, size_t b) {
    return (a + b - 1) / b;
}
static size_t min_size(size_t a, size_t b) {
    return a < b ? a : b;
}

static sns_status fail_dnnl(sns_error *err, dnnl_status_t code, const char *what, size_t M,
                            const sns_packed *w) {
    return sns_fail(err, code == dnnl_out_of_memory ? SNS_NOMEM : SNS_INTERNAL,
                    "oneDNN: %s of %zu x %zu x %zu failed with status %d", what, M, w->N, w->K,
                    (int)code);
}

sns_packed_type sns_packed_arithmetic(sns_packed_type type, size_t K) {
    dnnl_cpu_isa_t isa = sns_onednn_engine() ? dnnl_get_effective_cpu_isa() : dnnl_cpu_isa_sse41;
    dnnl_cpu_isa_t need = type == SNS_PACKED_BF16   ? dnnl_cpu_isa_avx512_core_bf16
                          : type == SNS_PACKED_INT8 ? dnnl_cpu_isa_avx512_core_vnni
                                                    : dnnl_cpu_isa_sse41;
    /* Without VNNI oneDNN adds pairs of products in 16 bits, which overflow. */
    if (((unsigned)isa & (unsigned)need) != (unsigned)need) return SNS_PACKED_F32;
    return type == SNS_PACKED_INT8 && K > INT8_MAX_K ? SNS_PACKED_F32 : type;
}

/* ---- plans ---- */

static dnnl_status_t matrix_desc(dnnl_memory_desc_t *d, size_t rows, size_t cols, size_t row_stride,
                                 dnnl_data_type_t type) {
    dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)cols}, strides = {(dnnl_dim_t)row_stride, 1};
    return dnnl_memory_desc_init_by_strides(d, 2, dims, type, strides);
}

static dnnl_status_t add_post_ops(dnnl_primitive_attr_t attr, int flags) {
    dnnl_post_ops_t ops;
    dnnl_status_t s = dnnl_post_ops_create(&ops);
    if (s) return s;
    sns_act act = (sns_act)(flags & 15);
    if (act == SNS_ACT_GELU) s = dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_gelu_erf, 0, 0);
    if (act == SNS_ACT_GELU_TANH)
        s = dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_gelu_tanh, 0, 0);
    if (act == SNS_ACT_QUICK_GELU)
        s = dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_swish, 1.702f, 0);
    if (!s && (flags & 32)) s = dnnl_post_ops_append_sum(ops, 1);
    if (!s) s = dnnl_primitive_attr_set_post_ops(attr, ops);
    dnnl_post_ops_destroy(ops);
    return s;
}

/* y [rows, cols] = x [rows, K] times a weight whose layout oneDNN chooses (weights->any) or is
 * given. y's rows are N apart in f32, else dense. */
static dnnl_status_t describe(const sns_packed *w, size_t rows, size_t cols, int flags,
                              const dnnl_memory_desc_t *weights, dnnl_primitive_desc_t *out) {
    dnnl_memory_desc_t x, y, bias;
    dnnl_dims_t bias_dims = {1, (dnnl_dim_t)cols};
    dnnl_matmul_desc_t op;
    dnnl_primitive_attr_t attr;
    dnnl_status_t s;
    size_t stride = w->type == SNS_PACKED_F32 ? w->N : cols;
    if ((s = matrix_desc(&x, rows, w->K, w->K, types[w->type].x)) ||
        (s = matrix_desc(&y, rows, cols, stride, types[w->type].y)) ||
        (s = dnnl_memory_desc_init_by_tag(&bias, 2, bias_dims, dnnl_f32, dnnl_ab)) ||
        (s = dnnl_matmul_desc_init(&op, &x, weights, flags & 16 ? &bias : NULL, &y)) ||
        (s = dnnl_primitive_attr_create(&attr)))
        return s;
    s = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (!s) s = add_post_ops(attr, flags);
    if (!s) s = dnnl_primitive_desc_create(out, &op, attr, sns_onednn_engine(), NULL);
    dnnl_primitive_attr_destroy(attr);
    return s;
}

static dnnl_status_t plan_make(plan *p, const sns_packed *w, const panel *of) {
    dnnl_primitive_desc_t pd;
    int threads = omp_get_max_threads();
    omp_set_num_threads(1); /* of this thread only: oneDNN plans for one thread */
    dnnl_status_t s = describe(w, p->rows, p->cols, p->flags, &of->desc, &pd);
    if (!s) {
        p->x = *dnnl_primitive_desc_query_md(pd, dnnl_query_src_md, 0);
        p->y = *dnnl_primitive_desc_query_md(pd, dnnl_query_dst_md, 0);
        p->scratch = *dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
        dnnl_dims_t bias_dims = {1, (dnnl_dim_t)p->cols};
        s = dnnl_memory_desc_init_by_tag(&p->bias, 2, bias_dims, dnnl_f32, dnnl_ab);
        if (!s) s = dnnl_primitive_create(&p->primitive, pd);
        dnnl_primitive_desc_destroy(pd);
    }
    omp_set_num_threads(threads);
    return s;
}

/* A plan from the cache, or a new one in the place of the least recently used that nobody holds. */
static plan *plan_get(sns_packed *w, size_t rows, const panel *of, int flags,
                      dnnl_status_t *status) {
    plan *found = NULL, *oldest = NULL;
    *status = dnnl_success;
    pthread_mutex_lock(&w->lock);
    for (plan *p = w->plans; p < w->plans + PLANS && !found; p++) {
        if (p->primitive && p->rows == rows && p->cols == of->cols && p->flags == flags) found = p;
        if (!p->users && (!oldest || p->last_use < oldest->last_use)) oldest = p;
    }
    if (!found && oldest) {
        if (oldest->primitive) dnnl_primitive_destroy(oldest->primitive);
        *oldest = (plan){.rows = rows, .cols = of->cols, .flags = flags};
        *status = plan_make(oldest, w, of);
        if (*status)
            oldest->primitive = NULL;
        else
            found = oldest;
    } else if (!found)
        *status = dnnl_out_of_memory;
    if (found) {
        found->users++;
        found->last_use = ++w->clock;
    }
    pthread_mutex_unlock(&w->lock);
    return found;
}

static void plan_release(sns_packed *w, plan *p) {
    pthread_mutex_lock(&w->lock);
    p->users--;
    pthread_mutex_unlock(&w->lock);
}

/* ---- packing ---- */

/* The layout that oneDNN wants for a panel. */
static dnnl_status_t panel_layout(const sns_packed *w, panel *p) {
    dnnl_dims_t dims = {(dnnl_dim_t)w->K, (dnnl_dim_t)p->cols};
    dnnl_memory_desc_t any;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t s;
    if ((s = dnnl_memory_desc_init_by_tag(&any, 2, dims, types[w->type].weights,
                                          dnnl_format_tag_any)) ||
        (s = describe(w, 64, p->cols, w->type == SNS_PACKED_INT8 ? 0 : 16, &any, &pd)))
        return s;
    p->desc = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
    dnnl_primitive_desc_destroy(pd);
    return dnnl_success;
}

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

static dnnl_status_t pack_panel(const sns_packed *w, const sns_packed_source *from, panel *p) {
    dnnl_dims_t dims = {(dnnl_dim_t)w->K, (dnnl_dim_t)p->cols};
    dnnl_memory_desc_t plain;
    bool same = from->type == w->type;
    dnnl_data_type_t type = same ? types[w->type].weights : dnnl_f32;
    size_t bytes = p->cols * w->K * (same ? types[w->type].weight_bytes : sizeof(float));
    dnnl_status_t s = dnnl_memory_desc_init_by_tag(&plain, 2, dims, type, dnnl_ba);
    if (s) return s;
    void *copy = sns_aligned_alloc(bytes);
    if (!copy) return dnnl_out_of_memory;
    const void *rows = copy;
    if (same)
        rows = sns_packed_source_rows(from, w->N, w->K, p->first, p->cols, copy);
    else
        sns_packed_source_widen(from, w->N, w->K, p->first, p->cols, copy);
    if (w->sum) add_rows(rows, p->cols, w->K, w->sum + p->first);
    s = sns_onednn_reorder(&plain, rows, &p->desc, p->data);
    sns_aligned_free(copy);
    return s;
}

static size_t round_64(size_t n) {
    return ceil_div(n, 64) * 64;
}

/* The panels' columns and layouts. Only the last differs in width. *total <- bytes for all. */
static dnnl_status_t lay_out(sns_packed *w, size_t *total) {
    size_t width = ceil_div(ceil_div(w->N, w->panels), 16) * 16;
    dnnl_status_t s = sns_onednn_engine() ? dnnl_success : dnnl_unimplemented;
    w->panels = ceil_div(w->N, width);
    *total = w->type == SNS_PACKED_INT8 ? 2 * round_64(w->N * sizeof *w->scale) : 0;
    for (size_t i = 0; i < w->panels && !s; i++) {
        panel *p = &w->panel[i];
        *p = (panel){.first = i * width, .cols = min_size(width, w->N - i * width)};
        if (i && p->cols == p[-1].cols)
            p->desc = p[-1].desc;
        else
            s = panel_layout(w, p);
        if (!s) *total += round_64(dnnl_memory_desc_get_size(&p->desc));
    }
    return s;
}

/* The panels, and for int8 the scales and sums, at their places from `at` on. */
static void place(sns_packed *w, char *at) {
    size_t list = round_64(w->N * sizeof *w->scale);
    if (w->type == SNS_PACKED_INT8) {
        w->scale = (float *)(void *)at;
        w->sum = (int32_t *)(void *)(at + list);
        at += 2 * list;
    }
    for (size_t i = 0; i < w->panels; i++) {
        w->panel[i].data = at;
        at += round_64(dnnl_memory_desc_get_size(&w->panel[i].desc));
    }
}

static dnnl_status_t find_place(sns_packed *w, sns_packed_memory *memory) {
    size_t total;
    int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    dnnl_status_t s = lay_out(w, &total);
    omp_set_num_threads(threads);
    if (s) return s;
    void *at = memory ? sns_packed_memory_take(memory, total) : NULL;
    if (memory) {
        const size_t shape[] = {w->N, w->K, (size_t)w->type, w->panels, total};
        sns_packed_memory_note(memory, shape, sizeof shape);
        sns_packed_memory_note(memory, &w->panel[0].desc, sizeof w->panel[0].desc);
        sns_packed_memory_note(memory, &w->panel[w->panels - 1].desc, sizeof w->panel[0].desc);
    }
    if (!at && memory && memory->filled) return dnnl_success;
    if (!at) at = w->own = sns_aligned_alloc(total);
    if (!at) return dnnl_out_of_memory;
    w->bytes = total;
    place(w, at);
    return dnnl_success;
}

/* The panels of a large weight side by side, each on one thread: oneDNN plans for as many as it
 * sees. On a busy machine waiting for a thread takes longer than a small weight. */
static dnnl_status_t pack_all(const sns_packed *w, const sns_packed_source *from) {
    ptrdiff_t panels = (ptrdiff_t)w->panels;
    int failed = 0;
    if (w->scale) memcpy(w->scale, from->scale, w->N * sizeof *w->scale);
#pragma omp parallel for schedule(static) if (w->bytes > 4 << 20) reduction(| : failed)
    for (ptrdiff_t i = 0; i < panels; i++) {
        int threads = omp_get_max_threads();
        omp_set_num_threads(1);
        failed |= (int)pack_panel(w, from, &w->panel[i]);
        omp_set_num_threads(threads);
    }
    return (dnnl_status_t)failed;
}

sns_status sns_packed_new(const float *W, size_t N, size_t K, sns_packed **out, sns_error *err) {
    return sns_packed_new_from(&(sns_packed_source){.type = SNS_PACKED_F32, .weights = W}, N, K,
                               NULL, out, err);
}

sns_status sns_packed_new_from(const sns_packed_source *from, size_t N, size_t K,
                               sns_packed_memory *memory, sns_packed **out, sns_error *err) {
    *out = NULL;
    if (N == 0 || K == 0 || N > INT32_MAX || K > INT32_MAX || (from->more[0] && N % 3))
        return sns_fail(err, SNS_ARG, "a weight of %zu x %zu", N, K);
    sns_packed *w = calloc(1, sizeof *w);
    if (!w) return sns_fail(err, SNS_NOMEM, "no memory for a packed weight");
    pthread_mutex_init(&w->lock, NULL);
    w->type = sns_packed_arithmetic(from->type, K);
    w->N = N;
    w->K = K;
    w->panels = ceil_div(N, PANEL);
    w->panel = calloc(w->panels, sizeof *w->panel);
    if (!w->panel) {
        sns_packed_free(w);
        return sns_fail(err, SNS_NOMEM, "no memory for a packed weight");
    }
    bool filled = memory && memory->filled;
    dnnl_status_t s = find_place(w, memory);
    if (!s && !filled) s = pack_all(w, from);
    if (s) {
        sns_status status = fail_dnnl(err, s, "packing", 0, w);
        sns_packed_free(w);
        return status;
    }
    if (!w->panel[0].data) {
        sns_packed_free(w);
        return sns_fail(err, SNS_MISMATCH, "the packed weights that were kept end too early");
    }
    *out = w;
    return SNS_OK;
}

size_t sns_packed_room(sns_packed_type type, size_t N, size_t K) {
    size_t bytes = types[sns_packed_arithmetic(type, K)].weight_bytes, panels = ceil_div(N, PANEL);
    return (N + 64 * panels) * (K + 64) * bytes + 2 * round_64(N * sizeof(float)) + 64 * panels;
}

void sns_packed_describe(char *text, size_t size) {
    const dnnl_version_t *v = dnnl_version();
    int isa = sns_onednn_engine() ? (int)dnnl_get_effective_cpu_isa() : 0;
    snprintf(text, size, "oneDNN %d.%d.%d %s, instruction set %x", v->major, v->minor, v->patch,
             v->hash, (unsigned)isa);
}

void sns_packed_free(sns_packed *w) {
    if (!w) return;
    for (plan *p = w->plans; p < w->plans + PLANS; p++)
        if (p->primitive) dnnl_primitive_destroy(p->primitive);
    sns_aligned_free(w->own);
    free(w->panel);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

sns_packed_type sns_packed_numbers(const sns_packed *w) {
    return w->type;
}

size_t sns_packed_bytes(const sns_packed *w) {
    return w->bytes;
}

/* ---- products ---- */

/* x as the products want it: itself, or a copy in narrower numbers. */
typedef struct narrow {
    const void *x;
    void *copy;
    float *scale;  /* int8: of each row */
    int32_t *zero; /* int8: of each row */
} narrow;

static void narrow_free(narrow *r) {
    sns_aligned_free(r->copy);
    free(r->scale);
    free(r->zero);
}

static bool narrow_rows(const sns_packed *w, size_t M, const float *x, narrow *r) {
    const sns_kernels *k = sns_kernels_get();
    size_t count, bytes, K = w->K;
    *r = (narrow){.x = x};
    if (w->type == SNS_PACKED_F32) return true;
    if (!sns_mul_size(M, K, &count) || !sns_mul_size(count, types[w->type].x_bytes, &bytes))
        return false;
    r->x = r->copy = sns_aligned_alloc(bytes);
    if (w->type == SNS_PACKED_INT8) {
        r->scale = malloc(M * sizeof *r->scale);
        r->zero = malloc(M * sizeof *r->zero);
    }
    if (!r->copy || (w->type == SNS_PACKED_INT8 && (!r->scale || !r->zero))) return false;
    ptrdiff_t rows = (ptrdiff_t)M;
#pragma omp parallel for schedule(static) if (count > 1 << 16)
    for (ptrdiff_t m = 0; m < rows; m++) {
        size_t at = (size_t)m * K;
        if (w->type == SNS_PACKED_BF16)
            k->bf16_from_f32((uint16_t *)r->copy + at, x + at, K);
        else
            r->scale[m] = k->u8_from_f32((uint8_t *)r->copy + at, &r->zero[m], x + at, K);
    }
    return true;
}

/* One call of sns_packed_run. */
typedef struct product {
    const sns_packed *w;
    narrow in;
    const float *bias, *residual;
    sns_act act;
    float *y;
} product;

/* One row of a block, in `row` or as sums, to y, which may hold the residual. */
static void finish_row(const product *c, const panel *of, size_t m, float *row,
                       const int32_t *sums) {
    const sns_kernels *k = sns_kernels_get();
    size_t at = m * c->w->N + of->first, n = of->cols;
    float *y = c->y + at;
    bool in_place = c->residual == c->y, direct = sums && !in_place;
    if (direct) row = y;
    if (sums) {
        k->f32_from_s32(row, sums, c->w->sum + of->first, c->in.zero[m], c->in.scale[m],
                        c->w->scale + of->first, c->bias ? c->bias + of->first : NULL, n);
        if (c->act != SNS_ACT_NONE) k->act_forward(c->act, row, row, n);
    }
    if (in_place) {
        k->add(y, row, n);
        return;
    }
    if (!direct) memcpy(y, row, n * sizeof *row);
    if (c->residual) k->add(y, c->residual + at, n);
}

static void finish_block(const product *c, const panel *of, size_t first, size_t rows,
                         void *block) {
    float row[PANEL], *floats = block;
    const int32_t *sums = c->w->type == SNS_PACKED_INT8 ? block : NULL;
    for (size_t m = 0; m < rows; m++)
        finish_row(c, of, first + m, sums ? row : floats + m * of->cols,
                   sums ? sums + m * of->cols : NULL);
}

/* One block of rows from `first` on times one panel, on the calling thread. */
static dnnl_status_t run_block(const product *c, const plan *p, const panel *of, size_t first) {
    const sns_packed *w = c->w;
    const char *x = (const char *)c->in.x + first * w->K * types[w->type].x_bytes;
    bool int8 = w->type == SNS_PACKED_INT8, dense = w->type != SNS_PACKED_F32;
    void *block = dense ? sns_aligned_alloc(p->rows * p->cols * sizeof(float)) : NULL;
    if (dense && !block) return dnnl_out_of_memory;
    sns_onednn_arg arg[4] = {{DNNL_ARG_SRC, &p->x, x}, {DNNL_ARG_WEIGHTS, &of->desc, of->data}};
    arg[2] = (sns_onednn_arg){DNNL_ARG_DST, &p->y, dense ? block : c->y + first * w->N + of->first};
    if (!int8 && c->bias) arg[3] = (sns_onednn_arg){DNNL_ARG_BIAS, &p->bias, c->bias + of->first};
    dnnl_status_t s = sns_onednn_run(p->primitive, arg, 4, &p->scratch);
    if (dense && !s) finish_block(c, of, first, p->rows, block);
    sns_aligned_free(block);
    return s;
}

/* The plans of one call: for full blocks and the last one, for full panels and the last one. */
typedef struct plan_set {
    plan *of[2][2]; /* [last block of rows][last panel] */
} plan_set;

static dnnl_status_t plan_set_get(sns_packed *w, size_t block_rows, size_t last_rows, size_t blocks,
                                  int flags, plan_set *set) {
    dnnl_status_t s = dnnl_success;
    *set = (plan_set){0};
    for (int last_row = 0; last_row < 2; last_row++) {
        size_t rows = last_row ? last_rows : block_rows;
        if (!last_row && blocks == 1) continue;
        for (int last_panel = 0; last_panel < 2 && !s; last_panel++) {
            if (!last_panel && w->panels == 1) continue;
            set->of[last_row][last_panel] = plan_get(
                w, rows, &w->panel[last_panel ? w->panels - 1 : 0], flags, &s);
        }
    }
    return s;
}

/* Is a product worth threads? They save it a part of a tenth of a millisecond otherwise, and cost
 * it several whenever one of them waits for a processor: a short text is some fifty products. */
static bool is_large(const sns_packed *w, size_t M) {
    return w->bytes > 2 << 20 || (double)M * (double)w->N * (double)w->K > 1 << 26;
}

sns_status sns_packed_run(const sns_packed *packed, size_t M, const float *x, const float *bias,
                          sns_act act, const float *residual, float *y, sns_error *err) {
    if (M == 0) return SNS_OK;
    sns_packed *w = (sns_packed *)(uintptr_t)
        packed; /* the cache of plans is all that changes, under its lock */
    bool f32 = w->type == SNS_PACKED_F32;
    if (f32 && residual && residual != y) memcpy(y, residual, M * w->N * sizeof *y);
    int flags = (int)act | (bias ? 16 : 0) | (f32 && residual ? 32 : 0);
    if (w->type == SNS_PACKED_INT8) flags = 0;
    /* Blocks of nearly the same size: the last few rows of a long one would cost as many loads. */
    size_t rows = ceil_div(M, ceil_div(M, MOST_ROWS)), blocks = ceil_div(M, rows);
    plan_set set;
    product c = {.w = w, .bias = bias, .residual = residual, .act = act, .y = y};
    int failed = (int)plan_set_get(w, rows, M - (blocks - 1) * rows, blocks, flags, &set);
    if (!failed && !narrow_rows(w, M, x, &c.in)) failed = (int)dnnl_out_of_memory;
    ptrdiff_t tasks = failed ? 0 : (ptrdiff_t)(blocks * w->panels);
    bool parallel = tasks > 1 && is_large(w, M);
    /* Outside of a parallel region oneDNN's AVX2 products split K among all threads: other sums. */
    int threads = omp_get_max_threads();
    if (!parallel) omp_set_num_threads(1);
#pragma omp parallel for schedule(static) if (parallel) reduction(| : failed)
    for (ptrdiff_t i = 0; i < tasks; i++) {
        size_t block = (size_t)i / w->panels, j = (size_t)i % w->panels;
        const plan *p = set.of[block == blocks - 1][j == w->panels - 1];
        failed |= (int)run_block(&c, p, &w->panel[j], block * rows);
    }
    if (!parallel) omp_set_num_threads(threads);
    narrow_free(&c.in);
    for (int i = 0; i < 4; i++)
        if (set.of[i / 2][i % 2]) plan_release(w, set.of[i / 2][i % 2]);
    return failed ? fail_dnnl(err, (dnnl_status_t)failed, "packed product", M, w) : SNS_OK;
}
