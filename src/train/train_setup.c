/* train_setup.c - checks options, reads data, model and tokenizer, takes up a checkpoint; saves. */
#include "train/train_setup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "prep/tokenizer_copy.h"
#include "train/fine_tune.h"
#include "train/sampler.h"
#include "train/sound_setup.h"
#include "train/teacher.h"
#include "train/train_stream.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/file.h>
#include <unistd.h>

void sns_train_defaults(sns_train_options *o) {
    *o = (sns_train_options){.val_every = 500,
                             .resnet_width = 64,
                             .resnet_layers = "3,4,6,3",
                             .mels = 64,
                             .window_seconds = 1.92,
                             .cnn_width = 24,
                             .cnn_layers = "1,1,1,1",
                             .sound_speed = 0.1,
                             .sound_gain_db = 6,
                             .sound_noise = 0.3,
                             .sound_filter_db = 6,
                             .sound_phone = 0.2,
                             .sound_mask = 0.15,
                             .image_px = 64,
                             .patch_px = 8,
                             .vision = {192, 6, 3},
                             .text = {192, 4, 3},
                             .embed = 256,
                             .context = 32,
                             .margin = 0.2,
                             .batch = 256,
                             .epochs = 10,
                             .lr = 1e-3,
                             .weight_decay = 0.1,
                             .beta1 = 0.9,
                             .beta2 = 0.98,
                             .eps = 1e-6,
                             .clip_norm = 1,
                             .warmup = 500,
                             .layer_decay = 1,
                             .distill_affinity = 1,
                             .distill_features = 1,
                             .patch_drop_until = 0.9,
                             .crop_scale = 0.6,
                             .crop_aspect = 4.0 / 3,
                             .jitter = 0.1,
                             .lang_weight = "en=0.4",
                             .seed = 1,
                             .loader_threads = 1,
                             .cache_mb = 4096,
                             .save_minutes = 10,
                             .log_every = 10,
                             .dtype = "F16"};
}

static sns_status check_sound_options(const sns_train_options *o, sns_error *err) {
    if ((int)o->sound_tower < SNS_SOUND_NONE || o->sound_tower > SNS_SOUND_CNN ||
        (int)o->spectrogram < SNS_SPECTROGRAM_WHISPER || o->spectrogram > SNS_SPECTROGRAM_KALDI)
        return sns_fail(err, SNS_ARG, "audio tower %d of spectrogram %d is not known",
                        (int)o->sound_tower, (int)o->spectrogram);
    if (o->sound_init_dir && (!o->init_dir || !o->sound_tower))
        return sns_fail(err, SNS_ARG,
                        "an audio tower to start from goes with a model that sees to "
                        "start from, and with a tower of the same sizes");
    if (!(o->window_seconds >= 0.1 && o->window_seconds <= 60))
        return sns_fail(err, SNS_ARG, "windows of %g seconds: must be 0.1 to 60",
                        o->window_seconds);
    if (!(o->sound_speed >= 0 && o->sound_speed <= 0.5) ||
        !(o->sound_gain_db >= 0 && o->sound_gain_db <= 60) ||
        !(o->sound_noise >= 0 && o->sound_noise <= 1) ||
        !(o->sound_filter_db >= 0 && o->sound_filter_db <= 60) ||
        !(o->sound_phone >= 0 && o->sound_phone <= 1) ||
        !(o->sound_mask >= 0 && o->sound_mask <= 0.9))
        return sns_fail(
            err, SNS_ARG,
            "a change of speed, gain, noise, filter, telephone or mask is out of range");
    return SNS_OK;
}

