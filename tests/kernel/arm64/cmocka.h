/* cmocka.h - a stand-in for cmocka with what the kernels' tests use of it: a cross compiler comes
 * without the library. For test_arm64.sh only. */
#ifndef SNS_TESTS_STAND_IN_CMOCKA_H
#define SNS_TESTS_STAND_IN_CMOCKA_H
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
};
#define cmocka_unit_test(f)                                                                        \
    { #f, f }

enum { STAND_IN_FAILED = 1, STAND_IN_SKIPPED };
static jmp_buf stand_in_end;

#define print_message(...) printf(__VA_ARGS__)
#define skip()             longjmp(stand_in_end, STAND_IN_SKIPPED)
#define fail_msg(...)                                                                              \
    (printf("ERROR: %s:%d: ", __FILE__, __LINE__), printf(__VA_ARGS__), putchar('\n'),             \
     longjmp(stand_in_end, STAND_IN_FAILED))
#define assert_true(c)                                                                             \
    do {                                                                                           \
        if (!(c)) fail_msg("%s", #c);                                                              \
    } while (0)
#define assert_null(p)               assert_true((p) == NULL)
#define assert_int_equal(a, b)       assert_true((uint64_t)(a) == (uint64_t)(b))
#define assert_ptr_equal(a, b)       assert_true((a) == (b))
#define assert_string_equal(a, b)    assert_true(strcmp(a, b) == 0)
#define assert_memory_equal(a, b, n) assert_true(memcmp(a, b, n) == 0)

static int stand_in_run(const struct CMUnitTest *tests, size_t count) {
    static const char *const outcome[] = {"      OK", " FAILED ", "SKIPPED "};
    volatile int failed = 0;
    for (volatile size_t i = 0; i < count; i++) {
        void *state = NULL;
        int end = setjmp(stand_in_end);
        if (!end) tests[i].run(&state);
        printf("[ %8s ] %s\n", outcome[end], tests[i].name);
        fflush(stdout);
        if (end == STAND_IN_FAILED) failed = 1;
    }
    return failed;
}
#define cmocka_run_group_tests(tests, setup, teardown)                                             \
    stand_in_run(tests, sizeof(tests) / sizeof *(tests))
#endif
