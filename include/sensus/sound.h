/* sound.h - reading recordings, songs and the sound of films, by FFmpeg. */
#ifndef SENSUS_SOUND_H
#define SENSUS_SOUND_H
#include <sensus/image.h>
#include <sensus/isolation.h>
#include <sensus/status.h>
#include <stddef.h>
#include <stdint.h>

/* Mono sound, owned. */
typedef struct sns_sound {
    float *samples; /* [count], -1 ... 1 */
    size_t count;   /* at least 1 */
    size_t rate_hz;
    size_t damaged; /* parts that could not be decoded and are missing */
} sns_sound;

typedef struct sns_sound_options {
    size_t rate_hz;        /* resample to this rate, 1000 to 192000; 0: 16000 */
    double max_seconds;    /* refuse longer sound; 0: 3600 */
    int cut;               /* nonzero: what is longer is cut there instead */
    double budget_seconds; /* that all of it may take to read; 0: 600. Opening it, and each of its
                              frames, may take 30 at most */
    const int *cancel;     /* NULL, or a flag: soon after it becomes nonzero the call ends with
                              SNS_CANCELLED */
    const sns_isolation *isolation; /* decode in a process of its own; NULL: in this one */
    size_t max_memory;              /* bytes that such a process may take; 0: 4 GiB */
} sns_sound_options;

/* Read a file's sound (of a film: its best track), all channels mixed into one, at one rate.
 * Damaged parts are left out and counted; a file that is cut off is heard as far as it goes.
 *   options  NULL: all defaults       *out  free with sns_sound_free; zeroed after a failure
 * Errors: SNS_MISSING (no such file, or no sound in it), SNS_IO, SNS_FORMAT (no recording that is
 * known; nothing of it can be decoded; samples that are no numbers), SNS_UNSUPPORTED (no decoder;
 * channels that can't be mixed), SNS_LIMIT (longer than max_seconds; takes too long), SNS_ARG,
 * SNS_CANCELLED, SNS_NOMEM. In a process of its own also: SNS_FORMAT (its decoder crashed),
 * SNS_LIMIT (it hung, or took more than max_memory), SNS_IO (no process). Threads: any. */
SNS_API sns_status sns_sound_load(const char *path, const sns_sound_options *options,
                                  sns_sound *out, sns_error *err);
/* The same from memory; name is only used in messages. */
SNS_API sns_status sns_sound_decode(const void *bytes, size_t size, const char *name,
                                    const sns_sound_options *options, sns_sound *out,
                                    sns_error *err);
SNS_API void sns_sound_free(sns_sound *sound);

/* The same a part at a time, in this process, for sound that is too long to be held. */
typedef struct sns_sound_stream sns_sound_stream; /* one thread at a time */
/* Open as sns_sound_load does. The parts, one after the other, are the samples that it gives.
 *   *out  close with sns_sound_stream_close */
SNS_API sns_status sns_sound_stream_open(const char *path, const sns_sound_options *options,
                                         sns_sound_stream **out, sns_error *err);
SNS_API void sns_sound_stream_close(sns_sound_stream *stream); /* NULL ok */
/* The next samples, at least so many unless the sound ends; none (count 0) when it has ended.
 *   *out  borrowed until the next call. Errors: those of sns_sound_load. */
SNS_API sns_status sns_sound_stream_next(sns_sound_stream *stream, size_t least,
                                         const sns_sound **out, sns_error *err);
/* When the first sample is heard, in seconds since the file's first time stamp; known after the
 * first part. NaN: the file doesn't say. */
SNS_API double sns_sound_stream_start(const sns_sound_stream *stream);

/* A sound as a WAV file of 16 bits. *bytes is malloc'd. Errors: SNS_ARG (empty), SNS_LIMIT (more
 * than 2 GiB), SNS_NOMEM. */
SNS_API sns_status sns_sound_encode_wav(const sns_sound *sound, uint8_t **bytes, size_t *size,
                                        sns_error *err);

/* A sound as a picture for people: time to the right, pitch (mel bands) upwards, loud is bright.
 *   out  free with sns_image_free. Errors: SNS_ARG (less than 10 ms; a rate below 8,000 or above
 * 160,000 Hz; a size of 0 or more than 4096), SNS_NOMEM (57 KB a second are needed). */
SNS_API sns_status sns_sound_picture(const sns_sound *sound, size_t width_px, size_t height_px,
                                     sns_image *out, sns_error *err);
#endif
