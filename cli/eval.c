/* eval.c - sensus eval retrieval, sensus eval zero-shot */
#include "eval_common.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct values {
    cli_eval usual;
    const char *manifest, *languages, *names;
    cli_list templates;
    int64_t captions;
} values;

/* ---- lists in one string or file ---- */

static char *copy(const char *s, size_t n) {
    char *c = malloc(n + 1);
    if (c) {
        memcpy(c, s, n);
        c[n] = 0;
    }
    return c;
}

/* The parts of a list between commas, cut in place; *parts is malloc'd. */
static size_t split(char *list, const char ***parts) {
    size_t n = 0;
    *parts = calloc(strlen(list) + 1, sizeof **parts);
    for (char *p = list; *parts && p;) {
        char *comma = strchr(p, ',');
        if (comma) *comma = 0;
        if (*p) (*parts)[n++] = p;
        p = comma ? comma + 1 : NULL;
    }
    return n;
}

/* Lines "label<TAB>name" of a file; *text holds the bytes, *names is malloc'd. */
static int read_names(const char *path, char **text, sns_class_name **names, size_t *count) {
    FILE *f = fopen(path, "rb");
    size_t capacity = 1 << 20, n = 0;
    *text = malloc(capacity + 1);
    *names = calloc(capacity / 2, sizeof **names);
    if (f && *text && *names) n = fread(*text, 1, capacity, f);
    bool ok = f && *text && *names && !ferror(f) && n < capacity;
    if (f) fclose(f);
    if (!ok) return cli_failf("%s: can't be read, or is larger than 1 MiB", path);
    (*text)[n] = 0;
    size_t line = 0;
    for (char *p = *text, *eol; *p; p = eol) {
        eol = p + strcspn(p, "\n");
        char *tab = memchr(p, '\t', (size_t)(eol - p));
        if (*eol) *eol++ = 0;
        line++;
        if (*p && !tab) return cli_failf("%s: line %zu: no tab after the label", path, line);
        if (!*p) continue;
        *tab = 0;
        (*names)[(*count)++] = (sns_class_name){p, tab + 1};
    }
    return CLI_DONE;
}

/* ---- eval retrieval ---- */

static int retrieval(const values *v, const sns_model *model, const char *const *languages,
                     size_t n) {
    cli_progress bar;
    sns_error err;
    char *report = NULL;
    size_t skipped = 0;
    sns_eval_options o = cli_eval_begin(&v->usual, &bar);
    o.captions = (size_t)v->captions;
    sns_retrieval *results = calloc(n + 1, sizeof *results);
    if (!results) return cli_failf("out of memory");
    sns_status s = sns_eval_retrieval(model, v->manifest, languages, n, &o, results, &skipped,
                                      &err);
    if (!s) s = sns_retrieval_report(results, n, v->usual.json, &report, &err);
    int code = cli_eval_end(&bar, s, report, skipped, &err);
    free(results);
    return code;
}

static int run_retrieval(const cli_call *call) {
    const values *v = call->values;
    if (!v->manifest) return cli_usage(call, "say what to measure with: --manifest FILE");
    char *list = copy(v->languages, strlen(v->languages));
    const char **languages = NULL;
    size_t n = list ? split(list, &languages) : 0;
    sns_model *model = NULL;
    int code = !languages ? cli_failf("out of memory")
               : !n       ? cli_usage(call, "--lang names no language")
                          : cli_load_model(v->usual.model, &model);
    if (!code) code = retrieval(v, model, languages, n);
    sns_model_free(model);
    free(languages);
    free(list);
    return code;
}

static const cli_option retrieval_options[] = {
    {0, "manifest", CLI_STRING, "FILE", NULL, "pictures and their captions",
     offsetof(values, manifest), 0, 0, NULL},
    {'l', "lang", CLI_STRING, "LIST", "en", "languages to measure, with commas between them",
     offsetof(values, languages), 0, 0, NULL},
    {0, "captions", CLI_INT, "N", "0", "use at most N captions of a picture; 0: all",
     offsetof(values, captions), 0, 1e6, NULL},
    CLI_EVAL_OPTIONS(values, usual),
};

