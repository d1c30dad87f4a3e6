/* affinity_loss.h - distillation: a student's pairs as alike as the teacher's, its vectors as
 * theirs. */
#ifndef SNS_TRAIN_AFFINITY_LOSS_H
#define SNS_TRAIN_AFFINITY_LOSS_H
#include "model/layers.h"

/* What a teacher says of a batch: unit rows [B, width], and its exp(t). */
typedef struct sns_teacher_view {
    const float *images, *texts;
    size_t width;
    float scale;
} sns_teacher_view;

/* Kullback-Leibler divergence of the student's similarities from the teacher's, over texts for each
 * picture and over pictures for each text. images, texts [B, E], unit rows. -> [1, 1] */
sns_tensor *sns_affinity_loss(sns_tape *tape, sns_tensor *images, sns_tensor *texts,
                              const sns_param *logit_scale, const sns_teacher_view *teacher);
/* Mean over rows of |x_i - target_i|^2; x, target [B, C]. -> [1, 1] */
sns_tensor *sns_feature_loss(sns_tape *tape, sns_tensor *x, const float *target, size_t C);
#endif
