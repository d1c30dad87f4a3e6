/* text_normalize.h - what a Unigram tokenizer's file does to a text before its words are cut.
 *
 * The steps of tokenizer.json's "normalizer" on UTF-8, in their order: Lowercase, Strip, Replace
 * (by a string or a regular expression), Prepend, NFC, NFD, NFKC, NFKD, StripAccents, Nmt is
 * refused; Precompiled is SentencePiece's own table of replacements. */
#ifndef SNS_PREP_TEXT_NORMALIZE_H
#define SNS_PREP_TEXT_NORMALIZE_H
#include "base/strbuf.h"
#include <jansson.h>
#include <sensus/status.h>

typedef struct sns_normalizer sns_normalizer; /* immutable; may be shared by threads */

/* From the value of "normalizer" (NULL or null: nothing is done). path is for messages. Errors:
 * SNS_UNSUPPORTED (a step that is not known), SNS_FORMAT (a bad pattern or table), SNS_LIMIT,
 * SNS_NOMEM. */
sns_status sns_normalizer_new(const json_t *config, const char *path, sns_normalizer **out,
                              sns_error *err);
void sns_normalizer_free(sns_normalizer *n);
/* text <- normalised; it must be valid UTF-8. Errors: SNS_NOMEM, SNS_LIMIT (a pattern that takes
 * too long, or a text that becomes too large). */
sns_status sns_normalize(const sns_normalizer *n, sns_strbuf *text, sns_error *err);
#endif
