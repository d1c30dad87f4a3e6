/* data.h - training data before training: read it, build shards of it, look at it, find repeats.
 *
 * A source is a tar shard or "pipe:COMMAND" (both streamed, so that a set may be larger than
 * memory), a .csv or .jsonl manifest, or a folder of pictures and recordings. {0000..0127}, {a,b}
 * and patterns with * ? [ are expanded. What a shard and a manifest hold is said in train.h; a
 * picture X.jpg or recording X.ogg of a folder has its captions in X.json or X.txt beside it, or is
 * named by its file or folder. */
#ifndef SENSUS_DATA_H
#define SENSUS_DATA_H
#include <sensus/isolation.h>
#include <sensus/status.h>
#include <stddef.h>
#include <stdint.h>

/* The caption of a folder's picture that has no text beside it. */
typedef enum sns_data_naming {
    SNS_DATA_BY_FILE,   /* its file's name: "red_apple-2.png" is "red apple" */
    SNS_DATA_BY_FOLDER, /* its folder's name, which is then its concept too */
    SNS_DATA_BY_TEXT    /* none: it is left out */
} sns_data_naming;

typedef struct sns_data_options {
    const char *const *sources;
    size_t source_count;
    sns_data_naming naming;
    int mix; /* nonzero: manifests' and folders' samples in an order like random, always the same */
    const sns_isolation *isolation; /* where recordings are decoded; NULL: in this process */
    /* Called now and then, total 0: unknown; nonzero stops with SNS_CANCELLED. */
    int (*progress)(void *user, size_t done, size_t total);
    void (*warn)(void *user, const char *message); /* a line for each sample that is left out */
    void *user;
} sns_data_options;

typedef struct sns_data_caption {
    const char *text, *lang; /* lang "": not stated */
} sns_data_caption;

/* One sample. */
typedef struct sns_data_sample {
    const char *name;    /* the picture's file, or SHARD/KEY */
    const void *bytes;   /* the picture as it is stored; NULL: in the file `name` */
    size_t size;         /* of bytes */
    int is_sound;        /* nonzero: a recording; what has both counts as its picture */
    const char *concept; /* "": none */
    int flip;            /* nonzero: may be mirrored */
    const sns_data_caption *captions;
    size_t caption_count;
} sns_data_sample;

/* Called for each sample, in order; the sample lives until it returns. Anything but SNS_OK ends the
 * work and becomes its answer. */
typedef sns_status sns_data_fn(void *user, const sns_data_sample *sample, sns_error *err);

/* Go through all samples once. *skipped (NULL ok) <- how many were left out, each told to warn.
 * Errors: SNS_ARG, SNS_MISSING, SNS_UNSUPPORTED, SNS_IO (also: a command failed), SNS_LIMIT,
 * SNS_NOMEM, SNS_CANCELLED, what fn returned. */
SNS_API sns_status sns_data_scan(const sns_data_options *o, sns_data_fn *fn, void *fn_user,
                                 size_t *skipped, sns_error *err);

/* n samples drawn at random by seed (fewer when there are fewer), owned: free with
 * sns_data_draw_free. samples [n]; *count <- how many. Errors: those of sns_data_scan. */
SNS_API sns_status sns_data_draw(const sns_data_options *o, size_t n, uint64_t seed,
                                 sns_data_sample *samples, size_t *count, sns_error *err);
SNS_API void sns_data_draw_free(sns_data_sample *samples, size_t count);

typedef struct sns_data_build_options {
    sns_data_options from;
    const char *out; /* with {}, which becomes the shard's number: "OUT/shard-{}.tar" */
    size_t image_px; /* larger pictures are reduced so that the shorter side is this; 0: none is */
    size_t shard_bytes;   /* a shard ends when it has so many; 0: 256 MiB */
    size_t shard_samples; /* or so many; 0: no limit */
} sns_data_build_options;

typedef struct sns_data_counts {
    size_t samples, captions, skipped, shards;
    uint64_t bytes; /* of the shards */
} sns_data_counts;

/* Write shards of KEY.jpg|png|webp and KEY.json, or of KEY.wav|ogg|flac|mp3 and KEY.json where a
 * manifest or shard has sounds. Pictures of other kinds become JPEG, sounds WAV. Each shard appears
 * whole or not at all; the same samples give the same bytes. Errors: those of sns_data_scan,
 * SNS_ARG (out has no {}, no sample at all). */
SNS_API sns_status sns_data_build(const sns_data_build_options *o, sns_data_counts *counts,
                                  sns_error *err);

/* Least, mean and largest of something. */
typedef struct sns_data_range {
    double least, mean, largest;
} sns_data_range;

typedef struct sns_data_lang {
    char name[16]; /* "": not stated */
    size_t samples, captions;
} sns_data_lang;

typedef struct sns_data_stats {
    size_t samples, captions, skipped; /* skipped: incomplete or damaged */
    size_t pictures, recordings;       /* that can be decoded; a sample may have both */
    size_t unreadable;                 /* `samples` of which something cannot be decoded */
    size_t concepts;                   /* different ones */
    uint64_t bytes;                    /* of what shards store of them */
    sns_data_range seconds;            /* of recordings, up to a day of each */
    double seconds_total, seconds_median;
    sns_data_range caption_characters, captions_per_sample, width_px, height_px;
    sns_data_lang *langs; /* most captions first */
    size_t lang_count;
} sns_data_stats;

/* Decode and count everything. Errors: those of sns_data_scan. */
SNS_API sns_status sns_data_measure(const sns_data_options *o, sns_data_stats *out, sns_error *err);
SNS_API void sns_data_stats_free(sns_data_stats *stats);

/* Two samples with the same picture or recording, or nearly. */
typedef struct sns_data_match {
    const char *a, *b; /* names; a comes before b, or from the first set */
    int exact;         /* the same pixels or samples */
    double difference; /* mean of the two small copies' differences, 0 ... 255 */
} sns_data_match;

typedef struct sns_data_matches {
    sns_data_match *items;
    size_t count;
    size_t samples_a, samples_b; /* pictures and recordings that were read */
    size_t skipped;
    char *names; /* owns the names */
} sns_data_matches;

/* Pictures that occur more than once: within a, or (b not NULL) in both. For each later sample (of
 * b) the one earlier sample (of a) that is most like it, in the order of the later ones. Exact:
 * SHA-256 of the decoded pixels. Near: the 64 signs of a DCT of the grey picture differ in at most
 * 6, and the colours of 8 x 8 small copies by at most max_difference on average; 6 finds copies in
 * other sizes and JPEG qualities, 0 exact ones only. Of recordings these are the samples and the
 * spectrograms, of recordings of one length (0.1 s and 1 %). Memory: 300 bytes a sample and its
 * name. Errors: those of sns_data_scan. */
SNS_API sns_status sns_data_find_matches(const sns_data_options *a, const sns_data_options *b,
                                         double max_difference, sns_data_matches *out,
                                         sns_error *err);
SNS_API void sns_data_matches_free(sns_data_matches *matches);
#endif
