/* eval_suite.c - sensus eval suite, sensus eval compare */
#include "eval_common.h"
#include <sensus/suite.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct values {
    cli_eval usual;
    const char *html, *out;
} values;

static int write_page(const char *file, const char *const *json, const char *const *names,
                      size_t n) {
    sns_error err;
    char *html;
    if (sns_suite_page(json, names, n, &html, &err)) return cli_fail(&err);
    int code = cli_write_text(file, html);
    free(html);
    return code;
}

static int run_suite_with(const cli_call *call, const sns_model *model) {
    const values *v = call->values;
    cli_progress bar;
    sns_error err;
    char *json = NULL;
    const sns_eval_options options = cli_eval_begin(&v->usual, &bar);
    sns_status s = sns_suite_run(model, call->arguments[0], &options, &json, &err);
    cli_progress_clear(&bar);
    if (s) return cli_fail(&err);
    int code = v->out ? cli_write_text(v->out, json) : CLI_DONE;
    if (!code && !v->out) puts(json);
    if (!code && v->html)
        code = write_page(v->html, (const char *const *)&json,
                          v->usual.model ? &v->usual.model : NULL, 1);
    free(json);
    return code;
}

static int run_suite(const cli_call *call) {
    const values *v = call->values;
    sns_model *model = NULL;
    int code = cli_load_model(v->usual.model, &model);
    if (!code) code = run_suite_with(call, model);
    sns_model_free(model);
    return code;
}

static int run_compare(const cli_call *call) {
    const values *v = call->values;
    char *text[2] = {NULL, NULL}, *report = NULL;
    sns_error err;
    int code = CLI_DONE;
    for (int i = 0; i < 2 && !code; i++)
        if (!(text[i] = cli_read_text(call->arguments[i]))) code = CLI_FAILED;
    if (!code && sns_suite_compare(text[0], text[1], v->usual.json, &report, &err))
        code = cli_fail(&err);
    if (!code) fputs(report, stdout);
    if (!code && v->html)
        code = write_page(v->html, (const char *const *)text, (const char *const *)call->arguments,
                          2);
    free(report);
    free(text[0]);
    free(text[1]);
    return code;
}

#define AT(field) offsetof(values, field)
static const cli_option suite_options[] = {
    {'o', "output", CLI_STRING, "FILE", NULL,
     "write the results (JSON) to a file instead of printing "
     "them",
     AT(out), 0, 0, NULL},
    {0, "html", CLI_STRING, "FILE", NULL, "also write a page of them", AT(html), 0, 0, NULL},
    CLI_EVAL_DECODE_OPTIONS(values, usual),
};

static const cli_option compare_options[] = {
    {0, "html", CLI_STRING, "FILE", NULL, "also write a page with both side by side", AT(html), 0,
     0, NULL},
    {0, "json", CLI_FLAG, NULL, NULL, "one JSON object for each measure instead of a table",
     AT(usual.json), 0, 0, NULL},
};

const cli_command cli_eval_suite = {
    .arguments = "FILE.suite",
    .description =
        "Measure a model by a suite: a text file with a [section] for each measure, its kind "
        "(retrieval, zero-shot, probe, knn, few-shot, relevance) and its data. The results are one "
        "JSON document, with the model's fingerprint, and a page that shows them.",
    .examples = "sensus eval suite release.suite -o new.json --html new.html",
    .table = {suite_options, sizeof suite_options / sizeof *suite_options, sizeof(values)},
    .min_arguments = 1,
    .max_arguments = 1,
    .decodes = true,
    .run = run_suite,
};

const cli_command cli_eval_compare = {
    .arguments = "A.json B.json",
    .description =
        "Compare two results of sensus eval suite: each measure of both, B less A with a 95 % "
        "interval, and a star where that does not hold 0. The runs are taken as independent, so "
        "where both saw the same pictures the interval is too wide: a difference with a star is "
        "one, "
        "one without may be.",
    .examples = "sensus eval compare old.json new.json --html both.html",
    .table = {compare_options, sizeof compare_options / sizeof *compare_options, sizeof(values)},
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run_compare,
};
