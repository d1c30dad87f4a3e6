/* bench_film.c - a film to vectors, in turn with a peer (bench_turns.h).
 *
 *   bench_film MODEL_DIR FILM THREADS     samples once a second and at cuts, THREADS decode
 *
 * Uses the public interface only, as `sensus moments --fast` does: the film is decoded in a process
 * of its own, its samples are encoded as they come. */
#include "bench_turns.h"
#include <sensus/ground.h>

typedef struct work {
    sns_model *model;
    sns_classifier *cohort;
    sns_isolation *isolation;
    const char *path;
    size_t threads;
    sns_film *film;
} work;

static bool read_film(void *user) {
    work *w = user;
    sns_error err;
    const sns_film_options o = {
        .every = 1, .fast = 1, .threads = w->threads, .isolation = w->isolation};
    sns_film_free(w->film);
    if (!sns_film_read(w->model, w->cohort, w->path, &o, &w->film, &err)) return true;
    fprintf(stderr, "bench_film: %s\n", err.message);
    return false;
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    work w = {.path = argv[2], .threads = strtoul(argv[3], NULL, 10)};
    sns_error err = {0};
    int code = 1;
    if (sns_isolation_new(&w.isolation, &err) || sns_model_load(argv[1], &w.model, &err) ||
        sns_cohort_new(w.model, NULL, 0, &w.cohort, &err)) {
        fprintf(stderr, "bench_film: %s\n", err.message);
    } else if (read_film(&w)) {
        /* Every reading gives as many samples; the vectors are the last one's. */
        size_t n = sns_film_count(w.film), floats = n * sns_model_dim(w.model);
        float *copy = malloc(floats * sizeof *copy);
        if (copy) {
            memcpy(copy, sns_film_vectors(w.film), floats * sizeof *copy);
            const bench_turns turns = {read_film, &w, copy, floats};
            code = bench_turns_serve(&turns, 0);
        }
        free(copy);
    }
    sns_film_free(w.film);
    sns_classifier_free(w.cohort);
    sns_model_free(w.model);
    sns_isolation_free(w.isolation);
    return code;
}
