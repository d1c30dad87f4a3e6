/* test_sampler.c - samples of films: cuts are found, spans join without gaps, still pictures and
 * motion. */
#include "make_film.h"
#include <math.h>
#include <sensus/video.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static char *dir;

enum { MOST = 256 };
static sns_sample samples[MOST]; /* without their pictures */

static size_t take(const char *path, const sns_sample_options *options) {
    sns_video *v;
    sns_shots *s;
    sns_error err = {0};
    size_t n = 0;
    if (sns_video_open(path, NULL, &v, &err) || sns_shots_new(v, options, &s, &err))
        fail_msg("%s", err.message);
    for (; n < MOST; n++) {
        if (sns_shots_next(s, &samples[n], &err)) fail_msg("%s", err.message);
        if (!samples[n].image.rgb) break;
        assert_true(samples[n].start <= samples[n].seconds);
        assert_true(samples[n].seconds < samples[n].end);
        if (n) assert_true(samples[n].start == samples[n - 1].end);
    }
    sns_shots_free(s);
    sns_video_close(v);
    return n;
}

static const char *made(const char *name, const char *arguments) {
    const char *path = film_make(dir, name, arguments);
    if (!path) fail_msg("ffmpeg did not make %s", name);
    return path;
}

/* Four scenes of 1.2, 2, 0.6 and 1.6 seconds, each in motion. */
#define SCENES                                                                                     \
    "-f lavfi -i testsrc=s=160x120:r=30000/1001:d=1.2 -f lavfi -i "                                \
    "mandelbrot=s=160x120:r=30000/1001 -f lavfi -i testsrc2=s=160x120:r=30000/1001:d=0.6 -f "      \
    "lavfi -i smptebars=s=160x120:r=30000/1001:d=1.6 -filter_complex "                             \
    "[1]trim=duration=2,setsar=1[m];[0]setsar=1[a];[2]setsar=1[b];[3]setsar=1[c];"                 \
    "[a][m][b][c]concat=n=4:v=1 -c:v libx264 -qp 20"

/* The four cuts of n samples, each at most `late` seconds after its frame. */
static void check_cuts(size_t n, double late) {
    static const int frames[] = {0, 36, 96, 114}; /* of 29.97 a second */
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        if (!samples[i].cut) continue;
        assert_in_range(found, 0, 3);
        double after = samples[i].start - frames[found] * 1001 / 30000.0;
        if (after < -1e-6 || after > late + 1e-6)
            fail_msg("cut %zu at %.6f", found, samples[i].start);
        found++;
    }
    assert_int_equal(found, 4);
    assert_true(samples[0].start == 0);
    assert_true(fabs(samples[n - 1].end - 5.4) < 0.15);
}

static void cuts_are_found(void **state) {
    (void)state;
    check_cuts(take(made("scenes.mp4", SCENES), NULL), 0);
}

/* Every second frame is left out at least where an encoder made frames that none needs. */
static void fast_finds_the_same_cuts(void **state) {
    (void)state;
    const char *path = made("fast.mp4", SCENES " -bf 2 -b_strategy 0");
    const sns_sample_options each = {.every = 0.001, .keep_repeated = 1},
                             fast = {.every = 0.001, .keep_repeated = 1, .fast = 1};
    size_t all = take(path, &each), some = take(path, &fast);
    print_message("%zu frames, fast %zu\n", all, some);
    assert_in_range(all, 150, 170);
    assert_in_range(some, all / 4, all * 2 / 3);
    const sns_sample_options usual = {.fast = 1};
    check_cuts(take(path, &usual), 3 * 1001 / 30000.0);
}

static void still_pictures_are_one_sample(void **state) {
    (void)state;
    const char *path = made("still.mp4", "-f lavfi -i smptebars=s=160x120:r=25:d=6 -c:v libx264");
    assert_int_equal(take(path, NULL), 1);
    assert_true(fabs(samples[0].end - 6) < 1e-6);
    const sns_sample_options all = {.keep_repeated = 1, .every = 0.5};
    assert_int_equal(take(path, &all), 12);
    for (int i = 0; i < 12; i++) assert_true(fabs(samples[i].start - 0.5 * i) < 0.0401);
}

