/* film_reader.h - a film as vectors, a batch of samples at a time. The next batch is decoded by a
 * thread while this one is encoded. */
#ifndef SNS_EMBED_FILM_READER_H
#define SNS_EMBED_FILM_READER_H
#include <sensus/model.h>
#include <sensus/video.h>
#include <stdbool.h>

/* A pyramid of a frame: all of it, then what halves of its sides cut out, that overlap by half. */
enum { SNS_VIEWS = 10 };

typedef struct sns_film_reading {
    sns_sample_options sampling;
    size_t pictures;                /* encoded at once; 0: 16; at most 1024 */
    double seconds;                 /* of the film, after which a batch ends; 0: any */
    bool regions;                   /* SNS_VIEWS vectors of each sample; else one */
    size_t threads, max_pixels;     /* video.h */
    const int *cancel;              /* NULL ok */
    const sns_isolation *isolation; /* where to decode; NULL: in this process */
} sns_film_reading;

typedef struct sns_film_batch {
    size_t count;          /* samples; 0: the film has ended */
    const sns_span *spans; /* [count] */
    const float *vectors;  /* [count, views, E], of unit length */
    sns_sampling next;     /* how to go on behind them; seconds 0: nothing follows */
} sns_film_batch;          /* borrowed until the next call */

typedef struct sns_film_reader sns_film_reader;

/* path and what o points at are borrowed until sns_film_reader_free. Errors: those of
 * sns_video_open (of sns_worker_open, with an isolation), SNS_SHAPE (no image tower), SNS_ARG,
 * SNS_NOMEM. */
sns_status sns_film_reader_open(const sns_model *model, const char *path, const sns_film_reading *o,
                                sns_film_reader **out, sns_error *err);
/* The next batch. Batches follow from the film and the options alone: one that goes on where
 * another ended (sampling.after) gives the same ones. Samples before a failure that is the film's
 * own (SNS_FORMAT, SNS_LIMIT, SNS_UNSUPPORTED) come first, as a batch of their own; then it is
 * told. Errors: those of sns_video_next, SNS_FORMAT (no frame at all can be read; the model gives
 * NaN). */
sns_status sns_film_reader_next(sns_film_reader *r, sns_film_batch *out, sns_error *err);
double sns_film_reader_duration(const sns_film_reader *r); /* as announced; 0: unknown */
size_t sns_film_reader_damaged(const sns_film_reader *r);  /* packets and frames passed over */
void sns_film_reader_free(sns_film_reader *r);             /* NULL ok */
#endif
