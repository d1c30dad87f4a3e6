/* film_common.h - what the commands about films share: reading one, times, pictures of its moments.
 */
#ifndef SENSUS_CLI_FILM_H
#define SENSUS_CLI_FILM_H
#include "command.h"
#include "progress.h"
#include "sheet.h"
#include <sensus/ground.h>

/* What reading a film needs and gives; zero-initialise, free with cli_film_free. */
typedef struct cli_film {
    sns_model *model;
    sns_session *session;
    sns_classifier *cohort;
    sns_film *film;
    cli_progress bar;
} cli_film;

/* The options of commands that read a film by a model. */
typedef struct cli_film_values {
    const char *model;
    double every, from, until;
    int64_t threads;
    bool fast;
} cli_film_values;

#define CLI_FILM_OPTIONS(type, member)                                                             \
    CLI_MODEL_OPTION(type, member.model),                                                          \
        {0,                                                                                        \
         "every",                                                                                  \
         CLI_FLOAT,                                                                                \
         "SECONDS",                                                                                \
         "0.25",                                                                                   \
         "look at least so often while the picture changes",                                       \
         offsetof(type, member.every),                                                             \
         0.01,                                                                                     \
         3600,                                                                                     \
         NULL},                                                                                    \
        {0,                                                                                        \
         "from",                                                                                   \
         CLI_FLOAT,                                                                                \
         "SECONDS",                                                                                \
         "0",                                                                                      \
         "leave out what is before",                                                               \
         offsetof(type, member.from),                                                              \
         0,                                                                                        \
         1e6,                                                                                      \
         NULL},                                                                                    \
        {0,                                                                                        \
         "until",                                                                                  \
         CLI_FLOAT,                                                                                \
         "SECONDS",                                                                                \
         "0",                                                                                      \
         "leave out what is after; 0: nothing",                                                    \
         offsetof(type, member.until),                                                             \
         0,                                                                                        \
         1e6,                                                                                      \
         NULL},                                                                                    \
        {0,                                                                                        \
         "fast",                                                                                   \
         CLI_FLAG,                                                                                 \
         NULL,                                                                                     \
         NULL,                                                                                     \
         "decode only frames that others need: a cut may be found a few frames late",              \
         offsetof(type, member.fast),                                                              \
         0,                                                                                        \
         0,                                                                                        \
         NULL},                                                                                    \
    {                                                                                              \
        0, "threads", CLI_INT, "N", "1", "threads that decode", offsetof(type, member.threads), 1, \
            64, NULL                                                                               \
    }

/* Load the model and read the film; damage is noted. CLI_FAILED after a message. */
int cli_film_read(cli_film *f, const cli_film_values *v, const char *path);
void cli_film_free(cli_film *f);
/* *vectors <- [n, E], malloc'd. */
int cli_film_texts(cli_film *f, const char *const *texts, size_t n, float **vectors);

enum { CLI_TIME_SIZE = 48 };
/* "1:02:03.500", "2:03.500": hours when there are any. */
void cli_time(double seconds, char out[CLI_TIME_SIZE]);
/* The same to a tenth: "2:03.5". */
void cli_time_short(double seconds, char out[CLI_TIME_SIZE]);
/* Seconds from "83.5", "1:23.5", "0:01:23.5"; false for anything else. */
bool cli_parse_time(const char *text, double *seconds);

/* A card for each moment: the frame at its peak, its times, its score. Frames that can't be read
 * are empty. cards and what they hold: free with cli_moment_cards_free. NULL: no memory. */
cli_card *cli_moment_cards(const char *path, const sns_moment *moments, size_t n);
void cli_moment_cards_free(cli_card *cards, size_t n);
/* The frame of card->path, a film, at a time into card->bytes, to be freed; what can't be read, or
 * is a recording, leaves it empty. */
void cli_card_frame(cli_card *card, double seconds);
/* A card for each hit: a picture, or the frame at a moment's peak, with its times. The same way. */
cli_card *cli_hit_cards(const sns_hits *hits);
#endif
