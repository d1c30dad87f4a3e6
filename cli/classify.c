/* classify.c - sensus classify: zero-shot classification (Radford et al. 2021, section 3.1).
 *
 *   w_c = normalise(mean over templates t of text(t with label c)),  p = softmax(scale * image . w)
 * or, for a model trained with the sigmoid loss, sigmoid(scale * image . w_c + bias). Pictures, to
 * a model that hears recordings, come as files, from folders, shards and lists, or, with films
 * (class_films.h), as the vectors of a catalog; none of them are kept. */
#include "class_films.h"
#include "class_output.h"
#include "command.h"
#include "labels.h"
#include "progress.h"
#include <sensus/catalog.h>
#include <sensus/pictures.h>
#include <sensus/relevance.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct values {
    const char *model, *classifier, *catalog, *files_from, *sheets, *into;
    cli_words words;
    int64_t top, per_sheet;
    double none;
    bool json, csv, exact, nul, summary, link, move, apply;
} values;

typedef struct judge {
    const values *v;
    cli_judge sees, hears; /* with a cohort for --none; hears: once it is needed */
    sns_catalog *catalog;
    char **folders; /* names of the classes' folders and sheets */
    cli_sorter *sorter;
    cli_class_sheets *sheets;
    cli_progress bar;
    size_t total; /* pictures; 0: unknown */
    size_t top;
    float *probability;     /* of each class */
    size_t *order, *counts; /* pictures of each class, and of none */
    float *sound;           /* vector of a recording */
    size_t done, failed, films, recordings;
    size_t deeds[CLI_IN_PLACE + 1];
} judge;

/* Set by the first Ctrl-C; a second one ends the process. A signal handler has no other place. */
static volatile sig_atomic_t interrupted;

static void on_interrupt(int number) {
    interrupted = 1;
    signal(number, SIG_DFL);
}

/* ---- one picture ---- */

/* Is it recordings that are classified, when they are not a catalog's? */
static bool takes_sounds(const judge *k) {
    return sns_model_sound_rate_hz(k->sees.model) > 0;
}

/* The classes from the most probable down (ties by their order). */
static void rank_classes(judge *k) {
    for (size_t c = 0; c < sns_classifier_count(k->sees.classifier); c++) {
        size_t at = c < k->top ? c : k->top;
        for (; at && k->probability[k->order[at - 1]] < k->probability[c]; at--)
            if (at < k->top) k->order[at] = k->order[at - 1];
        if (at < k->top) k->order[at] = c;
    }
}

/* Does the best label stand out from the scores of unrelated words? */
static bool is_none(const judge *k, const cli_judge *by, const float *vector) {
    if (!by->cohort) return false;
    const float *row = sns_classifier_weights(by->classifier) +
                       k->order[0] * sns_classifier_dim(by->classifier);
    return sns_standing(by->cohort, vector, row) < (float)k->v->none;
}

static sns_status fail(sns_error *err, sns_status code, const char *message) {
    snprintf(err->message, sizeof err->message, "%s", message);
    return err->code = code;
}

/* Results leave in portions, so that a reader sees them soon and a kill loses few. */
static sns_status send(const judge *k, sns_error *err) {
    enum { PORTION = 32 };
    if (k->done % PORTION || !fflush(stdout)) return SNS_OK;
    return fail(err, SNS_IO, "can't write the results to standard output");
}

static void print_verdict(const judge *k, const cli_verdict *verdict, const char *path,
                          const cli_placing *placing) {
    const values *v = k->v;
    if (v->json)
        cli_verdict_json(verdict, path, placing);
    else if (v->csv)
        cli_verdict_csv(verdict, path, placing);
    else if (!placing)
        cli_verdict_table(verdict, path);
    else if (placing->target)
        cli_placing_line(placing, path, v->apply);
}

