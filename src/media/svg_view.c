/* svg_view.c - a viewBox for drawings whose size is in physical units.
 *
 * Without a viewBox a user unit is a pixel of 1/96 inch, whatever unit the page's size is given in
 * (SVG 1.1, 7.10; CSS Values and Units 3, 6.2). libvips makes the page at 72 dots to the inch and
 * yet draws a user unit as a dot: a page of 400pt would show 400 of its 533 units, cut off at the
 * right and below. With viewBox="0 0 533.3 ..." in the root element the page shows them all. */
#include "media/svg_view.h"
#include "base/error.h"
#include <glib.h>
#include <stdbool.h>
#include <string.h>

typedef struct text {
    const char *at, *end;
} text;

/* What a drawing says of its page, in user units; 0: nothing that can be told. */
typedef struct page {
    double width, height;
    bool physical, has_view;
} page;

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool starts_with(const text *t, const char *word) {
    size_t n = strlen(word);
    return (size_t)(t->end - t->at) >= n && !memcmp(t->at, word, n);
}

/* Go behind the next `word`; false: there is none. */
static bool skip_past(text *t, const char *word) {
    for (; t->at < t->end; t->at++)
        if (starts_with(t, word)) {
            t->at += strlen(word);
            return true;
        }
    return false;
}

/* Behind a document type, whose quoted names and declarations in brackets may hold a '>'. */
static bool skip_doctype(text *t) {
    int depth = 0;
    for (char quote = 0; t->at < t->end; t->at++) {
        char c = *t->at;
        if (quote)
            quote = c == quote ? 0 : quote;
        else if (c == '"' || c == '\'')
            quote = c;
        else if (c == '[' || c == ']')
            depth += c == '[' ? 1 : -1;
        else if (c == '>' && depth == 0) {
            t->at++;
            return true;
        }
    }
    return false;
}

/* Behind the name of the root element, when it is "svg" in any name space. */
static bool enter_root(text *t) {
    while (skip_past(t, "<")) {
        bool inside = true;
        if (starts_with(t, "!--"))
            inside = skip_past(t, "-->");
        else if (starts_with(t, "?"))
            inside = skip_past(t, "?>");
        else if (starts_with(t, "!"))
            inside = skip_doctype(t);
        else {
            const char *name = t->at;
            for (; t->at < t->end && !is_space(*t->at) && !strchr("/>", *t->at); t->at++)
                if (*t->at == ':') name = t->at + 1;
            return t->at < t->end && t->at - name == 3 && !memcmp(name, "svg", 3);
        }
        if (!inside) return false;
    }
    return false;
}

/* The next attribute of an element; false: its end, or not XML. */
static bool next_attribute(text *t, text *name, text *value) {
    while (t->at < t->end && is_space(*t->at)) t->at++;
    name->at = t->at;
    while (t->at < t->end && !is_space(*t->at) && !strchr("=/>", *t->at)) t->at++;
    name->end = t->at;
    while (t->at < t->end && is_space(*t->at)) t->at++;
    if (t->at == t->end || *t->at++ != '=') return false;
    while (t->at < t->end && is_space(*t->at)) t->at++;
    if (t->at == t->end || (*t->at != '"' && *t->at != '\'')) return false;
    char quote = *t->at++;
    value->at = t->at;
    while (t->at < t->end && *t->at != quote) t->at++;
    value->end = t->at;
    return t->at++ < t->end;
}

/* A length in user units; 0 where it has none of its own, as 100% and 2em. */
static double length(const text *value, bool *physical) {
    static const struct {
        const char *name;
        double px;
    } units[] = {{"", 1},           {"px", 1},         {"pt", 96 / 72.0}, {"pc", 16},
                 {"mm", 96 / 25.4}, {"cm", 96 / 2.54}, {"in", 96}};
    char buffer[64], *unit;
    size_t n = (size_t)(value->end - value->at);
    if (n >= sizeof buffer) return 0;
    memcpy(buffer, value->at, n);
    buffer[n] = 0;
    double number = g_ascii_strtod(buffer, &unit);
    g_strstrip(unit);
    if (unit == buffer || !(number > 1e-3 && number < 1e9)) return 0;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (!strcmp(unit, units[i].name)) {
            *physical |= i > 1;
            return number * units[i].px;
        }
    return 0;
}

static bool is_named(const text *t, const char *name) {
    size_t n = strlen(name);
    return (size_t)(t->end - t->at) == n && !memcmp(t->at, name, n);
}

static page read_page(text t) {
    page p = {0};
    for (text name, value; next_attribute(&t, &name, &value);) {
        if (is_named(&name, "width")) p.width = length(&value, &p.physical);
        if (is_named(&name, "height")) p.height = length(&value, &p.physical);
        if (is_named(&name, "viewBox")) p.has_view = true;
    }
    return p;
}

sns_status sns_svg_add_view(const uint8_t *bytes, size_t size, const char *name, uint8_t **out,
                            size_t *out_size, sns_error *err) {
    text t = {(const char *)bytes, (const char *)bytes + size};
    *out = NULL;
    if (!enter_root(&t)) return SNS_OK;
    page p = read_page(t);
    if (!p.physical || p.has_view || !(p.width > 0) || !(p.height > 0)) return SNS_OK;
    char w[G_ASCII_DTOSTR_BUF_SIZE], h[G_ASCII_DTOSTR_BUF_SIZE], view[128];
    int added = snprintf(view, sizeof view, " viewBox=\"0 0 %s %s\"",
                         g_ascii_formatd(w, sizeof w, "%.6f", p.width),
                         g_ascii_formatd(h, sizeof h, "%.6f", p.height));
    size_t before = (size_t)(t.at - (const char *)bytes), n = (size_t)added;
    uint8_t *copy = malloc(size + n);
    if (!copy) return sns_fail(err, SNS_NOMEM, "%s: no memory for a drawing", name);
    memcpy(copy, bytes, before);
    memcpy(copy + before, view, n);
    memcpy(copy + before + n, bytes + before, size - before);
    *out = copy;
    *out_size = size + n;
    return SNS_OK;
}
