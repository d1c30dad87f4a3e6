/* test_quantize.c - models in bf16 and int8 beside their f32 original: vectors, files, what is
 * refused, files that lie. */
#include "base/memory.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include "embed/model_internal.h"
#include "tool.h"
#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { IMAGES = 5, TEXTS = 4, PX = 64, E = 64, VOCAB = 90 };

static const size_t STARTS[TEXTS + 1] = {0, 4, 9, 12, 20};
static char *root;

/* One of each pair of towers. */
static sns_clip_config geometry(int kind) {
    sns_clip_config c = {.vision = {64, 2, 4, 160, SNS_ACT_QUICK_GELU, 1e-5f},
                         .text = {48, 2, 3, 96, SNS_ACT_GELU, 1e-5f},
                         .image_px = PX,
                         .patch_px = 16,
                         .vocab = VOCAB,
                         .context = 8,
                         .start_id = VOCAB - 2,
                         .end_id = VOCAB - 1,
                         .embed = E,
                         .logit_scale_init = 2.5f};
    if (kind == 1) {
        c.vision_kind = SNS_VISION_RESNET;
        c.text_kind = SNS_TEXT_CBOW;
        for (int s = 0; s < SNS_RESNET_STAGES; s++) c.stages[s] = 1;
        c.vision = (sns_tower_config){.width = 8, .layers = 4, .heads = 4};
        c.text = (sns_tower_config){.width = 40};
        c.patch_px = 32;
    }
    if (kind == 2) {
        c.vision_kind = SNS_VISION_SIGLIP;
        c.text_kind = SNS_TEXT_SIGLIP;
        c.vision.act = c.text.act = SNS_ACT_GELU_TANH;
        c.text.width = c.text.mlp = E;
        c.text.heads = 4;
        c.has_bias = true;
        c.logit_bias_init = -10;
    }
    return c;
}

static const char *path_of(const char *name) {
    static char paths[4][4200];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", root, name);
    return path;
}

/* Folders of another geometry may have files of other names. */
static void clear(void) {
    tool_remove(root);
    assert_non_null(root = tool_tmpdir());
}

/* The f32 original in root/NAME, its gains and biases away from their starting values. */
static void make(const char *name, const sns_clip_config *c) {
    sns_layout l;
    sns_error err = {0};
    sns_preprocess p;
    sns_rng rng;
    sns_rng_seed(&rng, 11);
    if (sns_clip_layout(c, &l, &err)) fail_msg("%s", err.message);
    float *data = malloc(l.total * sizeof *data);
    sns_clip_init(&l, c, data, 3);
    for (size_t i = 0; i < l.count; i++) {
        const sns_param_desc *d = &l.desc[i];
        for (size_t j = 0; d->dims == 1 && d->count > 1 && j < d->count; j++)
            data[d->offset + j] += 0.3f * fabsf((float)sns_rng_normal(&rng));
    }
    if (sns_clip_save(path_of(name), c, &l, data, "F32", &err)) fail_msg("%s", err.message);
    sns_preprocess_default(&p, c->image_px);
    assert_int_equal(sns_preprocess_write(path_of(name), &p, &err), SNS_OK);
    free(data);
    sns_layout_free(&l);
}

static void quantize(const char *from, const char *to, const char *type) {
    sns_error err = {0};
    if (sns_model_quantize(path_of(from), path_of(to), type, &err)) fail_msg("%s", err.message);
}

typedef struct vectors {
    float image[IMAGES * E], text[TEXTS * E];
    char fingerprint[33];
} vectors;

