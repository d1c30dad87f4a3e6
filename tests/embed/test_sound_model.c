/* test_sound_model.c - a model that hears: sounds of any length, files, what it refuses, its
 * folder. */
#include "base/file.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include "embed/model_internal.h"
#include "embed/sound_reader.h"
#include "tool.h"
#include <math.h>
#include <omp.h>
#include <sensus/embed.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { WINDOW = 12 * 160, LONG = 7 * WINDOW / 2 + 55, E = 12 };

static sns_model *model;
static sns_session *session;
static float noise[LONG];

static sns_model *loaded(const char *name) {
    sns_model *m;
    sns_error err = {0};
    if (sns_model_load(tool_source(name), &m, &err)) fail_msg("%s", err.message);
    return m;
}

static void encode(const float *samples, size_t n, float out[E]) {
    const sns_sound sound = {(float *)(uintptr_t)samples, n, 16000, 0};
    sns_error err = {0};
    if (sns_encode_sound(session, &sound, out, &err)) fail_msg("%s", err.message);
    double norm = 0;
    for (size_t i = 0; i < E; i++) norm += (double)out[i] * out[i];
    assert_true(fabs(norm - 1) < 1e-5);
}

static double distance(const float *a, const float *b) {
    double d = 0;
    for (size_t i = 0; i < E; i++) d = fmax(d, fabs((double)a[i] - b[i]));
    return d;
}

static void short_sounds_are_followed_by_silence(void **state) {
    (void)state;
    float padded[WINDOW] = {0}, a[E], b[E];
    memcpy(padded, noise, 700 * sizeof *padded);
    encode(noise, 700, a);
    encode(padded, WINDOW, b);
    assert_memory_equal(a, b, sizeof a);
    encode(noise, 1, a);
}

static void long_sounds_are_windows(void **state) {
    (void)state;
    /* Starts by hand: steps of half a window, the last one at the end. */
    static const size_t starts[] = {0,          WINDOW / 2,     WINDOW,       3 * WINDOW / 2,
                                    2 * WINDOW, 5 * WINDOW / 2, LONG - WINDOW};
    float whole[E], part[E], mean[E] = {0};
    double norm = 0;
    encode(noise, LONG, whole);
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        encode(noise + starts[i], WINDOW, part);
        for (size_t c = 0; c < E; c++) mean[c] += part[c];
    }
    for (size_t c = 0; c < E; c++) norm += (double)mean[c] * mean[c];
    for (size_t c = 0; c < E; c++) mean[c] /= (float)sqrt(norm);
    assert_true(distance(whole, mean) < 1e-5);
    encode(noise, WINDOW, part);
    assert_true(distance(whole, part) > 1e-4);
}

static void same_sound_same_bits(void **state) {
    (void)state;
    float a[E], b[E];
    int before = omp_get_max_threads();
    encode(noise, LONG, a);
    omp_set_num_threads(3);
    encode(noise, LONG, b);
    omp_set_num_threads(before);
    assert_memory_equal(a, b, sizeof a);
}

typedef struct sink {
    float vector[8][E];
    sns_status status[8];
    double seconds[8];
    char message[8][256];
    size_t n;
} sink;

static sns_status take(void *user, const sns_embed_result *r) {
    sink *k = user;
    k->status[k->n] = r->status;
    k->seconds[k->n] = r->seconds;
    snprintf(k->message[k->n], sizeof k->message[0], "%s", r->message);
    if (r->vector) memcpy(k->vector[k->n], r->vector, sizeof k->vector[0]);
    k->n++;
    return SNS_OK;
}

/* A file's vector depends on nothing but the file. */
static void files(void **state) {
    (void)state;
    static const size_t counts[] = {800, LONG, 5 * WINDOW};
    char *dir = tool_tmpdir(), *paths[5];
    for (size_t i = 0; i < 3; i++) {
        sns_sound s = {noise, counts[i] < LONG ? counts[i] : LONG, 16000, 0};
        uint8_t *bytes;
        size_t size;
        char name[16];
        snprintf(name, sizeof name, "%zu.wav", i);
        paths[i] = sns_path_join(dir, name);
        assert_int_equal(sns_sound_encode_wav(&s, &bytes, &size, NULL), SNS_OK);
        assert_int_equal(sns_file_write(paths[i], bytes, size, NULL), SNS_OK);
        free(bytes);
    }
    paths[3] = sns_path_join(dir, "missing.wav");
    paths[4] = sns_strdup(tool_source("goldens/media/palette.png"));
    const char *all[] = {paths[0], paths[3], paths[1], paths[4], paths[2], paths[0]};
    for (size_t threads = 1; threads <= 3; threads += 2) {
        sink k = {.n = 0}, one = {.n = 0};
        const sns_embed_options o = {.threads = threads};
        sns_error err = {0};
        if (sns_embed_files(model, all, 6, &o, take, &k, &err)) fail_msg("%s", err.message);
        assert_int_equal(k.n, 6);
        assert_int_equal(k.status[1], SNS_MISSING);
        assert_int_equal(k.status[3], SNS_FORMAT);
        assert_non_null(strstr(k.message[3], "palette.png"));
        assert_true(fabs(k.seconds[0] - 0.05) < 1e-9 && k.seconds[1] == 0);
        assert_memory_equal(k.vector[0], k.vector[5], sizeof k.vector[0]);
        assert_int_equal(sns_embed_files(model, all + 2, 1, &o, take, &one, &err), SNS_OK);
        assert_memory_equal(k.vector[2], one.vector[0], sizeof k.vector[0]);
    }
    for (int i = 0; i < 5; i++) free(paths[i]);
    tool_remove(dir);
}

