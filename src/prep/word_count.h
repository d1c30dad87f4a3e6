/* word_count.h - the distinct words of texts and how often each occurs. */
#ifndef SNS_PREP_WORD_COUNT_H
#define SNS_PREP_WORD_COUNT_H
#include "base/strbuf.h"
#include "prep/text_scan.h"

enum { SNS_WORD_BYTES_MAX = 1000, SNS_PIECE_BYTES_MAX = 1 << 20 };

typedef struct sns_word {
    size_t offset; /* into bytes */
    uint32_t size, hash;
    uint64_t count;
} sns_word;

/* Zero-initialise; free with sns_word_counts_free. */
typedef struct sns_word_counts {
    sns_strbuf bytes;
    sns_word *words;
    size_t size, capacity;
    uint32_t *slots; /* hash table: index of a word + 1, 0 is free */
    size_t slot_mask;
    sns_text text;
} sns_word_counts;

/* Count the words of a text. Longer ones than SNS_WORD_BYTES_MAX, and stretches without white space
 * longer than SNS_PIECE_BYTES_MAX, are left out. False: no memory. */
bool sns_word_counts_add(sns_word_counts *w, const char *text, size_t size);
void sns_word_counts_free(sns_word_counts *w);
#endif
