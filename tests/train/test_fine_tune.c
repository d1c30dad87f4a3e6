/* test_fine_tune.c - runs with another loss and runs that begin with a model that exists. */
#include "model/clip_io.h"
#include "toy.h"
#include "train/fine_tune.h"
#include "train/grad_step.h"
#include <math.h>
#include <sensus/model.h>

static toy set;

static int make_set(void **state) {
    (void)state;
    toy_make(&set);
    return 0;
}

static int free_set(void **state) {
    (void)state;
    toy_free(&set);
    return 0;
}

/* DIR/name, valid until the fourth call after it. */
static const char *in_set(const char *name) {
    static char path[4][5000];
    static unsigned turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", set.dir, name);
    return p;
}

static void run(const sns_train_options *o, sns_train_result *r) {
    sns_error err;
    if (sns_train(o, r, &err)) fail_msg("%s", err.message);
}

/* Options of a run in DIR/name that learns the toy. */
static void learning(const char **data, const char *name, sns_train_options *o) {
    toy_options(&set, data, in_set(name), o);
    o->steps = 200;
    o->warmup = 20;
    o->lr = 3e-3;
    o->batch = 20;
    o->crop_scale = 1;
}

static sns_model *load(const char *name) {
    sns_model *m;
    sns_error err;
    if (sns_model_load(in_set(name), &m, &err)) fail_msg("%s", err.message);
    return m;
}

static void sigmoid_learns_and_is_saved(void **state) {
    (void)state;
    sns_train_options o;
    sns_train_result r;
    const char *data;
    learning(&data, "sigmoid", &o);
    o.loss = SNS_LOSS_SIGMOID;
    o.val = data;
    o.val_every = 200;
    run(&o, &r);
    if (!(r.recall10 > 0.9)) fail_msg("loss %g, recall@10 %g", r.loss, r.recall10);
    sns_model *m = load("sigmoid/model");
    float p[2];
    sns_model_probabilities(m, (const float[]){1, -1}, 2, p);
    assert_true(p[0] > 0.5f && p[1] < 0.01f && fabsf(p[0] + p[1] - 1) > 1e-4f);
    char *text;
    assert_int_equal(sns_model_describe(m, 0, &text, NULL), SNS_OK);
    assert_non_null(strstr(text, ", bias -"));
    free(text);
    sns_model_free(m);
    /* It goes on as it was, and the loss says so. */
    o.init_dir = in_set("sigmoid/model");
    o.out_dir = in_set("sigmoid-more");
    o.lr = 1e-7;
    o.steps = 2;
    sns_train_result again;
    run(&o, &again);
    if (!(again.loss < 1.5 * r.loss + 0.05)) fail_msg("%g after %g", again.loss, r.loss);
}

/* Every ranking loss learns the toy and is there again after --init and --resume. The hardest
 * negatives of a model that knows nothing yet pull everything together, so that loss takes over
 * from the sum of hinges. */
static void ranking_losses_learn(void **state) {
    (void)state;
    static const struct {
        const char *name;
        sns_loss loss;
        double margin;
    } kinds[] = {{"hinge", SNS_LOSS_HINGE, 0.2},
                 {"hardest", SNS_LOSS_HINGE_HARDEST, 0.2},
                 {"order", SNS_LOSS_ORDER, 0.05}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        sns_train_options o;
        sns_train_result r;
        sns_error err;
        const char *data;
        char out[64];
        learning(&data, "hinge-begun", &o);
        if (kinds[i].loss == SNS_LOSS_HINGE_HARDEST) {
            o.loss = SNS_LOSS_HINGE;
            o.steps = 60;
            run(&o, NULL);
        }
        learning(&data, kinds[i].name, &o);
        if (kinds[i].loss == SNS_LOSS_HINGE_HARDEST) o.init_dir = in_set("hinge-begun/model");
        o.loss = kinds[i].loss;
        o.margin = kinds[i].margin;
        o.val = data;
        o.val_every = 200;
        run(&o, &r);
        if (!(r.recall10 > 0.9)) fail_msg("%s: recall@10 %g", kinds[i].name, r.recall10);
        o.resume = 1;
        o.steps = 201;
        o.margin += 0.1;
        assert_int_equal(sns_train(&o, NULL, &err), SNS_MISMATCH);
        o.margin -= 0.1;
        run(&o, NULL);
        snprintf(out, sizeof out, "%s/model", kinds[i].name);
        o.resume = 0;
        o.init_dir = in_set(out);
        snprintf(out, sizeof out, "%s-more", kinds[i].name);
        o.out_dir = in_set(out);
        o.lr = 1e-7;
        o.steps = 2;
        sns_train_result again;
        run(&o, &again);
        if (!(again.loss < 1.5 * r.loss + 0.05)) fail_msg("%g after %g", again.loss, r.loss);
    }
}

