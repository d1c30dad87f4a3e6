/* catalog_world.h - a place for catalog tests: a folder of their own, a tiny random model,
 * pictures. */
#ifndef CATALOG_WORLD_H
#define CATALOG_WORLD_H
#include <sensus/catalog.h>

typedef struct catalog_world {
    char root[64];      /* a temporary folder; everything is below */
    char model_dir[96]; /* root/model */
    char catalog[96];   /* root/test.db */
    char pictures[96];  /* root/pictures, made empty */
    sns_model *model;
} catalog_world;

/* Weights drawn from `seed`: the same seed gives the same model. */
void world_make_model(const char *dir, uint64_t seed);
/* A model that hears, by windows of half a second, in the space of world_make_model's. */
void world_make_hearing(const char *dir, uint64_t seed);
void world_open(catalog_world *w);
void world_close(catalog_world *w); /* deletes the folder */

/* "root/rest"; one of eight buffers that are used in turn. */
const char *world_path(const catalog_world *w, const char *rest);
/* A small PNG whose content depends on `seed` only; folders are made. */
void world_picture(const catalog_world *w, const char *rest, uint64_t seed);
/* out [n, dim] <- the vectors, made one by one, of the pictures that `format` ("pictures/%02d.png")
 * names from 0 to n - 1. */
void world_picture_vectors(const catalog_world *w, const char *format, int n, float *out);
void world_text(const catalog_world *w, const char *rest, const char *text);
/* Modification time in seconds since 1970. */
void world_set_time(const catalog_world *w, const char *rest, long seconds);
#endif
