/* sound_cnn.h - the parameters of the residual convolutional tower that hears (sound_cnn.c). */
#ifndef SNS_MODEL_SOUND_CNN_H
#define SNS_MODEL_SOUND_CNN_H
#include "model/resnet.h"

/* Two 3 x 3 convolutions; down: of the identity where its channels change */
typedef struct sns_basic_block {
    sns_conv_norm conv[2], down;
    bool halves, has_down; /* halves: pools by 2 */
} sns_basic_block;

typedef struct sns_sound_cnn {
    sns_conv_norm stem;
    sns_basic_block *blocks; /* of all stages, one after another */
    size_t count;
} sns_sound_cnn;
#endif
