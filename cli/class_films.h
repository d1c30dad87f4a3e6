/* class_films.h - how films and recordings of a catalog are classified. */
#ifndef SENSUS_CLI_CLASS_FILMS_H
#define SENSUS_CLI_CLASS_FILMS_H
#include <sensus/catalog.h>

/* By what something is judged. */
typedef struct cli_judge {
    sns_model *model;
    sns_classifier *classifier;
    sns_classifier *cohort; /* of unrelated words; NULL: none */
} cli_judge;
void cli_judge_free(cli_judge *j);

/* The unrelated words for j's model, in the same sentences as its labels. */
sns_status cli_judge_cohort(cli_judge *j, sns_error *err);
/* *out: the labels, and with a cohort that too, by the catalog's second model. */
sns_status cli_judge_by_sound(const cli_judge *j, const sns_catalog *c, cli_judge *out,
                              sns_error *err);

/* A film's probabilities [classes]: the mean of its samples', by the time each stands for. */
sns_status cli_film_probabilities(const cli_judge *j, const sns_catalog_file *f, float *probability,
                                  sns_error *err);
/* How far a label stands out (sns_standing): the same mean. */
float cli_film_standing(const cli_judge *j, const sns_catalog_file *f, size_t class);
/* The time of the sample that is nearest to a label. */
double cli_film_best(const cli_judge *j, const sns_catalog_file *f, size_t class);
/* A recording's vector [dim], as sns_encode_sound makes it: the mean of its windows', of length 1.
 */
void cli_sound_vector(const sns_catalog_file *f, size_t dim, float *out);
#endif
