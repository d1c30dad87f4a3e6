/* pair_reader.h - the samples of tar shards one after the other, each owning all it needs. */
#ifndef SNS_TRAIN_PAIR_READER_H
#define SNS_TRAIN_PAIR_READER_H
#include "train/dataset.h"
#include <stdatomic.h>

/* A sample on its own: the picture or sound as it is stored, and its captions. */
typedef struct sns_pair {
    unsigned char *bytes; /* [size] */
    size_t size;
    bool is_sound;         /* not a picture */
    unsigned char *beside; /* the sound beside the picture, of a reader that keeps both; or NULL */
    size_t beside_size;
    const char *beside_name;  /* its file; "": none, or in memory */
    const char *texts;        /* captions' texts are offsets into it */
    const char *name;         /* SHARD/KEY */
    const char *concept_name; /* "": none */
    uint64_t concept;         /* its hash; 0: none */
    bool flip;                /* may be mirrored */
    uint32_t caption_count;   /* captions of one language follow each other */
    size_t memory;            /* bytes that it takes in all */
    atomic_uint holders;      /* who will call sns_pair_release */
    sns_caption captions[];   /* [caption_count], then the texts */
} sns_pair;

sns_pair *sns_pair_hold(sns_pair *p);
void sns_pair_release(sns_pair *p); /* NULL is fine */

/* Sample i of a data set on its own; `medium` (malloc'd, the sample's size; NULL: it is in the
 * file of its name) and `beside` (as well) change hands. NULL: no memory, and they stay the
 * caller's. */
sns_pair *sns_pair_copy(const sns_dataset *d, size_t i, unsigned char *medium,
                        unsigned char *beside);

typedef struct sns_pair_reader sns_pair_reader;

/* stop: see sns_bytes_open. warn is told of every sample that is left out. NULL: no memory. */
sns_pair_reader *sns_pair_reader_new(const volatile int *stop, sns_warn_fn warn, void *user);
void sns_pair_reader_free(sns_pair_reader *r);
/* Of a sample with a picture and a sound the sound counts from now on. */
void sns_pair_reader_want_sounds(sns_pair_reader *r, size_t rate_hz);
/* Of a sample with a picture and a sound both are kept from now on. */
void sns_pair_reader_keep_both(sns_pair_reader *r);
/* Go to the start of a shard: a file or "pipe:COMMAND". Errors: those of sns_bytes_open. */
sns_status sns_pair_reader_open(sns_pair_reader *r, const char *name, sns_error *err);
/* The same for a shard in memory. */
sns_status sns_pair_reader_open_memory(sns_pair_reader *r, const char *name, const void *data,
                                       size_t size, sns_error *err);
/* The next sample, held once for the caller; NULL at the shard's end. Damaged members are told and
 * passed over. Errors: SNS_IO, SNS_CANCELLED, SNS_NOMEM. */
sns_status sns_pair_reader_next(sns_pair_reader *r, sns_pair **pair, sns_error *err);
/* The data set whose languages the captions' numbers mean; it grows while reading. */
const sns_dataset *sns_pair_reader_langs(const sns_pair_reader *r);
size_t sns_pair_reader_add_lang(sns_pair_reader *r, const char *name);
/* Forget the languages after the first n. */
void sns_pair_reader_truncate_langs(sns_pair_reader *r, size_t n);
#endif
