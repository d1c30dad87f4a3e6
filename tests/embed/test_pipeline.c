/* test_pipeline.c - order, bad files, cancelling and bounds, with an encoder whose vectors are
 * known.
 */
#include "base/error.h"
#include "embed/pipeline.h"
#include "tool.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { FILES = 45 };

typedef struct fixture {
    char *dir, *paths[FILES];
} fixture;

/* Every seventh path is damaged; the others are 2 x 2 PPM of one grey that names the file. */
static int make_files(void **state) {
    fixture *f = calloc(1, sizeof *f);
    f->dir = tool_tmpdir();
    for (int i = 0; i < FILES; i++) {
        f->paths[i] = malloc(4200);
        snprintf(f->paths[i], 4200, "%s/%d.jpg", f->dir, i);
        FILE *file = fopen(f->paths[i], "w");
        fprintf(file, "P6 2 2 255\n");
        for (int k = 0; k < (i % 7 == 3 ? 5 : 12); k++) fputc(i * 5, file);
        fclose(file);
    }
    *state = f;
    return 0;
}

static int remove_files(void **state) {
    fixture *f = *state;
    tool_remove(f->dir);
    for (int i = 0; i < FILES; i++) free(f->paths[i]);
    free(f);
    return 0;
}

typedef struct encoder_log {
    pthread_mutex_t lock;
    size_t calls, pictures, largest, lane;
    sns_status answer;
} encoder_log;

static sns_status prepare(void *user, const sns_image *image, float *out, sns_error *err) {
    (void)user;
    if (image->width_px != 2) return sns_fail(err, SNS_SHAPE, "not 2 x 2");
    if (image->rgb[0] == 40 * 5) return sns_fail(err, SNS_SHAPE, "unwanted");
    for (int i = 0; i < 12; i++) out[i] = image->rgb[i];
    return SNS_OK;
}

static sns_status encode(void *user, size_t lane, const float *in, size_t n, float *out,
                         sns_error *err) {
    encoder_log *log = user;
    pthread_mutex_lock(&log->lock);
    log->calls++;
    log->pictures += n;
    if (n > log->largest) log->largest = n;
    if (lane > log->lane) log->lane = lane;
    pthread_mutex_unlock(&log->lock);
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = in[12 * i];
        out[2 * i + 1] = -in[12 * i + 11];
    }
    return log->answer ? sns_fail(err, log->answer, "encoder") : SNS_OK;
}

static sns_encoder encoder_of(encoder_log *log) {
    return (sns_encoder){
        .user = log, .target_px = 2, .pixels = 12, .dim = 2, .prepare = prepare, .encode = encode};
}

typedef struct receiver {
    size_t count, bad, stop_at;
    sns_status stop_with;
    int *flag;
} receiver;

static sns_status receive(void *user, const sns_embed_result *r) {
    receiver *to = user;
    assert_int_equal(r->index, to->count);
    to->count++;
    bool damaged = r->index % 7 == 3, refused = r->index == 40;
    if (damaged || refused) {
        to->bad++;
        assert_int_equal(r->status, damaged ? SNS_FORMAT : SNS_SHAPE);
        assert_non_null(strstr(r->message, r->path));
        assert_null(r->vector);
    } else {
        assert_int_equal(r->status, SNS_OK);
        assert_string_equal(r->message, "");
        assert_true(r->vector[0] == (float)(r->index * 5));
        assert_true(r->vector[1] == -(float)(r->index * 5));
        assert_int_equal(r->width_px, 2);
    }
    if (to->stop_with && r->index == to->stop_at) return to->stop_with;
    if (to->flag && r->index == to->stop_at) *to->flag = 1;
    return SNS_OK;
}

static const char *const *paths_of(fixture *f) {
    return (const char *const *)f->paths;
}

static void results_come_in_order(void **state) {
    for (size_t threads = 0; threads <= 5; threads++) {
        for (size_t batch = 0; batch <= 50; batch += batch < 3 ? 1 : 11) {
            encoder_log log = {.lock = PTHREAD_MUTEX_INITIALIZER};
            receiver to = {0};
            sns_encoder e = encoder_of(&log);
            sns_embed_options o = {.threads = threads, .batch = batch};
            sns_error err = {0};
            assert_int_equal(sns_pipeline_run(&e, paths_of(*state), FILES, &o, receive, &to, &err),
                             SNS_OK);
            assert_int_equal(to.count, FILES);
            assert_int_equal(to.bad, 7);
            assert_int_equal(log.pictures, FILES - 7);
            assert_true(log.largest <= (batch ? batch : 8));
            if (threads) assert_true(log.lane < threads);
        }
    }
}

