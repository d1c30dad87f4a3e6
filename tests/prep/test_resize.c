/* test_resize.c - the resize equals Pillow's to the last bit. */
#include "base/file.h"
#include "prep/resize.h"
#include "prep/preprocess.h"
#include "tool.h"
#include <sensus/image.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

typedef struct header {
    uint32_t w, h, out_w, out_h;
    float box[4];
} header;

static void check_case(const header *c, const uint8_t *in, const uint8_t *expected) {
    size_t n = (size_t)c->out_w * c->out_h * 3;
    uint8_t *out = malloc(n + 16);
    memset(out, 0xa5, n + 16);
    sns_error err;
    assert_int_equal(sns_resize_bicubic(in, c->w, c->h, c->box[0], c->box[1], c->box[2], c->box[3],
                                        out, c->out_w, c->out_h, &err),
                     SNS_OK);
    if (memcmp(out, expected, n) != 0)
        fail_msg("%u x %u to %u x %u differs", c->w, c->h, c->out_w, c->out_h);
    for (size_t i = 0; i < 16; i++) assert_int_equal(out[n + i], 0xa5);
    free(out);
}

/* Every case of a file; the input is copied so that a read past its end is a read past a block. */
static void check_file(const char *path, size_t least) {
    sns_map map;
    sns_error err = {0};
    if (sns_map_open(path, &map, &err)) fail_msg("%s", err.message);
    size_t at = 0, count = 0;
    while (at < map.size) {
        header c;
        memcpy(&c, map.data + at, sizeof c);
        at += sizeof c;
        size_t n = (size_t)c.w * c.h * 3, m = (size_t)c.out_w * c.out_h * 3;
        assert_true(at + n + m <= map.size);
        uint8_t *in = malloc(n);
        memcpy(in, map.data + at, n);
        check_case(&c, in, map.data + at + n);
        free(in);
        at += n + m;
        count++;
    }
    assert_true(count >= least);
    sns_map_close(&map);
}

static void equals_committed_results(void **state) {
    (void)state;
    check_file(tool_source("goldens/prep/resize.bin"), 10);
}

static void equals_pillow(void **state) {
    (void)state;
    if (!tool_has_pillow()) skip();
    char *dir = tool_tmpdir(), path[4200], script[4200];
    snprintf(path, sizeof path, "%s/many.bin", dir);
    snprintf(script, sizeof script, "%s", tool_source("goldens/make_resize.py"));
    const char *const argv[] = {TOOL_PYTHON, script, path, "many", NULL};
    assert_true(tool_run(argv));
    check_file(path, 200);
    tool_remove(dir);
}

/* A window is the same as a crop of the whole. */
static void window_is_a_crop(void **state) {
    (void)state;
    enum { W = 61, H = 37, OW = 23, OH = 45 };
    uint8_t in[W * H * 3], whole[OW * OH * 3], part[OW * OH * 3];
    for (size_t i = 0; i < sizeof in; i++) in[i] = (uint8_t)(i * i * 31 >> 3);
    sns_resize_job job = {in, W, H, 0, 0, W, H, OW, OH, 0, 0, OW, OH};
    assert_int_equal(sns_resize_window(&job, whole, NULL), SNS_OK);
    const size_t windows[][4] = {{0, 0, 1, 1}, {22, 44, 1, 1}, {5, 9, 11, 13}, {0, 3, 23, 40}};
    for (size_t k = 0; k < 4; k++) {
        const size_t *v = windows[k];
        job.window_x = v[0], job.window_y = v[1], job.window_w = v[2], job.window_h = v[3];
        assert_int_equal(sns_resize_window(&job, part, NULL), SNS_OK);
        for (size_t y = 0; y < v[3]; y++)
            assert_memory_equal(part + y * v[2] * 3, whole + ((y + v[1]) * OW + v[0]) * 3,
                                v[2] * 3);
    }
}

static void wrong_sizes_are_refused(void **state) {
    (void)state;
    uint8_t px[12] = {0}, out[12];
    sns_error err;
    assert_int_equal(sns_resize_bicubic(px, 2, 2, 0, 0, 2, 2, out, 0, 1, &err), SNS_ARG);
    assert_int_equal(sns_resize_bicubic(px, 0, 2, 0, 0, 2, 2, out, 1, 1, &err), SNS_ARG);
    assert_int_equal(sns_resize_bicubic(px, 2, 2, 0, 0, 3, 2, out, 1, 1, &err), SNS_ARG);
    assert_int_equal(sns_resize_bicubic(px, 2, 2, 1, 0, 1, 2, out, 1, 1, &err), SNS_ARG);
    assert_int_equal(sns_resize_bicubic(px, 2, 2, -1, 0, 1, 2, out, 1, 1, &err), SNS_ARG);
    assert_int_equal(sns_resize_bicubic(px, (size_t)1 << 40, 2, 0, 0, 2, 2, out, 1, 1, &err),
                     SNS_LIMIT);
    sns_image image = {2, 2, px}, larger;
    assert_int_equal(sns_image_resize(&image, 0, 3, &larger, &err), SNS_ARG);
    assert_int_equal(sns_image_resize(&image, SIZE_MAX / 2, 3, &larger, &err), SNS_LIMIT);
    assert_int_equal(sns_image_resize(&image, 5, 3, &larger, &err), SNS_OK);
    assert_int_equal(larger.width_px, 5);
    sns_image_free(&larger);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_committed_results), cmocka_unit_test(equals_pillow),
        cmocka_unit_test(window_is_a_crop), cmocka_unit_test(wrong_sizes_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
