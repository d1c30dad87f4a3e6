/* conv.c - convolutions by oneDNN 2.x; see conv.h.
 *
 * A call is a job: up to 16 groups of pictures (8 for the weights' gradient, each group of which
 * has sums of its own), a primitive for full groups and one for the last, the weights in the order
 * that each primitive likes. oneDNN runs a group on the calling thread only. */
#include "kernel/conv.h"
#include "base/error.h"
#include "base/memory.h"
#include "kernel/onednn.h"
#include <omp.h>
#include <string.h>

enum { GROUPS = 16, WEIGHT_GROUPS = 8, ADD_FLOATS = 1 << 16 };

typedef enum direction { FORWARD, BACKWARD_DATA, BACKWARD_WEIGHTS } direction;
/* How operands are given to oneDNN: as they are, as bfloat16, or rounded to bfloat16 but in f32
 * (where the processor lacks such products). */
typedef enum operand { PLAIN, HALF, ROUNDED } operand;

typedef struct conv_plan {
    dnnl_primitive_t primitive;
    dnnl_memory_desc_t x, y, W, scratch;
    void *weights; /* in W's order; NULL for BACKWARD_WEIGHTS */
} conv_plan;

typedef struct job {
    const sns_conv *c;
    direction direction;
    operand operand;
    size_t group, groups;      /* pictures in a full group; number of groups */
    size_t x_floats, y_floats; /* of one picture */
    conv_plan plan[2];         /* full group, last group */
    const float *x, *dy, *W;
    float *out;
    char *partial; /* BACKWARD_WEIGHTS: gradients of each group, in their plan's order */
    size_t partial_bytes;
} job;

static size_t weight_count(const sns_conv *c) {
    return c->out * c->in * c->kernel * c->kernel;
}

static dnnl_status_t plain_weights(const sns_conv *c, dnnl_memory_desc_t *d) {
    dnnl_dims_t dims = {(dnnl_dim_t)c->out, (dnnl_dim_t)c->in, (dnnl_dim_t)c->kernel,
                        (dnnl_dim_t)c->kernel};
    return dnnl_memory_desc_init_by_tag(d, 4, dims, dnnl_f32, dnnl_oihw);
}

static dnnl_status_t pictures(dnnl_memory_desc_t *d, size_t n, size_t channels, size_t H, size_t W,
                              dnnl_data_type_t type) {
    dnnl_dims_t dims = {(dnnl_dim_t)n, (dnnl_dim_t)channels, (dnnl_dim_t)H, (dnnl_dim_t)W};
    return dnnl_memory_desc_init_by_tag(d, 4, dims, type, dnnl_nhwc);
}

/* The descriptions of one direction; a gradient that comes out is f32. */
static dnnl_status_t describe(const job *j, direction way, size_t n, conv_plan *p,
                              dnnl_convolution_desc_t *op) {
    const sns_conv *c = j->c;
    dnnl_data_type_t in = j->operand == HALF ? dnnl_bf16 : dnnl_f32;
    dnnl_dims_t strides = {(dnnl_dim_t)c->stride, (dnnl_dim_t)c->stride};
    dnnl_dims_t pad = {(dnnl_dim_t)c->kernel / 2, (dnnl_dim_t)c->kernel / 2};
    dnnl_dims_t weights = {(dnnl_dim_t)c->out, (dnnl_dim_t)c->in, (dnnl_dim_t)c->kernel,
                           (dnnl_dim_t)c->kernel};
    dnnl_memory_desc_t any;
    dnnl_status_t s;
    if ((s = pictures(&p->x, n, c->in, c->H, c->W, way == BACKWARD_DATA ? dnnl_f32 : in)) ||
        (s = pictures(&p->y, n, c->out, sns_conv_side(c, c->H), sns_conv_side(c, c->W),
                      way == FORWARD ? dnnl_f32 : in)) ||
        (s = dnnl_memory_desc_init_by_tag(&any, 4, weights, way == BACKWARD_WEIGHTS ? dnnl_f32 : in,
                                          dnnl_format_tag_any)))
        return s;
    if (way == BACKWARD_DATA)
        return dnnl_convolution_backward_data_desc_init(op, dnnl_convolution_direct, &p->x, &any,
                                                        &p->y, strides, pad, pad);
    if (way == BACKWARD_WEIGHTS)
        return dnnl_convolution_backward_weights_desc_init(op, dnnl_convolution_direct, &p->x, &any,
                                                           NULL, &p->y, strides, pad, pad);
    return dnnl_convolution_forward_desc_init(op, dnnl_forward_training, dnnl_convolution_direct,
                                              &p->x, &any, NULL, &p->y, strides, pad, pad);
}

