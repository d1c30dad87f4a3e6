/* classifier_file.c - a classifier as one safetensors file.
 *
 *   tensor    "weight" [n, E], F32, rows of unit length
 *   metadata  "format": "sensus classifier", "model": its fingerprint,
 *             "classes": [{"label": "dog", "names": ["dog", "puppy"]}, ...],
 *             "templates": ["a photo of a {}", ...]
 * Nothing of a file is trusted: it must say n classes for n rows, each with a label and a name, and
 * every row must be finite and of unit length. */
#include "base/error.h"
#include "embed/classifier_internal.h"
#include "tensor/safetensors.h"
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char format_name[] = "sensus classifier";
enum { DIM_MAX = 1 << 16, NAMES_MAX = 1 << 16 };

/* ---- writing ---- */

static json_t *strings_json(const char *const *strings, size_t n) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, json_string(strings[i]));
    return list;
}

static char *classes_text(const sns_classifier *c) {
    json_t *list = json_array();
    for (size_t i = 0; i < c->count; i++) {
        const sns_class *k = &c->classes[i];
        json_array_append_new(list, json_pack("{s:s, s:o}", "label", k->label, "names",
                                              strings_json(k->names, k->name_count)));
    }
    char *text = json_array_size(list) == c->count ? json_dumps(list, JSON_COMPACT) : NULL;
    json_decref(list);
    return text;
}

static char *templates_text(const sns_classifier *c) {
    json_t *list = strings_json((const char *const *)c->templates, c->template_count);
    char *text = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return text;
}

sns_status sns_classifier_save(const sns_classifier *c, const char *path, sns_error *err) {
    char *classes = classes_text(c), *templates = templates_text(c);
    sns_status s = SNS_NOMEM;
    if (classes && templates) {
        const char *metadata[] = {"format",       format_name, "model",
                                  c->fingerprint, "classes",   classes,
                                  "templates",    templates,   NULL};
        sns_to_store weight = {.name = "weight",
                               .dtype = SNS_DTYPE_F32,
                               .dims = 2,
                               .dim = {c->count, c->dim},
                               .data = c->weights};
        s = sns_safetensors_write(path, &weight, 1, metadata, sns_kernels_get(), err);
    } else
        sns_fail(err, SNS_NOMEM, "%s: labels that are no UTF-8, or no memory", path);
    free(classes);
    free(templates);
    return s;
}

/* ---- reading ---- */

typedef struct reader {
    const char *path;
    const sns_safetensors *file;
    sns_error *err;
} reader;

static sns_status bad(const reader *r, const char *what) {
    return sns_fail(r->err, SNS_FORMAT, "%s: not a classifier: %s", r->path, what);
}

/* A list of 1 ... NAMES_MAX strings, borrowed from the JSON; malloc'd; NULL otherwise. */
static const char **string_list(const json_t *list, size_t *n) {
    *n = json_array_size(list);
    if (!*n || *n > NAMES_MAX) return NULL;
    const char **out = calloc(*n, sizeof *out);
    for (size_t i = 0; i < *n && out; i++)
        if (!(out[i] = json_string_value(json_array_get(list, i)))) {
            free(out);
            return NULL;
        }
    return out;
}

static sns_status read_class(const reader *r, const json_t *from, sns_classifier *c, size_t i) {
    sns_class k = {.label = json_string_value(json_object_get(from, "label"))};
    const char **names = string_list(json_object_get(from, "names"), &k.name_count);
    k.names = names;
    sns_status s = SNS_OK;
    if (!k.label || !names)
        s = bad(r, "a class without label or names");
    else if (!sns_classifier_set(c, i, &k))
        s = sns_fail(r->err, SNS_NOMEM, "%s: no memory for a classifier", r->path);
    free(names);
    return s;
}

static sns_status read_templates(const reader *r, const json_t *list, sns_classifier *c) {
    size_t n;
    const char **templates = string_list(list, &n);
    if (!templates) return bad(r, "no templates");
    bool ok = sns_classifier_set_templates(c, templates, n);
    free(templates);
    return ok ? SNS_OK : sns_fail(r->err, SNS_NOMEM, "%s: no memory for a classifier", r->path);
}

static json_t *metadata_json(const reader *r, const char *key) {
    const char *text = sns_safetensors_metadata(r->file, key);
    return text ? json_loads(text, 0, NULL) : NULL;
}

static sns_status read_words(const reader *r, sns_classifier *c) {
    const char *model = sns_safetensors_metadata(r->file, "model");
    if (!model || strlen(model) + 1 != sizeof c->fingerprint)
        return bad(r, "no fingerprint of a model");
    memcpy(c->fingerprint, model, sizeof c->fingerprint);
    json_t *classes = metadata_json(r, "classes"), *templates = metadata_json(r, "templates");
    sns_status s = json_array_size(classes) == c->count ? read_templates(r, templates, c)
                                                        : bad(r, "other classes than rows");
    for (size_t i = 0; i < c->count && !s; i++) s = read_class(r, json_array_get(classes, i), c, i);
    json_decref(classes);
    json_decref(templates);
    return s;
}

static sns_status read_weights(const reader *r, const sns_stored *weight, sns_classifier *c) {
    const sns_kernels *k = sns_kernels_get();
    sns_status s = sns_stored_to_f32(weight, k, 0, weight->count, c->weights, r->err);
    for (size_t i = 0; i < c->count && !s; i++) {
        double norm = k->sum_squares(c->weights + i * c->dim, c->dim);
        if (!(fabs(norm - 1) < 1e-3)) s = bad(r, "a row that is no unit vector");
    }
    return s;
}

static sns_status read_classifier(const reader *r, sns_classifier **out) {
    const char *format = sns_safetensors_metadata(r->file, "format");
    const sns_stored *weight = sns_safetensors_find(r->file, "weight");
    if (!format || strcmp(format, format_name) || !weight || weight->dims != 2)
        return bad(r, "no such format and weight");
    if (!weight->dim[0] || !weight->dim[1] || weight->dim[0] > SNS_CLASSES_MAX ||
        weight->dim[1] > DIM_MAX)
        return sns_fail(r->err, SNS_LIMIT, "%s: a weight of %zu x %zu", r->path, weight->dim[0],
                        weight->dim[1]);
    sns_classifier *c = sns_classifier_alloc(weight->dim[0], weight->dim[1]);
    sns_status s = c ? read_words(r, c)
                     : sns_fail(r->err, SNS_NOMEM, "%s: no memory for a classifier", r->path);
    if (!s) s = read_weights(r, weight, c);
    if (s)
        sns_classifier_free(c);
    else
        *out = c;
    return s;
}

sns_status sns_classifier_read(const sns_safetensors *file, const char *path, sns_classifier **out,
                               sns_error *err) {
    reader r = {path, file, err};
    *out = NULL;
    return read_classifier(&r, out);
}

sns_status sns_classifier_load(const char *path, sns_classifier **out, sns_error *err) {
    sns_safetensors *file;
    *out = NULL;
    sns_status s = sns_safetensors_open(path, &file, err);
    if (s) return s;
    s = sns_classifier_read(file, path, out, err);
    sns_safetensors_close(file);
    return s;
}
