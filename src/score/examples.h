/* examples.h - labelled vectors to learn from and others to measure with. */
#ifndef SNS_SCORE_EXAMPLES_H
#define SNS_SCORE_EXAMPLES_H
#include "score/eval_set.h"
#include <stdbool.h>

typedef struct sns_examples {
    sns_eval_set set; /* empty for those made of others */
    float *x;         /* [n, E] */
    uint32_t *labels; /* [n] */
    size_t n;
} sns_examples;

/* Read and encode both; classes->per_class, ->classes <- the training pictures' labels in byte
 * order,
 * ->skipped. Errors: those of sns_eval_transfer. Free all three in any case. */
sns_status sns_examples_read(const sns_model *model, const char *train_data, const char *test_data,
                             const sns_eval_options *options, sns_examples *train,
                             sns_examples *test, sns_zero_shot *classes, sns_error *err);
void sns_examples_free(sns_examples *e);
/* chosen[i]: is example i among the first `most` of its class, or (most 0) in its first fifth, in
 * an order drawn by seed and stream? A class of one picture has no fifth. */
sns_status sns_examples_draw(const sns_examples *e, size_t classes, size_t most, uint64_t seed,
                             uint64_t stream, bool *chosen, sns_error *err);
/* Those for which chosen is `want`. */
sns_status sns_examples_copy(const sns_examples *from, size_t dim, const bool *chosen, bool want,
                             sns_examples *out, sns_error *err);
#endif
