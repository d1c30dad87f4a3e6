/* test_clip_towers.c - the whole model: its table of tensors, its gradients, and what must not
 * change them (threads, kernel table, packing, recording). */
#include "base/rng.h"
#include "model/clip.h"
#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { IMAGES = 3, TEXTS = 3 };

static const uint32_t IDS[] = {1, 5, 6, 2, 1, 2, 1, 9, 10, 7, 3, 2};
static const size_t STARTS[] = {0, 4, 6, 12};

static sns_clip_config tiny(void) {
    return (sns_clip_config){
        .vision = {.width = 12,
                   .layers = 2,
                   .heads = 3,
                   .mlp = 20,
                   .act = SNS_ACT_QUICK_GELU,
                   .eps = 1e-5f},
        .text =
            {.width = 10, .layers = 2, .heads = 2, .mlp = 24, .act = SNS_ACT_GELU, .eps = 1e-5f},
        .image_px = 12,
        .patch_px = 4,
        .vocab = 11,
        .context = 6,
        .start_id = 1,
        .end_id = 2,
        .embed = 7,
        .logit_scale_init = 2.6592f};
}

typedef struct world {
    sns_layout layout;
    sns_clip *m;
    float *data, *grad, *pixels, *seed;
    sns_clip_config c;
} world;

static world open_world(sns_clip_config c) {
    world w = {.c = c};
    assert_int_equal(sns_clip_layout(&c, &w.layout, NULL), SNS_OK);
    assert_int_equal(sns_clip_new(&c, &w.m, NULL), SNS_OK);
    w.data = sns_aligned_calloc(w.layout.total * sizeof(float));
    w.grad = sns_aligned_calloc(w.layout.total * sizeof(float));
    sns_clip_init(&w.layout, &c, w.data, 7);
    assert_int_equal(sns_clip_bind(w.m, &w.layout, w.data, w.grad, NULL), SNS_OK);
    size_t n = IMAGES * 3 * c.image_px * c.image_px, outputs = (IMAGES + TEXTS) * c.embed;
    sns_rng rng;
    sns_rng_seed(&rng, 3);
    w.pixels = malloc(n * sizeof(float));
    w.seed = malloc(outputs * sizeof(float));
    for (size_t i = 0; i < n; i++) w.pixels[i] = (float)sns_rng_normal(&rng);
    for (size_t i = 0; i < outputs; i++) w.seed[i] = (float)sns_rng_normal(&rng);
    /* gains, biases and small tables away from their starting values */
    for (size_t i = 0; i < w.layout.total; i++) w.data[i] += 0.1f * (float)sns_rng_normal(&rng);
    return w;
}

static void close_world(world *w) {
    sns_layout_free(&w->layout);
    sns_clip_free(w->m);
    sns_aligned_free(w->data);
    sns_aligned_free(w->grad);
    free(w->pixels);
    free(w->seed);
}

static sns_tensor *image_features(sns_tape *t, const world *w) {
    size_t S = w->c.image_px;
    sns_tensor *pixels = sns_tape_wrap(t, w->pixels, NULL, 4, (size_t[]){IMAGES, 3, S, S});
    return sns_clip_image_features(t, w->m, pixels);
}

/* Sum of image and text features times the seed; gradients when the tape records. */
static double run(sns_tape *t, const world *w) {
    sns_error err = {0};
    double loss = 0;
    const float *seed = w->seed;
    for (int tower = 0; tower < 2; tower++) {
        sns_tape_reset(t);
        sns_tensor *y = tower ? sns_clip_text_features(t, w->m, IDS, STARTS, TEXTS)
                              : image_features(t, w);
        if (sns_tape_status(t, &err)) fail_msg("%s", err.message);
        size_t n = y->rows * y->cols;
        for (size_t i = 0; i < n; i++) loss += (double)y->data[i] * seed[i];
        if (sns_tape_recording(t)) assert_int_equal(sns_tape_backward(t, y, seed, &err), SNS_OK);
        seed += n;
    }
    return loss;
}

