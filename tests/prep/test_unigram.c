/* test_unigram.c - Unigram tokenizers: ids of the reference (tests/goldens/unigram.py), refusals.
 */
#include "base/file.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include "prep/tokenizer_internal.h"
#include "tool.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { LIMIT = 64 };

static char *read_all(const char *dir, const char *name, size_t *size) {
    char path[4400], *data;
    sns_error err;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (sns_file_read(path, 1 << 26, &data, size, &err)) fail_msg("%s", err.message);
    return data;
}

static void compare(const char *dir) {
    sns_tokenizer *tok;
    sns_error err;
    size_t size, i;
    if (sns_tokenizer_load(dir, &tok, &err)) fail_msg("%s", err.message);
    assert_int_equal(sns_tokenizer_end_id(tok), 1);
    char *text = read_all(dir, "texts.json", &size);
    json_t *texts = json_loadb(text, size, 0, NULL), *each;
    free(text);
    char *lines = read_all(dir, "ids.txt", &size), *at = lines;
    json_array_foreach(texts, i, each) {
        uint32_t ids[LIMIT];
        size_t count;
        char *back;
        if (sns_tokenizer_encode(tok, json_string_value(each), json_string_length(each), LIMIT, ids,
                                 &count, &err))
            fail_msg("%s", err.message);
        for (size_t k = 0; k < count; k++) {
            unsigned long want = strtoul(at, &at, 10);
            if (want != ids[k])
                fail_msg("%s: \"%s\": token %zu is %u, not %lu", dir, json_string_value(each), k,
                         ids[k], want);
        }
        if (*at != '\n')
            fail_msg("%s: \"%s\": %zu tokens are too few", dir, json_string_value(each), count);
        at++;
        assert_int_equal(sns_tokenizer_decode(tok, ids, count, &back, &err), SNS_OK);
        free(back);
    }
    assert_true(i > 100);
    json_decref(texts);
    free(lines);
    sns_tokenizer_free(tok);
}

static void equals_the_reference(void **state) {
    (void)state;
    static const char *const names[] = {"siglip", "bytes", "whole", "table"};
    char script[4200], *dir = tool_tmpdir(), path[4200];
    if (access(TOOL_PYTHON, X_OK)) skip();
    snprintf(script, sizeof script, "%s", tool_source("goldens/unigram.py"));
    const char *const argv[] = {TOOL_PYTHON, script, "make", dir, NULL};
    assert_true(tool_run(argv));
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        compare(path);
    }
    tool_remove(dir);
}

#define TAIL                                                                                       \
    ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":"      \
    "\"A\"}},{\"SpecialToken\":{\"id\":\"</s>\"}}],\"special_tokens\":{\"</s>\":{\"ids\":[1]}}}}"
#define MODEL                                                                                      \
    "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"</s>\",0],"         \
    "[\"a\",-1],[\"b\",-2.5],[\"ab\",-3]]}"

static sns_status parse(const char *json, sns_tokenizer **tok, sns_error *err) {
    return sns_tokenizer_parse_json(sns_strdup(json), strlen(json), "t.json", tok, err);
}

static void cuts_by_probability(void **state) {
    (void)state;
    sns_tokenizer *tok;
    sns_error err;
    uint32_t ids[LIMIT];
    size_t count;
    char *text;
    if (parse(MODEL TAIL, &tok, &err)) fail_msg("%s", err.message);
    /* "ab" -3 beats "a" "b" -3.5; neighbouring unknown ones are one token */
    assert_int_equal(sns_tokenizer_encode(tok, "abaxyb", 6, LIMIT, ids, &count, &err), SNS_OK);
    static const uint32_t want[] = {4, 2, 0, 3, 1};
    assert_int_equal(count, 5);
    assert_memory_equal(ids, want, sizeof want);
    assert_int_equal(sns_tokenizer_encode(tok, "abab", 4, 2, ids, &count, &err), SNS_OK);
    assert_true(count == 2 && ids[0] == 4 && ids[1] == 1);
    assert_int_equal(sns_tokenizer_decode(tok, want, 2, &text, &err), SNS_OK);
    assert_string_equal(text, "aba");
    free(text);
    sns_tokenizer_free(tok);
}

static void others_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *json;
        sns_status code;
    } cases[] = {
        {MODEL "}", SNS_UNSUPPORTED}, /* nothing says how a text ends */
        {MODEL ",\"normalizer\":{\"type\":\"Nmt\"}" TAIL, SNS_UNSUPPORTED},
        {MODEL ",\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"!!!!\"}" TAIL,
         SNS_FORMAT},
        {MODEL
         ",\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"/////w==\"}" TAIL,
         SNS_FORMAT},
        {MODEL ",\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(\"},\"content\":"
               "\"\"}" TAIL,
         SNS_FORMAT},
        {MODEL ",\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}" TAIL, SNS_UNSUPPORTED},
        {MODEL ",\"added_tokens\":[{\"id\":99,\"content\":\"x\"}]" TAIL, SNS_UNSUPPORTED},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}" TAIL, SNS_FORMAT},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",\"b\"]]}" TAIL, SNS_FORMAT},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",1e999]]}" TAIL, SNS_FORMAT},
        {"{\"model\":{\"type\":\"Unigram\",\"unk_id\":7,\"vocab\":[[\"a\",0]]}" TAIL, SNS_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sns_tokenizer *tok;
        sns_error err = {0};
        sns_status s = parse(cases[i].json, &tok, &err);
        if (s != cases[i].code) fail_msg("case %zu: %d, %s", i, s, err.message);
        assert_null(tok);
        assert_non_null(strstr(err.message, "t.json"));
    }
}

/* Any table of replacements is safe to run. */
static void damaged_tables_are_harmless(void **state) {
    (void)state;
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    sns_rng rng;
    sns_rng_seed(&rng, 6);
    for (int round = 0; round < 300; round++) {
        char table[400], json[2000];
        sns_tokenizer *tok;
        sns_error err;
        memcpy(table, "AAEAAA", 6); /* a trie of 256 bytes */
        for (size_t i = 6; i < 396; i++) table[i] = digits[sns_rng_next(&rng) % 64];
        table[396] = 0;
        snprintf(json, sizeof json,
                 "%s,\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_"
                 "charsmap\":\"%s\"}%s",
                 MODEL, table, TAIL);
        if (parse(json, &tok, &err)) fail_msg("%s", err.message);
        for (int n = 0; n < 20; n++) {
            char text[30];
            uint32_t ids[LIMIT];
            size_t count;
            for (size_t i = 0; i < sizeof text; i++) text[i] = (char)sns_rng_next(&rng);
            assert_int_equal(sns_tokenizer_encode(tok, text, sizeof text, LIMIT, ids, &count, &err),
                             SNS_OK);
            for (size_t i = 0; i < count; i++) assert_true(ids[i] < 5);
        }
        sns_tokenizer_free(tok);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_by_probability), cmocka_unit_test(equals_the_reference),
        cmocka_unit_test(others_are_refused), cmocka_unit_test(damaged_tables_are_harmless)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
