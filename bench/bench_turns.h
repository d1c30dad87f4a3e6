/* bench_turns.h - a benchmark that takes turns with its peer.
 *
 * Both sides are processes that load, warm up and then wait; the driver (bench.py) lets one run,
 * then the other, so that whatever else the machine does meets both. Over standard input and
 * output:
 *   -> "ready"           once, when warm
 *   <- "run N"           -> N times in milliseconds, separated by spaces
 *   <- "save FILE"       -> the newest result as raw floats in FILE; "saved"
 *   <- end of the input  the process ends */
#ifndef BENCH_TURNS_H
#define BENCH_TURNS_H
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct bench_turns {
    bool (*run)(void *user);
    void *user;
    const float *result; /* NULL: nothing to save */
    size_t floats;
} bench_turns;

static inline double bench_now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static inline bool bench_turns_save(const bench_turns *b, const char *path) {
    FILE *f = b->result ? fopen(path, "wb") : NULL;
    if (!f) return false;
    bool ok = fwrite(b->result, sizeof *b->result, b->floats, f) == b->floats;
    return !fclose(f) && ok;
}

/* Serve until the input ends; the exit code. */
static inline int bench_turns_serve(const bench_turns *b, int warm_ups) {
    char line[4096];
    for (int i = 0; i < warm_ups; i++)
        if (!b->run(b->user)) return 1;
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        if (!strncmp(line, "run ", 4)) {
            for (long i = strtol(line + 4, NULL, 10); i > 0; i--) {
                double start = bench_now_ms();
                if (!b->run(b->user)) return 1;
                printf("%.3f%s", bench_now_ms() - start, i > 1 ? " " : "\n");
            }
        } else if (!strncmp(line, "save ", 5) && bench_turns_save(b, line + 5)) {
            printf("saved\n");
        } else
            return 2;
        fflush(stdout);
    }
    return 0;
}
#endif
