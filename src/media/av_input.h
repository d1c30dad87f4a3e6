/* av_input.h - one stream of a film or recording through FFmpeg: open within limits, frames in the
 * order in which they are shown, exact times, seek.
 *
 * Serves video and sound alike: sns_av_next gives AVFrames, pictures or samples as the decoder has
 * them; video.c makes pictures of them. */
#ifndef SNS_MEDIA_AV_INPUT_H
#define SNS_MEDIA_AV_INPUT_H
#include "media/av_source.h"
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

typedef struct sns_av_options {
    size_t max_pixels;     /* refuse larger pictures; 0: 64 million */
    int threads;           /* of the decoder; 0: one */
    double budget_seconds; /* that opening, one seek or one frame may take; 0: 30 */
    const int *cancel;     /* NULL, or a flag: when it becomes nonzero, calls end (SNS_CANCELLED) */
} sns_av_options;

/* An open file with the decoder of one of its streams. One thread at a time. */
typedef struct sns_av_input {
    char *name; /* for messages */
    AVFormatContext *format;
    AVStream *stream; /* the one that is read; all others are dropped by the demuxer */
    AVCodecContext *decoder;
    size_t damaged; /* packets that could not be read or decoded, so far; they are passed over */
    void (*on_frame)(void *user); /* NULL, or called before each frame is decoded */
    void *user;

    /* av_input.c's own: */
    sns_av_source source;
    AVIOContext *io;
    AVPacket *packet;
    AVFrame *frame;
    double budget_seconds;
    int64_t origin; /* the first time stamp of all streams of video and sound, in origin_base */
    AVRational origin_base;
    bool ended, held; /* held: frame is there and was not handed out yet */
} sns_av_input;

/* Open a file's best stream of a kind (AVMEDIA_TYPE_VIDEO or _AUDIO; pictures of a cover do not
 * count as video) and its decoder.
 *   options  NULL: all defaults
 *   out      free with sns_av_close; NULL after a failure
 * Errors: SNS_MISSING (no such file, or no stream of the kind in it), SNS_IO, SNS_FORMAT (no film
 * or recording that is known, damaged), SNS_UNSUPPORTED (no decoder), SNS_LIMIT (too many pixels,
 * out of time), SNS_CANCELLED, SNS_NOMEM. Every message names the file. */
sns_status sns_av_open(const char *path, enum AVMediaType kind, const sns_av_options *options,
                       sns_av_input **out, sns_error *err);
/* The same from memory, borrowed until sns_av_close; name is for messages. */
sns_status sns_av_open_memory(const void *bytes, size_t size, const char *name,
                              enum AVMediaType kind, const sns_av_options *options,
                              sns_av_input **out, sns_error *err);
void sns_av_close(sns_av_input *in); /* NULL ok */

/* The next frame of the stream; *frame is borrowed until the next call, NULL at the end. Packets
 * that are damaged are counted and passed over; a file that is cut off just ends earlier. Errors:
 * SNS_LIMIT (out of time, too many pixels), SNS_CANCELLED, SNS_NOMEM. */
sns_status sns_av_next(sns_av_input *in, AVFrame **frame, sns_error *err);

/* Continue at a key frame at or before a time: the next frame is shown no later than that, or is
 * the file's first; behind the end, it is the last key frame. Errors: SNS_UNSUPPORTED (the file
 * can't be sought in), and those of sns_av_next. */
sns_status sns_av_seek(sns_av_input *in, double seconds, sns_error *err);

/* The same for packets as they are stored, without decoding: one input is read either by frames or
 * by packets. The first packet after a seek is a key frame's. *packet is borrowed until the next
 * call, NULL at the end. */
sns_status sns_av_packet(sns_av_input *in, AVPacket **packet, sns_error *err);
sns_status sns_av_seek_packet(sns_av_input *in, double seconds, sns_error *err);

/* A time stamp of the stream in seconds since the file's first one, as players count; exact to the
 * rounding of a double. NaN for AV_NOPTS_VALUE. */
double sns_av_seconds(const sns_av_input *in, int64_t pts);
/* When a frame is shown, or its first sample heard; NaN: the stream doesn't say. */
double sns_av_frame_seconds(const sns_av_input *in, const AVFrame *frame);
/* The stream's length as the container announces it, in seconds; NaN: it doesn't. */
double sns_av_duration(const sns_av_input *in);

/* Silence FFmpeg, once for the process: what matters arrives as an error. */
void sns_av_quiet(void);
/* An error with the file's name, what was being done and FFmpeg's reason. The status follows the
 * reason: SNS_NOMEM, SNS_LIMIT (out of time), SNS_CANCELLED, SNS_UNSUPPORTED, else `otherwise`. */
sns_status sns_av_fail(const sns_av_input *in, int averror, sns_status otherwise, const char *doing,
                       sns_error *err);
#endif
