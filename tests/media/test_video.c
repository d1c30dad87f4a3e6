/* test_video.c - frames of films: exact times, exact seeking, and how they look. */
#include "base/file.h"
#include "base/rng.h"
#include "make_film.h"
#include <math.h>
#include <sensus/video.h>
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

static sns_video *opened(const char *path) {
    sns_video *v;
    sns_error err = {0};
    if (sns_video_open(path, NULL, &v, &err)) fail_msg("%s", err.message);
    return v;
}

static sns_frame next(sns_video *v) {
    sns_frame f;
    sns_error err = {0};
    if (sns_video_next(v, &f, &err)) fail_msg("%s", err.message);
    return f;
}

static void assert_colour(const sns_image *m, double x, double y, int r, int g, int b) {
    size_t at = (size_t)(y * (double)m->height_px) * m->width_px +
                (size_t)(x * (double)m->width_px);
    const uint8_t *p = m->rgb + 3 * at;
    if (abs(p[0] - r) > 6 || abs(p[1] - g) > 6 || abs(p[2] - b) > 6)
        fail_msg("at %.2f, %.2f: %d %d %d, not %d %d %d", x, y, p[0], p[1], p[2], r, g, b);
}

static uint64_t hash(const sns_image *m) {
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < m->width_px * m->height_px * 3; i++)
        h = (h ^ m->rgb[i]) * 1099511628211u;
    return h;
}

/* ---- times ---------------------------------------------------------------------------------- */

static void times_of_constant_rates(void **state) {
    (void)state;
    static const struct {
        const char *name, *arguments;
        double num, den;
        int count;
    } films[] = {
        {"r24.mp4", "-f lavfi -i testsrc=s=64x48:r=24:d=2 -c:v mpeg4", 24, 1, 48},
        {"r2997.mp4", "-f lavfi -i testsrc=s=64x48:r=30000/1001:d=4 -c:v libx264 -bf 3", 30000,
         1001, 119},
        {"r60.mkv", "-f lavfi -i testsrc=s=64x48:r=60:d=1 -c:v mpeg4", 60, 1, 60},
        {"r2997.ts", "-f lavfi -i testsrc=s=64x48:r=30000/1001:d=2 -c:v mpeg2video -bf 2", 30000,
         1001, 59},
    };
    for (size_t i = 0; i < sizeof films / sizeof *films; i++) {
        sns_video *v = opened(made(films[i].name, films[i].arguments));
        /* Matroska counts in milliseconds, transport streams in 1/90000 s. */
        double allowed = strstr(films[i].name, "mkv")  ? 6e-4
                         : strstr(films[i].name, "ts") ? 6e-6
                                                       : 1e-9;
        int n = 0;
        for (sns_frame f; (f = next(v)).image.rgb; n++)
            if (fabs(f.seconds - n * films[i].den / films[i].num) > allowed)
                fail_msg("%s: frame %d at %.9f", films[i].name, n, f.seconds);
        assert_in_range(n, films[i].count, films[i].count + 1);
        assert_int_equal(sns_video_damaged(v), 0);
        sns_video_close(v);
    }
}

/* The even frames of 25 a second in the first second, then all: as the stream says. */
static const char *varying(void) {
    return made("varying.mp4", "-f lavfi -i testsrc=s=64x48:r=25:d=3 -vf "
                               "select=gte(t\\,1)+not(mod(n\\,2)) -vsync vfr -c:v libx264 -g 20");
}

static void times_of_a_varying_rate(void **state) {
    (void)state;
    sns_video *v = opened(varying());
    int n = 0;
    for (sns_frame f; (f = next(v)).image.rgb; n++) {
        double expected = n < 13 ? n * 0.08 : 1.0 + (n - 13) * 0.04;
        if (fabs(f.seconds - expected) > 1e-6) fail_msg("frame %d at %.6f", n, f.seconds);
    }
    assert_int_equal(n, 63);
    sns_video_close(v);
}

/* ---- seeking -------------------------------------------------------------------------------- */

enum { MOST_FRAMES = 200 };

