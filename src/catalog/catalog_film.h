/* catalog_film.h - the films of a catalog: which vectors are theirs, and their moments. */
#ifndef SNS_CATALOG_CATALOG_FILM_H
#define SNS_CATALOG_CATALOG_FILM_H
#include "catalog/slots.h"

/* A picture or a moment that may be listed. */
typedef struct sns_ranked {
    uint32_t slot; /* of a moment, the one at its peak */
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
/* All moments of all films. */
sns_status sns_films_rank_all(sns_films *f, const float *query, sns_ranked_list *out,
                              sns_error *err);
#endif
