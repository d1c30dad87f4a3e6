/* test_train_parity.c - a hundred steps have PyTorch's losses, however a step is computed: of ViT
 * and Transformer, and of ResNet and CBOW.
 *
 * The reference, its start and its batches are tests/goldens/make_train_losses.py. A ResNet's batch
 * is not cut in pieces here: batch norm would normalise other rows together, which is another loss.
 */
#include "kernel/gemm.h"
#include "model/clip.h"
#include "model/clip_io.h"
#include "tensor/npy.h"
#include "tool.h"
#include "train/grad_step.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { STEPS = 100, WARMUP = 10, BATCH = 16, POOL = 64, STRIDE = 11, MAX_PIXELS = 3 * 64 * 64 };
#ifdef __x86_64__
enum { X86 = 1, FORK = 26 };
#else
enum { X86 = 0, FORK = 26 };
#endif

static uint32_t hash(uint32_t pair, uint32_t index) {
    uint32_t x = pair * 2654435761u + index * 2246822519u + 374761393u;
    x = (x ^ x >> 15) * 2246822519u;
    x = (x ^ x >> 13) * 3266489917u;
    return x ^ x >> 16;
}

/* The batches of the reference, handed out as a loader would. */
typedef struct source {
    const sns_clip_config *c;
    size_t piece, passes, at; /* at: pieces handed out */
    float pixels[BATCH * MAX_PIXELS];
    uint32_t ids[BATCH * 128];
    size_t starts[BATCH + 1];
    sns_batch batch;
} source;

static void fill_pair(source *s, size_t i, uint32_t pair) {
    uint32_t S = (uint32_t)s->c->image_px, vocab = (uint32_t)s->c->vocab, base[3];
    float *pixels = s->pixels + i * 3 * S * S;
    for (uint32_t c = 0; c < 3; c++) base[c] = hash(pair, 1000 + c) % 256;
    for (uint32_t p = 0; p < 3 * S * S; p++)
        pixels[p] = (float)((base[p / (S * S)] + hash(pair, p) % 64) % 256 / 255.0 - 0.5);
    uint32_t length = 3 + hash(pair, 2000) % ((uint32_t)s->c->context - 2);
    uint32_t *ids = s->ids + s->starts[i];
    *ids++ = vocab - 2;
    for (uint32_t k = 0; k < length - 2; k++) *ids++ = hash(pair, 3000 + k) % (vocab - 2);
    *ids = vocab - 1;
    s->starts[i + 1] = s->starts[i] + length;
}

static sns_status next_piece(void *pieces, const sns_batch **out, sns_error *err) {
    source *s = pieces;
    (void)err;
    size_t per_pass = (BATCH + s->piece - 1) / s->piece, per_step = per_pass * s->passes;
    size_t first = s->at % per_pass * s->piece, step = s->at++ / per_step;
    size_t count = BATCH - first < s->piece ? BATCH - first : s->piece;
    for (size_t i = 0; i < count; i++)
        fill_pair(s, i, (uint32_t)((step * STRIDE + first + i) % POOL));
    s->batch = (sns_batch){.pixels = s->pixels,
                           .ids = s->ids,
                           .starts = s->starts,
                           .first = first,
                           .count = count,
                           .step = step};
    *out = &s->batch;
    return SNS_OK;
}

static void open_run(sns_run *r, source *s, const char *dir, size_t micro, bool checkpointing) {
    sns_error err;
    *r = (sns_run){.world = {0, 1}, .k = sns_kernels_get(), .lock_fd = -1};
    sns_train_defaults(&r->o);
    r->o.batch = BATCH;
    r->o.micro_batch = micro;
    r->o.checkpoint_activations = checkpointing;
    r->o.steps = STEPS;
    if (sns_clip_config_read(dir, &r->config, &err)) fail_msg("%s", err.message);
    assert_true(3 * r->config.image_px * r->config.image_px <= MAX_PIXELS);
    if (sns_run_allocate(r, &err)) fail_msg("%s", err.message);
    if (sns_clip_read_flat(dir, &r->config, &r->layout, r->state.params, &err))
        fail_msg("%s", err.message);
    *r->clip->logit_scale.value.data = 4.62f;
    r->schedule = (sns_schedule){1e-3, 1e-5, WARMUP, STEPS};
    r->adamw = (sns_adamw){0.9, 0.98, 1e-6, 0.1, r->state.m, r->state.v, r->rate};
    *s = (source){.c = &r->config, .piece = micro, .passes = micro < BATCH ? 2 : 1};
    r->next_piece = next_piece;
    r->pieces = s;
}

/* Train and compare loss and exp(t) of `steps` steps with want [STEPS, 2]. */
static void follow(const char *dir, const sns_npy *want, size_t steps, size_t micro,
                   bool checkpointing) {
    static sns_run r;
    static source s;
    sns_error err;
    double worst = 0;
    open_run(&r, &s, dir, micro, checkpointing);
    for (size_t step = 0; step < steps; step++) {
        sns_step_loss l;
        double lr, norm, *off = &worst;
        if (sns_grad_step(&r, &l, &err)) fail_msg("%s", err.message);
        if (sns_apply_gradients(&r, l.loss, &lr, &norm, &err)) fail_msg("%s", err.message);
        r.state.step++;
        const float *row = want->data + 2 * step;
        double scale = exp(*r.clip->logit_scale.value.data);
        *off = fmax(*off, fmax(fabs(l.loss / row[0] - 1), fabs(scale / row[1] - 1)));
        if (!(*off <= 1e-4))
            fail_msg("step %zu, pieces of %zu: loss %g, not %g; scale %g, not %g", step, micro,
                     l.loss, row[0], scale, row[1]);
    }
    print_message("%zu steps in pieces of %zu: worst relative difference %.2g\n", steps, micro,
                  worst);
    sns_run_close(&r);
}

/* The reference's rows, checked for what makes them worth following: the clamp is at work. */
static sns_npy read_losses(const char *name) {
    sns_npy want;
    sns_error err;
    if (sns_npy_read(tool_source(name), &want, &err)) fail_msg("%s", err.message);
    assert_int_equal(want.count, 2 * STEPS);
    assert_true(want.data[1] > 99.9f && want.data[1] < 100.1f);
    return want;
}

static void vit_and_transformer(void **state) {
    (void)state;
    char dir[4096];
    sns_npy want = read_losses("goldens/train/vit_transformer.npy");
    snprintf(dir, sizeof dir, "%s", tool_source("goldens/clip"));
    follow(dir, &want, STEPS, BATCH, false);
    follow(dir, &want, STEPS, BATCH, true);
    follow(dir, &want, STEPS, 5, false);
    sns_npy_free(&want);
}

/* At steps 27 and 45 a unit is so near to ReLU's kink that the last bit decides on which side it
 * lies, and from there losses go one of two ways. oneDNN's products on x86 happen to go PyTorch's;
 * others are followed up to the fork. */
static void resnet_and_cbow(void **state) {
    (void)state;
    char dir[4096], products[64];
    sns_gemm_describe(products, sizeof products);
    size_t steps = X86 && !strncmp(products, "oneDNN", 6) ? STEPS : FORK;
    sns_npy want = read_losses("goldens/train/resnet_cbow.npy");
    snprintf(dir, sizeof dir, "%s", tool_source("goldens/towers"));
    follow(dir, &want, steps, BATCH, false);
    follow(dir, &want, steps, BATCH, true);
    sns_npy_free(&want);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(vit_and_transformer),
                                       cmocka_unit_test(resnet_and_cbow)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
