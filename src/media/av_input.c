/* av_input.c - one stream of a film or recording through FFmpeg.
 *
 *     bytes -> probe (capped) -> container of the list below -> best stream -> decoder -> frames
 *
 * Files from outside are hostile: the container must be in the list, no other file or address can
 * be reached (av_source.c), probing, pixels, streams and time are capped, and a damaged packet
 * costs itself only. */
#include "media/av_input.h"
#include "media/av_calls.h"
#include "base/error.h"
#include "base/strbuf.h"
#include <errno.h>
#include <libavutil/log.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

enum {
    PROBE_BYTES = 16 << 20,
    ANALYSE_SECONDS = 10,
    MAX_STREAMS = 64,
    MAX_INDEX_BYTES = 64 << 20,
    /* Failures one after the other after which a stream counts as ended. */
    MAX_FAILURES = 256
};
static const int64_t default_max_pixels = (int64_t)64 << 20;
static const double default_budget_seconds = 30;

/* Containers of film and sound. Playlists, lists of files, session descriptions, subtitles, text
 * art and single pictures are FFmpeg formats too and not here. */
static const char containers[] =
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,h264,hevc,av1,obu,ivf,m4v,h263,vc1,flv,asf,"
    "ogg,rm,mxf,nut,dv,gif,yuv4mpegpipe,wtv,swf,mjpeg,dirac,film_cpk,smk,bink,roq,vob,"
    "wav,w64,aiff,au,caf,flac,mp3,aac,ac3,eac3,dts,amr,amrnb,amrwb,ape,wv,tta,tak,mpc,mpc8,voc,"
    "gsm,g722,sbc,aptx,dsf,iff,truehd,mlp,loas,latm,adts,shn,oma,xwma,sox,bit,spdif";

static pthread_once_t quiet_once = PTHREAD_ONCE_INIT;

static void silence(void) {
    sns_av.av_log_set_level(AV_LOG_QUIET);
}

void sns_av_quiet(void) {
    pthread_once(&quiet_once, silence);
}

sns_status sns_av_fail(const sns_av_input *in, int averror, sns_status otherwise, const char *doing,
                       sns_error *err) {
    char reason[AV_ERROR_MAX_STRING_SIZE] = "";
    if (in->source.late)
        return sns_fail(err, SNS_LIMIT, "%s: %s takes more than %.3g seconds", in->name, doing,
                        in->budget_seconds);
    if (averror == AVERROR_EXIT) return sns_fail(err, SNS_CANCELLED, "%s: cancelled", in->name);
    if (averror == AVERROR(ENOMEM)) otherwise = SNS_NOMEM;
    if (averror == AVERROR_PATCHWELCOME || averror == AVERROR(ENOSYS) ||
        averror == AVERROR_DECODER_NOT_FOUND)
        otherwise = SNS_UNSUPPORTED;
    sns_av.av_strerror(averror, reason, sizeof reason);
    return sns_fail(err, otherwise, "%s: %s: %s", in->name, doing, reason);
}

static void start_clock(sns_av_input *in) {
    in->source.late = false;
    in->source.deadline = sns_av_clock() + in->budget_seconds;
}

/* ---- opening -------------------------------------------------------------------------------- */

/* A container that wants another file does not get it. */
static int refuse_open(AVFormatContext *format, AVIOContext **io, const char *url, int flags,
                       AVDictionary **options) {
    (void)format, (void)io, (void)url, (void)flags, (void)options;
    return AVERROR(EPERM);
}

static sns_status open_container(sns_av_input *in, sns_error *err) {
    if (in->source.size == 0) return sns_fail(err, SNS_FORMAT, "%s: an empty file", in->name);
    in->io = sns_av_source_context(&in->source);
    AVFormatContext *f = in->format = sns_av.avformat_alloc_context();
    AVDictionary *o = NULL;
    if (!in->io || !f) return sns_fail(err, SNS_NOMEM, "%s: no memory", in->name);
    f->pb = in->io;
    f->interrupt_callback = (AVIOInterruptCB){sns_av_interrupted, &in->source};
    f->io_open = refuse_open;
    f->probesize = PROBE_BYTES;
    f->max_analyze_duration = (int64_t)ANALYSE_SECONDS * AV_TIME_BASE;
    f->max_streams = MAX_STREAMS;
    f->max_index_size = MAX_INDEX_BYTES;
    sns_av.av_dict_set(&o, "format_whitelist", containers, 0);
    sns_av.av_dict_set(&o, "protocol_whitelist", "file", 0);
    int code = sns_av.avformat_open_input(&in->format, NULL, NULL,
                                          &o); /* frees the context if it fails */
    sns_av.av_dict_free(&o);
    if (code == AVERROR(EINVAL) || code == AVERROR_INVALIDDATA)
        return in->source.late
                   ? sns_av_fail(in, code, SNS_FORMAT, "opening", err)
                   : sns_fail(err, SNS_FORMAT, "%s: no film or recording that is known, or damaged",
                              in->name);
    if (code >= 0) code = sns_av.avformat_find_stream_info(in->format, NULL);
    return code < 0 ? sns_av_fail(in, code, SNS_FORMAT, "opening", err) : SNS_OK;
}

