/* av_output.c - a film that is written: its streams, its packets, its file. */
#include "media/av_output.h"
#include "media/av_calls.h"
#include "base/error.h"
#include "base/strbuf.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

sns_status sns_av_output_fail(const sns_av_output *o, int averror, sns_status code,
                              const char *doing, sns_error *err) {
    char reason[AV_ERROR_MAX_STRING_SIZE] = "";
    sns_av.av_strerror(averror, reason, sizeof reason);
    return sns_fail(err, averror == AVERROR(ENOMEM) ? SNS_NOMEM : code, "%s: %s: %s", o->name,
                    doing, reason);
}

sns_status sns_av_output_open(const char *name, sns_av_output *out, sns_error *err) {
    *out = (sns_av_output){.name = name};
    sns_status s = sns_av_start(err);
    if (s) return s;
    const AVOutputFormat *format = sns_av.av_guess_format(NULL, name, NULL);
    if (!format || format->flags & AVFMT_NOFILE || format->video_codec == AV_CODEC_ID_NONE)
        return sns_fail(err, SNS_ARG, "%s: its ending is no format of films", name);
    for (size_t i = 0; i < SNS_AV_STREAMS; i++) out->last[i] = INT64_MIN;
    int code = sns_av.avformat_alloc_output_context2(&out->format, format, NULL, NULL);
    return code < 0 ? sns_av_output_fail(out, code, SNS_NOMEM, "opening", err) : SNS_OK;
}

bool sns_av_output_holds(const sns_av_output *o, enum AVCodecID codec) {
    /* Below zero: FFmpeg doesn't know before it writes. */
    return sns_av.avformat_query_codec(o->format->oformat, codec, FF_COMPLIANCE_NORMAL) != 0;
}

AVStream *sns_av_output_add(sns_av_output *o, const AVCodecParameters *parameters,
                            AVRational time_base) {
    AVStream *s = sns_av.avformat_new_stream(o->format, NULL);
    if (!s || sns_av.avcodec_parameters_copy(s->codecpar, parameters) < 0) return NULL;
    s->codecpar->codec_tag = 0; /* the other container's */
    s->time_base = time_base;
    return s;
}

/* A new file beside the name, as readable as one made without care. */
static sns_status create_part(sns_av_output *o, sns_error *err) {
    sns_strbuf b = {0};
    sns_strbuf_printf(&b, "%s.part-XXXXXX", o->name);
    if (b.failed) return sns_fail(err, SNS_NOMEM, "%s: no memory", o->name);
    int fd = mkstemp(b.data);
    if (fd < 0) {
        int code = errno;
        sns_strbuf_free(&b);
        return sns_fail_errno(err, SNS_IO, code, "%s", o->name);
    }
    o->part = b.data;
    mode_t mask = umask(0);
    umask(mask);
    fchmod(fd, 0666 & ~mask);
    close(fd);
    return SNS_OK;
}

sns_status sns_av_output_begin(sns_av_output *o, sns_error *err) {
    sns_status s = create_part(o, err);
    if (s) return s;
    sns_strbuf url = {0}; /* so that a colon in the name names no protocol */
    sns_strbuf_printf(&url, "file:%s", o->part);
    int code = url.failed ? AVERROR(ENOMEM)
                          : sns_av.avio_open(&o->format->pb, url.data, AVIO_FLAG_WRITE);
    sns_strbuf_free(&url);
    if (code < 0) return sns_av_output_fail(o, code, SNS_IO, "writing", err);
    code = sns_av.avformat_write_header(o->format, NULL);
    if (code < 0) return sns_av_output_fail(o, code, SNS_UNSUPPORTED, "this format", err);
    o->begun = true;
    return SNS_OK;
}

sns_status sns_av_output_put(sns_av_output *o, size_t stream, AVPacket *packet, AVRational base,
                             sns_error *err) {
    AVStream *s = o->format->streams[stream];
    sns_av.av_packet_rescale_ts(packet, base, s->time_base);
    packet->stream_index = (int)stream;
    packet->pos = -1;
    if (packet->dts != AV_NOPTS_VALUE && packet->dts <= o->last[stream]) {
        sns_av.av_packet_unref(packet);
        return SNS_OK;
    }
    if (packet->dts != AV_NOPTS_VALUE) o->last[stream] = packet->dts;
    int code = sns_av.av_interleaved_write_frame(o->format, packet);
    sns_av.av_packet_unref(packet);
    if (code == AVERROR(EINVAL))
        return sns_fail(err, SNS_UNSUPPORTED,
                        "%s: this format can't hold the film's packets as "
                        "they are",
                        o->name);
    return code < 0 ? sns_av_output_fail(o, code, SNS_IO, "writing", err) : SNS_OK;
}

sns_status sns_av_output_commit(sns_av_output *o, sns_error *err) {
    sns_status s = SNS_OK;
    int code = sns_av.av_write_trailer(o->format);
    int closed = sns_av.avio_closep(&o->format->pb);
    o->begun = false;
    if (code >= 0) code = closed;
    if (code < 0) s = sns_av_output_fail(o, code, SNS_IO, "writing", err);
    if (!s && rename(o->part, o->name)) s = sns_fail_errno(err, SNS_IO, errno, "%s", o->name);
    if (!s) {
        free(o->part);
        o->part = NULL;
    }
    sns_av_output_abort(o);
    return s;
}

void sns_av_output_abort(sns_av_output *o) {
    if (o->format) sns_av.avio_closep(&o->format->pb);
    sns_av.avformat_free_context(o->format);
    if (o->part) unlink(o->part);
    free(o->part);
    *o = (sns_av_output){0};
}
