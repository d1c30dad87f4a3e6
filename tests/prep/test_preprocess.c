/* test_preprocess.c - preparing equals CLIPImageProcessor's steps by Pillow and numpy; what a
 * configuration may say. */
#include "base/file.h"
#include "prep/preprocess.h"
#include "tool.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* What the table's kernel does; the kernels have tests of their own. */
static void planar(float *out, size_t plane, const uint8_t *in, size_t n, const float mul[3],
                   const float add[3]) {
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++) out[c * plane + i] = (float)in[3 * i + c] * mul[c] + add[c];
}
static const sns_kernels kernels = {.planar_from_rgb8 = planar};

static void check_case(const char *dir) {
    sns_error err = {0};
    sns_preprocess p;
    char path[4300];
    snprintf(path, sizeof path, "%s/case.bin", dir);
    sns_map map;
    if (sns_map_open(path, &map, &err)) fail_msg("%s", err.message);
    uint32_t size[3];
    memcpy(size, map.data, sizeof size);
    if (sns_preprocess_read(dir, size[2], &p, &err)) fail_msg("%s", err.message);
    size_t n = (size_t)size[0] * size[1] * 3, m = (size_t)size[2] * size[2] * 3;
    assert_int_equal(map.size, sizeof size + n + m * 4);
    float *out = malloc(m * 4), *expected = malloc(m * 4);
    memcpy(expected, map.data + sizeof size + n, m * 4);
    if (sns_preprocess_run(&p, &kernels, map.data + sizeof size, size[0], size[1], out, &err))
        fail_msg("%s", err.message);
    for (size_t i = 0; i < m; i++)
        if (!(fabsf(out[i] - expected[i]) <= 2e-6f * (1 + fabsf(expected[i]))))
            fail_msg("%s: %zu: %g, expected %g", dir, i, (double)out[i], (double)expected[i]);
    free(out);
    free(expected);
    sns_map_close(&map);
}

static void equals_reference(void **state) {
    (void)state;
    if (!tool_has_pillow()) skip();
    char *dir = tool_tmpdir(), script[4200];
    snprintf(script, sizeof script, "%s", tool_source("goldens/make_preprocess.py"));
    const char *const argv[] = {TOOL_PYTHON, script, dir, NULL};
    assert_true(tool_run(argv));
    size_t count = 0;
    for (;; count++) {
        char path[4200];
        snprintf(path, sizeof path, "%s/%zu", dir, count);
        if (access(path, F_OK)) break;
        check_case(path);
    }
    assert_true(count >= 16);
    tool_remove(dir);
}

static sns_status read_text(const char *text, size_t px, sns_preprocess *p, sns_error *err) {
    char *dir = tool_tmpdir(), path[4200];
    if (!dir) fail_msg("no folder to write to");
    snprintf(path, sizeof path, "%s/preprocessor_config.json", dir ? dir : "");
    assert_int_equal(sns_file_write(path, text, strlen(text), err), SNS_OK);
    sns_status s = sns_preprocess_read(dir, px, p, err);
    tool_remove(dir);
    return s;
}

static void configurations(void **state) {
    (void)state;
    static const struct {
        const char *text;
        sns_status status;
    } cases[] = {
        {"{}", SNS_OK},
        {"{\"size\":224.0,\"crop_size\":224,\"resample\":3}", SNS_OK},
        {"{\"size\":null}", SNS_OK},
        {"{\"size\":{\"height\":224,\"width\":224},\"do_center_crop\":false}", SNS_OK},
        {"{\"resample\":2}", SNS_UNSUPPORTED},
        {"{\"resample\":\"nearest\"}", SNS_UNSUPPORTED},
        {"{\"size\":{\"height\":224,\"width\":225}}", SNS_UNSUPPORTED},
        {"{\"size\":{\"shortest_edge\":2,\"longest_edge\":3}}", SNS_UNSUPPORTED},
        {"{\"do_center_crop\":false}", SNS_UNSUPPORTED},
        {"{\"crop_size\":{\"height\":336,\"width\":336}}", SNS_SHAPE},
        {"{\"crop_size\":{\"shortest_edge\":224}}", SNS_FORMAT},
        {"{\"size\":1e9}", SNS_LIMIT},
        {"{\"size\":0}", SNS_FORMAT},
        {"{\"size\":-5}", SNS_FORMAT},
        {"{\"size\":1.5}", SNS_FORMAT},
        {"{\"size\":\"224\"}", SNS_FORMAT},
        {"{\"size\":[]}", SNS_FORMAT},
        {"{\"image_mean\":[1,2]}", SNS_FORMAT},
        {"{\"image_mean\":[1,2,\"3\"]}", SNS_FORMAT},
        {"{\"image_std\":[1,0,1]}", SNS_FORMAT},
        {"{\"do_resize\":1}", SNS_FORMAT},
        {"{\"rescale_factor\":\"x\"}", SNS_FORMAT},
        {"[]", SNS_FORMAT},
        {"{\"size\":224", SNS_FORMAT},
        {"", SNS_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sns_preprocess p;
        sns_error err = {0};
        if (read_text(cases[i].text, 224, &p, &err) != cases[i].status)
            fail_msg("%s: %s", cases[i].text, err.message);
        if (cases[i].status)
            assert_non_null(strstr(err.message, "preprocessor_config.json"));
        else
            assert_int_equal(p.crop_px, 224);
    }
}

static void written_is_read_back(void **state) {
    (void)state;
    char *dir = tool_tmpdir();
    sns_preprocess p, q;
    sns_error err;
    assert_int_equal(sns_preprocess_read(dir, 48, &p, &err), SNS_OK); /* no file: the defaults */
    assert_int_equal(p.resize_px, 48);
    p.resize_px = 50;
    p.mean[1] = 0.1f;
    for (int both = 0; both < 2; both++) {
        p.resize_both = both;
        p.do_normalize = !both;
        p.rescale = both ? 1.0f : 1 / 255.0f;
        assert_int_equal(sns_preprocess_write(dir, &p, &err), SNS_OK);
        assert_int_equal(sns_preprocess_read(dir, 48, &q, &err), SNS_OK);
        assert_int_equal(q.resize_px, 50);
        assert_int_equal(q.crop_px, 48);
        assert_true(q.resize_both == p.resize_both && q.do_resize && q.do_crop &&
                    q.do_normalize == p.do_normalize);
        assert_true(q.rescale == p.rescale);
        assert_memory_equal(q.mean, p.mean, sizeof p.mean);
        assert_memory_equal(q.std, p.std, sizeof p.std);
    }
    tool_remove(dir);
    assert_int_equal(sns_preprocess_write("/nonexistent/folder", &p, &err), SNS_IO);
}

static void wrong_arguments_are_refused(void **state) {
    (void)state;
    sns_preprocess p;
    sns_preprocess_default(&p, 2);
    uint8_t px[12] = {0};
    float out[12];
    assert_int_equal(sns_preprocess_run(&p, &kernels, px, 0, 2, out, NULL), SNS_ARG);
    p.do_crop = false; /* 2 x 4 doesn't fit the model's 2 x 2 */
    assert_int_equal(sns_preprocess_run(&p, &kernels, px, 1, 2, out, NULL), SNS_SHAPE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_reference), cmocka_unit_test(configurations),
        cmocka_unit_test(written_is_read_back), cmocka_unit_test(wrong_arguments_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
