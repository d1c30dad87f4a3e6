/* clip_load.c - finding each tensor of the layout in the files, under any family of names.
 *
 * open_clip stacks q, k and v ("attn.in_proj_weight" [3C, C]) and stores both projections
 * transposed ([C, E], used as x W); everything else differs in name only. */
#include "base/error.h"
#include "base/strbuf.h"
#include "model/clip_io.h"
#include "tensor/blocks.h"
#include <math.h>
#include <unistd.h>

typedef struct rename_rule {
    const char *from, *to;
} rename_rule;

static const rename_rule tops[] = {
    {"vision_model.embeddings.class_embedding", "visual.class_embedding"},
    {"vision_model.embeddings.patch_embedding.weight", "visual.conv1.weight"},
    {"vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"},
    {"vision_model.pre_layrnorm.", "visual.ln_pre."},
    {"vision_model.post_layernorm.", "visual.ln_post."},
    {"vision_model.encoder.layers.", "visual.transformer.resblocks."},
    {"visual_projection.weight", "visual.proj"},
    {"text_model.embeddings.token_embedding.weight", "token_embedding.weight"},
    {"text_model.embeddings.position_embedding.weight", "positional_embedding"},
    {"text_model.final_layer_norm.", "ln_final."},
    {"text_model.encoder.layers.", "transformer.resblocks."},
    {"text_projection.weight", "text_projection"},
    {"vision_model.", "visual."}, /* ResNet: all else is named alike */
    {"logit_scale", "logit_scale"},
    {"logit_bias", "logit_bias"},
};

static const rename_rule parts[] = {
    {"layer_norm1.", "ln_1."},
    {"layer_norm2.", "ln_2."},
    {"mlp.fc1.", "mlp.c_fc."},
    {"mlp.fc2.", "mlp.c_proj."},
    {"self_attn.out_proj.", "attn.out_proj."},
    {"self_attn.q_proj.", "attn.in_proj_"},
    {"self_attn.k_proj.", "attn.in_proj_"},
    {"self_attn.v_proj.", "attn.in_proj_"},
};

static const rename_rule *find_rule(const rename_rule *rules, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (!strncmp(name, rules[i].from, strlen(rules[i].from))) return &rules[i];
    return NULL;
}

/* open_clip's name of a tensor; *third <- 0, 1, 2 for q, k, v, else -1. */
static void open_clip_name(const char *hf, char *out, size_t size, int *third) {
    const rename_rule *top = find_rule(tops, sizeof tops / sizeof tops[0], hf);
    *third = -1;
    out[0] = 0;
    if (!top) return;
    const char *rest = hf + strlen(top->from), *dot = strchr(rest, '.');
    bool block = sns_ends_with(top->from, ".layers.") && dot;
    const rename_rule *part = block ? find_rule(parts, sizeof parts / sizeof parts[0], dot + 1)
                                    : NULL;
    if (!part) {
        snprintf(out, size, "%s%s", top->to, rest);
        return;
    }
    snprintf(out, size, "%s%.*s%s%s", top->to, (int)(dot + 1 - rest), rest, part->to,
             dot + 1 + strlen(part->from));
    static const char order[] = "qkv";
    if (sns_ends_with(part->to, "in_proj_"))
        *third = (int)(strchr(order, part->from[strlen("self_attn.")]) - order);
}

static bool same_shape(const sns_stored *t, int dims, const size_t *dim) {
    if (t->dims != dims)
        return t->count == 1 && dims <= 1 && t->dims <= 1 && (!dims || dim[0] == 1);
    for (int i = 0; i < dims; i++)
        if (t->dim[i] != dim[i]) return false;
    return true;
}

static const sns_stored *find_stored(const sns_clip_weights *w, const char *name) {
    return w->gguf ? sns_gguf_find(w->gguf, name) : sns_safetensors_find(w->file, name);
}

size_t sns_clip_weights_stored_count(const sns_clip_weights *w) {
    return w->gguf ? sns_gguf_count(w->gguf) : sns_safetensors_count(w->file);
}

