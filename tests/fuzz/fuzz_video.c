/* fuzz_video.c - libFuzzer target: bytes that may be a film. Demuxers and decoders are FFmpeg's
 * own; what is checked is how they are used, that times increase, and that every answer can be
 * used. */
#include <sensus/video.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_PIXELS = 1 << 16, MAX_FRAMES = 20 };

static void look_at(sns_video *v) {
    double last = -1;
    sns_error err;
    sns_frame f;
    for (int i = 0; i < MAX_FRAMES; i++, last = f.seconds) {
        if (sns_video_next(v, &f, &err) || !f.image.rgb) return;
        if (!(f.seconds > last) || f.image.height_px > MAX_PIXELS / f.image.width_px) abort();
        volatile uint8_t at_the_end = f.image.rgb[f.image.width_px * f.image.height_px * 3 - 1];
        (void)at_the_end;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    sns_video *v;
    sns_shots *shots;
    sns_sample sample;
    sns_error err = {0};
    const sns_video_options o = {.target_px = 8, .max_pixels = MAX_PIXELS, .budget_seconds = 5};
    sns_status s = sns_video_open_memory(data, size, "fuzz", &o, &v, &err);
    if (s) {
        if (v || s != err.code || strncmp(err.message, "fuzz: ", 6) != 0) abort();
        return 0;
    }
    look_at(v);
    if (!sns_video_seek(v, 0.1, &err)) look_at(v);
    if (!sns_shots_new(v, NULL, &shots, &err)) {
        for (int i = 0; i < MAX_FRAMES && !sns_shots_next(shots, &sample, &err); i++)
            if (sample.image.rgb && !(sample.end > sample.start))
                abort();
            else if (!sample.image.rgb)
                break;
        sns_shots_free(shots);
    }
    sns_video_close(v);
    return 0;
}
