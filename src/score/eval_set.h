/* eval_set.h - the pictures, or sounds, captions and labels to measure with. */
#ifndef SNS_SCORE_EVAL_SET_H
#define SNS_SCORE_EVAL_SET_H
#include "score/rank.h"
#include <sensus/classifier.h>
#include <stdbool.h>

enum { SNS_EVAL_ROWS_MAX = 10000000 };

typedef struct sns_eval_picture {
    char *path;
    char *label; /* NULL: none */
    char *lang;  /* of a sound: its language, "lang"; NULL: not stated */
} sns_eval_picture;

/* The "language" under which a sound keeps the paths of the pictures that its rows name too. */
#define SNS_EVAL_IMAGE "\timage"

/* What is read of a manifest's rows: their "image" or their "audio". */
typedef enum sns_eval_medium {
    SNS_EVAL_PICTURES,
    SNS_EVAL_SOUNDS,
    SNS_EVAL_SPOKEN /* sounds; a row may be a picture's alone, and is passed over */
} sns_eval_medium;
/* What a model takes. */
sns_eval_medium sns_eval_medium_of(const sns_model *model);

typedef struct sns_eval_caption {
    uint32_t picture;
    char *language, *text;
} sns_eval_caption;

typedef struct sns_eval_set {
    sns_eval_picture *pictures; /* each path once, in the order of first appearance */
    size_t picture_count, picture_capacity;
    sns_eval_caption *captions; /* in the order of the file */
    size_t caption_count, caption_capacity;
    size_t skipped; /* lines that could not be used */
} sns_eval_set;

/* Read a manifest (eval.h), or, when data is a folder, its subfolders as classes in byte order.
 * options: image_root, limit, warn. Errors: SNS_MISSING, SNS_IO, SNS_FORMAT (no usable line),
 * SNS_LIMIT, SNS_NOMEM. */
sns_status sns_eval_set_read(const char *data, sns_eval_medium medium,
                             const sns_eval_options *options, sns_eval_set *out, sns_error *err);
void sns_eval_set_free(sns_eval_set *set);

/* Leave out the pictures of which keep [picture_count] is false, and their captions. SNS_NOMEM. */
sns_status sns_eval_set_keep(sns_eval_set *set, const bool *keep, sns_error *err);

/* Encode all pictures; those that can't be read are warned of, dropped from the set with their
 * captions, and counted in skipped.  *vectors <- [picture_count, E], malloc'd. */
sns_status sns_eval_set_encode(sns_eval_set *set, const sns_model *model,
                               const sns_eval_options *options, float **vectors, sns_error *err);
/* Encode n texts in batches; out [n, E]. */
sns_status sns_eval_encode_texts(const sns_model *model, const char *const *texts, size_t n,
                                 const int *cancel, float *out, sns_error *err);

/* SNS_FORMAT, naming the picture, where one has no label; hint: what else to say, "": nothing. */
sns_status sns_eval_check_labels(const sns_eval_set *set, const char *data, const char *hint,
                                 sns_error *err);
/* SNS_ARG where a template has no {}. */
sns_status sns_eval_check_templates(const char *const *templates, size_t n, sns_error *err);

/* One direction of retrieval: ranks, then measures. queries [right->count, E], candidates [N, E] */
sns_status sns_eval_side(const float *queries, const float *candidates, size_t N, size_t E,
                         const sns_relation *right, sns_retrieval_side *out, sns_error *err);

enum { SNS_EVAL_NONE = UINT32_MAX };
/* Distinct names in byte order, borrowed; a name's place is its number. */
typedef struct sns_eval_names {
    const char **name;
    size_t count;
} sns_eval_names;
/* Of n keys, of which NULL are none. */
sns_status sns_eval_names_new(const char *const *keys, size_t n, sns_eval_names *out,
                              sns_error *err);
/* Of the pictures' labels. */
sns_status sns_eval_label_names(const sns_eval_set *set, sns_eval_names *out, sns_error *err);
void sns_eval_names_free(sns_eval_names *names);
/* SNS_EVAL_NONE for NULL and for what is not among them. */
uint32_t sns_eval_names_find(const sns_eval_names *names, const char *key);
/* *labels [picture_count] <- the numbers of the pictures' labels, malloc'd. */
sns_status sns_eval_number_labels(const sns_eval_set *set, const sns_eval_names *names,
                                  uint32_t **labels, sns_error *err);
/* per_class, with copies of the names, and classes. */
sns_status sns_eval_name_classes(const sns_eval_names *names, sns_zero_shot *out, sns_error *err);

/* The classifier of labels by what captions call them: a name among name_count, or the label with
 * '_' as ' ', in templates (none: "a photo of a {}."). */
sns_status sns_eval_classifier(const sns_model *model, const sns_eval_names *labels,
                               const char *const *templates, size_t template_count,
                               const sns_class_name *names, size_t name_count, const int *cancel,
                               sns_classifier **out, sns_error *err);
/* sns_eval_zero_shot from where all labels are checked and the pictures' vectors are known. */
sns_status sns_zero_shot_of_set(const sns_model *model, const sns_eval_set *set,
                                const float *images, const char *data, const char *const *templates,
                                size_t template_count, const sns_class_name *names,
                                size_t name_count, const int *cancel, sns_zero_shot *result,
                                sns_error *err);

/* The captions of one language: distinct texts in byte order, and the pictures of each. */
typedef struct sns_texts {
    const char **text; /* [count], borrowed from the set */
    size_t count;
    sns_relation pictures;
} sns_texts;
/* At most `most` captions of a picture, 0: all. SNS_MISSING where there is none, SNS_NOMEM. */
sns_status sns_texts_new(const sns_eval_set *set, const char *language, size_t most, sns_texts *out,
                         sns_error *err);
void sns_texts_free(sns_texts *texts);
/* SNS_MISSING, naming the manifest, where no caption is in the language: before anything is
 * encoded. */
sns_status sns_eval_check_language(const sns_eval_set *set, const char *manifest,
                                   const char *language, sns_error *err);

/* For eval_set_read.c: add a picture or find the caption's; they take copies. */
sns_status sns_eval_set_add_picture(sns_eval_set *set, const char *path, const char *label,
                                    sns_error *err);
sns_status sns_eval_set_add_caption(sns_eval_set *set, const char *language, const char *text,
                                    sns_error *err); /* to the picture added last */
/* Pictures with the same path become the first of them. */
sns_status sns_eval_set_join(sns_eval_set *set, sns_error *err);
#endif
