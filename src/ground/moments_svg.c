/* moments_svg.c - a text's curve along a film, with its moments, as a figure. */
#include "base/error.h"
#include "base/strbuf.h"
#include "ground/film.h"
#include <math.h>
#include <stdlib.h>

enum { WIDTH = 960, HEIGHT = 170, LEFT = 46, RIGHT = 12, TOP = 10, BOTTOM = 26, POINTS = 2000 };

typedef struct figure {
    sns_strbuf b;
    const sns_film *film;
    double start, end, low, high;
} figure;

static double to_x(const figure *f, double seconds) {
    return LEFT + (seconds - f->start) / (f->end - f->start) * (WIDTH - LEFT - RIGHT);
}

static double to_y(const figure *f, double score) {
    return TOP + (f->high - score) / (f->high - f->low) * (HEIGHT - TOP - BOTTOM);
}

/* A step of 1, 2, 5, 10, 15, 30 seconds, minutes or hours that gives some eight ticks. */
static double tick_step(double seconds) {
    static const double steps[] = {0.1, 0.2, 0.5, 1,   2,   5,    10,   15,  30,
                                   60,  120, 300, 600, 900, 1800, 3600, 7200};
    enum { STEPS = sizeof steps / sizeof *steps };
    size_t i = 0;
    while (i + 1 < STEPS && seconds / steps[i] > 10) i++;
    return steps[i];
}

static void put_axis(figure *f) {
    double step = tick_step(f->end - f->start);
    const int bottom = HEIGHT - BOTTOM;
    sns_strbuf_printf(&f->b, "<path d=\"M%d %dH%d\" stroke=\"currentColor\" opacity=\".4\"/>\n",
                      LEFT, bottom, WIDTH - RIGHT);
    for (double t = ceil(f->start / step) * step; t <= f->end; t += step) {
        long ms = lround(t * 1000);
        sns_strbuf_printf(&f->b, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%ld:%02ld",
                          to_x(f, t), bottom + 17, ms / 60000, ms / 1000 % 60);
        if (step < 1) sns_strbuf_printf(&f->b, ".%ld", ms / 100 % 10);
        sns_strbuf_puts(&f->b, "</text>\n");
    }
    sns_strbuf_printf(&f->b,
                      "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%.2f</text>"
                      "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%.2f</text>\n",
                      LEFT - 6, TOP + 9, f->high, LEFT - 6, bottom, f->low);
}

static void put_moments(figure *f, const sns_moment *moments, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double left = to_x(f, moments[i].start), right = to_x(f, moments[i].end);
        sns_strbuf_printf(&f->b,
                          "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"#009e73\" "
                          "opacity=\".25\"/><text x=\"%.1f\" y=\"%d\">%zu</text>\n",
                          left, TOP, fmax(right - left, 1), HEIGHT - TOP - BOTTOM, left + 3,
                          TOP + 11, i + 1);
    }
}

/* Steps, for a sample stands for its span; of long films every so many samples. */
static void put_curve(figure *f, const float *curve) {
    size_t stride = (f->film->count + POINTS - 1) / POINTS;
    sns_strbuf_puts(&f->b, "<path fill=\"none\" stroke=\"#0072b2\" stroke-width=\"1.6\" d=\"");
    for (size_t i = 0; i < f->film->count; i += stride) {
        const sns_span *s = &f->film->spans[i];
        float most = curve[i];
        for (size_t k = i; k < i + stride && k < f->film->count; k++) most = fmaxf(most, curve[k]);
        sns_strbuf_printf(&f->b, "%c%.1f %.1fH%.1f", i ? 'L' : 'M', to_x(f, s->start),
                          to_y(f, most), to_x(f, s->end));
    }
    sns_strbuf_puts(&f->b, "\"/>\n");
}

static void fit(figure *f, const float *curve) {
    f->low = f->high = curve[0];
    for (size_t i = 0; i < f->film->count; i++) {
        f->low = fmin(f->low, curve[i]);
        f->high = fmax(f->high, curve[i]);
    }
    double margin = fmax(0.05 * (f->high - f->low), 0.01);
    f->low -= margin;
    f->high += margin;
}

sns_status sns_moments_svg(const sns_film *film, const float *text, const sns_moment *moments,
                           size_t count, char **svg, sns_error *err) {
    figure f = {
        .film = film, .start = film->spans[0].start, .end = film->spans[film->count - 1].end};
    float *curve = malloc(film->count * sizeof *curve);
    *svg = NULL;
    sns_status s = curve ? sns_film_curve(film, text, curve, err)
                         : sns_fail(err, SNS_NOMEM, "no memory for a figure");
    if (!s) {
        fit(&f, curve);
        sns_strbuf_printf(&f.b,
                          "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
                          "font-family=\"system-ui,sans-serif\" font-size=\"12\" "
                          "fill=\"currentColor\" role=\"img\"><title>cosine over time</title>\n",
                          WIDTH, HEIGHT);
        put_moments(&f, moments, count);
        put_axis(&f);
        put_curve(&f, curve);
        sns_strbuf_puts(&f.b, "</svg>\n");
        if (f.b.failed) s = sns_fail(err, SNS_NOMEM, "no memory for a figure");
    }
    free(curve);
    if (s)
        sns_strbuf_free(&f.b);
    else
        *svg = f.b.data;
    return s;
}
