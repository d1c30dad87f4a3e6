/* classifier_build.c - sensus classifier build: encode labels once, for later use. */
#include "command.h"
#include "labels.h"
#include <stdio.h>

typedef struct values {
    const char *model, *output;
    cli_words words;
} values;

static int build(const sns_model *model, const values *v) {
    sns_error err;
    sns_classifier *classifier = NULL;
    cli_progress bar;
    cli_progress_start(&bar, "encoding", " texts", 0);
    int code = cli_make_classifier(&v->words, model, &bar, &classifier);
    if (code) return code;
    if (sns_classifier_save(classifier, v->output, &err)) {
        code = cli_fail(&err);
    } else {
        printf("%zu classes by %zu templates, written to ", sns_classifier_count(classifier),
               sns_classifier_template_count(classifier));
        cli_print_safe(v->output);
        putchar('\n');
    }
    sns_classifier_free(classifier);
    return code;
}

static int run(const cli_call *call) {
    const values *v = call->values;
    if (!v->output) return cli_usage(call, "say where to write the classifier: --output FILE");
    if (!v->words.labels == !v->words.labels_file)
        return cli_usage(call, "give either --labels or --labels-file");
    sns_model *model = NULL;
    int code = cli_load_model(v->model, &model);
    if (!code) code = build(model, v);
    sns_model_free(model);
    return code;
}

static const cli_option options[] = {
    CLI_MODEL_OPTION(values, model),
    {'o', "output", CLI_STRING, "FILE", NULL, "the classifier's file (safetensors)",
     offsetof(values, output), 0, 0, NULL},
    CLI_WORD_OPTIONS(values, words),
};

const cli_command cli_classifier_build = {
    .arguments = "",
    .description =
        "Make a classifier of words (Radford et al. 2021, 3.1): every name of every label is put "
        "into every template, and a label's vector is the normalised mean of theirs. The file "
        "keeps labels, names, templates and which model made it; sensus classify --classifier then "
        "reads pictures at once.",
    .examples = "sensus classifier build --labels cat,dog,hamster --templates photos -o "
                "pets.safetensors\n"
                "sensus classify --classifier pets.safetensors *.jpg",
    .table = {options, sizeof options / sizeof *options, sizeof(values)},
    .min_arguments = 0,
    .max_arguments = 0,
    .run = run,
};
