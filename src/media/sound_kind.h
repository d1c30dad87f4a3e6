/* sound_kind.h - what tells a recording or a film by its name or its first bytes. */
#ifndef SNS_MEDIA_SOUND_KIND_H
#define SNS_MEDIA_SOUND_KIND_H
#include <stdbool.h>
#include <stddef.h>

/* Does the name end like a recording's: .wav, .ogg, .flac ...? */
bool sns_is_sound_name(const char *name);
/* Like a film's: .mp4, .mkv ...? Not .ts and .gif, which are mostly something else. */
bool sns_is_film_name(const char *name);
/* Bytes that tell an MPEG transport stream from, say, TypeScript. */
enum { SNS_TRANSPORT_BYTES = 204 * 9 };
/* Do a file's first bytes, so many or all of them, look like one: a few packets in a row? */
bool sns_is_transport_stream(const void *bytes, size_t size);
/* "wav", "ogg", "flac" or "mp3" by the bytes; NULL: something else. */
const char *sns_sound_ending(const void *bytes, size_t size);
#endif
