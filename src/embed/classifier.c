/* classifier.c - zero-shot classifiers from label text; see classifier.h for the equations.
 *
 * Texts of all classes are encoded in one stream of batches, class by class, name by name, template
 * by template; each vector is added in double to its class's sum. */
#include "base/error.h"
#include "base/strbuf.h"
#include "embed/classifier_internal.h"
#include "kernel/kernel.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_TEXTS = 256 };

static char *fill_template(const char *template, const char *name) {
    const char *hole = strstr(template, "{}");
    sns_strbuf b = {0};
    sns_strbuf_add(&b, template, (size_t)(hole - template));
    sns_strbuf_puts(&b, name);
    sns_strbuf_puts(&b, hole + 2);
    if (!b.failed) return b.data;
    sns_strbuf_free(&b);
    return NULL;
}

/* Texts that wait to be encoded, and where their vectors go. */
typedef struct batch {
    char *text[BATCH_TEXTS];
    size_t class[BATCH_TEXTS];
    size_t n, done, total;
    sns_session *session;
    const sns_classifier_options *options;
    float *vectors; /* [BATCH_TEXTS, E] */
    double *sums;   /* [count, E] */
    size_t dim;
} batch;

static void clear_batch(batch *b) {
    for (size_t i = 0; i < b->n; i++) free(b->text[i]);
    b->n = 0;
}

static sns_status flush(batch *b, sns_error *err) {
    if (!b->n) return SNS_OK;
    if (b->options->cancel && __atomic_load_n(b->options->cancel, __ATOMIC_RELAXED))
        return sns_fail(err, SNS_CANCELLED, "cancelled");
    sns_status s = sns_encode_texts(b->session, (const char *const *)b->text, b->n, b->vectors,
                                    err);
    for (size_t i = 0; i < b->n && !s; i++)
        for (size_t e = 0; e < b->dim; e++)
            b->sums[b->class[i] * b -> dim + e] += (double)b->vectors[i * b->dim + e];
    b->done += b->n;
    clear_batch(b);
    if (!s && b->options->progress) b->options->progress(b->options->user, b->done, b->total);
    return s;
}

static sns_status add_text(batch *b, size_t class, const char *template, const char *name,
                           sns_error *err) {
    sns_status s = b->n == BATCH_TEXTS ? flush(b, err) : SNS_OK;
    if (s) return s;
    char *text = fill_template(template, name);
    if (!text) return sns_fail(err, SNS_NOMEM, "no memory for a classifier's texts");
    b->text[b->n] = text;
    b->class[b->n++] = class;
    return SNS_OK;
}

static sns_status add_class(batch *b, const sns_classifier *c, size_t i, sns_error *err) {
    sns_status s = SNS_OK;
    for (size_t n = 0; n < c->classes[i].name_count; n++)
        for (size_t t = 0; t < c->template_count && !s; t++)
            s = add_text(b, i, c->templates[t], c->classes[i].names[n], err);
    return s;
}

/* w <- sum / |sum| */
static sns_status normalise(const sns_classifier *c, size_t i, const double *sum, sns_error *err) {
    double norm = 0;
    for (size_t e = 0; e < c->dim; e++) norm += sum[e] * sum[e];
    norm = sqrt(norm);
    if (!(norm > 1e-6))
        return sns_fail(err, SNS_FORMAT, "the texts of class '%s' have no direction in common",
                        c->classes[i].label);
    for (size_t e = 0; e < c->dim; e++) c->weights[i * c->dim + e] = (float)(sum[e] / norm);
    return SNS_OK;
}

static sns_status encode(const sns_model *model, const sns_classifier_options *options,
                         sns_classifier *c, sns_error *err) {
    batch b = {.options = options, .dim = c->dim};
    for (size_t i = 0; i < c->count; i++) b.total += c->classes[i].name_count * c->template_count;
    b.vectors = malloc(BATCH_TEXTS * c->dim * sizeof *b.vectors);
    b.sums = calloc(c->count, c->dim * sizeof *b.sums);
    sns_status s = b.vectors && b.sums
                       ? sns_session_new(model, &b.session, err)
                       : sns_fail(err, SNS_NOMEM, "no memory for %zu classes", c->count);
    for (size_t i = 0; i < c->count && !s; i++) s = add_class(&b, c, i, err);
    if (!s) s = flush(&b, err);
    for (size_t i = 0; i < c->count && !s; i++) s = normalise(c, i, b.sums + i * c->dim, err);
    clear_batch(&b);
    sns_session_free(b.session);
    free(b.vectors);
    free(b.sums);
    return s;
}

static sns_status check(const sns_class *classes, size_t n, const char *const *templates,
                        size_t template_count, sns_error *err) {
    if (!n || !template_count)
        return sns_fail(err, SNS_ARG, "a classifier needs a class and a template");
    if (n > SNS_CLASSES_MAX)
        return sns_fail(err, SNS_LIMIT, "%zu classes, more than the limit of %d", n,
                        SNS_CLASSES_MAX);
    for (size_t t = 0; t < template_count; t++)
        if (!strstr(templates[t], "{}"))
            return sns_fail(err, SNS_ARG, "the template '%s' has no {}", templates[t]);
    for (size_t i = 0; i < n; i++)
        if (!classes[i].name_count)
            return sns_fail(err, SNS_ARG, "class '%s' has no name", classes[i].label);
    return SNS_OK;
}

sns_status sns_classifier_new(const sns_model *model, const sns_class *classes, size_t n,
                              const char *const *templates, size_t template_count,
                              const sns_classifier_options *options, sns_classifier **out,
                              sns_error *err) {
    static const sns_classifier_options defaults;
    *out = NULL;
    sns_status s = check(classes, n, templates, template_count, err);
    if (s) return s;
    sns_classifier *c = sns_classifier_alloc(n, sns_model_dim(model));
    bool copied = c && sns_classifier_set_templates(c, templates, template_count);
    for (size_t i = 0; i < n && copied; i++) copied = sns_classifier_set(c, i, &classes[i]);
    s = copied ? encode(model, options ? options : &defaults, c, err)
               : sns_fail(err, SNS_NOMEM, "no memory for %zu classes", n);
    if (s) {
        sns_classifier_free(c);
        return s;
    }
    memcpy(c->fingerprint, sns_model_fingerprint(model), sizeof c->fingerprint);
    *out = c;
    return SNS_OK;
}

sns_status sns_classifier_judge(const sns_classifier *c, const sns_model *model,
                                const float *vector, float *probability, sns_error *err) {
    if (c->dim != sns_model_dim(model) || strcmp(c->fingerprint, sns_model_fingerprint(model)))
        return sns_fail(err, SNS_MISMATCH,
                        "the classifier was made with model %s, not %s: build it again",
                        c->fingerprint, sns_model_fingerprint(model));
    sns_kernels_get()->dot_rows(probability, vector, c->weights, c->count, c->dim);
    sns_model_probabilities(model, probability, c->count, probability);
    return SNS_OK;
}
