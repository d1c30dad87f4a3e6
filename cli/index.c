/* index.c - sensus index */
#include "film_common.h"
#include <sensus/catalog.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct values {
    const char *catalog, *model, *sound_model;
    bool rebuild, retry, exact, regions, fast, verify, json, quiet;
    int64_t threads;
    double every, sound_weight;
} values;

typedef struct reporter {
    cli_progress progress;
    bool quiet;
    size_t done, total;
} reporter;

/* Set by the first Ctrl-C; a second one ends the process. A signal handler has no other place. */
static volatile sig_atomic_t interrupted;

static void on_interrupt(int number) {
    interrupted = 1;
    signal(number, SIG_DFL);
}

static void show_progress(void *user, size_t done, size_t total) {
    reporter *r = user;
    r->done = done;
    r->total = total;
    if (!r->quiet) cli_progress_update(&r->progress, done, total, NULL);
}

static void show_film(void *user, const char *path, double seconds, double duration) {
    reporter *r = user;
    const char *slash = strrchr(path, '/');
    char at[CLI_TIME_SIZE], all[CLI_TIME_SIZE], line[3 * CLI_TIME_SIZE];
    cli_time(seconds, at);
    cli_time(duration, all);
    snprintf(line, sizeof line, "%.40s %s of %s", slash ? slash + 1 : path, at,
             duration > 0 ? all : "?");
    for (char *c = line; *c; c++) memset(c, '?', cli_control_length(c));
    if (!r->quiet) cli_progress_update(&r->progress, r->done, r->total, line);
}

static void show_note(void *user, const char *message) {
    reporter *r = user;
    cli_progress_clear(&r->progress);
    cli_note("%s", message);
}

static void show_problem(void *user, sns_status status, const char *message) {
    reporter *r = user;
    (void)status;
    cli_progress_clear(&r->progress);
    cli_failf("%s", message);
}

static void print_counts(const sns_index_counts *n, bool json) {
    const char *format = json
                             ? "{\"new\": %zu, \"changed\": %zu, \"removed\": %zu, \"unreadable\": "
                               "%zu, \"moved\": %zu, \"unchanged\": %zu}\n"
                             : "%zu new, %zu changed, %zu removed, %zu unreadable, %zu moved, %zu "
                               "unchanged\n";
    printf(format, n->added, n->changed, n->removed, n->unreadable, n->moved, n->unchanged);
}

/* What indexing needs; freed by run. */
typedef struct models {
    sns_model *model, *hears;
    char *dir, *hears_dir;
} models;

static int index_paths(const cli_call *call, sns_catalog *catalog, const models *m) {
    const values *v = call->values;
    reporter r = {.quiet = v->quiet};
    sns_error err;
    sns_index_counts counts;
    sns_index_options o = {.retry = v->retry,
                           .exact = v->exact,
                           .threads = (size_t)v->threads,
                           .every = v->every,
                           .regions = v->regions,
                           .fast = v->fast,
                           .sound_model = m->hears,
                           .sound_model_dir = m->hears_dir,
                           .sound_weight = v->sound_weight,
                           .isolation = cli_isolation(),
                           .cancel = (const int *)&interrupted,
                           .progress = show_progress,
                           .problem = show_problem,
                           .note = show_note,
                           .film = show_film,
                           .user = &r};
    cli_progress_start(&r.progress, "indexing", "", 0);
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    sns_status status = sns_catalog_index(catalog, m->model, m->dir,
                                          (const char *const *)call->arguments,
                                          call->argument_count, &o, &counts, &err);
    cli_progress_clear(&r.progress);
    if (!status || counts.found) print_counts(&counts, v->json);
    if (status) return cli_fail(&err);
    return counts.unreadable ? CLI_FAILED : CLI_DONE;
}

/* given: by the user; else it is the one that the catalog remembers. */
static int load_hearing(const char *dir, bool given, models *m) {
    sns_error err;
    int code = cli_find_model(dir, NULL, &m->hears_dir);
    if (!code && sns_model_load(m->hears_dir, &m->hears, &err)) code = cli_fail(&err);
    if (code && !given)
        cli_note("this catalog was made with that model for sound too: say --sound-model DIR, "
                 "where it is now, or make the catalog anew with --rebuild");
    return code;
}

static int open_and_index(const cli_call *call, sns_catalog *catalog, models *m) {
    const values *v = call->values;
    sns_error err;
    const char *known = v->rebuild ? NULL : sns_catalog_model_dir(catalog);
    const char *hears = v->sound_model ? v->sound_model
                        : v->rebuild   ? NULL
                                       : sns_catalog_sound_model_dir(catalog);
    if (cli_find_model(v->model, known, &m->dir)) return CLI_FAILED;
    if (sns_model_load(m->dir, &m->model, &err)) return cli_fail(&err);
    if (hears && load_hearing(hears, v->sound_model != NULL, m)) return CLI_FAILED;
    if (v->rebuild && sns_catalog_rebuild(catalog, &err)) return cli_fail(&err);
    return index_paths(call, catalog, m);
}

/* Reads everything; nothing is written. */
static int verify(const cli_call *call) {
    const values *v = call->values;
    sns_error err;
    sns_catalog *catalog = NULL;
    char *file = NULL;
    size_t files;
    if (call->argument_count) return cli_usage(call, "--verify takes no PATH");
    int code = cli_find_catalog(v->catalog, false, &file);
    if (!code && (sns_catalog_open(file, SNS_CATALOG_READ, &catalog, &err) ||
                  sns_catalog_verify(catalog, &err) || sns_catalog_count(catalog, &files, &err)))
        code = cli_fail(&err);
    if (!code)
        printf(v->json ? "{\"sound\": true, \"files\": %zu}\n" : "sound: %zu files\n", files);
    sns_catalog_close(catalog);
    free(file);
    return code;
}

