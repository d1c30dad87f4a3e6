/* ahead.h - the next batch is read while the one before it is encoded.
 *
 *     thread:  fill 0   fill 1   fill 0   ...
 *     caller:           use 0    use 1    ...      two places, so memory is bounded
 */
#ifndef SNS_EMBED_AHEAD_H
#define SNS_EMBED_AHEAD_H
#include <sensus/status.h>
#include <stdbool.h>
#include <stddef.h>

enum { SNS_AHEAD_PLACES = 2 };

typedef struct sns_ahead sns_ahead;

/* Fill a place, on the thread. False: this was the last; how it ended stands in the place. */
typedef bool sns_ahead_fill(void *user, size_t place);

/* Filling begins at once. Errors: SNS_NOMEM (also: no thread). */
sns_status sns_ahead_new(sns_ahead_fill *fill, void *user, sns_ahead **out, sns_error *err);
/* Wait for the next place that is filled; it is the caller's until the next call. After the last
 * one, the last one again. */
size_t sns_ahead_next(sns_ahead *a);
/* Waits for a place that is being filled; no other is begun. NULL ok. */
void sns_ahead_free(sns_ahead *a);
#endif
