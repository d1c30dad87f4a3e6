/* search.c - sensus search */
#include "film_common.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct values {
    const char *catalog, *model, *html, *png, *queries;
    int64_t count;
    bool json, relevant;
    double least;
} values;

enum {
    MAX_QUERIES = 10000,
    GROUP = 64 /* queries that share a reading of the catalog */
};

/* One query and what was found for it. */
typedef struct answer {
    sns_query query;
    sns_hits hits;
    char *title;
} answer;

/* What a search holds until its end. */
typedef struct search {
    sns_catalog *catalog;
    sns_model *model, *hears; /* hears: the catalog's second model, when a query needs it */
    sns_session *session, *hearing;
    sns_classifier *cohort; /* for --relevant */
    answer *answers;
    size_t count, dim;
    float *vectors; /* [count, dim] */
    char *file, *dir;
} search;

static void print_json(const answer *a, size_t i, bool relevant, bool named) {
    const sns_hit *hit = &a->hits.items[i];
    printf("{");
    if (named) {
        printf("\"query\": ");
        cli_print_json(a->title);
        printf(", ");
    }
    printf("\"path\": ");
    cli_print_json(hit->path);
    if (hit->in_time)
        printf(", \"start\": %.6f, \"peak\": %.6f, \"end\": %.6f", hit->start, hit->peak, hit->end);
    printf(", \"score\": %.6f", hit->score);
    if (relevant) printf(", \"relevance\": %.3f", hit->relevance);
    printf(", \"rank\": %zu}\n", i + 1);
}

static void print_line(const answer *a, size_t i, bool relevant) {
    const sns_hit *hit = &a->hits.items[i];
    char start[CLI_TIME_SIZE], peak[CLI_TIME_SIZE], end[CLI_TIME_SIZE];
    printf("%3zu  %.4f  ", i + 1, hit->score);
    if (relevant) printf("%5.2f  ", hit->relevance);
    cli_print_safe(hit->path);
    if (hit->in_time) {
        cli_time_short(hit->start, start);
        cli_time_short(hit->peak, peak);
        cli_time_short(hit->end, end);
        printf(" %s-%s (peak %s)", start, end, peak);
    }
    putchar('\n');
}

/* With several queries each is named: as a line of its own, or as a member of the object. */
static void print_answer(const answer *a, bool json, bool relevant, bool named) {
    if (named && !json) {
        cli_print_safe(a->title);
        putchar('\n');
    }
    for (size_t i = 0; i < a->hits.count; i++) {
        if (json)
            print_json(a, i, relevant, named);
        else
            print_line(a, i, relevant);
    }
    if (named && !json) putchar('\n');
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
    cli_section *sections = calloc(s->count, sizeof *sections);
    if (!sections) return cli_failf("out of memory");
    for (size_t i = 0; i < s->count; i++) {
        cli_card *cards = cli_hit_cards(&s->answers[i].hits);
        if (!cards) code = cli_failf("out of memory");
        sections[i] = (cli_section){s->answers[i].title,
                                    ", nearest first; the number is the cosine.", cards,
                                    cards ? s->answers[i].hits.count : 0};
    }
    if (v->html && !code) code = cli_sheet_html(v->html, sections, s->count);
    if (v->png && !code && cli_sheet_png(v->png, sections, s->count, &err)) code = cli_fail(&err);
    for (size_t i = 0; i < s->count; i++)
        cli_moment_cards_free((cli_card *)(uintptr_t)sections[i].cards, sections[i].count);
    free(sections);
    return code;
}

static bool has_picture(const sns_query *q) {
    for (size_t i = 0; i < q->count; i++)
        if (q->terms[i].is_image) return true;
    return false;
}

/* A query may be a recording when it has a file in it; which one, the models say. */
static bool has_files(const search *s) {
    for (size_t i = 0; i < s->count; i++)
        if (has_picture(&s->answers[i].query)) return true;
    return false;
}

static sns_status load_hearing(search *s, sns_error *err) {
    const char *dir = sns_catalog_sound_model_dir(s->catalog);
    if (!has_files(s) || !dir) return SNS_OK;
    sns_status status = sns_model_load(dir, &s->hears, err);
    if (!status) status = sns_catalog_check_sound_model(s->catalog, s->hears, err);
    return status ? status : sns_session_new(s->hears, &s->hearing, err);
}

static sns_status encode(search *s, sns_error *err) {
    sns_status status = load_hearing(s, err);
    const sns_query_models models = {s->model, s->session, s->hears, s->hearing, cli_isolation()};
    for (size_t i = 0; i < s->count && !status; i++)
        status = sns_query_encode_by(&models, &s->answers[i].query, s->vectors + i * s->dim, err);
    return status;
}

