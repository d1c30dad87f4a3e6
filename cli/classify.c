/* classify.c - sensus classify: zero-shot classification (Radford et al. 2021, section 3.1).
 *
 *   w_c = normalise(mean over templates t of text(t with label c)),  p = softmax(scale * image . w)
 * or, for a model trained with the sigmoid loss, sigmoid(scale * image . w_c + bias). Pictures come
 * as files, from folders and shards, or as the vectors of a catalog; none of them are kept. */
#include "class_output.h"
#include "command.h"
#include "labels.h"
#include "progress.h"
#include <sensus/catalog.h>
#include <sensus/data.h>
#include <sensus/embed.h>
#include <sensus/relevance.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct values {
    const char *model, *classifier, *catalog, *sheets, *into;
    cli_words words;
    int64_t top;
    double none;
    bool json, csv, exact, move, apply;
} values;

typedef struct judge {
    const values *v;
    sns_model *model;
    sns_classifier *classifier, *cohort; /* the latter for --none */
    sns_catalog *catalog;
    cli_class_sheets *sheets;
    cli_progress bar;
    size_t top;
    float *probability;     /* of each class */
    size_t *order, *counts; /* pictures of each class, and of none */
    size_t done, failed, sorted;
} judge;

/* ---- one picture ---- */

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

/* Does the best label stand out from the scores of unrelated words? */
static bool is_none(const judge *k, const float *image) {
    if (!k->cohort) return false;
    const float *row = sns_classifier_weights(k->classifier) +
                       k->order[0] * sns_classifier_dim(k->classifier);
    return sns_standing(k->cohort, image, row) < (float)k->v->none;
}

/* With --into: what is done, or would be, in words. */
static void sort_file(judge *k, const cli_verdict *verdict, const char *path, char **target) {
    const values *v = k->v;
    if (cli_sort_file(path, v->into, cli_verdict_label(verdict),
                      v->move ? CLI_SORT_MOVE : CLI_SORT_LINK, v->apply, target))
        k->failed++;
    if (!*target) return;
    k->sorted++;
    if (v->json || v->csv) return;
    printf("%s%s ", v->apply ? "" : "would ",
           v->move    ? v->apply ? "moved" : "move"
           : v->apply ? "linked"
                      : "link");
    cli_print_safe(path);
    fputs(" -> ", stdout);
    cli_print_safe(*target);
    fputs(v->apply ? "\n" : "/\n", stdout);
}

static sns_status take(judge *k, const char *path, const void *bytes, size_t size,
                       const float *vector, sns_error *err) {
    const values *v = k->v;
    char *target = NULL;
    sns_status s = rank_classes(k, vector, err);
    if (s) return s;
    cli_verdict verdict = {k->classifier, k->order, k->probability, k->top, is_none(k, vector)};
    size_t class = verdict.none ? sns_classifier_count(k->classifier) : k->order[0];
    cli_progress_clear(&k->bar);
    if (v->into) sort_file(k, &verdict, path, &target);
    if (v->json)
        cli_verdict_json(&verdict, path, target);
    else if (v->csv)
        cli_verdict_csv(&verdict, path);
    else if (!v->into)
        cli_verdict_table(&verdict, path);
    free(target);
    k->done++;
    k->counts[class]++;
    if (k->sheets &&
        !cli_class_sheets_add(k->sheets, class, k->probability[k->order[0]], path, bytes, size)) {
        snprintf(err->message, sizeof err->message, "no memory for the contact sheets");
        return err->code = SNS_NOMEM;
    }
    return SNS_OK;
}

/* ---- where pictures come from ---- */

static sns_status take_file(void *user, const sns_embed_result *r) {
    judge *k = user;
    sns_error err;
    if (r->status) {
        k->failed++;
        cli_progress_clear(&k->bar);
        cli_failf("%s", r->message);
        return SNS_OK;
    }
    sns_status s = take(k, r->path, NULL, 0, r->vector, &err);
    if (s) cli_fail(&err);
    return s;
}

static sns_status take_sample(void *user, const char *name, const void *bytes, size_t size,
                              const float *vector, sns_error *err) {
    judge *k = user;
    if (bytes && k->v->into) {
        k->failed++;
        cli_failf("%s: is inside a shard, which stays as it is", name);
        return SNS_OK;
    }
    return take(k, name, bytes, size, vector, err);
}

static sns_status take_vector(void *user, const char *path, const float *vector, size_t dim,
                              sns_error *err) {
    (void)dim;
    judge *k = user;
    sns_status s = take(k, path, NULL, 0, vector, err);
    cli_progress_update(&k->bar, k->done, 0, NULL);
    return s;
}

static void warn(void *user, const char *message) {
    judge *k = user;
    cli_progress_clear(&k->bar);
    cli_note("%s", message);
}

static int show(void *user, size_t done, size_t total) {
    cli_progress_update(&((judge *)user)->bar, done, total, NULL);
    return 0;
}

