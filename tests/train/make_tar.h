/* make_tar.h - writes tar archives for tests. */
#ifndef SNS_TESTS_TRAIN_MAKE_TAR_H
#define SNS_TESTS_TRAIN_MAKE_TAR_H
#include "base/strbuf.h"
#include <stdio.h>
#include <string.h>

/* Set the checksum of a header. */
static inline void tar_seal(char *header) {
    char text[8];
    unsigned sum = 0;
    memset(header + 148, ' ', 8);
    for (size_t i = 0; i < 512; i++) sum += (unsigned char)header[i];
    snprintf(text, sizeof text, "%06o", sum);
    memcpy(header + 148, text, 7);
}

static inline void tar_add_bytes(sns_strbuf *b, const char *name, const void *body, size_t size,
                                 char type) {
    char header[512] = {0}, number[32];
    memcpy(header, name, strlen(name));
    memcpy(header + 100, "0000644", 7);
    snprintf(number, sizeof number, "%011zo", size);
    memcpy(header + 124, number, 12);
    header[156] = type;
    memcpy(header + 257, "ustar\00000", 8);
    tar_seal(header);
    sns_strbuf_add(b, header, 512);
    sns_strbuf_add(b, body, size);
    while (b->size % 512) sns_strbuf_add(b, "", 1);
}

static inline void tar_add(sns_strbuf *b, const char *name, const char *body, char type) {
    tar_add_bytes(b, name, body, strlen(body), type);
}

static inline void tar_finish(sns_strbuf *b) {
    static const char zero[1024];
    sns_strbuf_add(b, zero, sizeof zero);
}
#endif
