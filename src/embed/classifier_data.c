/* classifier_data.c - what a classifier holds: its memory, and access to it. */
#include "base/strbuf.h"
#include "embed/classifier_internal.h"
#include <stdlib.h>

sns_classifier *sns_classifier_alloc(size_t n, size_t dim) {
    sns_classifier *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    *c = (sns_classifier){.count = n, .dim = dim};
    c->classes = calloc(n, sizeof *c->classes);
    c->weights = calloc(n, dim * sizeof *c->weights);
    if (c->classes && c->weights) return c;
    sns_classifier_free(c);
    return NULL;
}

static void free_class(sns_class *k) {
    for (size_t i = 0; i < k->name_count; i++) free((char *)(uintptr_t)k->names[i]);
    free((void *)(uintptr_t)k->names);
    free((char *)(uintptr_t)k->label);
}

void sns_classifier_free(sns_classifier *c) {
    if (!c) return;
    for (size_t i = 0; i < c->count && c->classes; i++) free_class(&c->classes[i]);
    for (size_t i = 0; i < c->template_count; i++) free(c->templates[i]);
    free(c->templates);
    free(c->classes);
    free(c->weights);
    free(c);
}

/* Copies of n strings; false: no memory, *made are there. */
static bool copy_strings(char **to, const char *const *from, size_t n, size_t *made) {
    for (*made = 0; *made < n; ++*made)
        if (!(to[*made] = sns_strdup(from[*made]))) return false;
    return true;
}

bool sns_classifier_set(sns_classifier *c, size_t i, const sns_class *from) {
    sns_class *to = &c->classes[i];
    char **names = calloc(from->name_count, sizeof *names);
    to->names = (const char *const *)names;
    to->label = sns_strdup(from->label);
    return names && to->label &&
           copy_strings(names, from->names, from->name_count, &to->name_count);
}

bool sns_classifier_set_templates(sns_classifier *c, const char *const *templates, size_t n) {
    c->templates = calloc(n, sizeof *c->templates);
    return c->templates && copy_strings(c->templates, templates, n, &c->template_count);
}

size_t sns_classifier_count(const sns_classifier *c) {
    return c->count;
}
size_t sns_classifier_dim(const sns_classifier *c) {
    return c->dim;
}
const sns_class *sns_classifier_class(const sns_classifier *c, size_t i) {
    return &c->classes[i];
}
size_t sns_classifier_template_count(const sns_classifier *c) {
    return c->template_count;
}
const char *sns_classifier_template(const sns_classifier *c, size_t i) {
    return c->templates[i];
}
const float *sns_classifier_weights(const sns_classifier *c) {
    return c->weights;
}
const char *sns_classifier_fingerprint(const sns_classifier *c) {
    return c->fingerprint;
}
