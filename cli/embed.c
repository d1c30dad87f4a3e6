/* embed.c - sensus embed */
#include "command.h"
#include "progress.h"
#include <sensus/embed.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct values {
    const char *model, *output;
    cli_list texts;
    bool exact;
} values;

typedef struct embedder {
    sns_model *model;
    size_t dim;
    float *rows; /* for --output; NULL: print */
    size_t failed;
    cli_progress progress;
    size_t total;
} embedder;

static void print_vector(const char *key, const char *name, const float *v, size_t n) {
    printf("{\"%s\": ", key);
    cli_print_json(name);
    printf(", \"vector\": [");
    for (size_t i = 0; i < n; i++) printf("%s%.9g", i ? ", " : "", v[i]);
    printf("]}\n");
}

static sns_status take_image(void *user, const sns_embed_result *r) {
    embedder *e = user;
    if (r->status) {
        e->failed++;
        cli_progress_clear(&e->progress);
        cli_failf("%s", r->message);
    }
    if (e->rows) {
        for (size_t i = 0; i < e->dim; i++)
            e->rows[r->index * e->dim + i] = r->status ? NAN : r->vector[i];
        cli_progress_update(&e->progress, r->index + 1, e->total, NULL);
    } else if (!r->status) {
        print_vector("path", r->path, r->vector, e->dim);
    }
    return SNS_OK;
}

static int embed_files(embedder *e, const cli_call *call) {
    const values *v = call->values;
    sns_error err;
    sns_embed_options o = {.exact = v->exact, .isolation = cli_isolation()};
    cli_progress_start(&e->progress, "embedding", "", 0);
    sns_status status = sns_embed_files(e->model, (const char *const *)call->arguments,
                                        call->argument_count, &o, take_image, e, &err);
    cli_progress_clear(&e->progress);
    return status ? cli_fail(&err) : CLI_DONE;
}

static int embed_texts(embedder *e, const cli_list *texts) {
    sns_error err;
    sns_session *session = NULL;
    float *out = e->rows ? e->rows : malloc(texts->count * e->dim * sizeof *out);
    if (!out) return cli_failf("out of memory");
    int code = CLI_DONE;
    if (sns_session_new(e->model, &session, &err) ||
        sns_encode_texts(session, texts->items, texts->count, out, &err))
        code = cli_fail(&err);
    for (size_t i = 0; i < texts->count && !code && !e->rows; i++)
        print_vector("text", texts->items[i], out + i * e->dim, e->dim);
    sns_session_free(session);
    if (!e->rows) free(out);
    return code;
}

static int embed(embedder *e, const cli_call *call) {
    const values *v = call->values;
    sns_error err;
    int code = cli_load_model(v->model, &e->model);
    if (code) return code;
    e->dim = sns_model_dim(e->model);
    e->total = v->texts.count ? v->texts.count : call->argument_count;
    if (v->output && !(e->rows = calloc(e->total, e->dim * sizeof *e->rows)))
        return cli_failf("out of memory");
    code = v->texts.count ? embed_texts(e, &v->texts) : embed_files(e, call);
    if (!code && v->output && sns_vectors_save(v->output, e->rows, e->total, e->dim, &err))
        code = cli_fail(&err);
    return code ? code : e->failed ? CLI_FAILED : CLI_DONE;
}

static int run(const cli_call *call) {
    const values *v = call->values;
    embedder e = {0};
    if (!v->texts.count == !call->argument_count)
        return cli_usage(call, "give either --text or files");
    int code = embed(&e, call);
    free(e.rows);
    sns_model_free(e.model);
    return code;
}

static const cli_option options[] = {
    CLI_MODEL_OPTION(values, model),
    {'t', "text", CLI_LIST, "S", NULL, "a text to encode, instead of files",
     offsetof(values, texts), 0, 0, NULL},
    {'o', "output", CLI_STRING, "FILE", NULL,
     "write a NumPy array (.npy, float32, one row each) instead of printing JSON",
     offsetof(values, output), 0, 0, NULL},
    {0, "exact", CLI_FLAG, NULL, NULL, "decode every picture at full size before scaling",
     offsetof(values, exact), 0, 0, NULL},
};

const cli_command cli_embed = {
    .arguments = "[FILE...]",
    .description =
        "Turn pictures, or recordings for a model that hears, or texts into vectors of length 1. "
        "Without --output, one JSON object a "
        "line: "
        "path or text, and vector. With it, the row of an unreadable picture is NaN, so that rows "
        "stay in the order of the files.",
    .examples = "sensus embed --text \"a dog\" --text \"a cat\" -o words.npy\n"
                "sensus embed -o pictures.npy *.jpg",
    .table = {options, sizeof options / sizeof *options, sizeof(values)},
    .min_arguments = 0,
    .max_arguments = SIZE_MAX,
    .decodes = true,
    .run = run,
};
