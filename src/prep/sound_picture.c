/* sound_picture.c - a sound as a picture for people: time to the right, pitch upwards, loud is
 * bright.
 *
 * Log-mel powers (log_mel.c, Whisper's convention), 60 dB from the loudest down to the darkest
 * colour; what is quieter than a floor stays dark, so that silence is not as bright as speech. */
#include "base/error.h"
#include "prep/log_mel.h"
#include "prep/preprocess.h"
#include <math.h>
#include <sensus/sound.h>
#include <stdlib.h>

enum { FRAMES_HZ = 100, WINDOWS_HZ = 40, MELS = 80, MIN_HZ = 8000, MAX_HZ = 160000, MAX_PX = 4096 };
/* In Whisper's units, of which one is 40 dB. */
static const float SHOWN = 1.5f, LEAST_TOP = 0;

/* From dark to bright; lightness grows evenly, so that it also reads without colours. */
static const uint8_t ramp[][3] = {{11, 12, 34},  {52, 28, 94},   {112, 38, 118},  {176, 52, 106},
                                  {226, 92, 72}, {246, 150, 62}, {250, 208, 104}, {254, 248, 214}};
enum { STEPS = sizeof ramp / sizeof *ramp - 1 };

static void colour(float x, uint8_t out[3]) {
    float at = fminf(fmaxf(x, 0), 1) * STEPS;
    int i = at < STEPS ? (int)at : STEPS - 1;
    for (int c = 0; c < 3; c++)
        out[c] = (uint8_t)lrintf((float)ramp[i][c] +
                                 (at - (float)i) * (float)(ramp[i + 1][c] - ramp[i][c]));
}

/* mel [F, MELS] -> rgb [MELS, F, 3], high bands first. */
static void paint(const float *mel, size_t F, uint8_t *rgb) {
    float top = LEAST_TOP;
    for (size_t i = 0; i < F * MELS; i++) top = fmaxf(top, mel[i]);
    for (size_t m = 0; m < MELS; m++)
        for (size_t f = 0; f < F; f++)
            colour(1 - (top - mel[f * MELS + m]) / SHOWN, rgb + ((MELS - 1 - m) * F + f) * 3);
}

sns_status sns_sound_picture(const sns_sound *sound, size_t width_px, size_t height_px,
                             sns_image *out, sns_error *err) {
    const sns_log_mel_config c = {.kind = SNS_LOG_MEL_WHISPER,
                                  .rate_hz = sound->rate_hz,
                                  .window = sound->rate_hz / WINDOWS_HZ,
                                  .hop = sound->rate_hz / FRAMES_HZ,
                                  .n_fft = sound->rate_hz / WINDOWS_HZ,
                                  .mels = MELS,
                                  .std = 0.5f};
    sns_log_mel *m = NULL;
    *out = (sns_image){0};
    if (sound->rate_hz < MIN_HZ || sound->rate_hz > MAX_HZ || !width_px || !height_px ||
        width_px > MAX_PX || height_px > MAX_PX || sound->count < c.hop)
        return sns_fail(err, SNS_ARG, "%zu samples at %zu Hz as a picture of %zu x %zu",
                        sound->count, sound->rate_hz, width_px, height_px);
    sns_status s = sns_log_mel_new(&c, &m, err);
    if (s) return s;
    size_t F = sns_log_mel_frames(&c, sound->count);
    float *mel = malloc(F * MELS * sizeof *mel);
    uint8_t *rgb = malloc(F * MELS * 3);
    out->rgb = malloc(width_px * height_px * 3);
    out->width_px = width_px;
    out->height_px = height_px;
    s = mel && rgb && out->rgb ? sns_log_mel_run(m, sound->samples, sound->count, mel, err)
                               : sns_fail(err, SNS_NOMEM, "no memory for a sound's picture");
    if (!s) {
        paint(mel, F, rgb);
        s = sns_resize_bicubic(rgb, F, MELS, 0, 0, (double)F, MELS, out->rgb, width_px, height_px,
                               err);
    }
    if (s) {
        free(out->rgb);
        *out = (sns_image){0};
    }
    free(mel);
    free(rgb);
    sns_log_mel_free(m);
    return s;
}
