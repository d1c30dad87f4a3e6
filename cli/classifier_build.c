/* classifier_build.c - sensus classifier build: encode labels once, for later use. */
#include "command.h"
#include "labels.h"
#include "progress.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct values {
    const char *model, *labels, *labels_file, *templates, *output;
    cli_list given_templates;
} values;

static void show_progress(void *user, size_t done, size_t total) {
    cli_progress_update(user, done, total, NULL);
}

static int build(const sns_model *model, const cli_labels *labels, const cli_templates *templates,
                 const char *path) {
    sns_error err;
    sns_classifier *classifier = NULL;
    cli_progress bar;
    cli_progress_start(&bar, "encoding", " texts", 0);
    sns_classifier_options o = {.progress = show_progress, .user = &bar};
    sns_status s = sns_classifier_new(model, labels->classes, labels->count,
                                      (const char *const *)templates->items, templates->count, &o,
                                      &classifier, &err);
    cli_progress_clear(&bar);
    if (!s) s = sns_classifier_save(classifier, path, &err);
    sns_classifier_free(classifier);
    if (s) return cli_fail(&err);
    printf("%zu classes by %zu templates, written to ", labels->count, templates->count);
    cli_print_safe(path);
    putchar('\n');
    return CLI_DONE;
}

static int run(const cli_call *call) {
    const values *v = call->values;
    if (!v->output) return cli_usage(call, "say where to write the classifier: --output FILE");
    if (!v->labels == !v->labels_file)
        return cli_usage(call, "give either --labels or --labels-file");
    cli_labels labels = {0};
    cli_templates templates = {0};
    sns_model *model = NULL;
    sns_error err;
    char *dir = NULL;
    int code = cli_labels_take(&labels, v->labels, v->labels_file);
    if (!code) code = cli_templates_take(&templates, &v->given_templates, v->templates);
    if (!code) code = cli_find_model(v->model, NULL, &dir);
    if (!code && sns_model_load(dir, &model, &err)) code = cli_fail(&err);
    if (!code) code = build(model, &labels, &templates, v->output);
    free(dir);
    sns_model_free(model);
    cli_labels_free(&labels);
    cli_templates_free(&templates);
    return code;
}

static const cli_option options[] = {
    CLI_MODEL_OPTION(values, model),
    {'o', "output", CLI_STRING, "FILE", NULL, "the classifier's file (safetensors)",
     offsetof(values, output), 0, 0, NULL},
    CLI_LABEL_OPTIONS(values),
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
