/* test_safetensors.c - what is written is read back; lying headers are refused by name. */
#include "base/file.h"
#include "base/strbuf.h"
#include "tensor/safetensors.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64];

static int make_dir(void **state) {
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/sns-safetensors-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state) {
    (void)state;
    static const char *const names[] = {"a.safetensors", "b.safetensors", "m.index.json"};
    for (size_t i = 0; i < 3; i++) {
        char *p = sns_path_join(dir, names[i]);
        unlink(p);
        free(p);
    }
    return rmdir(dir);
}

static const char *in_dir(const char *name) {
    static char path[4][128];
    static int next;
    next = (next + 1) % 4;
    snprintf(path[next], sizeof path[next], "%s/%s", dir, name);
    return path[next];
}

static void round_trip(void **state) {
    (void)state;
    const sns_kernels *k = sns_kernels_get();
    const float a[6] = {0, 1, -2.5f, 65504, 1e-3f, -0.0f}, t = 2.5f;
    const int64_t ids[2] = {1, -7};
    const sns_to_store in[] = {
        {"w.half", SNS_DTYPE_F16, 2, {2, 3}, a}, {"w.full", SNS_DTYPE_F32, 2, {3, 2}, a},
        {"w.brain", SNS_DTYPE_BF16, 1, {6}, a},  {"scalar", SNS_DTYPE_F32, 0, {0}, &t},
        {"ids", SNS_DTYPE_I64, 1, {2}, ids},     {"none", SNS_DTYPE_F32, 2, {0, 4}, NULL}};
    const char *meta[] = {"format", "pt", NULL};
    sns_error err = {0};
    assert_int_equal(sns_safetensors_write(in_dir("a.safetensors"), in, 6, meta, k, &err), SNS_OK);
    sns_safetensors *f;
    assert_int_equal(sns_safetensors_open(in_dir("a.safetensors"), &f, &err), SNS_OK);
    assert_int_equal(sns_safetensors_count(f), 6);
    assert_string_equal(sns_safetensors_metadata(f, "format"), "pt");
    assert_null(sns_safetensors_metadata(f, "no"));
    assert_string_equal(sns_safetensors_at(f, 0)->name, "ids");
    assert_null(sns_safetensors_at(f, 6));
    assert_null(sns_safetensors_find(f, "w"));
    float out[6];
    const sns_stored *s = sns_safetensors_find(f, "w.full");
    assert_int_equal(s->dims, 2);
    assert_int_equal(s->dim[0], 3);
    assert_memory_equal(sns_stored_f32(s), a, sizeof a);
    assert_int_equal(sns_stored_to_f32(s, k, 1, 5, out, &err), SNS_OK);
    assert_memory_equal(out, a + 1, 5 * sizeof(float));
    assert_int_equal(sns_stored_to_f32(s, k, 2, 5, out, &err), SNS_ARG);
    s = sns_safetensors_find(f, "w.half");
    assert_null(sns_stored_f32(s));
    assert_int_equal(sns_stored_to_f32(s, k, 0, 6, out, &err), SNS_OK);
    for (int i = 0; i < 6; i++) assert_true(fabsf(out[i] - a[i]) <= 1e-3f * fabsf(a[i]));
    s = sns_safetensors_find(f, "w.brain");
    assert_int_equal(sns_stored_to_f32(s, k, 0, 6, out, &err), SNS_OK);
    for (int i = 0; i < 6; i++) assert_true(fabsf(out[i] - a[i]) <= 1e-2f * fabsf(a[i]));
    s = sns_safetensors_find(f, "scalar");
    assert_int_equal(s->dims, 0);
    assert_true(sns_stored_f32(s)[0] == t);
    s = sns_safetensors_find(f, "ids");
    assert_memory_equal(s->data, ids, sizeof ids);
    assert_int_equal(sns_stored_to_f32(s, k, 0, 2, out, &err), SNS_UNSUPPORTED);
    assert_non_null(strstr(err.message, "ids is I64"));
    sns_stored_drop(s);
    sns_safetensors_close(f);
}

static void writer_refuses(void **state) {
    (void)state;
    const float x = 1;
    const sns_to_store twice[] = {{"a", SNS_DTYPE_F32, 0, {0}, &x},
                                  {"a", SNS_DTYPE_F32, 0, {0}, &x}};
    const sns_to_store huge = {"a", SNS_DTYPE_F32, 2, {SIZE_MAX, SIZE_MAX}, &x};
    const sns_kernels *k = sns_kernels_get();
    sns_error err = {0};
    assert_int_equal(sns_safetensors_write(in_dir("b.safetensors"), twice, 2, NULL, k, &err),
                     SNS_ARG);
    assert_int_equal(sns_safetensors_write(in_dir("b.safetensors"), &huge, 1, NULL, k, &err),
                     SNS_LIMIT);
    assert_int_equal(access(in_dir("b.safetensors"), F_OK), -1);
    assert_int_equal(sns_safetensors_write("/nonexistent/x", twice, 1, NULL, k, &err), SNS_IO);
    assert_non_null(strstr(err.message, "/nonexistent/x"));
}