/* Windows a batch at a time are those of the whole sound, also after an interruption, and their
 * spans join. */
static void windows_in_batches(void **state) {
    (void)state;
    enum { MOST = 64, LENGTHS = 6 };
    static const size_t lengths[LENGTHS] = {1,    WINDOW,          WINDOW + 1,
                                            LONG, 17 * WINDOW / 2, 17 * WINDOW / 2 + 5};
    static float all[MOST * E], part[E];
    static float sound[9 * WINDOW];
    char *dir = tool_tmpdir(), *path = sns_path_join(dir, "long.wav");
    for (size_t i = 0; i < 9 * WINDOW; i++) sound[i] = noise[i % LONG];
    for (size_t k = 0; k < LENGTHS; k++) {
        sns_sound s = {sound, lengths[k], 16000, 0};
        uint8_t *bytes;
        size_t size, n = 0;
        sns_error err = {0};
        assert_int_equal(sns_sound_encode_wav(&s, &bytes, &size, NULL), SNS_OK);
        assert_int_equal(sns_file_write(path, bytes, size, NULL), SNS_OK);
        free(bytes);
        sns_sound_reader *r;
        sns_sound_batch b;
        sns_sound_reading o = {0};
        double end = 0;
        bool more = true;
        if (sns_sound_reader_open(model, path, &o, &r, &err)) fail_msg("%s", err.message);
        while (!sns_sound_reader_next(r, &b, &err) && b.count) {
            assert_true(more);
            for (size_t i = 0; i < b.count; i++) {
                assert_true(b.spans[i].start == end);
                assert_true(b.spans[i].start <= b.spans[i].seconds);
                assert_true(b.spans[i].seconds < b.spans[i].end);
                end = b.spans[i].end;
            }
            memcpy(all + n * E, b.vectors, b.count * E * sizeof *all);
            n += b.count;
            more = b.more;
        }
        assert_false(more);
        sns_sound_reader_free(r);
        size_t count = lengths[k] <= WINDOW ? 1 : 1 + (lengths[k] - WINDOW + 959) / 960;
        assert_int_equal(n, count);
        assert_true(fabs(end - (double)lengths[k] / 16000) < 1e-9);
        if (lengths[k] < WINDOW) continue;
        sns_sound decoded;
        assert_int_equal(sns_sound_load(path, NULL, &decoded, NULL), SNS_OK);
        for (size_t i = 0; i < n; i++) {
            size_t at = i + 1 < n ? i * 960 : lengths[k] - WINDOW;
            encode(decoded.samples + at, WINDOW, part);
            assert_true(distance(part, all + i * E) < 1e-5);
        }
        sns_sound_free(&decoded);
        /* The second batch, without the first. */
        o.after = 16;
        if (sns_sound_reader_open(model, path, &o, &r, &err)) fail_msg("%s", err.message);
        assert_int_equal(sns_sound_reader_next(r, &b, &err), SNS_OK);
        assert_int_equal(b.count, n > 16 ? n - 16 : 0);
        assert_memory_equal(b.vectors, all + 16 * E, b.count * E * sizeof *all);
        sns_sound_reader_free(r);
    }
    free(path);
    tool_remove(dir);
}

static void what_is_refused(void **state) {
    (void)state;
    float out[64];
    sns_error err;
    sns_sound s = {noise, 100, 8000, 0};
    assert_int_equal(sns_encode_sound(session, &s, out, &err), SNS_ARG);
    s = (sns_sound){noise, 0, 16000, 0};
    assert_int_equal(sns_encode_sound(session, &s, out, &err), SNS_ARG);
    uint8_t rgb[3] = {0};
    const sns_image image = {.rgb = rgb, .width_px = 1, .height_px = 1};
    assert_int_equal(sns_model_prepare_image(model, &image, out, &err), SNS_SHAPE);
    assert_int_equal(sns_encode_images(session, &image, 1, out, &err), SNS_SHAPE);
    assert_int_equal(sns_model_image_px(model), 0);
    assert_int_equal(sns_model_sound_rate_hz(model), 16000);
    sns_model *sees = loaded("goldens/clip");
    sns_session *seeing;
    assert_int_equal(sns_session_new(sees, &seeing, NULL), SNS_OK);
    s = (sns_sound){noise, 100, 16000, 0};
    assert_int_equal(sns_encode_sound(seeing, &s, out, &err), SNS_SHAPE);
    assert_int_equal(sns_model_sound_rate_hz(sees), 0);
    sns_session_free(seeing);
    sns_model_free(sees);
}

