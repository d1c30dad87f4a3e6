/* test_image.c - every format decodes to what Pillow gives; limits, names and bad files. */
#include "base/file.h"
#include "tool.h"
#include <sensus/image.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <cmocka.h>

typedef struct fixture {
    char *dir; /* pictures made for this run; NULL without Pillow */
} fixture;

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    if (tool_has_pillow()) {
        char script[4200];
        snprintf(script, sizeof script, "%s", tool_source("goldens/make_images.py"));
        f->dir = tool_tmpdir();
        const char *const argv[] = {TOOL_PYTHON, script, f->dir, "all", NULL};
        if (!tool_run(argv)) return -1;
    }
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    tool_remove(f->dir);
    free(f);
    return 0;
}

/* ---- what is decoded ------------------------------------------------------------------------ */

static void compare(const char *dir, const char *name, int most, double mean) {
    char path[4400];
    sns_error err = {0};
    sns_image image;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (sns_image_load(path, NULL, &image, &err)) fail_msg("%s", err.message);
    snprintf(path, sizeof path, "%s/%s.rgb", dir, name);
    sns_map map;
    assert_int_equal(sns_map_open(path, &map, &err), SNS_OK);
    uint32_t size[2];
    memcpy(size, map.data, sizeof size);
    if (image.width_px != size[0] || image.height_px != size[1])
        fail_msg("%s: %zu x %zu, expected %u x %u", name, image.width_px, image.height_px, size[0],
                 size[1]);
    size_t n = (size_t)size[0] * size[1] * 3;
    double sum = 0;
    int largest = 0;
    for (size_t i = 0; i < n; i++) {
        int d = abs(image.rgb[i] - map.data[8 + i]);
        sum += d;
        if (d > largest) largest = d;
    }
    if (largest > most || sum / (double)n > mean)
        fail_msg("%s: differs by up to %d, mean %g", name, largest, sum / (double)n);
    sns_map_close(&map);
    sns_image_free(&image);
}

static sns_status load_prefix(const char *path, double part, sns_error *err) {
    char *bytes;
    size_t size;
    sns_image image;
    assert_int_equal(sns_file_read(path, 1 << 24, &bytes, &size, err), SNS_OK);
    sns_status s = sns_image_decode(bytes, (size_t)((double)size * part), "half.x", NULL, &image,
                                    err);
    sns_image_free(&image);
    free(bytes);
    return s;
}

static void check_folder(const char *dir, size_t least) {
    char path[4400], name[64];
    snprintf(path, sizeof path, "%s/cases.txt", dir);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    int most, cut;
    double mean;
    size_t count = 0;
    for (; fscanf(f, "%63s %d %lf %d", name, &most, &mean, &cut) == 4; count++) {
        compare(dir, name, most, mean);
        sns_error err = {0};
        snprintf(path, sizeof path, "%s/%s", dir, name);
        if (cut && load_prefix(path, 0.5, &err) != SNS_FORMAT)
            fail_msg("the first half of %s is taken for a picture", name);
        if (cut) assert_non_null(strstr(err.message, "half.x"));
    }
    fclose(f);
    assert_true(count >= least);
}

static void committed_pictures(void **state) {
    (void)state;
    char dir[4200];
    snprintf(dir, sizeof dir, "%s", tool_source("goldens/media"));
    check_folder(dir, 5);
}

static void pictures_by_pillow(void **state) {
    fixture *f = *state;
    if (!f->dir) skip();
    check_folder(f->dir, 60);
}

/* ---- drawings ------------------------------------------------------------------------------- */

static const char drawing[] =
    "<?xml version='1.0'?>\n<!-- half red, half see-through -->\n"
    "<svg xmlns='http://www.w3.org/2000/svg' width='20' height='10'>"
    "<rect width='10' height='10' fill='#f00'/>"
    "<rect x='10' width='10' height='10' fill='#00f' fill-opacity='0.5'/></svg>";

