/* test_towers.c - ResNet and CBOW, and towers that hear: vectors, gradients and running averages
 * equal a plain PyTorch's (tests/goldens/make_towers.py, make_sound.py); runs of every pair of
 * towers learn, resume and ignore threads. */
#include "../embed/parity.h"
#include "toy.h"
#include "train/contrastive_loss.h"
#include <omp.h>
#include <signal.h>

typedef struct world {
    sns_clip_config c;
    sns_layout l;
    sns_clip *m;
    float *data, *grad;
    sns_npy pixels;
    parity_texts texts;
} world;

static world open_world(const char *dir) {
    world w;
    sns_error err = {0};
    if (sns_clip_config_read(dir, &w.c, &err) || sns_clip_layout(&w.c, &w.l, &err) ||
        sns_clip_new(&w.c, &w.m, &err))
        fail_msg("%s", err.message);
    w.data = sns_aligned_calloc(w.l.total * sizeof(float));
    w.grad = sns_aligned_calloc(w.l.total * sizeof(float));
    if (sns_clip_read_flat(dir, &w.c, &w.l, w.data, &err)) fail_msg("%s", err.message);
    assert_int_equal(sns_clip_bind(w.m, &w.l, w.data, w.grad, &err), SNS_OK);
    w.pixels = parity_read(dir, "pixels.npy");
    w.texts = parity_read_texts(dir);
    return w;
}

static void close_world(world *w) {
    sns_clip_free(w->m);
    sns_layout_free(&w->l);
    sns_aligned_free(w->data);
    sns_aligned_free(w->grad);
    sns_npy_free(&w->pixels);
    free(w->texts.ids);
    free(w->texts.starts);
}

typedef enum way { PLAIN, HALF, CHECKPOINTING } way;

/* One batch forward and backward, as a training step does it. */
static float learn(world *w, way how, size_t *peak) {
    sns_tape *t = sns_tape_new(sns_kernels_get(), true);
    sns_error err = {0};
    if (how == HALF) sns_tape_set_gemm(t, sns_gemm_bf16);
    sns_tape_set_checkpointing(t, how == CHECKPOINTING);
    memset(w->grad, 0, w->l.total * sizeof(float));
    sns_tensor *pixels = sns_tape_wrap(t, w->pixels.data, NULL, 4, w->pixels.dim);
    sns_tensor *images = sns_l2_normalize(t, sns_clip_image_features(t, w->m, pixels));
    sns_tensor *texts = sns_l2_normalize(
        t, sns_clip_text_features(t, w->m, w->texts.ids, w->texts.starts, w->texts.n));
    sns_tensor *loss = sns_contrastive_loss(t, images, texts, &w->m->logit_scale, NULL);
    if (sns_tape_status(t, &err) || sns_tape_backward(t, loss, NULL, &err))
        fail_msg("%s", err.message);
    float value = loss->data[0];
    if (peak) *peak = sns_arena_peak_bytes(sns_tape_arena(t));
    sns_tape_free(t);
    return value;
}

static double largest(const float *a, const float *b, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs((double)a[i] - (b ? (double)b[i] : 0)));
    return most;
}

/* Gradients, and running averages where a tensor is one, against dir/grads. */
static void compare_gradients(const char *dir, const char *name) {
    char folder[8192];
    snprintf(folder, sizeof folder, "%s/%s", dir, name);
    world w = open_world(folder);
    float loss = learn(&w, PLAIN, NULL), *want = malloc(w.l.total * sizeof *want);
    snprintf(folder, sizeof folder, "%s/%s/grads", dir, name);
    sns_npy stored = parity_read(folder, "loss.npy");
    sns_error err = {0};
    if (sns_clip_read_flat(folder, &w.c, &w.l, want, &err)) fail_msg("%s", err.message);
    double worst = 0;
    for (size_t i = 0; i < w.l.count; i++) {
        const sns_param_desc *d = &w.l.desc[i];
        if (strstr(d->name, "k_proj.bias")) continue; /* zero but for rounding */
        const float *got = (d->buffer ? w.data : w.grad) + d->offset, *as = want + d->offset;
        double off = largest(got, as, d->count) / largest(as, NULL, d->count);
        if (!(off <= 1e-4)) fail_msg("%s: %s is off by %g", name, d->name, off);
        worst = fmax(worst, off);
    }
    double off = fabs((double)loss - stored.data[0]) / stored.data[0];
    print_message("%-44s loss %.1e, gradients %.1e, relative\n", name, off, worst);
    assert_true(off <= 1e-5);
    sns_npy_free(&stored);
    free(want);
    close_world(&w);
}

