/* tone_map.c - HDR light to sRGB.
 *
 * With E a sample (0 ... 1), L light in cd/m^2, W = 203 the light of SDR's white:
 *     PQ    L = 10000 * (max(E^(1/m2) - c1, 0) / (c2 - c3 E^(1/m2)))^(1/m1)       SMPTE ST 2084
 *     HLG   scene light S = inverse OETF(E);  L = 1000 * Y(S)^0.2 * S             ARIB STD-B67
 *     roll-off of the brightest channel from the film's peak to W: the EETF of ITU-R BT.2390-10,
 *     5.4.1, a Hermite spline in PQ's scale above the knee 1.5 W' - 0.5; what is darker is kept.
 *     All three channels are scaled by what it does to the brightest one, so that hues stay.
 *     BT.2020 -> BT.709 primaries (ITU-R BT.2087-0, inverse), clipped; sRGB's transfer.
 * W: ITU-R BT.2408-5, HDR reference white. */
#include "media/tone_map.h"
#include <math.h>
#include <stdlib.h>

enum { STEPS = 4096, CODES = 4096 };
static const double white = 203, hlg_peak = 1000;

struct sns_hdr {
    bool hlg;
    double peak;
    float light[STEPS];  /* of a sample: cd/m^2 (PQ), or scene light (HLG) */
    float scale[STEPS];  /* by PQ code of the brightest channel: factor to SDR, white at 1 */
    uint8_t code[CODES]; /* sRGB of a square root of light */
};

static const double m1 = 2610.0 / 16384, m2 = 2523.0 / 32, c1 = 3424.0 / 4096, c2 = 2413.0 / 128,
                    c3 = 2392.0 / 128;

static double pq_light(double e) {
    double p = pow(e, 1 / m2), top = p - c1;
    return 10000 * pow((top > 0 ? top : 0) / (c2 - c3 * p), 1 / m1);
}

static double pq_code(double light) {
    double p = pow(light / 10000, m1);
    return pow((c1 + c2 * p) / (1 + c3 * p), m2);
}

static double hlg_scene(double e) {
    const double a = 0.17883277, b = 1 - 4 * a, c = 0.5 - a * log(4 * a);
    return e <= 0.5 ? e * e / 3 : (exp((e - c) / a) + b) / 12;
}

/* BT.2390's spline, in PQ codes. */
static double roll_off(double code, double peak_code, double white_code) {
    double e = code / peak_code, top = white_code / peak_code;
    double knee = 1.5 * top - 0.5;
    if (top >= 1 || e <= knee) return code;
    if (e > 1) e = 1;
    double t = (e - knee) / (1 - knee), t2 = t * t, t3 = t2 * t;
    return peak_code * ((2 * t3 - 3 * t2 + 1) * knee + (t3 - 2 * t2 + t) * (1 - knee) +
                        (-2 * t3 + 3 * t2) * top);
}

static double srgb(double x) {
    return x <= 0.0031308 ? 12.92 * x : 1.055 * pow(x, 1 / 2.4) - 0.055;
}

sns_hdr *sns_hdr_new(bool hlg, double peak) {
    sns_hdr *h = malloc(sizeof *h);
    if (!h) return NULL;
    h->hlg = hlg;
    h->peak = peak;
    double peak_code = pq_code(hlg ? hlg_peak : peak), white_code = pq_code(white);
    for (int i = 0; i < STEPS; i++) {
        double e = i / (STEPS - 1.0), light = pq_light(e);
        h->light[i] = (float)(hlg ? hlg_scene(e) : light);
        h->scale[i] = (float)(light > 0
                                  ? pq_light(roll_off(e, peak_code, white_code)) / (light * white)
                                  : 1 / white);
    }
    for (int i = 0; i < CODES; i++) {
        double root = i / (CODES - 1.0);
        h->code[i] = (uint8_t)lround(255 * srgb(root * root));
    }
    return h;
}

bool sns_hdr_is(const sns_hdr *h, bool hlg, double peak) {
    return h && h->hlg == hlg && (hlg || h->peak == peak);
}

static uint8_t encode(const sns_hdr *h, float x) {
    if (!(x > 0)) return h->code[0];
    return h->code[x >= 1 ? CODES - 1 : (int)(sqrtf(x) * (CODES - 1) + 0.5f)];
}

void sns_hdr_row(const sns_hdr *h, const uint16_t *rgb, size_t n, uint8_t *out) {
    for (size_t i = 0; i < n; i++, rgb += 3, out += 3) {
        float r = h->light[rgb[0] >> 4], g = h->light[rgb[1] >> 4], b = h->light[rgb[2] >> 4];
        int brightest = rgb[0] > rgb[1] ? rgb[0] : rgb[1];
        if (rgb[2] > brightest) brightest = rgb[2];
        size_t at = (size_t)brightest >> 4;
        if (h->hlg) {
            float y = 0.2627f * r + 0.6780f * g + 0.0593f * b;
            float gain = (float)hlg_peak * powf(y, 0.2f);
            r *= gain, g *= gain, b *= gain;
            float most = r > g ? r : g;
            at = (size_t)(pq_code(most > b ? most : b) * (STEPS - 1) + 0.5);
            if (at >= STEPS) at = STEPS - 1;
        }
        float s = h->scale[at];
        r *= s, g *= s, b *= s;
        out[0] = encode(h, 1.6605f * r - 0.5876f * g - 0.0728f * b);
        out[1] = encode(h, -0.1246f * r + 1.1329f * g - 0.0083f * b);
        out[2] = encode(h, -0.0182f * r - 0.1006f * g + 1.1187f * b);
    }
}
