/* dataset.h - the samples of a training set: where each picture's or sound's bytes are, its
 * captions, its concept; read from tar shards and from CSV and JSONL manifests. */
#ifndef SNS_TRAIN_DATASET_H
#define SNS_TRAIN_DATASET_H
#include <sensus/image.h>
#include <sensus/isolation.h>
#include <sensus/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SNS_LANGS_MAX = 1024,
    SNS_CAPTION_BYTES_MAX = 1 << 16,
    SNS_CAPTIONS_PER_SAMPLE_MAX = 1 << 14,
    SNS_RECORD_BYTES_MAX = 1 << 24 /* one sample's json, one manifest line */
};

#define SNS_NO_NAME SIZE_MAX

typedef struct sns_caption {
    size_t text; /* offset into the pool */
    uint32_t size;
    uint16_t lang;
} sns_caption;

typedef struct sns_sample {
    const unsigned char *bytes; /* the picture or sound in a mapped shard; NULL: a file */
    size_t size;
    size_t name;          /* offset into the pool: its path, or its name in the shard */
    size_t first_caption; /* captions of one language follow each other */
    uint32_t caption_count;
    uint64_t concept;    /* hash; 0: none */
    size_t concept_name; /* offset into the pool; SNS_NO_NAME: not stated */
    bool flip;           /* may be mirrored */
    bool is_sound;       /* not a picture, by its name */
    /* Of a set that keeps both, the sound beside a picture: in the shard, or a file. */
    const unsigned char *beside;
    size_t beside_size, beside_name; /* SNS_NO_NAME: none, or in the shard */
    uint8_t *square;                 /* decoded square [side, side, 3], or NULL */
    uint32_t side;
    int16_t *sound; /* of a set of sounds: decoded [sound_count], or NULL */
    uint32_t sound_count;
} sns_sample;

typedef struct sns_dataset sns_dataset;

/* What is told about a sample that is left out. */
typedef void (*sns_warn_fn)(void *user, const char *message);

/* Read every source (braces and shell patterns are expanded, brace.h). Samples without a picture or
 * without a caption are left out, told to warn (NULL ok) and counted as skipped.
 * Errors: SNS_MISSING (no such file), SNS_UNSUPPORTED (unknown ending), SNS_FORMAT (a damaged
 * shard), SNS_ARG (no sample in it all), SNS_IO, SNS_NOMEM. */
sns_status sns_dataset_open(const char *const *sources, size_t source_count, sns_warn_fn warn,
                            void *user, sns_dataset **out, sns_error *err);
/* The same for sounds, which are decoded at this rate (0: pictures). Of a sample with a picture and
 * a sound, here the sound counts. */
sns_status sns_dataset_open_sounds(const char *const *sources, size_t source_count, size_t rate_hz,
                                   sns_warn_fn warn, void *user, sns_dataset **out, sns_error *err);
/* One source held in memory, as if it were a file of this name: what the fuzzer calls. Pictures
 * named by manifests are looked up on the disk. The bytes must outlive the data set. */
sns_status sns_dataset_open_memory(const char *name, const void *bytes, size_t size,
                                   sns_warn_fn warn, void *user, sns_dataset **out, sns_error *err);
void sns_dataset_free(sns_dataset *d);

size_t sns_dataset_count(const sns_dataset *d);
sns_sample *sns_dataset_sample(const sns_dataset *d, size_t i);
size_t sns_dataset_caption_count(const sns_dataset *d);
const sns_caption *sns_dataset_caption(const sns_dataset *d, size_t i);
/* NUL-terminated bytes of the pool. */
const char *sns_dataset_text(const sns_dataset *d, size_t offset);
size_t sns_dataset_lang_count(const sns_dataset *d);
const char *sns_dataset_lang(const sns_dataset *d, size_t i); /* "" : not stated */
size_t sns_dataset_skipped(const sns_dataset *d);
/* Distinct concepts, every sample without one counted on its own. */
size_t sns_dataset_concepts(const sns_dataset *d);
/* A hash of all captions, concepts and picture sizes: another data set has another one. */
uint64_t sns_dataset_fingerprint(const sns_dataset *d);

/* From now on pictures become squares whole, squeezed, instead of by their centre. */
void sns_dataset_set_squash(sns_dataset *d, bool squash);
/* From now on sounds are decoded there. */
void sns_dataset_set_isolation(sns_dataset *d, const sns_isolation *isolation);
/* Decode a sound (bytes NULL: the file `name`), at most its first half minute. *sound is malloc'd.
 * isolation: where, or NULL. */
sns_status sns_decode_sound(const void *bytes, size_t size, const char *name, size_t rate_hz,
                            const sns_isolation *isolation, int16_t **sound, uint32_t *count,
                            sns_error *err);
/* Decode the sound of a sample. Malloc'd. */
sns_status sns_dataset_decode_sound(const sns_dataset *d, size_t i, int16_t **sound,
                                    uint32_t *count, sns_error *err);
/* Decode a picture (bytes NULL: the file `name`): its centre square, or all of it squeezed into a
 * square, reduced to side_px when larger. *square is malloc'd. */
sns_status sns_decode_square(const void *bytes, size_t size, const char *name, size_t side_px,
                             bool squash, uint8_t **square, uint32_t *side, sns_error *err);
/* Decode the picture of a sample: its centre square (or all of it, see above), reduced to side_px
 * when larger. Malloc'd. */
sns_status sns_dataset_decode(const sns_dataset *d, size_t i, size_t side_px, uint8_t **square,
                              uint32_t *side, sns_error *err);
/* Decode all pictures or sounds, keep as many as fit in budget_bytes (sample->square, ->sound), and
 * drop the samples whose picture or sound cannot be read. `tick` (NULL ok) is called now and then
 * with how many are done; nonzero stops with SNS_CANCELLED. */
sns_status sns_dataset_decode_all(sns_dataset *d, size_t side_px, size_t budget_bytes,
                                  int (*tick)(void *user, size_t done, size_t total), void *user,
                                  sns_error *err);
#endif