static void callback_ends_the_work(void **state) {
    for (size_t at = 0; at < FILES; at += 11) {
        encoder_log log = {.lock = PTHREAD_MUTEX_INITIALIZER};
        receiver to = {.stop_at = at, .stop_with = SNS_IO};
        sns_encoder e = encoder_of(&log);
        sns_embed_options o = {.threads = 3, .batch = 4};
        sns_error err = {0};
        assert_int_equal(sns_pipeline_run(&e, paths_of(*state), FILES, &o, receive, &to, &err),
                         SNS_IO);
        assert_int_equal(err.code, SNS_IO);
        assert_int_equal(to.count, at + 1);
    }
}

static void flag_cancels(void **state) {
    for (size_t at = 0; at < 30; at += 7) {
        int flag = 0;
        encoder_log log = {.lock = PTHREAD_MUTEX_INITIALIZER};
        receiver to = {.stop_at = at, .flag = &flag};
        sns_encoder e = encoder_of(&log);
        sns_embed_options o = {.threads = 2, .batch = 4, .cancel = &flag};
        sns_error err = {0};
        assert_int_equal(sns_pipeline_run(&e, paths_of(*state), FILES, &o, receive, &to, &err),
                         SNS_CANCELLED);
        assert_int_equal(to.count, at / 4 * 4 + 4); /* the batch in flight is delivered */
    }
    int flag = 1;
    encoder_log log = {.lock = PTHREAD_MUTEX_INITIALIZER};
    receiver to = {0};
    sns_encoder e = encoder_of(&log);
    sns_embed_options o = {.cancel = &flag};
    assert_int_equal(sns_pipeline_run(&e, paths_of(*state), FILES, &o, receive, &to, NULL),
                     SNS_CANCELLED);
    assert_int_equal(to.count, 0);
}

static void encoder_failure_is_the_answer(void **state) {
    encoder_log log = {.lock = PTHREAD_MUTEX_INITIALIZER, .answer = SNS_FORMAT};
    receiver to = {0};
    sns_encoder e = encoder_of(&log);
    sns_error err = {0};
    assert_int_equal(sns_pipeline_run(&e, paths_of(*state), FILES, NULL, receive, &to, &err),
                     SNS_FORMAT);
    assert_string_equal(err.message, "encoder");
    assert_int_equal(to.count, 0);
}

static void wrong_arguments_are_refused(void **state) {
    (void)state;
    const char *paths[] = {"/nonexistent/a.jpg", "/"};
    encoder_log log = {.lock = PTHREAD_MUTEX_INITIALIZER};
    sns_encoder e = encoder_of(&log);
    sns_error err = {0};
    size_t count = 0;
    sns_embed_options o = {.batch = 2000};
    assert_int_equal(sns_pipeline_run(&e, paths, 2, &o, receive, &count, &err), SNS_ARG);
    assert_int_equal(sns_pipeline_run(&e, paths, 0, NULL, receive, &count, &err), SNS_OK);
    assert_int_equal(sns_pipeline_run(&e, paths, 2, NULL, NULL, NULL, &err), SNS_ARG);
    assert_int_equal(log.calls, 0);
}

static sns_status count_status(void *user, const sns_embed_result *r) {
    sns_status *seen = user;
    seen[r->index] = r->status;
    return SNS_OK;
}

static void missing_files_and_folders(void **state) {
    (void)state;
    const char *paths[] = {"/nonexistent/a.jpg", "/"};
    encoder_log log = {.lock = PTHREAD_MUTEX_INITIALIZER};
    sns_encoder e = encoder_of(&log);
    sns_status seen[2] = {SNS_OK, SNS_OK};
    assert_int_equal(sns_pipeline_run(&e, paths, 2, NULL, count_status, seen, NULL), SNS_OK);
    assert_int_equal(seen[0], SNS_MISSING);
    assert_int_equal(seen[1], SNS_IO);
    assert_int_equal(log.calls, 0);
}

/* ---- streams ---- */

enum { ITEMS = 50, HOLE = 17 };

/* ITEMS pictures in memory, one of which the source has to give up; then `answer`. */
typedef struct stream {
    size_t at, stops, last;
    sns_status answer;
    bool waits;
    volatile int stopped;
} stream;

