/* robustness_read.c - points from JSON lines; the first line that is none ends the reading. */
#include "base/error.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "score/robust_points.h"
#include <jansson.h>
#include <search.h>

enum { FILE_MAX = 64 << 20 };

typedef struct reader {
    const char *path;
    size_t line, names_used, names_size;
    sns_robustness *out;
    struct hsearch_data seen; /* names, and pairs of model and shift */
    sns_error *err;
} reader;

static sns_status bad(const reader *r, sns_status code, const char *what, const char *key) {
    return sns_fail(r->err, code, "%s: line %zu: %s%s%s", r->path, r->line, key, *key ? ": " : "",
                    what);
}

/* The one copy of a name, and the entry whose data says what is known of it: NULL at first. */
static sns_status keep(reader *r, const char *text, const char **name, ENTRY **entry) {
    size_t n = strlen(text) + 1;
    ENTRY key = {.key = r->out->names + r->names_used};
    if (n > r->names_size - r->names_used) return bad(r, SNS_INTERNAL, "no room for a name", "");
    memcpy(key.key, text, n);
    if (!hsearch_r(key, ENTER, entry, &r->seen))
        return bad(r, SNS_NOMEM, "no memory for a name", "");
    if ((*entry)->key == key.key) r->names_used += n;
    *name = (*entry)->key;
    return SNS_OK;
}

static sns_status read_name(reader *r, const json_t *o, const char *key, const char **name) {
    const json_t *v = json_object_get(o, key);
    ENTRY *entry;
    const char *text = json_string_value(v);
    if (!text || !*text) return bad(r, SNS_FORMAT, "a name is missing", key);
    if (json_string_length(v) > SNS_ROBUST_NAME_BYTES)
        return bad(r, SNS_LIMIT, "a name of more than 200 bytes", key);
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < ' ') return bad(r, SNS_FORMAT, "a control character", key);
    return keep(r, text, name, &entry);
}

static sns_status read_score(reader *r, const json_t *o, const char *key, sns_score *out) {
    const json_t *v = json_object_get(o, key), *correct = json_object_get(v, "correct");
    const json_t *total = json_object_get(v, "total");
    if (!json_is_integer(correct) || !json_is_integer(total))
        return bad(r, SNS_FORMAT, "needs \"correct\" and \"total\", whole numbers", key);
    json_int_t k = json_integer_value(correct), n = json_integer_value(total);
    if (n > SNS_ROBUST_TOTAL) return bad(r, SNS_LIMIT, "a total above 1e9", key);
    if (n < 1 || k < 0 || k > n)
        return bad(r, SNS_FORMAT, "0 <= correct <= total and total > 0 do not hold", key);
    *out = (sns_score){(size_t)k, (size_t)n};
    return SNS_OK;
}

/* A list of distinct names grows by one. */
static sns_status list_name(reader *r, ENTRY *e, size_t *count, size_t most, const char *what) {
    if (*count == most) return bad(r, SNS_LIMIT, "more of them than are allowed", what);
    e->data = r->out;
    ++*count;
    return SNS_OK;
}

/* A model belongs to one group, and has one point of a shift. Names of different kinds may be
 * equal, so each kind has a prefix of its own while names are looked up. */
static sns_status check_model(reader *r, const sns_robust_point *p) {
    char text[2 * SNS_ROBUST_NAME_BYTES + 16];
    const char *unused;
    ENTRY *e;
    snprintf(text, sizeof text, "m\n%s", p->model);
    sns_status s = keep(r, text, &unused, &e);
    if (s) return s;
    if (e->data && e->data != p->group) return bad(r, SNS_FORMAT, "in two groups", p->model);
    e->data = (void *)p->group;
    snprintf(text, sizeof text, "p\n%s\n%s", p->model, p->shift);
    if ((s = keep(r, text, &unused, &e))) return s;
    if (e->data)
        return bad(r, SNS_FORMAT, "the second point of this model on this shift", p->model);
    e->data = r->out;
    return SNS_OK;
}

