/* tokenizer.h - text to token ids, as CLIP and SigLIP do.
 *
 * A tokenizer.json whose model is Unigram (SentencePiece's; SigLIP's) says itself how its text is
 * normalised; its ids are those of Hugging Face's tokenizers. Special tokens are found in the text
 * as given. Everything below is CLIP's byte-level BPE. The ids are those of Hugging Face's
 * CLIPTokenizerFast:
 *   - The text is normalised to NFC, put in lower case code point by code point, and cut into words
 *     by 's|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+ (white space only separates).
 *     There is no ftfy and no HTML unescaping, which OpenAI's first script did before.
 *   - Each word's UTF-8 bytes are merged by rank; the last one carries the end-of-word mark </w>.
 *   - A special token that is spelled out in the text, such as <|endoftext|>, becomes that token,
 *     as in Hugging Face's and open_clip's tokenizers.
 *   - Invalid UTF-8: each maximal invalid part is read as U+FFFD (Python's errors='replace'). */
#ifndef SENSUS_TOKENIZER_H
#define SENSUS_TOKENIZER_H
#include <sensus/status.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sns_tokenizer sns_tokenizer; /* immutable; may be shared by threads */

/* From a model's folder: tokenizer.json, else vocab.json + merges.txt; from a GGUF file: its
 * tokens. Errors: SNS_MISSING, SNS_IO, SNS_FORMAT, SNS_LIMIT (2^20 tokens, 256 added ones),
 * SNS_UNSUPPORTED (a kind other than Unigram and byte-level BPE, rules that differ from CLIP's, a
 * normalizer or pre_tokenizer that is not known), SNS_NOMEM. */
SNS_API sns_status sns_tokenizer_load(const char *dir, sns_tokenizer **out, sns_error *err);
SNS_API void sns_tokenizer_free(sns_tokenizer *tok);
/* The highest id + 1. */
SNS_API size_t sns_tokenizer_vocab_size(const sns_tokenizer *tok);
/* A Unigram vocabulary may have no start token; then this is the end token. */
SNS_API uint32_t sns_tokenizer_start_id(const sns_tokenizer *tok);
SNS_API uint32_t sns_tokenizer_end_id(const sns_tokenizer *tok);

/* Tokens of a text: start (where the vocabulary has one), pieces, end; never more than max_tokens,
 * and a text that is too long keeps its end token. text, size  UTF-8, may hold NUL bytes; at most
 * 16 MiB ids         max_tokens entries, caller-owned (CLIP: 77) *count      <- how many were
 * written; there is no padding Time O(n log n) whatever the text; memory up to 50 bytes for each
 * byte of the longest stretch without white space. Errors: SNS_ARG (max_tokens < 2), SNS_LIMIT
 * (also: a Unigram file's pattern takes too long), SNS_FORMAT (text that a vocabulary without
 * unknown token lacks), SNS_NOMEM. Threads: any. */
SNS_API sns_status sns_tokenizer_encode(const sns_tokenizer *tok, const char *text, size_t size,
                                        size_t max_tokens, uint32_t *ids, size_t *count,
                                        sns_error *err);
/* The text of tokens, without the special ones; words are separated by one space. Valid UTF-8,
 * malloc'd, NUL-terminated.
 * Errors: SNS_ARG (an id outside the vocabulary), SNS_NOMEM. */
SNS_API sns_status sns_tokenizer_decode(const sns_tokenizer *tok, const uint32_t *ids, size_t count,
                                        char **text, sns_error *err);

/* Learn a byte-level BPE vocabulary (Sennrich et al. 2016) from lines of text files, and write
 * tokenizer.json, vocab.json, merges.txt, tokenizer_config.json and special_tokens_map.json into
 * dir, in the layout that Hugging Face's CLIPTokenizerFast loads.
 *   vocab_size  514 .. 2^20 tokens: 512 bytes (inside and at the end of a word), the merges, and
 *               last the two special ones. Fewer come out when no pair occurs twice any more.
 * The most frequent pair is merged first; of equally frequent ones, the one whose two tokens, as
 * written in merges.txt, come first in byte order: the same text gives the same vocabulary. Words
 * of more than 1,000 bytes are left out. Errors: SNS_ARG, SNS_MISSING, SNS_IO, SNS_FORMAT (no word
 * in the files), SNS_NOMEM. */
SNS_API sns_status sns_tokenizer_train(const char *const *files, size_t file_count,
                                       size_t vocab_size, const char *dir, sns_error *err);
#endif
