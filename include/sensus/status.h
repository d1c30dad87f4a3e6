/* status.h - how every fallible function of sensus answers.
 *
 * A function that can fail returns sns_status (SNS_OK is 0) and takes a caller-owned
 * `sns_error *err` last. err may be NULL; otherwise, on failure only, it holds the code and a
 * one-line message that names the file, tensor or offset. The library never prints or exits. */
#ifndef SENSUS_STATUS_H
#define SENSUS_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SNS_API __attribute__((visibility("default")))
#else
#define SNS_API
#endif

/* One line per code: name, what it means. */
#define SNS_STATUS_LIST(X)                                                                         \
    X(OK, "success")                                                                               \
    X(ARG, "invalid argument")                                                                     \
    X(NOMEM, "out of memory")                                                                      \
    X(IO, "input/output error")                                                                    \
    X(FORMAT, "malformed data")                                                                    \
    X(SHAPE, "shapes do not fit")                                                                  \
    X(LIMIT, "larger than the limit")                                                              \
    X(UNSUPPORTED, "not supported")                                                                \
    X(MISMATCH, "made with something else")                                                        \
    X(MISSING, "not found")                                                                        \
    X(BUSY, "in use by another process")                                                           \
    X(CANCELLED, "cancelled by the caller")                                                        \
    X(INTERNAL, "internal error")

typedef enum sns_status {
#define SNS_STATUS_ENUM(name, text) SNS_##name,
    SNS_STATUS_LIST(SNS_STATUS_ENUM)
#undef SNS_STATUS_ENUM
} sns_status;

typedef struct sns_error {
    sns_status code;
    char message[512]; /* one line, UTF-8, no trailing newline */
} sns_error;

/* The meaning of a code in a few words, for example "malformed data". Never NULL. */
SNS_API const char *sns_status_text(sns_status code);

#ifdef __cplusplus
}
#endif
#endif
