/* test_suite.c - suites: what their text may say, what is wrong with it by line, documents,
 * comparison, page. */
#include "score/suite_file.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void a_suite_is_read(void **state) {
    (void)state;
    static const char text[] = "# comment\n"
                               "\n"
                               "[ one two ]\r\n"
                               "kind=retrieval\n"
                               "  data =  a b/m.jsonl  \n"
                               "lang = en, de ,fr\n"
                               "captions = 2\n"
                               "[three]\n"
                               "kind = few-shot\n"
                               "train = /abs/train\n"
                               "test = test\n"
                               "template = a {} = b\n"
                               "template = {}\n"
                               "draws = 5";
    sns_suite s;
    sns_error err = {0};
    assert_int_equal(sns_suite_parse(text, sizeof text - 1, "dir/x.suite", &s, &err), SNS_OK);
    assert_int_equal(s.count, 2);
    assert_string_equal(s.sections[0].name, "one two");
    assert_int_equal(s.sections[0].kind, SNS_SUITE_RETRIEVAL);
    assert_string_equal(s.sections[0].data, "dir/a b/m.jsonl");
    assert_int_equal(s.sections[0].language_count, 3);
    assert_string_equal(s.sections[0].languages[1], "de");
    assert_int_equal(s.sections[0].captions, 2);
    assert_string_equal(s.sections[1].train, "/abs/train");
    assert_string_equal(s.sections[1].test, "dir/test");
    assert_string_equal(s.sections[1].templates[0], "a {} = b");
    assert_int_equal(s.sections[1].draws, 5);
    sns_suite_free(&s);
}

static void what_is_wrong_is_said_by_line(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "no [section]"},
        {"kind = knn\n", "line 1: a key before the first [section]"},
        {"[a]\nkind = other\n", "line 2: kind must be"},
        {"[a]\nkind = knn\ndata = x\n", "no train or no test in the section before here: a"},
        {"[a]\nkind = retrieval\n[b]\n", "line 3: no data in the section before here: a"},
        {"[a]\ndata = x\n[b]\n", "line 3: no kind"},
        {"[a\n", "line 1: a section's name has no ]"},
        {"[]\n", "line 1: a section's name is empty"},
        {"[a]\nkind = zero-shot\ndata = x\n[a]\n", "line 4: a second section of the name a"},
        {"[a]\nnonsense\n", "line 2: neither"},
        {"[a]\ncolour = red\n", "line 2: unknown key: colour"},
        {"[a]\ndata =\n", "line 2: no value for data"},
        {"[a]\ndata = x\ndata = y\n", "line 3: the key stands twice"},
        {"[a]\nk = 0\n", "line 2: must be a number from 1 to 1000000"},
        {"[a]\nk = 3x\n", "line 2: must be a number"},
        {"[a]\ntemplate = no hole\n", "line 2: a template has no {}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sns_suite s;
        sns_error err = {0};
        assert_int_equal(sns_suite_parse(cases[i].text, strlen(cases[i].text), "x.suite", &s, &err),
                         SNS_FORMAT);
        if (!strstr(err.message, cases[i].message))
            fail_msg("%s, not %s", err.message, cases[i].message);
        assert_int_equal(s.count, 0);
    }
}

static const char document[] =
    "{\"suite\": \"t\", \"fingerprint\": \"f\", \"results\": ["
    "{\"name\": \"n<1>\", \"kind\": \"zero-shot\", \"data\": \"d\", \"result\": {\"top_1\": "
    "{\"value\": %s, \"low\": %s, \"high\": %s, \"chance\": 0.1}, \"per_class\": [{\"label\": "
    "\"x&y\"}, {\"label\": \"z\"}], \"confusion\": [[3, 1], [0, 4]]}},"
    "{\"name\": \"r\", \"kind\": \"retrieval\", \"result\": [{\"language\": \"en\", \"side\": "
    "{\"mean_rank\": {\"value\": 20, \"low\": 10, \"high\": 30, \"chance\": 50}}}]}]}";

static void make(char *out, size_t size, const char *value, const char *low, const char *high) {
    snprintf(out, size, document, value, low, high);
}

static void differences_have_intervals(void **state) {
    (void)state;
    char a[1024], b[1024], *text;
    sns_error err = {0};
    make(a, sizeof a, "0.5", "0.47", "0.53");
    make(b, sizeof b, "0.6", "0.56", "0.64");
    assert_int_equal(sns_suite_compare(a, b, 0, &text, &err), SNS_OK);
    /* sqrt(3^2 + 4^2) = 5 */
    assert_non_null(strstr(text, "+10.0     +5.0 to +15.0  *"));
    assert_non_null(strstr(text, "1 of 2 measures differ"));
    assert_non_null(strstr(text, "en.side.mean_rank"));
    free(text);
    make(b, sizeof b, "0.54", "0.50", "0.58");
    assert_int_equal(sns_suite_compare(a, b, 1, &text, &err), SNS_OK);
    assert_non_null(strstr(text, "\"different\":false"));
    assert_null(strstr(text, "\"different\":true"));
    free(text);
    assert_int_equal(sns_suite_compare(a, "{}", 0, &text, &err), SNS_FORMAT);
    assert_int_equal(sns_suite_compare("[", b, 0, &text, &err), SNS_FORMAT);
    assert_int_equal(
        sns_suite_compare(a, "{\"fingerprint\": \"g\", \"results\": []}", 0, &text, &err),
        SNS_FORMAT);
    assert_non_null(strstr(err.message, "no measure in common"));
}

static void a_page_shows_all_runs(void **state) {
    (void)state;
    char a[1024], b[1024], *html;
    const char *const runs[] = {a, b}, *const names[] = {"old & tired", "new"};
    sns_error err = {0};
    make(a, sizeof a, "0.5", "0.47", "0.53");
    make(b, sizeof b, "0.6", "0.56", "0.64");
    assert_int_equal(sns_suite_page(runs, names, 2, &html, &err), SNS_OK);
    assert_non_null(strstr(html, "old &amp; tired"));
    assert_non_null(strstr(html, "n&lt;1&gt;"));
    assert_non_null(strstr(html, "50.0 %"));
    assert_non_null(strstr(html, "60.0 %"));
    assert_non_null(strstr(html, "1 \xc3\x97 x&amp;y as z"));
    assert_null(strstr(html, "http"));
    assert_null(strstr(html, "<script"));
    free(html);
    assert_int_equal(sns_suite_page(runs, NULL, 0, &html, &err), SNS_ARG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_suite_is_read),
        cmocka_unit_test(what_is_wrong_is_said_by_line),
        cmocka_unit_test(differences_have_intervals),
        cmocka_unit_test(a_page_shows_all_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