static sns_status check_options(const sns_train_options *o, sns_error *err) {
    if (!o->data_count) return sns_fail(err, SNS_ARG, "no training data given");
    if (!o->out_dir || !*o->out_dir) return sns_fail(err, SNS_ARG, "no output folder given");
    if (!o->tokenizer_dir && !o->init_dir) return sns_fail(err, SNS_ARG, "no tokenizer given");
    if (o->batch < 2 || o->batch > 65536)
        return sns_fail(err, SNS_ARG, "batch %zu: must be 2 to 65536", o->batch);
    if (o->micro_batch > o->batch)
        return sns_fail(err, SNS_ARG, "a micro-batch of %zu is larger than the batch of %zu",
                        o->micro_batch, o->batch);
    if (!o->steps && !o->epochs) return sns_fail(err, SNS_ARG, "neither steps nor epochs given");
    if (!(o->lr > 0) || !(o->min_lr >= 0) || !(o->weight_decay >= 0) || !(o->eps > 0))
        return sns_fail(err, SNS_ARG, "learning rate, weight decay or eps is out of range");
    if (!(o->beta1 >= 0 && o->beta1 < 1 && o->beta2 >= 0 && o->beta2 < 1))
        return sns_fail(err, SNS_ARG, "beta1 and beta2 must be in [0, 1)");
    if (!(o->layer_decay > 0 && o->layer_decay <= 1))
        return sns_fail(err, SNS_ARG, "layer decay %g: must be in (0, 1]", o->layer_decay);
    if ((o->lock_image || o->lock_text) && !o->init_dir)
        return sns_fail(err, SNS_ARG, "a locked %s tower needs a model to start from",
                        o->lock_image ? "image" : "text");
    if (!(o->text_pull >= 0 && o->text_pull <= 1e6) || (o->text_pull > 0 && !o->lock_text))
        return sns_fail(err, SNS_ARG,
                        "a pull of %g to the texts: not negative, and of texts that are locked",
                        o->text_pull);
    if (o->lock_image && o->lock_text)
        return sns_fail(err, SNS_ARG, "both towers are locked: nothing is left to learn");
    sns_status sound = check_sound_options(o, err);
    if (sound) return sound;
    if (!(o->distill_affinity >= 0 && o->distill_affinity <= 1e6) ||
        !(o->distill_features >= 0 && o->distill_features <= 1e6))
        return sns_fail(err, SNS_ARG, "a weight of distillation is out of range");
    if (!(o->ema >= 0 && o->ema < 1))
        return sns_fail(err, SNS_ARG, "ema %g: must be in [0, 1)", o->ema);
    if (!(o->crop_aspect >= 1 && o->crop_aspect <= 4) || !(o->grayscale >= 0 && o->grayscale <= 1))
        return sns_fail(err, SNS_ARG, "crop aspect or share of gray pictures is out of range");
    if (!(o->crop_scale > 0 && o->crop_scale <= 1) || !(o->jitter >= 0 && o->jitter < 1))
        return sns_fail(err, SNS_ARG, "crop scale or jitter is out of range");
    if (!(o->patch_drop >= 0 && o->patch_drop <= 0.9) ||
        !(o->patch_drop_until >= 0 && o->patch_drop_until <= 1))
        return sns_fail(err, SNS_ARG, "patch drop %g until %g: must be in [0, 0.9] and [0, 1]",
                        o->patch_drop, o->patch_drop_until);
    if (!(o->checkpoint_activations >= 0 && o->checkpoint_activations <= 1))
        return sns_fail(err, SNS_ARG, "share of blocks that checkpoint %g: must be in [0, 1]",
                        o->checkpoint_activations);
    if (o->cache_px > 4096) return sns_fail(err, SNS_ARG, "cache of %zu pixels", o->cache_px);
    if ((int)o->loss < SNS_LOSS_SOFTMAX || o->loss > SNS_LOSS_ORDER)
        return sns_fail(err, SNS_ARG, "loss %d is not known", (int)o->loss);
    if (!(o->margin > 0 && o->margin <= 2))
        return sns_fail(err, SNS_ARG, "margin %g: must be above 0 and at most 2", o->margin);
    if (!o->dtype || (strcmp(o->dtype, "F16") && strcmp(o->dtype, "F32")))
        return sns_fail(err, SNS_ARG, "dtype '%s': must be F16 or F32",
                        o->dtype ? o->dtype : "(none)");
    return SNS_OK;
}

static sns_tower_config tower(const sns_tower_size *s) {
    return (sns_tower_config){s->width,     s->layers,          s->heads,
                              4 * s->width, SNS_ACT_QUICK_GELU, 1e-5f};
}

