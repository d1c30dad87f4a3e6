/* error.c - status texts and error messages. */
#include "base/error.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *sns_status_text(sns_status code) {
    static const char *const texts[] = {
#define SNS_STATUS_TEXT(name, text) text,
        SNS_STATUS_LIST(SNS_STATUS_TEXT)
#undef SNS_STATUS_TEXT
    };
    size_t i = (size_t)code;
    return i < sizeof texts / sizeof texts[0] ? texts[i] : "unknown status";
}

/* Control characters, also those of two bytes (C1: U+0080 to U+009F), can steer a terminal. */
static void one_line(char *s) {
    for (; *s; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7f) *s = '?';
        if ((unsigned char)s[0] == 0xC2 && (unsigned char)s[1] >= 0x80 &&
            (unsigned char)s[1] <= 0x9F)
            s[0] = s[1] = '?';
    }
}

/* A message that is too long loses its middle: it begins with the file and ends with the reason. */
static void fit(char *to, size_t size, const char *from) {
    size_t n = strlen(from), tail = size / 2;
    if (n < size) {
        memcpy(to, from, n + 1);
        return;
    }
    size_t head = size - tail - sizeof "...";
    const char *end = from + n - tail;
    while (head && ((unsigned char)from[head] & 0xC0) == 0x80) head--; /* whole characters */
    while (((unsigned char)*end & 0xC0) == 0x80) end++;
    snprintf(to, size, "%.*s...%s", (int)head, from, end);
}

/* Paths may be 4,096 bytes long. */
enum { LONGEST_MESSAGE = 3 * 4096 };

static void set_message(sns_error *err, sns_status code, char *text) {
    one_line(text);
    err->code = code;
    fit(err->message, sizeof err->message, text);
}

sns_status sns_fail(sns_error *err, sns_status code, const char *fmt, ...) {
    if (!err) return code;
    char text[LONGEST_MESSAGE];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    set_message(err, code, text);
    return code;
}

sns_status sns_fail_errno(sns_error *err, sns_status code, int errno_value, const char *fmt, ...) {
    if (!err) return code;
    char text[LONGEST_MESSAGE];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    size_t n = strlen(text);
    snprintf(text + n, sizeof text - n, ": %s", strerror(errno_value));
    set_message(err, code, text);
    return code;
}

sns_status sns_fail_in(sns_error *err, sns_status code, const char *prefix) {
    if (!err) return code;
    char old[sizeof err->message];
    memcpy(old, err->message, sizeof old);
    return sns_fail(err, code, "%s: %.*s", prefix, (int)sizeof old - 1, old);
}
