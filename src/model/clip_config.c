/* clip_config.c - config.json of Hugging Face's CLIPModel, read and written.
 *
 * A missing field takes transformers' default, as there. Two of its habits are kept: a legacy
 * "text_config_dict" or "vision_config_dict" wins over "text_config" or "vision_config"; and
 * eos_token_id 2 is the mark of an old export whose true end token is the highest id. */
#include "base/error.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "model/clip_io.h"
#include "model/json_fields.h"
#include <errno.h>
#include <unistd.h>

enum { CONFIG_MAX_BYTES = 1 << 20, LEGACY_END_ID = 2 };

static const char *const ACT_NAMES[] = {[SNS_ACT_GELU] = "gelu",
                                        [SNS_ACT_QUICK_GELU] = "quick_gelu",
                                        [SNS_ACT_GELU_TANH] = "gelu_pytorch_tanh"};

const char *sns_act_name(sns_act act) {
    return act > SNS_ACT_NONE && act <= SNS_ACT_GELU_TANH ? ACT_NAMES[act] : "none";
}

bool sns_act_named(const char *name, sns_act *out) {
    for (int i = SNS_ACT_GELU; i <= SNS_ACT_GELU_TANH; i++) {
        if (strcmp(name, ACT_NAMES[i])) continue;
        *out = (sns_act)i;
        return true;
    }
    return false;
}

static sns_act read_act(sns_fields *f) {
    const char *name = sns_fields_string(f, "hidden_act", "quick_gelu");
    sns_act act = SNS_ACT_QUICK_GELU;
    if (!sns_act_named(name, &act))
        sns_fields_fail(f, SNS_UNSUPPORTED, "hidden_act",
                        "\"%.64s\"; only gelu, quick_gelu and gelu_pytorch_tanh are computed",
                        name);
    return act;
}

static sns_tower_config read_tower(sns_fields *f, const sns_tower_config *defaults) {
    return (sns_tower_config){
        .width = sns_fields_size(f, "hidden_size", defaults->width),
        .mlp = sns_fields_size(f, "intermediate_size", defaults->mlp),
        .layers = sns_fields_size(f, "num_hidden_layers", defaults->layers),
        .heads = sns_fields_size(f, "num_attention_heads", defaults->heads),
        .eps = (float)sns_fields_number(f, "layer_norm_eps", 1e-5),
        .act = read_act(f),
    };
}

static void read_special_ids(sns_fields *f, sns_clip_config *c) {
    size_t last = c->vocab ? c->vocab - 1 : 0, before = last ? last - 1 : 0;
    size_t start = sns_fields_size(f, "bos_token_id", before < 49406 ? before : 49406);
    size_t end = sns_fields_size(f, "eos_token_id", last < 49407 ? last : 49407);
    if (end == LEGACY_END_ID) {
        start = before;
        end = last;
    }
    c->start_id = start < UINT32_MAX ? (uint32_t)start : UINT32_MAX;
    c->end_id = end < UINT32_MAX ? (uint32_t)end : UINT32_MAX;
}

static sns_status read_text(sns_fields f, sns_clip_config *c) {
    static const sns_tower_config text = {.width = 512, .mlp = 2048, .layers = 12, .heads = 8};
    c->text = read_tower(&f, &text);
    c->vocab = sns_fields_size(&f, "vocab_size", 49408);
    c->context = sns_fields_size(&f, "max_position_embeddings", 77);
    read_special_ids(&f, c);
    return f.status;
}

static sns_status read_vision(sns_fields f, sns_clip_config *c) {
    static const sns_tower_config vision = {.width = 768, .mlp = 3072, .layers = 12, .heads = 12};
    c->vision = read_tower(&f, &vision);
    c->image_px = sns_fields_size(&f, "image_size", 224);
    c->patch_px = sns_fields_size(&f, "patch_size", 32);
    size_t channels = sns_fields_size(&f, "num_channels", 3);
    if (channels != 3)
        sns_fields_fail(&f, SNS_UNSUPPORTED, "num_channels", "%zu; only 3 are read", channels);
    return f.status;
}

static sns_status read_hf(json_t *root, const char *name, sns_clip_config *c, sns_error *err) {
    sns_fields top = {.object = root, .file = name, .err = err};
    const char *type = sns_fields_string(&top, "model_type", "clip");
    if (!strcmp(type, "siglip")) return sns_siglip_config(root, name, c, err);
    if (!strcmp(type, SNS_SOUND_MODEL)) return sns_sound_config(root, name, c, err);
    if (strcmp(type, "clip") != 0)
        sns_fields_fail(&top, SNS_UNSUPPORTED, "model_type",
                        "\"%.64s\" is neither \"clip\" nor \"siglip\" nor \"" SNS_SOUND_MODEL "\"",
                        type);
    c->embed = sns_fields_size(&top, "projection_dim", 512);
    c->logit_scale_init = (float)sns_fields_number(&top, "logit_scale_init_value", 2.6592);
    c->has_bias = sns_fields_has(&top, "logit_bias_init_value");
    c->logit_bias_init = (float)sns_fields_number(&top, "logit_bias_init_value", 0);
    sns_fields text = sns_fields_object(&top, "text_config_dict", "text_config");
    sns_fields vision = sns_fields_object(&top, "vision_config_dict", "vision_config");
    if (top.status) return top.status;
    sns_status s = read_text(text, c);
    return s ? s : read_vision(vision, c);
}