static void golden(void **state) {
    (void)state;
    char dir[4096];
    snprintf(dir, sizeof dir, "%s", tool_source("goldens"));
    parity_check(dir, "towers");
    compare_gradients(dir, "towers");
    static const char *const sound[] = {"sound/vit", "sound/cnn"};
    for (size_t i = 0; i < 2; i++) {
        parity_check(dir, sound[i]);
        compare_gradients(dir, sound[i]);
    }
}

/* What sensus writes it reads again, to the bit. */
static void round_trip(const char *dir, const char *name) {
    char from[8192], to[8192];
    snprintf(from, sizeof from, "%s/%s", dir, name);
    snprintf(to, sizeof to, "%s/%s-written", dir, name);
    world w = open_world(from);
    float *again = malloc(w.l.total * sizeof *again);
    sns_clip_config c;
    sns_error err = {0};
    if (sns_clip_save(to, &w.c, &w.l, w.data, "F32", &err) || sns_clip_config_read(to, &c, &err) ||
        sns_clip_read_flat(to, &c, &w.l, again, &err))
        fail_msg("%s", err.message);
    assert_memory_equal(&c, &w.c, sizeof c);
    assert_memory_equal(again, w.data, w.l.total * sizeof *again);
    free(again);
    close_world(&w);
}

static void make_models(const char *name, const char *dir) {
    char script[4096];
    snprintf(script, sizeof script, "%s", tool_source(name));
    const char *const argv[] = {"nice", "-n", "5", TOOL_PYTHON, script, "make", dir, NULL};
    assert_true(tool_run(argv));
}

static void random_models_that_hear(void **state) {
    (void)state;
    static const char *const names[] = {"vit", "cnn", "cnn-f16"};
    if (!parity_has_torch()) skip();
    char *dir = tool_tmpdir();
    make_models("goldens/make_sound.py", dir);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        parity_check(dir, names[i]);
        round_trip(dir, names[i]);
        compare_gradients(dir, names[i]);
    }
    tool_remove(dir);
}

static void random_models(void **state) {
    (void)state;
    static const char *const names[] = {"resnet-cbow", "resnet-wide", "resnet-transformer",
                                        "resnet-f16", "vit-cbow"};
    if (!parity_has_torch()) skip();
    char *dir = tool_tmpdir();
    make_models("goldens/make_towers.py", dir);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        parity_check(dir, names[i]);
        round_trip(dir, names[i]);
    }
    compare_gradients(dir, names[0]);
    compare_gradients(dir, names[1]);
    tool_remove(dir);
}

static void threads_do_not_matter(void **state) {
    (void)state;
    int before = omp_get_max_threads();
    for (int half = 0; half < 2; half++) {
        world w = open_world(tool_source("goldens/towers"));
        size_t bytes = w.l.total * sizeof(float);
        float *start = malloc(bytes), *first = malloc(2 * bytes), loss = 0;
        memcpy(start, w.data, bytes);
        for (int threads = 1; threads <= 3; threads++) {
            omp_set_num_threads(threads);
            memcpy(w.data, start, bytes);
            float got = learn(&w, half ? HALF : PLAIN, NULL);
            if (threads == 1) {
                loss = got;
                memcpy(first, w.grad, bytes);
                memcpy(first + w.l.total, w.data, bytes);
            }
            assert_true(got == loss);
            assert_memory_equal(first, w.grad, bytes);
            assert_memory_equal(first + w.l.total, w.data, bytes);
        }
        free(start);
        free(first);
        close_world(&w);
    }
    omp_set_num_threads(before);
}

