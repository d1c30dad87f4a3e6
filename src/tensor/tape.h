/* tape.h - reverse-mode automatic differentiation for everything that learns by gradients.
 *
 * A layer's forward function computes its output from sns_tape_tensor storage and, when the tape
 * records, pushes a node: its backward function and a context in the tape's arena.
 * sns_tape_backward runs the nodes last to first. Without recording nothing is kept and gradients
 * are NULL: the same layers then serve inference. Errors are sticky: a layer given NULL returns
 * NULL, so a model reads without checks and asks sns_tape_status once. */
#ifndef SNS_TENSOR_TAPE_H
#define SNS_TENSOR_TAPE_H
#include "base/memory.h"
#include "kernel/gemm.h"
#include <sensus/status.h>

enum { SNS_MAX_DIMS = 4 };

/* A dense row-major f32 tensor. As a matrix it has `rows` = product of all dims but the last,
 * `cols` = the last. */
typedef struct sns_tensor {
    float *data; /* borrowed or in the tape's arena */
    float *grad; /* same shape; NULL when no gradient is wanted */
    int dims;
    size_t dim[SNS_MAX_DIMS];
    size_t rows, cols;
} sns_tensor;

typedef struct sns_tape sns_tape;
typedef void (*sns_backward_fn)(sns_tape *tape, void *context);

/* A tape with its own arena; `record` false for inference. NULL: no memory. */
sns_tape *sns_tape_new(const sns_kernels *kernels, bool record);
void sns_tape_free(sns_tape *tape);
/* Forget all nodes and tensors, keep the memory for the next round. Clears the status. */
void sns_tape_reset(sns_tape *tape);

bool sns_tape_recording(const sns_tape *tape);
const sns_kernels *sns_tape_kernels(const sns_tape *tape);
sns_arena *sns_tape_arena(sns_tape *tape);
/* How layers multiply matrices: sns_gemm unless set to sns_gemm_bf16. */
sns_gemm_fn *sns_tape_gemm(const sns_tape *tape);
void sns_tape_set_gemm(sns_tape *tape, sns_gemm_fn *gemm);

/* What layers with running statistics (batch norm) need to know. Training: normalise by the batch's
 * own statistics; so on a tape that records, and on one that says so. Replay: this forward pass
 * repeats an earlier one of the same inputs, whose effect on running statistics is not repeated. */
bool sns_tape_training(const sns_tape *tape);
void sns_tape_set_training(sns_tape *tape, bool training);
bool sns_tape_replay(const sns_tape *tape);
void sns_tape_set_replay(sns_tape *tape, bool replay);

/* Set dims, dim, rows and cols (no dims: a scalar, rows = cols = 1); false when it has more than
 * SNS_MAX_DIMS dims or its bytes overflow. */
bool sns_tensor_set_shape(sns_tensor *x, int dims, const size_t *dim);

/* A new tensor, data not cleared; when recording, grad is there and cleared by the time a backward
 * function sees it (in a segment, not before). A backward function
 * may overwrite the gradient of its own output: after sns_tape_backward only the gradients of
 * parameters and inputs are defined. */
sns_tensor *sns_tape_tensor(sns_tape *tape, int dims, const size_t *dim);
/* [rows, cols] */
sns_tensor *sns_tape_matrix(sns_tape *tape, size_t rows, size_t cols);
/* A tensor over the caller's memory (parameters, inputs); grad may be NULL. */
sns_tensor *sns_tape_wrap(sns_tape *tape, float *data, float *grad, int dims, const size_t *dim);
/* n bytes in the arena that live until reset; NULL sets the status. */
void *sns_tape_alloc(sns_tape *tape, size_t n);

/* Push a node whose context has `size` bytes in the arena, cleared; NULL when not recording or out
 * of memory. */
void *sns_tape_push(sns_tape *tape, sns_backward_fn backward, size_t size);

/* A part of a model, y = run(x) [rows, x's columns]: the gradients of what it computes inside share
 * memory with those of all other segments, since they live only while the backward pass is in it.
 * In a segment that checkpoints (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost")
 * only x and y stay, and the backward pass computes the inside again, as a replay, before it goes
 * through it. Gradients are the same to the bit. `size` bytes of context are copied; what they
 * point to must live as long as the tape's round. Unless the tape records, this is run(x). */
typedef sns_tensor *sns_segment_fn(sns_tape *tape, void *context, sns_tensor *x);
sns_tensor *sns_tape_segment(sns_tape *tape, sns_segment_fn *run, const void *context, size_t size,
                             sns_tensor *x, size_t rows);
/* The same for a y of another shape. */
sns_tensor *sns_tape_segment_shaped(sns_tape *tape, sns_segment_fn *run, const void *context,
                                    size_t size, sns_tensor *x, int dims, const size_t *dim);
/* The share of the segments that checkpoint, 0 (as at first) to 1. */
void sns_tape_set_checkpointing(sns_tape *tape, double share);

/* Inference only: what was allocated after the mark is released, unless the tape records (then a
 * no-op). */
sns_arena_mark sns_tape_mark(sns_tape *tape);
void sns_tape_release(sns_tape *tape, sns_arena_mark mark);

/* d(sum of out * seed): copies seed [out's shape] (NULL: ones) into out->grad and runs all nodes
 * backwards. */
sns_status sns_tape_backward(sns_tape *tape, sns_tensor *out, const float *seed, sns_error *err);

/* The first failure since the last reset. A backward function reports its own through sns_tape_fail
 * too. */
sns_status sns_tape_status(const sns_tape *tape, sns_error *err);
void sns_tape_fail(sns_tape *tape, sns_status code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
#endif
