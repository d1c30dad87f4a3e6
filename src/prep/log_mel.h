/* log_mel.h - sound as a picture: the logarithm of its power in mel bands, frame after frame. */
#ifndef SNS_PREP_LOG_MEL_H
#define SNS_PREP_LOG_MEL_H
#include <sensus/status.h>
#include <stdbool.h>
#include <stddef.h>

/* Two families of conventions, which differ in every detail (log_mel.c). */
typedef enum sns_log_mel_kind {
    SNS_LOG_MEL_WHISPER, /* Radford et al. 2022 */
    SNS_LOG_MEL_KALDI    /* the filter banks of Kaldi, as the Audio Spectrogram Transformer's */
} sns_log_mel_kind;

typedef struct sns_log_mel_config {
    sns_log_mel_kind kind;
    size_t rate_hz, window, hop, n_fft; /* samples but for the first; window <= n_fft <= 4096 */
    size_t mels;                        /* M */
    float mean, std;                    /* KALDI: values become (x - mean) / (2 std) */
} sns_log_mel_config;

/* 16 kHz, 80 bands, windows of 25 ms every 10 ms. */
void sns_log_mel_whisper(sns_log_mel_config *c);
/* 16 kHz, 128 bands, the same windows, AudioSet's mean and std. */
void sns_log_mel_ast(sns_log_mel_config *c);
/* SNS_LIMIT or SNS_SHAPE, naming what is out of range. */
sns_status sns_log_mel_check(const sns_log_mel_config *c, sns_error *err);

/* Frames F of n samples; 0: fewer than one. */
size_t sns_log_mel_frames(const sns_log_mel_config *c, size_t n);
/* The least number of samples that has so many frames; frames > 0. */
size_t sns_log_mel_samples(const sns_log_mel_config *c, size_t frames);

/* Tables; immutable, may be shared by threads. Errors: as sns_log_mel_check, SNS_NOMEM. */
typedef struct sns_log_mel sns_log_mel;
sns_status sns_log_mel_new(const sns_log_mel_config *c, sns_log_mel **out, sns_error *err);
void sns_log_mel_free(sns_log_mel *m);
const sns_log_mel_config *sns_log_mel_config_of(const sns_log_mel *m);

/* samples [n] in -1 ... 1 -> out [F, M]. The same samples give the same bits, whatever the number
 * of threads. Errors: SNS_ARG (fewer than one frame), SNS_NOMEM. */
sns_status sns_log_mel_run(const sns_log_mel *m, const float *samples, size_t n, float *out,
                           sns_error *err);

/* The part of dir/preprocessor_config.json that says how a model hears, by the field names of
 * Hugging Face's feature extractors, and how many frames a window of the model has.
 * Errors: SNS_MISSING, SNS_FORMAT, SNS_UNSUPPORTED, and those of sns_log_mel_check. */
sns_status sns_log_mel_read(const char *dir, sns_log_mel_config *c, size_t *frames, sns_error *err);
/* The same from the text of the file; path is only used in messages. */
sns_status sns_log_mel_parse(const char *text, size_t size, const char *path, sns_log_mel_config *c,
                             size_t *frames, sns_error *err);
sns_status sns_log_mel_write(const char *dir, const sns_log_mel_config *c, size_t frames,
                             sns_error *err);
#endif
