/* tokenizer_train.c - learning byte-pair merges.
 *
 * Sennrich, Haddow, Birch 2016, algorithm 1: start from bytes; again and again merge the most
 * frequent pair of neighbours everywhere and call it a token. Recounting after each merge would
 * take (merges x text); here
 *   - each distinct word is kept once, with its count;
 *   - each pair knows its count and the words it was seen in, and a merge touches only those words
 *     and changes the counts of the pairs beside it;
 *   - a heap holds the pairs; its counts may be out of date (too high), and are checked on popping.
 * Shapes: W words, S symbols in all words together, P distinct pairs. */
#include "base/error.h"
#include "base/file.h"
#include "prep/token_index.h"
#include "prep/tokenizer_internal.h"
#include "prep/word_count.h"
#include <stdlib.h>
#include <string.h>

enum { MIN_COUNT = 2, NO_NODE = 0 };

typedef struct pair {
    uint32_t left, right;
    uint64_t count;
    uint32_t words; /* head of a list in nodes; NO_NODE: empty */
    bool merged;    /* it is in merges already */
    bool in_increased;
} pair;

typedef struct node {
    uint32_t word, next;
} node;

typedef struct entry {
    uint64_t count;
    uint32_t pair;
} entry;

typedef struct trainer {
    size_t W;
    uint32_t *symbols; /* [S] token ids, word by word */
    size_t *first;     /* [W] where a word's symbols begin */
    uint32_t *length;  /* [W] how many it has now */
    const sns_word *words;
    pair *pairs; /* [P] */
    size_t pair_count, pair_capacity;
    uint32_t *slots; /* hash table over pairs: index + 1 */
    size_t slot_mask;
    node *nodes;
    size_t node_count, node_capacity;
    entry *heap;
    size_t heap_size, heap_capacity;
    uint32_t *increased; /* pairs whose count this merge has raised */
    size_t increased_count, increased_capacity;
    sns_slice *tokens; /* [vocab_size] as written */
    size_t token_count, vocab_size;
    sns_token_index index;
    sns_merge *merges;
    size_t merge_count, merge_capacity;
} trainer;

static void trainer_free(trainer *t) {
    for (size_t i = 0; i < t->token_count; i++) free((char *)(uintptr_t)t->tokens[i].data);
    free(t->symbols);
    free(t->first);
    free(t->length);
    free(t->pairs);
    free(t->slots);
    free(t->nodes);
    free(t->heap);
    free(t->increased);
    free(t->tokens);
    free(t->merges);
    sns_token_index_free(&t->index);
}

/* Room for `count` + 1 elements of `size` bytes. */
static bool grow_array(void *array, size_t *capacity, size_t count, size_t size) {
    void **p = array;
    if (count < *capacity) return true;
    size_t n = *capacity ? 2 * *capacity : 1 << 12;
    if (n > UINT32_MAX || n > SIZE_MAX / size) return false;
    void *q = realloc(*p, n * size);
    if (!q) return false;
    *p = q;
    *capacity = n;
    return true;
}

/* ---- pairs ---- */

static size_t pair_slot(const trainer *t, uint32_t left, uint32_t right) {
    uint64_t h = ((uint64_t)left << 32 | right) * 0x9E3779B97F4A7C15u;
    size_t i = (h >> 32) & t->slot_mask;
    for (; t->slots[i]; i = (i + 1) & t->slot_mask) {
        const pair *p = &t->pairs[t->slots[i] - 1];
        if (p->left == left && p->right == right) break;
    }
    return i;
}

static bool grow_pairs(trainer *t) {
    size_t before = t->pair_capacity;
    if (!grow_array(&t->pairs, &t->pair_capacity, t->pair_count, sizeof *t->pairs)) return false;
    if (t->pair_capacity == before) return true;
    size_t slots = t->pair_capacity * 2;
    free(t->slots);
    t->slots = calloc(slots, sizeof *t->slots);
    if (!t->slots) return false;
    t->slot_mask = slots - 1;
    for (size_t k = 0; k < t->pair_count; k++)
        t->slots[pair_slot(t, t->pairs[k].left, t->pairs[k].right)] = (uint32_t)k + 1;
    return true;
}

/* The pair (left, right), made when it is new; NULL: no memory. */
static pair *get_pair(trainer *t, uint32_t left, uint32_t right) {
    if (!grow_pairs(t)) return NULL;
    size_t i = pair_slot(t, left, right);
    if (!t->slots[i]) {
        t->pairs[t->pair_count++] = (pair){.left = left, .right = right};
        t->slots[i] = (uint32_t)t->pair_count;
    }
    return &t->pairs[t->slots[i] - 1];
}