/* "3,4,6,3" */
static sns_status read_stages(const char *list, sns_clip_config *c, sns_error *err) {
    const char *at = list ? list : "";
    for (size_t i = 0; i < SNS_RESNET_STAGES; i++) {
        char *end;
        unsigned long n = *at >= '0' && *at <= '9' ? strtoul(at, &end, 10) : 0;
        if (!n || n > 256 || *end != (i + 1 < SNS_RESNET_STAGES ? ',' : 0))
            return sns_fail(err, SNS_ARG,
                            "layers of a ResNet '%s': four numbers from 1 to 256, as 3,4,6,3",
                            list ? list : "");
        c->stages[i] = n;
        c->vision.layers += n;
        at = end + 1;
    }
    return SNS_OK;
}

/* The towers that are not the default; heads of 64 channels, as CLIP's ResNets have. */
static sns_status set_towers(sns_run *r, sns_error *err) {
    const sns_train_options *o = &r->o;
    sns_clip_config *c = &r->config;
    if (o->text_tower == SNS_TEXT_TOWER_CBOW) {
        c->text_kind = SNS_TEXT_CBOW;
        c->text = (sns_tower_config){.width = o->text.width};
    }
    if (o->image_tower != SNS_IMAGE_RESNET) return SNS_OK;
    c->vision_kind = SNS_VISION_RESNET;
    c->vision = (sns_tower_config){
        .width = o->resnet_width, .heads = o->resnet_width / 2, .eps = 1e-5f};
    c->patch_px = SNS_RESNET_STRIDE;
    return read_stages(o->resnet_layers, c, err);
}

/* What the loss adds to the model. A stored bias is kept, and so are absolute values; else both
 * start as Zhai et al. 2023 say.
 */
static void set_loss(sns_run *r) {
    sns_clip_config *c = &r->config;
    bool stored = c->has_bias;
    c->absolute = c->absolute || r->o.loss == SNS_LOSS_ORDER;
    c->has_bias = r->o.loss == SNS_LOSS_SIGMOID || c->vision_kind == SNS_VISION_SIGLIP;
    if (!c->has_bias || stored) return;
    c->logit_scale_init = logf(10);
    c->logit_bias_init = -10;
}

static sns_status set_geometry(sns_run *r, sns_error *err) {
    const sns_train_options *o = &r->o;
    const char *dir = o->init_dir ? o->init_dir : o->config_dir;
    bool stored = false; /* the image or audio tower's sizes are dir's */
    size_t vocab = sns_tokenizer_vocab_size(r->tokenizer);
    if (dir) {
        sns_status st = sns_clip_config_read(dir, &r->config, err);
        if (st) return st;
        if (vocab > r->config.vocab)
            return sns_fail(err, SNS_SHAPE,
                            "the tokenizer in %s has %zu tokens, the model in %s %zu",
                            r->tokenizer_dir, vocab, dir, r->config.vocab);
        stored = !o->sound_tower || sns_clip_hears(&r->config);
    } else {
        r->config = (sns_clip_config){.vision = tower(&o->vision),
                                      .text = tower(&o->text),
                                      .image_px = o->image_px,
                                      .patch_px = o->patch_px,
                                      .vocab = vocab,
                                      .context = o->context,
                                      .embed = o->embed,
                                      .logit_scale_init = logf(1 / 0.07f)};
    }
    sns_status s = dir ? SNS_OK : set_towers(r, err);
    if (!s && !stored && o->sound_tower) s = sns_run_set_sound(r, err);
    if (s) return s;
    set_loss(r);
    r->config.start_id = sns_tokenizer_start_id(r->tokenizer);
    r->config.end_id = sns_tokenizer_end_id(r->tokenizer);
    if ((s = sns_clip_config_check(&r->config, err))) return s;
    bool resnet = r->config.vision_kind == SNS_VISION_RESNET;
    if ((resnet || r->config.vision_kind == SNS_VISION_SOUND_CNN) && o->patch_drop > 0)
        return sns_fail(err, SNS_ARG, "patch drop %g: a %s has no patches to leave out",
                        o->patch_drop, resnet ? "ResNet" : "CNN");
    if (sns_clip_hears(&r->config)) return sns_run_open_mel(r, stored ? dir : NULL, err);
    sns_preprocess_default(&r->preprocess, r->config.image_px);
    if (dir) s = sns_preprocess_read(dir, r->config.image_px, &r->preprocess, err);
    if (r->o.squash) r->preprocess.resize_both = true;
    return s;
}