static void check_gradients(sns_clip_config c) {
    world w = open_world(c);
    sns_tape *t = sns_tape_new(sns_kernels_get(), true);
    sns_tape *plain = sns_tape_new(sns_kernels_get(), false);
    run(t, &w);
    for (size_t d = 0; d < w.layout.count; d++) {
        const sns_param_desc *p = &w.layout.desc[d];
        if (!strncmp(p->name, "logit_", 6)) continue; /* belongs to the loss */
        float *x = w.data + p->offset, *g = w.grad + p->offset;
        double largest = 0;
        for (size_t i = 0; i < p->count; i++) largest = fmax(largest, fabs((double)g[i]));
        assert_true(largest > 0);
        size_t step = p->count > 24 ? p->count / 24 : 1;
        for (size_t i = 0; i < p->count; i += step) {
            const float h = 3e-3f, was = x[i];
            x[i] = was + h;
            double up = run(plain, &w), width = x[i];
            x[i] = was - h;
            double down = run(plain, &w);
            width -= x[i];
            x[i] = was;
            double numeric = (up - down) / width;
            if (!(fabs(numeric - g[i]) <= 3e-3 * (1 + largest)))
                fail_msg("%s[%zu]: %g by differences, %g by the tape", p->name, i, numeric,
                         (double)g[i]);
        }
    }
    sns_tape_free(t);
    sns_tape_free(plain);
    close_world(&w);
}

static void gradients(void **state) {
    (void)state;
    check_gradients(tiny());
}

static void siglip_gradients(void **state) {
    (void)state;
    sns_clip_config c = tiny();
    c.vision_kind = SNS_VISION_SIGLIP;
    c.text_kind = SNS_TEXT_SIGLIP;
    c.vision.act = c.text.act = SNS_ACT_GELU_TANH;
    c.has_bias = true;
    c.embed = c.vision.width;
    c.pad_id = 4;
    check_gradients(c);
}

/* Wide enough that rows, heads and columns are cut into several chunks. */
static sns_clip_config wider(void) {
    sns_clip_config c = tiny();
    c.vision.width = 192, c.vision.heads = 3, c.vision.mlp = 768;
    c.text.width = 256, c.text.heads = 4, c.text.mlp = 1024;
    c.image_px = 96, c.patch_px = 8, c.embed = 64;
    return c;
}

static void threads_do_not_matter(void **state) {
    (void)state;
    world w = open_world(wider());
    size_t bytes = w.layout.total * sizeof(float);
    float *first = malloc(bytes);
    double loss = 0;
    int before = omp_get_max_threads();
    sns_tape *t = sns_tape_new(sns_kernels_get(), true);
    for (int threads = 1; threads <= 4; threads++) {
        omp_set_num_threads(threads);
        memset(w.grad, 0, bytes);
        double got = run(t, &w);
        if (threads == 1) {
            memcpy(first, w.grad, bytes);
            loss = got;
        }
        assert_true(got == loss);
        assert_memory_equal(first, w.grad, bytes);
    }
    omp_set_num_threads(before);
    sns_tape_free(t);
    free(first);
    close_world(&w);
}

static double distance(const float *a, const float *b, size_t n) {
    double difference = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        difference = fmax(difference, fabs((double)a[i] - b[i]));
        size = fmax(size, fabs((double)b[i]));
    }
    return difference / size;
}

