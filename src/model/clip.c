/* clip.c - the one walk over CLIP's parameters, and what follows from it: the table of tensors, a
 * model bound to memory, initial values.
 *
 * Names and order within a block are those of Hugging Face's CLIPModel. */
#include "base/error.h"
#include "base/rng.h"
#include "model/clip_walk.h"
#include <math.h>

/* No published model comes near; they bound what a config can make us allocate. */
enum {
    MAX_WIDTH = 16384,
    MAX_LAYERS = 256,
    MAX_HEADS = 1024,
    MAX_MLP = 1 << 17,
    MAX_IMAGE_PX = 4096,
    MAX_FRAMES = 1 << 14,
    MAX_MELS = 512,
    MAX_PATCHES = 1 << 16,
    MAX_VOCAB = 1 << 22,
    MAX_CONTEXT = 1 << 16,
    INIT_STREAM = 0x696e6974 /* "init" */
};

static sns_status check_tower(const sns_tower_config *c, const char *tower, sns_error *err) {
    if (!c->width || c->width > MAX_WIDTH || !c->layers || c->layers > MAX_LAYERS || !c->heads ||
        c->heads > MAX_HEADS || !c->mlp || c->mlp > MAX_MLP)
        return sns_fail(err, SNS_LIMIT,
                        "%s tower: width %zu, %zu layers, %zu heads, MLP %zu are out of range",
                        tower, c->width, c->layers, c->heads, c->mlp);
    if (c->width % c->heads)
        return sns_fail(err, SNS_SHAPE, "%s tower: width %zu does not divide by %zu heads", tower,
                        c->width, c->heads);
    if (!(c->eps > 0 && c->eps < 1))
        return sns_fail(err, SNS_LIMIT, "%s tower: layer norm's eps %g is out of range", tower,
                        (double)c->eps);
    return SNS_OK;
}

bool sns_clip_hears(const sns_clip_config *c) {
    return c->frames > 0;
}

sns_input sns_clip_input(const sns_clip_config *c) {
    return sns_clip_hears(c) ? (sns_input){1, c->frames, c->mels}
                             : (sns_input){3, c->image_px, c->image_px};
}

size_t sns_clip_input_floats(const sns_clip_config *c) {
    sns_input in = sns_clip_input(c);
    return in.channels * in.rows * in.cols;
}

size_t sns_clip_patches(const sns_clip_config *c) {
    sns_input in = sns_clip_input(c);
    return (in.rows / c->patch_px) * (in.cols / c->patch_px);
}

const char *sns_clip_tower_name(const sns_clip_config *c) {
    return sns_clip_hears(c) ? "audio_model" : "vision_model";
}

/* What goes into the image tower, and that it has patches. */
static sns_status check_input(const sns_clip_config *c, sns_error *err) {
    bool hears = sns_clip_hears(c), cnn = c->vision_kind == SNS_VISION_SOUND_CNN;
    sns_input in = sns_clip_input(c);
    if (hears ? in.rows > MAX_FRAMES || !in.cols || in.cols > MAX_MELS
              : !in.rows || in.rows > MAX_IMAGE_PX)
        return sns_fail(err, SNS_LIMIT, "%s of %zu x %zu %s are out of range",
                        hears ? "spectrograms" : "pictures", in.rows, in.cols,
                        hears ? "frames and bands" : "px");
    if (hears ? !cnn && c->vision_kind != SNS_VISION_VIT : cnn)
        return sns_fail(err, SNS_SHAPE, "this tower does not take %s",
                        hears ? "spectrograms" : "pictures");
    if (cnn) return SNS_OK;
    size_t P = c->patch_px;
    if (!P || P > in.rows || P > in.cols)
        return sns_fail(err, SNS_LIMIT, "patches of %zu px are out of range", P);
    if (in.rows % P || in.cols % P)
        return sns_fail(err, SNS_SHAPE, "%zu x %zu px do not divide into patches of %zu px",
                        in.rows, in.cols, P);
    if (sns_clip_patches(c) > MAX_PATCHES)
        return sns_fail(err, SNS_LIMIT, "%zu patches, at most %d", sns_clip_patches(c),
                        MAX_PATCHES);
    return SNS_OK;
}

