/* trainer.c - contrastive pre-training: the loop.
 *
 * Radford et al. 2021, figure 3, for every batch of pictures I [B, 3, S, S] and texts T:
 *     I_f = image_encoder(I);  T_f = text_encoder(T)
 *     I_e = l2_normalize(I_f W_i);  T_e = l2_normalize(T_f W_t)            [B, E]
 *     loss = symmetric cross-entropy of (I_e T_e^T) exp(t)                 contrastive_loss.c
 *            or the options' other choice                                  objective.c
 * by pieces when the batch is large (grad_step.c),
 * then backwards through the tape, gradients clipped by their global norm, AdamW (adamw.c) at the
 * rate of schedule.c, and t kept within [0, ln 100] except for the sigmoid. */
#include "base/error.h"
#include "train/grad_step.h"
#include "train/retrieval_check.h"
#include <math.h>
#include <omp.h>
#include <time.h>

typedef struct step_result {
    double loss, accuracy, lr, grad_norm, seconds;
    size_t epoch;
} step_result;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static sns_status train_step(sns_run *r, step_result *out, sns_train_result *times,
                             sns_error *err) {
    sns_step_loss l;
    double t0 = now_s();
    sns_status s = sns_grad_step(r, &l, err);
    if (s) return s;
    double t3 = now_s();
    *out = (step_result){
        .loss = l.loss, .accuracy = (double)l.correct / (double)r->o.batch, .epoch = l.epoch};
    if ((s = sns_apply_gradients(r, l.loss, &out->lr, &out->grad_norm, err))) return s;
    double t4 = now_s();
    times->wait_seconds += l.wait_s;
    times->forward_seconds += l.forward_s;
    times->backward_seconds += l.backward_s;
    times->update_seconds += t4 - t3;
    out->seconds = t4 - t0;
    double *average = &r->state.loss_average;
    *average = r->state.step ? 0.98 * *average + 0.02 * out->loss : out->loss;
    r->state.step++;
    r->state.stream_epoch = l.at.epoch;
    r->state.stream_first_step = l.at.first_step;
    return SNS_OK;
}

static sns_status measure(sns_run *r, sns_error *err) {
    sns_augment plain = {.image_px = r->config.image_px, .crop_scale = 1, .crop_aspect = 1};
    memcpy(plain.mean, r->preprocess.mean, sizeof plain.mean);
    memcpy(plain.std, r->preprocess.std, sizeof plain.std);
    sns_status s = sns_retrieval_check(r->averaged, r->val, r->tokenizer, &plain, &r->sound,
                                       r->config.image_px, r->o.micro_batch, r->recall, err);
    if (s) return s;
    return sns_train_log_recall(r->log, r->state.step, r->recall, sns_dataset_count(r->val), err);
}

typedef struct pace {
    double seconds_per_step, last_save;
} pace;

/* Tell the caller; true: stop. */
static bool report(const sns_run *r, sns_train_phase phase, const step_result *x, const pace *p) {
    const sns_train_options *o = &r->o;
    sns_train_progress told = {.phase = phase,
                               .done = r->state.step,
                               .total = o->steps,
                               .epoch = x->epoch,
                               .loss = x->loss,
                               .loss_average = r->state.loss_average,
                               .accuracy = x->accuracy,
                               .lr = x->lr,
                               .scale = exp(r->clip->logit_scale.value.data[0]),
                               .grad_norm = x->grad_norm,
                               .samples_per_second = (double)o->batch / p->seconds_per_step,
                               .seconds_left = (double)(o->steps - r->state.step) *
                                               p->seconds_per_step,
                               .recall10 = r->recall[2],
                               .checkpoint = r->checkpoint};
    bool stop = o->progress && o->progress(o->user, &told);
    return stop || (o->cancel && *o->cancel);
}

static sns_status log_step(sns_run *r, const step_result *x, const pace *p, sns_error *err) {
    sns_log_step line = {r->state.step,
                         x->epoch,
                         x->loss,
                         r->state.loss_average,
                         x->accuracy,
                         x->lr,
                         exp(r->clip->logit_scale.value.data[0]),
                         x->grad_norm,
                         (double)r->o.batch / p->seconds_per_step};
    return sns_train_log_step(r->log, &line, err);
}

