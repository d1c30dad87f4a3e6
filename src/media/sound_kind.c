/* sound_kind.c - see sound_kind.h. */
#include "media/sound_kind.h"
#include "base/strbuf.h"
#include <string.h>

static bool ends_with_one_of(const char *name, const char *const *endings, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (sns_ends_with_nocase(name, endings[i])) return true;
    return false;
}

bool sns_is_sound_name(const char *name) {
    static const char *const endings[] = {".wav", ".ogg", ".oga", ".opus", ".flac",
                                          ".mp3", ".m4a", ".aac", ".aiff", ".aifc",
                                          ".aif", ".au",  ".wma", ".caf"};
    return ends_with_one_of(name, endings, sizeof endings / sizeof *endings);
}

bool sns_is_film_name(const char *name) {
    static const char *const endings[] = {".mp4",  ".m4v", ".mov",  ".mkv", ".webm", ".avi", ".mpg",
                                          ".mpeg", ".m2v", ".m2ts", ".mts", ".vob",  ".flv", ".wmv",
                                          ".asf",  ".ogv", ".3gp",  ".3g2", ".mxf"};
    return ends_with_one_of(name, endings, sizeof endings / sizeof *endings);
}

const char *sns_sound_ending(const void *bytes, size_t size) {
    const unsigned char *p = bytes;
    if (size >= 12 && !memcmp(p, "RIFF", 4) && !memcmp(p + 8, "WAVE", 4)) return "wav";
    if (size >= 4 && !memcmp(p, "OggS", 4)) return "ogg";
    if (size >= 4 && !memcmp(p, "fLaC", 4)) return "flac";
    if (size >= 3 && !memcmp(p, "ID3", 3)) return "mp3";
    /* a frame of MPEG audio, layer III, without a tag before it */
    if (size >= 2 && p[0] == 0xff && (p[1] & 0xe6) == 0xe2) return "mp3";
    return NULL;
}
