/* test_classifier.c - a classifier against plain loops over the same texts; its file and files that
 * lie. */
#include "../catalog/catalog_world.h"
#include "base/file.h"
#include "embed/classifier_internal.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static catalog_world world;

static const char *const dog_names[] = {"dog", "puppy"}, *const cat_names[] = {"cat"};
static const sns_class classes[] = {{"d\xc3\xb6g", dog_names, 2}, {"cat", cat_names, 1}};
static const char *const templates[] = {"{}", "a photo of a {}, {}", "the {} on a beach"};

static int set_up(void **state) {
    (void)state;
    world_open(&world);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    world_close(&world);
    return 0;
}

static sns_classifier *build(void) {
    sns_classifier *c;
    sns_error err = {0};
    if (sns_classifier_new(world.model, classes, 2, templates, 3, NULL, &c, &err))
        fail_msg("%s", err.message);
    return c;
}

/* Only the first hole is filled. */
static void weights_are_normalised_means(void **state) {
    (void)state;
    const char *const texts[] = {"dog",   "a photo of a dog, {}",   "the dog on a beach",
                                 "puppy", "a photo of a puppy, {}", "the puppy on a beach",
                                 "cat",   "a photo of a cat, {}",   "the cat on a beach"};
    size_t E = sns_model_dim(world.model);
    float *v = malloc(9 * E * sizeof *v);
    sns_session *session;
    sns_classifier *c = build();
    assert_int_equal(sns_session_new(world.model, &session, NULL), SNS_OK);
    assert_int_equal(sns_encode_texts(session, texts, 9, v, NULL), SNS_OK);
    assert_int_equal(sns_classifier_count(c), 2);
    assert_int_equal(sns_classifier_dim(c), E);
    for (size_t k = 0; k < 2; k++) {
        double sum[1024] = {0}, norm = 0;
        for (size_t i = k ? 6 : 0; i < (k ? 9u : 6u); i++)
            for (size_t e = 0; e < E; e++) sum[e] += (double)v[i * E + e];
        for (size_t e = 0; e < E; e++) norm += sum[e] * sum[e];
        for (size_t e = 0; e < E; e++)
            assert_float_equal(sns_classifier_weights(c)[k * E + e], sum[e] / sqrt(norm), 1e-5);
    }
    sns_session_free(session);
    sns_classifier_free(c);
    free(v);
}

static void many_classes_are_encoded_in_batches(void **state) {
    (void)state;
    enum { N = 700 };
    static char label[N][16];
    static const char *name[N];
    static sns_class many[N];
    for (size_t i = 0; i < N; i++) {
        snprintf(label[i], sizeof label[i], "thing %zu", i);
        name[i] = label[i];
        many[i] = (sns_class){label[i], &name[i], 1};
    }
    sns_classifier *all, *one;
    size_t E = sns_model_dim(world.model);
    assert_int_equal(sns_classifier_new(world.model, many, N, templates, 3, NULL, &all, NULL), 0);
    for (size_t i = 0; i < N; i += 233) {
        assert_int_equal(
            sns_classifier_new(world.model, &many[i], 1, templates, 3, NULL, &one, NULL), SNS_OK);
        for (size_t e = 0; e < E; e++)
            assert_float_equal(sns_classifier_weights(all)[i * E + e],
                               sns_classifier_weights(one)[e], 1e-5);
        sns_classifier_free(one);
    }
    sns_classifier_free(all);
}

