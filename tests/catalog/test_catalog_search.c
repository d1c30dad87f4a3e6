/* test_catalog_search.c - opening, exact search, queries. */
#include "catalog_world.h"
#include "catalog/slots.h"
#include "catalog/walk.h"
#include "base/rng.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

static void index_pictures(const catalog_world *w) {
    sns_error err = {0};
    sns_catalog *c;
    const char *path = w->pictures;
    if (sns_catalog_open(w->catalog, SNS_CATALOG_WRITE, &c, &err) ||
        sns_catalog_index(c, w->model, w->model_dir, &path, 1, NULL, NULL, &err))
        fail_msg("%s", err.message);
    sns_catalog_close(c);
}

static void random_unit(sns_rng *rng, float *row, size_t dim) {
    double sum = 0;
    for (size_t k = 0; k < dim; k++) row[k] = (float)sns_rng_normal(rng);
    for (size_t k = 0; k < dim; k++) sum += (double)row[k] * row[k];
    for (size_t k = 0; k < dim; k++) row[k] /= (float)sqrt(sum);
}

static void run(sqlite3_stmt *s) {
    assert_int_equal(sqlite3_step(s), SQLITE_DONE);
    sqlite3_reset(s);
}

/* Rows straight into the tables: `copies` files for each of n random unit vectors of width dim,
 * with a removed one after each. */
static void fill_store(sns_catalog *c, size_t n, size_t dim, size_t copies, float *vectors) {
    sns_rng rng;
    sqlite3_stmt *v, *f, *r;
    int64_t id, other;
    sns_rng_seed(&rng, 5);
    assert_int_equal(sns_store_exec(c, "BEGIN", NULL), SNS_OK);
    sns_store_write_number(c, "dim", dim, NULL);
    assert_int_equal(sns_store_load_meta(c, NULL), SNS_OK);
    sns_store_prepare(c, "INSERT INTO vectors(id, hash) VALUES(?, ?)", &v, NULL);
    sns_store_prepare(c, "INSERT INTO files VALUES(?, 1, 1, ?, NULL)", &f, NULL);
    sns_store_prepare(c, "INSERT INTO removed VALUES(?)", &r, NULL);
    for (size_t i = 0; i < n; i++) {
        random_unit(&rng, vectors + i * dim, dim);
        assert_int_equal(sns_slots_add(c, vectors + i * dim, &id, NULL), SNS_OK);
        assert_int_equal(sns_slots_add(c, vectors, &other, NULL), SNS_OK);
        sqlite3_bind_int64(v, 1, id);
        sqlite3_bind_blob(v, 2, &i, sizeof i, SQLITE_TRANSIENT);
        run(v);
        sqlite3_bind_int64(r, 1, other);
        run(r);
        for (size_t k = 0; k < copies; k++) {
            char path[64];
            snprintf(path, sizeof path, "/p/%zu/%05zu", copies - k, i);
            sqlite3_bind_text(f, 1, path, -1, SQLITE_TRANSIENT);
            sqlite3_bind_int64(f, 2, id);
            run(f);
        }
    }
    sqlite3_finalize(v);
    sqlite3_finalize(f);
    sqlite3_finalize(r);
    assert_int_equal(sns_slots_commit(c, NULL), SNS_OK);
    assert_int_equal(sns_store_exec(c, "COMMIT", NULL), SNS_OK);
}