static int run(const cli_call *call) {
    const values *v = call->values;
    if (v->verify) return verify(call);
    if (!call->argument_count) return cli_usage(call, "no PATH");
    sns_error err;
    sns_catalog *catalog = NULL;
    models m = {0};
    char *file = NULL;
    int code = cli_find_catalog(v->catalog, true, &file);
    if (!code && sns_catalog_open(file, SNS_CATALOG_WRITE, &catalog, &err)) code = cli_fail(&err);
    if (!code) code = open_and_index(call, catalog, &m);
    sns_catalog_close(catalog);
    sns_model_free(m.model);
    sns_model_free(m.hears);
    free(file);
    free(m.dir);
    free(m.hears_dir);
    return code;
}

static const cli_option options[] = {
    CLI_CATALOG_OPTION(values, catalog),
    CLI_MODEL_OPTION(values, model),
    {0, "sound-model", CLI_STRING, "DIR", NULL,
     "a second model, which hears, of the space of the first (train --lock-text): for recordings "
     "and the sound of films, also of those that the catalog has already; without it the catalog's",
     offsetof(values, sound_model), 0, 0, NULL},
    {0, "sound-weight", CLI_FLOAT, "W", "0",
     "what sound counts beside the pictures of a film, remembered; nothing is read again for it; "
     "0: "
     "as it is, at first 0.25",
     offsetof(values, sound_weight), 0, 100, NULL},
    {0, "rebuild", CLI_FLAG, NULL, NULL,
     "forget everything in the catalog first; needed to use another model",
     offsetof(values, rebuild), 0, 0, NULL},
    {0, "retry", CLI_FLAG, NULL, NULL, "try files again that could not be read before",
     offsetof(values, retry), 0, 0, NULL},
    {0, "exact", CLI_FLAG, NULL, NULL,
     "decode every picture at full size before scaling; slower, slightly more exact",
     offsetof(values, exact), 0, 0, NULL},
    {0, "every", CLI_FLOAT, "SECONDS", "1",
     "look at films at least so often while the picture changes", offsetof(values, every), 0.01,
     3600, NULL},
    {0, "fast", CLI_FLAG, NULL, NULL,
     "of films decode only frames that others need: a cut may be found a few frames late",
     offsetof(values, fast), 0, 0, NULL},
    {0, "regions", CLI_FLAG, NULL, NULL,
     "of films also nine parts of each frame, half as wide and high: finds what is small, takes "
     "ten "
     "times as long",
     offsetof(values, regions), 0, 0, NULL},
    {0, "verify", CLI_FLAG, NULL, NULL,
     "only read the whole catalog and say whether it is what was stored; without PATH",
     offsetof(values, verify), 0, 0, NULL},
    {0, "threads", CLI_INT, "N", "0", "threads that decode; 0 is one for each processor",
     offsetof(values, threads), 0, 1024, NULL},
    {'q', "quiet", CLI_FLAG, NULL, NULL, "no progress bar", offsetof(values, quiet), 0, 0, NULL},
    {0, "json", CLI_FLAG, NULL, NULL, "print the counts as one JSON object", offsetof(values, json),
     0, 0, NULL},
};

const cli_command cli_index = {
    .arguments = "PATH...",
    .description =
        "Make pictures, films and recordings findable: bring the catalog up to date with files and "
        "folders.\n\n"
        "Folders are walked with all folders below them, but not hidden ones; links are followed. "
        "Pictures are known by their extension (jpg, png, webp, gif, tiff, heic, avif, svg, bmp, "
        "ppm), films too (mp4, m4v, mov, mkv, webm, avi, mpg, mpeg, m2v, m2ts, mts, vob, flv, wmv, "
        "asf, ogv, 3gp, mxf; ts where it is a transport stream); a file named on the command line "
        "is always tried. A file that did "
        "not change is not read again, a moved or copied one not decoded again, and one that is "
        "gone disappears from the catalog, if it was under a given PATH. The files themselves are "
        "never changed.\n\n"
        "Of a film the first picture of each shot is taken, and one every second while the picture "
        "changes. Each film is decoded in a process of its own. One that is damaged or cut off is "
        "taken as far as it can be read, and a line on stderr says so.\n\n"
        "With a model that hears, or a --sound-model beside one that sees, recordings are taken "
        "too (wav, ogg, opus, flac, mp3, m4a, aac, aiff, au, wma, caf), and the sound of films: by "
        "overlapping windows. A --sound-model may come later: the pictures of the catalog's films "
        "stay, only their sound is read then, and they count as changed.\n\n"
        "Ends with the counts of new, changed, removed, unreadable, moved and unchanged files. "
        "Each "
        "unreadable file gets one line on stderr, and the exit status is 1. An interrupted or "
        "killed "
        "run loses at most the last 128 pictures, or the last minute of a film; the next one goes "
        "on, also inside a film.",
    .examples = "sensus index ~/Pictures\n"
                "sensus index --catalog holiday.db --model models/sensus-small ~/Pictures/2024\n"
                "sensus index --verify",
    .table = {options, sizeof options / sizeof *options, sizeof(values)},
    .min_arguments = 0,
    .max_arguments = SIZE_MAX,
    .run = run,
    .decodes = true,
};
