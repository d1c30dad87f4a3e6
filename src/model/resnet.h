/* resnet.h - the parameters of CLIP's residual convolutional network (resnet.c). */
#ifndef SNS_MODEL_RESNET_H
#define SNS_MODEL_RESNET_H
#include "model/layers.h"

enum {
    SNS_RESNET_STAGES = 4,
    SNS_RESNET_STRIDE = 32
}; /* pixels of a picture per pixel at its end */

/* A convolution without bias, then batch norm. */
typedef struct sns_conv_norm {
    sns_param weight;
    sns_batch_norm norm;
} sns_conv_norm;
/* x convolved, normalised, plus residual (or NULL), then ReLU if wanted */
sns_tensor *sns_run_conv_norm(sns_tape *t, sns_tensor *x, const sns_conv_norm *p, size_t stride,
                              bool relu, sns_tensor *residual);

/* 1 x 1, 3 x 3, 1 x 1 with four times the channels; down: of the identity where its shape changes
 */
typedef struct sns_bottleneck {
    sns_conv_norm conv[3], down;
    bool halves, has_down; /* halves: pools by 2 */
} sns_bottleneck;

typedef struct sns_resnet {
    sns_conv_norm stem[3];
    sns_bottleneck *blocks; /* of all stages, one after another */
    size_t count;
    sns_param positions, qkv_weight, qkv_bias, out_weight, out_bias; /* attention pooling */
} sns_resnet;
#endif
