/* test_relevance.c - sns_eval_relevance with a tiny model against plain loops over all pairs. */
#include "catalog_world.h"
#include "score/rank.h"
#include <math.h>
#include <sensus/eval.h>
#include <sensus/relevance.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { E = 16, PICTURES = 60, TEXTS = 4 };

static const char *const NAMES[TEXTS] = {"a dog", "red car", "sun", "two cats"};
static catalog_world world;

/* Picture i carries text i % 4, and the sun shines on every fifth one too. */
static bool fits(int text, int picture) {
    return picture % TEXTS == text || (text == 2 && picture % 5 == 0);
}

static int set_up(void **state) {
    (void)state;
    static char lines[1 << 14];
    size_t n = 0;
    world_open(&world);
    for (int i = 0; i < PICTURES; i++) {
        char name[32];
        snprintf(name, sizeof name, "pictures/%02d.png", i);
        world_picture(&world, name, (uint64_t)i + 1);
        n += (size_t)snprintf(lines + n, sizeof lines - n,
                              "{\"image\": \"%s\", \"captions\": {\"en\": [\"%s\"%s], \"de\": "
                              "\"Hund\"}}\n",
                              name, NAMES[i % TEXTS],
                              fits(2, i) && i % TEXTS != 2 ? ", \"sun\"" : "");
    }
    world_text(&world, "pictures.jsonl", lines);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    world_close(&world);
    return 0;
}

static void vectors(float *images, float *texts) {
    sns_session *s;
    sns_error err = {0};
    assert_int_equal(sns_model_dim(world.model), E);
    world_picture_vectors(&world, "pictures/%02d.png", PICTURES, images);
    assert_int_equal(sns_session_new(world.model, &s, &err), SNS_OK);
    assert_int_equal(sns_encode_texts(s, NAMES, TEXTS, texts, &err), SNS_OK);
    sns_session_free(s);
}

static double dot(const float *a, const float *b) {
    double sum = 0;
    for (int e = 0; e < E; e++) sum += (double)a[e] * b[e];
    return sum;
}

/* Precision, recall, F1 at a threshold over scores [TEXTS, PICTURES]. */
static void plain(const float *scores, double least, double out[3]) {
    double right = 0, listed = 0, fitting = 0;
    for (int t = 0; t < TEXTS; t++)
        for (int i = 0; i < PICTURES; i++) {
            bool is_listed = scores[t * PICTURES + i] >= least;
            fitting += fits(t, i);
            listed += is_listed;
            right += is_listed && fits(t, i);
        }
    out[0] = listed > 0 ? right / listed : 1;
    out[1] = right / fitting;
    out[2] = 2 * right / (listed + fitting);
}

/* The share of texts for which nothing reaches the threshold among pictures that do not fit. */
static double plain_silent(const float *cosines, const sns_moments *m, double least) {
    int silent = 0;
    for (int t = 0; t < TEXTS; t++) {
        float rest[PICTURES];
        sns_moments rest_m[PICTURES];
        int n = 0, listed = 0;
        for (int i = 0; i < PICTURES; i++) {
            if (fits(t, i)) continue;
            rest_m[n] = m ? m[i] : (sns_moments){0, 1};
            rest[n++] = cosines[t * PICTURES + i];
        }
        if (m) sns_relevance(rest, rest_m, (size_t)n, rest);
        for (int i = 0; i < n; i++) listed += rest[i] >= least;
        silent += !listed;
    }
    return (double)silent / TEXTS;
}

