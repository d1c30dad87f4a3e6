/* pictures.h - the pictures, or the recordings, of files, folders, tar shards, manifests and lists,
 * one after the other.
 *
 *   sns_pictures_options o = {.paths = &folder, .path_count = 1};
 *   sns_pictures *p;
 *   sns_pictures_open(&o, &p, &err);
 *   sns_embed_source source = sns_pictures_source(p);
 *   sns_embed_stream(model, &source, NULL, callback, user, &err);
 *   sns_pictures_free(p);
 *
 * Memory does not grow with the number of pictures: a shard is read member by member, a folder is
 * listed when its turn comes. */
#ifndef SENSUS_PICTURES_H
#define SENSUS_PICTURES_H
#include <sensus/embed.h>

typedef struct sns_pictures sns_pictures;

typedef struct sns_pictures_options {
    /* A path is
     *   - a folder: its pictures and those of all folders below, as sns_catalog_index finds them,
     *     but named below the path as it is given; no folder is visited twice;
     *   - a tar shard X.tar, or "pipe:COMMAND" that prints one: every member with a picture's
     * ending that is not hidden, named SHARD/MEMBER; captions are not needed;
     *   - a manifest X.csv or X.jsonl (train.h): the pictures of its samples;
     *   - anything else: a picture.
     * In names of commands, and of shards and manifests that do not exist as they are,
     * {0000..0127}, {a,b} and patterns with * ? [ are expanded (data.h). */
    const char *const *paths;
    size_t path_count;
    /* NULL, or a file with more of them, one a line; "-": standard input. Nothing is expanded
     * there, and nothing is a command. */
    const char *list;
    int list_nul; /* nonzero: names in the list end with NUL instead */
    /* Folders that are not visited, such as one that results go to; unless one is itself among
     * paths. They are looked up by sns_pictures_open. */
    const char *const *leave_out;
    size_t leave_out_count;
    /* Nonzero, for a model that hears: recordings, and films for their sound, instead of pictures;
     * of a manifest's sample with both, the recording. */
    int sounds;
} sns_pictures_options;

/* Nothing is read yet but the names; options are copied. What is missing or damaged becomes an item
 * with a problem in its place.
 * Errors: SNS_ARG (no paths and no list), SNS_MISSING, SNS_IO (the list), SNS_LIMIT (names),
 * SNS_NOMEM. */
SNS_API sns_status sns_pictures_open(const sns_pictures_options *o, sns_pictures **out,
                                     sns_error *err);
SNS_API void sns_pictures_free(sns_pictures *p); /* NULL is fine */
/* How many there are, where that is known beforehand (only picture files were named); else 0. */
SNS_API size_t sns_pictures_total(const sns_pictures *p);
/* How many recordings and films (with `sounds` pictures) were passed over in folders so far. */
SNS_API size_t sns_pictures_passed(const sns_pictures *p);

/* The next one (embed.h); item->name NULL: there are no more. Errors: SNS_CANCELLED (after
 * sns_pictures_stop), SNS_NOMEM. */
SNS_API sns_status sns_pictures_next(sns_pictures *p, sns_embed_item *item, sns_error *err);
/* From now on, and where it waits now, sns_pictures_next gives SNS_CANCELLED. Any thread. */
SNS_API void sns_pictures_stop(sns_pictures *p);
/* For sns_embed_stream; p stays the caller's. */
SNS_API sns_embed_source sns_pictures_source(sns_pictures *p);
#endif