static void search_is_exact_and_stable(void **state) {
    (void)state;
    enum { N = 777, DIM = 19, COPIES = 3 };
    catalog_world w;
    sns_error err = {0};
    sns_catalog *c;
    sns_hits hits, few;
    float *vectors = calloc(N * DIM, sizeof *vectors);
    world_open(&w);
    assert_int_equal(sns_catalog_open(w.catalog, SNS_CATALOG_WRITE, &c, &err), SNS_OK);
    fill_store(c, N, DIM, COPIES, vectors);
    const float *query = vectors + 100 * DIM;
    assert_int_equal(sns_catalog_search(c, query, DIM, 1 << 20, &hits, &err), SNS_OK);
    assert_int_equal(hits.count, N * COPIES);
    for (size_t i = 0; i < hits.count; i++) {
        size_t id = strtoul(strrchr(hits.items[i].path, '/') + 1, NULL, 10);
        double dot = 0;
        for (size_t k = 0; k < DIM; k++) dot += (double)query[k] * vectors[id * DIM + k];
        assert_true(fabs(dot - hits.items[i].score) < 1e-5);
        if (!i) continue;
        const sns_hit *a = &hits.items[i - 1], *b = &hits.items[i];
        assert_true(a->score > b->score || (a->score == b->score && strcmp(a->path, b->path) < 0));
    }
    assert_string_equal(hits.items[0].path, "/p/1/00100");
    assert_string_equal(hits.items[1].path, "/p/2/00100");
    for (size_t n = 1; n < 40; n++) {
        assert_int_equal(sns_catalog_search(c, query, DIM, n, &few, &err), SNS_OK);
        assert_int_equal(few.count, n);
        for (size_t i = 0; i < n; i++) assert_string_equal(few.items[i].path, hits.items[i].path);
        sns_hits_free(&few);
    }
    sns_hits_free(&hits);
    sns_hits both[2];
    assert_int_equal(sns_catalog_search_batch(c, query, 2, DIM, 4, both, &err), SNS_OK);
    for (size_t q = 0; q < 2; q++) {
        assert_int_equal(sns_catalog_search(c, query + q * DIM, DIM, 4, &few, &err), SNS_OK);
        for (size_t i = 0; i < 4; i++)
            assert_string_equal(both[q].items[i].path, few.items[i].path);
        sns_hits_free(&few);
        sns_hits_free(&both[q]);
    }
    assert_int_equal(sns_catalog_verify(c, &err), SNS_OK);
    assert_int_equal(sns_catalog_search(c, query, DIM, 0, &few, &err), SNS_ARG);
    assert_int_equal(sns_catalog_search(c, query, DIM - 1, 5, &few, &err), SNS_SHAPE);
    sns_catalog_close(c);
    free(vectors);
    world_close(&w);
}

/* Relevance by gaps of ids, copies and all, is what sns_relevance says of the cosines. */
static void relevant_ones_are_the_same_files(void **state) {
    (void)state;
    enum { N = 777, COPIES = 2 };
    catalog_world w;
    sns_error err = {0};
    sns_catalog *c;
    sns_classifier *cohort;
    sns_hits hits;
    world_open(&w);
    size_t dim = sns_model_dim(w.model);
    float *vectors = calloc(N * dim, sizeof *vectors), *s = calloc(N, sizeof *s);
    sns_moments *m = calloc(N, sizeof *m);
    assert_int_equal(sns_cohort_new(w.model, NULL, 0, &cohort, &err), SNS_OK);
    assert_int_equal(sns_catalog_open(w.catalog, SNS_CATALOG_WRITE, &c, &err), SNS_OK);
    fill_store(c, N, dim, COPIES, vectors);
    const float *query = vectors + 100 * dim;
    sns_cohort_moments(cohort, vectors, N, m);
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < dim; k++) s[i] += query[k] * vectors[i * dim + k];
    sns_relevance(s, m, N, s);
    assert_int_equal(
        sns_catalog_search_relevant(c, query, dim, SIZE_MAX, cohort, 0.5f, &hits, &err), SNS_OK);
    size_t expected = 0;
    for (size_t i = 0; i < N; i++) expected += s[i] >= 0.5f ? COPIES : 0;
    assert_true(expected > 10 && expected < N);
    assert_int_equal(hits.count, expected);
    for (size_t i = 0; i < hits.count; i++) {
        size_t id = strtoul(strrchr(hits.items[i].path, '/') + 1, NULL, 10);
        assert_true(fabsf(hits.items[i].relevance - s[id]) < 1e-3f);
        if (i) assert_true(hits.items[i - 1].relevance >= hits.items[i].relevance);
    }
    sns_hits_free(&hits);
    assert_int_equal(sns_catalog_search_relevant(c, query, dim, 5, NULL, 1e6f, &hits, &err),
                     SNS_OK);
    assert_int_equal(hits.count, 0);
    sns_hits_free(&hits);
    assert_int_equal(sns_catalog_search_relevant(c, query, dim + 1, 5, cohort, 0, &hits, &err),
                     SNS_SHAPE);
    sns_catalog_close(c);
    sns_classifier_free(cohort);
    free(vectors);
    free(s);
    free(m);
    world_close(&w);
}

