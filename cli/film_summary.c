/* film_summary.c - sensus summary */
#include "film_common.h"
#include <sensus/clip.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct values {
    cli_film_values film;
    const char *output, *storyboard;
    double seconds;
    bool json;
} values;

static void show(void *bar, double seconds, double duration) {
    cli_progress_update(bar, (size_t)seconds, (size_t)duration, NULL);
}

static bool ends_with(const char *name, const char *ending) {
    size_t n = strlen(name), m = strlen(ending);
    return n > m && !strcmp(name + n - m, ending);
}

static void print_parts(const sns_moment *parts, size_t n, bool json) {
    char start[CLI_TIME_SIZE], end[CLI_TIME_SIZE];
    for (size_t i = 0; i < n; i++) {
        if (json) {
            printf("{\"start\": %.6f, \"end\": %.6f, \"peak\": %.6f, \"score\": %.6f}\n",
                   parts[i].start, parts[i].end, parts[i].peak, (double)parts[i].score);
            continue;
        }
        cli_time(parts[i].start, start);
        cli_time(parts[i].end, end);
        printf("%3zu  %s to %s  %.4f\n", i + 1, start, end, (double)parts[i].score);
    }
}

static int write_storyboard(const values *v, const cli_call *call, const sns_moment *parts,
                            size_t n) {
    sns_error err;
    cli_card *cards = cli_moment_cards(call->arguments[0], parts, n);
    if (!cards) return cli_failf("out of memory");
    const char *title = call->argument_count > 1 ? call->arguments[1] : call->arguments[0];
    for (size_t i = 0; i < n; i++) cards[i].has_score = call->argument_count > 1;
    const cli_section section = {
        .title = title, .note = ", in the film's order.", .cards = cards, .count = n};
    int code;
    if (ends_with(v->storyboard, ".png"))
        code = cli_sheet_png(v->storyboard, &section, 1, &err) ? cli_fail(&err) : CLI_DONE;
    else
        code = cli_sheet_html(v->storyboard, &section, 1);
    cli_moment_cards_free(cards, n);
    return code;
}

static int write_film(const values *v, const cli_call *call, const sns_moment *parts, size_t n) {
    sns_clip_result result;
    sns_error err;
    cli_progress bar;
    sns_range *ranges = malloc(n * sizeof *ranges);
    if (!ranges) return cli_failf("out of memory");
    for (size_t i = 0; i < n; i++) ranges[i] = (sns_range){parts[i].start, parts[i].end};
    cli_progress_start(&bar, "writing", "s", 0);
    const sns_clip_options o = {
        .exact = 1, .threads = (size_t)v->film.threads, .progress = show, .user = &bar};
    sns_status s = sns_clip_write(call->arguments[0], ranges, n, &o, v->output, &result, &err);
    cli_progress_clear(&bar);
    free(ranges);
    if (!s && result.sound_left_out)
        cli_note("%s: this format can't hold the film's sound", v->output);
    return s ? cli_fail(&err) : CLI_DONE;
}

static int summarise(const cli_call *call, cli_film *f) {
    const values *v = call->values;
    sns_error err;
    sns_moment *parts = NULL;
    size_t n = 0;
    float *text = NULL;
    int code = CLI_DONE;
    if (call->argument_count > 1)
        code = cli_film_texts(f, (const char *const *)call->arguments + 1, 1, &text);
    if (!code && sns_film_summarise(f->film, text, v->seconds, &parts, &n, &err))
        code = cli_fail(&err);
    if (!code && !n) code = cli_failf("%s: no part is as short as that", call->arguments[0]);
    if (!code && v->output) code = write_film(v, call, parts, n);
    if (!code && v->storyboard) code = write_storyboard(v, call, parts, n);
    if (!code) print_parts(parts, n, v->json);
    free(text);
    free(parts);
    return code;
}

static int run(const cli_call *call) {
    const values *v = call->values;
    cli_film f = {0};
    if (v->storyboard && !ends_with(v->storyboard, ".png") && !ends_with(v->storyboard, ".html"))
        return cli_usage(call, "a storyboard ends in .png or .html");
    int code = cli_film_read(&f, &v->film, call->arguments[0]);
    if (!code) code = summarise(call, &f);
    cli_film_free(&f);
    return code;
}

#define AT(field) offsetof(values, field)
static const cli_option options[] = {
    CLI_FILM_OPTIONS(values, film),
    {'o', "output", CLI_STRING, "FILE", NULL,
     "write the parts as a film; its ending says the format: .mp4, .mkv", AT(output), 0, 0, NULL},
    {'s', "seconds", CLI_FLOAT, "N", "15", "how long the parts are altogether, at most",
     AT(seconds), 1, 1e5, NULL},
    {0, "storyboard", CLI_STRING, "FILE", NULL,
     "a picture of each part, as a page (.html) or a picture (.png)", AT(storyboard), 0, 0, NULL},
    {0, "json", CLI_FLAG, NULL, NULL, "one JSON object a line, times in seconds", AT(json), 0, 0,
     NULL},
};

const cli_command cli_summary = {
    .arguments = "VIDEO [TEXT]",
    .description =
        "Make a short film of a long one: the parts that say most about a text, or without one "
        "about the whole film, in at most so many seconds. The film is split into pieces of some "
        "3 seconds at its cuts; those are taken that stand best for all that the text fits, and a "
        "second piece like one that is there adds nothing. Prints the parts in the film's order.",
    .examples = "sensus summary holiday.mp4 \"boats at sea\" -o boats.mp4 --storyboard boats.png\n"
                "sensus summary -s 30 holiday.mp4 -o short.mp4",
    .table = {options, sizeof options / sizeof *options, sizeof(values)},
    .min_arguments = 1,
    .max_arguments = 2,
    .run = run,
    .decodes = true,
};
