/* tokenizer.c - text to token ids and back.
 *
 * Order of work, as in Hugging Face's CLIPTokenizerFast:
 *   1. added tokens that want the raw text are found in it and cut it into parts;
 *   2. each part is normalised: NFC, white space, lower case;
 *   3. added tokens that want normalised text are found in that;
 *   4. the pattern cuts the rest into words, and each word's bytes are merged by rank.
 * Steps 2-4 go from one piece between ASCII white space to the next: no rule looks across it, so a
 * long text costs no more than its first tokens do. */
#include "prep/tokenizer_internal.h"
#include "base/error.h"
#include "base/strbuf.h"
#include <stdlib.h>
#include <string.h>

typedef struct encoder {
    const sns_tokenizer *tok;
    sns_text text;
    sns_bpe_scratch word;
    unsigned char *bytes; /* UTF-8 of one word */
    size_t bytes_capacity;
    uint32_t *ids;
    size_t count, limit; /* limit leaves room for the end token */
} encoder;

void sns_tokenizer_free(sns_tokenizer *tok) {
    if (!tok) return;
    sns_bpe_free(&tok->bpe);
    if (tok->unigram) sns_unigram_free(tok->unigram);
    free(tok->unigram);
    for (size_t i = 0; i < tok->added_count; i++) sns_text_free(&tok->added[i].cps);
    free(tok->added);
    free(tok->tokens);
    free(tok->files[0]);
    free(tok->files[1]);
    free(tok);
}

size_t sns_tokenizer_vocab_size(const sns_tokenizer *tok) {
    return tok->vocab_size;
}
uint32_t sns_tokenizer_start_id(const sns_tokenizer *tok) {
    return tok->start_id;
}
uint32_t sns_tokenizer_end_id(const sns_tokenizer *tok) {
    return tok->end_id;
}

const sns_added *sns_added_in_bytes(const sns_tokenizer *tok, const char *text, size_t size) {
    const sns_added *best = NULL;
    for (size_t i = 0; i < tok->added_count; i++) {
        const sns_added *a = &tok->added[i];
        if (a->normalized || a->content.size > size || a->content.data[0] != text[0]) continue;
        if (memcmp(a->content.data, text, a->content.size)) continue;
        if (!best || a->content.size > best->content.size) best = a;
    }
    return best;
}

const sns_added *sns_added_in_cps(const sns_tokenizer *tok, const int32_t *cps, size_t n) {
    const sns_added *best = NULL;
    for (size_t i = 0; i < tok->added_count; i++) {
        const sns_added *a = &tok->added[i];
        if (!a->normalized || a->cps.size > n || a->cps.cps[0] != cps[0]) continue;
        if (memcmp(a->cps.cps, cps, a->cps.size * sizeof *cps)) continue;
        if (!best || a->cps.size > best->cps.size) best = a;
    }
    return best;
}

static bool full(const encoder *e) {
    return e->count >= e->limit;
}

static void put(encoder *e, uint32_t id) {
    if (!full(e)) e->ids[e->count++] = id;
}

static bool encode_word(encoder *e, const int32_t *cps, size_t n) {
    if (n * 4 > e->bytes_capacity) {
        unsigned char *bytes = realloc(e->bytes, n * 4 + 64);
        if (!bytes) return false;
        e->bytes = bytes;
        e->bytes_capacity = n * 4 + 64;
    }
    size_t size = 0, count;
    for (size_t i = 0; i < n; i++) size += sns_utf8_encode(cps[i], e->bytes + size);
    if (!sns_bpe_word(&e->tok->bpe, e->bytes, size, &e->word, &count)) return false;
    for (size_t i = 0; i < count && !full(e); i++) put(e, e->word.ids[i]);
    return true;
}

static bool encode_words(encoder *e, const int32_t *cps, size_t n) {
    size_t pos = 0, begin, end;
    while (!full(e) && sns_text_next_word(cps, n, &pos, &begin, &end))
        if (!encode_word(e, cps + begin, end - begin)) return false;
    return true;
}

