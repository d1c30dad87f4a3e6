/* test_corrupt_set.c - whole sets under synthetic shifts, whole and damaged ones. */
#include "base/file.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include "score/eval_set.h"
#include "tool.h"
#include <math.h>
#include <sensus/robustness.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { SIDE = 24 };

static char *folder; /* the test's own */

static const char *in_folder(const char *name) {
    static char path[4][4200];
    static int turn;
    char *p = path[turn++ % 4];
    snprintf(p, 4200, "%s/%s", folder, name);
    return p;
}

static void make_picture(uint64_t seed, uint8_t rgb[SIDE * SIDE * 3]) {
    sns_rng rng;
    sns_rng_seed(&rng, seed);
    double a = sns_rng_uniform(&rng), b = sns_rng_uniform(&rng);
    for (int i = 0; i < SIDE * SIDE; i++) {
        int x = i % SIDE, y = i / SIDE;
        rgb[3 * i] = (uint8_t)(128 + 100 * sin(a * x + y * 0.4));
        rgb[3 * i + 1] = (uint8_t)(128 + 100 * sin(b * y));
        rgb[3 * i + 2] = (uint8_t)(90 + (double)sns_rng_below(&rng, 40) + 3 * x);
    }
}

static void write_picture(const char *name, uint64_t seed) {
    uint8_t rgb[SIDE * SIDE * 3];
    sns_error err;
    make_picture(seed, rgb);
    char *path = sns_strdup(in_folder(name)), *slash = strrchr(path, '/');
    *slash = 0;
    assert_int_equal(sns_make_dirs(path, &err), SNS_OK);
    free(path);
    sns_image image = {SIDE, SIDE, rgb};
    assert_int_equal(sns_image_save_png(&image, in_folder(name), &err), SNS_OK);
}

static void write_text(const char *name, const char *text) {
    sns_error err;
    assert_int_equal(sns_file_write(in_folder(name), text, strlen(text), &err), SNS_OK);
}

static int open_folder(void **state) {
    (void)state;
    folder = tool_tmpdir();
    write_picture("set/cat/1.png", 1);
    write_picture("set/cat/2.png", 2);
    write_picture("set/dog/3.png", 3);
    return folder ? 0 : -1;
}

static int close_folder(void **state) {
    (void)state;
    tool_remove(folder);
    return 0;
}

static bool exists(const char *name) {
    return access(in_folder(name), F_OK) == 0;
}

static size_t lines_of(const char *name) {
    char *text;
    size_t size, n = 0;
    if (sns_file_read(in_folder(name), 1 << 20, &text, &size, NULL)) return 0;
    for (size_t i = 0; i < size; i++) n += text[i] == '\n';
    free(text);
    return n;
}

static void writes_sets_that_are_read_again(void **state) {
    (void)state;
    sns_error err;
    size_t skipped = 9;
    sns_corrupt_options o = {.data = in_folder("set"), .out = in_folder("out"), .seed = 1};
    assert_int_equal(sns_data_corrupt(&o, &skipped, &err), SNS_OK);
    assert_int_equal(skipped, 0);
    for (int k = 0; k < SNS_SHIFTS; k++)
        for (int strength = 1; strength <= SNS_STRENGTHS; strength++) {
            char name[64];
            snprintf(name, sizeof name, "out/%s-%d/manifest.jsonl", sns_shift_name((sns_shift)k),
                     strength);
            sns_eval_set set;
            const sns_eval_options reading = {0};
            assert_int_equal(
                sns_eval_set_read(in_folder(name), SNS_EVAL_PICTURES, &reading, &set, &err),
                SNS_OK);
            assert_int_equal(set.picture_count, 3);
            assert_string_equal(set.pictures[1].label, "cat");
            assert_string_equal(set.pictures[2].label, "dog");
            sns_image image;
            assert_int_equal(sns_image_load(set.pictures[2].path, NULL, &image, &err), SNS_OK);
            assert_int_equal(image.width_px, SIDE);
            sns_image_free(&image);
            sns_eval_set_free(&set);
        }
}