static sns_status check_image_tower(const sns_clip_config *c, sns_error *err) {
    if (c->vision_kind == SNS_VISION_RESNET) return sns_resnet_check(c, err);
    if (c->vision_kind == SNS_VISION_SOUND_CNN) return sns_sound_cnn_check(c, err);
    return check_tower(&c->vision, sns_clip_hears(c) ? "audio" : "image", err);
}

sns_status sns_clip_config_check(const sns_clip_config *c, sns_error *err) {
    sns_status s = check_image_tower(c, err);
    if (!s && c->text_kind != SNS_TEXT_CBOW) s = check_tower(&c->text, "text", err);
    if (!s && (!c->text.width || c->text.width > MAX_WIDTH))
        s = sns_fail(err, SNS_LIMIT, "text tower: width %zu is out of range", c->text.width);
    if (!s) s = check_input(c, err);
    if (s) return s;
    if (!c->vocab || c->vocab > MAX_VOCAB || c->context < 2 || c->context > MAX_CONTEXT ||
        !c->embed || c->embed > MAX_WIDTH)
        return sns_fail(err, SNS_LIMIT,
                        "vocabulary %zu, context %zu, embedding width %zu are out of range",
                        c->vocab, c->context, c->embed);
    bool siglip = c->vision_kind == SNS_VISION_SIGLIP;
    if (siglip != (c->text_kind == SNS_TEXT_SIGLIP) || (siglip && c->vision.width != c->embed) ||
        (siglip && c->pad_id >= c->vocab))
        return sns_fail(err, SNS_SHAPE,
                        "SigLIP's towers, widths (%zu, %zu) or padding (%u) do not fit each other",
                        c->vision.width, c->embed, c->pad_id);
    if (c->start_id >= c->vocab || c->end_id >= c->vocab)
        return sns_fail(err, SNS_LIMIT, "start token %u or end token %u is outside of %zu",
                        c->start_id, c->end_id, c->vocab);
    return SNS_OK;
}

static bool walk_image_tower(sns_walker *v, const sns_clip_config *c, sns_clip *m) {
    if (c->vision_kind == SNS_VISION_RESNET) return sns_walk_resnet(v, c, &m->resnet);
    if (c->vision_kind == SNS_VISION_SIGLIP) return sns_walk_siglip_image(v, c, m);
    if (c->vision_kind == SNS_VISION_SOUND_CNN) return sns_walk_sound_cnn(v, c, m);
    size_t C = c->vision.width, P = c->patch_px, D = sns_clip_input(c).channels;
    float scale = powf((float)C, -0.5f);
    const char *tower = sns_clip_tower_name(c);
    snprintf(v->prefix, sizeof v->prefix, "%s", tower);
    if (!sns_walk_tensor(v, &m->class_token, -1, SNS_INIT_NORMAL, scale, 1, (size_t[]){C},
                         "%s.embeddings.class_embedding", tower) ||
        !sns_walk_tensor(v, &m->patch_weight, -1, SNS_INIT_NORMAL, 0.02f, 4, (size_t[]){C, D, P, P},
                         "%s.embeddings.patch_embedding.weight", tower) ||
        !sns_walk_matrix(v, &m->image_positions, -1, 0.02f, 1 + sns_clip_patches(c), C,
                         "embeddings.position_embedding.weight") ||
        !sns_walk_vector(v, &m->pre_gain, -1, SNS_INIT_ONE, C, "pre_layrnorm.weight") ||
        !sns_walk_vector(v, &m->pre_bias, -1, SNS_INIT_ZERO, C, "pre_layrnorm.bias") ||
        !sns_walk_blocks(v, &c->vision, m->image_blocks, tower))
        return false;
    return sns_walk_vector(v, &m->post_gain, -1, SNS_INIT_ONE, C, "post_layernorm.weight") &&
           sns_walk_vector(v, &m->post_bias, -1, SNS_INIT_ZERO, C, "post_layernorm.bias") &&
           sns_walk_tensor(v, &m->image_projection, -1, SNS_INIT_NORMAL, scale, 2,
                           (size_t[]){c->embed, C}, "%s_projection.weight",
                           sns_clip_hears(c) ? "audio" : "visual");
}

