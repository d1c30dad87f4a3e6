/* test_catalog_index.c - what indexing finds, keeps, moves, forgets and reports. */
#include "catalog_world.h"
#include "catalog/store.h"
#include "catalog/walk.h"
#include <fcntl.h>
#include <stdbool.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

typedef struct seen {
    size_t problems;
    char last[1024];
    sns_status status;
} seen;

static void note_problem(void *user, sns_status status, const char *message) {
    seen *s = user;
    s->problems++;
    s->status = status;
    snprintf(s->last, sizeof s->last, "%s", message);
}

/* Index one path of the world; every problem is noted. */
static sns_index_counts index_path(const catalog_world *w, const char *rest, bool retry, seen *s) {
    sns_error err = {0};
    sns_catalog *c;
    sns_index_counts n = {0};
    *s = (seen){0};
    sns_index_options o = {.retry = retry, .batch_files = 3, .problem = note_problem, .user = s};
    if (sns_catalog_open(w->catalog, SNS_CATALOG_WRITE, &c, &err)) fail_msg("%s", err.message);
    const char *path = world_path(w, rest);
    if (sns_catalog_index(c, w->model, w->model_dir, &path, 1, &o, &n, &err))
        fail_msg("%s", err.message);
    sns_catalog_close(c);
    assert_int_equal(s->problems, n.unreadable);
    assert_int_equal(n.found, n.unchanged + n.added + n.changed + n.moved + n.unreadable);
    return n;
}

/* added, changed, removed, unreadable, moved, unchanged */
static void expect(sns_index_counts n, size_t added, size_t changed, size_t removed,
                   size_t unreadable, size_t moved, size_t unchanged) {
    assert_int_equal(n.added, added);
    assert_int_equal(n.changed, changed);
    assert_int_equal(n.removed, removed);
    assert_int_equal(n.unreadable, unreadable);
    assert_int_equal(n.moved, moved);
    assert_int_equal(n.unchanged, unchanged);
}

