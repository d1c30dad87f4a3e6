/* strbuf.c - a growing byte string. */
#include "base/strbuf.h"
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void sns_strbuf_free(sns_strbuf *b) {
    free(b->data);
    *b = (sns_strbuf){0};
}

void sns_strbuf_clear(sns_strbuf *b) {
    b->size = 0;
    if (b->data) b->data[0] = 0;
}

static bool reserve(sns_strbuf *b, size_t extra) {
    if (b->failed) return false;
    if (extra >= SIZE_MAX / 2 - b->size) {
        b->failed = true;
        return false;
    }
    size_t need = b->size + extra + 1;
    if (need <= b->capacity) return true;
    size_t capacity = b->capacity ? b->capacity : 64;
    while (capacity < need) capacity *= 2;
    char *data = realloc(b->data, capacity);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->capacity = capacity;
    return true;
}

void sns_strbuf_add(sns_strbuf *b, const void *bytes, size_t n) {
    if (!reserve(b, n)) return;
    if (n) memcpy(b->data + b->size, bytes, n);
    b->size += n;
    b->data[b->size] = 0;
}

void sns_strbuf_puts(sns_strbuf *b, const char *s) {
    sns_strbuf_add(b, s, strlen(s));
}

void sns_strbuf_printf(sns_strbuf *b, const char *fmt, ...) {
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        b->failed = true;
    else if (reserve(b, (size_t)n)) {
        vsnprintf(b->data + b->size, (size_t)n + 1, fmt, again);
        b->size += (size_t)n;
    }
    va_end(again);
}

void sns_strbuf_xml(sns_strbuf *b, const char *s) {
    for (; *s; s++) {
        switch (*s) {
        case '&':
            sns_strbuf_puts(b, "&amp;");
            break;
        case '<':
            sns_strbuf_puts(b, "&lt;");
            break;
        case '>':
            sns_strbuf_puts(b, "&gt;");
            break;
        case '"':
            sns_strbuf_puts(b, "&quot;");
            break;
        case '\'':
            sns_strbuf_puts(b, "&#39;");
            break;
        default:
            sns_strbuf_add(b, s, 1);
        }
    }
}

const char *sns_strbuf_text(const sns_strbuf *b) {
    return b->data ? b->data : "";
}

char *sns_strdup(const char *s) {
    return sns_strndup(s, strlen(s));
}

char *sns_strndup(const char *s, size_t n) {
    char *copy = malloc(n + 1);
    if (!copy) return NULL;
    memcpy(copy, s, n);
    copy[n] = 0;
    return copy;
}

char *sns_path_join(const char *dir, const char *name) {
    size_t n = strlen(dir), slash = n && dir[n - 1] != '/', size = n + slash + strlen(name) + 1;
    char *path = malloc(size);
    if (path) snprintf(path, size, "%s%s%s", dir, slash ? "/" : "", name);
    return path;
}

bool sns_ends_with(const char *s, const char *suffix) {
    size_t n = strlen(s), m = strlen(suffix);
    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool sns_ends_with_nocase(const char *s, const char *suffix) {
    size_t n = strlen(s), m = strlen(suffix);
    return n >= m && strcasecmp(s + n - m, suffix) == 0;
}
