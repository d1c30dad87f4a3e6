/* grad_step.c - the gradient of one batch, in memory that its size hardly matters for.
 *
 * Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup". The
 * loss L couples all pairs of a batch, but only through their features I, T [B, E]:
 *     dL/dw = sum_i dL/dI_i dI_i/dw + sum_i dL/dT_i dT_i/dw
 * so for a batch in pieces of m:
 *   1. features of every piece, activations dropped            I, T [B, E]
 *   2. L and its gradient at the features                       dI, dT [B, E]
 *   3. every piece again, activations kept: I_p -> dL/dw += dI_p dI_p/dw, then the texts alike
 * The memory of a step is that of m pairs plus the features; a third more work (one more forward).
 * What is random (crops, captions, dropped patches) follows from the place in the batch, so both
 * passes see the same. A batch of one piece keeps its activations and needs no second pass.
 * A locked tower is looked at only: no activations, no gradient, no second pass. */
#include "train/grad_step.h"
#include "base/error.h"
#include "train/patch_drop.h"
#include "train/teacher.h"
#include <math.h>
#include <time.h>

static const double MAX_LOGIT_SCALE = 4.605170185988092; /* ln 100 */

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The image tower on all patches, or on some while the options say so. */
static sns_tensor *image_tower(sns_run *r, sns_tape *t, const sns_batch *b, sns_tensor *pixels) {
    const sns_train_options *o = &r->o;
    size_t patches = sns_clip_patches(&r->config);
    size_t keep = sns_patch_keep_count(patches, o->patch_drop), step = r->state.step;
    if (keep == patches || (double)step >= o->patch_drop_until * (double)o->steps)
        return sns_clip_image_features(t, r->clip, pixels);
    size_t *rows = sns_tape_alloc(t, b->count * (1 + keep) * sizeof *rows);
    uint32_t *scratch = sns_tape_alloc(t, patches * sizeof *scratch);
    if (!rows || !scratch) return NULL;
    sns_patch_keep_rows(o->seed, (uint64_t)step * o->batch + b->first, b->count, patches, keep,
                        rows, scratch);
    return sns_clip_image_features_of(t, r->clip, pixels, rows, 1 + keep);
}

static sns_tensor *image_features(sns_run *r, sns_tape *t, const sns_batch *b) {
    sns_input in = sns_clip_input(&r->config);
    size_t dim[4] = {b->count, in.channels, in.rows, in.cols};
    return sns_l2_normalize(t, image_tower(r, t, b, sns_tape_wrap(t, b->pixels, NULL, 4, dim)));
}

static sns_tensor *text_features(sns_run *r, sns_tape *t, const sns_batch *b) {
    return sns_l2_normalize(t, sns_clip_text_features(t, r->clip, b->ids, b->starts, b->count));
}

sns_tensor *sns_batch_loss(sns_run *r, sns_tape *t, sns_tensor *images, sns_tensor *texts,
                           size_t *correct) {
    return sns_objective_loss(t, &r->objective, images, texts, correct);
}

/* Rows of [B, E] that belong to a piece. */
static float *rows_of(const sns_run *r, float *block, const sns_batch *b) {
    return block + b->first * r->config.embed;
}

static size_t piece_bytes(const sns_run *r, const sns_batch *b) {
    return b->count * r->config.embed * sizeof(float);
}

/* Both towers; the features are copied to their places. NULL out: no activations are kept. */
static sns_status encode(sns_run *r, sns_tape *t, const sns_batch *b, sns_tensor *out[2],
                         sns_error *err) {
    float *block[2] = {r->features.images, r->features.texts};
    sns_tape_reset(t);
    for (int tower = 0; tower < 2; tower++) {
        bool locked = tower == r->locked;
        sns_tape *on = locked ? r->locked_tape : t;
        sns_arena_mark mark = sns_tape_mark(on);
        sns_tensor *x = tower ? text_features(r, on, b) : image_features(r, on, b);
        if (!x) return sns_tape_status(on, err);
        memcpy(rows_of(r, block[tower], b), x->data, piece_bytes(r, b));
        if (out) out[tower] = locked ? NULL : x;
        sns_tape_release(on, mark);
        if (locked) sns_tape_reset(on);
    }
    return SNS_OK;
}