static void kernel_tables_agree(void **state) {
    (void)state;
    world w = open_world(wider());
    float *reference = malloc(w.layout.total * sizeof(float));
    float *features = malloc(IMAGES * w.c.embed * sizeof(float));
    const char *names[] = {"ref", "avx2", "avx512", "avx512vnni", "avx512bf16", "neon"};
    for (int i = 0; i < 5; i++) {
        const sns_kernels *k = sns_kernels_named(names[i]);
        if (!k) continue;
        sns_tape *t = sns_tape_new(k, true);
        memset(w.grad, 0, w.layout.total * sizeof(float));
        run(t, &w);
        if (!i) memcpy(reference, w.grad, w.layout.total * sizeof(float));
        sns_tape_reset(t);
        const float *got = image_features(t, &w)->data;
        if (!i) memcpy(features, got, IMAGES * w.c.embed * sizeof(float));
        assert_true(distance(got, features, IMAGES * w.c.embed) < 1e-4);
        for (size_t d = 0; d < w.layout.count; d++) {
            const sns_param_desc *p = &w.layout.desc[d];
            if (!strcmp(p->name, "logit_scale")) continue;
            if (strstr(p->name, "k_proj.bias")) continue; /* zero but for rounding */
            double far = distance(w.grad + p->offset, reference + p->offset, p->count);
            if (far > 1e-3) fail_msg("%s, %s: gradients differ by %g", names[i], p->name, far);
        }
        sns_tape_free(t);
    }
    free(reference);
    free(features);
    close_world(&w);
}

static void pack(sns_param *p, sns_packed **owned, size_t *n) {
    size_t N = p->value.dim[0], K = p->value.rows * p->value.cols / N;
    assert_int_equal(sns_packed_new(p->value.data, N, K, &owned[*n], NULL), SNS_OK);
    p->packed = owned[(*n)++];
}

static void pack_blocks(sns_block *blocks, size_t layers, sns_packed **owned, size_t *n) {
    for (size_t i = 0; i < layers; i++) {
        pack(&blocks[i].qkv_weight, owned, n);
        pack(&blocks[i].out_weight, owned, n);
        pack(&blocks[i].fc1_weight, owned, n);
        pack(&blocks[i].fc2_weight, owned, n);
    }
}

static void inference_equals_training(void **state) {
    (void)state;
    world w = open_world(wider());
    sns_packed *owned[32];
    size_t packed = 0, n = IMAGES * w.c.embed;
    sns_tape *t = sns_tape_new(sns_kernels_get(), true);
    sns_tape *plain = sns_tape_new(sns_kernels_get(), false);
    const float *recorded = image_features(t, &w)->data;
    assert_true(distance(image_features(plain, &w)->data, recorded, n) < 1e-5);
    double loss = run(plain, &w);
    pack(&w.m->patch_weight, owned, &packed);
    pack(&w.m->image_projection, owned, &packed);
    pack(&w.m->text_projection, owned, &packed);
    pack_blocks(w.m->image_blocks, w.c.vision.layers, owned, &packed);
    pack_blocks(w.m->text_blocks, w.c.text.layers, owned, &packed);
    sns_tape_reset(plain);
    assert_true(distance(image_features(plain, &w)->data, recorded, n) < 1e-4);
    assert_float_equal(run(plain, &w), loss, 1e-3 * (1 + fabs(loss)));
    while (packed) sns_packed_free(owned[--packed]);
    sns_tape_free(t);
    sns_tape_free(plain);
    close_world(&w);
}

/* A text's feature depends on nothing but the text. */
static void packing_texts_changes_nothing(void **state) {
    (void)state;
    world w = open_world(tiny());
    sns_tape *t = sns_tape_new(sns_kernels_get(), false);
    float together[TEXTS * 7];
    memcpy(together, sns_clip_text_features(t, w.m, IDS, STARTS, TEXTS)->data, sizeof together);
    for (size_t i = 0; i < TEXTS; i++) {
        const size_t starts[] = {0, STARTS[i + 1] - STARTS[i]};
        sns_tape_reset(t);
        const sns_tensor *one = sns_clip_text_features(t, w.m, IDS + STARTS[i], starts, 1);
        assert_true(distance(one->data, together + i * 7, 7) < 1e-5);
    }
    sns_tape_free(t);
    close_world(&w);
}

