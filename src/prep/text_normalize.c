/* text_normalize.c - see text_normalize.h.
 *
 * The precompiled table (Kudo and Richardson 2018, "SentencePiece") is a double-array trie whose
 * leaves point into a list of NUL-terminated replacements:
 *   uint32 size of the trie in bytes | units | replacements
 *   unit: bits 0-7 and 31 label, 8 has a leaf, 9 offset is shifted by 8, 10-30 offset; of a leaf
 * the low 31 bits are the place of its replacement */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "prep/text_normalize.h"
#include "base/error.h"
#include "prep/text_scan.h"
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { STEPS_MAX = 64, TABLE_MAX = 16 << 20, TEXT_MAX = 64 << 20, MATCH_LIMIT = 1000000 };

typedef enum step_kind { LOWER, STRIP, STRING, REGEX, PREPEND, FORM, TABLE } step_kind;

typedef struct step {
    step_kind kind;
    bool left, right; /* STRIP */
    int form;         /* FORM: utf8proc's options */
    char *from, *to;  /* STRING, REGEX, PREPEND: to */
    size_t from_size, to_size;
    pcre2_code *regex;
    unsigned char *table; /* TABLE */
    size_t units, text_size;
} step;

struct sns_normalizer {
    step steps[STEPS_MAX];
    size_t count;
};

void sns_normalizer_free(sns_normalizer *n) {
    if (!n) return;
    for (size_t i = 0; i < n->count; i++) {
        free(n->steps[i].from);
        free(n->steps[i].to);
        free(n->steps[i].table);
        pcre2_code_free(n->steps[i].regex);
    }
    free(n);
}

/* ---- reading the configuration ---- */

