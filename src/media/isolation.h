/* isolation.h - what a process that decodes and the one that asked say to each other. */
#ifndef SNS_MEDIA_ISOLATION_H
#define SNS_MEDIA_ISOLATION_H
#include <sensus/sound.h>
#include <sensus/video.h>
#include <stdbool.h>

enum { SNS_WORK_MOST_PATH = 1 << 16, SNS_WORK_MOST_BYTES = 1 << 30 };

/* A film; a recording, whole; one in parts. */
typedef enum sns_work_kind { SNS_WORK_FILM, SNS_WORK_SOUND, SNS_WORK_PARTS } sns_work_kind;

/* First the asking side sends this, then the path's bytes, then those of the recording if it is in
 * memory. After a recording's answer it may go on with another. Both sides are one program. What is
 * an address in the options is of no meaning here. */
typedef struct sns_work {
    sns_work_kind kind;
    sns_video_options video; /* of a film */
    sns_sample_options sampling;
    sns_sound_options sound; /* of a recording */
    size_t path_size, bytes_size;
    bool in_memory; /* the path is only a name */
} sns_work;

/* Then the other sends answers: for an opened film one, one for each sample, with its pixels after
 * it, and one for the end; for a recording one, with its samples after it; for one in parts as for
 * a film. One with an error is the last. */
typedef enum sns_answer_kind {
    SNS_ANSWER_OPEN,
    SNS_ANSWER_SAMPLE,
    SNS_ANSWER_END,
    SNS_ANSWER_SOUND
} sns_answer_kind;
enum { SNS_SOUND_PART = 1 << 16, SNS_SOUND_PART_MOST = 1 << 24 }; /* numbers of a part */
typedef struct sns_answer {
    sns_answer_kind kind;
    sns_error err;     /* SNS_OK: none */
    double duration;   /* of the film, at its opening; NaN: unknown */
    size_t damaged;    /* so far */
    sns_sample sample; /* its rgb is of no meaning here */
    size_t count;      /* samples of the recording, or of a part of it */
    double start;      /* of a recording in parts: when its first sample is heard; NaN: unknown */
} sns_answer;

/* All n bytes; false when the other side is gone. */
bool sns_send_all(int fd, const void *bytes, size_t n);
bool sns_receive_all(int fd, void *bytes, size_t n);
/* Do the work that comes in by fd until there is no more, in a process for that alone. */
void sns_decode_for(int fd);

/* The asking side of a worker. */
typedef struct sns_line {
    const char *name; /* of what it decodes; borrowed */
    int fd;           /* below 0: there is none */
    const int *cancel;
    bool used; /* it has decoded something else before */
    bool gone; /* sns_line_gone was said of it */
} sns_line;

/* Find a worker and tell it what to do; bytes: the recording in memory, or NULL. *line's name and
 * cancel are set. Errors: SNS_IO, SNS_LIMIT (the recording in memory is too large). */
sns_status sns_line_open(const sns_isolation *isolation, sns_work *work, const void *bytes,
                         sns_line *line, sns_error *err);
/* keep: the worker has said all and may have more to do; else one that still writes ends by that.
 */
void sns_line_close(const sns_isolation *isolation, sns_line *line, bool keep);
/* n bytes. Errors: SNS_FORMAT (its decoder crashed), SNS_CANCELLED. */
sns_status sns_line_receive(sns_line *line, void *bytes, size_t n, sns_error *err);
/* An answer, whose error, if it has one, is returned. */
sns_status sns_line_answer(sns_line *line, sns_answer *a, sns_error *err);
/* SNS_FORMAT: the worker is gone, or says what it can't mean. */
sns_status sns_line_gone(sns_line *line, sns_error *err);
#endif
