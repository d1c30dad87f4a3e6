/* test_catalog_film.c - films in a catalog: what is stored of them, how they go on after a kill,
 * what is found. */
#include "catalog_kill.h"
#include "catalog/slots.h"
#include "base/rng.h"
#include "make_film.h"
#include <math.h>
#include <sensus/ground.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

/* Three scenes; the second one, from 3 to 5 s, comes back from 8 to 9.5 s. */
#define SCENES                                                                                     \
    "-f lavfi -i smptebars=s=160x120:r=30000/1001:d=3.003 -f lavfi -i "                            \
    "mandelbrot=s=160x120:r=30000/1001 -f lavfi -i testsrc2=s=160x120:r=30000/1001:d=3.003 "       \
    "-f lavfi -i mandelbrot=s=160x120:r=30000/1001 -filter_complex "                               \
    "[0]setsar=1[a];[1]trim=end_frame=60,setsar=1[m];[2]setsar=1[b];"                              \
    "[3]trim=end_frame=45,setpts=PTS-STARTPTS,setsar=1[n];[a][m][b][n]concat=n=4:v=1 "             \
    "-c:v libx264 -qp 18"
/* Two minutes and a half of motion and a minute and a half that stands still: six stretches. */
#define LONG_FILM                                                                                  \
    "-f lavfi -i testsrc2=s=96x64:r=12:d=150 -f lavfi -i smptebars=s=96x64:r=12:d=90 "             \
    "-filter_complex [0]setsar=1[a];[1]setsar=1[b];[a][b]concat=n=2:v=1 -c:v libx264 "             \
    "-preset ultrafast -g 100 -bf 2"

typedef struct seen {
    size_t problems, notes, stretches;
    char problem[1024], note[1024];
} seen;

static void see_problem(void *user, sns_status status, const char *message) {
    seen *s = user;
    (void)status;
    s->problems++;
    snprintf(s->problem, sizeof s->problem, "%s", message);
}

static void see_note(void *user, const char *message) {
    seen *s = user;
    s->notes++;
    snprintf(s->note, sizeof s->note, "%s", message);
}

static void see_film(void *user, const char *path, double seconds, double duration) {
    seen *s = user;
    (void)path;
    (void)duration;
    assert_true(seconds > 0);
    s->stretches++;
}

static sns_index_options options_for(seen *s) {
    return (sns_index_options){
        .problem = see_problem, .note = see_note, .film = see_film, .user = s};
}

static void index_until_killed(const catalog_world *w, size_t stretches) {
    kill_run(&(kill_plan){.catalog = w->catalog,
                          .model_dir = w->model_dir,
                          .folder = w->pictures,
                          .stretches = stretches});
}

/* The world's catalog brought up to date with its pictures. */
static sns_index_counts update(const catalog_world *w, double every, bool regions, seen *s) {
    sns_error err = {0};
    sns_catalog *c;
    sns_index_counts n;
    *s = (seen){0};
    sns_index_options o = options_for(s);
    o.every = every;
    o.regions = regions;
    const char *path = w->pictures;
    if (sns_catalog_open(w->catalog, SNS_CATALOG_WRITE, &c, &err) ||
        sns_catalog_index(c, w->model, w->model_dir, &path, 1, &o, &n, &err) ||
        sns_catalog_verify(c, &err))
        fail_msg("%s", err.message);
    sns_catalog_close(c);
    assert_int_equal(n.found, n.unchanged + n.added + n.changed + n.moved + n.unreadable);
    assert_int_equal(n.unreadable, s->problems);
    return n;
}

static sns_catalog *open_catalog(const catalog_world *w) {
    sns_error err = {0};
    sns_catalog *c;
    if (sns_catalog_open(w->catalog, SNS_CATALOG_READ, &c, &err)) fail_msg("%s", err.message);
    return c;
}

static int64_t number(const catalog_world *w, const char *sql) {
    sns_catalog *c = open_catalog(w);
    int64_t n;
    assert_int_equal(sns_store_number(c, sql, &n, NULL), SNS_OK);
    sns_catalog_close(c);
    return n;
}

static void film(const catalog_world *w, const char *name, const char *arguments) {
    if (!film_make(w->pictures, name, arguments)) fail_msg("ffmpeg did not make %s", name);
}

