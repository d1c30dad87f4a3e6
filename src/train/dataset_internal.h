/* dataset_internal.h - building a data set; shared by the readers of its sources. */
#ifndef SNS_TRAIN_DATASET_INTERNAL_H
#define SNS_TRAIN_DATASET_INTERNAL_H
#include "base/file.h"
#include "base/strbuf.h"
#include "train/dataset.h"
#include "train/tar_reader.h"

struct sns_dataset {
    sns_map *maps;
    size_t map_count;
    sns_sample *samples;
    size_t count, sample_capacity;
    sns_caption *captions;
    size_t caption_count, caption_capacity;
    sns_strbuf pool;
    char lang[SNS_LANGS_MAX][16];
    size_t lang_count, skipped;
    size_t sound_rate_hz;           /* 0: samples are pictures */
    const sns_isolation *isolation; /* where sounds are decoded; NULL: in this process */
    bool both;                      /* a sample may have a picture and, beside it, a sound */
    bool squash;                    /* the whole picture, its aspect lost, instead of its centre */
    sns_warn_fn warn;
    void *user;
};

/* A sample under construction: captions are added to the data set after sns_dataset_begin. */
typedef struct sns_draft {
    sns_sample sample;
    struct {
        const unsigned char *bytes;
        size_t size;
    } media[2];       /* of a shard: the picture, the sound */
    bool directional; /* a caption says left or right */
} sns_draft;

/* Tell about a sample that is left out, and count it. */
void sns_dataset_skip(sns_dataset *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* FNV-1a, never 0. */
uint64_t sns_dataset_hash(const void *bytes, size_t n);

sns_dataset *sns_dataset_new(sns_warn_fn warn, void *user); /* NULL: no memory */
/* Samples of one concept never meet in a batch. An empty name is none. */
void sns_dataset_set_concept(sns_dataset *d, sns_draft *draft, const char *name);
/* Index of a language, added when new; the last slot takes all that do not fit. */
uint16_t sns_dataset_lang_index(sns_dataset *d, const char *lang);
void sns_dataset_begin(sns_dataset *d, sns_draft *draft);
/* White space at the ends is dropped; empty captions are passed over. SNS_LIMIT, SNS_NOMEM. */
sns_status sns_dataset_add_caption(sns_dataset *d, sns_draft *draft, const char *lang,
                                   const char *text, size_t size, sns_error *err);
/* Paths that a sample's json names, malloc'd; NULL: none. */
typedef struct sns_media_names {
    char *picture, *sound;
} sns_media_names;
/* A sample's json: captions, concept, flip, and (names NULL ok) what it names. SNS_FORMAT,
 * SNS_LIMIT, SNS_NOMEM. */
sns_status sns_dataset_add_json(sns_dataset *d, sns_draft *draft, const char *text, size_t size,
                                sns_media_names *names, sns_error *err);
/* Keep the draft as a sample of this name (path or member), or drop its captions again. */
sns_status sns_dataset_commit(sns_dataset *d, sns_draft *draft, const char *name, sns_error *err);
void sns_dataset_discard(sns_dataset *d, const sns_draft *draft);

/* A shard's members one after the other: those that share a name up to the first dot of its last
 * part, and follow each other, are one sample. */
typedef struct sns_shard {
    sns_dataset *d;
    const char *path; /* of the shard */
    sns_draft draft;
    bool open, bad;
    char key[SNS_TAR_NAME_MAX + 1];
    sns_strbuf full; /* SHARD/MEMBER, for messages */
} sns_shard;

/* *s zeroed but for d and path; free its `full` in the end. */
bool sns_shard_starts_new(const sns_shard *s, const char *member);
/* Is the member of use: a picture, a sound, a .json or a .txt? */
bool sns_shard_wants(const char *member);
/* Take in a member of the open sample; the first after a close opens one. e->data of a picture or
 * sound (then in the draft's media) must live until the sample is not needed any more. Errors:
 * SNS_NOMEM. */
sns_status sns_shard_add(sns_shard *s, const sns_tar_entry *e, sns_error *err);
/* The open sample (none is fine) becomes one of the data set, or is left out. Of a picture and a
 * sound, what the set is of counts. */
sns_status sns_shard_close(sns_shard *s, sns_error *err);

/* The readers: dataset_shard.c, dataset_manifest.c. `path` also places relative pictures. */
sns_status sns_dataset_read_shard(sns_dataset *d, const char *path, sns_map map, sns_error *err);
sns_status sns_dataset_read_csv(sns_dataset *d, const char *path, sns_map map, sns_error *err);
sns_status sns_dataset_read_jsonl(sns_dataset *d, const char *path, sns_map map, sns_error *err);
#endif
