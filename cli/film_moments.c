/* film_moments.c - sensus moments */
#include "film_common.h"
#include <stdio.h>
#include <stdlib.h>

typedef struct values {
    cli_film_values film;
    const char *html;
    int64_t count;
    double least;
    bool json;
} values;

/* What was found for one text. */
typedef struct answer {
    sns_moment *moments;
    size_t count;
    cli_card *cards;
    char *figure;
} answer;

static void print_moment(const sns_moment *m, size_t rank, const char *text, bool json) {
    char start[CLI_TIME_SIZE], peak[CLI_TIME_SIZE], end[CLI_TIME_SIZE];
    if (json) {
        printf("{\"query\": ");
        cli_print_json(text);
        printf(
            ", \"rank\": %zu, \"start\": %.6f, \"peak\": %.6f, \"end\": %.6f, \"score\": %.6f}\n",
            rank, m->start, m->peak, m->end, (double)m->score);
        return;
    }
    cli_time(m->start, start);
    cli_time(m->peak, peak);
    cli_time(m->end, end);
    printf("%3zu  %s to %s, peak %s  %.4f\n", rank, start, end, peak, (double)m->score);
}

static void print_answer(const answer *a, const char *text, bool json, bool named) {
    if (named && !json) {
        cli_print_safe(text);
        putchar('\n');
    }
    for (size_t i = 0; i < a->count; i++) print_moment(&a->moments[i], i + 1, text, json);
    if (!a->count) cli_note("%s: nothing fits", text);
    if (named && !json) putchar('\n');
}

static int write_page(const values *v, const cli_call *call, const cli_film *f, answer *answers,
                      const float *vectors, size_t n) {
    sns_error err;
    cli_section *sections = calloc(n, sizeof *sections);
    const char **figures = calloc(n, sizeof *figures);
    int code = sections && figures ? CLI_DONE : cli_failf("out of memory");
    for (size_t i = 0; i < n && !code; i++) {
        answer *a = &answers[i];
        const float *text = vectors + i * sns_model_dim(f->model);
        a->cards = cli_moment_cards(call->arguments[0], a->moments, a->count);
        if (!a->cards)
            code = cli_failf("out of memory");
        else if (sns_moments_svg(f->film, text, a->moments, a->count, &a->figure, &err))
            code = cli_fail(&err);
        figures[i] = a->figure;
        sections[i] = (cli_section){.title = call->arguments[1 + i],
                                    .note = ", best first; the number is the cosine.",
                                    .cards = a->cards,
                                    .count = a->count};
    }
    if (!code) code = cli_sheet_html_figures(v->html, sections, figures, n);
    free(sections);
    free(figures);
    return code;
}

static int answer_all(const cli_call *call, cli_film *f, answer *answers, size_t n) {
    const values *v = call->values;
    const sns_moment_options o = {.most = (size_t)v->count, .least = v->least};
    sns_error err;
    float *vectors;
    int code = cli_film_texts(f, (const char *const *)call->arguments + 1, n, &vectors);
    for (size_t i = 0; i < n && !code; i++) {
        if (sns_moments_find(f->film, vectors + i * sns_model_dim(f->model), &o,
                             &answers[i].moments, &answers[i].count, &err))
            code = cli_fail(&err);
        else
            print_answer(&answers[i], call->arguments[1 + i], v->json, n > 1);
    }
    if (!code && v->html) code = write_page(v, call, f, answers, vectors, n);
    free(vectors);
    return code;
}

static int run(const cli_call *call) {
    const values *v = call->values;
    size_t n = call->argument_count - 1;
    cli_film f = {0};
    answer *answers = calloc(n, sizeof *answers);
    if (!answers) return cli_failf("out of memory");
    int code = cli_film_read(&f, &v->film, call->arguments[0]);
    if (!code) code = answer_all(call, &f, answers, n);
    for (size_t i = 0; i < n; i++) {
        cli_moment_cards_free(answers[i].cards, answers[i].count);
        free(answers[i].moments);
        free(answers[i].figure);
    }
    free(answers);
    cli_film_free(&f);
    return code;
}

#define AT(field) offsetof(values, field)
static const cli_option options[] = {
    CLI_FILM_OPTIONS(values, film),
    {'n', "count", CLI_INT, "N", "5", "at most N moments for each text", AT(count), 1, 1000, NULL},
    {0, "least", CLI_FLOAT, "COSINE", "-1", "only moments with at least this score", AT(least), -1,
     1, NULL},
    {0, "json", CLI_FLAG, NULL, NULL, "one JSON object a line, times in seconds", AT(json), 0, 0,
     NULL},
    {0, "html", CLI_STRING, "FILE", NULL, "also write a page with the curve and a picture of each",
     AT(html), 0, 0, NULL},
};

const cli_command cli_moments = {
    .arguments = "VIDEO TEXT...",
    .description =
        "Find the moments of a film that fit a text: when each starts, peaks and ends, and the "
        "cosine at its peak, best first. The film is sampled where its picture changes; the curve "
        "of cosines over time is smoothed within shots, and a moment is what lies above two "
        "thirds of the way from the film's median to the moment's peak. None overlaps another, and "
        "none is less than half as prominent as the first.\n\n"
        "Times are the film's own time stamps since its beginning.",
    .examples = "sensus moments holiday.mp4 \"a dog on a beach\"\n"
                "sensus moments --html moments.html holiday.mp4 \"a boat\" \"a castle\"",
    .table = {options, sizeof options / sizeof *options, sizeof(values)},
    .min_arguments = 2,
    .max_arguments = 1000,
    .run = run,
    .decodes = true,
};
