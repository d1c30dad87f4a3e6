/* test_av_input.c - films and recordings through FFmpeg: what is opened, what is refused, times. */
#include "base/file.h"
#include "film.h"
#include "media/av_input.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static char *dir;

static const char *made(const char *name, const char *arguments) {
    const char *path = film_make(dir, name, arguments);
    if (!path) fail_msg("ffmpeg did not make %s", name);
    return path;
}

static const char *written(const char *name, const void *bytes, size_t size) {
    static char path[4200];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(sns_file_write(path, bytes, size, NULL), SNS_OK);
    return path;
}

static sns_av_input *opened(const char *path, enum AVMediaType kind) {
    sns_av_input *in;
    sns_error err = {0};
    if (sns_av_open(path, kind, NULL, &in, &err)) fail_msg("%s", err.message);
    return in;
}

static void refused(const char *path, enum AVMediaType kind, sns_status expected) {
    sns_av_input *in;
    sns_error err = {0};
    sns_status s = sns_av_open(path, kind, NULL, &in, &err);
    if (s != expected) fail_msg("%s: status %d, %s", path, s, err.message);
    assert_null(in);
    assert_non_null(strstr(err.message, path));
}

static size_t count_frames(sns_av_input *in, size_t *samples) {
    size_t n = 0;
    AVFrame *f;
    *samples = 0;
    for (;; n++) {
        assert_int_equal(sns_av_next(in, &f, NULL), SNS_OK);
        if (!f) return n;
        *samples += (size_t)f->nb_samples;
    }
}

static void times_of_video(void **state) {
    (void)state;
    const char *path = made("ntsc.mp4",
                            "-f lavfi -i testsrc=s=64x48:r=30000/1001:d=3 -c:v mpeg4 -bf 2");
    sns_av_input *in = opened(path, AVMEDIA_TYPE_VIDEO);
    AVFrame *f;
    for (int i = 0; i < 90; i++) {
        assert_int_equal(sns_av_next(in, &f, NULL), SNS_OK);
        assert_non_null(f);
        assert_true(fabs(sns_av_frame_seconds(in, f) - i * 1001 / 30000.0) < 1e-9);
    }
    assert_true(fabs(sns_av_duration(in) - 90 * 1001 / 30000.0) < 1e-3);
    assert_int_equal(sns_av_seek(in, 2.0, NULL), SNS_OK);
    assert_int_equal(sns_av_next(in, &f, NULL), SNS_OK);
    assert_true(sns_av_frame_seconds(in, f) <= 2.0);
    sns_av_close(in);
}

static void sound_and_video_of_one_file(void **state) {
    (void)state;
    const char *path = made("both.mkv", "-f lavfi -i testsrc=s=64x48:r=25:d=2 -f lavfi -i "
                                        "sine=f=440:r=48000:d=2 -c:v mpeg4 -c:a flac");
    size_t samples;
    sns_av_input *in = opened(path, AVMEDIA_TYPE_AUDIO);
    count_frames(in, &samples);
    assert_int_equal(samples, 96000);
    assert_int_equal(in->damaged, 0);
    sns_av_close(in);
    in = opened(path, AVMEDIA_TYPE_VIDEO);
    assert_int_equal(count_frames(in, &samples), 50);
    sns_av_close(in);
}

/* A transport stream begins at 1.4 s by its own clock, for players at 0. */
static void times_count_from_the_start(void **state) {
    (void)state;
    const char *path = made("late.ts", "-f lavfi -i testsrc=s=64x48:r=25:d=2 -c:v mpeg2video");
    sns_av_input *in = opened(path, AVMEDIA_TYPE_VIDEO);
    AVFrame *f;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(sns_av_next(in, &f, NULL), SNS_OK);
        assert_true(fabs(sns_av_frame_seconds(in, f) - i / 25.0) < 1e-9);
    }
    sns_av_close(in);
}

