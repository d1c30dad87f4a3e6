/* text_scan.c - normalising text and cutting it into words.
 *
 * The pattern is scanned by hand over Unicode's general categories (utf8proc): a regular-expression
 * engine spends several times the time of all the rest on it. */
#include "prep/text_scan.h"
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { REPLACEMENT = 0xFFFD, DECOMPOSED_MAX = 8 };

void sns_text_free(sns_text *t) {
    free(t->cps);
    free(t->spare);
    *t = (sns_text){0};
}

static bool reserve(int32_t **p, size_t *capacity, size_t need) {
    if (need <= *capacity) return true;
    size_t n = *capacity ? *capacity : 64;
    while (n < need) n *= 2;
    if (n > SIZE_MAX / sizeof **p) return false;
    int32_t *q = realloc(*p, n * sizeof *q);
    if (!q) return false;
    *p = q;
    *capacity = n;
    return true;
}

/* The range that the second byte must lie in (Unicode Standard, table 3-7), and how many bytes
 * follow the lead byte; 0: not a lead byte. */
static int lead_byte(unsigned char b, unsigned char *low, unsigned char *high) {
    *low = 0x80;
    *high = 0xBF;
    if (b >= 0xC2 && b <= 0xDF) return 1;
    if (b >= 0xE0 && b <= 0xEF) {
        if (b == 0xE0) *low = 0xA0;
        if (b == 0xED) *high = 0x9F; /* no surrogates */
        return 2;
    }
    if (b >= 0xF0 && b <= 0xF4) {
        if (b == 0xF0) *low = 0x90;
        if (b == 0xF4) *high = 0x8F; /* nothing above U+10FFFF */
        return 3;
    }
    return 0;
}

int32_t sns_utf8_decode(const unsigned char *bytes, size_t size, size_t *length) {
    unsigned char low, high;
    *length = 1;
    if (bytes[0] < 0x80) return bytes[0];
    int follow = lead_byte(bytes[0], &low, &high);
    if (!follow) return REPLACEMENT;
    int32_t cp = bytes[0] & (0x3F >> follow);
    for (int i = 1; i <= follow; i++) {
        if ((size_t)i >= size || bytes[i] < low || bytes[i] > high) return REPLACEMENT;
        cp = (cp << 6) | (bytes[i] & 0x3F);
        low = 0x80;
        high = 0xBF;
        *length = (size_t)i + 1;
    }
    return cp;
}

size_t sns_utf8_encode(int32_t cp, unsigned char *out) {
    if (cp < 0x80) {
        out[0] = (unsigned char)cp;
        return 1;
    }
    size_t n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (size_t i = n; --i;) {
        out[i] = (unsigned char)(0x80 | (cp & 0x3F));
        cp >>= 6;
    }
    out[0] = (unsigned char)((0xF00 >> n) | cp);
    return n;
}

bool sns_is_space(int32_t cp) {
    if (cp < 0x80) return cp == ' ' || (cp >= '\t' && cp <= '\r');
    return cp == 0x85 || cp == 0xA0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200A) ||
           cp == 0x2028 || cp == 0x2029 || cp == 0x202F || cp == 0x205F || cp == 0x3000;
}

static int combining_class(int32_t cp) {
    return cp < 0x300 ? 0 : utf8proc_get_property(cp)->combining_class;
}

/* Stable counting sort of marks by combining class. */
static void sort_long_run(int32_t *cps, int32_t *copy, size_t n) {
    size_t at[257] = {0};
    memcpy(copy, cps, n * sizeof *cps);
    for (size_t i = 0; i < n; i++) at[combining_class(copy[i]) + 1]++;
    for (int c = 0; c < 256; c++) at[c + 1] += at[c];
    for (size_t i = 0; i < n; i++) cps[at[combining_class(copy[i])]++] = copy[i];
}

static void sort_short_run(int32_t *cps, size_t n) {
    for (size_t i = 1; i < n; i++) {
        int32_t cp = cps[i];
        int c = combining_class(cp);
        size_t j = i;
        for (; j && combining_class(cps[j - 1]) > c; j--) cps[j] = cps[j - 1];
        cps[j] = cp;
    }
}

/* Canonical order: each run of marks (combining class not 0) sorted by class. Done here because
 * utf8proc's own exchange sort takes quadratic time on long runs. copy: room for n. */
static void canonical_order(int32_t *cps, int32_t *copy, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (combining_class(cps[i]) == 0) continue;
        size_t begin = i;
        while (i < n && combining_class(cps[i]) != 0) i++;
        if (i - begin <= 32)
            sort_short_run(cps + begin, i - begin);
        else
            sort_long_run(cps + begin, copy, i - begin);
    }
}

/* Compose decomposed, ordered code points in place. utf8proc 2.8 takes U+11A7 for a final consonant
 * and drops it after a syllable; nothing composes with it, so it begins a run of its own. */
