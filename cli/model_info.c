/* model_info.c - sensus model info */
#include "command.h"
#include <sensus/model.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct values {
    bool json;
} values;

static int run(const cli_call *call) {
    const values *v = call->values;
    sns_error err;
    sns_model *model = NULL;
    char *dir = NULL, *text = NULL;
    if (cli_find_model(call->argument_count ? call->arguments[0] : NULL, NULL, &dir))
        return CLI_FAILED;
    int code = CLI_DONE;
    if (sns_model_load(dir, &model, &err) || sns_model_describe(model, v->json, &text, &err)) {
        code = cli_fail(&err);
    } else {
        size_t n = strlen(text);
        fputs(text, stdout);
        if (!n || text[n - 1] != '\n') putchar('\n');
    }
    free(text);
    sns_model_free(model);
    free(dir);
    return code;
}

static const cli_option options[] = {
    {0, "json", CLI_FLAG, NULL, NULL, "one JSON object instead of text", offsetof(values, json), 0,
     0, NULL},
};

const cli_command cli_model_info = {
    .arguments = "[MODEL]",
    .description =
        "Load a model (a folder, or a GGUF file of clip.cpp's) and print its geometry, its number "
        "of "
        "parameters, its tensors' types and its fingerprint. Without MODEL: the model that other "
        "commands would use.",
    .examples = "sensus model info models/sensus-small",
    .table = {options, sizeof options / sizeof *options, sizeof(values)},
    .min_arguments = 0,
    .max_arguments = 1,
    .run = run,
};
