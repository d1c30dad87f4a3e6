/* test_ahead.c - places are filled in turn, one ahead of the caller, and the last one stays. */
#include "embed/ahead.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those four */
#include <cmocka.h>
#include <sched.h>
#include <time.h>

typedef struct counter {
    size_t count, last; /* fills begun (atomic); the last one's number */
    size_t place[SNS_AHEAD_PLACES];
} counter;

static bool fill(void *user, size_t place) {
    counter *c = user;
    size_t n = __atomic_add_fetch(&c->count, 1, __ATOMIC_SEQ_CST);
    c->place[place] = n;
    return n != c->last;
}

static size_t filled(counter *c) {
    return __atomic_load_n(&c->count, __ATOMIC_SEQ_CST);
}

/* Long enough for a thread that may go on to do so. */
static void settle(void) {
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

static void test_places_come_in_order(void **state) {
    (void)state;
    counter c = {.last = 100};
    sns_ahead *a;
    assert_int_equal(sns_ahead_new(fill, &c, &a, NULL), SNS_OK);
    for (size_t i = 1; i <= c.last; i++) {
        assert_int_equal(c.place[sns_ahead_next(a)], i);
        if (i % 7 == 0) sched_yield();
    }
    assert_int_equal(c.place[sns_ahead_next(a)], c.last);
    assert_int_equal(c.place[sns_ahead_next(a)], c.last);
    assert_int_equal(filled(&c), c.last);
    sns_ahead_free(a);
}

static void test_what_the_caller_holds_is_not_filled(void **state) {
    (void)state;
    counter c = {0};
    sns_ahead *a;
    assert_int_equal(sns_ahead_new(fill, &c, &a, NULL), SNS_OK);
    for (size_t i = 1; i <= 3; i++) {
        size_t place = sns_ahead_next(a);
        while (filled(&c) < i + 1) sched_yield(); /* the next one is filled meanwhile */
        settle();
        assert_int_equal(filled(&c), i + 1);
        assert_int_equal(c.place[place], i);
    }
    sns_ahead_free(a);
    assert_int_equal(filled(&c), 4);
}

static void test_it_can_end_early(void **state) {
    (void)state;
    for (size_t i = 0; i < 200; i++) {
        counter c = {.last = i % 5};
        sns_ahead *a;
        assert_int_equal(sns_ahead_new(fill, &c, &a, NULL), SNS_OK);
        for (size_t used = 0; used < i % 3; used++) sns_ahead_next(a);
        sns_ahead_free(a);
    }
    sns_ahead_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places_come_in_order),
        cmocka_unit_test(test_what_the_caller_holds_is_not_filled),
        cmocka_unit_test(test_it_can_end_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
