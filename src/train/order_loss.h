/* order_loss.h - order embeddings: a text is more general than its picture. */
#ifndef SNS_TRAIN_ORDER_LOSS_H
#define SNS_TRAIN_ORDER_LOSS_H
#include "model/layers.h"

/* images, texts [B, E], rows of length 1 without negative numbers; row i of one belongs to row i of
 * the other. *correct (NULL ok) <- pictures of which no other text is violated as little as their
 * own. -> [1, 1] */
sns_tensor *sns_order_loss(sns_tape *tape, sns_tensor *images, sns_tensor *texts, float margin,
                           size_t *correct);
#endif
