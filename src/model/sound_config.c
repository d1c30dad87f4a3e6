/* sound_config.c - config.json of a model that hears, which no other program has:
 *
 *   {"model_type": "sensus-sound", "projection_dim": 256, "logit_scale_init_value": 2.66,
 *    "audio_config": {"model_type": "vit", "num_mel_bins": 64, "max_length": 192, "patch_size": 16,
 *                     "hidden_size": 192, "num_hidden_layers": 6, ...}
 *                 or {"model_type": "cnn", "num_mel_bins": 64, "max_length": 192, "hidden_size":
 * 32, "depths": [1, 1, 1, 1]}, "text_config": {"model_type": "transformer" or "cbow", "vocab_size":
 * ..., ...}}
 *
 * max_length counts frames. How sound becomes frames is in preprocessor_config.json (prep/log_mel).
 * Fields are named as in transformers' configurations of the same parts. */
#include "model/clip_io.h"
#include "model/json_fields.h"

static sns_tower_config read_tower(sns_fields *f) {
    sns_tower_config c = {
        .width = sns_fields_size(f, "hidden_size", 0),
        .mlp = sns_fields_size(f, "intermediate_size", 0),
        .layers = sns_fields_size(f, "num_hidden_layers", 0),
        .heads = sns_fields_size(f, "num_attention_heads", 0),
        .eps = (float)sns_fields_number(f, "layer_norm_eps", 1e-5),
    };
    const char *act = sns_fields_string(f, "hidden_act", "quick_gelu");
    if (!sns_act_named(act, &c.act))
        sns_fields_fail(f, SNS_UNSUPPORTED, "hidden_act", "\"%.64s\" is not computed", act);
    return c;
}

/* "depths": [1, 1, 1, 1] */
static void read_cnn(sns_fields *f, sns_clip_config *c) {
    const json_t *depths = json_object_get(f->object, "depths");
    size_t n = json_array_size(depths);
    c->vision_kind = SNS_VISION_SOUND_CNN;
    c->vision = (sns_tower_config){
        .width = sns_fields_size(f, "hidden_size", 0), .heads = 1, .eps = 1e-5f};
    c->patch_px = 1;
    if (!n || n > SNS_RESNET_STAGES)
        sns_fields_fail(f, SNS_UNSUPPORTED, "depths", "%zu stages; 1 to %d are computed", n,
                        SNS_RESNET_STAGES);
    for (size_t i = 0; i < n && !f->status; i++) {
        json_int_t blocks = json_integer_value(json_array_get(depths, i));
        if (blocks < 1 || blocks > 1024)
            sns_fields_fail(f, SNS_LIMIT, "depths", "stage %zu is out of range", i);
        else
            c->stages[i] = (size_t)blocks;
    }
    for (size_t i = 0; i < SNS_RESNET_STAGES; i++) c->vision.layers += c->stages[i];
}

static sns_status read_audio(sns_fields f, sns_clip_config *c) {
    const char *type = sns_fields_string(&f, "model_type", "vit");
    c->frames = sns_fields_size(&f, "max_length", 0);
    c->mels = sns_fields_size(&f, "num_mel_bins", 0);
    if (!c->frames) sns_fields_fail(&f, SNS_FORMAT, "max_length", "it says no frames");
    if (!strcmp(type, "cnn")) {
        read_cnn(&f, c);
    } else if (!strcmp(type, "vit")) {
        c->vision = read_tower(&f);
        c->patch_px = sns_fields_size(&f, "patch_size", 16);
    } else {
        sns_fields_fail(&f, SNS_UNSUPPORTED, "model_type", "\"%.64s\" is neither vit nor cnn",
                        type);
    }
    return f.status;
}

