/* tokenizer_copy.c - see tokenizer_copy.h. */
#include "prep/tokenizer_copy.h"
#include "base/error.h"
#include "base/file.h"
#include "base/strbuf.h"
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

sns_status sns_tokenizer_copy(const char *from, const char *to, sns_error *err) {
    static const char *const files[] = {"tokenizer.json",   "vocab.json",
                                        "merges.txt",       "tokenizer_config.json",
                                        "spiece.model",     "special_tokens_map.json",
                                        "added_tokens.json"};
    sns_status s = SNS_OK;
    for (size_t i = 0; i < sizeof files / sizeof *files && !s; i++)
        s = copy_file(from, to, files[i], err);
    return s;
}