static sns_status list_kinds(reader *r, const sns_robust_point *p) {
    char text[SNS_ROBUST_NAME_BYTES + 16];
    sns_robustness *out = r->out;
    const char *unused;
    ENTRY *e;
    snprintf(text, sizeof text, "g\n%s", p->group);
    sns_status s = keep(r, text, &unused, &e);
    if (!s && !e->data) {
        s = list_name(r, e, &out->group_count, SNS_ROBUST_GROUPS, "groups");
        if (!s) out->groups[out->group_count - 1] = p->group;
    }
    if (s) return s;
    snprintf(text, sizeof text, "s\n%s", p->shift);
    if ((s = keep(r, text, &unused, &e)) || e->data) return s;
    s = list_name(r, e, &out->line_count, SNS_ROBUST_SHIFTS, "shifts");
    if (!s) out->lines[out->line_count - 1].shift = p->shift;
    return s;
}

static sns_status read_point(reader *r, const json_t *o) {
    sns_robust_point p = {0};
    if (!json_is_object(o)) return bad(r, SNS_FORMAT, "not a JSON object", "");
    if (r->out->point_count == SNS_ROBUST_POINTS)
        return bad(r, SNS_LIMIT, "more than 10,000 points", "");
    sns_status s = read_name(r, o, "model", &p.model);
    if (!s) s = read_name(r, o, "group", &p.group);
    if (!s) s = read_name(r, o, "shift", &p.shift);
    p.run = p.model;
    if (!s && json_object_get(o, "run")) s = read_name(r, o, "run", &p.run);
    if (!s) s = read_score(r, o, "id", &p.id);
    if (!s) s = read_score(r, o, "shifted", &p.shifted);
    if (!s) s = check_model(r, &p);
    if (!s) s = list_kinds(r, &p);
    if (!s) r->out->points[r->out->point_count++] = p;
    return s;
}

static sns_status read_lines(reader *r, const char *text, size_t size) {
    for (const char *p = text, *end = text + size, *eol; p < end; p = eol + 1) {
        json_error_t e;
        r->line++;
        eol = memchr(p, '\n', (size_t)(end - p));
        if (!eol) eol = end;
        if (strspn(p, " \t\r") >= (size_t)(eol - p)) continue;
        json_t *o = json_loadb(p, (size_t)(eol - p), JSON_REJECT_DUPLICATES, &e);
        sns_status s = o ? read_point(r, o) : bad(r, SNS_FORMAT, e.text, "");
        json_decref(o);
        if (s) return s;
    }
    if (!r->out->point_count) return sns_fail(r->err, SNS_FORMAT, "%s: no point in it", r->path);
    return SNS_OK;
}

static size_t most_points(const char *text, size_t size) {
    size_t n = 1;
    for (size_t i = 0; i < size; i++) n += text[i] == '\n';
    return n < SNS_ROBUST_POINTS ? n : SNS_ROBUST_POINTS;
}

sns_status sns_robustness_parse(const char *text, size_t size, const char *path,
                                sns_robustness *out, sns_error *err) {
    size_t n = most_points(text, size);
    reader r = {.path = path, .out = out, .err = err};
    /* Of a point four names are kept, and what is looked up: five more, with prefixes. */
    r.names_size = (n + 1) * 9 * (SNS_ROBUST_NAME_BYTES + 8);
    out->points = calloc(n, sizeof *out->points);
    out->lines = calloc(SNS_ROBUST_SHIFTS, sizeof *out->lines);
    out->groups = calloc(SNS_ROBUST_GROUPS, sizeof *out->groups);
    out->names = malloc(r.names_size);
    if (!out->points || !out->lines || !out->groups || !out->names ||
        !hcreate_r(12 * n + 64, &r.seen))
        return sns_fail(err, SNS_NOMEM, "%s: no memory for %zu points", path, n);
    sns_status s = read_lines(&r, text, size);
    hdestroy_r(&r.seen);
    return s;
}

sns_status sns_eval_robustness(const char *file, const char *baseline, sns_robustness *out,
                               sns_error *err) {
    char *text;
    size_t size;
    *out = (sns_robustness){0};
    sns_status s = sns_file_read(file, FILE_MAX, &text, &size, err);
    if (s) return s;
    s = sns_robustness_parse(text, size, file, out, err);
    free(text);
    if (!s && (s = sns_robustness_measure(out, baseline, err))) sns_fail_in(err, s, file);
    return s;
}

void sns_robustness_free(sns_robustness *r) {
    free(r->points);
    free(r->lines);
    free(r->means);
    free(r->groups);
    free(r->names);
    *r = (sns_robustness){0};
}
