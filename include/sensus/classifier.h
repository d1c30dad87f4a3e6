/* classifier.h - a classifier made of words: the names of its classes, encoded once, kept in a
 * file.
 *
 * With f the text tower, unit length, and the mean over a class's names and the templates:
 *     w_c = normalise(mean of f(template with {} replaced by a name of c))     [E]
 *     p(c | picture x) = softmax over c of exp(t) * x . w_c
 * Source: Radford et al. 2021, sections 3.1.2 and 3.1.4. */
#ifndef SENSUS_CLASSIFIER_H
#define SENSUS_CLASSIFIER_H
#include <sensus/model.h>

typedef struct sns_classifier sns_classifier; /* immutable; may be shared by threads */

/* What is answered, and what captions call it. */
typedef struct sns_class {
    const char *label;
    const char *const *names; /* name_count of them, at least one */
    size_t name_count;
} sns_class;

typedef struct sns_classifier_options {
    const int *cancel; /* embed.h; may be NULL */
    /* Texts encoded so far; NULL ok. */
    void (*progress)(void *user, size_t done, size_t total);
    void *user;
} sns_classifier_options;

/* Encode the texts of n classes, n at least 1. A mean without direction (names whose vectors cancel
 * out) is SNS_FORMAT.
 *   templates   template_count texts, at least one, each with {} where the name goes
 *   options     NULL: all defaults
 * Everything is copied. Errors: SNS_ARG (no class, name or template, a template without {}),
 * SNS_LIMIT (more than 2^20 classes), SNS_MISSING (no tokenizer), SNS_SHAPE (no text tower),
 * SNS_CANCELLED, SNS_NOMEM. */
SNS_API sns_status sns_classifier_new(const sns_model *model, const sns_class *classes, size_t n,
                                      const char *const *templates, size_t template_count,
                                      const sns_classifier_options *options, sns_classifier **out,
                                      sns_error *err);
SNS_API void sns_classifier_free(sns_classifier *c);

/* One safetensors file: a tensor "weight" [n, E], f32; labels, names, templates and the model's
 * fingerprint in its metadata (docs/FORMATS.md). It appears whole or not at all. Errors: SNS_IO,
 * SNS_NOMEM. */
SNS_API sns_status sns_classifier_save(const sns_classifier *c, const char *path, sns_error *err);
/* Errors: SNS_MISSING, SNS_IO, SNS_FORMAT (no classifier, or rows that are not unit vectors),
 * SNS_LIMIT, SNS_NOMEM. */
SNS_API sns_status sns_classifier_load(const char *path, sns_classifier **out, sns_error *err);

SNS_API size_t sns_classifier_count(const sns_classifier *c); /* classes */
SNS_API size_t sns_classifier_dim(const sns_classifier *c);   /* E */
/* The label, and the names, of class i. Borrowed. */
SNS_API const sns_class *sns_classifier_class(const sns_classifier *c, size_t i);
SNS_API size_t sns_classifier_template_count(const sns_classifier *c);
SNS_API const char *sns_classifier_template(const sns_classifier *c, size_t i);
/* [count, E], rows of unit length. Borrowed. */
SNS_API const float *sns_classifier_weights(const sns_classifier *c);
/* Of the model whose text tower made it: 32 hex digits. Borrowed. */
SNS_API const char *sns_classifier_fingerprint(const sns_classifier *c);

/* Probabilities of all classes for one picture (sns_model_probabilities of its cosines).
 *   vector  E floats of unit length, from the same model   probability  count floats, caller-owned
 * Errors: SNS_MISMATCH (the classifier was made with another model). */
SNS_API sns_status sns_classifier_judge(const sns_classifier *c, const sns_model *model,
                                        const float *vector, float *probability, sns_error *err);

/* A named set of templates: "plain", "photos", "drawings", "all"; NULL: no such set. Borrowed,
 * *count of them. */
SNS_API const char *const *sns_template_set(const char *name, size_t *count);
#endif