static void encode(const char *name, vectors *out) {
    sns_error err = {0};
    sns_model *m;
    sns_session *s;
    sns_rng rng;
    uint32_t ids[32];
    enum { N = IMAGES * 3 * PX * PX };
    float *pixels = malloc(N * sizeof *pixels);
    sns_rng_seed(&rng, 5);
    for (size_t i = 0; i < N; i++) pixels[i] = (float)sns_rng_normal(&rng);
    for (size_t i = 0; i < STARTS[TEXTS]; i++) ids[i] = (uint32_t)sns_rng_below(&rng, VOCAB);
    for (size_t i = 0; i < TEXTS; i++) ids[STARTS[i + 1] - 1] = VOCAB - 1;
    if (sns_model_load(path_of(name), &m, &err)) fail_msg("%s", err.message);
    assert_int_equal(sns_session_new(m, &s, NULL), SNS_OK);
    if (sns_encode_pixels(s, pixels, IMAGES, out->image, &err)) fail_msg("%s", err.message);
    if (sns_encode_tokens(s, ids, STARTS, TEXTS, out->text, &err)) fail_msg("%s", err.message);
    snprintf(out->fingerprint, sizeof out->fingerprint, "%s", sns_model_fingerprint(m));
    sns_session_free(s);
    sns_model_free(m);
    free(pixels);
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

static void vectors_stay_close(void **state) {
    (void)state;
    static const struct {
        const char *type;
        double least;
    } types[] = {{"bf16", 0.9995}, {"int8", 0.995}};
    static const char *const names[] = {"vit", "resnet", "siglip"};
    vectors wide, narrow, again;
    for (int kind = 0; kind < 3; kind++) {
        sns_clip_config c = geometry(kind);
        clear();
        make(names[kind], &c);
        encode(names[kind], &wide);
        for (int t = 0; t < 2; t++) {
            omp_set_num_threads(1);
            quantize(names[kind], types[t].type, types[t].type);
            encode(types[t].type, &narrow);
            double image = least_cosine(wide.image, narrow.image, IMAGES),
                   text = least_cosine(wide.text, narrow.text, TEXTS);
            print_message("%-8s%-6spictures %.6f, texts %.6f\n", names[kind], types[t].type, image,
                          text);
            assert_true(image >= types[t].least && text >= types[t].least);
            assert_true(memcmp(&wide, &narrow, sizeof wide.image));
            assert_string_not_equal(wide.fingerprint, narrow.fingerprint);
            for (int threads = 2; threads < 4; threads++) {
                omp_set_num_threads(threads);
                encode(types[t].type, &again);
                assert_memory_equal(again.image, narrow.image, sizeof again.image);
                assert_memory_equal(again.text, narrow.text, sizeof again.text);
            }
        }
    }
}

/* What lies in the file: types, scales, and numbers that are the weights to half a step. */
static void files_hold_what_is_promised(void **state) {
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        sns_clip_config c = geometry(kind);
        sns_layout l;
        sns_clip_weights wide, half, bytes;
        clear();
        make("from", &c);
        quantize("from", "half", "bf16");
        quantize("from", "bytes", "int8");
        assert_int_equal(sns_clip_layout(&c, &l, NULL), SNS_OK);
        assert_int_equal(sns_clip_weights_open(path_of("from"), &l, &wide, NULL), SNS_OK);
        assert_int_equal(sns_clip_weights_open(path_of("half"), &l, &half, NULL), SNS_OK);
        assert_int_equal(sns_clip_weights_open(path_of("bytes"), &l, &bytes, NULL), SNS_OK);
        assert_false(sns_clip_weights_int8(&half, &l));
        assert_true(sns_clip_weights_int8(&bytes, &l));
        for (size_t i = 0; i < l.count; i++) {
            const sns_param_desc *d = &l.desc[i];
            const sns_stored *t = bytes.at[i].tensor;
            bool kept = d->buffer || d->count == 1, product = d->use != SNS_USE_VALUES;
            assert_int_equal(half.at[i].tensor->dtype, kept ? SNS_DTYPE_F32 : SNS_DTYPE_BF16);
            assert_int_equal(t->dtype, kept      ? SNS_DTYPE_F32
                                       : product ? SNS_DTYPE_I8
                                                 : SNS_DTYPE_F16);
            assert_true((uintptr_t)t->data % sns_dtype_bytes(t->dtype) == 0);
            float *a = malloc(d->count * sizeof *a), *b = malloc(d->count * sizeof *b);
            assert_int_equal(sns_clip_weights_get(&wide, &l, i, a, NULL), SNS_OK);
            assert_int_equal(sns_clip_weights_get(&bytes, &l, i, b, NULL), SNS_OK);
            size_t cols = d->dims ? d->count / d->dim[0] : 1;
            for (size_t r = 0; product && r < d->dim[0]; r++) {
                float largest = 0;
                for (size_t j = 0; j < cols; j++) largest = fmaxf(largest, fabsf(a[r * cols + j]));
                for (size_t j = 0; j < cols; j++)
                    assert_true(fabsf(a[r * cols + j] - b[r * cols + j]) <= largest / 253);
            }
            for (size_t j = 0; !product && j < d->count; j++)
                assert_true(fabsf(a[j] - b[j]) <= 1e-3f * fabsf(a[j]) + 1e-7f);
            free(a);
            free(b);
        }
        assert_true(sns_safetensors_bytes(bytes.file) < sns_safetensors_bytes(half.file));
        sns_clip_weights_close(&wide);
        sns_clip_weights_close(&half);
        sns_clip_weights_close(&bytes);
        sns_layout_free(&l);
    }
}

