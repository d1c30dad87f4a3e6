/* test_clip.c - parts of films as films: what they hold, when they start, what is refused. */
#include "make_film.h"
#include <dirent.h>
#include <math.h>
#include <sensus/clip.h>
#include <sensus/video.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static char *dir;
static char source[4200]; /* ten seconds at 29.97, a key frame each two seconds, with sound */

static const char *below(const char *name) {
    static char path[4200];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

/* Frames, and the times of the first and last one. */
static size_t look_at(const char *path, double *first, double *last, sns_video_info *info) {
    sns_video *v;
    sns_frame f;
    sns_error err = {0};
    size_t n = 0;
    if (sns_video_open(path, NULL, &v, &err)) fail_msg("%s", err.message);
    if (info) sns_video_describe(v, info);
    for (;; n++) {
        if (sns_video_next(v, &f, &err)) fail_msg("%s", err.message);
        if (!f.image.rgb) break;
        if (!n) *first = f.seconds;
        *last = f.seconds;
    }
    assert_int_equal(sns_video_damaged(v), 0);
    sns_video_close(v);
    return n;
}

static sns_clip_result cut(const char *name, const sns_range *ranges, size_t n, int exact) {
    sns_clip_result r;
    sns_error err = {0};
    const sns_clip_options o = {.exact = exact};
    if (sns_clip_write(source, ranges, n, &o, below(name), &r, &err)) fail_msg("%s", err.message);
    return r;
}

static void exact_clips_have_the_frames_asked_for(void **state) {
    (void)state;
    static const char *const names[] = {"exact.mp4", "exact.mkv", "exact.mov"};
    const double frame = 1001 / 30000.0;
    const sns_range range = {3.5, 7.25}; /* frames 105 to 217 */
    for (size_t i = 0; i < 3; i++) {
        double first, last;
        sns_clip_result r = cut(names[i], &range, 1, 1);
        assert_non_null(r.encoder);
        assert_true(r.sound && !r.sound_left_out);
        assert_true(fabs(r.start - 105 * frame) < 1e-6);
        assert_true(fabs(r.duration - 3.75) < 1e-6);
        assert_int_equal(look_at(below(names[i]), &first, &last, NULL), 113);
        assert_true(fabs(last - first - 112 * frame) < 2e-3);
    }
}

static void copied_clips_begin_at_a_key_frame(void **state) {
    (void)state;
    const sns_range range = {3.5, 7.25};
    double first, last;
    sns_clip_result r = cut("copied.mp4", &range, 1, 0);
    assert_null(r.encoder);
    assert_true(r.sound);
    assert_true(fabs(r.start - 60 * 1001 / 30000.0) < 1e-6);
    size_t n = look_at(below("copied.mp4"), &first, &last, NULL);
    assert_in_range(n, 158, 162);
    assert_true(first < 1e-3);
    assert_true(last + r.start >= 7.2 && last + r.start < 7.4);
}

/* Parts in any order, joined; each is shown for as long as it is. */
static void parts_are_joined(void **state) {
    (void)state;
    const sns_range parts[] = {{8, 9}, {1.5, 2}, {4, 5.5}};
    double first, last;
    sns_clip_result r = cut("joined.mp4", parts, 3, 1);
    assert_true(fabs(r.duration - 3) < 1e-6);
    size_t n = look_at(below("joined.mp4"), &first, &last, NULL);
    assert_in_range(n, 89, 91);
    assert_true(fabs(last - first - 3) < 0.07);
    r = cut("joined.mkv", parts, 3, 0);
    n = look_at(below("joined.mkv"), &first, &last, NULL);
    assert_true(r.duration > 3 && fabs(last - r.duration) < 0.1);
}

static void turned_films_stay_turned(void **state) {
    (void)state;
    char arguments[5000], turned[4300];
    sns_video_info info;
    sns_clip_result r;
    double first, last;
    const sns_range range = {1, 2};
    snprintf(arguments, sizeof arguments, "-i %s -c copy -metadata:s:v rotate=270", source);
    const char *path = film_make(dir, "turned.mp4", arguments);
    assert_non_null(path);
    snprintf(turned, sizeof turned, "%s", path);
    for (int exact = 0; exact < 2; exact++) {
        const sns_clip_options o = {.exact = exact};
        assert_int_equal(sns_clip_write(turned, &range, 1, &o, below("t.mp4"), &r, NULL), SNS_OK);
        look_at(below("t.mp4"), &first, &last, &info);
        assert_int_equal(info.rotation, 90);
        assert_int_equal(info.width_px, 120);
    }
}

static void refuse(const sns_range *range, const char *name, sns_status expected) {
    sns_clip_result r;
    sns_error err = {0};
    sns_status s = sns_clip_write(source, range, 1, NULL, name, &r, &err);
    if (s != expected) fail_msg("%s: %d, %s", name, s, err.message);
    assert_true(*err.message);
}

static void what_can_not_be_is_refused(void **state) {
    (void)state;
    const sns_range good = {1, 2}, empty = {2, 2}, behind = {12, 13};
    double first, last;
    refuse(&empty, below("no.mp4"), SNS_ARG);
    refuse(&behind, below("no.mp4"), SNS_ARG);
    refuse(&good, below("no.txt"), SNS_ARG);
    refuse(&good, below("no.webm"), SNS_UNSUPPORTED); /* H.264 as it is */
    refuse(&good, source, SNS_ARG);
    refuse(&good, below("nowhere/no.mp4"), SNS_IO);
    assert_int_equal(look_at(source, &first, &last, NULL), 300);
    /* Nothing is left of what was not finished. */
    DIR *d = opendir(dir);
    for (struct dirent *e; (e = readdir(d));)
        if (strstr(e->d_name, ".part") || !strncmp(e->d_name, "no.", 3))
            fail_msg("%s is left", e->d_name);
    closedir(d);
}

static int set_up(void **state) {
    (void)state;
    dir = tool_tmpdir();
    if (!dir) return -1;
    const char *path = film_make(dir, "source.mp4",
                                 "-f lavfi -i testsrc=s=160x120:r=30000/1001:d=10 -f lavfi -i "
                                 "sine=f=440:r=48000:d=10 -c:v libx264 -bf 2 -g 60 -sc_threshold 0 "
                                 "-c:a aac");
    if (path) snprintf(source, sizeof source, "%s", path);
    return path ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    tool_remove(dir);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_clips_have_the_frames_asked_for),
        cmocka_unit_test(copied_clips_begin_at_a_key_frame),
        cmocka_unit_test(parts_are_joined),
        cmocka_unit_test(turned_films_stay_turned),
        cmocka_unit_test(what_can_not_be_is_refused),
    };
    if (!film_has_ffmpeg()) {
        puts("skipped: no ffmpeg");
        return 77;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
