/* bpe.h - byte-level byte-pair encoding of single words.
 *
 * Sennrich, Haddow, Birch 2016, "Neural machine translation of rare words with subword units", over
 * bytes as in GPT-2 (Radford et al. 2019), with CLIP's end-of-word mark. A word is the sequence of
 * its bytes, the last one marked; the adjacent pair with the lowest rank is merged, leftmost first,
 * until no pair of neighbours has a rank. */
#ifndef SNS_PREP_BPE_H
#define SNS_PREP_BPE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SNS_BPE_WORD_END "</w>"
enum { SNS_BPE_NONE = -1, SNS_BPE_VOCAB_MAX = 1 << 20 };

typedef struct sns_merge {
    uint32_t left, right, result; /* token ids; the place in the list is the rank */
} sns_merge;

typedef struct sns_bpe {
    int32_t byte_id[2][256]; /* [1]: at the end of a word; SNS_BPE_NONE: not in the vocabulary */
    int32_t unknown_id;      /* stands for those; SNS_BPE_NONE: they are dropped */
    sns_merge *merges;
    size_t merge_count;
    uint32_t *slots; /* hash table over (left, right): rank + 1, 0 is free */
    uint32_t slot_mask;
} sns_bpe;

/* Room for one word; zero-initialise, free with sns_bpe_scratch_free. */
typedef struct sns_bpe_scratch {
    uint32_t *ids, *prev, *next; /* a linked list of symbols; ids is also the result */
    uint64_t *heap;              /* rank << 32 | place */
    size_t capacity, heap_size;
} sns_bpe_scratch;
void sns_bpe_scratch_free(sns_bpe_scratch *w);

/* The letter that stands for each byte in vocabulary files (GPT-2's alphabet): printable Latin-1
 * for itself, the 68 others from U+0100 on. */
void sns_byte_alphabet(int32_t cp_of_byte[256]);
/* The other way: byte, or -1 for a code point outside the alphabet. */
int sns_byte_of_cp(int32_t cp);
/* The 256 bytes in the order of CLIP's vocabulary: the printable ones first. */
void sns_byte_order(unsigned char order[256]);

/* Build slots over merges. Of equal pairs the last one counts. False: no memory. */
bool sns_bpe_index(sns_bpe *bpe);
/* The same one by one: empty slots for so many merges, then each by its rank. */
bool sns_bpe_reserve(sns_bpe *bpe, size_t merges);
void sns_bpe_enter(sns_bpe *bpe, size_t rank);
void sns_bpe_free(sns_bpe *bpe);
/* Rank of a pair, SNS_BPE_NONE: not mergeable. */
int32_t sns_bpe_rank(const sns_bpe *bpe, uint32_t left, uint32_t right);
/* Merge a word of size bytes; w->ids[0 .. *count) <- its tokens. O(size log size) time, 28 bytes of
 * scratch a byte. False: no memory, or 2^31 bytes or more. */
bool sns_bpe_word(const sns_bpe *bpe, const unsigned char *bytes, size_t size, sns_bpe_scratch *w,
                  size_t *count);
/* The same of the beginning of a word unless it ends there. */
bool sns_bpe_part(const sns_bpe *bpe, const unsigned char *bytes, size_t size, bool ends,
                  sns_bpe_scratch *w, size_t *count);
#endif
