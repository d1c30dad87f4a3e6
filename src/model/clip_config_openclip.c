/* clip_config_openclip.c - open_clip_config.json of open_clip's CLIP (ViT and text Transformer).
 *
 * {"model_cfg": {"embed_dim", "quick_gelu", "vision_cfg": {...}, "text_cfg": {...}}}; a missing
 * field takes open_clip's default. What would change the arithmetic and is not computed here
 * (ResNets, timm and Hugging Face towers, layer scale, attention pooling, ...) is refused. */
#include "model/json_fields.h"

/* A field that must be missing or equal to the given harmless value. */
typedef struct harmless {
    const char *key, *value; /* value: the JSON type or string that changes nothing; "" none */
} harmless;

static bool is_harmless(const json_t *v, const char *value) {
    if (!v || json_is_null(v) || json_is_false(v)) return true;
    return json_is_string(v) && !strcmp(json_string_value(v), value);
}

static void refuse_others(sns_fields *f, const harmless *fields, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (f->object && !is_harmless(json_object_get(f->object, fields[i].key), fields[i].value))
            sns_fields_fail(f, SNS_UNSUPPORTED, fields[i].key, "a part that is not computed here");
}

/* open_clip computes int(width * ratio) in double. */
static size_t mlp_width(sns_fields *f, size_t width) {
    double n = (double)width * sns_fields_number(f, "mlp_ratio", 4.0);
    if (n >= 1 && n < 1e9) return (size_t)n;
    sns_fields_fail(f, SNS_LIMIT, "mlp_ratio", "out of range");
    return 0;
}

static sns_status read_vision(sns_fields f, sns_act act, sns_clip_config *c) {
    static const harmless refused[] = {
        {"timm_model_name", ""},         {"hf_model_name", ""}, {"ls_init_value", ""},
        {"attentional_pool", ""},        {"no_ln_pre", ""},     {"pool_type", "tok"},
        {"final_ln_after_pool", ""},     {"act_kwargs", ""},    {"norm_kwargs", ""},
        {"pos_embed_type", "learnable"}, {"block_type", ""},    {"qk_norm", ""}};
    refuse_others(&f, refused, sizeof refused / sizeof refused[0]);
    if (f.object && json_is_array(json_object_get(f.object, "layers")))
        return sns_fields_fail(&f, SNS_UNSUPPORTED, "layers", "a ResNet; only ViT is computed");
    size_t width = sns_fields_size(&f, "width", 768), head = sns_fields_size(&f, "head_width", 64);
    if (!head || width % head)
        return sns_fields_fail(&f, SNS_SHAPE, "head_width", "%zu does not divide width %zu", head,
                               width);
    c->vision = (sns_tower_config){.width = width,
                                   .layers = sns_fields_size(&f, "layers", 12),
                                   .heads = width / head,
                                   .mlp = mlp_width(&f, width),
                                   .act = act,
                                   .eps = 1e-5f};
    c->image_px = sns_fields_size(&f, "image_size", 224);
    c->patch_px = sns_fields_size(&f, "patch_size", 16);
    return f.status;
}

static sns_status read_text(sns_fields f, sns_act act, sns_clip_config *c) {
    static const harmless refused[] = {
        {"hf_model_name", ""},  {"ls_init_value", ""},   {"embed_cls", ""},
        {"no_causal_mask", ""}, {"pool_type", "argmax"}, {"proj_type", "linear"},
        {"proj_bias", ""},      {"act_kwargs", ""},      {"norm_kwargs", ""},
        {"block_type", ""},     {"qk_norm", ""},         {"final_ln_after_pool", ""}};
    refuse_others(&f, refused, sizeof refused / sizeof refused[0]);
    size_t width = sns_fields_size(&f, "width", 512);
    c->text = (sns_tower_config){.width = width,
                                 .layers = sns_fields_size(&f, "layers", 12),
                                 .heads = sns_fields_size(&f, "heads", 8),
                                 .mlp = mlp_width(&f, width),
                                 .act = act,
                                 .eps = 1e-5f};
    c->vocab = sns_fields_size(&f, "vocab_size", 49408);
    c->context = sns_fields_size(&f, "context_length", 77);
    /* The end token is the highest id: open_clip pools at argmax(ids). */
    c->end_id = c->vocab ? (uint32_t)(c->vocab - 1) : 0;
    c->start_id = c->vocab > 1 ? (uint32_t)(c->vocab - 2) : 0;
    return f.status;
}

sns_status sns_open_clip_config(json_t *root, const char *name, sns_clip_config *c,
                                sns_error *err) {
    sns_fields top = {.object = root, .file = name, .err = err};
    sns_fields m = sns_fields_object(&top, "model_cfg", NULL);
    if (!top.status && !m.object) return sns_fields_fail(&top, SNS_FORMAT, "model_cfg", "missing");
    if (top.status) return top.status;
    c->embed = sns_fields_size(&m, "embed_dim", 512);
    c->logit_scale_init = (float)sns_fields_number(&m, "init_logit_scale", 2.6592600);
    c->has_bias = sns_fields_has(&m, "init_logit_bias");
    c->logit_bias_init = (float)sns_fields_number(&m, "init_logit_bias", 0);
    sns_act act = sns_fields_bool(&m, "quick_gelu", false) ? SNS_ACT_QUICK_GELU : SNS_ACT_GELU;
    sns_fields vision = sns_fields_object(&m, "vision_cfg", NULL);
    sns_fields text = sns_fields_object(&m, "text_cfg", NULL);
    if (m.status) return m.status;
    sns_status s = read_vision(vision, act, c);
    return s ? s : read_text(text, act, c);
}
