/* test_catalog_kill.c - kill -9 while indexing: what was committed stays, the next run goes on.
 * With the argument `long` 60 runs are killed at random moments. */
#include "catalog_kill.h"
#include "catalog/store.h"
#include "base/rng.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { PICTURES = 24 };

static kill_plan plan_for(const catalog_world *w, size_t files) {
    return (kill_plan){
        .catalog = w->catalog, .model_dir = w->model_dir, .folder = w->pictures, .files = files};
}

static void make_pictures(const catalog_world *w) {
    for (uint64_t i = 0; i < PICTURES; i++) {
        char name[64];
        snprintf(name, sizeof name, "pictures/%02u.png", (unsigned)i);
        world_picture(w, name, i);
    }
}

/* The catalog after a kill: sound, every file row with its vector; returns how many files it has.
 */
static size_t check_sound(const catalog_world *w) {
    sns_error err = {0};
    sns_catalog *c;
    sqlite3_stmt *s;
    size_t files;
    if (sns_catalog_open(w->catalog, SNS_CATALOG_WRITE, &c, &err)) fail_msg("%s", err.message);
    assert_int_equal(sns_store_prepare(c, "PRAGMA integrity_check", &s, &err), SNS_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    assert_string_equal(sqlite3_column_text(s, 0), "ok");
    sqlite3_finalize(s);
    assert_int_equal(sns_store_prepare(c, "PRAGMA foreign_key_check", &s, &err), SNS_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_DONE);
    sqlite3_finalize(s);
    assert_int_equal(sns_catalog_count(c, &files, &err), SNS_OK);
    if (sns_catalog_verify(c, &err)) fail_msg("%s", err.message);
    sns_catalog_close(c);
    return files;
}

static void finish_run(const catalog_world *w, size_t kept) {
    sns_error err = {0};
    sns_catalog *c;
    sns_index_counts n;
    const char *path = w->pictures;
    assert_int_equal(sns_catalog_open(w->catalog, SNS_CATALOG_WRITE, &c, &err), SNS_OK);
    assert_int_equal(sns_catalog_index(c, w->model, w->model_dir, &path, 1, NULL, &n, &err),
                     SNS_OK);
    assert_int_equal(n.unchanged, kept);
    assert_int_equal(n.added, PICTURES - kept);
    assert_int_equal(n.unreadable + n.changed + n.removed + n.moved, 0);
    sns_catalog_close(c);
}

static void a_kill_loses_one_batch(void **state) {
    (void)state;
    catalog_world w;
    world_open(&w);
    make_pictures(&w);
    const size_t limits[] = {1, 5, 12, 24};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        const kill_plan plan = plan_for(&w, limits[i]);
        unlink(w.catalog);
        unlink(world_path(&w, "test.db-wal"));
        unlink(world_path(&w, "test.db-shm"));
        kill_run(&plan);
        size_t kept = check_sound(&w);
        assert_true(kept + KILL_BATCH >= limits[i] && kept <= limits[i]);
        finish_run(&w, kept);
    }
    world_close(&w);
}

static void kills_at_random_moments(void **state) {
    (void)state;
    catalog_world w;
    sns_rng rng;
    int status;
    size_t last = 0;
    sns_rng_seed(&rng, 9);
    world_open(&w);
    make_pictures(&w);
    const kill_plan plan = plan_for(&w, 0);
    for (int round = 0; round < 60; round++) {
        if (last == PICTURES) {
            unlink(w.catalog);
            unlink(world_path(&w, "test.db-wal"));
            unlink(world_path(&w, "test.db-shm"));
            last = 0;
        }
        pid_t pid = kill_start(&plan);
        usleep((unsigned)sns_rng_below(&rng, 300000));
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (access(w.catalog, F_OK)) continue; /* killed before it began */
        size_t kept = check_sound(&w);
        assert_true(kept >= last);
        last = kept;
    }
    finish_run(&w, last);
    world_close(&w);
}

int main(int argc, char **argv) {
    int code;
    if (kill_is_child(argc, argv, &code)) return code;
    const struct CMUnitTest fast[] = {cmocka_unit_test(a_kill_loses_one_batch)};
    const struct CMUnitTest slow[] = {cmocka_unit_test(kills_at_random_moments)};
    if (argc > 1 && !strcmp(argv[1], "long")) return cmocka_run_group_tests(slow, NULL, NULL);
    return cmocka_run_group_tests(fast, NULL, NULL);
}
