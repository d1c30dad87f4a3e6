/* make_gguf.h - for tests: GGUF in memory, true or lying. */
#ifndef SNS_TESTS_MAKE_GGUF_H
#define SNS_TESTS_MAKE_GGUF_H
#include "base/strbuf.h"
#include <stdint.h>
#include <string.h>

enum { GGUF_U32 = 4, GGUF_F32 = 6, GGUF_BOOL = 7, GGUF_STRING = 8, GGUF_ARRAY = 9 };

static inline void gguf_u32(sns_strbuf *b, uint32_t v) {
    sns_strbuf_add(b, &v, sizeof v);
}

static inline void gguf_u64(sns_strbuf *b, uint64_t v) {
    sns_strbuf_add(b, &v, sizeof v);
}

static inline void gguf_string(sns_strbuf *b, const char *s) {
    gguf_u64(b, strlen(s));
    sns_strbuf_puts(b, s);
}

static inline void gguf_begin(sns_strbuf *b, uint64_t tensors, uint64_t entries) {
    sns_strbuf_puts(b, "GGUF");
    gguf_u32(b, 3);
    gguf_u64(b, tensors);
    gguf_u64(b, entries);
}

/* A key and its type; the value follows. */
static inline void gguf_key(sns_strbuf *b, const char *key, uint32_t type) {
    gguf_string(b, key);
    gguf_u32(b, type);
}

static inline void gguf_list(sns_strbuf *b, const char *key, uint32_t type, uint64_t count) {
    gguf_key(b, key, GGUF_ARRAY);
    gguf_u32(b, type);
    gguf_u64(b, count);
}

/* cols fastest; rows 0: one dimension. */
static inline void gguf_tensor(sns_strbuf *b, const char *name, uint64_t cols, uint64_t rows,
                               uint32_t type, uint64_t offset) {
    gguf_string(b, name);
    gguf_u32(b, rows ? 2 : 1);
    gguf_u64(b, cols);
    if (rows) gguf_u64(b, rows);
    gguf_u32(b, type);
    gguf_u64(b, offset);
}

static inline void gguf_pad(sns_strbuf *b, size_t alignment) {
    while (b->size % alignment) sns_strbuf_add(b, "", 1);
}
#endif