static int sextet(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Base64 without white space; malloc'd, NULL when malformed or out of memory. */
static unsigned char *from_base64(const char *text, size_t size, size_t *out_size) {
    while (size && text[size - 1] == '=') size--;
    unsigned char *out = malloc(size / 4 * 3 + 4);
    uint32_t bits = 0;
    size_t n = 0;
    for (size_t i = 0; i < size && out; i++) {
        int v = sextet(text[i]);
        if (v < 0) {
            free(out);
            return NULL;
        }
        bits = bits << 6 | (uint32_t)v;
        if (i % 4) out[n++] = (unsigned char)(bits >> (6 - 2 * (i % 4)));
    }
    *out_size = n;
    return out;
}

static uint32_t unit_at(const step *s, size_t i) {
    const unsigned char *p = s->table + 4 + 4 * i;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static sns_status read_table(step *s, const json_t *config, const char *path, sns_error *err) {
    const json_t *v = json_object_get(config, "precompiled_charsmap");
    size_t size = 0, n = v ? json_string_length(v) : 0;
    if (n / 4 * 3 > TABLE_MAX) return sns_fail(err, SNS_LIMIT, "%s: a table of %zu bytes", path, n);
    s->kind = TABLE;
    if (!n) return SNS_OK; /* no replacements */
    if (!(s->table = from_base64(json_string_value(v), n, &size)))
        return sns_fail(err, SNS_FORMAT, "%s: precompiled_charsmap is not base64", path);
    size_t bytes = size >= 4 ? (size_t)s->table[0] | (size_t)s->table[1] << 8 |
                                   (size_t)s->table[2] << 16 | (size_t)s->table[3] << 24
                             : 0;
    if (bytes < 4 || bytes % 4 || bytes > size - 4)
        return sns_fail(err, SNS_FORMAT, "%s: precompiled_charsmap is damaged", path);
    s->units = bytes / 4;
    s->text_size = size - 4 - bytes;
    return SNS_OK;
}

static sns_status copy_text(const json_t *v, char **out, size_t *size, const char *path,
                            sns_error *err) {
    if (!json_is_string(v)) return sns_fail(err, SNS_FORMAT, "%s: a normalizer's text", path);
    *size = json_string_length(v);
    if (!(*out = malloc(*size + 1))) return sns_fail(err, SNS_NOMEM, "%s: no memory", path);
    memcpy(*out, json_string_value(v), *size);
    (*out)[*size] = 0;
    return SNS_OK;
}

static sns_status read_replace(step *s, const json_t *config, const char *path, sns_error *err) {
    const json_t *pattern = json_object_get(config, "pattern");
    const json_t *regex = json_object_get(pattern, "Regex");
    s->kind = regex ? REGEX : STRING;
    sns_status st = copy_text(regex ? regex : json_object_get(pattern, "String"), &s->from,
                              &s->from_size, path, err);
    if (!st) st = copy_text(json_object_get(config, "content"), &s->to, &s->to_size, path, err);
    if (st || !regex) return st;
    int code;
    PCRE2_SIZE at;
    s->regex = pcre2_compile((PCRE2_SPTR)s->from, s->from_size,
                             PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
    if (s->regex) return SNS_OK;
    return sns_fail(err, SNS_FORMAT, "%s: the normalizer's pattern \"%.60s\" is malformed", path,
                    s->from);
}

static const struct {
    const char *type;
    int options;
} forms[] = {
    {"NFC", UTF8PROC_COMPOSE},
    {"NFD", UTF8PROC_DECOMPOSE},
    {"NFKC", UTF8PROC_COMPOSE | UTF8PROC_COMPAT},
    {"NFKD", UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT},
    {"StripAccents", UTF8PROC_COMPOSE | UTF8PROC_STRIPMARK},
};

static sns_status read_step(sns_normalizer *n, const json_t *config, const char *path,
                            sns_error *err) {
    const char *type = json_string_value(json_object_get(config, "type"));
    if (!type) return sns_fail(err, SNS_FORMAT, "%s: a normalizer without a type", path);
    if (n->count == STEPS_MAX)
        return sns_fail(err, SNS_LIMIT, "%s: more than %d normalizers", path, STEPS_MAX);
    step *s = &n->steps[n->count++];
    if (!strcmp(type, "Lowercase")) {
        s->kind = LOWER;
        return SNS_OK;
    }
    if (!strcmp(type, "Strip")) {
        s->kind = STRIP;
        s->left = !json_is_false(json_object_get(config, "strip_left"));
        s->right = !json_is_false(json_object_get(config, "strip_right"));
        return SNS_OK;
    }
    if (!strcmp(type, "Replace")) return read_replace(s, config, path, err);
    if (!strcmp(type, "Precompiled")) return read_table(s, config, path, err);
    if (!strcmp(type, "Prepend")) {
        s->kind = PREPEND;
        return copy_text(json_object_get(config, "prepend"), &s->to, &s->to_size, path, err);
    }
    s->kind = FORM;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (strcmp(type, forms[i].type)) continue;
        s->form = forms[i].options;
        return SNS_OK;
    }
    return sns_fail(err, SNS_UNSUPPORTED, "%s: the normalizer \"%.40s\" is not known", path, type);
}

static sns_status read_steps(sns_normalizer *n, const json_t *config, int depth, const char *path,
                             sns_error *err) {
    const json_t *list = json_object_get(config, "normalizers"), *each;
    const char *type = json_string_value(json_object_get(config, "type"));
    size_t i;
    if (!type || strcmp(type, "Sequence")) return read_step(n, config, path, err);
    if (depth > 4) return sns_fail(err, SNS_LIMIT, "%s: normalizers nested too deeply", path);
    json_array_foreach(list, i, each) {
        sns_status s = read_steps(n, each, depth + 1, path, err);
        if (s) return s;
    }
    return SNS_OK;
}

sns_status sns_normalizer_new(const json_t *config, const char *path, sns_normalizer **out,
                              sns_error *err) {
    sns_normalizer *n = *out = calloc(1, sizeof *n);
    if (!n) return sns_fail(err, SNS_NOMEM, "%s: no memory", path);
    sns_status s = config && !json_is_null(config) ? read_steps(n, config, 0, path, err) : SNS_OK;
    if (!s) return SNS_OK;
    sns_normalizer_free(n);
    *out = NULL;
    return s;
}

/* ---- running ---- */

/* text <- what was built; false: no memory, or too large. */
static bool take(sns_strbuf *text, sns_strbuf *built) {
    sns_strbuf_add(built, "", 0);
    bool ok = !built->failed && built->size <= TEXT_MAX;
    sns_strbuf_free(text);
    *text = *built;
    return ok;
}

static bool add_cp(sns_strbuf *b, int32_t cp) {
    unsigned char utf8[4];
    return sns_strbuf_add(b, utf8, sns_utf8_encode(cp, utf8)), !b->failed;
}

/* Full lower case, one code point at a time; U+0130 becomes two, as in Rust. */
static bool lower(sns_strbuf *text) {
    sns_strbuf out = {0};
    for (size_t i = 0, length; i < text->size; i += length) {
        int32_t cp = sns_utf8_decode((unsigned char *)text->data + i, text->size - i, &length);
        add_cp(&out, utf8proc_tolower(cp));
        if (cp == 0x130) add_cp(&out, 0x307);
    }
    return take(text, &out);
}

static bool strip(const step *s, sns_strbuf *text) {
    size_t begin = 0, end = text->size, length;
    const unsigned char *p = (unsigned char *)text->data;
    while (s->left && begin < end && sns_is_space(sns_utf8_decode(p + begin, end - begin, &length)))
        begin += length;
    while (s->right && end > begin) {
        size_t last = end - 1;
        while (last > begin && (p[last] & 0xC0) == 0x80) last--;
        if (!sns_is_space(sns_utf8_decode(p + last, end - last, &length))) break;
        end = last;
    }
    sns_strbuf out = {0};
    sns_strbuf_add(&out, p + begin, end - begin);
    return take(text, &out);
}

static bool replace_string(const step *s, sns_strbuf *text) {
    sns_strbuf out = {0};
    size_t done = 0;
    if (!s->from_size || !text->size) return true;
    for (const char *hit;
         (hit = memmem(text->data + done, text->size - done, s->from, s->from_size));) {
        size_t at = (size_t)(hit - text->data);
        sns_strbuf_add(&out, text->data + done, at - done);
        sns_strbuf_add(&out, s->to, s->to_size);
        done = at + s->from_size;
        if (out.size > TEXT_MAX) break;
    }
    sns_strbuf_add(&out, text->data + done, text->size - done);
    return take(text, &out);
}

static sns_status replace_regex(const step *s, sns_strbuf *text, sns_error *err) {
    sns_strbuf out = {0};
    pcre2_match_data *m = pcre2_match_data_create_from_pattern(s->regex, NULL);
    pcre2_match_context *c = pcre2_match_context_create(NULL);
    sns_status st = m && c ? SNS_OK : sns_fail(err, SNS_NOMEM, "no memory for a pattern");
    if (!st) pcre2_set_match_limit(c, MATCH_LIMIT);
    int hit = 0;
    size_t at = 0, done = 0;
    while (!st && at <= text->size && out.size <= TEXT_MAX) {
        hit = pcre2_match(s->regex, (PCRE2_SPTR)text->data, text->size, at, 0, m, c);
        if (hit < 0) break;
        const PCRE2_SIZE *v = pcre2_get_ovector_pointer(m);
        if (v[1] < v[0] || v[0] < done) break; /* \K can move a match's start */
        sns_strbuf_add(&out, text->data + done, v[0] - done);
        sns_strbuf_add(&out, s->to, s->to_size);
        done = at = v[1];
        if (v[0] != v[1]) continue;
        do at++; /* an empty match: go on behind the next code point */
        while (at < text->size && ((unsigned char)text->data[at] & 0xC0) == 0x80);
    }
    if (!st && hit < 0 && hit != PCRE2_ERROR_NOMATCH)
        st = sns_fail(err, SNS_LIMIT, "the normalizer's pattern \"%.60s\" takes too long", s->from);
    pcre2_match_data_free(m);
    pcre2_match_context_free(c);
    if (!st) sns_strbuf_add(&out, text->data + done, text->size - done);
    if (st)
        sns_strbuf_free(&out);
    else if (!take(text, &out))
        st = sns_fail(err, SNS_LIMIT, "a text became too large");
    return st;
}

static bool form(const step *s, sns_strbuf *text) {
    utf8proc_uint8_t *mapped = NULL;
    utf8proc_ssize_t n = utf8proc_map((utf8proc_uint8_t *)text->data, (utf8proc_ssize_t)text->size,
                                      &mapped, (utf8proc_option_t)s->form);
    sns_strbuf out = {0};
    if (n >= 0) sns_strbuf_add(&out, mapped, (size_t)n);
    free(mapped);
    return take(text, &out) && n >= 0;
}

/* The replacement of the shortest entry that `key` begins with, NULL: none. */
static const char *find_replacement(const step *s, const unsigned char *key, size_t size) {
    if (!s->units) return NULL;
    uint32_t unit = unit_at(s, 0);
    size_t node = (unit >> 10) << ((unit & 512) >> 6);
    for (size_t i = 0; i < size && key[i]; i++) {
        node ^= key[i];
        if (node >= s->units) return NULL;
        unit = unit_at(s, node);
        if ((unit & 0x800000FFu) != key[i]) return NULL;
        node ^= (size_t)(unit >> 10) << ((unit & 512) >> 6);
        if (node >= s->units) return NULL;
        if (!(unit & 256)) continue;
        size_t at = unit_at(s, node) & 0x7FFFFFFF;
        const char *text = (const char *)s->table + 4 + 4 * s->units;
        return at < s->text_size && memchr(text + at, 0, s->text_size - at) ? text + at : NULL;
    }
    return NULL;
}

/* One grapheme: replaced as a whole when it is short and in the table, else code point by code
 * point. */
static void add_grapheme(const step *s, sns_strbuf *out, const unsigned char *p, size_t size) {
    const char *whole = size < 6 ? find_replacement(s, p, size) : NULL;
    if (whole) {
        sns_strbuf_puts(out, whole);
        return;
    }
    for (size_t i = 0, length; i < size; i += length) {
        sns_utf8_decode(p + i, size - i, &length);
        const char *each = find_replacement(s, p + i, length);
        if (each)
            sns_strbuf_puts(out, each);
        else
            sns_strbuf_add(out, p + i, length);
    }
}

static bool apply_table(const step *s, sns_strbuf *text) {
    sns_strbuf out = {0};
    const unsigned char *p = (unsigned char *)text->data;
    size_t begin = 0, length;
    int32_t before = 0, state = 0;
    for (size_t i = 0; i < text->size; i += length) {
        int32_t cp = sns_utf8_decode(p + i, text->size - i, &length);
        if (i && utf8proc_grapheme_break_stateful(before, cp, &state)) {
            add_grapheme(s, &out, p + begin, i - begin);
            begin = i;
        }
        before = cp;
    }
    if (text->size) add_grapheme(s, &out, p + begin, text->size - begin);
    return take(text, &out);
}

static bool prepend(const step *s, sns_strbuf *text) {
    sns_strbuf out = {0};
    if (!text->size) return true;
    sns_strbuf_add(&out, s->to, s->to_size);
    sns_strbuf_add(&out, text->data, text->size);
    return take(text, &out);
}

static sns_status run(const step *s, sns_strbuf *text, sns_error *err) {
    bool ok = s->kind == LOWER     ? lower(text)
              : s->kind == STRIP   ? strip(s, text)
              : s->kind == STRING  ? replace_string(s, text)
              : s->kind == PREPEND ? prepend(s, text)
              : s->kind == FORM    ? form(s, text)
              : s->kind == TABLE   ? apply_table(s, text)
                                   : true;
    if (!ok) return sns_fail(err, SNS_NOMEM, "no memory to normalise a text");
    return s->kind == REGEX ? replace_regex(s, text, err) : SNS_OK;
}

sns_status sns_normalize(const sns_normalizer *n, sns_strbuf *text, sns_error *err) {
    sns_status s = SNS_OK;
    for (size_t i = 0; i < n->count && !s; i++) s = run(&n->steps[i], text, err);
    return s;
}
