/* eval_relevance.c - sensus eval relevance */
#include "eval_common.h"
#include <stdio.h>
#include <stdlib.h>

typedef struct values {
    cli_eval usual;
    const char *manifest, *language, *svg;
    int64_t captions;
} values;

static int measure(const values *v, const sns_model *model) {
    cli_progress bar;
    sns_error err;
    char *report = NULL, *svg = NULL;
    sns_relevance_result result;
    sns_eval_options options = cli_eval_begin(&v->usual, &bar);
    options.captions = (size_t)v->captions;
    sns_status s = sns_eval_relevance(model, v->manifest, v->language, &options, &result, &err);
    if (!s) s = sns_relevance_report(&result, v->usual.json, &report, &err);
    if (!s && v->svg) s = sns_relevance_svg(&result, &svg, &err);
    int code = cli_eval_end(&bar, s, report, result.skipped, &err);
    if (svg) {
        int written = cli_write_text(v->svg, svg);
        if (!code) code = written;
    }
    free(svg);
    return code;
}

static int run(const cli_call *call) {
    const values *v = call->values;
    sns_model *model = NULL;
    if (!v->manifest) return cli_usage(call, "say what to measure with: --manifest FILE");
    int code = cli_load_model(v->usual.model, &model);
    if (!code) code = measure(v, model);
    sns_model_free(model);
    return code;
}

#define AT(field) offsetof(values, field)
static const cli_option options[] = {
    {0, "manifest", CLI_STRING, "PATH", NULL, "pictures and the queries that they fit",
     AT(manifest), 0, 0, NULL},
    {'l', "lang", CLI_STRING, "LANG", "en", "the captions in this language are the queries",
     AT(language), 0, 0, NULL},
    {0, "captions", CLI_INT, "N", "0", "at most N captions of a picture; 0: all", AT(captions), 0,
     1e6, NULL},
    {0, "svg", CLI_STRING, "FILE", NULL, "also draw precision along recall", AT(svg), 0, 0, NULL},
    CLI_EVAL_OPTIONS(values, usual),
};

const cli_command cli_eval_relevance = {
    .arguments = "",
    .description =
        "Measure the cut-off of `sensus search --relevant`: of what it lists, how much fits "
        "(precision), and how much of what fits it lists (recall), over all queries; and for how "
        "many queries it rightly lists nothing once the pictures that fit are taken away. Beside "
        "it the cosine with the one threshold that is best for these very answers, which nobody "
        "knows beforehand.\n\n"
        "Every distinct caption is a query, which the pictures that carry it fit. The 95 % "
        "intervals are those of other queries (bootstrap).\n\n"
        "The manifest has one JSON object a line, {\"image\": path, \"captions\": {\"en\": [text, "
        "...]}}, or it is a .csv with the columns image and caption.",
    .examples = "sensus eval relevance --manifest photos.jsonl --captions 1 --svg relevance.svg",
    .table = {options, sizeof options / sizeof *options, sizeof(values)},
    .min_arguments = 0,
    .max_arguments = 0,
    .run = run,
};
