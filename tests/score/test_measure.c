/* test_measure.c - measures on rankings made by hand. */
#include "base/rng.h"
#include "score/rank.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-9)

static void ranks_count_wrong_ones_before_the_best_right_one(void **state) {
    (void)state;
    const float scores[6] = {0.9f, 0.5f, 0.7f, 0.1f, 0.7f, -1};
    const uint32_t first[] = {0}, third[] = {1}, tied[] = {2}, last[] = {5}, two[] = {3, 4},
                   both_tied[] = {2, 4};
    assert_int_equal(sns_rank_of_best(scores, 6, first, 1), 1);
    assert_int_equal(sns_rank_of_best(scores, 6, third, 1), 4);
    assert_int_equal(sns_rank_of_best(scores, 6, tied, 1), 3); /* the tie counts against it */
    assert_int_equal(sns_rank_of_best(scores, 6, last, 1), 6);
    assert_int_equal(sns_rank_of_best(scores, 6, two, 2), 3);
    assert_int_equal(sns_rank_of_best(scores, 6, both_tied, 2), 2); /* both ties are right */
    const float equal[4] = {1, 1, 1, 1};
    assert_int_equal(sns_rank_of_best(equal, 4, first, 1), 4);
}

static void chance_of_recall(void **state) {
    (void)state;
    NEAR(sns_chance_recall(100, 1, 10), 0.1);
    NEAR(sns_chance_recall(100, 1, 1), 0.01);
    NEAR(sns_chance_recall(4, 2, 2), 1 - 2.0 * 1 / (4 * 3));
    NEAR(sns_chance_recall(5, 1, 10), 1);
    NEAR(sns_chance_recall(10, 5, 6), 1);
    NEAR(sns_chance_recall(10, 10, 1), 1);
}

static void relations_list_each_answer_once(void **state) {
    (void)state;
    sns_pair pairs[] = {{3, 1}, {0, 5}, {3, 0}, {0, 2}, {3, 1}};
    sns_relation r;
    sns_error err;
    assert_int_equal(sns_relation_new(pairs, 5, 5, &r, &err), SNS_OK);
    const size_t start[] = {0, 2, 2, 2, 4, 4};
    const uint32_t items[] = {2, 5, 0, 1};
    assert_memory_equal(r.start, start, sizeof start);
    assert_memory_equal(r.items, items, sizeof items);
    sns_relation_free(&r);
    assert_int_equal(sns_relation_new(pairs, 0, 2, &r, &err), SNS_OK);
    assert_int_equal(r.start[2], 0);
    sns_relation_free(&r);
}

static void retrieval_of_known_ranks(void **state) {
    (void)state;
    /* Five queries, the last without an answer; 20 candidates. */
    sns_pair pairs[] = {{0, 0}, {1, 1}, {2, 2}, {3, 3}, {3, 4}};
    const uint32_t ranks[] = {1, 3, 6, 20, 0};
    sns_relation r;
    sns_retrieval_side m;
    sns_error err;
    assert_int_equal(sns_relation_new(pairs, 5, 5, &r, &err), SNS_OK);
    assert_int_equal(sns_retrieval_measure(ranks, &r, 20, &m, &err), SNS_OK);
    assert_int_equal(m.queries, 4);
    assert_int_equal(m.candidates, 20);
    NEAR(m.recall_1.value, 0.25);
    NEAR(m.recall_5.value, 0.5);
    NEAR(m.recall_10.value, 0.75);
    NEAR(m.mean_rank.value, 7.5);
    NEAR(m.median_rank.value, 4.5);
    NEAR(m.recall_1.chance, (3 * 0.05 + 0.1) / 4);
    NEAR(m.mean_rank.chance, (3 * 10.5 + 7) / 4);
    NEAR(m.median_rank.chance, 10.5);
    assert_true(m.recall_1.low <= 0.25 && m.recall_1.high >= 0.25 && m.recall_1.low >= 0);
    assert_true(m.mean_rank.low >= 1 && m.mean_rank.high <= 20);
    sns_relation_free(&r);
}

/* 400 queries, half of them right: the interval is close to 0.5 +- 1.96 sqrt(0.25 / 400). */
static void intervals_have_the_right_width(void **state) {
    (void)state;
    enum { Q = 400 };
    sns_pair pairs[Q];
    uint32_t ranks[Q];
    sns_relation r;
    sns_retrieval_side m, again;
    sns_error err;
    for (uint32_t q = 0; q < Q; q++) {
        pairs[q] = (sns_pair){q, q};
        ranks[q] = q % 2 ? 1 : 400;
    }
    assert_int_equal(sns_relation_new(pairs, Q, Q, &r, &err), SNS_OK);
    assert_int_equal(sns_retrieval_measure(ranks, &r, Q, &m, &err), SNS_OK);
    assert_true(fabs(m.recall_1.low - 0.451) < 0.008);
    assert_true(fabs(m.recall_1.high - 0.549) < 0.008);
    assert_int_equal(sns_retrieval_measure(ranks, &r, Q, &again, &err), SNS_OK);
    assert_memory_equal(&m, &again, sizeof m);
    sns_relation_free(&r);
}

