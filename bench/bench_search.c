/* bench_search.c - the exact search of a catalog's vectors, in turn with peers (bench_turns.h).
 *
 *   bench_search make    BASE N DIM     N vectors in groups, and 64 queries BASE-queries.f32
 *   bench_search make    BASE N MODEL   N texts of random letters as MODEL encodes them, and
 * queries bench_search catalog FILE N MODEL   a catalog of N files that are not there, with such
 * vectors bench_search scan    BASE N DIM Q   the 10 nearest of Q queries; the result is their
 * slots bench_search whole   BASE N DIM Q   the same by comparing every vector in f32 bench_search
 * read    BASE N DIM Q   reading the bytes that scan reads, and nothing else
 *
 * Groups: as embeddings lie, not as noise does: 2000 centres, noise of 64 dimensions and a little
 * of all. The files are those of a catalog; rows start at byte 4096 of BASE-vectors-0. */
#include "bench_turns.h"
#include "base/rng.h"
#include "catalog/slots.h"
#include "catalog/vector_scan.h"
#include "kernel/kernel.h"
#include <math.h>
#include <omp.h>
#include <sensus/model.h>

enum { QUERIES = 64, NEAREST = 10, GROUPS = 2000, PLANE = 64, PART = 8192 };

/* ---- vectors ---- */

typedef struct source {
    size_t dim;
    float *centres, *plane; /* [GROUPS, dim], [PLANE, dim] */
    sns_model *model;       /* instead of these */
} source;

static void fill_normal(float *x, size_t n, float scale, uint64_t stream) {
    sns_rng rng;
    sns_rng_seed_at(&rng, 1, stream, 0);
    for (size_t i = 0; i < n; i++) x[i] = scale * (float)sns_rng_normal(&rng);
}

static void grouped_row(const source *s, size_t number, float *row) {
    const sns_kernels *k = sns_kernels_get();
    sns_rng rng;
    sns_rng_seed_at(&rng, 2, number, 0);
    const float *centre = s->centres + sns_rng_below(&rng, GROUPS) * s->dim;
    for (size_t i = 0; i < s->dim; i++)
        row[i] = 0.5f * centre[i] + 0.15f * (float)sns_rng_normal(&rng);
    for (size_t p = 0; p < PLANE; p++)
        k->axpy(row, (float)sns_rng_normal(&rng), s->plane + p * s->dim, s->dim);
    k->scale(row, 1 / (float)sqrt(k->sum_squares(row, s->dim)), s->dim);
}

static bool grouped_rows(const source *s, size_t first, size_t n, float *rows) {
#pragma omp parallel for
    for (size_t i = 0; i < n; i++) grouped_row(s, first + i, rows + i * s->dim);
    return true;
}

/* Two to six random words of three to eight letters. */
static void random_text(size_t number, char *out, size_t room) {
    static const char letters[] = "aaabcdeeeefghiiklmnnooopqrrssttuuvwxyz";
    sns_rng rng;
    size_t n = 0;
    sns_rng_seed_at(&rng, 3, number, 0);
    for (size_t words = 2 + sns_rng_below(&rng, 5); words; words--) {
        for (size_t k = 3 + sns_rng_below(&rng, 6); k && n + 2 < room; k--)
            out[n++] = letters[sns_rng_below(&rng, sizeof letters - 1)];
        if (words > 1) out[n++] = ' ';
    }
    out[n] = 0;
}

static bool encoded_rows(const source *s, size_t first, size_t n, float *rows) {
    enum { BATCH = 256, ROOM = 80 };
    static char texts[BATCH][ROOM];
    const char *list[BATCH];
    sns_session *session;
    sns_error err = {0};
    bool ok = !sns_session_new(s->model, &session, &err);
    for (size_t done = 0; done < n && ok; done += BATCH) {
        size_t part = n - done < BATCH ? n - done : BATCH;
        for (size_t i = 0; i < part; i++) {
            random_text(first + done + i, texts[i], ROOM);
            list[i] = texts[i];
        }
        ok = !sns_encode_texts(session, list, part, rows + done * s->dim, &err);
    }
    if (!ok) fprintf(stderr, "bench_search: %s\n", err.message);
    sns_session_free(session);
    return ok;
}

static bool some_rows(const source *s, size_t first, size_t n, float *rows) {
    return s->model ? encoded_rows(s, first, n, rows) : grouped_rows(s, first, n, rows);
}

