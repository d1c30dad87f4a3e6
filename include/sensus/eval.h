/* eval.h - how good a model is: retrieval, zero-shot classification, vector arithmetic.
 *
 * Ties count against the model: of equal scores, the wrong one is taken to come first, so a model
 * that gives the same vector to everything scores zero. Intervals are 95 % percentile bootstrap
 * intervals (Efron 1979; 1,000 resamples of the queries, fixed seed): the spread that comes from
 * having asked these queries and not others. */
#ifndef SENSUS_EVAL_H
#define SENSUS_EVAL_H
#include <sensus/isolation.h>
#include <sensus/model.h>
#include <sensus/status.h>
#include <stddef.h>
#include <stdint.h>

/* A measure, its interval, and what guessing gives. Fractions are 0 ... 1. */
typedef struct sns_measure {
    double value, low, high, chance;
} sns_measure;

typedef struct sns_eval_options {
    const char *image_root; /* where relative image paths start; NULL: the manifest's folder */
    size_t limit;           /* use the first so many pictures; 0: all */
    size_t captions;        /* at most so many of a picture's captions a language; 0: all */
    size_t threads, batch;  /* embed.h */
    int exact;              /* embed.h */
    const int *cancel;      /* embed.h; may be NULL */
    const sns_isolation *isolation; /* embed.h; may be NULL */
    /* One line for each picture or line of the manifest that is left out; NULL ok. */
    void (*warn)(void *user, const char *message);
    /* Pictures encoded so far; NULL ok. */
    void (*progress)(void *user, size_t done, size_t total);
    void *user;
} sns_eval_options;

/* ---- retrieval ---- */

typedef struct sns_retrieval_side {
    size_t queries, candidates;
    sns_measure recall_1, recall_5, recall_10; /* queries whose best right answer is that high */
    sns_measure median_rank, mean_rank;        /* of the best right answer; 1 is the top */
    sns_measure mean_average_precision;        /* of all right answers (mAP) */
} sns_retrieval_side;

typedef struct sns_retrieval {
    char language[32];
    int sounds;                  /* nonzero: the model hears, and "images" are sounds */
    size_t images, texts, pairs; /* distinct; pairs of a picture with a text of its own */
    sns_retrieval_side text_to_image, image_to_text;
} sns_retrieval;

/* Recall, median and mean rank in both directions, for each of several languages of one manifest;
 * the pictures are encoded once.
 *   manifest   JSON lines: {"image": path, "captions": {"en": "..." or ["...", ...], "de": ...}},
 *              or {"image": path, "caption": "..." or [...]}, which is taken as English; or, when
 *              its name ends in .csv, rows of image,caption under a header with these names.
 *              Several lines may name one picture. For a model that hears, "audio" names the sound.
 *   results    language_count entries, caller-owned
 *   skipped    <- pictures and lines that were left out (each was warned of); may be NULL
 * Equal texts are one text, and it is answered rightly by any of the pictures it belongs to: so
 * with several captions for a picture, or one caption for several pictures, a query counts by its
 * best right answer. Every readable picture is a candidate, also those without a text in the
 * language. chance: the expectation of a random order, exact for recall and mean rank; for the
 * median rank, the median over queries of the expected rank. Errors: SNS_ARG, SNS_MISSING (the
 * manifest, or no caption in a language), SNS_IO, SNS_FORMAT (no usable line), SNS_SHAPE (no image
 * or text tower), SNS_CANCELLED, SNS_NOMEM. */
SNS_API sns_status sns_eval_retrieval(const sns_model *model, const char *manifest,
                                      const char *const *languages, size_t language_count,
                                      const sns_eval_options *options, sns_retrieval *results,
                                      size_t *skipped, sns_error *err);
/* A table for readers, or (json nonzero) one JSON object a line for each result. malloc'd. */
SNS_API sns_status sns_retrieval_report(const sns_retrieval *results, size_t count, int json,
                                        char **text, sns_error *err);

