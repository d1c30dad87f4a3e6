/* test_packed_cache.c - packed weights that were kept are used again, give the same vectors to the
 * bit, and are not used when anything about them is not as it was. */
#include "base/strbuf.h"
#include "embed/packed_cache.h"
#include "tool.h"
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <cmocka.h>

enum { E = 64, VOCAB = 50, TOKENS = 6 };

static char *root;

static const char *path_of(const char *name) {
    static char paths[4][4200];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", root, name);
    return path;
}

/* A text tower whose packed weights are worth keeping beside an image tower whose are not. */
static int make(void **state) {
    (void)state;
    const sns_clip_config c = {.vision = {64, 1, 4, 64, SNS_ACT_GELU, 1e-5f},
                               .text = {512, 3, 8, 2048, SNS_ACT_GELU, 1e-5f},
                               .image_px = 16,
                               .patch_px = 8,
                               .vocab = VOCAB,
                               .context = 8,
                               .start_id = VOCAB - 2,
                               .end_id = VOCAB - 1,
                               .embed = E,
                               .logit_scale_init = 1};
    sns_layout l;
    sns_error err = {0};
    if (!(root = tool_tmpdir())) return -1;
    setenv("XDG_CACHE_HOME", path_of("cache"), 1);
    if (sns_clip_layout(&c, &l, &err)) fail_msg("%s", err.message);
    float *data = malloc(l.total * sizeof *data);
    sns_clip_init(&l, &c, data, 3);
    for (size_t i = 0; i < l.total; i++) data[i] *= 3; /* attention that is not flat */
    if (sns_clip_save_int8(path_of("model"), &c, &l, data, &err)) fail_msg("%s", err.message);
    if (sns_clip_save(path_of("wide"), &c, &l, data, "F32", &err)) fail_msg("%s", err.message);
    free(data);
    sns_layout_free(&l);
    return 0;
}

static int clean_up(void **state) {
    (void)state;
    tool_remove(root);
    return 0;
}

static void skip_without_int8(void) {
    if (sns_packed_arithmetic(SNS_PACKED_INT8, 512) == SNS_PACKED_INT8) return;
    print_message("this processor's products are in f32: skipped\n");
    skip();
}

/* Files that begin as kept weights do, whole or not; the last one's path into found. */
static int kept_files(const char *folder, char *found, size_t size) {
    int n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (strncmp(e->d_name, ".packed-", 8) != 0) continue;
        snprintf(found, size, "%s/%s", folder, e->d_name);
        n++;
    }
    if (d) closedir(d);
    return n;
}

static int kept(char *found) {
    return kept_files(path_of("model"), found, 4200);
}

/* The vectors of a text; was anything packed, or the kept used? */
static bool encode(const char *name, float out[E]) {
    static const uint32_t ids[TOKENS] = {VOCAB - 2, 3, 17, 17, 40, VOCAB - 1};
    static const size_t starts[2] = {0, TOKENS};
    sns_error err = {0};
    sns_model *m;
    sns_session *s;
    if (sns_model_load(path_of(name), &m, &err)) fail_msg("%s", err.message);
    assert_int_equal(sns_session_new(m, &s, &err), SNS_OK);
    if (sns_encode_tokens(s, ids, starts, 1, out, &err)) fail_msg("%s", err.message);
    bool filled = m->numbers[SNS_TOWER_TEXT].filled;
    sns_session_free(s);
    sns_model_free(m);
    return filled;
}

static void used_again(void **state) {
    (void)state;
    float first[E], again[E], off[E];
    char file[4200];
    skip_without_int8();
    assert_int_equal(setenv("SENSUS_PACKED_CACHE", "off", 1), 0);
    assert_false(encode("model", off));
    assert_int_equal(kept(file), 0);
    unsetenv("SENSUS_PACKED_CACHE");
    assert_false(encode("model", first));
    assert_int_equal(kept(file), 1);
    assert_non_null(strstr(file, "text"));
    assert_true(encode("model", again));
    assert_memory_equal(first, again, sizeof first);
    assert_memory_equal(first, off, sizeof first);
    assert_int_equal(setenv("SENSUS_PACKED_CACHE", "off", 1), 0);
    assert_false(encode("model", off));
    unsetenv("SENSUS_PACKED_CACHE");
    assert_int_equal(kept_files(path_of("cache/sensus"), file, sizeof file), 0);
    assert_false(encode("wide", off));
    assert_int_equal(kept_files(path_of("wide"), file, sizeof file), 0);
}

