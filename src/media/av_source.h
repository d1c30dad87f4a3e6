/* av_source.h - the bytes of one film or recording, as FFmpeg reads them. */
#ifndef SNS_MEDIA_AV_SOURCE_H
#define SNS_MEDIA_AV_SOURCE_H
#include <libavformat/avio.h>
#include <sensus/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A regular file, or memory. Reading stops with AVERROR_EXIT at the deadline or when the caller
 * cancels. */
typedef struct sns_av_source {
    int fd; /* -1: memory */
    const uint8_t *bytes;
    int64_t size, at;
    double deadline;   /* of sns_av_clock; 0: none */
    bool late;         /* the deadline has passed during a call */
    const int *cancel; /* NULL ok */
} sns_av_source;

/* Seconds of a clock that only goes forward. */
double sns_av_clock(void);
/* Has the time run out, or has the caller cancelled? For AVIOInterruptCB: source is the opaque. */
int sns_av_interrupted(void *source);

/* Open a regular file. Errors: SNS_MISSING, SNS_IO. */
sns_status sns_av_source_file(const char *path, sns_av_source *out, sns_error *err);
/* The context FFmpeg reads from; NULL: no memory. The source must not move. */
AVIOContext *sns_av_source_context(sns_av_source *source);
/* Frees what the two made; *io may be NULL. */
void sns_av_source_close(sns_av_source *source, AVIOContext **io);
#endif
