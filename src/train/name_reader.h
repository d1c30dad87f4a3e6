/* name_reader.h - names from a file or standard input, one a line, as they arrive. */
#ifndef SNS_TRAIN_NAME_READER_H
#define SNS_TRAIN_NAME_READER_H
#include <sensus/status.h>

enum { SNS_LISTED_NAME_MAX = 1 << 14 };

typedef struct sns_name_reader sns_name_reader;

/* path "-": standard input; end: '\n' or 0; stop: when it becomes nonzero, waiting ends with
 * SNS_CANCELLED. Errors: SNS_MISSING, SNS_IO, SNS_NOMEM. */
sns_status sns_name_reader_open(const char *path, char end, const volatile int *stop,
                                sns_name_reader **out, sns_error *err);
void sns_name_reader_free(sns_name_reader *r); /* NULL is fine */
/* The next name that is not empty, until the next call; NULL at the end. Errors: SNS_CANCELLED,
 * SNS_IO; SNS_LIMIT (a name longer than SNS_LISTED_NAME_MAX), after which the next call goes on
 * behind it. */
sns_status sns_name_reader_next(sns_name_reader *r, const char **name, sns_error *err);
#endif
