/* clip.h - CLIP: an image tower (ViT) and a text tower (causal Transformer) that end in one space.
 * A tower that hears takes the image tower's place: a spectrogram is a picture of one channel.
 *
 * Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision".
 * The table made by sns_clip_layout names every tensor as Hugging Face's CLIPModel does; loading,
 * saving, initialising, training and counting all walk that one table. */
#ifndef SNS_MODEL_CLIP_H
#define SNS_MODEL_CLIP_H
#include "model/resnet.h"
#include "model/sound_cnn.h"

typedef struct sns_tower_config {
    size_t width, layers, heads, mlp; /* C, blocks, H, hidden width of the MLP */
    sns_act act;
    float eps; /* of layer norm */
} sns_tower_config;

/* The towers that Radford et al. 2021 name (figure 3), and SigLIP's (siglip.c), which go together.
 */
typedef enum sns_vision_kind {
    SNS_VISION_VIT,
    SNS_VISION_RESNET,
    SNS_VISION_SIGLIP,
    SNS_VISION_SOUND_CNN /* of spectrograms (sound_cnn.c) */
} sns_vision_kind;
typedef enum sns_text_kind { SNS_TEXT_TRANSFORMER, SNS_TEXT_CBOW, SNS_TEXT_SIGLIP } sns_text_kind;

typedef struct sns_clip_config {
    sns_vision_kind vision_kind;
    sns_text_kind text_kind;
    /* ResNet: bottlenecks of each stage; vision.width is the stem's, vision.heads those of the
     * pooling, vision.layers their sum, patch_px 32. CBOW: of text only the width counts. The
     * CNN of sound: residual blocks of each stage, the first's channels. */
    size_t stages[SNS_RESNET_STAGES];
    sns_tower_config vision, text;
    size_t image_px, patch_px; /* S, P */
    /* A model that hears: its "image" tower, a ViT or the CNN, takes spectrograms of so many
     * frames and mel bands, [B, 1, frames, mels]; image_px is 0. Pictures: both 0. */
    size_t frames, mels;
    size_t vocab, context;     /* V, longest text in tokens */
    uint32_t start_id, end_id; /* of texts */
    uint32_t pad_id;           /* SigLIP: what follows a text up to the context */
    size_t embed;              /* E */
    float logit_scale_init;    /* t at the start of training: log(1 / 0.07) */
    bool has_bias;             /* pairs are judged by sigmoid(exp(t) cosine + b): SigLIP's loss */
    float logit_bias_init;     /* b at the start of training: -10 */
    bool absolute;             /* both towers end in |x|: order embeddings (Vendrov et al. 2016) */
} sns_clip_config;

/* SNS_LIMIT / SNS_SHAPE when a size is absurd or does not divide (S by P, C by H). */
sns_status sns_clip_config_check(const sns_clip_config *c, sns_error *err);

/* What the image tower takes: [B, channels, rows, cols]. */
typedef struct sns_input {
    size_t channels, rows, cols;
} sns_input;
sns_input sns_clip_input(const sns_clip_config *c);
/* Floats of one picture or spectrogram; patches of it. */
size_t sns_clip_input_floats(const sns_clip_config *c);
size_t sns_clip_patches(const sns_clip_config *c);
bool sns_clip_hears(const sns_clip_config *c);
/* "vision_model" or "audio_model": how the names of the image tower's tensors begin. */
const char *sns_clip_tower_name(const sns_clip_config *c);

typedef enum sns_init {
    SNS_INIT_ZERO,
    SNS_INIT_ONE,
    SNS_INIT_NORMAL,
    SNS_INIT_LOGIT_SCALE,
    SNS_INIT_LOGIT_BIAS
} sns_init;

/* What inference does with a tensor. */
typedef enum sns_use {
    SNS_USE_VALUES,  /* reads it as it is: norms, biases, positions, convolutions beyond 1 x 1 */
    SNS_USE_PRODUCT, /* multiplies rows by it: it is packed */
    SNS_USE_TABLE    /* reads some of its rows: the token table */
} sns_use;

/* One tensor of the model. `offset` places it in a flat block of `total` floats; the q, k and v
 * weights (and biases) of a block follow each other without a gap, so that they are also one [3C,
 * C] (and [3C]) tensor. */
typedef struct sns_param_desc {
    char name[112];
    int dims;
    size_t dim[SNS_MAX_DIMS];
    size_t count, offset;
    bool decay;  /* weight decay applies: matrices, not gains, biases, temperature */
    bool buffer; /* a running average of batch norm: saved with the model, never trained */
    sns_use use;
    sns_init init;
    float std; /* for SNS_INIT_NORMAL */
} sns_param_desc;

typedef struct sns_layout {
    sns_param_desc *desc;
    size_t count, total;
} sns_layout;

