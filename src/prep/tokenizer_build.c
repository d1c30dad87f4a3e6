/* tokenizer_build.c - see tokenizer_build.h. */
#include "prep/tokenizer_build.h"
#include "base/error.h"
#include <stdlib.h>
#include <string.h>

/* For messages: as much of a string as is worth showing. */
#define SHOWN(s) (int)((s).size < 40 ? (s).size : 40), (s).data

sns_status sns_build_no_memory(sns_tokenizer_build *l) {
    return sns_fail(l->err, SNS_NOMEM, "%s: no memory for the vocabulary", l->path);
}

sns_status sns_build_token(sns_tokenizer_build *l, uint32_t id, sns_slice text) {
    sns_tokenizer *tok = l->tok;
    if (id >= SNS_BPE_VOCAB_MAX)
        return sns_fail(l->err, SNS_LIMIT, "%s: token id %u, more than the %d allowed", l->path, id,
                        SNS_BPE_VOCAB_MAX - 1);
    if (id >= l->token_capacity) {
        size_t n = l->token_capacity ? l->token_capacity : 1024;
        while (n <= id) n *= 2;
        sns_slice *tokens = realloc(tok->tokens, n * sizeof *tokens);
        if (!tokens) return sns_build_no_memory(l);
        memset(tokens + l->token_capacity, 0, (n - l->token_capacity) * sizeof *tokens);
        l->index.tokens = tok->tokens = tokens;
        l->token_capacity = n;
    }
    if (!text.size) return sns_fail(l->err, SNS_FORMAT, "%s: token %u is empty", l->path, id);
    if (tok->tokens[id].size)
        return sns_fail(l->err, SNS_FORMAT, "%s: id %u is given to \"%.*s\" and to \"%.*s\"",
                        l->path, id, SHOWN(tok->tokens[id]), SHOWN(text));
    tok->tokens[id] = text;
    if (id >= tok->vocab_size) tok->vocab_size = (size_t)id + 1;
    return SNS_OK;
}

sns_status sns_build_index(sns_tokenizer_build *l) {
    bool ok = sns_token_index_build(&l->index, l->tok->tokens, l->tok->vocab_size);
    return ok ? SNS_OK : sns_build_no_memory(l);
}

/* The id of left + right. Vocabularies number tokens in the order of their merges, so the id after
 * the previous result's is tried before the index: half of the time of loading is cache misses. */
static int32_t find_result(const sns_tokenizer_build *l, sns_slice left, sns_slice right) {
    const sns_bpe *bpe = &l->tok->bpe;
    size_t guess = bpe->merge_count ? (size_t)bpe->merges[bpe->merge_count - 1].result + 1 : 512;
    if (guess < l->tok->vocab_size) {
        sns_slice t = l->tok->tokens[guess];
        if (t.size == left.size + right.size && !memcmp(t.data, left.data, left.size) &&
            !memcmp(t.data + left.size, right.data, right.size))
            return (int32_t)guess;
    }
    return sns_token_index_find(&l->index, left, right);
}

sns_status sns_build_merge(sns_tokenizer_build *l, sns_slice left, sns_slice right) {
    sns_bpe *bpe = &l->tok->bpe;
    if (bpe->merge_count == l->merge_capacity) {
        if (bpe->merge_count >= SNS_BPE_VOCAB_MAX)
            return sns_fail(l->err, SNS_LIMIT, "%s: more than %d merges", l->path,
                            SNS_BPE_VOCAB_MAX);
        size_t n = l->merge_capacity ? 2 * l->merge_capacity : 1024;
        sns_merge *merges = realloc(bpe->merges, n * sizeof *merges);
        if (!merges) return sns_build_no_memory(l);
        bpe->merges = merges;
        l->merge_capacity = n;
    }
    int32_t a = sns_token_index_find(&l->index, left, (sns_slice){0});
    int32_t b = sns_token_index_find(&l->index, right, (sns_slice){0});
    int32_t ab = find_result(l, left, right);
    if (a < 0 || b < 0 || ab < 0)
        return sns_fail(l->err, SNS_FORMAT,
                        "%s: merge %zu, \"%.*s %.*s\": it or one of its parts is not in the "
                        "vocabulary",
                        l->path, bpe->merge_count, SHOWN(left), SHOWN(right));
    bpe->merges[bpe->merge_count++] = (sns_merge){(uint32_t)a, (uint32_t)b, (uint32_t)ab};
    return SNS_OK;
}

