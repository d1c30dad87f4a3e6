/* train_setup.h - from options to a run that is ready for its first step. */
#ifndef SNS_TRAIN_TRAIN_SETUP_H
#define SNS_TRAIN_TRAIN_SETUP_H
#include "prep/preprocess.h"
#include "train/adamw.h"
#include "train/checkpoint.h"
#include "train/loader.h"
#include "train/objective.h"
#include "train/schedule.h"
#include "train/sound_augment.h"
#include "train/train_log.h"
#include "train/world.h"
#include <sensus/train.h>

/* Features of a whole batch and the loss's gradients at them, each [B, E]. */
typedef struct sns_features {
    float *images, *texts, *dimages, *dtexts;
} sns_features;

/* Where pieces of batches come from: sns_loader_next, or a test's own. */
typedef sns_status sns_next_piece_fn(void *pieces, const sns_batch **out, sns_error *err);

typedef struct sns_teacher sns_teacher; /* teacher.c */

typedef struct sns_run {
    sns_world world;
    sns_train_options o; /* with defaults that depend on others filled in */
    const sns_kernels *k;
    sns_tokenizer *tokenizer;
    const char *tokenizer_dir;
    sns_clip_config config;
    sns_preprocess preprocess; /* of a model that sees */
    sns_log_mel_config mel;    /* of one that hears */
    sns_log_mel *mel_tables;   /* NULL: it sees */
    sns_sound_augment sound;   /* with these tables */
    sns_layout layout;
    sns_layout extra; /* what learns beside the model, after layout.total in the blocks; borrowed */
    sns_teacher *teacher;      /* NULL: none */
    sns_clip *clip, *averaged; /* averaged: bound to what ships, without gradients */
    sns_objective objective;   /* of clip's temperature and bias */
    float *grads;
    float *rate; /* [layout.count], of the learning rate */
    double *norm_scratch;
    sns_train_state state; /* owns params, m, v, ema */
    sns_schedule schedule;
    sns_adamw adamw;
    sns_dataset *data, *val;
    uint64_t *concepts;
    sns_stream *stream; /* NULL: the data is indexed; otherwise `data` has no samples */
    sns_loader *loader;
    sns_next_piece_fn *next_piece;
    void *pieces;          /* the loader */
    sns_tape *tape;        /* records the towers */
    sns_tape *look_tape;   /* features only, while a batch goes through in pieces */
    sns_tape *locked_tape; /* of the tower that does not learn; NULL: both do */
    int locked;            /* that tower: 0 images, 1 texts; -1: none */
    sns_tape *loss_tape;   /* from features to the loss */
    sns_features features;
    sns_train_log *log;
    char checkpoint[SNS_PATH_CAP]; /* newest; "" before the first */
    size_t saved_step;
    double recall[3]; /* newest; negative: none */
    int lock_fd;      /* of the run's folder; negative: none */
} sns_run;

/* Everything up to the first step, checkpoint and all. The run is freed in every case. */
sns_status sns_run_open(sns_run *r, const sns_train_options *o, sns_error *err);
void sns_run_close(sns_run *r);
/* Places of a batch that each process computes. */
size_t sns_run_places(const sns_run *r);
/* A part of sns_run_open: memory for what r->o, k and config say, and the model and tapes in it. */
sns_status sns_run_allocate(sns_run *r, sns_error *err);
/* The checkpoint, then OUT/model with what ships, then the curve. */
sns_status sns_run_save(sns_run *r, sns_error *err);
/* OUT/model alone. */
sns_status sns_run_write_model(sns_run *r, sns_error *err);
/* The weights that ship: averaged when there are such, else the trained ones. */
const float *sns_run_weights(const sns_run *r);
#endif