static void summaries_say_so(void **state) {
    (void)state;
    sns_clip_config c = geometry(0);
    sns_model *m;
    char *text, want[64];
    static const char *const names[] = {"f32", "bf16", "int8"};
    make("from", &c);
    quantize("from", "bytes", "int8");
    assert_int_equal(sns_model_load(path_of("bytes"), &m, NULL), SNS_OK);
    assert_int_equal(sns_model_describe(m, 0, &text, NULL), SNS_OK);
    assert_non_null(strstr(text, "tensors, I8, "));
    snprintf(want, sizeof want, "products in %s",
             names[sns_packed_arithmetic(SNS_PACKED_INT8, 64)]);
    assert_non_null(strstr(text, want));
    free(text);
    assert_int_equal(sns_model_describe(m, 1, &text, NULL), SNS_OK);
    assert_non_null(strstr(text, "\"dtype\":\"I8\""));
    free(text);
    sns_model_free(m);
    /* transformers refuses a method that it does not know */
    char *config = sns_path_join(path_of("bytes"), "config.json");
    FILE *f = fopen(config, "r");
    char json[8192];
    json[fread(json, 1, sizeof json - 1, f)] = 0;
    assert_non_null(strstr(json, "\"quant_method\": \"sensus\""));
    fclose(f);
    free(config);
}

static void refuses(sns_status got, sns_status want, const sns_error *err, const char *words) {
    assert_int_equal(got, want);
    if (!strstr(err->message, words)) fail_msg("'%s' lacks '%s'", err->message, words);
}

static void only_learning_goes_on_from_int8(void **state) {
    (void)state;
    sns_clip_config c = geometry(0);
    sns_layout l;
    sns_error err;
    make("from", &c);
    quantize("from", "bytes", "int8");
    quantize("from", "half", "bf16");
    assert_int_equal(sns_clip_layout(&c, &l, NULL), SNS_OK);
    float *data = malloc(l.total * sizeof *data);
    assert_int_equal(sns_clip_read_flat(path_of("bytes"), &c, &l, data, &err), SNS_OK);
    assert_int_equal(sns_clip_read_flat(path_of("half"), &c, &l, data, &err), SNS_OK);
    const char *bytes = path_of("bytes"), *from = path_of("from"), *to = path_of("to");
    refuses(sns_model_average(bytes, from, 0.5, to, NULL, &err), SNS_UNSUPPORTED, &err, "int8");
    refuses(sns_model_average(from, bytes, 0.5, to, NULL, &err), SNS_UNSUPPORTED, &err, "int8");
    refuses(sns_model_quantize(bytes, to, "bf16", &err), SNS_UNSUPPORTED, &err, "int8");
    refuses(sns_model_quantize(from, from, "bf16", &err), SNS_ARG, &err, "another folder");
    refuses(sns_model_quantize(from, to, "int4", &err), SNS_ARG, &err, "int4");
    assert_int_equal(access(to, F_OK), -1);
    assert_int_equal(sns_model_quantize(path_of("nowhere"), to, "int8", &err), SNS_MISSING);
    free(data);
    sns_layout_free(&l);
}

/* The int8 file again with one of its tensors changed. */
static sns_status open_changed(const sns_clip_config *c, const char *name, const sns_to_store *with,
                               sns_error *err) {
    sns_safetensors *f;
    sns_layout l;
    sns_clip_weights w;
    const char *file = path_of("bytes/model.safetensors"), *to = path_of("changed.safetensors");
    if (sns_safetensors_open(file, &f, err)) fail_msg("%s", err->message);
    assert_int_equal(sns_clip_layout(c, &l, NULL), SNS_OK);
    size_t n = 0, count = sns_safetensors_count(f);
    sns_to_store *all = calloc(count, sizeof *all);
    float **copy = calloc(count, sizeof(*copy));
    for (size_t i = 0; i < count; i++) {
        const sns_stored *t = sns_safetensors_at(f, i);
        sns_to_store s = {.name = t->name, .dtype = t->dtype, .dims = t->dims, .data = t->data};
        memcpy(s.dim, t->dim, sizeof t->dim);
        if (t->dtype == SNS_DTYPE_F16) {
            s.data = copy[i] = malloc(t->count * sizeof(float));
            assert_int_equal(sns_stored_to_f32(t, sns_kernels_get(), 0, t->count, copy[i], NULL),
                             SNS_OK);
        }
        bool changed = !strcmp(t->name, name);
        if (changed && with) {
            s = *with;
            s.name = t->name;
        }
        if (!changed || with) all[n++] = s;
    }
    assert_int_equal(sns_safetensors_write(to, all, n, NULL, sns_kernels_get(), err), SNS_OK);
    for (size_t i = 0; i < count; i++) free(copy[i]);
    free(copy);
    free(all);
    sns_safetensors_close(f);
    if (sns_safetensors_open(to, &f, err)) fail_msg("%s", err->message);
    *err = (sns_error){0};
    sns_status s = sns_clip_weights_find(f, "changed", &l, &w, err);
    if (!s) sns_clip_weights_close(&w);
    sns_layout_free(&l);
    return s;
}

