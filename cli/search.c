/* search.c - sensus search */
#include "command.h"
#include "sheet.h"
#include <sensus/catalog.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct values {
    const char *catalog, *model, *html, *png;
    int64_t count;
    bool json;
} values;

/* What a search holds until its end. */
typedef struct search {
    sns_catalog *catalog;
    sns_model *model;
    sns_session *session;
    sns_query query;
    float *vector;
    sns_hits hits;
    char *file, *dir;
} search;

static void print_hits(const sns_hits *hits, bool json) {
    for (size_t i = 0; i < hits->count; i++) {
        if (json) {
            printf("{\"path\": ");
            cli_print_json(hits->items[i].path);
            printf(", \"score\": %.6f, \"rank\": %zu}\n", hits->items[i].score, i + 1);
        } else {
            printf("%3zu  %.4f  ", i + 1, hits->items[i].score);
            cli_print_safe(hits->items[i].path);
            putchar('\n');
        }
    }
}

/* The query as one line of text: a dog + beach.jpg - 2:leash. malloc'd. */
static char *describe_query(const sns_query *q) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out) return NULL;
    for (size_t i = 0; i < q->count; i++) {
        const sns_query_term *t = &q->terms[i];
        const char *slash = t->is_image ? strrchr(t->text, '/') : NULL;
        fprintf(out, "%s", t->weight < 0 ? (i ? " \u2212 " : "\u2212 ") : i ? " + " : "");
        if (fabsf(t->weight) != 1) fprintf(out, "%g:", fabsf(t->weight));
        fprintf(out, "%.200s", slash ? slash + 1 : t->text);
    }
    if (fclose(out)) {
        free(text);
        return NULL;
    }
    return text;
}

static int write_sheets(const search *s, const values *v) {
    if (!v->html && !v->png) return CLI_DONE;
    sns_error err;
    int code = CLI_DONE;
    char *title = describe_query(&s->query);
    if (!title) return cli_failf("out of memory");
    if (v->html) code = cli_sheet_html(v->html, title, &s->hits);
    if (v->png && !code && cli_sheet_png(v->png, title, &s->hits, &err)) code = cli_fail(&err);
    free(title);
    return code;
}

static int find(search *s, const cli_call *call) {
    const values *v = call->values;
    sns_error err;
    size_t files;
    if (cli_find_catalog(v->catalog, false, &s->file)) return CLI_FAILED;
    if (sns_catalog_open(s->file, SNS_CATALOG_READ, &s->catalog, &err) ||
        sns_catalog_count(s->catalog, &files, &err))
        return cli_fail(&err);
    if (cli_find_model(v->model, sns_catalog_model_dir(s->catalog), &s->dir)) return CLI_FAILED;
    if (sns_model_load(s->dir, &s->model, &err) ||
        sns_catalog_check_model(s->catalog, s->model, &err) ||
        sns_session_new(s->model, &s->session, &err))
        return cli_fail(&err);
    size_t dim = sns_model_dim(s->model);
    if (!(s->vector = malloc(dim * sizeof *s->vector))) return cli_failf("out of memory");
    if (sns_query_encode(s->model, s->session, &s->query, s->vector, &err) ||
        sns_catalog_search(s->catalog, s->vector, dim, (size_t)v->count, &s->hits, &err))
        return cli_fail(&err);
    if (!files) cli_note("%s: no pictures in this catalog yet", s->file);
    print_hits(&s->hits, v->json);
    return write_sheets(s, v);
}

static int run(const cli_call *call) {
    search s = {0};
    sns_error err;
    sns_status status = sns_query_parse((const char *const *)call->arguments, call->argument_count,
                                        &s.query, &err);
    int code;
    if (status == SNS_ARG)
        code = cli_usage(call, "%s", err.message);
    else if (status)
        code = cli_fail(&err);
    else
        code = find(&s, call);
    sns_hits_free(&s.hits);
    sns_query_free(&s.query);
    sns_session_free(s.session);
    sns_model_free(s.model);
    sns_catalog_close(s.catalog);
    free(s.vector);
    free(s.file);
    free(s.dir);
    return code;
}

static const cli_option options[] = {
    CLI_CATALOG_OPTION(values, catalog),
    CLI_MODEL_OPTION(values, model),
    {'n', "count", CLI_INT, "N", "10", "how many pictures to list", offsetof(values, count), 1,
     1000000, NULL},
    {0, "json", CLI_FLAG, NULL, NULL, "one JSON object a line: path, score, rank",
     offsetof(values, json), 0, 0, NULL},
    {0, "html", CLI_STRING, "FILE", NULL, "also write a contact sheet as a page of its own",
     offsetof(values, html), 0, 0, NULL},
    {0, "png", CLI_STRING, "FILE", NULL, "also write a contact sheet as a picture",
     offsetof(values, png), 0, 0, NULL},
};

const cli_command cli_search = {
    .arguments = "QUERY...",
    .description =
        "List the indexed pictures that are nearest to a query, the best first, each with its "
        "score: the cosine between the picture and the query, -1 to 1. Equal scores are listed by "
        "path.\n\n"
        "QUERY is terms joined by + and - (as words of their own). A term that is an existing file "
        "is "
        "a picture, any other is text; words next to each other are one text. A number and a colon "
        "before a term give it a weight: 2:leash counts twice. The terms' unit vectors are added "
        "and "
        "subtracted. For a name that begins with -, put -- before the query.",
    .examples = "sensus search a dog on a beach\n"
                "sensus search -n 20 --html found.html \"a red car\"\n"
                "sensus search \"a dog\" + beach.jpg - \"2:leash\"",
    .table = {options, sizeof options / sizeof *options, sizeof(values)},
    .min_arguments = 1,
    .max_arguments = SIZE_MAX,
    .run = run,
};
