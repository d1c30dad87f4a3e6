/* fuzz_tokenizer.c - libFuzzer target: tokenizer files and texts.
 *
 * Input: the first byte says what the rest is, which is cut at bytes 0xFE into parts:
 *   even  tokenizer.json, text        odd  vocab.json, merges.txt, text
 * A vocabulary that loads encodes the text: the ids must lie in the vocabulary and within the
 * limit, and begin and end as the tokenizer says. A vocabulary that always loads encodes it too. */
#include "prep/tokenizer_internal.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_TOKENS = 77 };
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *copy_part(const void *data, size_t size) {
    char *text = malloc(size + 1);
    if (!text) abort();
    memcpy(text, data, size);
    text[size] = 0;
    return text;
}

static void check_encode(const sns_tokenizer *tok, const char *text, size_t size) {
    uint32_t ids[MAX_TOKENS];
    size_t count, max = 2 + size % (MAX_TOKENS - 1);
    sns_error err;
    char *back;
    bool unigram = tok->unigram != NULL, start = !unigram || tok->unigram->has_start;
    if (sns_tokenizer_encode(tok, text, size, max, ids, &count, &err)) {
        if (!unigram) abort();
        return; /* its file's patterns may take too long, or leave text without a token */
    }
    if (count < (start ? 2 : 1) || count > max ||
        (start && ids[0] != sns_tokenizer_start_id(tok)) ||
        ids[count - 1] != sns_tokenizer_end_id(tok))
        abort();
    for (size_t i = 0; i < count; i++)
        if (ids[i] >= sns_tokenizer_vocab_size(tok)) abort();
    if (sns_tokenizer_decode(tok, ids, count, &back, &err) == SNS_OK) free(back);
}

static sns_status parse(int kind, const uint8_t *const part[3], const size_t size[3],
                        sns_tokenizer **tok) {
    sns_error err;
    if (kind == 2)
        return sns_tokenizer_parse_json(copy_part(part[0], size[0]), size[0], "json", tok, &err);
    return sns_tokenizer_parse_pair(copy_part(part[0], size[0]), size[0], "vocab",
                                    copy_part(part[1], size[1]), size[1], "merges", tok, &err);
}

/* A vocabulary of a few letters and two merges. */
static sns_tokenizer *small(void) {
    static const char vocab[] = "{\"a\":0,\"b\":1,\"b</w>\":2,\"ab\":3,\"ab</w>\":4,\"\xC3\xA3\":5,"
                                "\"<|startoftext|>\":6,\"<|endoftext|>\":7}";
    static const char merges[] = "a b\na b</w>\n";
    const uint8_t *part[3] = {(const uint8_t *)vocab, (const uint8_t *)merges, NULL};
    const size_t size[3] = {sizeof vocab - 1, sizeof merges - 1, 0};
    sns_tokenizer *tok;
    if (parse(3, part, size, &tok)) abort();
    return tok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const sns_tokenizer *known;
    const uint8_t *part[3], *p = data + 1, *end = data + size;
    size_t sizes[3];
    if (!known) known = small();
    if (!size) return 0;
    int parts = *data % 2 ? 3 : 2;
    for (int i = 0; i < parts; i++) {
        const uint8_t *cut = i + 1 < parts ? memchr(p, 0xFE, (size_t)(end - p)) : NULL;
        part[i] = p;
        sizes[i] = (size_t)((cut ? cut : end) - p);
        p = cut ? cut + 1 : end;
    }
    const char *text = (const char *)part[parts - 1];
    sns_tokenizer *tok;
    if (parse(parts, part, sizes, &tok) == SNS_OK) check_encode(tok, text, sizes[parts - 1]);
    sns_tokenizer_free(tok);
    check_encode(known, text, sizes[parts - 1]);
    return 0;
}
