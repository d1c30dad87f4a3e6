/* test_arithmetic.c - vector arithmetic with a tiny model, against plain loops over vectors made
 * one by one; intervals over pairs; which pairs are asked. */
#include "catalog_world.h"
#include "score/rank.h"
#include <math.h>
#include <sensus/eval.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { E = 16, PICTURES = 26, CONCEPTS = 4 };

static const char *const LABELS[CONCEPTS] = {"a_dog", "red_car", "sun", "two_cats"};
static const char *const NAMES[CONCEPTS] = {"a dog", "red car", "sun", "two cats"};

static catalog_world world;

/* Picture i shows concept i % CONCEPTS; picture 7 has no English caption. */
static int set_up(void **state) {
    (void)state;
    static char labelled[1 << 14], captioned[1 << 14];
    size_t n = 0, m = 0;
    world_open(&world);
    for (int i = 0; i < PICTURES; i++) {
        char name[32];
        snprintf(name, sizeof name, "pictures/%02d.png", i);
        world_picture(&world, name, (uint64_t)i + 1);
        n += (size_t)snprintf(labelled + n, sizeof labelled - n,
                              "{\"image\": \"%s\", \"label\": \"%s\"}\n", name,
                              LABELS[i % CONCEPTS]);
        m += (size_t)snprintf(captioned + m, sizeof captioned - m,
                              "{\"image\": \"%s\", \"captions\": {\"de\": \"Hund\"%s%s%s}}\n", name,
                              i == 7 ? "" : ", \"en\": [\"", i == 7 ? "" : NAMES[i % CONCEPTS],
                              i == 7 ? "" : "\", \"something else\"]");
    }
    world_text(&world, "labels.jsonl", labelled);
    world_text(&world, "captions.jsonl", captioned);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    world_close(&world);
    return 0;
}

static void vectors(const char *template, float images[PICTURES][E], float texts[CONCEPTS][E]) {
    sns_session *s;
    sns_error err = {0};
    assert_int_equal(sns_model_dim(world.model), E);
    world_picture_vectors(&world, "pictures/%02d.png", PICTURES, images[0]);
    assert_int_equal(sns_session_new(world.model, &s, &err), SNS_OK);
    for (int c = 0; c < CONCEPTS; c++) {
        char text[64];
        const char *one = text;
        snprintf(text, sizeof text, "%s%s%s", template, NAMES[c], *template ? "." : "");
        assert_int_equal(sns_encode_texts(s, &one, 1, texts[c], &err), SNS_OK);
    }
    sns_session_free(s);
}

/* Recall@k over all pairs by normalised vectors and cosines, as the definition says. `without`: a
 * picture that shows nothing; -1: none. */
static double plain(float images[PICTURES][E], float texts[CONCEPTS][E], double x, double y,
                    double z, int k, int without, int *pairs) {
    int found = 0;
    *pairs = 0;
    for (int a = 0; a < PICTURES; a++)
        for (int b = 0; b < CONCEPTS; b++) {
            double q[E], score[PICTURES], best = -2, length = 0;
            int A = a % CONCEPTS, rank = 1;
            if (A == b || a == without) continue;
            for (int e = 0; e < E; e++) {
                q[e] = x * images[a][e] + y * texts[A][e] + z * texts[b][e];
                length += q[e] * q[e];
            }
            for (int i = 0; i < PICTURES; i++) {
                score[i] = 0;
                for (int e = 0; e < E; e++) score[i] += q[e] * images[i][e] / sqrt(length);
                bool right = i % CONCEPTS == b && i != without;
                if (right && score[i] > best) best = score[i];
            }
            for (int i = 0; i < PICTURES; i++)
                rank += (i % CONCEPTS != b || i == without) && i != a && score[i] >= best;
            found += rank <= k;
            ++*pairs;
        }
    return (double)found / *pairs;
}