/* What no other program knows of: {"sensus": {"absolute": true}} */
static sns_status read_ours(json_t *root, const char *name, sns_clip_config *c, sns_error *err) {
    sns_fields top = {.object = root, .file = name, .err = err};
    sns_fields ours = sns_fields_object(&top, "sensus", NULL);
    if (top.status) return top.status;
    c->absolute = sns_fields_bool(&ours, "absolute", false);
    return ours.status;
}

/* Beside what else is in it; NULL stays NULL. */
static json_t *with_ours(json_t *root, const sns_clip_config *c) {
    if (!root || !c->absolute) return root;
    json_t *ours = json_object_get(root, "sensus");
    if (!ours && !json_object_set_new(root, "sensus", json_object()))
        ours = json_object_get(root, "sensus");
    if (ours && !json_object_set_new(ours, "absolute", json_true())) return root;
    json_decref(root);
    return NULL;
}

sns_status sns_clip_config_parse(sns_config_kind kind, const char *text, size_t size,
                                 const char *name, sns_clip_config *out, sns_error *err) {
    json_error_t at;
    *out = (sns_clip_config){0};
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &at);
    sns_status s;
    if (!root)
        s = sns_fail(err, SNS_FORMAT, "%s: line %d: %s", name, at.line, at.text);
    else if (!json_is_object(root))
        s = sns_fail(err, SNS_FORMAT, "%s: not a JSON object", name);
    else
        s = kind == SNS_CONFIG_HF ? read_hf(root, name, out, err)
                                  : sns_open_clip_config(root, name, out, err);
    if (!s) s = read_ours(root, name, out, err);
    json_decref(root);
    if (!s && (s = sns_clip_config_check(out, err))) s = sns_fail_in(err, s, name);
    return s;
}

/* What tells a CLIPModel's config.json: timm's has another content under the same name. And what
 * tells open_clip's under that name. */
static const char *const HF_MARKS[] = {"model_type", "text_config", "vision_config",
                                       "text_config_dict", "vision_config_dict"};
static const char *const OPEN_CLIP_MARKS[] = {"model_cfg", "vision_cfg"};

static bool has_field(const char *path, const char *const *names, size_t n) {
    char *text;
    size_t size;
    bool found = false;
    if (sns_file_read(path, CONFIG_MAX_BYTES, &text, &size, NULL)) return false;
    json_t *root = json_loadb(text, size, 0, NULL);
    for (size_t i = 0; i < n; i++) found = found || json_object_get(root, names[i]);
    json_decref(root);
    free(text);
    return found;
}

sns_status sns_clip_config_find(const char *dir, char **path, sns_config_kind *kind,
                                sns_error *err) {
    char *hf = sns_path_join(dir, "config.json"), *oc = sns_path_join(dir, "open_clip_config.json");
    sns_status s = SNS_OK;
    *path = NULL;
    if (!hf || !oc) {
        s = sns_fail(err, SNS_NOMEM, "%s: no memory for its files' names", dir);
    } else {
        bool use_oc = access(oc, F_OK) == 0 && !has_field(hf, HF_MARKS, 5);
        bool named_hf = !use_oc && has_field(hf, OPEN_CLIP_MARKS, 2);
        *kind = use_oc || named_hf ? SNS_CONFIG_OPEN_CLIP : SNS_CONFIG_HF;
        *path = use_oc ? oc : hf;
        if (access(*path, F_OK) && errno == ENOENT)
            s = sns_fail(err, SNS_MISSING, "%s: no config.json: not a model's folder", dir);
    }
    if (s) *path = NULL;
    if (*path != hf) free(hf);
    if (*path != oc) free(oc);
    return s;
}

static sns_status read_gguf(const char *path, sns_clip_config *out, sns_error *err) {
    sns_gguf *g;
    sns_status s = sns_gguf_open(path, &g, err);
    if (s) return s;
    s = sns_clip_gguf_config(g, path, out, err);
    sns_gguf_close(g);
    return s;
}

