/* writer.h - a file written piece by piece that replaces its target only when it is complete. */
#ifndef SNS_BASE_WRITER_H
#define SNS_BASE_WRITER_H
#include <sensus/status.h>
#include <stddef.h>

typedef struct sns_writer sns_writer;

/* Start a temporary file beside path. Errors: SNS_IO, SNS_NOMEM. */
sns_status sns_writer_open(const char *path, sns_writer **out, sns_error *err);
/* Append n bytes. After a failure further calls fail too. */
sns_status sns_writer_put(sns_writer *w, const void *bytes, size_t n, sns_error *err);
/* Flush to the disk and rename over path; frees w in any case. */
sns_status sns_writer_commit(sns_writer *w, sns_error *err);
/* Give up: path keeps its old content; frees w. NULL is fine. */
void sns_writer_abort(sns_writer *w);
#endif