static void copy_file(const char *from, const char *to, long bytes) {
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_true(in && out);
    for (int c; bytes-- && (c = fgetc(in)) != EOF;) fputc(c, out);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

/* ---- what is stored ------------------------------------------------------------------------- */

/* The samples of a film, as the tables have them. */
typedef struct stored {
    size_t count, dim;
    sns_span spans[1024];
    float vectors[1024 * 16];
} stored;

static void read_stored(const catalog_world *w, stored *out) {
    sns_catalog *c = open_catalog(w);
    sqlite3_stmt *s;
    *out = (stored){.dim = sns_model_dim(w->model)};
    assert_int_equal(out->dim, 16);
    assert_int_equal(sns_slots_begin(c, NULL), SNS_OK);
    sns_store_prepare(c,
                      "SELECT vector, start, end, seconds, cut FROM moments ORDER BY item, start,"
                      " view",
                      &s, NULL);
    while (sqlite3_step(s) == SQLITE_ROW) {
        assert_in_range(out->count, 0, 1023);
        size_t i = out->count++, slot = (size_t)sqlite3_column_int64(s, 0) - 1;
        out->spans[i] = (sns_span){.start = sqlite3_column_double(s, 1),
                                   .end = sqlite3_column_double(s, 2),
                                   .seconds = sqlite3_column_double(s, 3),
                                   .cut = sqlite3_column_int(s, 4)};
        memcpy(out->vectors + i * 16, sns_vector_file_row(&c->mapped, slot), 16 * sizeof(float));
    }
    sqlite3_finalize(s);
    sns_slots_end(c);
    sns_catalog_close(c);
}

static void same_spans(const sns_span *a, const sns_span *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        assert_true(a[i].start == b[i].start && a[i].end == b[i].end);
        assert_true(a[i].seconds == b[i].seconds && a[i].cut == b[i].cut);
    }
}

static sns_film *read_film(const catalog_world *w, const sns_classifier *cohort, const char *name,
                           double every) {
    sns_film *film;
    sns_error err = {0};
    const sns_film_options o = {.every = every};
    if (sns_film_read(w->model, cohort, world_path(w, name), &o, &film, &err))
        fail_msg("%s", err.message);
    return film;
}

static void samples_are_those_of_the_film(void **state) {
    (void)state;
    static stored got;
    catalog_world w;
    seen s;
    sns_classifier *cohort;
    world_open(&w);
    film(&w, "film.mp4", SCENES);
    world_picture(&w, "pictures/1.png", 1);
    sns_index_counts n = update(&w, 0.5, false, &s);
    assert_int_equal(n.added, 2);
    assert_int_equal(s.notes, 0);
    read_stored(&w, &got);
    assert_int_equal(sns_cohort_new(w.model, NULL, 0, &cohort, NULL), SNS_OK);
    sns_film *direct = read_film(&w, cohort, "pictures/film.mp4", 0.5);
    assert_int_equal(got.count, sns_film_count(direct));
    same_spans(got.spans, sns_film_spans(direct), got.count);
    assert_memory_equal(got.vectors, sns_film_vectors(direct), got.count * 16 * sizeof(float));
    sns_film_free(direct);
    sns_classifier_free(cohort);
    n = update(&w, 0.5, false, &s);
    assert_int_equal(n.unchanged, 2);
    assert_int_equal(s.stretches, 0);
    world_close(&w);
}

static void equal_and_moved_films_are_read_once(void **state) {
    (void)state;
    catalog_world w;
    seen s;
    world_open(&w);
    film(&w, "a.mp4", SCENES);
    copy_file(world_path(&w, "pictures/a.mp4"), world_path(&w, "pictures/b.mp4"), -1);
    sns_index_counts n = update(&w, 1, false, &s);
    assert_int_equal(n.added, 2);
    assert_int_equal(s.stretches, 1);
    int64_t rows = number(&w, "SELECT count(*) FROM moments");
    assert_true(rows > 4);
    assert_int_equal(number(&w, "SELECT count(*) FROM vectors"), 1);
    assert_int_equal(rename(world_path(&w, "pictures/b.mp4"), world_path(&w, "pictures/c.mp4")), 0);
    n = update(&w, 1, false, &s);
    assert_int_equal(n.moved, 1);
    assert_int_equal(n.unchanged, 1);
    assert_int_equal(s.stretches, 0);
    assert_int_equal(unlink(world_path(&w, "pictures/a.mp4")), 0);
    n = update(&w, 1, false, &s);
    assert_int_equal(n.removed, 1);
    assert_int_equal(number(&w, "SELECT count(*) FROM moments"), rows);
    assert_int_equal(unlink(world_path(&w, "pictures/c.mp4")), 0);
    world_picture(&w, "pictures/1.png", 1);
    n = update(&w, 1, false, &s);
    assert_int_equal(n.removed, 1);
    assert_int_equal(number(&w, "SELECT count(*) FROM moments"), 0);
    assert_int_equal(number(&w, "SELECT count(*) FROM removed"), rows);
    world_close(&w);
}

