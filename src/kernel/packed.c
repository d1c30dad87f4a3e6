/* packed.c - products with packed weights: in f32 by oneDNN 2.x, in narrower numbers by
 * packed_narrow.c.
 *
 * The weight is cut into panels of columns, the rows of x into blocks; bias, activation and
 * residual are post-operations of oneDNN's. Products go to y itself. */
#include "kernel/packed.h"
#include "base/error.h"
#include "base/memory.h"
#include "kernel/onednn.h"
#include "kernel/packed_narrow.h"
#include <omp.h>
#include <pthread.h>

enum { PANEL = 384, MOST_ROWS = 192, PLANS = 24, INT8_MAX_K = 1 << 16 };

/* A primitive for one number of rows, one panel width and one set of post-operations. */
typedef struct plan {
    size_t rows, cols;
    int flags; /* act | bias << 4 | residual << 5 */
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
    sns_packed_type type;     /* of the arithmetic */
    sns_packed_narrow narrow; /* all of it, unless in f32 */
    size_t N, K, panels, bytes;
    panel *panel;
    void *own;            /* the numbers, unless they are in a memory for many weights */
    pthread_mutex_t lock; /* of plans and clock */
    unsigned long clock;
    plan plans[PLANS];
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
    const sns_kernels *k = sns_kernels_get();
    bool bf16 = type == SNS_PACKED_BF16 && k->tile_bf16;
    bool int8 = type == SNS_PACKED_INT8 && k->tile_int8 && K <= INT8_MAX_K;
    return (bf16 || int8) && k != sns_kernels_named("ref") ? type : SNS_PACKED_F32;
}

/* ---- plans ---- */

static dnnl_status_t matrix_desc(dnnl_memory_desc_t *d, size_t rows, size_t cols,
                                 size_t row_stride) {
    dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)cols}, strides = {(dnnl_dim_t)row_stride, 1};
    return dnnl_memory_desc_init_by_strides(d, 2, dims, dnnl_f32, strides);
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

/* y [rows, cols], its rows N apart, = x [rows, K] times a weight whose layout oneDNN chooses
 * (weights->any) or is given. */
