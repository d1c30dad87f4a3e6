/* bench_tokenizer.h - the vocabulary of models with random weights: single bytes. */
#ifndef BENCH_TOKENIZER_H
#define BENCH_TOKENIZER_H
#include "base/file.h"
#include "base/strbuf.h"
#include <sensus/tokenizer.h>

/* Learned into model_dir from a file of letters in dir; free *out with sns_tokenizer_free. */
static inline sns_status bench_tokenizer(const char *dir, const char *model_dir,
                                         sns_tokenizer **out, sns_error *err) {
    static const char letters[] = "a b c d e f g h i j k l m n o p q r s t u v w x y z\n";
    char *path = sns_path_join(dir, "letters.txt");
    if (!path) return SNS_NOMEM;
    const char *files[] = {path};
    sns_status s = sns_file_write(path, letters, sizeof letters - 1, err);
    if (!s) s = sns_tokenizer_train(files, 1, 514, model_dir, err);
    if (!s) s = sns_tokenizer_load(model_dir, out, err);
    free(path);
    return s;
}
#endif