static int64_t number(const catalog_world *w, const char *sql) {
    sqlite3 *db;
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_open(w->catalog, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return n;
}

static void only_what_changed_is_done(void **state) {
    (void)state;
    catalog_world w;
    seen s;
    world_open(&w);
    for (int i = 0; i < 7; i++) {
        char name[64];
        snprintf(name, sizeof name, "pictures/%s%d.PNG", i % 2 ? "a/b/" : "", i);
        world_picture(&w, name, (uint64_t)i);
        world_set_time(&w, name, 1000);
    }
    world_text(&w, "pictures/notes.txt", "no picture");
    expect(index_path(&w, "pictures", false, &s), 7, 0, 0, 0, 0, 0);
    expect(index_path(&w, "pictures", false, &s), 0, 0, 0, 0, 0, 7);
    world_set_time(&w, "pictures/0.PNG", 2000); /* touched, same bytes */
    expect(index_path(&w, "pictures", false, &s), 0, 0, 0, 0, 0, 7);
    world_picture(&w, "pictures/0.PNG", 77);
    world_set_time(&w, "pictures/0.PNG", 3000);
    expect(index_path(&w, "pictures", false, &s), 0, 1, 0, 0, 0, 6);
    assert_int_equal(number(&w, "SELECT count(*) FROM vectors"), 7); /* the old one went */
    assert_int_equal(unlink(world_path(&w, "pictures/a/b/1.PNG")), 0);
    expect(index_path(&w, "pictures", false, &s), 0, 0, 1, 0, 0, 6);
    assert_int_equal(number(&w, "SELECT count(*) FROM files"), 6);
    assert_int_equal(number(&w, "SELECT count(*) FROM vectors"), 6);
    world_close(&w);
}

static void moved_and_equal_files_share_a_vector(void **state) {
    (void)state;
    catalog_world w;
    seen s;
    world_open(&w);
    world_picture(&w, "pictures/one.png", 1);
    world_picture(&w, "pictures/two.png", 2);
    world_picture(&w, "pictures/same.png", 1);
    expect(index_path(&w, "pictures", false, &s), 3, 0, 0, 0, 0, 0);
    assert_int_equal(number(&w, "SELECT count(*) FROM vectors"), 2);
    assert_int_equal(mkdir(world_path(&w, "pictures/new"), 0777), 0);
    assert_int_equal(
        rename(world_path(&w, "pictures/two.png"), world_path(&w, "pictures/new/zwei.png")), 0);
    expect(index_path(&w, "pictures", false, &s), 0, 0, 0, 0, 1, 2);
    world_picture(&w, "pictures/copy.png", 2);
    expect(index_path(&w, "pictures", false, &s), 1, 0, 0, 0, 0, 3);
    assert_int_equal(number(&w, "SELECT count(DISTINCT vector) FROM files"), 2);
    assert_int_equal(number(&w, "SELECT value FROM meta WHERE key = 'slots'"), 2); /* of all time */
    world_close(&w);
}

static void only_files_under_the_paths_disappear(void **state) {
    (void)state;
    catalog_world w;
    seen s;
    world_open(&w);
    world_picture(&w, "pictures/in/1.png", 1);
    world_picture(&w, "pictures/in.2/2.png", 2); /* a name that only begins alike */
    world_picture(&w, "pictures/out/3.png", 3);
    expect(index_path(&w, "pictures", false, &s), 3, 0, 0, 0, 0, 0);
    unlink(world_path(&w, "pictures/in/1.png"));
    unlink(world_path(&w, "pictures/in.2/2.png"));
    unlink(world_path(&w, "pictures/out/3.png"));
    expect(index_path(&w, "pictures/in", false, &s), 0, 0, 1, 0, 0, 0);
    assert_int_equal(number(&w, "SELECT count(*) FROM files"), 2);
    rmdir(world_path(&w, "pictures/out")); /* a known folder that is gone is no mistake */
    expect(index_path(&w, "pictures/out", false, &s), 0, 0, 1, 0, 0, 0);
    expect(index_path(&w, "pictures/out", false, &s), 0, 0, 0, 1, 0, 0);
    assert_int_equal(s.status, SNS_MISSING);
    assert_non_null(strstr(s.last, "pictures/out: no such file or folder"));
    world_close(&w);
}

static void unreadable_files_are_remembered(void **state) {
    (void)state;
    catalog_world w;
    seen s;
    world_open(&w);
    world_picture(&w, "pictures/good.png", 1);
    struct stat st;
    assert_int_equal(stat(world_path(&w, "pictures/good.png"), &st), 0);
    char *junk = calloc(1, (size_t)st.st_size + 1);
    memset(junk, 'x', (size_t)st.st_size);
    world_text(&w, "pictures/bad.png", junk);
    free(junk);
    world_set_time(&w, "pictures/bad.png", 1000);
    expect(index_path(&w, "pictures", false, &s), 1, 0, 0, 1, 0, 0);
    assert_non_null(strstr(s.last, "bad.png"));
    assert_null(strchr(s.last, '\n'));
    /* The same size and time: without retry nobody looks inside again. */
    world_picture(&w, "pictures/bad.png", 1);
    world_set_time(&w, "pictures/bad.png", 1000);
    expect(index_path(&w, "pictures", false, &s), 0, 0, 0, 1, 0, 1);
    assert_non_null(strstr(s.last, "bad.png"));
    expect(index_path(&w, "pictures", true, &s), 1, 0, 0, 0, 0, 1);
    /* A file that turns bad loses its vector. */
    world_text(&w, "pictures/good.png", "broken now");
    expect(index_path(&w, "pictures", false, &s), 0, 0, 0, 1, 0, 1);
    assert_int_equal(number(&w, "SELECT count(*) FROM files WHERE vector IS NOT NULL"), 1);
    world_close(&w);
}

static void strange_folders_do_no_harm(void **state) {
    (void)state;
    catalog_world w;
    seen s;
    world_open(&w);
    world_picture(&w, "pictures/real/1.png", 1);
    world_picture(&w, "pictures/folder.jpg/2.png", 2);
    world_picture(&w, "pictures/.hidden/3.png", 3);
    world_picture(&w, "pictures/.4.png", 4);
    mkdir(world_path(&w, "pictures/empty"), 0777);
    assert_int_equal(symlink("..", world_path(&w, "pictures/real/up")), 0);
    assert_int_equal(symlink("real", world_path(&w, "pictures/alias")), 0);
    assert_int_equal(symlink("loop.png", world_path(&w, "pictures/loop.png")), 0);
    assert_int_equal(symlink("nowhere", world_path(&w, "pictures/broken.png")), 0);
    assert_int_equal(symlink("real/1.png", world_path(&w, "pictures/also1.png")), 0);
    assert_int_equal(mkfifo(world_path(&w, "pictures/pipe.png"), 0666), 0);
    expect(index_path(&w, "pictures", false, &s), 3, 0, 0, 3, 0, 0);
    assert_int_equal(number(&w, "SELECT count(*) FROM files WHERE path LIKE '%/alias/%'"), 0);
    expect(index_path(&w, "pictures/empty", false, &s), 0, 0, 0, 1, 0, 0);
    assert_non_null(strstr(s.last, "pictures/empty: nothing to index in this folder"));
    world_picture(&w, "other/1.png", 1);
    mkdir(world_path(&w, "other/x.jpg"), 0777);
    expect(index_path(&w, "other/x.jpg", false, &s), 0, 0, 0, 1, 0, 0);
    expect(index_path(&w, "other", false, &s), 1, 0, 0, 1, 0, 0);
    assert_non_null(strstr(s.last, "other/x.jpg: an empty folder, not a file"));
    expect(index_path(&w, "pictures/.4.png", false, &s), 1, 0, 0, 0, 0, 0); /* named: taken */
    expect(index_path(&w, "pictures/pipe.png", false, &s), 0, 0, 0, 1, 0, 0);
    world_close(&w);
}

/* A folder that may be listed but not entered: what is in it is not gone. */
static void what_can_not_be_looked_at_is_kept(void **state) {
    (void)state;
    catalog_world w;
    seen s;
    world_open(&w);
    world_picture(&w, "pictures/locked/1.png", 1);
    world_picture(&w, "pictures/2.png", 2);
    expect(index_path(&w, "pictures", false, &s), 2, 0, 0, 0, 0, 0);
    const char *locked = world_path(&w, "pictures/locked");
    assert_int_equal(chmod(w.root, 0755), 0);
    assert_int_equal(chmod(locked, 0444), 0);
    bool root = !geteuid();
    if (root) assert_int_equal(seteuid(65534), 0);
    sns_walk walk = {0};
    const char *path = w.pictures;
    sns_error err = {0};
    assert_int_equal(sns_walk_paths(&walk, &path, 1, &err), SNS_OK);
    if (root) assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(locked, 0777), 0);
    assert_int_equal(walk.count, 1);
    assert_int_equal(walk.problems.count, 1);
    assert_non_null(strstr(walk.problems.items[0], "locked/1.png: Permission denied"));
    assert_true(sns_names_cover(&walk.unread, world_path(&w, "pictures/locked/1.png")));
    sns_walk_free(&walk);
    world_close(&w);
}

