/* fingerprint.c - 128 bits that change when a model would give other vectors.
 *
 * Covered: every byte of the configuration, preprocessing and tokenizer files (of a GGUF file, of
 * its header); of the weights every
 * tensor's name, type and shape, and its data: all of it where the files hold at most 32 MiB,
 * beyond that tensors of up to 4 KiB whole and of larger ones four windows of 256 bytes, spread
 * evenly from the first byte to the last. Training moves every tensor, so two checkpoints differ
 * in the windows; a change made by hand between them in a large model would be missed. The hash is
 * not cryptographic: it tells models apart, it does not guard against forgery. */
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/strbuf.h"
#include "embed/model_internal.h"

enum { WHOLE_MAX = 32 << 20, TENSOR_WHOLE_MAX = 4096, WINDOW = 256, WINDOWS = 4 };

typedef struct hash {
    uint64_t lane[4], length;
} hash;

/* Four lanes take eight bytes each in turn, so that they run side by side; the rest is padded with
 * zeros and told apart by the length. */
static void absorb(hash *h, const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    uint64_t w[4];
    h->length = sns_hash_mix(h->length, n);
    for (; n >= sizeof w; n -= sizeof w, p += sizeof w) {
        memcpy(w, p, sizeof w);
        for (int i = 0; i < 4; i++) h->lane[i] = sns_hash_mix(h->lane[i], w[i]);
    }
    memset(w, 0, sizeof w);
    if (n) memcpy(w, p, n);
    for (int i = 0; i < 4; i++) h->lane[i] = sns_hash_mix(h->lane[i], w[i]);
}

static void absorb_text(hash *h, const char *text) {
    absorb(h, text, strlen(text));
}

/* Each half depends on all lanes. */
static void finish(const hash *h, char out[33]) {
    uint64_t half[2] = {h->length, ~h->length};
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 4; i++) {
            half[0] = sns_hash_mix(half[0] + half[1], h->lane[i]);
            half[1] = sns_hash_mix(half[1] ^ half[0], h->lane[(i + 1) & 3]);
        }
    snprintf(out, 33, "%016llx%016llx", (unsigned long long)half[0], (unsigned long long)half[1]);
}

/* A file that is not there counts as such. */
static sns_status absorb_file(hash *h, const char *path, sns_error *err) {
    sns_map map;
    sns_status s = sns_map_open(path, &map, err);
    if (s == SNS_MISSING) {
        absorb_text(h, "absent");
        return SNS_OK;
    }
    if (s) return s;
    absorb(h, map.data, map.size);
    sns_map_close(&map);
    return SNS_OK;
}

static sns_status absorb_folder(hash *h, const char *dir, sns_error *err) {
    static const char *const names[] = {"preprocessor_config.json", "tokenizer.json", "vocab.json",
                                        "merges.txt"};
    char *path = NULL;
    sns_config_kind kind;
    sns_status s = sns_clip_config_find(dir, &path, &kind, err);
    if (!s) s = absorb_file(h, path, err);
    free(path);
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !s; i++) {
        path = sns_path_join(dir, names[i]);
        s = path ? absorb_file(h, path, err) : sns_fail(err, SNS_NOMEM, "%s: no memory", dir);
        free(path);
    }
    return s;
}

static void absorb_tensor(hash *h, const sns_stored *t, bool whole) {
    absorb_text(h, t->name);
    absorb_text(h, sns_dtype_name(t->dtype));
    absorb(h, t->dim, (size_t)t->dims * sizeof t->dim[0]);
    if (whole || t->bytes <= TENSOR_WHOLE_MAX) {
        absorb(h, t->data, t->bytes);
        return;
    }
    for (size_t i = 0; i < WINDOWS; i++)
        absorb(h, t->data + (t->bytes - WINDOW) / (WINDOWS - 1) * i, WINDOW);
}

sns_status sns_model_take_fingerprint(sns_model *m, sns_error *err) {
    hash h = {{1, 2, 3, 4}, 0};
    const sns_clip_weights *w = &m->weights;
    bool whole = sns_clip_weights_bytes(w) <= WHOLE_MAX;
    for (size_t i = 0; i < sns_clip_weights_stored_count(w); i++)
        absorb_tensor(&h, sns_clip_weights_stored(w, i), whole);
    sns_status s = SNS_OK;
    if (w->gguf)
        absorb(&h, sns_gguf_header(w->gguf).data, sns_gguf_header(w->gguf).size);
    else
        s = absorb_folder(&h, m->dir, err);
    if (!s) finish(&h, m->fingerprint);
    return s;
}
