/* classify.c - sensus classify: zero-shot classification (Radford et al. 2021, section 3.1).
 *
 *   w_c = normalise(mean over templates t of text(t with label c)),  p = softmax(scale * image . w)
 * or, for a model trained with the sigmoid loss, sigmoid(scale * image . w_c + bias). */
#include "command.h"
#include "progress.h"
#include <sensus/embed.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct values {
    const char *model, *labels, *labels_file;
    cli_list templates;
    int64_t top;
    bool json, exact;
} values;

typedef struct classifier {
    sns_model *model;
    size_t dim, label_count, top;
    char **labels;
    float *weights; /* label_count * dim, unit rows */
    float *probability;
    size_t *order;
    bool json;
    size_t failed;
} classifier;

static char *trimmed(const char *s, size_t n) {
    while (n && (*s == ' ' || *s == '\t')) s++, n--;
    while (n && strchr(" \t\r", s[n - 1])) n--;
    return strndup(s, n);
}

/* Split text at `separator` into labels; empty ones are left out. */
static int split_labels(classifier *k, const char *text, const char *separator) {
    while (*text) {
        size_t n = strcspn(text, separator);
        char **labels = realloc(k->labels, (k->label_count + 1) * sizeof *labels);
        if (!labels) return cli_failf("out of memory");
        k->labels = labels;
        char *label = trimmed(text, n);
        if (!label) return cli_failf("out of memory");
        if (*label)
            k->labels[k->label_count++] = label;
        else
            free(label);
        text += n + (text[n] != 0);
    }
    return CLI_DONE;
}

static int read_labels_file(classifier *k, const char *path) {
    enum { LIMIT = 64 << 20 };
    FILE *in = fopen(path, "rb");
    if (!in) return cli_failf("%s: %s", path, strerror(errno));
    char *text = NULL;
    size_t capacity = 0;
    ssize_t n = getdelim(&text, &capacity, 0, in); /* up to a NUL: all of a text file */
    int code = CLI_DONE;
    if (n < 0 && ferror(in))
        code = cli_failf("%s: %s", path, strerror(errno));
    else if (n > LIMIT)
        code = cli_failf("%s: more than 64 MiB of labels", path);
    else if (n > 0)
        code = split_labels(k, text, "\n");
    free(text);
    fclose(in);
    return code;
}

/* template with {} replaced by label; malloc'd. */
static char *fill_template(const char *template, const char *label) {
    const char *hole = strstr(template, "{}");
    char *text;
    int n = asprintf(&text, "%.*s%s%s", (int)(hole - template), template, label, hole + 2);
    return n < 0 ? NULL : text;
}

static void normalise(float *v, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)v[i] * v[i];
    float scale = sum > 0 ? (float)(1 / sqrt(sum)) : 0;
    for (size_t i = 0; i < n; i++) v[i] *= scale;
}

/* One label's row of weights from its filled templates. */
static int encode_label(classifier *k, sns_session *session, const cli_list *templates,
                        const char *label, float *row) {
    sns_error err;
    size_t n = templates->count;
    int code = CLI_DONE;
    char **texts = calloc(n, sizeof *texts);
    float *vectors = malloc(n * k->dim * sizeof *vectors);
    bool ok = texts && vectors;
    for (size_t i = 0; i < n && ok; i++)
        ok = (texts[i] = fill_template(templates->items[i], label));
    if (!ok)
        code = cli_failf("out of memory");
    else if (sns_encode_texts(session, (const char *const *)texts, n, vectors, &err))
        code = cli_fail(&err);
    memset(row, 0, k->dim * sizeof *row);
    for (size_t i = 0; i < n * k->dim && !code; i++) row[i % k->dim] += vectors[i];
    normalise(row, k->dim);
    for (size_t i = 0; i < n && texts; i++) free(texts[i]);
    free(texts);
    free(vectors);
    return code;
}

static int encode_labels(classifier *k, const cli_list *given) {
    static const char *const usual[] = {"{}", "a {}", "a photo of a {}", "a picture of a {}"};
    const cli_list defaults = {(const char **)usual, sizeof usual / sizeof *usual};
    const cli_list *templates = given->count ? given : &defaults;
    sns_session *session = NULL;
    sns_error err;
    k->weights = calloc(k->label_count, k->dim * sizeof *k->weights);
    k->probability = calloc(k->label_count, sizeof *k->probability);
    k->order = calloc(k->label_count, sizeof *k->order);
    if (!k->weights || !k->probability || !k->order) return cli_failf("out of memory");
    if (sns_session_new(k->model, &session, &err)) return cli_fail(&err);
    int code = CLI_DONE;
    for (size_t i = 0; i < k->label_count && !code; i++)
        code = encode_label(k, session, templates, k->labels[i], k->weights + i * k->dim);
    sns_session_free(session);
    return code;
}

