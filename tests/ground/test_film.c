/* test_film.c - real films through a small model: a planted scene is found, also by the measure. */
#include "catalog_world.h"
#include "make_film.h"
#include <math.h>
#include <sensus/ground.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static char *dir;
static catalog_world world;
static sns_classifier *cohort;
static char path[4200];

/* Three scenes; the second one, from 3 to 5 s, comes back from 8 to 9.5 s. */
#define SCENES                                                                                     \
    "-f lavfi -i smptebars=s=160x120:r=30000/1001:d=3.003 -f lavfi -i "                            \
    "mandelbrot=s=160x120:r=30000/1001 -f lavfi -i testsrc2=s=160x120:r=30000/1001:d=3.003 "       \
    "-f lavfi -i mandelbrot=s=160x120:r=30000/1001 -filter_complex "                               \
    "[0]setsar=1[a];[1]trim=end_frame=60,setsar=1[m];[2]setsar=1[b];"                              \
    "[3]trim=end_frame=45,setpts=PTS-STARTPTS,setsar=1[n];[a][m][b][n]concat=n=4:v=1 "             \
    "-c:v libx264 -qp 18"

static sns_film *film_of(const sns_film_options *o) {
    sns_film *film;
    sns_error err = {0};
    if (sns_film_read(world.model, cohort, path, o, &film, &err)) fail_msg("%s", err.message);
    return film;
}

static void spans_have_no_gaps(void **state) {
    (void)state;
    sns_film *film = film_of(NULL);
    const sns_span *s = sns_film_spans(film);
    size_t n = sns_film_count(film), dim = sns_model_dim(world.model);
    assert_true(s[0].start == 0);
    assert_true(fabs(s[n - 1].end - (90 + 60 + 90 + 45) * 1001 / 30000.0) < 0.04);
    for (size_t i = 0; i < n; i++) {
        double length = 0;
        const float *v = sns_film_vectors(film) + i * dim;
        for (size_t k = 0; k < dim; k++) length += (double)v[k] * v[k];
        assert_true(fabs(length - 1) < 1e-4);
        if (i) assert_true(s[i].start == s[i - 1].end);
    }
    assert_int_equal(sns_film_damaged(film), 0);
    sns_film_free(film);
}

/* The vectors do not depend on how many are encoded at once. */
static void batches_do_not_matter(void **state) {
    (void)state;
    const sns_film_options small = {.batch = 3};
    sns_film *a = film_of(NULL), *b = film_of(&small);
    size_t n = sns_film_count(a) * sns_model_dim(world.model);
    assert_int_equal(sns_film_count(a), sns_film_count(b));
    for (size_t i = 0; i < n; i++)
        assert_true(fabsf(sns_film_vectors(a)[i] - sns_film_vectors(b)[i]) < 1e-5f);
    sns_film_free(a);
    sns_film_free(b);
}

static void a_planted_scene_is_found(void **state) {
    (void)state;
    sns_film *film = film_of(NULL);
    const sns_span *s = sns_film_spans(film);
    size_t at = 0, n, dim = sns_model_dim(world.model);
    while (s[at].start < 3.5) at++; /* a picture of the second scene asks */
    sns_moment *m;
    assert_int_equal(sns_moments_find(film, sns_film_vectors(film) + at * dim, NULL, &m, &n, NULL),
                     SNS_OK);
    assert_int_equal(n, 2); /* the scene and its return, whichever is best */
    const double frame = 1001 / 30000.0;
    const sns_moment *first = m[0].start < m[1].start ? m : m + 1,
                     *again = m[0].start < m[1].start ? m + 1 : m;
    assert_true(fabs(first->start - 90 * frame) < 1e-6 && fabs(first->end - 150 * frame) < 1e-6);
    assert_true(fabs(again->start - 240 * frame) < 1e-6 && fabs(again->end - 285 * frame) < 1e-6);
    free(m);
    sns_film_free(film);
}

/* Half of a film: a segment as long is right where it is off by at most a third of its length. */
static void chance_is_that_of_random_segments(void **state) {
    (void)state;
    char manifest[4400];
    sns_moment_eval r;
    sns_error err = {0};
    char *text;
    snprintf(manifest, sizeof manifest,
             "{\"video\": \"%s\", \"query\": \"a dog\", \"start\": 0, \"end\": 4.754750}\n", path);
    world_text(&world, "m.jsonl", manifest);
    if (sns_eval_moments(world.model, world_path(&world, "m.jsonl"), NULL, &r, &err))
        fail_msg("%s", err.message);
    assert_int_equal(r.films, 1);
    assert_int_equal(r.queries, 1);
    assert_true(fabs(r.recall_50.chance - 1 / 3.0) < 0.005);
    assert_true(fabs(r.peak.chance - 0.5) < 0.005);
    assert_true(r.median_seconds == 4.75475);
    assert_int_equal(sns_moment_report(&r, 1, &text, &err), SNS_OK);
    assert_non_null(strstr(text, "\"recall@1_iou0.5\""));
    free(text);
    world_text(&world, "n.jsonl",
               "{\"video\": \"/no/such.mp4\", \"query\": \"a\", \"start\": 0, \"end\": 1}\n");
    assert_int_equal(sns_eval_moments(world.model, world_path(&world, "n.jsonl"), NULL, &r, &err),
                     SNS_FORMAT);
}

static void a_film_that_is_none_is_refused(void **state) {
    (void)state;
    sns_film *film;
    sns_error err = {0};
    assert_int_equal(sns_film_read(world.model, cohort, "/no/such.mp4", NULL, &film, &err),
                     SNS_MISSING);
    const sns_film_options wide = {.batch = 5000}, late = {.from = 60};
    assert_int_equal(sns_film_read(world.model, cohort, path, &wide, &film, &err), SNS_ARG);
    assert_int_equal(sns_film_read(world.model, cohort, path, &late, &film, &err), SNS_FORMAT);
    assert_null(film);
    int cancel = 1;
    const sns_film_options stopped = {.cancel = &cancel};
    assert_int_equal(sns_film_read(world.model, cohort, path, &stopped, &film, &err),
                     SNS_CANCELLED);
}

static int set_up(void **state) {
    (void)state;
    world_open(&world);
    dir = tool_tmpdir();
    if (!dir || sns_cohort_new(world.model, NULL, 0, &cohort, NULL)) return -1;
    const char *made = film_make(dir, "scenes.mp4", SCENES);
    if (made) snprintf(path, sizeof path, "%s", made);
    return made ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    sns_classifier_free(cohort);
    world_close(&world);
    tool_remove(dir);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_have_no_gaps),
        cmocka_unit_test(batches_do_not_matter),
        cmocka_unit_test(a_planted_scene_is_found),
        cmocka_unit_test(chance_is_that_of_random_segments),
        cmocka_unit_test(a_film_that_is_none_is_refused),
    };
    if (!film_has_ffmpeg()) {
        puts("skipped: no ffmpeg");
        return 77;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