/* Shards, folders and manifests are read by the sample; anything else is a picture. */
static bool is_source(const char *name) {
    struct stat st;
    const char *dot = strrchr(name, '.');
    if (!strncmp(name, "pipe:", 5)) return true;
    if (!stat(name, &st) && S_ISDIR(st.st_mode)) return true;
    return dot &&
           (!strcasecmp(dot, ".tar") || !strcasecmp(dot, ".jsonl") || !strcasecmp(dot, ".csv"));
}

/* The arguments in order, neighbours of one kind together. */
static int read_arguments(judge *k, char **arguments, size_t n) {
    sns_error err = {0};
    for (size_t i = 0, end; i < n; i = end) {
        const char *const *first = (const char *const *)arguments + i;
        bool source = is_source(arguments[i]);
        for (end = i + 1; end < n && is_source(arguments[end]) == source;) end++;
        size_t skipped = 0;
        sns_status s;
        if (source) {
            const sns_data_options o = {.sources = first,
                                        .source_count = end - i,
                                        .naming = SNS_DATA_BY_FILE,
                                        .progress = show,
                                        .warn = warn,
                                        .user = k};
            s = sns_data_embed(k->model, &o, take_sample, k, &skipped, &err);
            k->failed += skipped;
        } else {
            const sns_embed_options o = {.exact = k->v->exact};
            s = sns_embed_files(k->model, first, end - i, &o, take_file, k, &err);
        }
        cli_progress_clear(&k->bar);
        if (s) return cli_fail(&err);
    }
    return CLI_DONE;
}

static int read_catalog(judge *k) {
    sns_error err;
    if (sns_catalog_vectors(k->catalog, take_vector, k, &err)) {
        cli_progress_clear(&k->bar);
        return cli_fail(&err);
    }
    cli_progress_clear(&k->bar);
    if (!k->done) cli_note("%s: no pictures in this catalog yet", k->v->catalog);
    return CLI_DONE;
}

/* ---- before and after ---- */

/* The catalog's model unless another is named, which must then be the same. */
static int open_model(judge *k) {
    const values *v = k->v;
    sns_error err;
    char *dir = NULL;
    if (!v->catalog) return cli_load_model(v->model, &k->model);
    if (sns_catalog_open(v->catalog, SNS_CATALOG_READ, &k->catalog, &err)) return cli_fail(&err);
    int code = cli_find_model(v->model, sns_catalog_model_dir(k->catalog), &dir);
    if (!code && (sns_model_load(dir, &k->model, &err) ||
                  sns_catalog_check_model(k->catalog, k->model, &err)))
        code = cli_fail(&err);
    free(dir);
    return code;
}

/* The classifier of a file, or one made of the labels now. */
static int find_classifier(judge *k) {
    const values *v = k->v;
    sns_error err;
    if (!v->classifier) return cli_make_classifier(&v->words, k->model, NULL, &k->classifier);
    if (sns_classifier_load(v->classifier, &k->classifier, &err)) return cli_fail(&err);
    /* Said before the first picture is read. */
    if (!strcmp(sns_classifier_fingerprint(k->classifier), sns_model_fingerprint(k->model)))
        return CLI_DONE;
    return cli_failf("%s: made with another model; use that one, or build the classifier again",
                     v->classifier);
}

/* Unrelated words in the same sentences as the labels. */
static int find_cohort(judge *k) {
    if (!k->v->none) return CLI_DONE;
    size_t n = sns_classifier_template_count(k->classifier);
    const char **templates = malloc((n + 1) * sizeof *templates);
    sns_error err;
    if (!templates) return cli_failf("out of memory");
    for (size_t i = 0; i < n; i++) templates[i] = sns_classifier_template(k->classifier, i);
    sns_status s = sns_cohort_new(k->model, templates, n, &k->cohort, &err);
    free(templates);
    return s ? cli_fail(&err) : CLI_DONE;
}

static int prepare(judge *k) {
    int code = open_model(k);
    if (!code) code = find_classifier(k);
    if (!code) code = find_cohort(k);
    if (code) return code;
    size_t count = sns_classifier_count(k->classifier);
    k->top = (size_t)k->v->top < count ? (size_t)k->v->top : count;
    k->probability = calloc(count, sizeof *k->probability);
    k->order = calloc(k->top, sizeof *k->order);
    k->counts = calloc(count + 1, sizeof *k->counts);
    if (k->v->sheets) k->sheets = cli_class_sheets_new(count);
    bool ok = k->probability && k->order && k->counts && (!k->v->sheets || k->sheets);
    return ok ? CLI_DONE : cli_failf("out of memory");
}

/* How many pictures each class got, where that is not seen at a glance. */
static void summarise(const judge *k) {
    enum { AT_A_GLANCE = 20 };
    size_t count = sns_classifier_count(k->classifier);
    if (k->v->into)
        cli_note("%zu files %s%s", k->sorted, k->v->move ? "moved" : "linked",
                 k->v->apply ? "" : " if it were said with --apply: nothing was done");
    if (k->done <= AT_A_GLANCE) return;
    cli_note("%zu pictures", k->done);
    for (size_t c = 0; c <= count; c++)
        if (k->counts[c])
            cli_note("%8zu  %s", k->counts[c],
                     c < count ? sns_classifier_class(k->classifier, c)->label : "none of these");
}