/* Step 2. With several processes each has the features of its places; all are gathered, and every
 * process computes the loss of the whole batch and takes the gradient at its own places from it.
 * `s` is how step 1 went here. */
static sns_status loss_and_feature_gradients(sns_run *r, sns_status s, sns_step_loss *out,
                                             sns_error *err) {
    sns_features *f = &r->features;
    size_t B = r->o.batch, E = r->config.embed, dim[2] = {B, E}, each = sns_run_places(r) * E;
    sns_tape *t = r->loss_tape;
    if ((s = sns_world_agree(&r->world, s, err))) return s;
    if ((s = sns_world_gather(&r->world, f->images, each, err))) return s;
    if ((s = sns_world_gather(&r->world, f->texts, each, err))) return s;
    if ((s = sns_teacher_gather(r, err))) return s;
    sns_tape_reset(t);
    memset(f->dimages, 0, B * E * sizeof(float));
    memset(f->dtexts, 0, B * E * sizeof(float));
    sns_tensor *images = sns_tape_wrap(t, f->images, r->locked == 0 ? NULL : f->dimages, 2, dim);
    sns_tensor *texts = sns_tape_wrap(t, f->texts, r->locked == 1 ? NULL : f->dtexts, 2, dim);
    sns_tensor *loss = sns_batch_loss(r, t, images, texts, &out->correct);
    if (!loss) return sns_tape_status(t, err);
    out->loss = loss->data[0];
    s = sns_tape_backward(t, loss, NULL, err);
    /* The loss's own parameters (temperature) got their gradient in every process: once is enough.
     */
    if (r->world.rank) memset(r->grads, 0, r->state.total * sizeof(float));
    return s;
}

/* Step 3 for one piece: the towers one after the other, so that only one's activations exist. */
static sns_status backward_piece(sns_run *r, const sns_batch *b, sns_error *err) {
    float *block[2] = {r->features.dimages, r->features.dtexts};
    sns_status s = SNS_OK;
    sns_tape_set_replay(r->tape, true);
    for (int tower = 0; tower < 2 && !s; tower++) {
        if (tower == r->locked) continue;
        sns_tape_reset(r->tape);
        sns_tensor *x = tower ? text_features(r, r->tape, b) : image_features(r, r->tape, b);
        s = x ? sns_tape_backward(r->tape, x, rows_of(r, block[tower], b), err)
              : sns_tape_status(r->tape, err);
    }
    sns_tape_set_replay(r->tape, false);
    return s;
}

static sns_status next(sns_run *r, const sns_batch **b, sns_step_loss *out, sns_error *err) {
    double start = now_s();
    sns_status s = r->next_piece(r->pieces, b, err);
    if (s) return s;
    out->epoch = (*b)->epoch;
    out->at = (*b)->at;
    out->wait_s += now_s() - start;
    return SNS_OK;
}

/* A batch of one piece: its activations stay on the tape between loss and backward. */
static sns_status whole(sns_run *r, sns_step_loss *out, sns_error *err) {
    const sns_batch *b;
    sns_tensor *x[2];
    sns_status s = next(r, &b, out, err);
    double start = now_s();
    if (!s) s = encode(r, r->tape, b, x, err);
    if (!s) s = sns_teacher_look(r, b, err);
    if ((s = loss_and_feature_gradients(r, s, out, err))) return s;
    double middle = now_s();
    out->forward_s = middle - start;
    const float *dimages = rows_of(r, r->features.dimages, b);
    const float *dtexts = rows_of(r, r->features.dtexts, b);
    /* Both towers are on the tape: the images' seed is set by the call. */
    if (x[0] && x[1]) memcpy(x[1]->grad, dtexts, piece_bytes(r, b));
    s = sns_tape_backward(r->tape, x[0] ? x[0] : x[1], x[0] ? dimages : dtexts, err);
    out->backward_s = now_s() - middle;
    return s;
}