/* The same hits before and after, for the one who compacts and for one who reads meanwhile. */
static void compaction_changes_no_answer(void **state) {
    (void)state;
    enum { N = 1500, DIM = 8, HITS = 50 };
    catalog_world w;
    sns_error err = {0};
    sns_catalog *c, *reader;
    sns_hits before, after;
    float *vectors = calloc(N * DIM, sizeof *vectors);
    world_open(&w);
    assert_int_equal(sns_catalog_open(w.catalog, SNS_CATALOG_WRITE, &c, &err), SNS_OK);
    fill_store(c, N, DIM, 2, vectors);
    assert_int_equal(sns_catalog_open(w.catalog, SNS_CATALOG_READ, &reader, &err), SNS_OK);
    assert_int_equal(sns_catalog_search(reader, vectors, DIM, HITS, &before, &err), SNS_OK);
    assert_int_equal(c->slots, 2 * N);
    if (sns_slots_compact(c, &err)) fail_msg("%s", err.message);
    assert_int_equal(c->slots, N);
    assert_int_equal(c->generation, 1);
    assert_int_equal(access(world_path(&w, "test.db-vectors-0"), F_OK), -1);
    assert_int_equal(access(world_path(&w, "test.db-codes-0"), F_OK), -1);
    if (sns_catalog_verify(c, &err)) fail_msg("%s", err.message);
    sns_catalog *const both[] = {c, reader};
    for (size_t k = 0; k < 2; k++) {
        assert_int_equal(sns_catalog_search(both[k], vectors, DIM, HITS, &after, &err), SNS_OK);
        assert_int_equal(after.count, HITS);
        for (size_t i = 0; i < HITS; i++)
            assert_string_equal(after.items[i].path, before.items[i].path);
        sns_hits_free(&after);
    }
    sns_hits_free(&before);
    assert_int_equal(sns_slots_compact(c, &err), SNS_OK); /* nothing to do */
    assert_int_equal(c->generation, 1);
    assert_int_equal(sns_catalog_rebuild(c, &err), SNS_OK);
    assert_int_equal(sns_catalog_search(reader, vectors, DIM, HITS, &after, &err), SNS_OK);
    assert_int_equal(after.count, 0);
    sns_catalog_close(reader);
    sns_catalog_close(c);
    free(vectors);
    world_close(&w);
}

static void lost_vectors_are_an_error(void **state) {
    (void)state;
    catalog_world w;
    sns_error err = {0};
    sns_catalog *c;
    sns_hits hits;
    float query[16] = {1};
    world_open(&w);
    world_picture(&w, "pictures/1.png", 1);
    index_pictures(&w);
    const char *path = world_path(&w, "test.db-codes-0");
    assert_int_equal(truncate(path, 5000), 0);
    assert_int_equal(sns_catalog_open(w.catalog, SNS_CATALOG_READ, &c, &err), SNS_OK);
    assert_int_equal(sns_catalog_search(c, query, 16, 3, &hits, &err), SNS_FORMAT);
    assert_non_null(strstr(err.message, "too short; index again with --rebuild"));
    assert_int_equal(sns_catalog_verify(c, &err), SNS_FORMAT);
    unlink(path);
    assert_int_equal(sns_catalog_search(c, query, 16, 3, &hits, &err), SNS_FORMAT);
    assert_non_null(strstr(err.message, "test.db: its vectors are gone"));
    sns_catalog_close(c);
    world_picture(&w, "pictures/2.png", 2);
    const char *folder = w.pictures;
    assert_int_equal(sns_catalog_open(w.catalog, SNS_CATALOG_WRITE, &c, &err), SNS_OK);
    assert_int_equal(sns_catalog_index(c, w.model, NULL, &folder, 1, NULL, NULL, &err), SNS_FORMAT);
    assert_non_null(strstr(err.message, "it is missing; index again with --rebuild"));
    assert_int_equal(sns_catalog_rebuild(c, &err), SNS_OK);
    assert_int_equal(sns_catalog_index(c, w.model, NULL, &folder, 1, NULL, NULL, &err), SNS_OK);
    assert_int_equal(sns_catalog_verify(c, &err), SNS_OK);
    sns_catalog_close(c);
    world_close(&w);
}