/* One more place of the pair, in word w. */
static bool raise_pair(trainer *t, uint32_t left, uint32_t right, uint32_t w) {
    pair *p = get_pair(t, left, right);
    if (!p) return false;
    p->count += t->words[w].count;
    if (p->words == NO_NODE || t->nodes[p->words].word != w) {
        if (!grow_array(&t->nodes, &t->node_capacity, t->node_count + 1, sizeof *t->nodes))
            return false;
        t->nodes[++t->node_count] = (node){w, p->words};
        p->words = (uint32_t)t->node_count;
    }
    if (p->in_increased) return true;
    if (!grow_array(&t->increased, &t->increased_capacity, t->increased_count,
                    sizeof *t->increased))
        return false;
    p->in_increased = true;
    t->increased[t->increased_count++] = (uint32_t)(p - t->pairs);
    return true;
}

static void lower_pair(trainer *t, uint32_t left, uint32_t right, uint32_t w) {
    size_t i = pair_slot(t, left, right);
    if (t->slots[i]) t->pairs[t->slots[i] - 1].count -= t->words[w].count;
}

/* ---- the heap: highest count first, then the tokens in byte order ---- */

static int slice_order(sns_slice a, sns_slice b) {
    int c = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
    return c ? c : (a.size > b.size) - (a.size < b.size);
}

static bool before(const trainer *t, entry a, entry b) {
    if (a.count != b.count) return a.count > b.count;
    const pair *p = &t->pairs[a.pair], *q = &t->pairs[b.pair];
    int c = slice_order(t->tokens[p->left], t->tokens[q->left]);
    if (!c) c = slice_order(t->tokens[p->right], t->tokens[q->right]);
    return c < 0;
}

static bool heap_push(trainer *t, entry e) {
    if (!grow_array(&t->heap, &t->heap_capacity, t->heap_size, sizeof *t->heap)) return false;
    size_t i = t->heap_size++;
    for (; i && before(t, e, t->heap[(i - 1) / 2]); i = (i - 1) / 2)
        t->heap[i] = t->heap[(i - 1) / 2];
    t->heap[i] = e;
    return true;
}

static entry heap_pop(trainer *t) {
    entry top = t->heap[0], e = t->heap[--t->heap_size];
    size_t i = 0, n = t->heap_size;
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && before(t, t->heap[child + 1], t->heap[child])) child++;
        if (!before(t, t->heap[child], e)) break;
        t->heap[i] = t->heap[child];
    }
    t->heap[i] = e;
    return top;
}

/* Put the raised pairs on the heap with their new counts. */
static bool flush_increased(trainer *t) {
    for (size_t k = 0; k < t->increased_count; k++) {
        pair *p = &t->pairs[t->increased[k]];
        p->in_increased = false;
        if (p->count >= MIN_COUNT && !heap_push(t, (entry){p->count, t->increased[k]}))
            return false;
    }
    t->increased_count = 0;
    return true;
}

/* The most frequent pair there is now; false: none occurs often enough. */
static bool best_pair(trainer *t, uint32_t *best) {
    while (t->heap_size) {
        entry e = heap_pop(t);
        uint64_t now = t->pairs[e.pair].count;
        if (now == e.count) {
            *best = e.pair;
            return true;
        }
        /* The heap never grows here: one was just taken out. A higher count has an entry of its
         * own. */
        if (now >= MIN_COUNT && now < e.count) heap_push(t, (entry){now, e.pair});
    }
    return false;
}

/* ---- merging ---- */

/* Merge (left, right) into id everywhere in word w, left to right. */
static bool merge_in_word(trainer *t, uint32_t w, uint32_t left, uint32_t right, uint32_t id) {
    uint32_t *s = t->symbols + t->first[w], n = t->length[w], out = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (i + 1 == n || s[i] != left || s[i + 1] != right) {
            s[out++] = s[i];
            continue;
        }
        if (out) {
            lower_pair(t, s[out - 1], left, w);
            if (!raise_pair(t, s[out - 1], id, w)) return false;
        }
        if (i + 2 < n) {
            lower_pair(t, right, s[i + 2], w);
            if (!raise_pair(t, id, s[i + 2], w)) return false;
        }
        s[out++] = id;
        i++;
    }
    t->length[w] = out;
    return true;
}

/* The token a + b: a new one, or the one that is spelled the same. */
static bool joined_token(trainer *t, uint32_t a, uint32_t b, uint32_t *id) {
    sns_slice x = t->tokens[a], y = t->tokens[b];
    int32_t known = sns_token_index_find(&t->index, x, y);
    if (known >= 0) {
        *id = (uint32_t)known;
        return true;
    }
    char *text = malloc(x.size + y.size);
    if (!text) return false;
    memcpy(text, x.data, x.size);
    memcpy(text + x.size, y.data, y.size);
    *id = (uint32_t)t->token_count;
    t->tokens[t->token_count] = (sns_slice){text, x.size + y.size};
    sns_token_index_add(&t->index, t->token_count++);
    return true;
}