static void another_model_is_refused(void **state) {
    (void)state;
    catalog_world w;
    seen s;
    sns_error err = {0};
    sns_catalog *c;
    sns_model *other;
    sns_index_counts n;
    world_open(&w);
    world_picture(&w, "pictures/1.png", 1);
    index_path(&w, "pictures", false, &s);
    const char *dir = world_path(&w, "other"), *path = w.pictures;
    world_make_model(dir, 2);
    assert_int_equal(sns_model_load(dir, &other, &err), SNS_OK);
    assert_int_equal(sns_catalog_open(w.catalog, SNS_CATALOG_WRITE, &c, &err), SNS_OK);
    assert_string_equal(sns_catalog_model_dir(c), w.model_dir);
    assert_int_equal(sns_catalog_index(c, other, dir, &path, 1, NULL, &n, &err), SNS_MISMATCH);
    assert_non_null(strstr(err.message, "--rebuild"));
    assert_non_null(strstr(err.message, w.catalog));
    assert_int_equal(sns_catalog_rebuild(c, &err), SNS_OK);
    assert_null(sns_catalog_model_dir(c));
    assert_int_equal(sns_catalog_index(c, other, dir, &path, 1, NULL, &n, &err), SNS_OK);
    expect(n, 1, 0, 0, 0, 0, 0);
    assert_string_equal(sns_catalog_model_dir(c), dir);
    sns_catalog_close(c);
    sns_model_free(other);
    world_close(&w);
}

