/* suite_file.h - what a suite's file says (internal). */
#ifndef SNS_SCORE_SUITE_FILE_H
#define SNS_SCORE_SUITE_FILE_H
#include <jansson.h>
#include <sensus/suite.h>
#include <stdbool.h>

enum { SNS_SUITE_SECTIONS = 256, SNS_SUITE_TEMPLATES = 256, SNS_SUITE_LANGUAGES = 256 };

typedef enum sns_suite_kind {
    SNS_SUITE_RETRIEVAL,
    SNS_SUITE_ZERO_SHOT,
    SNS_SUITE_PROBE,
    SNS_SUITE_KNN,
    SNS_SUITE_FEW_SHOT,
    SNS_SUITE_RELEVANCE,
    SNS_SUITE_KINDS
} sns_suite_kind;
extern const char *const sns_suite_kind_names[SNS_SUITE_KINDS];

typedef struct sns_suite_section {
    char *name;
    sns_suite_kind kind;
    char *data, *train, *test; /* paths, joined to the suite's folder */
    char *languages[SNS_SUITE_LANGUAGES], *templates[SNS_SUITE_TEMPLATES];
    size_t language_count, template_count;
    size_t k, shots, draws, captions; /* 0: not given */
} sns_suite_section;

typedef struct sns_suite {
    sns_suite_section *sections; /* [count] */
    size_t count;
} sns_suite;

/* Parse the text of a file; `path` names it in errors, and its folder is where paths start. */
sns_status sns_suite_parse(const char *text, size_t size, const char *path, sns_suite *out,
                           sns_error *err);
void sns_suite_free(sns_suite *s);

/* A document of sns_suite_run; SNS_FORMAT where it is none. json_decref *out. */
sns_status sns_suite_load(const char *json, json_t **out, sns_error *err);
/* Is this a measure: an object with value, low and high? */
bool sns_is_measure(const json_t *v, sns_measure *out);
/* Every measure below v, with its keys joined by dots. False stops. */
typedef bool sns_measure_fn(void *user, const char *name, const sns_measure *m);
bool sns_each_measure(const json_t *v, const char *name, sns_measure_fn *fn, void *user);
#endif