static sns_status read_text(sns_fields f, sns_clip_config *c) {
    const char *type = sns_fields_string(&f, "model_type", "transformer");
    if (!strcmp(type, "cbow")) {
        c->text_kind = SNS_TEXT_CBOW;
        c->text = (sns_tower_config){.width = sns_fields_size(&f, "hidden_size", 0)};
    } else if (!strcmp(type, "transformer")) {
        c->text = read_tower(&f);
    } else {
        sns_fields_fail(&f, SNS_UNSUPPORTED, "model_type",
                        "\"%.64s\" is neither transformer nor cbow", type);
    }
    c->vocab = sns_fields_size(&f, "vocab_size", 0);
    c->context = sns_fields_size(&f, "max_position_embeddings", 0);
    size_t start = sns_fields_size(&f, "bos_token_id", 0);
    size_t end = sns_fields_size(&f, "eos_token_id", 0);
    c->start_id = start < UINT32_MAX ? (uint32_t)start : UINT32_MAX;
    c->end_id = end < UINT32_MAX ? (uint32_t)end : UINT32_MAX;
    return f.status;
}

sns_status sns_sound_config(json_t *root, const char *name, sns_clip_config *c, sns_error *err) {
    sns_fields top = {.object = root, .file = name, .err = err};
    c->embed = sns_fields_size(&top, "projection_dim", 0);
    c->logit_scale_init = (float)sns_fields_number(&top, "logit_scale_init_value", 2.6592);
    c->has_bias = sns_fields_has(&top, "logit_bias_init_value");
    c->logit_bias_init = (float)sns_fields_number(&top, "logit_bias_init_value", 0);
    sns_fields text = sns_fields_object(&top, "text_config", NULL);
    sns_fields audio = sns_fields_object(&top, "audio_config", NULL);
    if (top.status) return top.status;
    sns_status s = read_text(text, c);
    return s ? s : read_audio(audio, c);
}

/* ---- writing ---- */

static json_t *tower_json(const sns_tower_config *c, const char *type) {
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:s, s:f}", "model_type", type, "hidden_size",
                     (json_int_t)c->width, "intermediate_size", (json_int_t)c->mlp,
                     "num_hidden_layers", (json_int_t)c->layers, "num_attention_heads",
                     (json_int_t)c->heads, "hidden_act", sns_act_name(c->act), "layer_norm_eps",
                     (double)c->eps);
}

static json_t *cnn_json(const sns_clip_config *c) {
    json_t *depths = json_array();
    for (size_t i = 0; i < SNS_RESNET_STAGES && c->stages[i]; i++)
        json_array_append_new(depths, json_integer((json_int_t)c->stages[i]));
    return json_pack("{s:s, s:I, s:o}", "model_type", "cnn", "hidden_size",
                     (json_int_t)c->vision.width, "depths", depths);
}

static int set_size(json_t *o, const char *key, size_t value) {
    return json_object_set_new(o, key, json_integer((json_int_t)value));
}

json_t *sns_sound_json(const sns_clip_config *c, const char *dtype) {
    bool cnn = c->vision_kind == SNS_VISION_SOUND_CNN;
    json_t *audio = cnn ? cnn_json(c) : tower_json(&c->vision, "vit");
    json_t *text = c->text_kind == SNS_TEXT_CBOW
                       ? json_pack("{s:s, s:I}", "model_type", "cbow", "hidden_size",
                                   (json_int_t)c->text.width)
                       : tower_json(&c->text, "transformer");
    int bad = set_size(audio, "max_length", c->frames) | set_size(audio, "num_mel_bins", c->mels);
    if (!cnn) bad |= set_size(audio, "patch_size", c->patch_px);
    bad |= set_size(text, "vocab_size", c->vocab) |
           set_size(text, "max_position_embeddings", c->context) |
           set_size(text, "bos_token_id", c->start_id) | set_size(text, "eos_token_id", c->end_id);
    json_t *root = json_pack("{s:[s], s:s, s:I, s:f, s:s, s:o, s:o}", "architectures",
                             "SensusSoundModel", "model_type", SNS_SOUND_MODEL, "projection_dim",
                             (json_int_t)c->embed, "logit_scale_init_value",
                             (double)c->logit_scale_init, "torch_dtype", dtype, "text_config", text,
                             "audio_config", audio);
    if (c->has_bias)
        bad |= json_object_set_new(root, "logit_bias_init_value",
                                   json_real((double)c->logit_bias_init));
    if (!bad) return root;
    json_decref(root);
    return NULL;
}