/* The nearest to `count` queries from number `first` on. */
static sns_status look_group(search *s, size_t first, size_t count, size_t n, sns_error *err) {
    sns_hits hits[GROUP];
    sns_status status = sns_catalog_search_batch(s->catalog, s->vectors + first * s->dim, count,
                                                 s->dim, n, hits, err);
    for (size_t i = 0; i < count && !status; i++) s->answers[first + i].hits = hits[i];
    return status;
}

static sns_status look_relevant(search *s, const values *v, size_t i, sns_error *err) {
    answer *a = &s->answers[i];
    bool by_text = !has_picture(&a->query);
    if (by_text && !s->cohort) {
        sns_status status = sns_cohort_new(s->model, NULL, 0, &s->cohort, err);
        if (status) return status;
    }
    return sns_catalog_search_relevant(s->catalog, s->vectors + i * s->dim, s->dim,
                                       v->count ? (size_t)v->count : SIZE_MAX,
                                       by_text ? s->cohort : NULL, (float)v->least, &a->hits, err);
}

static sns_status look(search *s, const values *v, sns_error *err) {
    sns_status status = SNS_OK;
    size_t step = v->relevant ? 1 : GROUP, n = v->count ? (size_t)v->count : 10;
    for (size_t i = 0; i < s->count && !status; i += step)
        status = v->relevant
                     ? look_relevant(s, v, i, err)
                     : look_group(s, i, s->count - i < GROUP ? s->count - i : GROUP, n, err);
    return status;
}

/* Says why, where nothing was found. */
static sns_status explain(search *s, sns_error *err) {
    size_t files = 1;
    bool counted = false;
    for (size_t i = 0; i < s->count; i++) {
        if (s->answers[i].hits.count) continue;
        sns_status status = counted ? SNS_OK : sns_catalog_count(s->catalog, &files, err);
        if (status) return status;
        if (files)
            cli_note("%s: nothing fits", s->answers[i].title);
        else if (!counted)
            cli_note("%s: nothing in this catalog yet", s->file);
        counted = true;
    }
    return SNS_OK;
}

static int find(search *s, const cli_call *call) {
    const values *v = call->values;
    sns_error err;
    if (cli_find_catalog(v->catalog, false, &s->file)) return CLI_FAILED;
    if (sns_catalog_open(s->file, SNS_CATALOG_READ, &s->catalog, &err)) return cli_fail(&err);
    if (cli_find_model(v->model, sns_catalog_model_dir(s->catalog), &s->dir)) return CLI_FAILED;
    if (sns_model_load(s->dir, &s->model, &err) ||
        sns_catalog_check_model(s->catalog, s->model, &err) ||
        sns_session_new(s->model, &s->session, &err))
        return cli_fail(&err);
    s->dim = sns_model_dim(s->model);
    if (!(s->vectors = malloc(s->count * s->dim * sizeof *s->vectors)))
        return cli_failf("out of memory");
    if (encode(s, &err) || look(s, v, &err) || explain(s, &err)) return cli_fail(&err);
    for (size_t i = 0; i < s->count; i++)
        print_answer(&s->answers[i], v->json, v->relevant, v->queries != NULL);
    return write_sheets(s, v);
}

/* One more query, from words. */
static int add_query(search *s, const cli_call *call, const char *const *words, size_t n) {
    sns_error err;
    answer *grown = realloc(s->answers, (s->count + 1) * sizeof *grown);
    if (!grown) return cli_failf("out of memory");
    s->answers = grown;
    answer *a = &s->answers[s->count];
    *a = (answer){0};
    sns_status status = sns_query_parse(words, n, &a->query, &err);
    if (status == SNS_ARG) return cli_usage(call, "%s", err.message);
    if (status) return cli_fail(&err);
    s->count++;
    if (!(a->title = describe_query(&a->query))) return cli_failf("out of memory");
    return CLI_DONE;
}

/* The words of a line, split at white space, as one more query. */
static int add_line(search *s, const cli_call *call, char *line) {
    const char **words = malloc((strlen(line) / 2 + 1) * sizeof *words);
    size_t n = 0;
    if (!words) return cli_failf("out of memory");
    for (char *c = line; *c;) {
        c += strspn(c, " \t\r\n");
        if (!*c) break;
        words[n++] = c;
        c += strcspn(c, " \t\r\n");
        if (*c) *c++ = 0;
    }
    int code = n ? add_query(s, call, words, n) : CLI_DONE;
    free(words);
    return code;
}

