/* memory.c - aligned blocks and the arena. */
#include "base/memory.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64, BLOCK_MIN = 1 << 20 };

bool sns_mul_size(size_t a, size_t b, size_t *out) {
    return !__builtin_mul_overflow(a, b, out);
}
bool sns_add_size(size_t a, size_t b, size_t *out) {
    return !__builtin_add_overflow(a, b, out);
}

static bool round_up(size_t n, size_t *out) {
    if (n > SIZE_MAX - ALIGN) return false;
    *out = (n + ALIGN - 1) / ALIGN * ALIGN;
    return true;
}

void *sns_aligned_alloc(size_t n) {
    size_t size;
    if (!round_up(n ? n : 1, &size)) return NULL;
    return aligned_alloc(ALIGN, size);
}

void *sns_aligned_calloc(size_t n) {
    void *p = sns_aligned_alloc(n);
    if (p) memset(p, 0, n);
    return p;
}

void sns_aligned_free(void *p) {
    free(p);
}

typedef struct block {
    struct block *next;
    size_t size, used;
    unsigned char *data;
} block;

struct sns_arena {
    block *first, *current;
    size_t size; /* of all blocks */
    size_t in_use, peak;
};

sns_arena *sns_arena_new(void) {
    return calloc(1, sizeof(sns_arena));
}

void sns_arena_free(sns_arena *arena) {
    if (!arena) return;
    for (block *b = arena->first; b;) {
        block *next = b->next;
        sns_aligned_free(b->data);
        free(b);
        b = next;
    }
    free(arena);
}

/* Blocks grow with the arena, so that few ends of blocks are left over; what nobody touches of a
 * large block costs no memory. Where there is no room for that, a block just holds n bytes. */
static block *block_new(const sns_arena *arena, size_t n) {
    size_t wanted = arena->size / 2 > BLOCK_MIN ? arena->size / 2 / ALIGN * ALIGN : BLOCK_MIN;
    block *b = calloc(1, sizeof *b);
    if (!b) return NULL;
    b->size = n > wanted ? n : wanted;
    b->data = sns_aligned_alloc(b->size);
    if (!b->data && b->size > n) b->data = sns_aligned_alloc(b->size = n);
    if (!b->data) {
        free(b);
        return NULL;
    }
    return b;
}

/* The next block after `current` that holds n bytes; a new one is linked in where none does. Blocks
 * that are too small are skipped for this round only. */
static block *find_block(sns_arena *arena, size_t n) {
    block *tail = arena->current;
    for (block *b = tail ? tail->next : arena->first; b; tail = b, b = b->next) {
        b->used = 0;
        if (b->size >= n) return b;
    }
    block *b = block_new(arena, n);
    if (!b) return NULL;
    arena->size += b->size;
    if (tail)
        tail->next = b;
    else
        arena->first = b;
    return b;
}

void *sns_arena_alloc(sns_arena *arena, size_t n) {
    size_t size;
    if (!round_up(n, &size)) return NULL;
    block *b = arena->current;
    if (!b || b->size - b->used < size) {
        b = find_block(arena, size);
        if (!b) return NULL;
        arena->current = b;
    }
    void *p = b->data + b->used;
    b->used += size;
    arena->in_use += size;
    if (arena->in_use > arena->peak) arena->peak = arena->in_use;
    return p;
}

sns_arena_mark sns_arena_get_mark(const sns_arena *arena) {
    return (sns_arena_mark){arena->current, arena->current ? arena->current->used : 0};
}

void sns_arena_release(sns_arena *arena, sns_arena_mark mark) {
    for (block *b = mark.block ? ((block *)mark.block)->next : arena->first; b; b = b->next) {
        bool was_current = b == arena->current;
        arena->in_use -= b->used;
        b->used = 0;
        if (was_current) break;
    }
    arena->current = mark.block;
    if (arena->current) {
        arena->in_use -= arena->current->used - mark.used;
        arena->current->used = mark.used;
    }
}

void sns_arena_reset(sns_arena *arena) {
    sns_arena_release(arena, (sns_arena_mark){NULL, 0});
}

size_t sns_arena_peak_bytes(const sns_arena *arena) {
    return arena->peak;
}
