/* test_vector_scan.c - the mapped vectors, and the scan in 8 bits beside one in f32: the same
 * answers on all kinds of vectors, also on those that rounding treats worst. */
#include "catalog/vector_scan.h"
#include "base/rng.h"
#include "kernel/kernel.h"
#include <fcntl.h>
#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { GENERATION = 3 };

/* A temporary folder with one pair of files in it. */
typedef struct place {
    char root[64], base[96];
    size_t dim, count;
    float *rows;
} place;

typedef void filler(sns_rng *rng, float *row, size_t dim, size_t i);

static void normalise(float *row, size_t dim) {
    float length = sqrtf((float)sns_kernels_get()->sum_squares(row, dim));
    sns_kernels_get()->scale(row, 1 / length, dim);
}

static void spread(sns_rng *rng, float *row, size_t dim, size_t i) {
    (void)i;
    for (size_t k = 0; k < dim; k++) row[k] = (float)sns_rng_normal(rng);
}

/* As models make them: in groups, with one number much larger than all others. */
static void grouped(sns_rng *rng, float *row, size_t dim, size_t i) {
    sns_rng centre;
    sns_rng_seed(&centre, i % 20);
    for (size_t k = 0; k < dim; k++)
        row[k] = (float)(sns_rng_normal(&centre) + 0.3 * sns_rng_normal(rng));
    row[dim / 2] = 8;
}

/* All but one number become 0 in 8 bits, and differ in nothing but these. */
static void one_large(sns_rng *rng, float *row, size_t dim, size_t i) {
    (void)i;
    for (size_t k = 0; k < dim; k++) row[k] = (float)(0.0005 * sns_rng_normal(rng));
    row[0] = 1;
}

static void few_values(sns_rng *rng, float *row, size_t dim, size_t i) {
    (void)i;
    for (size_t k = 0; k < dim; k++) row[k] = (float)sns_rng_below(rng, 2);
    row[0] = 1;
}

static void place_open(place *p, size_t dim, size_t count, filler *fill) {
    sns_error err = {0};
    sns_vector_file v;
    sns_rng rng;
    sns_rng_seed(&rng, 5);
    *p = (place){.dim = dim, .count = count, .rows = malloc((count + 1) * dim * sizeof(float))};
    snprintf(p->root, sizeof p->root, "/tmp/sns_vectors_XXXXXX");
    assert_non_null(mkdtemp(p->root));
    snprintf(p->base, sizeof p->base, "%s/c.db", p->root);
    for (size_t i = 0; i < count; i++) {
        fill(&rng, p->rows + i * dim, dim, i);
        normalise(p->rows + i * dim, dim);
    }
    assert_int_equal(sns_vector_file_write(&v, p->base, GENERATION, dim, 0, &err), SNS_OK);
    for (size_t done = 0, n = 1; done < count; done += n, n = 1 + (n * 7) % 300) {
        if (n > count - done) n = count - done;
        assert_int_equal(sns_vector_file_append(&v, p->rows + done * dim, n, &err), SNS_OK);
    }
    assert_int_equal(sns_vector_file_sync(&v, &err), SNS_OK);
    sns_vector_file_close(&v);
}

static void place_read(const place *p, sns_vector_file *v) {
    sns_error err = {0};
    if (sns_vector_file_read(v, p->base, GENERATION, p->dim, p->count, &err))
        fail_msg("%s", err.message);
}

static void place_close(place *p) {
    sns_vector_file_delete(p->base, GENERATION);
    assert_int_equal(rmdir(p->root), 0);
    free(p->rows);
}

static int by_score(const void *a, const void *b) {
    const sns_near *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return x->slot < y->slot ? -1 : 1;
}

/* All rows in f32, sorted. */
static sns_near *rank_all(const place *p, const float *query, const uint64_t *removed,
                          size_t *count) {
    sns_near *all = malloc((p->count + 1) * sizeof *all);
    *count = 0;
    for (size_t i = 0; i < p->count; i++) {
        if (removed && removed[i / 64] >> i % 64 & 1) continue;
        all[*count].slot = (uint32_t)i;
        sns_kernels_get()->dot_rows(&all[(*count)++].score, query, p->rows + i * p->dim, 1, p->dim);
    }
    qsort(all, *count, sizeof *all, by_score);
    return all;
}

static void check_list(const place *p, const float *query, const uint64_t *removed, size_t n,
                       const sns_near_list *list) {
    size_t count;
    sns_near *all = rank_all(p, query, removed, &count);
    assert_true(list->count >= n || list->count == count);
    for (size_t i = 0; i < list->count; i++) {
        assert_int_equal(list->items[i].slot, all[i].slot);
        assert_true(list->items[i].score == all[i].score);
    }
    if (list->count < count && list->count)
        assert_true(all[list->count].score < all[list->count - 1].score);
    free(all);
}

static void check_kind(size_t dim, size_t count, filler *fill) {
    enum { Q = 5 };
    sns_error err = {0};
    sns_vector_file v;
    sns_near_list lists[Q];
    sns_rng rng;
    place p;
    place_open(&p, dim, count, fill);
    place_read(&p, &v);
    float *queries = malloc(Q * dim * sizeof *queries);
    sns_rng_seed(&rng, 77);
    for (size_t q = 0; q < Q; q++) {
        fill(&rng, queries + q * dim, dim, q);
        normalise(queries + q * dim, dim);
    }
    memcpy(queries, p.rows + (count / 2) * dim, dim * sizeof *queries); /* one that is there */
    for (size_t n = 1; n <= 2 * count; n = 4 * n + 3) {
        for (int threads = 1; threads <= 2; threads++) {
            omp_set_num_threads(threads);
            if (sns_vector_scan(&v, NULL, queries, Q, n, lists, &err)) fail_msg("%s", err.message);
            for (size_t q = 0; q < Q; q++) {
                check_list(&p, queries + q * dim, NULL, n, &lists[q]);
                sns_near_list_free(&lists[q]);
            }
        }
    }
    free(queries);
    sns_vector_file_close(&v);
    place_close(&p);
}

