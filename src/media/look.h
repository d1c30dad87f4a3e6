/* look.h - how different two frames look, by small copies of them. */
#ifndef SNS_MEDIA_LOOK_H
#define SNS_MEDIA_LOOK_H
#include <libavutil/frame.h>
#include <sensus/status.h>
#include <stdint.h>

enum { SNS_LOOK_PX = 32, SNS_LOOK_BINS = 64 };

/* A frame's luma at 32 x 32, and how many of these pixels have which colour (4 x 4 x 4). */
typedef struct sns_look {
    uint8_t luma[SNS_LOOK_PX * SNS_LOOK_PX];
    uint32_t bin[SNS_LOOK_BINS]; /* 4096 a pixel */
} sns_look;

struct SwsContext;

/* *sws is kept for the next frame: NULL at first, sws_freeContext in the end.
 * Errors: SNS_UNSUPPORTED (pixel format). */
sns_status sns_look_at(struct SwsContext **sws, const AVFrame *frame, const char *name,
                       sns_look *out, sns_error *err);
/* 0 (the same) ... 1: half by colours, wherever they are, half by luma at each place. */
double sns_look_difference(const sns_look *a, const sns_look *b);
#endif
