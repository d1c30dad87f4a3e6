/* test_npy.c - .npy files: round trip, NumPy's own layout, damaged input. */
#include "base/file.h"
#include "tensor/npy.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

static char path[64];

static int make_file(void **state) {
    (void)state;
    snprintf(path, sizeof path, "/tmp/sns-npy-XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state) {
    (void)state;
    return unlink(path);
}

static void round_trip(void **state) {
    (void)state;
    const float x[6] = {1, 2, 3, 4, 5, 6};
    static const size_t shapes[][3] = {{6, 0, 0}, {2, 3, 0}, {1, 2, 3}};
    sns_npy a;
    for (int dims = 1; dims <= 3; dims++) {
        assert_int_equal(sns_npy_write(path, x, dims, shapes[dims - 1], NULL), SNS_OK);
        assert_int_equal(sns_npy_read(path, &a, NULL), SNS_OK);
        assert_int_equal(a.dims, dims);
        assert_int_equal(a.count, 6);
        assert_memory_equal(a.dim, shapes[dims - 1], sizeof(size_t) * (size_t)dims);
        assert_memory_equal(a.data, x, sizeof x);
        sns_npy_free(&a);
    }
    const size_t none[2] = {0, 5};
    assert_int_equal(sns_npy_write(path, x, 2, none, NULL), SNS_OK);
    assert_int_equal(sns_npy_read(path, &a, NULL), SNS_OK);
    assert_int_equal(a.count, 0);
    sns_npy_free(&a);
    assert_int_equal(sns_npy_write(path, x, 0, NULL, NULL), SNS_OK);
    assert_int_equal(sns_npy_read(path, &a, NULL), SNS_OK);
    assert_int_equal(a.count, 1);
    sns_npy_free(&a);
}

/* What numpy.save writes for np.arange(2, dtype='f4'). */
static void layout_is_numpys(void **state) {
    (void)state;
    const float x[2] = {0, 1};
    const size_t dim = 2;
    char *data, expect[136] = "\x93NUMPY\x01\x00\x76\x00"
                              "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
    size_t size;
    memset(expect + 10 + 57, ' ', 118 - 58);
    expect[127] = '\n';
    memcpy(expect + 128, x, sizeof x);
    assert_int_equal(sns_npy_write(path, x, 1, &dim, NULL), SNS_OK);
    assert_int_equal(sns_file_read(path, 4096, &data, &size, NULL), SNS_OK);
    assert_int_equal(size, sizeof expect);
    assert_memory_equal(data, expect, size);
    free(data);
}

static sns_status read_header(const char *header, size_t data) {
    unsigned char b[512] = "\x93NUMPY\x01";
    sns_npy a;
    size_t n = strlen(header);
    b[8] = (unsigned char)n;
    memcpy(b + 10, header, n);
    assert_int_equal(sns_file_write(path, b, 10 + n + data, NULL), SNS_OK);
    sns_error err = {0};
    sns_status s = sns_npy_read(path, &a, &err);
    if (s) assert_non_null(strstr(err.message, path));
    sns_npy_free(&a);
    return s;
}

static void damaged_files(void **state) {
    (void)state;
#define H(descr, order, shape)                                                                     \
    "{'descr': '" descr "', 'fortran_order': " order ", 'shape': " shape ", }\n"
    assert_int_equal(read_header(H("<f4", "False", "(2, 2)"), 16), SNS_OK);
    assert_int_equal(read_header(H("<f4", "False", "(2, 2)"), 15), SNS_FORMAT);
    assert_int_equal(read_header(H("<f4", "False", "(2, 2)"), 17), SNS_FORMAT);
    assert_int_equal(read_header(H("<f8", "False", "(2, 2)"), 16), SNS_UNSUPPORTED);
    assert_int_equal(read_header(H(">f4", "False", "(2, 2)"), 16), SNS_UNSUPPORTED);
    assert_int_equal(read_header(H("<f4", "True", "(2, 2)"), 16), SNS_UNSUPPORTED);
    assert_int_equal(read_header(H("<f4", "False", "(2, 2"), 16), SNS_FORMAT);
    assert_int_equal(read_header(H("<f4", "False", "(-2, 2)"), 16), SNS_FORMAT);
    assert_int_equal(read_header(H("<f4", "False", "(99999999999999999999,)"), 16), SNS_FORMAT);
    assert_int_equal(read_header(H("<f4", "False", "(4294967296, 4294967296)"), 16), SNS_FORMAT);
    assert_int_equal(read_header(H("<f4", "False", "(1,1,1,1,1,1,1,1,1)"), 4), SNS_FORMAT);
    assert_int_equal(read_header("", 0), SNS_FORMAT);
    sns_npy a;
    assert_int_equal(sns_file_write(path, "\x93NUMPY\x01", 7, NULL), SNS_OK);
    assert_int_equal(sns_npy_read(path, &a, NULL), SNS_FORMAT);
    assert_int_equal(sns_npy_read("/nonexistent.npy", &a, NULL), SNS_MISSING);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip),
                                       cmocka_unit_test(layout_is_numpys),
                                       cmocka_unit_test(damaged_files)};
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
