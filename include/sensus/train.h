/* train.h - contrastive pre-training of a CLIP model from pairs of pictures, or sounds, and texts.
 *
 * Radford et al. 2021, figure 3: both towers encode a batch, every picture is compared with every
 * text, and a symmetric cross-entropy pulls the true pairs together. The run is a folder:
 *   checkpoint-STEP.safetensors  parameters, moments, position; the last two are kept
 *   model/                       what the newest checkpoint ships, in Hugging Face's layout, or
 *                                open_clip's for a ResNet or CBOW tower; a model that hears in one
 *                                of its own (docs/SOUND.md)
 *   log.jsonl, curve.svg         one line a step or so, and its picture */
#ifndef SENSUS_TRAIN_H
#define SENSUS_TRAIN_H
#include <sensus/isolation.h>
#include <sensus/status.h>
#include <stddef.h>
#include <stdint.h>

/* A transformer tower: width C, number of blocks, number of heads (C / heads = head width). */
typedef struct sns_tower_size {
    size_t width, layers, heads;
} sns_tower_size;

/* The towers of Radford et al. 2021, figure 3; every pair of them trains. */
typedef enum sns_image_tower {
    SNS_IMAGE_VIT,
    SNS_IMAGE_RESNET /* with attention pooling; pictures of a multiple of 32 px */
} sns_image_tower;
/* A model that hears: what takes the image tower's place, over log-mel spectrograms. */
typedef enum sns_sound_tower {
    SNS_SOUND_NONE, /* the model sees */
    SNS_SOUND_VIT,  /* patches of patch_px frames and bands; `vision` says its size */
    SNS_SOUND_CNN   /* residual blocks, the mean over time; cnn_width, cnn_layers */
} sns_sound_tower;
typedef enum sns_spectrogram { SNS_SPECTROGRAM_WHISPER, SNS_SPECTROGRAM_KALDI } sns_spectrogram;
typedef enum sns_text_tower {
    SNS_TEXT_TOWER_TRANSFORMER,
    SNS_TEXT_TOWER_CBOW /* mean of token embeddings, text.width wide */
} sns_text_tower;

typedef enum sns_train_phase { SNS_TRAIN_LOADING, SNS_TRAIN_STEP, SNS_TRAIN_SAVED } sns_train_phase;

/* What pulls the true pairs of a batch together. */
typedef enum sns_loss {
    SNS_LOSS_SOFTMAX, /* Radford et al. 2021: each picture picks its text, each text its picture */
    SNS_LOSS_SIGMOID, /* Zhai et al. 2023 (SigLIP): is this pair a true one? asked of all pairs */
    SNS_LOSS_HINGE,   /* Kiros et al. 2014: the true pair beats each false one by `margin` */
    SNS_LOSS_HINGE_HARDEST, /* Faghri et al. 2018 (VSE++): it beats the best false one by `margin`
                             */
    SNS_LOSS_ORDER /* Vendrov et al. 2016: as HINGE, but a picture may have more of everything than
                      its text; the model's vectors have no negative numbers then */
} sns_loss;

/* What the progress callback sees. Valid during the call only. */
typedef struct sns_train_progress {
    sns_train_phase phase;
    size_t done, total;        /* LOADING: pictures; otherwise steps */
    size_t epoch;              /* from 0 */
    double loss, loss_average; /* of this step; an exponential average */
    double accuracy;           /* of the batch: pictures whose best text is their own, 0 ... 1 */
    double lr, scale;          /* learning rate; exp(t) */
    double grad_norm;          /* before clipping */
    double samples_per_second, seconds_left;
    double recall10;        /* newest held-out text -> image recall@10; negative: none yet */
    const char *checkpoint; /* SAVED: the file */
} sns_train_progress;