static sns_status allocate_model(sns_run *r, sns_error *err) {
    sns_status s = sns_clip_layout(&r->config, &r->layout, err);
    if (s) return s;
    size_t more;
    if ((s = sns_teacher_open(r, &more, err))) return s;
    size_t n = r->layout.total + more, bytes = n * sizeof(float);
    sns_train_state *t = &r->state;
    t->total = n;
    t->params = sns_aligned_calloc(bytes);
    t->m = sns_aligned_calloc(bytes);
    t->v = sns_aligned_calloc(bytes);
    if (r->o.ema > 0) t->ema = sns_aligned_calloc(bytes);
    r->grads = sns_aligned_calloc(bytes);
    r->norm_scratch = calloc(sns_norm_chunks(n), sizeof(double));
    if (!t->params || !t->m || !t->v || (r->o.ema > 0 && !t->ema) || !r->grads || !r->norm_scratch)
        return sns_fail(err, SNS_NOMEM, "no memory for %zu parameters", n);
    if ((s = sns_clip_new(&r->config, &r->clip, err))) return s;
    if ((s = sns_clip_bind(r->clip, &r->layout, t->params, r->grads, err))) return s;
    r->objective = (sns_objective){.loss = r->o.loss,
                                   .pull = (float)r->o.text_pull,
                                   .margin = (float)r->o.margin,
                                   .logit_scale = &r->clip->logit_scale,
                                   .logit_bias = &r->clip->logit_bias};
    if ((s = sns_teacher_bind(r, err))) return s;
    if ((s = sns_clip_new(&r->config, &r->averaged, err))) return s;
    return sns_clip_bind(r->averaged, &r->layout, t->ema ? t->ema : t->params, NULL, err);
}

/* Tapes, and the features of a batch. */
static sns_status allocate_step(sns_run *r, sns_error *err) {
    size_t bytes = r->o.batch * r->config.embed * sizeof(float);
    sns_features *f = &r->features;
    f->images = sns_aligned_calloc(bytes);
    f->texts = sns_aligned_calloc(bytes);
    f->dimages = sns_aligned_calloc(bytes);
    f->dtexts = sns_aligned_calloc(bytes);
    r->tape = sns_tape_new(r->k, true);
    r->look_tape = sns_tape_new(r->k, false);
    r->loss_tape = sns_tape_new(r->k, true);
    if (!f->images || !f->texts || !f->dimages || !f->dtexts || !r->tape || !r->look_tape ||
        !r->loss_tape)
        return sns_fail(err, SNS_NOMEM, "no memory for the features of %zu pairs", r->o.batch);
    sns_tape_set_training(r->look_tape, true);
    sns_tape_set_checkpointing(r->tape, r->o.checkpoint_activations);
    if (r->o.bf16) sns_tape_set_gemm(r->tape, sns_gemm_bf16);
    if (r->o.bf16) sns_tape_set_gemm(r->look_tape, sns_gemm_bf16);
    return SNS_OK;
}

sns_status sns_run_allocate(sns_run *r, sns_error *err) {
    sns_status s = allocate_model(r, err);
    if (!s) s = allocate_step(r, err);
    return s ? s : sns_run_set_rates(r, err);
}

typedef struct ticker {
    sns_run *r;
} ticker;

static int tick(void *user, size_t done, size_t total) {
    const sns_train_options *o = &((ticker *)user)->r->o;
    sns_train_progress p = {
        .phase = SNS_TRAIN_LOADING, .done = done, .total = total, .recall10 = -1};
    if (o->cancel && *o->cancel) return 1;
    return o->progress ? o->progress(o->user, &p) : 0;
}