/* ---- interruptions -------------------------------------------------------------------------- */

static void a_killed_film_goes_on_to_the_same_bits(void **state) {
    (void)state;
    static stored whole, got;
    catalog_world w;
    seen s;
    world_open(&w);
    film(&w, "long.mp4", LONG_FILM);
    update(&w, 1, false, &s);
    size_t stretches = s.stretches;
    assert_in_range(stretches, 5, 8);
    read_stored(&w, &whole);
    assert_true(whole.spans[whole.count - 1].end > 239.9);
    for (size_t die = 1; die < stretches; die++) {
        for (int k = 0; k < 4; k++) {
            static const char *const files[] = {"test.db", "test.db-wal", "test.db-shm",
                                                "test.db-vectors-0"};
            unlink(world_path(&w, files[k]));
        }
        index_until_killed(&w, die);
        /* What was stored can be found already. */
        assert_int_equal(number(&w, "SELECT count(*) FROM unfinished"), 1);
        assert_int_equal(number(&w, "SELECT count(*) FROM files WHERE vector = 1"), 1);
        read_stored(&w, &got);
        assert_true(got.count < whole.count);
        same_spans(got.spans, whole.spans, got.count);
        sns_index_counts n = update(&w, 1, false, &s);
        assert_int_equal(n.added, 1);
        assert_int_equal(s.stretches, stretches - die);
        assert_int_equal(s.notes, 0);
        read_stored(&w, &got);
        assert_int_equal(got.count, whole.count);
        same_spans(got.spans, whole.spans, got.count);
        assert_memory_equal(got.vectors, whole.vectors, got.count * 16 * sizeof(float));
        assert_int_equal(number(&w, "SELECT count(*) FROM unfinished"), 0);
        assert_int_equal(number(&w, "SELECT count(*) FROM removed"), 0);
    }
    world_close(&w);
}

/* Killed after every single stretch. */
static void many_kills_change_nothing(void **state) {
    (void)state;
    static stored whole, got;
    catalog_world w;
    seen s;
    world_open(&w);
    film(&w, "long.mp4", LONG_FILM);
    update(&w, 1, false, &s);
    read_stored(&w, &whole);
    unlink(w.catalog);
    for (size_t k = 1; k < s.stretches; k++) index_until_killed(&w, 1);
    sns_index_counts n = update(&w, 1, false, &s);
    assert_int_equal(n.added, 1);
    assert_int_equal(s.stretches, 1);
    read_stored(&w, &got);
    assert_int_equal(got.count, whole.count);
    same_spans(got.spans, whole.spans, got.count);
    assert_memory_equal(got.vectors, whole.vectors, got.count * 16 * sizeof(float));
    world_close(&w);
}

static void other_options_begin_a_film_anew(void **state) {
    (void)state;
    static stored whole, got;
    catalog_world w;
    seen s;
    world_open(&w);
    film(&w, "long.mp4", LONG_FILM);
    index_until_killed(&w, 2);
    int64_t before = number(&w, "SELECT count(*) FROM moments");
    sns_index_counts n = update(&w, 2, false, &s);
    assert_int_equal(n.added, 1);
    assert_int_equal(number(&w, "SELECT count(*) FROM removed"), before);
    assert_int_equal(number(&w, "SELECT count(*) FROM vectors"), 1);
    read_stored(&w, &got);
    unlink(w.catalog);
    update(&w, 2, false, &s);
    read_stored(&w, &whole);
    assert_int_equal(got.count, whole.count);
    assert_memory_equal(got.vectors, whole.vectors, got.count * 16 * sizeof(float));
    world_close(&w);
}