static bool save_is_due(const sns_run *r, const pace *p) {
    const sns_train_options *o = &r->o;
    return (o->save_every && r->state.step % o->save_every == 0) ||
           (o->save_minutes > 0 && now_s() - p->last_save >= 60 * o->save_minutes);
}

static sns_status save(sns_run *r, const step_result *x, pace *p, sns_error *err) {
    sns_status s = sns_run_save(r, err);
    p->last_save = now_s();
    if (!s) report(r, SNS_TRAIN_SAVED, x, p);
    return s;
}

/* What follows a step: log, measure, report, save. *stop <- the caller asked for it. */
static sns_status after_step(sns_run *r, const step_result *x, pace *p, bool *stop,
                             sns_error *err) {
    const sns_train_options *o = &r->o;
    size_t step = r->state.step;
    bool last = step == o->steps;
    double *pace_s = &p->seconds_per_step;
    *pace_s = *pace_s > 0 ? 0.95 * *pace_s + 0.05 * x->seconds : x->seconds;
    bool first = r->world.rank == 0; /* the others only compute */
    sns_status s = SNS_OK;
    if (first && (step == 1 || last || (o->log_every && step % o->log_every == 0)))
        s = log_step(r, x, p, err);
    if (first && !s && r->val && (last || (o->val_every && step % o->val_every == 0)))
        s = measure(r, err);
    *stop = report(r, SNS_TRAIN_STEP, x, p);
    sns_status others = sns_world_any(&r->world, stop, err);
    if (!s) s = others;
    if (first && !s && (last || *stop || save_is_due(r, p))) s = save(r, x, p, err);
    return sns_world_agree(&r->world, s, err);
}

static sns_status loop(sns_run *r, sns_train_result *result, sns_error *err) {
    pace p = {.last_save = now_s()};
    bool stop = false;
    sns_status s = SNS_OK;
    if (r->state.step >= r->o.steps && r->world.rank == 0)
        s = sns_run_write_model(r, err); /* killed while writing it */
    while (!s && !stop && r->state.step < r->o.steps) {
        step_result x = {0};
        s = train_step(r, &x, result, err);
        if (!s) s = after_step(r, &x, &p, &stop, err);
    }
    if (!s && stop && r->state.step < r->o.steps)
        s = sns_fail(err, SNS_CANCELLED, "stopped after step %zu of %zu; saved in %s",
                     r->state.step, r->o.steps, r->checkpoint);
    return s;
}

static void fill_result(const sns_run *r, sns_train_result *out) {
    out->samples = sns_dataset_count(r->data);
    out->captions = sns_dataset_caption_count(r->data);
    out->skipped = sns_dataset_skipped(r->data) + (r->val ? sns_dataset_skipped(r->val) : 0);
    out->concepts = sns_dataset_concepts(r->data);
    out->languages = sns_dataset_lang_count(r->data);
    out->first_step = r->state.step;
}

/* What a stream has read is known at the end only. */
static void fill_stream_result(const sns_run *r, sns_train_result *out) {
    sns_stream_counts c;
    sns_stream_count(r->stream, &c);
    out->samples = c.samples;
    out->captions = c.captions;
    out->languages = c.langs;
    out->skipped = c.skipped + (r->val ? sns_dataset_skipped(r->val) : 0);
}

sns_status sns_train(const sns_train_options *o, sns_train_result *result, sns_error *err) {
    sns_train_result mine = {.recall10 = -1, .processes = 1};
    int threads_before = omp_get_max_threads();
    double start = now_s();
    sns_error unwanted;
    if (!err) err = &unwanted; /* processes tell each other theirs */
    sns_run *r = calloc(1, sizeof *r);
    if (!r) return sns_fail(err, SNS_NOMEM, "no memory for a run");
    if (o->threads) omp_set_num_threads(o->threads > 256 ? 256 : (int)o->threads);
    sns_status s = sns_run_open(r, o, err);
    mine.process = r->world.rank;
    mine.processes = r->world.size;
    if (!s) {
        fill_result(r, &mine);
        s = loop(r, &mine, err);
        if (r->stream) fill_stream_result(r, &mine);
        mine.steps = r->state.step;
        mine.loss = r->state.loss_average;
        mine.recall10 = r->recall[2];
    }
    sns_run_close(r);
    free(r);
    omp_set_num_threads(threads_before);
    mine.seconds = now_s() - start;
    if (result) *result = mine;
    return s;
}
