/* video.h - pictures of a film with the times at which they are shown.
 *
 * FFmpeg's libraries read; whatever they read is read here: MP4, Matroska, WebM, AVI, MPEG, ...
 * Times are the stream's own time stamps in seconds since the file's first one, as players count;
 * they are never made from a number of frames and a rate, so that films of 29.97 pictures a second
 * or of a varying rate are right to the microsecond. */
#ifndef SENSUS_VIDEO_H
#define SENSUS_VIDEO_H
#include <sensus/image.h>
#include <sensus/isolation.h>
#include <sensus/sound.h>
#include <sensus/status.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sns_video sns_video; /* an open film; one thread at a time */

typedef struct sns_video_options {
    size_t target_px;      /* the side frames will be scaled to: those whose shorter side is more
                              than twice that are shrunk to it; 0: full size */
    size_t max_pixels;     /* refuse larger frames; 0: 64 million */
    double max_seconds;    /* the film ends here; 0: after 24 hours */
    double budget_seconds; /* that opening, a seek or one frame may take; 0: 30 */
    size_t threads;        /* that decode; 0: one */
    size_t max_memory;     /* bytes that a process of its own (below) may take; 0: 4 GiB */
    const int *cancel;     /* NULL, or a flag: when it becomes nonzero, calls end with
                              SNS_CANCELLED */
} sns_video_options;

typedef struct sns_video_info {
    size_t width_px, height_px; /* as shown: upright, pixels made square; before target_px */
    double duration;            /* seconds as the container announces them; NaN: it doesn't */
    double rate;                /* frames a second on average, announced; NaN: unknown */
    int rotation;               /* degrees clockwise that frames are turned by: 0, 90, 180, 270 */
    int hdr;                    /* nonzero: brighter than SDR, is mapped down */
    const char *codec;          /* "h264"; borrowed from the film */
    const char *container;      /* "mov,mp4,m4a,3gp,3g2,mj2"; borrowed */
} sns_video_info;

/* Open the video of a film. Errors: SNS_MISSING (no such file, or no video in it), SNS_IO,
 * SNS_FORMAT (no film, damaged), SNS_UNSUPPORTED (no decoder), SNS_LIMIT (too large, out of time),
 * SNS_CANCELLED, SNS_NOMEM. Every message names the file.
 *   options  NULL: all defaults    out  free with sns_video_close */
SNS_API sns_status sns_video_open(const char *path, const sns_video_options *options,
                                  sns_video **out, sns_error *err);
/* The same from memory, borrowed until sns_video_close; name is for messages. */
SNS_API sns_status sns_video_open_memory(const void *bytes, size_t size, const char *name,
                                         const sns_video_options *options, sns_video **out,
                                         sns_error *err);
SNS_API void sns_video_close(sns_video *video); /* NULL ok */
SNS_API void sns_video_describe(const sns_video *video, sns_video_info *out);

/* A frame: sRGB, upright, square pixels (turned as the file says, stretched by its pixels' shape,
 * by the matrix and range of its colours; HDR mapped to SDR; of interlaced frames one field; on
 * white where it is transparent). src/media/frame_convert.c says how. */
typedef struct sns_frame {
    double seconds;  /* when it is shown */
    sns_image image; /* borrowed until the next call; rgb NULL: the film has ended */
} sns_frame;

/* The next frame; times increase. Packets and frames that are damaged, and frames whose time does
 * not follow, are passed over and counted; a film that is cut off ends earlier. Errors: SNS_LIMIT,
 * SNS_CANCELLED, SNS_NOMEM, SNS_UNSUPPORTED (a pixel format that can't be converted). */
SNS_API sns_status sns_video_next(sns_video *video, sns_frame *frame, sns_error *err);
/* Continue with the first frame at or after a time (to the microsecond): from the key frame before
 * it, decoding forward. Errors: those of sns_video_next, SNS_UNSUPPORTED (can't be sought in). */
SNS_API sns_status sns_video_seek(sns_video *video, double seconds, sns_error *err);
/* Packets and frames passed over so far. */
SNS_API size_t sns_video_damaged(const sns_video *video);

/* ---- a few frames that stand for all ---- */

