/* robustness.h - accuracy under a distribution shift against accuracy without it.
 *
 * A point is one model on one shifted set: how many it gets right of its ordinary test set, and of
 * the shifted one. Over a baseline group of models (say, those trained with labels) the second
 * follows the first along a line in logits; a model's effective robustness is how far it is above
 * that line. Source: Taori et al. 2020, section 2; Radford et al. 2021, section 3.3, figure 13. */
#ifndef SENSUS_ROBUSTNESS_H
#define SENSUS_ROBUSTNESS_H
#include <sensus/image.h>
#include <sensus/status.h>
#include <stddef.h>
#include <stdint.h>

/* A number and its 95 % interval. */
typedef struct sns_interval {
    double value, low, high;
} sns_interval;

typedef struct sns_score {
    size_t correct, total;
} sns_score;

typedef struct sns_robust_point {
    const char *model, *group, *shift;
    const char *run;       /* of training; models of one run are not independent */
    sns_score id, shifted; /* id: in distribution, on the ordinary set */
    sns_interval id_accuracy, shifted_accuracy; /* fractions; Wilson's intervals */
    sns_interval effective; /* of a baseline model: its distance from the line */
} sns_robust_point;

enum { SNS_ROBUST_BAND = 41 };

/* One shift's line: logit(shifted) = intercept + slope * logit(id), over the baseline's models. */
typedef struct sns_robust_line {
    const char *shift;
    size_t models;
    sns_interval slope, intercept;
    double r2;                      /* of the fit, in logits */
    double band_x[SNS_ROBUST_BAND]; /* logits of id accuracy, from the least to the largest point */
    sns_interval band[SNS_ROBUST_BAND]; /* logits of the line there */
} sns_robust_line;

/* A mean of effective robustness: of a group's models on one shift (model NULL), of one model over
 * shifts (shift NULL), or of a group over both (both NULL). */
typedef struct sns_robust_mean {
    const char *group, *model, *shift;
    size_t points;
    sns_interval effective;
} sns_robust_mean;

typedef struct sns_robustness {
    const char *baseline;
    sns_robust_point *points; /* as in the file */
    size_t point_count;
    sns_robust_line *lines; /* a shift each, in the order in which the file names them */
    size_t line_count;
    sns_robust_mean *means; /* of the groups other than the baseline: each group's by shift, its
                               mean, then its models' */
    size_t mean_count;
    const char **groups; /* in the file's order */
    size_t group_count;
    char *names; /* owns every name */
} sns_robustness;

/* Read points and measure them.
 *   file      JSON lines of {"model": name, "group": name, "shift": name, "id": {"correct": k,
 *             "total": n}, "shifted": {"correct": k, "total": n}}; "run": name where several models
 * are states of one run of training, or are made from one; other keys are passed over baseline  the
 * group that the lines are fitted over out       free with sns_robustness_free, also after an error
 * A logit is that of (k + 0.5) / (n + 1). Intervals are the 2.5th and 97.5th percentile of 1,000
 * draws from a fixed seed, in each of which every run has a weight of its own (the Bayesian
 * bootstrap, Rubin 1981), the same on all shifts, and every count is drawn again from its binomial
 * distribution; a model's equal counts of an ordinary set are one count. What a single run, or two,
 * cannot show of the spread between runs is not in them. Errors: SNS_MISSING,
 * SNS_IO, SNS_FORMAT (a line that is no point, names its line; the same model and shift twice; a
 * shift with fewer than three baseline models, or whose baseline models are all equally good),
 * SNS_LIMIT (64 MiB, 10,000 points, 64 shifts, 16 groups, names of 200 bytes, totals of 1e9),
 * SNS_NOMEM. */
SNS_API sns_status sns_eval_robustness(const char *file, const char *baseline, sns_robustness *out,
                                       sns_error *err);
SNS_API void sns_robustness_free(sns_robustness *r);

/* A table for readers, or (json nonzero) one JSON object a line, each with a "kind": line, mean,
 * point. malloc'd. */
SNS_API sns_status sns_robustness_report(const sns_robustness *r, int json, char **text,
                                         sns_error *err);
/* Figure 13 as SVG: a panel for each shift, both axes in logits. malloc'd. */
SNS_API sns_status sns_robustness_svg(const sns_robustness *r, char **text, sns_error *err);

/* ---- synthetic shifts ---- */

/* Ways to spoil a picture. Source: Hendrycks and Dietterich 2019, "Benchmarking neural network
 * robustness to common corruptions and perturbations", section 3; formulas and constants are in
 * src/prep/corrupt.c. */
typedef enum sns_shift {
    SNS_SHIFT_NOISE,    /* Gaussian, every pixel and channel by itself */
    SNS_SHIFT_BLUR,     /* Gaussian, as wide as a share of the shorter side */
    SNS_SHIFT_CONTRAST, /* less of it */
    SNS_SHIFT_JPEG,     /* compressed */
    SNS_SHIFT_FOG       /* a plasma fractal laid over, and the whole darkened to fit */
} sns_shift;
enum { SNS_SHIFTS = 5, SNS_STRENGTHS = 5, SNS_CORRUPT_PX_MAX = 4096 };

/* "noise", "blur", "contrast", "jpeg", "fog"; NULL for another number. */
SNS_API const char *sns_shift_name(sns_shift shift);

/* A spoiled copy of a picture, of its size.
 *   strength  1 to 5
 *   name      what is drawn at random follows from seed and name alone, and is the same at every
 *             strength
 *   out       free with sns_image_free
 * Errors: SNS_ARG, SNS_LIMIT (a side above SNS_CORRUPT_PX_MAX), SNS_NOMEM. */
SNS_API sns_status sns_image_corrupt(const sns_image *in, sns_shift shift, int strength,
                                     uint64_t seed, const char *name, sns_image *out,
                                     sns_error *err);

typedef struct sns_corrupt_options {
    const char *data;       /* a manifest or a folder of classes, as for sns_eval_zero_shot */
    const char *image_root; /* where relative image paths start; NULL: the manifest's folder */
    const char *out;        /* folder */
    unsigned shifts;        /* 1 << SNS_SHIFT_FOG | ...; 0: all */
    unsigned strengths;     /* 1 << 5 | ...; 0: all */
    uint64_t seed;
    size_t limit; /* use the first so many pictures; 0: all */
    /* Copies written so far; nonzero stops with SNS_CANCELLED. NULL ok. */
    int (*progress)(void *user, size_t done, size_t total);
    void (*warn)(void *user, const char *message); /* a line for each that is left out; NULL ok */
    void *user;
} sns_corrupt_options;

/* Write OUT/SHIFT-STRENGTH/NNNNNN.png (.jpg for SNS_SHIFT_JPEG) and, when all its pictures are
 * there, OUT/SHIFT-STRENGTH/manifest.jsonl with their labels and captions, for each shift and
 * strength. A picture's name is its path in the manifest (or below the folder), so that copies of
 * the data elsewhere are spoiled alike. *skipped (NULL ok) <- lines and pictures left out. Errors:
 * SNS_ARG, SNS_MISSING, SNS_IO, SNS_FORMAT (no usable picture), SNS_LIMIT, SNS_CANCELLED,
 * SNS_NOMEM. */
SNS_API sns_status sns_data_corrupt(const sns_corrupt_options *options, size_t *skipped,
                                    sns_error *err);
#endif