/* A dissolve of two seconds has no cut; the picture that it ends with is sampled all the same. */
static void dissolves_are_sampled(void **state) {
    (void)state;
    size_t n = take(made("fade.mp4", "-f lavfi -i color=navy:s=160x120:r=25:d=4 -f lavfi -i "
                                     "color=orange:s=160x120:r=25:d=4 -filter_complex "
                                     "xfade=duration=2:offset=1 -c:v libx264"),
                    NULL);
    assert_in_range(n, 3, 10);
    for (size_t i = 1; i < n; i++) assert_false(samples[i].cut);
    assert_true(samples[n - 1].start > 1.5 && samples[n - 1].start < 3.1);
}

static void goes_on_from_a_time(void **state) {
    (void)state;
    static sns_sample whole[MOST];
    const char *path = made("resume.mp4", SCENES);
    size_t n = take(path, NULL);
    memcpy(whole, samples, sizeof whole);
    const sns_sample_options rest = {.from = whole[2].end};
    size_t m = take(path, &rest);
    assert_true(samples[0].start == whole[3].start);
    assert_true(samples[m - 1].end == whole[n - 1].end);
    const sns_sample_options part = {.from = 1.0, .until = 2.0};
    m = take(path, &part);
    assert_true(samples[0].start >= 1.0 && samples[0].start < 1.04);
    assert_true(samples[m - 1].end == 2.0);
    const sns_sample_options wrong = {.every = -1};
    sns_video *v;
    sns_shots *s;
    assert_int_equal(sns_video_open(path, NULL, &v, NULL), SNS_OK);
    assert_int_equal(sns_shots_new(v, &wrong, &s, NULL), SNS_ARG);
    sns_video_close(v);
}

/* From any sample on, what is left comes to the same bits. */
static void goes_on_as_if_never_interrupted(void **state) {
    (void)state;
    static sns_sample whole[MOST];
    for (size_t f = 0; f < 2; f++) {
        const char *path = f ? made("on.m2ts", SCENES " -g 30") : made("on.mp4", SCENES " -bf 2");
        sns_sample_options o = {.every = 0.3, .longest = 0.7};
        size_t n = take(path, &o);
        assert_true(n > 8);
        memcpy(whole, samples, sizeof whole);
        for (size_t k = 0; k + 1 < n; k++) {
            assert_true(whole[k].next.seconds == whole[k].end);
            o.after = whole[k].next;
            assert_int_equal(take(path, &o), n - k - 1);
            for (size_t i = k + 1; i < n; i++) {
                const sns_sample *a = &whole[i], *b = &samples[i - k - 1];
                assert_true(a->seconds == b->seconds && a->start == b->start && a->end == b->end);
                assert_int_equal(a->cut, b->cut);
                assert_memory_equal(&a->next, &b->next, sizeof a->next);
            }
        }
        assert_true(whole[n - 1].next.seconds == 0);
    }
    sns_sample_options wrong = {.after = {.seconds = 1, .due = NAN}};
    sns_video *v;
    sns_shots *s;
    assert_int_equal(sns_video_open(made("off.mp4", SCENES), NULL, &v, NULL), SNS_OK);
    assert_int_equal(sns_shots_new(v, &wrong, &s, NULL), SNS_ARG);
    sns_video_close(v);
}

static void long_samples_end(void **state) {
    (void)state;
    const sns_sample_options o = {.longest = 2};
    const char *path = made("stands.mp4", "-f lavfi -i smptebars=s=160x120:r=25:d=5 -c:v libx264");
    assert_int_equal(take(path, &o), 3);
    assert_true(samples[0].end == 2 && samples[1].end == 4);
    assert_false(samples[1].cut);
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
        cmocka_unit_test(cuts_are_found),
        cmocka_unit_test(fast_finds_the_same_cuts),
        cmocka_unit_test(still_pictures_are_one_sample),
        cmocka_unit_test(dissolves_are_sampled),
        cmocka_unit_test(goes_on_from_a_time),
        cmocka_unit_test(goes_on_as_if_never_interrupted),
        cmocka_unit_test(long_samples_end),
    };
    if (!film_has_ffmpeg()) {
        puts("skipped: no ffmpeg");
        return 77;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
