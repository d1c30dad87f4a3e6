/* bench_pipeline.c - picture files to vectors, in turn with a peer (bench_turns.h).
 *
 *   bench_pipeline MODEL_DIR FILE N     FILE is read, decoded and encoded N times in each run
 *
 * Uses the public interface only. */
#include "bench_turns.h"
#include <sensus/embed.h>

typedef struct work {
    sns_model *model;
    const char **paths;
    size_t N, dim;
    float *out;
} work;

static sns_status take(void *user, const sns_embed_result *r) {
    work *w = user;
    if (r->status) {
        fprintf(stderr, "bench_pipeline: %s\n", r->message);
        return r->status;
    }
    memcpy(w->out + r->index * w->dim, r->vector, w->dim * sizeof(float));
    return SNS_OK;
}

static bool embed(void *user) {
    work *w = user;
    sns_error err;
    if (!sns_embed_files(w->model, w->paths, w->N, NULL, take, w, &err)) return true;
    fprintf(stderr, "bench_pipeline: %s\n", err.message);
    return false;
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    work w = {.N = strtoul(argv[3], NULL, 10)};
    sns_error err = {0};
    int code = 1;
    if (sns_model_load(argv[1], &w.model, &err)) {
        fprintf(stderr, "bench_pipeline: %s\n", err.message);
        return 1;
    }
    w.dim = sns_model_dim(w.model);
    w.paths = calloc(w.N, sizeof *w.paths);
    w.out = calloc(w.N * w.dim, sizeof *w.out);
    if (w.N && w.paths && w.out) {
        for (size_t i = 0; i < w.N; i++) w.paths[i] = argv[2];
        const bench_turns turns = {embed, &w, w.out, w.N * w.dim};
        code = bench_turns_serve(&turns, 1);
    }
    sns_model_free(w.model);
    free(w.paths);
    free(w.out);
    return code;
}
