/* tokenizer_write.c - a vocabulary in the files that Hugging Face's CLIPTokenizerFast loads. */
#include "base/error.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "prep/tokenizer_internal.h"
#include <stdlib.h>

/* The alphabet of tokens has no control characters, so only two need escaping. */
static void put_escaped(sns_strbuf *b, sns_slice s) {
    for (size_t i = 0; i < s.size; i++) {
        if (s.data[i] == '"' || s.data[i] == '\\') sns_strbuf_puts(b, "\\");
        sns_strbuf_add(b, s.data + i, 1);
    }
}

static void put_string(sns_strbuf *b, sns_slice s) {
    sns_strbuf_puts(b, "\"");
    put_escaped(b, s);
    sns_strbuf_puts(b, "\"");
}

static void put_vocab(sns_strbuf *b, const sns_slice *tokens, size_t n, const char *indent) {
    sns_strbuf_puts(b, "{");
    for (size_t id = 0; id < n; id++) {
        sns_strbuf_printf(b, "%s\n%s", id ? "," : "", indent);
        put_string(b, tokens[id]);
        sns_strbuf_printf(b, ": %zu", id);
    }
    sns_strbuf_puts(b, "\n}");
}

static void put_added(sns_strbuf *b, size_t id, const char *content, const char *comma) {
    sns_strbuf_printf(b,
                      "    {\"id\": %zu, \"content\": \"%s\", \"single_word\": false, "
                      "\"lstrip\": false, \"rstrip\": false, \"normalized\": true, "
                      "\"special\": true}%s\n",
                      id, content, comma);
}

static void put_rules(sns_strbuf *b, size_t start_id, size_t end_id) {
    sns_strbuf_puts(b, "  \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [\n"
                       "    {\"type\": \"NFC\"},\n"
                       "    {\"type\": \"Replace\", \"pattern\": {\"Regex\": \"\\\\s+\"}, "
                       "\"content\": \" \"},\n"
                       "    {\"type\": \"Lowercase\"}]},\n"
                       "  \"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [\n"
                       "    {\"type\": \"Split\", \"pattern\": {\"Regex\": \"");
    put_escaped(b, (sns_slice){SNS_TOKEN_PATTERN, sizeof SNS_TOKEN_PATTERN - 1});
    sns_strbuf_printf(b,
                      "\"}, \"behavior\": \"Removed\", \"invert\": true},\n"
                      "    {\"type\": \"ByteLevel\", \"add_prefix_space\": false, "
                      "\"trim_offsets\": true, \"use_regex\": true}]},\n"
                      "  \"post_processor\": {\"type\": \"RobertaProcessing\", \"sep\": [\"%s\", "
                      "%zu], \"cls\": [\"%s\", %zu], \"trim_offsets\": false, "
                      "\"add_prefix_space\": false},\n"
                      "  \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, "
                      "\"trim_offsets\": true, \"use_regex\": true},\n",
                      SNS_TOKEN_END, end_id, SNS_TOKEN_START, start_id);
}

static void put_tokenizer(sns_strbuf *b, const sns_slice *tokens, size_t n, const sns_merge *merges,
                          size_t merge_count) {
    sns_strbuf_puts(b, "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n"
                       "  \"padding\": null,\n  \"added_tokens\": [\n");
    put_added(b, n - 2, SNS_TOKEN_START, ",");
    put_added(b, n - 1, SNS_TOKEN_END, "");
    sns_strbuf_puts(b, "  ],\n");
    put_rules(b, n - 2, n - 1);
    sns_strbuf_printf(b,
                      "  \"model\": {\n    \"type\": \"BPE\",\n    \"dropout\": null,\n"
                      "    \"unk_token\": \"%s\",\n    \"continuing_subword_prefix\": \"\",\n"
                      "    \"end_of_word_suffix\": \"%s\",\n    \"fuse_unk\": false,\n"
                      "    \"vocab\": ",
                      SNS_TOKEN_END, SNS_BPE_WORD_END);
    put_vocab(b, tokens, n, "");
    sns_strbuf_puts(b, ",\n    \"merges\": [");
    for (size_t i = 0; i < merge_count; i++) {
        sns_strbuf_puts(b, i ? ",\n\"" : "\n\"");
        put_escaped(b, tokens[merges[i].left]);
        sns_strbuf_puts(b, " ");
        put_escaped(b, tokens[merges[i].right]);
        sns_strbuf_puts(b, "\"");
    }
    sns_strbuf_puts(b, "\n    ]\n  }\n}\n");
}

static void put_merges(sns_strbuf *b, const sns_slice *tokens, const sns_merge *merges, size_t n) {
    sns_strbuf_puts(b, "#version: 0.2\n");
    for (size_t i = 0; i < n; i++) {
        sns_slice left = tokens[merges[i].left], right = tokens[merges[i].right];
        sns_strbuf_add(b, left.data, left.size);
        sns_strbuf_puts(b, " ");
        sns_strbuf_add(b, right.data, right.size);
        sns_strbuf_puts(b, "\n");
    }
}

/* Write dir/name and empty the buffer for the next file. */
static sns_status save(const char *dir, const char *name, sns_strbuf *b, sns_error *err) {
    char *path = sns_path_join(dir, name);
    sns_status s = !path || b->failed
                       ? sns_fail(err, SNS_NOMEM, "%s/%s: no memory to write it", dir, name)
                       : sns_file_write(path, b->data, b->size, err);
    free(path);
    sns_strbuf_clear(b);
    return s;
}

static void put_config(sns_strbuf *b) {
    sns_strbuf_printf(b,
                      "{\n  \"tokenizer_class\": \"CLIPTokenizer\",\n"
                      "  \"model_max_length\": 77,\n  \"bos_token\": \"%s\",\n"
                      "  \"eos_token\": \"%s\",\n  \"unk_token\": \"%s\",\n"
                      "  \"pad_token\": \"%s\",\n  \"add_prefix_space\": false,\n"
                      "  \"errors\": \"replace\",\n  \"do_lower_case\": true\n}\n",
                      SNS_TOKEN_START, SNS_TOKEN_END, SNS_TOKEN_END, SNS_TOKEN_END);
}

sns_status sns_tokenizer_write(const char *dir, const sns_slice *tokens, size_t n,
                               const sns_merge *merges, size_t merge_count, sns_error *err) {
    sns_strbuf b = {0};
    put_vocab(&b, tokens, n, "  ");
    sns_strbuf_puts(&b, "\n");
    sns_status s = save(dir, "vocab.json", &b, err);
    if (!s) {
        put_merges(&b, tokens, merges, merge_count);
        s = save(dir, "merges.txt", &b, err);
    }
    if (!s) {
        put_config(&b);
        s = save(dir, "tokenizer_config.json", &b, err);
    }
    if (!s) {
        sns_strbuf_printf(&b,
                          "{\n  \"bos_token\": \"%s\",\n  \"eos_token\": \"%s\",\n"
                          "  \"unk_token\": \"%s\",\n  \"pad_token\": \"%s\"\n}\n",
                          SNS_TOKEN_START, SNS_TOKEN_END, SNS_TOKEN_END, SNS_TOKEN_END);
        s = save(dir, "special_tokens_map.json", &b, err);
    }
    if (!s) { /* last: with it the folder is complete */
        put_tokenizer(&b, tokens, n, merges, merge_count);
        s = save(dir, "tokenizer.json", &b, err);
    }
    sns_strbuf_free(&b);
    return s;
}
