/* vocabulary.c - sensus tokenizer train */
#include "command.h"
#include <sensus/tokenizer.h>
#include <stdio.h>

typedef struct values {
    int64_t vocab;
    const char *output;
} values;

static int run(const cli_call *call) {
    const values *v = call->values;
    sns_error err;
    if (!v->output) return cli_usage(call, "say where to write the vocabulary: --output DIR");
    if (sns_tokenizer_train((const char *const *)call->arguments, call->argument_count,
                            (size_t)v->vocab, v->output, &err))
        return cli_fail(&err);
    printf("wrote tokenizer.json, vocab.json and merges.txt to %s\n", v->output);
    return CLI_DONE;
}

static const cli_option options[] = {
    {'o', "output", CLI_STRING, "DIR", NULL, "the folder to write to; made when it does not exist",
     offsetof(values, output), 0, 0, NULL},
    {0, "vocab", CLI_INT, "N", "8192", "how many tokens the vocabulary has",
     offsetof(values, vocab), 514, 1000000, NULL},
};

const cli_command cli_tokenizer_train = {
    .arguments = "FILE...",
    .description =
        "Learn a byte-level BPE vocabulary from the lines of text files (UTF-8) and write it as "
        "tokenizer.json, vocab.json and merges.txt.",
    .examples = "sensus tokenizer train --vocab 8192 -o models/mine captions.txt",
    .table = {options, sizeof options / sizeof *options, sizeof(values)},
    .min_arguments = 1,
    .max_arguments = SIZE_MAX,
    .run = run,
};
