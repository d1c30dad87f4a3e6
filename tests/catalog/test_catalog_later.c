/* test_catalog_later.c - a model that hears comes to a catalog that has films already: only their
 * sound is read. */
#include "catalog_kill.h"
#include "catalog/slots.h"
#include "make_film.h"
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

#define PICTURES "-f lavfi -i testsrc2=s=64x64:r=5:d=40"
#define SOUND    "-f lavfi -i aevalsrc=0.3*sin(2*PI*t*(200+40*t)):d=40:s=16000"
#define BOTH     PICTURES " " SOUND " -c:v mpeg4 -c:a aac"

typedef struct seen {
    size_t problems, pictures, sounds; /* the latter are stretches */
    char problem[1024];
} seen;

static void see_problem(void *user, sns_status status, const char *message) {
    seen *s = user;
    (void)status;
    s->problems++;
    snprintf(s->problem, sizeof s->problem, "%s", message);
}

/* Only of pictures the length is known. */
static void see_film(void *user, const char *path, double seconds, double duration) {
    seen *s = user;
    (void)path, (void)seconds;
    if (duration > 0)
        s->pictures++;
    else
        s->sounds++;
}

static catalog_world w;
static sns_model *hears;

static sns_status index_by(const char *catalog, const sns_model *sound, double every, seen *s,
                           sns_index_counts *n, sns_error *err) {
    sns_catalog *c;
    const char *path = w.pictures;
    const sns_index_options o = {.sound_model = sound,
                                 .sound_model_dir = sound ? world_path(&w, "hears") : NULL,
                                 .every = every,
                                 .problem = see_problem,
                                 .film = see_film,
                                 .user = s};
    *s = (seen){0};
    sns_status status = sns_catalog_open(catalog, SNS_CATALOG_WRITE, &c, err);
    if (status) return status;
    status = sns_catalog_index(c, w.model, w.model_dir, &path, 1, &o, n, err);
    if (!status) status = sns_catalog_verify(c, err);
    sns_catalog_close(c);
    return status;
}

static sns_index_counts update(const char *catalog, const sns_model *sound, double every, seen *s) {
    sns_error err = {0};
    sns_index_counts n;
    if (index_by(catalog, sound, every, s, &n, &err)) fail_msg("%s", err.message);
    assert_int_equal(n.found, n.unchanged + n.added + n.changed + n.moved + n.unreadable);
    return n;
}

static int64_t number(const char *catalog, const char *sql) {
    sns_catalog *c;
    int64_t n;
    assert_int_equal(sns_catalog_open(catalog, SNS_CATALOG_READ, &c, NULL), SNS_OK);
    assert_int_equal(sns_store_number(c, sql, &n, NULL), SNS_OK);
    sns_catalog_close(c);
    return n;
}

/* All moments with their vectors, by the path of their file and time: wherever they lie. */
typedef struct stored {
    size_t count;
    struct {
        double start, end, seconds;
        int cut, view;
        float vector[16];
    } rows[2048];
} stored;

static void read_stored(const char *catalog, stored *out) {
    sns_catalog *c;
    sqlite3_stmt *s;
    memset(out, 0, sizeof *out);
    assert_int_equal(sns_catalog_open(catalog, SNS_CATALOG_READ, &c, NULL), SNS_OK);
    assert_int_equal(sns_slots_begin(c, NULL), SNS_OK);
    assert_int_equal(sns_store_prepare(c,
                                       "SELECT m.vector, start, end, seconds, cut, view"
                                       " FROM moments m JOIN files f ON f.vector = item"
                                       " ORDER BY path, view < 0, start, view",
                                       &s, NULL),
                     SNS_OK);
    while (sqlite3_step(s) == SQLITE_ROW) {
        assert_in_range(out->count, 0, 2047);
        size_t i = out->count++, slot = (size_t)sqlite3_column_int64(s, 0) - 1;
        out->rows[i].start = sqlite3_column_double(s, 1);
        out->rows[i].end = sqlite3_column_double(s, 2);
        out->rows[i].seconds = sqlite3_column_double(s, 3);
        out->rows[i].cut = sqlite3_column_int(s, 4);
        out->rows[i].view = sqlite3_column_int(s, 5);
        memcpy(out->rows[i].vector, sns_vector_file_row(&c->mapped, slot),
               sizeof out->rows[i].vector);
    }
    sqlite3_finalize(s);
    sns_slots_end(c);
    sns_catalog_close(c);
}

static void same_stored(const char *catalog, const stored *whole) {
    static stored got;
    read_stored(catalog, &got);
    assert_int_equal(got.count, whole->count);
    assert_memory_equal(&got, whole, sizeof got);
}

static void film(const char *name, const char *arguments) {
    if (!film_make(w.pictures, name, arguments)) fail_msg("ffmpeg did not make %s", name);
}

static void link_file(const char *from, const char *to) {
    char path[256];
    snprintf(path, sizeof path, "%s", world_path(&w, from));
    assert_int_equal(link(path, world_path(&w, to)), 0);
}

