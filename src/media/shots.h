/* shots.h - for the process that decodes: to be told of every frame. */
#ifndef SNS_MEDIA_SHOTS_H
#define SNS_MEDIA_SHOTS_H
#include <sensus/video.h>

/* Called before each frame is read. */
void sns_shots_on_frame(sns_shots *shots, void (*call)(void *user), void *user);
#endif