const cli_command cli_eval_retrieval = {
    .arguments = "",
    .description =
        "Measure how well texts find their pictures and pictures their texts: recall at 1, 5 and "
        "10, median and mean rank, each with a 95 % bootstrap interval and with what guessing "
        "gives.\n\n"
        "The manifest has one JSON object a line: {\"image\": path, \"captions\": {\"en\": [text, "
        "...], ...}} or {\"image\": path, \"caption\": text}; or it is a .csv with the columns "
        "image and caption (English). For a model that hears, \"audio\" in place of \"image\".\n\n"
        "Equal texts are one text, rightly answered by any picture it belongs to. Ties count "
        "against the model.",
    .examples = "sensus eval retrieval --manifest tuxpaint/manifest.jsonl --lang en,de,ja",
    .table = {retrieval_options, sizeof retrieval_options / sizeof *retrieval_options,
              sizeof(values)},
    .min_arguments = 0,
    .max_arguments = 0,
    .decodes = true,
    .run = run_retrieval,
};

/* ---- eval zero-shot ---- */

static int zero_shot(const values *v, const sns_model *model, const sns_class_name *names,
                     size_t name_count) {
    cli_progress bar;
    sns_error err;
    char *report = NULL;
    sns_zero_shot result;
    sns_eval_options o = cli_eval_begin(&v->usual, &bar);
    sns_status s = sns_eval_zero_shot(model, v->manifest, v->templates.items, v->templates.count,
                                      names, name_count, &o, &result, &err);
    size_t skipped = result.skipped;
    if (!s) s = sns_zero_shot_report(&result, v->usual.json, &report, &err);
    int code = cli_eval_end(&bar, s, report, skipped, &err);
    sns_zero_shot_free(&result);
    return code;
}

static int run_zero_shot(const cli_call *call) {
    const values *v = call->values;
    if (!v->manifest) return cli_usage(call, "say what to measure with: --manifest FILE");
    char *text = NULL;
    sns_class_name *names = NULL;
    size_t count = 0;
    sns_model *model = NULL;
    int code = v->names ? read_names(v->names, &text, &names, &count) : CLI_DONE;
    if (!code) code = cli_load_model(v->usual.model, &model);
    if (!code) code = zero_shot(v, model, names, count);
    sns_model_free(model);
    free(names);
    free(text);
    return code;
}

static const cli_option zero_shot_options[] = {
    {0, "manifest", CLI_STRING, "PATH", NULL,
     "pictures and their labels, or a folder with a folder of pictures for each class",
     offsetof(values, manifest), 0, 0, NULL},
    {'t', "template", CLI_LIST, "TEXT", NULL,
     "a sentence with {} for the class's name; may be given more than once, then the mean counts; "
     "otherwise \"a photo of a {}.\"",
     offsetof(values, templates), 0, 0, NULL},
    {0, "names", CLI_STRING, "FILE", NULL,
     "readable names: lines of label, tab, name; otherwise the label with _ as a space",
     offsetof(values, names), 0, 0, NULL},
    CLI_EVAL_OPTIONS(values, usual),
};

const cli_command cli_eval_zero_shot = {
    .arguments = "",
    .description =
        "Measure classification without training: each picture goes to the class whose sentence is "
        "nearest. Top-1, top-5 and mean-per-class accuracy, each with a 95 % bootstrap interval "
        "and with what guessing gives, then every class from the worst to the best.\n\n"
        "The manifest has one JSON object a line, {\"image\": path, \"label\": class}, or is a "
        ".csv with the columns image and label.",
    .examples = "sensus eval zero-shot --manifest photos/ --template \"a photo of a {}.\" "
                "--template \"a picture of the {}.\"",
    .table = {zero_shot_options, sizeof zero_shot_options / sizeof *zero_shot_options,
              sizeof(values)},
    .min_arguments = 0,
    .max_arguments = 0,
    .decodes = true,
    .run = run_zero_shot,
};
