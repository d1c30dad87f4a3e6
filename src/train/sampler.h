/* sampler.h - which samples make up each batch: fixed by the seed alone. */
#ifndef SNS_TRAIN_SAMPLER_H
#define SNS_TRAIN_SAMPLER_H
#include <sensus/status.h>
#include <stddef.h>
#include <stdint.h>

/* Purposes of random streams (sns_rng_seed_at): what is drawn for one never shifts another. */
enum {
    SNS_STREAM_EPOCH = 101, /* an epoch's order; index = epoch */
    SNS_STREAM_AUGMENT,     /* crop, mirror, colour; index = step * batch + place */
    SNS_STREAM_CAPTION,     /* which caption; the same index */
    SNS_STREAM_PATCHES      /* which patches are left out; the same index */
};

typedef struct sns_sampler sns_sampler;

/* concepts [count]: 0 for none. Borrowed while the sampler lives. Errors: SNS_ARG (no batch without
 * a repeated concept is possible), SNS_NOMEM. */
sns_status sns_sampler_new(const uint64_t *concepts, size_t count, size_t batch, uint64_t seed,
                           sns_sampler **out, sns_error *err);
void sns_sampler_free(sns_sampler *s);
/* The next batch, `batch` sample numbers; returns the epoch (from 0) that it belongs to. A sample
 * whose concept is already in the batch waits for the next batch; at an epoch's end those that no
 * longer fill a batch are left out. */
size_t sns_sampler_next(sns_sampler *s, uint32_t *batch);
#endif
