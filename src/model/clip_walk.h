/* clip_walk.h - the one walk over a model's parameters, shared by the towers' files.
 *
 * The walk calls visit for every tensor, in the order of the layout. */
#ifndef SNS_MODEL_CLIP_WALK_H
#define SNS_MODEL_CLIP_WALK_H
#include "model/clip.h"

/* `third` is 0, 1 or 2 when the tensor is the q, k or v part of param, which then has three times
 * its rows; -1 otherwise. False stops the walk. */
typedef struct sns_walker sns_walker;
struct sns_walker {
    bool (*visit)(sns_walker *v, sns_param *param, int third, const sns_param_desc *desc);
    char prefix[64]; /* of the tower or block being walked */
    bool buffer;     /* what follows is not trained */
    sns_param_desc desc;
};

/* One tensor, its name formatted. */
bool sns_walk_tensor(sns_walker *v, sns_param *param, int third, sns_init init, float std, int dims,
                     const size_t *dim, const char *format, ...)
    __attribute__((format(printf, 8, 9)));
/* prefix.part: [n] */
bool sns_walk_vector(sns_walker *v, sns_param *p, int third, sns_init init, size_t n,
                     const char *part);
/* prefix.part: [rows, cols] of normal values */
bool sns_walk_matrix(sns_walker *v, sns_param *p, int third, float std, size_t rows, size_t cols,
                     const char *part);
/* resnet.c, cbow.c */
sns_status sns_resnet_check(const sns_clip_config *c, sns_error *err);
sns_status sns_resnet_new(const sns_clip_config *c, sns_resnet *r, sns_error *err);
bool sns_walk_resnet(sns_walker *v, const sns_clip_config *c, sns_resnet *r);
/* A convolution and its norm, by their names after the prefix. */
bool sns_walk_conv_norm(sns_walker *v, sns_conv_norm *p, size_t in, size_t out, size_t kernel,
                        const char *conv, const char *norm, sns_init gain);
bool sns_walk_cbow(sns_walker *v, const sns_clip_config *c, sns_clip *m);
/* siglip.c */
bool sns_walk_siglip_image(sns_walker *v, const sns_clip_config *c, sns_clip *m);
bool sns_walk_siglip_text(sns_walker *v, const sns_clip_config *c, sns_clip *m);
sns_tensor *sns_siglip_image_features(sns_tape *t, const sns_clip *m, sns_tensor *pixels);
sns_tensor *sns_siglip_text_features(sns_tape *t, const sns_clip *m, const uint32_t *ids,
                                     const size_t *starts, size_t n);
/* sound_cnn.c */
sns_status sns_sound_cnn_check(const sns_clip_config *c, sns_error *err);
sns_status sns_sound_cnn_new(const sns_clip_config *c, sns_sound_cnn *n, sns_error *err);
bool sns_walk_sound_cnn(sns_walker *v, const sns_clip_config *c, sns_clip *m);
sns_tensor *sns_sound_cnn_features(sns_tape *t, const sns_clip *m, sns_tensor *spectrograms);
/* pixels [B, 3, S, S] of the right size -> [B, E] */
sns_tensor *sns_resnet_features(sns_tape *t, const sns_clip *m, sns_tensor *pixels);
sns_tensor *sns_cbow_features(sns_tape *t, const sns_clip *m, const uint32_t *ids,
                              const size_t *starts, size_t n);
/* All blocks of a Transformer: tower.encoder.layers.0 ...; leaves the prefix at tower. */
bool sns_walk_blocks(sns_walker *v, const sns_tower_config *c, sns_block *blocks,
                     const char *tower);
#endif