/* More queries than one block; vectors on a circle, so ranks are known. */
static void queries_are_ranked_by_dot_product(void **state) {
    (void)state;
    enum { Q = 150, N = 90 };
    float queries[Q * 2], candidates[N * 2];
    sns_pair pairs[Q];
    uint32_t ranks[Q];
    sns_relation r;
    sns_error err;
    for (int j = 0; j < N; j++) {
        double a = 0.017 * j;
        candidates[2 * j] = (float)cos(a);
        candidates[2 * j + 1] = (float)sin(a);
    }
    for (uint32_t q = 0; q < Q; q++) { /* at candidate 0's angle: the order is 0, 1, 2, ... */
        queries[2 * q] = 1;
        queries[2 * q + 1] = 0;
        pairs[q] = (sns_pair){q, q % N};
    }
    assert_int_equal(sns_relation_new(pairs, Q, Q, &r, &err), SNS_OK);
    assert_int_equal(sns_rank_queries(queries, Q, candidates, N, 2, &r, ranks, NULL, NULL, &err),
                     SNS_OK);
    for (uint32_t q = 0; q < Q; q++) assert_int_equal(ranks[q], q % N + 1);
    sns_relation_free(&r);
}

/* Random scores reach what is called chance. */
static void random_scores_reach_chance(void **state) {
    (void)state;
    enum { Q = 4000, N = 50 };
    sns_pair *pairs = malloc(2 * Q * sizeof *pairs);
    uint32_t *ranks = malloc(Q * sizeof *ranks);
    sns_relation r;
    sns_retrieval_side m;
    sns_error err;
    sns_rng rng;
    sns_rng_seed(&rng, 5);
    for (uint32_t q = 0; q < Q; q++) {
        pairs[2 * q] = (sns_pair){q, q % N};
        pairs[2 * q + 1] = (sns_pair){q, (q * 7 + 1) % N};
    }
    assert_int_equal(sns_relation_new(pairs, 2 * Q, Q, &r, &err), SNS_OK);
    for (uint32_t q = 0; q < Q; q++) {
        float scores[N];
        for (int j = 0; j < N; j++) scores[j] = (float)sns_rng_uniform(&rng);
        size_t n = r.start[q + 1] - r.start[q];
        ranks[q] = sns_rank_of_best(scores, N, r.items + r.start[q], n);
    }
    assert_int_equal(sns_retrieval_measure(ranks, &r, N, &m, &err), SNS_OK);
    assert_true(fabs(m.recall_1.value - m.recall_1.chance) < 0.015);
    assert_true(fabs(m.recall_10.value - m.recall_10.chance) < 0.03);
    assert_true(fabs(m.mean_rank.value / m.mean_rank.chance - 1) < 0.05);
    sns_relation_free(&r);
    free(pairs);
    free(ranks);
}

static void accuracy_by_class(void **state) {
    (void)state;
    /* Class 0: 3 of 4 right; class 1: 0 of 1; class 2: 1 of 1. */
    const uint32_t labels[] = {0, 2, 0, 1, 0, 0}, ranks[] = {1, 1, 1, 6, 2, 1};
    sns_class_result per_class[3] = {{0}};
    sns_zero_shot m = {.per_class = per_class};
    sns_error err;
    assert_int_equal(sns_accuracy_measure(ranks, labels, 6, 3, &m, &err), SNS_OK);
    NEAR(m.top_1.value, 4.0 / 6);
    NEAR(m.top_5.value, 5.0 / 6);
    NEAR(m.mean_per_class.value, (0.75 + 0 + 1) / 3);
    NEAR(m.top_1.chance, 1.0 / 3);
    NEAR(m.top_5.chance, 1);
    NEAR(per_class[0].top_1, 0.75);
    NEAR(per_class[1].top_5, 0);
    assert_int_equal(per_class[0].images, 4);
    assert_true(m.mean_per_class.low <= m.mean_per_class.value);
    assert_true(m.mean_per_class.high >= m.mean_per_class.value);
}

static void reports_hold_the_numbers(void **state) {
    (void)state;
    sns_retrieval r = {.language = "en", .images = 7, .texts = 5, .pairs = 8};
    sns_error err;
    char *text;
    r.text_to_image.recall_10 = (sns_measure){0.375, 0.25, 0.5, 0.01};
    assert_int_equal(sns_retrieval_report(&r, 1, 0, &text, &err), SNS_OK);
    assert_non_null(strstr(text, "recall@10            37.5 %    25.0 to  50.0   chance 1.0 %"));
    free(text);
    assert_int_equal(sns_retrieval_report(&r, 1, 1, &text, &err), SNS_OK);
    assert_non_null(strstr(text, "\"recall@10\":{\"value\":0.375,\"low\":0.25,\"high\":0.5"));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    free(text);
    char a[] = "a \"cat\"", b[] = "dog";
    sns_class_result per_class[2] = {{a, 3, 1, 1}, {b, 4, 0.5, 1}};
    sns_zero_shot z = {.images = 7, .classes = 2, .per_class = per_class};
    assert_int_equal(sns_zero_shot_report(&z, 1, &text, &err), SNS_OK);
    assert_non_null(strstr(text, "\"a \\\"cat\\\"\""));
    free(text);
    assert_int_equal(sns_zero_shot_report(&z, 0, &text, &err), SNS_OK);
    assert_true(strstr(text, "dog") < strstr(text, "cat")); /* the worst first */
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_count_wrong_ones_before_the_best_right_one),
        cmocka_unit_test(chance_of_recall),
        cmocka_unit_test(relations_list_each_answer_once),
        cmocka_unit_test(retrieval_of_known_ranks),
        cmocka_unit_test(intervals_have_the_right_width),
        cmocka_unit_test(queries_are_ranked_by_dot_product),
        cmocka_unit_test(random_scores_reach_chance),
        cmocka_unit_test(accuracy_by_class),
        cmocka_unit_test(reports_hold_the_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
