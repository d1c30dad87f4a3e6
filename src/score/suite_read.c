/* suite_read.c - the text of a suite.
 *
 *   line := "#" comment | "[" name "]" | key "=" value
 * White space around names, keys and values does not count; a value goes to the end of its line. */
#include "base/error.h"
#include "base/strbuf.h"
#include "score/suite_file.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 1 << 20, NAME_MAX_BYTES = 200 };

const char *const sns_suite_kind_names[SNS_SUITE_KINDS] = {
    [SNS_SUITE_RETRIEVAL] = "retrieval", [SNS_SUITE_ZERO_SHOT] = "zero-shot",
    [SNS_SUITE_PROBE] = "probe",         [SNS_SUITE_KNN] = "knn",
    [SNS_SUITE_FEW_SHOT] = "few-shot",   [SNS_SUITE_RELEVANCE] = "relevance"};

typedef struct parser {
    const char *path;
    size_t line;
    sns_suite *out;
    bool has_kind; /* the section at hand */
    sns_error *err;
} parser;

static sns_status bad(const parser *p, sns_status code, const char *what, const char *detail) {
    return sns_fail(p->err, code, "%s: line %zu: %s%s", p->path, p->line, what, detail);
}

static sns_suite_section *current(const parser *p) {
    return p->out->count ? &p->out->sections[p->out->count - 1] : NULL;
}

/* A copy without white space at both ends; NULL: no memory. */
static char *trimmed(const char *s, size_t n) {
    while (n && isspace((unsigned char)*s)) s++, n--;
    while (n && isspace((unsigned char)s[n - 1])) n--;
    return sns_strndup(s, n);
}

/* What a section of its kind must have. */
static sns_status check_section(const parser *p) {
    const sns_suite_section *s = current(p);
    if (!s) return SNS_OK;
    if (!p->has_kind) return bad(p, SNS_FORMAT, "no kind in the section before here: ", s->name);
    bool learns = s->kind == SNS_SUITE_PROBE || s->kind == SNS_SUITE_KNN ||
                  s->kind == SNS_SUITE_FEW_SHOT;
    if (learns && (!s->train || !s->test))
        return bad(p, SNS_FORMAT, "no train or no test in the section before here: ", s->name);
    if (!learns && !s->data)
        return bad(p, SNS_FORMAT, "no data in the section before here: ", s->name);
    return SNS_OK;
}

static sns_status begin_section(parser *p, const char *line, size_t n) {
    sns_status st = check_section(p);
    if (st) return st;
    if (line[n - 1] != ']') return bad(p, SNS_FORMAT, "a section's name has no ]", "");
    if (p->out->count == SNS_SUITE_SECTIONS) return bad(p, SNS_LIMIT, "more than 256 sections", "");
    sns_suite_section *more = realloc(p->out->sections, (p->out->count + 1) * sizeof *more);
    char *name = trimmed(line + 1, n - 2);
    if (more) p->out->sections = more;
    if (!more || !name) {
        free(name);
        return bad(p, SNS_NOMEM, "no memory", "");
    }
    if (!*name || strlen(name) > NAME_MAX_BYTES) {
        free(name);
        return bad(p, SNS_FORMAT, "a section's name is empty or longer than 200 bytes", "");
    }
    for (size_t i = 0; i < p->out->count; i++)
        if (!strcmp(more[i].name, name)) {
            st = bad(p, SNS_FORMAT, "a second section of the name ", name);
            free(name);
            return st;
        }
    more[p->out->count++] = (sns_suite_section){.name = name};
    p->has_kind = false;
    return SNS_OK;
}

static sns_status set_kind(parser *p, const char *value) {
    for (int k = 0; k < SNS_SUITE_KINDS; k++)
        if (!strcmp(value, sns_suite_kind_names[k])) {
            current(p)->kind = (sns_suite_kind)k;
            p->has_kind = true;
            return SNS_OK;
        }
    return bad(p, SNS_FORMAT,
               "kind must be retrieval, zero-shot, probe, knn, few-shot or relevance, not ", value);
}

static sns_status set_path(parser *p, char **to, const char *value) {
    if (*to) return bad(p, SNS_FORMAT, "the key stands twice: ", value);
    if (*value == '/') {
        *to = sns_strdup(value);
    } else {
        const char *slash = strrchr(p->path, '/');
        char *folder = slash ? sns_strndup(p->path, (size_t)(slash - p->path)) : sns_strdup(".");
        if (folder) *to = sns_path_join(*folder ? folder : "/", value);
        free(folder);
    }
    return *to ? SNS_OK : bad(p, SNS_NOMEM, "no memory", "");
}