/* A piece without ASCII white space. */
static bool encode_piece(encoder *e, const char *text, size_t size) {
    if (!sns_text_set(&e->text, text, size, e->tok->rules)) return false;
    const int32_t *cps = e->text.cps;
    size_t n = e->text.size, done = 0;
    for (size_t i = 0; i < n && !full(e);) {
        const sns_added *a = sns_added_in_cps(e->tok, cps + i, n - i);
        if (!a) {
            i++;
            continue;
        }
        if (!encode_words(e, cps + done, i - done)) return false;
        put(e, a->id);
        done = i += a->cps.size;
    }
    return encode_words(e, cps + done, n - done);
}

static bool encode_part(encoder *e, const char *text, size_t size) {
    size_t pos = 0, begin, end;
    while (!full(e) && sns_text_next_piece(text, size, &pos, &begin, &end))
        if (!encode_piece(e, text + begin, end - begin)) return false;
    return true;
}

static bool encode_text(encoder *e, const char *text, size_t size) {
    size_t done = 0;
    for (size_t i = 0; i < size && !full(e);) {
        const sns_added *a = sns_added_in_bytes(e->tok, text + i, size - i);
        if (!a) {
            i++;
            continue;
        }
        if (!encode_part(e, text + done, i - done)) return false;
        put(e, a->id);
        done = i += a->content.size;
    }
    return encode_part(e, text + done, size - done);
}

static bool put_piece(void *user, uint32_t id) {
    put(user, id);
    return !full(user);
}

/* The same for a Unigram vocabulary, whose steps are its own file's (unigram.c). */
static sns_status encode_unigram(encoder *e, const char *text, size_t size, size_t *count,
                                 sns_error *err) {
    const sns_tokenizer *tok = e->tok;
    size_t done = 0;
    sns_status s = SNS_OK;
    if (tok->unigram->has_start) put(e, tok->start_id);
    for (size_t i = 0; i < size && !full(e) && !s;) {
        const sns_added *a = sns_added_in_bytes(tok, text + i, size - i);
        if (!a) {
            i++;
            continue;
        }
        if (i > done)
            s = sns_unigram_encode(tok->unigram, text + done, i - done, !done, put_piece, e, err);
        put(e, a->id);
        done = i += a->content.size;
    }
    if (!s && !full(e) && done < size)
        s = sns_unigram_encode(tok->unigram, text + done, size - done, !done, put_piece, e, err);
    if (s) return s;
    e->ids[e->count++] = tok->end_id;
    *count = e->count;
    return SNS_OK;
}

sns_status sns_tokenizer_encode(const sns_tokenizer *tok, const char *text, size_t size,
                                size_t max_tokens, uint32_t *ids, size_t *count, sns_error *err) {
    *count = 0;
    if (max_tokens < 2) return sns_fail(err, SNS_ARG, "max_tokens is %zu, below 2", max_tokens);
    if (size > SNS_TOKENIZER_TEXT_MAX)
        return sns_fail(err, SNS_LIMIT, "a text of %zu bytes, more than the %d allowed", size,
                        SNS_TOKENIZER_TEXT_MAX);
    encoder e = {.tok = tok, .ids = ids, .limit = max_tokens - 1};
    if (tok->unigram) return encode_unigram(&e, text, size, count, err);
    put(&e, tok->start_id);
    bool ok = encode_text(&e, text, size);
    ids[e.count++] = tok->end_id;
    sns_text_free(&e.text);
    sns_bpe_scratch_free(&e.word);
    free(e.bytes);
    if (!ok) return sns_fail(err, SNS_NOMEM, "no memory to tokenize %zu bytes", size);
    *count = e.count;
    return SNS_OK;
}

