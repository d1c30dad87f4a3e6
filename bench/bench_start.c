/* bench_start.c - where the time goes between the start of a process and its first vector.
 *
 *   bench_start MODEL      prints milliseconds of the clock and of this thread's processor time for
 *                          each step, then the peak resident set; one thread (OMP_NUM_THREADS=1)
 *                          says most
 *
 * Run it many times and take medians: every step happens once in a process. */
#include "embed/model_internal.h"
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

typedef struct moment {
    double wall, processor;
} moment;

static double ms(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static moment now(void) {
    return (moment){ms(CLOCK_MONOTONIC), ms(CLOCK_THREAD_CPUTIME_ID)};
}

/* One line: what took place since *since, which moves on. */
static void step(const char *what, moment *since) {
    moment t = now();
    printf("%-12s %8.2f ms %8.2f ms of processor time\n", what, t.wall - since->wall,
           t.processor - since->processor);
    *since = now();
}

static sns_status run(const char *dir, sns_error *err) {
    static const char *const text = "a dog on a beach";
    sns_model *m = NULL;
    sns_session *session = NULL;
    moment t = {ms(CLOCK_MONOTONIC), 0};
    step("before main", &(moment){t.wall, 0});
    t = now();
    sns_status s = sns_model_load(dir, &m, err);
    step("load", &t);
    if (!s) s = sns_session_new(m, &session, err);
    if (!s) s = sns_model_ready(m, SNS_TOWER_TEXT, err);
    step("pack texts", &t);
    float *out = s ? NULL : malloc(sns_model_dim(m) * sizeof *out);
    for (int i = 0; i < 2 && !s && out; i++) {
        s = sns_encode_texts(session, &text, 1, out, err);
        step(i ? "next text" : "first text", &t);
    }
    if (!s) s = sns_model_ready(m, SNS_TOWER_IMAGE, err);
    step("pack images", &t);
    free(out);
    sns_session_free(session);
    sns_model_free(m);
    return s;
}

int main(int argc, char **argv) {
    struct rusage use;
    sns_error err;
    if (argc != 2) {
        fprintf(stderr, "usage: bench_start MODEL\n");
        return 2;
    }
    if (run(argv[1], &err)) {
        fprintf(stderr, "bench_start: %s\n", err.message);
        return 1;
    }
    getrusage(RUSAGE_SELF, &use);
    printf("%-12s %8ld KiB at most\n", "memory", use.ru_maxrss);
    return 0;
}
