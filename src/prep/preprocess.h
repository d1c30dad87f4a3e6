/* preprocess.h - what preprocessor_config.json says: resize, centre crop, rescale, normalise. */
#ifndef SNS_PREP_PREPROCESS_H
#define SNS_PREP_PREPROCESS_H
#include "tensor/gguf.h"
#include <sensus/status.h>

typedef struct sns_preprocess {
    size_t resize_px; /* the shorter side becomes this */
    bool resize_both; /* size given as {height, width}: squash to resize_px x resize_px instead */
    bool do_resize, do_crop, do_normalize;
    size_t crop_px; /* side of the centre crop = model input */
    float rescale, mean[3], std[3];
} sns_preprocess;

/* CLIP's: bicubic, shorter side and crop = px, mean/std of OpenAI's models. */
void sns_preprocess_default(sns_preprocess *p, size_t px);
/* From dir/preprocessor_config.json; without that file the defaults for image_px. dir may be a GGUF
 * file, whose metadata have mean and deviation. Errors:
 * SNS_FORMAT, SNS_UNSUPPORTED (a resampling other than bicubic), SNS_LIMIT, SNS_SHAPE (another
 * size than image_px, unless that is 0). */
sns_status sns_preprocess_read(const char *dir, size_t image_px, sns_preprocess *p, sns_error *err);
/* The same from the text of the file; path is only used in messages. */
sns_status sns_preprocess_parse(const char *text, size_t size, const char *path, size_t image_px,
                                sns_preprocess *p, sns_error *err);
sns_status sns_preprocess_gguf(const sns_gguf *g, size_t image_px, sns_preprocess *p,
                               sns_error *err);
sns_status sns_preprocess_write(const char *dir, const sns_preprocess *p, sns_error *err);

/* RGB8 [height, width, 3] -> planar floats [3, crop_px, crop_px]. Equal to Pillow's resize
 * and CLIPImageProcessor's rounding (preprocess.c). */
sns_status sns_preprocess_run(const sns_preprocess *p, const sns_kernels *k, const uint8_t *rgb,
                              size_t width_px, size_t height_px, float *out, sns_error *err);

/* Antialiased bicubic (a = -0.5) as Pillow's Image.resize(..., BICUBIC), bit for bit: [h, w, 3] ->
 * [out_h, out_w, 3], of the source box x0, y0, x1, y1 (in pixels, may be fractional). */
sns_status sns_resize_bicubic(const uint8_t *in, size_t w, size_t h, double x0, double y0,
                              double x1, double y1, uint8_t *out, size_t out_w, size_t out_h,
                              sns_error *err);
#endif
