/* clip_config_openclip.c - open_clip_config.json of open_clip's CLIP, read and written.
 *
 * {"model_cfg": {"embed_dim", "quick_gelu", "vision_cfg": {...}, "text_cfg": {...}}}, or what is
 * under model_cfg alone; a missing field takes open_clip's default. "layers" of the image tower is
 * a list for a ResNet. Ours alone: "tower": "cbow" in text_cfg, and "sensus" beside model_cfg with
 * the ids of the start and end tokens. What would change the arithmetic and is not computed here
 * (timm and Hugging Face towers, layer scale, attention pooling of a ViT, ...) is refused. */
#include "model/json_fields.h"
#include <math.h>

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

/* "layers": [3, 4, 6, 3] */
static sns_status read_resnet(sns_fields *f, const json_t *layers, sns_clip_config *c) {
    size_t head = sns_fields_size(f, "head_width", 64), width = sns_fields_size(f, "width", 64);
    if (json_array_size(layers) != SNS_RESNET_STAGES)
        return sns_fields_fail(f, SNS_UNSUPPORTED, "layers", "%zu stages; a ResNet has %d",
                               json_array_size(layers), SNS_RESNET_STAGES);
    c->vision_kind = SNS_VISION_RESNET;
    c->vision = (sns_tower_config){
        .width = width, .heads = head ? width * 32 / head : 0, .eps = 1e-5f};
    for (size_t i = 0; i < SNS_RESNET_STAGES; i++) {
        json_int_t n = json_integer_value(json_array_get(layers, i));
        if (n < 1 || n > 256)
            return sns_fields_fail(f, SNS_LIMIT, "layers", "stage %zu is out of range", i);
        c->stages[i] = (size_t)n;
        c->vision.layers += (size_t)n;
    }
    c->image_px = sns_fields_size(f, "image_size", 224);
    c->patch_px = SNS_RESNET_STRIDE;
    return f->status;
}

static sns_status read_vision(sns_fields f, sns_act act, sns_clip_config *c) {
    static const harmless refused[] = {
        {"timm_model_name", ""},         {"hf_model_name", ""}, {"ls_init_value", ""},
        {"attentional_pool", ""},        {"no_ln_pre", ""},     {"pool_type", "tok"},
        {"final_ln_after_pool", ""},     {"act_kwargs", ""},    {"norm_kwargs", ""},
        {"pos_embed_type", "learnable"}, {"block_type", ""},    {"qk_norm", ""}};
    refuse_others(&f, refused, sizeof refused / sizeof refused[0]);
    const json_t *layers = f.object ? json_object_get(f.object, "layers") : NULL;
    if (json_is_array(layers)) return read_resnet(&f, layers, c);
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
    const char *tower = sns_fields_string(&f, "tower", "transformer");
    if (!strcmp(tower, "cbow"))
        c->text_kind = SNS_TEXT_CBOW;
    else if (strcmp(tower, "transformer") != 0)
        sns_fields_fail(&f, SNS_UNSUPPORTED, "tower", "\"%.64s\" is not computed here", tower);
    c->text = (sns_tower_config){.width = width,
                                 .layers = sns_fields_size(&f, "layers", 12),
                                 .heads = sns_fields_size(&f, "heads", 8),
                                 .mlp = mlp_width(&f, width),
                                 .act = act,
                                 .eps = 1e-5f};
    c->vocab = sns_fields_size(&f, "vocab_size", 49408);
    if (c->text_kind == SNS_TEXT_CBOW) c->text = (sns_tower_config){.width = width};
    c->context = sns_fields_size(&f, "context_length", 77);
    /* The end token is the highest id: open_clip pools at argmax(ids). */
    c->end_id = c->vocab ? (uint32_t)(c->vocab - 1) : 0;
    c->start_id = c->vocab > 1 ? (uint32_t)(c->vocab - 2) : 0;
    return f.status;
}

