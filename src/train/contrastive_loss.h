/* contrastive_loss.h - CLIP's symmetric cross-entropy over all pairs of a batch. */
#ifndef SNS_TRAIN_CONTRASTIVE_LOSS_H
#define SNS_TRAIN_CONTRASTIVE_LOSS_H
#include "model/layers.h"

/* images, texts [B, E], rows of length 1; row i of one belongs to row i of the other.
 * logit_scale: one float t. *correct (NULL ok) <- pictures whose most similar text is their own.
 * -> [1, 1] */
sns_tensor *sns_contrastive_loss(sns_tape *tape, sns_tensor *images, sns_tensor *texts,
                                 const sns_param *logit_scale, size_t *correct);
#endif
