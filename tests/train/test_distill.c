/* test_distill.c - distillation: differences, PyTorch, runs with a teacher. */
#include "golden_loss.h"
#include "toy.h"
#include "train/objective.h"
#include <unistd.h>

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

/* Leaves: pictures, texts, t, b, both maps; the teacher's rows follow from the scene's size. */
static sns_tensor *build(sns_tape *t, const scene *s) {
    size_t B = s->leaf[0].dim[0], W = s->leaf[4].dim[0];
    sns_rng rng;
    sns_rng_seed(&rng, 3);
    float *y = sns_tape_alloc(t, 2 * B * W * sizeof *y);
    for (size_t i = 0; i < 2 * B * W; i++) y[i] = (float)sns_rng_normal(&rng) / (float)W;
    sns_param *p = sns_tape_alloc(t, 4 * sizeof *p);
    for (int i = 0; i < 4; i++) p[i] = leaf_param(t, s, 2 + i);
    sns_objective o = {.loss = s->bias ? SNS_LOSS_SIGMOID : SNS_LOSS_SOFTMAX,
                       .logit_scale = &p[0],
                       .logit_bias = &p[1],
                       .affinity = 0.7f,
                       .features = 0.4f,
                       .teacher = {y, y + B * W, W, 5},
                       .image_map = &p[2],
                       .text_map = &p[3]};
    return sns_objective_loss(t, &o, sns_l2_normalize(t, leaf_tensor(t, s, 0)),
                              sns_l2_normalize(t, leaf_tensor(t, s, 1)), NULL);
}

static void gradients_equal_differences(void **state) {
    (void)state;
    static const size_t sizes[][3] = {{2, 3, 4}, {9, 5, 3}, {70, 4, 6}};
    for (size_t i = 0; i < 3; i++) {
        scene s = {.bias = i == 1};
        sns_rng rng;
        sns_rng_seed(&rng, 11 + i);
        size_t B = sizes[i][0], E = sizes[i][1], W = sizes[i][2];
        add_leaf(&s, &rng, 1, 0, 2, (size_t[]){B, E});
        add_leaf(&s, &rng, 1, 0, 2, (size_t[]){B, E});
        add_leaf(&s, &rng, 0, 1.2f, 1, (size_t[]){1});
        add_leaf(&s, &rng, 0, -2, 1, (size_t[]){1});
        add_leaf(&s, &rng, 0.5f, 0, 2, (size_t[]){W, E});
        add_leaf(&s, &rng, 0.5f, 0, 2, (size_t[]){W, E});
        check_gradients(sns_kernels_get(), &s, build, 12);
        s.leaf[0].frozen = true;
        check_gradients(sns_kernels_get(), &s, build, 4);
        free_scene(&s);
    }
}

/* Pictures that are also drawn to their texts, which stay: leaves are pictures, texts, t. */
static sns_tensor *build_pull(sns_tape *t, const scene *s) {
    sns_param *scale = sns_tape_alloc(t, sizeof *scale);
    *scale = leaf_param(t, s, 2);
    const sns_objective o = {.loss = SNS_LOSS_SOFTMAX, .logit_scale = scale, .pull = 0.6f};
    return sns_objective_loss(t, &o, sns_l2_normalize(t, leaf_tensor(t, s, 0)),
                              sns_l2_normalize(t, leaf_tensor(t, s, 1)), NULL);
}

static void pulls_to_locked_texts(void **state) {
    (void)state;
    scene s = {0};
    sns_rng rng;
    sns_rng_seed(&rng, 5);
    add_leaf(&s, &rng, 1, 0, 2, (size_t[]){9, 5});
    add_leaf(&s, &rng, 1, 0, 2, (size_t[]){9, 5});
    add_leaf(&s, &rng, 0, 1.2f, 1, (size_t[]){1});
    s.leaf[1].frozen = true;
    check_gradients(sns_kernels_get(), &s, build_pull, 12);
    free_scene(&s);
}

static void equals_pytorch(void **state) {
    (void)state;
    static const char *const names[] = {"distill", "distill_blocks"};
    sns_safetensors *f = golden_open();
    for (size_t i = 0; i < 2; i++) {
        sns_tape *t = sns_tape_new(sns_kernels_get(), true);
        const char *name = names[i];
        sns_tensor *I = golden_tensor(t, f, name, "images", true);
        sns_tensor *T = golden_tensor(t, f, name, "texts", true);
        sns_tensor *U = golden_tensor(t, f, name, "teacher_images", false);
        sns_param scale = {.value = *golden_tensor(t, f, name, "scale", true)};
        sns_teacher_view v = {U->data, golden_tensor(t, f, name, "teacher_texts", false)->data,
                              U->cols, *golden_tensor(t, f, name, "teacher_scale", false)->data};
        sns_tensor *loss = sns_affinity_loss(t, I, T, &scale, &v);
        assert_non_null(loss);
        golden_equal(t, f, name, "loss", loss->data, 1e-5);
        assert_int_equal(sns_tape_backward(t, loss, NULL, NULL), SNS_OK);
        golden_equal(t, f, name, "dimages", I->grad, 3e-5);
        golden_equal(t, f, name, "dtexts", T->grad, 3e-5);
        golden_equal(t, f, name, "dscale", scale.value.grad, 3e-5);
        sns_tape_free(t);
        t = sns_tape_new(sns_kernels_get(), true);
        I = golden_tensor(t, f, name, "images", true);
        U = golden_tensor(t, f, name, "teacher_images", false);
        sns_param map = {.value = *golden_tensor(t, f, name, "map", true)};
        loss = sns_feature_loss(t, sns_linear(t, I, &map, NULL, NULL), U->data, U->cols);
        assert_non_null(loss);
        golden_equal(t, f, name, "feature_loss", loss->data, 1e-5);
        assert_int_equal(sns_tape_backward(t, loss, NULL, NULL), SNS_OK);
        golden_equal(t, f, name, "feature_dimages", I->grad, 3e-5);
        golden_equal(t, f, name, "feature_dmap", map.value.grad, 3e-5);
        sns_tape_free(t);
    }
    sns_safetensors_close(f);
}

