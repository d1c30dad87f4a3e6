/* tape.c - the tape: an arena, a list of nodes, the first error. */
#include "tensor/tape.h"
#include "base/error.h"
#include <math.h>
#include <stdarg.h>

/* Gradients at least this large are cleared by all threads. */
enum { PARALLEL_CLEAR_FLOATS = 1 << 18 };

typedef struct node {
    struct node *previous;
    sns_backward_fn backward;
    void *context;
} node;

/* A tensor whose gradient is made when the backward pass comes to its segment. */
typedef struct inside {
    struct inside *previous;
    sns_tensor *tensor;
} inside;

struct sns_tape {
    const sns_kernels *kernels;
    sns_gemm_fn *gemm;
    bool record, training, replay;
    double checkpoint; /* share of the segments that drop their insides */
    size_t segments;   /* so far */
    bool dropping;     /* inside a segment's forward pass: nothing will go backwards through it */
    bool deferring;    /* inside a segment's forward pass: gradients come later */
    sns_arena *arena;
    node *last;
    inside *deferred;
    sns_error error;
};

sns_tape *sns_tape_new(const sns_kernels *kernels, bool record) {
    sns_tape *tape = calloc(1, sizeof *tape);
    if (!tape) return NULL;
    tape->arena = sns_arena_new();
    if (!tape->arena) {
        free(tape);
        return NULL;
    }
    tape->kernels = kernels;
    tape->gemm = sns_gemm;
    tape->record = tape->training = record;
    return tape;
}

void sns_tape_free(sns_tape *tape) {
    if (!tape) return;
    sns_arena_free(tape->arena);
    free(tape);
}

void sns_tape_reset(sns_tape *tape) {
    sns_arena_reset(tape->arena);
    tape->last = NULL;
    tape->error = (sns_error){0};
    tape->dropping = tape->deferring = false;
    tape->deferred = NULL;
    tape->segments = 0;
}

bool sns_tape_recording(const sns_tape *tape) {
    return tape->record;
}

const sns_kernels *sns_tape_kernels(const sns_tape *tape) {
    return tape->kernels;
}

sns_gemm_fn *sns_tape_gemm(const sns_tape *tape) {
    return tape->gemm;
}

void sns_tape_set_gemm(sns_tape *tape, sns_gemm_fn *gemm) {
    tape->gemm = gemm;
}

bool sns_tape_training(const sns_tape *tape) {
    return tape->training;
}

void sns_tape_set_training(sns_tape *tape, bool training) {
    tape->training = training;
}

bool sns_tape_replay(const sns_tape *tape) {
    return tape->replay;
}

void sns_tape_set_replay(sns_tape *tape, bool replay) {
    tape->replay = replay;
}

void sns_tape_set_checkpointing(sns_tape *tape, double share) {
    tape->checkpoint = share;
}

sns_arena *sns_tape_arena(sns_tape *tape) {
    return tape->arena;
}

sns_status sns_tape_status(const sns_tape *tape, sns_error *err) {
    if (tape->error.code && err) *err = tape->error;
    return tape->error.code;
}

void sns_tape_fail(sns_tape *tape, sns_status code, const char *fmt, ...) {
    if (tape->error.code) return;
    char message[sizeof tape->error.message];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    sns_fail(&tape->error, code, "%s", message);
}

void *sns_tape_alloc(sns_tape *tape, size_t n) {
    if (tape->error.code) return NULL;
    void *p = sns_arena_alloc(tape->arena, n);
    if (!p) sns_tape_fail(tape, SNS_NOMEM, "no memory for %zu bytes on the tape", n);
    return p;
}

sns_tensor *sns_tape_wrap(sns_tape *tape, float *data, float *grad, int dims, const size_t *dim) {
    sns_tensor *x = sns_tape_alloc(tape, sizeof *x);
    if (!x) return NULL;
    *x = (sns_tensor){.data = data, .grad = grad};
    if (!sns_tensor_set_shape(x, dims, dim)) {
        sns_tape_fail(tape, SNS_LIMIT, "tensor with %d dimensions is too large", dims);
        return NULL;
    }
    return x;
}