/* What is judged and ranked: it is told, placed, counted, kept for the sheets. */
static sns_status conclude(judge *k, cli_shown *shown, bool none, sns_error *err) {
    cli_placing placing = {0};
    cli_verdict verdict = {k->sees.classifier, k->order, k->probability, k->top, none};
    size_t class = cli_verdict_class(&verdict);
    if (k->sorter && cli_sorter_place(k->sorter, shown->path, class, &placing)) k->failed++;
    k->deeds[placing.deed]++;
    print_verdict(k, &verdict, shown->path, k->sorter ? &placing : NULL);
    k->done++;
    k->counts[class]++;
    /* A file that was moved is shown from where it is now. */
    if (k->v->apply && placing.deed == CLI_MOVED) shown->path = placing.target;
    bool kept = !k->sheets ||
                cli_class_sheets_add(k->sheets, class, k->probability[k->order[0]], shown);
    free(placing.target);
    return kept ? send(k, err) : fail(err, SNS_NOMEM, "no memory for the contact sheets");
}

/* Something that has one vector. */
static sns_status take(judge *k, const cli_judge *by, cli_shown *shown, const float *vector,
                       sns_error *err) {
    sns_status s = sns_classifier_judge(by->classifier, by->model, vector, k->probability, err);
    if (s) return s;
    rank_classes(k);
    return conclude(k, shown, is_none(k, by, vector), err);
}

static sns_status take_film(judge *k, const sns_catalog_file *f, sns_error *err) {
    cli_shown shown = {.path = f->path, .in_time = true};
    sns_status s = cli_film_probabilities(&k->sees, f, k->probability, err);
    if (s) return s;
    rank_classes(k);
    k->films++;
    bool none = k->sees.cohort && cli_film_standing(&k->sees, f, k->order[0]) < (float)k->v->none;
    if (k->sheets) shown.seconds = cli_film_best(&k->sees, f, k->order[0]);
    return conclude(k, &shown, none, err);
}

/* A recording's scores mean what they do to the model that heard it. */
static sns_status take_recording(judge *k, const sns_catalog_file *f, size_t dim, sns_error *err) {
    cli_shown shown = {.path = f->path, .sound = true};
    const cli_judge *by = sns_model_sound_rate_hz(k->sees.model) ? &k->sees : &k->hears;
    sns_status s = by->classifier ? SNS_OK
                                  : cli_judge_by_sound(&k->sees, k->catalog, &k->hears, err);
    if (s) return s;
    if (!k->sound && !(k->sound = malloc(dim * sizeof *k->sound)))
        return fail(err, SNS_NOMEM, "out of memory");
    k->recordings++;
    cli_sound_vector(f, dim, k->sound);
    return take(k, by, &shown, k->sound, err);
}

/* ---- where pictures come from ---- */

static void count_failure(judge *k, const char *message) {
    k->failed++;
    cli_progress_clear(&k->bar);
    cli_failf("%s", message);
}

static sns_status take_picture(void *user, const sns_embed_result *r) {
    judge *k = user;
    sns_error err;
    sns_status s = SNS_OK;
    char message[512];
    if (r->status) {
        count_failure(k, r->message);
    } else if (r->in_memory && k->sorter) {
        snprintf(message, sizeof message, "%s: is inside a shard, which stays as it is", r->path);
        count_failure(k, message);
    } else {
        cli_shown shown = {
            .path = r->path, .bytes = r->bytes, .size = r->size, .sound = takes_sounds(k)};
        if ((s = take(k, &k->sees, &shown, r->vector, &err))) {
            cli_progress_clear(&k->bar);
            cli_fail(&err);
        }
        k->recordings += takes_sounds(k);
    }
    cli_progress_update(&k->bar, r->index + 1, k->total, NULL);
    return s;
}

