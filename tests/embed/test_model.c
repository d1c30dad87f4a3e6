/* test_model.c - a model's folder opened and used: batches, threads, fingerprints, folders that
 * lie. */
#include "base/file.h"
#include "base/strbuf.h"
#include "embed/model_internal.h"
#include "tool.h"
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { E = 12, S = 16, TEXTS = 700 };

static char *dir;
static sns_clip_config config;
static sns_layout layout;

static void put(const char *name, const char *text) {
    char *p = sns_path_join(dir, name);
    assert_int_equal(sns_file_write(p, text, strlen(text), NULL), SNS_OK);
    free(p);
}

static void drop(const char *name) {
    char *p = sns_path_join(dir, name);
    unlink(p);
    free(p);
}

/* Save the model with the last element of one tensor replaced (NULL: none). */
static void save(const char *tensor, float value, const char *dtype) {
    float *data = malloc(layout.total * sizeof *data);
    sns_error err = {0};
    sns_clip_init(&layout, &config, data, 3);
    const sns_param_desc *d = tensor ? sns_layout_find(&layout, tensor) : NULL;
    if (d) data[d->offset + d->count - 1] = value;
    if (sns_clip_save(dir, &config, &layout, data, dtype, &err)) fail_msg("%s", err.message);
    free(data);
}

static void train_tokenizer(void) {
    char *corpus = sns_path_join(dir, "corpus.txt");
    put("corpus.txt", "a dog on a beach\na cat in a hat\nthe dog and the cat\n");
    const char *files[] = {corpus};
    sns_error err = {0};
    if (sns_tokenizer_train(files, 1, 520, dir, &err)) fail_msg("%s", err.message);
    free(corpus);
}

static int set_up(void **state) {
    (void)state;
    dir = tool_tmpdir();
    train_tokenizer();
    sns_tokenizer *t;
    if (sns_tokenizer_load(dir, &t, NULL)) return -1;
    config = (sns_clip_config){
        .vision = {24, 2, 2, 48, SNS_ACT_GELU, 1e-5f},
        .text = {48, 2, 4, 32, SNS_ACT_QUICK_GELU, 1e-5f},
        .image_px = S,
        .patch_px = 4,
        .vocab = sns_tokenizer_vocab_size(t),
        .context = 10,
        .start_id = sns_tokenizer_start_id(t),
        .end_id = sns_tokenizer_end_id(t),
        .embed = E,
        .logit_scale_init = 2.0f,
    };
    sns_tokenizer_free(t);
    return sns_clip_layout(&config, &layout, NULL) ? -1 : 0;
}

static int tear_down(void **state) {
    (void)state;
    sns_layout_free(&layout);
    tool_remove(dir);
    return 0;
}

static sns_model *load(void) {
    sns_model *m;
    sns_error err = {0};
    if (sns_model_load(dir, &m, &err)) fail_msg("%s", err.message);
    return m;
}

static sns_session *session(const sns_model *m) {
    sns_session *s;
    assert_int_equal(sns_session_new(m, &s, NULL), SNS_OK);
    return s;
}

static void assert_close(const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i++) assert_true(fabsf(a[i] - b[i]) < 1e-5f);
}

static void facts(void **state) {
    (void)state;
    save(NULL, 0, "F32");
    sns_model *m = load();
    assert_int_equal(sns_model_dim(m), E);
    assert_int_equal(sns_model_image_px(m), S);
    assert_true(fabsf(sns_model_scale(m) - expf(2)) < 1e-4f);
    char *text;
    assert_int_equal(sns_model_describe(m, 0, &text, NULL), SNS_OK);
    assert_non_null(strstr(text, sns_model_fingerprint(m)));
    assert_non_null(strstr(text, dir));
    free(text);
    assert_int_equal(sns_model_describe(m, 1, &text, NULL), SNS_OK);
    assert_null(strchr(text, '\n'));
    json_t *j = json_loads(text, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(j, "parameters")), layout.total);
    assert_int_equal(json_integer_value(json_object_get(j, "dim")), E);
    assert_string_equal(json_string_value(json_object_get(j, "dtype")), "F32");
    json_int_t image = json_integer_value(
        json_object_get(json_object_get(j, "image"), "parameters"));
    json_int_t words = json_integer_value(
        json_object_get(json_object_get(j, "text"), "parameters"));
    assert_int_equal(image + words + 1, layout.total);
    json_decref(j);
    free(text);
    sns_model_free(m);
    sns_model_free(NULL);
    sns_session_free(NULL);
}