/* Wherever it is sought to, the frame is the one that reading from the start gives there. */
static void seek_everywhere(const char *path, double most) {
    static double times[MOST_FRAMES];
    static uint64_t hashes[MOST_FRAMES];
    sns_video *v = opened(path);
    int n = 0;
    for (sns_frame f; n < MOST_FRAMES && (f = next(v)).image.rgb; n++)
        times[n] = f.seconds, hashes[n] = hash(&f.image);
    sns_rng rng;
    sns_rng_seed(&rng, 7);
    for (int i = 0; i < 60; i++) {
        int at = (int)sns_rng_below(&rng, (uint64_t)n);
        /* exactly at a frame, or a little after the one before */
        double t = i % 2 || !at ? times[at] : times[at - 1] + 0.001;
        assert_int_equal(sns_video_seek(v, t, NULL), SNS_OK);
        for (int k = 0; k < 3 && at + k < n; k++) {
            sns_frame f = next(v);
            if (!f.image.rgb || f.seconds != times[at + k])
                fail_msg("%s: from %.6f comes %.6f, not %.6f", path, t, f.seconds, times[at + k]);
            if (hash(&f.image) != hashes[at + k])
                fail_msg("%s: another picture at %.6f", path, f.seconds);
        }
    }
    assert_int_equal(sns_video_seek(v, most, NULL), SNS_OK);
    assert_null(next(v).image.rgb);
    assert_int_equal(sns_video_seek(v, -1, NULL), SNS_OK);
    assert_true(next(v).seconds == times[0]);
    sns_video_close(v);
}

static void seeks_are_exact(void **state) {
    (void)state;
    seek_everywhere(made("seek.mp4", "-f lavfi -i testsrc=s=64x48:r=30000/1001:d=5 -c:v libx264 "
                                     "-bf 3 -g 30"),
                    100);
    seek_everywhere(made("seek.mkv", "-f lavfi -i testsrc=s=64x48:r=25:d=5 -c:v mpeg4 -bf 2"), 100);
    seek_everywhere(made("seek.ts", "-f lavfi -i testsrc=s=64x48:r=25:d=5 -c:v mpeg2video -bf 2"),
                    100);
    seek_everywhere(made("seek.avi", "-f lavfi -i testsrc=s=64x48:r=25:d=4 -c:v mpeg4 -g 25"), 100);
    seek_everywhere(varying(), 100);
}

/* ---- how frames look ------------------------------------------------------------------------ */

/* Red, green above blue, white: which corner is where tells any turn. */
#define CORNERS                                                                                    \
    "-f lavfi -i color=red:s=64x32:r=5:d=1 -vf "                                                   \
    "drawbox=32:0:32:16:lime:fill,drawbox=0:16:32:16:blue:fill,drawbox=32:16:32:16:white:fill"

static void frames_are_upright(void **state) {
    (void)state;
    static const struct {
        int degrees;
        int corner[4]; /* 0 red, 1 green, 2 blue, 3 white: top left, top right, bottom left, ... */
    } turns[] = {{0, {0, 1, 2, 3}}, {90, {2, 0, 3, 1}}, {180, {3, 2, 1, 0}}, {270, {1, 3, 0, 2}}};
    static const int colour[4][3] = {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {255, 255, 255}};
    /* ffmpeg's tag counts the other way. */
    char flat[4200];
    snprintf(flat, sizeof flat, "%s",
             made("flat.mp4", CORNERS " -c:v libx264 -qp 1 -pix_fmt "
                                      "yuv444p"));
    for (int i = 0; i < 4; i++) {
        char name[32], arguments[5000];
        snprintf(arguments, sizeof arguments, "-i %s -c copy -metadata:s:v rotate=%d", flat,
                 (360 - turns[i].degrees) % 360);
        snprintf(name, sizeof name, "turn%d.mp4", turns[i].degrees);
        sns_video *v = opened(made(name, arguments));
        sns_video_info info;
        sns_video_describe(v, &info);
        assert_int_equal(info.rotation, turns[i].degrees);
        sns_frame f = next(v);
        assert_int_equal(f.image.width_px, i % 2 ? 32 : 64);
        assert_int_equal(f.image.width_px, info.width_px);
        for (int k = 0; k < 4; k++) {
            const int *c = colour[turns[i].corner[k]];
            assert_colour(&f.image, k % 2 ? 0.75 : 0.25, k / 2 ? 0.75 : 0.25, c[0], c[1], c[2]);
        }
        sns_video_close(v);
    }
}

