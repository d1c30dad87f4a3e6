/* test_gguf_model.c - models as clip.cpp writes them (tests/goldens/make_gguf.py): the vectors of
 * what they were made from; files that are cut, or of something else. */
#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include "embed/model_internal.h"
#include "tool.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { IMAGES = 4, TEXTS = 3, PX = 32, E = 64, VOCAB = 900 };

static const char *const TEXT[TEXTS] = {"a dog on a beach", "three red apples", "Night."};
static char *root;

static const char *path_of(const char *name) {
    static char paths[8][4200];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", root, name);
    return path;
}

static void copy_file(const char *from, const char *name) {
    char *a = sns_path_join(tool_source(from), name), *b = sns_path_join(path_of("hf"), name),
         *data;
    size_t size;
    assert_int_equal(sns_file_read(a, 1 << 24, &data, &size, NULL), SNS_OK);
    assert_int_equal(sns_file_write(b, data, size, NULL), SNS_OK);
    free(data);
    free(a);
    free(b);
}

/* root/hf: random weights, gains and biases away from their starting values, a vocabulary. */
static void make_original(void) {
    const sns_clip_config c = {.vision = {64, 2, 4, 160, SNS_ACT_GELU, 1e-5f},
                               .text = {64, 2, 4, 96, SNS_ACT_GELU, 1e-5f},
                               .image_px = PX,
                               .patch_px = 8,
                               .vocab = VOCAB,
                               .context = 16,
                               .start_id = VOCAB - 2,
                               .end_id = VOCAB - 1,
                               .embed = E,
                               .logit_scale_init = 4.6051702f};
    sns_layout l;
    sns_error err = {0};
    sns_rng rng;
    sns_preprocess p;
    sns_rng_seed(&rng, 11);
    if (sns_clip_layout(&c, &l, &err)) fail_msg("%s", err.message);
    float *data = malloc(l.total * sizeof *data);
    sns_clip_init(&l, &c, data, 3);
    for (size_t i = 0; i < l.count; i++) {
        const sns_param_desc *d = &l.desc[i];
        for (size_t j = 0; d->dims == 1 && d->count > 1 && j < d->count; j++)
            data[d->offset + j] += 0.3f * fabsf((float)sns_rng_normal(&rng));
    }
    if (sns_clip_save(path_of("hf"), &c, &l, data, "F32", &err)) fail_msg("%s", err.message);
    sns_preprocess_default(&p, PX);
    const float mean[3] = {0.5f, 0.4f, 0.3f}, std[3] = {0.2f, 0.3f, 0.4f};
    memcpy(p.mean, mean, sizeof mean);
    memcpy(p.std, std, sizeof std);
    assert_int_equal(sns_preprocess_write(path_of("hf"), &p, &err), SNS_OK);
    copy_file("goldens/prep/small_vocab", "vocab.json");
    copy_file("goldens/prep/small_vocab", "merges.txt");
    free(data);
    sns_layout_free(&l);
}

static int make_root(void **state) {
    (void)state;
    root = tool_tmpdir();
    if (root) make_original();
    return root ? 0 : -1;
}

static int remove_root(void **state) {
    (void)state;
    tool_remove(root);
    return 0;
}

static bool convert(const char *folder, const char *name, const char *type) {
    char script[4200];
    snprintf(script, sizeof script, "%s", tool_source("goldens/make_gguf.py"));
    const char *const argv[] = {TOOL_PYTHON, script, folder, path_of(name), type, NULL};
    return tool_run(argv);
}

typedef struct vectors {
    float image[IMAGES * E], text[TEXTS * E];
} vectors;

static sns_model *load(const char *path) {
    sns_error err = {0};
    sns_model *m;
    if (sns_model_load(path, &m, &err)) fail_msg("%s", err.message);
    return m;
}