sns_status sns_clip_config_read(const char *dir, sns_clip_config *out, sns_error *err) {
    char *path, *text;
    size_t size;
    sns_config_kind kind;
    if (sns_gguf_is_file(dir)) return read_gguf(dir, out, err);
    sns_status s = sns_clip_config_find(dir, &path, &kind, err);
    if (s) return s;
    s = sns_file_read(path, CONFIG_MAX_BYTES, &text, &size, err);
    if (!s) {
        s = sns_clip_config_parse(kind, text, size, path, out, err);
        free(text);
    }
    free(path);
    return s;
}

static json_t *tower_json(const sns_tower_config *c, const char *type, size_t embed) {
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:s, s:f, s:I}", "model_type", type, "hidden_size",
                     (json_int_t)c->width, "intermediate_size", (json_int_t)c->mlp,
                     "num_hidden_layers", (json_int_t)c->layers, "num_attention_heads",
                     (json_int_t)c->heads, "hidden_act", sns_act_name(c->act), "layer_norm_eps",
                     (double)c->eps, "projection_dim", (json_int_t)embed);
}

static json_t *config_json(const sns_clip_config *c, const char *dtype) {
    json_t *text = tower_json(&c->text, "clip_text_model", c->embed);
    json_t *vision = tower_json(&c->vision, "clip_vision_model", c->embed);
    json_t *ids = json_pack("{s:I, s:I, s:I, s:I, s:I}", "vocab_size", (json_int_t)c->vocab,
                            "max_position_embeddings", (json_int_t)c->context, "bos_token_id",
                            (json_int_t)c->start_id, "eos_token_id", (json_int_t)c->end_id,
                            "pad_token_id", (json_int_t)c->end_id);
    json_t *px = json_pack("{s:I, s:I, s:i}", "image_size", (json_int_t)c->image_px, "patch_size",
                           (json_int_t)c->patch_px, "num_channels", 3);
    int bad = json_object_update(text, ids) | json_object_update(vision, px);
    json_decref(ids);
    json_decref(px);
    json_t *root = json_pack("{s:[s], s:s, s:I, s:f, s:s, s:o, s:o}", "architectures", "CLIPModel",
                             "model_type", "clip", "projection_dim", (json_int_t)c->embed,
                             "logit_scale_init_value", (double)c->logit_scale_init, "torch_dtype",
                             dtype, "text_config", text, "vision_config", vision);
    if (c->has_bias)
        bad |= json_object_set_new(root, "logit_bias_init_value",
                                   json_real((double)c->logit_bias_init));
    if (bad) {
        json_decref(root);
        root = NULL;
    }
    return root;
}

sns_config_kind sns_clip_written_kind(const sns_clip_config *c) {
    bool hf = c->vision_kind == SNS_VISION_VIT && c->text_kind == SNS_TEXT_TRANSFORMER;
    hf = hf || c->vision_kind == SNS_VISION_SIGLIP || sns_clip_hears(c);
    return hf ? SNS_CONFIG_HF : SNS_CONFIG_OPEN_CLIP;
}

/* transformers would take the whole numbers for the weights; it refuses a method that it does not
 * know. */
static json_t *with_quantisation(json_t *root) {
    json_t *method = json_pack("{s:s, s:s}", "quant_method", "sensus", "weights", "int8");
    if (root && !json_object_set_new(root, "quantization_config", method)) return root;
    json_decref(root);
    return NULL;
}

sns_status sns_clip_config_write(const char *dir, const sns_clip_config *c, const char *dtype,
                                 sns_error *err) {
    sns_status s = sns_clip_config_check(c, err);
    if (s) return s;
    bool hf = sns_clip_written_kind(c) == SNS_CONFIG_HF;
    bool siglip = c->vision_kind == SNS_VISION_SIGLIP, int8 = !strcmp(dtype, "int8");
    bool hears = sns_clip_hears(c);
    if (int8) dtype = "float16"; /* of what is not quantised */
    if (hf && !siglip && !hears && c->end_id == LEGACY_END_ID)
        return sns_fail(err, SNS_UNSUPPORTED,
                        "%s: end token %d marks an old export to transformers; use another id", dir,
                        LEGACY_END_ID);
    const char *name = hf ? "config.json" : "open_clip_config.json";
    char *path = sns_path_join(dir, name);
    json_t *root = siglip  ? sns_siglip_json(c, dtype)
                   : hears ? sns_sound_json(c, dtype)
                   : hf    ? config_json(c, dtype)
                           : sns_open_clip_json(c);
    root = with_ours(root, c);
    if (int8 && hf) root = with_quantisation(root);
    char *text = root ? json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
    if (!path || !text)
        s = sns_fail(err, SNS_NOMEM, "%s: no memory for %s", dir, name);
    else
        s = sns_file_write(path, text, strlen(text), err);
    free(text);
    json_decref(root);
    free(path);
    return s;
}
