/* fuzz_gguf.c - libFuzzer target: one GGUF file.
 *
 * A file that is accepted must keep its promises: every tensor lies inside of it, sorted by name,
 * found by name, and converts; then a CLIP's configuration, weights, preprocessing and vocabulary
 * are read from it or refused. */
#include "model/clip_io.h"
#include "prep/preprocess.h"
#include "prep/tokenizer_internal.h"
#include "tensor/blocks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_tensor(const sns_gguf *g, size_t i, const uint8_t *data, size_t size) {
    const sns_stored *t = sns_gguf_at(g, i);
    float out[64], sum = 0;
    size_t count = 1, block = sns_dtype_block_bytes(t->dtype);
    for (int d = 0; d < t->dims; d++) count *= t->dim[d];
    size_t bytes = block ? count / SNS_BLOCK_ELEMENTS * block : count * sns_dtype_bytes(t->dtype);
    if (count != t->count || bytes != t->bytes || t->data < data || t->bytes > size ||
        (size_t)(t->data - data) > size - t->bytes)
        abort();
    if (i && strcmp(sns_gguf_at(g, i - 1)->name, t->name) >= 0) abort();
    if (sns_gguf_find(g, t->name) != t) abort();
    for (size_t at = 0; at < t->count; at += 61) { /* blocks from their middle too */
        size_t n = t->count - at < 64 ? t->count - at : 64;
        if (sns_stored_to_f32(t, sns_kernels_get(), at, n, out, NULL)) abort();
        for (size_t j = 0; j < n; j++) sum += out[j];
    }
    (void)sum;
}

/* Takes g. */
static void load_clip(sns_gguf *g) {
    sns_clip_config c;
    sns_clip_weights w;
    sns_layout l;
    sns_error err;
    if (sns_clip_gguf_config(g, "fuzz", &c, &err)) {
        sns_gguf_close(g);
        return;
    }
    if (c.end_id >= c.vocab || c.vision.width % c.vision.heads) abort();
    if (sns_clip_layout(&c, &l, &err)) abort();
    if (sns_clip_weights_find_gguf(g, "fuzz", &l, &w, &err) == SNS_OK) {
        for (size_t i = 0; i < l.count; i++) {
            float *out = malloc(l.desc[i].count * sizeof *out);
            if (!out || sns_clip_weights_get(&w, &l, i, out, NULL)) abort();
            sns_clip_weights_check(&w, i, 0, out, l.desc[i].count, NULL);
            sns_clip_weights_check_stored(&w, i, l.desc[i].count, NULL);
            free(out);
        }
        sns_clip_weights_close(&w);
    }
    sns_layout_free(&l);
}

static void load_companions(const sns_gguf *g) {
    sns_preprocess p;
    sns_tokenizer *tok;
    sns_error err;
    if (sns_preprocess_gguf(g, 0, &p, &err) == SNS_OK && !(p.std[0] > 0)) abort();
    if (sns_tokenizer_gguf(g, "fuzz", &tok, &err)) return;
    uint32_t ids[77];
    size_t n;
    static const char text[] = "AB ab abab b's \xe2\x82 <|endoftext|>";
    if (sns_tokenizer_encode(tok, text, sizeof text - 1, 77, ids, &n, &err)) abort();
    for (size_t i = 0; i < n; i++)
        if (ids[i] >= sns_tokenizer_vocab_size(tok)) abort();
    sns_tokenizer_free(tok);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    sns_gguf *g;
    sns_error err;
    if (sns_gguf_parse(data, size, "fuzz", &g, &err)) return 0;
    for (size_t i = 0; i < sns_gguf_count(g); i++) check_tensor(g, i, data, size);
    load_companions(g);
    load_clip(g);
    return 0;
}