static int set_up(void **state) {
    (void)state;
    sns_error err = {0};
    world_open(&w);
    world_make_hearing(world_path(&w, "hears"), 1);
    return sns_model_load(world_path(&w, "hears"), &hears, &err) ? -1 : 0;
}

static int tear_down(void **state) {
    (void)state;
    sns_model_free(hears);
    world_close(&w);
    return 0;
}

/* How many files were given, and vectors of them: of pictures, films, what was heard. */
typedef struct given {
    size_t files, pictures, seen, heard, stop;
    char last[256];
} given;

static sns_status see_file(void *user, const sns_catalog_file *f, size_t dim, sns_error *err) {
    given *g = user;
    (void)err;
    assert_int_equal(dim, 16);
    assert_true(strcmp(g->last, f->path) < 0);
    snprintf(g->last, sizeof g->last, "%s", f->path);
    *(f->heard ? &g->heard : f->spans ? &g->seen : &g->pictures) += f->count;
    for (size_t i = 0; i < f->count; i++) {
        double length = 0;
        for (size_t e = 0; e < dim; e++) length += (double)f->vectors[i][e] * f->vectors[i][e];
        assert_true(length > 0.9999 && length < 1.0001);
        if (i && f->spans) assert_true(f->spans[i].start > f->spans[i - 1].start);
    }
    return ++g->files == g->stop ? SNS_CANCELLED : SNS_OK;
}

/* Of films with both, the pictures; equal ones each. */
static void all_files_are_given(const char *catalog) {
    sns_catalog *c;
    given g = {0};
    assert_int_equal(sns_catalog_open(catalog, SNS_CATALOG_READ, &c, NULL), SNS_OK);
    assert_int_equal(sns_catalog_files(c, see_file, &g, NULL), SNS_OK);
    assert_int_equal(g.files, 6);
    assert_int_equal(g.pictures, 1);
    assert_int_equal(g.seen, number(catalog, "SELECT count(*) FROM moments m JOIN files f ON"
                                             " f.vector = item WHERE view >= 0"));
    assert_int_equal(g.heard, number(catalog, "SELECT count(*) FROM moments WHERE item NOT IN"
                                              " (SELECT item FROM moments WHERE view >= 0)"));
    assert_true(g.heard > 20);
    g = (given){.stop = 2};
    assert_int_equal(sns_catalog_files(c, see_file, &g, NULL), SNS_CANCELLED);
    assert_int_equal(g.files, 2);
    sns_catalog_close(c);
}

/* Two equal films, a silent one, one without pictures, a recording and a picture. */
static void only_the_sound_of_films_is_read(void **state) {
    (void)state;
    static stored whole;
    seen s;
    sns_hits hits;
    sns_catalog *c;
    const char *later = w.catalog, *once = world_path(&w, "once.db");
    film("a.mp4", BOTH);
    link_file("pictures/a.mp4", "pictures/b.mp4");
    film("c silent.mp4", PICTURES " -c:v mpeg4");
    film("d only.mp4", "-f lavfi -i sine=d=3 -c:a aac");
    film("e.wav", "-f lavfi -i sine=f=900:d=3");
    world_picture(&w, "pictures/f.png", 1);
    sns_index_counts n = update(later, NULL, 0.5, &s);
    assert_int_equal(n.added, 4);
    assert_int_equal(n.unreadable, 1);
    assert_non_null(strstr(s.problem, "d only.mp4: "));
    assert_true(s.pictures > 2);
    int64_t seen_before = number(later, "SELECT count(*) FROM moments");

    n = update(later, hears, 1, &s);
    assert_int_equal(n.changed, 3);
    assert_int_equal(n.added, 2);
    assert_int_equal(n.unchanged, 1);
    assert_int_equal(s.pictures, 0);
    assert_true(s.sounds > 4);
    assert_int_equal(number(later, "SELECT count(*) FROM moments WHERE view >= 0"), seen_before);
    assert_int_equal(number(later, "SELECT count(*) FROM removed"), 0);
    assert_int_equal(number(later, "SELECT count(*) FROM unfinished"), 0);
    n = update(later, hears, 1, &s);
    assert_int_equal(n.unchanged, 6);
    assert_int_equal(s.sounds, 0);

    n = update(once, hears, 0.5, &s);
    assert_int_equal(n.added, 6);
    read_stored(once, &whole);
    same_stored(later, &whole);
    all_files_are_given(later);
    const float query[16] = {1};
    assert_int_equal(sns_catalog_open(later, SNS_CATALOG_READ, &c, NULL), SNS_OK);
    assert_non_null(sns_catalog_sound_model_dir(c));
    assert_int_equal(sns_catalog_search(c, query, 16, 1000, &hits, NULL), SNS_OK);
    assert_int_equal(number(later, "SELECT count(*) FROM meta WHERE key = 'sound_mean'"), 1);
    size_t only = 0;
    for (size_t i = 0; i < hits.count; i++) only += strstr(hits.items[i].path, "only") != NULL;
    assert_in_range(only, 1, 5);
    sns_hits_free(&hits);
    sns_catalog_close(c);
}

