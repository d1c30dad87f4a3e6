/* brace.c - brace expansion as shells and WebDataset write it. */
#include "train/brace.h"
#include "base/error.h"
#include "base/strbuf.h"
#include "base/byte_source.h"
#include <glob.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void sns_name_list_free(sns_name_list *list) {
    for (size_t i = 0; i < list->count; i++) free(list->items[i]);
    free(list->items);
    *list = (sns_name_list){0};
}

sns_status sns_name_list_add(sns_name_list *list, const char *name, sns_error *err) {
    if (list->count >= SNS_NAMES_MAX)
        return sns_fail(err, SNS_LIMIT, "%.100s: more than %d names", name, SNS_NAMES_MAX);
    if (list->count == list->capacity) {
        size_t more = list->capacity ? 2 * list->capacity : 16;
        char **items = reallocarray(list->items, more, sizeof *items);
        if (!items) return sns_fail(err, SNS_NOMEM, "no memory for a list of names");
        list->items = items;
        list->capacity = more;
    }
    if (!(list->items[list->count] = sns_strdup(name)))
        return sns_fail(err, SNS_NOMEM, "no memory for a list of names");
    list->count++;
    return SNS_OK;
}

/* The inside of one pair of braces. */
typedef struct braces {
    const char *open, *close; /* at { and } */
    bool range;
    unsigned long long from, to;
    int width; /* of a range's numbers; 0: as they come */
} braces;

/* "A..B" with decimal A and B. */
static bool read_range(braces *b) {
    const char *p = b->open + 1;
    char *end;
    if (*p < '0' || *p > '9') return false;
    b->from = strtoull(p, &end, 10);
    size_t digits = (size_t)(end - p);
    if (digits > 18 || end[0] != '.' || end[1] != '.' || end[2] < '0' || end[2] > '9') return false;
    b->width = *p == '0' && digits > 1 ? (int)digits : 0;
    p = end + 2;
    b->to = strtoull(p, &end, 10);
    return end == b->close && end - p <= 18;
}

/* Values split by commas. Braces with a space, quote or $ in them are a command's own: '{print
 * $1}'. */
static bool is_list(const braces *b) {
    size_t n = (size_t)(b->close - b->open);
    return memchr(b->open, ',', n) && strcspn(b->open, " \t\"'$;") >= n;
}

/* The first braces that mean something. Nothing nests. */
static bool find_braces(const char *text, braces *b) {
    for (const char *p = text; (p = strchr(p, '{')); p++) {
        const char *close = strpbrk(p + 1, "{}");
        if (!close || *close != '}') continue;
        *b = (braces){.open = p, .close = close};
        if ((b->range = read_range(b)) || is_list(b)) return true;
    }
    return false;
}

/* done: the part of the name that is finished; rest: the pattern's remainder. */
static sns_status expand(const char *done, const char *rest, sns_name_list *out, sns_error *err);

static sns_status expand_one(const char *done, const char *rest, const braces *b, const char *value,
                             size_t n, sns_name_list *out, sns_error *err) {
    sns_strbuf name = {0};
    sns_strbuf_printf(&name, "%s%.*s%.*s", done, (int)(b->open - rest), rest, (int)n, value);
    sns_status s = name.failed ? sns_fail(err, SNS_NOMEM, "no memory for a list of names")
                               : expand(name.data, b->close + 1, out, err);
    sns_strbuf_free(&name);
    return s;
}

static sns_status expand_range(const char *done, const char *rest, const braces *b,
                               sns_name_list *out, sns_error *err) {
    unsigned long long count = (b->to > b->from ? b->to - b->from : b->from - b->to) + 1;
    sns_status s = SNS_OK;
    for (unsigned long long i = 0; i < count && !s; i++) {
        char number[32];
        int n = snprintf(number, sizeof number, "%0*llu", b->width,
                         b->to > b->from ? b->from + i : b->from - i);
        s = expand_one(done, rest, b, number, (size_t)n, out, err);
    }
    return s;
}

static sns_status expand(const char *done, const char *rest, sns_name_list *out, sns_error *err) {
    braces b;
    if (!find_braces(rest, &b)) {
        sns_strbuf name = {0};
        sns_strbuf_printf(&name, "%s%s", done, rest);
        sns_status s = name.failed ? sns_fail(err, SNS_NOMEM, "no memory for a list of names")
                                   : sns_name_list_add(out, name.data, err);
        sns_strbuf_free(&name);
        return s;
    }
    if (b.range) return expand_range(done, rest, &b, out, err);
    sns_status s = SNS_OK;
    for (const char *p = b.open + 1; p <= b.close && !s;) {
        size_t n = strcspn(p, ",}");
        s = expand_one(done, rest, &b, p, n, out, err);
        p += n + 1;
    }
    return s;
}

sns_status sns_brace_expand(const char *pattern, sns_name_list *out, sns_error *err) {
    if (strlen(pattern) > SNS_NAME_BYTES_MAX)
        return sns_fail(err, SNS_LIMIT, "%.100s...: longer than %d bytes", pattern,
                        SNS_NAME_BYTES_MAX);
    return expand("", pattern, out, err);
}

static sns_status match_files(const char *pattern, sns_name_list *out, sns_error *err) {
    glob_t found = {0};
    if (sns_bytes_is_pipe(pattern) || !strpbrk(pattern, "*?["))
        return sns_name_list_add(out, pattern, err);
    int r = glob(pattern, 0, NULL, &found);
    sns_status s = SNS_OK;
    if (r == GLOB_NOMATCH)
        s = sns_fail(err, SNS_MISSING, "%s: no file matches", pattern);
    else if (r)
        s = sns_fail(err, SNS_IO, "%s: cannot list the files", pattern);
    for (size_t i = 0; !s && i < found.gl_pathc; i++)
        s = sns_name_list_add(out, found.gl_pathv[i], err);
    globfree(&found);
    return s;
}

sns_status sns_name_list_expand(const char *const *patterns, size_t n, sns_name_list *out,
                                sns_error *err) {
    sns_name_list names = {0};
    sns_status s = SNS_OK;
    for (size_t i = 0; i < n && !s; i++) s = sns_brace_expand(patterns[i], &names, err);
    for (size_t i = 0; i < names.count && !s; i++) s = match_files(names.items[i], out, err);
    sns_name_list_free(&names);
    return s;
}