static void a_file_gives_the_same_back(void **state) {
    (void)state;
    sns_classifier *c = build(), *again;
    const char *path = world_path(&world, "c.safetensors");
    assert_int_equal(sns_classifier_save(c, path, NULL), SNS_OK);
    assert_int_equal(sns_classifier_load(path, &again, NULL), SNS_OK);
    size_t E = sns_classifier_dim(c);
    assert_memory_equal(sns_classifier_weights(c), sns_classifier_weights(again),
                        2 * E * sizeof(float));
    assert_string_equal(sns_classifier_fingerprint(again), sns_model_fingerprint(world.model));
    assert_int_equal(sns_classifier_template_count(again), 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(sns_classifier_template(again, i), templates[i]);
    for (size_t i = 0; i < 2; i++) {
        const sns_class *k = sns_classifier_class(again, i);
        assert_string_equal(k->label, classes[i].label);
        assert_int_equal(k->name_count, classes[i].name_count);
        for (size_t n = 0; n < k->name_count; n++)
            assert_string_equal(k->names[n], classes[i].names[n]);
    }
    sns_classifier_free(c);
    sns_classifier_free(again);
}

static void a_class_is_nearest_to_itself(void **state) {
    (void)state;
    sns_classifier *c = build();
    float p[2];
    for (size_t i = 0; i < 2; i++) {
        const float *w = sns_classifier_weights(c) + i * sns_classifier_dim(c);
        assert_int_equal(sns_classifier_judge(c, world.model, w, p, NULL), SNS_OK);
        assert_float_equal(p[0] + p[1], 1, 1e-6);
        assert_true(p[i] > p[1 - i]);
    }
    world_make_model(world_path(&world, "other"), 99);
    sns_model *other;
    sns_error err = {0};
    assert_int_equal(sns_model_load(world_path(&world, "other"), &other, NULL), SNS_OK);
    assert_int_equal(sns_classifier_judge(c, other, sns_classifier_weights(c), p, &err),
                     SNS_MISMATCH);
    assert_non_null(strstr(err.message, sns_model_fingerprint(world.model)));
    sns_model_free(other);
    sns_classifier_free(c);
}

static void wrong_arguments_are_refused(void **state) {
    (void)state;
    const char *const holeless[] = {"a photo"};
    const sns_class nameless[] = {{"x", NULL, 0}};
    sns_classifier *c;
    sns_error err = {0};
    assert_int_equal(sns_classifier_new(world.model, classes, 0, templates, 3, NULL, &c, &err),
                     SNS_ARG);
    assert_int_equal(sns_classifier_new(world.model, classes, 2, templates, 0, NULL, &c, &err),
                     SNS_ARG);
    assert_int_equal(sns_classifier_new(world.model, classes, 2, holeless, 1, NULL, &c, &err),
                     SNS_ARG);
    assert_non_null(strstr(err.message, "a photo"));
    assert_int_equal(sns_classifier_new(world.model, nameless, 1, templates, 3, NULL, &c, &err),
                     SNS_ARG);
    const int cancel = 1;
    const sns_classifier_options o = {.cancel = &cancel};
    assert_int_equal(sns_classifier_new(world.model, classes, 2, templates, 3, &o, &c, &err),
                     SNS_CANCELLED);
    assert_null(c);
}

/* A file with these words in its metadata and rows of `value`. */
static sns_status load_forged(const char *format, const char *model, const char *words,
                              const char *sentences, float value, sns_error *err) {
    float data[8];
    for (size_t i = 0; i < 8; i++) data[i] = value;
    const char *metadata[] = {"format", format,      "model",   model, "classes",
                              words,    "templates", sentences, NULL};
    const sns_to_store weight = {
        .name = "weight", .dtype = SNS_DTYPE_F32, .dims = 2, .dim = {2, 4}, .data = data};
    const char *path = world_path(&world, "forged.safetensors");
    assert_int_equal(sns_safetensors_write(path, &weight, 1, metadata, sns_kernels_get(), NULL), 0);
    sns_classifier *c;
    sns_status s = sns_classifier_load(path, &c, err);
    sns_classifier_free(c);
    return s;
}

static void files_that_lie_are_refused(void **state) {
    (void)state;
    const char *f = "sensus classifier", *m = "0123456789abcdef0123456789abcdef";
    const char *two = "[{\"label\":\"a\",\"names\":[\"a\"]},{\"label\":\"b\",\"names\":[\"b\"]}]";
    const char *t = "[\"{}\"]";
    assert_int_equal(load_forged(f, m, two, t, 0.5f, NULL), SNS_OK);
    const struct {
        const char *format, *model, *words, *sentences;
        float value;
    } lies[] = {
        {"pt", m, two, t, 0.5f},
        {f, "short", two, t, 0.5f},
        {f, m, "[{\"label\":\"a\",\"names\":[\"a\"]}]", t, 0.5f},
        {f, m, "[{\"label\":\"a\",\"names\":[]},{\"label\":\"b\",\"names\":[\"b\"]}]", t, 0.5f},
        {f, m, "[{\"label\":7,\"names\":[\"a\"]},{\"label\":\"b\",\"names\":[\"b\"]}]", t, 0.5f},
        {f, m, "[1,2]", t, 0.5f},
        {f, m, "{", t, 0.5f},
        {f, m, two, "[]", 0.5f},
        {f, m, two, "[{}]", 0.5f},
        {f, m, two, t, 0.6f},
        {f, m, two, t, NAN},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        sns_error err = {0};
        sns_status s = load_forged(lies[i].format, lies[i].model, lies[i].words, lies[i].sentences,
                                   lies[i].value, &err);
        if (s != SNS_FORMAT) fail_msg("lie %zu gives %d: %s", i, (int)s, err.message);
        assert_non_null(strstr(err.message, "forged.safetensors"));
    }
    sns_classifier *c;
    assert_int_equal(sns_classifier_load(world_path(&world, "nowhere"), &c, NULL), SNS_MISSING);
}

static void template_sets_have_holes(void **state) {
    (void)state;
    const char *const names[] = {"plain", "photos", "drawings", "all"};
    for (size_t i = 0; i < 4; i++) {
        size_t n;
        const char *const *set = sns_template_set(names[i], &n);
        assert_non_null(set);
        assert_true(n >= 4);
        for (size_t t = 0; t < n; t++) assert_non_null(strstr(set[t], "{}"));
    }
    size_t n = 7;
    assert_null(sns_template_set("none", &n));
    assert_int_equal(n, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_normalised_means),
        cmocka_unit_test(many_classes_are_encoded_in_batches),
        cmocka_unit_test(a_file_gives_the_same_back),
        cmocka_unit_test(a_class_is_nearest_to_itself),
        cmocka_unit_test(wrong_arguments_are_refused),
        cmocka_unit_test(files_that_lie_are_refused),
        cmocka_unit_test(template_sets_have_holes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