/* The best stream of the kind, but no cover; all others are dropped. */
static sns_status choose_stream(sns_av_input *in, enum AVMediaType kind, sns_error *err) {
    AVFormatContext *f = in->format;
    int best = sns_av.av_find_best_stream(f, kind, -1, -1, NULL, 0);
    const int still = AV_DISPOSITION_ATTACHED_PIC | AV_DISPOSITION_TIMED_THUMBNAILS;
    if (best >= 0 && f->streams[best]->disposition & still) {
        best = -1;
        for (unsigned i = 0; i < f->nb_streams && best < 0; i++)
            if (f->streams[i]->codecpar->codec_type == kind &&
                !(f->streams[i]->disposition & still))
                best = (int)i;
    }
    if (best < 0)
        return sns_fail(err, SNS_MISSING, "%s: no %s in it", in->name,
                        kind == AVMEDIA_TYPE_AUDIO ? "sound" : "video");
    for (unsigned i = 0; i < f->nb_streams; i++)
        f->streams[i]->discard = (int)i == best ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
    in->stream = f->streams[best];
    return SNS_OK;
}

/* Players count from the first time stamp of all; one below zero belongs to samples that no one is
 * to hear. Kept as an integer of its own clock, because AVFormatContext.start_time is rounded. */
static void find_origin(sns_av_input *in) {
    bool found = false;
    in->origin_base = in->stream->time_base;
    for (unsigned i = 0; i < in->format->nb_streams; i++) {
        AVStream *s = in->format->streams[i];
        if (s->codecpar->codec_type != AVMEDIA_TYPE_VIDEO &&
            s->codecpar->codec_type != AVMEDIA_TYPE_AUDIO)
            continue;
        if (s->start_time == AV_NOPTS_VALUE || s->disposition & AV_DISPOSITION_ATTACHED_PIC)
            continue;
        if (found &&
            sns_av.av_compare_ts(s->start_time, s->time_base, in->origin, in->origin_base) >= 0)
            continue;
        found = true;
        in->origin = s->start_time;
        in->origin_base = s->time_base;
    }
    if (in->origin < 0) in->origin = 0;
}

static sns_status open_decoder(sns_av_input *in, const sns_av_options *o, sns_error *err) {
    const AVCodecParameters *p = in->stream->codecpar;
    const AVCodec *codec = sns_av.avcodec_find_decoder(p->codec_id);
    int64_t max = o->max_pixels ? (int64_t)o->max_pixels : default_max_pixels;
    if (!codec)
        return sns_fail(err, SNS_UNSUPPORTED, "%s: no decoder for %s", in->name,
                        sns_av.avcodec_get_name(p->codec_id));
    if ((int64_t)p->width * p->height > max)
        return sns_fail(err, SNS_LIMIT, "%s: %d x %d pixels, more than the limit of %lld", in->name,
                        p->width, p->height, (long long)max);
    AVCodecContext *d = in->decoder = sns_av.avcodec_alloc_context3(codec);
    in->packet = sns_av.av_packet_alloc();
    in->frame = sns_av.av_frame_alloc();
    if (!d || !in->packet || !in->frame) return sns_fail(err, SNS_NOMEM, "%s: no memory", in->name);
    int code = sns_av.avcodec_parameters_to_context(d, p);
    d->pkt_timebase = in->stream->time_base;
    d->thread_count = o->threads > 0 ? o->threads : 1;
    d->max_pixels = max;
    if (code >= 0) code = sns_av.avcodec_open2(d, codec, NULL);
    return code < 0 ? sns_av_fail(in, code, SNS_FORMAT, "its decoder", err) : SNS_OK;
}

static sns_status open_all(sns_av_input *in, enum AVMediaType kind, const sns_av_options *o,
                           sns_error *err) {
    sns_av_quiet();
    in->source.cancel = o->cancel;
    in->budget_seconds = o->budget_seconds > 0 ? o->budget_seconds : default_budget_seconds;
    start_clock(in);
    sns_status s = open_container(in, err);
    if (!s) s = choose_stream(in, kind, err);
    if (s) return s;
    find_origin(in);
    return open_decoder(in, o, err);
}

