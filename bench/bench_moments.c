/* bench_moments.c - a search of films: bench_moments FILE MOMENTS makes a catalog of films with 300
 * samples and 200 windows of sound each, vectors as noise lies, and prints the processor time of a
 * query: of the scan alone, of a search by pictures and sound apart, and joined (catalog_film.c).
 */
#include "base/rng.h"
#include "catalog/catalog_scale.h"
#include "catalog/vector_scan.h"
#include "kernel/kernel.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { DIM = 512, SAMPLES = 300, FILM = 500, QUERIES = 8, NEAREST = 10, ROUNDS = 3 };

static void noise(uint64_t number, float *row) {
    sns_rng rng;
    sns_rng_seed_at(&rng, 1, number, 0);
    for (size_t i = 0; i < DIM; i++) row[i] = (float)sns_rng_normal(&rng);
    sns_kernels_get()->scale(row, 1 / (float)sqrt(sns_kernels_get()->sum_squares(row, DIM)), DIM);
}

/* Moment number i of all; *item: of its film, 0: this is the first. */
static sns_status add_moment(sns_catalog *c, sqlite3_stmt *s, size_t i, int64_t *item,
                             sns_error *err) {
    float row[DIM];
    char sql[200];
    int64_t id;
    size_t k = i % FILM;
    double at = k < SAMPLES ? (double)k : (double)(k - SAMPLES) * SAMPLES / (FILM - SAMPLES);
    double length = k < SAMPLES ? 1 : (double)SAMPLES / (FILM - SAMPLES);
    noise(i, row);
    sns_status status = sns_slots_add(c, row, &id, err);
    if (!status && k == 0) {
        *item = id;
        snprintf(sql, sizeof sql,
                 "INSERT INTO vectors VALUES(%lld, '%lld');"
                 "INSERT INTO files VALUES('/films/%lld.mp4', 1, 1, %lld, NULL)",
                 (long long)id, (long long)id, (long long)id, (long long)id);
        status = sns_store_exec(c, sql, err);
    }
    if (status) return status;
    sqlite3_bind_int64(s, 1, id);
    sqlite3_bind_int64(s, 2, *item);
    sqlite3_bind_double(s, 3, at);
    sqlite3_bind_double(s, 4, at + length);
    sqlite3_bind_int(s, 5, k < SAMPLES ? 0 : -1);
    if (sqlite3_step(s) != SQLITE_DONE) status = sns_store_fail(c, err);
    sqlite3_reset(s);
    return status;
}

static sns_status make(sns_catalog *c, size_t n, sns_error *err) {
    sqlite3_stmt *s = NULL;
    int64_t item = 0;
    sns_status status = sns_catalog_rebuild(c, err);
    if (!status) status = sns_store_exec(c, "BEGIN", err);
    if (!status) status = sns_store_write_number(c, "dim", DIM, err);
    if (!status) status = sns_store_load_meta(c, err);
    if (!status)
        status = sns_store_prepare(c, "INSERT INTO moments VALUES(?1, ?2, ?3, ?4, ?3, 0, ?5)", &s,
                                   err);
    for (size_t i = 0; i < n && !status; i++) status = add_moment(c, s, i, &item, err);
    sqlite3_finalize(s);
    if (!status) status = sns_slots_commit(c, err);
    return status ? status : sns_store_exec(c, "COMMIT", err);
}

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static sns_status scan(sns_catalog *c, const float *query, sns_error *err) {
    sns_near_list near = {0};
    sns_status status = sns_slots_begin(c, err);
    if (!status) status = sns_vector_scan(&c->mapped, NULL, query, 1, NEAREST, &near, err);
    sns_near_list_free(&near);
    sns_slots_end(c);
    return status;
}

static sns_status search(sns_catalog *c, const float *query, sns_error *err) {
    sns_hits hits;
    sns_status status = sns_catalog_search(c, query, DIM, NEAREST, &hits, err);
    if (!status) sns_hits_free(&hits);
    return status;
}

/* Milliseconds of a query, the least of some rounds. */
static sns_status measure(sns_catalog *c,
                          sns_status (*run)(sns_catalog *, const float *, sns_error *), double *ms,
                          sns_error *err) {
    float query[DIM];
    sns_status status = SNS_OK;
    *ms = INFINITY;
    for (int r = 0; r < ROUNDS && !status; r++) {
        double begin = now_ms();
        for (uint64_t q = 0; q < QUERIES && !status; q++) {
            noise((uint64_t)1 << 40 | q, query);
            status = run(c, query, err);
        }
        *ms = fmin(*ms, (now_ms() - begin) / QUERIES);
    }
    return status;
}

static sns_status bench(const char *file, size_t n, sns_error *err) {
    static const char joined[] =
        "INSERT INTO meta VALUES('picture_mean', '0'), ('picture_deviation', '0.044'),"
        " ('sound_mean', '0'), ('sound_deviation', '0.044')";
    sns_catalog *c = NULL;
    double alone, apart, both;
    sns_status status = sns_catalog_open(file, SNS_CATALOG_WRITE, &c, err);
    if (!status) status = make(c, n, err);
    if (!status) status = measure(c, scan, &alone, err);
    if (!status) status = measure(c, search, &apart, err);
    if (!status) status = sns_store_exec(c, joined, err);
    if (!status) status = measure(c, search, &both, err);
    if (!status)
        printf("%zu moments, ms of a processor a query: scan %.2f, apart %.2f, joined %.2f\n", n,
               alone, apart, both);
    sns_catalog_close(c);
    return status;
}

int main(int argc, char **argv) {
    sns_error err = {0};
    size_t n = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    if (n < FILM) {
        fprintf(stderr, "usage: bench_moments FILE MOMENTS (at least %d)\n", FILM);
        return 2;
    }
    if (!bench(argv[1], n, &err)) return 0;
    fprintf(stderr, "bench_moments: %s\n", err.message);
    return 1;
}
