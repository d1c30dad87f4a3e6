/* objective.c - L = contrastive + pull * |pictures - texts|^2 + affinity * L_affinity
 *                + features * (L_pictures + L_texts) */
#include "train/objective.h"
#include "train/contrastive_loss.h"
#include "train/hinge_loss.h"
#include "train/order_loss.h"
#include "train/sigmoid_loss.h"

enum { TERMS = 5 };

typedef struct weighted {
    sns_tensor *term[TERMS], *sum;
    float weight[TERMS];
    size_t n;
} weighted;

static void weighted_backward(sns_tape *tape, void *context) {
    const weighted *w = context;
    (void)tape;
    for (size_t i = 0; i < w->n; i++) w->term[i]->grad[0] += w->weight[i] * w->sum->grad[0];
}

static void add(weighted *w, float weight, sns_tensor *term) {
    w->weight[w->n] = weight;
    w->term[w->n++] = term;
}

static sns_tensor *weighted_sum(sns_tape *tape, weighted *w) {
    w->sum = sns_tape_matrix(tape, 1, 1);
    if (!w->sum || sns_tape_status(tape, NULL)) return NULL;
    w->sum->data[0] = 0;
    for (size_t i = 0; i < w->n; i++) w->sum->data[0] += w->weight[i] * w->term[i]->data[0];
    weighted *node = sns_tape_push(tape, weighted_backward, sizeof *node);
    if (node) *node = *w;
    return sns_tape_status(tape, NULL) ? NULL : w->sum;
}

static sns_tensor *contrastive(sns_tape *tape, const sns_objective *o, sns_tensor *images,
                               sns_tensor *texts, size_t *correct) {
    switch (o->loss) {
    case SNS_LOSS_SIGMOID:
        return sns_sigmoid_loss(tape, images, texts, o->logit_scale, o->logit_bias, correct);
    case SNS_LOSS_HINGE:
        return sns_hinge_loss(tape, images, texts, o->margin, correct);
    case SNS_LOSS_HINGE_HARDEST:
        return sns_hardest_loss(tape, images, texts, o->margin, correct);
    case SNS_LOSS_ORDER:
        return sns_order_loss(tape, images, texts, o->margin, correct);
    case SNS_LOSS_SOFTMAX:
        break;
    }
    return sns_contrastive_loss(tape, images, texts, o->logit_scale, correct);
}

/* The student's vectors against the teacher's, in the teacher's space. */
static sns_tensor *regression(sns_tape *tape, const sns_objective *o, sns_tensor *x,
                              const sns_param *map, const float *target) {
    if (map) x = sns_linear(tape, x, map, NULL, NULL);
    return sns_feature_loss(tape, x, target, o->teacher.width);
}

sns_tensor *sns_objective_loss(sns_tape *tape, const sns_objective *o, sns_tensor *images,
                               sns_tensor *texts, size_t *correct) {
    sns_tensor *loss = contrastive(tape, o, images, texts, correct);
    bool taught = o->teacher.width > 0;
    if (!loss || (!taught && !(o->pull > 0))) return loss;
    weighted w = {0};
    add(&w, 1, loss);
    if (o->pull > 0) add(&w, o->pull, sns_feature_loss(tape, images, texts->data, texts->cols));
    if (taught && o->affinity > 0)
        add(&w, o->affinity, sns_affinity_loss(tape, images, texts, o->logit_scale, &o->teacher));
    if (taught && o->features > 0) {
        add(&w, o->features, regression(tape, o, images, o->image_map, o->teacher.images));
        add(&w, o->features, regression(tape, o, texts, o->text_map, o->teacher.texts));
    }
    return weighted_sum(tape, &w);
}