/* The film becomes another one between two runs: nothing of the old one stays. */
static void a_changed_film_is_another_one(void **state) {
    (void)state;
    catalog_world w;
    seen s;
    world_open(&w);
    film(&w, "x.mp4", LONG_FILM);
    index_until_killed(&w, 2);
    film(&w, "x.mp4", SCENES);
    sns_index_counts n = update(&w, 1, false, &s);
    assert_int_equal(n.changed, 1);
    assert_int_equal(number(&w, "SELECT count(*) FROM unfinished"), 0);
    assert_int_equal(number(&w, "SELECT count(DISTINCT item) FROM moments"), 1);
    assert_true(number(&w, "SELECT max(end) < 11 FROM moments"));
    world_close(&w);
}

/* ---- damage --------------------------------------------------------------------------------- */

static void damaged_films_are_taken_as_far_as_they_go(void **state) {
    (void)state;
    catalog_world w;
    seen s;
    world_open(&w);
    film(&w, "whole.mkv", SCENES);
    struct stat st;
    const char *whole = world_path(&w, "pictures/whole.mkv");
    assert_int_equal(stat(whole, &st), 0);
    copy_file(whole, world_path(&w, "pictures/cut.mkv"), st.st_size / 2);
    assert_int_equal(rename(whole, world_path(&w, "whole.mkv")), 0);
    sns_index_counts n = update(&w, 1, false, &s);
    assert_int_equal(n.added, 1);
    assert_true(s.notes > 0);
    assert_non_null(strstr(s.note, "cut.mkv: ends after"));
    assert_true(number(&w, "SELECT max(end) > 1 AND max(end) < 9 FROM moments"));
    /* An MP4 without its index, no film at all, nothing at all: a line each. */
    film(&w, "index.mp4", SCENES);
    assert_int_equal(truncate(world_path(&w, "pictures/index.mp4"), 9000), 0);
    world_text(&w, "pictures/text.mp4", "no film");
    world_text(&w, "pictures/empty.mkv", "");
    n = update(&w, 1, false, &s);
    assert_int_equal(n.unreadable, 3);
    assert_int_equal(n.unchanged, 1);
    n = update(&w, 1, false, &s);
    assert_int_equal(n.unreadable, 3); /* remembered */
    sns_catalog *c;
    const char *named = world_path(&w, "notes.txt");
    world_text(&w, "notes.txt", "neither this nor that");
    assert_int_equal(sns_catalog_open(w.catalog, SNS_CATALOG_WRITE, &c, NULL), SNS_OK);
    sns_index_options o = options_for(&s);
    assert_int_equal(sns_catalog_index(c, w.model, NULL, &named, 1, &o, &n, NULL), SNS_OK);
    assert_int_equal(n.unreadable, 1);
    assert_non_null(strstr(s.problem, "notes.txt: neither a picture nor a film"));
    sns_catalog_close(c);
    world_close(&w);
}

/* A picture every fifty minutes for 25 hours. */
static void endless_films_end_after_a_day(void **state) {
    (void)state;
    catalog_world w;
    seen s;
    world_open(&w);
    film(&w, "endless.mkv", "-f lavfi -i testsrc2=s=64x64:r=1/3000:d=90000 -c:v mpeg4");
    sns_index_counts n = update(&w, 1, false, &s);
    assert_int_equal(n.added, 1);
    assert_non_null(strstr(s.note, "endless.mkv: longer than 24 hours"));
    assert_int_equal(number(&w, "SELECT count(*) FROM moments"), 29); /* 0 to 28 x 3000 s */
    world_close(&w);
}

/* ---- search --------------------------------------------------------------------------------- */