static sns_status set_number(parser *p, size_t *to, const char *value) {
    char *end;
    unsigned long long n = strtoull(value, &end, 10);
    if (!isdigit((unsigned char)*value) || *end || n < 1 || n > 1000000)
        return bad(p, SNS_FORMAT, "must be a number from 1 to 1000000, not ", value);
    *to = (size_t)n;
    return SNS_OK;
}

static sns_status append(parser *p, char **items, size_t *count, size_t most, const char *value,
                         size_t n) {
    if (*count == most) return bad(p, SNS_LIMIT, "too many of them: ", value);
    if (!(items[*count] = trimmed(value, n))) return bad(p, SNS_NOMEM, "no memory", "");
    ++*count;
    return *items[*count - 1] ? SNS_OK : bad(p, SNS_FORMAT, "a value is empty", "");
}

static sns_status set_languages(parser *p, const char *value) {
    sns_suite_section *s = current(p);
    for (const char *at = value;; at++) {
        size_t n = strcspn(at, ",");
        sns_status st = append(p, s->languages, &s->language_count, SNS_SUITE_LANGUAGES, at, n);
        if (st || !at[n]) return st;
        at += n;
    }
}

static sns_status set_template(parser *p, const char *value) {
    sns_suite_section *s = current(p);
    if (!strstr(value, "{}")) return bad(p, SNS_FORMAT, "a template has no {}: ", value);
    return append(p, s->templates, &s->template_count, SNS_SUITE_TEMPLATES, value, strlen(value));
}

static sns_status set_key(parser *p, const char *key, const char *value) {
    sns_suite_section *s = current(p);
    if (!s) return bad(p, SNS_FORMAT, "a key before the first [section]: ", key);
    if (!*value) return bad(p, SNS_FORMAT, "no value for ", key);
    if (!strcmp(key, "kind")) return set_kind(p, value);
    if (!strcmp(key, "data")) return set_path(p, &s->data, value);
    if (!strcmp(key, "train")) return set_path(p, &s->train, value);
    if (!strcmp(key, "test")) return set_path(p, &s->test, value);
    if (!strcmp(key, "lang")) return set_languages(p, value);
    if (!strcmp(key, "template")) return set_template(p, value);
    if (!strcmp(key, "k")) return set_number(p, &s->k, value);
    if (!strcmp(key, "shots")) return set_number(p, &s->shots, value);
    if (!strcmp(key, "draws")) return set_number(p, &s->draws, value);
    if (!strcmp(key, "captions")) return set_number(p, &s->captions, value);
    return bad(p, SNS_FORMAT, "unknown key: ", key);
}

static sns_status parse_line(parser *p, const char *line, size_t n) {
    while (n && isspace((unsigned char)*line)) line++, n--;
    while (n && isspace((unsigned char)line[n - 1])) n--;
    if (!n || *line == '#') return SNS_OK;
    if (*line == '[') return begin_section(p, line, n);
    const char *equals = memchr(line, '=', n);
    if (!equals) return bad(p, SNS_FORMAT, "neither [section], key = value nor # comment", "");
    char *key = trimmed(line, (size_t)(equals - line));
    char *value = trimmed(equals + 1, n - (size_t)(equals + 1 - line));
    sns_status st = key && value ? set_key(p, key, value) : bad(p, SNS_NOMEM, "no memory", "");
    free(key);
    free(value);
    return st;
}

void sns_suite_free(sns_suite *s) {
    for (size_t i = 0; i < s->count; i++) {
        sns_suite_section *x = &s->sections[i];
        for (size_t k = 0; k < x->language_count; k++) free(x->languages[k]);
        for (size_t k = 0; k < x->template_count; k++) free(x->templates[k]);
        free(x->name);
        free(x->data);
        free(x->train);
        free(x->test);
    }
    free(s->sections);
    *s = (sns_suite){0};
}

sns_status sns_suite_parse(const char *text, size_t size, const char *path, sns_suite *out,
                           sns_error *err) {
    *out = (sns_suite){0};
    parser p = {.path = path, .out = out, .err = err};
    if (size > TEXT_MAX) return sns_fail(err, SNS_LIMIT, "%s: a suite of more than 1 MiB", path);
    if (memchr(text, 0, size)) return sns_fail(err, SNS_FORMAT, "%s: not a text", path);
    sns_status st = SNS_OK;
    for (size_t at = 0; at < size && !st;) {
        const char *eol = memchr(text + at, '\n', size - at);
        size_t n = eol ? (size_t)(eol - text) - at : size - at;
        p.line++;
        st = parse_line(&p, text + at, n);
        at += n + 1;
    }
    if (!st) st = check_section(&p);
    if (!st && !out->count) st = sns_fail(err, SNS_FORMAT, "%s: no [section] in it", path);
    if (st) sns_suite_free(out);
    return st;
}
