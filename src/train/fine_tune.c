/* fine_tune.c - training that begins with a model that exists. */
#include "base/error.h"
#include "train/train_setup.h"

sns_status sns_run_read_init(sns_run *r, sns_error *err) {
    sns_clip_config stored;
    sns_status s = sns_clip_config_read(r->o.init_dir, &stored, err);
    if (s) return s;
    sns_layout l = r->layout;
    bool new_bias = r->config.has_bias && !stored.has_bias;
    if (new_bias) l.count--; /* the bias is the last tensor */
    s = sns_clip_read_flat(r->o.init_dir, &stored, &l, r->state.params, err);
    if (s || !new_bias) return s;
    /* A temperature that was learned for the softmax is no start for the sigmoid. */
    *r->clip->logit_scale.value.data = r->config.logit_scale_init;
    *r->clip->logit_bias.value.data = r->config.logit_bias_init;
    return SNS_OK;
}