static bool save(const char *base, const float *x, size_t n) {
    char path[4096];
    snprintf(path, sizeof path, "%s-queries.f32", base);
    FILE *f = fopen(path, "wb");
    bool ok = f && fwrite(x, sizeof *x, n, f) == n;
    return f && !fclose(f) && ok;
}

static int make(const char *base, size_t N, const source *s) {
    sns_error err = {0};
    sns_vector_file v;
    float *rows = malloc(PART * s->dim * sizeof *rows);
    if (!rows) return 1;
    sns_status status = sns_vector_file_write(&v, base, 0, s->dim, 0, &err);
    for (size_t done = 0; done < N && !status; done += PART) {
        size_t n = N - done < PART ? N - done : PART;
        if (!some_rows(s, done, n, rows)) return 1;
        status = sns_vector_file_append(&v, rows, n, &err);
    }
    bool ok = some_rows(s, N, QUERIES, rows) && save(base, rows, QUERIES * s->dim);
    sns_vector_file_close(&v);
    free(rows);
    if (status) fprintf(stderr, "bench_search: %s\n", err.message);
    return status || !ok;
}

static int make_grouped(const char *base, size_t N, size_t dim) {
    source s = {.dim = dim};
    s.centres = malloc(GROUPS * dim * sizeof(float));
    s.plane = malloc(PLANE * dim * sizeof(float));
    if (!s.centres || !s.plane) return 1;
    fill_normal(s.centres, GROUPS * dim, 1, 0);
    fill_normal(s.plane, PLANE * dim, 0.125f, 1);
    int code = make(base, N, &s);
    free(s.centres);
    free(s.plane);
    return code;
}

static int make_encoded(const char *base, size_t N, const char *dir) {
    sns_error err = {0};
    source s = {0};
    if (sns_model_load(dir, &s.model, &err)) {
        fprintf(stderr, "bench_search: %s\n", err.message);
        return 1;
    }
    s.dim = sns_model_dim(s.model);
    int code = make(base, N, &s);
    sns_model_free(s.model);
    return code;
}

/* Rows of the tables of a catalog, and their vectors, in one transaction. */
static sns_status fill_catalog(sns_catalog *c, size_t N, const source *s, const char *dir,
                               sns_error *err) {
    sqlite3_stmt *content = NULL, *file = NULL;
    float *rows = malloc(PART * s->dim * sizeof *rows);
    sns_status status = rows ? sns_store_exec(c, "BEGIN IMMEDIATE", err) : SNS_NOMEM;
    if (!status) status = sns_store_set_model(c, s->model, dir, err);
    if (!status) status = sns_store_prepare(c, "INSERT INTO vectors VALUES(?, ?)", &content, err);
    if (!status)
        status = sns_store_prepare(c, "INSERT INTO files VALUES(?, 1, 1, ?, NULL)", &file, err);
    for (size_t i = 0; i < N && !status; i++) {
        int64_t id;
        char path[64];
        if (i % PART == 0 && !some_rows(s, i, N - i < PART ? N - i : PART, rows)) break;
        if ((status = sns_slots_add(c, rows + i % PART * s->dim, &id, err))) break;
        sqlite3_bind_int64(content, 1, id);
        sqlite3_bind_blob(content, 2, &id, sizeof id, SQLITE_TRANSIENT);
        snprintf(path, sizeof path, "/pictures/%07zu.jpg", i);
        sqlite3_bind_text(file, 1, path, -1, SQLITE_TRANSIENT);
        sqlite3_bind_int64(file, 2, id);
        if (sqlite3_step(content) != SQLITE_DONE || sqlite3_step(file) != SQLITE_DONE)
            status = sns_store_fail(c, err);
        sqlite3_reset(content);
        sqlite3_reset(file);
    }
    sqlite3_finalize(content);
    sqlite3_finalize(file);
    free(rows);
    if (!status) status = sns_slots_commit(c, err);
    return status ? status : sns_store_exec(c, "COMMIT", err);
}

static int make_catalog(const char *path, size_t N, const char *dir) {
    sns_error err = {0};
    sns_catalog *c = NULL;
    source s = {0};
    sns_status status = sns_model_load(dir, &s.model, &err);
    if (!status) status = sns_catalog_open(path, SNS_CATALOG_WRITE, &c, &err);
    if (!status) status = sns_catalog_rebuild(c, &err);
    if (!status) {
        s.dim = sns_model_dim(s.model);
        status = fill_catalog(c, N, &s, dir, &err);
    }
    if (status) fprintf(stderr, "bench_search: %s\n", err.message);
    sns_catalog_close(c);
    sns_model_free(s.model);
    return status != SNS_OK;
}