const sns_stored *sns_clip_weights_stored(const sns_clip_weights *w, size_t i) {
    return w->gguf ? sns_gguf_at(w->gguf, i) : sns_safetensors_at(w->file, i);
}

size_t sns_clip_weights_bytes(const sns_clip_weights *w) {
    return w->gguf ? sns_gguf_bytes(w->gguf) : sns_safetensors_bytes(w->file);
}

static sns_status check_tensor(const sns_stored *t, int dims, const size_t *dim, sns_error *err) {
    char is[160], wanted[160];
    if (!same_shape(t, dims, dim))
        return sns_fail(err, SNS_SHAPE, "%s: tensor %s is %s, the configuration says %s", t->file,
                        t->name, sns_shape_text(t->dims, t->dim, is, sizeof is),
                        sns_shape_text(dims, dim, wanted, sizeof wanted));
    bool real = t->dtype == SNS_DTYPE_F32 || t->dtype == SNS_DTYPE_F16 ||
                t->dtype == SNS_DTYPE_BF16 || sns_dtype_is_block(t->dtype);
    if (!real && !(t->dtype == SNS_DTYPE_I8 && dims >= 2))
        return sns_fail(err, SNS_UNSUPPORTED,
                        "%s: tensor %s is %s; F32, F16, BF16 and, of matrices, I8 are read",
                        t->file, t->name, sns_dtype_name(t->dtype));
    return SNS_OK;
}

/* The scales of an I8 tensor with `rows` outputs. */
static sns_status find_scale(const sns_clip_weights *w, sns_weight *at, size_t rows,
                             sns_error *err) {
    char name[SNS_STORED_MAX_NAME], is[160];
    const sns_stored *t = at->tensor;
    snprintf(name, sizeof name, "%s_scale", t->name);
    const sns_stored *s = find_stored(w, name);
    if (!s)
        return sns_fail(err, SNS_MISSING, "%s: tensor %s is I8, but there is no %s", t->file,
                        t->name, name);
    if (s->dtype != SNS_DTYPE_F32 || s->dims != 1 || s->dim[0] != rows)
        return sns_fail(err, SNS_SHAPE, "%s: tensor %s is %s %s, not F32 [%zu]", s->file, name,
                        sns_dtype_name(s->dtype), sns_shape_text(s->dims, s->dim, is, sizeof is),
                        rows);
    for (size_t i = 0; i < rows; i++) {
        float value;
        memcpy(&value, s->data + i * sizeof value, sizeof value);
        if (!(value > 0 && isfinite(value)))
            return sns_fail(err, SNS_FORMAT, "%s: tensor %s: element %zu is no scale", s->file,
                            name, i);
    }
    at->scale = s;
    return SNS_OK;
}

sns_open_clip_form sns_open_clip_form_of(const sns_param_desc *d) {
    sns_open_clip_form f = {.third = -1};
    memcpy(f.dim, d->dim, sizeof f.dim);
    open_clip_name(d->name, f.name, sizeof f.name, &f.third);
    if (f.third >= 0) f.dim[0] *= 3;
    f.transposed = sns_ends_with(d->name, "_projection.weight");
    if (f.transposed) {
        f.dim[0] = d->dim[1];
        f.dim[1] = d->dim[0];
    }
    return f;
}

static sns_status find_weight(const sns_clip_weights *w, const char *folder,
                              const sns_param_desc *d, sns_weight *at, sns_error *err) {
    sns_open_clip_form f = {.third = -1};
    if (w->open_clip) {
        f = sns_open_clip_form_of(d);
    } else {
        if (w->gguf)
            sns_clip_gguf_name(d->name, f.name, sizeof f.name);
        else
            snprintf(f.name, sizeof f.name, "%s", d->name);
        memcpy(f.dim, d->dim, sizeof f.dim);
    }
    at->transposed = f.transposed;
    at->tensor = find_stored(w, f.name);
    if (!at->tensor && w->gguf && !strcmp(f.name, "logit_scale"))
        at->tensor = sns_clip_gguf_temperature();
    if (!at->tensor) return sns_fail(err, SNS_MISSING, "%s: no tensor %s", folder, f.name);
    if (f.third > 0) at->first = (size_t)f.third * d->count;
    sns_status s = check_tensor(at->tensor, d->dims, f.dim, err);
    if (s || at->tensor->dtype != SNS_DTYPE_I8) return s;
    return find_scale(w, at, f.transposed ? f.dim[1] : f.dim[0], err);
}

