/* json_fields.c - fields of a JSON object, with defaults. */
#include "model/json_fields.h"
#include "base/error.h"
#include <math.h>
#include <stdarg.h>

static const json_int_t MAX_SIZE = (json_int_t)1 << 40;

sns_status sns_fields_fail(sns_fields *f, sns_status code, const char *key, const char *fmt, ...) {
    char what[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    if (f->status) return f->status;
    return f->status = sns_fail(f->err, code, "%s: %s%s: %s", f->file, f->path, key, what);
}

static const json_t *get(const sns_fields *f, const char *key) {
    const json_t *v = f->object ? json_object_get(f->object, key) : NULL;
    return json_is_null(v) ? NULL : v;
}

size_t sns_fields_size(sns_fields *f, const char *key, size_t fallback) {
    const json_t *v = get(f, key);
    if (!v) return fallback;
    json_int_t n = json_integer_value(v);
    if (json_is_integer(v) && n >= 0 && n <= MAX_SIZE) return (size_t)n;
    sns_fields_fail(f, SNS_FORMAT, key, "not a size");
    return fallback;
}

bool sns_fields_has(const sns_fields *f, const char *key) {
    const json_t *v = f->object ? json_object_get(f->object, key) : NULL;
    return v && !json_is_null(v);
}

double sns_fields_number(sns_fields *f, const char *key, double fallback) {
    const json_t *v = get(f, key);
    if (!v) return fallback;
    if (json_is_number(v) && isfinite((float)json_number_value(v))) return json_number_value(v);
    sns_fields_fail(f, SNS_FORMAT, key, "not a number");
    return fallback;
}

bool sns_fields_bool(sns_fields *f, const char *key, bool fallback) {
    const json_t *v = get(f, key);
    if (!v) return fallback;
    if (json_is_boolean(v)) return json_is_true(v);
    sns_fields_fail(f, SNS_FORMAT, key, "neither true nor false");
    return fallback;
}

const char *sns_fields_string(sns_fields *f, const char *key, const char *fallback) {
    const json_t *v = get(f, key);
    if (!v) return fallback;
    if (json_is_string(v)) return json_string_value(v);
    sns_fields_fail(f, SNS_FORMAT, key, "not a string");
    return fallback;
}

sns_fields sns_fields_object(sns_fields *f, const char *key, const char *second) {
    const json_t *v = get(f, key);
    if (!v && second) v = get(f, key = second);
    if (v && !json_is_object(v)) {
        sns_fields_fail(f, SNS_FORMAT, key, "not an object");
        v = NULL;
    }
    sns_fields out = {.object = v, .file = f->file, .err = f->err, .status = f->status};
    snprintf(out.path, sizeof out.path, "%.20s%.40s.", f->path, key);
    return out;
}
