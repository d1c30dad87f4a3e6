/* classifier_internal.h - what a classifier is made of. */
#ifndef SNS_EMBED_CLASSIFIER_INTERNAL_H
#define SNS_EMBED_CLASSIFIER_INTERNAL_H
#include "tensor/safetensors.h"
#include <sensus/classifier.h>
#include <stdbool.h>

enum { SNS_CLASSES_MAX = 1 << 20 };

struct sns_classifier {
    sns_class *classes; /* strings are this struct's own */
    size_t count, dim, template_count;
    char **templates;
    float *weights; /* [count, dim] */
    char fingerprint[33];
};

/* Room for n classes of width dim; NULL: no memory. */
sns_classifier *sns_classifier_alloc(size_t n, size_t dim);
/* Copies into place i; false: no memory. */
bool sns_classifier_set(sns_classifier *c, size_t i, const sns_class *from);
bool sns_classifier_set_templates(sns_classifier *c, const char *const *templates, size_t n);
/* From an open file, of which nothing stays in use; path is for messages. */
sns_status sns_classifier_read(const sns_safetensors *file, const char *path, sns_classifier **out,
                               sns_error *err);
#endif
