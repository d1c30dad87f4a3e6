/* moment_truth.h - films whose moments are known, from a manifest. */
#ifndef SNS_GROUND_MOMENT_TRUTH_H
#define SNS_GROUND_MOMENT_TRUTH_H
#include <sensus/eval.h>

typedef struct sns_truth {
    char *video, *query; /* video: the path to open */
    double start, end;
} sns_truth;

typedef struct sns_truth_list {
    sns_truth *items;
    size_t count, capacity;
    size_t skipped; /* lines that could not be used */
} sns_truth_list;

/* ground.h, sns_eval_moments. Errors: those of its manifest. Free with sns_truth_free. */
sns_status sns_truth_read(const char *manifest, const sns_eval_options *options,
                          sns_truth_list *out, sns_error *err);
void sns_truth_free(sns_truth_list *list);
/* One past the last line, from `first` on, that is of the same film. */
size_t sns_truth_film_end(const sns_truth_list *list, size_t first);
/* A query of another film that the film of lines [first, end) has not; NULL: there is none. Starts
 * looking half the list behind `of`. */
const char *sns_truth_foreign(const sns_truth_list *list, size_t first, size_t end, size_t of);
#endif
