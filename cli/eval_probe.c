/* eval_probe.c - sensus eval probe, sensus eval knn, sensus eval few-shot */
#include "eval_common.h"

typedef struct values {
    cli_eval usual;
    const char *train, *test;
    cli_list templates;
    int64_t k, shots, seed, seeds;
    double temperature;
} values;

static int measure(const values *v, sns_transfer_method method, const sns_model *model) {
    cli_progress bar;
    sns_error err;
    char *report = NULL;
    sns_transfer result;
    const sns_transfer_options what = {.method = method,
                                       .k = (size_t)v->k,
                                       .temperature = v->temperature,
                                       .shots = (size_t)v->shots,
                                       .seed = (uint64_t)v->seed};
    const sns_eval_options options = cli_eval_begin(&v->usual, &bar);
    sns_status s = sns_eval_transfer(model, v->train, v->test, &what, &options, &result, &err);
    if (!s) s = sns_transfer_report(&result, v->usual.json, &report, &err);
    int code = cli_eval_end(&bar, s, report, result.test.skipped, &err);
    sns_zero_shot_free(&result.test);
    return code;
}

static int measure_few_shot(const values *v, const sns_model *model) {
    cli_progress bar;
    sns_error err;
    char *report = NULL;
    sns_few_shot result;
    const sns_eval_options options = cli_eval_begin(&v->usual, &bar);
    const sns_few_shot_options what = {.seeds = (size_t)v->seeds,
                                       .seed = (uint64_t)v->seed,
                                       .templates = v->templates.items,
                                       .template_count = v->templates.count,
                                       .progress = cli_eval_show,
                                       .user = &bar};
    sns_status s = sns_eval_few_shot(model, v->train, v->test, &what, &options, &result, &err);
    if (!s) s = sns_few_shot_report(&result, v->usual.json, &report, &err);
    int code = cli_eval_end(&bar, s, report, result.skipped, &err);
    sns_zero_shot_free(&result.zero_shot);
    return code;
}

typedef enum what { PROBE = SNS_TRANSFER_PROBE, KNN = SNS_TRANSFER_KNN, FEW_SHOT } what;

static int run(const cli_call *call, what which) {
    const values *v = call->values;
    sns_model *model = NULL;
    if (!v->train || !v->test)
        return cli_usage(call, "say what to learn from and to measure with: --train, --test");
    int code = cli_load_model(v->usual.model, &model);
    if (!code && which == FEW_SHOT)
        code = measure_few_shot(v, model);
    else if (!code)
        code = measure(v, (sns_transfer_method)which, model);
    sns_model_free(model);
    return code;
}

static int run_probe(const cli_call *call) {
    return run(call, PROBE);
}

static int run_knn(const cli_call *call) {
    return run(call, KNN);
}

static int run_few_shot(const cli_call *call) {
    return run(call, FEW_SHOT);
}

#define AT(field) offsetof(values, field)
#define SHARED_OPTIONS                                                                             \
    {0,                                                                                            \
     "train",                                                                                      \
     CLI_STRING,                                                                                   \
     "PATH",                                                                                       \
     NULL,                                                                                         \
     "pictures with labels to learn from: a manifest, or a folder with a folder for each class",   \
     AT(train),                                                                                    \
     0,                                                                                            \
     0,                                                                                            \
     NULL},                                                                                        \
        {0, "test", CLI_STRING, "PATH", NULL, "others to measure with", AT(test), 0, 0, NULL},     \
        {0, "seed", CLI_INT, "N", "1", "of what is drawn", AT(seed), 0, 1e15, NULL},               \
        CLI_EVAL_OPTIONS(values, usual)

static const cli_option probe_options[] = {
    {0, "shots", CLI_INT, "N", "0",
     "learn from N pictures of each class only, drawn by --seed; 0: all", AT(shots), 0, 1e7, NULL},
    SHARED_OPTIONS,
};
static const cli_option few_shot_options[] = {
    {0, "draws", CLI_INT, "N", "3", "average over N draws of each number of pictures", AT(seeds), 1,
     1000, NULL},
    {'t', "template", CLI_LIST, "TEXT", NULL,
     "for zero-shot: a sentence with {} for the label; may be given more than once, then the mean "
     "counts",
     AT(templates), 0, 0, NULL},
    SHARED_OPTIONS,
};
static const cli_option knn_options[] = {
    {0, "shots", CLI_INT, "N", "0",
     "learn from N pictures of each class only, drawn by --seed; 0: all", AT(shots), 0, 1e7, NULL},
    {'k', "neighbours", CLI_INT, "K", "20", "how many vote", AT(k), 1, 1000000, NULL},
    {0, "temperature", CLI_FLOAT, "T", "0.07",
     "a vote counts exp(cosine / T); 0: all votes count the same", AT(temperature), 0, 100, NULL},
    SHARED_OPTIONS,
};

const cli_command cli_eval_probe = {
    .arguments = "",
    .description =
        "Measure what a model's vectors know: a linear probe, that is a multinomial logistic "
        "regression on the vectors of labelled pictures, measured on others. Its regulariser is "
        "searched for from 1e-6 to 1e6 on a fifth of the training pictures, as in the CLIP paper. "
        "With 95 % bootstrap intervals over the test pictures.",
    .examples = "sensus eval probe --train train/ --test test/\n"
                "sensus eval probe --train train.jsonl --test test.jsonl --shots 4 --json",
    .table = {probe_options, sizeof probe_options / sizeof *probe_options, sizeof(values)},
    .min_arguments = 0,
    .max_arguments = 0,
    .decodes = true,
    .run = run_probe,
};

const cli_command cli_eval_knn = {
    .arguments = "",
    .description =
        "Measure what a model's vectors know: each test picture takes the label that its nearest "
        "training pictures vote for. With 95 % bootstrap intervals over the test pictures.",
    .examples = "sensus eval knn --train train/ --test test/ -k 5",
    .table = {knn_options, sizeof knn_options / sizeof *knn_options, sizeof(values)},
    .min_arguments = 0,
    .max_arguments = 0,
    .decodes = true,
    .run = run_knn,
};

const cli_command cli_eval_few_shot = {
    .arguments = "",
    .description =
        "Measure how much a few examples are worth: the accuracy of a linear probe that learns "
        "from "
        "1, 2, 4, 8 and 16 pictures of each class, beside zero-shot classification by the labels' "
        "names, which learns from none. The probe's regulariser is chosen on the training pictures "
        "that were not drawn. With 95 % bootstrap intervals over the test pictures.",
    .examples = "sensus eval few-shot --train train/ --test test/ -t \"a photo of a {}\"",
    .table = {few_shot_options, sizeof few_shot_options / sizeof *few_shot_options, sizeof(values)},
    .min_arguments = 0,
    .max_arguments = 0,
    .decodes = true,
    .run = run_few_shot,
};