static bool same_bytes(const char *a, const char *b) {
    char *x, *y;
    size_t m, n;
    sns_error err;
    assert_int_equal(sns_file_read(in_folder(a), 1 << 20, &x, &m, &err), SNS_OK);
    assert_int_equal(sns_file_read(in_folder(b), 1 << 20, &y, &n, &err), SNS_OK);
    bool same = m == n && !memcmp(x, y, n);
    free(x);
    free(y);
    return same;
}

/* The same picture twice is spoiled in two ways; the same set elsewhere, and in a manifest, alike.
 */
static void follows_from_seed_and_name(void **state) {
    (void)state;
    sns_error err;
    write_picture("a/cat/1.png", 1);
    write_picture("a/cat/2.png", 1);
    write_picture("elsewhere/b/cat/1.png", 1);
    write_text("elsewhere/b/list.jsonl", "{\"image\": \"cat/1.png\", \"label\": \"x\"}\n");
    sns_corrupt_options o = {.data = in_folder("a"), .out = in_folder("out-a"), .seed = 1};
    o.shifts = 1u << SNS_SHIFT_NOISE;
    o.strengths = 1u << 3;
    assert_int_equal(sns_data_corrupt(&o, NULL, &err), SNS_OK);
    o.data = in_folder("elsewhere/b/list.jsonl");
    o.out = in_folder("out-b");
    assert_int_equal(sns_data_corrupt(&o, NULL, &err), SNS_OK);
    o.seed = 2;
    o.out = in_folder("out-c");
    assert_int_equal(sns_data_corrupt(&o, NULL, &err), SNS_OK);
    assert_true(same_bytes("out-a/noise-3/000000.png", "out-b/noise-3/000000.png"));
    assert_false(same_bytes("out-a/noise-3/000000.png", "out-a/noise-3/000001.png"));
    assert_false(same_bytes("out-a/noise-3/000000.png", "out-c/noise-3/000000.png"));
    assert_false(exists("out-a/noise-2"));
    assert_false(exists("out-a/fog-3"));
}

static void stronger_jpeg_is_worse(void **state) {
    (void)state;
    uint8_t rgb[SIDE * SIDE * 3];
    make_picture(7, rgb);
    sns_image in = {SIDE, SIDE, rgb}, out;
    sns_error err;
    double before = 0;
    for (int strength = 1; strength <= SNS_STRENGTHS; strength++) {
        double sum = 0;
        assert_int_equal(sns_image_corrupt(&in, SNS_SHIFT_JPEG, strength, 1, "x", &out, &err),
                         SNS_OK);
        for (size_t i = 0; i < sizeof rgb; i++)
            sum += ((double)rgb[i] - out.rgb[i]) * ((double)rgb[i] - out.rgb[i]);
        assert_true(sum > before);
        before = sum;
        sns_image_free(&out);
    }
    assert_int_equal(sns_image_corrupt(&in, SNS_SHIFT_JPEG, 6, 1, "x", &out, &err), SNS_ARG);
    assert_int_equal(sns_image_corrupt(&in, (sns_shift)5, 1, 1, "x", &out, &err), SNS_ARG);
    in.height_px = SNS_CORRUPT_PX_MAX + 1;
    assert_int_equal(sns_image_corrupt(&in, SNS_SHIFT_FOG, 1, 1, "x", &out, &err), SNS_LIMIT);
    in.height_px = 0;
    assert_int_equal(sns_image_corrupt(&in, SNS_SHIFT_FOG, 1, 1, "x", &out, &err), SNS_ARG);
}

static void count_warning(void *user, const char *message) {
    assert_non_null(message);
    ++*(int *)user;
}