sns_status sns_clip_layout(const sns_clip_config *c, sns_layout *out, sns_error *err);
void sns_layout_free(sns_layout *l);
/* The tensor with this name, NULL when there is none. */
const sns_param_desc *sns_layout_find(const sns_layout *l, const char *name);

typedef struct sns_block {
    sns_param ln1_gain, ln1_bias, qkv_weight, qkv_bias, out_weight, out_bias;
    sns_param ln2_gain, ln2_bias, fc1_weight, fc1_bias, fc2_weight, fc2_bias;
} sns_block;

/* What SigLIP's towers have that CLIP's do not: pooling by a probe, biases. */
typedef struct sns_siglip {
    sns_param patch_bias, probe, in_weight, in_bias, out_weight, out_bias, gain, bias;
    sns_param fc1_weight, fc1_bias, fc2_weight, fc2_bias, text_bias;
} sns_siglip;

typedef struct sns_clip {
    sns_clip_config config;
    sns_param patch_weight, class_token, image_positions, pre_gain, pre_bias, post_gain, post_bias,
        image_projection;
    sns_block *image_blocks; /* config.vision.layers */
    sns_siglip siglip;       /* beside the above for SNS_VISION_SIGLIP */
    sns_resnet resnet;       /* in place of the above for SNS_VISION_RESNET */
    sns_sound_cnn sound_cnn; /* the same for SNS_VISION_SOUND_CNN, but for image_projection */
    sns_param token_table, text_positions, final_gain, final_bias, text_projection;
    sns_block *text_blocks; /* config.text.layers */
    sns_param logit_scale;  /* t, one float */
    sns_param logit_bias;   /* b, one float; only when config.has_bias */
} sns_clip;

/* A model whose parameters have their shapes but no data. */
sns_status sns_clip_new(const sns_clip_config *c, sns_clip **out, sns_error *err);
void sns_clip_free(sns_clip *m); /* not the data its parameters point to */
/* Point every parameter into flat blocks laid out by sns_clip_layout; grad may be NULL. */
sns_status sns_clip_bind(sns_clip *m, const sns_layout *l, float *data, float *grad,
                         sns_error *err);
/* Call visit for every parameter in the layout's order. `third` is 0, 1 or 2 when the entry is the
 * q, k or v part of param, which then has three times its rows; -1 otherwise. False stops the walk
 * and is returned. */
typedef bool (*sns_clip_visit_fn)(void *user, sns_param *param, int third,
                                  const sns_param_desc *desc);
bool sns_clip_visit(sns_clip *m, sns_clip_visit_fn visit, void *user);
/* Fill a flat block with initial values (CLIP's, appendix of the paper) drawn from the seed. */
void sns_clip_init(const sns_layout *l, const sns_clip_config *c, float *data, uint64_t seed);

/* pixels [B, 3, S, S], or spectrograms [B, 1, frames, mels] -> projected features [B, E], not
 * normalised */
sns_tensor *sns_clip_image_features(sns_tape *t, const sns_clip *m, sns_tensor *pixels);
/* The same from some of the patches: rows [B * per_picture] of the B sequences of 1 + patches rows,
 * of every picture equally many, its class token (row 0 of its sequence) first. NULL: all. */
sns_tensor *sns_clip_image_features_of(sns_tape *t, const sns_clip *m, sns_tensor *pixels,
                                       const size_t *rows, size_t per_picture);
/* ids of n texts packed by starts [n + 1]; each ends with the end token, whose row is the text's
 * feature -> [n, E] */
sns_tensor *sns_clip_text_features(sns_tape *t, const sns_clip *m, const uint32_t *ids,
                                   const size_t *starts, size_t n);

/* "gelu", "quick_gelu", "gelu_pytorch_tanh". */
const char *sns_act_name(sns_act act);
bool sns_act_named(const char *name, sns_act *out);

/* Reading and writing a model's folder (clip_load.c, clip_save.c, clip_config.c). */
sns_status sns_clip_config_read(const char *dir, sns_clip_config *out, sns_error *err);
/* config.json + model.safetensors in dir from a flat block, tensors in f32, f16 or bf16 ("F32",
 * "F16", "BF16"). */
sns_status sns_clip_save(const char *dir, const sns_clip_config *c, const sns_layout *l,
                         const float *data, const char *dtype, sns_error *err);
/* The same quantised: linear weights and the token table I8 with scales, the rest F16. */
sns_status sns_clip_save_int8(const char *dir, const sns_clip_config *c, const sns_layout *l,
                              const float *data, sns_error *err);
/* All tensors of a folder converted into a flat block (to start training from), those of an int8
 * model too: learning mends what rounding lost. Errors: as sns_clip_weights_open. */
sns_status sns_clip_read_flat(const char *dir, const sns_clip_config *c, const sns_layout *l,
                              float *data, sns_error *err);
#endif
