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
    PAIRS_MAX = 100000000
};

static const size_t KS[SNS_ARITHMETIC_KS] = {1, 5, 10, 20};
static const double WEIGHTS[SNS_ARITHMETIC_WEIGHTS] = {0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5};

/* What the pictures show. */
typedef struct concepts {
    sns_eval_names names; /* C of them */
    uint32_t *of;         /* [P] the picture's, SNS_EVAL_NONE */
    uint32_t *asked;      /* [asked_count] pictures that have one */
    size_t asked_count;
    sns_relation pictures; /* of each concept */
    float *texts;          /* [C, E] */
} concepts;

/* One question: picture a, from concept A to concept B. */
typedef struct questions {
    size_t count;
    uint32_t *picture, *from, *to; /* [count] */
    uint32_t *ranks[VARIANTS];     /* [count] */
} questions;

static void concepts_free(concepts *c) {
    sns_eval_names_free(&c->names);
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
    return language ? sns_eval_check_language(set, data, language, err)
                    : sns_eval_check_labels(set, data, "; captions need a language", err);
}

/* key [P] <- each picture's label, or its first caption in the language; NULL: none. */
static void find_keys(const sns_eval_set *set, const char *language, const char **key) {
    for (size_t i = 0; i < set->picture_count; i++)
        key[i] = language ? NULL : set->pictures[i].label;
    for (size_t i = set->caption_count; language && i-- > 0;)
        if (!strcmp(set->captions[i].language, language))
            key[set->captions[i].picture] = set->captions[i].text;
}

static sns_status number_concepts(const sns_eval_set *set, const char *const *key, concepts *c,
                                  sns_error *err) {
    size_t P = set->picture_count;
    sns_pair *pairs = malloc((P + 1) * sizeof *pairs);
    c->of = malloc((P + 1) * sizeof *c->of);
    c->asked = malloc((P + 1) * sizeof *c->asked);
    sns_status s = pairs && c->of && c->asked
                       ? sns_eval_names_new(key, P, &c->names, err)
                       : sns_fail(err, SNS_NOMEM, "no memory for %zu pictures", P);
    for (size_t i = 0; i < P && !s; i++) {
        c->of[i] = sns_eval_names_find(&c->names, key[i]);
        if (c->of[i] == SNS_EVAL_NONE) continue;
        pairs[c->asked_count] = (sns_pair){c->of[i], (uint32_t)i};
        c->asked[c->asked_count++] = (uint32_t)i;
    }
    if (!s) s = sns_relation_new(pairs, c->asked_count, c->names.count, &c->pictures, err);
    free(pairs);
    return s;
}

/* Labels in sentences. */
static sns_status encode_labels(const sns_model *model, const sns_arithmetic_options *what,
                                const int *cancel, concepts *c, sns_error *err) {
    sns_classifier *made = NULL;
    sns_status s = sns_eval_classifier(model, &c->names, what->templates, what->template_count,
                                       NULL, 0, cancel, &made, err);
    if (!s)
        memcpy(c->texts, sns_classifier_weights(made),
               c->names.count * sns_model_dim(model) * sizeof *c->texts);
    sns_classifier_free(made);
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
    if (!s && c->names.count < 2)
        s = sns_fail(err, SNS_FORMAT, "%s: fewer than two concepts", data);
    if (!s && !(c->texts = calloc(c->names.count, sns_model_dim(model) * sizeof *c->texts)))
        s = sns_fail(err, SNS_NOMEM, "no memory for the vectors of %zu concepts", c->names.count);
    if (s) return s;
    return what->language
               ? sns_eval_encode_texts(model, c->names.name, c->names.count, cancel, c->texts, err)
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
    uint64_t each = c->names.count - 1, all = c->asked_count * each;
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
            s = sns_crossed_recall(q->ranks[v], q->from, q->to, q->count, c->names.count,
                                   (uint32_t)KS[j], &out->recall[v][j], err);
        }
    }
    for (size_t w = 0; w < SNS_ARITHMETIC_WEIGHTS && !s; w++) {
        out->weight[w] = WEIGHTS[w];
        out->weighted[w].chance = at_10;
        s = sns_crossed_recall(q->ranks[SNS_ARITHMETIC_WAYS + w], q->from, q->to, q->count,
                               c->names.count, WEIGHTED_K, &out->weighted[w], err);
    }
    return s;
}

sns_status sns_eval_arithmetic(const sns_model *model, const char *data,
                               const sns_arithmetic_options *what, const sns_eval_options *options,
                               sns_arithmetic *result, sns_error *err) {
    static const sns_eval_options none;
    if (!options) options = &none;
    *result = (sns_arithmetic){0};
    sns_eval_set set;
    concepts c = {0};
    questions q = {0};
    float *images = NULL;
    sns_status s = what->language
                       ? SNS_OK
                       : sns_eval_check_templates(what->templates, what->template_count, err);
    if (!s) s = sns_eval_set_read(data, sns_eval_medium_of(model), options, &set, err);
    if (s) return s;
    s = check_set(&set, data, what->language, err);
    if (!s) s = sns_eval_set_encode(&set, model, options, &images, err);
    if (!s) s = make_concepts(model, &set, data, what, options->cancel, &c, err);
    size_t P = set.picture_count, E = sns_model_dim(model);
    if (!s) s = choose(&c, what, &q, result, err);
    if (!s) s = ask_all(&c, &q, images, P, E, options->cancel, err);
    if (!s) s = measure(&c, &q, P, result, err);
    result->images = P;
    result->concepts = c.names.count;
    result->skipped = set.skipped;
    free(images);
    questions_free(&q);
    concepts_free(&c);
    sns_eval_set_free(&set);
    return s;
}