static void drawing_is_rendered_large_enough(void **state) {
    (void)state;
    const size_t targets[] = {0, 2, 224};
    const size_t heights[] = {10, 4, 448};
    for (int exact = 0; exact < 2; exact++)
        for (size_t i = 0; i < 3; i++) {
            sns_image image;
            sns_error err = {0};
            sns_image_options o = {.target_px = targets[i], .exact = exact};
            if (sns_image_decode(drawing, sizeof drawing - 1, "d", &o, &image, &err))
                fail_msg("%s", err.message);
            size_t height = exact && heights[i] < 10 ? 10 : heights[i];
            assert_int_equal(image.height_px, height);
            assert_int_equal(image.width_px, 2 * height);
            const uint8_t *left = image.rgb, *right = image.rgb + (2 * height - 1) * 3;
            assert_true(left[0] == 255 && left[1] == 0 && left[2] == 0);
            assert_true(abs(right[0] - 127) <= 1 && abs(right[1] - 127) <= 1 && right[2] == 255);
            sns_image_free(&image);
        }
    sns_image_options o = {.target_px = 100000, .max_pixels = 1000000};
    sns_image image;
    assert_int_equal(sns_image_decode(drawing, sizeof drawing - 1, "d", &o, &image, NULL), SNS_OK);
    assert_true(image.width_px * image.height_px <= 1000000 && image.width_px > 1300);
    sns_image_free(&image);
}

/* ---- shrinking ------------------------------------------------------------------------------ */

static void make_picture(sns_image *image, size_t w, size_t h) {
    *image = (sns_image){w, h, malloc(w * h * 3)};
    for (size_t i = 0; i < w * h; i++) {
        size_t x = i % w, y = i / w;
        image->rgb[3 * i] = (uint8_t)(x * 255 / w);
        image->rgb[3 * i + 1] = (uint8_t)(y * 255 / h);
        image->rgb[3 * i + 2] = (uint8_t)((x / 16 + y / 16) % 2 * 200);
    }
}

/* A JPEG of 1600 x 1200, as bytes. */
static void make_jpeg(uint8_t **bytes, size_t *size) {
    char *dir = tool_tmpdir(), path[4200];
    snprintf(path, sizeof path, "%s/a.png", dir);
    sns_image image;
    sns_error err = {0};
    make_picture(&image, 1600, 1200);
    if (sns_image_save_png(&image, path, &err)) fail_msg("%s", err.message);
    if (sns_thumbnail_jpeg(path, 1600, bytes, size, &err)) fail_msg("%s", err.message);
    sns_image_free(&image);
    tool_remove(dir);
}

static void jpeg_shrinks_only_far_above_the_target(void **state) {
    (void)state;
    uint8_t *bytes;
    size_t size;
    make_jpeg(&bytes, &size);
    static const struct {
        size_t target;
        int exact;
        size_t height;
    } cases[] = {{0, 0, 1200},  {1200, 0, 1200}, {601, 0, 1200}, {301, 0, 1200},
                 {300, 0, 600}, {224, 0, 600},   {150, 0, 300},  {76, 0, 300},
                 {75, 0, 150},  {1, 0, 150},     {75, 1, 1200}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sns_image image;
        sns_image_options o = {.target_px = cases[i].target, .exact = cases[i].exact};
        assert_int_equal(sns_image_decode(bytes, size, "a", &o, &image, NULL), SNS_OK);
        assert_int_equal(image.height_px, cases[i].height);
        assert_int_equal(image.width_px, cases[i].height * 4 / 3);
        sns_image_free(&image);
    }
    free(bytes);
}

