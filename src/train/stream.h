/* stream.h - training samples from tar shards that need not fit in memory, in an order that follows
 * from the seed alone.
 *
 * An epoch reads the shards in an order drawn from (seed, epoch). Samples enter a window of N; each
 * draw takes a random one of it, and the next sample read fills its place. No batch holds two
 * samples of one concept: the second waits for the next batch. An epoch starts with an empty window
 * and leaves out what no longer fills a batch.
 *
 * Position: a batch follows from (epoch, number of the batch in its epoch). To go on at a step,
 * only that epoch is read again from its start, without decoding: no position in a file or pipe has
 * to be kept. */
#ifndef SNS_TRAIN_STREAM_H
#define SNS_TRAIN_STREAM_H
#include "train/pair_reader.h"

typedef struct sns_stream_options {
    const char *const *sources; /* see sns_name_list_expand */
    size_t source_count;
    size_t window;       /* samples; at least 1 */
    size_t window_bytes; /* it is full with so many bytes, too */
    size_t batch, spares;
    size_t sound_rate_hz; /* not 0: the samples are sounds */
    uint64_t seed;
    size_t rank, ranks;         /* of several readers, each gets other shards; 0, 1 */
    const char *langs;          /* "en=0.4,de=0.1": these get the first numbers; NULL: none */
    const volatile int *cancel; /* seeking ends with SNS_CANCELLED when nonzero; NULL ok */
    sns_warn_fn warn;           /* each damaged sample is told once */
    void *user;
} sns_stream_options;

/* Of a batch. Steps are counted over all epochs. */
typedef struct sns_stream_position {
    size_t epoch;
    size_t first_step; /* of this epoch */
} sns_stream_position;

typedef struct sns_stream_counts {
    size_t shards, samples, captions, langs; /* of the fullest epoch so far */
    size_t skipped;                          /* different ones left out so far */
} sns_stream_counts;

typedef struct sns_stream sns_stream;

/* Options are copied, the names too. Errors: SNS_ARG, SNS_MISSING (a shard is not there),
 * SNS_UNSUPPORTED (something else than tar), SNS_LIMIT, SNS_NOMEM. */
sns_status sns_stream_new(const sns_stream_options *o, sns_stream **out, sns_error *err);
void sns_stream_free(sns_stream *s);
/* The next batch: pairs [batch], held for the caller, and up to `spares` others whose concepts are
 * not in it, to take the place of unreadable pictures; *spares <- how many. Errors: SNS_ARG (a
 * whole epoch does not fill a batch), those of sns_pair_reader_next. */
sns_status sns_stream_next(sns_stream *s, sns_pair **pairs, size_t *spares, sns_stream_position *at,
                           sns_error *err);
/* Before the first batch: go to the batch of this step, which is in this epoch or starts the next.
 * Errors: also SNS_MISMATCH (the epoch is shorter than it was). */
sns_status sns_stream_seek(sns_stream *s, sns_stream_position at, size_t step, sns_error *err);
/* Reading, now and later, ends with SNS_CANCELLED soon. Any thread. */
void sns_stream_stop(sns_stream *s);
/* A picture that cannot be read: told and counted, once. Any thread. */
void sns_stream_skip(sns_stream *s, const char *message);
void sns_stream_count(sns_stream *s, sns_stream_counts *out);
/* Has no samples, but the languages that captions' numbers mean. Not while batches are read. */
const sns_dataset *sns_stream_langs(const sns_stream *s);
/* A hash of the shards' names and sizes and of all that decides about the order but the seed. */
uint64_t sns_stream_fingerprint(const sns_stream *s);
#endif
