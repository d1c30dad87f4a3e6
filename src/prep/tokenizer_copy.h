/* tokenizer_copy.h - a model's vocabulary in another folder, byte for byte. */
#ifndef SNS_PREP_TOKENIZER_COPY_H
#define SNS_PREP_TOKENIZER_COPY_H
#include <sensus/status.h>

/* Copy every tokenizer file of folder `from` into folder `to`, which must be there. Errors: SNS_IO,
 * SNS_LIMIT, SNS_NOMEM. */
sns_status sns_tokenizer_copy(const char *from, const char *to, sns_error *err);
#endif
