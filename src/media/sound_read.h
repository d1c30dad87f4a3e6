/* sound_read.h - reading a recording here and now, for the process that decodes. */
#ifndef SNS_MEDIA_SOUND_READ_H
#define SNS_MEDIA_SOUND_READ_H
#include <sensus/sound.h>

/* sns_sound_decode, or sns_sound_load where bytes is NULL, in this process whatever the options
 * say. on_frame (NULL ok) is called before each frame is decoded. */
sns_status sns_sound_read(const void *bytes, size_t size, const char *name,
                          const sns_sound_options *options, void (*on_frame)(void *user),
                          void *user, sns_sound *out, sns_error *err);
/* on_frame is called before each frame of the stream is decoded. */
void sns_sound_stream_watch(sns_sound_stream *stream, void (*on_frame)(void *user), void *user);
#endif