/* Tensors that exports hold and nobody reads: the numbers 0, 1, 2, ..., the causal mask, how many
 * batches batch norm has seen. */
static bool is_constant(const char *name) {
    return sns_ends_with(name, ".position_ids") || sns_ends_with(name, "attn_mask") ||
           sns_ends_with(name, ".num_batches_tracked");
}

static int compare_pointers(const void *a, const void *b) {
    const sns_stored *x = *(const sns_stored *const *)a, *y = *(const sns_stored *const *)b;
    return (x > y) - (x < y);
}

/* A tensor of the towers that nothing uses means that the configuration is another model's. */
static sns_status check_unused(const sns_clip_weights *w, size_t n, sns_error *err) {
    static const char *const ours[] = {"vision_model.", "text_model.", "visual.", "transformer.",
                                       "audio_model.",  "v.blk.",      "t.blk."};
    enum { OURS = sizeof ours / sizeof *ours };
    const sns_stored **used = malloc((n ? 2 * n : 1) * sizeof(*used));
    if (!used) return sns_fail(err, SNS_NOMEM, "no memory to check the tensors' names");
    for (size_t i = 0; i < n; i++) {
        used[2 * i] = w->at[i].tensor;
        used[2 * i + 1] = w->at[i].scale;
    }
    qsort(used, 2 * n, sizeof(*used), compare_pointers);
    sns_status s = SNS_OK;
    for (size_t i = 0; i < sns_clip_weights_stored_count(w) && !s; i++) {
        const sns_stored *t = sns_clip_weights_stored(w, i);
        bool tower = false;
        for (size_t j = 0; j < OURS; j++)
            tower = tower || !strncmp(t->name, ours[j], strlen(ours[j]));
        if (tower && !is_constant(t->name) &&
            !bsearch(&t, used, 2 * n, sizeof(*used), compare_pointers))
            s = sns_fail(err, SNS_SHAPE, "%s: tensor %s has no place in the configured model",
                         t->file, t->name);
    }
    free(used);
    return s;
}

static sns_status find_all(sns_clip_weights *out, const char *name, const sns_layout *l,
                           sns_error *err) {
    out->at = calloc(l->count ? l->count : 1, sizeof *out->at);
    sns_status s = SNS_OK;
    if (!out->at) s = sns_fail(err, SNS_NOMEM, "%s: no memory for its tensors", name);
    for (size_t i = 0; i < l->count && !s; i++)
        s = find_weight(out, name, &l->desc[i], &out->at[i], err);
    if (!s) s = check_unused(out, l->count, err);
    if (s) sns_clip_weights_close(out);
    return s;
}

sns_status sns_clip_weights_find(sns_safetensors *file, const char *name, const sns_layout *l,
                                 sns_clip_weights *out, sns_error *err) {
    *out = (sns_clip_weights){.file = file};
    out->open_clip = sns_safetensors_find(file, "visual.conv1.weight") != NULL;
    return find_all(out, name, l, err);
}

sns_status sns_clip_weights_find_gguf(sns_gguf *gguf, const char *name, const sns_layout *l,
                                      sns_clip_weights *out, sns_error *err) {
    *out = (sns_clip_weights){.gguf = gguf};
    return find_all(out, name, l, err);
}

