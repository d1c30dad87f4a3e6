/* word_count.c - counting words in a hash table. */
#include "prep/word_count.h"
#include <stdlib.h>
#include <string.h>

void sns_word_counts_free(sns_word_counts *w) {
    sns_strbuf_free(&w->bytes);
    sns_text_free(&w->text);
    free(w->words);
    free(w->slots);
    *w = (sns_word_counts){0};
}

static uint32_t hash_bytes(const unsigned char *p, size_t n) {
    uint64_t h = 0xCBF29CE484222325u;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 0x100000001B3u;
    return (uint32_t)(h ^ h >> 32);
}

/* Room for one more word; the table stays at most half full. */
static bool grow(sns_word_counts *w) {
    if (w->size < w->capacity) return true;
    size_t capacity = w->capacity ? w->capacity * 2 : 1 << 14, slots = capacity * 2;
    if (capacity > UINT32_MAX / 2) return false;
    sns_word *words = realloc(w->words, capacity * sizeof *words);
    if (!words) return false;
    w->words = words;
    uint32_t *table = calloc(slots, sizeof *table);
    if (!table) return false;
    for (size_t k = 0; k < w->size; k++) {
        size_t i = words[k].hash & (slots - 1);
        while (table[i]) i = (i + 1) & (slots - 1);
        table[i] = (uint32_t)k + 1;
    }
    free(w->slots);
    w->slots = table;
    w->slot_mask = slots - 1;
    w->capacity = capacity;
    return true;
}

static bool count_word(sns_word_counts *w, const unsigned char *p, size_t n) {
    if (!grow(w)) return false;
    uint32_t hash = hash_bytes(p, n);
    size_t i = hash & w->slot_mask;
    for (; w->slots[i]; i = (i + 1) & w->slot_mask) {
        sns_word *known = &w->words[w->slots[i] - 1];
        if (known->hash == hash && known->size == n &&
            !memcmp(w->bytes.data + known->offset, p, n)) {
            known->count++;
            return true;
        }
    }
    w->words[w->size++] = (sns_word){w->bytes.size, (uint32_t)n, hash, 1};
    w->slots[i] = (uint32_t)w->size;
    sns_strbuf_add(&w->bytes, p, n);
    return !w->bytes.failed;
}

bool sns_word_counts_add(sns_word_counts *w, const char *text, size_t size) {
    const sns_text_rules rules = {.nfc = true, .lower = true};
    size_t at = 0, first, last;
    while (sns_text_next_piece(text, size, &at, &first, &last)) {
        if (last - first > SNS_PIECE_BYTES_MAX) continue;
        if (!sns_text_set(&w->text, text + first, last - first, rules)) return false;
        size_t pos = 0, begin, end;
        while (sns_text_next_word(w->text.cps, w->text.size, &pos, &begin, &end)) {
            unsigned char bytes[SNS_WORD_BYTES_MAX + 4];
            size_t n = 0;
            for (size_t i = begin; i < end && n <= SNS_WORD_BYTES_MAX; i++)
                n += sns_utf8_encode(w->text.cps[i], bytes + n);
            if (n <= SNS_WORD_BYTES_MAX && !count_word(w, bytes, n)) return false;
        }
    }
    return true;
}
