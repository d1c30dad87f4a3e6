/* tokenizer.h - text to token ids, as CLIP does. */
#ifndef SENSUS_TOKENIZER_H
#define SENSUS_TOKENIZER_H
#include <sensus/status.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sns_tokenizer sns_tokenizer; /* immutable; may be shared by threads */

/* From a model's folder: tokenizer.json, or vocab.json + merges.txt.
 * Errors: SNS_MISSING, SNS_IO, SNS_FORMAT, SNS_LIMIT, SNS_UNSUPPORTED (a kind other than byte-level
 * BPE), SNS_NOMEM. */
SNS_API sns_status sns_tokenizer_load(const char *dir, sns_tokenizer **out, sns_error *err);
SNS_API void sns_tokenizer_free(sns_tokenizer *tok);
SNS_API size_t sns_tokenizer_vocab_size(const sns_tokenizer *tok);
SNS_API uint32_t sns_tokenizer_start_id(const sns_tokenizer *tok);
SNS_API uint32_t sns_tokenizer_end_id(const sns_tokenizer *tok);

/* Tokens of a text: start, pieces, end; never more than max_tokens, and a text that is too long
 * keeps its end token. text, size  UTF-8 (invalid bytes are replaced by U+FFFD); at most 16 MiB ids
 * max_tokens entries, caller-owned;  *count <- how many were written (no padding) Errors: SNS_ARG
 * (max_tokens < 2), SNS_LIMIT, SNS_NOMEM. */
SNS_API sns_status sns_tokenizer_encode(const sns_tokenizer *tok, const char *text, size_t size,
                                        size_t max_tokens, uint32_t *ids, size_t *count,
                                        sns_error *err);
/* The text of tokens, without the special ones; malloc'd, NUL-terminated. */
SNS_API sns_status sns_tokenizer_decode(const sns_tokenizer *tok, const uint32_t *ids, size_t count,
                                        char **text, sns_error *err);

/* Learn a byte-level BPE vocabulary (Sennrich et al. 2016) of vocab_size tokens from lines of text
 * files, and write tokenizer.json, vocab.json and merges.txt into dir. The two special tokens come
 * last, as in CLIP's vocabulary. */
SNS_API sns_status sns_tokenizer_train(const char *const *files, size_t file_count,
                                       size_t vocab_size, const char *dir, sns_error *err);
#endif
