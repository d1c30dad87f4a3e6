/* siglip_config.c - config.json of Hugging Face's SiglipModel, read and written.
 *
 * A missing field takes transformers' default, as there. Published files leave most out. */
#include "model/clip_io.h"
#include "model/json_fields.h"

static sns_tower_config read_tower(sns_fields *f) {
    sns_tower_config c = {
        .width = sns_fields_size(f, "hidden_size", 768),
        .mlp = sns_fields_size(f, "intermediate_size", 3072),
        .layers = sns_fields_size(f, "num_hidden_layers", 12),
        .heads = sns_fields_size(f, "num_attention_heads", 12),
        .eps = (float)sns_fields_number(f, "layer_norm_eps", 1e-6),
    };
    const char *act = sns_fields_string(f, "hidden_act", "gelu_pytorch_tanh");
    if (!sns_act_named(act, &c.act))
        sns_fields_fail(f, SNS_UNSUPPORTED, "hidden_act", "\"%.64s\" is not computed", act);
    return c;
}

static sns_status read_text(sns_fields f, sns_clip_config *c) {
    c->text = read_tower(&f);
    c->vocab = sns_fields_size(&f, "vocab_size", 32000);
    c->context = sns_fields_size(&f, "max_position_embeddings", 64);
    c->embed = sns_fields_size(&f, "projection_size", c->text.width);
    size_t pad = sns_fields_size(&f, "pad_token_id", 1);
    c->pad_id = pad < UINT32_MAX ? (uint32_t)pad : UINT32_MAX;
    c->start_id = c->end_id = c->pad_id; /* the file's are those of another vocabulary */
    return f.status;
}

static sns_status read_vision(sns_fields f, sns_clip_config *c) {
    c->vision = read_tower(&f);
    c->image_px = sns_fields_size(&f, "image_size", 224);
    c->patch_px = sns_fields_size(&f, "patch_size", 16);
    size_t channels = sns_fields_size(&f, "num_channels", 3);
    if (channels != 3)
        sns_fields_fail(&f, SNS_UNSUPPORTED, "num_channels", "%zu; only 3 are read", channels);
    if (!sns_fields_bool(&f, "vision_use_head", true))
        sns_fields_fail(&f, SNS_UNSUPPORTED, "vision_use_head", "a tower without its pooling");
    if (!f.status && c->vision.width != c->embed)
        sns_fields_fail(&f, SNS_SHAPE, "hidden_size", "%zu, but texts become %zu wide",
                        c->vision.width, c->embed);
    return f.status;
}

sns_status sns_siglip_config(json_t *root, const char *name, sns_clip_config *c, sns_error *err) {
    sns_fields top = {.object = root, .file = name, .err = err};
    sns_fields text = sns_fields_object(&top, "text_config", NULL);
    sns_fields vision = sns_fields_object(&top, "vision_config", NULL);
    c->vision_kind = SNS_VISION_SIGLIP;
    c->text_kind = SNS_TEXT_SIGLIP;
    c->has_bias = true;
    c->logit_scale_init = 2.3025851f; /* log 10 */
    c->logit_bias_init = -10;
    if (top.status) return top.status;
    sns_status s = read_text(text, c);
    return s ? s : read_vision(vision, c);
}

static json_t *tower_json(const sns_tower_config *c, const char *type) {
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:s, s:f}", "model_type", type, "hidden_size",
                     (json_int_t)c->width, "intermediate_size", (json_int_t)c->mlp,
                     "num_hidden_layers", (json_int_t)c->layers, "num_attention_heads",
                     (json_int_t)c->heads, "hidden_act", sns_act_name(c->act), "layer_norm_eps",
                     (double)c->eps);
}

json_t *sns_siglip_json(const sns_clip_config *c, const char *dtype) {
    json_t *text = tower_json(&c->text, "siglip_text_model");
    json_t *vision = tower_json(&c->vision, "siglip_vision_model");
    json_t *ids = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "vocab_size", (json_int_t)c->vocab,
                            "max_position_embeddings", (json_int_t)c->context, "projection_size",
                            (json_int_t)c->embed, "pad_token_id", (json_int_t)c->pad_id,
                            "bos_token_id", (json_int_t)c->pad_id, "eos_token_id",
                            (json_int_t)c->pad_id);
    json_t *px = json_pack("{s:I, s:I, s:i}", "image_size", (json_int_t)c->image_px, "patch_size",
                           (json_int_t)c->patch_px, "num_channels", 3);
    int bad = json_object_update(text, ids) | json_object_update(vision, px);
    json_decref(ids);
    json_decref(px);
    json_t *root = json_pack("{s:[s], s:s, s:s, s:o, s:o}", "architectures", "SiglipModel",
                             "model_type", "siglip", "torch_dtype", dtype, "text_config", text,
                             "vision_config", vision);
    if (!bad) return root;
    json_decref(root);
    return NULL;
}
