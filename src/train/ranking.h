/* ranking.h - what the ranking losses share: hinges between the scores of a batch's pairs.
 *
 * s_ij is the score of picture i and text j, S [B, B]; the true pairs are on the diagonal. */
#ifndef SNS_TRAIN_RANKING_H
#define SNS_TRAIN_RANKING_H
#include "model/layers.h"

typedef struct sns_ranking {
    sns_tensor *images, *texts, *loss;
    float margin;
    float *dimages,
        *dtexts;        /* [B, E] of an upstream gradient of 1, at first 0; NULL: none wanted */
    float *own;         /* [B] s_ii, filled by the loss before its first block */
    float *active;      /* [B] hinges above 0 that s_ii is in */
    double *row_loss;   /* [B] the hinges of picture i */
    unsigned char *hit; /* [B] no other text has as high a score */
} sns_ranking;

/* Shapes checked, memory taken from the tape. False: the tape has failed, `name` in the message. */
bool sns_ranking_open(sns_tape *tape, const char *name, sns_tensor *images, sns_tensor *texts,
                      float margin, sns_ranking *r);

/* Rows i0 ... i0 + n - 1 of S, s [n, B], become those of B dL/dS off the diagonal, 0 on it, for
 *     L = 1/B sum_i sum_{j != i} max(0, margin - s_ii + s_ij) + max(0, margin - s_jj + s_ij)
 * and their hinges are added to row_loss and active; dL/ds_ii is -active_i / B in the end. */
void sns_ranking_hinges(sns_ranking *r, float *s, size_t i0, size_t n);

/* Whether no other of a row's scores is as high as the one at i. */
bool sns_ranking_hit(const float *row, size_t B, size_t i);

/* loss <- the mean of row_loss, *correct (NULL ok) <- hits; the gradients' backward step goes on
 * the tape. `s` is how the loss went, err its message. -> [1, 1], NULL after a failure */
sns_tensor *sns_ranking_close(sns_tape *tape, const char *name, const sns_ranking *r, sns_status s,
                              const sns_error *err, size_t *correct);
#endif