static bool compose_runs(int32_t *cps, size_t *n) {
    size_t out = 0;
    for (size_t i = 0, end; i < *n; i = end) {
        for (end = i + 1; end < *n && cps[end] != 0x11A7;) end++;
        utf8proc_ssize_t size = utf8proc_normalize_utf32(cps + i, (utf8proc_ssize_t)(end - i),
                                                         UTF8PROC_STABLE | UTF8PROC_COMPOSE);
        if (size < 0) return false;
        memmove(cps + out, cps + i, (size_t)size * sizeof *cps);
        out += (size_t)size;
    }
    *n = out;
    return true;
}

/* NFC: canonical decomposition, order, composition. */
static bool compose(sns_text *t) {
    size_t n = 0;
    for (size_t i = 0; i < t->size; i++) {
        if (!reserve(&t->spare, &t->spare_capacity, n + DECOMPOSED_MAX)) return false;
        int boundary = 0;
        utf8proc_ssize_t got = utf8proc_decompose_char(t->cps[i], t->spare + n, DECOMPOSED_MAX,
                                                       UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
                                                       &boundary);
        if (got < 0) return false;
        n += (size_t)got;
    }
    if (!reserve(&t->cps, &t->capacity, n)) return false;
    canonical_order(t->spare, t->cps, n);
    if (!compose_runs(t->spare, &n)) return false;
    int32_t *cps = t->spare;
    size_t capacity = t->spare_capacity;
    t->spare = t->cps;
    t->spare_capacity = t->capacity;
    t->cps = cps;
    t->capacity = capacity;
    t->size = n;
    return true;
}

/* U+0130 is the one letter whose lower case is two code points: i and U+0307. */
static bool expand_dotted_i(sns_text *t, size_t count) {
    if (!reserve(&t->cps, &t->capacity, t->size + count)) return false;
    for (size_t i = t->size, out = t->size + count; i-- && out > i;) {
        bool dotted = t->cps[i] == 0x130;
        t->cps[--out] = dotted ? 0x307 : t->cps[i];
        if (dotted) t->cps[--out] = 'i';
    }
    t->size += count;
    return true;
}

static bool lower_case(sns_text *t) {
    size_t dotted = 0;
    for (size_t i = 0; i < t->size; i++) {
        int32_t cp = t->cps[i];
        if (cp < 0x80)
            t->cps[i] = cp >= 'A' && cp <= 'Z' ? cp + 32 : cp;
        else if (cp == 0x130)
            dotted++;
        else
            t->cps[i] = utf8proc_tolower(cp);
    }
    return !dotted || expand_dotted_i(t, dotted);
}

bool sns_text_set(sns_text *t, const char *bytes, size_t size, sns_text_rules rules) {
    const unsigned char *p = (const unsigned char *)bytes;
    if (!reserve(&t->cps, &t->capacity, size)) return false;
    int32_t highest = 0;
    size_t n = 0;
    for (size_t i = 0, length; i < size; i += length) {
        int32_t cp = sns_utf8_decode(p + i, size - i, &length);
        t->cps[n++] = cp;
        if (cp > highest) highest = cp;
    }
    t->size = n;
    /* Everything below U+0300 is its own NFC. */
    if (rules.nfc && highest >= 0x300 && !compose(t)) return false;
    return !rules.lower || lower_case(t);
}

static bool is_ascii_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool sns_text_next_piece(const char *text, size_t size, size_t *pos, size_t *begin, size_t *end) {
    size_t i = *pos;
    while (i < size && is_ascii_space(text[i])) i++;
    *begin = i;
    while (i < size && !is_ascii_space(text[i])) i++;
    *pos = *end = i;
    return i > *begin;
}

enum kind { SPACE, LETTER, NUMBER, OTHER };

static enum kind kind_of(int32_t cp) {
    if (cp < 0x80) {
        if ((cp | 32) >= 'a' && (cp | 32) <= 'z') return LETTER;
        if (cp >= '0' && cp <= '9') return NUMBER;
        return sns_is_space(cp) ? SPACE : OTHER;
    }
    if (sns_is_space(cp)) return SPACE;
    switch (utf8proc_category(cp)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return NUMBER;
    default:
        return OTHER;
    }
}

/* Length of 's 't 'm 'd 're 've 'll at cps[0 .. n); 0: none. */
static size_t contraction(const int32_t *cps, size_t n) {
    if (n < 2 || cps[0] != '\'') return 0;
    int32_t a = cps[1], b = n > 2 ? cps[2] : 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    return ((a == 'r' || a == 'v') && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

bool sns_text_next_word(const int32_t *cps, size_t n, size_t *pos, size_t *begin, size_t *end) {
    size_t i = *pos;
    while (i < n && sns_is_space(cps[i])) i++;
    *begin = i;
    if (i == n) {
        *pos = n;
        return false;
    }
    size_t length = contraction(cps + i, n - i);
    enum kind kind = kind_of(cps[i]);
    i += length ? length : 1;
    if (!length && kind != NUMBER)
        while (i < n && kind_of(cps[i]) == kind) i++;
    *pos = *end = i;
    return true;
}