static void leaves_out_what_it_cannot_read(void **state) {
    (void)state;
    static uint8_t wide[(SNS_CORRUPT_PX_MAX + 1) * 3];
    sns_image image = {SNS_CORRUPT_PX_MAX + 1, 1, wide};
    sns_error err;
    assert_int_equal(sns_image_save_png(&image, in_folder("wide.png"), &err), SNS_OK);
    write_text("broken.png", "\x89PNG\r\n\x1a\n and no more");
    write_text("bad.jsonl",
               "{\"image\": \"set/cat/1.png\", \"label\": \"a \\\"b\\\"\", \"captions\": "
               "{\"en\": [\"one\", \"two\"], \"de\": \"eins\"}}\n"
               "not JSON\n{\"label\": \"x\"}\n[1]\n"
               "{\"image\": \"broken.png\"}\n{\"image\": \"../../none.png\"}\n"
               "{\"image\": \"wide.png\"}\n{\"image\": \"set\"}\n"
               "{\"image\": \"set/dog/3.png\"}\n");
    int warnings = 0;
    size_t skipped;
    sns_corrupt_options o = {.data = in_folder("bad.jsonl"),
                             .out = in_folder("out-bad"),
                             .shifts = 1u << SNS_SHIFT_JPEG,
                             .strengths = 1u << 1,
                             .warn = count_warning,
                             .user = &warnings};
    assert_int_equal(sns_data_corrupt(&o, &skipped, &err), SNS_OK);
    assert_int_equal(skipped, 7);
    assert_int_equal(warnings, 7);
    assert_int_equal(lines_of("out-bad/jpeg-1/manifest.jsonl"), 2);
    sns_eval_set set;
    const sns_eval_options reading = {0};
    assert_int_equal(sns_eval_set_read(in_folder("out-bad/jpeg-1/manifest.jsonl"),
                                       SNS_EVAL_PICTURES, &reading, &set, &err),
                     SNS_OK);
    assert_string_equal(set.pictures[0].label, "a \"b\"");
    assert_null(set.pictures[1].label);
    assert_int_equal(set.caption_count, 3);
    assert_string_equal(set.captions[1].text, "two");
    sns_eval_set_free(&set);
    write_text("none.jsonl", "{\"image\": \"broken.png\"}\n");
    o.data = in_folder("none.jsonl");
    o.out = in_folder("out-none");
    assert_int_equal(sns_data_corrupt(&o, &skipped, &err), SNS_FORMAT);
    assert_false(exists("out-none/jpeg-1/manifest.jsonl"));
}

static int stop_at_once(void *user, size_t done, size_t total) {
    (void)user;
    assert_true(done <= total);
    return 1;
}

static void stops_and_refuses(void **state) {
    (void)state;
    sns_error err;
    sns_corrupt_options o = {
        .data = in_folder("set"), .out = in_folder("out-stop"), .progress = stop_at_once};
    assert_int_equal(sns_data_corrupt(&o, NULL, &err), SNS_CANCELLED);
    assert_false(exists("out-stop/fog-1/manifest.jsonl"));
    o.progress = NULL;
    o.shifts = 1u << SNS_SHIFTS;
    assert_int_equal(sns_data_corrupt(&o, NULL, &err), SNS_ARG);
    o.shifts = 0;
    o.strengths = 1;
    assert_int_equal(sns_data_corrupt(&o, NULL, &err), SNS_ARG);
    o.strengths = 0;
    o.data = in_folder("nowhere");
    assert_int_equal(sns_data_corrupt(&o, NULL, &err), SNS_MISSING);
    o.data = in_folder("set");
    o.limit = 1;
    o.out = in_folder("set/cat/1.png"); /* no folder */
    assert_int_equal(sns_data_corrupt(&o, NULL, &err), SNS_IO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_sets_that_are_read_again),
        cmocka_unit_test(follows_from_seed_and_name),
        cmocka_unit_test(stronger_jpeg_is_worse),
        cmocka_unit_test(leaves_out_what_it_cannot_read),
        cmocka_unit_test(stops_and_refuses),
    };
    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
