/* memory.h - checked sizes, aligned blocks and the arena. */
#ifndef SNS_BASE_MEMORY_H
#define SNS_BASE_MEMORY_H
#include <stdbool.h>
#include <stddef.h>

/* *out = a * b; false on overflow. */
bool sns_mul_size(size_t a, size_t b, size_t *out);
/* *out = a + b; false on overflow. */
bool sns_add_size(size_t a, size_t b, size_t *out);

/* n bytes at a 64-byte boundary, not cleared; NULL when there are none. Free with sns_aligned_free.
 */
void *sns_aligned_alloc(size_t n);
/* The same, cleared. */
void *sns_aligned_calloc(size_t n);
void sns_aligned_free(void *p);

/* An arena: allocations live until a reset or release frees all that came after a mark. It grows
 * by blocks (never moves what it handed out) and keeps them for the next round, so that a loop of
 * equal rounds allocates from the system only in its first one. */
typedef struct sns_arena sns_arena;
typedef struct sns_arena_mark {
    void *block;
    size_t used;
} sns_arena_mark;

sns_arena *sns_arena_new(void); /* NULL: no memory */
void sns_arena_free(sns_arena *arena);
/* n bytes at a 64-byte boundary, not cleared; NULL when there is no memory. n == 0 gives a valid
 * pointer that must not be dereferenced. */
void *sns_arena_alloc(sns_arena *arena, size_t n);
sns_arena_mark sns_arena_get_mark(const sns_arena *arena);
void sns_arena_release(sns_arena *arena, sns_arena_mark mark);
void sns_arena_reset(sns_arena *arena);
size_t sns_arena_peak_bytes(const sns_arena *arena);
#endif