static bool merge_pair(trainer *t, uint32_t best) {
    uint32_t left = t->pairs[best].left, right = t->pairs[best].right, id;
    uint32_t list = t->pairs[best].words;
    if (!joined_token(t, left, right, &id)) return false;
    if (!t->pairs[best].merged) {
        if (!grow_array(&t->merges, &t->merge_capacity, t->merge_count, sizeof *t->merges))
            return false;
        t->merges[t->merge_count++] = (sns_merge){left, right, id};
        t->pairs[best].merged = true;
    }
    t->pairs[best].words = NO_NODE;
    for (uint32_t k = list; k != NO_NODE; k = t->nodes[k].next)
        if (!merge_in_word(t, t->nodes[k].word, left, right, id)) return false;
    t->pairs[best].count = 0;
    return flush_increased(t);
}

/* ---- the whole ---- */

static bool add_token(trainer *t, const void *text, size_t size) {
    char *copy = malloc(size);
    if (!copy) return false;
    memcpy(copy, text, size);
    t->tokens[t->token_count] = (sns_slice){copy, size};
    sns_token_index_add(&t->index, t->token_count++);
    return true;
}

/* Ids 0-255: the bytes in CLIP's order; 256-511: the same at the end of a word. */
static bool add_bytes(trainer *t, uint32_t id_of_byte[256]) {
    unsigned char order[256], text[4 + sizeof SNS_BPE_WORD_END];
    int32_t cps[256];
    sns_byte_order(order);
    sns_byte_alphabet(cps);
    for (int i = 0; i < 512; i++) {
        size_t n = sns_utf8_encode(cps[order[i % 256]], text);
        if (i >= 256) {
            memcpy(text + n, SNS_BPE_WORD_END, sizeof SNS_BPE_WORD_END - 1);
            n += sizeof SNS_BPE_WORD_END - 1;
        }
        if (!add_token(t, text, n)) return false;
        if (i < 256) id_of_byte[order[i]] = (uint32_t)i;
    }
    return true;
}

static bool start(trainer *t, const sns_word_counts *counts, size_t vocab_size) {
    uint32_t id_of_byte[256];
    t->vocab_size = vocab_size;
    t->W = counts->size;
    t->words = counts->words;
    t->tokens = calloc(vocab_size, sizeof *t->tokens);
    t->symbols = malloc(counts->bytes.size * sizeof *t->symbols);
    t->first = malloc(t->W * sizeof *t->first);
    t->length = malloc(t->W * sizeof *t->length);
    if (!t->tokens || !t->symbols || !t->first || !t->length ||
        !sns_token_index_new(&t->index, t->tokens, vocab_size) || !add_bytes(t, id_of_byte))
        return false;
    for (size_t w = 0; w < t->W; w++) {
        const sns_word *word = &counts->words[w];
        uint32_t *s = t->symbols + word->offset;
        t->first[w] = word->offset;
        t->length[w] = word->size;
        for (uint32_t i = 0; i < word->size; i++)
            s[i] = id_of_byte[(unsigned char)counts->bytes.data[word->offset + i]];
        s[word->size - 1] += 256;
        for (uint32_t i = 0; i + 1 < word->size; i++)
            if (!raise_pair(t, s[i], s[i + 1], (uint32_t)w)) return false;
    }
    return flush_increased(t);
}

static bool learn(trainer *t) {
    uint32_t best;
    while (t->token_count + 2 < t->vocab_size && best_pair(t, &best))
        if (!merge_pair(t, best)) return false;
    return add_token(t, SNS_TOKEN_START, sizeof SNS_TOKEN_START - 1) &&
           add_token(t, SNS_TOKEN_END, sizeof SNS_TOKEN_END - 1);
}

static sns_status count_files(const char *const *files, size_t file_count, sns_word_counts *counts,
                              sns_error *err) {
    for (size_t i = 0; i < file_count; i++) {
        sns_map map;
        sns_status s = sns_map_open(files[i], &map, err);
        if (s) return s;
        bool ok = sns_word_counts_add(counts, (const char *)map.data, map.size);
        sns_map_close(&map);
        if (!ok) return sns_fail(err, SNS_NOMEM, "%s: no memory to count its words", files[i]);
    }
    if (!counts->size) return sns_fail(err, SNS_FORMAT, "there is no word in the files");
    return SNS_OK;
}

sns_status sns_tokenizer_train(const char *const *files, size_t file_count, size_t vocab_size,
                               const char *dir, sns_error *err) {
    if (vocab_size < 514 || vocab_size > SNS_BPE_VOCAB_MAX)
        return sns_fail(err, SNS_ARG, "a vocabulary of %zu tokens; 514 to %d are possible",
                        vocab_size, SNS_BPE_VOCAB_MAX);
    sns_word_counts counts = {0};
    trainer t = {0};
    sns_status s = count_files(files, file_count, &counts, err);
    if (!s && (!start(&t, &counts, vocab_size) || !learn(&t)))
        s = sns_fail(err, SNS_NOMEM, "no memory to learn from %zu distinct words", counts.size);
    if (!s) s = sns_make_dirs(dir, err);
    if (!s) s = sns_tokenizer_write(dir, t.tokens, t.token_count, t.merges, t.merge_count, err);
    trainer_free(&t);
    sns_word_counts_free(&counts);
    return s;
}
