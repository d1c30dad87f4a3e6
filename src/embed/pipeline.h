/* pipeline.h - decode, prepare, encode, deliver in order; for any encoder. */
#ifndef SNS_EMBED_PIPELINE_H
#define SNS_EMBED_PIPELINE_H
#include <sensus/embed.h>

enum { SNS_PIPELINE_THREADS = 256 };

/* What turns pictures into vectors. All functions are called by many threads at once, those that
 * encode with a number of the thread (lane) below SNS_PIPELINE_THREADS. */
typedef struct sns_encoder {
    void *user;
    size_t target_px; /* side that pictures are scaled to */
    size_t pixels;    /* floats of one prepared picture */
    size_t dim;       /* floats of one vector */
    sns_status (*prepare)(void *user, const sns_image *image, float *out, sns_error *err);
    /* in [n, pixels] -> out [n, dim] */
    sns_status (*encode)(void *user, size_t lane, const float *in, size_t n, float *out,
                         sns_error *err);
    /* Not 0: what is read is sound, at this rate, and only dim and encode_sound matter. */
    size_t sound_rate_hz;
    sns_status (*encode_sound)(void *user, size_t lane, const sns_sound *sound, float *out,
                               sns_error *err);
} sns_encoder;

/* See sns_embed_stream. most: how many pictures there are at most; 0: unknown. */
sns_status sns_pipeline_stream(const sns_encoder *encoder, const sns_embed_source *source,
                               size_t most, const sns_embed_options *options,
                               sns_embed_fn *callback, void *user, sns_error *err);
/* See sns_embed_files. */
sns_status sns_pipeline_run(const sns_encoder *encoder, const char *const *paths, size_t n,
                            const sns_embed_options *options, sns_embed_fn *callback, void *user,
                            sns_error *err);
#endif