/* Large blocks are cut by size, so that the first touch and the bandwidth are shared by threads. */
static void clear(float *x, size_t n) {
    size_t chunk = PARALLEL_CLEAR_FLOATS, chunks = (n + chunk - 1) / chunk;
#pragma omp parallel for schedule(static) if (chunks > 1)
    for (size_t i = 0; i < chunks; i++) {
        size_t begin = i * chunk, end = begin + chunk < n ? begin + chunk : n;
        memset(x + begin, 0, (end - begin) * sizeof *x);
    }
}

static bool make_gradient(sns_tape *tape, sns_tensor *x) {
    size_t n = x->rows * x->cols;
    if (!(x->grad = sns_tape_alloc(tape, n * sizeof(float)))) return false;
    clear(x->grad, n);
    return true;
}

static bool defer_gradient(sns_tape *tape, sns_tensor *x) {
    inside *i = sns_tape_alloc(tape, sizeof *i);
    if (!i) return false;
    *i = (inside){tape->deferred, x};
    tape->deferred = i;
    return true;
}

sns_tensor *sns_tape_tensor(sns_tape *tape, int dims, const size_t *dim) {
    sns_tensor *x = sns_tape_wrap(tape, NULL, NULL, dims, dim);
    if (!x) return NULL;
    size_t n = x->rows * x->cols;
    if (!(x->data = sns_tape_alloc(tape, n * sizeof(float)))) return NULL;
    if (!tape->record || tape->dropping) return x;
    return (tape->deferring ? defer_gradient(tape, x) : make_gradient(tape, x)) ? x : NULL;
}

sns_tensor *sns_tape_matrix(sns_tape *tape, size_t rows, size_t cols) {
    return sns_tape_tensor(tape, 2, (size_t[]){rows, cols});
}

void *sns_tape_push(sns_tape *tape, sns_backward_fn backward, size_t size) {
    if (!tape->record) return NULL;
    node *n = sns_tape_alloc(tape, sizeof *n);
    void *context = sns_tape_alloc(tape, size);
    if (!n || !context) return NULL;
    memset(context, 0, size);
    *n = (node){.previous = tape->last, .backward = backward, .context = context};
    tape->last = n;
    return context;
}

/* ---- segments ---- */

static void run_backward(sns_tape *tape, const node *at) {
    for (; at && !tape->error.code; at = at->previous) at->backward(tape, at->context);
}

/* Kept: the inside stays, its gradients live while the backward pass is in it. */
typedef struct kept_segment {
    const node *last;
    inside *tensors;
} kept_segment;

static void kept_backward(sns_tape *tape, void *context) {
    const kept_segment *s = context;
    sns_arena_mark mark = sns_arena_get_mark(tape->arena);
    for (inside *i = s->tensors; i; i = i->previous)
        if (!make_gradient(tape, i->tensor)) return;
    run_backward(tape, s->last);
    for (inside *i = s->tensors; i; i = i->previous) i->tensor->grad = NULL;
    sns_arena_release(tape->arena, mark);
}

/* The output's gradient is written from outside: it is no longer one of the inside's. */
static void take_out(inside **list, const sns_tensor *y) {
    while (*list && (*list)->tensor != y) list = &(*list)->previous;
    if (*list) *list = (*list)->previous;
}

static sns_tensor *run_kept(sns_tape *tape, sns_segment_fn *run, void *context, sns_tensor *x) {
    node *last = tape->last;
    inside *deferred = tape->deferred;
    bool deferring = tape->deferring;
    tape->last = NULL;
    tape->deferred = NULL;
    tape->deferring = true;
    sns_tensor *y = run(tape, context, x);
    kept_segment s = {tape->last, tape->deferred};
    tape->last = last;
    tape->deferred = deferred;
    tape->deferring = deferring;
    if (!y) return NULL;
    take_out(&s.tensors, y);
    if (!y->grad && !(deferring ? defer_gradient(tape, y) : make_gradient(tape, y))) return NULL;
    kept_segment *at = sns_tape_push(tape, kept_backward, sizeof *at);
    if (at) *at = s;
    return at ? y : NULL;
}