static sns_status take_file(void *user, const sns_catalog_file *f, size_t dim, sns_error *err) {
    judge *k = user;
    cli_shown shown = {.path = f->path};
    if (interrupted) return fail(err, SNS_CANCELLED, "cancelled");
    sns_status s = f->heard   ? take_recording(k, f, dim, err)
                   : f->spans ? take_film(k, f, err)
                              : take(k, &k->sees, &shown, f->vectors[0], err);
    cli_progress_update(&k->bar, k->done, k->total, NULL);
    return s;
}

static int read_pictures(judge *k, const cli_call *call) {
    const values *v = k->v;
    const char *results[2];
    size_t n = 0;
    if (v->into) results[n++] = v->into;
    if (v->sheets) results[n++] = v->sheets;
    const sns_pictures_options o = {.paths = (const char *const *)call->arguments,
                                    .path_count = call->argument_count,
                                    .list = v->files_from,
                                    .list_nul = v->nul,
                                    .leave_out = results,
                                    .leave_out_count = n,
                                    .sounds = takes_sounds(k)};
    const sns_embed_options how = {.exact = v->exact,
                                   .cancel = (const int *)&interrupted,
                                   .keep_bytes = v->sheets != NULL,
                                   .isolation = cli_isolation()};
    sns_pictures *p;
    sns_error err;
    if (sns_pictures_open(&o, &p, &err)) return cli_fail(&err);
    k->total = sns_pictures_total(p);
    const sns_embed_source source = sns_pictures_source(p);
    sns_status s = sns_embed_stream(k->sees.model, &source, &how, take_picture, k, &err);
    size_t passed = sns_pictures_passed(p);
    sns_pictures_free(p);
    cli_progress_clear(&k->bar);
    if (s) return cli_fail(&err);
    if (!k->done && !k->failed)
        cli_note("no %s there", takes_sounds(k) ? "recordings" : "pictures");
    if (passed)
        cli_note(takes_sounds(k) ? "%zu pictures were passed over: the model hears"
                                 : "%zu recordings or films were passed over: the model sees",
                 passed);
    return CLI_DONE;
}

static int read_catalog(judge *k) {
    sns_error err;
    sns_status s = sns_catalog_count(k->catalog, &k->total, &err);
    if (!s) s = sns_catalog_files(k->catalog, take_file, k, &err);
    cli_progress_clear(&k->bar);
    if (s) return cli_fail(&err);
    if (!k->done) cli_note("%s: nothing in this catalog yet", k->v->catalog);
    return CLI_DONE;
}

/* ---- before and after ---- */

/* The catalog's model unless another is named, which must then be the same. */
static int open_model(judge *k) {
    const values *v = k->v;
    sns_error err;
    char *dir = NULL;
    if (!v->catalog) return cli_load_model(v->model, &k->sees.model);
    if (sns_catalog_open(v->catalog, SNS_CATALOG_READ, &k->catalog, &err)) return cli_fail(&err);
    int code = cli_find_model(v->model, sns_catalog_model_dir(k->catalog), &dir);
    if (!code && (sns_model_load(dir, &k->sees.model, &err) ||
                  sns_catalog_check_model(k->catalog, k->sees.model, &err)))
        code = cli_fail(&err);
    free(dir);
    return code;
}

/* The classifier of a file, or one made of the labels now. */
static int find_classifier(judge *k) {
    const values *v = k->v;
    sns_error err;
    cli_judge *by = &k->sees;
    if (!v->classifier) return cli_make_classifier(&v->words, by->model, NULL, &by->classifier);
    if (sns_classifier_load(v->classifier, &by->classifier, &err)) return cli_fail(&err);
    /* Said before the first picture is read. */
    if (!strcmp(sns_classifier_fingerprint(by->classifier), sns_model_fingerprint(by->model)))
        return CLI_DONE;
    return cli_failf("%s: made with another model; use that one, or build the classifier again",
                     v->classifier);
}

static int find_cohort(judge *k) {
    sns_error err;
    return k->v->none && cli_judge_cohort(&k->sees, &err) ? cli_fail(&err) : CLI_DONE;
}

