/* strbuf.h - a growing byte string, always NUL-terminated. */
#ifndef SNS_BASE_STRBUF_H
#define SNS_BASE_STRBUF_H
#include <stdbool.h>
#include <stddef.h>

/* Zero-initialise; free with sns_strbuf_free. A failed allocation sets `failed` and turns later
 * calls into no-ops, so a writer checks once at its end. */
typedef struct sns_strbuf {
    char *data; /* NULL while empty; use sns_strbuf_text for a never-NULL view */
    size_t size, capacity;
    bool failed;
} sns_strbuf;

void sns_strbuf_free(sns_strbuf *b);
void sns_strbuf_clear(sns_strbuf *b);
void sns_strbuf_add(sns_strbuf *b, const void *bytes, size_t n);
void sns_strbuf_puts(sns_strbuf *b, const char *s);
void sns_strbuf_printf(sns_strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* s with & < > " ' as XML/HTML entities. */
void sns_strbuf_xml(sns_strbuf *b, const char *s);
const char *sns_strbuf_text(const sns_strbuf *b);

/* A copy of s (or of its first n bytes) by malloc; NULL when there is no memory. */
char *sns_strdup(const char *s);
char *sns_strndup(const char *s, size_t n);
/* "dir/name" by malloc. */
char *sns_path_join(const char *dir, const char *name);
bool sns_ends_with(const char *s, const char *suffix);
/* The same, ASCII case ignored. */
bool sns_ends_with_nocase(const char *s, const char *suffix);
#endif