/* A file in memory: length (0: the header's own), header, data_bytes zeros. */
static sns_status parse(const char *header, uint64_t length, size_t data_bytes, sns_error *err) {
    static const char zeros[256];
    sns_strbuf b = {0};
    uint64_t n = length ? length : strlen(header);
    sns_strbuf_add(&b, &n, 8);
    sns_strbuf_puts(&b, header);
    sns_strbuf_add(&b, zeros, data_bytes);
    /* exact-size copy so that a sanitizer sees every byte read too far */
    char *exact = malloc(b.size);
    memcpy(exact, b.data, b.size);
    sns_safetensors *f = NULL;
    *err = (sns_error){0};
    sns_status s = sns_safetensors_parse(exact, b.size, "lie.safetensors", &f, err);
    assert_true((s == SNS_OK) == (f != NULL));
    if (s) assert_non_null(strstr(err->message, "lie.safetensors"));
    sns_safetensors_close(f);
    free(exact);
    sns_strbuf_free(&b);
    return s;
}

#define T(name, dtype, shape, b, e)                                                                \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #b "," #e "]}"

static void lying_headers(void **state) {
    (void)state;
    static const struct {
        const char *header;
        uint64_t length;
        size_t data;
        sns_status status;
        const char *message;
    } cases[] = {
        {"{" T("a", "F32", "[2]", 0, 8) "}", 0, 8, SNS_OK, ""},
        {"{" T("a", "F32", "[2]", 0, 8) "}   ", 0, 8, SNS_OK, ""},
        {"{}", 0, 0, SNS_OK, ""},
        {"{}", 100000001, 0, SNS_LIMIT, "header of 100000001"},
        {"{}", UINT64_MAX, 0, SNS_LIMIT, "header of"},
        {"{}", 3, 0, SNS_FORMAT, "cut short"},
        {"{\"a\":", 0, 0, SNS_FORMAT, "header, byte"},
        {"[1]", 0, 0, SNS_FORMAT, "not a JSON object"},
        {"{\"a\":3}", 0, 0, SNS_FORMAT, "tensor a has no dtype"},
        {"{" T("a", "F31", "[2]", 0, 8) "}", 0, 8, SNS_UNSUPPORTED,
         "tensor a has the unknown dtype F31"},
        {"{" T("a", "F32", "[3]", 0, 8) "}", 0, 8, SNS_FORMAT, "tensor a: F32 [3] takes 12 bytes"},
        {"{" T("a", "F16", "[2]", 0, 8) "}", 0, 8, SNS_FORMAT, "tensor a: F16 [2] takes 4 bytes"},
        {"{" T("a", "F32", "[2]", 0, 8) "}", 0, 7, SNS_FORMAT, "the file holds 7 bytes"},
        {"{" T("a", "F32", "[2]", 0, 8) "}", 0, 9, SNS_FORMAT, "1 bytes after the last tensor"},
        {"{" T("a", "F32", "[2]", 8, 0) "}", 0, 8, SNS_FORMAT, "tensor a: data at 8 to 0"},
        {"{" T("a", "F32", "[2]", -8, 0) "}", 0, 8, SNS_FORMAT, "data_offsets"},
        {"{" T("a", "F32", "[2]", 0, 99999999999999999999) "}", 0, 8, SNS_FORMAT, "header, byte"},
        {"{" T("a", "F32", "[2]", 0, 9223372036854775807) "}", 0, 8, SNS_FORMAT, "tensor a"},
        {"{" T("a", "F32", "[-2]", 0, 8) "}", 0, 8, SNS_FORMAT, "dimension 0"},
        {"{" T("a", "F32", "[1.5]", 0, 8) "}", 0, 8, SNS_FORMAT, "dimension 0"},
        {"{" T("a", "F32", "7", 0, 8) "}", 0, 8, SNS_FORMAT, "no shape"},
        {"{" T("a", "F32", "[4294967296,4294967296]", 0, 8) "}", 0, 8, SNS_LIMIT, "overflows"},
        {"{" T("a", "F32", "[4611686018427387904]", 0, 0) "}", 0, 0, SNS_LIMIT, "overflows"},
        {"{" T("a", "F32", "[1,1,1,1,1,1,1,1,1]", 0, 4) "}", 0, 4, SNS_LIMIT, "9 dimensions"},
        {"{" T("a", "F32", "[2]", 0, 8) "," T("b", "F32", "[2]", 4, 12) "}", 0, 12, SNS_FORMAT,
         "tensor b overlaps tensor a"},
        {"{" T("a", "F32", "[1]", 0, 4) "," T("b", "F32", "[1]", 8, 12) "}", 0, 12, SNS_FORMAT,
         "a hole of 4 bytes before tensor b"},
        {"{" T("a", "F32", "[1]", 0, 4) "," T("a", "F32", "[1]", 4, 8) "}", 0, 8, SNS_FORMAT,
         "duplicate"},
        {"{\"__metadata__\":3}", 0, 0, SNS_FORMAT, "__metadata__"},
        {"{\"__metadata__\":{\"a\":3}}", 0, 0, SNS_FORMAT, "__metadata__"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sns_error err;
        sns_status s = parse(cases[i].header, cases[i].length, cases[i].data, &err);
        if (s != cases[i].status || !strstr(err.message, cases[i].message))
            fail_msg("case %zu: %s: \"%s\"", i, sns_status_text(s), err.message);
    }
}

static void deep_nesting(void **state) {
    (void)state;
    sns_strbuf b = {0};
    sns_error err;
    sns_strbuf_puts(&b, "{\"a\":");
    for (int i = 0; i < 100000; i++) sns_strbuf_puts(&b, "[");
    assert_int_equal(parse(b.data, 0, 0, &err), SNS_FORMAT);
    sns_strbuf_free(&b);
}

static void truncated_files(void **state) {
    (void)state;
    const float x[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    const sns_to_store in = {"x", SNS_DTYPE_F32, 1, {8}, x};
    sns_error err = {0};
    char *data;
    size_t size;
    assert_int_equal(
        sns_safetensors_write(in_dir("a.safetensors"), &in, 1, NULL, sns_kernels_get(), &err),
        SNS_OK);
    assert_int_equal(sns_file_read(in_dir("a.safetensors"), 1 << 20, &data, &size, &err), SNS_OK);
    for (size_t n = 0; n < size; n++) {
        sns_safetensors *f;
        char *part = malloc(n ? n : 1);
        memcpy(part, data, n);
        assert_int_equal(sns_safetensors_parse(part, n, "cut", &f, &err), SNS_FORMAT);
        assert_null(f);
        free(part);
    }
    free(data);
    sns_safetensors *f;
    assert_int_equal(sns_safetensors_open(in_dir("none"), &f, &err), SNS_MISSING);
    assert_int_equal(sns_safetensors_open(dir, &f, &err), SNS_IO);
    assert_int_equal(sns_file_write(in_dir("a.safetensors"), "", 0, &err), SNS_OK);
    assert_int_equal(sns_safetensors_open(in_dir("a.safetensors"), &f, &err), SNS_FORMAT);
}

static sns_status open_index(const char *json, sns_error *err) {
    assert_int_equal(sns_file_write(in_dir("m.index.json"), json, strlen(json), err), SNS_OK);
    sns_safetensors *f;
    sns_status s = sns_safetensors_open_index(in_dir("m.index.json"), &f, err);
    if (!s) {
        assert_int_equal(sns_safetensors_count(f), 2);
        assert_true(sns_stored_f32(sns_safetensors_find(f, "x"))[0] == 1);
        assert_true(sns_stored_f32(sns_safetensors_find(f, "y"))[0] == 2);
    } else {
        assert_null(f);
    }
    sns_safetensors_close(f);
    return s;
}

static void shards(void **state) {
    (void)state;
    const float one = 1, two = 2;
    const sns_kernels *k = sns_kernels_get();
    const sns_to_store x = {"x", SNS_DTYPE_F32, 1, {1}, &one},
                       y = {"y", SNS_DTYPE_F32, 1, {1}, &two};
    sns_error err = {0};
    assert_int_equal(sns_safetensors_write(in_dir("a.safetensors"), &x, 1, NULL, k, &err), SNS_OK);
    assert_int_equal(sns_safetensors_write(in_dir("b.safetensors"), &y, 1, NULL, k, &err), SNS_OK);
#define MAP(x, y) "{\"weight_map\":{\"x\":\"" x "\",\"y\":\"" y "\"}}"
    assert_int_equal(open_index(MAP("a.safetensors", "b.safetensors"), &err), SNS_OK);
    assert_int_equal(open_index(MAP("b.safetensors", "a.safetensors"), &err), SNS_FORMAT);
    assert_non_null(strstr(err.message, "tensor x is not in b.safetensors"));
    assert_int_equal(open_index(MAP("a.safetensors", "c.safetensors"), &err), SNS_MISSING);
    assert_int_equal(open_index(MAP("a.safetensors", "../b.safetensors"), &err), SNS_FORMAT);
    assert_int_equal(open_index(MAP("a.safetensors", "/etc/passwd"), &err), SNS_FORMAT);
    assert_int_equal(open_index("{\"weight_map\":{\"x\":1}}", &err), SNS_FORMAT);
    assert_int_equal(open_index("{}", &err), SNS_FORMAT);
    assert_int_equal(open_index("x", &err), SNS_FORMAT);
    assert_int_equal(sns_safetensors_write(in_dir("b.safetensors"), &x, 1, NULL, k, &err), SNS_OK);
    assert_int_equal(open_index(MAP("a.safetensors", "b.safetensors"), &err), SNS_FORMAT);
    assert_non_null(strstr(err.message, "is also in"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),      cmocka_unit_test(writer_refuses),
        cmocka_unit_test(lying_headers),   cmocka_unit_test(deep_nesting),
        cmocka_unit_test(truncated_files), cmocka_unit_test(shards)};
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