/* Pictures, or sounds for a model that hears. */
static sns_status open_set(const sns_run *r, const char *const *sources, size_t n,
                           sns_dataset **out, sns_error *err) {
    size_t rate_hz = r->mel_tables ? r->mel.rate_hz : 0;
    sns_status s = sns_dataset_open_sounds(sources, n, rate_hz, r->o.warn, r->o.user, out, err);
    if (!s) sns_dataset_set_isolation(*out, r->o.isolation);
    return s;
}

/* The held-out data, always in memory. */
static sns_status read_val(sns_run *r, sns_error *err) {
    const sns_train_options *o = &r->o;
    if (!o->val) return SNS_OK;
    sns_status s = open_set(r, &o->val, 1, &r->val, err);
    if (s) return s;
    sns_dataset_set_squash(r->val, r->preprocess.resize_both);
    return sns_dataset_decode_all(r->val, r->config.image_px, (o->cache_mb << 20) / 8, NULL, NULL,
                                  err);
}

static sns_status read_data(sns_run *r, sns_error *err) {
    const sns_train_options *o = &r->o;
    if (sns_run_streams(o)) {
        sns_status s = sns_run_open_stream(r, err);
        return s ? s : read_val(r, err);
    }
    sns_status s = open_set(r, o->data, o->data_count, &r->data, err);
    if (s) return s;
    if (sns_dataset_count(r->data) < o->batch)
        return sns_fail(err, SNS_ARG, "a batch of %zu is larger than the data: %zu samples",
                        o->batch, sns_dataset_count(r->data));
    sns_dataset_set_squash(r->data, r->preprocess.resize_both);
    if ((s = read_val(r, err))) return s;
    ticker t = {r};
    s = sns_dataset_decode_all(r->data, o->cache_px, o->cache_mb << 20, tick, &t, err);
    if (s) return s;
    size_t n = sns_dataset_count(r->data);
    r->concepts = calloc(n, sizeof *r->concepts);
    if (!r->concepts) return sns_fail(err, SNS_NOMEM, "no memory for %zu samples", n);
    for (size_t i = 0; i < n; i++) r->concepts[i] = sns_dataset_sample(r->data, i)->concept;
    return SNS_OK;
}

/* Steps of `epochs` whole epochs. */
static sns_status count_steps(sns_run *r, sns_error *err) {
    sns_sampler *sampler;
    if (r->o.steps) return SNS_OK;
    uint32_t *batch = calloc(r->o.batch, sizeof *batch);
    if (!batch) return sns_fail(err, SNS_NOMEM, "no memory for a batch");
    sns_status s = sns_sampler_new(r->concepts, sns_dataset_count(r->data), r->o.batch, r->o.seed,
                                   &sampler, err);
    if (!s) {
        while (sns_sampler_next(sampler, batch) < r->o.epochs) r->o.steps++;
        sns_sampler_free(sampler);
    }
    free(batch);
    return s;
}

/* Ends the geometry: towers that are not the default. */
static void name_towers(const sns_clip_config *c, sns_log_mel_kind kind, char *out, size_t size) {
    int n = 0;
    out[0] = 0;
    if (c->vision_kind == SNS_VISION_RESNET)
        n = snprintf(out, size, " resnet %zu,%zu,%zu,%zu", c->stages[0], c->stages[1], c->stages[2],
                     c->stages[3]);
    if (c->vision_kind == SNS_VISION_SOUND_CNN)
        n = snprintf(out, size, " cnn %zu,%zu,%zu,%zu", c->stages[0], c->stages[1], c->stages[2],
                     c->stages[3]);
    if (sns_clip_hears(c))
        n += snprintf(out + n, size - (size_t)n, " sound %zux%zu%s", c->frames, c->mels,
                      kind == SNS_LOG_MEL_KALDI ? "k" : "");
    if (c->text_kind == SNS_TEXT_CBOW) snprintf(out + n, size - (size_t)n, " cbow");
}

