/* sound_setup.c - a run whose model hears: its tower, its front end, and how it comes into the
 * space of a model that sees.
 *
 * Girdhar et al. 2023, "ImageBind: One Embedding Space To Bind Them All": a modality that is
 * aligned with one anchor meets all others that are aligned with it. The anchor here is the text
 * tower of a model that sees, taken over and locked (Zhai et al. 2022, LiT): what learns to be near
 * its texts is near their pictures too, without a pair of sound and picture. */
#include "train/sound_setup.h"
#include "base/error.h"
#include <math.h>

/* The front end that the options describe. */
static void front_end(const sns_train_options *o, sns_log_mel_config *mel) {
    if (o->spectrogram == SNS_SPECTROGRAM_KALDI)
        sns_log_mel_ast(mel);
    else
        sns_log_mel_whisper(mel);
    mel->mels = o->mels;
}

/* "1,1,1,1": one to four numbers. */
static sns_status read_depths(const char *list, sns_clip_config *c, sns_error *err) {
    const char *at = list ? list : "";
    size_t i = 0;
    for (bool more = true; more; i++) {
        char *end = NULL;
        unsigned long n = *at >= '0' && *at <= '9' ? strtoul(at, &end, 10) : 0;
        if (!n || n > 64 || i == SNS_RESNET_STAGES || (*end && *end != ','))
            return sns_fail(err, SNS_ARG,
                            "layers of a CNN '%s': one to four numbers from 1 to 64, as 1,1,1,1",
                            list ? list : "");
        c->stages[i] = n;
        c->vision.layers += n;
        more = *end == ',';
        at = end + 1;
    }
    return SNS_OK;
}

sns_status sns_run_set_sound(sns_run *r, sns_error *err) {
    const sns_train_options *o = &r->o;
    sns_clip_config *c = &r->config;
    sns_log_mel_config mel;
    if (c->text_kind == SNS_TEXT_SIGLIP)
        return sns_fail(err, SNS_UNSUPPORTED, "SigLIP's text tower goes with its image tower only");
    front_end(o, &mel);
    sns_status s = sns_log_mel_check(&mel, err);
    if (s) return s;
    size_t frames = sns_log_mel_frames(&mel, (size_t)(o->window_seconds * (double)mel.rate_hz));
    *c = (sns_clip_config){.vision_kind = SNS_VISION_VIT,
                           .text_kind = c->text_kind,
                           .text = c->text,
                           .mels = mel.mels,
                           .vocab = c->vocab,
                           .context = c->context,
                           .start_id = c->start_id,
                           .end_id = c->end_id,
                           .pad_id = c->pad_id,
                           .embed = c->embed,
                           .logit_scale_init = logf(1 / 0.07f),
                           .absolute = c->absolute};
    if (o->sound_tower == SNS_SOUND_CNN) {
        c->vision_kind = SNS_VISION_SOUND_CNN;
        c->vision = (sns_tower_config){.width = o->cnn_width, .heads = 1, .eps = 1e-5f};
        c->patch_px = 1;
        c->frames = frames;
        return read_depths(o->cnn_layers, c, err);
    }
    c->vision = (sns_tower_config){o->vision.width,     o->vision.layers,   o->vision.heads,
                                   4 * o->vision.width, SNS_ACT_QUICK_GELU, 1e-5f};
    c->patch_px = o->patch_px;
    c->frames = o->patch_px ? frames / o->patch_px * o->patch_px : frames; /* whole patches */
    return c->frames
               ? SNS_OK
               : sns_fail(err, SNS_ARG, "windows of %zu frames are less than a patch", frames);
}

sns_status sns_run_open_mel(sns_run *r, const char *dir, sns_error *err) {
    const sns_train_options *o = &r->o;
    size_t frames = r->config.frames;
    if (o->teacher_dir)
        return sns_fail(err, SNS_ARG, "a teacher sees; a model that hears can't learn from it");
    front_end(o, &r->mel);
    sns_status s = dir ? sns_log_mel_read(dir, &r->mel, &frames, err) : SNS_OK;
    if (!s && (frames != r->config.frames || r->mel.mels != r->config.mels))
        s = sns_fail(err, SNS_SHAPE, "%s: its sound does not become what its tower takes", dir);
    if (!s) s = sns_log_mel_new(&r->mel, &r->mel_tables, err);
    r->sound = (sns_sound_augment){.mel = r->mel_tables,
                                   .frames = frames,
                                   .speed = o->sound_speed,
                                   .gain_db = o->sound_gain_db,
                                   .noise = o->sound_noise,
                                   .filter_db = o->sound_filter_db,
                                   .phone = o->sound_phone,
                                   .mask = o->sound_mask};
    return s;
}

/* The text tower of a model, or all else of it, into the run's parameters. */
static sns_status take_over(sns_run *r, const char *dir, const sns_clip_config *stored, bool text,
                            sns_error *err) {
    sns_layout l;
    sns_status s = sns_clip_layout(stored, &l, err);
    if (s) return s;
    float *data = sns_aligned_alloc(l.total * sizeof *data);
    if (!data) s = sns_fail(err, SNS_NOMEM, "%s: no memory to read it", dir);
    if (!s) s = sns_clip_read_flat(dir, stored, &l, data, err);
    for (size_t i = 0; i < r->layout.count && !s; i++) {
        const sns_param_desc *to = &r->layout.desc[i];
        if (!strncmp(to->name, "text_", 5) != text) continue;
        const sns_param_desc *from = sns_layout_find(&l, to->name);
        if (!from || from->count != to->count)
            s = sns_fail(err, SNS_SHAPE, "%s: its %s does not fit", dir, to->name);
        else
            memcpy(r->state.params + to->offset, data + from->offset, to->count * sizeof *data);
    }
    sns_aligned_free(data);
    sns_layout_free(&l);
    return s;
}

sns_status sns_run_read_text_tower(sns_run *r, const sns_clip_config *stored, sns_error *err) {
    const char *hears = r->o.sound_init_dir;
    sns_clip_config other;
    sns_clip_init(&r->layout, &r->config, r->state.params, r->o.seed);
    sns_status s = take_over(r, r->o.init_dir, stored, true, err);
    if (s || !hears) return s;
    s = sns_clip_config_read(hears, &other, err);
    if (!s && !sns_clip_hears(&other))
        s = sns_fail(err, SNS_SHAPE, "%s: the model has no audio tower", hears);
    return s ? s : take_over(r, hears, &other, false, err);
}
