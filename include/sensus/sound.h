/* sound.h - reading recordings, songs and the sound of films, by FFmpeg. */
#ifndef SENSUS_SOUND_H
#define SENSUS_SOUND_H
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

/* A sound as a WAV file of 16 bits. *bytes is malloc'd. Errors: SNS_ARG (empty), SNS_LIMIT (more
 * than 2 GiB), SNS_NOMEM. */
SNS_API sns_status sns_sound_encode_wav(const sns_sound *sound, uint8_t **bytes, size_t *size,
                                        sns_error *err);
#endif
