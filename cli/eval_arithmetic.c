/* eval_arithmetic.c - sensus eval arithmetic */
#include "eval_common.h"
#include <stdio.h>
#include <stdlib.h>

typedef struct values {
    cli_eval usual;
    const char *manifest, *language, *svg;
    cli_list templates;
    int64_t pairs, seed;
} values;

static int write_figure(const char *path, const sns_arithmetic *r) {
    sns_error err;
    char *svg;
    if (sns_arithmetic_svg(r, &svg, &err)) return cli_fail(&err);
    int code = cli_write_text(path, svg);
    free(svg);
    return code;
}

static int measure(const values *v, const sns_model *model) {
    cli_progress bar;
    sns_error err;
    char *report = NULL;
    sns_arithmetic result;
    const sns_arithmetic_options what = {.language = v->language,
                                         .templates = v->templates.items,
                                         .template_count = v->templates.count,
                                         .pairs = (size_t)v->pairs,
                                         .seed = (uint64_t)v->seed};
    sns_eval_options options = cli_eval_begin(&v->usual, &bar);
    sns_status s = sns_eval_arithmetic(model, v->manifest, &what, &options, &result, &err);
    if (!s) s = sns_arithmetic_report(&result, v->usual.json, &report, &err);
    int code = cli_eval_end(&bar, s, report, result.skipped, &err);
    if (!s && v->svg) {
        int written = write_figure(v->svg, &result);
        if (!code) code = written;
    }
    return code;
}

static int run(const cli_call *call) {
    const values *v = call->values;
    sns_model *model = NULL;
    if (!v->manifest) return cli_usage(call, "say what to measure with: --manifest FILE");
    if (v->language && v->templates.count)
        return cli_usage(call, "--lang takes captions as they are; --template is for labels");
    int code = cli_load_model(v->usual.model, &model);
    if (!code) code = measure(v, model);
    sns_model_free(model);
    return code;
}

#define AT(field) offsetof(values, field)
static const cli_option options[] = {
    {0, "manifest", CLI_STRING, "PATH", NULL,
     "pictures and their labels or captions, or a folder with a folder of pictures for each class",
     AT(manifest), 0, 0, NULL},
    {'l', "lang", CLI_STRING, "LANG", NULL,
     "a picture's concept is its first caption in this language, instead of its label",
     AT(language), 0, 0, NULL},
    {'t', "template", CLI_LIST, "TEXT", NULL,
     "a sentence with {} for the label; may be given more than once, then the mean counts; "
     "otherwise \"a photo of a {}.\"",
     AT(templates), 0, 0, NULL},
    {0, "pairs", CLI_INT, "N", "10000",
     "ask N of the pairs of a picture and another concept, spread evenly; 0: all", AT(pairs), 0,
     1e8, NULL},
    {0, "seed", CLI_INT, "N", "1", "which of them", AT(seed), 0, 1e15, NULL},
    {0, "svg", CLI_STRING, "FILE", NULL, "also draw the measures", AT(svg), 0, 0, NULL},
    CLI_EVAL_OPTIONS(values, usual),
};

const cli_command cli_eval_arithmetic = {
    .arguments = "",
    .description =
        "Measure arithmetic on vectors: how often image(A) - text(A) + text(B), the vector of a "
        "picture of A with the one concept's text taken away and another's added, finds a picture "
        "of B among all pictures but itself. Recall at 1, 5, 10 and 20, beside that of text(B) "
        "alone, of image(A) + text(B) and of guessing, and recall at 10 along the weight of the "
        "change, image(A) + w (text(B) - text(A)).\n\n"
        "The 95 % intervals are those of drawing other concepts (a bootstrap over A and over B). "
        "Ties count against the model. That a picture of B is found says nothing about what it "
        "kept of A.\n\n"
        "The manifest has one JSON object a line, {\"image\": path, \"label\": class} or, with "
        "--lang, {\"image\": path, \"captions\": {\"en\": [text, ...]}}; or it is a .csv with the "
        "columns image and label or caption.",
    .examples = "sensus eval arithmetic --manifest photos/ --svg arithmetic.svg\n"
                "sensus eval arithmetic --manifest emoji/manifest.jsonl --lang en --pairs 50000",
    .table = {options, sizeof options / sizeof *options, sizeof(values)},
    .min_arguments = 0,
    .max_arguments = 0,
    .run = run,
};