/* Moments of a search are those of the film itself, in the same order. */
static void moments_are_those_of_the_film(void **state) {
    (void)state;
    catalog_world w;
    seen s;
    sns_error err = {0};
    sns_classifier *cohort;
    sns_session *session;
    sns_hits hits, few;
    float query[16];
    const char *text = "two cats sleep";
    world_open(&w);
    film(&w, "film.mp4", SCENES);
    for (uint64_t i = 0; i < 30; i++) {
        char name[64];
        snprintf(name, sizeof name, "pictures/%02u.png", (unsigned)i);
        world_picture(&w, name, i);
    }
    update(&w, 0.25, false, &s);
    assert_int_equal(sns_session_new(w.model, &session, &err), SNS_OK);
    assert_int_equal(sns_encode_texts(session, &text, 1, query, &err), SNS_OK);
    assert_int_equal(sns_cohort_new(w.model, NULL, 0, &cohort, NULL), SNS_OK);
    sns_film *direct = read_film(&w, cohort, "pictures/film.mp4", 0.25);
    sns_moment *m;
    size_t count, at = 0;
    assert_int_equal(sns_moments_find(direct, query, NULL, &m, &count, &err), SNS_OK);
    sns_catalog *c = open_catalog(&w);
    if (sns_catalog_search(c, query, 16, 1000, &hits, &err)) fail_msg("%s", err.message);
    assert_int_equal(hits.count, 30 + count);
    for (size_t i = 0; i < hits.count; i++) {
        const sns_hit *hit = &hits.items[i];
        if (i) assert_true(hits.items[i - 1].score >= hit->score);
        if (!hit->in_time) continue;
        assert_string_equal(hit->path, world_path(&w, "pictures/film.mp4"));
        assert_true(hit->start == m[at].start && hit->peak == m[at].peak && hit->end == m[at].end);
        assert_true(hit->score == m[at++].score);
    }
    assert_int_equal(at, count);
    for (size_t n = 1; n < 32; n += 3) {
        assert_int_equal(sns_catalog_search(c, query, 16, n, &few, &err), SNS_OK);
        assert_int_equal(few.count, n < hits.count ? n : hits.count);
        for (size_t i = 0; i < few.count; i++) {
            assert_string_equal(few.items[i].path, hits.items[i].path);
            assert_true(few.items[i].start == hits.items[i].start);
        }
        sns_hits_free(&few);
    }
    /* All that fits, by relevance; with no bar, all pictures and all moments. */
    assert_int_equal(sns_catalog_search_relevant(c, query, 16, 1000, cohort, -100, &few, &err),
                     SNS_OK);
    assert_true(few.count >= hits.count);
    for (size_t i = 1; i < few.count; i++)
        assert_true(few.items[i - 1].relevance >= few.items[i].relevance);
    sns_hits_free(&few);
    sns_hits_free(&hits);
    sns_catalog_close(c);
    free(m);
    sns_film_free(direct);
    sns_classifier_free(cohort);
    sns_session_free(session);
    world_close(&w);
}

/* Rows straight into the tables: films of random samples. The n best of a search are those of all,
 * sorted, however many slots the scan begins with. */
