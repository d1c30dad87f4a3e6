/* hinge_loss.h - the true pair must beat the false ones by a margin: all of them, or the hardest.
 *
 * images, texts [B, E], rows of length 1; row i of one belongs to row i of the other. *correct
 * (NULL ok) <- pictures whose most similar text is their own. -> [1, 1] */
#ifndef SNS_TRAIN_HINGE_LOSS_H
#define SNS_TRAIN_HINGE_LOSS_H
#include "model/layers.h"

/* Kiros et al. 2014: every false pair of the batch. */
sns_tensor *sns_hinge_loss(sns_tape *tape, sns_tensor *images, sns_tensor *texts, float margin,
                           size_t *correct);
/* Faghri et al. 2018 (VSE++): of every picture the nearest wrong text, of every text the nearest
 * wrong picture. */
sns_tensor *sns_hardest_loss(sns_tape *tape, sns_tensor *images, sns_tensor *texts, float margin,
                             size_t *correct);
#endif
