/* arithmetic.c - does image(a) - text(A) + text(B) find a picture of B?
 *
 * Kiros et al. 2014, "Unifying Visual-Semantic Embeddings with Multimodal Neural Language Models",
 * section 4.2. For a picture a of concept A and another concept B, unit vectors, the pictures other
 * than a are ranked by their dot product with
 *     q = x image(a) + y text(A) + z text(B)
 *     (x, y, z) = (0, 0, 1) the text alone, (1, 0, 1) the sum, (1, -1, 1) the analogy, (1, -w, w)
 * which is the order of the cosines, since a positive factor of q does not change it. A question
 * counts by its best right answer.
 *   images [P, E], texts [C, E]; P (C - 1) pairs, of which evenly spread ones are asked */
#include "base/error.h"
#include "base/memory.h"
#include "base/rng.h"
#include "kernel/gemm.h"
#include "score/eval_set.h"
#include <math.h>
#include <sensus/classifier.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK = 64, /* questions ranked at once */
    VARIANTS = SNS_ARITHMETIC_WAYS + SNS_ARITHMETIC_WEIGHTS,
    WEIGHTED_K = 10,
    PAIRS_MAX = 100000000,
    NONE = UINT32_MAX
};

static const size_t KS[SNS_ARITHMETIC_KS] = {1, 5, 10, 20};
static const double WEIGHTS[SNS_ARITHMETIC_WEIGHTS] = {0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5};

/* What the pictures show. */
typedef struct concepts {
    const char **name; /* [count] distinct, in byte order, borrowed from the set */
    uint32_t *of;      /* [P] the picture's, NONE */
    uint32_t *asked;   /* [asked_count] pictures that have one */
    size_t count, asked_count;
    sns_relation pictures; /* of each concept */
    float *texts;          /* [count, E] */
} concepts;

/* One question: picture a, from concept A to concept B. */
typedef struct questions {
    size_t count;
    uint32_t *picture, *from, *to; /* [count] */
    uint32_t *ranks[VARIANTS];     /* [count] */
} questions;

static void concepts_free(concepts *c) {
    free(c->name);
    free(c->of);
    free(c->asked);
    free(c->texts);
    sns_relation_free(&c->pictures);
}

static void questions_free(questions *q) {
    free(q->picture);
    free(q->from);
    free(q->to);
    for (size_t v = 0; v < VARIANTS; v++) free(q->ranks[v]);
}

/* ---- concepts ---- */

/* What is known before any picture is encoded. */
static sns_status check_set(const sns_eval_set *set, const char *data, const char *language,
                            sns_error *err) {
    if (language) return sns_eval_check_language(set, data, language, err);
    for (size_t i = 0; i < set->picture_count; i++)
        if (!set->pictures[i].label || !*set->pictures[i].label)
            return sns_fail(err, SNS_FORMAT, "%s: %s has no label; captions need a language", data,
                            set->pictures[i].path);
    return SNS_OK;
}

/* key [P] <- each picture's label, or its first caption in the language; NULL: none. */
static void find_keys(const sns_eval_set *set, const char *language, const char **key) {
    for (size_t i = 0; i < set->picture_count; i++)
        key[i] = language ? NULL : set->pictures[i].label;
    for (size_t i = set->caption_count; language && i-- > 0;)
        if (!strcmp(set->captions[i].language, language))
            key[set->captions[i].picture] = set->captions[i].text;
}

