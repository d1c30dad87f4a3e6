/* fuzz_sound.c - libFuzzer target: bytes that may be a recording, and the file that says how a
 * model hears. FFmpeg's decoders are its own; what is checked is how they are used and that every
 * answer can be used. */
#include "media/sound_kind.h"
#include "prep/log_mel.h"
#include <math.h>
#include <sensus/sound.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_config(const char *text, size_t size) {
    sns_log_mel_config c;
    size_t frames;
    sns_error err = {0};
    if (sns_log_mel_parse(text, size, "fuzz", &c, &frames, &err)) {
        if (strncmp(err.message, "fuzz", 4) != 0) abort();
        return;
    }
    if (sns_log_mel_check(&c, &err) || !frames ||
        sns_log_mel_frames(&c, sns_log_mel_samples(&c, frames)) != frames)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    sns_sound sound;
    sns_error err = {0};
    if (size && data[0] == '{') check_config((const char *)data, size);
    (void)sns_sound_ending(data, size);
    const sns_sound_options o = {.max_seconds = 2};
    sns_status s = sns_sound_decode(data, size, "fuzz", &o, &sound, &err);
    if (!s && (!sound.samples || !sound.count || sound.count > 32000)) abort();
    for (size_t i = 0; !s && i < sound.count; i++)
        if (!(fabsf(sound.samples[i]) <= 1)) abort();
    if (s && (sound.samples || s != err.code || strncmp(err.message, "fuzz: ", 6) != 0)) abort();
    sns_sound_free(&sound);
    return 0;
}