static sns_status open_files(const char *dir, sns_safetensors **out, sns_error *err) {
    static const char *const names[] = {"model.safetensors", "model.safetensors.index.json",
                                        "open_clip_model.safetensors"};
    for (size_t i = 0; i < 3; i++) {
        char *path = sns_path_join(dir, names[i]);
        if (!path) return sns_fail(err, SNS_NOMEM, "%s: no memory for its files' names", dir);
        if (access(path, F_OK)) {
            free(path);
            continue;
        }
        sns_status s = i == 1 ? sns_safetensors_open_index(path, out, err)
                              : sns_safetensors_open(path, out, err);
        free(path);
        return s;
    }
    return sns_fail(err, SNS_MISSING, "%s: no model.safetensors", dir);
}

sns_status sns_clip_weights_open(const char *dir, const sns_layout *l, sns_clip_weights *out,
                                 sns_error *err) {
    sns_safetensors *file;
    sns_gguf *gguf;
    *out = (sns_clip_weights){0};
    if (sns_gguf_is_file(dir)) {
        sns_status s = sns_gguf_open(dir, &gguf, err);
        return s ? s : sns_clip_weights_find_gguf(gguf, dir, l, out, err);
    }
    sns_status s = open_files(dir, &file, err);
    return s ? s : sns_clip_weights_find(file, dir, l, out, err);
}

void sns_clip_weights_close(sns_clip_weights *w) {
    sns_safetensors_close(w->file);
    sns_gguf_close(w->gguf);
    free(w->at);
    *w = (sns_clip_weights){0};
}

/* out [rows, cols] from in [cols, rows], in blocks that fit the cache */
static void transpose(float *out, const float *in, size_t rows, size_t cols) {
    enum { BLOCK = 32 };
    for (size_t r0 = 0; r0 < rows; r0 += BLOCK)
        for (size_t c0 = 0; c0 < cols; c0 += BLOCK)
            for (size_t r = r0; r < rows && r < r0 + BLOCK; r++)
                for (size_t c = c0; c < cols && c < c0 + BLOCK; c++)
                    out[r * cols + c] = in[c * rows + r];
}

/* The same of bytes or of 16 bits, as `bytes` says. */
static void transpose_narrow(void *out, const unsigned char *in, size_t rows, size_t cols,
                             size_t bytes) {
    unsigned char *to = out;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++, to += bytes)
            memcpy(to, in + (c * rows + r) * bytes, bytes);
}

void sns_clip_weights_narrow(const sns_clip_weights *w, const sns_layout *l, size_t i, void *out,
                             float *scale) {
    const sns_weight *at = &w->at[i];
    const sns_param_desc *d = &l->desc[i];
    size_t bytes = sns_dtype_bytes(at->tensor->dtype), rows = d->dim[0], cols = d->count / rows;
    if (out && at->transposed)
        transpose_narrow(out, at->tensor->data, rows, cols, bytes);
    else if (out)
        memcpy(out, at->tensor->data + at->first * bytes, d->count * bytes);
    if (at->scale)
        memcpy(scale, at->scale->data + at->first / cols * sizeof *scale, rows * sizeof *scale);
}

/* Entry i of I8 in real numbers. */
static sns_status widen(const sns_clip_weights *w, const sns_layout *l, size_t i, float *out,
                        sns_error *err) {
    const sns_param_desc *d = &l->desc[i];
    size_t rows = d->dim[0], cols = d->count / rows;
    int8_t *q = malloc(d->count);
    float *scale = malloc(rows * sizeof *scale);
    sns_status s = SNS_OK;
    if (!q || !scale) {
        s = sns_fail(err, SNS_NOMEM, "%s: no memory to widen it", d->name);
    } else {
        sns_clip_weights_narrow(w, l, i, q, scale);
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < cols; c++) out[r * cols + c] = scale[r] * q[r * cols + c];
    }
    free(q);
    free(scale);
    return s;
}