static void bad_scales_are_named(void **state) {
    (void)state;
    static const char fc1[] = "vision_model.encoder.layers.1.mlp.fc1.weight",
                      scale[] = "vision_model.encoder.layers.1.mlp.fc1.weight_scale",
                      norm[] = "vision_model.pre_layrnorm.weight";
    sns_clip_config c = geometry(0);
    sns_error err;
    float values[160];
    int8_t q[160 * 64] = {0};
    for (size_t i = 0; i < 160; i++) values[i] = 0.5f;
    make("from", &c);
    quantize("from", "bytes", "int8");
    assert_int_equal(open_changed(&c, "none", NULL, &err), SNS_OK);
    refuses(open_changed(&c, scale, NULL, &err), SNS_MISSING, &err, scale);
    sns_to_store with = {.dtype = SNS_DTYPE_F32, .dims = 1, .dim = {160}, .data = values};
    assert_int_equal(open_changed(&c, scale, &with, &err), SNS_OK);
    with.dim[0] = 159;
    refuses(open_changed(&c, scale, &with, &err), SNS_SHAPE, &err, "not F32 [160]");
    with = (sns_to_store){.dtype = SNS_DTYPE_F32, .dims = 2, .dim = {160, 1}, .data = values};
    refuses(open_changed(&c, scale, &with, &err), SNS_SHAPE, &err, scale);
    with = (sns_to_store){.dtype = SNS_DTYPE_F16, .dims = 1, .dim = {160}, .data = values};
    refuses(open_changed(&c, scale, &with, &err), SNS_SHAPE, &err, "F16 [160]");
    with = (sns_to_store){.dtype = SNS_DTYPE_F32, .dims = 1, .dim = {160}, .data = values};
    static const float bad[] = {0, -1, NAN, INFINITY};
    for (size_t i = 0; i < 4; i++) {
        values[150] = bad[i];
        refuses(open_changed(&c, scale, &with, &err), SNS_FORMAT, &err, "element 150");
    }
    with = (sns_to_store){.dtype = SNS_DTYPE_I8, .dims = 2, .dim = {64, 160}, .data = q};
    refuses(open_changed(&c, fc1, &with, &err), SNS_SHAPE, &err, "[64, 160]");
    with = (sns_to_store){.dtype = SNS_DTYPE_I8, .dims = 1, .dim = {64}, .data = q};
    refuses(open_changed(&c, norm, &with, &err), SNS_UNSUPPORTED, &err, "of matrices, I8");
    /* a scale whose matrix has none is another model's */
    with = (sns_to_store){.dtype = SNS_DTYPE_F32, .dims = 2, .dim = {160, 64}};
    with.data = calloc(160 * 64, sizeof(float));
    refuses(open_changed(&c, fc1, &with, &err), SNS_SHAPE, &err, "has no place");
    free((void *)(uintptr_t)with.data);
}

/* Rows of zeros, and rows whose largest value is the smallest that is looked at. */
static void rows_without_range(void **state) {
    (void)state;
    const float W[3][4] = {{0, -0.0f, 0, 0}, {1e-31f, 0, 0, 0}, {-2e-30f, 1e-30f, 0, 2e-30f}};
    int8_t q[3][4];
    float scale[3];
    sns_quantise_rows(W[0], 3, 4, q[0], scale);
    for (int r = 0; r < 3; r++) assert_true(scale[r] > 0 && isfinite(scale[r]));
    for (int c = 0; c < 4; c++) assert_true(!q[0][c] && !q[1][c]);
    assert_int_equal(q[2][0], -127);
    assert_int_equal(q[2][1], 64);
    assert_int_equal(q[2][3], 127);
}

static int set_up(void **state) {
    (void)state;
    return (root = tool_tmpdir()) ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    tool_remove(root);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_stay_close),   cmocka_unit_test(files_hold_what_is_promised),
        cmocka_unit_test(summaries_say_so),     cmocka_unit_test(only_learning_goes_on_from_int8),
        cmocka_unit_test(bad_scales_are_named), cmocka_unit_test(rows_without_range),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