/* ---- zero-shot classification ---- */

typedef struct sns_class_result {
    char *label; /* as in the data */
    size_t images;
    double top_1, top_5;
} sns_class_result;

typedef struct sns_zero_shot {
    int sounds; /* nonzero: the model hears, and "images" are sounds */
    size_t images, classes, skipped;
    sns_measure top_1, top_5;
    sns_measure mean_per_class; /* top 1 of each class, averaged over classes */
    sns_class_result *per_class;
    uint32_t *confusion; /* [classes, classes]: pictures of the row's class that got the column's as
                          * their answer; NULL for more than 4,096 classes */
} sns_zero_shot;

/* A class's label and what a caption would call it. */
typedef struct sns_class_name {
    const char *label, *name;
} sns_class_name;

/* Classify pictures by the class whose text is nearest (Radford et al. 2021, 3.1): a class's vector
 * is the normalised mean over templates of the vectors of the template with {} replaced by its
 * name. data            a manifest as above with "label" (column label), or a folder of folders,
 * each of which is a class: data/class/picture templates       template_count texts with {}; 0 of
 * them: "a photo of a {}." names           name_count readable names; a label without one is its
 * own name with '_' as ' ' result          free with sns_zero_shot_free Errors: as above; SNS_ARG
 * also for a template without {}; SNS_FORMAT for fewer than two classes. */
SNS_API sns_status sns_eval_zero_shot(const sns_model *model, const char *data,
                                      const char *const *templates, size_t template_count,
                                      const sns_class_name *names, size_t name_count,
                                      const sns_eval_options *options, sns_zero_shot *result,
                                      sns_error *err);
SNS_API void sns_zero_shot_free(sns_zero_shot *result);
/* A table (the measures, then classes from worst to best), or one JSON object. malloc'd. */
SNS_API sns_status sns_zero_shot_report(const sns_zero_shot *result, int json, char **text,
                                        sns_error *err);

/* ---- spoken queries ---- */

typedef struct sns_spoken {
    size_t sounds, images, skipped;
    sns_retrieval_side sound_to_image, image_to_sound;
} sns_spoken;

/* How well recordings find the pictures that they speak of: the recordings' vectors are those of
 * one model, the pictures' those of another, whose texts have the same vectors (train.h:
 * lock_text). The manifest has JSON lines {"audio": path, "image": path, "lang": "en"}. Several
 * lines may name one picture, or one recording, and then any of its pictures is right; all pictures
 * that are named are candidates, also by lines without a recording. With a language (NULL: all)
 * only recordings whose lines have that "lang" are asked. Errors: as for sns_eval_retrieval;
 * SNS_SHAPE (a model that does not hear, or see), SNS_MISMATCH (the models are not of one space).
 */
SNS_API sns_status sns_eval_spoken(const sns_model *hears, const sns_model *sees,
                                   const char *manifest, const char *language,
                                   const sns_eval_options *options, sns_spoken *result,
                                   sns_error *err);
/* A table, or one JSON object. malloc'd. */
SNS_API sns_status sns_spoken_report(const sns_spoken *result, int json, char **text,
                                     sns_error *err);

/* ---- what a model's vectors know: classifiers trained on top of them ---- */

typedef enum sns_transfer_method {
    SNS_TRANSFER_PROBE, /* logistic regression, lambda chosen on a part of the training pictures */
    SNS_TRANSFER_KNN    /* nearest neighbours */
} sns_transfer_method;

typedef struct sns_transfer_options {
    sns_transfer_method method;
    size_t k;           /* KNN: neighbours; 0: 20 */
    double temperature; /* KNN: of the votes (probe.h); 0: one vote each */
    size_t shots;       /* use so many training pictures of each class, drawn by seed; 0: all */
    uint64_t seed;      /* of the draws: shots, and the part that lambda is chosen on */
} sns_transfer_options;