static sns_status open_named(const char *name, const void *bytes, size_t size,
                             enum AVMediaType kind, const sns_av_options *options,
                             sns_av_input **out, sns_error *err) {
    static const sns_av_options defaults = {0};
    *out = NULL;
    sns_status s = sns_av_start(err);
    if (s) return s;
    sns_av_input *in = calloc(1, sizeof *in);
    if (!in || !(in->name = sns_strdup(name))) {
        free(in);
        return sns_fail(err, SNS_NOMEM, "%s: no memory", name);
    }
    in->source = (sns_av_source){.fd = -1, .bytes = bytes, .size = (int64_t)size};
    if (!bytes) s = sns_av_source_file(name, &in->source, err);
    if (!s) s = open_all(in, kind, options ? options : &defaults, err);
    if (s)
        sns_av_close(in);
    else
        *out = in;
    return s;
}

sns_status sns_av_open(const char *path, enum AVMediaType kind, const sns_av_options *options,
                       sns_av_input **out, sns_error *err) {
    return open_named(path, NULL, 0, kind, options, out, err);
}

sns_status sns_av_open_memory(const void *bytes, size_t size, const char *name,
                              enum AVMediaType kind, const sns_av_options *options,
                              sns_av_input **out, sns_error *err) {
    return open_named(name, bytes ? bytes : "", bytes ? size : 0, kind, options, out, err);
}

void sns_av_close(sns_av_input *in) {
    if (!in) return;
    sns_av.avcodec_free_context(&in->decoder);
    sns_av.av_frame_free(&in->frame);
    sns_av.av_packet_free(&in->packet);
    sns_av.avformat_close_input(&in->format);
    sns_av_source_close(&in->source, &in->io);
    free(in->name);
    free(in);
}

/* ---- frames --------------------------------------------------------------------------------- */

/* Read the next packet of the stream. Returns FFmpeg's code, AVERROR_EOF at the end. */
static int read_packet(sns_av_input *in) {
    int code;
    sns_av.av_packet_unref(in->packet);
    for (int failures = 0;;) {
        code = sns_av.av_read_frame(in->format, in->packet);
        if (code == AVERROR(EAGAIN)) code = AVERROR_INVALIDDATA;
        if (code >= 0 && in->packet->stream_index != in->stream->index) {
            sns_av.av_packet_unref(in->packet);
            continue;
        }
        if (code >= 0 || code == AVERROR_EOF || code == AVERROR_EXIT || code == AVERROR(ENOMEM))
            break;
        in->damaged++;
        if (++failures < MAX_FAILURES) continue;
        code = AVERROR_EOF;
        break;
    }
    /* The end of the bytes and an end forced by the clock look alike to some demuxers. */
    return code < 0 && sns_av_interrupted(&in->source) ? AVERROR_EXIT : code;
}

/* Hand the decoder the next packet of the stream, or tell it that there are no more. */
static int feed(sns_av_input *in) {
    int code = read_packet(in);
    if (code < 0 && code != AVERROR_EOF) return code;
    code = sns_av.avcodec_send_packet(in->decoder, code < 0 ? NULL : in->packet);
    return code == AVERROR_EOF ? 0 : code;
}

static bool is_fatal(int code) {
    return code == AVERROR(ENOMEM) || code == AVERROR_EXIT;
}

sns_status sns_av_next(sns_av_input *in, AVFrame **frame, sns_error *err) {
    int failures = 0;
    *frame = NULL;
    if (in->held) {
        in->held = false;
        *frame = in->frame;
        return SNS_OK;
    }
    if (in->ended) return SNS_OK;
    if (in->on_frame) in->on_frame(in->user);
    start_clock(in);
    sns_av.av_frame_unref(in->frame);
    while (failures < MAX_FAILURES) {
        int code = sns_av.avcodec_receive_frame(in->decoder, in->frame);
        if (code >= 0) {
            *frame = in->frame;
            return SNS_OK;
        }
        if (code == AVERROR_EOF) break;
        if (code == AVERROR(EAGAIN)) code = feed(in);
        if (code >= 0) {
            if (sns_av_interrupted(&in->source))
                code = AVERROR_EXIT;
            else
                continue;
        }
        if (is_fatal(code)) return sns_av_fail(in, code, SNS_FORMAT, "decoding", err);
        in->damaged++, failures++;
    }
    in->ended = true;
    return SNS_OK;
}

sns_status sns_av_packet(sns_av_input *in, AVPacket **packet, sns_error *err) {
    *packet = NULL;
    if (in->held) {
        in->held = false;
        *packet = in->packet;
        return SNS_OK;
    }
    if (in->ended) return SNS_OK;
    start_clock(in);
    int code = read_packet(in);
    in->ended = code < 0;
    if (code == AVERROR_EOF) return SNS_OK;
    if (code < 0) return sns_av_fail(in, code, SNS_FORMAT, "reading", err);
    *packet = in->packet;
    return SNS_OK;
}

