/* film.h - a film as vectors, for the files of this folder. */
#ifndef SNS_GROUND_FILM_H
#define SNS_GROUND_FILM_H
#include <sensus/ground.h>

struct sns_film {
    size_t count, capacity, dim, damaged;
    sns_span *spans;
    float *vectors;       /* [count, dim] */
    sns_moments *moments; /* [count], what the cohort scores on each */
    const sns_classifier *cohort;
};

/* out[i] <- the standing of a text on each sample, not smoothed. */
void sns_film_standings(const sns_film *film, const float *text, float *out);
#endif
