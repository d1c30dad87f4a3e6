/* test_robustness.c - effective robustness against numpy's (goldens/make_robustness.py), and files
 * that are no points. */
#include "score/robust_points.h"
#include "tool.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define NEAR(a, b, tolerance) assert_true(fabs((a) - (b)) < (tolerance))

static const char *or_empty(const char *s) {
    return s ? s : "";
}

/* What the result calls by the reference's name; NULL: nothing. */
static const sns_interval *find(const sns_robustness *r, const char *name) {
    char own[512];
    for (size_t i = 0; i < r->line_count; i++) {
        snprintf(own, sizeof own, "slope/%s", r->lines[i].shift);
        if (!strcmp(own, name)) return &r->lines[i].slope;
        snprintf(own, sizeof own, "intercept/%s", r->lines[i].shift);
        if (!strcmp(own, name)) return &r->lines[i].intercept;
    }
    for (size_t i = 0; i < r->point_count; i++) {
        snprintf(own, sizeof own, "point/%s/%s", r->points[i].model, r->points[i].shift);
        if (!strcmp(own, name)) return &r->points[i].effective;
    }
    for (size_t i = 0; i < r->mean_count; i++) {
        const sns_robust_mean *m = &r->means[i];
        snprintf(own, sizeof own, "mean/%s/%s/%s", m->group, or_empty(m->model),
                 or_empty(m->shift));
        if (!strcmp(own, name)) return &m->effective;
    }
    return NULL;
}

static void equals_numpy(void **state) {
    (void)state;
    sns_robustness r;
    sns_error err;
    char name[256];
    double value, low, high;
    size_t n = 0;
    assert_int_equal(
        sns_eval_robustness(tool_source("goldens/robustness/points.jsonl"), "supervised", &r, &err),
        SNS_OK);
    FILE *f = fopen(tool_source("goldens/robustness/expected.txt"), "r");
    assert_non_null(f);
    for (; fscanf(f, "%255[^\t]\t%lf\t%lf\t%lf\n", name, &value, &low, &high) == 4; n++) {
        const sns_interval *mine = find(&r, name);
        assert_non_null(mine);
        NEAR(mine->value, value, 1e-9);
        /* The ends of 1,000 draws against those of 20,000: their own spread is some percent of
         * the interval's width. */
        NEAR(mine->low, low, 0.16 * (high - low));
        NEAR(mine->high, high, 0.16 * (high - low));
        NEAR(mine->high - mine->low, high - low, 0.2 * (high - low));
    }
    fclose(f);
    assert_int_equal(n, 2 * r.line_count + r.point_count + r.mean_count);
    sns_robustness_free(&r);
}

/* ---- points written here ---- */

#define POINT(model, group, shift, id, shifted)                                                    \
    "{\"model\":\"" model "\",\"group\":\"" group "\",\"shift\":\"" shift                          \
    "\",\"id\":{\"correct\":" id ",\"total\":100},\"shifted\":{\"correct\":" shifted               \
    ",\"total\":100}}\n"
#define BASE                                                                                       \
    POINT("a", "supervised", "fog", "50", "40")                                                    \
    POINT("b", "supervised", "fog", "60", "50") POINT("c", "supervised", "fog", "70", "60")

static sns_status measure(const char *text, const char *baseline, sns_robustness *r,
                          sns_error *err) {
    *r = (sns_robustness){0};
    sns_status s = sns_robustness_parse(text, strlen(text), "points", r, err);
    return s ? s : sns_robustness_measure(r, baseline, err);
}

static void refuses(const char *text, sns_status code, const char *message) {
    sns_robustness r;
    sns_error err;
    assert_int_equal(measure(text, "supervised", &r, &err), code);
    if (!strstr(err.message, message)) fail_msg("'%s' lacks '%s'", err.message, message);
    sns_robustness_free(&r);
}

static void says_which_line_is_no_point(void **state) {
    (void)state;
    refuses("", SNS_FORMAT, "no point");
    refuses("\n\n[]\n", SNS_FORMAT, "line 3");
    refuses(BASE "{\"model\":\"d\"", SNS_FORMAT, "line 4");
    refuses("{\"group\":\"g\"}", SNS_FORMAT, "model");
    refuses(POINT("", "supervised", "fog", "1", "1"), SNS_FORMAT, "line 1: model");
    refuses("{\"model\":\"a\",\"group\":\"g\",\"shift\":\"s\",\"run\":1}", SNS_FORMAT,
            "line 1: run");
    refuses(POINT("a\\nb", "supervised", "fog", "1", "1"), SNS_FORMAT, "control");
    refuses(POINT("a\\u0000", "supervised", "fog", "1", "1"), SNS_FORMAT, "line 1");
    refuses(BASE POINT("d", "zero-shot", "fog", "101", "1"), SNS_FORMAT, "line 4: id");
    refuses(BASE POINT("d", "zero-shot", "fog", "1", "-1"), SNS_FORMAT, "line 4: shifted");
    refuses(BASE POINT("d", "zero-shot", "fog", "1.5", "1"), SNS_FORMAT, "whole numbers");
    refuses(BASE "{\"model\":\"d\",\"model\":\"e\"}", SNS_FORMAT, "duplicate");
    refuses(BASE POINT("a", "supervised", "fog", "1", "1"), SNS_FORMAT, "line 4: a: the second");
    refuses(BASE POINT("a", "zero-shot", "jpeg", "1", "1"), SNS_FORMAT, "line 4: a: in two groups");
    refuses("{\"model\":\"a\",\"group\":\"g\",\"shift\":\"s\",\"id\":{\"correct\":0,\"total\":0},"
            "\"shifted\":{\"correct\":0,\"total\":1}}",
            SNS_FORMAT, "total > 0");
    refuses("{\"model\":\"a\",\"group\":\"g\",\"shift\":\"s\",\"id\":{\"correct\":0,"
            "\"total\":1000000001},\"shifted\":{\"correct\":0,\"total\":1}}",
            SNS_LIMIT, "1e9");
}