enum { SNS_SAMPLING_WINDOW = 16 };
/* Where sampling stands when a sample is over: enough to go on there, in another process or later,
 * with the very samples that would have come. Plain numbers, which may be kept. */
typedef struct sns_sampling {
    double seconds; /* the next sample begins here; 0: nothing follows, or nothing was before */
    double due;
    double differences[SNS_SAMPLING_WINDOW]; /* of the last frames of the shot, a ring */
    uint64_t count;                          /* of frames of the shot */
    int64_t cut;                             /* nonzero: the next sample begins a shot */
} sns_sampling;

typedef struct sns_sample_options {
    double every;       /* seconds; a sample at least so often while the picture changes; 0: 1 */
    double from;        /* start here */
    double until;       /* end here; 0: at the film's end */
    double longest;     /* a sample begins after so many seconds though the picture stands still; 0:
                           never */
    int keep_repeated;  /* nonzero: a sample every so often though the picture stands still */
    int fast;           /* nonzero: frames that no other frame needs are not decoded: up to half of
                           the time, and a cut may be found a few frames late */
    sns_sampling after; /* go on after a sample with this `next`, in place of from; zeroed: none */
} sns_sample_options;

/* A sample's time, and the span that it stands for. */
typedef struct sns_span {
    double seconds, start, end; /* start <= seconds < end */
    int cut;                    /* nonzero: a shot begins here */
} sns_span;

/* A frame and the span that it stands for: up to the next sample, or the film's end. */
typedef struct sns_sample {
    double seconds;    /* of the picture */
    double start, end; /* start <= seconds < end */
    int cut;           /* nonzero: a shot begins here */
    sns_image image;   /* borrowed until the next call; rgb NULL: there are no more */
    sns_sampling next; /* how to go on at its end */
} sns_sample;

typedef struct sns_shots sns_shots;

/* Samples of a film: the first frame of each shot, one `every` seconds after the one before, and
 * one where the picture has become another gradually. Frames nearly equal to the last sample
 * lengthen its span instead. src/media/shots.c has thresholds and sources. The film is borrowed,
 * and must not be read otherwise meanwhile. Errors: SNS_ARG, SNS_NOMEM, those of sns_video_seek. */
SNS_API sns_status sns_shots_new(sns_video *video, const sns_sample_options *options,
                                 sns_shots **out, sns_error *err);
SNS_API sns_status sns_shots_next(sns_shots *shots, sns_sample *out, sns_error *err);
SNS_API void sns_shots_free(sns_shots *shots); /* NULL ok */

/* ---- decoding in a process of its own (isolation.h) ---- */

typedef struct sns_worker sns_worker; /* a process that decodes one film; one thread */

/* sns_video_open and sns_shots_new in a process of its own: a decoder that crashes is SNS_FORMAT,
 * one that hangs (more than twice the budget without a frame) or takes more than max_memory is
 * SNS_LIMIT, of this film alone. */
SNS_API sns_status sns_worker_open(const sns_isolation *isolation, const char *path,
                                   const sns_video_options *video,
                                   const sns_sample_options *sampling, sns_worker **out,
                                   sns_error *err);
SNS_API sns_status sns_worker_next(sns_worker *worker, sns_sample *out, sns_error *err);
SNS_API void sns_worker_free(sns_worker *worker); /* NULL ok */
/* sns_sound_stream_open in a process of its own, in the same way. */
SNS_API sns_status sns_worker_open_sound(const sns_isolation *isolation, const char *path,
                                         const sns_sound_options *options, sns_worker **out,
                                         sns_error *err);
/* The next part of the sound, some seconds; none (count 0) when it has ended. *out is borrowed
 * until the next call. */
SNS_API sns_status sns_worker_next_sound(sns_worker *worker, const sns_sound **out, sns_error *err);
SNS_API double sns_worker_start(const sns_worker *worker); /* as sns_sound_stream_start */
/* As sns_video_describe and sns_video_damaged have them. */
SNS_API double sns_worker_duration(const sns_worker *worker);
SNS_API size_t sns_worker_damaged(const sns_worker *worker);

#ifdef __cplusplus
}
#endif
#endif
