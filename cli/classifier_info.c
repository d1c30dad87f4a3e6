/* classifier_info.c - sensus classifier info: what a classifier's file holds. */
#include "command.h"
#include <sensus/classifier.h>
#include <stdio.h>

typedef struct values {
    bool json;
} values;

static void print_json(const sns_classifier *c) {
    printf("{\"model\": \"%s\", \"dim\": %zu, \"templates\": [", sns_classifier_fingerprint(c),
           sns_classifier_dim(c));
    for (size_t i = 0; i < sns_classifier_template_count(c); i++) {
        if (i) printf(", ");
        cli_print_json(sns_classifier_template(c, i));
    }
    printf("], \"classes\": [");
    for (size_t i = 0; i < sns_classifier_count(c); i++) {
        const sns_class *k = sns_classifier_class(c, i);
        printf("%s{\"label\": ", i ? ", " : "");
        cli_print_json(k->label);
        printf(", \"names\": [");
        for (size_t n = 0; n < k->name_count; n++) {
            if (n) printf(", ");
            cli_print_json(k->names[n]);
        }
        printf("]}");
    }
    printf("]}\n");
}

static void print_table(const sns_classifier *c) {
    printf("model        %s, vectors of %zu\n", sns_classifier_fingerprint(c),
           sns_classifier_dim(c));
    printf("templates    %zu\n", sns_classifier_template_count(c));
    for (size_t i = 0; i < sns_classifier_template_count(c); i++) {
        printf("  ");
        cli_print_safe(sns_classifier_template(c, i));
        putchar('\n');
    }
    printf("classes      %zu\n", sns_classifier_count(c));
    for (size_t i = 0; i < sns_classifier_count(c); i++) {
        const sns_class *k = sns_classifier_class(c, i);
        printf("  ");
        cli_print_safe(k->label);
        for (size_t n = 0; n < k->name_count; n++) {
            printf(n ? " | " : " = ");
            cli_print_safe(k->names[n]);
        }
        putchar('\n');
    }
}

static int run(const cli_call *call) {
    const values *v = call->values;
    sns_error err;
    sns_classifier *c;
    if (sns_classifier_load(call->arguments[0], &c, &err)) return cli_fail(&err);
    if (v->json)
        print_json(c);
    else
        print_table(c);
    sns_classifier_free(c);
    return CLI_DONE;
}

static const cli_option options[] = {
    {0, "json", CLI_FLAG, NULL, NULL, "one JSON object", offsetof(values, json), 0, 0, NULL},
};

const cli_command cli_classifier_info = {
    .arguments = "FILE",
    .description = "Print the labels, names and templates of a classifier, and its model.",
    .examples = "sensus classifier info pets.safetensors",
    .table = {options, sizeof options / sizeof *options, sizeof(values)},
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