static dnnl_status_t make_primitive(const job *j, size_t n, dnnl_primitive_attr_t attr,
                                    conv_plan *p) {
    dnnl_convolution_desc_t op;
    dnnl_primitive_desc_t forward = NULL, pd = NULL;
    conv_plan hint;
    dnnl_status_t s = dnnl_success;
    if (j->direction != FORWARD && !(s = describe(j, FORWARD, n, &hint, &op)))
        s = dnnl_primitive_desc_create(&forward, &op, attr, sns_onednn_engine(), NULL);
    if (!s && !(s = describe(j, j->direction, n, p, &op)) &&
        !(s = dnnl_primitive_desc_create(&pd, &op, attr, sns_onednn_engine(), forward))) {
        dnnl_query_t weights = j->direction == BACKWARD_WEIGHTS ? dnnl_query_diff_weights_md
                                                                : dnnl_query_weights_md;
        p->W = *dnnl_primitive_desc_query_md(pd, weights, 0);
        p->scratch = *dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
        s = dnnl_primitive_create(&p->primitive, pd);
    }
    dnnl_primitive_desc_destroy(pd);
    dnnl_primitive_desc_destroy(forward);
    return s;
}

/* n floats rounded to bfloat16, as bfloat16 or as f32 (in place then allowed); NULL: no memory. */
static void *rounded(const float *from, size_t n, operand as) {
    const sns_kernels *k = sns_kernels_get();
    uint16_t *half = sns_aligned_alloc(n * sizeof *half);
    if (half) k->bf16_from_f32(half, from, n);
    if (!half || as == HALF) return half;
    float *wide = sns_aligned_alloc(n * sizeof *wide);
    if (wide) k->f32_from_bf16(wide, half, n);
    sns_aligned_free(half);
    return wide;
}

static dnnl_status_t place_weights(const job *j, conv_plan *p) {
    dnnl_memory_desc_t plain;
    float *copy = NULL;
    if (j->operand == ROUNDED && !(copy = rounded(j->W, weight_count(j->c), ROUNDED)))
        return dnnl_out_of_memory;
    p->weights = sns_aligned_alloc(dnnl_memory_desc_get_size(&p->W));
    dnnl_status_t s = p->weights ? plain_weights(j->c, &plain) : dnnl_out_of_memory;
    if (!s) s = sns_onednn_reorder(&plain, copy ? copy : j->W, &p->W, p->weights);
    sns_aligned_free(copy);
    return s;
}

static dnnl_status_t make_plans(job *j) {
    dnnl_primitive_attr_t attr = NULL;
    int threads = omp_get_max_threads();
    omp_set_num_threads(1); /* of this thread only: oneDNN plans for one thread */
    dnnl_status_t s = dnnl_primitive_attr_create(&attr);
    if (!s) s = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    for (size_t i = 0; i < 2 && !s; i++) {
        if (!i && j->groups == 1) continue;
        size_t n = i ? j->c->B - (j->groups - 1) * j->group : j->group;
        s = make_primitive(j, n, attr, &j->plan[i]);
        if (!s && j->direction != BACKWARD_WEIGHTS) s = place_weights(j, &j->plan[i]);
    }
    dnnl_primitive_attr_destroy(attr);
    omp_set_num_threads(threads);
    return s;
}

