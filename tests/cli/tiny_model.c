/* tiny_model.c - `tiny_model FOLDER SEED` writes a small random model, for tests of the command. */
#include "catalog_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static char *folder;
static uint64_t seed;

static void write_model(void **state) {
    (void)state;
    world_make_model(folder, seed);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    folder = argv[1];
    seed = strtoull(argv[2], NULL, 10);
    const struct CMUnitTest tests[] = {cmocka_unit_test(write_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
