/* test_catalog_sound.c - recordings in a catalog by a model that hears: windows, kills, search by
 * text and by recording. */
#include "catalog_kill.h"
#include "base/file.h"
#include "base/rng.h"
#include "catalog/slots.h"
#include "embed/sound_reader.h"
#include "tool.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <cmocka.h>

enum { RATE = 16000, WINDOW = 1920, E = 12 };

typedef struct seen {
    size_t problems, stretches;
    char problem[1024];
} seen;

static void see_problem(void *user, sns_status status, const char *message) {
    seen *s = user;
    (void)status;
    s->problems++;
    snprintf(s->problem, sizeof s->problem, "%s", message);
}

static void see_film(void *user, const char *path, double seconds, double duration) {
    seen *s = user;
    (void)path, (void)seconds, (void)duration;
    s->stretches++;
}

static sns_status run_index(const char *catalog, const sns_model *model, const char *folder,
                            seen *s, sns_index_counts *n, sns_error *err) {
    sns_catalog *c;
    const sns_index_options o = {.problem = see_problem, .film = see_film, .user = s};
    sns_status status = sns_catalog_open(catalog, SNS_CATALOG_WRITE, &c, err);
    if (status) return status;
    status = sns_catalog_index(c, model, NULL, &folder, 1, &o, n, err);
    if (!status) status = sns_catalog_verify(c, err);
    sns_catalog_close(c);
    return status;
}

static sns_model *hears;

static sns_index_counts update(const catalog_world *w, seen *s) {
    sns_error err = {0};
    sns_index_counts n;
    *s = (seen){0};
    if (run_index(w->catalog, hears, w->pictures, s, &n, &err)) fail_msg("%s", err.message);
    assert_int_equal(n.found, n.unchanged + n.added + n.changed + n.moved + n.unreadable);
    return n;
}

static int64_t number(const catalog_world *w, const char *sql) {
    sns_catalog *c;
    int64_t n;
    assert_int_equal(sns_catalog_open(w->catalog, SNS_CATALOG_READ, &c, NULL), SNS_OK);
    assert_int_equal(sns_store_number(c, sql, &n, NULL), SNS_OK);
    sns_catalog_close(c);
    return n;
}

/* Seconds of tones, a new one every half second, drawn from the seed. */
static void record(const catalog_world *w, const char *rest, double seconds, uint64_t seed) {
    size_t n = (size_t)(seconds * RATE), size;
    float *x = malloc(n * sizeof *x);
    double hz = 0;
    uint8_t *bytes;
    sns_rng rng;
    sns_rng_seed(&rng, seed);
    for (size_t i = 0; i < n; i++) {
        if (i % (RATE / 2) == 0) hz = 100 + 3000 * sns_rng_uniform(&rng);
        x[i] = 0.3f * (float)sin(2 * M_PI * hz * (double)i / RATE);
    }
    const sns_sound sound = {x, n, RATE, 0};
    assert_int_equal(sns_sound_encode_wav(&sound, &bytes, &size, NULL), SNS_OK);
    assert_int_equal(sns_file_write(world_path(w, rest), bytes, size, NULL), SNS_OK);
    free(bytes);
    free(x);
}

/* All rows and vectors, by time. */
typedef struct stored {
    size_t count;
    double times[512][3];
    float vectors[512][E];
} stored;

static void read_stored(const catalog_world *w, stored *out) {
    sns_catalog *c;
    sqlite3_stmt *s;
    *out = (stored){0};
    assert_int_equal(sns_catalog_open(w->catalog, SNS_CATALOG_READ, &c, NULL), SNS_OK);
    assert_int_equal(sns_slots_begin(c, NULL), SNS_OK);
    sns_store_prepare(c,
                      "SELECT vector, start, end, seconds FROM moments WHERE view < 0"
                      " ORDER BY item, start",
                      &s, NULL);
    while (sqlite3_step(s) == SQLITE_ROW) {
        assert_in_range(out->count, 0, 511);
        size_t i = out->count++, slot = (size_t)sqlite3_column_int64(s, 0) - 1;
        for (int k = 0; k < 3; k++) out->times[i][k] = sqlite3_column_double(s, k + 1);
        memcpy(out->vectors[i], sns_vector_file_row(&c->mapped, slot), sizeof out->vectors[0]);
    }
    sqlite3_finalize(s);
    sns_slots_end(c);
    sns_catalog_close(c);
}

