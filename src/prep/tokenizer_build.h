/* tokenizer_build.h - a byte-level BPE tokenizer put together from tokens and merges, whatever file
 * they come from.
 *
 * Use: sns_build_token for every id, sns_build_index, sns_build_merge in the order of their ranks,
 * sns_build_added, sns_build_finish. Strings are borrowed: they must live as long as the tokenizer
 * (in its `files`). Errors go to the builder's err. */
#ifndef SNS_PREP_TOKENIZER_BUILD_H
#define SNS_PREP_TOKENIZER_BUILD_H
#include "prep/token_index.h"
#include "prep/tokenizer_internal.h"

typedef struct sns_tokenizer_build {
    sns_tokenizer *tok;
    const char *path; /* of the file in hand, for messages */
    sns_token_index index;
    size_t token_capacity, merge_capacity;
    bool has_start, has_end; /* tok's start_id, end_id are set */
    sns_error *err;
} sns_tokenizer_build;

sns_status sns_build_no_memory(sns_tokenizer_build *l);
/* Errors: SNS_LIMIT, SNS_FORMAT (an id twice, an empty token), SNS_NOMEM. */
sns_status sns_build_token(sns_tokenizer_build *l, uint32_t id, sns_slice text);
/* After the last token. The index is the caller's to free. */
sns_status sns_build_index(sns_tokenizer_build *l);
/* Both parts and what they become must be tokens. Errors: SNS_LIMIT, SNS_FORMAT, SNS_NOMEM. */
sns_status sns_build_merge(sns_tokenizer_build *l, sns_slice left, sns_slice right);
/* A token that is found in the text before words are. Errors: SNS_LIMIT, SNS_FORMAT,
 * SNS_UNSUPPORTED, SNS_NOMEM. */
sns_status sns_build_added(sns_tokenizer_build *l, sns_added added);
/* The ids of single bytes. */
void sns_build_bytes(sns_tokenizer_build *l);
/* Start and end token, bytes, the table of merges. Errors: SNS_FORMAT, SNS_NOMEM. */
sns_status sns_build_finish(sns_tokenizer_build *l);
sns_slice sns_slice_of(const char *s);
#endif