static sns_status eval(const char *manifest, const sns_arithmetic_options *what,
                       sns_arithmetic *r) {
    sns_error err = {0};
    sns_eval_options o = {.threads = 1};
    return sns_eval_arithmetic(world.model, world_path(&world, manifest), what, &o, r, &err);
}

static void equals_plain(const sns_arithmetic *r, const char *template, int without) {
    static const double ways[SNS_ARITHMETIC_WAYS][3] = {{0, 0, 1}, {1, 0, 1}, {1, -1, 1}};
    static const int ks[SNS_ARITHMETIC_KS] = {1, 5, 10, 20};
    float images[PICTURES][E], texts[CONCEPTS][E];
    int pairs;
    vectors(template, images, texts);
    for (int v = 0; v < SNS_ARITHMETIC_WAYS; v++)
        for (int j = 0; j < SNS_ARITHMETIC_KS; j++) {
            const double *f = ways[v];
            const sns_measure *m = &r->recall[v][j];
            double want = plain(images, texts, f[0], f[1], f[2], ks[j], without, &pairs);
            if (!(fabs(m->value - want) < 1e-9))
                fail_msg("way %d, k %d: %g, not %g", v, ks[j], m->value, want);
            assert_true(m->low <= m->value && m->value <= m->high);
        }
    for (int w = 0; w < SNS_ARITHMETIC_WEIGHTS; w++) {
        double x = r->weight[w], want = plain(images, texts, 1, -x, x, 10, without, &pairs);
        assert_true(fabs(r->weighted[w].value - want) < 1e-9);
        if (x == 1) assert_true(want == r->recall[SNS_ARITHMETIC_ANALOGY][2].value);
    }
    assert_int_equal(r->pairs, pairs);
    assert_int_equal(r->pairs_in_all, pairs);
    assert_int_equal(r->images, PICTURES);
    assert_int_equal(r->concepts, CONCEPTS);
}

static void all_pairs_equal_plain_loops(void **state) {
    (void)state;
    sns_arithmetic r;
    sns_arithmetic_options labels = {0}, captions = {.language = "en"};
    assert_int_equal(eval("labels.jsonl", &labels, &r), SNS_OK);
    equals_plain(&r, "a photo of a ", -1);
    /* 26 pictures: the first two concepts have 7 of them, the others 6; 25 are candidates. */
    double chance = (19 * 7 + 19 * 7 + 20 * 6 + 20 * 6) / 25.0 / 78;
    assert_true(fabs(r.recall[0][0].chance - chance) < 1e-9);
    assert_int_equal(eval("captions.jsonl", &captions, &r), SNS_OK);
    equals_plain(&r, "", 7); /* it has no caption: a candidate, and never right */
}

static void a_sample_is_seeded_and_spread(void **state) {
    (void)state;
    sns_arithmetic a, b, c;
    sns_arithmetic_options what = {.pairs = 40, .seed = 3};
    assert_int_equal(eval("labels.jsonl", &what, &a), SNS_OK);
    assert_int_equal(eval("labels.jsonl", &what, &b), SNS_OK);
    assert_int_equal(a.pairs, 40);
    assert_int_equal(a.pairs_in_all, PICTURES * (CONCEPTS - 1));
    assert_memory_equal(&a, &b, sizeof a);
    bool other = false;
    for (what.seed = 4; what.seed < 8 && !other; what.seed++) {
        assert_int_equal(eval("labels.jsonl", &what, &c), SNS_OK);
        other = memcmp(&a.recall, &c.recall, sizeof a.recall) != 0;
    }
    assert_true(other);
    what.pairs = 1000000;
    assert_int_equal(eval("labels.jsonl", &what, &a), SNS_OK);
    assert_int_equal(a.pairs, PICTURES * (CONCEPTS - 1));
}