/* Dropped: only input and output stay, the inside is computed again. */
typedef struct dropped_segment {
    sns_segment_fn *run;
    void *context;
    sns_tensor *x, *y;
} dropped_segment;

static void dropped_backward(sns_tape *tape, void *context) {
    const dropped_segment *s = context;
    sns_arena_mark mark = sns_arena_get_mark(tape->arena);
    node *last = tape->last;
    bool replay = tape->replay;
    tape->last = NULL;
    tape->replay = true;
    sns_tensor *y = s->run(tape, s->context, s->x);
    if (y) memcpy(y->grad, s->y->grad, s->y->rows * s->y->cols * sizeof(float));
    run_backward(tape, tape->last);
    tape->last = last;
    tape->replay = replay;
    sns_arena_release(tape->arena, mark);
}

static sns_tensor *run_dropped(sns_tape *tape, dropped_segment s, int dims, const size_t *dim) {
    if (!(s.y = sns_tape_tensor(tape, dims, dim))) return NULL;
    sns_arena_mark mark = sns_arena_get_mark(tape->arena);
    node *last = tape->last;
    tape->dropping = true;
    const sns_tensor *y = s.run(tape, s.context, s.x);
    tape->dropping = false;
    tape->last = last;
    if (y && (y->rows != s.y->rows || y->cols != s.y->cols))
        sns_tape_fail(tape, SNS_SHAPE, "a segment of the tape gave %zu x %zu, not %zu x %zu",
                      y->rows, y->cols, s.y->rows, s.y->cols);
    else if (y)
        memcpy(s.y->data, y->data, s.y->rows * s.y->cols * sizeof(float));
    sns_arena_release(tape->arena, mark);
    dropped_segment *at = y ? sns_tape_push(tape, dropped_backward, sizeof *at) : NULL;
    if (at) *at = s;
    return sns_tape_status(tape, NULL) ? NULL : s.y;
}

/* Spread evenly: of n segments n * share, rounded down. */
static bool drops_next(sns_tape *tape) {
    double before = floor((double)tape->segments * tape->checkpoint);
    return floor((double)++tape->segments * tape->checkpoint) > before;
}

sns_tensor *sns_tape_segment(sns_tape *tape, sns_segment_fn *run, const void *context, size_t size,
                             sns_tensor *x, size_t rows) {
    return sns_tape_segment_shaped(tape, run, context, size, x, 2,
                                   (size_t[]){rows, x ? x->cols : 0});
}

sns_tensor *sns_tape_segment_shaped(sns_tape *tape, sns_segment_fn *run, const void *context,
                                    size_t size, sns_tensor *x, int dims, const size_t *dim) {
    if (!x) return NULL;
    void *copy = sns_tape_alloc(tape, size);
    if (!copy) return NULL;
    memcpy(copy, context, size);
    if (!tape->record || tape->dropping) return run(tape, copy, x);
    if (!drops_next(tape)) return run_kept(tape, run, copy, x);
    return run_dropped(tape, (dropped_segment){run, copy, x, NULL}, dims, dim);
}

sns_arena_mark sns_tape_mark(sns_tape *tape) {
    return sns_arena_get_mark(tape->arena);
}

void sns_tape_release(sns_tape *tape, sns_arena_mark mark) {
    if (!tape->record) sns_arena_release(tape->arena, mark);
}

sns_status sns_tape_backward(sns_tape *tape, sns_tensor *out, const float *seed, sns_error *err) {
    if (!tape->error.code && (!tape->record || !out || !out->grad))
        sns_tape_fail(tape, SNS_ARG, "backward needs a recording tape and an output of its own");
    if (tape->error.code) return sns_tape_status(tape, err);
    size_t n = out->rows * out->cols;
    for (size_t i = 0; i < n; i++) out->grad[i] = seed ? seed[i] : 1;
    run_backward(tape, tape->last);
    return sns_tape_status(tape, err);
}
