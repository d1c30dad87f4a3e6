/* data.c - sensus data build, show, stats, duplicates, overlap */
#include "command.h"
#include "progress.h"
#include "sheet.h"
#include <sensus/data.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The options of all five; each command's table fills some. */
typedef struct values {
    const char *out, *caption;
    int64_t image_px, shard_mb, shard_samples, count, seed;
    double difference;
    bool json;
} values;

static volatile sig_atomic_t stop_wanted;

static void on_signal(int signal_number) {
    (void)signal_number;
    stop_wanted = 1;
}

typedef struct screen {
    cli_progress bar;
    size_t warnings;
} screen;

static int tick(void *user, size_t done, size_t total) {
    screen *s = user;
    cli_progress_update(&s->bar, done, total, "");
    return stop_wanted;
}

static void warn(void *user, const char *message) {
    screen *s = user;
    cli_progress_clear(&s->bar);
    if (s->warnings++ < 20) cli_note("%s", message);
    if (s->warnings == 21) cli_note("more samples were left out; their number is at the end");
}

static void start(screen *s, const char *label) {
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    cli_progress_start(&s->bar, label, "", 0);
}

static sns_data_options sources(const values *v, char **items, size_t count, screen *s) {
    sns_data_options o = {.sources = (const char *const *)items,
                          .source_count = count,
                          .progress = tick,
                          .warn = warn,
                          .user = s,
                          .isolation = cli_isolation()};
    if (v->caption && !strcmp(v->caption, "folder")) o.naming = SNS_DATA_BY_FOLDER;
    if (v->caption && !strcmp(v->caption, "text")) o.naming = SNS_DATA_BY_TEXT;
    return o;
}

static int run_build(const cli_call *call) {
    const values *v = call->values;
    screen s = {0};
    sns_error err;
    sns_data_counts c;
    if (!v->out) return cli_usage(call, "say what to write: -o OUT/shard-{}.tar");
    if (!strstr(v->out, "{}"))
        return cli_usage(call, "-o needs {} for the shard's number: OUT/shard-{}.tar");
    sns_data_build_options o = {.from = sources(v, call->arguments, call->argument_count, &s),
                                .out = v->out,
                                .image_px = (size_t)v->image_px,
                                .shard_bytes = (size_t)v->shard_mb << 20,
                                .shard_samples = (size_t)v->shard_samples};
    o.from.mix = 1;
    start(&s, "building");
    sns_status status = sns_data_build(&o, &c, &err);
    cli_progress_clear(&s.bar);
    if (status) return cli_fail(&err);
    if (v->json)
        printf("{\"samples\": %zu, \"captions\": %zu, \"skipped\": %zu, \"shards\": %zu, "
               "\"bytes\": %" PRIu64 "}\n",
               c.samples, c.captions, c.skipped, c.shards, c.bytes);
    else
        printf("%zu samples with %zu captions in %zu shards, %.1f MB; %zu left out\n", c.samples,
               c.captions, c.shards, (double)c.bytes / 1e6, c.skipped);
    return c.skipped ? CLI_FAILED : CLI_DONE;
}

/* All captions but the first, in lines of "lang: text"; malloc'd. */
static char *other_captions(const sns_data_sample *s) {
    enum { SHOWN = 8 };
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out) return NULL;
    for (size_t i = 1; i < s->caption_count && i < SHOWN; i++)
        fprintf(out, "%s%s%s%s", i > 1 ? " \u00b7 " : "", s->captions[i].lang,
                *s->captions[i].lang ? ": " : "", s->captions[i].text);
    if (s->caption_count > SHOWN) fprintf(out, " \u00b7 %zu more", s->caption_count - SHOWN);
    if (*s->concept) fprintf(out, " [%s]", s->concept);
    return fclose(out) ? (free(text), NULL) : text;
}

static bool is_page(const char *file) {
    size_t n = strlen(file);
    return n > 5 && !strcmp(file + n - 5, ".html");
}

static bool is_png(const char *file) {
    size_t n = strlen(file);
    return n > 4 && !strcmp(file + n - 4, ".png");
}

static int write_sheet(const char *file, const sns_data_sample *samples, size_t n) {
    sns_error err;
    int code = CLI_DONE;
    cli_card *cards = calloc(n + 1, sizeof *cards);
    char **more = calloc(n + 1, sizeof *more);
    if (!cards || !more) code = cli_failf("out of memory");
    for (size_t i = 0; !code && i < n; i++) {
        const sns_data_sample *s = &samples[i];
        more[i] = other_captions(s);
        cards[i] = (cli_card){.path = s->name,
                              .bytes = s->bytes,
                              .size = s->size,
                              .sound = s->is_sound,
                              .caption = s->captions[0].text,
                              .more = more[i]};
    }
    cli_section section = {"Samples of the data", ", drawn at random", cards, n};
    if (!code && is_page(file))
        code = cli_sheet_html(file, &section, 1);
    else if (!code && cli_sheet_png(file, &section, 1, &err))
        code = cli_fail(&err);
    for (size_t i = 0; more && i < n; i++) free(more[i]);
    free(more);
    free(cards);
    return code;
}