static dnnl_status_t describe(const sns_packed *w, size_t rows, size_t cols, int flags,
                              const dnnl_memory_desc_t *weights, dnnl_primitive_desc_t *out) {
    dnnl_memory_desc_t x, y, bias;
    dnnl_dims_t bias_dims = {1, (dnnl_dim_t)cols};
    dnnl_matmul_desc_t op;
    dnnl_primitive_attr_t attr;
    dnnl_status_t s;
    if ((s = matrix_desc(&x, rows, w->K, w->K)) || (s = matrix_desc(&y, rows, cols, w->N)) ||
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
    if ((s = dnnl_memory_desc_init_by_tag(&any, 2, dims, dnnl_f32, dnnl_format_tag_any)) ||
        (s = describe(w, 64, p->cols, 16, &any, &pd)))
        return s;
    p->desc = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
    dnnl_primitive_desc_destroy(pd);
    return dnnl_success;
}

static dnnl_status_t pack_panel(const sns_packed *w, const sns_packed_source *from, panel *p) {
    dnnl_dims_t dims = {(dnnl_dim_t)w->K, (dnnl_dim_t)p->cols};
    dnnl_memory_desc_t plain;
    dnnl_status_t s = dnnl_memory_desc_init_by_tag(&plain, 2, dims, dnnl_f32, dnnl_ba);
    if (s) return s;
    float *copy = sns_aligned_alloc(p->cols * w->K * sizeof *copy);
    if (!copy) return dnnl_out_of_memory;
    const void *rows = copy;
    if (from->type == SNS_PACKED_F32)
        rows = sns_packed_source_rows(from, w->N, w->K, p->first, p->cols, copy);
    else
        sns_packed_source_widen(from, w->N, w->K, p->first, p->cols, copy);
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
    *total = 0;
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

/* The panels at their places from `at` on. */
static void place(sns_packed *w, char *at) {
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
    if (w->type != SNS_PACKED_F32) {
        sns_status status = sns_packed_narrow_new(from, N, K, memory, &w->narrow, err);
        if (status) sns_packed_free(w), w = NULL;
        *out = w;
        return status;
    }
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
    size_t panels = ceil_div(N, PANEL);
    type = sns_packed_arithmetic(type, K);
    return type == SNS_PACKED_F32 ? (N + 64 * panels) * (K + 64) * sizeof(float) + 64 * panels
                                  : sns_packed_narrow_bytes(type, N, K);
}

void sns_packed_describe(char *text, size_t size) {
    const dnnl_version_t *v = dnnl_version();
    int isa = sns_onednn_engine() ? (int)dnnl_get_effective_cpu_isa() : 0;
    snprintf(text, size, "oneDNN %d.%d.%d %s, instruction set %x, narrow panels of %d", v->major,
             v->minor, v->patch, v->hash, (unsigned)isa, SNS_TILE_COLS);
}

void sns_packed_free(sns_packed *w) {
    if (!w) return;
    for (plan *p = w->plans; p < w->plans + PLANS; p++)
        if (p->primitive) dnnl_primitive_destroy(p->primitive);
    sns_packed_narrow_free(&w->narrow);
    sns_aligned_free(w->own);
    free(w->panel);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

sns_packed_type sns_packed_numbers(const sns_packed *w) {
    return w->type;
}

size_t sns_packed_bytes(const sns_packed *w) {
    return w->type == SNS_PACKED_F32 ? w->bytes : w->narrow.bytes;
}

/* ---- products ---- */

/* One block of rows of x and y by one panel, on the calling thread. */
static dnnl_status_t run_block(const plan *p, const panel *of, const float *x, const float *bias,
                               float *y) {
    sns_onednn_arg arg[4] = {{DNNL_ARG_SRC, &p->x, x},
                             {DNNL_ARG_WEIGHTS, &of->desc, of->data},
                             {DNNL_ARG_DST, &p->y, y + of->first},
                             {DNNL_ARG_BIAS, &p->bias, bias ? bias + of->first : NULL}};
    return sns_onednn_run(p->primitive, arg, 4, &p->scratch);
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

sns_status sns_packed_run(const sns_packed *packed, size_t M, const float *x, const float *bias,
                          sns_act act, const float *residual, float *y, sns_error *err) {
    if (M == 0) return SNS_OK;
    sns_packed *w = (sns_packed *)(uintptr_t)
        packed; /* the cache of plans is all that changes, under its lock */
    if (w->type != SNS_PACKED_F32)
        return sns_packed_narrow_run(&w->narrow, M, x, bias, act, residual, y, err);
    if (residual && residual != y) memcpy(y, residual, M * w->N * sizeof *y);
    int flags = (int)act | (bias ? 16 : 0) | (residual ? 32 : 0);
    /* Blocks of nearly the same size: the last few rows of a long one would cost as many loads. */
    size_t rows = ceil_div(M, ceil_div(M, MOST_ROWS)), blocks = ceil_div(M, rows);
    plan_set set;
    int failed = (int)plan_set_get(w, rows, M - (blocks - 1) * rows, blocks, flags, &set);
    ptrdiff_t tasks = failed ? 0 : (ptrdiff_t)(blocks * w->panels);
    bool parallel = tasks > 1 && sns_packed_is_large(w->bytes, M, w->N, w->K);
    /* Outside of a parallel region oneDNN's AVX2 products split K among all threads: other sums. */
    int threads = omp_get_max_threads();
    if (!parallel) omp_set_num_threads(1);
#pragma omp parallel for schedule(static) if (parallel) reduction(| : failed)
    for (ptrdiff_t i = 0; i < tasks; i++) {
        size_t block = (size_t)i / w->panels, j = (size_t)i % w->panels;
        const plan *p = set.of[block == blocks - 1][j == w->panels - 1];
        failed |= (int)run_block(p, &w->panel[j], x + block * rows * w->K, bias,
                                 y + block * rows * w->N);
    }
    if (!parallel) omp_set_num_threads(threads);
    for (int i = 0; i < 4; i++)
        if (set.of[i / 2][i % 2]) plan_release(w, set.of[i / 2][i % 2]);
    return failed ? fail_dnnl(err, (dnnl_status_t)failed, "packed product", M, w) : SNS_OK;
}