static void answers_are_those_of_f32(void **state) {
    (void)state;
    static filler *const kinds[] = {spread, grouped, one_large, few_values};
    static const size_t dims[] = {1, 7, 64, 100, 512, 2048};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (size_t d = 0; d < sizeof dims / sizeof *dims; d++)
            check_kind(dims[d], dims[d] > 512 ? 300 : dims[d] < 64 ? 33001 : 9001, kinds[k]);
}

static void removed_slots_are_passed_over(void **state) {
    (void)state;
    sns_error err = {0};
    sns_vector_file v;
    sns_near_list list;
    place p;
    place_open(&p, 48, 1000, grouped);
    place_read(&p, &v);
    uint64_t removed[1000 / 64 + 1] = {0};
    for (size_t i = 0; i < 1000; i += 3) removed[i / 64] |= (uint64_t)1 << i % 64;
    assert_int_equal(sns_vector_scan(&v, removed, p.rows, 1, 20, &list, &err), SNS_OK);
    check_list(&p, p.rows, removed, 20, &list);
    sns_near_list_free(&list);
    memset(removed, 0xff, sizeof removed);
    assert_int_equal(sns_vector_scan(&v, removed, p.rows, 1, 20, &list, &err), SNS_OK);
    assert_int_equal(list.count, 0);
    sns_near_list_free(&list);
    sns_vector_file_close(&v);
    place_close(&p);
}

/* Flip a bit of the file at `offset` from its end. */
static void flip(const char *path, long from_end) {
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, from_end, SEEK_END), 0);
    int c = fgetc(f);
    assert_int_equal(fseek(f, from_end, SEEK_END), 0);
    fputc(c ^ 1, f);
    assert_int_equal(fclose(f), 0);
}

static void damage_is_found(void **state) {
    (void)state;
    sns_error err = {0};
    sns_vector_file v;
    sns_near_list list;
    place p;
    char rows[128], codes[128];
    place_open(&p, 64, 512, spread);
    snprintf(rows, sizeof rows, "%s-vectors-%d", p.base, GENERATION);
    snprintf(codes, sizeof codes, "%s-codes-%d", p.base, GENERATION);
    place_read(&p, &v);
    assert_int_equal(sns_vector_file_check_all(&v, &err), SNS_OK);
    flip(rows, -1);
    assert_int_equal(sns_vector_file_check_all(&v, &err), SNS_FORMAT);
    assert_non_null(strstr(err.message, "vector 511 is damaged"));
    const float *last = p.rows + 511 * 64;
    assert_int_equal(sns_vector_scan(&v, NULL, last, 1, 1, &list, &err), SNS_FORMAT);
    sns_near_list_free(&list);
    flip(rows, -1);
    flip(codes, -1);
    assert_int_equal(sns_vector_file_check_all(&v, &err), SNS_FORMAT);
    assert_non_null(strstr(err.message, "code 511 is damaged"));
    flip(codes, -1);
    assert_int_equal(sns_vector_file_check_all(&v, &err), SNS_OK);
    sns_vector_file_close(&v);
    const char *const paths[] = {rows, codes};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(truncate(paths[i], 20), 0);
        assert_int_equal(sns_vector_file_read(&v, p.base, GENERATION, 64, 512, &err), SNS_FORMAT);
        assert_int_equal(sns_vector_file_write(&v, p.base, GENERATION, 64, 512, &err), SNS_FORMAT);
        assert_int_equal(truncate(paths[i], 400000), 0);
        assert_int_equal(sns_vector_file_read(&v, p.base, GENERATION, 64, 512, &err), SNS_FORMAT);
    }
    assert_int_equal(sns_vector_file_read(&v, p.base, 9, 64, 512, &err), SNS_MISSING);
    assert_int_equal(sns_vector_file_write(&v, p.base, 9, 64, 512, &err), SNS_FORMAT);
    place_close(&p);
}

static void what_was_not_committed_is_written_over(void **state) {
    (void)state;
    sns_error err = {0};
    sns_vector_file v;
    place p;
    place_open(&p, 16, 700, spread);
    assert_int_equal(sns_vector_file_write(&v, p.base, GENERATION, 16, 300, &err), SNS_OK);
    for (size_t i = 300; i < 700; i++)
        memcpy(p.rows + i * 16, p.rows + (i - 300) * 16, 16 * sizeof(float));
    assert_int_equal(sns_vector_file_append(&v, p.rows + 300 * 16, 400, &err), SNS_OK);
    sns_vector_file_close(&v);
    place_read(&p, &v);
    assert_int_equal(sns_vector_file_check_all(&v, &err), SNS_OK);
    for (size_t i = 0; i < 700; i++)
        assert_memory_equal(sns_vector_file_row(&v, i), p.rows + i * 16, 16 * sizeof(float));
    sns_vector_file_close(&v);
    place_close(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_those_of_f32),
        cmocka_unit_test(removed_slots_are_passed_over),
        cmocka_unit_test(damage_is_found),
        cmocka_unit_test(what_was_not_committed_is_written_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
