/* fine_tune.h - training that begins with a model that exists: its weights, its rates. */
#ifndef SNS_TRAIN_FINE_TUNE_H
#define SNS_TRAIN_FINE_TUNE_H
#include "train/train_setup.h"

/* Does this tensor belong to the image tower or its projection? */
bool sns_is_image_tensor(const char *name);
/* rate [l->count]: what each tensor's learning rate is multiplied by. layer_decay in (0, 1]: each
 * block of a tower learns that much less than the one above it, the embeddings least of all.
 * lock_image: 0 for the image tower. */
void sns_layer_rates(const sns_layout *l, double layer_decay, bool lock_image, float *rate);
/* The parameters from the options' init_dir. */
sns_status sns_run_read_init(sns_run *r, sns_error *err);
/* r->rate from the options; for lock_image also a tape for the tower that is only looked at, whose
 * parameters lose their gradients. */
sns_status sns_run_set_rates(sns_run *r, sns_error *err);
#endif