static void print_sample(const sns_data_sample *s, bool json) {
    if (!json) {
        cli_print_safe(s->name);
        fputs("\t", stdout);
        cli_print_safe(s->captions[0].text);
        putchar('\n');
        return;
    }
    printf("{\"name\": ");
    cli_print_json(s->name);
    printf(", \"concept\": ");
    cli_print_json(s->concept);
    if (s->is_sound) printf(", \"sound\": true");
    printf(", \"captions\": [");
    for (size_t i = 0; i < s->caption_count; i++) {
        printf("%s{\"lang\": ", i ? ", " : "");
        cli_print_json(s->captions[i].lang);
        printf(", \"text\": ");
        cli_print_json(s->captions[i].text);
        printf("}");
    }
    printf("]}\n");
}

static int run_show(const cli_call *call) {
    const values *v = call->values;
    screen s = {0};
    sns_error err;
    size_t n = 0;
    if (v->out && !is_page(v->out) && !is_png(v->out))
        return cli_usage(call, "-o FILE must end in .html or .png");
    sns_data_options o = sources(v, call->arguments, call->argument_count, &s);
    sns_data_sample *samples = calloc((size_t)v->count, sizeof *samples);
    if (!samples) return cli_failf("out of memory");
    start(&s, "drawing");
    sns_status status = sns_data_draw(&o, (size_t)v->count, (uint64_t)v->seed, samples, &n, &err);
    cli_progress_clear(&s.bar);
    int code = status ? cli_fail(&err) : CLI_DONE;
    if (!code && v->out) code = write_sheet(v->out, samples, n);
    for (size_t i = 0; !code && i < n && (v->json || !v->out); i++)
        print_sample(&samples[i], v->json);
    sns_data_draw_free(samples, n);
    free(samples);
    return code;
}

static void print_range(const char *name, const sns_data_range *r, bool json) {
    if (json)
        printf(", \"%s\": {\"least\": %.0f, \"mean\": %.2f, \"largest\": %.0f}", name, r->least,
               r->mean, r->largest);
    else
        printf("%-22s %.0f to %.0f, mean %.1f\n", name, r->least, r->largest, r->mean);
}

static void print_langs(const sns_data_stats *t, bool json) {
    if (json) printf(", \"languages\": [");
    for (size_t i = 0; i < t->lang_count; i++) {
        const sns_data_lang *l = &t->langs[i];
        if (json) {
            printf("%s{\"lang\": ", i ? ", " : "");
            cli_print_json(l->name);
            printf(", \"samples\": %zu, \"captions\": %zu}", l->samples, l->captions);
        } else {
            printf("language ");
            cli_print_safe(*l->name ? l->name : "(not stated)");
            printf(": %zu captions of %zu samples\n", l->captions, l->samples);
        }
    }
    if (json) printf("]");
}

/* 3 h 25 min 7 s, from the largest unit that there is. */
static void print_duration(double seconds) {
    uint64_t whole = (uint64_t)seconds, h = whole / 3600, min = whole / 60 % 60;
    if (h) printf("%" PRIu64 " h ", h);
    if (h || min) printf("%" PRIu64 " min %" PRIu64 " s", min, whole % 60);
    if (!h && !min) printf("%.1f s", seconds);
}

static void print_seconds(const sns_data_stats *t, bool json) {
    const double seconds[] = {t->seconds_total, t->seconds.least, t->seconds_median,
                              t->seconds.largest};
    static const char *const names[] = {"total", "shortest", "median", "longest"};
    if (json)
        printf(", \"seconds\": {");
    else
        printf("duration              ");
    for (size_t i = 0; i < 4; i++) {
        if (json) {
            printf("%s\"%s\": %.3f", i ? ", " : "", names[i], seconds[i]);
        } else {
            printf("%s %s ", i ? "," : "", names[i]);
            print_duration(seconds[i]);
        }
    }
    printf(json ? "}" : "\n");
}