static void empty_catalogs_have_no_hits(void **state) {
    (void)state;
    catalog_world w;
    sns_error err = {0};
    sns_catalog *c;
    sns_hits hits;
    size_t files = 9;
    float query[16] = {1};
    world_open(&w);
    assert_int_equal(sns_catalog_open(w.catalog, SNS_CATALOG_READ, &c, &err), SNS_MISSING);
    assert_non_null(strstr(err.message, "sensus index"));
    index_pictures(&w);
    assert_int_equal(sns_catalog_open(w.catalog, SNS_CATALOG_READ, &c, &err), SNS_OK);
    assert_int_equal(sns_catalog_search(c, query, 16, 3, &hits, &err), SNS_OK);
    assert_int_equal(hits.count, 0);
    assert_int_equal(sns_catalog_count(c, &files, &err), SNS_OK);
    assert_int_equal(files, 0);
    sns_hits_free(&hits);
    sns_catalog_close(c);
    sns_catalog_close(NULL);
    world_close(&w);
}

static void other_files_are_no_catalogs(void **state) {
    (void)state;
    catalog_world w;
    sns_error err = {0};
    sns_catalog *c;
    sqlite3 *db;
    world_open(&w);
    for (int mode = SNS_CATALOG_READ; mode <= SNS_CATALOG_WRITE; mode++) {
        char junk[5000];
        memset(junk, 'j', sizeof junk);
        junk[sizeof junk - 1] = 0;
        world_text(&w, "text.db", junk);
        const char *path = world_path(&w, "text.db");
        assert_int_equal(sns_catalog_open(path, mode, &c, &err), SNS_FORMAT);
        assert_null(c);
        assert_non_null(strstr(err.message, "text.db: not a catalog"));
        const char *foreign = world_path(&w, "foreign.db");
        unlink(foreign);
        assert_int_equal(sqlite3_open(foreign, &db), SQLITE_OK);
        sqlite3_exec(db, "CREATE TABLE t(x)", NULL, NULL, NULL);
        sqlite3_close(db);
        assert_int_equal(sns_catalog_open(foreign, mode, &c, &err), SNS_FORMAT);
        assert_int_equal(sns_catalog_open(w.pictures, mode, &c, &err), SNS_IO);
        assert_int_equal(sns_catalog_open("", mode, &c, &err), SNS_ARG);
    }
    const char *nowhere = world_path(&w, "no/such/folder.db");
    assert_int_equal(sns_catalog_open(nowhere, SNS_CATALOG_WRITE, &c, &err), SNS_IO);
    assert_non_null(strstr(err.message, "folder does not exist"));
    assert_int_equal(sns_catalog_open("/proc/version.db", SNS_CATALOG_WRITE, &c, &err), SNS_IO);
    world_close(&w);
}

static void one_writer_many_readers(void **state) {
    (void)state;
    catalog_world w;
    sns_error err = {0};
    sns_catalog *writer, *second, *reader;
    size_t files;
    world_open(&w);
    world_picture(&w, "pictures/1.png", 1);
    index_pictures(&w);
    assert_int_equal(sns_catalog_open(w.catalog, SNS_CATALOG_WRITE, &writer, &err), SNS_OK);
    assert_int_equal(sns_catalog_open(w.catalog, SNS_CATALOG_WRITE, &second, &err), SNS_BUSY);
    assert_non_null(strstr(err.message, "another sensus is indexing"));
    assert_int_equal(sns_store_exec(writer, "BEGIN IMMEDIATE; DELETE FROM files", &err), SNS_OK);
    assert_int_equal(sns_catalog_open(w.catalog, SNS_CATALOG_READ, &reader, &err), SNS_OK);
    assert_int_equal(sns_catalog_count(reader, &files, &err), SNS_OK);
    assert_int_equal(files, 1);
    assert_int_equal(sns_store_exec(writer, "ROLLBACK", &err), SNS_OK);
    const char *path = w.pictures;
    assert_int_equal(sns_catalog_index(reader, w.model, NULL, &path, 1, NULL, NULL, &err), SNS_ARG);
    sns_catalog_close(reader);
    sns_catalog_close(writer);
    world_close(&w);
}

