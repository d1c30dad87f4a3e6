/* unigram.h - a Unigram vocabulary: the most probable cut of a text into its pieces. */
#ifndef SNS_PREP_UNIGRAM_H
#define SNS_PREP_UNIGRAM_H
#include "prep/json_scan.h"
#include "prep/text_normalize.h"

enum { SNS_UNIGRAM_NONE = -1, SNS_UNIGRAM_PIECE_MAX = 1024 };

/* Immutable after loading; may be shared by threads. */
typedef struct sns_unigram {
    sns_slice *pieces; /* [count]: borrowed, UTF-8 */
    double *scores;    /* [count]: log probabilities */
    size_t count;
    uint32_t *sorted; /* [sorted_count]: ids by the pieces' bytes, the last of equal ones kept */
    size_t sorted_count;
    double unknown_score;
    int32_t unknown_id; /* SNS_UNIGRAM_NONE: no such token */
    bool byte_fallback; /* unknown text becomes <0xAB> tokens where all of them are there */
    int32_t byte_id[256];
    sns_normalizer *normalizer;
    /* Metaspace: a space becomes `mark`, one is put before the text, pieces are cut before it. */
    char mark_text[24];
    sns_slice mark;
    enum { SNS_PREFIX_NEVER, SNS_PREFIX_FIRST, SNS_PREFIX_ALWAYS } prefix;
    bool has_mark, split, split_at_space;
    bool has_start, has_end;
} sns_unigram;

/* Sort the pieces and find what follows from them; pieces, scores, count, unknown_id and
 * byte_fallback are set. False: no memory. */
bool sns_unigram_index(sns_unigram *u);
void sns_unigram_free(sns_unigram *u); /* not u itself */

/* Called for every token in order; false ends the work. */
typedef bool sns_unigram_put(void *user, uint32_t id);

/* A part of a text between special tokens, from normalising to the last token. `first`: it begins
 * the text. Errors: SNS_NOMEM, SNS_LIMIT (a pattern that takes too long), SNS_FORMAT (text outside
 * of a vocabulary that has no unknown token). */
sns_status sns_unigram_encode(const sns_unigram *u, const char *text, size_t size, bool first,
                              sns_unigram_put *put, void *user, sns_error *err);
#endif
