/* clip_io.h - a CLIP model's folder: its configuration and its tensors, whatever they are called.
 *
 * Two layouts are read: Hugging Face's CLIPModel (config.json; model.safetensors, or
 * model.safetensors.index.json with shards) and open_clip's (open_clip_config.json;
 * open_clip_model.safetensors or model.safetensors). Hugging Face's is written, and open_clip's
 * where transformers has no such tower: ResNet, CBOW. In the place of a folder a GGUF file as
 * clip.cpp writes it is read (clip_gguf.c). */
#ifndef SNS_MODEL_CLIP_IO_H
#define SNS_MODEL_CLIP_IO_H
#include "model/clip.h"
#include "tensor/gguf.h"
#include "tensor/safetensors.h"

typedef enum sns_config_kind { SNS_CONFIG_HF, SNS_CONFIG_OPEN_CLIP } sns_config_kind;

/* One configuration from JSON text; name is used in messages. Checked by sns_clip_config_check.
 * Errors: SNS_FORMAT, SNS_UNSUPPORTED (not a CLIP, or one with parts that sensus does not compute),
 * SNS_LIMIT, SNS_SHAPE. */
sns_status sns_clip_config_parse(sns_config_kind kind, const char *text, size_t size,
                                 const char *name, sns_clip_config *out, sns_error *err);
/* Which layout a model is written in. */
sns_config_kind sns_clip_written_kind(const sns_clip_config *c);
/* dir/config.json as transformers' CLIPConfig, or dir/open_clip_config.json; dtype "float32",
 * "float16", "bfloat16", or "int8", which transformers is told not to read. */
sns_status sns_clip_config_write(const char *dir, const sns_clip_config *c, const char *dtype,
                                 sns_error *err);
/* The configuration file that sns_clip_config_read reads in dir; malloc'd path. */
sns_status sns_clip_config_find(const char *dir, char **path, sns_config_kind *kind,
                                sns_error *err);

/* The configuration in the metadata of clip.cpp's GGUF; name is used in messages. Errors:
 * SNS_MISSING, SNS_FORMAT, SNS_UNSUPPORTED (one tower only), SNS_LIMIT, SNS_SHAPE. */
sns_status sns_clip_gguf_config(const sns_gguf *g, const char *name, sns_clip_config *out,
                                sns_error *err);
/* clip.cpp's name of a tensor of the layout; "" where it has none. */
void sns_clip_gguf_name(const char *hf, char *out, size_t size);
/* The temperature factor of OpenAI's models, 100, for files that leave it out. */
const sns_stored *sns_clip_gguf_temperature(void);

/* open_clip's form of a tensor of the layout. */
typedef struct sns_open_clip_form {
    char name[160];
    int third;       /* 0, 1, 2: q, k, v are thirds of one tensor; else -1 */
    bool transposed; /* stored [columns, rows] */
    size_t dim[SNS_MAX_DIMS];
} sns_open_clip_form;
sns_open_clip_form sns_open_clip_form_of(const sns_param_desc *d);

/* Each row of W [rows, cols] in 8 bits: W[r][c] ~ scale[r] q[r][c], -127 <= q <= 127. */
void sns_quantise_rows(const float *W, size_t rows, size_t cols, int8_t *q, float *scale);

/* Where the value of one entry of the layout lies. */
typedef struct sns_weight {
    const sns_stored *tensor;
    const sns_stored
        *scale;      /* of an I8 tensor, "NAME_scale", F32, one for each output; else NULL */
    size_t first;    /* its first element: q, k, v are thirds of one tensor in open_clip's files */
    bool transposed; /* stored [columns, rows] */
} sns_weight;

/* The open files, one of both, and, for each entry of the layout, its place. Immutable; may be
 * shared. */
typedef struct sns_clip_weights {
    sns_safetensors *file;
    sns_gguf *gguf;
    sns_weight *at; /* layout->count */
    bool open_clip; /* whose names the files use */
} sns_clip_weights;

/* Map the tensors of dir (or of a GGUF file) and find every entry of the layout in them. Matrices
 * may be I8, with scales. Errors: as sns_safetensors_open; SNS_MISSING (a tensor, a scale),
 * SNS_SHAPE (the tensor and both shapes are named; or a tensor of a layer that the configuration
 * does not have), SNS_FORMAT (a scale that is no positive number), SNS_UNSUPPORTED (dtype). */
sns_status sns_clip_weights_open(const char *dir, const sns_layout *l, sns_clip_weights *out,
                                 sns_error *err);
/* The same over open tensors; takes file (closed on failure too). */
sns_status sns_clip_weights_find(sns_safetensors *file, const char *name, const sns_layout *l,
                                 sns_clip_weights *out, sns_error *err);
/* The same over an open GGUF file. */
sns_status sns_clip_weights_find_gguf(sns_gguf *gguf, const char *name, const sns_layout *l,
                                      sns_clip_weights *out, sns_error *err);
void sns_clip_weights_close(sns_clip_weights *w);
/* All tensors of the files, by name, whether the layout has them or not; bytes of the files. */
size_t sns_clip_weights_stored_count(const sns_clip_weights *w);
const sns_stored *sns_clip_weights_stored(const sns_clip_weights *w, size_t i);
size_t sns_clip_weights_bytes(const sns_clip_weights *w);
/* Entry i as f32 into out [l->desc[i].count]. Errors: SNS_NOMEM. */
sns_status sns_clip_weights_get(const sns_clip_weights *w, const sns_layout *l, size_t i,
                                float *out, sns_error *err);
/* Entry i, a matrix of BF16 or I8, as it is stored but in the layout's order: elements into out,
 * and for I8 the scales of its rows, dim[0] of them, into scale. out NULL: the scales alone. */
void sns_clip_weights_narrow(const sns_clip_weights *w, const sns_layout *l, size_t i, void *out,
                             float *scale);
/* Entry i in the mapping itself when it can be used as it is, else NULL. */
const float *sns_clip_weights_mapped(const sns_clip_weights *w, size_t i);
/* The same whatever its type, as it is stored. */
const void *sns_clip_weights_in_place(const sns_clip_weights *w, size_t i);
/* SNS_FORMAT with the tensor's name when data [n], the value of entry i from its element `first`
 * on, holds NaN or infinity. */
sns_status sns_clip_weights_check(const sns_clip_weights *w, size_t i, size_t first,
                                  const float *data, size_t n, sns_error *err);
/* The same over n elements of entry i as they are stored. */
sns_status sns_clip_weights_check_stored(const sns_clip_weights *w, size_t i, size_t n,
                                         sns_error *err);
/* Are some tensors I8? */
bool sns_clip_weights_int8(const sns_clip_weights *w, const sns_layout *l);
/* SNS_UNSUPPORTED where some are: nothing is made from them; dir is named. */
sns_status sns_clip_weights_refuse_int8(const sns_clip_weights *w, const sns_layout *l,
                                        const char *dir, sns_error *err);
#endif