static void a_full_disk_keeps_what_was_stored(void **state) {
    (void)state;
    catalog_world w;
    seen s;
    sns_error err = {0};
    sns_catalog *c;
    sns_index_counts n;
    world_open(&w);
    world_picture(&w, "pictures/1.png", 1);
    index_path(&w, "pictures", false, &s);
    for (int i = 2; i < 90; i++) {
        char name[200];
        snprintf(name, sizeof name, "pictures/%0120d.png", i);
        world_picture(&w, name, (uint64_t)i);
    }
    assert_int_equal(sns_catalog_open(w.catalog, SNS_CATALOG_WRITE, &c, &err), SNS_OK);
    assert_int_equal(sns_store_exec(c, "PRAGMA max_page_count = 1", &err), SNS_OK);
    const char *path = w.pictures;
    assert_int_equal(sns_catalog_index(c, w.model, NULL, &path, 1, NULL, &n, &err), SNS_IO);
    assert_non_null(strstr(err.message, "the disk is full"));
    assert_non_null(strstr(err.message, w.catalog));
    sns_catalog_close(c);
    assert_int_equal(number(&w, "SELECT count(*) FROM files"), 1);
    expect(index_path(&w, "pictures", false, &s), 88, 0, 0, 0, 0, 1);
    world_close(&w);
}

static int cancel_flag;

static void cancel_late(void *user, size_t done, size_t total) {
    (void)user;
    (void)total;
    if (done >= 5) cancel_flag = 1;
}

static void a_cancelled_run_keeps_its_batches(void **state) {
    (void)state;
    catalog_world w;
    seen s;
    sns_error err = {0};
    sns_catalog *c;
    sns_index_counts n;
    world_open(&w);
    for (int i = 0; i < 9; i++) {
        char name[64];
        snprintf(name, sizeof name, "pictures/%d.png", i);
        world_picture(&w, name, (uint64_t)i);
    }
    assert_int_equal(sns_catalog_open(w.catalog, SNS_CATALOG_WRITE, &c, &err), SNS_OK);
    cancel_flag = 0;
    sns_index_options o = {.batch_files = 2, .cancel = &cancel_flag, .progress = cancel_late};
    const char *path = w.pictures;
    assert_int_equal(sns_catalog_index(c, w.model, NULL, &path, 1, &o, &n, &err), SNS_CANCELLED);
    sns_catalog_close(c);
    assert_in_range(n.added, 4, 6);
    assert_int_equal(number(&w, "SELECT count(*) FROM files"), n.added);
    expect(index_path(&w, "pictures", false, &s), 9 - n.added, 0, 0, 0, 0, n.added);
    world_close(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_changed_is_done),
        cmocka_unit_test(moved_and_equal_files_share_a_vector),
        cmocka_unit_test(only_files_under_the_paths_disappear),
        cmocka_unit_test(unreadable_files_are_remembered),
        cmocka_unit_test(strange_folders_do_no_harm),
        cmocka_unit_test(what_can_not_be_looked_at_is_kept),
        cmocka_unit_test(another_model_is_refused),
        cmocka_unit_test(a_full_disk_keeps_what_was_stored),
        cmocka_unit_test(a_cancelled_run_keeps_its_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
