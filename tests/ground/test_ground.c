/* test_ground.c - moments, statements and summaries of films made up from vectors. */
#include "catalog_world.h"
#include "ground/film.h"
#include "base/rng.h"
#include "ground/moment_truth.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { DIM = 8, MOST = 400 };
static sns_span spans[MOST];
static float vectors[MOST * DIM];

/* A film of samples of `seconds` each, all orthogonal to the query, which is the first axis. */
static sns_film blank(size_t count, double seconds) {
    memset(vectors, 0, sizeof vectors);
    for (size_t i = 0; i < count; i++) {
        spans[i] = (sns_span){(double)i * seconds, (double)i * seconds, (double)(i + 1) * seconds,
                              !i};
        vectors[i * DIM + 1] = 1;
    }
    return (sns_film){.count = count, .dim = DIM, .spans = spans, .vectors = vectors};
}

/* Sample i has this cosine with the query; the rest of it lies along an axis. */
static void set(size_t i, float cosine, size_t axis) {
    memset(vectors + i * DIM, 0, DIM * sizeof *vectors);
    vectors[i * DIM] = cosine;
    vectors[i * DIM + axis] = sqrtf(1 - cosine * cosine);
}

static const float query[DIM] = {1};

static sns_moment *find(const sns_film *film, const sns_moment_options *o, size_t *n) {
    sns_moment *m;
    assert_int_equal(sns_moments_find(film, query, o, &m, n, NULL), SNS_OK);
    for (size_t i = 0; i < *n; i++) {
        assert_true(m[i].start <= m[i].peak && m[i].peak < m[i].end);
        for (size_t k = 0; k < i; k++) {
            assert_true(m[k].score >= m[i].score);
            assert_true(m[k].end <= m[i].start || m[i].end <= m[k].start);
        }
    }
    return m;
}

static void planted_moments_are_found(void **state) {
    (void)state;
    size_t n;
    sns_film film = blank(200, 0.25);
    for (size_t i = 40; i < 60; i++) set(i, 0.8f, 2); /* 10 to 15 s */
    for (size_t i = 120; i < 136; i++) set(i, 0.6f, 2);
    spans[40].cut = spans[60].cut = spans[120].cut = spans[136].cut = 1;
    sns_moment *m = find(&film, NULL, &n);
    assert_int_equal(n, 2);
    assert_true(m[0].start == 10 && m[0].end == 15);
    assert_true(m[1].start == 30 && m[1].end == 34);
    assert_true(fabsf(m[0].score - 0.8f) < 1e-5f);
    free(m);
    const sns_moment_options one = {.most = 1, .least = -2}, high = {.least = 0.9};
    free(find(&film, &one, &n));
    assert_int_equal(n, 1);
    free(find(&film, &high, &n));
    assert_int_equal(n, 0);
}

/* A dip shorter than the gap does not part a moment, a longer one does. */
static void short_dips_are_bridged(void **state) {
    (void)state;
    size_t n;
    sns_film film = blank(200, 0.25);
    for (size_t i = 40; i < 80; i++) set(i, 0.8f, 2);
    set(60, 0, 2); /* a quarter of a second */
    for (size_t i = 59; i < 62; i++) spans[i].cut = 1;
    spans[40].cut = spans[80].cut = 1;
    sns_moment *m = find(&film, NULL, &n);
    assert_int_equal(n, 1);
    assert_true(m[0].start == 10 && m[0].end == 20);
    free(m);
    for (size_t i = 58; i < 64; i++) set(i, 0, 2);
    m = find(&film, NULL, &n);
    assert_int_equal(n, 2);
    free(m);
}

