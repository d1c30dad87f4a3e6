/* test_tar_reader.c - archives of three dialects, and damaged ones. */
#include "make_tar.h"
#include "train/tar_reader.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void expect_entry(sns_tar *t, const char *name, const char *text) {
    sns_tar_entry e;
    sns_error err;
    bool end;
    if (sns_tar_next(t, &e, &end, &err)) fail_msg("%s", err.message);
    assert_false(end);
    assert_string_equal(e.name, name);
    assert_int_equal(e.size, strlen(text));
    assert_memory_equal(e.data, text, e.size);
}

static void expect_end(sns_tar *t) {
    sns_tar_entry e;
    bool end = false;
    assert_int_equal(sns_tar_next(t, &e, &end, NULL), SNS_OK);
    assert_true(end);
}

static void members_come_in_order(void **state) {
    (void)state;
    sns_strbuf b = {0};
    char block[512] = "";
    tar_add(&b, "folder", "", '5');
    tar_add(&b, "a.txt", "hello", '0');
    tar_add(&b, "link", "", '2');
    tar_add(&b, "empty.txt", "", '0');
    memset(block, 'x', 511);
    tar_add(&b, "one-block.txt", block, 0);
    tar_finish(&b);
    sns_tar t;
    sns_tar_begin(&t, "test.tar", b.data, b.size);
    expect_entry(&t, "a.txt", "hello");
    expect_entry(&t, "empty.txt", "");
    expect_entry(&t, "one-block.txt", block);
    expect_end(&t);
    expect_end(&t);
    sns_strbuf_free(&b);
}

static void long_names_of_two_dialects(void **state) {
    (void)state;
    sns_strbuf b = {0};
    char name[300], pax[512];
    memset(name, 'n', sizeof name);
    name[299] = 0;
    tar_add(&b, "././@LongLink", name, 'L');
    tar_add(&b, "short", "gnu", '0');
    snprintf(pax, sizeof pax, "19 comment=ignored\n%zu path=%s\n", strlen(name) + 10, name);
    tar_add(&b, "PaxHeaders/x", pax, 'x');
    tar_add(&b, "short", "pax", '0');
    tar_add(&b, "pax_global_header", "19 comment=ignored\n", 'g');
    tar_add(&b, "plain", "plain", '0');
    sns_tar t;
    sns_tar_begin(&t, "test.tar", b.data, b.size); /* no zero blocks: accepted */
    expect_entry(&t, name, "gnu");
    expect_entry(&t, name, "pax");
    expect_entry(&t, "plain", "plain");
    expect_end(&t);
    sns_strbuf_free(&b);
}

static void prefixes_and_pax_sizes(void **state) {
    (void)state;
    sns_strbuf b = {0};
    tar_add(&b, "leaf.txt", "x", '0');
    memcpy(b.data + 345, "deep/folder", 11);
    tar_seal(b.data);
    tar_add(&b, "PaxHeaders/y", "9 size=5\n", 'x');
    tar_add(&b, "y", "12345", '0');
    memcpy(b.data + b.size - 1024 + 124, "00000000000", 11); /* the header's own size: 0 */
    tar_seal(b.data + b.size - 1024);
    tar_finish(&b);
    sns_tar t;
    sns_tar_begin(&t, "test.tar", b.data, b.size);
    expect_entry(&t, "deep/folder/leaf.txt", "x");
    expect_entry(&t, "y", "12345");
    expect_end(&t);
    sns_strbuf_free(&b);
}

/* Reads to the first failure; SNS_OK when there is none. */
static sns_status read_all(const sns_strbuf *b, size_t size, sns_error *err) {
    sns_tar t;
    sns_tar_entry e;
    bool end = false;
    sns_status s = SNS_OK;
    sns_tar_begin(&t, "bad.tar", b->data, size);
    while (!s && !end) s = sns_tar_next(&t, &e, &end, err);
    return s;
}

static void damage_is_named(void **state) {
    (void)state;
    sns_strbuf b = {0};
    sns_error err;
    tar_add(&b, "a.txt", "hello", '0');
    tar_add(&b, "b.txt", "world", '0');
    assert_int_equal(read_all(&b, b.size, &err), SNS_OK);
    assert_int_equal(read_all(&b, b.size - 600, &err), SNS_FORMAT); /* inside a header */
    assert_non_null(strstr(err.message, "bad.tar"));
    assert_int_equal(read_all(&b, b.size - 512, &err), SNS_FORMAT); /* no body */
    b.data[1024] ^= 1;
    assert_int_equal(read_all(&b, b.size, &err), SNS_FORMAT);
    assert_non_null(strstr(err.message, "byte 1024"));
    b.data[1024] ^= 1;
    memcpy(b.data + 124, "77777777777", 11);
    tar_seal(b.data);
    assert_int_equal(read_all(&b, b.size, &err), SNS_FORMAT); /* 8 GB */
    memset(b.data + 124, 0xff, 12);
    tar_seal(b.data);
    assert_int_equal(read_all(&b, b.size, &err), SNS_FORMAT); /* a negative size */
    sns_strbuf_free(&b);
    static const char *const pax[] = {"0 path=a\n",   "x",
                                      "99 path=a\n",  "10 path=abc",
                                      "11 size=1x\n", "18446744073709551617 path=a\n"};
    for (size_t i = 0; i < sizeof pax / sizeof *pax; i++) {
        b = (sns_strbuf){0};
        tar_add(&b, "x", pax[i], 'x');
        tar_add(&b, "y", "y", '0');
        if (read_all(&b, b.size, &err) != SNS_FORMAT) fail_msg("'%s' is accepted", pax[i]);
        sns_strbuf_free(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_come_in_order), cmocka_unit_test(long_names_of_two_dialects),
        cmocka_unit_test(prefixes_and_pax_sizes), cmocka_unit_test(damage_is_named)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
