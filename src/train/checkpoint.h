/* checkpoint.h - the state of a training run on disk. */
#ifndef SNS_TRAIN_CHECKPOINT_H
#define SNS_TRAIN_CHECKPOINT_H
#include "kernel/kernel.h"
#include <sensus/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SNS_PATH_CAP = 4096 };

/* What a run is at the end of a step. The sampler's and all random numbers' positions follow from
 * step and seed. Two states with different identity cannot follow each other. */
typedef struct sns_train_state {
    size_t total;                /* floats in each block */
    float *params, *m, *v, *ema; /* ema NULL: no averaged weights */
    size_t step;                 /* done */
    double loss_average;
    size_t stream_epoch, stream_first_step; /* of streamed data: the last step's epoch */
    uint64_t seed, data;                    /* data: the set's fingerprint */
    size_t batch;
    char geometry[160];
} sns_train_state;

/* Write dir/checkpoint-STEP.safetensors (complete or not at all), then remove all but the newest
 * two. path (SNS_PATH_CAP bytes) <- its name. Errors: SNS_IO, SNS_NOMEM. */
sns_status sns_checkpoint_save(const char *dir, const sns_train_state *s, const sns_kernels *k,
                               char *path, sns_error *err);
/* Name of the newest checkpoint, step <- its number; SNS_MISSING when there is none. */
sns_status sns_checkpoint_newest(const char *dir, char *path, size_t *step, sns_error *err);
/* The newest one's step below a step; false when there is none. */
bool sns_checkpoint_before(const char *dir, size_t step, size_t *before);
/* Fill the blocks, step, the stream's position and loss_average; seed, data, batch, geometry must
 * be what the checkpoint says, else SNS_MISMATCH. Errors: SNS_FORMAT (also a wrong checksum),
 * SNS_SHAPE, SNS_IO. */
sns_status sns_checkpoint_load(const char *path, sns_train_state *s, const sns_kernels *k,
                               sns_error *err);
#endif