typedef struct sns_train_options {
    /* Data: tar shards (x.jpg|png|webp + x.txt|json), .csv (image,caption) and .jsonl manifests;
     * {0000..0127}, {a,b} and patterns with * ? [ are expanded. A sample's json: {"captions":
     * {"en": ["a dog", ...], ...}} or {"caption": "a dog"}, and optionally "concept" (two samples
     * of one concept never meet in a batch) and "flip": false (never mirror this picture).
     * A model that hears takes x.wav|ogg|flac|mp3|... and the manifests' "audio" instead; of a
     * recording the first half minute counts. A sample may have both: what the model takes counts.
     */
    const char *const *data;
    size_t data_count;
    size_t shuffle;  /* 0: the pictures are decoded once, as far as cache_mb goes. N: the shards are
                        streamed through a window of N samples (at most cache_mb) in which they are
                        shuffled, for sets that are larger than memory; `steps` must be given. Data
                        "pipe:COMMAND", whose standard output is a tar shard, is always streamed,
                        with N = 4096 unless stated */
    const char *val; /* held-out data for retrieval; NULL: none */
    size_t val_every;          /* steps between measurements; 500 */
    const char *tokenizer_dir; /* required unless init_dir has one */
    const char *out_dir;       /* required */
    const char *init_dir;      /* start from this model's weights and geometry; NULL: random */
    const char *config_dir;    /* take the geometry from this folder's config.json; NULL: below */

    const char *teacher_dir; /* learn from this model's vectors too; any layout that is read */
    double distill_affinity; /* weight of the similarities' divergence from the teacher's; 1 */
    double distill_features; /* weight of the vectors' distance from the teacher's; 1 */

    sns_image_tower image_tower; /* ViT */
    sns_text_tower text_tower;   /* Transformer */
    size_t resnet_width;         /* channels after the ResNet's stem; 64 as RN50 */
    const char *resnet_layers;   /* bottlenecks of its four stages; "3,4,6,3" as RN50 */
    size_t image_px, patch_px;   /* 64, 8 */
    sns_tower_size vision, text; /* 192/6/3, 192/4/3 */
    size_t embed, context;       /* 256, 32 */

    sns_sound_tower sound_tower; /* none */
    sns_spectrogram spectrogram; /* Whisper's */
    size_t mels;                 /* bands of a spectrogram; 64 */
    double window_seconds;       /* what the tower hears at once; 1.92 */
    size_t cnn_width;            /* channels of the CNN's first stage; 24 */
    const char *cnn_layers;      /* residual blocks of its one to four stages; "1,1,1,1" */
    const char *sound_init_dir;  /* with an init_dir that sees: start from this model's audio tower,
                                    whose sizes are those above; NULL: random */

    sns_loss loss; /* softmax */
    double margin; /* of the hinge and order losses, above 0 and at most 2; 0.2 */
    size_t batch;  /* 256 */
    /* Pairs whose activations are in memory at a time; the loss still sees the whole batch, for a
     * third more work. 0: the whole batch. A ResNet's batch norm takes its
     * statistics from these pairs. */
    size_t micro_batch;
    /* The share of the blocks, 0 to 1, that keep their input only and compute the inside again in
     * the backward pass: the same result to the bit in much less memory, for up to a third more
     * work. 0 by default. */
    double checkpoint_activations;

    size_t steps;                        /* 0: as `epochs` says */
    size_t epochs;                       /* 10; used when steps is 0 */
    double lr, min_lr, weight_decay;     /* 1e-3, 0, 0.1 */
    double beta1, beta2, eps, clip_norm; /* 0.9, 0.98, 1e-6, 1 */
    size_t warmup;                       /* 500 steps */
    double layer_decay;      /* each block's rate is this times that of the one above: 1 */
    int lock_image;          /* nonzero: init_dir's image tower stays as it is (LiT); it costs no
                                activations */
    int lock_text;           /* nonzero: init_dir's text tower stays as it is: what learns comes to
                                its space. With a sound_tower, init_dir may be a model that sees,
                                whose text tower is taken */
    double text_pull;        /* with lock_text: weight of the distance of a picture's or sound's
                                vector from its text's; the loss alone only wants it nearer than
                                others. What comes to the texts themselves is where others that
                                are near them are. 0 */
    double ema;              /* decay of averaged weights; 0: none */
    int bf16;                /* nonzero: products of bfloat16 operands, f32 sums */
    double patch_drop;       /* share of the patches that a step leaves out, 0 ... 0.9; 0 */
    double patch_drop_until; /* share of the steps after which all are seen again; 0.9 */
    double crop_scale;       /* least area of a random crop; 0.6 */
    double crop_aspect;      /* of the crop's sides, at most this to one; 4/3 */
    double grayscale;        /* share of the pictures that lose their colour; 0 */
    double jitter;           /* of brightness, contrast, colour; 0.1 */
    int no_flip;             /* nonzero: never mirror */
    double sound_speed;      /* sounds are played at 1 +- this; 0.1 */
    double sound_gain_db;    /* louder or softer by up to this; 6 */
    double sound_noise;      /* share of them that get white noise; 0.3 */
    double sound_filter_db;  /* their bands are louder or softer by up to this; 6 */
    double sound_phone;      /* share of them that lose what is above 3 to 8 kHz; 0.2 */
    double sound_mask;       /* largest share of frames, and of bands, that is hidden; 0.15 */
    int squash; /* nonzero: scale both sides to image_px, so that the model sees the whole picture,
                   instead of the centre square; so it will be at inference too */
    const char *lang_weight;        /* "en=0.4,de=0.1"; "en=0.4" */
    uint64_t seed;                  /* 1 */
    size_t threads;                 /* 0: as OpenMP decides */
    size_t loader_threads;          /* 1 */
    size_t cache_mb;                /* of decoded pictures; 4096 */
    size_t cache_px;                /* their side; 0: 1.25 * image_px */
    size_t save_every;              /* steps; 0: by time only */
    double save_minutes;            /* 10; 0: by steps only */
    size_t log_every;               /* steps; 10 */
    const sns_isolation *isolation; /* where sounds are decoded (isolation.h); NULL: here */
    int resume;                     /* go on from out_dir's newest checkpoint */
    const char *dtype;              /* of model/: "F16" or "F32"; "F16" */

    /* Called between steps by the training thread; nonzero stops as `cancel` does. */
    int (*progress)(void *user, const sns_train_progress *p);
    /* One line for each sample that is left out; any thread, one at a time. */
    void (*warn)(void *user, const char *message);
    void *user;
    /* Set to nonzero from anywhere (a signal handler too): the step is finished, a checkpoint is
     * written and sns_train returns SNS_CANCELLED. */
    const volatile int *cancel;
} sns_train_options;