static void the_best_of_many_films_are_found(void **state) {
    (void)state;
    enum { FILMS = 40, SAMPLES = 60, DIM = 16 };
    catalog_world w;
    sns_error err = {0};
    sns_catalog *c;
    sqlite3_stmt *v, *f, *m;
    sns_rng rng;
    sns_hits all, few;
    float row[DIM], query[DIM] = {1};
    world_open(&w);
    sns_rng_seed(&rng, 4);
    assert_int_equal(sns_catalog_open(w.catalog, SNS_CATALOG_WRITE, &c, &err), SNS_OK);
    assert_int_equal(sns_store_exec(c, "BEGIN", NULL), SNS_OK);
    sns_store_write_number(c, "dim", DIM, NULL);
    assert_int_equal(sns_store_load_meta(c, NULL), SNS_OK);
    sns_store_prepare(c, "INSERT INTO vectors VALUES(?1, CAST(?1 AS TEXT))", &v, NULL);
    sns_store_prepare(c, "INSERT INTO files VALUES('/f/' || ?1, 1, 1, ?1, NULL)", &f, NULL);
    sns_store_prepare(c, "INSERT INTO moments VALUES(?1, ?2, ?3, ?3 + 1, ?3, ?3 % 7 = 0, 0)", &m,
                      NULL);
    for (int64_t film = 0; film < FILMS; film++) {
        int64_t item = 0, id;
        for (int i = 0; i < SAMPLES; i++) {
            double length = 0;
            for (int k = 0; k < DIM; k++) row[k] = (float)sns_rng_normal(&rng);
            row[0] += (float)(film % 8); /* some films are near all along */
            for (int k = 0; k < DIM; k++) length += (double)row[k] * row[k];
            for (int k = 0; k < DIM; k++) row[k] /= (float)sqrt(length);
            assert_int_equal(sns_slots_add(c, row, &id, NULL), SNS_OK);
            if (!item) {
                item = id;
                sqlite3_bind_int64(v, 1, id);
                assert_int_equal(sqlite3_step(v), SQLITE_DONE);
                sqlite3_reset(v);
                sqlite3_bind_int64(f, 1, id);
                assert_int_equal(sqlite3_step(f), SQLITE_DONE);
                sqlite3_reset(f);
            }
            sqlite3_bind_int64(m, 1, id);
            sqlite3_bind_int64(m, 2, item);
            sqlite3_bind_int64(m, 3, i);
            assert_int_equal(sqlite3_step(m), SQLITE_DONE);
            sqlite3_reset(m);
        }
    }
    sqlite3_finalize(v);
    sqlite3_finalize(f);
    sqlite3_finalize(m);
    assert_int_equal(sns_slots_commit(c, NULL), SNS_OK);
    assert_int_equal(sns_store_exec(c, "COMMIT", NULL), SNS_OK);
    if (sns_catalog_verify(c, &err)) fail_msg("%s", err.message);
    assert_int_equal(sns_catalog_search(c, query, DIM, SIZE_MAX, &all, &err), SNS_OK);
    assert_true(all.count > FILMS && all.count <= FILMS * 5);
    for (size_t n = 1; n < all.count; n = 2 * n + 1) {
        assert_int_equal(sns_catalog_search(c, query, DIM, n, &few, &err), SNS_OK);
        assert_int_equal(few.count, n);
        for (size_t i = 0; i < n; i++) {
            assert_string_equal(few.items[i].path, all.items[i].path);
            assert_true(few.items[i].start == all.items[i].start);
        }
        sns_hits_free(&few);
    }
    /* Half of them go, and the slots with them; nothing else moves. */
    size_t left = 0;
    for (size_t i = 0; i < all.count; i++)
        left += (strtol(all.items[i].path + 3, NULL, 10) - 1) / SAMPLES % 2;
    assert_int_equal(sns_store_exec(c,
                                    "DELETE FROM files WHERE (vector - 1) / 60 % 2 = 0;"
                                    "INSERT INTO removed SELECT vector FROM moments"
                                    " WHERE (item - 1) / 60 % 2 = 0;"
                                    "DELETE FROM moments WHERE vector IN (SELECT id FROM removed);"
                                    "DELETE FROM vectors WHERE id IN (SELECT id FROM removed)",
                                    &err),
                     SNS_OK);
    if (sns_slots_compact(c, &err)) fail_msg("%s", err.message);
    assert_int_equal(c->slots, FILMS / 2 * SAMPLES);
    if (sns_catalog_verify(c, &err)) fail_msg("%s", err.message);
    assert_int_equal(sns_catalog_search(c, query, DIM, SIZE_MAX, &few, &err), SNS_OK);
    assert_int_equal(few.count, left);
    for (size_t i = 0, k = 0; i < all.count; i++) {
        if (!((strtol(all.items[i].path + 3, NULL, 10) - 1) / SAMPLES % 2)) continue;
        assert_string_equal(few.items[k].path, all.items[i].path);
        assert_true(few.items[k].peak == all.items[i].peak);
        assert_true(few.items[k++].score == all.items[i].score);
    }
    sns_hits_free(&few);
    sns_hits_free(&all);
    sns_catalog_close(c);
    world_close(&w);
}

/* One more row of `vectors` with its file, or of moments of that row. */
static int64_t put(sns_catalog *c, const float *v, int64_t item, double start, double end,
                   int view) {
    sqlite3_stmt *s;
    int64_t id;
    assert_int_equal(sns_slots_add(c, v, &id, NULL), SNS_OK);
    if (!item) {
        char sql[200];
        item = id;
        snprintf(sql, sizeof sql,
                 "INSERT INTO vectors VALUES(%d, '%d'); INSERT INTO files VALUES('/%d', 1, 1, %d, "
                 "NULL)",
                 (int)id, (int)id, (int)id, (int)id);
        assert_int_equal(sns_store_exec(c, sql, NULL), SNS_OK);
    }
    if (!(end > 0)) return item;
    sns_store_prepare(c, "INSERT INTO moments VALUES(?, ?, ?, ?, ?, 0, ?)", &s, NULL);
    sqlite3_bind_int64(s, 1, id);
    sqlite3_bind_int64(s, 2, item);
    sqlite3_bind_double(s, 3, start);
    sqlite3_bind_double(s, 4, end);
    sqlite3_bind_double(s, 5, start + 1);
    sqlite3_bind_int(s, 6, view);
    assert_int_equal(sqlite3_step(s), SQLITE_DONE);
    sqlite3_finalize(s);
    return item;
}