static void memory_does_not_grow(void **state) {
    (void)state;
    world w = open_world(wider());
    for (int record = 0; record < 2; record++) {
        sns_tape *t = sns_tape_new(sns_kernels_get(), record);
        run(t, &w);
        size_t peak = sns_arena_peak_bytes(sns_tape_arena(t));
        for (int i = 0; i < 3; i++) run(t, &w);
        assert_int_equal(sns_arena_peak_bytes(sns_tape_arena(t)), peak);
        sns_tape_free(t);
    }
    close_world(&w);
    size_t peaks[2];
    for (size_t deep = 0; deep < 2; deep++) {
        sns_clip_config c = wider();
        c.vision.layers = c.text.layers = deep ? 9 : 3;
        world v = open_world(c);
        sns_tape *t = sns_tape_new(sns_kernels_get(), false);
        run(t, &v);
        peaks[deep] = sns_arena_peak_bytes(sns_tape_arena(t));
        sns_tape_free(t);
        close_world(&v);
    }
    assert_int_equal(peaks[0], peaks[1]);
}

static void errors_stick(void **state) {
    (void)state;
    world w = open_world(tiny());
    sns_tape *t = sns_tape_new(sns_kernels_get(), true);
    sns_error err = {0};
    const size_t long_text[] = {0, 12};
    assert_null(sns_clip_text_features(t, w.m, IDS, long_text, 1));
    assert_int_equal(sns_tape_status(t, &err), SNS_ARG);
    assert_non_null(strstr(err.message, "12 tokens"));
    assert_null(image_features(t, &w));
    assert_int_equal(sns_tape_backward(t, NULL, NULL, NULL), SNS_ARG);
    sns_tape_reset(t);
    assert_non_null(image_features(t, &w));
    const size_t empty[] = {0, 0};
    assert_null(sns_clip_text_features(t, w.m, IDS, empty, 1));
    sns_tape_reset(t);
    sns_tensor *small = sns_tape_wrap(t, w.pixels, NULL, 4, (size_t[]){1, 3, 8, 8});
    assert_null(sns_clip_image_features(t, w.m, small));
    assert_int_equal(sns_tape_status(t, NULL), SNS_SHAPE);
    sns_tape_free(t);
    close_world(&w);
}

static sns_clip_config vit_b32(void) {
    sns_clip_config c = tiny();
    c.vision = (sns_tower_config){768, 12, 12, 3072, SNS_ACT_QUICK_GELU, 1e-5f};
    c.text = (sns_tower_config){512, 12, 8, 2048, SNS_ACT_QUICK_GELU, 1e-5f};
    c.image_px = 224, c.patch_px = 32, c.vocab = 49408, c.context = 77, c.embed = 512;
    return c;
}

static void layout_is_clip(void **state) {
    (void)state;
    sns_layout l;
    sns_clip_config c = vit_b32();
    assert_int_equal(sns_clip_layout(&c, &l, NULL), SNS_OK);
    assert_int_equal(l.total, 151277313); /* parameters of openai/clip-vit-base-patch32 */
    assert_int_equal(l.count, 398);
    for (size_t i = 1; i < l.count; i++)
        assert_int_equal(l.desc[i].offset, l.desc[i - 1].offset + l.desc[i - 1].count);
    const sns_param_desc *q = sns_layout_find(
        &l, "text_model.encoder.layers.11.self_attn.q_proj.weight");
    assert_string_equal(q[1].name, "text_model.encoder.layers.11.self_attn.k_proj.weight");
    assert_string_equal(q[2].name, "text_model.encoder.layers.11.self_attn.v_proj.weight");
    assert_true(q->decay);
    assert_false(sns_layout_find(&l, "vision_model.pre_layrnorm.weight")->decay);
    assert_false(sns_layout_find(&l, "logit_scale")->decay);
    assert_int_equal(sns_layout_find(&l, "logit_scale")->dims, 0);
    assert_null(sns_layout_find(&l, "logit"));
    sns_clip *other;
    sns_clip_config small = tiny();
    assert_int_equal(sns_clip_new(&small, &other, NULL), SNS_OK);
    float none = 0;
    assert_int_equal(sns_clip_bind(other, &l, &none, NULL, NULL), SNS_SHAPE);
    sns_clip_free(other);
    sns_layout_free(&l);
}

