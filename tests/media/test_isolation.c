/* test_isolation.c - films decoded in processes of their own: the same samples, and what becomes of
 * a process that dies. */
#include "base/file.h"
#include "make_film.h"
#include <dirent.h>
#include <sensus/video.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static char *dir;
static char film[4200];
static sns_isolation *isolation;

/* The first process whose parent is `parent`; 0: none. */
static pid_t child_of(pid_t parent) {
    DIR *d = opendir("/proc");
    pid_t found = 0;
    for (struct dirent *e; !found && (e = readdir(d));) {
        char path[300], line[512] = "";
        int pid, above;
        if (sscanf(e->d_name, "%d", &pid) != 1) continue;
        snprintf(path, sizeof path, "/proc/%d/stat", pid);
        FILE *f = fopen(path, "r");
        if (!f) continue;
        const char *state = fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
        if (state && sscanf(state + 1, " %*c %d", &above) == 1 && above == parent) found = pid;
        fclose(f);
    }
    closedir(d);
    return found;
}

static sns_worker *opened(void) {
    sns_worker *w;
    sns_error err = {0};
    if (sns_worker_open(isolation, film, NULL, NULL, &w, &err)) fail_msg("%s", err.message);
    return w;
}

static void samples_are_the_same(void **state) {
    (void)state;
    sns_video *v;
    sns_shots *shots;
    sns_sample a, b;
    sns_worker *w = opened();
    assert_int_equal(sns_video_open(film, NULL, &v, NULL), SNS_OK);
    assert_int_equal(sns_shots_new(v, NULL, &shots, NULL), SNS_OK);
    size_t n = 0;
    for (;; n++) {
        assert_int_equal(sns_shots_next(shots, &a, NULL), SNS_OK);
        assert_int_equal(sns_worker_next(w, &b, NULL), SNS_OK);
        if (!a.image.rgb) break;
        assert_true(a.start == b.start && a.end == b.end && a.seconds == b.seconds);
        assert_int_equal(a.cut, b.cut);
        assert_int_equal(a.image.width_px, b.image.width_px);
        assert_memory_equal(a.image.rgb, b.image.rgb, 3 * a.image.width_px * a.image.height_px);
    }
    assert_null(b.image.rgb);
    assert_true(n >= 3);
    assert_int_equal(sns_worker_next(w, &b, NULL), SNS_OK);
    assert_null(b.image.rgb);
    sns_worker_free(w);
    sns_shots_free(shots);
    sns_video_close(v);
}

static void sounds_are_the_same(void **state) {
    (void)state;
    sns_sound_stream *s;
    sns_worker *w;
    const sns_sound *part;
    sns_sound whole;
    sns_error err = {0};
    char path[4200];
    const sns_sound_options o = {.rate_hz = 48000};
    const char *made = film_make(dir, "sound.mka", "-f lavfi -i sine=r=48000:d=5 -c:a flac");
    assert_non_null(made);
    snprintf(path, sizeof path, "%s", made);
    assert_int_equal(sns_sound_load(path, &o, &whole, NULL), SNS_OK);
    if (sns_worker_open_sound(isolation, path, &o, &w, &err)) fail_msg("%s", err.message);
    size_t at = 0, parts = 0;
    for (; !(sns_worker_next_sound(w, &part, &err)) && part->count; parts++) {
        assert_int_equal(part->rate_hz, 48000);
        assert_true(at + part->count <= whole.count);
        assert_memory_equal(part->samples, whole.samples + at, part->count * sizeof *part->samples);
        at += part->count;
    }
    assert_int_equal(at, whole.count);
    assert_true(parts > 2);
    assert_true(sns_worker_start(w) == 0);
    sns_worker_free(w);
    sns_sound_free(&whole);
    assert_int_equal(sns_worker_open_sound(isolation, film, &o, &w, &err), SNS_MISSING);
    assert_non_null(strstr(err.message, "no sound in it"));
    assert_int_equal(sns_sound_stream_open(film, &o, &s, &err), SNS_MISSING);
    assert_null(s);
}

static void errors_come_through(void **state) {
    (void)state;
    sns_worker *w;
    sns_error err = {0};
    assert_int_equal(sns_worker_open(isolation, "/no/such.mp4", NULL, NULL, &w, &err), SNS_MISSING);
    assert_null(w);
    assert_non_null(strstr(err.message, "/no/such.mp4"));
    const sns_video_options small = {.max_pixels = 100};
    assert_int_equal(sns_worker_open(isolation, film, &small, NULL, &w, &err), SNS_LIMIT);
    int cancel = 1;
    const sns_video_options stopped = {.cancel = &cancel};
    assert_int_equal(sns_worker_open(isolation, film, &stopped, NULL, &w, &err), SNS_CANCELLED);
}

/* A worker that is killed, as by a decoder's mistake, is an error of its film; the next one works.
 */
static void a_crash_is_one_films(void **state) {
    (void)state;
    sns_sample s;
    sns_error err = {0};
    pid_t server = child_of(getpid());
    assert_true(server > 0);
    sns_worker *w = opened();
    assert_int_equal(sns_worker_next(w, &s, NULL), SNS_OK);
    pid_t worker = child_of(server);
    assert_true(worker > 0);
    kill(worker, SIGSEGV);
    sns_status status = SNS_OK;
    for (int i = 0; i < 100 && !status; i++) {
        status = sns_worker_next(w, &s, &err);
        if (!status) assert_non_null(s.image.rgb);
    }
    assert_int_equal(status, SNS_FORMAT);
    assert_non_null(strstr(err.message, film));
    sns_worker_free(w);
    w = opened();
    assert_int_equal(sns_worker_next(w, &s, NULL), SNS_OK);
    assert_non_null(s.image.rgb);
    sns_worker_free(w);
}

/* Processes whose results nobody wants any more end by themselves. */
static void no_process_is_left(void **state) {
    (void)state;
    pid_t server = child_of(getpid());
    sns_worker_free(opened());
    for (int i = 0; i < 100 && child_of(server); i++) usleep(50000);
    assert_int_equal(child_of(server), 0);
}

static int set_up(void **state) {
    (void)state;
    dir = tool_tmpdir();
    /* Large frames, so that a worker is far from done while its first sample is looked at. */
    const char *path = dir ? film_make(dir, "film.mp4",
                                       "-f lavfi -i testsrc2=s=1280x960:r=25:d=12 -c:v mpeg4")
                           : NULL;
    if (path) snprintf(film, sizeof film, "%s", path);
    return path && !sns_isolation_new(&isolation, NULL) ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    sns_isolation_free(isolation);
    tool_remove(dir);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_are_the_same), cmocka_unit_test(sounds_are_the_same),
        cmocka_unit_test(errors_come_through),  cmocka_unit_test(a_crash_is_one_films),
        cmocka_unit_test(no_process_is_left),
    };
    if (!film_has_ffmpeg()) {
        puts("skipped: no ffmpeg");
        return 77;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
