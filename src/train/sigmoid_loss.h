/* sigmoid_loss.h - SigLIP's loss: every pair of a batch is one yes-or-no question. */
#ifndef SNS_TRAIN_SIGMOID_LOSS_H
#define SNS_TRAIN_SIGMOID_LOSS_H
#include "model/layers.h"

/* images, texts [B, E], rows of length 1; row i of one belongs to row i of the other.
 * logit_scale, logit_bias: one float each, t and b. *correct (NULL ok) <- pictures whose most
 * similar text is their own. -> [1, 1] */
sns_tensor *sns_sigmoid_loss(sns_tape *tape, sns_tensor *images, sns_tensor *texts,
                             const sns_param *logit_scale, const sns_param *logit_bias,
                             size_t *correct);
#endif
