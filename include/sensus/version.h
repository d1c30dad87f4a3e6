/* version.h - which sensus this is and what it is made of. */
#ifndef SENSUS_VERSION_H
#define SENSUS_VERSION_H
#include <sensus/status.h>

/* The library's version, for example "0.1.0". Never NULL; constant. */
SNS_API const char *sns_version(void);

/* A few lines for people: the version, the kernels this processor gets (SENSUS_CPU lowers them),
 * the number of threads, and each library behind a part with its version.
 *   text  <- malloc'd, NUL-terminated, ends with a newline; free it
 * Errors: SNS_NOMEM. Threads: any. */
SNS_API sns_status sns_version_describe(char **text, sns_error *err);
#endif
