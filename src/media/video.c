/* video.c - frames of a film: their order, their times, exact seeking. */
#include "media/video_internal.h"
#include "media/av_calls.h"
#include "base/error.h"
#include <libavutil/display.h>
#include <math.h>
#include <stdlib.h>

static const size_t default_max_pixels = (size_t)64 << 20;
static const double default_max_seconds = 24 * 3600;
/* Times that a caller writes as decimals are not exactly those of the stream. */
static const double tolerance = 1e-6;

/* ---- opening -------------------------------------------------------------------------------- */

static sns_turn turn_of_stream(const AVStream *s) {
    size_t size = 0;
    const uint8_t *matrix = sns_av.av_stream_get_side_data(s, AV_PKT_DATA_DISPLAYMATRIX, &size);
    int32_t copy[9];
    if (!matrix || size < sizeof copy) return (sns_turn){0};
    memcpy(copy, matrix, sizeof copy);
    return sns_turn_of(copy);
}

static sns_status open_video(const void *bytes, size_t size, const char *name,
                             const sns_video_options *o, sns_video **out, sns_error *err) {
    static const sns_video_options defaults = {0};
    *out = NULL;
    if (!o) o = &defaults;
    sns_video *v = calloc(1, sizeof *v);
    if (!v) return sns_fail(err, SNS_NOMEM, "%s: no memory", name);
    v->target_px = o->target_px;
    v->max_pixels = o->max_pixels ? o->max_pixels : default_max_pixels;
    v->max_seconds = o->max_seconds > 0 ? o->max_seconds : default_max_seconds;
    v->last = -1;
    sns_av_options av = {.max_pixels = v->max_pixels,
                         .threads = o->threads < 64 ? (int)o->threads : 64,
                         .budget_seconds = o->budget_seconds,
                         .cancel = o->cancel};
    sns_status s = bytes
                       ? sns_av_open_memory(bytes, size, name, AVMEDIA_TYPE_VIDEO, &av, &v->in, err)
                       : sns_av_open(name, AVMEDIA_TYPE_VIDEO, &av, &v->in, err);
    if (s) {
        free(v);
        return s;
    }
    v->turn = turn_of_stream(v->in->stream);
    *out = v;
    return SNS_OK;
}

sns_status sns_video_open(const char *path, const sns_video_options *options, sns_video **out,
                          sns_error *err) {
    return open_video(NULL, 0, path, options, out, err);
}

sns_status sns_video_open_memory(const void *bytes, size_t size, const char *name,
                                 const sns_video_options *options, sns_video **out,
                                 sns_error *err) {
    return open_video(bytes ? bytes : "", bytes ? size : 0, name, options, out, err);
}

void sns_video_close(sns_video *v) {
    if (!v) return;
    sns_av_close(v->in);
    sns_convert_free(&v->convert);
    sns_image_free(&v->image);
    free(v);
}

void sns_video_describe(const sns_video *v, sns_video_info *out) {
    const AVStream *s = v->in->stream;
    const AVCodecParameters *p = s->codecpar;
    AVRational rate = s->avg_frame_rate;
    *out = (sns_video_info){.duration = sns_av_duration(v->in),
                            .rate = rate.num > 0 && rate.den > 0 ? av_q2d(rate) : NAN,
                            .rotation = sns_turn_degrees(v->turn),
                            .hdr = sns_is_hdr(p->color_trc),
                            .codec = sns_av.avcodec_get_name(p->codec_id),
                            .container = v->in->format->iformat->name};
    sns_shown_size((size_t)p->width, (size_t)p->height, s->sample_aspect_ratio, v->turn, 0,
                   &out->width_px, &out->height_px);
}

size_t sns_video_damaged(const sns_video *v) {
    return v->in->damaged + v->passed;
}

/* ---- frames --------------------------------------------------------------------------------- */

double sns_video_frame_duration(const sns_video *v, const AVFrame *frame) {
    AVRational b = v->in->stream->time_base, rate = v->in->stream->avg_frame_rate;
    if (frame->pkt_duration > 0) return (double)frame->pkt_duration * b.num / b.den;
    return rate.num > 0 && rate.den > 0 ? (double)rate.den / rate.num : 0;
}

/* A frame without a time follows the one before by what the stream says of lengths. */
static double time_of(const sns_video *v, const AVFrame *frame) {
    double t = sns_av_frame_seconds(v->in, frame);
    if (!isnan(t)) return t;
    return v->last < 0 ? 0 : v->last + sns_video_frame_duration(v, frame);
}

sns_status sns_video_pull(sns_video *v, AVFrame **frame, double *seconds, sns_error *err) {
    for (;;) {
        sns_status s = sns_av_next(v->in, frame, err);
        if (s || !*frame) return s;
        AVFrame *f = *frame;
        double t = time_of(v, f);
        bool broken = f->flags & AV_FRAME_FLAG_CORRUPT || f->decode_error_flags || f->width <= 0 ||
                      f->height <= 0 || (size_t)f->width > v->max_pixels / (size_t)f->height;
        if (broken || t <= v->last || t < 0) {
            v->passed++;
            continue;
        }
        if (t >= v->max_seconds) {
            v->in->ended = true;
            *frame = NULL;
            return SNS_OK;
        }
        v->last = t;
        if (t < v->skip_to - tolerance) continue;
        *seconds = t;
        return SNS_OK;
    }
}

sns_status sns_video_show(sns_video *v, const AVFrame *frame, sns_image *out, sns_error *err) {
    size_t width, height;
    AVRational aspect = frame->sample_aspect_ratio;
    if (aspect.num <= 0) aspect = v->in->stream->sample_aspect_ratio;
    sns_shown_size((size_t)frame->width, (size_t)frame->height, aspect, v->turn, v->target_px,
                   &width, &height);
    if (width > v->max_pixels / height)
        return sns_fail(err, SNS_LIMIT, "%s: %zu x %zu pixels, more than the limit of %zu",
                        v->in->name, width, height, v->max_pixels);
    return sns_convert_frame(&v->convert, frame, v->turn, width, height, v->in->name, out, err);
}

sns_status sns_video_next(sns_video *v, sns_frame *out, sns_error *err) {
    AVFrame *frame;
    *out = (sns_frame){0};
    sns_status s = sns_video_pull(v, &frame, &out->seconds, err);
    if (s || !frame) return s;
    s = sns_video_show(v, frame, &v->image, err);
    if (!s) out->image = v->image;
    return s;
}

sns_status sns_video_seek(sns_video *v, double seconds, sns_error *err) {
    if (!(seconds >= 0)) seconds = 0;
    sns_status s = sns_av_seek(v->in, seconds, err);
    if (s) return s;
    v->last = -1;
    v->skip_to = seconds;
    return SNS_OK;
}