static void smoothing_keeps_cuts_and_quiets_noise(void **state) {
    (void)state;
    float curve[MOST];
    sns_rng rng;
    sns_rng_seed(&rng, 5);
    sns_film film = blank(100, 0.2);
    for (size_t i = 0; i < 100; i++)
        set(i, (i < 50 ? 0.2f : 0.6f) + 0.1f * (float)(sns_rng_uniform(&rng) - 0.5), 2);
    spans[50].cut = 1;
    assert_int_equal(sns_film_curve(&film, query, curve, NULL), SNS_OK);
    for (size_t i = 0; i < 100; i++) assert_true(fabsf(curve[i] - (i < 50 ? 0.2f : 0.6f)) < 0.045f);
    /* Of one sample that lasts as long as many, the mean is the same. */
    spans[50].cut = 0;
    sns_film two = blank(2, 10);
    set(0, 0.2f, 2);
    set(1, 0.6f, 2);
    spans[1].cut = 0;
    assert_int_equal(sns_film_curve(&two, query, curve, NULL), SNS_OK);
    assert_true(fabsf(curve[0] - 0.2f) < 1e-4f && fabsf(curve[1] - 0.6f) < 1e-4f);
}

static void a_still_film_has_one_moment(void **state) {
    (void)state;
    size_t n;
    sns_film film = blank(1, 7);
    set(0, 0.4f, 2);
    sns_moment *m = find(&film, NULL, &n);
    assert_int_equal(n, 1);
    assert_true(m[0].start == 0 && m[0].end == 7);
    char *svg;
    assert_int_equal(sns_moments_svg(&film, query, m, n, &svg, NULL), SNS_OK);
    assert_non_null(strstr(svg, "</svg>"));
    free(svg);
    free(m);
}

/* ---- statements ----------------------------------------------------------------------------- */

static void statements_that_fit_are_more_probable(void **state) {
    (void)state;
    catalog_world w;
    sns_classifier *cohort;
    sns_entailment e[3];
    world_open(&w);
    assert_int_equal(sns_cohort_new(w.model, NULL, 0, &cohort, NULL), SNS_OK);
    size_t dim = sns_model_dim(w.model), count = 40;
    float *v = calloc((count + 3) * dim, sizeof *v), *texts = v + count * dim;
    sns_moments m[40];
    sns_rng rng;
    sns_rng_seed(&rng, 1);
    for (size_t i = 0; i < count + 1; i++) {
        float *row = v + i * dim, norm = 0;
        for (size_t k = 0; k < dim; k++) row[k] = (float)sns_rng_normal(&rng);
        for (size_t k = 0; k < dim; k++) norm += row[k] * row[k];
        for (size_t k = 0; k < dim; k++) row[k] /= sqrtf(norm);
    }
    for (size_t i = 10; i < 16; i++) memcpy(v + i * dim, v + 10 * dim, dim * sizeof *v);
    /* texts: something else, what samples 10 to 15 show, its opposite */
    for (size_t k = 0; k < dim; k++) texts[dim + k] = v[10 * dim + k];
    for (size_t k = 0; k < dim; k++) texts[2 * dim + k] = -v[10 * dim + k];
    blank(count, 1);
    sns_cohort_moments(cohort, v, count, m);
    sns_film film = {
        .count = count, .dim = dim, .spans = spans, .vectors = v, .moments = m, .cohort = cohort};
    for (size_t i = 0; i < count; i++) spans[i].cut = i == 10 || i == 16 || !i;
    assert_int_equal(sns_film_entails(&film, texts, 3, e, NULL), SNS_OK);
    for (int i = 0; i < 3; i++) assert_true(e[i].probability > 0 && e[i].probability < 1);
    assert_true(e[1].probability > e[0].probability);
    assert_true(e[1].seconds >= 10 && e[1].seconds < 16);
    free(v);
    sns_classifier_free(cohort);
    world_close(&w);
}

/* ---- summaries ------------------------------------------------------------------------------ */

static sns_moment *summarise(const sns_film *film, const float *text, double seconds, size_t *n) {
    sns_moment *m;
    double total = 0;
    assert_int_equal(sns_film_summarise(film, text, seconds, &m, n, NULL), SNS_OK);
    for (size_t i = 0; i < *n; i++) {
        total += m[i].end - m[i].start;
        if (i) assert_true(m[i].start >= m[i - 1].end);
    }
    assert_true(total <= seconds + 1e-9);
    return m;
}

