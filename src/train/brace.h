/* brace.h - lists of names: "shard-{0000..0127}.tar" stands for 128 of them. */
#ifndef SNS_TRAIN_BRACE_H
#define SNS_TRAIN_BRACE_H
#include <sensus/status.h>
#include <stddef.h>

enum { SNS_NAMES_MAX = 1 << 20, SNS_NAME_BYTES_MAX = 1 << 13 };

/* Names, owned. Zero-initialise; free with sns_name_list_free. */
typedef struct sns_name_list {
    char **items;
    size_t count, capacity;
} sns_name_list;

/* Append what the pattern stands for: a range {A..B} (a number per name, as wide as A when that
 * starts with a zero, down when B < A) or a list {a,b,c} is replaced by each of its values; several
 * give all combinations, the last changing fastest. Braces that are neither, or have a space, quote
 * or $ in them, stay as they are. The
 * names are not looked for. Errors: SNS_LIMIT (more than SNS_NAMES_MAX names), SNS_NOMEM. */
sns_status sns_brace_expand(const char *pattern, sns_name_list *out, sns_error *err);
/* Each pattern's braces expanded, then shell patterns (* ? [) by the files that match, in sorted
 * order; names of commands ("pipe:") are not matched. Errors: also SNS_MISSING (no file matches),
 * SNS_IO. */
sns_status sns_name_list_expand(const char *const *patterns, size_t n, sns_name_list *out,
                                sns_error *err);
/* Append a copy. Errors: SNS_LIMIT, SNS_NOMEM. */
sns_status sns_name_list_add(sns_name_list *list, const char *name, sns_error *err);
void sns_name_list_free(sns_name_list *list);
#endif
