/* tokenizer_copy.h - a model's vocabulary in another folder, byte for byte where it has files. */
#ifndef SNS_PREP_TOKENIZER_COPY_H
#define SNS_PREP_TOKENIZER_COPY_H
#include <sensus/status.h>

/* Copy every tokenizer file of folder `from` into folder `to`, which must be there; of a GGUF file
 * the vocabulary, written as Hugging Face loads it. Errors: SNS_IO,
 * SNS_LIMIT, SNS_NOMEM. */
sns_status sns_tokenizer_copy(const char *from, const char *to, sns_error *err);
#endif