/* Folders that results go to; said before the first picture is read, too. */
static int prepare_results(judge *k) {
    const values *v = k->v;
    size_t count = sns_classifier_count(k->sees.classifier);
    if (!v->into && !v->sheets) return CLI_DONE;
    if (!(k->folders = cli_folder_names(k->sees.classifier))) return cli_failf("out of memory");
    if (v->into && cli_sorter_new(v->into, k->folders, v->move, v->apply, &k->sorter))
        return CLI_FAILED;
    if (!v->sheets) return CLI_DONE;
    k->sheets = cli_class_sheets_new(count, (size_t)v->per_sheet);
    return k->sheets ? cli_make_folders(v->sheets) : cli_failf("out of memory");
}

static int prepare(judge *k) {
    int code = open_model(k);
    if (!code) code = find_classifier(k);
    if (!code) code = find_cohort(k);
    if (!code) code = prepare_results(k);
    if (code) return code;
    size_t count = sns_classifier_count(k->sees.classifier);
    k->top = (size_t)k->v->top < count ? (size_t)k->v->top : count;
    k->probability = calloc(count, sizeof *k->probability);
    k->order = calloc(k->top, sizeof *k->order);
    k->counts = calloc(count + 1, sizeof *k->counts);
    return k->probability && k->order && k->counts ? CLI_DONE : cli_failf("out of memory");
}

/* What was classified. */
static const char *things(const judge *k) {
    if (!k->films && !k->recordings) return "pictures";
    return k->recordings == k->done ? "recordings" : "files";
}

static void print_summary_json(const judge *k) {
    size_t count = sns_classifier_count(k->sees.classifier);
    printf("{\"pictures\": %zu, \"films\": %zu, \"recordings\": %zu, \"failed\": %zu, \"none\": "
           "%zu, \"counts\": [",
           k->done - k->films - k->recordings, k->films, k->recordings, k->failed,
           k->counts[count]);
    for (size_t c = 0; c < count; c++) {
        printf("%s{\"label\": ", c ? ", " : "");
        cli_print_json(cli_class_label(k->sees.classifier, c));
        printf(", \"count\": %zu}", k->counts[c]);
    }
    printf("]}\n");
}

static void summarise_files(const judge *k) {
    const values *v = k->v;
    cli_note(v->apply ? "%s%zu, %zu in place, %zu failed"
                      : "nothing was done; with --apply %s%zu, %zu in place, %zu failed",
             v->move ? "moved: " : "linked: ", k->deeds[v->move ? CLI_MOVED : CLI_LINKED],
             k->deeds[CLI_IN_PLACE], k->deeds[CLI_NOT_PLACED]);
}

/* How many pictures each class got: when asked for, or where that is not seen at a glance. */
static void summarise(const judge *k) {
    enum { AT_A_GLANCE = 20 };
    const values *v = k->v;
    if (v->summary && v->json) print_summary_json(k);
    if (k->films) cli_note("films, by the mean over their time: %zu", k->films);
    if (k->catalog && k->recordings) cli_note("recordings, by their sound: %zu", k->recordings);
    if (k->sorter) summarise_files(k);
    if (v->json || (!v->summary && k->done <= AT_A_GLANCE)) return;
    cli_note("%zu %s, %zu failed", k->done, things(k), k->failed);
    for (size_t c = 0; c <= sns_classifier_count(k->sees.classifier); c++)
        if (k->counts[c])
            cli_note("%8zu  %s", k->counts[c], cli_class_label(k->sees.classifier, c));
}

static int classify(judge *k, const cli_call *call) {
    int code = prepare(k);
    if (code) return code;
    if (k->v->csv) cli_verdict_csv_head(k->top, k->sorter != NULL);
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    cli_progress_start(&k->bar, "classifying", "", 0);
    k->bar.shown = k->bar.shown &&
                   !isatty(STDOUT_FILENO); /* there the results show how far it is */
    code = k->catalog ? read_catalog(k) : read_pictures(k, call);
    if (!code && k->sheets)
        code = cli_class_sheets_write(k->sheets, k->sees.classifier, k->folders, k->v->sheets,
                                      &k->failed);
    summarise(k);
    return !code && k->failed ? CLI_FAILED : code;
}

