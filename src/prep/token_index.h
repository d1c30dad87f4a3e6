/* token_index.h - from a token's text to its id; used while loading and training. */
#ifndef SNS_PREP_TOKEN_INDEX_H
#define SNS_PREP_TOKEN_INDEX_H
#include "prep/json_scan.h"

typedef struct sns_token_index {
    uint64_t *slots; /* hash << 32 | id + 1; 0 is free */
    size_t mask;
    const sns_slice *tokens; /* borrowed */
} sns_token_index;

/* Index tokens[0 .. n) (size 0 is skipped; n < 2^31). False: no memory. */
bool sns_token_index_build(sns_token_index *index, const sns_slice *tokens, size_t n);
/* An empty index over tokens that will be filled in later, capacity of them at most. */
bool sns_token_index_new(sns_token_index *index, const sns_slice *tokens, size_t capacity);
void sns_token_index_add(sns_token_index *index, size_t id);
void sns_token_index_free(sns_token_index *index);
/* The id of the token that is a followed by b, -1: there is none. */
int32_t sns_token_index_find(const sns_token_index *index, sns_slice a, sns_slice b);
#endif
