/* json_scan.c - a pull reader of JSON. */
#include "prep/json_scan.h"
#include "prep/text_scan.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

sns_json sns_json_open(char *text, size_t size) {
    return (sns_json){text, text, text + size, NULL};
}

static bool fail(sns_json *j, const char *what) {
    if (!j->failed) j->failed = what;
    return false;
}

static void skip_space(sns_json *j) {
    while (j->at < j->end && (*j->at == ' ' || *j->at == '\n' || *j->at == '\r' || *j->at == '\t'))
        j->at++;
}

static bool starts_value(char c) {
    return c == '"' || (c >= '0' && c <= '9') || c == '{' || c == '[' || c == '-' || c == 't' ||
           c == 'f' || c == 'n';
}

char sns_json_peek(sns_json *j) {
    if (j->failed) return 0;
    skip_space(j);
    if (j->at == j->end || !starts_value(*j->at)) {
        fail(j, j->at == j->end ? "unexpected end" : "a value was expected");
        return 0;
    }
    return *j->at;
}

bool sns_json_enter(sns_json *j, char bracket) {
    if (j->failed) return false;
    skip_space(j);
    if (j->at == j->end || *j->at != bracket)
        return fail(j, bracket == '{' ? "an object was expected" : "an array was expected");
    j->at++;
    return true;
}

bool sns_json_next(sns_json *j, bool *first, sns_slice *key) {
    if (j->failed) return false;
    skip_space(j);
    char close = key ? '}' : ']';
    if (j->at < j->end && *j->at == close) {
        j->at++;
        return false;
    }
    if (!*first) {
        if (j->at == j->end || *j->at != ',') return fail(j, "a comma was expected");
        j->at++;
        skip_space(j);
    }
    *first = false;
    if (!key) return sns_json_peek(j) != 0;
    if (!sns_json_string(j, key)) return false;
    skip_space(j);
    if (j->at == j->end || *j->at != ':') return fail(j, "a colon was expected");
    j->at++;
    return sns_json_peek(j) != 0;
}

/* Four hex digits at p; -1 when there are none. */
static int32_t hex4(const char *p, const char *end) {
    int32_t v = 0;
    if (end - p < 4) return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int d = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (d < 0) return -1;
        v = v * 16 + d;
    }
    return v;
}

/* \uXXXX, p after the u; writes UTF-8 at *out; a surrogate without its other half becomes U+FFFD.
 * Returns the place after it, NULL on bad digits. */
static char *unescape_u(char *p, const char *end, char **out) {
    int32_t cp = hex4(p, end);
    if (cp < 0) return NULL;
    p += 4;
    if (cp >= 0xD800 && cp < 0xDC00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
        int32_t low = hex4(p + 2, end);
        if (low >= 0xDC00 && low < 0xE000) {
            cp = 0x10000 + ((cp - 0xD800) << 10) + (low - 0xDC00);
            p += 6;
        }
    }
    if (cp >= 0xD800 && cp < 0xE000) cp = 0xFFFD;
    *out += sns_utf8_encode(cp, (unsigned char *)*out);
    return p;
}

/* The rest of a string from its first backslash on, unescaped in place: what is written never
 * overtakes what is read, since each escape is at least as long as its UTF-8. */
static bool unescape(sns_json *j, char *p, sns_slice *s) {
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    char *out = p;
    while (p < j->end && *p != '"') {
        if ((unsigned char)*p < 0x20) return fail(j, "a control character in a string");
        if (*p != '\\') {
            *out++ = *p++;
            continue;
        }
        if (++p == j->end) break;
        const char *name = *p ? strchr(names, *p) : NULL;
        if (name) {
            *out++ = values[name - names];
            p++;
        } else if (*p != 'u' || !(p = unescape_u(p + 1, j->end, &out))) {
            return fail(j, "an unknown escape in a string");
        }
    }
    if (p >= j->end) return fail(j, "a string without its end");
    s->size = (size_t)(out - s->data);
    j->at = p + 1;
    return true;
}

