/* test_base.c - errors, arena, strings, files, random numbers, queue. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/queue.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

static void error_is_one_line(void **state) {
    (void)state;
    sns_error err = {0};
    assert_int_equal(sns_fail(&err, SNS_IO, "a\nb %d", 7), SNS_IO);
    assert_string_equal(err.message, "a?b 7");
    sns_fail_in(&err, SNS_IO, "file");
    assert_string_equal(err.message, "file: a?b 7");
    assert_int_equal(sns_fail(NULL, SNS_ARG, "x"), SNS_ARG);
    assert_string_equal(sns_status_text(SNS_OK), "success");
    assert_string_equal(sns_status_text((sns_status)999), "unknown status");
}

static void a_long_message_keeps_file_and_reason(void **state) {
    (void)state;
    sns_error err = {0};
    char path[4096];
    for (size_t i = 0; i < sizeof path - 2; i += 2) memcpy(path + i, "\xc3\xbc", 2);
    memcpy(path, "/begin", 6);
    path[sizeof path - 2] = 0;
    sns_fail_errno(&err, SNS_IO, ENOSPC, "%s: cannot write", path);
    assert_true(strlen(err.message) < sizeof err.message);
    assert_true(strlen(err.message) > sizeof err.message - 8);
    assert_int_equal(strncmp(err.message, "/begin", 6), 0);
    assert_non_null(strstr(err.message, ": cannot write: No space left on device"));
    assert_non_null(strstr(err.message, "\xc3\xbc...\xc3\xbc"));
    sns_fail(&err, SNS_IO,
             "a\xc2\x9b"
             "31mb\xc3\x9b"); /* CSI, and a letter */
    assert_string_equal(err.message, "a??31mb\xc3\x9b");
}

static void arena_reuses_memory(void **state) {
    (void)state;
    sns_arena *a = sns_arena_new();
    char *first = NULL;
    for (int round = 0; round < 3; round++) {
        char *p = sns_arena_alloc(a, 100);
        assert_int_equal((uintptr_t)p % 64, 0);
        char *big = sns_arena_alloc(a, 3 << 20);
        memset(p, 1, 100);
        memset(big, 2, 3 << 20);
        sns_arena_mark m = sns_arena_get_mark(a);
        char *q = sns_arena_alloc(a, 1 << 20);
        memset(q, 3, 1 << 20);
        sns_arena_release(a, m);
        assert_ptr_equal(sns_arena_alloc(a, 1 << 20), q);
        assert_int_equal(p[99], 1);
        if (!first) first = p;
        assert_ptr_equal(first, p);
        sns_arena_reset(a);
    }
    assert_null(sns_arena_alloc(a, SIZE_MAX - 3));
    sns_arena_free(a);
}

static void strings_grow_and_escape(void **state) {
    (void)state;
    sns_strbuf b = {0};
    assert_string_equal(sns_strbuf_text(&b), "");
    for (int i = 0; i < 100; i++) sns_strbuf_printf(&b, "%d,", i);
    assert_int_equal(b.size, 290);
    sns_strbuf_clear(&b);
    sns_strbuf_xml(&b, "<a&'\">");
    assert_string_equal(b.data, "&lt;a&amp;&#39;&quot;&gt;");
    sns_strbuf_free(&b);
    char *p = sns_path_join("/x/", "y");
    assert_string_equal(p, "/x/y");
    free(p);
    assert_true(sns_ends_with_nocase("A.JPG", ".jpg"));
    assert_false(sns_ends_with("A.JPG", ".jpg"));
}

static void files_are_replaced_whole(void **state) {
    (void)state;
    char dir[] = "/tmp/sensus-test-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char *sub = sns_path_join(dir, "a/b"), *path = sns_path_join(sub, "f");
    sns_error err;
    assert_int_equal(sns_make_dirs(sub, &err), SNS_OK);
    assert_int_equal(sns_make_dirs(sub, &err), SNS_OK);
    assert_int_equal(sns_file_write(path, "hello", 5, &err), SNS_OK);
    char *data;
    size_t size;
    assert_int_equal(sns_file_read(path, 4, &data, &size, &err), SNS_LIMIT);
    assert_int_equal(sns_file_read(path, 5, &data, &size, &err), SNS_OK);
    assert_string_equal(data, "hello");
    free(data);
    sns_map map;
    assert_int_equal(sns_map_open(path, &map, &err), SNS_OK);
    assert_memory_equal(map.data, "hello", 5);
    sns_map_close(&map);
    assert_int_equal(sns_map_open(dir, &map, &err), SNS_IO);
    assert_int_equal(sns_map_open("/nonexistent/x", &map, &err), SNS_MISSING);
    assert_int_equal(sns_make_dirs(path, &err), SNS_IO);
    unlink(path);
    rmdir(sub);
    sub[strlen(sub) - 2] = 0;
    rmdir(sub);
    rmdir(dir);
    free(path);
    free(sub);
}

static void random_numbers_repeat(void **state) {
    (void)state;
    sns_rng a, b;
    sns_rng_seed_at(&a, 1, 2, 3);
    sns_rng_seed_at(&b, 1, 2, 3);
    assert_true(sns_rng_next(&a) == sns_rng_next(&b));
    sns_rng_seed_at(&b, 1, 2, 4);
    assert_false(sns_rng_next(&a) == sns_rng_next(&b));
    double sum = 0, squares = 0;
    for (int i = 0; i < 20000; i++) {
        double x = sns_rng_normal(&a);
        sum += x;
        squares += x * x;
        assert_true(sns_rng_below(&a, 7) < 7);
    }
    assert_true(sum / 20000 < 0.05 && sum / 20000 > -0.05);
    assert_true(squares / 20000 > 0.95 && squares / 20000 < 1.05);
}

static void *producer(void *arg) {
    for (uintptr_t i = 1; i <= 1000; i++)
        if (!sns_queue_push(arg, (void *)i)) return NULL;
    sns_queue_close(arg);
    return NULL;
}

static void queue_keeps_order(void **state) {
    (void)state;
    sns_queue *q = sns_queue_new(4);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, producer, q), 0);
    void *item;
    for (uintptr_t i = 1; i <= 1000; i++) {
        assert_true(sns_queue_pop(q, &item));
        assert_true((uintptr_t)item == i);
    }
    assert_false(sns_queue_pop(q, &item));
    pthread_join(thread, NULL);
    assert_false(sns_queue_push(q, &item));
    sns_queue_free(q);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_is_one_line),
        cmocka_unit_test(a_long_message_keeps_file_and_reason),
        cmocka_unit_test(arena_reuses_memory),
        cmocka_unit_test(strings_grow_and_escape),
        cmocka_unit_test(files_are_replaced_whole),
        cmocka_unit_test(random_numbers_repeat),
        cmocka_unit_test(queue_keeps_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
