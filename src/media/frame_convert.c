/* frame_convert.c - a decoded frame to upright sRGB with square pixels.
 *
 *     frame -> one field, if interlaced -> swscale: matrix, range, size -> tone map, if HDR
 *           -> on white, if transparent -> turned
 *
 * - Matrix and range are the frame's; where it says nothing, BT.709 from 720 lines on, else
 *   BT.601, and limited range for YUV. SDR's transfers and primaries are taken as sRGB's, as most
 *   players do.
 * - An interlaced frame shows two moments. The field that is shown first is scaled to the frame's
 *   height: half the lines, which are more than models see, and no combs.
 * - Pixels that are not square are stretched, never squeezed, before shrinking.
 * - HDR goes through 16-bit RGB and tone_map.c. */
#include "media/frame_convert.h"
#include "media/av_calls.h"
#include "base/error.h"
#include "media/tone_map.h"
#include <libavutil/mastering_display_metadata.h>
#include <math.h>
#include <string.h>

sns_turn sns_turn_of(const int32_t *m) {
    if (!m) return (sns_turn){0};
    /* x' = m0 x + m3 y, y' = m1 x + m4 y */
    double straight = fabs((double)m[0]) + fabs((double)m[4]);
    double across = fabs((double)m[1]) + fabs((double)m[3]);
    if (straight >= across) return (sns_turn){false, m[0] < 0, m[4] < 0};
    return (sns_turn){true, m[3] < 0, m[1] < 0};
}

int sns_turn_degrees(sns_turn t) {
    if (t.transpose) return t.mirror_x ? 90 : 270;
    return t.mirror_y ? 180 : 0;
}

bool sns_is_hdr(enum AVColorTransferCharacteristic transfer) {
    return transfer == AVCOL_TRC_SMPTE2084 || transfer == AVCOL_TRC_ARIB_STD_B67;
}

void sns_convert_free(sns_convert *c) {
    sns_av.sws_freeContext(c->sws);
    free(c->hdr);
    sns_av.av_free(c->staged);
    *c = (sns_convert){0};
}

void sns_shown_size(size_t width, size_t height, AVRational aspect, sns_turn turn, size_t target_px,
                    size_t *out_width, size_t *out_height) {
    const double oblong = 16; /* more is a mistake of the file */
    double w = (double)width, h = (double)height;
    double ratio = aspect.num > 0 && aspect.den > 0 ? av_q2d(aspect) : 1;
    if (ratio > oblong || ratio < 1 / oblong) ratio = 1;
    if (ratio > 1)
        w *= ratio;
    else
        h /= ratio;
    double shorter = w < h ? w : h, wanted = 2 * (double)target_px;
    if (target_px && shorter > wanted) w *= wanted / shorter, h *= wanted / shorter;
    *out_width = (size_t)lround(turn.transpose ? h : w);
    *out_height = (size_t)lround(turn.transpose ? w : h);
    if (!*out_width) *out_width = 1;
    if (!*out_height) *out_height = 1;
}

/* ---- swscale -------------------------------------------------------------------------------- */

/* What swscale is asked for: the lines of a frame or of one field of it. */
typedef struct plan {
    const uint8_t *data[4];
    int stride[4];
    int width, height;
    enum AVPixelFormat from, to;
    int out_width, out_height; /* before turning */
    int out_stride;
} plan;

/* The rows of a field of 4:2:0 chroma are whole when the height can be divided by four. */
static bool takes_field(const AVFrame *f) {
    return f->interlaced_frame && f->height % 4 == 0 && f->height >= 8;
}

