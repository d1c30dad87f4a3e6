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

static void one_line(char *s) {
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f) *s = '?';
}

static void format_message(sns_error *err, sns_status code, const char *fmt, va_list ap) {
    err->code = code;
    vsnprintf(err->message, sizeof err->message, fmt, ap);
}

sns_status sns_fail(sns_error *err, sns_status code, const char *fmt, ...) {
    if (!err) return code;
    va_list ap;
    va_start(ap, fmt);
    format_message(err, code, fmt, ap);
    va_end(ap);
    one_line(err->message);
    return code;
}

sns_status sns_fail_errno(sns_error *err, sns_status code, int errno_value, const char *fmt, ...) {
    if (!err) return code;
    va_list ap;
    va_start(ap, fmt);
    format_message(err, code, fmt, ap);
    va_end(ap);
    size_t n = strlen(err->message);
    snprintf(err->message + n, sizeof err->message - n, ": %s", strerror(errno_value));
    one_line(err->message);
    return code;
}

sns_status sns_fail_in(sns_error *err, sns_status code, const char *prefix) {
    if (!err) return code;
    char old[sizeof err->message];
    memcpy(old, err->message, sizeof old);
    return sns_fail(err, code, "%s: %.*s", prefix, (int)sizeof old - 1, old);
}