/* Shots of 3 s: A B A A C A; what is there is shown once. */
static void summaries_are_diverse(void **state) {
    (void)state;
    static const size_t axis[6] = {2, 3, 2, 2, 4, 2};
    size_t n;
    sns_film film = blank(60, 0.3);
    for (size_t i = 0; i < 60; i++) {
        set(i, 0, axis[i / 10]);
        spans[i].cut = i % 10 == 0;
    }
    sns_moment *m = summarise(&film, NULL, 9.5, &n);
    double seen[8] = {0};
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < 60; k++)
            if (spans[k].start >= m[i].start - 1e-9 && spans[k].end <= m[i].end + 1e-9)
                seen[axis[k / 10]] += 0.3;
    assert_true(fabs(seen[2] - 3) < 1e-6 && fabs(seen[3] - 3) < 1e-6 && fabs(seen[4] - 3) < 1e-6);
    free(m);
}

static void summaries_follow_the_text(void **state) {
    (void)state;
    size_t n;
    sns_film film = blank(60, 0.3);
    for (size_t i = 0; i < 60; i++) {
        set(i, i / 10 == 2 ? 0.7f : i / 10 == 4 ? 0.6f : 0.05f, 2 + i / 10);
        spans[i].cut = i % 10 == 0;
    }
    sns_moment *m = summarise(&film, query, 6.5, &n);
    assert_int_equal(n, 2);
    assert_true(fabs(m[0].start - 6) < 1e-6 && fabs(m[0].end - 9) < 1e-6);
    assert_true(fabs(m[1].start - 12) < 1e-6 && fabs(m[1].end - 15) < 1e-6);
    free(m);
    free(summarise(&film, query, 0.2, &n));
    assert_int_equal(n, 0);
}

/* ---- manifests ------------------------------------------------------------------------------ */

static size_t warnings;
static void count_warning(void *user, const char *message) {
    (void)user;
    assert_non_null(strstr(message, "line"));
    warnings++;
}

static void manifests_are_read(void **state) {
    (void)state;
    catalog_world w;
    sns_truth_list list;
    const sns_eval_options o = {.warn = count_warning};
    world_open(&w);
    world_text(&w, "m.jsonl",
               "{\"video\": \"a.mp4\", \"query\": \"x\", \"start\": 1, \"end\": 2.5}\n\n"
               "{\"video\": \"a.mp4\", \"query\": \"y\", \"start\": 3, \"end\": 3}\n"
               "not json\n"
               "{\"video\": \"/b.mp4\", \"query\": \"x\", \"start\": 0, \"end\": 1}\n"
               "{\"video\": \"/b.mp4\", \"query\": \"z\", \"start\": 0, \"end\": 1}\n");
    assert_int_equal(sns_truth_read(world_path(&w, "m.jsonl"), &o, &list, NULL), SNS_OK);
    assert_int_equal(list.count, 3);
    assert_int_equal(list.skipped, 2);
    assert_int_equal(warnings, 2);
    assert_string_equal(list.items[0].video, world_path(&w, "a.mp4"));
    assert_string_equal(list.items[1].video, "/b.mp4");
    assert_int_equal(sns_truth_film_end(&list, 1), 3);
    /* "x" is of both films */
    assert_string_equal(sns_truth_foreign(&list, 0, 1, 0), "z");
    assert_null(sns_truth_foreign(&list, 1, 3, 1));
    sns_truth_free(&list);
    world_text(&w, "empty.jsonl", "\n");
    assert_int_equal(sns_truth_read(world_path(&w, "empty.jsonl"), &o, &list, NULL), SNS_FORMAT);
    assert_int_equal(sns_truth_read(world_path(&w, "none.jsonl"), &o, &list, NULL), SNS_MISSING);
    world_close(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planted_moments_are_found),
        cmocka_unit_test(short_dips_are_bridged),
        cmocka_unit_test(smoothing_keeps_cuts_and_quiets_noise),
        cmocka_unit_test(a_still_film_has_one_moment),
        cmocka_unit_test(statements_that_fit_are_more_probable),
        cmocka_unit_test(summaries_are_diverse),
        cmocka_unit_test(summaries_follow_the_text),
        cmocka_unit_test(manifests_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