static bool is_shard(const char *name) {
    size_t n = strlen(name);
    return !strncmp(name, "pipe:", 5) || (n > 4 && !strcasecmp(name + n - 4, ".tar"));
}

/* What the options say together; 0 when that is fine. */
static int check(const cli_call *call) {
    const values *v = call->values;
    if (!!v->words.labels + !!v->words.labels_file + !!v->classifier != 1)
        return cli_usage(call, "give one of --labels, --labels-file and --classifier");
    if (v->classifier && (v->words.templates || v->words.given.count))
        return cli_usage(call, "a --classifier has its templates in it");
    if (v->catalog && (call->argument_count || v->files_from))
        return cli_usage(call, "FILEs or --catalog, not both");
    if (!v->catalog && !call->argument_count && !v->files_from)
        return cli_usage(call, "no FILE, --files-from or --catalog");
    if (v->nul && !v->files_from) return cli_usage(call, "--null is for --files-from");
    if (v->json && v->csv) return cli_usage(call, "--json or --csv, not both");
    if (v->link && v->move) return cli_usage(call, "--link or --move, not both");
    if (!v->into && (v->link || v->move || v->apply))
        return cli_usage(call, "where to: --into DIR");
    for (size_t i = 0; v->into && i < call->argument_count; i++)
        if (is_shard(call->arguments[i]))
            return cli_usage(call, "%s: what is inside a shard can't be linked or moved",
                             call->arguments[i]);
    for (size_t i = 0; i < v->words.given.count; i++)
        if (!strstr(v->words.given.items[i], "{}"))
            return cli_usage(call, "--template needs {} where the name goes");
    return CLI_DONE;
}

static int run(const cli_call *call) {
    judge k = {.v = call->values};
    int code = check(call);
    if (!code) code = classify(&k, call);
    free(k.probability);
    free(k.order);
    free(k.counts);
    cli_class_sheets_free(k.sheets);
    cli_sorter_free(k.sorter);
    if (k.folders) cli_folder_names_free(k.folders, k.sees.classifier);
    sns_catalog_close(k.catalog);
    cli_judge_free(&k.hears);
    cli_judge_free(&k.sees);
    free(k.sound);
    return code;
}

