/* eval_moments.c - sensus eval moments */
#include "eval_common.h"
#include <sensus/ground.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct values {
    const char *model, *videos;
    int64_t limit, threads;
    bool json;
} values;

static int measure(const values *v, const char *manifest, const sns_model *model) {
    cli_progress bar;
    sns_error err;
    char *report = NULL;
    sns_moment_eval result;
    cli_progress_start(&bar, "asking", "", 0);
    const sns_eval_options options = {.image_root = v->videos,
                                      .limit = (size_t)v->limit,
                                      .threads = (size_t)v->threads,
                                      .warn = cli_eval_warn,
                                      .progress = cli_eval_show,
                                      .user = &bar};
    sns_status s = sns_eval_moments(model, manifest, &options, &result, &err);
    if (!s) s = sns_moment_report(&result, v->json, &report, &err);
    cli_progress_clear(&bar);
    if (s) return cli_fail(&err);
    fputs(report, stdout);
    free(report);
    return result.skipped ? cli_failf("%zu films or lines were left out", result.skipped)
                          : CLI_DONE;
}

static int run(const cli_call *call) {
    const values *v = call->values;
    sns_model *model = NULL;
    int code = cli_load_model(v->model, &model);
    if (!code) code = measure(v, call->arguments[0], model);
    sns_model_free(model);
    return code;
}

#define AT(field) offsetof(values, field)
static const cli_option options[] = {
    CLI_MODEL_OPTION(values, model),
    {0, "videos", CLI_STRING, "DIR", NULL,
     "where relative paths of films start; otherwise the manifest's folder", AT(videos), 0, 0,
     NULL},
    {0, "limit", CLI_INT, "N", "0", "ask the first N queries; 0: all", AT(limit), 0, 1e7, NULL},
    {0, "threads", CLI_INT, "N", "1", "threads that decode", AT(threads), 1, 64, NULL},
    {0, "json", CLI_FLAG, NULL, NULL, "one JSON object instead of a table", AT(json), 0, 0, NULL},
};

const cli_command cli_eval_moments = {
    .arguments = "MANIFEST",
    .description =
        "Measure `sensus moments` and `sensus entails` on films whose moments are known: for how "
        "many queries the best moment overlaps the true one by an intersection over union of at "
        "least 0.5 and 0.7, beside what a random segment of the median length would; how often "
        "the probability of a statement is on the right side of one half, when half of them are "
        "of another film.\n\n"
        "The manifest has one JSON object a line, {\"video\": path, \"query\": text, \"start\": "
        "seconds, \"end\": seconds}; the lines of a film stand together.",
    .examples = "sensus eval moments films/manifest.jsonl",
    .table = {options, sizeof options / sizeof *options, sizeof(values)},
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