bool sns_json_string(sns_json *j, sns_slice *out) {
    if (j->failed) return false;
    skip_space(j);
    if (j->at == j->end || *j->at != '"') return fail(j, "a string was expected");
    char *p = ++j->at;
    *out = (sns_slice){p, 0};
    while (p < j->end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20) p++;
    if (p == j->end || *p != '"') return unescape(j, p, out);
    out->size = (size_t)(p - out->data);
    j->at = p + 1;
    return true;
}

bool sns_json_u32(sns_json *j, uint32_t *out) {
    if (j->failed) return false;
    skip_space(j);
    uint64_t v = 0;
    const char *start = j->at;
    for (; j->at < j->end && *j->at >= '0' && *j->at <= '9'; j->at++) {
        v = v * 10 + (uint64_t)(*j->at - '0');
        if (v > UINT32_MAX) return fail(j, "a number above 2^32-1");
    }
    if (j->at == start || (j->at < j->end && (*j->at == '.' || *j->at == 'e' || *j->at == 'E')))
        return fail(j, "a whole number was expected");
    *out = (uint32_t)v;
    return true;
}

static bool word(sns_json *j, const char *w) {
    size_t n = strlen(w);
    if ((size_t)(j->end - j->at) < n || memcmp(j->at, w, n)) return false;
    j->at += n;
    return true;
}

bool sns_json_bool(sns_json *j, bool *out) {
    if (j->failed) return false;
    skip_space(j);
    if (word(j, "true")) return *out = true;
    if (!word(j, "false")) return fail(j, "true or false was expected");
    *out = false;
    return true;
}

/* Pass a string without unescaping it. */
static bool skip_string(sns_json *j) {
    for (char *p = j->at + 1, *quote; (quote = memchr(p, '"', (size_t)(j->end - p)));
         p = quote + 1) {
        size_t slashes = 0; /* an odd number of them escapes the quote */
        while (quote[-1 - (ptrdiff_t)slashes] == '\\') slashes++;
        if (slashes % 2) continue;
        j->at = quote + 1;
        return true;
    }
    j->at = j->end;
    return fail(j, "a string without its end");
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool skip_scalar(sns_json *j) {
    if (word(j, "true") || word(j, "false") || word(j, "null")) return true;
    const char *start = j->at;
    while (j->at < j->end && *j->at && (is_digit(*j->at) || strchr("+-.eE", *j->at))) j->at++;
    return j->at > start || fail(j, "a value was expected");
}

bool sns_json_number(sns_json *j, double *out) {
    char digits[64], *end;
    if (!sns_json_peek(j)) return false;
    const char *start = j->at;
    if (!skip_scalar(j)) return false;
    size_t n = (size_t)(j->at - start);
    if (n >= sizeof digits || !strchr("-0123456789", *start))
        return fail(j, "a number was expected");
    memcpy(digits, start, n);
    digits[n] = 0;
    *out = strtod(digits, &end);
    return (!*end && isfinite(*out)) || fail(j, "a number was expected");
}

bool sns_json_skip(sns_json *j, sns_json *start) {
    char close[SNS_JSON_DEPTH];
    int depth = 0;
    if (!sns_json_peek(j)) return false;
    if (start) *start = *j;
    do { /* commas and colons are passed unchecked: nobody reads what is skipped */
        skip_space(j);
        if (j->at == j->end) return fail(j, "unexpected end");
        char c = *j->at;
        if (c == '{' || c == '[') {
            if (depth == SNS_JSON_DEPTH) return fail(j, "nested too deeply");
            close[depth++] = c == '{' ? '}' : ']';
            j->at++;
        } else if (c == '}' || c == ']') {
            if (!depth || close[--depth] != c) return fail(j, "brackets do not match");
            j->at++;
        } else if (c == ',' || c == ':') {
            if (!depth) return fail(j, "a value was expected");
            j->at++;
        } else if (!(c == '"' ? skip_string(j) : skip_scalar(j))) {
            return false;
        }
    } while (depth);
    return true;
}

bool sns_json_finish(sns_json *j) {
    if (j->failed) return false;
    skip_space(j);
    return j->at == j->end || fail(j, "something follows the end");
}

bool sns_slice_is(sns_slice s, const char *text) {
    return s.size == strlen(text) && memcmp(s.data, text, s.size) == 0;
}