/* What the loss was, unless it is the softmax: a run does not go on under another one. */
static void name_loss(const sns_train_options *o, char *out, size_t size) {
    static const char *const names[] = {[SNS_LOSS_SIGMOID] = " sigmoid",
                                        [SNS_LOSS_HINGE] = " hinge",
                                        [SNS_LOSS_HINGE_HARDEST] = " hardest",
                                        [SNS_LOSS_ORDER] = " order"};
    bool margin = o->loss != SNS_LOSS_SOFTMAX && o->loss != SNS_LOSS_SIGMOID;
    int n = snprintf(out, size, "%s", o->loss == SNS_LOSS_SOFTMAX ? "" : names[o->loss]);
    if (margin) snprintf(out + n, size - (size_t)n, " %.6g", o->margin);
}

static void set_identity(sns_run *r) {
    const sns_clip_config *c = &r->config;
    char towers[64], loss[32];
    name_towers(c, r->mel.kind, towers, sizeof towers);
    name_loss(&r->o, loss, sizeof loss);
    sns_train_state *t = &r->state;
    t->seed = r->o.seed;
    t->batch = r->o.batch;
    t->data = r->stream ? sns_stream_fingerprint(r->stream) : sns_dataset_fingerprint(r->data);
    snprintf(t->geometry, sizeof t->geometry,
             "%zu/%zu%s %zux%zux%zux%zu %zux%zux%zux%zu %zu %zu %zu%s%s%s%.8s", c->image_px,
             c->patch_px, r->preprocess.resize_both ? " squash" : "", c->vision.width,
             c->vision.layers, c->vision.heads, c->vision.mlp, c->text.width, c->text.layers,
             c->text.heads, c->text.mlp, c->embed, c->context, c->vocab, loss, towers,
             r->teacher ? " taught by " : "", r->teacher ? sns_teacher_name(r->teacher) : "");
}

/* The newest checkpoint. A damaged one is not passed over silently, since the disk may damage more:
 * the error names the one before. */
static sns_status take_up(sns_run *r, size_t step, sns_error *err) {
    sns_error why;
    sns_status s = sns_checkpoint_load(r->checkpoint, &r->state, r->k, &why);
    size_t before;
    if (!s && r->state.step != step)
        s = sns_fail(&why, SNS_FORMAT, "%s: damaged: inside it says step %zu", r->checkpoint,
                     r->state.step);
    r->saved_step = r->state.step;
    if (!s) return SNS_OK;
    if (s != SNS_FORMAT && s != SNS_SHAPE && s != SNS_LIMIT && s != SNS_UNSUPPORTED)
        return sns_fail(err, s, "%s", why.message);
    if (!sns_checkpoint_before(r->o.out_dir, step, &before))
        return sns_fail(err, s, "%s; there is no checkpoint before it", why.message);
    return sns_fail(err, s, "%s; remove that file to resume from step %zu, the checkpoint before",
                    why.message, before);
}

/* Initial weights, or those of the newest checkpoint. */
static sns_status set_start(sns_run *r, sns_error *err) {
    sns_train_state *t = &r->state;
    sns_error none;
    size_t step;
    bool found = !sns_checkpoint_newest(r->o.out_dir, r->checkpoint, &step, &none);
    if (found && !r->o.resume)
        return sns_fail(err, SNS_ARG,
                        "%s holds a run at step %zu: resume it or choose another folder",
                        r->o.out_dir, step);
    if (found) return take_up(r, step, err);
    r->checkpoint[0] = 0;
    sns_status s = SNS_OK;
    sns_teacher_init(r);
    if (r->o.init_dir)
        s = sns_run_read_init(r, err);
    else
        sns_clip_init(&r->layout, &r->config, t->params, r->o.seed);
    if (!s && t->ema) memcpy(t->ema, t->params, t->total * sizeof(float));
    return s;
}

static sns_status next_piece(void *pieces, const sns_batch **out, sns_error *err) {
    return sns_loader_next(pieces, out, err);
}