static int name_order(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static sns_status number_concepts(const sns_eval_set *set, const char *const *key, concepts *c,
                                  sns_error *err) {
    size_t P = set->picture_count, n = 0;
    sns_pair *pairs = malloc((P + 1) * sizeof *pairs);
    c->name = malloc((P + 1) * sizeof *c->name);
    c->of = malloc((P + 1) * sizeof *c->of);
    c->asked = malloc((P + 1) * sizeof *c->asked);
    sns_status s = pairs && c->name && c->of && c->asked
                       ? SNS_OK
                       : sns_fail(err, SNS_NOMEM, "no memory for %zu pictures", P);
    for (size_t i = 0; i < P && !s; i++)
        if (key[i]) c->name[n++] = key[i];
    if (!s && n) qsort(c->name, n, sizeof *c->name, name_order);
    for (size_t i = 0; i < n; i++)
        if (!i || strcmp(c->name[i], c->name[c->count - 1]) != 0) c->name[c->count++] = c->name[i];
    for (size_t i = 0; i < P && !s; i++) {
        c->of[i] = NONE;
        if (!key[i]) continue;
        const char **at = bsearch(&key[i], c->name, c->count, sizeof *c->name, name_order);
        c->of[i] = (uint32_t)(at - c->name);
        pairs[c->asked_count] = (sns_pair){c->of[i], (uint32_t)i};
        c->asked[c->asked_count++] = (uint32_t)i;
    }
    if (!s) s = sns_relation_new(pairs, c->asked_count, c->count, &c->pictures, err);
    free(pairs);
    return s;
}

/* Labels in sentences. */
static sns_status encode_labels(const sns_model *model, const sns_arithmetic_options *what,
                                const int *cancel, concepts *c, sns_error *err) {
    static const char *const usual[1] = {"a photo of a {}."};
    bool own = what->template_count > 0;
    char **name = calloc(c->count, sizeof *name);
    sns_class *classes = calloc(c->count, sizeof *classes);
    sns_classifier *made = NULL;
    bool ok = name && classes;
    for (size_t i = 0; i < c->count && ok; i++) {
        ok = (name[i] = sns_eval_class_name(c->name[i], NULL, 0));
        classes[i] = (sns_class){c->name[i], (const char *const *)&name[i], 1};
    }
    const sns_classifier_options o = {.cancel = cancel};
    sns_status s = !ok ? sns_fail(err, SNS_NOMEM, "no memory for %zu concepts", c->count)
                       : sns_classifier_new(model, classes, c->count, own ? what->templates : usual,
                                            own ? what->template_count : 1, &o, &made, err);
    if (!s)
        memcpy(c->texts, sns_classifier_weights(made),
               c->count * sns_model_dim(model) * sizeof *c->texts);
    sns_classifier_free(made);
    for (size_t i = 0; i < c->count && name; i++) free(name[i]);
    free(name);
    free(classes);
    return s;
}

static sns_status make_concepts(const sns_model *model, const sns_eval_set *set, const char *data,
                                const sns_arithmetic_options *what, const int *cancel, concepts *c,
                                sns_error *err) {
    const char **key = malloc((set->picture_count + 1) * sizeof *key);
    if (!key) return sns_fail(err, SNS_NOMEM, "no memory for %zu pictures", set->picture_count);
    find_keys(set, what->language, key);
    sns_status s = number_concepts(set, key, c, err);
    free(key);
    if (!s && c->count < 2) s = sns_fail(err, SNS_FORMAT, "%s: fewer than two concepts", data);
    if (!s && !(c->texts = calloc(c->count, sns_model_dim(model) * sizeof *c->texts)))
        s = sns_fail(err, SNS_NOMEM, "no memory for the vectors of %zu concepts", c->count);
    if (s) return s;
    return what->language ? sns_eval_encode_texts(model, c->name, c->count, cancel, c->texts, err)
                          : encode_labels(model, what, cancel, c, err);
}

/* ---- questions ---- */

/* Pair number i of n among `all`: one of each n-th part, so that all are different. */
static uint64_t chosen(uint64_t all, uint64_t n, uint64_t i, uint64_t seed) {
    uint64_t low = all / n * i + all % n * i / n, high = all / n * (i + 1) + all % n * (i + 1) / n;
    sns_rng rng;
    sns_rng_seed_at(&rng, seed, 0, i);
    return low + sns_rng_below(&rng, high - low);
}

static sns_status choose(const concepts *c, const sns_arithmetic_options *what, questions *q,
                         sns_arithmetic *out, sns_error *err) {
    uint64_t each = c->count - 1, all = c->asked_count * each;
    size_t n = what->pairs && what->pairs < all ? what->pairs : (size_t)all;
    if (n > PAIRS_MAX)
        return sns_fail(err, SNS_LIMIT, "%zu pairs; ask at most %d of them", n, PAIRS_MAX);
    q->count = n;
    q->picture = malloc(n * sizeof *q->picture);
    q->from = malloc(n * sizeof *q->from);
    q->to = malloc(n * sizeof *q->to);
    bool ok = q->picture && q->from && q->to;
    for (size_t v = 0; v < VARIANTS; v++) ok = (q->ranks[v] = malloc(n * sizeof(uint32_t))) && ok;
    if (!ok) return sns_fail(err, SNS_NOMEM, "no memory for %zu pairs", n);
    for (size_t i = 0; i < n; i++) {
        uint64_t at = n < all ? chosen(all, n, i, what->seed) : i;
        uint32_t own = c->of[c->asked[at / each]], to = (uint32_t)(at % each);
        q->picture[i] = c->asked[at / each];
        q->from[i] = own;
        q->to[i] = to + (to >= own);
    }
    out->pairs = n;
    out->pairs_in_all = (size_t)all;
    return SNS_OK;
}

/* The three factors of a variant. */
static void factors(size_t variant, float out[3]) {
    static const float ways[SNS_ARITHMETIC_WAYS][3] = {[SNS_ARITHMETIC_TEXT] = {0, 0, 1},
                                                       [SNS_ARITHMETIC_SUM] = {1, 0, 1},
                                                       [SNS_ARITHMETIC_ANALOGY] = {1, -1, 1}};
    bool way = variant < SNS_ARITHMETIC_WAYS;
    float w = way ? 0 : (float)WEIGHTS[variant - SNS_ARITHMETIC_WAYS];
    out[0] = way ? ways[variant][0] : 1;
    out[1] = way ? ways[variant][1] : -w;
    out[2] = way ? ways[variant][2] : w;
}

/* Questions first ... first + n - 1 in one variant; vectors [BLOCK, E], scores [BLOCK, P]. */
static sns_status ask(const concepts *c, const questions *q, const float *images, size_t P,
                      size_t E, size_t variant, size_t first, size_t n, float *vectors,
                      float *scores, sns_error *err) {
    const sns_kernels *k = sns_kernels_get();
    float f[3];
    factors(variant, f);
    memset(vectors, 0, n * E * sizeof *vectors);
    for (size_t i = 0; i < n; i++) {
        const uint32_t a = q->picture[first + i], A = q->from[first + i], B = q->to[first + i];
        k->axpy(vectors + i * E, f[0], images + a * E, E);
        k->axpy(vectors + i * E, f[1], c->texts + A * E, E);
        k->axpy(vectors + i * E, f[2], c->texts + B * E, E);
    }
    sns_status s = sns_gemm(false, true, n, P, E, vectors, E, images, E, 0, scores, P, err);
    for (size_t i = 0; i < n && !s; i++) {
        const uint32_t *start = c->pictures.items + c->pictures.start[q->to[first + i]];
        size_t right = c->pictures.start[q->to[first + i] + 1] -
                       c->pictures.start[q->to[first + i]];
        scores[i * P + q->picture[first + i]] = -INFINITY; /* the picture itself is no answer */
        q->ranks[variant][first + i] = sns_rank_of_best(scores + i * P, P, start, right);
    }
    return s;
}

static sns_status ask_all(const concepts *c, const questions *q, const float *images, size_t P,
                          size_t E, const int *cancel, sns_error *err) {
    size_t bytes;
    float *vectors = NULL, *scores = NULL;
    if (sns_mul_size(P, BLOCK * sizeof *scores, &bytes)) scores = sns_aligned_alloc(bytes);
    if (sns_mul_size(E, BLOCK * sizeof *vectors, &bytes)) vectors = sns_aligned_alloc(bytes);
    sns_status s = scores && vectors ? SNS_OK : sns_fail(err, SNS_NOMEM, "no memory for scores");
    for (size_t i = 0; i < q->count && !s; i += BLOCK) {
        size_t n = q->count - i < BLOCK ? q->count - i : BLOCK;
        if (cancel && *cancel) s = sns_fail(err, SNS_CANCELLED, "cancelled");
        for (size_t v = 0; v < VARIANTS && !s; v++)
            s = ask(c, q, images, P, E, v, i, n, vectors, scores, err);
    }
    sns_aligned_free(scores);
    sns_aligned_free(vectors);
    return s;
}

/* ---- measures ---- */

static double chance(const concepts *c, const questions *q, size_t P, size_t k) {
    double sum = 0;
    for (size_t i = 0; i < q->count; i++) {
        uint32_t to = q->to[i];
        sum += sns_chance_recall(P - 1, c->pictures.start[to + 1] - c->pictures.start[to], k);
    }
    return sum / (double)q->count;
}

static sns_status measure(const concepts *c, const questions *q, size_t P, sns_arithmetic *out,
                          sns_error *err) {
    sns_status s = SNS_OK;
    double at_10 = chance(c, q, P, WEIGHTED_K);
    for (size_t j = 0; j < SNS_ARITHMETIC_KS && !s; j++) {
        double guess = chance(c, q, P, KS[j]);
        out->k[j] = KS[j];
        for (size_t v = 0; v < SNS_ARITHMETIC_WAYS && !s; v++) {
            out->recall[v][j].chance = guess;
            s = sns_crossed_recall(q->ranks[v], q->from, q->to, q->count, c->count, (uint32_t)KS[j],
                                   &out->recall[v][j], err);
        }
    }
    for (size_t w = 0; w < SNS_ARITHMETIC_WEIGHTS && !s; w++) {
        out->weight[w] = WEIGHTS[w];
        out->weighted[w].chance = at_10;
        s = sns_crossed_recall(q->ranks[SNS_ARITHMETIC_WAYS + w], q->from, q->to, q->count,
                               c->count, WEIGHTED_K, &out->weighted[w], err);
    }
    return s;
}

sns_status sns_eval_arithmetic(const sns_model *model, const char *data,
                               const sns_arithmetic_options *what, const sns_eval_options *options,
                               sns_arithmetic *result, sns_error *err) {
    static const sns_eval_options none;
    if (!options) options = &none;
    *result = (sns_arithmetic){0};
    for (size_t t = 0; t < what->template_count && !what->language; t++)
        if (!strstr(what->templates[t], "{}"))
            return sns_fail(err, SNS_ARG, "the template '%s' has no {}", what->templates[t]);
    sns_eval_set set;
    concepts c = {0};
    questions q = {0};
    float *images = NULL;
    sns_status s = sns_eval_set_read(data, options, &set, err);
    if (s) return s;
    s = check_set(&set, data, what->language, err);
    if (!s) s = sns_eval_set_encode(&set, model, options, &images, err);
    if (!s) s = make_concepts(model, &set, data, what, options->cancel, &c, err);
    size_t P = set.picture_count, E = sns_model_dim(model);
    if (!s) s = choose(&c, what, &q, result, err);
    if (!s) s = ask_all(&c, &q, images, P, E, options->cancel, err);
    if (!s) s = measure(&c, &q, P, result, err);
    result->images = P;
    result->concepts = c.count;
    result->skipped = set.skipped;
    free(images);
    questions_free(&q);
    concepts_free(&c);
    sns_eval_set_free(&set);
    return s;
}
