/* tokenizer_internal.h - what the tokenizer's files share: encode, load, train, write. */
#ifndef SNS_PREP_TOKENIZER_INTERNAL_H
#define SNS_PREP_TOKENIZER_INTERNAL_H
#include "prep/bpe.h"
#include "prep/json_scan.h"
#include "prep/text_scan.h"
#include "prep/unigram.h"
#include "tensor/gguf.h"
#include <sensus/tokenizer.h>

#define SNS_TOKEN_START "<|startoftext|>"
#define SNS_TOKEN_END   "<|endoftext|>"
/* CLIP's pattern, as written in tokenizer.json. */
#define SNS_TOKEN_PATTERN "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"

enum { SNS_ADDED_MAX = 256, SNS_TOKENIZER_TEXT_MAX = 16 << 20, SNS_TOKENIZER_FILE_MAX = 256 << 20 };

/* A token that is found in the text before words are: the special ones and those added by users. */
typedef struct sns_added {
    sns_slice content;
    uint32_t id;
    bool normalized; /* looked for after normalising, so in any case; else in the text as given */
    bool special;    /* left out when decoding */
    sns_text cps;    /* the normalised content */
} sns_added;

struct sns_tokenizer {
    sns_bpe bpe;
    sns_text_rules rules;
    sns_slice *tokens; /* [vocab_size]: as in the file; size 0: no such id. Point into files */
    size_t vocab_size;
    sns_added *added;
    size_t added_count;
    uint32_t start_id, end_id; /* a Unigram without start token: both the end token */
    sns_unigram *unigram;      /* NULL: byte-level BPE; else bpe, rules, tokens are unused */
    char *files[2];            /* what was read, unescaped in place */
};

/* The longest added token with `normalized` as given that stands at cps or bytes; NULL: none. */
const sns_added *sns_added_in_bytes(const sns_tokenizer *tok, const char *text, size_t size);
const sns_added *sns_added_in_cps(const sns_tokenizer *tok, const int32_t *cps, size_t n);

/* The sections of a tokenizer.json with a Unigram model, still as they are in the file. */
typedef struct sns_unigram_sections {
    sns_json model, added; /* begin NULL: none */
    sns_slice normalizer, pre_tokenizer, post_processor;
} sns_unigram_sections;

/* unigram_load.c. tok is freed by the caller, on failure too. Errors: SNS_FORMAT, SNS_UNSUPPORTED,
 * SNS_LIMIT, SNS_NOMEM. */
sns_status sns_unigram_load(sns_unigram_sections *in, const char *path, sns_tokenizer *tok,
                            sns_error *err);

/* tokenizer_gguf.c. From the metadata of a GGUF file, of which nothing stays in use; name is used
 * in messages. Errors: SNS_MISSING (it has no tokens), SNS_FORMAT, SNS_UNSUPPORTED (no CLIP's
 * vocabulary in the order of its ids), SNS_LIMIT, SNS_NOMEM. */
sns_status sns_tokenizer_gguf(const sns_gguf *g, const char *name, sns_tokenizer **out,
                              sns_error *err);

/* Write a vocabulary in the layout that CLIPTokenizerFast loads: tokenizer.json, vocab.json,
 * merges.txt, tokenizer_config.json, special_tokens_map.json. The last two of the n tokens are the
 * start and the end token. */
sns_status sns_tokenizer_write(const char *dir, const sns_slice *tokens, size_t n,
                               const sns_merge *merges, size_t merge_count, sns_error *err);

/* Loading from memory: malloc'd, NUL-terminated texts, which the call takes over and changes. The
 * names are for messages. */
sns_status sns_tokenizer_parse_json(char *text, size_t size, const char *name, sns_tokenizer **out,
                                    sns_error *err);
sns_status sns_tokenizer_parse_pair(char *vocab, size_t vocab_size, const char *vocab_name,
                                    char *merges, size_t merges_size, const char *merges_name,
                                    sns_tokenizer **out, sns_error *err);
#endif
