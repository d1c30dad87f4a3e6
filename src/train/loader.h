/* loader.h - batches prepared ahead of the training loop by their own threads, whole or in pieces.
 *
 * A step's batch is `batch` places. This loader prepares `places` of them from place `first` on
 * (one process' share), at most `piece` at a time, and all of them `passes` times over: a large
 * batch is never in memory as a whole. What is random in a place follows from (seed, step, place)
 * only, so the second pass brings the same bytes as the first. */
#ifndef SNS_TRAIN_LOADER_H
#define SNS_TRAIN_LOADER_H
#include "train/augment.h"
#include "train/dataset.h"
#include "train/sound_augment.h"
#include "train/stream.h"
#include <sensus/tokenizer.h>

/* A batch or a piece of one, n = count, ready for the towers. Texts are packed: text i is
 * ids[starts[i] ... starts[i+1]). */
typedef struct sns_batch {
    float *pixels;         /* [n, 3, S, S]; of sounds [n, frames, mels] */
    uint32_t *ids;         /* [starts[n]], at most n * context */
    size_t *starts;        /* [n + 1] */
    uint32_t *sample;      /* [n]; not of a stream */
    const char **captions; /* [n]: the texts themselves, NUL-terminated; borrowed */
    sns_pair **pairs;      /* [n + spares] of a stream */
    size_t spares;
    sns_stream_position at; /* of a stream */
    size_t first, count;    /* places first ... first + count - 1 of the step's batch */
    size_t pass, step, epoch;
    sns_status status; /* of preparing it */
    sns_error error;
} sns_batch;

/* Others that a streamed batch brings along in case that pictures cannot be read. */
enum { SNS_LOADER_SPARES = 32 };

typedef struct sns_loader_options {
    const sns_dataset *data;
    const uint64_t *concepts; /* [count of data] */
    sns_stream *stream;       /* instead of these two: at first_step, its batches are `places` */
    bool squash;              /* of a stream: whole pictures, squeezed */
    const sns_tokenizer *tokenizer;
    sns_augment augment;
    sns_sound_augment sound; /* instead, when it has a mel: the samples are sounds */
    size_t batch, context, cache_px, threads, first_step;
    size_t first, places; /* this loader's places; places 0: all */
    size_t piece;         /* places at a time; 0: all of them */
    size_t passes;        /* 0: 1 */
    uint64_t seed;
    bool no_flip;
    const sns_isolation *isolation; /* where a stream's sounds are decoded; NULL: here */
    const char *lang_weight;        /* "en=0.4,de=0.1" */
} sns_loader_options;

typedef struct sns_loader sns_loader;

/* Starts the threads. All that o points to is borrowed. Errors: SNS_ARG (batch and data, languages'
 * weights, places), SNS_NOMEM. */
sns_status sns_loader_new(const sns_loader_options *o, sns_loader **out, sns_error *err);
void sns_loader_free(sns_loader *l);
/* The next piece: of a pass in order of place, of a step in order of pass; then the next step.
 * Borrowed until the next call. Its own failure is returned. */
sns_status sns_loader_next(sns_loader *l, const sns_batch **batch, sns_error *err);
#endif