static bool walk_text_tower(sns_walker *v, const sns_clip_config *c, sns_clip *m) {
    if (c->text_kind == SNS_TEXT_CBOW) return sns_walk_cbow(v, c, m);
    if (c->text_kind == SNS_TEXT_SIGLIP) return sns_walk_siglip_text(v, c, m);
    size_t C = c->text.width;
    float scale = powf((float)C, -0.5f);
    snprintf(v->prefix, sizeof v->prefix, "text_model");
    if (!sns_walk_matrix(v, &m->token_table, -1, 0.02f, c->vocab, C,
                         "embeddings.token_embedding.weight") ||
        !sns_walk_matrix(v, &m->text_positions, -1, 0.01f, c->context, C,
                         "embeddings.position_embedding.weight") ||
        !sns_walk_blocks(v, &c->text, m->text_blocks, "text_model"))
        return false;
    return sns_walk_vector(v, &m->final_gain, -1, SNS_INIT_ONE, C, "final_layer_norm.weight") &&
           sns_walk_vector(v, &m->final_bias, -1, SNS_INIT_ZERO, C, "final_layer_norm.bias") &&
           sns_walk_tensor(v, &m->text_projection, -1, SNS_INIT_NORMAL, scale, 2,
                           (size_t[]){c->embed, C}, "text_projection.weight");
}

static bool walk(sns_walker *v, const sns_clip_config *c, sns_clip *m) {
    const size_t one = 1;
    int dims = c->vision_kind == SNS_VISION_SIGLIP ? 1 : 0; /* as each family stores a number */
    return walk_image_tower(v, c, m) && walk_text_tower(v, c, m) &&
           sns_walk_tensor(v, &m->logit_scale, -1, SNS_INIT_LOGIT_SCALE, 0, dims, &one,
                           "logit_scale") &&
           (!c->has_bias || sns_walk_tensor(v, &m->logit_bias, -1, SNS_INIT_LOGIT_BIAS, 0, dims,
                                            &one, "logit_bias"));
}

/* sns_clip_new: every parameter gets its shape; q, k and v are stacked. */
static bool visit_shape(sns_walker *v, sns_param *param, int third, const sns_param_desc *desc) {
    (void)v;
    size_t dim[SNS_MAX_DIMS];
    memcpy(dim, desc->dim, sizeof dim);
    if (third >= 0) dim[0] *= 3;
    return sns_tensor_set_shape(&param->value, desc->dims, dim);
}

sns_status sns_clip_new(const sns_clip_config *c, sns_clip **out, sns_error *err) {
    *out = NULL;
    sns_status s = sns_clip_config_check(c, err);
    if (s) return s;
    sns_clip *m = calloc(1, sizeof *m);
    if (!m) return sns_fail(err, SNS_NOMEM, "no memory for a model");
    m->config = *c;
    m->image_blocks = calloc(c->vision.layers ? c->vision.layers : 1, sizeof *m->image_blocks);
    m->text_blocks = calloc(c->text.layers ? c->text.layers : 1, sizeof *m->text_blocks);
    if (c->vision_kind == SNS_VISION_RESNET && sns_resnet_new(c, &m->resnet, err)) s = SNS_NOMEM;
    if (c->vision_kind == SNS_VISION_SOUND_CNN && sns_sound_cnn_new(c, &m->sound_cnn, err))
        s = SNS_NOMEM;
    if (!m->image_blocks || !m->text_blocks || s) {
        sns_clip_free(m);
        return sns_fail(err, SNS_NOMEM, "no memory for a model");
    }
    sns_walker v = {.visit = visit_shape};
    if (!walk(&v, c, m)) {
        s = sns_fail(err, SNS_LIMIT, "%s is too large", v.desc.name);
        sns_clip_free(m);
        return s;
    }
    *out = m;
    return SNS_OK;
}

void sns_clip_free(sns_clip *m) {
    if (!m) return;
    free(m->image_blocks);
    free(m->text_blocks);
    free(m->resnet.blocks);
    free(m->sound_cnn.blocks);
    free(m);
}

typedef struct layout_visitor {
    sns_walker v;
    const sns_clip *clip;
    sns_layout *layout;
    size_t capacity;
} layout_visitor;

/* Patches are 1 x 1 convolutions of more channels; positions and the probe are added. */
static sns_use use_of(const sns_clip *m, const sns_param *p, const sns_param_desc *d) {
    if (p == &m->token_table) return SNS_USE_TABLE;
    bool added = p == &m->image_positions || p == &m->text_positions || p == &m->resnet.positions ||
                 p == &m->siglip.probe;
    bool spatial = d->dims == 4 && d->dim[2] > 1 && p != &m->patch_weight;
    return d->dims < 2 || added || spatial ? SNS_USE_VALUES : SNS_USE_PRODUCT;
}