/* ---- searching ---- */

typedef struct searching {
    sns_vector_file v;
    float *queries, *scores;
    size_t Q;
    float slots[QUERIES * NEAREST];
    volatile uint64_t sum;
} searching;

static bool run_scan(void *user) {
    searching *s = user;
    sns_near_list lists[QUERIES];
    sns_error err = {0};
    if (sns_vector_scan(&s->v, NULL, s->queries, s->Q, NEAREST, lists, &err)) {
        fprintf(stderr, "bench_search: %s\n", err.message);
        return false;
    }
    for (size_t q = 0; q < s->Q; q++) {
        for (size_t i = 0; i < NEAREST; i++)
            s->slots[q * NEAREST + i] = (float)lists[q].items[i].slot;
        sns_near_list_free(&lists[q]);
    }
    return true;
}

/* The highest of all scores, one after the other. */
static void pick(const float *scores, size_t n, float *slots) {
    size_t best[NEAREST], held = 0;
    for (size_t i = 0; i < n; i++) {
        if (held == NEAREST && scores[i] <= scores[best[NEAREST - 1]]) continue;
        size_t at = held < NEAREST ? held++ : NEAREST - 1;
        for (; at && scores[best[at - 1]] < scores[i]; at--) best[at] = best[at - 1];
        best[at] = i;
    }
    for (size_t i = 0; i < held; i++) slots[i] = (float)best[i];
}

static bool run_whole(void *user) {
    searching *s = user;
    const float *rows = sns_vector_file_row(&s->v, 0);
    size_t parts = (s->v.count + PART - 1) / PART;
    for (size_t q = 0; q < s->Q; q++) {
#pragma omp parallel for
        for (size_t p = 0; p < parts; p++) {
            size_t first = p * PART, n = s->v.count - first < PART ? s->v.count - first : PART;
            sns_kernels_get()->dot_rows(s->scores + first, s->queries + q * s->v.dim,
                                        rows + first * s->v.dim, n, s->v.dim);
        }
        pick(s->scores, s->v.count, s->slots + q * NEAREST);
    }
    return true;
}

static bool run_read(void *user) {
    searching *s = user;
    const uint64_t *words = (const uint64_t *)(const void *)s->v.codes.data;
    size_t n = s->v.codes.size / sizeof *words;
    uint64_t sum = 0;
#pragma omp parallel for reduction(+ : sum) schedule(static)
    for (size_t i = 0; i < n; i++) sum += words[i];
    s->sum = sum;
    return true;
}

static int serve(bool (*run)(void *), const char *base, size_t N, size_t dim, size_t Q) {
    static searching s;
    sns_error err = {0};
    char path[4096];
    s.Q = Q < QUERIES ? Q : QUERIES;
    s.queries = malloc(QUERIES * dim * sizeof(float));
    s.scores = malloc(N * sizeof(float));
    snprintf(path, sizeof path, "%s-queries.f32", base);
    FILE *f = fopen(path, "rb");
    bool ok = s.queries && s.scores && f && fread(s.queries, dim * sizeof(float), QUERIES, f);
    if (f) fclose(f);
    if (sns_vector_file_read(&s.v, base, 0, dim, N, &err))
        fprintf(stderr, "bench_search: %s\n", err.message), ok = false;
    const bench_turns turns = {run, &s, run == run_read ? NULL : s.slots, s.Q * NEAREST};
    int code = ok ? bench_turns_serve(&turns, 2) : 1;
    sns_vector_file_close(&s.v);
    free(s.queries);
    free(s.scores);
    return code;
}

int main(int argc, char **argv) {
    if (argc < 5) return 2;
    size_t N = strtoul(argv[3], NULL, 10), dim = strtoul(argv[4], NULL, 10);
    if (!strcmp(argv[1], "make"))
        return dim ? make_grouped(argv[2], N, dim) : make_encoded(argv[2], N, argv[4]);
    if (!strcmp(argv[1], "catalog")) return make_catalog(argv[2], N, argv[4]);
    size_t Q = argc > 5 ? strtoul(argv[5], NULL, 10) : 1;
    bool (*run)(void *) = !strcmp(argv[1], "scan")    ? run_scan
                          : !strcmp(argv[1], "whole") ? run_whole
                          : !strcmp(argv[1], "read")  ? run_read
                                                      : NULL;
    return run ? serve(run, argv[2], N, dim, Q) : 2;
}