static void copy_changed(const char *dir, const char *file, const char *from, const char *to) {
    char source[4200], path[4200], *text;
    size_t size;
    snprintf(source, sizeof source, "%s/%s", tool_source("goldens/sound/vit"), file);
    snprintf(path, sizeof path, "%s/%s", dir, file);
    assert_int_equal(sns_file_read(source, 1 << 24, &text, &size, NULL), SNS_OK);
    char *at = from ? strstr(text, from) : NULL;
    assert_true(!from || at);
    if (at) memcpy(at, to, strlen(to));
    assert_int_equal(sns_file_write(path, text, size, NULL), SNS_OK);
    free(text);
}

static void refused_folder(const char *file, const char *from, const char *to, sns_status status,
                           const char *part) {
    static const char *const files[] = {"config.json", "preprocessor_config.json",
                                        "model.safetensors"};
    char *dir = tool_tmpdir();
    for (size_t i = 0; i < 3; i++) {
        bool this_one = !strcmp(files[i], file);
        if (this_one && !from) continue; /* missing */
        copy_changed(dir, files[i], this_one ? from : NULL, to);
    }
    sns_model *m;
    sns_error err = {0};
    sns_status s = sns_model_load(dir, &m, &err);
    if (s != status || !strstr(err.message, part))
        fail_msg("status %d, not %d: %s", s, status, err.message);
    tool_remove(dir);
}

static void folders_that_do_not_fit(void **state) {
    (void)state;
    const char *config = "config.json", *how = "preprocessor_config.json";
    refused_folder(how, NULL, NULL, SNS_MISSING, how);
    refused_folder(how, "\"max_length\": 12", "\"max_length\": 16", SNS_SHAPE, "16 frames");
    refused_folder(how, "WhisperFeature", "WhisperPicture", SNS_UNSUPPORTED, how);
    refused_folder(config, "\"max_length\": 12", "\"max_length\": 10", SNS_SHAPE, "divide");
    refused_folder(config, "\"max_length\": 12", "\"max_width_\": 12", SNS_FORMAT, "no frames");
    refused_folder(config, "\"vit\"", "\"vat\"", SNS_UNSUPPORTED, "neither vit nor cnn");
    refused_folder(config, "\"num_mel_bins\": 8", "\"num_mel_bins\": 4", SNS_SHAPE, "position");
}

static void narrow_and_described(void **state) {
    (void)state;
    char *dir = tool_tmpdir(), *text, path[4200];
    sns_error err = {0};
    float plain[E], narrow[E];
    const sns_sound sound = {noise, LONG, 16000, 0};
    encode(noise, LONG, plain);
    static const char *const types[] = {"bf16", "int8"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, types[i]);
        if (sns_model_quantize(tool_source("goldens/sound/vit"), path, types[i], &err))
            fail_msg("%s", err.message);
        sns_model *m;
        sns_session *s;
        if (sns_model_load(path, &m, &err) || sns_session_new(m, &s, &err) ||
            sns_encode_sound(s, &sound, narrow, &err))
            fail_msg("%s", err.message);
        assert_true(distance(plain, narrow) < 0.05 && distance(plain, narrow) > 0);
        sns_session_free(s);
        sns_model_free(m);
    }
    assert_int_equal(sns_model_describe(model, 0, &text, NULL), SNS_OK);
    assert_non_null(strstr(text, "audio tower  2 layers"));
    assert_non_null(strstr(text, "16000 Hz, windows of 0.12 s: 12 frames of 8 mel bands"));
    free(text);
    assert_int_equal(sns_model_describe(model, 1, &text, NULL), SNS_OK);
    assert_non_null(strstr(text, "\"sound\":{\"rate_hz\":16000,\"frames\":12,\"mels\":8"));
    assert_null(strstr(text, "image_px"));
    assert_non_null(strstr(text, "\"names\":\"huggingface\""));
    free(text);
    sns_model *cnn = loaded("goldens/sound/cnn");
    assert_int_equal(sns_model_describe(cnn, 0, &text, NULL), SNS_OK);
    assert_non_null(strstr(text, "audio tower  CNN of 3 residual blocks, width 3"));
    free(text);
    sns_model_free(cnn);
    tool_remove(dir);
}

static int set_up(void **state) {
    (void)state;
    sns_rng rng;
    sns_rng_seed(&rng, 4);
    for (size_t i = 0; i < LONG; i++)
        noise[i] = 0.2f * (float)sns_rng_normal(&rng) * (i / WINDOW % 2 ? 1 : 0.1f);
    model = loaded("goldens/sound/vit");
    return sns_session_new(model, &session, NULL);
}

static int tear_down(void **state) {
    (void)state;
    sns_session_free(session);
    sns_model_free(model);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_sounds_are_followed_by_silence),
        cmocka_unit_test(long_sounds_are_windows),
        cmocka_unit_test(same_sound_same_bits),
        cmocka_unit_test(files),
        cmocka_unit_test(windows_in_batches),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(folders_that_do_not_fit),
        cmocka_unit_test(narrow_and_described),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