static int add_file(search *s, const cli_call *call, const char *path) {
    FILE *in = strcmp(path, "-") ? fopen(path, "r") : stdin;
    if (!in) return cli_failf("%s: %s", path, strerror(errno));
    char *line = NULL;
    size_t size = 0;
    int code = CLI_DONE;
    while (!code && getline(&line, &size, in) >= 0) {
        if (s->count == MAX_QUERIES)
            code = cli_failf("%s: more than %d queries", path, MAX_QUERIES);
        else
            code = add_line(s, call, line);
    }
    if (!code && ferror(in)) code = cli_failf("%s: %s", path, strerror(errno));
    if (!code && !s->count) code = cli_failf("%s: no query in it", path);
    free(line);
    if (in != stdin) fclose(in);
    return code;
}

static int run(const cli_call *call) {
    search s = {0};
    const values *v = call->values;
    if (!v->queries == !call->argument_count)
        return cli_usage(call, v->queries ? "a QUERY or --queries, not both" : "no QUERY");
    int code = v->queries ? add_file(&s, call, v->queries)
                          : add_query(&s, call, (const char *const *)call->arguments,
                                      call->argument_count);
    if (!code && has_files(&s)) code = cli_start_isolation(); /* queries of text need not wait */
    if (!code) code = find(&s, call);
    for (size_t i = 0; i < s.count; i++) {
        sns_hits_free(&s.answers[i].hits);
        sns_query_free(&s.answers[i].query);
        free(s.answers[i].title);
    }
    free(s.answers);
    sns_classifier_free(s.cohort);
    sns_session_free(s.session);
    sns_session_free(s.hearing);
    sns_model_free(s.model);
    sns_model_free(s.hears);
    sns_catalog_close(s.catalog);
    free(s.vectors);
    free(s.file);
    free(s.dir);
    return code;
}

static const cli_option options[] = {
    CLI_CATALOG_OPTION(values, catalog),
    CLI_MODEL_OPTION(values, model),
    {'n', "count", CLI_INT, "N", "0",
     "list at most so many pictures and moments; 0: 10, with --relevant all that fit",
     offsetof(values, count), 0, 1000000, NULL},
    {'r', "relevant", CLI_FLAG, NULL, NULL,
     "list only what fits, perhaps nothing, by relevance: how far a picture's score lies above "
     "what "
     "other pictures and unrelated texts score",
     offsetof(values, relevant), 0, 0, NULL},
    {0, "least", CLI_FLOAT, "X", "3",
     "with --relevant: the least relevance, in standard deviations", offsetof(values, least), -100,
     100, NULL},
    {'q', "queries", CLI_STRING, "FILE", NULL,
     "one query a line instead of QUERY, - for standard input; words are split at white space",
     offsetof(values, queries), 0, 0, NULL},
    {0, "json", CLI_FLAG, NULL, NULL,
     "one JSON object a line: path, score, rank, of moments start, peak, end in seconds (and "
     "query, "
     "with --queries)",
     offsetof(values, json), 0, 0, NULL},
    {0, "html", CLI_STRING, "FILE", NULL, "also write a contact sheet as a page of its own",
     offsetof(values, html), 0, 0, NULL},
    {0, "png", CLI_STRING, "FILE", NULL, "also write a contact sheet as a picture",
     offsetof(values, png), 0, 0, NULL},
};

const cli_command cli_search = {
    .arguments = "QUERY...",
    .description =
        "List the indexed pictures and moments of films and recordings that are nearest to a "
        "query, the best "
        "first, "
        "each with its score: the cosine between the picture and the query, -1 to 1. Equal scores "
        "are listed by path. A moment has its start, its end and the time of its peak; a film has "
        "up to five, which are those that sensus moments finds among its samples. On the page of "
        "--html a moment is played from its start to its end.\n\n"
        "QUERY is terms joined by + and - (as words of their own). A term that is an existing file "
        "is "
        "a picture or a recording, any other is text; words next to each other are one text. A "
        "sign belongs to "
        "one term, and a term without one is added. A number and a colon "
        "before a term give it a weight: 2:leash counts twice. The terms' unit vectors are added "
        "and "
        "subtracted. For a name that begins with -, put -- before the query.",
    .examples = "sensus search a dog on a beach\n"
                "sensus search -n 20 --html found.html \"a red car\"\n"
                "sensus search dog.jpg - a dog + a cat\n"
                "sensus search \"a dog\" + beach.jpg - \"2:leash\"\n"
                "sensus search clip.ogg",
    .table = {options, sizeof options / sizeof *options, sizeof(values)},
    .min_arguments = 0,
    .max_arguments = SIZE_MAX,
    .run = run,
};
