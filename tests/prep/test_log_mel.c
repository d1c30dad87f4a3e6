/* test_log_mel.c - spectrograms equal NumPy's, of any length, to the bit the same again. */
#include "prep/log_mel.h"
#include "tensor/npy.h"
#include "tool.h"
#include <math.h>
#include <omp.h>
#include <sensus/sound.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static sns_npy read_golden(const char *name) {
    char path[128];
    sns_npy a;
    sns_error err = {0};
    snprintf(path, sizeof path, "goldens/log_mel/%s.npy", name);
    if (sns_npy_read(tool_source(path), &a, &err)) fail_msg("%s", err.message);
    return a;
}

static float *run(const sns_log_mel_config *c, const float *x, size_t n) {
    sns_log_mel *m;
    sns_error err = {0};
    if (sns_log_mel_new(c, &m, &err)) fail_msg("%s", err.message);
    size_t count = sns_log_mel_frames(c, n) * c->mels;
    float *out = malloc((count + 4) * sizeof *out);
    for (size_t i = 0; i < count + 4; i++) out[i] = 1234;
    if (sns_log_mel_run(m, x, n, out, &err)) fail_msg("%s", err.message);
    for (size_t i = count; i < count + 4; i++) assert_true(out[i] == 1234);
    sns_log_mel_free(m);
    return out;
}

/* In logarithms, where the largest difference lies in bands that are all but silent beside a loud
 * one, whose rounding they carry; most values are far nearer. */
static void check(const char *name, const sns_log_mel_config *c, size_t samples) {
    sns_npy x = read_golden("sound"), y = read_golden(name);
    size_t n = samples ? samples : x.count;
    assert_int_equal(y.dims, 2);
    assert_int_equal(y.dim[0], sns_log_mel_frames(c, n));
    assert_int_equal(y.dim[1], c->mels);
    float *out = run(c, x.data, n);
    double worst = 0, sum = 0;
    for (size_t i = 0; i < y.count; i++) {
        double d = fabs((double)out[i] - y.data[i]);
        worst = fmax(worst, d);
        sum += d;
    }
    double unit = c->kind == SNS_LOG_MEL_KALDI ? 1 / (2 * (double)c->std) : 0.25;
    if (worst > 2e-2 * unit || sum / (double)y.count > 2e-4 * unit)
        fail_msg("%s: off by %g, on average by %g", name, worst, sum / (double)y.count);
    free(out);
    sns_npy_free(&x);
    sns_npy_free(&y);
}

static void equals_numpy(void **state) {
    (void)state;
    sns_log_mel_config c;
    sns_log_mel_whisper(&c);
    check("whisper", &c, 0);
    check("whisper-short-401", &c, 401);
    c.rate_hz = 8000, c.window = c.n_fft = 200, c.hop = 90, c.mels = 40;
    check("whisper-8k", &c, 0);
    sns_log_mel_ast(&c);
    check("ast", &c, 0);
    c = (sns_log_mel_config){SNS_LOG_MEL_KALDI, 11025, 275, 111, 301, 23, 0, 0.5f};
    check("kaldi-odd", &c, 0);
}

static void lengths_fit(void **state) {
    (void)state;
    sns_log_mel_config both[2];
    sns_log_mel_whisper(&both[0]);
    sns_log_mel_ast(&both[1]);
    for (int i = 0; i < 2; i++)
        for (size_t f = 1; f < 300; f += 7) {
            size_t n = sns_log_mel_samples(&both[i], f);
            assert_int_equal(sns_log_mel_frames(&both[i], n), f);
            assert_int_equal(sns_log_mel_frames(&both[i], n - 1), f - 1);
        }
}

/* Longer than a block of frames, shorter than a mirror, silent. */
static void any_length(void **state) {
    (void)state;
    sns_log_mel_config c;
    sns_log_mel_whisper(&c);
    size_t n = 16000 * 3;
    float *x = calloc(n, sizeof *x);
    float *y = run(&c, x, n);
    for (size_t i = 0; i < 300 * 80; i++) assert_true(fabsf(y[i] + 1.5f) < 1e-6f);
    free(y);
    for (size_t i = 0; i < n; i++) x[i] = sinf(0.1f * (float)i);
    y = run(&c, x, 161);
    for (size_t i = 0; i < 80; i++) assert_true(isfinite(y[i]));
    free(y);
    int before = omp_get_max_threads();
    omp_set_num_threads(1);
    y = run(&c, x, n);
    omp_set_num_threads(3);
    float *again = run(&c, x, n);
    omp_set_num_threads(before);
    assert_memory_equal(y, again, 300 * 80 * sizeof *y);
    free(y);
    free(again);
    sns_log_mel *m;
    assert_int_equal(sns_log_mel_new(&c, &m, NULL), SNS_OK);
    assert_int_equal(sns_log_mel_run(m, x, 159, x, NULL), SNS_ARG);
    sns_log_mel_free(m);
    free(x);
}