/* Ids that the tokenizer of a model of ours has elsewhere than at the end. */
static sns_status read_ours(sns_fields f, sns_clip_config *c) {
    size_t start = sns_fields_size(&f, "start_id", c->start_id);
    size_t end = sns_fields_size(&f, "end_id", c->end_id);
    c->start_id = start < UINT32_MAX ? (uint32_t)start : UINT32_MAX;
    c->end_id = end < UINT32_MAX ? (uint32_t)end : UINT32_MAX;
    return f.status;
}

sns_status sns_open_clip_config(json_t *root, const char *name, sns_clip_config *c,
                                sns_error *err) {
    sns_fields top = {.object = root, .file = name, .err = err};
    sns_fields m = sns_fields_object(&top, "model_cfg", NULL);
    sns_fields ours = sns_fields_object(&top, "sensus", NULL);
    if (!top.status && !m.object && json_object_get(root, "vision_cfg")) m = top;
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
    if (!s) s = read_text(text, act, c);
    return s ? s : read_ours(ours, c);
}

/* A ratio from which int(width * ratio) is mlp again. */
static double mlp_ratio(const sns_tower_config *c) {
    double ratio = (double)c->mlp / (double)c->width;
    while ((size_t)((double)c->width * ratio) < c->mlp) ratio = nextafter(ratio, INFINITY);
    return ratio;
}

static json_t *vision_json(const sns_clip_config *c) {
    const sns_tower_config *v = &c->vision;
    if (c->vision_kind == SNS_VISION_RESNET)
        return json_pack("{s:I, s:[I, I, I, I], s:I, s:I, s:n}", "image_size",
                         (json_int_t)c->image_px, "layers", (json_int_t)c->stages[0],
                         (json_int_t)c->stages[1], (json_int_t)c->stages[2],
                         (json_int_t)c->stages[3], "width", (json_int_t)v->width, "head_width",
                         (json_int_t)(v->width * 32 / v->heads), "patch_size");
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:f}", "image_size", (json_int_t)c->image_px,
                     "layers", (json_int_t)v->layers, "width", (json_int_t)v->width, "head_width",
                     (json_int_t)(v->width / v->heads), "patch_size", (json_int_t)c->patch_px,
                     "mlp_ratio", mlp_ratio(v));
}

static json_t *text_json(const sns_clip_config *c) {
    const sns_tower_config *t = &c->text;
    if (c->text_kind == SNS_TEXT_CBOW)
        return json_pack("{s:s, s:I, s:I, s:I}", "tower", "cbow", "context_length",
                         (json_int_t)c->context, "vocab_size", (json_int_t)c->vocab, "width",
                         (json_int_t)t->width);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:f}", "context_length", (json_int_t)c->context,
                     "vocab_size", (json_int_t)c->vocab, "width", (json_int_t)t->width, "heads",
                     (json_int_t)t->heads, "layers", (json_int_t)t->layers, "mlp_ratio",
                     mlp_ratio(t));
}

json_t *sns_open_clip_json(const sns_clip_config *c) {
    bool resnet = c->vision_kind == SNS_VISION_RESNET;
    sns_act act = resnet ? c->text.act : c->vision.act;
    json_t *root = json_pack("{s:{s:I, s:f, s:b, s:o, s:o}, s:{s:I, s:I}}", "model_cfg",
                             "embed_dim", (json_int_t)c->embed, "init_logit_scale",
                             (double)c->logit_scale_init, "quick_gelu", act == SNS_ACT_QUICK_GELU,
                             "vision_cfg", vision_json(c), "text_cfg", text_json(c), "sensus",
                             "start_id", (json_int_t)c->start_id, "end_id", (json_int_t)c->end_id);
    if (root && c->has_bias)
        json_object_set_new(json_object_get(root, "model_cfg"), "init_logit_bias",
                            json_real((double)c->logit_bias_init));
    return root;
}