/* A vector with this cosine to the query, the first axis. */
static const float *at_cosine(float cosine) {
    static float v[4];
    v[0] = cosine;
    v[1] = sqrtf(1 - cosine * cosine);
    return v;
}

static void pictures_and_sound_are_joined(void **state) {
    (void)state;
    const float query[4] = {1}, p = 0.30f, a1 = 0.10f, a2 = 0.50f, r = 0.7f;
    const double mp = 0.2, dp = 0.05, ma = 0.05, da = 0.2; /* the scale */
    catalog_world w;
    sns_error err = {0};
    sns_catalog *c;
    sns_hits hits;
    world_open(&w);
    assert_int_equal(sns_catalog_open(w.catalog, SNS_CATALOG_WRITE, &c, &err), SNS_OK);
    assert_int_equal(sns_store_exec(c, "BEGIN", NULL), SNS_OK);
    sns_store_write_number(c, "dim", 4, NULL);
    sns_store_write_text(c, "picture_mean", "0.2", NULL);
    sns_store_write_text(c, "picture_deviation", "0.05", NULL);
    sns_store_write_text(c, "sound_mean", "0.05", NULL);
    sns_store_write_text(c, "sound_deviation", "0.2", NULL);
    sns_store_write_text(c, "sound_weight", "0.5", NULL);
    assert_int_equal(sns_store_load_meta(c, NULL), SNS_OK);
    int64_t film = put(
        c, at_cosine(p), 0, 0.02, 40,
        0); /* stands still, begins a little after its sound; something is said at the end */
    put(c, at_cosine(a1), film, 0, 20, -1);
    put(c, at_cosine(a2), film, 20, 40, -1);
    int64_t recording = put(c, at_cosine(r), 0, 0, 15, -1);
    int64_t picture = put(c, at_cosine(0.33f), 0, 0, 0, 0);
    assert_int_equal(sns_slots_commit(c, NULL), SNS_OK);
    assert_int_equal(sns_store_exec(c, "COMMIT", NULL), SNS_OK);
    if (sns_catalog_verify(c, &err)) fail_msg("%s", err.message);
    assert_int_equal(sns_catalog_search(c, query, 4, 10, &hits, &err), SNS_OK);
    const double z_p = (p - mp) / dp, z_a = (a2 - ma) / da, z_r = (r - ma) / da;
    const struct {
        int64_t item;
        double score, start, end;
    } expected[] = {{film, mp + dp * (z_p + 0.5 * z_a) / sqrt(1.25), 20, 40},
                    {recording, mp + dp * z_r, 0, 15},
                    {picture, 0.33, 0, 0}};
    assert_in_range(hits.count, 3, 4); /* the film's first half may be a moment too, the last */
    for (size_t i = 0; i < 3; i++) {
        char path[24];
        size_t k = 0;
        snprintf(path, sizeof path, "/%d", (int)expected[i].item);
        while (k < hits.count && strcmp(hits.items[k].path, path)) k++;
        assert_true(k < hits.count);
        assert_true(fabs(hits.items[k].score - expected[i].score) < 1e-4);
        assert_true(hits.items[k].start == expected[i].start);
        assert_true(hits.items[k].end == expected[i].end);
    }
    for (size_t i = 1; i < hits.count; i++)
        assert_true(hits.items[i - 1].score >= hits.items[i].score);
    for (size_t n = 1; n < 3; n++) {
        sns_hits few;
        assert_int_equal(sns_catalog_search(c, query, 4, n, &few, &err), SNS_OK);
        assert_int_equal(few.count, n);
        for (size_t i = 0; i < n; i++) assert_string_equal(few.items[i].path, hits.items[i].path);
        sns_hits_free(&few);
    }
    sns_hits_free(&hits);
    sns_catalog_close(c);
    world_close(&w);
}

static sns_status count_vectors(void *user, const sns_catalog_file *f, size_t dim, sns_error *err) {
    (void)dim, (void)err;
    *(size_t *)user += f->count;
    return SNS_OK;
}