/* What a model trained by the order gives has no negative number, wherever it is loaded, and stays
 * so under another loss. */
static void order_vectors_are_not_negative(void **state) {
    (void)state;
    sns_train_options o;
    const char *data, *text = "a red square on blue", *names[] = {"order/model", "order-on/model"};
    sns_image image;
    sns_error err;
    toy_options(&set, &data, in_set("order-on"), &o);
    o.init_dir = in_set("order/model");
    o.steps = 1;
    run(&o, NULL);
    if (sns_image_load(in_set("0-2.png"), NULL, &image, &err)) fail_msg("%s", err.message);
    for (int i = 0; i < 2; i++) {
        sns_model *m = load(names[i]);
        sns_session *session;
        float v[2][24], length[2] = {0};
        char *about;
        assert_int_equal(sns_model_dim(m), 24);
        assert_int_equal(sns_session_new(m, &session, &err), SNS_OK);
        assert_int_equal(sns_encode_images(session, &image, 1, v[0], &err), SNS_OK);
        assert_int_equal(sns_encode_texts(session, &text, 1, v[1], &err), SNS_OK);
        for (int n = 0; n < 48; n++) {
            assert_true(v[n / 24][n % 24] >= 0);
            length[n / 24] += v[n / 24][n % 24] * v[n / 24][n % 24];
        }
        assert_true(fabsf(length[0] - 1) < 1e-5f && fabsf(length[1] - 1) < 1e-5f);
        assert_int_equal(sns_model_describe(m, 0, &about, NULL), SNS_OK);
        assert_non_null(strstr(about, "none below 0"));
        free(about);
        sns_session_free(session);
        sns_model_free(m);
    }
    sns_image_free(&image);
    char a[5000], b[5000];
    snprintf(a, sizeof a, "%s", in_set("order/model"));
    snprintf(b, sizeof b, "%s", in_set("hinge/model"));
    assert_int_equal(sns_model_average(a, b, 0.5, in_set("mixed"), NULL, &err), SNS_MISMATCH);
    static const double bad[] = {0, -0.1, 2.1, NAN};
    for (size_t i = 0; i < 4; i++) {
        o.margin = bad[i];
        assert_int_equal(sns_train(&o, NULL, &err), SNS_ARG);
        assert_non_null(strstr(err.message, "margin"));
    }
}

static void softmax_model_becomes_a_sigmoid_one(void **state) {
    (void)state;
    sns_train_options o;
    sns_train_result r;
    const char *data;
    toy_options(&set, &data, in_set("softmax"), &o);
    run(&o, &r);
    sns_model *m = load("softmax/model");
    float p[3];
    sns_model_probabilities(m, (const float[]){0.1f, 0.2f, -0.3f}, 3, p);
    assert_true(fabsf(p[0] + p[1] + p[2] - 1) < 1e-5f && p[1] > p[0] && p[0] > p[2]);
    sns_model_free(m);
    o.init_dir = in_set("softmax/model");
    o.out_dir = in_set("converted");
    o.loss = SNS_LOSS_SIGMOID;
    o.steps = 1;
    o.lr = 1e-9;
    run(&o, &r);
    m = load("converted/model");
    assert_true(fabsf(sns_model_scale(m) - 10) < 1e-3f);
    sns_model_probabilities(m, (const float[]){1}, 1, p); /* sigmoid(10 - 10) */
    assert_true(fabsf(p[0] - 0.5f) < 1e-3f);
    sns_model_free(m);
    /* A run does not go on under another loss. */
    sns_error err;
    o.resume = 1;
    o.steps = 2;
    o.loss = SNS_LOSS_SOFTMAX;
    assert_int_equal(sns_train(&o, NULL, &err), SNS_MISMATCH);
}

static sns_safetensors *weights(const char *name) {
    char path[6000];
    sns_safetensors *f;
    sns_error err;
    snprintf(path, sizeof path, "%s/model.safetensors", in_set(name));
    if (sns_safetensors_open(path, &f, &err)) fail_msg("%s", err.message);
    return f;
}

static float *values(const sns_safetensors *f, const char *name, size_t *n) {
    const sns_stored *t = sns_safetensors_find(f, name);
    if (!t) fail_msg("no %s", name);
    *n = t->count;
    float *x = malloc(*n * sizeof *x);
    assert_int_equal(sns_stored_to_f32(t, sns_kernels_get(), 0, *n, x, NULL), SNS_OK);
    return x;
}

