/* sound_reader.h - a recording, or the sound of a film, as vectors: a batch of windows at a time.
 */
#ifndef SNS_EMBED_SOUND_READER_H
#define SNS_EMBED_SOUND_READER_H
#include <sensus/model.h>
#include <sensus/video.h>
#include <stdbool.h>

typedef struct sns_sound_reading {
    size_t after;                   /* windows that are passed over: to go on behind them */
    double max_seconds;             /* what is longer is cut there */
    const int *cancel;              /* NULL ok */
    const sns_isolation *isolation; /* where to decode; NULL: in this process */
} sns_sound_reading;

typedef struct sns_sound_batch {
    size_t count;          /* windows; 0: the sound has ended */
    const sns_span *spans; /* [count]: the time to which a window is the nearest, and its middle */
    const float *vectors;  /* [count, E], of unit length */
    bool more;             /* something follows */
} sns_sound_batch;         /* borrowed until the next call */

typedef struct sns_sound_reader sns_sound_reader;

/* The windows of sns_encode_sound, which overlap by half. model: one that hears. Errors: those of
 * sns_sound_load, SNS_SHAPE (it has no audio tower), SNS_NOMEM. */
sns_status sns_sound_reader_open(const sns_model *model, const char *path,
                                 const sns_sound_reading *o, sns_sound_reader **out,
                                 sns_error *err);
/* The next batch; `after` a batch's end, the same ones follow. Errors: those of sns_sound_load,
 * SNS_FORMAT (the model gives NaN). */
sns_status sns_sound_reader_next(sns_sound_reader *r, sns_sound_batch *out, sns_error *err);
size_t sns_sound_reader_damaged(const sns_sound_reader *r); /* parts that are missing */
void sns_sound_reader_free(sns_sound_reader *r);            /* NULL ok */
#endif
