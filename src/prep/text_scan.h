/* text_scan.h - text as CLIP's tokenizer sees it: code points, normalised, cut into words. */
#ifndef SNS_PREP_TEXT_SCAN_H
#define SNS_PREP_TEXT_SCAN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Growing storage of code points. Zero-initialise; free with sns_text_free. */
typedef struct sns_text {
    int32_t *cps;
    size_t size, capacity;
    int32_t *spare; /* where decomposition writes; swapped with cps */
    size_t spare_capacity;
} sns_text;

typedef struct sns_text_rules {
    bool nfc, lower;
} sns_text_rules;

void sns_text_free(sns_text *t);

/* Replace t's content by the code points of UTF-8 `bytes`, normalised: NFC, then lower case, each
 * code point by itself (so final sigma is not special, and U+0130 becomes two). Each maximal
 * invalid part becomes U+FFFD, as in Python's errors='replace' and the Unicode Standard, 3.9.
 * Linear in size. False: no memory. */
bool sns_text_set(sns_text *t, const char *bytes, size_t size, sns_text_rules rules);

/* The next piece between ASCII white space at or after *pos: no rule looks across that, so pieces
 * may be set and cut one by one. False: there is none. */
bool sns_text_next_piece(const char *text, size_t size, size_t *pos, size_t *begin, size_t *end);

/* The next word at or after *pos, in cps[0 .. n): CLIP's pattern
 *   's|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
 * White space between words is dropped. False: there is none. */
bool sns_text_next_word(const int32_t *cps, size_t n, size_t *pos, size_t *begin, size_t *end);

/* One code point from bytes[0 .. size), size > 0; *length <- how many bytes it took. U+FFFD for a
 * maximal invalid part. */
int32_t sns_utf8_decode(const unsigned char *bytes, size_t size, size_t *length);
/* UTF-8 of a valid code point into out[4]; returns its length. */
size_t sns_utf8_encode(int32_t cp, unsigned char *out);

/* White space of Unicode (White_Space=yes). */
bool sns_is_space(int32_t cp);
#endif
