/* toy_shards.h - the toy set as tar shards, for tests of streaming. */
#ifndef SNS_TESTS_TRAIN_TOY_SHARDS_H
#define SNS_TESTS_TRAIN_TOY_SHARDS_H
#include "make_tar.h"
#include "toy.h"

/* One sample of the toy set; note is appended to its key. */
static inline void toy_add(const toy *t, sns_strbuf *b, int i, int k) {
    char path[5000], name[64], json[256], *png;
    size_t size;
    sns_error err;
    snprintf(path, sizeof path, "%s/%d-%d.png", t->dir, i, k);
    if (sns_file_read(path, 1 << 20, &png, &size, &err)) fail_msg("%s", err.message);
    snprintf(name, sizeof name, "%d-%d.png", i, k);
    tar_add_bytes(b, name, png, size, '0');
    snprintf(json, sizeof json,
             "{\"captions\": {\"en\": [\"a %s square on %s\", \"%s on %s\"], \"de\": \"%s auf "
             "%s\"}, \"concept\": \"%d-%d\"}",
             toy_name[i], toy_name[k], toy_name[i], toy_name[k], toy_german[i], toy_german[k], i,
             k);
    snprintf(name, sizeof name, "%d-%d.json", i, k);
    tar_add(b, name, json, '0');
    free(png);
}

/* DIR/toy-0.tar ... toy-5.tar, one for each colour of the square. With damage, toy-1.tar has a
 * broken header in it, toy-2.tar a picture that is none, and toy-3.tar is cut off. */
static inline void toy_make_shards(const toy *t, bool damage) {
    for (int i = 0; i < TOY_COLOURS; i++) {
        sns_strbuf b = {0};
        char path[5000];
        sns_error err;
        for (int k = 0; k < TOY_COLOURS; k++)
            if (k != i) toy_add(t, &b, i, k);
        if (damage && i == 1) b.data[20] ^= 1;
        if (damage && i == 2) {
            tar_add(&b, "junk.png", "not a picture", '0');
            tar_add(&b, "junk.txt", "junk", '0');
        }
        if (damage && i == 3)
            b.size -= 700;
        else
            tar_finish(&b);
        snprintf(path, sizeof path, "%s/toy-%d.tar", t->dir, i);
        if (sns_file_write(path, b.data, b.size, &err)) fail_msg("%s", err.message);
        sns_strbuf_free(&b);
    }
}
#endif