static void measures_equal_loops(void **state) {
    (void)state;
    static float images[PICTURES * E], texts[TEXTS * E], cosines[TEXTS * PICTURES],
        relevance[TEXTS * PICTURES];
    sns_moments m[PICTURES];
    sns_classifier *cohort;
    sns_relevance_result r;
    sns_error err = {0};
    const sns_eval_options o = {.threads = 1};
    vectors(images, texts);
    assert_int_equal(sns_cohort_new(world.model, NULL, 0, &cohort, &err), SNS_OK);
    sns_cohort_moments(cohort, images, PICTURES, m);
    sns_classifier_free(cohort);
    for (int t = 0; t < TEXTS; t++) {
        for (int i = 0; i < PICTURES; i++)
            cosines[t * PICTURES + i] = (float)dot(texts + t * E, images + i * E);
        sns_relevance(cosines + t * PICTURES, m, PICTURES, relevance + t * PICTURES);
    }
    assert_int_equal(
        sns_eval_relevance(world.model, world_path(&world, "pictures.jsonl"), "en", &o, &r, &err),
        SNS_OK);
    assert_int_equal(r.images, PICTURES);
    assert_int_equal(r.queries, TEXTS);
    assert_int_equal(r.pairs, PICTURES + 12 - 3); /* the sun's 12, 3 of which it has anyhow */
    const float *scores[] = {[SNS_BY_RELEVANCE] = relevance, [SNS_BY_COSINE] = cosines};
    for (int way = 0; way < SNS_RELEVANCE_WAYS; way++) {
        const sns_relevance_way *w = &r.way[way];
        double want[3], best = 0;
        plain(scores[way], w->threshold, want);
        assert_float_equal(w->precision.value, want[0], 1e-9);
        assert_float_equal(w->recall.value, want[1], 1e-9);
        assert_float_equal(w->f1.value, want[2], 1e-9);
        for (int i = 0; i < TEXTS * PICTURES; i++) {
            plain(scores[way], scores[way][i], want);
            best = fmax(best, want[2]);
        }
        assert_true(w->best_f1 <= best + 1e-9 && w->best_f1 > best - 0.01); /* by bins */
        assert_float_equal(w->silent.value,
                           plain_silent(cosines, way == SNS_BY_RELEVANCE ? m : NULL, w->threshold),
                           1e-9);
        assert_true(w->f1.low <= w->f1.value && w->f1.value <= w->f1.high);
        assert_true(w->average_precision > 0.2 && w->average_precision < 1);
    }
    assert_true(r.way[SNS_BY_RELEVANCE].threshold == SNS_RELEVANT);
    assert_true(r.way[SNS_BY_COSINE].threshold == r.way[SNS_BY_COSINE].best_threshold);
}

static void reports_say_it(void **state) {
    (void)state;
    sns_relevance_result r;
    sns_error err = {0};
    char *text;
    const char *manifest = world_path(&world, "pictures.jsonl");
    assert_int_equal(sns_eval_relevance(world.model, manifest, "en", NULL, &r, &err), SNS_OK);
    assert_int_equal(sns_relevance_report(&r, 0, &text, &err), SNS_OK);
    assert_non_null(strstr(text, "relevance: 60 pictures, 4 queries; 69 pairs fit"));
    free(text);
    assert_int_equal(sns_relevance_report(&r, 1, &text, &err), SNS_OK);
    assert_non_null(strstr(text, "\"precision_at_recall\":["));
    free(text);
    assert_int_equal(sns_relevance_svg(&r, &text, &err), SNS_OK);
    assert_non_null(strstr(text, "</svg>"));
    free(text);
    assert_int_equal(sns_eval_relevance(world.model, manifest, "fr", NULL, &r, &err), SNS_MISSING);
    assert_non_null(strstr(err.message, "no caption in the language 'fr'"));
}

/* A relation turned twice is itself, with empty rows and all. */
static void relations_turn(void **state) {
    (void)state;
    sns_pair pairs[] = {{0, 2}, {0, 0}, {2, 2}, {4, 1}, {4, 2}};
    const uint32_t by_to[] = {0, 4, 0, 2, 4};
    sns_relation r, turned, back;
    assert_int_equal(sns_relation_new(pairs, 5, 6, &r, NULL), SNS_OK);
    assert_int_equal(sns_relation_turn(&r, 4, &turned, NULL), SNS_OK);
    assert_int_equal(turned.start[0], 0);
    assert_int_equal(turned.start[1], 1);
    assert_int_equal(turned.start[2], 2);
    assert_int_equal(turned.start[3], 5);
    assert_int_equal(turned.start[4], 5);
    assert_memory_equal(turned.items, by_to, sizeof by_to);
    assert_int_equal(sns_relation_turn(&turned, 6, &back, NULL), SNS_OK);
    assert_memory_equal(back.start, r.start, 7 * sizeof *r.start);
    assert_memory_equal(back.items, r.items, 5 * sizeof *r.items);
    sns_relation_free(&r);
    sns_relation_free(&turned);
    sns_relation_free(&back);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(measures_equal_loops),
                                       cmocka_unit_test(reports_say_it),
                                       cmocka_unit_test(relations_turn)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
