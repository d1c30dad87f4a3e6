/* retrieval_check.c - recall@k from text to picture on held-out pairs.
 *
 * With texts T [N, E] and pictures I [N, E], both of unit rows, the rank of text i is the number of
 * pictures j with <T_i, I_j> >= <T_i, I_i>, j != i; recall@k is the share of ranks below k. */
#include "train/retrieval_check.h"
#include "base/error.h"

typedef struct check {
    const sns_clip *m;
    const sns_dataset *d;
    const sns_tokenizer *tok;
    const sns_augment *plain;
    const sns_sound_augment *sound; /* when it has a mel: the samples are sounds */
    size_t cache_px, E;
    sns_tape *tape;
    float *pixels;         /* [batch], each as the image tower takes it */
    void *scratch;         /* [S, S, 3] bytes; of sounds, a window's floats */
    uint32_t *ids;         /* [batch * context] */
    size_t *starts;        /* [batch + 1] */
    float *images, *texts; /* [N, E] */
} check;

static size_t english_caption(const sns_dataset *d, const sns_sample *s) {
    for (size_t i = 0; i < s->caption_count; i++) {
        const sns_caption *c = sns_dataset_caption(d, s->first_caption + i);
        if (!strcmp(sns_dataset_lang(d, c->lang), "en")) return s->first_caption + i;
    }
    return s->first_caption;
}

/* Sample i into out. */
static sns_status load_input(const check *c, size_t i, float *out, sns_error *err) {
    const sns_sample *p = sns_dataset_sample(c->d, i);
    uint8_t *square = p->square;
    int16_t *sound = p->sound;
    uint32_t side = p->side, count = p->sound_count;
    sns_status s = SNS_OK;
    if (c->sound->mel) {
        if (!sound) s = sns_dataset_decode_sound(c->d, i, &sound, &count, err);
        if (!s) s = sns_sound_augment_run(c->sound, NULL, sound, count, c->scratch, out, err);
    } else {
        if (!square) s = sns_dataset_decode(c->d, i, c->cache_px, &square, &side, err);
        if (!s) s = sns_augment_run(c->plain, NULL, false, square, side, c->scratch, out, err);
    }
    if (!p->square) free(square);
    if (!p->sound) free(sound);
    return s;
}

static sns_status load(check *c, size_t first, size_t n, sns_error *err) {
    size_t floats = sns_clip_input_floats(&c->m->config), at = 0;
    c->starts[0] = 0;
    for (size_t i = 0; i < n; i++) {
        const sns_sample *p = sns_dataset_sample(c->d, first + i);
        const sns_caption *caption = sns_dataset_caption(c->d, english_caption(c->d, p));
        size_t count = 0;
        sns_status s = load_input(c, first + i, c->pixels + i * floats, err);
        if (!s)
            s = sns_tokenizer_encode(c->tok, sns_dataset_text(c->d, caption->text), caption->size,
                                     c->m->config.context, c->ids + at, &count, err);
        if (s) return s;
        at += count;
        c->starts[i + 1] = at;
    }
    return SNS_OK;
}

static sns_status encode(check *c, size_t first, size_t n, sns_error *err) {
    sns_input in = sns_clip_input(&c->m->config);
    size_t dim[4] = {n, in.channels, in.rows, in.cols};
    sns_tape_reset(c->tape);
    sns_tensor *x = sns_tape_wrap(c->tape, c->pixels, NULL, 4, dim);
    x = sns_l2_normalize(c->tape, sns_clip_image_features(c->tape, c->m, x));
    if (x) memcpy(c->images + first * c->E, x->data, n * c->E * sizeof(float));
    x = sns_l2_normalize(c->tape, sns_clip_text_features(c->tape, c->m, c->ids, c->starts, n));
    if (x) memcpy(c->texts + first * c->E, x->data, n * c->E * sizeof(float));
    return sns_tape_status(c->tape, err);
}

/* Ranks of all texts, a block of texts at a time. */
static sns_status rank(const check *c, size_t N, size_t hits[3], sns_error *err) {
    static const size_t at[3] = {1, 5, 10};
    enum { BLOCK = 64 };
    float *scores = malloc(BLOCK * N * sizeof *scores);
    if (!scores) return sns_fail(err, SNS_NOMEM, "no memory to rank %zu pictures", N);
    sns_status s = SNS_OK;
    for (size_t i = 0; i < N && !s; i += BLOCK) {
        size_t n = N - i < BLOCK ? N - i : BLOCK;
        s = sns_gemm(false, true, n, N, c->E, c->texts + i * c->E, c->E, c->images, c->E, 0, scores,
                     N, err);
        for (size_t k = 0; k < n && !s; k++) {
            const float *row = scores + k * N;
            size_t better = 0;
            for (size_t j = 0; j < N; j++) better += j != i + k && row[j] >= row[i + k];
            for (size_t r = 0; r < 3; r++) hits[r] += better < at[r];
        }
    }
    free(scores);
    return s;
}

static bool allocate(check *c, size_t N, size_t batch) {
    size_t S = c->plain->image_px, scratch = S * S * 3;
    if (c->sound->mel) scratch = sns_sound_augment_scratch(c->sound) * sizeof(float);
    c->tape = sns_tape_new(sns_kernels_get(), false);
    c->pixels = sns_aligned_alloc(batch * sns_clip_input_floats(&c->m->config) * sizeof(float));
    c->scratch = malloc(scratch);
    c->ids = calloc(batch * c->m->config.context, sizeof *c->ids);
    c->starts = calloc(batch + 1, sizeof *c->starts);
    c->images = sns_aligned_alloc(N * c->E * sizeof(float));
    c->texts = sns_aligned_alloc(N * c->E * sizeof(float));
    return c->tape && c->pixels && c->scratch && c->ids && c->starts && c->images && c->texts;
}

sns_status sns_retrieval_check(const sns_clip *m, const sns_dataset *d, const sns_tokenizer *tok,
                               const sns_augment *plain, const sns_sound_augment *sound,
                               size_t cache_px, size_t batch, double recall[3], sns_error *err) {
    size_t N = sns_dataset_count(d), hits[3] = {0};
    check c = {.m = m,
               .d = d,
               .tok = tok,
               .plain = plain,
               .sound = sound,
               .cache_px = cache_px,
               .E = m->config.embed};
    sns_status s = SNS_OK;
    if (!allocate(&c, N, batch)) s = sns_fail(err, SNS_NOMEM, "no memory for held-out data");
    for (size_t i = 0; i < N && !s; i += batch) {
        size_t n = N - i < batch ? N - i : batch;
        s = load(&c, i, n, err);
        if (!s) s = encode(&c, i, n, err);
    }
    if (!s) s = rank(&c, N, hits, err);
    for (size_t r = 0; r < 3; r++) recall[r] = (double)hits[r] / (double)N;
    sns_tape_free(c.tape);
    sns_aligned_free(c.pixels);
    free(c.scratch);
    free(c.ids);
    free(c.starts);
    sns_aligned_free(c.images);
    sns_aligned_free(c.texts);
    return s;
}
