/* loader.h - batches prepared ahead of the training loop by their own threads. */
#ifndef SNS_TRAIN_LOADER_H
#define SNS_TRAIN_LOADER_H
#include "train/augment.h"
#include "train/dataset.h"
#include <sensus/tokenizer.h>

/* One batch, ready for the towers. Texts are packed: text i is ids[starts[i] ... starts[i+1]). */
typedef struct sns_batch {
    float *pixels;    /* [B, 3, S, S] */
    uint32_t *ids;    /* [starts[B]], at most B * context */
    size_t *starts;   /* [B + 1] */
    uint32_t *sample; /* [B] */
    size_t step, epoch;
    sns_status status; /* of preparing it */
    sns_error error;
} sns_batch;

typedef struct sns_loader_options {
    const sns_dataset *data;
    const uint64_t *concepts; /* [count of data] */
    const sns_tokenizer *tokenizer;
    sns_augment augment;
    size_t batch, context, cache_px, threads, first_step;
    uint64_t seed;
    bool no_flip;
    const char *lang_weight; /* "en=0.4,de=0.1" */
} sns_loader_options;

typedef struct sns_loader sns_loader;

/* Starts the threads. All that o points to is borrowed. Errors: SNS_ARG (batch and data, languages'
 * weights), SNS_NOMEM. */
sns_status sns_loader_new(const sns_loader_options *o, sns_loader **out, sns_error *err);
void sns_loader_free(sns_loader *l);
/* The next step's batch, in order; borrowed until the next call. Its own failure is returned. */
sns_status sns_loader_next(sns_loader *l, const sns_batch **batch, sns_error *err);
#endif