/* The divergence of a model from itself is 0, and so is its gradient. */
static void own_teacher_teaches_nothing(void **state) {
    (void)state;
    sns_rng rng;
    sns_rng_seed(&rng, 4);
    scene s = {0};
    add_leaf(&s, &rng, 1, 0, 2, (size_t[]){200, 5});
    add_leaf(&s, &rng, 1, 0, 2, (size_t[]){200, 5});
    add_leaf(&s, &rng, 0, 2, 1, (size_t[]){1});
    sns_tape *t = sns_tape_new(sns_kernels_get(), true);
    sns_tensor *I = leaf_tensor(t, &s, 0), *T = leaf_tensor(t, &s, 1);
    sns_param scale = leaf_param(t, &s, 2);
    sns_teacher_view v = {I->data, T->data, 5, expf(2)};
    sns_tensor *loss = sns_affinity_loss(t, I, T, &scale, &v);
    assert_non_null(loss);
    assert_true(fabsf(loss->data[0]) < 1e-6f);
    assert_int_equal(sns_tape_backward(t, loss, NULL, NULL), SNS_OK);
    for (size_t i = 0; i < s.leaf[0].n; i++) assert_true(fabsf(I->grad[i]) < 1e-6f);
    sns_tape_free(t);
    free_scene(&s);
}

static const char *in_set(const char *name) {
    static char path[4][5000];
    static unsigned turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", set.dir, name);
    return p;
}

static sns_train_result train(const sns_train_options *o) {
    sns_train_result r;
    sns_error err;
    if (sns_train(o, &r, &err)) fail_msg("%s", err.message);
    return r;
}

static char *read_model(const char *run, size_t *size) {
    char path[6000], *data;
    sns_error err;
    snprintf(path, sizeof path, "%s/model/model.safetensors", in_set(run));
    if (sns_file_read(path, 1 << 28, &data, size, &err)) fail_msg("%s", err.message);
    return data;
}

/* A teacher with other pictures and another width, batches in pieces, a run that was stopped. */
static void student_learns_from_a_teacher(void **state) {
    (void)state;
    const char *data;
    char teacher[5000];
    sns_train_options o;
    toy_options(&set, &data, in_set("teacher"), &o);
    o.image_px = 24;
    o.embed = 20;
    o.steps = 200;
    o.warmup = 20;
    o.lr = 3e-3;
    o.batch = 20;
    o.crop_scale = 1;
    train(&o);
    snprintf(teacher, sizeof teacher, "%s", in_set("teacher/model"));
    toy_options(&set, &data, in_set("student"), &o);
    o.teacher_dir = teacher;
    o.micro_batch = 3;
    o.val = data;
    o.val_every = 12;
    sns_train_result r = train(&o);
    assert_true(r.recall10 >= 0 && r.loss > 0);
    /* Stopped and resumed, with the maps from the checkpoint: the same bytes. */
    o.val = NULL;
    o.out_dir = in_set("resumed");
    o.save_every = 5;
    o.steps = 12;
    size_t a, b;
    volatile int stop = 1;
    o.cancel = &stop;
    sns_error err;
    assert_int_equal(sns_train(&o, NULL, &err), SNS_CANCELLED);
    stop = 0;
    o.resume = 1;
    train(&o);
    char *x = read_model("student", &a), *y = read_model("resumed", &b);
    assert_true(a == b && !memcmp(x, y, a));
    free(x);
    free(y);
    /* Another teacher is another run. */
    o.teacher_dir = in_set("student/model");
    assert_int_equal(sns_train(&o, NULL, &err), SNS_MISMATCH);
    o.teacher_dir = in_set("nowhere");
    assert_int_equal(sns_train(&o, NULL, &err), SNS_MISSING);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_equal_differences), cmocka_unit_test(pulls_to_locked_texts),
        cmocka_unit_test(equals_pytorch), cmocka_unit_test(own_teacher_teaches_nothing),
        cmocka_unit_test(student_learns_from_a_teacher)};
    return cmocka_run_group_tests(tests, make_set, free_set);
}
