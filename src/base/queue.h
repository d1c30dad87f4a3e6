/* queue.h - a bounded queue between pipeline stages, each stage a POSIX thread. */
#ifndef SNS_BASE_QUEUE_H
#define SNS_BASE_QUEUE_H
#include <stdbool.h>
#include <stddef.h>

typedef struct sns_queue sns_queue;

/* A queue of at most `capacity` pointers; NULL: no memory. */
sns_queue *sns_queue_new(size_t capacity);
void sns_queue_free(sns_queue *q);
/* Waits while the queue is full; false once it is closed (the item stays the caller's). */
bool sns_queue_push(sns_queue *q, void *item);
/* Waits while it is empty; false once it is closed and drained. */
bool sns_queue_pop(sns_queue *q, void **item);
/* No more pushes; those waiting return. May be called more than once, from any thread. */
void sns_queue_close(sns_queue *q);
#endif