typedef struct sns_transfer {
    size_t train_images, validation_images; /* the latter are among the former */
    double lambda;                          /* PROBE: as chosen */
    sns_zero_shot test; /* accuracies on the test pictures; free with sns_zero_shot_free */
} sns_transfer;

/* Train on the vectors of labelled pictures, measure on others (Radford et al. 2021, section 3.2).
 *   train, test   as data for sns_eval_zero_shot; a picture whose file is in both is an error
 * PROBE: a fifth of each class's pictures, where it has two, chooses lambda (sns_probe_sweep); then
 * it is fitted once more to all. Errors: as above; SNS_FORMAT for fewer than two classes, or for a
 * test label that no training picture has. */
SNS_API sns_status sns_eval_transfer(const sns_model *model, const char *train, const char *test,
                                     const sns_transfer_options *what,
                                     const sns_eval_options *options, sns_transfer *result,
                                     sns_error *err);
/* A table, or one JSON object. malloc'd. */
SNS_API sns_status sns_transfer_report(const sns_transfer *result, int json, char **text,
                                       sns_error *err);

/* ---- a few examples ---- */

enum { SNS_FEW_SHOT_POINTS = 5 };

typedef struct sns_few_shot_options {
    size_t seeds;                 /* draws of each number of shots; 0: 3 */
    uint64_t seed;                /* of the first */
    const char *const *templates; /* for zero-shot, as for sns_eval_zero_shot */
    size_t template_count;
    void (*progress)(void *user, size_t done, size_t total); /* draws; NULL ok */
    void *user;
} sns_few_shot_options;

typedef struct sns_few_shot {
    size_t images, classes, skipped, seeds;    /* images: of the test */
    size_t points, shots[SNS_FEW_SHOT_POINTS]; /* 1, 2, 4, 8, 16 of each class */
    sns_measure accuracy[SNS_FEW_SHOT_POINTS]; /* of the probe, averaged over draws */
    sns_zero_shot zero_shot; /* of the same test pictures; free with sns_zero_shot_free */
} sns_few_shot;

/* A linear probe that learns from few pictures, beside classification by names alone (Radford et
 * al. 2021, figure 6). lambda is chosen on the training pictures that were not drawn. A class with
 * fewer pictures gives all it has. Arguments and errors: as for sns_eval_transfer. */
SNS_API sns_status sns_eval_few_shot(const sns_model *model, const char *train, const char *test,
                                     const sns_few_shot_options *what,
                                     const sns_eval_options *options, sns_few_shot *result,
                                     sns_error *err);
/* A table, or one JSON object. malloc'd. */
SNS_API sns_status sns_few_shot_report(const sns_few_shot *result, int json, char **text,
                                       sns_error *err);

/* ---- relevance ---- */

enum { SNS_RELEVANCE_POINTS = 50 };
typedef enum sns_relevance_score {
    SNS_BY_RELEVANCE, /* relevance.h's, at SNS_RELEVANT */
    SNS_BY_COSINE,    /* at the one threshold that is best for these very answers */
    SNS_RELEVANCE_WAYS
} sns_relevance_score;

/* A threshold on one score, over all pairs of a query and a picture. */
typedef struct sns_relevance_way {
    double threshold;
    sns_measure precision, recall, f1;
    sns_measure silent; /* queries that list nothing once the pictures that fit are taken away */
    double average_precision;
    double best_threshold, best_f1;            /* in hindsight */
    double precision_at[SNS_RELEVANCE_POINTS]; /* at recall 1/50, 2/50, ... 1 */
} sns_relevance_way;

typedef struct sns_relevance_result {
    size_t images, queries, pairs, skipped; /* pairs: of a query and a picture that fits it */
    sns_relevance_way way[SNS_RELEVANCE_WAYS];
} sns_relevance_result;

