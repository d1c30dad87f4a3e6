/* test_parity.c - models of small geometries give the vectors that a plain PyTorch CLIP gives. */
#include "base/file.h"
#include "base/strbuf.h"
#include "parity.h"

/* Needs no PyTorch: the folder and the reference's vectors are in the repository. */
static void golden(void **state) {
    (void)state;
    char dir[4096];
    snprintf(dir, sizeof dir, "%s", tool_source("goldens"));
    parity_check(dir, "clip");
}

static void random_models(void **state) {
    (void)state;
    if (!parity_has_torch()) skip();
    static const char *const names[] = {
        "f32-quick_gelu", "f32-gelu",    "f16",       "bf16",
        "sharded",        "sharded-f16", "open_clip", "open_clip-f16-quick_gelu",
        "legacy-config"};
    char *dir = tool_tmpdir();
    assert_true(parity_make("make", dir));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) parity_check(dir, names[i]);
    tool_remove(dir);
}

static void copy_file(const char *from, const char *to, const char *name) {
    char *a = sns_path_join(from, name), *b = sns_path_join(to, name), *data;
    size_t size;
    assert_int_equal(sns_file_read(a, 1 << 24, &data, &size, NULL), SNS_OK);
    assert_int_equal(sns_file_write(b, data, size, NULL), SNS_OK);
    free(data);
    free(a);
    free(b);
}

/* What sensus writes, the reference reads, and finds the vectors that sensus computes. */
static void written_models(void **state) {
    (void)state;
    if (!parity_has_torch()) skip();
    static const char *const dtypes[] = {"F32", "F16", "BF16"};
    static const char *const inputs[] = {"pixels.npy", "ids.npy", "starts.npy"};
    char *dir = tool_tmpdir(), golden_dir[4096], out[4200];
    snprintf(golden_dir, sizeof golden_dir, "%s", tool_source("goldens/clip"));
    sns_clip_config c;
    sns_layout l;
    sns_error err = {0};
    assert_int_equal(sns_clip_config_read(golden_dir, &c, &err), SNS_OK);
    c.text.act = c.vision.act = SNS_ACT_GELU;
    assert_int_equal(sns_clip_layout(&c, &l, &err), SNS_OK);
    float *data = malloc(l.total * sizeof *data);
    assert_int_equal(sns_clip_read_flat(golden_dir, &c, &l, data, &err), SNS_OK);
    for (size_t i = 0; i < l.total; i++) data[i] *= 1.0001f; /* no longer exact in 16 bits */
    for (int i = 0; i < 3; i++) {
        snprintf(out, sizeof out, "%s/%s", dir, dtypes[i]);
        assert_int_equal(sns_clip_save(out, &c, &l, data, dtypes[i], &err), SNS_OK);
        for (int j = 0; j < 3; j++) copy_file(golden_dir, out, inputs[j]);
        assert_true(parity_make("run", out));
        parity_check(dir, dtypes[i]);
    }
    free(data);
    sns_layout_free(&l);
    tool_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(random_models),
                                       cmocka_unit_test(written_models)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
