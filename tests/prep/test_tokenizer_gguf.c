/* test_tokenizer_gguf.c - merges that a list of tokens hides; lists that hide none. */
#include "make_gguf.h"
#include "prep/tokenizer_internal.h"
#include "tool.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static sns_status load_list(const sns_slice *tokens, size_t n, sns_tokenizer **out,
                            sns_error *err) {
    sns_strbuf b = {0};
    sns_gguf *g;
    gguf_begin(&b, 0, 1);
    gguf_list(&b, "tokenizer.ggml.tokens", GGUF_STRING, n);
    for (size_t i = 0; i < n; i++) {
        gguf_u64(&b, tokens[i].size);
        sns_strbuf_add(&b, tokens[i].data, tokens[i].size);
    }
    if (sns_gguf_parse(b.data, b.size, "x.gguf", &g, err)) fail_msg("%s", err->message);
    sns_status s = sns_tokenizer_gguf(g, "x.gguf", out, err);
    sns_gguf_close(g);
    sns_strbuf_free(&b);
    return s;
}

static void compare(const char *dir) {
    sns_tokenizer *a, *b;
    sns_error err = {0};
    if (sns_tokenizer_load(dir, &a, &err)) fail_msg("%s", err.message);
    if (load_list(a->tokens, a->vocab_size, &b, &err)) fail_msg("%s", err.message);
    assert_int_equal(a->bpe.merge_count, b->bpe.merge_count);
    assert_memory_equal(a->bpe.merges, b->bpe.merges, a->bpe.merge_count * sizeof *a->bpe.merges);
    assert_memory_equal(a->bpe.byte_id, b->bpe.byte_id, sizeof a->bpe.byte_id);
    assert_int_equal(a->start_id, b->start_id);
    assert_int_equal(a->end_id, b->end_id);
    static const char *const texts[] = {"A dog, on THE beach!", "aaaaaaa 12345 <|endoftext|> x",
                                        "\xc3\xa9t\xc3\xa9 \xe7\x8a\xac\xf0\x9f\x90\xb6", ""};
    for (size_t i = 0; i < 4; i++) {
        uint32_t x[77], y[77];
        size_t n, m;
        size_t size = strlen(texts[i]);
        assert_int_equal(sns_tokenizer_encode(a, texts[i], size, 77, x, &n, &err), SNS_OK);
        assert_int_equal(sns_tokenizer_encode(b, texts[i], size, 77, y, &m, &err), SNS_OK);
        assert_int_equal(n, m);
        assert_memory_equal(x, y, n * sizeof *x);
    }
    print_message("%s: %zu merges\n", dir, a->bpe.merge_count);
    sns_tokenizer_free(a);
    sns_tokenizer_free(b);
}

static void small_vocabulary(void **state) {
    (void)state;
    compare(tool_source("goldens/prep/small_vocab"));
}

static void clip_vocabulary(void **state) {
    (void)state;
    char dir[4096], file[4200];
    const char *shared = getenv("SNS_SHARED");
    snprintf(dir, sizeof dir, "%s/data/clip-vocab", shared ? shared : "../shared");
    snprintf(file, sizeof file, "%s/vocab.json", dir);
    if (access(file, R_OK)) {
        print_message("CLIP's vocabulary is absent: skipped\n");
        skip();
    }
    compare(dir);
}

static void refuse(const char *const *words, size_t n, sns_status status, const char *says) {
    sns_slice list[8];
    sns_tokenizer *tok;
    sns_error err = {0};
    for (size_t i = 0; i < n; i++) list[i] = (sns_slice){words[i], strlen(words[i])};
    sns_status s = load_list(list, n, &tok, &err);
    if (s != status || !strstr(err.message, says)) fail_msg("%d: %s", s, err.message);
    assert_null(tok);
}

static void other_lists(void **state) {
    (void)state;
    refuse(NULL, 0, SNS_FORMAT, "empty");
    refuse((const char *[]){"a", "", "b"}, 3, SNS_FORMAT, "token 1 is empty");
    refuse((const char *[]){"a", "aa", "b"}, 3, SNS_UNSUPPORTED, "order of its ids");
    refuse((const char *[]){"a", "b", "abb"}, 3, SNS_UNSUPPORTED, "two earlier ones");
    refuse((const char *[]){"a", "b",
                            "\xe2\x96\x81"
                            "a"},
           3, SNS_UNSUPPORTED, "order");
    refuse((const char *[]){"a", "b", "ab"}, 3, SNS_FORMAT, "no token <|startoftext|>");
    const char *const good[] = {"a", "b", "b</w>", "ab</w>", "<|startoftext|>", "<|endoftext|>"};
    sns_slice list[6];
    sns_tokenizer *tok;
    sns_error err;
    for (size_t i = 0; i < 6; i++) list[i] = (sns_slice){good[i], strlen(good[i])};
    assert_int_equal(load_list(list, 6, &tok, &err), SNS_OK);
    assert_int_equal(tok->bpe.merge_count, 1);
    assert_int_equal(tok->bpe.merges[0].right, 2);
    sns_tokenizer_free(tok);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_vocabulary),
        cmocka_unit_test(clip_vocabulary),
        cmocka_unit_test(other_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