/* Does a threshold fixed beforehand on relevance (relevance.h) list what fits a query, beside the
 * best flat threshold on cosines, which nobody knows beforehand?
 *   manifest, language, options   as for sns_eval_retrieval: a picture fits the texts it carries
 * Intervals are over the queries. chance is not given: guessing has the precision of pairs /
 * (queries * images) at any recall. Errors: as for sns_eval_retrieval. */
SNS_API sns_status sns_eval_relevance(const sns_model *model, const char *manifest,
                                      const char *language, const sns_eval_options *options,
                                      sns_relevance_result *result, sns_error *err);
/* A table, or one JSON object. malloc'd. */
SNS_API sns_status sns_relevance_report(const sns_relevance_result *result, int json, char **text,
                                        sns_error *err);
/* Precision along recall for both, the thresholds marked, as a picture. malloc'd. */
SNS_API sns_status sns_relevance_svg(const sns_relevance_result *result, char **svg,
                                     sns_error *err);

/* ---- vector arithmetic ---- */

enum { SNS_ARITHMETIC_KS = 4, SNS_ARITHMETIC_WEIGHTS = 8 };

/* What is looked for, from a picture a of concept A and another concept B; unit vectors. */
typedef enum sns_arithmetic_way {
    SNS_ARITHMETIC_TEXT,    /* text(B): no arithmetic */
    SNS_ARITHMETIC_SUM,     /* image(a) + text(B) */
    SNS_ARITHMETIC_ANALOGY, /* image(a) - text(A) + text(B) */
    SNS_ARITHMETIC_WAYS
} sns_arithmetic_way;

typedef struct sns_arithmetic {
    size_t images, concepts, skipped;
    size_t pairs, pairs_in_all; /* questions asked; (picture, other concept) in the data */
    size_t k[SNS_ARITHMETIC_KS];
    sns_measure recall[SNS_ARITHMETIC_WAYS][SNS_ARITHMETIC_KS]; /* at k: 1, 5, 10, 20 */
    /* Recall@10 of image(a) + weight (text(B) - text(A)); weight 1 is the analogy. */
    double weight[SNS_ARITHMETIC_WEIGHTS];
    sns_measure weighted[SNS_ARITHMETIC_WEIGHTS];
} sns_arithmetic;

typedef struct sns_arithmetic_options {
    /* NULL: a picture's concept is its label, whose text is made by the templates as above; else
     * its first caption in this language. */
    const char *language;
    const char *const *templates;
    size_t template_count;
    size_t pairs;  /* ask so many of the pairs, spread evenly over the pictures; 0: all */
    uint64_t seed; /* which */
} sns_arithmetic_options;

/* How often arithmetic on vectors finds a picture of B (Kiros et al. 2014, section 4.2): the
 * pictures are ranked by their cosine with the vector above, without a itself, and the best picture
 * of B counts.
 *   data     as for sns_eval_zero_shot, or, with a language, as for sns_eval_retrieval; pictures
 *            without a caption in the language are candidates only
 *   options  the rest; NULL: all defaults
 * Intervals: 95 %, of draws of the concepts, as A and as B (Owen 2007), since the pairs that share
 * a concept do not speak for themselves. chance: the expectation of a random order. Errors: as
 * above; SNS_FORMAT for fewer than two concepts. */
SNS_API sns_status sns_eval_arithmetic(const sns_model *model, const char *data,
                                       const sns_arithmetic_options *what,
                                       const sns_eval_options *options, sns_arithmetic *result,
                                       sns_error *err);
/* A table, or one JSON object. malloc'd. */
SNS_API sns_status sns_arithmetic_report(const sns_arithmetic *result, int json, char **text,
                                         sns_error *err);
/* Recall of every way at every k, and along the weights, with their intervals, as a picture.
 * malloc'd. */
SNS_API sns_status sns_arithmetic_svg(const sns_arithmetic *result, char **svg, sns_error *err);
#endif
