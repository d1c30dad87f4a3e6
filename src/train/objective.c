/* objective.c - see objective.h. */
#include "train/objective.h"
#include "train/contrastive_loss.h"
#include "train/sigmoid_loss.h"

sns_tensor *sns_objective_loss(sns_tape *tape, const sns_objective *o, sns_tensor *images,
                               sns_tensor *texts, size_t *correct) {
    if (o->loss == SNS_LOSS_SIGMOID)
        return sns_sigmoid_loss(tape, images, texts, o->logit_scale, o->logit_bias, correct);
    return sns_contrastive_loss(tape, images, texts, o->logit_scale, correct);
}
