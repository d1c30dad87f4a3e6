/* catalog_film.h - the films and recordings of a catalog: which vectors are theirs, their moments.
 */
#ifndef SNS_CATALOG_CATALOG_FILM_H
#define SNS_CATALOG_CATALOG_FILM_H
#include "catalog/slots.h"
#include <stdbool.h>

enum { SNS_NO_SLOT = UINT32_MAX };

/* A picture or a moment that may be listed. */
typedef struct sns_ranked {
    uint32_t slot;  /* of a moment, the frame's (or, without one, the window's) at its peak */
    uint32_t sound; /* of a moment with both, the window's; else SNS_NO_SLOT */
    float score, relevance;
    int64_t item; /* the film; 0: a picture */
    double start, peak, end;
} sns_ranked;

typedef struct sns_ranked_list {
    sns_ranked *items; /* free it */
    size_t count, room;
} sns_ranked_list;
sns_status sns_ranked_add(sns_ranked_list *list, const sns_ranked *r, sns_error *err);

typedef struct sns_films sns_films;

/* Inside a transaction for reading, until sns_films_close. *out NULL: there are no films. */
sns_status sns_films_open(sns_catalog *c, sns_films **out, sns_error *err);
void sns_films_close(sns_films *f); /* NULL ok */
/* *film: the film whose vector a slot is, 0: a picture's, -1: a film that was asked for already. */
sns_status sns_films_find(sns_films *f, uint32_t slot, int64_t *film, sns_error *err);
/* No film was asked for yet. */
void sns_films_forget(sns_films *f);
/* Add a film's moments for a query. most: 0: as many as sns_moments_find gives by default. */
sns_status sns_films_rank(sns_films *f, int64_t film, const float *query, size_t most,
                          sns_ranked_list *out, sns_error *err);
/* The moments of all films. */
sns_status sns_films_rank_all(sns_films *f, const float *query, size_t most, sns_ranked_list *out,
                              sns_error *err);

/* Do scores of films lie on another scale than their vectors' cosines, since sound is joined to
 * pictures? Then a film's moment may have a higher score than any of its vectors. */
bool sns_films_are_joined(const sns_films *f);
/* What joining makes of the picture's and the sound's number of standard deviations. */
float sns_films_join(const sns_films *f, float picture, float sound);
/* *bits, to be freed: one for each slot, 1 where it is of sound; NULL when none is. */
sns_status sns_films_sound(const sns_films *f, uint64_t **bits, sns_error *err);
#endif