/* Probabilities, and the labels from the most probable down (ties by their order). */
static void judge(classifier *k, const float *image) {
    for (size_t c = 0; c < k->label_count; c++) {
        double dot = 0;
        for (size_t i = 0; i < k->dim; i++) dot += (double)image[i] * k->weights[c * k->dim + i];
        k->probability[c] = (float)dot;
    }
    sns_model_probabilities(k->model, k->probability, k->label_count, k->probability);
    for (size_t c = 0; c < k->label_count; c++) {
        size_t at = c;
        for (; at && k->probability[k->order[at - 1]] < k->probability[c]; at--)
            k->order[at] = k->order[at - 1];
        k->order[at] = c;
    }
}

static void print_json(const classifier *k, const char *path) {
    printf("{\"path\": ");
    cli_print_json(path);
    printf(", \"labels\": [");
    for (size_t i = 0; i < k->top; i++) {
        printf("%s{\"label\": ", i ? ", " : "");
        cli_print_json(k->labels[k->order[i]]);
        printf(", \"probability\": %.6g}", k->probability[k->order[i]]);
    }
    printf("]}\n");
}

static void print_table(const classifier *k, const char *path) {
    enum { BAR = 20 };
    cli_print_safe(path);
    putchar('\n');
    for (size_t i = 0; i < k->top; i++) {
        float p = k->probability[k->order[i]];
        int filled = (int)(p * BAR + 0.5f);
        printf("  %5.1f %%  ", 100 * p);
        for (int b = 0; b < BAR; b++) fputs(b < filled ? "\u2588" : "\u00b7", stdout);
        printf("  ");
        cli_print_safe(k->labels[k->order[i]]);
        putchar('\n');
    }
}

static sns_status take_image(void *user, const sns_embed_result *r) {
    classifier *k = user;
    if (r->status) {
        k->failed++;
        cli_failf("%s", r->message);
        return SNS_OK;
    }
    judge(k, r->vector);
    if (k->json)
        print_json(k, r->path);
    else
        print_table(k, r->path);
    return SNS_OK;
}

static int classify(classifier *k, const cli_call *call) {
    const values *v = call->values;
    sns_error err;
    char *dir;
    int code = v->labels ? split_labels(k, v->labels, ",") : read_labels_file(k, v->labels_file);
    if (code) return code;
    if (!k->label_count) return cli_failf("there are no labels");
    if (cli_find_model(v->model, NULL, &dir)) return CLI_FAILED;
    if (sns_model_load(dir, &k->model, &err)) code = cli_fail(&err);
    free(dir);
    if (code) return code;
    k->dim = sns_model_dim(k->model);
    k->top = (size_t)v->top < k->label_count ? (size_t)v->top : k->label_count;
    k->json = v->json;
    if ((code = encode_labels(k, &v->templates))) return code;
    sns_embed_options o = {.exact = v->exact};
    if (sns_embed_files(k->model, (const char *const *)call->arguments, call->argument_count, &o,
                        take_image, k, &err))
        return cli_fail(&err);
    return k->failed ? CLI_FAILED : CLI_DONE;
}

static int run(const cli_call *call) {
    const values *v = call->values;
    classifier k = {0};
    if (!v->labels == !v->labels_file)
        return cli_usage(call, "give either --labels or --labels-file");
    for (size_t i = 0; i < v->templates.count; i++)
        if (!strstr(v->templates.items[i], "{}"))
            return cli_usage(call, "--template needs {} where the label goes");
    int code = classify(&k, call);
    for (size_t i = 0; i < k.label_count; i++) free(k.labels[i]);
    free(k.labels);
    free(k.weights);
    free(k.probability);
    free(k.order);
    sns_model_free(k.model);
    return code;
}

static const cli_option options[] = {
    CLI_MODEL_OPTION(values, model),
    {'l', "labels", CLI_STRING, "A,B,C", NULL, "the labels to choose from, separated by commas",
     offsetof(values, labels), 0, 0, NULL},
    {0, "labels-file", CLI_STRING, "FILE", NULL, "the labels, one a line",
     offsetof(values, labels_file), 0, 0, NULL},
    {'t', "template", CLI_LIST, "TEXT", NULL,
     "a sentence with {} for the label, instead of the usual four; their vectors are averaged",
     offsetof(values, templates), 0, 0, NULL},
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
                "sensus classify --labels-file animals.txt -t \"a drawing of a {}\" --json *.png",
    .table = {options, sizeof options / sizeof *options, sizeof(values)},
    .min_arguments = 1,
    .max_arguments = SIZE_MAX,
    .run = run,
};