static void thumbnails_and_png(void **state) {
    (void)state;
    char *dir = tool_tmpdir(), path[4200];
    snprintf(path, sizeof path, "%s/a.png", dir);
    sns_image image, again, small;
    sns_error err = {0};
    make_picture(&image, 300, 200);
    assert_int_equal(sns_image_save_png(&image, path, &err), SNS_OK);
    assert_int_equal(sns_image_load(path, NULL, &again, &err), SNS_OK);
    assert_int_equal(again.width_px, 300);
    assert_memory_equal(again.rgb, image.rgb, 300 * 200 * 3);
    uint8_t *bytes;
    size_t size;
    assert_int_equal(sns_thumbnail_jpeg(path, 96, &bytes, &size, &err), SNS_OK);
    assert_int_equal(sns_image_decode(bytes, size, "thumbnail", NULL, &small, &err), SNS_OK);
    assert_int_equal(small.width_px, 96);
    assert_int_equal(small.height_px, 64);
    free(bytes);
    assert_int_equal(sns_thumbnail_jpeg(path, 0, &bytes, &size, &err), SNS_ARG);
    assert_int_equal(sns_thumbnail_jpeg("/nonexistent.png", 96, &bytes, &size, &err), SNS_MISSING);
    assert_null(bytes);
    assert_int_equal(sns_image_save_png(&image, "/nonexistent/a.png", &err), SNS_IO);
    sns_image_free(&small);
    sns_image_free(&again);
    sns_image_free(&image);
    tool_remove(dir);
}

/* ---- limits and bad files ------------------------------------------------------------------- */