static sns_status start_loader(sns_run *r, sns_error *err) {
    const sns_train_options *o = &r->o;
    sns_loader_options l = {.data = r->stream ? NULL : r->data,
                            .concepts = r->concepts,
                            .stream = r->stream,
                            .squash = r->preprocess.resize_both,
                            .tokenizer = r->tokenizer,
                            .augment = {.image_px = r->config.image_px,
                                        .crop_scale = o->crop_scale,
                                        .crop_aspect = o->crop_aspect,
                                        .grayscale = o->grayscale,
                                        .jitter = o->jitter},
                            .sound = r->sound,
                            .batch = o->batch,
                            .context = r->config.context,
                            .cache_px = o->cache_px,
                            .threads = o->loader_threads,
                            .first_step = r->state.step,
                            .first = r->world.rank * sns_run_places(r),
                            .places = sns_run_places(r),
                            .piece = o->micro_batch,
                            .passes = o->micro_batch < sns_run_places(r) ? 2 : 1,
                            .seed = o->seed,
                            .no_flip = o->no_flip,
                            .isolation = o->isolation,
                            .lang_weight = o->lang_weight};
    memcpy(l.augment.mean, r->preprocess.mean, sizeof l.augment.mean);
    memcpy(l.augment.std, r->preprocess.std, sizeof l.augment.std);
    sns_status s = sns_loader_new(&l, &r->loader, err);
    r->next_piece = next_piece;
    r->pieces = r->loader;
    return s;
}

/* Two runs in one folder would mix their checkpoints and logs. The kernel drops the lock when the
 * process dies. */
static sns_status lock_folder(sns_run *r, sns_error *err) {
    const char *dir = r->o.out_dir;
    r->lock_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->lock_fd < 0) return sns_fail_errno(err, SNS_IO, errno, "%s", dir);
    if (!flock(r->lock_fd, LOCK_EX | LOCK_NB)) return SNS_OK;
    if (errno != EWOULDBLOCK) return SNS_OK; /* a file system without locks */
    return sns_fail(err, SNS_BUSY, "%s: another run is training in this folder", dir);
}

size_t sns_run_places(const sns_run *r) {
    return r->o.batch / r->world.size;
}

/* What each process does for itself; only the first looks into the run's folder. */
static sns_status open_alone(sns_run *r, sns_error *err) {
    sns_train_options *o = &r->o;
    sns_status s = check_options(o, err);
    if (s) return s;
    if (o->batch % r->world.size)
        return sns_fail(err, SNS_ARG, "a batch of %zu does not divide by %zu processes", o->batch,
                        r->world.size);
    r->tokenizer_dir = o->tokenizer_dir ? o->tokenizer_dir : o->init_dir;
    if ((s = sns_tokenizer_load(r->tokenizer_dir, &r->tokenizer, err))) return s;
    if ((s = set_geometry(r, err))) return s;
    if (!o->micro_batch || o->micro_batch > sns_run_places(r)) o->micro_batch = sns_run_places(r);
    if (!o->cache_px) o->cache_px = (r->config.image_px * 5 + 3) / 4;
    bool first = r->world.rank == 0;
    if (first && ((s = sns_make_dirs(o->out_dir, err)) || (s = lock_folder(r, err)))) return s;
    if ((s = sns_run_allocate(r, err))) return s;
    if ((s = read_data(r, err))) return s;
    set_identity(r);
    if (first && (s = set_start(r, err))) return s;
    return count_steps(r, err);
}

/* The first process' start becomes everyone's, provided that all see the same data. */
static sns_status share_start(sns_run *r, sns_error *err) {
    sns_train_state *t = &r->state;
    float *block[] = {t->params, t->m, t->v, t->ema};
    struct {
        uint64_t data;
        size_t step;
        double loss_average;
    } start = {t->data, t->step, t->loss_average};
    sns_status s = sns_world_share(&r->world, &start, sizeof start, err);
    t->step = start.step;
    t->loss_average = start.loss_average;
    if (!s && !r->stream && start.data != t->data) /* of a stream each has other shards */
        s = sns_fail(err, SNS_MISMATCH, "its data is not that of process 0");
    if ((s = sns_world_agree(&r->world, s, err))) return s;
    for (int i = 0; i < 4 && !s; i++)
        if (block[i]) s = sns_world_share(&r->world, block[i], t->total * sizeof(float), err);
    return s;
}