/* Not a bit of gradients or running averages changes when blocks are computed again. */
static void checkpointing_changes_no_bit(void **state) {
    (void)state;
    size_t peak[2];
    world w = open_world(tool_source("goldens/towers")),
          v = open_world(tool_source("goldens/towers"));
    assert_true(learn(&w, PLAIN, &peak[0]) == learn(&v, CHECKPOINTING, &peak[1]));
    assert_memory_equal(w.grad, v.grad, w.l.total * sizeof(float));
    assert_memory_equal(w.data, v.data, w.l.total * sizeof(float));
    if (!(peak[1] < peak[0])) fail_msg("%zu bytes, without %zu", peak[1], peak[0]);
    close_world(&w);
    close_world(&v);
}

/* What one inference needs does not depend on how many blocks there are. */
static void inference_memory_does_not_grow(void **state) {
    (void)state;
    size_t peak[2];
    for (size_t deep = 0; deep < 2; deep++) {
        sns_clip_config c = {.vision_kind = SNS_VISION_RESNET,
                             .text_kind = SNS_TEXT_CBOW,
                             .stages = {1 + 2 * deep, 1 + deep, 1 + deep, 1},
                             .vision = {.width = 8, .heads = 4, .layers = 4 + 4 * deep},
                             .text = {.width = 8},
                             .image_px = 64,
                             .patch_px = 32,
                             .vocab = 9,
                             .context = 8,
                             .embed = 8};
        sns_layout l;
        sns_clip *m;
        assert_int_equal(sns_clip_layout(&c, &l, NULL), SNS_OK);
        assert_int_equal(sns_clip_new(&c, &m, NULL), SNS_OK);
        float *data = sns_aligned_calloc(l.total * sizeof *data);
        float *pixels = sns_aligned_calloc(2 * 3 * 64 * 64 * sizeof *pixels);
        sns_clip_init(&l, &c, data, 1);
        assert_int_equal(sns_clip_bind(m, &l, data, NULL, NULL), SNS_OK);
        sns_tape *t = sns_tape_new(sns_kernels_get(), false);
        sns_tensor *in = sns_tape_wrap(t, pixels, NULL, 4, (size_t[]){2, 3, 64, 64});
        assert_non_null(sns_clip_image_features(t, m, in));
        peak[deep] = sns_arena_peak_bytes(sns_tape_arena(t));
        sns_tape_free(t);
        sns_aligned_free(data);
        sns_aligned_free(pixels);
        sns_clip_free(m);
        sns_layout_free(&l);
    }
    if (peak[1] > peak[0] + 4096) fail_msg("%zu bytes, shallower %zu", peak[1], peak[0]);
}

/* ---- runs ---- */

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

static void in_set(char path[5000], const char *name, int i) {
    snprintf(path, 5000, "%s/%s-%d", set.dir, name, i);
}

/* Pair 0 ... 3: ViT or ResNet with Transformer or CBOW. */
static void options(const char **data, const char *out, int pair, sns_train_options *o) {
    toy_options(&set, data, out, o);
    o->image_tower = pair & 1 ? SNS_IMAGE_RESNET : SNS_IMAGE_VIT;
    o->text_tower = pair & 2 ? SNS_TEXT_TOWER_CBOW : SNS_TEXT_TOWER_TRANSFORMER;
    o->resnet_width = 4;
    o->resnet_layers = "1,1,1,1";
    if (pair & 1) o->image_px = 32;
}

static void run(const sns_train_options *o, sns_train_result *r) {
    sns_error err;
    if (sns_train(o, r, &err)) fail_msg("%s", err.message);
}

static void same_file(const char *a, const char *b, const char *name) {
    char *data[2];
    size_t size[2];
    const char *dir[] = {a, b};
    sns_error err;
    for (int i = 0; i < 2; i++) {
        char *path = sns_path_join(dir[i], name);
        if (sns_file_read(path, 1 << 28, &data[i], &size[i], &err)) fail_msg("%s", err.message);
        free(path);
    }
    assert_int_equal(size[0], size[1]);
    if (memcmp(data[0], data[1], size[0])) fail_msg("%s: the runs differ", name);
    free(data[0]);
    free(data[1]);
}

