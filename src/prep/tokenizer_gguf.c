/* tokenizer_gguf.c - CLIP's tokenizer from a bare list of tokens.
 *
 * clip.cpp's files have the tokens in the order of their ids and no merges; it cuts words into the
 * longest tokens, which are not CLIP's. But the list has the merges in it: a byte-pair encoding
 * numbers what a merge makes when it makes it, so the token after those of single bytes is the
 * first merge's, and so on. A token was made of the two parts that all earlier merges leave of its
 * own bytes. (For CLIP's vocabulary these are its 48,894 merges exactly.) */
#include "base/error.h"
#include "prep/tokenizer_build.h"
#include <stdlib.h>
#include <string.h>

typedef struct recovery {
    sns_tokenizer_build *build;
    sns_bpe_scratch word;
    bool merged; /* a token of more than a byte was seen */
} recovery;

/* The bytes that a token stands for; *ends <- whether it ends a word. 0: it has a letter outside of
 * the alphabet, or more than out has room for. */
static size_t bytes_of(sns_slice token, unsigned char *out, size_t room, bool *ends) {
    const size_t mark = sizeof SNS_BPE_WORD_END - 1;
    const unsigned char *p = (const unsigned char *)token.data;
    size_t size = token.size, count = 0;
    *ends = size > mark && !memcmp(p + size - mark, SNS_BPE_WORD_END, mark);
    if (*ends) size -= mark;
    for (size_t i = 0, length; i < size; i += length) {
        int byte = sns_byte_of_cp(sns_utf8_decode(p + i, size - i, &length));
        if (byte < 0 || count == room) return 0;
        out[count++] = (unsigned char)byte;
    }
    return count;
}

static bool is_special(sns_slice token) {
    return sns_slice_is(token, SNS_TOKEN_START) || sns_slice_is(token, SNS_TOKEN_END);
}

static sns_status take_token(recovery *r, uint32_t id) {
    enum { BYTES_MAX = 1024 };
    sns_tokenizer_build *l = r->build;
    sns_bpe *bpe = &l->tok->bpe;
    sns_slice token = l->tok->tokens[id];
    unsigned char bytes[BYTES_MAX];
    bool ends;
    size_t size = bytes_of(token, bytes, sizeof bytes, &ends), parts;
    if (is_special(token)) return SNS_OK;
    if (size == 1 && !r->merged) return SNS_OK;
    r->merged = true;
    if (size < 2)
        return sns_fail(l->err, SNS_UNSUPPORTED,
                        "%s: token %u, \"%.*s\": the list is not CLIP's vocabulary in the order "
                        "of its ids",
                        l->path, id, (int)(token.size < 40 ? token.size : 40), token.data);
    if (!sns_bpe_part(bpe, bytes, size, ends, &r->word, &parts)) return sns_build_no_memory(l);
    if (parts != 2)
        return sns_fail(l->err, SNS_UNSUPPORTED,
                        "%s: token %u, \"%.*s\", is not made of two earlier ones: the list is not "
                        "CLIP's vocabulary in the order of its ids",
                        l->path, id, (int)(token.size < 40 ? token.size : 40), token.data);
    bpe->merges[bpe->merge_count] = (sns_merge){r->word.ids[0], r->word.ids[1], id};
    sns_bpe_enter(bpe, bpe->merge_count++);
    return SNS_OK;
}

static sns_status recover_merges(sns_tokenizer_build *l) {
    sns_tokenizer *tok = l->tok;
    recovery r = {.build = l};
    sns_build_bytes(l);
    tok->bpe.merges = malloc(tok->vocab_size * sizeof *tok->bpe.merges);
    if (!tok->bpe.merges || !sns_bpe_reserve(&tok->bpe, tok->vocab_size))
        return sns_build_no_memory(l);
    sns_status s = SNS_OK;
    for (uint32_t id = 0; id < tok->vocab_size && !s; id++) s = take_token(&r, id);
    sns_bpe_scratch_free(&r.word);
    return s;
}

static sns_status add_specials(sns_tokenizer_build *l) {
    static const char *const names[2] = {SNS_TOKEN_START, SNS_TOKEN_END};
    for (int i = 0; i < 2; i++) {
        sns_slice name = sns_slice_of(names[i]);
        int32_t id = sns_token_index_find(&l->index, name, (sns_slice){0});
        if (id < 0) return sns_fail(l->err, SNS_FORMAT, "%s: no token %s", l->path, names[i]);
        sns_status s = sns_build_added(l, (sns_added){name, (uint32_t)id, true, true, {0}});
        if (s) return s;
        l->tok->bpe.unknown_id = id; /* the end token, in CLIP */
    }
    return SNS_OK;
}

/* The tokens, copied into one block of the tokenizer's own. */
static sns_status take_tokens(sns_tokenizer_build *l, const sns_gguf_string *list, size_t n) {
    size_t total = 0;
    for (size_t i = 0; i < n; i++) total += list[i].size; /* all lie in one file */
    char *to = l->tok->files[0] = malloc(total + 1);
    if (!to) return sns_build_no_memory(l);
    sns_status s = n ? SNS_OK : sns_fail(l->err, SNS_FORMAT, "%s: an empty vocabulary", l->path);
    for (size_t i = 0; i < n && !s; i++) {
        memcpy(to, list[i].data, list[i].size);
        s = sns_build_token(l, i < UINT32_MAX ? (uint32_t)i : UINT32_MAX,
                            (sns_slice){to, list[i].size});
        to += list[i].size;
    }
    return s;
}

static sns_status build(sns_tokenizer_build *l, const sns_gguf_string *list, size_t n) {
    l->tok->rules = (sns_text_rules){.nfc = true, .lower = true};
    l->tok->bpe.unknown_id = SNS_BPE_NONE;
    sns_status s = take_tokens(l, list, n);
    if (!s) s = sns_build_index(l);
    if (!s) s = recover_merges(l);
    if (!s) s = add_specials(l);
    return s ? s : sns_build_finish(l);
}

sns_status sns_tokenizer_gguf(const sns_gguf *g, const char *name, sns_tokenizer **out,
                              sns_error *err) {
    sns_gguf_string *list;
    size_t n;
    *out = NULL;
    sns_status s = sns_gguf_strings(g, "tokenizer.ggml.tokens", &list, &n, err);
    if (s) return s;
    sns_tokenizer *tok = calloc(1, sizeof *tok);
    sns_tokenizer_build l = {.tok = tok, .path = name, .err = err};
    s = tok ? build(&l, list, n) : sns_build_no_memory(&l);
    sns_token_index_free(&l.index);
    free(list);
    if (s)
        sns_tokenizer_free(tok);
    else
        *out = tok;
    return s;
}
