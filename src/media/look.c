/* look.c - how different two frames look.
 *
 *     d(a, b) = 1/2 (1 - sum over bins of min(a, b) / pixels)  +  1/2 min(1, 2 mean |a - b| / 255)
 *
 * Colour histograms do not see motion, differences at each place do not see that two scenes have
 * the same colours: together they err less. A pixel is shared by the bins around its colour, so
 * that a slow change of light does not jump from one to the next. Sources: Swain and Ballard 1991
 * (intersection of histograms); Zhang, Kankanhalli and Smoliar 1993 (both as measures for shot
 * boundaries). */
#include "media/look.h"
#include "media/av_calls.h"
#include "base/error.h"
#include <stdlib.h>
#include <string.h>

/* One channel among its four bins, whose centres are 0, 85, 170, 255: the lower of the two bins it
 * lies between, and sixteenths of the upper one. */
static void place(uint8_t value, unsigned *bin, unsigned *upper) {
    unsigned at = (value * 48u + 127) / 255;
    *bin = at / 16 < 3 ? at / 16 : 2;
    *upper = at - 16 * *bin;
}

static void share(const uint8_t *p, uint32_t *bins) {
    unsigned at[3], upper[3];
    for (int k = 0; k < 3; k++) place(p[k], &at[k], &upper[k]);
    for (unsigned corner = 0; corner < 8; corner++) {
        unsigned weight = 1, bin = 0;
        for (int k = 0; k < 3; k++) {
            unsigned up = corner >> k & 1;
            weight *= up ? upper[k] : 16 - upper[k];
            bin = 4 * bin + at[k] + up;
        }
        bins[bin] += weight;
    }
}

sns_status sns_look_at(struct SwsContext **sws, const AVFrame *f, const char *name, sns_look *out,
                       sns_error *err) {
    enum { STRIDE = 3 * SNS_LOOK_PX + 64 };
    _Alignas(64) uint8_t rgb[STRIDE * SNS_LOOK_PX + 64];
    /* Four rows for each of the small copy's are enough; of a large frame the others are not read.
     */
    int step = f->height / (4 * SNS_LOOK_PX), skip[AV_NUM_DATA_POINTERS];
    if (step < 1) step = 1;
    for (int i = 0; i < AV_NUM_DATA_POINTERS; i++) skip[i] = f->linesize[i] * step;
    *sws = sns_av.sws_getCachedContext(*sws, f->width, f->height / step, f->format, SNS_LOOK_PX,
                                       SNS_LOOK_PX, AV_PIX_FMT_RGB24, SWS_BILINEAR, NULL, NULL,
                                       NULL);
    const char *format = sns_av.av_get_pix_fmt_name(f->format);
    uint8_t *const to[4] = {rgb};
    const int stride[4] = {STRIDE};
    if (!*sws || sns_av.sws_scale(*sws, (const uint8_t *const *)f->data, skip, 0, f->height / step,
                                  to, stride) <= 0)
        return sns_fail(err, SNS_UNSUPPORTED, "%s: frames of %s, %d x %d pixels", name,
                        format ? format : "no format", f->width, f->height);
    memset(out->bin, 0, sizeof out->bin);
    for (size_t y = 0; y < SNS_LOOK_PX; y++)
        for (size_t x = 0; x < SNS_LOOK_PX; x++) {
            const uint8_t *p = rgb + y * STRIDE + 3 * x;
            out->luma[y * SNS_LOOK_PX + x] = (uint8_t)((54 * p[0] + 183 * p[1] + 19 * p[2]) >> 8);
            share(p, out->bin);
        }
    return SNS_OK;
}

double sns_look_difference(const sns_look *a, const sns_look *b) {
    const double pixels = SNS_LOOK_PX * SNS_LOOK_PX, weight = 16 * 16 * 16;
    double common = 0;
    long apart = 0;
    for (size_t i = 0; i < SNS_LOOK_BINS; i++)
        common += a->bin[i] < b->bin[i] ? a->bin[i] : b->bin[i];
    for (size_t i = 0; i < SNS_LOOK_PX * SNS_LOOK_PX; i++) apart += abs(a->luma[i] - b->luma[i]);
    double moved = 2 * (double)apart / pixels / 255;
    return 0.5 * (1 - common / (pixels * weight)) + 0.5 * (moved < 1 ? moved : 1);
}