static bool same_tensor(const sns_safetensors *a, const sns_safetensors *b, const char *name) {
    size_t n, m;
    float *x = values(a, name, &n), *y = values(b, name, &m);
    bool same = n == m && !memcmp(x, y, n * sizeof *x);
    free(x);
    free(y);
    return same;
}

static void locked_images_stay(void **state) {
    (void)state;
    sns_train_options o;
    sns_train_result r;
    const char *data;
    toy_options(&set, &data, in_set("locked"), &o);
    o.init_dir = in_set("softmax/model");
    o.lock_image = 1;
    o.micro_batch = 4;
    run(&o, &r);
    sns_safetensors *before = weights("softmax/model"), *after = weights("locked/model");
    for (size_t i = 0; i < sns_safetensors_count(after); i++) {
        const char *name = sns_safetensors_at(after, i)->name;
        if (same_tensor(before, after, name) != sns_is_image_tensor(name))
            fail_msg("%s %s", name, sns_is_image_tensor(name) ? "changed" : "did not change");
    }
    sns_safetensors_close(before);
    sns_safetensors_close(after);
    sns_error err;
    o.out_dir = in_set("locked-nothing");
    o.init_dir = NULL;
    assert_int_equal(sns_train(&o, NULL, &err), SNS_ARG);
}

/* The gradient of the first batch, malloc'd, and the table of its tensors. */
static float *first_gradient(const sns_train_options *o, const char *out, sns_layout *l) {
    sns_train_options mine = *o;
    sns_step_loss loss;
    sns_error err;
    sns_run *r = calloc(1, sizeof *r);
    mine.out_dir = in_set(out);
    if (sns_run_open(r, &mine, &err)) fail_msg("%s", err.message);
    if (sns_grad_step(r, &loss, &err)) fail_msg("%s", err.message);
    float *copy = malloc(r->state.total * sizeof *copy);
    memcpy(copy, r->grads, r->state.total * sizeof *copy);
    assert_int_equal(sns_clip_layout(&r->config, l, &err), SNS_OK);
    sns_run_close(r);
    free(r);
    return copy;
}

static void locked_gradients_are_the_texts(void **state) {
    (void)state;
    sns_train_options o;
    const char *data;
    sns_layout l;
    toy_options(&set, &data, NULL, &o);
    o.init_dir = in_set("softmax/model");
    float *all = first_gradient(&o, "g1", &l);
    for (size_t micro = 0; micro < 5; micro += 4) {
        sns_layout_free(&l);
        o.lock_image = 1;
        o.micro_batch = micro;
        float *locked = first_gradient(&o, micro ? "g3" : "g2", &l);
        for (size_t i = 0; i < l.count; i++) {
            double difference = 0, size = 0;
            bool image = sns_is_image_tensor(l.desc[i].name);
            for (size_t j = l.desc[i].offset; j < l.desc[i].offset + l.desc[i].count; j++) {
                double want = image ? 0 : all[j];
                difference += (locked[j] - want) * (locked[j] - want);
                size += want * want;
            }
            if (!(difference <= 1e-9 * size + 1e-12)) /* a key's bias has no gradient */
                fail_msg("%s: %g of %g", l.desc[i].name, sqrt(difference), sqrt(size));
        }
        free(locked);
    }
    sns_layout_free(&l);
    free(all);
}

static void rates_fall_with_depth(void **state) {
    (void)state;
    static const struct {
        const char *name;
        double power; /* of the decay; negative: never learns when the image tower is locked */
    } want[] = {{"vision_model.embeddings.class_embedding", 3},
                {"vision_model.pre_layrnorm.weight", 3},
                {"vision_model.encoder.layers.0.layer_norm1.weight", 2},
                {"vision_model.encoder.layers.1.mlp.fc2.bias", 1},
                {"vision_model.post_layernorm.weight", 0},
                {"visual_projection.weight", 0},
                {"text_model.embeddings.token_embedding.weight", 4},
                {"text_model.encoder.layers.0.mlp.fc1.weight", 3},
                {"text_model.encoder.layers.2.mlp.fc1.weight", 1},
                {"text_projection.weight", 0},
                {"logit_scale", 0}};
    sns_clip_config c = {.vision = {8, 2, 2, 16, SNS_ACT_GELU, 1e-5f},
                         .text = {8, 3, 2, 16, SNS_ACT_GELU, 1e-5f},
                         .image_px = 8,
                         .patch_px = 4,
                         .vocab = 20,
                         .context = 6,
                         .start_id = 18,
                         .end_id = 19,
                         .embed = 4};
    sns_layout l;
    assert_int_equal(sns_clip_layout(&c, &l, NULL), SNS_OK);
    float *rate = malloc(l.count * sizeof *rate);
    const size_t texts = 6, rest = sizeof want / sizeof *want - 1;
    for (int lock = -1; lock < 2; lock++) {
        sns_layer_rates(&l, 0.5, lock, rate);
        for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
            const sns_param_desc *d = sns_layout_find(&l, want[i].name);
            assert_non_null(d);
            bool locked = lock == 0 ? i < texts : lock == 1 && i >= texts && i < rest;
            double expected = locked ? 0 : pow(0.5, want[i].power);
            if (rate[d - l.desc] != (float)expected)
                fail_msg("%s: %g, not %g", d->name, rate[d - l.desc], expected);
        }
    }
    free(rate);
    sns_layout_free(&l);
}