static void restore(const char *const *files, size_t n, bool save) {
    for (size_t i = 0; i < n; i++) {
        char name[64];
        snprintf(name, sizeof name, "saved-%s", files[i]);
        const char *from = world_path(&w, save ? files[i] : name);
        const char *to = world_path(&w, save ? name : files[i]);
        const char *const argv[] = {"cp", from, to, NULL};
        assert_true(tool_run(argv));
    }
}

static void kills_lose_nothing(void **state) {
    (void)state;
    static stored whole;
    static const char *const files[] = {"test.db", "test.db-vectors-0", "test.db-codes-0"};
    seen s;
    sns_catalog *c;
    sns_hits hits;
    film("a.mp4", BOTH);
    film("b.mkv", PICTURES " " SOUND " -c:v mpeg4 -g 10 -c:a flac");
    update(w.catalog, NULL, 1, &s);
    restore(files, 3, true);
    update(w.catalog, hears, 1, &s);
    size_t stretches = s.sounds;
    assert_in_range(stretches, 8, 14);
    read_stored(w.catalog, &whole);
    for (size_t die = 1; die < stretches; die += 3) {
        restore(files, 3, false);
        unlink(world_path(&w, "test.db-wal"));
        unlink(world_path(&w, "test.db-shm"));
        kill_run(&(kill_plan){.catalog = w.catalog,
                              .model_dir = w.model_dir,
                              .sound_dir = world_path(&w, "hears"),
                              .folder = w.pictures,
                              .stretches = die});
        int64_t waiting = number(w.catalog, "SELECT count(*) FROM unfinished");
        assert_int_equal(waiting, die < stretches / 2 ? 2 : 1);
        const float query[16] = {1}; /* all of the pictures are found meanwhile */
        assert_int_equal(sns_catalog_open(w.catalog, SNS_CATALOG_READ, &c, NULL), SNS_OK);
        assert_int_equal(sns_catalog_search(c, query, 16, 99, &hits, NULL), SNS_OK);
        assert_true(hits.count >= 2);
        sns_hits_free(&hits);
        sns_catalog_close(c);
        /* Options of pictures, which are complete, change nothing. */
        sns_index_counts n = update(w.catalog, hears, 3, &s);
        assert_int_equal(n.changed, waiting);
        assert_int_equal(n.unchanged, 2 - waiting);
        assert_int_equal(s.pictures, 0);
        assert_int_equal(s.sounds, stretches - die);
        same_stored(w.catalog, &whole);
    }
}

/* A film whose pictures are not complete goes on with them, then with its sound. */
static void unfinished_films_are_seen_first(void **state) {
    (void)state;
    static stored whole;
    seen s;
    film("a.mp4", BOTH);
    update(w.catalog, hears, 1, &s);
    read_stored(w.catalog, &whole);
    unlink(w.catalog);
    kill_run(&(kill_plan){
        .catalog = w.catalog, .model_dir = w.model_dir, .folder = w.pictures, .stretches = 1});
    assert_int_equal(number(w.catalog, "SELECT count(*) FROM unfinished"), 1);
    sns_index_counts n = update(w.catalog, hears, 1, &s);
    assert_int_equal(n.added, 1);
    assert_true(s.pictures > 0 && s.sounds > 0);
    same_stored(w.catalog, &whole);
}

static void what_does_not_fit_is_refused(void **state) {
    (void)state;
    seen s;
    sns_error err = {0};
    sns_index_counts n;
    sns_model *other;
    film("a.mp4", BOTH);
    update(w.catalog, NULL, 1, &s);
    world_make_hearing(world_path(&w, "other"), 5);
    assert_int_equal(sns_model_load(world_path(&w, "other"), &other, &err), SNS_OK);
    assert_int_equal(index_by(w.catalog, other, 1, &s, &n, &err), SNS_MISMATCH);
    assert_non_null(strstr(err.message, "of two spaces"));
    assert_int_equal(number(w.catalog, "SELECT count(*) FROM unfinished"), 0);
    update(w.catalog, hears, 1, &s);
    assert_int_equal(index_by(w.catalog, other, 1, &s, &n, &err), SNS_MISMATCH);
    assert_non_null(strstr(err.message, "another model for sound"));
    assert_int_equal(index_by(w.catalog, NULL, 1, &s, &n, &err), SNS_ARG);
    assert_non_null(strstr(err.message, "--rebuild"));
    sns_model_free(other);
}

int main(int argc, char **argv) {
    int code;
    if (kill_is_child(argc, argv, &code)) return code;
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(only_the_sound_of_films_is_read),
        TEST(kills_lose_nothing),
        TEST(unfinished_films_are_seen_first),
        TEST(what_does_not_fit_is_refused),
    };
    if (!film_has_ffmpeg()) {
        puts("skipped: no ffmpeg");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
