/* film_entails.c - sensus entails */
#include "film_common.h"
#include <stdio.h>
#include <stdlib.h>

typedef struct values {
    cli_film_values film;
    bool json;
} values;

static void print_answer(const sns_entailment *e, const char *statement, bool json) {
    char peak[CLI_TIME_SIZE];
    if (json) {
        printf("{\"statement\": ");
        cli_print_json(statement);
        printf(", \"probability\": %.6f, \"standing\": %.6f, \"peak\": %.6f}\n", e->probability,
               e->standing, e->seconds);
        return;
    }
    cli_time(e->seconds, peak);
    printf("%.3f  %s  ", e->probability, peak);
    cli_print_safe(statement);
    putchar('\n');
}

static int answer_all(const cli_call *call, cli_film *f, size_t n) {
    const values *v = call->values;
    sns_error err;
    float *vectors;
    sns_entailment *answers = calloc(n, sizeof *answers);
    if (!answers) return cli_failf("out of memory");
    int code = cli_film_texts(f, (const char *const *)call->arguments + 1, n, &vectors);
    if (!code && sns_film_entails(f->film, vectors, n, answers, &err)) code = cli_fail(&err);
    for (size_t i = 0; i < n && !code; i++)
        print_answer(&answers[i], call->arguments[1 + i], v->json);
    free(vectors);
    free(answers);
    return code;
}

static int run(const cli_call *call) {
    const values *v = call->values;
    cli_film f = {0};
    int code = cli_film_read(&f, &v->film, call->arguments[0]);
    if (!code) code = answer_all(call, &f, call->argument_count - 1);
    cli_film_free(&f);
    return code;
}

static const cli_option options[] = {
    CLI_FILM_OPTIONS(values, film),
    {0, "json", CLI_FLAG, NULL, NULL, "one JSON object a line", offsetof(values, json), 0, 0, NULL},
};

const cli_command cli_entails = {
    .arguments = "VIDEO STATEMENT...",
    .description =
        "Say how probable it is that a film shows what a statement says, and when it fits best. "
        "The statement's peak is set beside the peaks that some 260 everyday things have in the "
        "same film, and a sigmoid that was fitted on films with known answers makes it a "
        "probability; it holds where half of all statements are true. `sensus eval moments` "
        "measures it. A model that only knows what is in a picture can't judge who did what "
        "to whom, nor in which order.",
    .examples = "sensus entails holiday.mp4 \"a dog on a beach\" \"a wedding\"",
    .table = {options, sizeof options / sizeof *options, sizeof(values)},
    .min_arguments = 2,
    .max_arguments = 1000,
    .run = run,
    .decodes = true,
};