static void parse(const char *line, sns_status want, size_t terms, sns_query *q) {
    const char *words[64];
    char copy[512];
    size_t n = 0;
    sns_error err = {0};
    snprintf(copy, sizeof copy, "%s", line);
    for (char *save, *p = strtok_r(copy, "|", &save); p; p = strtok_r(NULL, "|", &save))
        words[n++] = p;
    sns_status got = sns_query_parse(words, n, q, &err);
    if (got != want) fail_msg("'%s': %s", line, err.message);
    assert_int_equal(q->count, want ? 0 : terms);
}

static void queries_follow_the_grammar(void **state) {
    (void)state;
    catalog_world w;
    sns_query q;
    char line[256];
    world_open(&w);
    parse("a dog", SNS_OK, 1, &q);
    assert_string_equal(q.terms[0].text, "a dog");
    sns_query_free(&q);
    parse("a|dog|+|2:red|car|-|0.5:2:1", SNS_OK, 3, &q);
    assert_string_equal(q.terms[0].text, "a dog");
    assert_string_equal(q.terms[1].text, "red car");
    assert_true(q.terms[1].weight == 2);
    assert_string_equal(q.terms[2].text, "2:1");
    assert_true(q.terms[2].weight == -0.5f);
    sns_query_free(&q);
    parse("-|snow", SNS_OK, 1, &q);
    assert_true(q.terms[0].weight == -1);
    sns_query_free(&q);
    parse("10:30 train", SNS_OK, 1, &q);
    assert_true(q.terms[0].weight == 10);
    sns_query_free(&q);
    parse("-5 degrees", SNS_OK, 1, &q); /* no weight, no operator */
    assert_string_equal(q.terms[0].text, "-5 degrees");
    sns_query_free(&q);
    parse("a photo of x.jpg", SNS_OK, 1, &q);
    assert_false(q.terms[0].is_image);
    sns_query_free(&q);
    world_picture(&w, "pictures/1.png", 1);
    snprintf(line, sizeof line, "red|%s/1.png|3:%s/1.png|blue", w.pictures, w.pictures);
    parse(line, SNS_OK, 4, &q);
    assert_true(q.terms[1].is_image && q.terms[2].is_image && q.terms[2].weight == 3);
    assert_false(q.terms[3].is_image);
    sns_query_free(&q);
    snprintf(line, sizeof line, "%s/1.png|-|dog|on|grass|+|cat", w.pictures);
    parse(line, SNS_OK, 3, &q);
    assert_true(q.terms[0].is_image && q.terms[0].weight == 1);
    assert_string_equal(q.terms[1].text, "dog on grass");
    assert_true(!q.terms[1].is_image && q.terms[1].weight == -1);
    assert_string_equal(q.terms[2].text, "cat");
    assert_true(!q.terms[2].is_image && q.terms[2].weight == 1);
    sns_query_free(&q);
    snprintf(line, sizeof line, "-|2:%s/1.png|cat|-|dog|%s/1.png|0.5:cat", w.pictures, w.pictures);
    parse(line, SNS_OK, 5, &q); /* a sign is one term's */
    static const float weights[] = {-2, 1, -1, 1, 0.5f};
    for (int i = 0; i < 5; i++) assert_true(q.terms[i].weight == weights[i]);
    assert_true(q.terms[0].is_image && q.terms[3].is_image);
    sns_query_free(&q);
    parse("", SNS_ARG, 0, &q);
    parse("-", SNS_ARG, 0, &q);
    parse("a|+", SNS_ARG, 0, &q);
    parse("a|+|-|b", SNS_ARG, 0, &q);
    parse("+|+|b", SNS_ARG, 0, &q);
    parse("0:a", SNS_ARG, 0, &q);
    parse("2:", SNS_ARG, 0, &q);
    parse("1e300:a", SNS_ARG, 0, &q);
    parse("missing.JPG", SNS_MISSING, 0, &q);
    world_close(&w);
}

