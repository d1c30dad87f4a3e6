/* test_fine_tune.c - runs with another loss and runs that begin with a model that exists. */
#include "model/clip_io.h"
#include "toy.h"
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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(sigmoid_learns_and_is_saved),
                                       cmocka_unit_test(softmax_model_becomes_a_sigmoid_one)};
    return cmocka_run_group_tests(tests, make_set, free_set);
}