static int classify(judge *k, const cli_call *call) {
    int code = prepare(k);
    if (code) return code;
    if (k->v->csv) cli_verdict_csv_head(k->top);
    cli_progress_start(&k->bar, "classifying", "", 0);
    code = k->catalog ? read_catalog(k) : read_arguments(k, call->arguments, call->argument_count);
    if (!code && k->sheets) code = cli_class_sheets_write(k->sheets, k->classifier, k->v->sheets);
    if (!code) summarise(k);
    return !code && k->failed ? CLI_FAILED : code;
}

static int run(const cli_call *call) {
    const values *v = call->values;
    judge k = {.v = v};
    if (!!v->words.labels + !!v->words.labels_file + !!v->classifier != 1)
        return cli_usage(call, "give one of --labels, --labels-file and --classifier");
    if (v->classifier && (v->words.templates || v->words.given.count))
        return cli_usage(call, "a --classifier has its templates in it");
    if (!v->catalog == !call->argument_count)
        return cli_usage(call, v->catalog ? "FILEs or --catalog, not both" : "no FILE");
    if (v->json && v->csv) return cli_usage(call, "--json or --csv, not both");
    if (!v->into && (v->move || v->apply)) return cli_usage(call, "where to: --into DIR");
    for (size_t i = 0; i < v->words.given.count; i++)
        if (!strstr(v->words.given.items[i], "{}"))
            return cli_usage(call, "--template needs {} where the name goes");
    int code = classify(&k, call);
    free(k.probability);
    free(k.order);
    free(k.counts);
    cli_class_sheets_free(k.sheets);
    sns_catalog_close(k.catalog);
    sns_classifier_free(k.cohort);
    sns_classifier_free(k.classifier);
    sns_model_free(k.model);
    return code;
}

#define AT(field) offsetof(values, field)
static const cli_option options[] = {
    CLI_MODEL_OPTION(values, model),
    CLI_WORD_OPTIONS(values, words),
    {'c', "classifier", CLI_STRING, "FILE", NULL,
     "labels that sensus classifier build has encoded, instead of --labels", AT(classifier), 0, 0,
     NULL},
    {0, "catalog", CLI_STRING, "FILE", NULL,
     "classify what this catalog has indexed, by its vectors, instead of FILEs", AT(catalog), 0, 0,
     NULL},
    {'k', "top", CLI_INT, "K", "5", "how many labels to print", AT(top), 1, 1000000, NULL},
    {0, "none", CLI_FLOAT, "T", "0",
     "answer \"none of these\" where the best label's score stands less than T standard deviations "
     "above those of unrelated words; 0: never, 2.5 is a start",
     AT(none), 0, 100, NULL},
    {0, "exact", CLI_FLAG, NULL, NULL, "decode every picture at full size before scaling",
     AT(exact), 0, 0, NULL},
    {0, "json", CLI_FLAG, NULL, NULL, "one JSON object a line: path, labels with probability",
     AT(json), 0, 0, NULL},
    {0, "csv", CLI_FLAG, NULL, NULL,
     "comma-separated values: path, class, then labels and probabilities", AT(csv), 0, 0, NULL},
    {0, "sheets", CLI_STRING, "DIR", NULL,
     "also write a contact sheet of each class's most certain pictures, DIR/LABEL.png", AT(sheets),
     0, 0, NULL},
    {0, "into", CLI_STRING, "DIR", NULL,
     "say which folder DIR/LABEL each file would be linked into; done only with --apply", AT(into),
     0, 0, NULL},
    {0, "move", CLI_FLAG, NULL, NULL, "with --into: move the files instead of linking them",
     AT(move), 0, 0, NULL},
    {0, "apply", CLI_FLAG, NULL, NULL,
     "with --into: do it; no file is ever overwritten, a taken name gets a number", AT(apply), 0, 0,
     NULL},
};

const cli_command cli_classify = {
    .arguments = "[FILE...]",
    .description =
        "Say which of some labels fits each picture best, without training for them: each label is "
        "put into sentences, and the probabilities are the softmax of the cosines between the "
        "picture and the sentences, times the model's learned scale. A model trained with the "
        "sigmoid loss judges each label by itself: its probabilities need not sum to 1.\n\n"
        "A FILE is a picture, a folder of them (with all folders below), a tar shard "
        "(shard-{0000..0127}.tar, pipe:COMMAND) or a manifest (.jsonl, .csv), however many "
        "pictures "
        "they hold. A picture that can't be read is told and counted, and the rest goes on.",
    .examples = "sensus classify --labels cat,dog,car photo.jpg\n"
                "sensus classify --labels-file animals.txt -t \"a drawing of a {}\" --json *.png\n"
                "sensus classify --labels receipts,people,landscapes ~/Pictures --sheets sheets\n"
                "sensus classify --classifier pets.safetensors ~/Pictures --into sorted --apply",
    .table = {options, sizeof options / sizeof *options, sizeof(values)},
    .min_arguments = 0,
    .max_arguments = SIZE_MAX,
    .run = run,
};