static int64_t stamp_of(const sns_av_input *in, double seconds) {
    AVRational b = in->stream->time_base;
    double at = floor(seconds * b.den / b.num + 1e-6);
    int64_t origin = sns_av.av_rescale_q(in->origin, in->origin_base, b);
    const double far = 4e18;
    return at > far ? INT64_MAX / 2 : origin + (int64_t)(at < 0 ? 0 : at);
}

/* From the first byte, where that is possible, or by time. */
static sns_status seek_once(sns_av_input *in, double seconds, bool first_byte, sns_error *err) {
    int64_t at = stamp_of(in, seconds);
    int code = -1;
    if (!first_byte)
        code = sns_av.avformat_seek_file(in->format, in->stream->index, INT64_MIN, at, at, 0);
    if (code < 0 && !sns_av_interrupted(&in->source))
        code = sns_av.avformat_seek_file(in->format, -1, INT64_MIN, 0, INT64_MAX, AVSEEK_FLAG_BYTE);
    if (code < 0 && sns_av_interrupted(&in->source)) code = AVERROR_EXIT;
    if (code < 0) return sns_av_fail(in, code, SNS_UNSUPPORTED, "seeking", err);
    sns_av.avcodec_flush_buffers(in->decoder);
    in->ended = in->held = false;
    return SNS_OK;
}

/* Take what comes first after a seek, and hold it. *seconds: its time, NaN when unknown. */
typedef sns_status take_first(sns_av_input *in, double *seconds, sns_error *err);

static sns_status take_frame(sns_av_input *in, double *seconds, sns_error *err) {
    AVFrame *frame;
    sns_status s = sns_av_next(in, &frame, err);
    in->held = !s && frame;
    *seconds = in->held ? sns_av_frame_seconds(in, frame) : NAN;
    return s;
}

/* Packets before the first key frame are of no use to anyone. */
static sns_status take_packet(sns_av_input *in, double *seconds, sns_error *err) {
    AVPacket *packet;
    sns_status s;
    do s = sns_av_packet(in, &packet, err);
    while (!s && packet && !(packet->flags & AV_PKT_FLAG_KEY));
    in->held = !s && packet;
    *seconds = in->held ? sns_av_seconds(in, packet->pts) : NAN;
    return s;
}

/* Demuxers look for the time at which a frame is decoded, which may be earlier than when it is
 * shown, and those without an index guess: what came is looked at, and it is tried further back,
 * at last from the first byte. */
static sns_status seek_before(sns_av_input *in, double seconds, take_first *take, sns_error *err) {
    static const double back[] = {0, 1, 4, 16, 64, INFINITY};
    enum { TRIES = sizeof back / sizeof *back };
    bool guesses = !(in->format->iformat->flags & AVFMT_NO_BYTE_SEEK);
    for (size_t i = 0; i <= TRIES; i++) {
        double to = i < TRIES && seconds > back[i] ? seconds - back[i] : 0, first;
        start_clock(in);
        sns_status s = seek_once(in, to, i == TRIES, err);
        if (!s) s = take(in, &first, err);
        if (s) return s;
        if (first <= seconds) break;
        if (to <= 0) {
            if (!guesses) break;
            i = i < TRIES - 1 ? TRIES - 1 : i;
        }
    }
    return SNS_OK;
}

sns_status sns_av_seek(sns_av_input *in, double seconds, sns_error *err) {
    return seek_before(in, seconds, take_frame, err);
}

sns_status sns_av_seek_packet(sns_av_input *in, double seconds, sns_error *err) {
    return seek_before(in, seconds, take_packet, err);
}

/* ---- times ---------------------------------------------------------------------------------- */

double sns_av_seconds(const sns_av_input *in, int64_t pts) {
    AVRational b = in->stream->time_base, o = in->origin_base;
    if (pts == AV_NOPTS_VALUE) return NAN;
    if (b.num == o.num && b.den == o.den) return ((double)pts - (double)in->origin) * b.num / b.den;
    return (double)pts * b.num / b.den - (double)in->origin * o.num / o.den;
}

double sns_av_frame_seconds(const sns_av_input *in, const AVFrame *frame) {
    return sns_av_seconds(in, frame->best_effort_timestamp);
}

double sns_av_duration(const sns_av_input *in) {
    const AVStream *s = in->stream;
    if (s->duration != AV_NOPTS_VALUE && s->duration > 0)
        return (double)s->duration * s->time_base.num / s->time_base.den;
    if (in->format->duration != AV_NOPTS_VALUE && in->format->duration > 0)
        return (double)in->format->duration / AV_TIME_BASE;
    return NAN;
}
