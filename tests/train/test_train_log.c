/* test_train_log.c - the log of a resumed run, two runs in one folder, the curve. */
#include "base/file.h"
#include "tool.h"
#include "train/train_log.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static char *read_text(const char *dir, const char *name) {
    char path[5000], *data;
    size_t size;
    sns_error err;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (sns_file_read(path, 1 << 24, &data, &size, &err)) fail_msg("%s", err.message);
    return data;
}

static size_t count_of(const char *text, const char *what) {
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, what)); p++) n++;
    return n;
}

static void write_steps(sns_train_log *log, size_t from, size_t to) {
    for (size_t i = from; i <= to; i++) {
        sns_log_step s = {.step = i, .loss = 5 / sqrt((double)i), .loss_average = 1};
        assert_int_equal(sns_train_log_step(log, &s, NULL), SNS_OK);
    }
}

static void resumed_runs_repeat_no_line(void **state) {
    (void)state;
    char *dir = tool_tmpdir();
    sns_train_log *log, *other;
    sns_error err;
    assert_int_equal(sns_train_log_open(dir, 0, &log, &err), SNS_OK);
    assert_int_equal(sns_train_log_open(dir, 0, &other, &err), SNS_BUSY);
    write_steps(log, 1, 30);
    assert_int_equal(sns_train_log_recall(log, 25, (double[3]){0.1, 0.2, 0.3}, 50, &err), SNS_OK);
    sns_train_log_close(log);
    char path[5000];
    snprintf(path, sizeof path, "%s/log.jsonl", dir);
    FILE *f = fopen(path, "a");
    fputs("{\"step\": 31, \"lo", f); /* a kill cut this line */
    fclose(f);
    assert_int_equal(sns_train_log_open(dir, 20, &log, &err), SNS_OK);
    assert_int_equal(sns_train_log_open(dir, 0, &other, &err), SNS_BUSY);
    write_steps(log, 21, 22);
    assert_int_equal(sns_train_log_curve(log, &err), SNS_OK);
    sns_train_log_close(log);
    char *text = read_text(dir, "log.jsonl"), *svg = read_text(dir, "curve.svg");
    assert_int_equal(count_of(text, "\n"), 22);
    assert_int_equal(count_of(text, "\"step\": 22,"), 1);
    assert_int_equal(count_of(text, "recall"), 0);
    assert_int_equal(count_of(svg, "after 22 steps"), 1);
    free(text);
    free(svg);
    tool_remove(dir);
}

static void curves_are_drawn(void **state) {
    (void)state;
    sns_series loss = {0}, recall = {0};
    char *svg = sns_curve_svg(&loss, &recall);
    assert_non_null(svg);
    assert_null(strstr(svg, "nan"));
    free(svg);
    for (int i = 0; i < 5000; i++) assert_true(sns_series_add(&loss, i, 3 + sin(i * 0.01)));
    for (int i = 0; i < 5; i++) assert_true(sns_series_add(&recall, i * 1000.0, 0.1 * i));
    svg = sns_curve_svg(&loss, &recall);
    assert_non_null(strstr(svg, "<svg xmlns"));
    assert_non_null(strstr(svg, "</svg>\n"));
    assert_non_null(strstr(svg, "recall@10, text to picture: 40.0 %"));
    assert_int_equal(count_of(svg, "<circle"), 5);
    assert_null(strstr(svg, "nan"));
    assert_null(strstr(svg, "inf"));
    assert_true(strlen(svg) < 60000); /* however long the run */
    free(svg);
    free(loss.points);
    free(recall.points);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(resumed_runs_repeat_no_line),
                                       cmocka_unit_test(curves_are_drawn)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