static void initial_values(void **state) {
    (void)state;
    sns_clip_config c = wider();
    sns_layout l;
    assert_int_equal(sns_clip_layout(&c, &l, NULL), SNS_OK);
    float *a = malloc(l.total * sizeof(float)), *b = malloc(l.total * sizeof(float));
    sns_clip_init(&l, &c, a, 5);
    sns_clip_init(&l, &c, b, 5);
    assert_memory_equal(a, b, l.total * sizeof(float));
    for (size_t i = 0; i < l.count; i++) {
        const sns_param_desc *d = &l.desc[i];
        double squares = sns_kernels_get()->sum_squares(a + d->offset, d->count);
        if (d->init == SNS_INIT_ZERO) assert_true(squares == 0);
        if (d->init == SNS_INIT_ONE) assert_true(squares == (double)d->count);
        if (d->init == SNS_INIT_NORMAL && d->count > 10000)
            assert_float_equal(sqrt(squares / (double)d->count) / d->std, 1, 0.05);
    }
    assert_float_equal(a[sns_layout_find(&l, "logit_scale")->offset], c.logit_scale_init, 0);
    const char *out = "vision_model.encoder.layers.0.self_attn.out_proj.weight";
    assert_float_equal(sns_layout_find(&l, out)->std, pow(192, -0.5) / 2, 1e-6); /* 2 layers */
    sns_clip_init(&l, &c, b, 6);
    assert_memory_not_equal(a, b, l.total * sizeof(float));
    free(a);
    free(b);
    sns_layout_free(&l);
}

static void absurd_configs_are_refused(void **state) {
    (void)state;
    sns_error err;
    sns_clip *m;
    sns_clip_config c = tiny();
    assert_int_equal(sns_clip_config_check(&c, &err), SNS_OK);
    c.vision.heads = 5;
    assert_int_equal(sns_clip_config_check(&c, &err), SNS_SHAPE);
    c = tiny(), c.text.width = SIZE_MAX / 2;
    assert_int_equal(sns_clip_new(&c, &m, &err), SNS_LIMIT);
    c = tiny(), c.vision.layers = 0;
    assert_int_equal(sns_clip_config_check(&c, &err), SNS_LIMIT);
    c = tiny(), c.patch_px = 5;
    assert_int_equal(sns_clip_config_check(&c, &err), SNS_SHAPE);
    c = tiny(), c.patch_px = 0;
    assert_int_equal(sns_clip_config_check(&c, &err), SNS_LIMIT);
    c = tiny(), c.vocab = (size_t)1 << 40;
    assert_int_equal(sns_clip_config_check(&c, &err), SNS_LIMIT);
    c = tiny(), c.end_id = 11;
    assert_int_equal(sns_clip_config_check(&c, &err), SNS_LIMIT);
    c = tiny(), c.text.eps = NAN;
    assert_int_equal(sns_clip_config_check(&c, &err), SNS_LIMIT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout_is_clip),
        cmocka_unit_test(initial_values),
        cmocka_unit_test(absurd_configs_are_refused),
        cmocka_unit_test(gradients),
        cmocka_unit_test(siglip_gradients),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(kernel_tables_agree),
        cmocka_unit_test(inference_equals_training),
        cmocka_unit_test(packing_texts_changes_nothing),
        cmocka_unit_test(memory_does_not_grow),
        cmocka_unit_test(errors_stick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