static void print_stats(const sns_data_stats *t, bool json) {
    const char *form = json ? "{\"samples\": %zu, \"captions\": %zu, \"concepts\": %zu, "
                              "\"skipped\": %zu, \"pictures\": %zu, \"recordings\": %zu, "
                              "\"unreadable\": %zu, \"bytes\": %" PRIu64
                            : "samples                %zu\ncaptions               %zu\n"
                              "concepts               %zu\nleft out               %zu\n"
                              "pictures               %zu\nrecordings             %zu\n"
                              "unreadable             %zu\nbytes in shards        %" PRIu64 "\n";
    printf(form, t->samples, t->captions, t->concepts, t->skipped, t->pictures, t->recordings,
           t->unreadable, t->bytes);
    print_range("caption_characters", &t->caption_characters, json);
    print_range("captions_per_sample", &t->captions_per_sample, json);
    if (json || t->pictures) {
        print_range("width_px", &t->width_px, json);
        print_range("height_px", &t->height_px, json);
    }
    if (json || t->recordings) print_seconds(t, json);
    print_langs(t, json);
    if (json) printf("}\n");
}

static int run_stats(const cli_call *call) {
    const values *v = call->values;
    screen s = {0};
    sns_error err;
    sns_data_stats t;
    sns_data_options o = sources(v, call->arguments, call->argument_count, &s);
    start(&s, "counting");
    sns_status status = sns_data_measure(&o, &t, &err);
    cli_progress_clear(&s.bar);
    if (status) return cli_fail(&err);
    print_stats(&t, v->json);
    int code = t.skipped || t.unreadable ? CLI_FAILED : CLI_DONE;
    sns_data_stats_free(&t);
    return code;
}

static void print_match(const sns_data_match *m, bool json) {
    if (json) {
        printf("{\"a\": ");
        cli_print_json(m->a);
        printf(", \"b\": ");
        cli_print_json(m->b);
        printf(", \"exact\": %s, \"difference\": %.3f}\n", m->exact ? "true" : "false",
               m->difference);
        return;
    }
    printf(m->exact ? "same     " : "near %3.1f ", m->difference);
    cli_print_safe(m->a);
    putchar('\t');
    cli_print_safe(m->b);
    putchar('\n');
}

/* Within all arguments, or between the first and the second. */
static int find_matches(const cli_call *call, bool two_sets) {
    const values *v = call->values;
    screen s = {0};
    sns_error err;
    sns_data_matches m;
    size_t n = call->argument_count;
    sns_data_options a = sources(v, call->arguments, two_sets ? 1 : n, &s);
    sns_data_options b = sources(v, call->arguments + 1, 1, &s);
    start(&s, "comparing");
    sns_status status = sns_data_find_matches(&a, two_sets ? &b : NULL, v->difference, &m, &err);
    cli_progress_clear(&s.bar);
    if (status) return cli_fail(&err);
    size_t exact = 0;
    for (size_t i = 0; i < m.count; i++) {
        exact += m.items[i].exact != 0;
        print_match(&m.items[i], v->json);
    }
    if (!v->json && two_sets)
        printf("%zu of %zu are also among the other %zu, %zu of them exactly\n", m.count,
               m.samples_b, m.samples_a, exact);
    else if (!v->json)
        printf("%zu of %zu repeat another, %zu of them exactly\n", m.count, m.samples_a, exact);
    sns_data_matches_free(&m);
    return CLI_DONE;
}

static int run_duplicates(const cli_call *call) {
    return find_matches(call, false);
}

static int run_overlap(const cli_call *call) {
    return find_matches(call, true);
}

#define AT(field) offsetof(values, field)
#define CAPTION_OPTION                                                                             \
    {                                                                                              \
        0, "caption", CLI_STRING, "FROM", "file",                                                  \
            "the caption of a folder's picture or recording without X.json or X.txt beside it: "   \
            "its file's "                                                                          \
            "name, its folder's name, or none (text): then it is left out",                        \
            AT(caption), 0, 0, "file|folder|text"                                                  \
    }
#define JSON_OPTION(what)                                                                          \
    { 0, "json", CLI_FLAG, NULL, NULL, what, AT(json), 0, 0, NULL }
#define DIFFERENCE_OPTION                                                                          \
    {                                                                                              \
        0, "difference", CLI_FLOAT, "X", "6",                                                      \
            "how much two pictures, or spectrograms, may differ, of 255 on average over small "    \
            "copies; 0: not at "                                                                   \
            "all",                                                                                 \
            AT(difference), 0, 64, NULL                                                            \
    }

