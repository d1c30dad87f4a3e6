/* isolation.h - what a process that decodes and the one that asked say to each other. */
#ifndef SNS_MEDIA_ISOLATION_H
#define SNS_MEDIA_ISOLATION_H
#include <sensus/sound.h>
#include <sensus/video.h>
#include <stdbool.h>

/* First the asking side sends this, then the path's bytes. Both sides are one program. */
typedef struct sns_work {
    bool hears;              /* sound is wanted, not pictures */
    sns_video_options video; /* its cancel is of no meaning here */
    sns_sample_options sampling;
    sns_sound_options sound; /* nor is this one's */
    size_t path_size;
} sns_work;

/* Then the other sends an answer for the opened file, one for each sample, with its pixels after
 * it, or for each part of the sound, with its numbers after it, and one for the end, or one with an
 * error. */
typedef enum sns_answer_kind {
    SNS_ANSWER_OPEN,
    SNS_ANSWER_SAMPLE,
    SNS_ANSWER_SOUND,
    SNS_ANSWER_END
} sns_answer_kind;
enum { SNS_SOUND_PART = 1 << 16, SNS_SOUND_PART_MOST = 1 << 24 }; /* numbers of a part */
typedef struct sns_answer {
    sns_answer_kind kind;
    sns_error err;     /* SNS_OK: none */
    double duration;   /* of the film, at its opening; NaN: unknown */
    size_t damaged;    /* so far */
    sns_sample sample; /* its rgb is of no meaning here */
    size_t count;      /* of numbers of a part */
    double start;      /* of the sound */
} sns_answer;

/* All n bytes; false when the other side is gone. */
bool sns_send_all(int fd, const void *bytes, size_t n);
bool sns_receive_all(int fd, void *bytes, size_t n);
/* Do the work that comes in by fd, in a process for that alone. */
void sns_decode_for(int fd);
#endif