static void caps_what_a_file_may_hold(void **state) {
    (void)state;
    size_t size = 4 << 20, n = 0;
    char *text = malloc(size);
    sns_error err;
    sns_robustness r;
    for (int i = 0; i < 65; i++)
        n += (size_t)snprintf(text + n, size - n, POINT("a", "supervised", "s%d", "1", "1"), i);
    refuses(text, SNS_LIMIT, "line 65");
    n = 0;
    for (int i = 0; i < 17; i++)
        n += (size_t)snprintf(text + n, size - n, POINT("m%d", "g%d", "s", "1", "1"), i, i);
    refuses(text, SNS_LIMIT, "line 17");
    n = 0;
    for (int i = 0; i < 10001; i++)
        n += (size_t)snprintf(text + n, size - n, POINT("m%d", "g", "s", "1", "1"), i);
    refuses(text, SNS_LIMIT, "line 10001");
    char name[202];
    memset(name, 'n', 201);
    name[201] = 0;
    snprintf(text, size, POINT("%s", "g", "s", "1", "1"), name);
    refuses(text, SNS_LIMIT, "200");
    /* The longest names are kept whole. */
    snprintf(text, size, BASE POINT("%s", "zero-shot", "fog", "60", "60"), name + 1);
    assert_int_equal(measure(text, "supervised", &r, &err), SNS_OK);
    assert_string_equal(r.points[3].model, name + 1);
    sns_robustness_free(&r);
    free(text);
}

static void needs_a_baseline(void **state) {
    (void)state;
    sns_robustness r;
    sns_error err;
    assert_int_equal(measure(BASE, "zero-shot", &r, &err), SNS_FORMAT);
    assert_non_null(strstr(err.message, "\"zero-shot\""));
    sns_robustness_free(&r);
    refuses(BASE POINT("d", "zero-shot", "jpeg", "60", "60"), SNS_FORMAT, "\"jpeg\"");
    refuses(POINT("a", "supervised", "fog", "50", "40") POINT("b", "supervised", "fog", "50", "50")
                POINT("c", "supervised", "fog", "50", "60"),
            SNS_FORMAT, "equally good");
}

/* Names of different kinds may be the same word, and everything may be the baseline's. */
static void names_do_not_mix(void **state) {
    (void)state;
    sns_robustness r;
    sns_error err;
    assert_int_equal(measure(POINT("fog", "fog", "fog", "50", "40")
                                 POINT("b", "fog", "fog", "60", "50")
                                     POINT("c", "fog", "fog", "70", "60"),
                             "fog", &r, &err),
                     SNS_OK);
    assert_int_equal(r.group_count, 1);
    assert_int_equal(r.line_count, 1);
    assert_int_equal(r.mean_count, 0);
    sns_robustness_free(&r);
}

/* By hand: three points on a straight line in logits; the fourth keeps all of its accuracy. */
static void distance_from_a_line_that_fits(void **state) {
    (void)state;
    sns_robustness r;
    sns_error err;
    assert_int_equal(measure(POINT("a", "supervised", "fog", "50", "20")
                                 POINT("b", "supervised", "fog", "80", "50")
                                     POINT("c", "supervised", "fog", "94", "80")
                                         POINT("z", "zero-shot", "fog", "80", "80"),
                             "supervised", &r, &err),
                     SNS_OK);
    assert_true(r.lines[0].r2 > 0.99 && r.lines[0].r2 <= 1);
    NEAR(r.points[3].effective.value, 0.3, 0.01);
    NEAR(r.means[0].effective.value, r.points[3].effective.value, 1e-12);
    assert_true(r.points[3].effective.low > 0.1 && r.points[3].effective.high < 0.5);
    /* Wilson's interval of 80 of 100. */
    NEAR(r.points[3].id_accuracy.low, 0.71112, 1e-4);
    NEAR(r.points[3].id_accuracy.high, 0.86663, 1e-4);
    sns_robustness_free(&r);
}

static void figure_escapes_names(void **state) {
    (void)state;
    sns_robustness r;
    sns_error err;
    char *svg;
    assert_int_equal(measure(BASE POINT("<z>", "a&b", "fog", "0", "100"), "supervised", &r, &err),
                     SNS_OK);
    assert_int_equal(sns_robustness_svg(&r, &svg, &err), SNS_OK);
    assert_null(strstr(svg, "<z>"));
    assert_non_null(strstr(svg, "&lt;z&gt;"));
    assert_non_null(strstr(svg, "a&amp;b"));
    assert_null(strstr(svg, "nan"));
    assert_null(strstr(svg, "inf"));
    free(svg);
    sns_robustness_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_numpy),
        cmocka_unit_test(says_which_line_is_no_point),
        cmocka_unit_test(caps_what_a_file_may_hold),
        cmocka_unit_test(needs_a_baseline),
        cmocka_unit_test(names_do_not_mix),
        cmocka_unit_test(distance_from_a_line_that_fits),
        cmocka_unit_test(figure_escapes_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
