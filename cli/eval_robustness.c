/* eval_robustness.c - sensus eval robustness */
#include "command.h"
#include <sensus/robustness.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct values {
    const char *baseline, *svg;
    bool json;
} values;

static int write_svg(const char *file, const sns_robustness *r) {
    sns_error err;
    char *text;
    if (sns_robustness_svg(r, &text, &err)) return cli_fail(&err);
    int code = cli_write_text(file, text);
    free(text);
    return code;
}

static int run(const cli_call *call) {
    const values *v = call->values;
    sns_robustness r;
    sns_error err;
    char *report = NULL;
    sns_status s = sns_eval_robustness(call->arguments[0], v->baseline, &r, &err);
    if (!s) s = sns_robustness_report(&r, v->json, &report, &err);
    int code = s ? cli_fail(&err) : v->svg ? write_svg(v->svg, &r) : CLI_DONE;
    if (!code) fputs(report, stdout);
    free(report);
    sns_robustness_free(&r);
    return code;
}

static const cli_option options[] = {
    {0, "baseline", CLI_STRING, "GROUP", "supervised",
     "the group of models that the lines go through", offsetof(values, baseline), 0, 0, NULL},
    {0, "svg", CLI_STRING, "FILE", NULL,
     "draw the figure: a panel for each shift, both axes in logits", offsetof(values, svg), 0, 0,
     NULL},
    {0, "json", CLI_FLAG, NULL, NULL, "one JSON object a line instead of tables",
     offsetof(values, json), 0, 0, NULL},
};

const cli_command cli_eval_robustness = {
    .arguments = "POINTS",
    .description =
        "Measure effective robustness (Taori et al. 2020; Radford et al. 2021, section 3.3): over "
        "a "
        "baseline group of models, accuracy under a distribution shift follows accuracy without it "
        "along a line in logits; what counts is how far another model is above that line. With 95 "
        "% "
        "bootstrap intervals over models and over the pictures that were counted.\n\n"
        "POINTS has one JSON object a line: {\"model\": name, \"group\": \"supervised\", "
        "\"shift\": "
        "\"fog\", \"id\": {\"correct\": 5100, \"total\": 8000}, \"shifted\": {\"correct\": 790, "
        "\"total\": 1600}}.  \"run\": name says which models come from one run of training, so "
        "that the intervals don't take them for independent ones. A shift needs three baseline "
        "models at least.",
    .examples = "sensus eval robustness points.jsonl --svg robustness.svg\n"
                "sensus eval robustness points.jsonl --baseline \"linear probe\" --json",
    .table = {options, sizeof options / sizeof *options, sizeof(values)},
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
