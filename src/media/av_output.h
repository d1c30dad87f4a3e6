/* av_output.h - a film that is written: its streams, its packets, its file. */
#ifndef SNS_MEDIA_AV_OUTPUT_H
#define SNS_MEDIA_AV_OUTPUT_H
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <sensus/status.h>
#include <stdbool.h>

enum { SNS_AV_STREAMS = 2 };

/* A file written beside its name and renamed at the end. */
typedef struct sns_av_output {
    const char *name; /* borrowed */
    char *part;       /* the file until then */
    AVFormatContext *format;
    int64_t last[SNS_AV_STREAMS]; /* decoding time of the last packet, in the stream's base */
    bool begun;
} sns_av_output;

/* The format follows from the ending of name. Errors: SNS_ARG, SNS_NOMEM. */
sns_status sns_av_output_open(const char *name, sns_av_output *out, sns_error *err);
/* Can the format hold the codec? */
bool sns_av_output_holds(const sns_av_output *o, enum AVCodecID codec);
/* A stream with the parameters of another, or NULL: no memory. At most SNS_AV_STREAMS. */
AVStream *sns_av_output_add(sns_av_output *o, const AVCodecParameters *parameters,
                            AVRational time_base);
/* Create the file. Streams are complete. Errors: SNS_IO, SNS_UNSUPPORTED. */
sns_status sns_av_output_begin(sns_av_output *o, sns_error *err);
/* Write a packet, whose times are in `base`, to a stream. It is emptied. Packets whose decoding
 * time does not follow are left out. Errors: SNS_IO, SNS_UNSUPPORTED (no times). */
sns_status sns_av_output_put(sns_av_output *o, size_t stream, AVPacket *packet, AVRational base,
                             sns_error *err);
/* Complete the file and rename it. Frees o in any case, as does sns_av_output_abort. */
sns_status sns_av_output_commit(sns_av_output *o, sns_error *err);
void sns_av_output_abort(sns_av_output *o);
/* An error that names the file, with FFmpeg's reason. */
sns_status sns_av_output_fail(const sns_av_output *o, int averror, sns_status code,
                              const char *doing, sns_error *err);
#endif
