/* test_embed_files.c - files to vectors with a real, tiny model. */
#include "../catalog/catalog_world.h"
#include <math.h>
#include <sensus/embed.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { FILES = 23, BAD = 9, MAX_DIM = 64 };

typedef struct fixture {
    catalog_world world;
    char paths[FILES][4200];
    const char *list[FILES];
} fixture;

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    world_open(&f->world);
    for (int i = 0; i < FILES; i++) {
        snprintf(f->paths[i], sizeof f->paths[i], "%s/%d.png", f->world.pictures, i);
        f->list[i] = f->paths[i];
        uint8_t rgb[40 * 50 * 3];
        for (int k = 0; k < 40 * 50 * 3; k++) rgb[k] = (uint8_t)(k * (i + 1) / 7);
        const sns_image image = {40, 50, rgb};
        if (i != BAD && sns_image_save_png(&image, f->paths[i], NULL)) return -1;
    }
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    world_close(&f->world);
    free(f);
    return 0;
}

typedef struct vectors {
    size_t dim, count;
    float v[FILES][MAX_DIM];
} vectors;

static sns_status take(void *user, const sns_embed_result *r) {
    vectors *to = user;
    assert_int_equal(r->index, to->count++);
    assert_int_equal(r->status, r->index == BAD ? SNS_MISSING : SNS_OK);
    if (r->vector) memcpy(to->v[r->index], r->vector, to->dim * sizeof(float));
    return SNS_OK;
}

static void embed(fixture *f, const sns_embed_options *o, vectors *to) {
    sns_error err = {0};
    memset(to, 0, sizeof *to);
    to->dim = sns_model_dim(f->world.model);
    assert_true(to->dim <= MAX_DIM);
    if (sns_embed_files(f->world.model, f->list, FILES, o, take, to, &err))
        fail_msg("%s", err.message);
    assert_int_equal(to->count, FILES);
}

static void equals_one_by_one(void **state) {
    fixture *f = *state;
    static vectors got;
    embed(f, NULL, &got);
    sns_session *session;
    assert_int_equal(sns_session_new(f->world.model, &session, NULL), SNS_OK);
    for (int i = 0; i < FILES; i++) {
        if (i == BAD) continue;
        sns_image image;
        float v[MAX_DIM];
        double length = 0, worst = 0;
        assert_int_equal(sns_image_load(f->paths[i], NULL, &image, NULL), SNS_OK);
        assert_int_equal(sns_encode_images(session, &image, 1, v, NULL), SNS_OK);
        for (size_t c = 0; c < got.dim; c++) {
            worst = fmax(worst, fabs((double)v[c] - (double)got.v[i][c]));
            length += (double)v[c] * v[c];
        }
        assert_true(fabs(length - 1) < 1e-5);
        assert_true(worst < 1e-5);
        if (i > 0) assert_memory_not_equal(got.v[i], got.v[0], got.dim * sizeof(float));
        sns_image_free(&image);
    }
    sns_session_free(session);
}

static void threads_change_no_bit(void **state) {
    static vectors first, again;
    const sns_embed_options o = {.threads = 1, .batch = 5};
    embed(*state, &o, &first);
    for (size_t threads = 2; threads <= 6; threads += 2) {
        const sns_embed_options more = {.threads = threads, .batch = 5};
        embed(*state, &more, &again);
        assert_memory_equal(&first, &again, sizeof first);
    }
}

static void wrong_arguments_are_refused(void **state) {
    fixture *f = *state;
    assert_int_equal(sns_embed_files(NULL, f->list, FILES, NULL, take, NULL, NULL), SNS_ARG);
    assert_int_equal(sns_embed_files(f->world.model, f->list, 1, NULL, NULL, NULL, NULL), SNS_ARG);
    assert_int_equal(sns_embed_files(f->world.model, NULL, 1, NULL, take, NULL, NULL), SNS_ARG);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(equals_one_by_one),
                                       cmocka_unit_test(threads_change_no_bit),
                                       cmocka_unit_test(wrong_arguments_are_refused)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
