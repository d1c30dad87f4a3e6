/* fuzz_tar.c - libFuzzer target: training data.
 *
 * Input: the first byte says whether the rest is a tar shard, a CSV or a JSONL manifest, or a tar
 * shard that is streamed. A shard's checksums are repaired first (of a streamed one not always), so
 * that mutations reach what is behind them. Every sample that
 * comes out must have a picture's bytes within the input and at least one caption. */
#include "train/dataset.h"
#include "train/pair_reader.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void repair_checksums(uint8_t *p, size_t size) {
    for (size_t at = 0; at + 512 <= size; at += 512) {
        unsigned sum = 0;
        char text[8];
        if (memcmp(p + at + 257, "ustar", 5)) continue;
        memset(p + at + 148, ' ', 8);
        for (size_t i = 0; i < 512; i++) sum += p[at + i];
        snprintf(text, sizeof text, "%06o", sum);
        memcpy(p + at + 148, text, 7);
    }
}

static void check(const sns_dataset *d, const uint8_t *bytes, size_t size, int shard) {
    for (size_t i = 0; i < sns_dataset_count(d); i++) {
        const sns_sample *s = sns_dataset_sample(d, i);
        if (!s->caption_count) abort();
        if (shard &&
            (s->bytes < bytes || s->size > size || (size_t)(s->bytes - bytes) > size - s->size))
            abort();
        for (size_t c = 0; c < s->caption_count; c++) {
            const sns_caption *caption = sns_dataset_caption(d, s->first_caption + c);
            const char *text = sns_dataset_text(d, caption->text);
            if (!caption->size || text[caption->size] || caption->lang >= sns_dataset_lang_count(d))
                abort();
        }
    }
    if (!sns_dataset_concepts(d) || !sns_dataset_fingerprint(d)) abort();
}

/* A damaged shard never ends a stream: only its samples are fewer. */
static void stream(const uint8_t *bytes, size_t size) {
    sns_pair_reader *r = sns_pair_reader_new(NULL, NULL, NULL);
    if (!r || sns_pair_reader_open_memory(r, "x.tar", bytes, size, NULL)) abort();
    for (sns_pair *p;; sns_pair_release(p)) {
        if (sns_pair_reader_next(r, &p, NULL)) abort();
        if (!p) break;
        if (!p->caption_count || !p->bytes || p->size > size || strncmp(p->name, "x.tar/", 6))
            abort();
        for (size_t c = 0; c < p->caption_count; c++)
            if (!p->captions[c].size || p->texts[p->captions[c].text + p->captions[c].size])
                abort();
    }
    sns_pair_reader_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"x.tar", "x.csv", "x.jsonl"};
    if (!size) return 0;
    int kind = data[0] % 4;
    uint8_t *copy = malloc(size);
    if (!copy) abort();
    memcpy(copy, data + 1, size - 1);
    if (kind == 0 || data[0] == 3) repair_checksums(copy, size - 1);
    if (kind == 3) {
        stream(copy, size - 1);
        free(copy);
        return 0;
    }
    sns_dataset *d;
    sns_error err = {0};
    if (sns_dataset_open_memory(names[kind], copy, size - 1, NULL, NULL, &d, &err) == SNS_OK) {
        check(d, copy, size - 1, kind == 0);
        sns_dataset_free(d);
    } else if (!err.message[0]) {
        abort();
    }
    free(copy);
    return 0;
}