static void pixels_become_square(void **state) {
    (void)state;
    sns_video *v = opened(made("wide.mkv", "-f lavfi -i testsrc=s=64x48:r=5:d=1 -vf setsar=4/3 "
                                           "-c:v ffv1"));
    sns_frame f = next(v);
    assert_int_equal(f.image.width_px, 85);
    assert_int_equal(f.image.height_px, 48);
    sns_video_close(v);
    v = opened(made("tall.mkv", "-f lavfi -i testsrc=s=64x48:r=5:d=1 -vf setsar=1/2 -c:v ffv1"));
    f = next(v);
    assert_int_equal(f.image.width_px, 64);
    assert_int_equal(f.image.height_px, 96);
    sns_video_close(v);
    const sns_video_options small = {.target_px = 10};
    assert_int_equal(sns_video_open(made("big.mkv", "-f lavfi -i testsrc=s=320x240:r=5:d=1 -c:v "
                                                    "ffv1"),
                                    &small, &v, NULL),
                     SNS_OK);
    f = next(v);
    assert_int_equal(f.image.height_px, 20);
    assert_int_equal(f.image.width_px, 27);
    sns_video_close(v);
}

/* One colour through every matrix and range comes out as that colour. */
static void colours_by_matrix_and_range(void **state) {
    (void)state;
    static const char *const filters[] = {
        "scale=out_color_matrix=bt709:out_range=tv,format=yuv444p -colorspace bt709 -color_range "
        "tv",
        "scale=out_color_matrix=bt709:out_range=pc,format=yuv444p -colorspace bt709 -color_range "
        "pc",
        "scale=out_color_matrix=smpte170m:out_range=tv,format=yuv444p -colorspace smpte170m "
        "-color_range tv",
        "scale=out_color_matrix=bt601:out_range=tv,format=yuv444p",
        "scale=out_color_matrix=bt2020:out_range=tv,format=yuv444p10 -colorspace bt2020nc "
        "-color_range tv",
    };
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        char name[32], arguments[512];
        snprintf(arguments, sizeof arguments,
                 "-f lavfi -i color=0xc83c1e:s=64x64:r=5:d=1,format=gbrp -vf %s -c:v ffv1",
                 filters[i]);
        snprintf(name, sizeof name, "colour%zu.mkv", i);
        sns_video *v = opened(made(name, arguments));
        sns_frame f = next(v);
        assert_colour(&f.image, 0.5, 0.5, 0xc8, 0x3c, 0x1e);
        sns_video_close(v);
    }
}

/* Fields of two colours: one of them is shown, not a comb of both. */
static void interlaced_frames_show_one_field(void **state) {
    (void)state;
    sns_video *v = opened(made("fields.mkv",
                               "-f lavfi -i color=red:s=64x64:r=10:d=2 -f lavfi -i "
                               "color=blue:s=64x64:r=10:d=2 -filter_complex "
                               "[0][1]interleave,setpts=N/20/TB,fps=20,tinterlace=interleave_top "
                               "-c:v mpeg2video -flags +ildct+ilme -top 1 -q:v 1"));
    sns_frame f = next(v);
    assert_int_equal(f.image.height_px, 64);
    const uint8_t *p = f.image.rgb;
    for (size_t y = 1; y < 64; y++)
        for (int k = 0; k < 3; k++)
            assert_true(abs(p[3 * (y * 64 + 32) + (size_t)k] - p[3 * 32 + k]) < 12);
    sns_video_close(v);
}

static uint8_t hdr_gray(const char *name, int code, const char *transfer) {
    char arguments[512];
    snprintf(arguments, sizeof arguments,
             "-f lavfi -i color=black:s=64x64:r=5:d=1,format=yuv420p10,"
             "geq=lum=%d:cb=512:cr=512 -c:v ffv1 -color_trc %s -colorspace bt2020nc "
             "-color_primaries bt2020 -color_range tv",
             64 + code * 876 / 1000, transfer);
    sns_video *v = opened(made(name, arguments));
    sns_video_info info;
    sns_video_describe(v, &info);
    assert_true(info.hdr);
    sns_frame f = next(v);
    const uint8_t *p = f.image.rgb + 3 * (32 * 64 + 32);
    assert_true(abs(p[0] - p[1]) <= 2 && abs(p[1] - p[2]) <= 2);
    uint8_t gray = p[1];
    sns_video_close(v);
    return gray;
}

/* Codes of PQ: 0 is black, 0.44 some 50 cd/m2, a quarter of SDR's white, is kept; 0.7518, 1000
 * cd/m2, becomes white. HLG's 0.75 is SDR's white and stays near it. */