/* The bytes a token of the vocabulary stands for; its end-of-word mark becomes a space. */
static void add_token_bytes(sns_strbuf *out, sns_slice token) {
    const size_t mark = sizeof SNS_BPE_WORD_END - 1;
    const unsigned char *p = (const unsigned char *)token.data;
    size_t size = token.size;
    bool ends = size >= mark && !memcmp(p + size - mark, SNS_BPE_WORD_END, mark);
    if (ends) size -= mark;
    for (size_t i = 0, length; i < size; i += length) {
        int b = sns_byte_of_cp(sns_utf8_decode(p + i, size - i, &length));
        unsigned char c = (unsigned char)b;
        if (b >= 0)
            sns_strbuf_add(out, &c, 1);
        else
            sns_strbuf_add(out, p + i, length);
    }
    if (ends) sns_strbuf_puts(out, " ");
}

static const sns_added *added_with_id(const sns_tokenizer *tok, uint32_t id) {
    for (size_t i = 0; i < tok->added_count; i++)
        if (tok->added[i].id == id) return &tok->added[i];
    return NULL;
}

/* Pieces one after another, marks as spaces, bytes of unknown text as they are. */
static sns_status join_pieces(const sns_tokenizer *tok, const uint32_t *ids, size_t count,
                              sns_strbuf *raw, sns_error *err) {
    const sns_unigram *u = tok->unigram;
    for (size_t i = 0; i < count; i++) {
        const sns_added *a = added_with_id(tok, ids[i]);
        bool end = ids[i] == tok->end_id || (u->has_start && ids[i] == tok->start_id);
        if (end || (a && a->special)) continue;
        if (ids[i] >= u->count) return sns_fail(err, SNS_ARG, "token %u is unknown", ids[i]);
        sns_slice p = a ? a->content : u->pieces[ids[i]];
        int byte = -1;
        for (int b = 0; b < 256 && u->byte_fallback && byte < 0; b++)
            if (u->byte_id[b] == (int32_t)ids[i]) byte = b;
        if (byte >= 0) {
            sns_strbuf_add(raw, &(unsigned char){(unsigned char)byte}, 1);
            continue;
        }
        for (size_t at = 0; at < p.size;) {
            size_t m = u->mark.size;
            bool mark = m && p.size - at >= m && !memcmp(p.data + at, u->mark.data, m);
            sns_strbuf_add(raw, mark ? " " : p.data + at, 1);
            at += mark ? m : 1;
        }
    }
    return SNS_OK;
}

sns_status sns_tokenizer_decode(const sns_tokenizer *tok, const uint32_t *ids, size_t count,
                                char **text, sns_error *err) {
    sns_strbuf raw = {0}, out = {0};
    *text = NULL;
    if (tok->unigram && join_pieces(tok, ids, count, &raw, err)) {
        sns_strbuf_free(&raw);
        return SNS_ARG;
    }
    for (size_t i = 0; i < count && !tok->unigram; i++) {
        const sns_added *a = added_with_id(tok, ids[i]);
        if (ids[i] == tok->start_id || ids[i] == tok->end_id || (a && a->special)) continue;
        if (ids[i] >= tok->vocab_size || (!a && !tok->tokens[ids[i]].size)) {
            sns_strbuf_free(&raw);
            return sns_fail(err, SNS_ARG, "token %u is not in the vocabulary", ids[i]);
        }
        if (a)
            sns_strbuf_add(&raw, a->content.data, a->content.size);
        else
            add_token_bytes(&raw, tok->tokens[ids[i]]);
    }
    while (raw.size && raw.data[raw.size - 1] == ' ') raw.size--;
    /* A cut token sequence can end inside a code point: make it valid UTF-8 again. */
    for (size_t i = 0, length; i < raw.size; i += length) {
        unsigned char utf8[4];
        int32_t cp = sns_utf8_decode((unsigned char *)raw.data + i, raw.size - i, &length);
        sns_strbuf_add(&out, utf8, sns_utf8_encode(cp, utf8));
    }
    sns_strbuf_add(&out, "", 0);
    bool failed = raw.failed || out.failed;
    sns_strbuf_free(&raw);
    if (failed) {
        sns_strbuf_free(&out);
        return sns_fail(err, SNS_NOMEM, "no memory to decode %zu tokens", count);
    }
    *text = out.data;
    return SNS_OK;
}
