/* bpe.c - merging the bytes of a word by rank. */
#include "prep/bpe.h"
#include <stdlib.h>
#include <string.h>

static bool prints_itself(int b) {
    return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
}

void sns_byte_alphabet(int32_t cp_of_byte[256]) {
    int32_t next = 0x100;
    for (int b = 0; b < 256; b++) cp_of_byte[b] = prints_itself(b) ? b : next++;
}

void sns_byte_order(unsigned char order[256]) {
    int n = 0;
    for (int pass = 1; pass >= 0; pass--)
        for (int b = 0; b < 256; b++)
            if (prints_itself(b) == (pass == 1)) order[n++] = (unsigned char)b;
}

int sns_byte_of_cp(int32_t cp) {
    if (cp < 0 || cp >= 0x100 + 68) return -1;
    if (cp < 0x100) return prints_itself(cp) ? cp : -1;
    int k = cp - 0x100; /* the k-th that does not print itself: 00-20, 7F-A0, AD */
    return k < 33 ? k : k < 67 ? k - 33 + 0x7F : 0xAD;
}

static uint32_t pair_hash(uint32_t left, uint32_t right) {
    uint64_t h = ((uint64_t)left << 32 | right) * 0x9E3779B97F4A7C15u;
    return (uint32_t)(h >> 32);
}

bool sns_bpe_reserve(sns_bpe *bpe, size_t merges) {
    size_t slots = 16;
    while (slots < merges * 2) slots *= 2;
    free(bpe->slots);
    bpe->slots = calloc(slots, sizeof *bpe->slots);
    bpe->slot_mask = (uint32_t)(slots - 1);
    return bpe->slots;
}

void sns_bpe_enter(sns_bpe *bpe, size_t rank) {
    const sns_merge *m = &bpe->merges[rank], *other;
    uint32_t i = pair_hash(m->left, m->right) & bpe->slot_mask;
    for (; bpe->slots[i]; i = (i + 1) & bpe->slot_mask) {
        other = &bpe->merges[bpe->slots[i] - 1];
        if (other->left == m->left && other->right == m->right) break;
    }
    bpe->slots[i] = (uint32_t)rank + 1;
}

bool sns_bpe_index(sns_bpe *bpe) {
    if (!sns_bpe_reserve(bpe, bpe->merge_count)) return false;
    for (size_t rank = 0; rank < bpe->merge_count; rank++) sns_bpe_enter(bpe, rank);
    return true;
}

void sns_bpe_free(sns_bpe *bpe) {
    free(bpe->merges);
    free(bpe->slots);
    bpe->merges = NULL;
    bpe->slots = NULL;
}

int32_t sns_bpe_rank(const sns_bpe *bpe, uint32_t left, uint32_t right) {
    uint32_t i = pair_hash(left, right) & bpe->slot_mask;
    for (; bpe->slots[i]; i = (i + 1) & bpe->slot_mask) {
        const sns_merge *m = &bpe->merges[bpe->slots[i] - 1];
        if (m->left == left && m->right == right) return (int32_t)bpe->slots[i] - 1;
    }
    return SNS_BPE_NONE;
}

void sns_bpe_scratch_free(sns_bpe_scratch *w) {
    free(w->ids);
    free(w->heap);
    *w = (sns_bpe_scratch){0};
}

static bool scratch_reserve(sns_bpe_scratch *w, size_t n) {
    if (n <= w->capacity) return true;
    if (n > INT32_MAX) return false;
    size_t capacity = n < 64 ? 64 : n + n / 4;
    sns_bpe_scratch_free(w);
    w->ids = malloc(capacity * 3 * sizeof *w->ids);
    w->heap = malloc(capacity * 2 * sizeof *w->heap); /* n - 1 pairs, and a merge adds one net */
    if (!w->ids || !w->heap) {
        sns_bpe_scratch_free(w);
        return false;
    }
    w->prev = w->ids + capacity;
    w->next = w->prev + capacity;
    w->capacity = capacity;
    return true;
}

static void heap_push(sns_bpe_scratch *w, uint64_t key) {
    size_t i = w->heap_size++;
    for (; i && w->heap[(i - 1) / 2] > key; i = (i - 1) / 2) w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = key;
}

static uint64_t heap_pop(sns_bpe_scratch *w) {
    uint64_t top = w->heap[0], key = w->heap[--w->heap_size];
    size_t i = 0, n = w->heap_size;
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && w->heap[child + 1] < w->heap[child]) child++;
        if (w->heap[child] >= key) break;
        w->heap[i] = w->heap[child];
    }
    w->heap[i] = key;
    return top;
}

/* Put the pair that starts at place i on the heap if it has a rank. */
static void push_pair(const sns_bpe *bpe, sns_bpe_scratch *w, uint32_t i, uint32_t n) {
    if (w->next[i] >= n) return;
    int32_t rank = sns_bpe_rank(bpe, w->ids[i], w->ids[w->next[i]]);
    if (rank != SNS_BPE_NONE) heap_push(w, (uint64_t)rank << 32 | i);
}

/* The word as byte tokens; returns how many. */
static uint32_t start_symbols(const sns_bpe *bpe, const unsigned char *bytes, size_t size,
                              bool ends, sns_bpe_scratch *w) {
    uint32_t n = 0;
    for (size_t i = 0; i < size; i++) {
        int32_t id = bpe->byte_id[ends && i + 1 == size][bytes[i]];
        if (id == SNS_BPE_NONE) id = bpe->unknown_id;
        if (id == SNS_BPE_NONE) continue;
        w->ids[n] = (uint32_t)id;
        w->prev[n] = n - 1; /* of the first one: never read as a place, since it is above n */
        w->next[n] = n + 1;
        n++;
    }
    return n;
}

bool sns_bpe_part(const sns_bpe *bpe, const unsigned char *bytes, size_t size, bool ends,
                  sns_bpe_scratch *w, size_t *count) {
    const uint32_t dead = UINT32_MAX;
    *count = 0;
    if (!scratch_reserve(w, size)) return false;
    uint32_t n = start_symbols(bpe, bytes, size, ends, w);
    w->heap_size = 0;
    for (uint32_t i = 0; i + 1 < n; i++) push_pair(bpe, w, i, n);
    while (w->heap_size) {
        uint64_t top = heap_pop(w);
        uint32_t i = (uint32_t)top, right = w->next[i];
        const sns_merge *m = &bpe->merges[top >> 32];
        /* What stood here may have been merged since. */
        if (w->ids[i] != m->left || right >= n || w->ids[right] != m->right) continue;
        w->ids[i] = m->result;
        w->ids[right] = dead;
        w->next[i] = w->next[right];
        if (w->next[i] < n) w->prev[w->next[i]] = i;
        push_pair(bpe, w, i, n);
        if (w->prev[i] < n) push_pair(bpe, w, w->prev[i], n);
    }
    for (uint32_t i = 0; i < n; i++)
        if (w->ids[i] != dead) w->ids[(*count)++] = w->ids[i];
    return true;
}

bool sns_bpe_word(const sns_bpe *bpe, const unsigned char *bytes, size_t size, sns_bpe_scratch *w,
                  size_t *count) {
    return sns_bpe_part(bpe, bytes, size, true, w, count);
}