static void hdr_is_mapped_to_sdr(void **state) {
    (void)state;
    assert_in_range(hdr_gray("pq0.mkv", 0, "smpte2084"), 0, 1);
    assert_in_range(hdr_gray("pq440.mkv", 440, "smpte2084"), 128, 142);
    uint8_t middle = hdr_gray("pq580.mkv", 580, "smpte2084");
    assert_in_range(middle, 220, 240);
    assert_in_range(hdr_gray("pq752.mkv", 752, "smpte2084"), 252, 255);
    assert_in_range(hdr_gray("pq900.mkv", 900, "smpte2084"), 252, 255);
    assert_in_range(hdr_gray("hlg750.mkv", 750, "arib-std-b67"), 220, 240);
}

static void transparent_frames_are_on_white(void **state) {
    (void)state;
    sns_video *v = opened(made("clear.mov", "-f lavfi -i color=red@0.0:s=64x64:r=5:d=1,format=rgba "
                                            "-c:v qtrle"));
    sns_frame f = next(v);
    assert_colour(&f.image, 0.5, 0.5, 255, 255, 255);
    sns_video_close(v);
}

/* ---- damage --------------------------------------------------------------------------------- */

/* Bytes that are wrong cost the frames that they belong to. */
static void damage_is_passed_over(void **state) {
    (void)state;
    static const char *const names[] = {"bad.mkv", "bad.ts", "bad.mp4", "bad.avi"};
    for (size_t i = 0; i < 4; i++) {
        char *bytes;
        size_t size;
        const char *path = made(names[i], "-f lavfi -i testsrc=s=128x96:r=25:d=4 -c:v mpeg4 -g 12");
        assert_int_equal(sns_file_read(path, 1 << 26, &bytes, &size, NULL), SNS_OK);
        sns_rng rng;
        sns_rng_seed(&rng, 3 + i);
        for (int round = 0; round < 12; round++) {
            char *copy = malloc(size);
            memcpy(copy, bytes, size);
            for (int k = 0; k < 20; k++)
                copy[4096 + sns_rng_below(&rng, size - 4096)] = (char)sns_rng_next(&rng);
            sns_video *v;
            sns_error err = {0};
            sns_status s = sns_video_open_memory(copy, size, "the-name", NULL, &v, &err);
            double last = -1;
            int n = 0;
            for (sns_frame f; !s && n < 1000; n++, last = f.seconds) {
                s = sns_video_next(v, &f, &err);
                if (s || !f.image.rgb) break;
                assert_true(f.seconds > last);
            }
            assert_true(n < 1000);
            if (s) assert_non_null(strstr(err.message, "the-name"));
            sns_video_close(v);
            free(copy);
        }
        free(bytes);
    }
}

static void length_is_bounded(void **state) {
    (void)state;
    sns_video *v;
    const sns_video_options o = {.max_seconds = 1.0};
    const char *path = made("bound.mp4", "-f lavfi -i testsrc=s=64x48:r=25:d=3 -c:v mpeg4");
    assert_int_equal(sns_video_open(path, &o, &v, NULL), SNS_OK);
    int n = 0;
    while (next(v).image.rgb) n++;
    assert_int_equal(n, 25);
    assert_null(next(v).image.rgb);
    sns_video_close(v);
    const sns_video_options small = {.max_pixels = 100};
    sns_error err = {0};
    assert_int_equal(sns_video_open(path, &small, &v, &err), SNS_LIMIT);
    assert_non_null(strstr(err.message, path));
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
        cmocka_unit_test(times_of_constant_rates),
        cmocka_unit_test(times_of_a_varying_rate),
        cmocka_unit_test(seeks_are_exact),
        cmocka_unit_test(frames_are_upright),
        cmocka_unit_test(pixels_become_square),
        cmocka_unit_test(colours_by_matrix_and_range),
        cmocka_unit_test(interlaced_frames_show_one_field),
        cmocka_unit_test(hdr_is_mapped_to_sdr),
        cmocka_unit_test(transparent_frames_are_on_white),
        cmocka_unit_test(damage_is_passed_over),
        cmocka_unit_test(length_is_bounded),
    };
    if (!film_has_ffmpeg()) {
        puts("skipped: no ffmpeg");
        return 77;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
