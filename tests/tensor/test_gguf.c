/* test_gguf.c - what a GGUF file says is read; files that lie are refused by name. */
#include "base/strbuf.h"
#include "make_gguf.h"
#include "tensor/blocks.h"
#include "tensor/gguf.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const float VALUES[6] = {1, -2, 3.5f, 0, 1e-3f, -65504};

/* Two tensors, metadata of every kind that is asked for. */
static sns_strbuf good(void) {
    sns_strbuf b = {0};
    uint8_t yes = 1;
    float mean[3] = {0.5f, 0.25f, 2};
    uint16_t half[4] = {0x3c00, 0xc000, 0x4300, 0x0000};
    gguf_begin(&b, 2, 6);
    gguf_key(&b, "general.architecture", GGUF_STRING);
    gguf_string(&b, "clip");
    gguf_key(&b, "n", GGUF_U32);
    gguf_u32(&b, 77);
    gguf_key(&b, "yes", GGUF_BOOL);
    sns_strbuf_add(&b, &yes, 1);
    gguf_list(&b, "mean", GGUF_F32, 3);
    sns_strbuf_add(&b, mean, sizeof mean);
    gguf_list(&b, "words", GGUF_STRING, 3);
    gguf_string(&b, "a");
    gguf_string(&b, "");
    gguf_string(&b, "longer");
    gguf_key(&b, "general.alignment", GGUF_U32);
    gguf_u32(&b, 64);
    gguf_tensor(&b, "z.full", 3, 2, 0, 64);
    gguf_tensor(&b, "a.half", 4, 0, 1, 0);
    gguf_pad(&b, 64);
    sns_strbuf_add(&b, half, sizeof half);
    gguf_pad(&b, 64);
    sns_strbuf_add(&b, VALUES, sizeof VALUES);
    return b;
}

static void reads(void **state) {
    (void)state;
    sns_strbuf b = good();
    sns_error err = {0};
    sns_gguf *g;
    if (sns_gguf_parse(b.data, b.size, "x.gguf", &g, &err)) fail_msg("%s", err.message);
    assert_int_equal(sns_gguf_count(g), 2);
    assert_string_equal(sns_gguf_at(g, 0)->name, "a.half");
    assert_null(sns_gguf_at(g, 2));
    const sns_stored *t = sns_gguf_find(g, "z.full");
    assert_int_equal(t->dims, 2);
    assert_int_equal(t->dim[0], 2); /* rows first */
    assert_int_equal(t->dim[1], 3);
    float out[6];
    assert_int_equal(sns_stored_to_f32(t, sns_kernels_get(), 0, 6, out, &err), SNS_OK);
    assert_memory_equal(out, VALUES, sizeof out);
    t = sns_gguf_find(g, "a.half");
    assert_int_equal(sns_stored_to_f32(t, sns_kernels_get(), 1, 3, out, &err), SNS_OK);
    assert_true(out[0] == -2 && out[1] == 3.5f && out[2] == 0);
    size_t n = 0;
    double number = 0;
    bool yes = false;
    sns_gguf_string text, *words;
    assert_int_equal(sns_gguf_size(g, "n", &n, &err), SNS_OK);
    assert_int_equal(n, 77);
    assert_int_equal(sns_gguf_number(g, "n", &number, &err), SNS_OK);
    assert_true(number == 77);
    assert_int_equal(sns_gguf_bool(g, "yes", &yes, &err), SNS_OK);
    assert_true(yes);
    assert_int_equal(sns_gguf_text(g, "general.architecture", &text, &err), SNS_OK);
    assert_memory_equal(text.data, "clip", 4);
    assert_int_equal(sns_gguf_strings(g, "words", &words, &n, &err), SNS_OK);
    assert_int_equal(n, 3);
    assert_int_equal(words[1].size, 0);
    assert_memory_equal(words[2].data, "longer", 6);
    free(words);
    assert_int_equal(sns_gguf_numbers(g, "mean", 3, out, &err), SNS_OK);
    assert_true(out[1] == 0.25f);
    assert_int_equal(sns_gguf_numbers(g, "mean", 2, out, &err), SNS_FORMAT);
    assert_int_equal(sns_gguf_size(g, "none", &n, &err), SNS_MISSING);
    assert_int_equal(sns_gguf_size(g, "yes", &n, &err), SNS_FORMAT);
    assert_int_equal(sns_gguf_bool(g, "mean", &yes, &err), SNS_FORMAT);
    assert_int_equal(sns_gguf_strings(g, "mean", &words, &n, &err), SNS_FORMAT);
    sns_gguf_close(g);
    sns_strbuf_free(&b);
}

