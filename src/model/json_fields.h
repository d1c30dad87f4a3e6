/* json_fields.h - reading the fields of one JSON object with defaults and checked ranges.
 *
 * The first bad field sets status and the error; later reads are harmless, so that a reader asks
 * once at its end. A field that is null counts as missing. */
#ifndef SNS_MODEL_JSON_FIELDS_H
#define SNS_MODEL_JSON_FIELDS_H
#include "model/clip.h"
#include <jansson.h>

typedef struct sns_fields {
    const json_t *object; /* NULL: every field is missing */
    const char *file;     /* for messages */
    char path[64];        /* "text_config." or "" */
    sns_error *err;
    sns_status status;
} sns_fields;

/* An integer in 0 … 2^40. */
size_t sns_fields_size(sns_fields *f, const char *key, size_t fallback);
/* A finite number. */
double sns_fields_number(sns_fields *f, const char *key, double fallback);
/* Is the field there (and not null)? */
bool sns_fields_has(const sns_fields *f, const char *key);
bool sns_fields_bool(sns_fields *f, const char *key, bool fallback);
/* Borrowed from the JSON value. */
const char *sns_fields_string(sns_fields *f, const char *key, const char *fallback);
/* The object under key (or, where that is missing, under `second`; NULL: no second name). */
sns_fields sns_fields_object(sns_fields *f, const char *key, const char *second);
/* "file: path.key: ...". Returns code. */
sns_status sns_fields_fail(sns_fields *f, sns_status code, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* clip_config_openclip.c: {"model_cfg": ...} of open_clip. */
sns_status sns_open_clip_config(json_t *root, const char *name, sns_clip_config *c, sns_error *err);
/* The same to be written; NULL: no memory. */
json_t *sns_open_clip_json(const sns_clip_config *c);
/* sound_config.c: a model that hears, which is ours alone. */
#define SNS_SOUND_MODEL "sensus-sound"
sns_status sns_sound_config(json_t *root, const char *name, sns_clip_config *c, sns_error *err);
json_t *sns_sound_json(const sns_clip_config *c, const char *dtype);
/* siglip_config.c: transformers' SiglipConfig. */
sns_status sns_siglip_config(json_t *root, const char *name, sns_clip_config *c, sns_error *err);
json_t *sns_siglip_json(const sns_clip_config *c, const char *dtype);
#endif