static int slow_step(void *user, const sns_train_progress *p) {
    (void)user;
    (void)p;
    usleep(3000);
    return 0;
}

static void killed_runs_end_the_same(void **state) {
    (void)state;
    sns_train_options o;
    const char *data;
    char whole[5000], killed[5000];
    in_set(whole, "whole", 3);
    in_set(killed, "killed", 3);
    options(&data, whole, 3, &o);
    o.steps = 12;
    o.save_every = 3;
    o.ema = 0.9;
    run(&o, NULL);
    o.out_dir = killed;
    o.resume = 1;
    o.progress = slow_step;
    int status = 1, kills = 0;
    for (unsigned wait_us = 150000; status; wait_us += 90000) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (!pid) _exit(sns_train(&o, NULL, NULL) ? 2 : 0);
        if (kills < 5) {
            usleep(wait_us);
            kill(pid, SIGKILL);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status)) assert_int_equal(WEXITSTATUS(status), 0);
        kills += WIFSIGNALED(status);
    }
    same_file(whole, killed, "checkpoint-00000012.safetensors");
    same_file(whole, killed, "model/open_clip_model.safetensors");
}

static void every_pair_learns(void **state) {
    (void)state;
    for (int pair = 0; pair < 4; pair++) {
        sns_train_options o;
        sns_train_result r;
        const char *data;
        char one[5000], many[5000], model[5100];
        in_set(one, "one", pair);
        in_set(many, "many", pair);
        options(&data, one, pair, &o);
        o.steps = 100;
        o.warmup = 10;
        o.lr = 4e-3;
        o.batch = 15;
        o.crop_scale = 1;
        o.ema = 0.9;
        o.val = data;
        run(&o, &r);
        print_message("pair %d: loss %.3f, recall@10 %.2f\n", pair, r.loss, r.recall10);
        assert_true(r.loss < 2.0 && r.recall10 > 0.7);
        snprintf(model, sizeof model, "%s/model", one);
        o.steps = 3;
        o.val = NULL;
        o.init_dir = model; /* what shipped can be trained on, with two threads as with one */
        o.out_dir = many;
        run(&o, NULL);
        snprintf(one, sizeof one, "%s", many);
        in_set(many, "threads", pair);
        o.out_dir = many;
        o.threads = 3;
        run(&o, NULL);
        same_file(one, many, "checkpoint-00000003.safetensors");
    }
}

static void what_does_not_fit_is_refused(void **state) {
    (void)state;
    sns_train_options o, good;
    sns_error err;
    const char *data;
    char out[5000];
    in_set(out, "refused", 0);
    options(&data, out, 3, &good);
#define REFUSED(code, message_part, change)                                                        \
    o = good;                                                                                      \
    change;                                                                                        \
    err = (sns_error){0};                                                                          \
    assert_int_equal(sns_train(&o, NULL, &err), code);                                             \
    if (!strstr(err.message, message_part)) fail_msg("%s", err.message)
    REFUSED(SNS_ARG, "no patches to leave out", o.patch_drop = 0.5);
    REFUSED(SNS_ARG, "1,2,3", o.resnet_layers = "1,2,3");
    REFUSED(SNS_ARG, "1,2,x,1", o.resnet_layers = "1,2,x,1");
    REFUSED(SNS_ARG, "1,1,1,1,1", o.resnet_layers = "1,1,1,1,1");
    REFUSED(SNS_LIMIT, "width of 5", o.resnet_width = 5);
    REFUSED(SNS_SHAPE, "40 px", o.image_px = 40);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_runs_end_the_same), /* first: forks before OpenMP has threads */
        cmocka_unit_test(golden),
        cmocka_unit_test(random_models),
        cmocka_unit_test(random_models_that_hear),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(checkpointing_changes_no_bit),
        cmocka_unit_test(inference_memory_does_not_grow),
        cmocka_unit_test(every_pair_learns),
        cmocka_unit_test(what_does_not_fit_is_refused)};
    return cmocka_run_group_tests(tests, make_set, free_set);
}
