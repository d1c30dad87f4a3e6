/* classify.c - sensus classify: zero-shot classification (Radford et al. 2021, section 3.1).
 *
 *   w_c = normalise(mean over templates t of text(t with label c)),  p = softmax(scale * image . w)
 * or, for a model trained with the sigmoid loss, sigmoid(scale * image . w_c + bias). */
#include "command.h"
#include "labels.h"
#include <sensus/embed.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct values {
    const char *model, *classifier;
    cli_words words;
    int64_t top;
    bool json, exact;
} values;

typedef struct judge {
    sns_model *model;
    sns_classifier *classifier;
    size_t top;
    float *probability; /* of each class */
    size_t *order;
    bool json;
    size_t failed;
} judge;

/* Probabilities, and the classes from the most probable down (ties by their order). */
static sns_status rank_classes(judge *k, const float *image, sns_error *err) {
    sns_status s = sns_classifier_judge(k->classifier, k->model, image, k->probability, err);
    for (size_t c = 0; c < sns_classifier_count(k->classifier) && !s; c++) {
        size_t at = c < k->top ? c : k->top;
        for (; at && k->probability[k->order[at - 1]] < k->probability[c]; at--)
            if (at < k->top) k->order[at] = k->order[at - 1];
        if (at < k->top) k->order[at] = c;
    }
    return s;
}

static const char *label(const judge *k, size_t rank) {
    return sns_classifier_class(k->classifier, k->order[rank])->label;
}

static void print_json(const judge *k, const char *path) {
    printf("{\"path\": ");
    cli_print_json(path);
    printf(", \"labels\": [");
    for (size_t i = 0; i < k->top; i++) {
        printf("%s{\"label\": ", i ? ", " : "");
        cli_print_json(label(k, i));
        printf(", \"probability\": %.6g}", k->probability[k->order[i]]);
    }
    printf("]}\n");
}

static void print_table(const judge *k, const char *path) {
    enum { BAR = 20 };
    cli_print_safe(path);
    putchar('\n');
    for (size_t i = 0; i < k->top; i++) {
        float p = k->probability[k->order[i]];
        int filled = (int)(p * BAR + 0.5f);
        printf("  %5.1f %%  ", 100 * p);
        for (int b = 0; b < BAR; b++) fputs(b < filled ? "\u2588" : "\u00b7", stdout);
        printf("  ");
        cli_print_safe(label(k, i));
        putchar('\n');
    }
}

static sns_status take_image(void *user, const sns_embed_result *r) {
    judge *k = user;
    if (r->status) {
        k->failed++;
        cli_failf("%s", r->message);
        return SNS_OK;
    }
    sns_status s = rank_classes(k, r->vector, NULL);
    if (s) return s;
    if (k->json)
        print_json(k, r->path);
    else
        print_table(k, r->path);
    return SNS_OK;
}

/* The classifier of a file, or one made of the labels now. */
static int find_classifier(judge *k, const values *v) {
    sns_error err;
    if (v->classifier)
        return sns_classifier_load(v->classifier, &k->classifier, &err) ? cli_fail(&err) : CLI_DONE;
    return cli_make_classifier(&v->words, k->model, NULL, &k->classifier);
}

/* Says so before the first picture is read. */
static int check_model(judge *k, const values *v) {
    if (!strcmp(sns_classifier_fingerprint(k->classifier), sns_model_fingerprint(k->model)))
        return CLI_DONE;
    return cli_failf("%s: made with another model; use that one, or build the classifier again",
                     v->classifier);
}

static int classify(judge *k, const cli_call *call) {
    const values *v = call->values;
    sns_error err;
    int code = cli_load_model(v->model, &k->model);
    if (!code) code = find_classifier(k, v);
    if (!code) code = check_model(k, v);
    if (code) return code;
    size_t count = sns_classifier_count(k->classifier);
    k->top = (size_t)v->top < count ? (size_t)v->top : count;
    k->json = v->json;
    k->probability = calloc(count, sizeof *k->probability);
    k->order = calloc(k->top, sizeof *k->order);
    if (!k->probability || !k->order) return cli_failf("out of memory");
    sns_embed_options o = {.exact = v->exact};
    if (sns_embed_files(k->model, (const char *const *)call->arguments, call->argument_count, &o,
                        take_image, k, &err))
        return cli_fail(&err);
    return k->failed ? CLI_FAILED : CLI_DONE;
}

static int run(const cli_call *call) {
    const values *v = call->values;
    judge k = {0};
    if (!!v->words.labels + !!v->words.labels_file + !!v->classifier != 1)
        return cli_usage(call, "give one of --labels, --labels-file and --classifier");
    if (v->classifier && (v->words.templates || v->words.given.count))
        return cli_usage(call, "a --classifier has its templates in it");
    for (size_t i = 0; i < v->words.given.count; i++)
        if (!strstr(v->words.given.items[i], "{}"))
            return cli_usage(call, "--template needs {} where the name goes");
    int code = classify(&k, call);
    free(k.probability);
    free(k.order);
    sns_classifier_free(k.classifier);
    sns_model_free(k.model);
    return code;
}

static const cli_option options[] = {
    CLI_MODEL_OPTION(values, model),
    CLI_WORD_OPTIONS(values, words),
    {'c', "classifier", CLI_STRING, "FILE", NULL,
     "labels that sensus classifier build has encoded, instead of --labels",
     offsetof(values, classifier), 0, 0, NULL},
    {'k', "top", CLI_INT, "K", "5", "how many labels to print", offsetof(values, top), 1, 1000000,
     NULL},
    {0, "exact", CLI_FLAG, NULL, NULL, "decode every picture at full size before scaling",
     offsetof(values, exact), 0, 0, NULL},
    {0, "json", CLI_FLAG, NULL, NULL, "one JSON object a line: path, labels with probability",
     offsetof(values, json), 0, 0, NULL},
};

const cli_command cli_classify = {
    .arguments = "FILE...",
    .description =
        "Say which of some labels fits each picture best, without training for them: each label is "
        "put into sentences, and the probabilities are the softmax of the cosines between the "
        "picture and the sentences, times the model's learned scale. A model trained with the "
        "sigmoid loss judges each label by itself: its probabilities need not sum to 1.",
    .examples = "sensus classify --labels cat,dog,car photo.jpg\n"
                "sensus classify --labels-file animals.txt -t \"a drawing of a {}\" --json *.png\n"
                "sensus classify --classifier pets.safetensors *.jpg",
    .table = {options, sizeof options / sizeof *options, sizeof(values)},
    .min_arguments = 1,
    .max_arguments = SIZE_MAX,
    .run = run,
};
