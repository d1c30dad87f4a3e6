/* model.h - loading a CLIP model and encoding pictures, or sounds, and texts into one space. */
#ifndef SENSUS_MODEL_H
#define SENSUS_MODEL_H
#include <sensus/image.h>
#include <sensus/sound.h>
#include <sensus/status.h>
#include <sensus/tokenizer.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sns_model sns_model;     /* immutable after loading; may be shared by threads */
typedef struct sns_session sns_session; /* one thread's scratch for one model */

/* Open a model's folder (Hugging Face layout; docs/FORMATS.md), or a GGUF file of clip.cpp's.
 * Weights are mapped.
 * Errors: SNS_MISSING, SNS_IO, SNS_FORMAT, SNS_SHAPE (config and tensors differ), SNS_UNSUPPORTED,
 * SNS_NOMEM. */
SNS_API sns_status sns_model_load(const char *dir, sns_model **out, sns_error *err);
SNS_API void sns_model_free(sns_model *m);

/* Width E of the joint space. */
SNS_API size_t sns_model_dim(const sns_model *m);
/* exp(logit_scale): what cosines are multiplied by before a softmax or sigmoid. */
SNS_API float sns_model_scale(const sns_model *m);
/* What the model's training makes of cosines between one picture and n texts (or one text and n
 * pictures): softmax of exp(t) * cosine over the n, which then sum to 1; for a model trained with
 * the sigmoid loss (one that has a logit_bias b), sigmoid(exp(t) * cosine + b) of each by itself,
 * so that all may be improbable. out may be cosine. Source: Radford et al. 2021; Zhai et al. 2023.
 */
SNS_API void sns_model_probabilities(const sns_model *m, const float *cosine, size_t n, float *out);
/* 32 hex digits that name the weights, tokenizer and preprocessing; NUL-terminated, borrowed. */
SNS_API const char *sns_model_fingerprint(const sns_model *m);
/* A readable summary (geometry, parameters, tensors, fingerprint); json nonzero: one JSON object.
 * malloc'd. */
SNS_API sns_status sns_model_describe(const sns_model *m, int json, char **text, sns_error *err);

/* Average the weights of a model and of one that was fine-tuned from it, in a new folder:
 * (1 - alpha) * original + alpha * tuned for every tensor. Vocabulary and preprocessing are
 * tuned's. alpha  0 ... 1        dtype  "F32", "F16", "BF16"; NULL: as tuned's Errors: as
 * sns_model_load; SNS_ARG (alpha, dtype), SNS_MISMATCH (models of different shape),
 * SNS_UNSUPPORTED (an int8 model), SNS_IO. Source: Wortsman et al. 2022 (WiSE-FT). */
SNS_API sns_status sns_model_average(const char *original, const char *tuned, double alpha,
                                     const char *dir, const char *dtype, sns_error *err);

/* Write a model in other numbers, in most cases narrower ones for inference.
 *   type  "bf16": all tensors in bfloat16, half the size of f32; products in bfloat16
 *         "int8": linear weights and the token table in 8 bits, the rest in f16, about a quarter;
 *         products in 8 bits. Such a model can't be trained, averaged or quantised further.
 *         "f16", "f32": all tensors in these; products in f32. From a GGUF file, its folder.
 * A processor without the instructions multiplies in f32. Vocabulary and preprocessing are copied.
 * Needs 4 to 5 bytes for each parameter. Errors: as sns_model_load; SNS_ARG (type, or dir is the
 * model's own folder), SNS_UNSUPPORTED (an int8 model), SNS_IO. Source: Jacob et al. 2018. */
SNS_API sns_status sns_model_quantize(const char *from, const char *dir, const char *type,
                                      sns_error *err);

/* SNS_OK when the vectors of two models are of one space, which they are when both have the same
 * text tower; else SNS_MISMATCH. Texts are encoded for it. Errors: also those of encoding. */
SNS_API sns_status sns_models_share_space(const sns_model *a, const sns_model *b, sns_error *err);

SNS_API sns_status sns_session_new(const sns_model *m, sns_session **out, sns_error *err);
SNS_API void sns_session_free(sns_session *s);

/* Side S of the square input of the image tower; 0: the model hears and sees no pictures. */
SNS_API size_t sns_model_image_px(const sns_model *m);
/* Resize, crop and normalise one decoded picture as preprocessor_config.json says.
 *   out  3 * S * S floats, planar RGB; caller-owned.  Threads: any, no session needed.
 * Errors: SNS_SHAPE (the model has no image tower), SNS_NOMEM. */
SNS_API sns_status sns_model_prepare_image(const sns_model *m, const sns_image *image, float *out,
                                           sns_error *err);

/* Encode n prepared pictures into unit-length vectors.
 *   pixels  n * 3 * S * S floats (of a model that hears: n spectrograms of a window)    out  n *
 * sns_model_dim(m) floats, row-major, |row| = 1; caller-owned Errors: SNS_ARG (n == 0), SNS_NOMEM,
 * SNS_SHAPE (no image tower), SNS_FORMAT (the model gives NaN). Threads: one session per thread.
 * Source: Radford et al. 2021, figure 3. */
SNS_API sns_status sns_encode_pixels(sns_session *s, const float *pixels, size_t n, float *out,
                                     sns_error *err);
/* prepare + encode, in batches. */
SNS_API sns_status sns_encode_images(sns_session *s, const sns_image *images, size_t n, float *out,
                                     sns_error *err);
/* The rate of the sound that the model's audio tower hears, in Hz; 0: the model sees pictures. */
SNS_API size_t sns_model_sound_rate_hz(const sns_model *m);
/* Encode one sound of any length into a unit-length vector. The tower hears windows of a fixed
 * length that overlap by half, the last one ending where the sound ends; a shorter sound is
 * followed by silence. The vector is the mean of the windows' unit vectors, made one of length 1.
 * The same samples always give the same vector.
 *   sound  at the model's rate      out  sns_model_dim(m) floats; caller-owned
 * Errors: SNS_SHAPE (no audio tower), SNS_ARG (another rate, no samples), SNS_FORMAT (the model
 * gives NaN), SNS_NOMEM. Source: Wu et al. 2023 (CLAP); the pooling is ours. */
SNS_API sns_status sns_encode_sound(sns_session *s, const sns_sound *sound, float *out,
                                    sns_error *err);

/* Encode n texts (UTF-8, NUL-terminated; too long ones are cut, see tokenizer.h). Padding is not
 * computed. */
SNS_API sns_status sns_encode_texts(sns_session *s, const char *const *texts, size_t n, float *out,
                                    sns_error *err);
#endif
