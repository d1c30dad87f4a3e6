/* bench_model.c - what both sides of a benchmark work on: models with random weights, one input.
 *
 *   bench_model DIR      writes DIR/model (ViT-B/32, f32, Hugging Face's layout, 605 MB),
 *                        DIR/model-tiny (TinyCLIP-8M/16, 94 MB) and for a batch of 32:
 *                        DIR/pixels.f32 [32, 3, 224, 224]; DIR/text10.txt, a text of 10 tokens on
 *                        each line, and DIR/text10.i64 [32, 77], its ids filled up with the end
 *                        token as peers want them; DIR/text77.txt, DIR/text77.i64
 *
 * The tokenizer knows single bytes only, so a text of n letters is n tokens between two more. */
#include "base/file.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include "base/rng.h"
#include "bench_geometry.h"
#include "bench_tokenizer.h"
#include "prep/preprocess.h"
#include <sensus/tokenizer.h>

enum { BATCH = 32, CONTEXT = 77, IMAGE_PX = 224 };

static sns_status make_model(const char *name, const char *dir, const sns_tokenizer *tok,
                             sns_error *err) {
    sns_clip_config c = bench_geometry(name);
    c.start_id = sns_tokenizer_start_id(tok);
    c.end_id = sns_tokenizer_end_id(tok);
    c.logit_scale_init = 2.6593f;
    sns_layout layout;
    sns_preprocess p;
    sns_status s = sns_clip_layout(&c, &layout, err);
    if (s) return s;
    float *data = sns_aligned_calloc(layout.total * sizeof *data);
    if (data) {
        sns_clip_init(&layout, &c, data, 1);
        s = sns_clip_save(dir, &c, &layout, data, "F32", err);
    } else
        s = SNS_NOMEM;
    sns_preprocess_default(&p, c.image_px);
    if (!s) s = sns_preprocess_write(dir, &p, err);
    sns_aligned_free(data);
    sns_layout_free(&layout);
    return s;
}

static sns_status write_in(const char *dir, const char *name, const void *data, size_t size,
                           sns_error *err) {
    char *path = sns_path_join(dir, name);
    sns_status s = path ? sns_file_write(path, data, size, err) : SNS_NOMEM;
    free(path);
    return s;
}

static sns_status make_pixels(const char *dir, sns_rng *rng, sns_error *err) {
    size_t n = (size_t)BATCH * 3 * IMAGE_PX * IMAGE_PX;
    float *pixels = sns_aligned_alloc(n * sizeof *pixels);
    if (!pixels) return SNS_NOMEM;
    for (size_t i = 0; i < n; i++) pixels[i] = (float)sns_rng_uniform(rng) * 4 - 2;
    sns_status s = write_in(dir, "pixels.f32", pixels, n * sizeof *pixels, err);
    sns_aligned_free(pixels);
    return s;
}

/* BATCH texts of `tokens` tokens: their lines and their ids. */
static sns_status make_texts(const char *dir, size_t tokens, const sns_tokenizer *tok, sns_rng *rng,
                             sns_error *err) {
    char lines[BATCH * 2 * CONTEXT], name[32];
    int64_t ids[BATCH * CONTEXT];
    size_t size = 0;
    for (size_t i = 0; i < BATCH; i++) {
        char *line = lines + size;
        uint32_t found[CONTEXT];
        size_t count = 0;
        for (size_t j = 0; j + 2 < tokens; j++) {
            lines[size++] = (char)('a' + sns_rng_below(rng, 26));
            lines[size++] = j + 3 < tokens ? ' ' : '\n';
        }
        sns_status s = sns_tokenizer_encode(tok, line, (size_t)(lines + size - line), CONTEXT,
                                            found, &count, err);
        if (s) return s;
        if (count != tokens) return SNS_INTERNAL;
        for (size_t j = 0; j < CONTEXT; j++)
            ids[i * CONTEXT + j] = found[j < count ? j : count - 1];
    }
    snprintf(name, sizeof name, "text%zu.txt", tokens);
    sns_status s = write_in(dir, name, lines, size, err);
    snprintf(name, sizeof name, "text%zu.i64", tokens);
    return s ? s : write_in(dir, name, ids, sizeof ids, err);
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    sns_error err = {0};
    sns_rng rng;
    sns_rng_seed(&rng, 3);
    sns_tokenizer *tok = NULL;
    char *model_dir = sns_path_join(argv[1], "model");
    char *tiny_dir = sns_path_join(argv[1], "model-tiny");
    sns_status s = model_dir && tiny_dir ? sns_make_dirs(model_dir, &err) : SNS_NOMEM;
    if (!s) s = sns_make_dirs(tiny_dir, &err);
    if (!s) s = bench_tokenizer(argv[1], model_dir, &tok, &err);
    if (!s) s = make_pixels(argv[1], &rng, &err);
    if (!s) s = make_texts(argv[1], 10, tok, &rng, &err);
    if (!s) s = make_texts(argv[1], CONTEXT, tok, &rng, &err);
    if (!s) s = make_model("tiny", tiny_dir, tok, &err);
    if (!s) s = make_model("b32", model_dir, tok, &err);
    if (s) fprintf(stderr, "bench_model: %s\n", err.message[0] ? err.message : "no memory");
    sns_tokenizer_free(tok);
    free(model_dir);
    free(tiny_dir);
    return s ? 1 : 0;
}
