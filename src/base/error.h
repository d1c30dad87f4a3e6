/* error.h - filling an sns_error. */
#ifndef SNS_BASE_ERROR_H
#define SNS_BASE_ERROR_H
#include <sensus/status.h>

/* Set *err (NULL allowed) to code and the formatted message; control characters of the message
 * become '?', so one failure is one line. Returns code, so that `return sns_fail(...)` reads well.
 */
sns_status sns_fail(sns_error *err, sns_status code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Like sns_fail, with ": " and strerror(errno_value) appended. */
sns_status sns_fail_errno(sns_error *err, sns_status code, int errno_value, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Prepend "prefix: " to the message already in *err. Returns code. */
sns_status sns_fail_in(sns_error *err, sns_status code, const char *prefix);
#endif
