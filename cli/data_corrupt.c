/* data_corrupt.c - sensus data corrupt */
#include "command.h"
#include "progress.h"
#include <sensus/robustness.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct values {
    const char *out, *shifts, *strengths, *images;
    int64_t seed, limit;
} values;

static volatile sig_atomic_t stop_wanted;

static void on_signal(int signal_number) {
    (void)signal_number;
    stop_wanted = 1;
}

static int show(void *user, size_t done, size_t total) {
    cli_progress_update(user, done, total, "");
    return stop_wanted;
}

static void warn(void *user, const char *message) {
    cli_progress_clear(user);
    cli_note("%s", message);
}

/* The number that a word of --shift or --strength means; -1: none. */
static int shift_of(const char *word, size_t n) {
    for (int i = 0; i < SNS_SHIFTS; i++) {
        const char *name = sns_shift_name((sns_shift)i);
        if (strlen(name) == n && !memcmp(name, word, n)) return i;
    }
    return -1;
}

static int strength_of(const char *word, size_t n) {
    return n == 1 && *word >= '1' && *word <= '0' + SNS_STRENGTHS ? *word - '0' : -1;
}

/* Words between commas as bits; 0: a word means nothing, and *problem is it. */
static unsigned bits_of(const char *list, int (*of)(const char *, size_t), char problem[32]) {
    unsigned bits = 0;
    for (const char *p = list; p;) {
        size_t n = strcspn(p, ",");
        int i = of(p, n);
        if (i < 0) {
            snprintf(problem, 32, "%.*s", (int)(n < 31 ? n : 31), p);
            return 0;
        }
        bits |= 1u << i;
        p = p[n] ? p + n + 1 : NULL;
    }
    return bits;
}

static int run(const cli_call *call) {
    const values *v = call->values;
    cli_progress bar;
    char word[32];
    sns_error err;
    size_t skipped = 0;
    if (!v->out) return cli_usage(call, "say where to write: -o DIR");
    sns_corrupt_options o = {.data = call->arguments[0],
                             .image_root = v->images,
                             .out = v->out,
                             .seed = (uint64_t)v->seed,
                             .limit = (size_t)v->limit,
                             .progress = show,
                             .warn = warn,
                             .user = &bar};
    o.shifts = bits_of(v->shifts, shift_of, word);
    if (!o.shifts) return cli_usage(call, "--shift has no '%s'", word);
    o.strengths = bits_of(v->strengths, strength_of, word);
    if (!o.strengths) return cli_usage(call, "--strength has no '%s'", word);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    cli_progress_start(&bar, "writing", "", 0);
    sns_status s = sns_data_corrupt(&o, &skipped, &err);
    cli_progress_clear(&bar);
    if (s) return cli_fail(&err);
    if (skipped) return cli_failf("%zu pictures or lines were left out", skipped);
    return CLI_DONE;
}

#define AT(field) offsetof(values, field)
static const cli_option options[] = {
    {'o', "out", CLI_STRING, "DIR", NULL, "where DIR/fog-3/manifest.jsonl and its pictures go",
     AT(out), 0, 0, NULL},
    {0, "shift", CLI_STRING, "LIST", "noise,blur,contrast,jpeg,fog",
     "which shifts, with commas between them", AT(shifts), 0, 0, NULL},
    {0, "strength", CLI_STRING, "LIST", "1,2,3,4,5", "which strengths, with commas between them",
     AT(strengths), 0, 0, NULL},
    {0, "seed", CLI_INT, "N", "1", "all that is random follows from it and a picture's name",
     AT(seed), 0, 1e15, NULL},
    {0, "images", CLI_STRING, "DIR", NULL,
     "where relative image paths start; otherwise the manifest's folder", AT(images), 0, 0, NULL},
    {0, "limit", CLI_INT, "N", "0", "use the first N pictures; 0: all", AT(limit), 0, 1e7, NULL},
};

const cli_command cli_data_corrupt = {
    .arguments = "PATH",
    .description =
        "Copy a test set under synthetic distribution shifts (Hendrycks and Dietterich 2019): "
        "Gaussian noise, blur, less contrast, JPEG, fog, each of five strengths. For each there is "
        "a folder of pictures with a manifest that has the labels and captions of PATH.\n\n"
        "PATH is a manifest, one JSON object a line, {\"image\": path, \"label\": class}, or a "
        ".csv "
        "with the columns image and label; or a folder with a folder of pictures for each class. "
        "Pictures keep their size, at most 4,096 pixels a side, and are written as PNG, with the "
        "shift jpeg as JPEG. What can't be read is named on stderr and left out; the exit status "
        "is then 1.",
    .examples = "sensus data corrupt -o shifted photos/\n"
                "sensus data corrupt -o shifted --shift fog,noise --strength 1,3,5 test.jsonl\n"
                "sensus eval zero-shot --manifest shifted/fog-3/manifest.jsonl",
    .table = {options, sizeof options / sizeof *options, sizeof(values)},
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
