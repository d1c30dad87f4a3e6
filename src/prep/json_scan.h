/* json_scan.h - a pull reader of JSON for vocabularies.
 *
 * jansson takes 70-120 ms for a vocabulary of 49,408 tokens, more than half of what a search may
 * take from a cold start; this reader unescapes in place, builds nothing, and takes about 5 ms.
 *
 * Use: sns_json_enter at a value, then sns_json_next until false, reading or skipping one value
 * each time. The first error stops everything: later calls return false and `failed` names it. */
#ifndef SNS_PREP_JSON_SCAN_H
#define SNS_PREP_JSON_SCAN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sns_json {
    char *begin, *at, *end;
    const char *failed; /* NULL, or what is wrong at offset at - begin */
} sns_json;

typedef struct sns_slice {
    const char *data;
    size_t size;
} sns_slice;

enum { SNS_JSON_DEPTH = 64 };

/* text is changed (strings are unescaped in place), must end with a NUL that size does not count,
 * and outlive the slices. */
sns_json sns_json_open(char *text, size_t size);

/* The first byte of the next value: one of { [ " t f n - 0-9; 0 at an error. */
char sns_json_peek(sns_json *j);
/* Step into an object or array ('{' or '['). */
bool sns_json_enter(sns_json *j, char bracket);
/* The next member; false at the closing bracket (which is passed) or at an error.
 * *first must be true before the first call. key is filled in objects, NULL for arrays. */
bool sns_json_next(sns_json *j, bool *first, sns_slice *key);
bool sns_json_string(sns_json *j, sns_slice *out);
/* A whole number 0 .. 2^32-1 without sign, fraction or exponent. */
bool sns_json_u32(sns_json *j, uint32_t *out);
/* A finite number. */
bool sns_json_number(sns_json *j, double *out);
bool sns_json_bool(sns_json *j, bool *out);
/* Pass over any value without changing it; *start (NULL ok) <- a reader that stands on it. */
bool sns_json_skip(sns_json *j, sns_json *start);
/* White space up to the end and nothing else. */
bool sns_json_finish(sns_json *j);
bool sns_slice_is(sns_slice s, const char *text);
#endif
