/* fine_tune.h - training that begins with a model that exists: its weights, its rates. */
#ifndef SNS_TRAIN_FINE_TUNE_H
#define SNS_TRAIN_FINE_TUNE_H
#include "train/train_setup.h"

/* Does this tensor belong to the image (or audio) tower or its projection? */
bool sns_is_image_tensor(const char *name);
/* rate [l->count]: what each tensor's learning rate is multiplied by. layer_decay in (0, 1]: each
 * block of a tower learns that much less than the one above it, the embeddings least of all.
 * locked: the tower whose rates are 0, 0 the image tower, 1 the text tower; -1: none. */
void sns_layer_rates(const sns_layout *l, double layer_decay, int locked, float *rate);
/* The parameters from the options' init_dir. */
sns_status sns_run_read_init(sns_run *r, sns_error *err);
/* r->rate from the options; for a locked tower also a tape for it, which is only looked at and
 * whose parameters lose their gradients. */
sns_status sns_run_set_rates(sns_run *r, sns_error *err);
#endif
