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

/* Packets of 188 bytes begin with 0x47 (ISO/IEC 13818-1); 192 has a time before each, 204 a
 * checksum behind. A recording may begin inside a packet. */
bool sns_is_transport_stream(const void *bytes, size_t size) {
    enum { PACKETS = 8, SYNC = 0x47 };
    static const size_t lengths[] = {188, 192, 204};
    const unsigned char *p = bytes;
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++)
        for (size_t first = 0; first < lengths[k]; first++) {
            size_t n = 0;
            while (n < PACKETS && first + n * lengths[k] < size &&
                   p[first + n * lengths[k]] == SYNC)
                n++;
            if (n == PACKETS) return true;
        }
    return false;
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
