/* eval_relevance.c - sensus eval relevance */
#include "command.h"
#include "progress.h"
#include <sensus/eval.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct values {
    const char *model, *manifest, *language, *images, *svg;
    int64_t captions, limit, threads;
    bool exact, json;
} values;

static void warn(void *user, const char *message) {
    cli_progress_clear(user);
    cli_note("%s", message);
}

static void show(void *user, size_t done, size_t total) {
    cli_progress_update(user, done, total, NULL);
}

static int measure(const values *v, const sns_model *model) {
    cli_progress bar;
    sns_error err;
    char *report = NULL, *svg = NULL;
    sns_relevance_result result;
    const sns_eval_options options = {.image_root = v->images,
                                      .limit = (size_t)v->limit,
                                      .captions = (size_t)v->captions,
                                      .threads = (size_t)v->threads,
                                      .exact = v->exact,
                                      .warn = warn,
                                      .progress = show,
                                      .user = &bar};
    cli_progress_start(&bar, "encoding", "", 0);
    sns_status s = sns_eval_relevance(model, v->manifest, v->language, &options, &result, &err);
    if (!s) s = sns_relevance_report(&result, v->json, &report, &err);
    if (!s && v->svg) s = sns_relevance_svg(&result, &svg, &err);
    cli_progress_clear(&bar);
    if (s) {
        free(report);
        return cli_fail(&err);
    }
    fputs(report, stdout);
    int code = svg ? cli_write_text(v->svg, svg) : CLI_DONE;
    free(report);
    free(svg);
    if (!code && result.skipped)
        code = cli_failf("%zu pictures or lines were left out", result.skipped);
    return code;
}

static int run(const cli_call *call) {
    const values *v = call->values;
    sns_model *model = NULL;
    if (!v->manifest) return cli_usage(call, "say what to measure with: --manifest FILE");
    int code = cli_load_model(v->model, &model);
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
    {'m', "model", CLI_STRING, "DIR", NULL,
     "the model's folder; otherwise $SENSUS_MODEL or the one that came with sensus", AT(model), 0,
     0, NULL},
    {0, "images", CLI_STRING, "DIR", NULL,
     "where relative image paths start; otherwise the manifest's folder", AT(images), 0, 0, NULL},
    {0, "limit", CLI_INT, "N", "0", "use the first N pictures; 0: all", AT(limit), 0, 1e7, NULL},
    {0, "exact", CLI_FLAG, NULL, NULL, "never shrink a picture while decoding it", AT(exact), 0, 0,
     NULL},
    {0, "threads", CLI_INT, "N", "0", "threads that decode; 0: one for each processor", AT(threads),
     0, 1024, NULL},
    {0, "json", CLI_FLAG, NULL, NULL, "one JSON object instead of a table", AT(json), 0, 0, NULL},
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
