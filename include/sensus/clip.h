/* clip.h - parts of a film as a film of their own. */
#ifndef SENSUS_CLIP_H
#define SENSUS_CLIP_H
#include <sensus/status.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sns_range {
    double start, end; /* seconds, as in video.h */
} sns_range;

typedef struct sns_clip_options {
    int exact;      /* nonzero: encode the pictures again, so that parts start and end as asked */
    size_t threads; /* that decode and encode; 0: one */
    const int *cancel; /* NULL, or a flag as in video.h */
    /* Seconds written so far, and in all; NULL ok. */
    void (*progress)(void *user, double seconds, double duration);
    void *user;
} sns_clip_options;

typedef struct sns_clip_result {
    double start;        /* of the first part, in the film: earlier than asked where that is no key
                            frame and pictures are copied */
    double duration;     /* of the clip, seconds */
    int sound;           /* nonzero: the clip has sound */
    int sound_left_out;  /* nonzero: the film has sound that the clip's format can't hold */
    const char *encoder; /* of the pictures: "libx264"; NULL: copied. Static */
} sns_clip_result;

/* Write parts of a film one after the other: its video and its best sound. Sound is copied as it
 * is. Pictures are copied too, each part from the key frame at or before its start, so that nothing
 * is lost; or with `exact` encoded again by the first of libx264, mpeg4, libvpx-vp9, ... that is
 * there and that the format can hold. The file appears whole or not at all.
 *   ranges  n, each within the film and not empty, in any order
 *   out     its ending says the format: .mp4, .mkv, .webm, .mov, ...
 * Errors: those of sns_video_open for the film; SNS_ARG (no ranges, one that is empty or behind the
 * end, an ending that is no format, out is the film itself), SNS_UNSUPPORTED (the format can't hold
 * the film's codec, no encoder), SNS_IO, SNS_CANCELLED, SNS_NOMEM. */
SNS_API sns_status sns_clip_write(const char *film, const sns_range *ranges, size_t n,
                                  const sns_clip_options *options, const char *out,
                                  sns_clip_result *result, sns_error *err);

#ifdef __cplusplus
}
#endif
#endif