static void write_at(const char *file, off_t at, const void *bytes, size_t n) {
    int fd = open(file, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, n, at), n);
    close(fd);
}

/* Whatever was done to it: packed anew, the same vectors, and kept again. */
static void is_replaced(const float want[E]) {
    float out[E];
    char file[4200];
    assert_false(encode("model", out));
    assert_memory_equal(out, want, sizeof out);
    assert_int_equal(kept(file), 1);
    assert_true(encode("model", out));
    assert_memory_equal(out, want, sizeof out);
}

static void damaged(void **state) {
    (void)state;
    enum { ZEROS = 1 << 15 };
    float want[E];
    char file[4200];
    static char zeros[ZEROS];
    skip_without_int8();
    encode("model", want);
    assert_int_equal(kept(file), 1);
    const off_t bytes[] = {0, 20, 60, 210, 217, 225, 230, 240, 248};
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
        write_at(file, bytes[i], "\x5a", 1);
        is_replaced(want);
    }
    write_at(file, 5 << 20, zeros, ZEROS);
    is_replaced(want);
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    const off_t sizes[] = {0, 100, 4096, 1 << 20, st.st_size - 1, st.st_size + 4096};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(truncate(file, sizes[i]), 0);
        is_replaced(want);
    }
}

static void another_model(void **state) {
    (void)state;
    float want[E];
    skip_without_int8();
    encode("model", want);
    const struct timespec times[2] = {{1, 0}, {1, 0}};
    assert_int_equal(utimensat(AT_FDCWD, path_of("model/model.safetensors"), times, 0), 0);
    is_replaced(want);
}

/* Whole, but of other layouts: what a change of sensus without a change of the version would be. */
static void another_layout(void **state) {
    (void)state;
    float want[E], out[E];
    sns_error err = {0};
    sns_model *m;
    skip_without_int8();
    encode("model", want);
    for (int change = 0; change < 3; change++) {
        setenv("SENSUS_PACKED_CACHE", "off", 1);
        if (sns_model_load(path_of("model"), &m, &err)) fail_msg("%s", err.message);
        assert_int_equal(sns_model_ready(m, SNS_TOWER_TEXT, &err), SNS_OK);
        unsetenv("SENSUS_PACKED_CACHE");
        sns_packed_memory lie = m->numbers[SNS_TOWER_TEXT];
        if (change == 0) lie.layout ^= 1;
        if (change == 1) lie.used -= 64;
        if (change == 2) lie.used += 64;
        sns_packed_cache_write(m, SNS_TOWER_TEXT, &lie);
        sns_model_free(m);
        is_replaced(want);
    }
    assert_true(encode("model", out));
}

static void other_places(void **state) {
    (void)state;
    float want[E], out[E];
    char file[4200], other[4200];
    skip_without_int8();
    encode("model", want);
    assert_int_equal(kept(file), 1);
    unlink(file);
    /* A folder can't be replaced by a file, not even by a privileged user. */
    assert_int_equal(mkdir(file, 0777), 0);
    assert_false(encode("model", out));
    assert_int_equal(kept_files(path_of("cache/sensus"), other, sizeof other), 1);
    assert_true(encode("model", out));
    assert_memory_equal(out, want, sizeof out);
    assert_int_equal(kept(file), 1); /* no other file was left there */
    unlink(other);
    rmdir(file);
}

/* No file may grow beyond a MiB: as on a full disk, writing ends in the middle. */
static void full_disk(void **state) {
    (void)state;
    float want[E], out[E];
    char file[4200];
    struct rlimit before, small = {1 << 20, 1 << 20};
    skip_without_int8();
    encode("model", want);
    assert_int_equal(kept(file), 1);
    unlink(file);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_false(encode("model", out));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_memory_equal(out, want, sizeof out);
    assert_int_equal(kept(file), 0);
    assert_int_equal(kept_files(path_of("cache/sensus"), file, sizeof file), 0);
    is_replaced(want);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(used_again),    cmocka_unit_test(damaged),
        cmocka_unit_test(another_model), cmocka_unit_test(another_layout),
        cmocka_unit_test(other_places),  cmocka_unit_test(full_disk),
    };
    return cmocka_run_group_tests(tests, make, clean_up);
}
