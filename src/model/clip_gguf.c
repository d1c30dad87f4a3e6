/* clip_gguf.c - a CLIP in GGUF as clip.cpp writes it: its metadata and its names of tensors.
 *
 * The names are Hugging Face's, shortened; "ffn_down" is the layer that widens, "ffn_up" the one
 * that narrows. Left out are the temperature and what is computed anyway. The two highest ids are
 * the start and the end token. clip.use_gelu false means x sigmoid(1.702 x). */
#include "base/error.h"
#include "base/strbuf.h"
#include "model/clip_io.h"

static const float LOG_100 = 4.6051702f;

const sns_stored *sns_clip_gguf_temperature(void) {
    static const sns_stored temperature = {.name = "logit_scale",
                                           .file = "OpenAI's models",
                                           .dtype = SNS_DTYPE_F32,
                                           .count = 1,
                                           .bytes = sizeof LOG_100,
                                           .data = (const unsigned char *)&LOG_100};
    return &temperature;
}

/* ---- names ---- */

typedef struct rename_rule {
    const char *from, *to;
} rename_rule;

static const rename_rule tops[] = {
    {"vision_model.embeddings.class_embedding", "v.class_embd"},
    {"vision_model.embeddings.patch_embedding.", "v.patch_embd."},
    {"vision_model.embeddings.position_embedding.", "v.position_embd."},
    {"vision_model.pre_layrnorm.", "v.pre_ln."},
    {"vision_model.post_layernorm.", "v.post_ln."},
    {"vision_model.encoder.layers.", "v.blk."},
    {"text_model.embeddings.token_embedding.", "t.token_embd."},
    {"text_model.embeddings.position_embedding.", "t.position_embd."},
    {"text_model.final_layer_norm.", "t.post_ln."},
    {"text_model.encoder.layers.", "t.blk."},
    {"visual_projection.", "visual_projection."},
    {"text_projection.", "text_projection."},
    {"logit_scale", "logit_scale"},
};

static const rename_rule parts[] = {
    {"layer_norm1.", "ln1."},         {"layer_norm2.", "ln2."},
    {"mlp.fc1.", "ffn_down."},        {"mlp.fc2.", "ffn_up."},
    {"self_attn.q_proj.", "attn_q."}, {"self_attn.k_proj.", "attn_k."},
    {"self_attn.v_proj.", "attn_v."}, {"self_attn.out_proj.", "attn_out."},
};

static const rename_rule *find_rule(const rename_rule *rules, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (!strncmp(name, rules[i].from, strlen(rules[i].from))) return &rules[i];
    return NULL;
}

void sns_clip_gguf_name(const char *hf, char *out, size_t size) {
    const rename_rule *top = find_rule(tops, sizeof tops / sizeof tops[0], hf), *part;
    if (size) out[0] = 0;
    if (!top) return;
    const char *rest = hf + strlen(top->from), *dot = strchr(rest, '.');
    if (!sns_ends_with(top->to, ".blk.")) {
        snprintf(out, size, "%s%s", top->to, rest);
    } else if (dot && (part = find_rule(parts, sizeof parts / sizeof parts[0], dot + 1))) {
        snprintf(out, size, "%s%.*s%s%s", top->to, (int)(dot + 1 - rest), rest, part->to,
                 dot + 1 + strlen(part->from));
    }
}

/* ---- configuration ---- */

/* Reading stops at the first error. */
typedef struct reader {
    const sns_gguf *g;
    const char *tower; /* "vision" or "text" */
    sns_error *err;
    sns_status status;
} reader;

static size_t size_of(reader *r, const char *what) {
    char key[64];
    size_t n = 0;
    snprintf(key, sizeof key, "clip.%s.%s", r->tower, what);
    if (!r->status) r->status = sns_gguf_size(r->g, key, &n, r->err);
    return n;
}

static sns_tower_config read_tower(reader *r, sns_act act) {
    char key[64];
    double eps = 1e-5;
    sns_tower_config c = {.width = size_of(r, "embedding_length"),
                          .layers = size_of(r, "block_count"),
                          .heads = size_of(r, "attention.head_count"),
                          .mlp = size_of(r, "feed_forward_length"),
                          .act = act};
    snprintf(key, sizeof key, "clip.%s.attention.layer_norm_epsilon", r->tower);
    if (!r->status) r->status = sns_gguf_number(r->g, key, &eps, r->err);
    c.eps = (float)eps;
    return c;
}

/* It must be a CLIP with both towers; a file that does not say so is refused by what it lacks. */
static sns_status check_kind(const sns_gguf *g, const char *name, sns_error *err) {
    sns_gguf_string kind;
    bool text = true, vision = true;
    sns_status s = sns_gguf_text(g, "general.architecture", &kind, err);
    if (s) return s;
    if (kind.size != 4 || memcmp(kind.data, "clip", 4) != 0)
        return sns_fail(err, SNS_UNSUPPORTED, "%s: a model of architecture \"%.*s\", not clip",
                        name, (int)(kind.size < 40 ? kind.size : 40), kind.data);
    s = sns_gguf_bool(g, "clip.has_text_encoder", &text, err);
    if (!s || s == SNS_MISSING) s = sns_gguf_bool(g, "clip.has_vision_encoder", &vision, err);
    if (s && s != SNS_MISSING) return s;
    if (!text || !vision)
        return sns_fail(err, SNS_UNSUPPORTED, "%s: has only one of CLIP's towers, no %s", name,
                        text ? "image tower" : "text tower");
    return SNS_OK;
}

/* The file says nowhere how many tokens there are but by their table. */
static sns_status read_vocab(const sns_gguf *g, const char *name, sns_clip_config *c,
                             sns_error *err) {
    const sns_stored *table = sns_gguf_find(g, "t.token_embd.weight");
    if (!table || table->dims != 2 || table->dim[0] < 2 || table->dim[0] > UINT32_MAX)
        return sns_fail(err, table ? SNS_SHAPE : SNS_MISSING, "%s: %s t.token_embd.weight", name,
                        table ? "tokens are no rows of" : "no tensor");
    c->vocab = table->dim[0];
    c->start_id = (uint32_t)(c->vocab - 2);
    c->end_id = (uint32_t)(c->vocab - 1);
    return SNS_OK;
}

sns_status sns_clip_gguf_config(const sns_gguf *g, const char *name, sns_clip_config *out,
                                sns_error *err) {
    sns_clip_config c = {.logit_scale_init = LOG_100};
    bool gelu = false;
    *out = (sns_clip_config){0};
    sns_status s = check_kind(g, name, err);
    if (!s) s = sns_gguf_bool(g, "clip.use_gelu", &gelu, err);
    if (s) return s;
    sns_act act = gelu ? SNS_ACT_GELU : SNS_ACT_QUICK_GELU;
    reader r = {.g = g, .tower = "text", .err = err};
    c.text = read_tower(&r, act);
    c.context = size_of(&r, "context_length");
    c.embed = size_of(&r, "projection_dim");
    r.tower = "vision";
    c.vision = read_tower(&r, act);
    c.image_px = size_of(&r, "image_size");
    c.patch_px = size_of(&r, "patch_size");
    size_t embed = size_of(&r, "projection_dim");
    if (r.status) return r.status;
    if (embed != c.embed)
        return sns_fail(err, SNS_SHAPE, "%s: pictures become %zu wide, texts %zu", name, embed,
                        c.embed);
    s = read_vocab(g, name, &c, err);
    if (!s && (s = sns_clip_config_check(&c, err))) s = sns_fail_in(err, s, name);
    if (!s) *out = c;
    return s;
}
