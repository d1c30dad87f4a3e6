/* byte_source.h - bytes that come one after the other: of a file, or of a command's output. */
#ifndef SNS_BASE_BYTE_SOURCE_H
#define SNS_BASE_BYTE_SOURCE_H
#include <sensus/status.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct sns_bytes sns_bytes;

/* Does the name stand for a command: "pipe:zstd -dc shard.tar.zst"? */
bool sns_bytes_is_pipe(const char *name);

/* A file's path, or "pipe:" and a command for /bin/sh, whose standard output is read; its standard
 * input is empty and its messages end up in our error. stop (NULL ok): when it becomes nonzero,
 * waiting for a command ends with SNS_CANCELLED. Errors: SNS_MISSING, SNS_IO, SNS_NOMEM. */
sns_status sns_bytes_open(const char *name, const volatile int *stop, sns_bytes **out,
                          sns_error *err);
/* The same from memory, which must outlive it; name is for messages. NULL: no memory. */
sns_bytes *sns_bytes_of_memory(const char *name, const void *data, size_t size);
/* Ends the command when it still runs. NULL is fine. */
void sns_bytes_free(sns_bytes *b);

/* The next n bytes; *got is less than n only at the end, and then a command that failed is an
 * error. Errors: SNS_IO (reading, or the command's exit status), SNS_CANCELLED. */
sns_status sns_bytes_read(sns_bytes *b, void *out, size_t n, size_t *got, sns_error *err);
/* The same for bytes that nobody wants. */
sns_status sns_bytes_skip(sns_bytes *b, unsigned long long n, unsigned long long *skipped,
                          sns_error *err);
#endif