/* Pictures of any size, so that preprocessing counts; texts as people write them. */
static void encode(const char *path, vectors *out) {
    sns_error err = {0};
    sns_session *s;
    sns_rng rng;
    enum { SIDE = 40 };
    uint8_t rgb[SIDE * SIDE * 3];
    sns_model *m = load(path);
    sns_rng_seed(&rng, 5);
    assert_int_equal(sns_session_new(m, &s, NULL), SNS_OK);
    for (size_t i = 0; i < IMAGES; i++) {
        for (size_t j = 0; j < sizeof rgb; j++) rgb[j] = (uint8_t)sns_rng_below(&rng, 256);
        sns_image image = {SIDE, SIDE, rgb};
        if (sns_encode_images(s, &image, 1, out->image + i * E, &err)) fail_msg("%s", err.message);
    }
    if (sns_encode_texts(s, TEXT, TEXTS, out->text, &err)) fail_msg("%s", err.message);
    sns_session_free(s);
    sns_model_free(m);
}

static double least_cosine(const float *a, const float *b, size_t rows) {
    double least = 1;
    for (size_t r = 0; r < rows; r++) {
        double cosine = 0;
        for (size_t c = 0; c < E; c++) cosine += (double)a[r * E + c] * b[r * E + c];
        least = fmin(least, cosine);
    }
    return least;
}

static void compare(const char *what, const vectors *a, const vectors *b, double least) {
    double image = least_cosine(a->image, b->image, IMAGES),
           text = least_cosine(a->text, b->text, TEXTS);
    print_message("%s: least cosine of pictures %.7f, of texts %.7f\n", what, image, text);
    assert_true(image >= least && text >= least);
}

/* Beside the model that it was made from, and beside the same numbers in f32 as the generator
 * understands the blocks, from which only rounding may differ. */
static void every_type(void **state) {
    (void)state;
    static const struct {
        const char *type;
        double least;
    } types[] = {{"f32", 0.999999}, {"f16", 0.9999}, {"q8_0", 0.9995}, {"q5_1", 0.98},
                 {"q5_0", 0.98},    {"q4_1", 0.9},   {"q4_0", 0.9}};
    vectors original, narrow, same;
    char name[64], what[128];
    if (access(TOOL_PYTHON, X_OK)) skip();
    encode(path_of("hf"), &original);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        assert_true(convert(path_of("hf"), types[i].type, types[i].type));
        snprintf(name, sizeof name, "%s.gguf", types[i].type);
        encode(path_of(name), &narrow);
        snprintf(what, sizeof what, "%s beside the original", types[i].type);
        compare(what, &narrow, &original, types[i].least);
        encode(path_of(types[i].type), &same);
        snprintf(what, sizeof what, "%s beside the same numbers", types[i].type);
        compare(what, &narrow, &same, 0.999999);
    }
}

static void described(void **state) {
    (void)state;
    sns_error err = {0};
    char *text;
    if (access(TOOL_PYTHON, X_OK)) skip();
    assert_true(convert(path_of("hf"), "described", "q8_0"));
    sns_model *m = load(path_of("described.gguf")), *hf = load(path_of("hf"));
    assert_int_equal(sns_model_describe(m, 0, &text, &err), SNS_OK);
    assert_non_null(strstr(text, "clip.cpp's names"));
    assert_non_null(strstr(text, "Q8_0"));
    assert_non_null(strstr(text, "900 tokens, texts of up to 16\n"));
    free(text);
    assert_int_equal(sns_model_describe(m, 1, &text, &err), SNS_OK);
    assert_non_null(strstr(text, "\"names\":\"clip.cpp\""));
    free(text);
    assert_true(fabsf(sns_model_scale(m) - 100) < 1e-3f);
    assert_string_not_equal(sns_model_fingerprint(m), sns_model_fingerprint(hf));
    sns_model_free(m);
    sns_model_free(hf);
}

/* Folders made of a file: the vectors stay, the vocabulary and the preprocessing come along. */
static void written_as_folder(void **state) {
    (void)state;
    static const struct {
        const char *type;
        double least;
    } types[] = {{"f32", 0.999999}, {"f16", 0.9999}, {"bf16", 0.999}, {"int8", 0.99}};
    sns_error err = {0};
    vectors a, b;
    if (access(TOOL_PYTHON, X_OK)) skip();
    assert_true(convert(path_of("hf"), "source", "q8_0"));
    encode(path_of("source.gguf"), &a);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char to[64];
        snprintf(to, sizeof to, "to-%s", types[i].type);
        if (sns_model_quantize(path_of("source.gguf"), path_of(to), types[i].type, &err))
            fail_msg("%s", err.message);
        encode(path_of(to), &b);
        compare(types[i].type, &a, &b, types[i].least);
    }
}