/* A PNG that announces w x h pixels and holds none. */
static size_t empty_png(uint8_t *b, uint32_t w, uint32_t h) {
    static const uint8_t bytes[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\0\0\0\0\0\x08\x02\0\0\0";
    memcpy(b, bytes, 29);
    for (int i = 0; i < 4; i++) {
        b[16 + i] = (uint8_t)(w >> (24 - 8 * i));
        b[20 + i] = (uint8_t)(h >> (24 - 8 * i));
    }
    memset(b + 29, 0, 35);
    return 64;
}

static void absurd_sizes_are_refused_from_the_header(void **state) {
    (void)state;
    uint8_t b[64];
    sns_image image;
    sns_error err = {0};
    static const struct {
        uint32_t w, h;
        sns_status status;
    } cases[] = {{100000, 100000, SNS_LIMIT},
                 {0xffffffff, 0xffffffff, SNS_LIMIT},
                 {1, 0xffffffff, SNS_LIMIT},
                 {0, 5, SNS_FORMAT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = empty_png(b, cases[i].w, cases[i].h);
        assert_int_equal(sns_image_decode(b, n, "huge.png", NULL, &image, &err), cases[i].status);
        assert_non_null(strstr(err.message, "huge.png"));
    }
    static const char text[] = "P6 70000 70000 255\n";
    assert_int_equal(sns_image_decode(text, sizeof text, "huge.ppm", NULL, &image, &err),
                     SNS_LIMIT);
    uint8_t bmp[64] = "BM";
    bmp[14] = 40, bmp[20] = 1, bmp[24] = 1, bmp[26] = 1, bmp[28] = 24; /* 65536 x 65536 */
    assert_int_equal(sns_image_decode(bmp, 64, "huge.bmp", NULL, &image, &err), SNS_LIMIT);
}

/* The mean of a square of the grey picture below. */
static int mean_of_square(size_t x0, size_t y0, size_t side, size_t w, size_t h) {
    unsigned sum = 0, n = 0;
    for (size_t y = y0; y < y0 + side && y < h; y++)
        for (size_t x = x0; x < x0 + side && x < w; x++, n++)
            sum += (unsigned)(x * 7 + y * y) % 256;
    return (int)((sum + n / 2) / n);
}

static void huge_pictures_are_averaged_while_read(void **state) {
    (void)state;
    static const char header[] = "P5\n9001 7603\n255\n";
    enum { W = 9001, H = 7603, HEADER = sizeof header - 1 };
    uint8_t *pgm = malloc(HEADER + (size_t)W * H);
    assert_non_null(pgm);
    memcpy(pgm, header, HEADER);
    for (size_t y = 0; y < H; y++)
        for (size_t x = 0; x < W; x++) pgm[HEADER + y * W + x] = (uint8_t)(x * 7 + y * y);
    const struct {
        size_t target, shrink;
        int exact;
    } cases[] = {{100, 8, 0}, {1500, 2, 0}, {5000, 1, 0}, {100, 1, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sns_image image;
        sns_error err = {0};
        const sns_image_options o = {.target_px = cases[i].target, .exact = cases[i].exact};
        size_t f = cases[i].shrink, w = (W + f - 1) / f, h = (H + f - 1) / f;
        if (sns_image_decode(pgm, HEADER + (size_t)W * H, "huge", &o, &image, &err))
            fail_msg("%s", err.message);
        assert_int_equal(image.width_px, w);
        assert_int_equal(image.height_px, h);
        for (size_t y = 0; y < h; y += y + 101 < h ? 101 : 1)
            for (size_t x = 0; x < w; x += x + 97 < w ? 97 : 1)
                assert_int_equal(image.rgb[(y * w + x) * 3 + 1],
                                 mean_of_square(x * f, y * f, f, W, H));
        sns_image_free(&image);
    }
    free(pgm);
}

static void callers_limit_is_kept(void **state) {
    (void)state;
    uint8_t *bytes;
    size_t size;
    make_jpeg(&bytes, &size);
    sns_image image;
    sns_error err = {0};
    sns_image_options o = {.target_px = 32, .max_pixels = 1600 * 1200 - 1};
    assert_int_equal(sns_image_decode(bytes, size, "a.jpg", &o, &image, &err), SNS_LIMIT);
    assert_non_null(strstr(err.message, "a.jpg"));
    assert_null(image.rgb);
    o.max_pixels++;
    assert_int_equal(sns_image_decode(bytes, size, "a.jpg", &o, &image, &err), SNS_OK);
    sns_image_free(&image);
    free(bytes);
}

static void expect_failure(const char *path, sns_status status) {
    sns_image image = {1, 1, NULL};
    sns_error err = {0};
    if (sns_image_load(path, NULL, &image, &err) != status) fail_msg("%s: %s", path, err.message);
    assert_int_equal(err.code, status);
    assert_non_null(strstr(err.message, path));
    assert_null(image.rgb);
}

static void bad_paths_have_clear_errors(void **state) {
    (void)state;
    char *dir = tool_tmpdir(), path[4200];
    snprintf(path, sizeof path, "%s/x.jpg", dir);
    expect_failure(path, SNS_MISSING);
    assert_int_equal(mkdir(path, 0700), 0);
    expect_failure(path, SNS_IO);
    snprintf(path, sizeof path, "%s/pipe.jpg", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_failure(path, SNS_IO);
    snprintf(path, sizeof path, "%s/empty.jpg", dir);
    assert_int_equal(sns_file_write(path, "", 0, NULL), SNS_OK);
    expect_failure(path, SNS_FORMAT);
    assert_int_equal(sns_file_write(path, "no picture", 10, NULL), SNS_OK);
    expect_failure(path, SNS_FORMAT);
    assert_int_equal(chmod(path, 0), 0);
    if (geteuid() != 0) expect_failure(path, SNS_IO);
    snprintf(path, sizeof path, "%s/loop.jpg", dir);
    assert_int_equal(symlink("loop.jpg", path), 0);
    expect_failure(path, SNS_IO);
    tool_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(committed_pictures),
                                       cmocka_unit_test(pictures_by_pillow),
                                       cmocka_unit_test(drawing_is_rendered_large_enough),
                                       cmocka_unit_test(jpeg_shrinks_only_far_above_the_target),
                                       cmocka_unit_test(thumbnails_and_png),
                                       cmocka_unit_test(absurd_sizes_are_refused_from_the_header),
                                       cmocka_unit_test(huge_pictures_are_averaged_while_read),
                                       cmocka_unit_test(callers_limit_is_kept),
                                       cmocka_unit_test(bad_paths_have_clear_errors)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