static void cut_anywhere(void **state) {
    (void)state;
    sns_strbuf b = good();
    for (size_t n = 0; n < b.size; n++) {
        sns_gguf *g;
        sns_error err = {0};
        char *part = malloc(n ? n : 1); /* of its own, so that a read beyond it is seen */
        memcpy(part, b.data, n);
        sns_status s = sns_gguf_parse(part, n, "x.gguf", &g, &err);
        assert_int_equal(s, SNS_FORMAT);
        assert_non_null(strstr(err.message, "x.gguf"));
        assert_null(g);
        free(part);
    }
    sns_strbuf_free(&b);
}

static void refuse(sns_strbuf *b, sns_status status, const char *says) {
    sns_gguf *g;
    sns_error err = {0};
    sns_status s = sns_gguf_parse(b->data, b->size, "x.gguf", &g, &err);
    if (s != status || !strstr(err.message, says)) fail_msg("%d: %s", s, err.message);
    sns_strbuf_free(b);
}

/* A header of one tensor with 32 floats of data. */
static sns_strbuf one(const char *name, uint64_t cols, uint64_t rows, uint32_t type,
                      uint64_t offset) {
    sns_strbuf b = {0};
    gguf_begin(&b, 1, 0);
    gguf_tensor(&b, name, cols, rows, type, offset);
    gguf_pad(&b, 32);
    for (int i = 0; i < 32; i++) gguf_u32(&b, 0);
    return b;
}

static void lies(void **state) {
    (void)state;
    sns_strbuf b = {0};
    gguf_begin(&b, UINT64_MAX, 0);
    refuse(&b, SNS_LIMIT, "tensors");
    gguf_begin(&b, 1 << 15, 0);
    refuse(&b, SNS_FORMAT, "cut short");
    gguf_begin(&b, 0, UINT64_MAX);
    refuse(&b, SNS_LIMIT, "metadata");
    gguf_begin(&b, 0, 1);
    gguf_u64(&b, UINT64_MAX - 4);
    gguf_u64(&b, 0);
    refuse(&b, SNS_LIMIT, "a key");
    gguf_begin(&b, 0, 1);
    gguf_list(&b, "k", GGUF_U32, UINT64_MAX / 4 + 2);
    refuse(&b, SNS_FORMAT, "an array");
    gguf_begin(&b, 0, 1);
    gguf_list(&b, "k", GGUF_ARRAY, 1);
    refuse(&b, SNS_UNSUPPORTED, "type 9");
    gguf_begin(&b, 0, 1);
    gguf_key(&b, "k", 13);
    gguf_u64(&b, 0);
    refuse(&b, SNS_UNSUPPORTED, "type 13");
    gguf_begin(&b, 0, 1);
    gguf_key(&b, "general.alignment", GGUF_U32);
    gguf_u32(&b, 7);
    refuse(&b, SNS_FORMAT, "alignment");
    sns_strbuf_puts(&b, "GGUF");
    gguf_u32(&b, 1);
    refuse(&b, SNS_UNSUPPORTED, "version 1");
    sns_strbuf_puts(&b, "GGUF");
    gguf_u32(&b, 3u << 24);
    refuse(&b, SNS_UNSUPPORTED, "byte order");
    sns_strbuf_puts(&b, "GGML, or so");
    refuse(&b, SNS_FORMAT, "not a GGUF");
    b = one("t", 33, 0, 0, 0);
    refuse(&b, SNS_FORMAT, "cut short");
    b = one("t", 32, 0, 0, 32);
    refuse(&b, SNS_FORMAT, "cut short");
    b = one("t", 4, 0, 0, 5);
    refuse(&b, SNS_FORMAT, "no multiple");
    b = one("t", 4, 0, 0, UINT64_MAX - 31);
    refuse(&b, SNS_FORMAT, "cut short");
    b = one("t", UINT64_MAX / 2, 3, 0, 0);
    refuse(&b, SNS_LIMIT, "overflows");
    b = one("t", UINT64_MAX / 2, 0, 0, 0);
    refuse(&b, SNS_LIMIT, "overflows");
    b = one("t", 31, 1, 8, 0);
    refuse(&b, SNS_FORMAT, "blocks of Q8_0");
    b = one("t", 256, 1, 12, 0);
    refuse(&b, SNS_UNSUPPORTED, "type 12");
    gguf_begin(&b, 2, 0);
    gguf_tensor(&b, "a", 8, 0, 0, 0);
    gguf_tensor(&b, "b", 16, 0, 0, 0);
    for (int i = 0; i < 64; i++) gguf_u32(&b, 0);
    refuse(&b, SNS_FORMAT, "overlaps");
    gguf_begin(&b, 2, 0);
    gguf_tensor(&b, "a", 8, 0, 0, 0);
    gguf_tensor(&b, "a", 8, 0, 0, 32);
    for (int i = 0; i < 64; i++) gguf_u32(&b, 0);
    refuse(&b, SNS_FORMAT, "two tensors a");
    gguf_begin(&b, 1, 0);
    gguf_string(&b, "a");
    gguf_u32(&b, 5);
    for (int i = 0; i < 8; i++) gguf_u64(&b, 1);
    refuse(&b, SNS_LIMIT, "5 dimensions");
}

