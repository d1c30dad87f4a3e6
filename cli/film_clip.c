/* film_clip.c - sensus clip */
#include "film_common.h"
#include <sensus/clip.h>
#include <math.h>
#include <stdio.h>

typedef struct values {
    const char *output;
    bool exact, json;
    int64_t threads;
} values;

static void show(void *bar, double seconds, double duration) {
    cli_progress_update(bar, (size_t)seconds, (size_t)duration, NULL);
}

static void print_result(const values *v, const sns_clip_result *r) {
    char start[CLI_TIME_SIZE], duration[CLI_TIME_SIZE];
    if (v->json) {
        printf("{\"path\": ");
        cli_print_json(v->output);
        printf(", \"start\": %.6f, \"duration\": %.6f, \"sound\": %s, \"encoder\": ", r->start,
               r->duration, r->sound ? "true" : "false");
        if (r->encoder)
            cli_print_json(r->encoder);
        else
            printf("null");
        printf("}\n");
        return;
    }
    cli_time(r->start, start);
    cli_time(r->duration, duration);
    cli_print_safe(v->output);
    printf(": %s from %s, %s%s\n", duration, start, r->encoder ? "encoded by " : "copied",
           r->encoder ? r->encoder : "");
}

static int run(const cli_call *call) {
    const values *v = call->values;
    sns_range range;
    sns_clip_result result;
    sns_error err;
    cli_progress bar;
    if (!v->output) return cli_usage(call, "say where to: --output FILE");
    if (!cli_parse_time(call->arguments[1], &range.start) ||
        !cli_parse_time(call->arguments[2], &range.end))
        return cli_usage(call, "times are seconds or minutes:seconds, as in 83.5 or 1:23.5");
    if (range.end <= range.start) return cli_usage(call, "the end is not after the start");
    cli_progress_start(&bar, "writing", "s", 0);
    const sns_clip_options o = {
        .exact = v->exact, .threads = (size_t)v->threads, .progress = show, .user = &bar};
    sns_status s = sns_clip_write(call->arguments[0], &range, 1, &o, v->output, &result, &err);
    cli_progress_clear(&bar);
    if (s) return cli_fail(&err);
    if (result.sound_left_out) cli_note("%s: this format can't hold the film's sound", v->output);
    print_result(v, &result);
    return CLI_DONE;
}

#define AT(field) offsetof(values, field)
static const cli_option options[] = {
    {'o', "output", CLI_STRING, "FILE", NULL,
     "where to; its ending says the format: .mp4, .mkv, .webm", AT(output), 0, 0, NULL},
    {0, "exact", CLI_FLAG, NULL, NULL,
     "encode the pictures again, to start and end exactly as asked", AT(exact), 0, 0, NULL},
    {0, "threads", CLI_INT, "N", "1", "threads that decode and encode", AT(threads), 1, 64, NULL},
    {0, "json", CLI_FLAG, NULL, NULL, "the result as a JSON object", AT(json), 0, 0, NULL},
};

const cli_command cli_clip = {
    .arguments = "VIDEO START END",
    .description =
        "Cut a part out of a film into a file of its own: its video and its best sound. Without "
        "--exact nothing is encoded again, which is quick and loses nothing; the clip then starts "
        "at the key frame at or before START, and says where that is. With it the clip has just "
        "the frames from START until before END, encoded anew; sound is copied in either case.\n\n"
        "Times are seconds (83.5) or minutes and seconds (1:23.5), as `sensus moments` gives "
        "them.",
    .examples = "sensus clip holiday.mp4 1:23.5 1:31 -o dog.mp4",
    .table = {options, sizeof options / sizeof *options, sizeof(values)},
    .min_arguments = 3,
    .max_arguments = 3,
    .run = run,
};