/* A thousand questions about one of few concepts are no thousand answers. */
static void intervals_are_those_of_concepts(void **state) {
    (void)state;
    enum { C = 10, REPEATS = 40, N = C * (C - 1) * REPEATS };
    static uint32_t ranks[N], from[N], to[N];
    size_t n = 0;
    sns_measure m = {0};
    for (uint32_t r = 0; r < REPEATS; r++)
        for (uint32_t a = 0; a < C; a++)
            for (uint32_t b = 0; b < C; b++) {
                if (a == b) continue;
                ranks[n] = b < 5 ? 1 : 6; /* found or not by what is looked for alone */
                from[n] = a;
                to[n++] = b;
            }
    assert_int_equal(sns_crossed_recall(ranks, from, to, n, C, 5, &m, NULL), SNS_OK);
    assert_true(fabs(m.value - 0.5) < 1e-12);
    /* The share of 5 of 10 in draws of 10: 0.2 to 0.8; of 3,600 pairs it would be 0.48 to 0.52. */
    assert_true(m.low > 0.1 && m.low < 0.3 && m.high > 0.7 && m.high < 0.9);
    assert_int_equal(sns_crossed_recall(ranks, from, to, n, C, 6, &m, NULL), SNS_OK);
    assert_true(m.value == 1 && m.low == 1 && m.high == 1);
    const uint32_t one = 1, zero = 0;
    assert_int_equal(sns_crossed_recall(&one, &zero, &one, 1, 2, 1, &m, NULL), SNS_OK);
    assert_true(m.value == 1 && m.low == 1);
    assert_int_equal(sns_crossed_recall(&one, &zero, &one, 0, 2, 1, &m, NULL), SNS_ARG);
}

static void reports_say_what_was_measured(void **state) {
    (void)state;
    sns_arithmetic r;
    sns_arithmetic_options what = {.language = "en"};
    char *text;
    assert_int_equal(eval("captions.jsonl", &what, &r), SNS_OK);
    assert_int_equal(sns_arithmetic_report(&r, 0, &text, NULL), SNS_OK);
    assert_non_null(strstr(text, "26 pictures, 4 concepts; 75 of 75 pairs"));
    assert_non_null(strstr(text, "image(A) - text(A) + text(B)\n  recall@1 "));
    assert_non_null(strstr(text, "w = 1.5"));
    free(text);
    assert_int_equal(sns_arithmetic_report(&r, 1, &text, NULL), SNS_OK);
    assert_non_null(strstr(text, "\"analogy\":{\"recall@1\":{\"value\":"));
    free(text);
    assert_int_equal(sns_arithmetic_svg(&r, &text, NULL), SNS_OK);
    size_t bars = 0;
    for (const char *p = text; (p = strstr(p, "<rect ")); p++) bars++;
    assert_int_equal(bars, 1 + SNS_ARITHMETIC_WAYS + SNS_ARITHMETIC_WAYS * SNS_ARITHMETIC_KS);
    assert_null(strstr(text, "nan"));
    free(text);
}

static void what_has_no_answer_is_refused(void **state) {
    (void)state;
    sns_arithmetic r;
    const char *bad = "no hole";
    sns_arithmetic_options labels = {0}, xx = {.language = "xx"}, de = {.language = "de"};
    sns_arithmetic_options template = {.templates = &bad, .template_count = 1};
    assert_int_equal(eval("captions.jsonl", &labels, &r), SNS_FORMAT); /* no label */
    assert_int_equal(eval("captions.jsonl", &xx, &r), SNS_MISSING);
    assert_int_equal(eval("captions.jsonl", &de, &r), SNS_FORMAT); /* one concept */
    assert_int_equal(eval("labels.jsonl", &template, &r), SNS_ARG);
    assert_int_equal(eval("nowhere.jsonl", &labels, &r), SNS_MISSING);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_pairs_equal_plain_loops),
        cmocka_unit_test(a_sample_is_seeded_and_spread),
        cmocka_unit_test(intervals_are_those_of_concepts),
        cmocka_unit_test(reports_say_what_was_measured),
        cmocka_unit_test(what_has_no_answer_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