static void windows_are_stored(void **state) {
    (void)state;
    static stored got;
    catalog_world w;
    seen s;
    sns_sound_reader *r;
    sns_sound_batch b;
    sns_error err = {0};
    const sns_sound_reading how = {0};
    world_open(&w);
    record(&w, "pictures/a.wav", 3.33, 1);
    world_picture(&w, "pictures/no.png", 1); /* is not for a model that hears */
    world_text(&w, "pictures/bad.ogg", "no sound");
    sns_index_counts n = update(&w, &s);
    assert_int_equal(n.added, 1);
    assert_int_equal(n.unreadable, 1);
    assert_non_null(strstr(s.problem, "bad.ogg: "));
    read_stored(&w, &got);
    if (sns_sound_reader_open(hears, world_path(&w, "pictures/a.wav"), &how, &r, &err))
        fail_msg("%s", err.message);
    size_t at = 0;
    while (!sns_sound_reader_next(r, &b, &err) && b.count)
        for (size_t i = 0; i < b.count; i++, at++) {
            assert_true(got.times[at][0] == b.spans[i].start);
            assert_true(got.times[at][1] == b.spans[i].end);
            assert_memory_equal(got.vectors[at], b.vectors + i * E, sizeof got.vectors[0]);
        }
    assert_int_equal(at, got.count);
    assert_true(fabs(got.times[at - 1][1] - 3.33) < 1e-9);
    sns_sound_reader_free(r);
    n = update(&w, &s);
    assert_int_equal(n.unchanged, 1);
    world_close(&w);
}

static void a_killed_recording_goes_on_to_the_same_bits(void **state) {
    (void)state;
    static stored whole, got;
    catalog_world w;
    seen s;
    const char *model = tool_source("goldens/sound/vit");
    world_open(&w);
    record(&w, "pictures/long.wav", 12.1, 2);
    update(&w, &s);
    size_t stretches = s.stretches;
    assert_in_range(stretches, 6, 8);
    read_stored(&w, &whole);
    for (size_t die = 1; die < stretches; die += 2) {
        unlink(w.catalog);
        kill_run(&(kill_plan){
            .catalog = w.catalog, .model_dir = model, .folder = w.pictures, .stretches = die});
        assert_int_equal(number(&w, "SELECT count(*) FROM unfinished"), 1);
        sns_index_counts n = update(&w, &s);
        assert_int_equal(n.added, 1);
        assert_int_equal(s.stretches, stretches - die);
        read_stored(&w, &got);
        assert_int_equal(got.count, whole.count);
        assert_memory_equal(&got, &whole, sizeof got);
    }
    world_close(&w);
}

static void recordings_are_found(void **state) {
    (void)state;
    catalog_world w;
    seen s;
    sns_error err = {0};
    sns_catalog *c;
    sns_session *session;
    sns_query q;
    sns_hits hits;
    float v[E];
    world_open(&w);
    record(&w, "pictures/a.wav", 2, 1);
    record(&w, "pictures/b.wav", 0.05, 9); /* shorter than a window */
    record(&w, "pictures/c.wav", 5, 3);
    update(&w, &s);
    assert_int_equal(sns_catalog_open(w.catalog, SNS_CATALOG_READ, &c, &err), SNS_OK);
    assert_int_equal(sns_session_new(hears, &session, &err), SNS_OK);
    const char *path = world_path(&w, "pictures/b.wav");
    assert_int_equal(sns_query_parse(&path, 1, &q, &err), SNS_OK);
    assert_int_equal(sns_query_encode(hears, session, &q, v, &err), SNS_OK);
    sns_query_free(&q);
    if (sns_catalog_search(c, v, E, 3, &hits, &err)) fail_msg("%s", err.message);
    assert_string_equal(hits.items[0].path, path);
    assert_true(hits.items[0].score > 0.9999f && hits.items[0].in_time);
    assert_true(hits.items[0].start == 0 && fabs(hits.items[0].end - 0.05) < 1e-9);
    sns_hits_free(&hits);
    for (size_t i = 0; i < E; i++) v[i] = i % 2 ? 0.3f : -sqrtf(1.0f / 6 - 0.09f);
    assert_int_equal(sns_catalog_search(c, v, E, 20, &hits, &err), SNS_OK);
    assert_in_range(hits.count, 3, 11);
    for (size_t i = 0; i < hits.count; i++)
        assert_true(hits.items[i].start <= hits.items[i].peak &&
                    hits.items[i].peak < hits.items[i].end);
    sns_hits_free(&hits);
    assert_int_equal(sns_catalog_search_relevant(c, v, E, 99, NULL, -100, &hits, &err), SNS_OK);
    assert_true(hits.count >= 3);
    sns_hits_free(&hits);
    path = "missing.wav";
    assert_int_equal(sns_query_parse(&path, 1, &q, &err), SNS_MISSING);
    assert_non_null(strstr(err.message, "no such recording"));
    sns_catalog_close(c);
    sns_session_free(session);
    world_close(&w);
}

static int set_up(void **state) {
    (void)state;
    sns_error err = {0};
    if (!sns_model_load(tool_source("goldens/sound/vit"), &hears, &err)) return 0;
    puts(err.message);
    return -1;
}

static int tear_down(void **state) {
    (void)state;
    sns_model_free(hears);
    return 0;
}

int main(int argc, char **argv) {
    int code;
    if (kill_is_child(argc, argv, &code)) return code;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_are_stored),
        cmocka_unit_test(a_killed_recording_goes_on_to_the_same_bits),
        cmocka_unit_test(recordings_are_found),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