static void free_plans(job *j) {
    for (int i = 0; i < 2; i++) {
        dnnl_primitive_destroy(j->plan[i].primitive);
        sns_aligned_free(j->plan[i].weights);
        j->plan[i] = (conv_plan){0};
    }
}

/* Group i: pictures [first, first + n). */
static dnnl_status_t run_group(const job *j, size_t i) {
    const conv_plan *p = &j->plan[i == j->groups - 1];
    size_t first = i * j->group, n = i == j->groups - 1 ? j->c->B - first : j->group;
    const float *x = j->x ? j->x + first * j->x_floats : NULL;
    const float *dy = j->dy ? j->dy + first * j->y_floats : NULL;
    void *x_copy = NULL, *dy_copy = NULL;
    float *dx = NULL;
    if (j->operand != PLAIN && x) x_copy = rounded(x, n * j->x_floats, j->operand);
    if (j->operand != PLAIN && dy) dy_copy = rounded(dy, n * j->y_floats, j->operand);
    if (j->direction == BACKWARD_DATA) dx = sns_aligned_alloc(n * j->x_floats * sizeof *dx);
    bool ok = (j->operand == PLAIN || ((!x || x_copy) && (!dy || dy_copy))) &&
              (j->direction != BACKWARD_DATA || dx);
    const void *src = x_copy ? x_copy : x, *diff = dy_copy ? dy_copy : (const void *)dy;
    sns_onednn_arg forward[] = {{DNNL_ARG_SRC, &p->x, src},
                                {DNNL_ARG_WEIGHTS, &p->W, p->weights},
                                {DNNL_ARG_DST, &p->y, j->out + first * j->y_floats}};
    sns_onednn_arg data[] = {{DNNL_ARG_DIFF_DST, &p->y, diff},
                             {DNNL_ARG_WEIGHTS, &p->W, p->weights},
                             {DNNL_ARG_DIFF_SRC, &p->x, dx}};
    sns_onednn_arg weights[] = {{DNNL_ARG_SRC, &p->x, src},
                                {DNNL_ARG_DIFF_DST, &p->y, diff},
                                {DNNL_ARG_DIFF_WEIGHTS, &p->W, j->partial + i * j->partial_bytes}};
    const sns_onednn_arg *arg = j->direction == FORWARD         ? forward
                                : j->direction == BACKWARD_DATA ? data
                                                                : weights;
    dnnl_status_t s = ok ? sns_onednn_run(p->primitive, arg, 3, &p->scratch) : dnnl_out_of_memory;
    if (!s && dx) sns_kernels_get()->add(j->out + first * j->x_floats, dx, n * j->x_floats);
    sns_aligned_free(x_copy);
    sns_aligned_free(dy_copy);
    sns_aligned_free(dx);
    return s;
}

static dnnl_status_t run_groups(const job *j) {
    const sns_conv *c = j->c;
    bool parallel = j->groups > 1 &&
                    (double)c->B * (double)j->y_floats * (double)(weight_count(c) / c->out) > 1e6;
    int failed = 0, threads = omp_get_max_threads();
    if (!parallel) omp_set_num_threads(1);
#pragma omp parallel for schedule(dynamic) if (parallel) reduction(| : failed)
    for (size_t i = 0; i < j->groups; i++) failed |= (int)run_group(j, i);
    if (!parallel) omp_set_num_threads(threads);
    return (dnnl_status_t)failed;
}

/* y += x, cut by size */
static void add_all(float *y, const float *x, size_t n) {
    const sns_kernels *k = sns_kernels_get();
    size_t chunks = (n + ADD_FLOATS - 1) / ADD_FLOATS;
#pragma omp parallel for schedule(static) if (chunks > 1)
    for (size_t i = 0; i < chunks; i++) {
        size_t at = i * ADD_FLOATS;
        k->add(y + at, x + at, n - at < ADD_FLOATS ? n - at : ADD_FLOATS);
    }
}