sns_status sns_build_added(sns_tokenizer_build *l, sns_added added) {
    sns_tokenizer *tok = l->tok;
    if (tok->added_count == SNS_ADDED_MAX)
        return sns_fail(l->err, SNS_LIMIT, "%s: more than %d added tokens", l->path, SNS_ADDED_MAX);
    if (!added.content.size)
        return sns_fail(l->err, SNS_FORMAT, "%s: an added token is empty", l->path);
    for (size_t i = 0; i < added.content.size; i++)
        if ((unsigned char)added.content.data[i] <= ' ')
            return sns_fail(l->err, SNS_UNSUPPORTED, "%s: the added token \"%.*s\" has white space",
                            l->path, SHOWN(added.content));
    if (!tok->added) tok->added = calloc(SNS_ADDED_MAX, sizeof *tok->added);
    if (!tok->added) return sns_build_no_memory(l);
    sns_added *to = &tok->added[tok->added_count++];
    *to = added;
    if (!sns_text_set(&to->cps, added.content.data, added.content.size, tok->rules))
        return sns_build_no_memory(l);
    if (added.id < tok->vocab_size && tok->tokens[added.id].size) {
        sns_slice known = tok->tokens[added.id];
        if (known.size == added.content.size && !memcmp(known.data, added.content.data, known.size))
            return SNS_OK;
    }
    return sns_build_token(l, added.id, added.content);
}

sns_slice sns_slice_of(const char *s) {
    return (sns_slice){s, strlen(s)};
}

/* The start and end tokens: as the post-processor says, else by their usual names. */
static sns_status find_ends(sns_tokenizer_build *l) {
    static const char *const names[2] = {SNS_TOKEN_START, SNS_TOKEN_END};
    uint32_t *ids[2] = {&l->tok->start_id, &l->tok->end_id};
    bool has[2] = {l->has_start, l->has_end};
    for (int i = 0; i < 2; i++) {
        int32_t id = -1;
        for (size_t k = 0; k < l->tok->added_count && id < 0; k++)
            if (sns_slice_is(l->tok->added[k].content, names[i])) id = (int32_t)l->tok->added[k].id;
        if (id < 0) id = sns_token_index_find(&l->index, sns_slice_of(names[i]), (sns_slice){0});
        if (!has[i] && id < 0)
            return sns_fail(l->err, SNS_FORMAT, "%s: no token %s", l->path, names[i]);
        if (!has[i]) *ids[i] = (uint32_t)id;
        if (*ids[i] >= l->tok->vocab_size)
            return sns_fail(l->err, SNS_FORMAT, "%s: %s has id %u, outside the vocabulary of %zu",
                            l->path, names[i], *ids[i], l->tok->vocab_size);
    }
    return SNS_OK;
}

void sns_build_bytes(sns_tokenizer_build *l) {
    int32_t cps[256];
    sns_byte_alphabet(cps);
    for (int b = 0; b < 256; b++) {
        unsigned char utf8[4];
        sns_slice letter = {(char *)utf8, sns_utf8_encode(cps[b], utf8)};
        l->tok->bpe.byte_id[0][b] = sns_token_index_find(&l->index, letter, (sns_slice){0});
        l->tok->bpe.byte_id[1][b] = sns_token_index_find(&l->index, letter,
                                                         sns_slice_of(SNS_BPE_WORD_END));
    }
}

sns_status sns_build_finish(sns_tokenizer_build *l) {
    sns_status s = find_ends(l);
    if (s) return s;
    sns_build_bytes(l);
    return sns_bpe_index(&l->tok->bpe) ? SNS_OK : sns_build_no_memory(l);
}