#define AT(field) offsetof(values, field)
static const cli_option options[] = {
    CLI_MODEL_OPTION(values, model),
    CLI_WORD_OPTIONS(values, words),
    {'c', "classifier", CLI_STRING, "FILE", NULL,
     "labels that sensus classifier build has encoded, instead of --labels", AT(classifier), 0, 0,
     NULL},
    {0, "catalog", CLI_STRING, "FILE", NULL,
     "classify what this catalog has indexed, by its vectors, instead of FILEs", AT(catalog), 0, 0,
     NULL},
    {0, "files-from", CLI_STRING, "FILE", NULL,
     "names of more FILEs, one a line; - for standard input; classified as they come, 32 at a time",
     AT(files_from), 0, 0, NULL},
    {'0', "null", CLI_FLAG, NULL, NULL,
     "names in --files-from end with NUL, as find -print0 writes", AT(nul), 0, 0, NULL},
    {'k', "top", CLI_INT, "K", "5", "how many labels to print", AT(top), 1, 1000000, NULL},
    {0, "none", CLI_FLOAT, "T", "0",
     "answer \"none of these\" where the best label's score stands less than T standard deviations "
     "above those of unrelated words; 0: never, 2.5 is a start",
     AT(none), 0, 100, NULL},
    {0, "exact", CLI_FLAG, NULL, NULL, "decode every picture at full size before scaling",
     AT(exact), 0, 0, NULL},
    {0, "json", CLI_FLAG, NULL, NULL,
     "one JSON object a line: path, labels with probability, none where no label stands out; with "
     "--into also action (link, move, in place, failed) and target",
     AT(json), 0, 0, NULL},
    {0, "csv", CLI_FLAG, NULL, NULL,
     "comma-separated values (RFC 4180): path, class, then labels and probabilities; with --into "
     "action and target",
     AT(csv), 0, 0, NULL},
    {0, "summary", CLI_FLAG, NULL, NULL,
     "end with how many pictures each label has: on stderr, where it also comes unasked after more "
     "than 20 pictures; with --json as a last object (pictures, films, recordings, failed, none, "
     "counts)",
     AT(summary), 0, 0, NULL},
    {0, "sheets", CLI_STRING, "DIR", NULL,
     "also write a contact sheet of each class's most certain pictures, DIR/LABEL.png", AT(sheets),
     0, 0, NULL},
    {0, "per-sheet", CLI_INT, "N", "40", "how many pictures a sheet shows", AT(per_sheet), 1, 400,
     NULL},
    {0, "into", CLI_STRING, "DIR", NULL,
     "say where each file would go, DIR/LABEL/NAME; it is done only with --apply", AT(into), 0, 0,
     NULL},
    {0, "link", CLI_FLAG, NULL, NULL,
     "with --into: symbolic links to the files, which stay where they are; so it is unless --move",
     AT(link), 0, 0, NULL},
    {0, "move", CLI_FLAG, NULL, NULL, "with --into: the files themselves", AT(move), 0, 0, NULL},
    {0, "apply", CLI_FLAG, NULL, NULL, "with --into: do it", AT(apply), 0, 0, NULL},
};

const cli_command cli_classify = {
    .arguments = "[FILE...]",
    .description =
        "Say which of some labels fits each picture best, without training for them: each label is "
        "put into sentences, and the probabilities are the softmax of the cosines between the "
        "picture and the sentences, times the model's learned scale. A model trained with the "
        "sigmoid loss judges each label by itself: its probabilities need not sum to 1.\n\n"
        "A model that hears takes recordings, and films for their sound, wherever pictures are "
        "named "
        "here; "
        "on the sheets of --sheets each is its spectrogram.\n\n"
        "A FILE is a picture, a folder of them (with all folders below, as sensus index finds "
        "them), "
        "a tar shard (shard-{0000..0127}.tar, pipe:COMMAND) or a manifest (.jsonl, .csv), however "
        "many pictures they hold: none are kept. With --catalog the vectors are those that sensus "
        "index has stored, and no picture is read; there films have the mean of the probabilities "
        "of "
        "their samples, by the time that each stands for, and recordings those of their sound, by "
        "the model that heard it. What can't be read gets a line on stderr and is "
        "counted, the rest goes on, and the exit status is 1.\n\n"
        "--into never overwrites a file: where a name is taken the next is NAME-2. Letters of a "
        "label "
        "that no folder should have become _. A second run changes nothing, and DIR is not "
        "searched "
        "for pictures unless it is a FILE itself. A move to another file system copies, and "
        "removes "
        "the original when the copy is on the disk.",
    .examples =
        "sensus classify --labels cat,dog,car photo.jpg\n"
        "sensus classify --labels-file animals.txt -t \"a drawing of a {}\" --json *.png\n"
        "sensus classify --labels receipts,people,landscapes ~/Pictures --sheets sheets\n"
        "sensus classify --classifier pets.safetensors ~/Pictures --into sorted --apply\n"
        "find . -name \"*.jpg\" -print0 | sensus classify --labels a,b --files-from - -0 --csv",
    .table = {options, sizeof options / sizeof *options, sizeof(values)},
    .min_arguments = 0,
    .max_arguments = SIZE_MAX,
    .decodes = true,
    .run = run,
};