/* Many texts, short and cut, in the order given; each as if it had come alone. */
static void texts_in_batches(void **state) {
    (void)state;
    static const char *const words[] = {
        "a dog",        "",    "a cat in a hat on a beach and a dog and a cat",
        "\xe7\x8c\xab", "the", "beach dog"};
    save(NULL, 0, "F16");
    sns_model *m = load();
    sns_session *s = session(m);
    const char *texts[TEXTS];
    float *all = malloc(TEXTS * E * sizeof *all), one[6][E];
    for (size_t i = 0; i < TEXTS; i++) texts[i] = words[i * 7 % 6];
    assert_int_equal(sns_encode_texts(s, texts, TEXTS, all, NULL), SNS_OK);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(sns_encode_texts(s, words + i, 1, one[i], NULL), SNS_OK);
    for (size_t i = 0; i < TEXTS; i++) assert_close(all + i * E, one[i * 7 % 6], E);
    double norm = 0;
    for (size_t i = 0; i < E; i++) norm += (double)all[i] * all[i];
    assert_true(fabs(norm - 1) < 1e-6);
    assert_int_equal(sns_encode_texts(s, texts, 0, all, NULL), SNS_ARG);
    /* a query by text leaves the image tower alone */
    assert_true(atomic_load(&m->ready[SNS_TOWER_TEXT]));
    assert_false(atomic_load(&m->ready[SNS_TOWER_IMAGE]));
    assert_null(m->clip->patch_weight.packed);
    free(all);
    sns_session_free(s);
    sns_model_free(m);
}

static void pictures_in_batches(void **state) {
    (void)state;
    enum { N = 70 };
    save(NULL, 0, "BF16");
    sns_model *m = load();
    sns_session *s = session(m);
    static uint8_t rgb[N][20 * 30 * 3];
    static sns_image images[N];
    float *all = malloc(N * E * sizeof *all), *pixels = malloc(3 * S * S * sizeof *pixels), one[E];
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < sizeof rgb[i]; j++) rgb[i][j] = (uint8_t)(i * 31 + j * j * (i + 1));
        images[i] = (sns_image){20, 30, rgb[i]};
    }
    assert_int_equal(sns_encode_images(s, images, N, all, NULL), SNS_OK);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(sns_model_prepare_image(m, &images[i], pixels, NULL), SNS_OK);
        assert_int_equal(sns_encode_pixels(s, pixels, 1, one, NULL), SNS_OK);
        assert_close(all + i * E, one, E);
    }
    assert_int_equal(sns_encode_images(s, images, 0, all, NULL), SNS_ARG);
    assert_int_equal(sns_encode_pixels(s, pixels, 0, all, NULL), SNS_ARG);
    assert_false(atomic_load(&m->ready[SNS_TOWER_TEXT]));
    free(pixels);
    free(all);
    sns_session_free(s);
    sns_model_free(m);
}

typedef struct job {
    const sns_model *model;
    float out[2 * E];
    sns_status status;
} job;

static void *encode_job(void *context) {
    job *j = context;
    static const char *const texts[] = {"a dog", "a cat"};
    sns_session *s = NULL;
    j->status = sns_session_new(j->model, &s, NULL);
    if (!j->status) j->status = sns_encode_texts(s, texts, 2, j->out, NULL);
    sns_session_free(s);
    return NULL;
}

