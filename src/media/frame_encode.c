/* frame_encode.c - decoded frames to packets of a new film. */
#include "media/frame_encode.h"
#include "media/av_calls.h"
#include "base/error.h"
#include <math.h>

static const char *const encoders[] = {"libx264",   "mpeg4",      "libvpx-vp9", "libvpx",
                                       "libtheora", "mpeg2video", "mjpeg",      "gif"};
enum { ENCODERS = sizeof encoders / sizeof *encoders };

/* MPEG-4's clock can't be finer. */
static const AVRational coarse_base = {1, 60000};

static const AVCodec *choose(const sns_av_output *o) {
    for (size_t i = 0; i < ENCODERS; i++) {
        const AVCodec *c = sns_av.avcodec_find_encoder_by_name(encoders[i]);
        if (c && sns_av_output_holds(o, c->id)) return c;
    }
    return NULL;
}

/* The frames' own format if the encoder takes it, else the nearest. */
static enum AVPixelFormat format_for(const AVCodec *c, enum AVPixelFormat from) {
    return c->pix_fmts ? sns_av.avcodec_find_best_pix_fmt_of_list(c->pix_fmts, from, 0, NULL)
                       : from;
}

static void set_quality(AVCodecContext *c) {
    const int best = 3; /* of MPEG's scale of 1 to 31 */
    if (c->priv_data) {
        sns_av.av_opt_set(c->priv_data, "crf", "20", 0); /* libx264, libvpx */
        sns_av.av_opt_set(c->priv_data, "preset", "fast", 0);
        sns_av.av_opt_set(c->priv_data, "deadline", "good", 0);
        sns_av.av_opt_set(c->priv_data, "cpu-used", "4", 0);
    }
    c->flags |= AV_CODEC_FLAG_QSCALE;
    c->global_quality = best * FF_QP2LAMBDA;
    if (c->codec_id == AV_CODEC_ID_VP8) c->bit_rate = 4000000; /* it needs a bound */
}

static void describe(AVCodecContext *c, const AVStream *s, const AVFrame *like, int threads) {
    AVRational rate = s->avg_frame_rate;
    c->width = like->width;
    c->height = like->height;
    c->time_base = s->time_base.den > coarse_base.den ? coarse_base : s->time_base;
    if (rate.num > 0 && rate.den > 0) c->framerate = rate;
    c->sample_aspect_ratio = like->sample_aspect_ratio.num > 0 ? like->sample_aspect_ratio
                                                               : s->sample_aspect_ratio;
    c->color_range = like->color_range;
    c->color_primaries = like->color_primaries;
    c->color_trc = like->color_trc;
    c->colorspace = like->colorspace;
    c->chroma_sample_location = like->chroma_location;
    c->thread_count = threads;
}

sns_status sns_frame_encoder_open(const sns_av_output *o, const AVStream *stream,
                                  const AVFrame *like, int threads, sns_frame_encoder *out,
                                  sns_error *err) {
    *out = (sns_frame_encoder){.last = INT64_MIN};
    const AVCodec *codec = choose(o);
    if (!codec)
        return sns_fail(err, SNS_UNSUPPORTED, "%s: FFmpeg has no encoder for this format here",
                        o->name);
    out->codec = sns_av.avcodec_alloc_context3(codec);
    out->frame = sns_av.av_frame_alloc();
    out->packet = sns_av.av_packet_alloc();
    if (!out->codec || !out->frame || !out->packet)
        return sns_fail(err, SNS_NOMEM, "%s: no memory", o->name);
    describe(out->codec, stream, like, threads);
    out->codec->pix_fmt = format_for(codec, like->format);
    if (o->format->oformat->flags & AVFMT_GLOBALHEADER)
        out->codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    set_quality(out->codec);
    int code = sns_av.avcodec_open2(out->codec, codec, NULL);
    if (code < 0) return sns_av_output_fail(o, code, SNS_UNSUPPORTED, codec->name, err);
    out->frame->format = out->codec->pix_fmt;
    out->frame->width = out->codec->width;
    out->frame->height = out->codec->height;
    code = sns_av.av_frame_get_buffer(out->frame, 0);
    return code < 0 ? sns_av_output_fail(o, code, SNS_NOMEM, "a frame", err) : SNS_OK;
}

void sns_frame_encoder_free(sns_frame_encoder *e) {
    sns_av.avcodec_free_context(&e->codec);
    sns_av.av_frame_free(&e->frame);
    sns_av.av_packet_free(&e->packet);
    sns_av.sws_freeContext(e->sws);
    *e = (sns_frame_encoder){0};
}

static sns_status convert(sns_frame_encoder *e, const AVFrame *f, const sns_av_output *o,
                          sns_error *err) {
    AVFrame *to = e->frame;
    int code = sns_av.av_frame_make_writable(to);
    if (code < 0) return sns_av_output_fail(o, code, SNS_NOMEM, "a frame", err);
    if (f->format == to->format && f->width == to->width && f->height == to->height) {
        code = sns_av.av_frame_copy(to, f);
        return code < 0 ? sns_av_output_fail(o, code, SNS_UNSUPPORTED, "a frame", err) : SNS_OK;
    }
    e->sws = sns_av.sws_getCachedContext(e->sws, f->width, f->height, f->format, to->width,
                                         to->height, to->format, SWS_BICUBIC, NULL, NULL, NULL);
    if (!e->sws || sns_av.sws_scale(e->sws, (const uint8_t *const *)f->data, f->linesize, 0,
                                    f->height, to->data, to->linesize) <= 0)
        return sns_fail(err, SNS_UNSUPPORTED, "%s: a frame can't be converted", o->name);
    return SNS_OK;
}

/* Write the packets that are done. */
static sns_status drain(sns_frame_encoder *e, sns_av_output *o, size_t stream, sns_error *err) {
    for (;;) {
        int code = sns_av.avcodec_receive_packet(e->codec, e->packet);
        if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return SNS_OK;
        if (code < 0) return sns_av_output_fail(o, code, SNS_UNSUPPORTED, "encoding", err);
        sns_status s = sns_av_output_put(o, stream, e->packet, e->codec->time_base, err);
        if (s) return s;
    }
}

sns_status sns_frame_encoder_put(sns_frame_encoder *e, const AVFrame *frame, double seconds,
                                 sns_av_output *o, size_t stream, sns_error *err) {
    if (frame) {
        AVRational base = e->codec->time_base;
        int64_t pts = llround(seconds * base.den / base.num);
        sns_status s = convert(e, frame, o, err);
        if (s) return s;
        if (pts <= e->last) pts = e->last + 1;
        e->frame->pts = e->last = pts;
        e->frame->pict_type = AV_PICTURE_TYPE_NONE;
    }
    int code = sns_av.avcodec_send_frame(e->codec, frame ? e->frame : NULL);
    if (code < 0) return sns_av_output_fail(o, code, SNS_UNSUPPORTED, "encoding", err);
    return drain(e, o, stream, err);
}
