/* grad_step.h - the loss of one batch and its gradient, the batch whole or in pieces. */
#ifndef SNS_TRAIN_GRAD_STEP_H
#define SNS_TRAIN_GRAD_STEP_H
#include "train/train_setup.h"

typedef struct sns_step_loss {
    double loss;
    size_t correct; /* pictures of the batch whose most similar text is their own */
    size_t epoch;
    sns_stream_position at; /* of streamed data */
    double wait_s, forward_s, backward_s;
} sns_step_loss;

/* Read the next batch from r->next_piece and fill r->grads. Errors: the pieces' own, SNS_NOMEM,
 * SNS_SHAPE, SNS_ARG, SNS_INTERNAL. */
sns_status sns_grad_step(sns_run *r, sns_step_loss *out, sns_error *err);

/* One step of the optimiser with r->grads: clip by their global norm, AdamW at the schedule's rate,
 * t kept within [0, ln 100] except for the sigmoid, averaged weights. r->state.step is left to the
 * caller. Errors: SNS_FORMAT when the loss or the gradient is not finite; nothing is changed then.
 */
sns_status sns_apply_gradients(sns_run *r, double loss, double *lr, double *grad_norm,
                               sns_error *err);

/* What training minimises, from the features of the whole batch: images, texts [B, E], rows of
 * length 1, in order of place. Gradients flow to both and to the loss's own parameters. -> [1, 1]
 */
sns_tensor *sns_batch_loss(sns_run *r, sns_tape *t, sns_tensor *images, sns_tensor *texts,
                           size_t *correct);
#endif
