/* fine_tune.c - training that begins with a model that exists.
 *
 * Locked image tower (Zhai et al. 2022, "LiT: Zero-Shot Transfer with Locked-image text Tuning"):
 * the text tower learns to read out the vectors of an image tower that stays as it is, which
 * therefore needs no activations, no gradients and no moments. So it is with a locked text tower,
 * to whose space a tower comes that sees or hears.
 * Layer-wise rates (Howard and Ruder 2018; Bao et al. 2022): with L blocks, block l (from 0) learns
 * at lr * decay^(L - l), what comes before the blocks at lr * decay^(L + 1), what comes after them
 * at lr. Averaging with the original afterwards (WiSE-FT) is sns_model_average. */
#include "train/fine_tune.h"
#include "base/error.h"
#include "train/sound_setup.h"
#include <math.h>

bool sns_is_image_tensor(const char *name) {
    return !strncmp(name, "vision_model.", 13) || !strncmp(name, "visual_projection.", 18) ||
           !strncmp(name, "audio_", 6);
}

/* Length of the name up to the first part that is a number ("vision_model.encoder.layers.3",
 * "vision_model.layer2.0"): the block's name. 0: not in a block. */
static size_t block_name(const char *name) {
    for (const char *p = strchr(name, '.'); p; p = strchr(p + 1, '.')) {
        size_t digits = strspn(p + 1, "0123456789");
        if (digits && p[1 + digits] == '.') return (size_t)(p + 1 + digits - name);
    }
    return 0;
}

/* One tower's tensors are at [first, end) of the layout: what comes before its blocks, the blocks,
 * what comes after them. */
static void tower_rates(const sns_layout *l, size_t first, size_t end, double decay, float *rate) {
    const char *last = NULL;
    size_t last_size = 0, block = 0, blocks = 0;
    for (int pass = 0; pass < 2; pass++, blocks = block, block = 0, last = NULL) {
        for (size_t i = first; i < end; i++) {
            const char *name = l->desc[i].name;
            size_t n = block_name(name);
            if (n && !(last && n == last_size && !strncmp(name, last, n))) {
                block++; /* from 1 */
                last = name;
                last_size = n;
            }
            size_t depth = n ? block : block ? blocks + 1 : 0;
            if (pass) rate[i] = (float)pow(decay, (double)(blocks + 1 - depth));
        }
    }
}

static bool is_text_tensor(const char *name) {
    return !strncmp(name, "text_", 5);
}

void sns_layer_rates(const sns_layout *l, double layer_decay, int locked, float *rate) {
    size_t images = 0, texts;
    while (images < l->count && sns_is_image_tensor(l->desc[images].name)) images++;
    for (texts = images; texts < l->count && is_text_tensor(l->desc[texts].name);) texts++;
    tower_rates(l, 0, images, layer_decay, rate);
    tower_rates(l, images, texts, layer_decay, rate);
    for (size_t i = texts; i < l->count; i++) rate[i] = 1; /* temperature, bias */
    for (size_t i = 0; i < images && locked == 0; i++) rate[i] = 0;
    for (size_t i = images; i < texts && locked == 1; i++) rate[i] = 0;
}

static bool drop_gradient(void *user, sns_param *param, int third, const sns_param_desc *desc) {
    const sns_run *r = user;
    (void)third;
    if (r->locked ? is_text_tensor(desc->name) : sns_is_image_tensor(desc->name))
        param->value.grad = NULL;
    return true;
}

sns_status sns_run_set_rates(sns_run *r, sns_error *err) {
    const sns_train_options *o = &r->o;
    r->rate = calloc(r->layout.count, sizeof *r->rate);
    r->locked = o->lock_image ? 0 : o->lock_text ? 1 : -1;
    if (r->locked >= 0) r->locked_tape = sns_tape_new(r->k, false);
    if (!r->rate || (r->locked >= 0 && !r->locked_tape))
        return sns_fail(err, SNS_NOMEM, "no memory for %zu learning rates", r->layout.count);
    sns_layer_rates(&r->layout, o->layer_decay, r->locked, r->rate);
    if (r->locked < 0) return SNS_OK;
    if (o->bf16) sns_tape_set_gemm(r->locked_tape, sns_gemm_bf16);
    sns_clip_visit(r->clip, drop_gradient, r);
    return SNS_OK;
}

sns_status sns_run_read_init(sns_run *r, sns_error *err) {
    sns_clip_config stored;
    sns_status s = sns_clip_config_read(r->o.init_dir, &stored, err);
    if (s) return s;
    if (sns_clip_hears(&r->config) && !sns_clip_hears(&stored))
        return sns_run_read_text_tower(r, &stored, err);
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
