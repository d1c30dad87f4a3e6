/* clip_write.c - parts of a film as a film of their own.
 *
 * Each part [start, end) of the film goes to [base, base + length) of the clip; the packets of
 * sound and, without `exact`, those of video are copied with their times moved by base - start.
 * - Copied video begins at the key frame at or before start, which becomes the part's start, and
 * ends with the last packet that is decoded before end: what is shown late may need what is decoded
 *   early, so that a few frames behind end may come along.
 * - Encoded video has the frames with start <= time < end, and nothing else.
 * Sound and video are read by two inputs, whichever is behind first, so that the file is well
 * interleaved and memory stays small. */
#include "base/error.h"
#include "media/frame_encode.h"
#include "media/av_calls.h"
#include "media/video_internal.h"
#include <math.h>
#include <sensus/clip.h>
#include <stdlib.h>
#include <sys/stat.h>

typedef struct clip {
    const sns_clip_options *options;
    sns_clip_result *result;
    const char *film;
    sns_video *video;       /* when encoding */
    sns_av_input *pictures; /* video's, or one of its own */
    sns_av_input *sound;    /* NULL: none */
    sns_av_output out;
    sns_frame_encoder encoder;
    double base, total; /* seconds written of whole parts, and to write */
    bool exact;
    /* Of the part being written: */
    sns_range range;
    AVFrame *frame;   /* next to encode; NULL: there are no more */
    AVPacket *packet; /* next to copy */
    AVPacket *heard;  /* next of sound */
    double frame_seconds;
    double shown; /* end of the last frame written, in the film's time */
} clip;

/* ---- opening -------------------------------------------------------------------------------- */

static sns_status open_inputs(clip *c, sns_error *err) {
    const sns_clip_options *o = c->options;
    const sns_av_options av = {.threads = (int)o->threads, .cancel = o->cancel};
    const sns_video_options video = {.threads = o->threads, .cancel = o->cancel};
    sns_status s;
    if (c->exact) {
        s = sns_video_open(c->film, &video, &c->video, err);
        if (!s) c->pictures = c->video->in;
    } else {
        s = sns_av_open(c->film, AVMEDIA_TYPE_VIDEO, &av, &c->pictures, err);
    }
    if (s) return s;
    sns_error none;
    s = sns_av_open(c->film, AVMEDIA_TYPE_AUDIO, &av, &c->sound, &none);
    /* Sound that can't be read is as none. */
    return s == SNS_NOMEM || s == SNS_CANCELLED ? sns_fail(err, s, "%s", none.message) : SNS_OK;
}

/* Both streams count seconds from the same time stamp: the earliest of all. */
static sns_status add_sound(clip *c, sns_error *err) {
    if (!c->sound) return SNS_OK;
    if (!sns_av_output_holds(&c->out, c->sound->stream->codecpar->codec_id)) {
        c->result->sound_left_out = 1;
        sns_av_close(c->sound);
        c->sound = NULL;
        c->heard = NULL;
        return SNS_OK;
    }
    c->result->sound = 1;
    return sns_av_output_add(&c->out, c->sound->stream->codecpar, c->sound->stream->time_base)
               ? SNS_OK
               : sns_fail(err, SNS_NOMEM, "%s: no memory", c->out.name);
}

/* Turned films stay turned by their matrix. */
static sns_status copy_turn(clip *c, AVStream *to, sns_error *err) {
    size_t size;
    const uint8_t *matrix = sns_av.av_stream_get_side_data(c->pictures->stream,
                                                           AV_PKT_DATA_DISPLAYMATRIX, &size);
    if (!matrix) return SNS_OK;
    uint8_t *copy = sns_av.av_stream_new_side_data(to, AV_PKT_DATA_DISPLAYMATRIX, size);
    if (!copy) return sns_fail(err, SNS_NOMEM, "%s: no memory", c->out.name);
    memcpy(copy, matrix, size);
    return SNS_OK;
}

static sns_status add_copied(clip *c, sns_error *err) {
    const AVStream *from = c->pictures->stream;
    if (!sns_av_output_holds(&c->out, from->codecpar->codec_id))
        return sns_fail(err, SNS_UNSUPPORTED, "%s: this format can't hold %s; encode it again",
                        c->out.name, sns_av.avcodec_get_name(from->codecpar->codec_id));
    AVStream *to = sns_av_output_add(&c->out, from->codecpar, from->time_base);
    if (!to) return sns_fail(err, SNS_NOMEM, "%s: no memory", c->out.name);
    to->avg_frame_rate = from->avg_frame_rate;
    to->sample_aspect_ratio = from->sample_aspect_ratio;
    return copy_turn(c, to, err);
}

