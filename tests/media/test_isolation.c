/* test_isolation.c - films and recordings decoded in processes of their own: the same samples, and
 * what becomes of a process that dies, hangs or takes too much memory, each of which is provoked.
 */
#include "base/file.h"
#include "make_film.h"
#include <dirent.h>
#include <sensus/sound.h>
#include <sensus/video.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static char *dir;
static char film[4200], song[4200];
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

static void parts_of_sounds_are_the_same(void **state) {
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

/* A film that needs more memory than it may take. */
static void a_film_may_take_so_much_memory(void **state) {
    (void)state;
    sns_worker *w = NULL;
    sns_sample sample;
    sns_error err = {0};
    const sns_video_options small = {.max_memory = 6 << 20};
    sns_status s = sns_worker_open(isolation, film, &small, NULL, &w, &err);
    while (!s && !(s = sns_worker_next(w, &sample, &err)) && sample.image.rgb) continue;
    assert_int_equal(s, SNS_LIMIT);
    assert_non_null(strstr(err.message, "takes more than 6 MiB of memory"));
    assert_non_null(strstr(err.message, film));
    sns_worker_free(w);
}

/* ---- recordings ---- */

static sns_status heard(const sns_sound_options *options, sns_sound *out, sns_error *err) {
    sns_sound_options o = *options;
    o.isolation = isolation;
    *err = (sns_error){0};
    return sns_sound_load(song, &o, out, err);
}

static void sounds_are_the_same(void **state) {
    (void)state;
    sns_sound here, there, memory;
    sns_error err;
    size_t size;
    const sns_sound_options o = {.max_seconds = 5, .cut = 1}, isolated = {.isolation = isolation};
    assert_int_equal(sns_sound_load(song, &o, &here, NULL), SNS_OK);
    assert_int_equal(heard(&o, &there, &err), SNS_OK);
    assert_int_equal(here.count, 80000);
    assert_true(here.count == there.count && there.rate_hz == 16000 && !there.damaged);
    assert_memory_equal(here.samples, there.samples, here.count * sizeof(float));
    uint8_t *wav;
    assert_int_equal(sns_sound_encode_wav(&here, &wav, &size, NULL), SNS_OK);
    assert_int_equal(sns_sound_decode(wav, size, "memory", &isolated, &memory, NULL), SNS_OK);
    assert_int_equal(memory.count, here.count);
    sns_sound_free(&memory);
    assert_int_equal(sns_sound_decode("nothing", 7, "the-name", &isolated, &memory, &err),
                     SNS_FORMAT);
    assert_non_null(strstr(err.message, "the-name"));
    assert_null(memory.samples);
    sns_sound_free(&here);
    sns_sound_free(&there);
    free(wav);
}

static void errors_of_sounds_come_through(void **state) {
    (void)state;
    sns_sound s;
    sns_error err;
    int cancel = 1;
    assert_int_equal(heard(&(sns_sound_options){.max_seconds = 2}, &s, &err), SNS_LIMIT);
    assert_non_null(strstr(err.message, "more than 2 seconds of sound"));
    assert_int_equal(heard(&(sns_sound_options){.rate_hz = 9}, &s, &err), SNS_ARG);
    assert_int_equal(heard(&(sns_sound_options){.cancel = &cancel}, &s, &err), SNS_CANCELLED);
    const sns_sound_options o = {.isolation = isolation};
    assert_int_equal(sns_sound_load("/no/such.ogg", &o, &s, &err), SNS_MISSING);
    assert_non_null(strstr(err.message, "/no/such.ogg"));
    assert_null(s.samples);
}

/* Workers that wait for work are not caught at it: start anew, without any. */
static void start_anew(void) {
    sns_isolation_free(isolation);
    assert_int_equal(sns_isolation_new(&isolation, NULL), SNS_OK);
}

/* A process that sends signals to the next worker as soon as there is one: `first`, and after some
 * seconds `second` unless it is 0. */
static pid_t disturb(int first, unsigned seconds, int second) {
    pid_t server = child_of(getpid()), self = fork();
    if (self) return self;
    pid_t worker = 0;
    for (int i = 0; i < 20000 && !(worker = child_of(server)); i++) usleep(500);
    if (worker) kill(worker, first);
    sleep(seconds);
    if (worker && second) kill(worker, second);
    _exit(worker ? 0 : 1);
}

static void end_disturbance(pid_t pid) {
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* The song read while its worker is disturbed; again where a busy machine let it end before. */
static sns_status heard_disturbed(int first, unsigned seconds, int second,
                                  const sns_sound_options *o, sns_sound *s, sns_error *err) {
    sns_status status = SNS_OK;
    for (int i = 0; i < 10 && !status; i++) {
        start_anew();
        pid_t pid = disturb(first, seconds, second);
        status = heard(o, s, err);
        end_disturbance(pid);
        if (!status) sns_sound_free(s);
    }
    return status;
}

static void a_crash_is_one_sounds(void **state) {
    (void)state;
    sns_sound s;
    sns_error err;
    assert_int_equal(heard_disturbed(SIGSEGV, 0, 0, &(sns_sound_options){0}, &s, &err), SNS_FORMAT);
    assert_non_null(strstr(err.message, song));
    assert_non_null(strstr(err.message, "its decoder crashed"));
    assert_null(s.samples);
    assert_int_equal(heard(&(sns_sound_options){.max_seconds = 1, .cut = 1}, &s, &err), SNS_OK);
    sns_sound_free(&s);
}

/* One worker decodes recording after recording; when it has died meanwhile, nothing is lost. */
static void workers_are_used_again(void **state) {
    (void)state;
    sns_sound s;
    sns_error err;
    const sns_sound_options brief = {.max_seconds = 1, .cut = 1};
    start_anew();
    assert_int_equal(heard(&brief, &s, &err), SNS_OK);
    sns_sound_free(&s);
    pid_t worker = child_of(child_of(getpid()));
    assert_true(worker > 0);
    const sns_sound_options missing = {.isolation = isolation};
    assert_int_equal(sns_sound_load("/no/such.ogg", &missing, &s, &err), SNS_MISSING);
    assert_int_equal(heard(&brief, &s, &err), SNS_OK);
    sns_sound_free(&s);
    assert_int_equal(child_of(child_of(getpid())), worker);
    /* A limit is its own: the next recording has another. */
    assert_int_equal(
        heard(&(sns_sound_options){.rate_hz = 192000, .max_memory = 64 << 20}, &s, &err),
        SNS_LIMIT);
    assert_int_equal(heard(&(sns_sound_options){.rate_hz = 48000}, &s, &err), SNS_OK);
    sns_sound_free(&s);
    worker = child_of(child_of(getpid()));
    kill(worker, SIGKILL);
    assert_int_equal(heard(&brief, &s, &err), SNS_OK);
    sns_sound_free(&s);
    assert_true(child_of(child_of(getpid())) != worker);
}

/* A decoder that stands still: the alarm, due after three seconds, ends it as soon as it may. */
static void a_hang_ends(void **state) {
    (void)state;
    sns_sound s;
    sns_error err;
    const sns_sound_options brief = {.budget_seconds = 0.5};
    assert_int_equal(heard_disturbed(SIGSTOP, 4, SIGCONT, &brief, &s, &err), SNS_LIMIT);
    assert_non_null(strstr(err.message, "its decoder hung for 3 seconds"));
    assert_non_null(strstr(err.message, song));
}

static void time_and_memory_end(void **state) {
    (void)state;
    sns_sound s;
    sns_error err;
    assert_int_equal(heard(&(sns_sound_options){.budget_seconds = 1e-3}, &s, &err), SNS_LIMIT);
    assert_non_null(strstr(err.message, "takes more than 0.001 seconds"));
    /* 300 s at 192 kHz are 230 MB. */
    const sns_sound_options large = {.rate_hz = 192000, .max_memory = 64 << 20};
    assert_int_equal(heard(&large, &s, &err), SNS_LIMIT);
    assert_non_null(strstr(err.message, "takes more than 64 MiB of memory"));
    assert_non_null(strstr(err.message, song));
}

/* Last: the server is gone, which is an error and no more. */
static void without_a_server(void **state) {
    (void)state;
    sns_sound s;
    sns_error err = {0};
    assert_int_equal(kill(child_of(getpid()), SIGKILL), 0);
    sns_status got = SNS_FORMAT;
    for (int i = 0; i < 100 && got == SNS_FORMAT; i++) {
        usleep(10000);
        got = heard(&(sns_sound_options){0}, &s, &err);
    }
    assert_int_equal(got, SNS_IO);
    assert_non_null(strstr(err.message, "no process to decode it"));
}

/* Processes whose results nobody wants any more end by themselves. */
static void no_process_is_left(void **state) {
    (void)state;
    start_anew();
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
    /* Long enough to be caught at it. */
    if (path) path = film_make(dir, "song.flac", "-f lavfi -i sine=f=440:r=48000:d=300");
    if (path) snprintf(song, sizeof song, "%s", path);
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
        cmocka_unit_test(samples_are_the_same),
        cmocka_unit_test(errors_come_through),
        cmocka_unit_test(a_crash_is_one_films),
        cmocka_unit_test(a_film_may_take_so_much_memory),
        cmocka_unit_test(sounds_are_the_same),
        cmocka_unit_test(parts_of_sounds_are_the_same),
        cmocka_unit_test(errors_of_sounds_come_through),
        cmocka_unit_test(a_crash_is_one_sounds),
        cmocka_unit_test(workers_are_used_again),
        cmocka_unit_test(a_hang_ends),
        cmocka_unit_test(time_and_memory_end),
        cmocka_unit_test(no_process_is_left),
        cmocka_unit_test(without_a_server),
    };
    if (!film_has_ffmpeg()) {
        puts("skipped: no ffmpeg");
        return 77;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