static sns_status in_pieces(sns_run *r, size_t pieces, sns_step_loss *out, sns_error *err) {
    const sns_batch *b;
    sns_status s = SNS_OK;
    double start = now_s();
    for (size_t i = 0; i < pieces && !s; i++) {
        s = next(r, &b, out, err);
        if (!s) s = encode(r, r->look_tape, b, NULL, err);
        if (!s) s = sns_teacher_look(r, b, err);
    }
    s = loss_and_feature_gradients(r, s, out, err);
    double middle = now_s(), waited = out->wait_s;
    out->forward_s = middle - start - waited;
    for (size_t i = 0; i < pieces && !s; i++) {
        s = next(r, &b, out, err);
        if (!s) s = backward_piece(r, b, err);
    }
    out->backward_s = now_s() - middle - (out->wait_s - waited);
    return s;
}

/* Batch norm normalises a process' pairs by their own statistics; the running averages, which are
 * for inference, become the mean of all processes'. */
static sns_status average_statistics(sns_run *r, sns_error *err) {
    sns_status s = SNS_OK;
    if (r->world.size == 1) return s;
    for (size_t i = 0; i < r->layout.count && !s; i++) {
        const sns_param_desc *d = &r->layout.desc[i];
        if (!d->buffer) continue;
        s = sns_world_sum(&r->world, r->state.params + d->offset, d->count, err);
        r->k->scale(r->state.params + d->offset, 1 / (float)r->world.size, d->count);
    }
    return s;
}

sns_status sns_grad_step(sns_run *r, sns_step_loss *out, sns_error *err) {
    size_t m = r->o.micro_batch, pieces = (sns_run_places(r) + m - 1) / m;
    *out = (sns_step_loss){0};
    memset(r->grads, 0, r->state.total * sizeof(float));
    sns_status s = pieces == 1 ? whole(r, out, err) : in_pieces(r, pieces, out, err);
    if ((s = sns_world_agree(&r->world, s, err))) return s;
    if ((s = sns_world_sum(&r->world, r->grads, r->state.total, err))) return s;
    return average_statistics(r, err);
}

sns_status sns_apply_gradients(sns_run *r, double loss, double *lr, double *grad_norm,
                               sns_error *err) {
    sns_train_state *s = &r->state;
    *grad_norm = sns_global_norm(r->k, r->grads, s->total, r->norm_scratch);
    if (!isfinite(loss) || !isfinite(*grad_norm))
        return sns_fail(err, SNS_FORMAT,
                        "step %zu: loss %g, gradient norm %g; stopped, the last checkpoint is %s",
                        s->step + 1, loss, *grad_norm, *r->checkpoint ? r->checkpoint : "(none)");
    double clip = r->o.clip_norm, scale = 1;
    if (clip > 0 && *grad_norm > clip) scale = clip / *grad_norm;
    *lr = sns_schedule_lr(&r->schedule, s->step);
    sns_adamw_update(&r->adamw, r->k, &r->layout, s->step, *lr, scale, s->params, r->grads);
    if (r->extra.count) {
        sns_adamw extra = r->adamw;
        extra.rate = NULL;
        sns_adamw_update(&extra, r->k, &r->extra, s->step, *lr, scale, s->params, r->grads);
    }
    float *t = r->clip->logit_scale.value.data;
    if (r->o.loss != SNS_LOSS_SIGMOID) *t = fminf(fmaxf(*t, 0), (float)MAX_LOGIT_SCALE);
    if (s->ema) sns_ema_update(r->k, s->ema, s->params, s->total, r->o.ema, s->step);
    return SNS_OK;
}
