/* caption_draw.h - which of a sample's captions a step shows. */
#ifndef SNS_TRAIN_CAPTION_DRAW_H
#define SNS_TRAIN_CAPTION_DRAW_H
#include "base/rng.h"
#include "train/dataset.h"

/* A weight for every language of a data set; negative: shares what the named ones leave. */
typedef struct sns_lang_weights {
    float weight[SNS_LANGS_MAX];
} sns_lang_weights;

/* From "en=0.4,de=0.1". Errors: SNS_ARG (malformed, a weight outside 0 ... 1, a sum above 1). */
sns_status sns_lang_weights_parse(const char *text, const sns_dataset *d, sns_lang_weights *out,
                                  sns_error *err);
/* Place of one of n captions, those of one language side by side. */
size_t sns_caption_pick(const sns_caption *c, size_t n, const sns_lang_weights *w, sns_rng *rng);
/* Number of a caption of sample i: first a language, then one of its captions. */
size_t sns_caption_draw(const sns_dataset *d, size_t i, const sns_lang_weights *w, sns_rng *rng);
#endif