typedef struct sns_train_result {
    size_t samples, captions, skipped; /* of the data (a stream: of an epoch, as far as it was
                                          read); skipped: unreadable or incomplete */
    size_t concepts, languages;        /* concepts: 0 of a stream */
    size_t steps, first_step;          /* done in all; where this call began */
    double loss;                       /* exponential average at the end */
    double recall10;                   /* held out; negative: not measured */
    size_t process, processes;         /* which one of how many a launcher started; 0, 1 */
    double seconds;
    double wait_seconds, forward_seconds, backward_seconds, update_seconds; /* of `seconds` */
} sns_train_result;

/* The defaults named above. */
SNS_API void sns_train_defaults(sns_train_options *o);

/* Train until the last step.
 * Started by mpirun or srun as one of n processes (in a build with MPI), it is one part of one run:
 * each process computes batch / n pairs of every batch with its own activations, the features are
 * gathered with their gradients, so that the loss is that of the whole batch, and the gradients are
 * summed. All processes need the data; the first alone uses out_dir, `progress` and `warn`. An
 * error in one process is returned by all; of a process that dies the launcher tells. The caller's
 * process must not have used MPI in another thread. Everything random follows from `seed`: the same
 * options and data give the same bytes for any number of threads, and a run that was killed and
 * resumed gives the bytes of one that was not. Errors: SNS_ARG (options that do not fit each other
 * or the data), SNS_MISSING, SNS_IO (out_dir, disk full: the previous checkpoint stays), SNS_FORMAT
 * (also: the loss is not finite), SNS_SHAPE, SNS_MISMATCH (resume with other data, geometry or
 * seed), SNS_CANCELLED (saved), SNS_NOMEM. result may be NULL. */
SNS_API sns_status sns_train(const sns_train_options *o, sns_train_result *result, sns_error *err);
#endif
