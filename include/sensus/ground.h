/* ground.h - where in a film something is: moments, statements, summaries, clips.
 *
 *     sns_film_read(model, cohort, "holiday.mp4", NULL, &film, &err);
 *     sns_encode_texts(session, &text, 1, query, &err);
 *     sns_moments_find(film, query, NULL, &moments, &count, &err);
 */
#ifndef SENSUS_GROUND_H
#define SENSUS_GROUND_H
#include <sensus/eval.h>
#include <sensus/relevance.h>
#include <sensus/video.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- a film as vectors ---- */

typedef struct sns_film sns_film; /* immutable; may be shared by threads */

typedef struct sns_film_options {
    double every;                   /* seconds between samples while the picture changes; 0: 0.25 */
    double from, until;             /* the part to read; until 0: to the end */
    int fast;                       /* video.h: decode only what other frames need */
    size_t threads;                 /* that decode; 0: one */
    size_t batch;                   /* samples encoded at once; 0: 16; at most 1024 */
    size_t max_pixels;              /* video.h */
    const int *cancel;              /* NULL, or a flag as in video.h */
    const sns_isolation *isolation; /* where to decode (video.h); NULL: in this process */
    /* Seconds read so far, and in all (0: unknown); NULL ok. */
    void (*progress)(void *user, double seconds, double duration);
    void *user;
} sns_film_options;

/* Read a film: its samples (video.h), each as a unit vector, and what the cohort's texts score on
 * each. At most twice `batch` pictures are held: the next ones are decoded while some are encoded.
 *   cohort   relevance.h, of this model; borrowed until sns_film_free
 *   options  NULL: all defaults
 * Errors: those of sns_video_open and sns_video_next (of sns_worker_open, with an isolation);
 * SNS_FORMAT (no frame could be read), SNS_LIMIT (more than half a million samples), SNS_SHAPE (no
 * image tower), SNS_ARG, SNS_NOMEM. */
SNS_API sns_status sns_film_read(const sns_model *model, const sns_classifier *cohort,
                                 const char *path, const sns_film_options *options, sns_film **out,
                                 sns_error *err);
SNS_API void sns_film_free(sns_film *film); /* NULL ok */

SNS_API size_t sns_film_count(const sns_film *film);          /* samples, N > 0 */
SNS_API const sns_span *sns_film_spans(const sns_film *film); /* [N], without gaps; borrowed */
SNS_API const float *sns_film_vectors(const sns_film *film);  /* [N, E]; borrowed */
SNS_API size_t sns_film_damaged(const sns_film *film);        /* packets and frames passed over */

/* How a text scores along the film: the cosine, smoothed in time within each shot
 * (src/ground/film_curve.c). Errors: SNS_NOMEM.
 *   text  [E] of unit length;  out  [N] */
SNS_API sns_status sns_film_curve(const sns_film *film, const float *text, float *out,
                                  sns_error *err);

/* ---- moments ---- */

typedef struct sns_moment {
    double start, peak, end; /* seconds */
    float score;             /* of the curve at the peak */
} sns_moment;

typedef struct sns_moment_options {
    size_t most;      /* moments; 0: 5 */
    double least;     /* score of a moment's peak */
    double merge_gap; /* seconds between parts of one moment; 0: 0.5 */
} sns_moment_options;

/* The moments of a film that fit a text, best first; none overlaps another. src/embed/span_curve.c
 * has the method and its sources.
 *   text  [E] of unit length;  options  NULL: all defaults, any score;  *out  malloc'd, *count of
 * them Errors: SNS_NOMEM. */
SNS_API sns_status sns_moments_find(const sns_film *film, const float *text,
                                    const sns_moment_options *options, sns_moment **out,
                                    size_t *count, sns_error *err);

/* The curve with the moments, as SVG. *svg is malloc'd. Errors: SNS_NOMEM. */
SNS_API sns_status sns_moments_svg(const sns_film *film, const float *text,
                                   const sns_moment *moments, size_t count, char **svg,
                                   sns_error *err);

/* ---- statements ---- */

typedef struct sns_entailment {
    double probability; /* that the film shows it */
    double standing;    /* of the text's peak among the peaks of the cohort's texts, in standard
                           deviations */
    double seconds;     /* of the peak */
} sns_entailment;

/* Does the film show what statements say? src/ground/entail.c has the equations. The cohort's own
 * texts are looked for first, which takes as long as a few hundred statements.
 *   texts  [n, E] of unit length;  out  n. Errors: SNS_NOMEM. */
SNS_API sns_status sns_film_entails(const sns_film *film, const float *texts, size_t n,
                                    sns_entailment *out, sns_error *err);

/* ---- summaries ---- */

/* The parts of a film that say most about a text, or without one about the film, in `seconds`
 * altogether (0: 15), in the film's order; src/ground/summary.c has the method and its sources.
 *   text  [E] of unit length, or NULL;  *out  malloc'd, *count of them, none when no part is so
 * short; score and peak are those of the curve, 0 without a text
 * Errors: SNS_NOMEM. sns_clip_write (clip.h) writes them as a film. */
SNS_API sns_status sns_film_summarise(const sns_film *film, const float *text, double seconds,
                                      sns_moment **out, size_t *count, sns_error *err);

/* ---- measures ---- */

typedef struct sns_moment_eval {
    size_t films, queries;
    size_t skipped;                     /* lines or films that could not be used */
    double median_seconds;              /* of the true moments */
    sns_measure recall_50, recall_70;   /* queries whose best moment overlaps the true one by an
                                           intersection over union of at least 0.5, 0.7; chance: a
                                           random segment of the median length */
    sns_measure recall5_50, recall5_70; /* one of the five best */
    sns_measure peak;                   /* whose best moment's peak lies in the true one; chance: a
                                           random time */
    sns_measure accuracy;               /* of statements, half of them true: p >= 0.5 is right */
    sns_measure auc;                    /* a true statement is more probable than a false one */
    double calibration_error;           /* mean |accuracy - probability| over ten bins of p (ECE) */
    double brier;                       /* mean square of p - truth; 0.25 for p = 0.5 always */
} sns_moment_eval;

/* Measure moments and statements on films whose moments are known.
 *   manifest  JSON lines {"video": path, "query": text, "start": s, "end": s}; the lines of a film
 *             stand together. A query is a true statement about its film; a false one is the next
 *             query of another film that this film has not.
 *   options   image_root: where relative paths of films start, limit: the first so many queries,
 *             threads: that decode; cancel, warn, progress (queries)
 * Errors: SNS_MISSING, SNS_IO, SNS_FORMAT (no line that can be used), SNS_LIMIT, SNS_NOMEM,
 * SNS_CANCELLED, those of the model. */
SNS_API sns_status sns_eval_moments(const sns_model *model, const char *manifest,
                                    const sns_eval_options *options, sns_moment_eval *out,
                                    sns_error *err);
/* As a table, or one JSON object. *text is malloc'd. */
SNS_API sns_status sns_moment_report(const sns_moment_eval *result, int json, char **text,
                                     sns_error *err);

#ifdef __cplusplus
}
#endif
#endif