/* One block of each kind, by hand; elements are also read from the middle. */
static void blocks(void **state) {
    (void)state;
    static const struct {
        sns_dtype type;
        uint8_t head[8];
        size_t head_size;
        float first, second, seventeenth; /* elements 0, 1, 16 */
    } cases[] = {
        {SNS_DTYPE_Q4_0, {0x00, 0x40}, 2, 2 * (3 - 8), 2 * (15 - 8), 2 * (10 - 8)},
        {SNS_DTYPE_Q4_1, {0x00, 0x40, 0x00, 0x3c}, 4, 2 * 3 + 1, 2 * 15 + 1, 2 * 10 + 1},
        {SNS_DTYPE_Q5_0, {0x00, 0x40, 1, 0, 1, 0}, 6, 2 * (19 - 16), 2 * (15 - 16), 2 * (26 - 16)},
        {SNS_DTYPE_Q5_1,
         {0x00, 0x40, 0x00, 0x3c, 2, 0, 1, 0},
         8,
         2 * 3 + 1,
         2 * 31 + 1,
         2 * 26 + 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t block[24] = {0};
        float out[32];
        memcpy(block, cases[i].head, cases[i].head_size);
        block[cases[i].head_size] = 0xa3;
        block[cases[i].head_size + 1] = 0x0f;
        assert_int_equal(cases[i].head_size + 16, sns_dtype_block_bytes(cases[i].type));
        sns_blocks_to_f32(cases[i].type, block, sns_kernels_get(), 0, 32, out);
        assert_true(out[0] == cases[i].first);
        assert_true(out[1] == cases[i].second);
        assert_true(out[16] == cases[i].seventeenth);
    }
    uint8_t two[68] = {0x00, 0x3c, 0x80};
    two[33] = 5;
    two[35] = 0xc0; /* -2 */
    two[36] = 7;
    float out[3];
    sns_blocks_to_f32(SNS_DTYPE_Q8_0, two, sns_kernels_get(), 0, 1, out);
    assert_true(out[0] == -128);
    sns_blocks_to_f32(SNS_DTYPE_Q8_0, two, sns_kernels_get(), 31, 3, out);
    assert_true(out[0] == 5 && out[1] == -14 && out[2] == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(lies),
        cmocka_unit_test(blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