static bool visit_layout(sns_walker *v, sns_param *param, int third, const sns_param_desc *desc) {
    layout_visitor *self = (layout_visitor *)v;
    sns_layout *l = self->layout;
    (void)third;
    if (l->count == self->capacity) {
        size_t capacity = self->capacity ? 2 * self->capacity : 64;
        sns_param_desc *grown = realloc(l->desc, capacity * sizeof *grown);
        if (!grown) return false;
        l->desc = grown;
        self->capacity = capacity;
    }
    l->desc[l->count] = *desc;
    l->desc[l->count].use = use_of(self->clip, param, desc);
    l->desc[l->count++].offset = l->total;
    l->total += desc->count;
    return true;
}

sns_status sns_clip_layout(const sns_clip_config *c, sns_layout *out, sns_error *err) {
    *out = (sns_layout){0};
    sns_clip *m;
    sns_status s = sns_clip_new(c, &m, err);
    if (s) return s;
    layout_visitor self = {.v.visit = visit_layout, .clip = m, .layout = out};
    if (!walk(&self.v, c, m)) {
        sns_layout_free(out);
        s = sns_fail(err, SNS_NOMEM, "no memory for the table of tensors");
    }
    sns_clip_free(m);
    return s;
}

void sns_layout_free(sns_layout *l) {
    if (!l) return;
    free(l->desc);
    *l = (sns_layout){0};
}

const sns_param_desc *sns_layout_find(const sns_layout *l, const char *name) {
    for (size_t i = 0; i < l->count; i++)
        if (!strcmp(l->desc[i].name, name)) return &l->desc[i];
    return NULL;
}

typedef struct bind_visitor {
    sns_walker v;
    const sns_layout *layout;
    size_t next;
    float *data, *grad;
} bind_visitor;

static bool visit_bind(sns_walker *v, sns_param *param, int third, const sns_param_desc *desc) {
    bind_visitor *self = (bind_visitor *)v;
    if (self->next == self->layout->count) return false;
    const sns_param_desc *at = &self->layout->desc[self->next++];
    if (at->count != desc->count || strcmp(at->name, desc->name) != 0) return false;
    if (third > 0) return true; /* follows the first third without a gap */
    param->value.data = self->data + at->offset;
    param->value.grad = self->grad ? self->grad + at->offset : NULL;
    return true;
}

sns_status sns_clip_bind(sns_clip *m, const sns_layout *l, float *data, float *grad,
                         sns_error *err) {
    bind_visitor self = {.v.visit = visit_bind, .layout = l, .data = data, .grad = grad};
    if (!walk(&self.v, &m->config, m) || self.next != l->count)
        return sns_fail(err, SNS_SHAPE, "%s: the layout is another model's", self.v.desc.name);
    return SNS_OK;
}

typedef struct user_visitor {
    sns_walker v;
    sns_clip_visit_fn visit;
    void *user;
} user_visitor;

static bool visit_user(sns_walker *v, sns_param *param, int third, const sns_param_desc *desc) {
    user_visitor *self = (user_visitor *)v;
    return self->visit(self->user, param, third, desc);
}

bool sns_clip_visit(sns_clip *m, sns_clip_visit_fn visit, void *user) {
    user_visitor self = {.v.visit = visit_user, .visit = visit, .user = user};
    return walk(&self.v, &m->config, m);
}

void sns_clip_init(const sns_layout *l, const sns_clip_config *c, float *data, uint64_t seed) {
    for (size_t i = 0; i < l->count; i++) {
        const sns_param_desc *d = &l->desc[i];
        float *x = data + d->offset;
        sns_rng rng;
        sns_rng_seed_at(&rng, seed, INIT_STREAM, i);
        for (size_t j = 0; j < d->count; j++) {
            switch (d->init) {
            case SNS_INIT_ZERO:
                x[j] = 0;
                break;
            case SNS_INIT_ONE:
                x[j] = 1;
                break;
            case SNS_INIT_NORMAL:
                x[j] = d->std * (float)sns_rng_normal(&rng);
                break;
            case SNS_INIT_LOGIT_SCALE:
                x[j] = c->logit_scale_init;
                break;
            case SNS_INIT_LOGIT_BIAS:
                x[j] = c->logit_bias_init;
                break;
            }
        }
    }
}