static void layer_decay_slows_the_lower_blocks(void **state) {
    (void)state;
    sns_train_options o;
    sns_train_result r;
    const char *data;
    toy_options(&set, &data, in_set("decayed"), &o);
    o.init_dir = in_set("softmax/model");
    o.layer_decay = 0.01;
    o.weight_decay = 0;
    o.steps = 2;
    o.warmup = 0;
    run(&o, &r);
    sns_safetensors *before = weights("softmax/model"), *after = weights("decayed/model");
    static const char *const names[] = {"text_model.encoder.layers.0.layer_norm2.weight",
                                        "text_model.encoder.layers.1.layer_norm2.weight",
                                        "text_model.final_layer_norm.weight"};
    double moved[3];
    for (int i = 0; i < 3; i++) {
        size_t n;
        float *x = values(before, names[i], &n), *y = values(after, names[i], &n);
        moved[i] = 0;
        for (size_t j = 0; j < n; j++) moved[i] = fmax(moved[i], fabs((double)x[j] - y[j]));
        free(x);
        free(y);
    }
    assert_true(moved[1] < 0.05 * moved[2] && moved[0] < 0.2 * moved[1]);
    sns_safetensors_close(before);
    sns_safetensors_close(after);
}

static void models_are_averaged(void **state) {
    (void)state;
    sns_error err;
    char a[5000], b[5000], name[5000];
    snprintf(a, sizeof a, "%s", in_set("softmax/model"));
    snprintf(b, sizeof b, "%s", in_set("locked/model"));
    snprintf(name, sizeof name, "%s", in_set("average"));
    if (sns_model_average(a, b, 0.25, name, NULL, &err)) fail_msg("%s", err.message);
    sns_model_free(load("average"));
    sns_safetensors *x = weights("softmax/model"), *y = weights("locked/model"),
                    *z = weights("average");
    for (size_t i = 0; i < sns_safetensors_count(z); i++) {
        const char *t = sns_safetensors_at(z, i)->name;
        size_t n;
        float *p = values(x, t, &n), *q = values(y, t, &n), *m = values(z, t, &n);
        for (size_t j = 0; j < n; j++)
            assert_true(fabsf(0.75f * p[j] + 0.25f * q[j] - m[j]) < 1e-6f);
        free(p);
        free(q);
        free(m);
    }
    sns_safetensors_close(x);
    sns_safetensors_close(y);
    sns_safetensors_close(z);
    assert_int_equal(sns_model_average(a, in_set("sigmoid/model"), 0.5, name, NULL, &err),
                     SNS_MISMATCH);
    assert_int_equal(sns_model_average(a, b, 1.5, name, NULL, &err), SNS_ARG);
    assert_int_equal(sns_model_average(a, in_set("nowhere"), 0.5, name, NULL, &err), SNS_MISSING);
    assert_int_equal(sns_model_average(a, b, 0.5, name, "I8", &err), SNS_ARG);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(sigmoid_learns_and_is_saved),
                                       cmocka_unit_test(ranking_losses_learn),
                                       cmocka_unit_test(order_vectors_are_not_negative),
                                       cmocka_unit_test(softmax_model_becomes_a_sigmoid_one),
                                       cmocka_unit_test(locked_images_stay),
                                       cmocka_unit_test(locked_gradients_are_the_texts),
                                       cmocka_unit_test(rates_fall_with_depth),
                                       cmocka_unit_test(layer_decay_slows_the_lower_blocks),
                                       cmocka_unit_test(models_are_averaged)};
    return cmocka_run_group_tests(tests, make_set, free_set);
}
