/* unigram.c - the most probable cut of a text into a vocabulary's pieces.
 *
 * Kudo 2018, "Subword Regularization": with log p(x) of every piece, the cut x_1 ... x_m of a word
 * with the largest sum of log p(x_i), by Viterbi over its bytes:
 *   best[0] = 0,  best[e] = max over pieces w that end at e of best[e - |w|] + log p(w)
 * A character that no piece begins and ends with costs the least of all scores minus 10 and becomes
 * the unknown token (neighbours together), or its bytes. Equal sums: the cut found first, which has
 * the longer last piece, stays, as in Hugging Face's tokenizers.
 * Pieces that begin at a place are found by narrowing the sorted list byte by byte. */
#include "prep/unigram.h"
#include "base/error.h"
#include "prep/text_scan.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double UNKNOWN_PENALTY = 10;

typedef struct order_item {
    sns_slice piece;
    uint32_t id;
} order_item;

static int compare_items(const void *a, const void *b) {
    const order_item *x = a, *y = b;
    size_t n = x->piece.size < y->piece.size ? x->piece.size : y->piece.size;
    int c = memcmp(x->piece.data, y->piece.data, n);
    if (c) return c;
    if (x->piece.size != y->piece.size) return x->piece.size < y->piece.size ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void find_bytes(sns_unigram *u, const order_item *items, size_t n) {
    for (int b = 0; b < 256; b++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", b);
        order_item key = {{name, 6}, UINT32_MAX};
        size_t lo = 0, hi = n; /* the first item above the key */
        while (lo < hi) {
            size_t mid = lo + (hi - lo) / 2;
            if (compare_items(&items[mid], &key) <= 0)
                lo = mid + 1;
            else
                hi = mid;
        }
        bool found = lo && items[lo - 1].piece.size == 6 &&
                     !memcmp(items[lo - 1].piece.data, name, 6);
        u->byte_id[b] = found ? (int32_t)items[lo - 1].id : SNS_UNIGRAM_NONE;
    }
}

bool sns_unigram_index(sns_unigram *u) {
    order_item *items = malloc((u->count ? u->count : 1) * sizeof *items);
    u->sorted = malloc((u->count ? u->count : 1) * sizeof *u->sorted);
    double least = 0;
    size_t n = 0;
    if (!items || !u->sorted) {
        free(items);
        return false;
    }
    for (size_t i = 0; i < u->count; i++) {
        if (i == 0 || u->scores[i] < least) least = u->scores[i];
        if (u->pieces[i].size) items[n++] = (order_item){u->pieces[i], (uint32_t)i};
    }
    qsort(items, n, sizeof *items, compare_items);
    for (size_t i = 0; i < n; i++) {
        bool again = i + 1 < n && items[i].piece.size == items[i + 1].piece.size &&
                     !memcmp(items[i].piece.data, items[i + 1].piece.data, items[i].piece.size);
        if (!again) u->sorted[u->sorted_count++] = items[i].id;
    }
    find_bytes(u, items, n);
    free(items);
    u->unknown_score = least - UNKNOWN_PENALTY;
    return true;
}

void sns_unigram_free(sns_unigram *u) {
    free(u->pieces);
    free(u->scores);
    free(u->sorted);
    sns_normalizer_free(u->normalizer);
}

/* A range of `sorted` whose pieces share their first `depth` bytes. */
typedef struct range {
    size_t lo, hi, depth;
} range;

/* First place in [lo, hi) whose byte at depth is at least `byte`; all are longer than depth but
 * perhaps the first, which ends there and counts as below. */
static size_t first_at_least(const sns_unigram *u, range r, int byte) {
    size_t lo = r.lo, hi = r.hi;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        sns_slice p = u->pieces[u->sorted[mid]];
        int at = p.size > r.depth ? (unsigned char)p.data[r.depth] : -1;
        if (at < byte)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Narrow to the pieces that go on with byte. *id <- the one that ends with it, or NONE. */
static bool narrow(const sns_unigram *u, range *r, unsigned char byte, int32_t *id) {
    size_t lo = first_at_least(u, *r, byte), hi = first_at_least(u, *r, byte + 1);
    *r = (range){lo, hi, r->depth + 1};
    *id = SNS_UNIGRAM_NONE;
    if (lo == hi) return false;
    if (u->pieces[u->sorted[lo]].size == r->depth) *id = (int32_t)u->sorted[lo];
    return true;
}

/* The best way to come to a byte of the word. */
typedef struct place {
    double score;
    size_t from;
    int32_t id; /* NONE: unknown */
    bool reached;
} place;

static void reach(place *to, double score, size_t from, int32_t id) {
    if (to->reached && score <= to->score) return;
    *to = (place){score, from, id, true};
}

static size_t character(const char *p, size_t size) {
    size_t length;
    sns_utf8_decode((const unsigned char *)p, size, &length);
    return length;
}

static void walk_forward(const sns_unigram *u, const char *word, size_t size, place *at) {
    for (size_t i = 0, length; i < size; i += length) {
        range r = {0, u->sorted_count, 0};
        bool single = false;
        int32_t id;
        length = character(word + i, size - i);
        for (size_t j = i; j < size && narrow(u, &r, (unsigned char)word[j], &id); j++) {
            if (id == SNS_UNIGRAM_NONE) continue;
            reach(&at[j + 1], at[i].score + u->scores[id], i, id);
            if (j + 1 - i == length) single = true;
        }
        if (!single) reach(&at[i + length], at[i].score + u->unknown_score, i, SNS_UNIGRAM_NONE);
    }
}

typedef struct output {
    sns_unigram_put *put;
    void *user;
    bool stopped, no_unknown;
} output;

static void emit(output *o, uint32_t id) {
    if (!o->stopped) o->stopped = !o->put(o->user, id);
}

static void emit_unknown(const sns_unigram *u, output *o, const char *p, size_t size) {
    bool bytes = u->byte_fallback;
    for (size_t i = 0; i < size && bytes; i++)
        bytes = u->byte_id[(unsigned char)p[i]] != SNS_UNIGRAM_NONE;
    if (!bytes && u->unknown_id == SNS_UNIGRAM_NONE) {
        o->no_unknown = o->stopped = true;
    } else if (!bytes) {
        emit(o, (uint32_t)u->unknown_id);
    } else {
        for (size_t i = 0; i < size; i++) emit(o, (uint32_t)u->byte_id[(unsigned char)p[i]]);
    }
}

/* Turn the links around, then put the pieces; neighbouring unknown ones are one. */
static void walk_back(const sns_unigram *u, const char *word, size_t size, place *at, output *o) {
    for (size_t end = size, next = size + 1; end != SIZE_MAX;) {
        size_t from = end ? at[end].from : SIZE_MAX;
        at[end].from = next; /* now the place after it */
        next = end;
        end = from;
    }
    size_t unknown = SIZE_MAX;
    for (size_t begin = 0; begin < size && !o->stopped;) {
        size_t end = at[begin].from;
        if (at[end].id == SNS_UNIGRAM_NONE) {
            if (unknown == SIZE_MAX) unknown = begin;
        } else {
            if (unknown != SIZE_MAX) emit_unknown(u, o, word + unknown, begin - unknown);
            unknown = SIZE_MAX;
            emit(o, (uint32_t)at[end].id);
        }
        begin = end;
    }
    if (unknown != SIZE_MAX && !o->stopped) emit_unknown(u, o, word + unknown, size - unknown);
}

static sns_status encode_word(const sns_unigram *u, const char *word, size_t size, output *o,
                              sns_error *err) {
    if (!size) return SNS_OK;
    place *at = calloc(size + 1, sizeof *at);
    if (!at) return sns_fail(err, SNS_NOMEM, "no memory to tokenize %zu bytes", size);
    at[0].reached = true;
    walk_forward(u, word, size, at);
    walk_back(u, word, size, at, o);
    free(at);
    if (o->no_unknown)
        return sns_fail(err, SNS_FORMAT, "a text outside of a vocabulary without unknown token");
    return SNS_OK;
}

/* Words begin at the mark. */
static sns_status encode_marked(const sns_unigram *u, const char *p, size_t size, output *o,
                                sns_error *err) {
    sns_status s = SNS_OK;
    while (size && !s && !o->stopped) {
        const char *next = NULL;
        size_t skip = size > u->mark.size && !memcmp(p, u->mark.data, u->mark.size) ? u->mark.size
                                                                                    : 1;
        if (u->split && size > skip)
            next = memmem(p + skip, size - skip, u->mark.data, u->mark.size);
        size_t n = next ? (size_t)(next - p) : size;
        s = encode_word(u, p, n, o, err);
        p += n;
        size -= n;
    }
    return s;
}

/* A text, or a word of it, with its spaces marked. */
static sns_status encode_spaced(const sns_unigram *u, const char *p, size_t size, bool first,
                                output *o, sns_error *err) {
    sns_strbuf b = {0};
    if (!u->has_mark) return encode_word(u, p, size, o, err);
    bool wants = u->prefix == SNS_PREFIX_ALWAYS || (u->prefix == SNS_PREFIX_FIRST && first);
    bool has = size &&
               (*p == ' ' || (size >= u->mark.size && !memcmp(p, u->mark.data, u->mark.size)));
    if (size && wants && !has) sns_strbuf_add(&b, u->mark.data, u->mark.size);
    for (size_t i = 0, n; i < size; i += n + (i + n < size)) {
        const char *space = memchr(p + i, ' ', size - i);
        n = space ? (size_t)(space - p) - i : size - i;
        sns_strbuf_add(&b, p + i, n);
        if (space) sns_strbuf_add(&b, u->mark.data, u->mark.size);
    }
    sns_status s = b.failed ? sns_fail(err, SNS_NOMEM, "no memory to tokenize %zu bytes", size)
                            : encode_marked(u, b.data ? b.data : "", b.size, o, err);
    sns_strbuf_free(&b);
    return s;
}

/* The next stretch without white space. */
static bool next_stretch(const char *p, size_t size, size_t *pos, size_t *begin, size_t *end) {
    size_t i = *pos, n;
    while (i < size && sns_is_space(sns_utf8_decode((const unsigned char *)p + i, size - i, &n)))
        i += n;
    *begin = i;
    while (i < size && !sns_is_space(sns_utf8_decode((const unsigned char *)p + i, size - i, &n)))
        i += n;
    *pos = *end = i;
    return *begin < i;
}

sns_status sns_unigram_encode(const sns_unigram *u, const char *text, size_t size, bool first,
                              sns_unigram_put *put, void *user, sns_error *err) {
    output o = {.put = put, .user = user};
    sns_strbuf b = {0};
    for (size_t i = 0, length; i < size; i += length) { /* valid UTF-8 */
        unsigned char utf8[4];
        int32_t cp = sns_utf8_decode((const unsigned char *)text + i, size - i, &length);
        sns_strbuf_add(&b, utf8, sns_utf8_encode(cp, utf8));
    }
    sns_strbuf_add(&b, "", 0);
    sns_status s = b.failed ? sns_fail(err, SNS_NOMEM, "no memory to tokenize %zu bytes", size)
                            : sns_normalize(u->normalizer, &b, err);
    size_t pos = 0, begin, end;
    if (!s && !u->split_at_space) s = encode_spaced(u, b.data, b.size, first, &o, err);
    while (!s && u->split_at_space && !o.stopped &&
           next_stretch(b.data, b.size, &pos, &begin, &end))
        s = encode_spaced(u, b.data + begin, end - begin, first && !begin, &o, err);
    sns_strbuf_free(&b);
    return s;
}
