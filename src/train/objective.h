/* objective.h - what a step minimises, as a function of both towers' features alone.
 *
 * Features in, one number out, on a tape: whoever computes the features (the towers on the same
 * tape, or in parts with their gradients handed on later) gets d loss / d features from
 * sns_tape_backward in images->grad and texts->grad. */
#ifndef SNS_TRAIN_OBJECTIVE_H
#define SNS_TRAIN_OBJECTIVE_H
#include "train/affinity_loss.h"
#include <sensus/train.h>

typedef struct sns_objective {
    sns_loss loss;
    const sns_param *logit_scale, *logit_bias; /* logit_bias: SNS_LOSS_SIGMOID only */
    float margin;                              /* of the ranking losses */
    float pull; /* weight of |image - text|^2, texts being where they are; 0: left out */
    /* Distillation: added to the loss with these weights; 0: left out. */
    float affinity, features;
    sns_teacher_view teacher;              /* of the same batch */
    const sns_param *image_map, *text_map; /* [teacher.width, E]; NULL: the widths are equal */
} sns_objective;

/* images, texts [B, E], rows of length 1, row i of one belongs to row i of the other. *correct
 * (NULL ok) <- pictures whose most similar text is their own. -> [1, 1] */
sns_tensor *sns_objective_loss(sns_tape *tape, const sns_objective *o, sns_tensor *images,
                               sns_tensor *texts, size_t *correct);
#endif