static void a_query_is_a_sum_of_unit_vectors(void **state) {
    (void)state;
    catalog_world w;
    sns_error err = {0};
    sns_session *s;
    sns_query q;
    char line[256];
    float a[16], b[16], got[16];
    world_open(&w);
    world_picture(&w, "pictures/1.png", 1);
    assert_int_equal(sns_session_new(w.model, &s, &err), SNS_OK);
    assert_int_equal(sns_model_dim(w.model), 16);
    parse("a dog", SNS_OK, 1, &q);
    assert_int_equal(sns_query_encode(w.model, s, &q, a, &err), SNS_OK);
    sns_query_free(&q);
    snprintf(line, sizeof line, "%s/1.png", w.pictures);
    parse(line, SNS_OK, 1, &q);
    assert_int_equal(sns_query_encode(w.model, s, &q, b, &err), SNS_OK);
    sns_query_free(&q);
    snprintf(line, sizeof line, "a dog|-|3:%s/1.png", w.pictures);
    parse(line, SNS_OK, 2, &q);
    assert_int_equal(sns_query_encode(w.model, s, &q, got, &err), SNS_OK);
    sns_query_free(&q);
    double norm = 0;
    for (int i = 0; i < 16; i++) norm += (a[i] - 3.0 * b[i]) * (a[i] - 3.0 * b[i]);
    for (int i = 0; i < 16; i++)
        assert_true(fabs(got[i] - (a[i] - 3.0 * b[i]) / sqrt(norm)) < 1e-5);
    float cat[16]; /* picture - words + words: one concept taken away, another added */
    parse("a cat", SNS_OK, 1, &q);
    assert_int_equal(sns_query_encode(w.model, s, &q, cat, &err), SNS_OK);
    sns_query_free(&q);
    snprintf(line, sizeof line, "%s/1.png|-|a|dog|+|a|cat", w.pictures);
    parse(line, SNS_OK, 3, &q);
    assert_int_equal(sns_query_encode(w.model, s, &q, got, &err), SNS_OK);
    sns_query_free(&q);
    norm = 0;
    for (int i = 0; i < 16; i++) norm += pow((double)b[i] - a[i] + cat[i], 2);
    for (int i = 0; i < 16; i++)
        assert_true(fabs(got[i] - ((double)b[i] - a[i] + cat[i]) / sqrt(norm)) < 1e-5);
    parse("a dog|-|a dog", SNS_OK, 2, &q);
    assert_int_equal(sns_query_encode(w.model, s, &q, got, &err), SNS_ARG);
    assert_non_null(strstr(err.message, "cancel out"));
    sns_query_free(&q);
    sns_session_free(s);
    world_close(&w);
}

static void an_indexed_picture_finds_itself(void **state) {
    (void)state;
    catalog_world w;
    sns_error err = {0};
    sns_catalog *c;
    sns_session *s;
    sns_query q;
    sns_hits hits;
    float v[16];
    world_open(&w);
    for (uint64_t i = 0; i < 12; i++) {
        char name[64];
        snprintf(name, sizeof name, "pictures/%02u.png", (unsigned)i);
        world_picture(&w, name, i);
    }
    index_pictures(&w);
    assert_int_equal(sns_catalog_open(w.catalog, SNS_CATALOG_READ, &c, &err), SNS_OK);
    assert_int_equal(sns_catalog_check_model(c, w.model, &err), SNS_OK);
    assert_int_equal(sns_session_new(w.model, &s, &err), SNS_OK);
    const char *path = world_path(&w, "pictures/07.png");
    assert_int_equal(sns_query_parse(&path, 1, &q, &err), SNS_OK);
    assert_int_equal(sns_query_encode(w.model, s, &q, v, &err), SNS_OK);
    assert_int_equal(sns_catalog_search(c, v, 16, 3, &hits, &err), SNS_OK);
    assert_int_equal(hits.count, 3);
    assert_string_equal(hits.items[0].path, path);
    assert_true(hits.items[0].score > 0.9999f);
    sns_hits_free(&hits);
    sns_query_free(&q);
    sns_session_free(s);
    sns_catalog_close(c);
    world_close(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(search_is_exact_and_stable),
        cmocka_unit_test(relevant_ones_are_the_same_files),
        cmocka_unit_test(compaction_changes_no_answer),
        cmocka_unit_test(lost_vectors_are_an_error),
        cmocka_unit_test(empty_catalogs_have_no_hits),
        cmocka_unit_test(other_files_are_no_catalogs),
        cmocka_unit_test(one_writer_many_readers),
        cmocka_unit_test(queries_follow_the_grammar),
        cmocka_unit_test(a_query_is_a_sum_of_unit_vectors),
        cmocka_unit_test(an_indexed_picture_finds_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