/* The folder in the repository whose vectors PyTorch computed has f16 weights: nothing is lost. */
static void golden(void **state) {
    (void)state;
    char folder[4096];
    if (access(TOOL_PYTHON, X_OK)) skip();
    snprintf(folder, sizeof folder, "%s", tool_source("goldens/clip"));
    assert_true(convert(folder, "golden", "f16"));
    sns_model *a = load(folder), *b = load(path_of("golden.gguf"));
    assert_int_equal(a->layout.count, b->layout.count);
    for (size_t i = 0; i < a->layout.count; i++) {
        const sns_param_desc *d = &a->layout.desc[i];
        float *x = malloc(d->count * sizeof *x), *y = malloc(d->count * sizeof *y);
        assert_int_equal(sns_clip_weights_get(&a->weights, &a->layout, i, x, NULL), SNS_OK);
        assert_int_equal(sns_clip_weights_get(&b->weights, &b->layout, i, y, NULL), SNS_OK);
        if (strcmp(d->name, "logit_scale") != 0) assert_memory_equal(x, y, d->count * sizeof *x);
        free(x);
        free(y);
    }
    sns_model_free(a);
    sns_model_free(b);
}

static void refuse(const char *data, size_t size, sns_status status, const char *says) {
    sns_model *m;
    sns_error err = {0};
    assert_int_equal(sns_file_write(path_of("bad.gguf"), data, size, NULL), SNS_OK);
    sns_status s = sns_model_load(path_of("bad.gguf"), &m, &err);
    if (s != status || !strstr(err.message, says) || !strstr(err.message, "bad.gguf"))
        fail_msg("%d: %s", s, err.message);
}

/* The file with one byte after a string of it changed. */
static void refuse_changed(const char *data, size_t size, const char *key, size_t after, char byte,
                           sns_status status, const char *says) {
    char *copy = malloc(size);
    memcpy(copy, data, size);
    char *at = memmem(copy, size, key, strlen(key));
    assert_non_null(at);
    at[strlen(key) + after] = byte;
    refuse(copy, size, status, says);
    free(copy);
}

static void bad_files(void **state) {
    (void)state;
    char *data;
    size_t size;
    if (access(TOOL_PYTHON, X_OK)) skip();
    assert_true(convert(path_of("hf"), "good", "q4_0"));
    assert_int_equal(sns_file_read(path_of("good.gguf"), 1 << 24, &data, &size, NULL), SNS_OK);
    for (size_t n = 0; n < size; n += 1 + size / 50) {
        sns_model *m;
        sns_error err = {0};
        assert_int_equal(sns_file_write(path_of("cut.gguf"), data, n, NULL), SNS_OK);
        assert_int_equal(sns_model_load(path_of("cut.gguf"), &m, &err), SNS_FORMAT);
        assert_non_null(strstr(err.message, "cut.gguf"));
    }
    refuse("{}", 2, SNS_FORMAT, "not a GGUF file");
    refuse_changed(data, size, "general.architecture", 12, 'l', SNS_UNSUPPORTED, "not clip");
    refuse_changed(data, size, "clip.has_text_encoder", 4, 0, SNS_UNSUPPORTED, "no text tower");
    refuse_changed(data, size, "clip.has_vision_encoder", 4, 0, SNS_UNSUPPORTED, "no image tower");
    refuse_changed(data, size, "clip.text.block_coun", 0, 'x', SNS_MISSING,
                   "clip.text.block_count");
    refuse_changed(data, size, "clip.text.block_count", 4, 1, SNS_SHAPE, "t.blk.1.");
    refuse_changed(data, size, "clip.text.block_count", 4, 3, SNS_MISSING, "t.blk.2.");
    refuse_changed(data, size, "clip.vision.patch_size", 4, 16, SNS_SHAPE, "v.patch_embd.weight");
    refuse_changed(data, size, "clip.vision.projection_dim", 4, 63, SNS_SHAPE, "63 wide");
    refuse_changed(data, size, "v.post_ln.weigh", 0, 's', SNS_MISSING, "v.post_ln.weight");
    free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type),        cmocka_unit_test(described),
        cmocka_unit_test(written_as_folder), cmocka_unit_test(golden),
        cmocka_unit_test(bad_files),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