/* The first use of a tower from several threads at once. */
static void shared_by_threads(void **state) {
    (void)state;
    enum { THREADS = 4 };
    save(NULL, 0, "F32");
    sns_model *m = load();
    pthread_t threads[THREADS];
    static job jobs[THREADS];
    for (int i = 0; i < THREADS; i++) {
        jobs[i].model = m;
        assert_int_equal(pthread_create(&threads[i], NULL, encode_job, &jobs[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(jobs[i].status, SNS_OK);
        assert_memory_equal(jobs[i].out, jobs[0].out, sizeof jobs[0].out);
    }
    sns_model_free(m);
}

static void take_fingerprint(char out[33]) {
    sns_model *m = load();
    assert_int_equal(strlen(sns_model_fingerprint(m)), 32);
    assert_int_equal(strspn(sns_model_fingerprint(m), "0123456789abcdef"), 32);
    memcpy(out, sns_model_fingerprint(m), 33);
    sns_model_free(m);
}

static void fingerprints(void **state) {
    (void)state;
    char first[33], other[33];
    save(NULL, 0, "F32");
    take_fingerprint(first);
    save(NULL, 0, "F32");
    take_fingerprint(other);
    assert_string_equal(first, other);
    for (size_t i = 0; i < layout.count; i += 5) {
        save(layout.desc[i].name, 0.123f, "F32");
        take_fingerprint(other);
        assert_string_not_equal(first, other);
    }
    save(NULL, 0, "F16");
    take_fingerprint(other);
    assert_string_not_equal(first, other);
    save(NULL, 0, "F32");
    sns_preprocess p;
    sns_preprocess_default(&p, S);
    p.mean[2] = 0.5f;
    assert_int_equal(sns_preprocess_write(dir, &p, NULL), SNS_OK);
    take_fingerprint(other);
    assert_string_not_equal(first, other);
    drop("preprocessor_config.json");
    take_fingerprint(other);
    assert_string_equal(first, other);
    char *merges = sns_path_join(dir, "merges.txt"), *text;
    size_t size;
    assert_int_equal(sns_file_read(merges, 1 << 20, &text, &size, NULL), SNS_OK);
    put("merges.txt", "#version: 0.2\n");
    take_fingerprint(other);
    assert_string_not_equal(first, other);
    put("merges.txt", text);
    free(text);
    free(merges);
}

static sns_status load_status(sns_error *err) {
    sns_model *m = NULL;
    *err = (sns_error){0};
    sns_status s = sns_model_load(dir, &m, err);
    assert_true((s == SNS_OK) == (m != NULL));
    sns_model_free(m);
    return s;
}

static void not_a_number(void **state) {
    (void)state;
    sns_error err;
    float out[E];
    static const char *const texts[] = {"a dog"};
    static const float pixels[3 * S * S] = {1};
    save("vision_model.post_layernorm.bias", NAN, "F16");
    assert_int_equal(load_status(&err), SNS_FORMAT);
    assert_non_null(strstr(err.message, "vision_model.post_layernorm.bias: element 23 "));
    /* what only shows when it is used */
    save("text_model.embeddings.token_embedding.weight", NAN, "F32");
    sns_model *m = load();
    sns_session *s = session(m);
    assert_int_equal(sns_encode_pixels(s, pixels, 1, out, &err), SNS_OK);
    assert_int_equal(sns_encode_texts(s, texts, 1, out, &err), SNS_FORMAT);
    assert_non_null(strstr(err.message, "gives NaN"));
    assert_non_null(strstr(err.message, dir));
    sns_session_free(s);
    sns_model_free(m);
    /* a large matrix is checked when its tower is made ready, again each time */
    config.text.mlp = 2048;
    sns_layout_free(&layout);
    assert_int_equal(sns_clip_layout(&config, &layout, NULL), SNS_OK);
    save("text_model.encoder.layers.1.mlp.fc2.weight", INFINITY, "F32");
    m = load();
    s = session(m);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sns_encode_texts(s, texts, 1, out, &err), SNS_FORMAT);
        assert_non_null(
            strstr(err.message, "text_model.encoder.layers.1.mlp.fc2.weight: element 98303"));
    }
    assert_int_equal(sns_encode_pixels(s, pixels, 1, out, &err), SNS_OK);
    sns_session_free(s);
    sns_model_free(m);
    config.text.mlp = 32;
    sns_layout_free(&layout);
    assert_int_equal(sns_clip_layout(&config, &layout, NULL), SNS_OK);
    save("logit_scale", 1000, "F32");
    assert_int_equal(load_status(&err), SNS_FORMAT);
    assert_non_null(strstr(err.message, "logit_scale"));
}

static void bad_folders(void **state) {
    (void)state;
    sns_error err;
    sns_model *m;
    save(NULL, 0, "F32");
    assert_int_equal(load_status(&err), SNS_OK);
    put("preprocessor_config.json", "{\"size\":32,\"crop_size\":32}");
    assert_int_equal(load_status(&err), SNS_SHAPE);
    assert_non_null(strstr(err.message, "preprocessor_config.json"));
    assert_non_null(strstr(err.message, "32"));
    drop("preprocessor_config.json");
    config.vocab -= 10;
    config.start_id -= 10;
    config.end_id -= 10;
    sns_layout_free(&layout);
    assert_int_equal(sns_clip_layout(&config, &layout, NULL), SNS_OK);
    save(NULL, 0, "F32");
    assert_int_equal(load_status(&err), SNS_MISMATCH);
    assert_non_null(strstr(err.message, "tokens"));
    static const char *const files[] = {"tokenizer.json", "vocab.json", "merges.txt"};
    for (int i = 0; i < 3; i++) drop(files[i]);
    m = load();
    sns_session *s = session(m);
    static const char *const texts[] = {"a dog"};
    float out[E];
    assert_int_equal(sns_encode_texts(s, texts, 1, out, &err), SNS_MISSING);
    assert_non_null(strstr(err.message, "tokenizer"));
    sns_session_free(s);
    sns_model_free(m);
    drop("model.safetensors");
    assert_int_equal(load_status(&err), SNS_MISSING);
    drop("config.json");
    assert_int_equal(load_status(&err), SNS_MISSING);
    assert_int_equal(sns_model_load("/nonexistent", &m, &err), SNS_MISSING);
    assert_non_null(strstr(err.message, "/nonexistent"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(facts),
                                       cmocka_unit_test(texts_in_batches),
                                       cmocka_unit_test(pictures_in_batches),
                                       cmocka_unit_test(shared_by_threads),
                                       cmocka_unit_test(fingerprints),
                                       cmocka_unit_test(not_a_number),
                                       cmocka_unit_test(bad_folders)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