static plan make_plan(const AVFrame *f, sns_turn turn, size_t width, size_t height) {
    const AVPixFmtDescriptor *d = sns_av.av_pix_fmt_desc_get(f->format);
    plan p = {.width = f->width, .height = f->height, .from = f->format, .to = AV_PIX_FMT_RGB24};
    int bytes = 3;
    if (sns_is_hdr(f->color_trc))
        p.to = AV_PIX_FMT_RGB48, bytes = 6;
    else if (d && (d->flags & (AV_PIX_FMT_FLAG_ALPHA | AV_PIX_FMT_FLAG_PAL)))
        p.to = AV_PIX_FMT_RGBA, bytes = 4;
    bool field = takes_field(f);
    for (int i = 0; i < 4; i++) {
        bool is_plane = f->data[i] && f->linesize[i];
        p.data[i] = f->data[i];
        p.stride[i] = f->linesize[i];
        if (!field || !is_plane) continue;
        if (!f->top_field_first) p.data[i] += f->linesize[i];
        p.stride[i] *= 2;
    }
    if (field) p.height /= 2;
    p.out_width = (int)(turn.transpose ? height : width);
    p.out_height = (int)(turn.transpose ? width : height);
    /* Rows are padded, since swscale's vector code writes whole registers. */
    p.out_stride = (p.out_width * bytes + 63) / 64 * 64 + 64;
    return p;
}

/* The names with a J are the same formats with full range; swscale warns of them. */
static enum AVPixelFormat without_range(enum AVPixelFormat format, int *full) {
    static const enum AVPixelFormat same[][2] = {{AV_PIX_FMT_YUVJ420P, AV_PIX_FMT_YUV420P},
                                                 {AV_PIX_FMT_YUVJ422P, AV_PIX_FMT_YUV422P},
                                                 {AV_PIX_FMT_YUVJ444P, AV_PIX_FMT_YUV444P},
                                                 {AV_PIX_FMT_YUVJ440P, AV_PIX_FMT_YUV440P},
                                                 {AV_PIX_FMT_YUVJ411P, AV_PIX_FMT_YUV411P}};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (format == same[i][0]) {
            *full = 1;
            return same[i][1];
        }
    return format;
}

static int matrix_of(const AVFrame *f) {
    switch (f->colorspace) {
    case AVCOL_SPC_BT709:
        return SWS_CS_ITU709;
    case AVCOL_SPC_FCC:
        return SWS_CS_FCC;
    case AVCOL_SPC_BT470BG:
    case AVCOL_SPC_SMPTE170M:
        return SWS_CS_ITU601;
    case AVCOL_SPC_SMPTE240M:
        return SWS_CS_SMPTE240M;
    case AVCOL_SPC_BT2020_NCL:
    case AVCOL_SPC_BT2020_CL:
        return SWS_CS_BT2020;
    default:
        return sns_is_hdr(f->color_trc) ? SWS_CS_BT2020
               : f->height >= 720       ? SWS_CS_ITU709
                                        : SWS_CS_ITU601;
    }
}

static sns_status scale(sns_convert *c, const AVFrame *f, plan *p, const char *name,
                        sns_error *err) {
    int full = f->color_range == AVCOL_RANGE_JPEG;
    p->from = without_range(p->from, &full);
    const char *format = sns_av.av_get_pix_fmt_name(p->from);
    c->sws = sns_av.sws_getCachedContext(
        c->sws, p->width, p->height, p->from, p->out_width, p->out_height, p->to,
        SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT, NULL, NULL, NULL);
    size_t size = (size_t)p->out_stride * (size_t)p->out_height + 64;
    if (!c->sws)
        return sns_fail(err, SNS_UNSUPPORTED, "%s: frames of %s, %d x %d pixels", name,
                        format ? format : "no format", p->width, p->height);
    if (size > c->staged_size) {
        sns_av.av_freep(&c->staged);
        c->staged_size = 0;
        if (!(c->staged = sns_av.av_malloc(size)))
            return sns_fail(err, SNS_NOMEM, "%s: no memory for a frame", name);
        c->staged_size = size;
    }
    const int *matrix = sns_av.sws_getCoefficients(matrix_of(f));
    const AVPixFmtDescriptor *d = sns_av.av_pix_fmt_desc_get(p->from);
    if (d && d->flags & AV_PIX_FMT_FLAG_RGB) full = 1;
    sns_av.sws_setColorspaceDetails(c->sws, matrix, full, matrix, 1, 0, 1 << 16, 1 << 16);
    uint8_t *const to[4] = {c->staged};
    const int stride[4] = {p->out_stride};
    if (sns_av.sws_scale(c->sws, p->data, p->stride, 0, p->height, to, stride) <= 0)
        return sns_fail(err, SNS_UNSUPPORTED, "%s: frames of %s can't be converted", name,
                        format ? format : "no format");
    return SNS_OK;
}