/* dW += the partial sum at `from`, which lies in a plan's order. */
static dnnl_status_t take_partial(const job *j, const conv_plan *p, const char *from) {
    dnnl_memory_desc_t plain;
    size_t n = weight_count(j->c);
    float *copy = sns_aligned_alloc(n * sizeof *copy);
    dnnl_status_t s = copy ? plain_weights(j->c, &plain) : dnnl_out_of_memory;
    int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    if (!s) s = sns_onednn_reorder(&p->W, from, &plain, copy);
    omp_set_num_threads(threads);
    if (!s) add_all(j->out, copy, n);
    sns_aligned_free(copy);
    return s;
}

/* Full groups are summed in their order, then the last one is added. */
static dnnl_status_t sum_partials(const job *j) {
    size_t floats = j->partial_bytes / sizeof(float);
    for (size_t i = 1; i + 1 < j->groups; i++)
        add_all((float *)j->partial, (float *)(j->partial + i * j->partial_bytes), floats);
    dnnl_status_t s = j->groups > 1 ? take_partial(j, &j->plan[0], j->partial) : dnnl_success;
    return s ? s : take_partial(j, &j->plan[1], j->partial + (j->groups - 1) * j->partial_bytes);
}

static dnnl_status_t run_job(job *j) {
    dnnl_status_t s = make_plans(j);
    if (!s && j->direction == BACKWARD_WEIGHTS) {
        for (int i = 0; i < 2; i++) {
            size_t bytes = j->plan[i].primitive ? dnnl_memory_desc_get_size(&j->plan[i].W) : 0;
            if (bytes > j->partial_bytes) j->partial_bytes = (bytes + 63) / 64 * 64;
        }
        /* Cleared: the sums run over the longer order's padding too. */
        j->partial = sns_aligned_calloc(j->groups * j->partial_bytes);
        if (!j->partial) s = dnnl_out_of_memory;
    }
    if (!s) s = run_groups(j);
    if (!s && j->direction == BACKWARD_WEIGHTS) s = sum_partials(j);
    sns_aligned_free(j->partial);
    j->partial = NULL;
    free_plans(j);
    return s;
}

static sns_status run(job *j, sns_error *err) {
    const sns_conv *c = j->c;
    sns_status refused = sns_conv_check(c, err);
    if (refused || !c->B) return refused;
    size_t most = j->direction == BACKWARD_WEIGHTS ? WEIGHT_GROUPS : GROUPS;
    j->group = (c->B + most - 1) / most;
    j->groups = (c->B + j->group - 1) / j->group;
    j->x_floats = c->H * c->W * c->in;
    j->y_floats = sns_conv_side(c, c->H) * sns_conv_side(c, c->W) * c->out;
    j->operand = c->half ? HALF : PLAIN;
    dnnl_status_t s = sns_onednn_engine() ? run_job(j) : dnnl_unimplemented;
    if (s == dnnl_unimplemented && j->operand == HALF) {
        j->operand = ROUNDED;
        s = run_job(j);
    }
    if (!s) return SNS_OK;
    return sns_fail(err, s == dnnl_out_of_memory ? SNS_NOMEM : SNS_INTERNAL,
                    "oneDNN: convolution of %zu x %zu x %zu by %zu x %zu x %zu failed with status "
                    "%d",
                    c->in, c->H, c->W, c->out, c->kernel, c->kernel, (int)s);
}

sns_status sns_conv_forward(const sns_conv *c, const float *x, const float *W, float *y,
                            sns_error *err) {
    job j = {.c = c, .direction = FORWARD, .x = x, .W = W, .out = y};
    return run(&j, err);
}

sns_status sns_conv_backward_data(const sns_conv *c, const float *dy, const float *W, float *dx,
                                  sns_error *err) {
    job j = {.c = c, .direction = BACKWARD_DATA, .dy = dy, .W = W, .out = dx};
    return run(&j, err);
}

sns_status sns_conv_backward_weights(const sns_conv *c, const float *x, const float *dy, float *dW,
                                     sns_error *err) {
    job j = {.c = c, .direction = BACKWARD_WEIGHTS, .x = x, .dy = dy, .out = dW};
    return run(&j, err);
}