static sns_status open_all(sns_run *r, sns_error *err) {
    sns_train_options *o = &r->o;
    sns_status s = sns_world_agree(&r->world, open_alone(r, err), err);
    if (s || (s = share_start(r, err))) return s;
    if (r->stream) s = sns_run_seek_stream(r, err);
    if ((s = sns_world_agree(&r->world, s, err))) return s;
    r->schedule = (sns_schedule){o->lr, o->min_lr, o->warmup, o->steps};
    r->adamw = (sns_adamw){o->beta1,   o->beta2,   o->eps, o->weight_decay,
                           r->state.m, r->state.v, r->rate};
    if (r->world.rank == 0) s = sns_train_log_open(o->out_dir, r->state.step, &r->log, err);
    if (!s) s = start_loader(r, err);
    return sns_world_agree(&r->world, s, err);
}

sns_status sns_run_open(sns_run *r, const sns_train_options *o, sns_error *err) {
    *r = (sns_run){.o = *o,
                   .world = {0, 1},
                   .k = sns_kernels_get(),
                   .recall = {-1, -1, -1},
                   .lock_fd = -1,
                   .locked = -1};
    sns_status s = sns_world_open(&r->world, err);
    if (s) return s;
    if (r->world.rank) r->o.progress = NULL;
    if (r->world.rank && !sns_run_streams(o)) r->o.warn = NULL; /* all read the same */
    return open_all(r, err);
}

void sns_run_close(sns_run *r) {
    sns_loader_free(r->loader);
    sns_stream_free(r->stream);
    sns_train_log_close(r->log);
    sns_tape_free(r->tape);
    sns_tape_free(r->look_tape);
    sns_tape_free(r->locked_tape);
    free(r->rate);
    sns_tape_free(r->loss_tape);
    sns_aligned_free(r->features.images);
    sns_aligned_free(r->features.texts);
    sns_aligned_free(r->features.dimages);
    sns_aligned_free(r->features.dtexts);
    sns_clip_free(r->clip);
    sns_clip_free(r->averaged);
    sns_log_mel_free(r->mel_tables);
    sns_aligned_free(r->grads);
    free(r->norm_scratch);
    sns_aligned_free(r->state.params);
    sns_aligned_free(r->state.m);
    sns_aligned_free(r->state.v);
    sns_aligned_free(r->state.ema);
    sns_layout_free(&r->layout);
    sns_teacher_close(r);
    sns_dataset_free(r->data);
    sns_dataset_free(r->val);
    free(r->concepts);
    sns_tokenizer_free(r->tokenizer);
    if (r->lock_fd >= 0) close(r->lock_fd);
}

const float *sns_run_weights(const sns_run *r) {
    return r->state.ema ? r->state.ema : r->state.params;
}

sns_status sns_run_write_model(sns_run *r, sns_error *err) {
    char *dir = sns_path_join(r->o.out_dir, "model");
    if (!dir) return sns_fail(err, SNS_NOMEM, "no memory for a path");
    sns_status s = sns_make_dirs(dir, err);
    if (!s) s = sns_tokenizer_copy(r->tokenizer_dir, dir, err);
    if (!s)
        s = r->mel_tables ? sns_log_mel_write(dir, &r->mel, r->config.frames, err)
                          : sns_preprocess_write(dir, &r->preprocess, err);
    if (!s) s = sns_clip_save(dir, &r->config, &r->layout, sns_run_weights(r), r->o.dtype, err);
    free(dir);
    return s;
}

sns_status sns_run_save(sns_run *r, sns_error *err) {
    char path[SNS_PATH_CAP];
    sns_status s = sns_checkpoint_save(r->o.out_dir, &r->state, r->k, path, err);
    if (s) return s;
    memcpy(r->checkpoint, path, sizeof path);
    r->saved_step = r->state.step;
    s = sns_run_write_model(r, err);
    return s ? s : sns_train_log_curve(r->log, err);
}