/* ---- to 8 bits, turned ---------------------------------------------------------------------- */

/* The light at which the film's brightest pixels were mastered. */
static double peak_of(const AVFrame *f) {
    const double usual = 1000, least = 400, most = 10000;
    const AVFrameSideData *light = sns_av.av_frame_get_side_data(f,
                                                                 AV_FRAME_DATA_CONTENT_LIGHT_LEVEL),
                          *mastering = sns_av.av_frame_get_side_data(
                              f, AV_FRAME_DATA_MASTERING_DISPLAY_METADATA);
    double peak = 0;
    if (light) peak = ((const AVContentLightMetadata *)light->data)->MaxCLL;
    if (!(peak > 0) && mastering) {
        const AVMasteringDisplayMetadata *m = (const AVMasteringDisplayMetadata *)mastering->data;
        if (m->has_luminance && m->max_luminance.den) peak = av_q2d(m->max_luminance);
    }
    if (!(peak > 0)) return usual;
    return peak < least ? least : peak > most ? most : peak;
}

static sns_status map_rows(sns_convert *c, const AVFrame *f, const plan *p, const char *name,
                           sns_error *err) {
    bool hlg = f->color_trc == AVCOL_TRC_ARIB_STD_B67;
    double peak = peak_of(f);
    if (!sns_hdr_is(c->hdr, hlg, peak)) {
        free(c->hdr);
        if (!(c->hdr = sns_hdr_new(hlg, peak)))
            return sns_fail(err, SNS_NOMEM, "%s: no memory to map HDR", name);
    }
    for (int y = 0; y < p->out_height; y++) {
        uint8_t *row = c->staged + (size_t)y * (size_t)p->out_stride;
        sns_hdr_row(c->hdr, (const uint16_t *)(void *)row, (size_t)p->out_width, row);
    }
    return SNS_OK;
}

/* Pixels of four bytes onto white, in place. */
static void flatten_rows(uint8_t *staged, const plan *p) {
    for (int y = 0; y < p->out_height; y++) {
        uint8_t *to = staged + (size_t)y * (size_t)p->out_stride;
        const uint8_t *from = to;
        for (int x = 0; x < p->out_width; x++, from += 4, to += 3) {
            int a = from[3];
            for (int k = 0; k < 3; k++)
                to[k] = (uint8_t)((from[k] * a + 255 * (255 - a) + 127) / 255);
        }
    }
}

static void turn_rows(const uint8_t *staged, const plan *p, sns_turn t, sns_image *out) {
    size_t w = out->width_px, h = out->height_px, stride = (size_t)p->out_stride;
    for (size_t y = 0; y < h; y++) {
        uint8_t *to = out->rgb + y * w * 3;
        size_t v = t.mirror_y ? h - 1 - y : y;
        if (!t.transpose && !t.mirror_x) {
            memcpy(to, staged + v * stride, w * 3);
            continue;
        }
        for (size_t x = 0; x < w; x++, to += 3) {
            size_t u = t.mirror_x ? w - 1 - x : x;
            memcpy(to, t.transpose ? staged + u * stride + v * 3 : staged + v * stride + u * 3, 3);
        }
    }
}

sns_status sns_convert_frame(sns_convert *c, const AVFrame *frame, sns_turn turn, size_t width,
                             size_t height, const char *name, sns_image *out, sns_error *err) {
    plan p = make_plan(frame, turn, width, height);
    sns_status s = scale(c, frame, &p, name, err);
    if (!s && p.to == AV_PIX_FMT_RGB48) s = map_rows(c, frame, &p, name, err);
    if (s) return s;
    if (p.to == AV_PIX_FMT_RGBA) flatten_rows(c->staged, &p);
    if (!out->rgb || out->width_px != width || out->height_px != height) {
        free(out->rgb);
        *out = (sns_image){0};
        if (!(out->rgb = malloc(width * height * 3)))
            return sns_fail(err, SNS_NOMEM, "%s: no memory for a frame", name);
        out->width_px = width;
        out->height_px = height;
    }
    turn_rows(c->staged, &p, turn, out);
    return SNS_OK;
}
