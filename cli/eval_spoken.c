/* eval_spoken.c - sensus eval spoken */
#include "eval_common.h"
#include <stdio.h>

typedef struct values {
    cli_eval usual;
    const char *manifest, *pictures, *language;
} values;

static int measure(const values *v, const sns_model *hears, const sns_model *sees) {
    cli_progress bar;
    sns_error err;
    char *report = NULL;
    sns_spoken result;
    sns_eval_options o = cli_eval_begin(&v->usual, &bar);
    sns_status s = sns_eval_spoken(hears, sees, v->manifest, v->language, &o, &result, &err);
    if (!s) s = sns_spoken_report(&result, v->usual.json, &report, &err);
    return cli_eval_end(&bar, s, report, result.skipped, &err);
}

static int run(const cli_call *call) {
    const values *v = call->values;
    sns_model *hears = NULL, *sees = NULL;
    if (!v->manifest) return cli_usage(call, "say what to measure with: --manifest FILE");
    if (!v->usual.model) return cli_usage(call, "say which model hears: --model DIR");
    int code = cli_load_model(v->usual.model, &hears);
    if (!code) code = cli_load_model(v->pictures, &sees);
    if (!code) code = measure(v, hears, sees);
    sns_model_free(hears);
    sns_model_free(sees);
    return code;
}

static const cli_option options[] = {
    {0, "manifest", CLI_STRING, "FILE", NULL, "recordings and the pictures they speak of",
     offsetof(values, manifest), 0, 0, NULL},
    {0, "pictures-model", CLI_STRING, "DIR", NULL,
     "the model that sees; otherwise $SENSUS_MODEL or the one that came with sensus",
     offsetof(values, pictures), 0, 0, NULL},
    {'l', "lang", CLI_STRING, "LANG", NULL, "only recordings in this language",
     offsetof(values, language), 0, 0, NULL},
    CLI_EVAL_OPTIONS(values, usual),
};

const cli_command cli_eval_spoken = {
    .arguments = "",
    .description =
        "Measure how well recordings find the pictures that they speak of, and pictures their "
        "recordings: recall at 1, 5 and 10, median and mean rank, each with a 95 % bootstrap "
        "interval and with what guessing gives. The recordings' vectors are those of --model, the "
        "pictures' those of --pictures-model; both must have the same text tower (train "
        "--lock-text), through which sound and pictures meet.\n\n"
        "The manifest has one JSON object a line: {\"audio\": path, \"image\": path, \"lang\": "
        "\"en\"}. Every picture in it is a candidate, also one without a recording.",
    .examples = "sensus eval spoken --model run/model --manifest spoken.jsonl --lang en",
    .table = {options, sizeof options / sizeof *options, sizeof(values)},
    .min_arguments = 0,
    .max_arguments = 0,
    .decodes = true,
    .run = run,
};