/* The encoder needs to see a frame. */
static sns_status add_encoded(clip *c, sns_error *err) {
    sns_status s = sns_frame_encoder_open(&c->out, c->pictures->stream, c->frame,
                                          c->options->threads ? (int)c->options->threads : 1,
                                          &c->encoder, err);
    if (s) return s;
    c->result->encoder = c->encoder.codec->codec->name;
    AVCodecParameters *p = sns_av.avcodec_parameters_alloc();
    AVStream *to = NULL;
    if (p && sns_av.avcodec_parameters_from_context(p, c->encoder.codec) >= 0)
        to = sns_av_output_add(&c->out, p, c->encoder.codec->time_base);
    sns_av.avcodec_parameters_free(&p);
    if (!to) return sns_fail(err, SNS_NOMEM, "%s: no memory", c->out.name);
    to->avg_frame_rate = c->pictures->stream->avg_frame_rate;
    to->sample_aspect_ratio = c->encoder.codec->sample_aspect_ratio;
    return copy_turn(c, to, err);
}

/* ---- one part ------------------------------------------------------------------------------- */

static sns_status next_frame(clip *c, sns_error *err) {
    sns_status s = sns_video_pull(c->video, &c->frame, &c->frame_seconds, err);
    if (!s && c->frame && c->frame_seconds >= c->range.end) c->frame = NULL;
    return s;
}

static double packet_seconds(const sns_av_input *in, const AVPacket *p) {
    return sns_av_seconds(in, p->dts != AV_NOPTS_VALUE ? p->dts : p->pts);
}

static sns_status next_packet(clip *c, sns_error *err) {
    sns_status s = sns_av_packet(c->pictures, &c->packet, err);
    if (!s && c->packet && packet_seconds(c->pictures, c->packet) >= c->range.end) c->packet = NULL;
    return s;
}

static sns_status next_sound(clip *c, sns_error *err) {
    for (;;) {
        sns_status s = sns_av_packet(c->sound, &c->heard, err);
        if (s || !c->heard) return s;
        double t = packet_seconds(c->sound, c->heard);
        if (t >= c->range.end) c->heard = NULL;
        if (!c->heard || t >= c->range.start) return SNS_OK;
    }
}

static sns_status seek_part(clip *c, sns_error *err) {
    sns_status s = SNS_OK;
    c->frame = NULL;
    c->packet = c->heard = NULL;
    if (c->range.start >= sns_av_duration(c->pictures)) { /* false where it is unknown */
    } else if (c->exact) {
        s = sns_video_seek(c->video, c->range.start, err);
        if (!s) s = next_frame(c, err);
    } else {
        s = sns_av_seek_packet(c->pictures, c->range.start, err);
        if (!s) s = next_packet(c, err);
        if (!s && c->packet) {
            double key = sns_av_seconds(c->pictures, c->packet->pts);
            if (key < c->range.start) c->range.start = key;
        }
    }
    if (s) return s;
    if (!c->frame && !c->packet)
        return sns_fail(err, SNS_ARG, "%s: nothing to see from %.3f to %.3f s", c->film,
                        c->range.start, c->range.end);
    if (!c->sound) return SNS_OK;
    s = sns_av_seek_packet(c->sound, c->range.start, err);
    return s ? s : next_sound(c, err);
}

/* Move a packet's times from the film's to the clip's. */
static void move(const clip *c, const sns_av_input *in, AVPacket *p) {
    AVRational b = in->stream->time_base;
    double origin = sns_av_seconds(in, 0); /* minus the film's first time stamp */
    int64_t by = llround((c->base - c->range.start + origin) * b.den / b.num);
    if (p->pts != AV_NOPTS_VALUE) p->pts += by;
    if (p->dts != AV_NOPTS_VALUE) p->dts += by;
}

