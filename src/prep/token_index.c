/* token_index.c - an open-addressing hash table of tokens. */
#include "prep/token_index.h"
#include <stdlib.h>
#include <string.h>

/* FNV-1a: goes on from one part of a token to the next without joining them. */
static uint64_t hash_on(uint64_t h, sns_slice s) {
    for (size_t i = 0; i < s.size; i++) h = (h ^ (unsigned char)s.data[i]) * 0x100000001B3u;
    return h;
}

static uint32_t hash_of(sns_slice a, sns_slice b) {
    uint64_t h = hash_on(hash_on(0xCBF29CE484222325u, a), b);
    return (uint32_t)(h ^ h >> 32);
}

bool sns_token_index_new(sns_token_index *index, const sns_slice *tokens, size_t capacity) {
    size_t slots = 16;
    while (slots < capacity * 2) slots *= 2;
    *index = (sns_token_index){calloc(slots, sizeof *index->slots), slots - 1, tokens};
    return index->slots;
}

void sns_token_index_add(sns_token_index *index, size_t id) {
    uint32_t h = hash_of(index->tokens[id], (sns_slice){0});
    size_t i = h & index->mask;
    while (index->slots[i]) i = (i + 1) & index->mask;
    index->slots[i] = (uint64_t)h << 32 | (id + 1);
}

bool sns_token_index_build(sns_token_index *index, const sns_slice *tokens, size_t n) {
    if (!sns_token_index_new(index, tokens, n)) return false;
    for (size_t id = 0; id < n; id++)
        if (tokens[id].size) sns_token_index_add(index, id);
    return true;
}

void sns_token_index_free(sns_token_index *index) {
    free(index->slots);
    *index = (sns_token_index){0};
}

int32_t sns_token_index_find(const sns_token_index *index, sns_slice a, sns_slice b) {
    uint32_t h = hash_of(a, b);
    for (size_t i = h & index->mask; index->slots[i]; i = (i + 1) & index->mask) {
        if (index->slots[i] >> 32 != h) continue;
        int32_t id = (int32_t)(uint32_t)index->slots[i] - 1;
        sns_slice t = index->tokens[id];
        if (t.size == a.size + b.size && !memcmp(t.data, a.data, a.size) &&
            (!b.size || !memcmp(t.data + a.size, b.data, b.size)))
            return id;
    }
    return -1;
}