static const cli_option build_options[] = {
    {'o', "out", CLI_STRING, "FILE", NULL, "the shards, with {} for their number", AT(out), 0, 0,
     NULL},
    {0, "image-px", CLI_INT, "N", "0",
     "reduce larger pictures so that the shorter side is N; 0: keep them as they are", AT(image_px),
     0, 16384, NULL},
    {0, "shard-mb", CLI_INT, "N", "256", "size of a shard", AT(shard_mb), 1, 1e6, NULL},
    {0, "shard-samples", CLI_INT, "N", "0", "most samples of a shard; 0: as --shard-mb says",
     AT(shard_samples), 0, 1e9, NULL},
    CAPTION_OPTION,
    JSON_OPTION("print the counts as one JSON object"),
};
static const cli_option show_options[] = {
    {'o', "out", CLI_STRING, "FILE", NULL,
     "write a sheet that shows them: a page (.html) or a picture (.png)", AT(out), 0, 0, NULL},
    {'n', "count", CLI_INT, "N", "48", "how many samples", AT(count), 1, 400, NULL},
    {0, "seed", CLI_INT, "N", "1", "which ones", AT(seed), 0, 1e15, NULL},
    CAPTION_OPTION,
    JSON_OPTION("print each sample as a JSON object"),
};
static const cli_option stats_options[] = {CAPTION_OPTION, JSON_OPTION("print one JSON object")};
static const cli_option match_options[] = {DIFFERENCE_OPTION, CAPTION_OPTION,
                                           JSON_OPTION("print each pair as a JSON object")};

#define SOURCES                                                                                    \
    "A PATH is a tar shard, \"pipe:COMMAND\" that prints one, a .csv or .jsonl manifest (see "     \
    "sensus train) or a folder of pictures and recordings; {0000..0127} and patterns are "         \
    "expanded. Shards are "                                                                        \
    "streamed: they need not fit in memory."
#define TABLE(options)                                                                             \
    { options, sizeof options / sizeof *options, sizeof(values) }

const cli_command cli_data_build = {
    .arguments = "PATH...",
    .description =
        "Write training data as tar shards for sensus train: KEY.jpg and KEY.json, of recordings "
        "KEY.wav, KEY.ogg, KEY.flac or KEY.mp3.\n\n" SOURCES
        "\n\nPictures of manifests and folders come in a mixed order, the same each time. What "
        "can't be read is named on stderr and left out; the exit status is then 1.",
    .examples = "sensus data build -o shards/pets-{}.tar --image-px 160 --caption folder ~/pets\n"
                "sensus data build -o shards/set-{}.tar captions.csv",
    .table = TABLE(build_options),
    .min_arguments = 1,
    .max_arguments = SIZE_MAX,
    .decodes = true,
    .run = run_build,
};
const cli_command cli_data_show = {
    .arguments = "PATH...",
    .description =
        "Show random samples of training data with their captions, as a page, as a "
        "picture, or in lines. A recording is shown by its spectrogram, of the first ten "
        "minutes: time to the right, pitch upwards; a page plays those that are files.\n\n" SOURCES,
    .examples = "sensus data show 'shards/*.tar' -o sheet.html\n"
                "sensus data show shards/set-{000..009}.tar -n 24 -o sheet.png",
    .table = TABLE(show_options),
    .min_arguments = 1,
    .max_arguments = SIZE_MAX,
    .decodes = true,
    .run = run_show,
};
const cli_command cli_data_stats = {
    .arguments = "PATH...",
    .description = "Count samples, captions, languages and concepts, measure captions, pictures "
                   "and recordings (in all, the shortest, the median, the longest, of a day at "
                   "most each), and decode every one. What is damaged is named on stderr and "
                   "counted; the exit status is then 1.\n\n" SOURCES,
    .examples = "sensus data stats 'shards/*.tar'",
    .table = TABLE(stats_options),
    .min_arguments = 1,
    .max_arguments = SIZE_MAX,
    .decodes = true,
    .run = run_stats,
};
const cli_command cli_data_duplicates = {
    .arguments = "PATH...",
    .description =
        "Find pictures and recordings that occur more than once in training data: with "
        "the same pixels or samples, or nearly (in another size, format or quality). "
        "One line for each repeat with the earlier one that it is most like.\n\n" SOURCES,
    .examples = "sensus data duplicates 'shards/*.tar'",
    .table = TABLE(match_options),
    .min_arguments = 1,
    .max_arguments = SIZE_MAX,
    .decodes = true,
    .run = run_duplicates,
};
const cli_command cli_data_overlap = {
    .arguments = "A B",
    .description = "Find pictures and recordings of B that are also in A, exactly or nearly: does "
                   "the test set hold what was trained on?\n\n" SOURCES,
    .examples = "sensus data overlap 'train/*.tar' test.csv --json",
    .table = TABLE(match_options),
    .min_arguments = 2,
    .max_arguments = 2,
    .decodes = true,
    .run = run_overlap,
};
