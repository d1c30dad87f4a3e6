/* test_parity_long.c - the true ViT-B/32 geometry against a plain PyTorch CLIP. */
#include "parity.h"

static void vit_b_32(void **state) {
    (void)state;
    if (!parity_has_torch()) skip();
    char *dir = tool_tmpdir();
    assert_true(parity_make("make-long", dir));
    parity_check(dir, "vit-b-32");
    tool_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(vit_b_32)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