static sns_status next_item(void *user, sns_embed_item *item, sns_error *err) {
    stream *s = user;
    if (s->at == s->last) {
        while (s->waits && !__atomic_load_n(&s->stopped, __ATOMIC_RELAXED)) usleep(1000);
        return s->answer ? sns_fail(err, s->answer, "the source") : SNS_OK;
    }
    char name[32];
    snprintf(name, sizeof name, "item %zu", s->at);
    item->name = strdup(name);
    if (s->at == HOLE) {
        item->problem.code = SNS_MISSING;
        snprintf(item->problem.message, sizeof item->problem.message, "no item %d", HOLE);
    } else {
        item->size = 11 + 12;
        item->bytes = malloc(item->size);
        memcpy(item->bytes, "P6 2 2 255\n", 11);
        memset((char *)item->bytes + 11, (int)s->at * 5, 12);
    }
    s->at++;
    return SNS_OK;
}

static void stop_items(void *user) {
    stream *s = user;
    s->stops++;
    __atomic_store_n(&s->stopped, 1, __ATOMIC_RELAXED);
}

typedef struct stream_log {
    size_t count, with_bytes, end_at;
} stream_log;

static sns_status receive_item(void *user, const sns_embed_result *r) {
    stream_log *log = user;
    char name[32];
    snprintf(name, sizeof name, "item %zu", r->index);
    assert_int_equal(r->index, log->count++);
    assert_string_equal(r->path, name);
    log->with_bytes += r->bytes != NULL;
    if (r->index == HOLE) {
        assert_int_equal(r->status, SNS_MISSING);
        assert_string_equal(r->message, "no item 17");
    } else if (r->index == 40) {
        assert_int_equal(r->status, SNS_SHAPE);
    } else {
        assert_true(r->in_memory && r->vector[0] == (float)(r->index * 5));
    }
    return log->end_at && r->index == log->end_at ? SNS_LIMIT : SNS_OK;
}

static sns_status run_stream(stream *s, stream_log *log, sns_embed_options o, sns_error *err) {
    encoder_log encoded = {.lock = PTHREAD_MUTEX_INITIALIZER};
    sns_encoder e = encoder_of(&encoded);
    const sns_embed_source source = {next_item, stop_items, s};
    return sns_pipeline_stream(&e, &source, 0, &o, receive_item, log, err);
}

static void *set_later(void *flag) {
    usleep(50000);
    __atomic_store_n((int *)flag, 1, __ATOMIC_RELAXED);
    return NULL;
}

static void streams_come_in_order(void **state) {
    (void)state;
    for (size_t threads = 1; threads <= 4; threads++) {
        for (size_t batch = 1; batch <= 60; batch += 7) {
            for (size_t last = 0; last <= ITEMS; last += 25) {
                stream s = {.last = last};
                stream_log log = {0};
                sns_embed_options o = {
                    .threads = threads, .batch = batch, .keep_bytes = last == 25};
                assert_int_equal(run_stream(&s, &log, o, NULL), SNS_OK);
                assert_int_equal(log.count, last);
                assert_int_equal(log.with_bytes, last == 25 ? 24 : 0);
                assert_int_equal(s.stops, 0);
            }
        }
    }
}

static void a_failing_source_ends_the_work(void **state) {
    (void)state;
    stream s = {.last = 20, .answer = SNS_IO};
    stream_log log = {0};
    sns_error err;
    assert_int_equal(run_stream(&s, &log, (sns_embed_options){.batch = 4}, &err), SNS_IO);
    assert_string_equal(err.message, "the source");
}

/* A source that waits for more does not keep the work from ending. */
static void a_waiting_source_is_stopped(void **state) {
    (void)state;
    stream s = {.last = 20, .answer = SNS_CANCELLED, .waits = true};
    stream_log log = {.end_at = 5};
    assert_int_equal(run_stream(&s, &log, (sns_embed_options){.batch = 4}, NULL), SNS_LIMIT);
    assert_int_equal(s.stops, 1);
    int flag = 0;
    s = (stream){.last = 20, .answer = SNS_CANCELLED, .waits = true};
    log = (stream_log){0};
    pthread_t setter;
    assert_int_equal(pthread_create(&setter, NULL, set_later, &flag), 0);
    assert_int_equal(run_stream(&s, &log, (sns_embed_options){.batch = 4, .cancel = &flag}, NULL),
                     SNS_CANCELLED);
    pthread_join(setter, NULL);
    assert_int_equal(s.stops, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(results_come_in_order),
                                       cmocka_unit_test(callback_ends_the_work),
                                       cmocka_unit_test(flag_cancels),
                                       cmocka_unit_test(encoder_failure_is_the_answer),
                                       cmocka_unit_test(wrong_arguments_are_refused),
                                       cmocka_unit_test(missing_files_and_folders),
                                       cmocka_unit_test(streams_come_in_order),
                                       cmocka_unit_test(a_failing_source_ends_the_work),
                                       cmocka_unit_test(a_waiting_source_is_stopped)};
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