/* A picture in a quarter of the frame: by regions it is found as if it were all of it. */
static void regions_find_what_is_small(void **state) {
    (void)state;
    catalog_world w;
    seen s;
    sns_error err = {0};
    sns_hits hits;
    float score[2], query[16];
    world_open(&w);
    world_picture(&w, "small.png", 7);
    world_picture_vectors(&w, "small.png", 1, query);
    char arguments[400];
    snprintf(arguments, sizeof arguments,
             "-f lavfi -i color=teal:s=160x160:r=10:d=3 -loop 1 -t 3 -i %s -filter_complex "
             "[1]scale=80:80:flags=neighbor[p];[0][p]overlay=80:0 -c:v libx264 -qp 4",
             world_path(&w, "small.png"));
    film(&w, "film.mp4", arguments);
    for (int regions = 0; regions < 2; regions++) {
        unlink(w.catalog);
        update(&w, 1, regions, &s);
        assert_int_equal(number(&w, "SELECT count(*) FROM moments"), regions ? 10 : 1);
        sns_catalog *c = open_catalog(&w);
        assert_int_equal(sns_catalog_search(c, query, 16, 5, &hits, &err), SNS_OK);
        assert_int_equal(hits.count, 1);
        score[regions] = hits.items[0].score;
        size_t whole = 0;
        assert_int_equal(sns_catalog_files(c, count_vectors, &whole, &err), SNS_OK);
        assert_int_equal(whole, 1);
        sns_hits_free(&hits);
        sns_catalog_close(c);
    }
    assert_true(score[1] > 0.98f && score[1] > score[0] + 0.01f);
    world_close(&w);
}

/* ---- older catalogs ------------------------------------------------------------------------- */

/* A file as the layout before films had it. */
static void make_older(const catalog_world *w) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(w->catalog, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "DROP TABLE unfinished; DROP TABLE moments;"
                                  "PRAGMA user_version = 2",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
}

static void catalogs_without_films_go_on(void **state) {
    (void)state;
    catalog_world w;
    seen s;
    sns_hits hits;
    float query[16];
    world_open(&w);
    world_picture(&w, "pictures/0.png", 1);
    world_picture(&w, "pictures/1.png", 2);
    world_picture_vectors(&w, "pictures/%d.png", 1, query);
    update(&w, 1, false, &s);
    make_older(&w);
    assert_int_equal(number(&w, "SELECT count(*) FROM moments"), 0);
    sns_catalog *c = open_catalog(&w); /* to read, nothing changes */
    assert_int_equal(sns_catalog_verify(c, NULL), SNS_OK);
    assert_int_equal(sns_catalog_search(c, query, 16, 5, &hits, NULL), SNS_OK);
    assert_int_equal(hits.count, 2);
    assert_string_equal(hits.items[0].path, world_path(&w, "pictures/0.png"));
    sns_hits_free(&hits);
    sns_catalog_close(c);
    assert_int_equal(number(&w, "PRAGMA user_version"), 2);
    film(&w, "film.mp4", SCENES);
    sns_index_counts n = update(&w, 1, false, &s);
    assert_int_equal(n.unchanged, 2);
    assert_int_equal(n.added, 1);
    assert_int_equal(number(&w, "PRAGMA user_version"), 3);
    world_close(&w);
}

int main(int argc, char **argv) {
    int code;
    if (kill_is_child(argc, argv, &code)) return code;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_are_those_of_the_film),
        cmocka_unit_test(equal_and_moved_films_are_read_once),
        cmocka_unit_test(a_killed_film_goes_on_to_the_same_bits),
        cmocka_unit_test(many_kills_change_nothing),
        cmocka_unit_test(other_options_begin_a_film_anew),
        cmocka_unit_test(a_changed_film_is_another_one),
        cmocka_unit_test(damaged_films_are_taken_as_far_as_they_go),
        cmocka_unit_test(endless_films_end_after_a_day),
        cmocka_unit_test(moments_are_those_of_the_film),
        cmocka_unit_test(the_best_of_many_films_are_found),
        cmocka_unit_test(pictures_and_sound_are_joined),
        cmocka_unit_test(regions_find_what_is_small),
        cmocka_unit_test(catalogs_without_films_go_on),
    };
    if (!film_has_ffmpeg()) {
        puts("skipped: no ffmpeg");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
