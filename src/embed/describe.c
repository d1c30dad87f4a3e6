/* describe.c - a model in words, for people and for machines. */
#include "base/error.h"
#include "base/strbuf.h"
#include "embed/model_internal.h"
#include <jansson.h>

static size_t count_parameters(const sns_layout *l, const char *prefix) {
    size_t n = 0;
    for (size_t i = 0; i < l->count; i++)
        if (!l->desc[i].buffer && !strncmp(l->desc[i].name, prefix, strlen(prefix)))
            n += l->desc[i].count;
    return n;
}

/* "F16", "I8" where products are, or "mixed". clip.cpp keeps all but matrices in F32. */
static const char *stored_type(const sns_model *m) {
    for (size_t i = 0; m->weights.gguf && i < m->layout.count; i++)
        if (m->layout.desc[i].use == SNS_USE_TABLE)
            return sns_dtype_name(m->weights.at[i].tensor->dtype);
    if (sns_clip_weights_int8(&m->weights, &m->layout)) return sns_dtype_name(SNS_DTYPE_I8);
    sns_dtype first = m->weights.at[0].tensor->dtype;
    for (size_t i = 1; i < m->layout.count; i++)
        if (!m->layout.desc[i].buffer && m->layout.desc[i].count > 1 &&
            m->weights.at[i].tensor->dtype != first)
            return "mixed";
    return sns_dtype_name(first);
}

/* Whose names the tensors have. */
static const char *family(const sns_model *m) {
    return m->weights.gguf ? "clip.cpp" : m->weights.open_clip ? "open_clip" : "huggingface";
}

/* What this processor multiplies the linear weights in: "f32", "bf16", "int8", or "mixed". */
static const char *arithmetic(const sns_model *m) {
    static const char *const names[] = {
        [SNS_PACKED_F32] = "f32", [SNS_PACKED_BF16] = "bf16", [SNS_PACKED_INT8] = "int8"};
    const char *found = NULL;
    for (size_t i = 0; i < m->layout.count; i++) {
        const sns_param_desc *d = &m->layout.desc[i];
        if (d->use != SNS_USE_PRODUCT) continue;
        const char *name =
            names[sns_packed_arithmetic(sns_model_packing(m, i), d->count / d->dim[0])];
        if (found && found != name) return "mixed";
        found = name;
    }
    return found ? found : names[SNS_PACKED_F32];
}

static void tower_line(sns_strbuf *b, const char *name, const sns_tower_config *c, size_t n) {
    sns_strbuf_printf(b, "%-13s%zu layers, width %zu, %zu heads, MLP %zu, %s, %zu parameters\n",
                      name, c->layers, c->width, c->heads, c->mlp, sns_act_name(c->act), n);
}

static void image_line(sns_strbuf *b, const sns_clip_config *c, size_t n) {
    const char *name = sns_clip_hears(c) ? "audio tower" : "image tower";
    if (c->vision_kind == SNS_VISION_SOUND_CNN)
        sns_strbuf_printf(b, "%-13sCNN of %zu residual blocks, width %zu, %zu parameters\n", name,
                          c->vision.layers, c->vision.width, n);
    else if (c->vision_kind == SNS_VISION_RESNET)
        sns_strbuf_printf(b,
                          "%-13sResNet of %zu, %zu, %zu, %zu bottlenecks, width %zu, %zu heads, "
                          "%zu parameters\n",
                          name, c->stages[0], c->stages[1], c->stages[2], c->stages[3],
                          c->vision.width, c->vision.heads, n);
    else
        tower_line(b, name, &c->vision, n);
}

static void input_line(sns_strbuf *b, const sns_model *m) {
    const sns_clip_config *c = &m->config;
    if (!m->mel) {
        sns_strbuf_printf(b, "%-13s%zu x %zu px in patches of %zu px\n", "pictures", c->image_px,
                          c->image_px, c->patch_px);
        return;
    }
    const sns_log_mel_config *mel = sns_log_mel_config_of(m->mel);
    sns_strbuf_printf(
        b,
        "%-13s%zu Hz, windows of %.3g s: %zu frames of %zu mel bands (%s), every %zu "
        "samples\n",
        "sound", mel->rate_hz, (double)sns_log_mel_samples(mel, c->frames) / (double)mel->rate_hz,
        c->frames, c->mels, mel->kind == SNS_LOG_MEL_WHISPER ? "Whisper's" : "Kaldi's", mel->hop);
}

static void text_line(sns_strbuf *b, const sns_clip_config *c, size_t n) {
    if (c->text_kind == SNS_TEXT_CBOW)
        sns_strbuf_printf(b, "%-13smean of token embeddings, width %zu, %zu parameters\n",
                          "text tower", c->text.width, n);
    else
        tower_line(b, "text tower", &c->text, n);
}