static void refuses_nonsense(void **state) {
    (void)state;
    sns_log_mel_config good, c;
    sns_error err;
    sns_log_mel_whisper(&good);
    c = good, c.hop = 0;
    assert_int_equal(sns_log_mel_check(&c, &err), SNS_LIMIT);
    c = good, c.mels = 100000;
    assert_int_equal(sns_log_mel_check(&c, &err), SNS_LIMIT);
    c = good, c.n_fft = c.window = 1 << 13;
    assert_int_equal(sns_log_mel_check(&c, &err), SNS_LIMIT);
    c = good, c.n_fft = 512;
    assert_int_equal(sns_log_mel_check(&c, &err), SNS_SHAPE);
    c = good, c.rate_hz = 1 << 30;
    assert_int_equal(sns_log_mel_check(&c, &err), SNS_LIMIT);
    c = good, c.std = NAN;
    assert_int_equal(sns_log_mel_check(&c, &err), SNS_LIMIT);
}

static void config_round_trip(void **state) {
    (void)state;
    char *dir = tool_tmpdir();
    sns_log_mel_config in[3], out;
    size_t frames;
    sns_log_mel_whisper(&in[0]);
    sns_log_mel_ast(&in[1]);
    in[2] = (sns_log_mel_config){SNS_LOG_MEL_KALDI, 8000, 200, 80, 256, 40, -3.25f, 4.5f};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(sns_log_mel_write(dir, &in[i], 96 + i, NULL), SNS_OK);
        assert_int_equal(sns_log_mel_read(dir, &out, &frames, NULL), SNS_OK);
        assert_int_equal(frames, 96 + i);
        const sns_log_mel_config *a = &in[i];
        assert_int_equal(a->kind, out.kind);
        assert_true(a->rate_hz == out.rate_hz && a->window == out.window && a->hop == out.hop);
        assert_true(a->n_fft == out.n_fft && a->mels == out.mels);
        assert_true(a->mean == out.mean && a->std == out.std);
    }
    tool_remove(dir);
    static const struct {
        const char *text;
        sns_status status;
    } bad[] = {
        {"{", SNS_FORMAT},
        {"[]", SNS_FORMAT},
        {"{}", SNS_UNSUPPORTED},
        {"{\"feature_extractor_type\": \"X\"}", SNS_UNSUPPORTED},
        {"{\"feature_extractor_type\": \"ASTFeatureExtractor\", \"hop_length\": 0}", SNS_FORMAT},
        {"{\"feature_extractor_type\": \"ASTFeatureExtractor\", \"max_length\": 99999}", SNS_LIMIT},
        {"{\"feature_extractor_type\": \"ASTFeatureExtractor\", \"std\": 0}", SNS_LIMIT}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sns_error err;
        assert_int_equal(
            sns_log_mel_parse(bad[i].text, strlen(bad[i].text), "p.json", &out, &frames, &err),
            bad[i].status);
        assert_non_null(strstr(err.message, "p.json"));
    }
}

static int brightness(const sns_image *m, size_t x, size_t y) {
    const uint8_t *p = m->rgb + (y * m->width_px + x) * 3;
    return p[0] + p[1] + p[2];
}

/* A deep tone, then a high one, as a picture: time to the right, pitch upwards; silence is dark. */
static void pictures_of_sounds(void **state) {
    (void)state;
    enum { N = 16000, W = 60, H = 40 };
    float *x = calloc(N, sizeof *x);
    sns_sound sound = {x, N, 16000, 0};
    sns_image m;
    sns_error err;
    if (sns_sound_picture(&sound, W, H, &m, &err)) fail_msg("%s", err.message);
    assert_true(m.width_px == W && m.height_px == H);
    for (size_t i = 0; i < W * H; i++) assert_true(brightness(&m, i % W, i / W) < 80);
    sns_image_free(&m);
    for (size_t i = 0; i < N; i++)
        x[i] = 0.3f * (float)sin(2 * M_PI * (i < N / 2 ? 300 : 5000) * (double)i / 16000);
    assert_int_equal(sns_sound_picture(&sound, W, H, &m, NULL), SNS_OK);
    size_t brightest[2] = {0};
    for (size_t side = 0; side < 2; side++)
        for (size_t y = 0; y < H; y++)
            if (brightness(&m, W / 4 + side * W / 2, y) >
                brightness(&m, W / 4 + side * W / 2, brightest[side]))
                brightest[side] = y;
    assert_true(brightest[0] > H * 4 / 5 && brightest[1] < H / 3);
    sns_image_free(&m);
    sound.count = 159;
    assert_int_equal(sns_sound_picture(&sound, W, H, &m, &err), SNS_ARG);
    assert_null(m.rgb);
    sound.count = N;
    assert_int_equal(sns_sound_picture(&sound, W, 5000, &m, &err), SNS_ARG);
    sound.rate_hz = 4000;
    assert_int_equal(sns_sound_picture(&sound, W, H, &m, &err), SNS_ARG);
    free(x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_numpy),      cmocka_unit_test(lengths_fit),
        cmocka_unit_test(any_length),        cmocka_unit_test(refuses_nonsense),
        cmocka_unit_test(config_round_trip), cmocka_unit_test(pictures_of_sounds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
