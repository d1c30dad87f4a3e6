/* tokenizer_copy.c - see tokenizer_copy.h. */
#include "prep/tokenizer_copy.h"
#include "base/error.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "prep/tokenizer_internal.h"
#include <stdlib.h>

enum { BYTES_MAX = 1 << 28 };

/* Copy one file when it is there. */
static sns_status copy_file(const char *from, const char *to, const char *name, sns_error *err) {
    char *source = sns_path_join(from, name), *target = sns_path_join(to, name), *data = NULL;
    size_t size;
    sns_status s = SNS_NOMEM;
    if (!source || !target)
        sns_fail(err, s, "no memory for a path");
    else if ((s = sns_file_read(source, BYTES_MAX, &data, &size, err)) == SNS_MISSING)
        s = SNS_OK;
    else if (!s)
        s = sns_file_write(target, data, size, err);
    free(data);
    free(source);
    free(target);
    return s;
}

/* A vocabulary that is in no file of its own is written. */
static sns_status copy_gguf(const char *from, const char *to, sns_error *err) {
    sns_tokenizer *tok;
    sns_status s = sns_tokenizer_load(from, &tok, err);
    if (s == SNS_MISSING) return SNS_OK;
    if (s) return s;
    size_t n = tok->vocab_size;
    if (tok->start_id + 2 != n || tok->end_id + 1 != n)
        s = sns_fail(err, SNS_UNSUPPORTED, "%s: its start and end token are not the last two",
                     from);
    else
        s = sns_tokenizer_write(to, tok->tokens, n, tok->bpe.merges, tok->bpe.merge_count, err);
    sns_tokenizer_free(tok);
    return s;
}

sns_status sns_tokenizer_copy(const char *from, const char *to, sns_error *err) {
    static const char *const files[] = {"tokenizer.json",   "vocab.json",
                                        "merges.txt",       "tokenizer_config.json",
                                        "spiece.model",     "special_tokens_map.json",
                                        "added_tokens.json"};
    sns_status s = SNS_OK;
    if (sns_gguf_is_file(from)) return copy_gguf(from, to, err);
    for (size_t i = 0; i < sizeof files / sizeof *files && !s; i++)
        s = copy_file(from, to, files[i], err);
    return s;
}