static char *as_text(const sns_model *m, size_t vision, size_t text) {
    const sns_clip_config *c = &m->config;
    sns_strbuf b = {0};
    sns_strbuf_printf(&b, "%-13s%s\n", m->weights.gguf ? "file" : "folder", m->dir);
    sns_strbuf_printf(&b, "%-13s%zu, vectors of %zu%s, temperature factor %.4g", "parameters",
                      m->layout.total, c->embed, c->absolute ? " numbers, none below 0" : "",
                      (double)m->scale);
    if (c->has_bias) sns_strbuf_printf(&b, ", bias %.4g", (double)m->bias);
    sns_strbuf_puts(&b, "\n");
    image_line(&b, c, vision);
    input_line(&b, m);
    text_line(&b, c, text);
    sns_strbuf_printf(&b, "%-13s%zu tokens, texts of up to %zu%s\n", "vocabulary", c->vocab,
                      c->context, m->tokenizer ? "" : " (there is no tokenizer)");
    sns_strbuf_printf(&b, "%-13s%zu tensors, %s, %zu bytes, %s names, products in %s\n", "weights",
                      m->layout.count, stored_type(m), sns_clip_weights_bytes(&m->weights),
                      m->weights.gguf        ? "clip.cpp's"
                      : m->weights.open_clip ? "open_clip's"
                                             : "Hugging Face's",
                      arithmetic(m));
    sns_strbuf_printf(&b, "%-13s%s\n", "fingerprint", m->fingerprint);
    if (b.failed) sns_strbuf_free(&b);
    return b.data;
}

static json_t *tower_json(const sns_tower_config *c, const char *kind, size_t parameters) {
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:s, s:I}", "kind", kind, "width",
                     (json_int_t)c->width, "layers", (json_int_t)c->layers, "heads",
                     (json_int_t)c->heads, "mlp", (json_int_t)c->mlp, "activation",
                     sns_act_name(c->act), "parameters", (json_int_t)parameters);
}

/* Pictures give way to sound. */
static void describe_sound(const sns_model *m, json_t *root) {
    const sns_clip_config *c = &m->config;
    const sns_log_mel_config *mel = sns_log_mel_config_of(m->mel);
    json_t *image = json_object_get(root, "image");
    json_object_set(root, "audio", image);
    json_object_del(root, "image");
    json_object_del(root, "image_px");
    json_object_set_new(root, "sound",
                        json_pack("{s:I, s:I, s:I, s:I, s:s}", "rate_hz", (json_int_t)mel->rate_hz,
                                  "frames", (json_int_t)c->frames, "mels", (json_int_t)c->mels,
                                  "hop", (json_int_t)mel->hop, "kind",
                                  mel->kind == SNS_LOG_MEL_WHISPER ? "whisper" : "kaldi"));
}

static const char *vision_name(const sns_clip_config *c) {
    return c->vision_kind == SNS_VISION_RESNET      ? "resnet"
           : c->vision_kind == SNS_VISION_SOUND_CNN ? "cnn"
                                                    : "vit";
}

static char *as_json(const sns_model *m, size_t vision, size_t text) {
    const sns_clip_config *c = &m->config;
    json_t *root = json_pack(
        "{s:s, s:I, s:I, s:f, s:I, s:I, s:I, s:I, s:b, s:I, s:s, s:I, s:s, s:s, s:o, s:o}",
        "folder", m->dir, "parameters", (json_int_t)m->layout.total, "dim", (json_int_t)c->embed,
        "scale", (double)m->scale, "image_px", (json_int_t)c->image_px, "patch_px",
        (json_int_t)c->patch_px, "vocabulary", (json_int_t)c->vocab, "context",
        (json_int_t)c->context, "tokenizer", m->tokenizer != NULL, "tensors",
        (json_int_t)m->layout.count, "dtype", stored_type(m), "bytes",
        (json_int_t)sns_clip_weights_bytes(&m->weights), "names", family(m), "fingerprint",
        m->fingerprint, "image", tower_json(&c->vision, vision_name(c), vision), "text",
        tower_json(&c->text, c->text_kind == SNS_TEXT_CBOW ? "cbow" : "transformer", text));
    if (root) json_object_set_new(root, "products", json_string(arithmetic(m)));
    if (root && c->has_bias) json_object_set_new(root, "bias", json_real((double)m->bias));
    if (root && c->absolute) json_object_set_new(root, "absolute", json_true());
    if (root && m->mel) describe_sound(m, root);
    char *text_out = root ? json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(root);
    return text_out;
}

sns_status sns_model_describe(const sns_model *m, int json, char **text, sns_error *err) {
    size_t vision = count_parameters(&m->layout, "vision_model.") +
                    count_parameters(&m->layout, "visual_projection.") +
                    count_parameters(&m->layout, "audio_");
    size_t words = count_parameters(&m->layout, "text_");
    *text = json ? as_json(m, vision, words) : as_text(m, vision, words);
    return *text ? SNS_OK : sns_fail(err, SNS_NOMEM, "%s: no memory to describe it", m->dir);
}