static sns_status put_picture(clip *c, sns_error *err) {
    sns_status s;
    if (c->exact) {
        s = sns_frame_encoder_put(&c->encoder, c->frame,
                                  c->base + c->frame_seconds - c->range.start, &c->out, 0, err);
        c->shown = c->frame_seconds + sns_video_frame_duration(c->video, c->frame);
        return s ? s : next_frame(c, err);
    }
    AVRational b = c->pictures->stream->time_base;
    double end = sns_av_seconds(c->pictures, c->packet->pts) +
                 (double)c->packet->duration * b.num / b.den;
    if (end > c->shown) c->shown = end;
    move(c, c->pictures, c->packet);
    s = sns_av_output_put(&c->out, 0, c->packet, b, err);
    return s ? s : next_packet(c, err);
}

static sns_status put_sound(clip *c, sns_error *err) {
    move(c, c->sound, c->heard);
    sns_status s = sns_av_output_put(&c->out, 1, c->heard, c->sound->stream->time_base, err);
    return s ? s : next_sound(c, err);
}

static sns_status write_part(clip *c, sns_error *err) {
    sns_status s = SNS_OK;
    c->shown = c->range.start;
    while (!s && (c->frame || c->packet || c->heard)) {
        double seen = c->frame    ? c->frame_seconds
                      : c->packet ? packet_seconds(c->pictures, c->packet)
                                  : INFINITY;
        bool sound = c->heard && packet_seconds(c->sound, c->heard) < seen;
        s = sound ? put_sound(c, err) : put_picture(c, err);
        if (c->options->progress && !sound)
            c->options->progress(c->options->user, c->base + c->shown - c->range.start, c->total);
    }
    /* The next part begins where this one ends: what was asked for, or what came along. */
    double end = c->exact ? fmin(c->range.end, c->shown) : c->shown;
    c->base += end - c->range.start;
    return s;
}

/* ---- all ------------------------------------------------------------------------------------ */

static sns_status write_all(clip *c, const sns_range *ranges, size_t n, sns_error *err) {
    sns_status s = SNS_OK;
    for (size_t i = 0; i < n && !s; i++) {
        c->range = ranges[i];
        s = seek_part(c, err);
        if (!s && !i) {
            c->result->start = c->exact ? c->frame_seconds : c->range.start;
            s = c->exact ? add_encoded(c, err) : add_copied(c, err);
            if (!s) s = add_sound(c, err);
            if (!s) s = sns_av_output_begin(&c->out, err);
        }
        if (!s) s = write_part(c, err);
    }
    if (!s && c->exact) s = sns_frame_encoder_put(&c->encoder, NULL, 0, &c->out, 0, err);
    c->result->duration = c->base;
    return s;
}

static sns_status check(const char *film, const sns_range *ranges, size_t n, const char *out,
                        sns_error *err) {
    struct stat a, b;
    if (!n) return sns_fail(err, SNS_ARG, "%s: no part of it to write", film);
    for (size_t i = 0; i < n; i++)
        if (!(ranges[i].start >= 0) || !(ranges[i].end > ranges[i].start))
            return sns_fail(err, SNS_ARG, "%s: from %.3f to %.3f s is no part", film,
                            ranges[i].start, ranges[i].end);
    if (!stat(film, &a) && !stat(out, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
        return sns_fail(err, SNS_ARG, "%s: the film itself, which is not overwritten", out);
    return SNS_OK;
}

sns_status sns_clip_write(const char *film, const sns_range *ranges, size_t n,
                          const sns_clip_options *options, const char *out, sns_clip_result *result,
                          sns_error *err) {
    static const sns_clip_options defaults = {0};
    clip c = {.options = options ? options : &defaults, .result = result, .film = film};
    *result = (sns_clip_result){0};
    c.exact = c.options->exact;
    sns_status s = check(film, ranges, n, out, err);
    if (s) return s;
    for (size_t i = 0; i < n; i++) c.total += ranges[i].end - ranges[i].start;
    s = open_inputs(&c, err);
    if (!s) s = sns_av_output_open(out, &c.out, err);
    if (!s) s = write_all(&c, ranges, n, err);
    if (!s)
        s = sns_av_output_commit(&c.out, err);
    else
        sns_av_output_abort(&c.out);
    sns_frame_encoder_free(&c.encoder);
    sns_av_close(c.sound);
    if (c.video)
        sns_video_close(c.video);
    else
        sns_av_close(c.pictures);
    return s;
}
