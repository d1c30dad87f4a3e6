/* packed_memory.c - one block for the numbers of many packed weights.
 *
 * Pages of 2 MiB save most of the time that first touches of it take. What nobody touches costs no
 * memory, but for the rest of the last page. */
#include "base/hash.h"
#include "kernel/packed.h"
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20, ALIGN = 64 };

static size_t round_up(size_t n, size_t unit) {
    return (n + unit - 1) / unit * unit;
}

bool sns_packed_memory_new(sns_packed_memory *m, size_t size) {
    *m = (sns_packed_memory){0};
    if (size > SIZE_MAX - HUGE_PAGE) return false;
    m->size = round_up(size ? size : 1, HUGE_PAGE);
    if (!(m->data = aligned_alloc(HUGE_PAGE, m->size))) return false;
    madvise(m->data, m->size, MADV_HUGEPAGE);
    return true;
}

void sns_packed_memory_free(sns_packed_memory *m) {
    if (!m->filled) free(m->data);
    *m = (sns_packed_memory){0};
}

void *sns_packed_memory_take(sns_packed_memory *m, size_t n) {
    if (n > SIZE_MAX - ALIGN || m->size - m->used < round_up(n, ALIGN)) {
        m->overflowed = true;
        return NULL;
    }
    void *p = m->data + m->used;
    m->used += round_up(n, ALIGN);
    return p;
}

void sns_packed_memory_note(sns_packed_memory *m, const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    for (uint64_t word = 0; n; p += sizeof word, n -= n < sizeof word ? n : sizeof word) {
        word = 0;
        memcpy(&word, p, n < sizeof word ? n : sizeof word);
        m->layout = sns_hash_mix(m->layout, word);
    }
}