sns_status sns_clip_weights_get(const sns_clip_weights *w, const sns_layout *l, size_t i,
                                float *out, sns_error *err) {
    const sns_weight *at = &w->at[i];
    const sns_param_desc *d = &l->desc[i];
    const sns_kernels *k = sns_kernels_get();
    if (at->scale) return widen(w, l, i, out, err);
    if (!at->transposed) return sns_stored_to_f32(at->tensor, k, at->first, d->count, out, err);
    float *tmp = malloc(d->count * sizeof *tmp);
    if (!tmp) return sns_fail(err, SNS_NOMEM, "%s: no memory to transpose it", d->name);
    sns_status s = sns_stored_to_f32(at->tensor, k, 0, d->count, tmp, err);
    if (!s) transpose(out, tmp, d->dim[0], d->dim[1]);
    free(tmp);
    return s;
}

const float *sns_clip_weights_mapped(const sns_clip_weights *w, size_t i) {
    const float *data = sns_stored_f32(w->at[i].tensor);
    return data && !w->at[i].transposed ? data + w->at[i].first : NULL;
}

const void *sns_clip_weights_in_place(const sns_clip_weights *w, size_t i) {
    const sns_stored *t = w->at[i].tensor;
    size_t bytes = sns_dtype_bytes(t->dtype);
    if (w->at[i].transposed || !bytes || (uintptr_t)t->data % bytes) return NULL;
    return t->data + w->at[i].first * bytes;
}

/* An exponent of all ones is NaN or infinity; no branch in the loop, so that it vectorises. */
sns_status sns_clip_weights_check(const sns_clip_weights *w, size_t i, size_t first,
                                  const float *data, size_t n, sns_error *err) {
    enum { STEP = 4096 };
    for (size_t begin = 0; begin < n; begin += STEP) {
        size_t end = n - begin < STEP ? n : begin + STEP;
        uint32_t bad = 0;
        for (size_t j = begin; j < end; j++) {
            uint32_t bits;
            memcpy(&bits, data + j, sizeof bits);
            bad |= (bits & 0x7f800000u) == 0x7f800000u;
        }
        if (!bad) continue;
        while (isfinite(data[begin])) begin++;
        const sns_stored *t = w->at[i].tensor;
        return sns_fail(err, SNS_FORMAT, "%s: tensor %s: element %zu is not a number", t->file,
                        t->name, w->at[i].first + first + begin);
    }
    return SNS_OK;
}

sns_status sns_clip_weights_check_stored(const sns_clip_weights *w, size_t i, size_t n,
                                         sns_error *err) {
    float buffer[1024];
    const sns_weight *at = &w->at[i];
    sns_status s = SNS_OK;
    if (at->scale) return SNS_OK; /* whole numbers; its scales were checked when it was found */
    for (size_t done = 0; done < n && !s; done += 1024) {
        size_t part = n - done < 1024 ? n - done : 1024;
        s = sns_stored_to_f32(at->tensor, sns_kernels_get(), at->first + done, part, buffer, err);
        if (!s) s = sns_clip_weights_check(w, i, done, buffer, part, err);
    }
    return s;
}

bool sns_clip_weights_int8(const sns_clip_weights *w, const sns_layout *l) {
    for (size_t i = 0; i < l->count; i++)
        if (w->at[i].scale) return true;
    return false;
}

sns_status sns_clip_weights_refuse_int8(const sns_clip_weights *w, const sns_layout *l,
                                        const char *dir, sns_error *err) {
    if (!sns_clip_weights_int8(w, l)) return SNS_OK;
    return sns_fail(err, SNS_UNSUPPORTED,
                    "%s: its weights are rounded to int8, which nothing more can be made of; take "
                    "the model that it was quantised from",
                    dir);
}

sns_status sns_clip_read_flat(const char *dir, const sns_clip_config *c, const sns_layout *l,
                              float *data, sns_error *err) {
    (void)c;
    sns_clip_weights w;
    sns_status s = sns_clip_weights_open(dir, l, &w, err);
    if (s) return s;
    for (size_t i = 0; i < l->count && !s; i++) {
        float *to = data + l->desc[i].offset;
        s = sns_clip_weights_get(&w, l, i, to, err);
        if (!s) s = sns_clip_weights_check(&w, i, 0, to, l->desc[i].count, err);
    }
    sns_clip_weights_close(&w);
    return s;
}
