/* model_internal.h - what sns_model and sns_session hold.
 *
 * A model is its open files plus, for each tower, the form that inference wants: linear weights
 * packed, everything else used straight from the mapping when it is f32 there and converted once
 * when it is not. A tower is made ready when it is first used, so that a text query never reads the
 * image tower's weights. */
#ifndef SNS_EMBED_MODEL_INTERNAL_H
#define SNS_EMBED_MODEL_INTERNAL_H
#include "base/file.h"
#include "base/memory.h"
#include "model/clip_io.h"
#include "prep/log_mel.h"
#include "prep/preprocess.h"
#include <pthread.h>
#include <sensus/model.h>
#include <stdatomic.h>

typedef enum sns_tower { SNS_TOWER_IMAGE, SNS_TOWER_TEXT, SNS_TOWER_COUNT } sns_tower;

struct sns_model {
    char *dir;
    sns_clip_config config;
    sns_layout layout;
    sns_clip_weights weights;
    sns_clip *clip;
    sns_preprocess prep;      /* of a model that sees */
    sns_log_mel *mel;         /* of one that hears; else NULL */
    sns_tokenizer *tokenizer; /* NULL: the folder has none */
    float scale, bias;        /* bias: 0 unless config.has_bias */
    char fingerprint[33];

    /* Written under lock, read after `ready` is seen true. */
    pthread_mutex_t lock;
    atomic_bool ready[SNS_TOWER_COUNT];
    sns_packed **packed; /* layout.count, by entry; NULL where nothing is packed */
    sns_arena *converted;
    sns_packed_memory numbers[SNS_TOWER_COUNT]; /* of the packed weights */
    sns_map kept[SNS_TOWER_COUNT];              /* the file that they lie in; empty: none */
};

struct sns_session {
    sns_model *model;
    sns_tape *tape;
    sns_tape **lanes; /* [lane_count], one for each thread that encodes a part of its own */
    size_t lane_count;
};

/* Make a tower's parameters usable. Errors: SNS_NOMEM, SNS_FORMAT (NaN or infinity in a tensor),
 * SNS_INTERNAL. A failed call changes nothing that later calls could not repeat. */
sns_status sns_model_ready(sns_model *m, sns_tower tower, sns_error *err);

/* Which tower a tensor of the layout belongs to. */
sns_tower sns_model_tower_of(const char *name);

/* The type that an entry of the layout, as it is stored, is packed in. */
sns_packed_type sns_model_packing(const sns_model *m, size_t entry);

/* Fill m->fingerprint (fingerprint.c says what it covers). */
sns_status sns_model_take_fingerprint(sns_model *m, sns_error *err);

/* Preprocessing and vocabulary of the model in folder `from`, whose configuration is c, in folder
 * `to`, which is made. */
sns_status sns_model_copy_companions(const char *from, const sns_clip_config *c, const char *to,
                                     sns_error *err);
/* How a model that hears makes spectrograms, from its folder; they must be what its tower takes.
 * Errors: as sns_log_mel_read, SNS_SHAPE. */
sns_status sns_model_read_mel(const char *dir, const sns_clip_config *c, sns_log_mel_config *out,
                              sns_error *err);

/* Encode n token sequences packed by starts [n + 1], each ending with its end token. */
sns_status sns_encode_tokens(sns_session *s, const uint32_t *ids, const size_t *starts, size_t n,
                             float *out, sns_error *err);
#endif