static void what_is_no_film(void **state) {
    (void)state;
    char missing[4200];
    snprintf(missing, sizeof missing, "%s/missing.mp4", dir);
    refused(missing, AVMEDIA_TYPE_VIDEO, SNS_MISSING);
    refused(dir, AVMEDIA_TYPE_VIDEO, SNS_IO);
    refused(written("empty.mp4", "", 0), AVMEDIA_TYPE_VIDEO, SNS_FORMAT);
    refused(written("text.mp4", "these are words, not pictures\n", 30), AVMEDIA_TYPE_VIDEO,
            SNS_FORMAT);
    refused(made("still.png", "-f lavfi -i testsrc=s=64x48 -frames:v 1"), AVMEDIA_TYPE_VIDEO,
            SNS_FORMAT);
    const char *mute = made("mute.mp4", "-f lavfi -i testsrc=s=64x48:d=1 -c:v mpeg4");
    refused(mute, AVMEDIA_TYPE_AUDIO, SNS_MISSING);
    refused(made("sound.flac", "-f lavfi -i sine=d=1"), AVMEDIA_TYPE_VIDEO, SNS_MISSING);
}

/* Formats that name other files, which they must not reach. */
static void lists_reach_nothing(void **state) {
    (void)state;
    char text[9000], film[4200];
    snprintf(film, sizeof film, "%s",
             made("other.ts", "-f lavfi -i testsrc=s=64x48:d=1 -c:v mpeg2video"));
    int n = snprintf(text, sizeof text,
                     "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n%s\n"
                     "#EXT-X-ENDLIST\n",
                     film);
    refused(written("list.m3u8", text, (size_t)n), AVMEDIA_TYPE_VIDEO, SNS_FORMAT);
    n = snprintf(text, sizeof text, "ffconcat version 1.0\nfile '%s'\n", film);
    refused(written("list.ffconcat", text, (size_t)n), AVMEDIA_TYPE_VIDEO, SNS_FORMAT);
}

/* Of a file that is cut off, what is there is read. */
static void cut_off(void **state) {
    (void)state;
    static const char *const names[] = {"cut.mkv", "cut.ts", "cut.mp4"};
    for (size_t i = 0; i < 3; i++) {
        char *bytes;
        size_t size, samples;
        const char *path = made(names[i], "-f lavfi -i testsrc=s=128x96:r=25:d=4 -c:v mpeg4 "
                                          "-movflags +faststart");
        assert_int_equal(sns_file_read(path, 1 << 26, &bytes, &size, NULL), SNS_OK);
        sns_av_input *in;
        sns_error err = {0};
        if (sns_av_open_memory(bytes, size / 2, "half", AVMEDIA_TYPE_VIDEO, NULL, &in, &err))
            fail_msg("%s: %s", names[i], err.message);
        size_t frames = count_frames(in, &samples);
        assert_in_range(frames, 30, 70);
        sns_av_close(in);
        free(bytes);
    }
}

static void stops_when_told(void **state) {
    (void)state;
    const char *path = made("long.mp4", "-f lavfi -i testsrc=s=64x48:r=25:d=4 -c:v mpeg4");
    int cancel = 0;
    sns_av_input *in;
    AVFrame *f;
    sns_error err = {0};
    const sns_av_options o = {.cancel = &cancel};
    assert_int_equal(sns_av_open(path, AVMEDIA_TYPE_VIDEO, &o, &in, &err), SNS_OK);
    assert_int_equal(sns_av_next(in, &f, &err), SNS_OK);
    cancel = 1;
    sns_status s = SNS_OK;
    for (int i = 0; i < 100 && !s; i++) s = sns_av_next(in, &f, &err);
    assert_int_equal(s, SNS_CANCELLED);
    sns_av_close(in);
    cancel = 0;
    const sns_av_options hurried = {.budget_seconds = 1e-9};
    assert_int_equal(sns_av_open(path, AVMEDIA_TYPE_VIDEO, &hurried, &in, &err), SNS_LIMIT);
    const sns_av_options small = {.max_pixels = 64 * 47};
    assert_int_equal(sns_av_open(path, AVMEDIA_TYPE_VIDEO, &small, &in, &err), SNS_LIMIT);
}

static int set_up(void **state) {
    (void)state;
    dir = tool_tmpdir();
    return dir ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    tool_remove(dir);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_of_video),
        cmocka_unit_test(sound_and_video_of_one_file),
        cmocka_unit_test(times_count_from_the_start),
        cmocka_unit_test(what_is_no_film),
        cmocka_unit_test(lists_reach_nothing),
        cmocka_unit_test(cut_off),
        cmocka_unit_test(stops_when_told),
    };
    if (!film_has_ffmpeg()) {
        puts("skipped: no ffmpeg");
        return 77;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
