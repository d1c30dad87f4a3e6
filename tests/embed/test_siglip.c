/* test_siglip.c - models in SiglipModel's layout give the vectors that a plain PyTorch SigLIP
 * gives.
 */
#include "base/file.h"
#include "base/strbuf.h"
#include "parity.h"

static void random_models(void **state) {
    (void)state;
    if (!parity_has_torch()) skip();
    static const char *const names[] = {"siglip", "siglip-half", "siglip-wide"};
    char *dir = tool_tmpdir(), path[4200];
    assert_true(parity_script("make_siglip.py", "make", dir));
    for (size_t i = 0; i < 3; i++) parity_check(dir, names[i]);
    /* Pairs are judged one by one: sigmoid(exp(4.7) cosine - 16.5). */
    sns_model *m;
    sns_error err;
    float p[2];
    snprintf(path, sizeof path, "%s/siglip", dir);
    if (sns_model_load(path, &m, &err)) fail_msg("%s", err.message);
    sns_model_probabilities(m, (const float[]){0.2f, 0.1f}, 2, p);
    assert_true(fabs(p[0] - 1 / (1 + exp(16.5 - 0.2 * exp(4.7)))) < 1e-5);
    assert_true(fabs(p[1] - 1 / (1 + exp(16.5 - 0.1 * exp(4.7)))) < 1e-5);
    /* The processor squeezes whole pictures and centres values on 0. */
    uint8_t rgb[2 * 24 * 3];
    float out[3 * 24 * 24];
    memset(rgb, 255, sizeof rgb);
    sns_image image = {2, 24, rgb};
    assert_int_equal(sns_model_prepare_image(m, &image, out, &err), SNS_OK);
    for (size_t i = 0; i < 3 * 24 * 24; i++) assert_true(fabsf(out[i] - 1) < 1e-5f);
    sns_model_free(m);
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

/* What sensus writes, the reference reads. */
static void written_models(void **state) {
    (void)state;
    if (!parity_has_torch()) skip();
    static const char *const inputs[] = {"pixels.npy", "ids.npy", "starts.npy"};
    char *dir = tool_tmpdir(), from[4200], out[4200];
    sns_clip_config c;
    sns_layout l;
    sns_error err = {0};
    assert_true(parity_script("make_siglip.py", "make", dir));
    snprintf(from, sizeof from, "%s/siglip", dir);
    snprintf(out, sizeof out, "%s/written", dir);
    if (sns_clip_config_read(from, &c, &err)) fail_msg("%s", err.message);
    if (sns_clip_layout(&c, &l, &err)) fail_msg("%s", err.message);
    float *data = malloc(l.total * sizeof *data);
    if (sns_clip_read_flat(from, &c, &l, data, &err)) fail_msg("%s", err.message);
    for (size_t i = 0; i < l.total; i++) data[i] *= 1.01f;
    if (sns_clip_save(out, &c, &l, data, "F32", &err)) fail_msg("%s", err.message);
    for (int i = 0; i < 3; i++) copy_file(from, out, inputs[i]);
    assert_true(parity_script("make_siglip.py", "run", out));
    parity_check(dir, "written");
    free(data);
    sns_layout_free(&l);
    tool_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_models),
                                       cmocka_unit_test(written_models)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
