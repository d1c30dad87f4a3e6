/* curve.c - a run's curves as SVG: the loss (each point, and smoothed), the held-out recall. */
#include "base/strbuf.h"
#include "train/train_log.h"
#include <math.h>
#include <stdlib.h>

enum { WIDTH = 860, LEFT = 64, RIGHT = 20, PANEL = 250, TOP = 48, GAP = 80, POINTS_MAX = 800 };

typedef struct panel {
    sns_strbuf *b;
    double x1, y0, y1; /* data; x starts at 0 */
    double top;        /* pixels */
    bool percent;
} panel;

static double to_x(const panel *p, double x) {
    return LEFT + x / p->x1 * (WIDTH - LEFT - RIGHT);
}

static double to_y(const panel *p, double y) {
    return p->top + (p->y1 - y) / (p->y1 - p->y0) * PANEL;
}

/* A step of 1, 2 or 5 times a power of ten that cuts the range into about n parts. */
static double nice_step(double range, int n) {
    double raw = range / n, power = pow(10, floor(log10(raw))), x = raw / power;
    return (x < 1.5 ? 1 : x < 3.5 ? 2 : x < 7.5 ? 5 : 10) * power;
}

static void draw_axes(const panel *p, const char *title) {
    sns_strbuf *b = p->b;
    double sx = nice_step(p->x1, 8), sy = nice_step(p->y1 - p->y0, 5);
    double base = p->top + PANEL;
    sns_strbuf_printf(b, "<text x=\"%d\" y=\"%.1f\" class=\"title\">%s</text>\n", LEFT, p->top - 14,
                      title);
    for (double y = ceil(p->y0 / sy - 1e-6) * sy; y <= p->y1 + sy * 1e-6; y += sy) {
        double at = to_y(p, y);
        sns_strbuf_printf(b, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>", LEFT, at, WIDTH - RIGHT);
        sns_strbuf_printf(b, "<text x=\"%d\" y=\"%.1f\" class=\"ytick\">%.4g%s</text>\n", LEFT - 8,
                          at + 4, p->percent ? 100 * y : y, p->percent ? " %" : "");
    }
    for (double x = 0; x <= p->x1 * (1 + 1e-9); x += sx) {
        sns_strbuf_printf(b, "<path class=\"tick\" d=\"M%.1f %.1fv5\"/>", to_x(p, x), base);
        sns_strbuf_printf(b, "<text x=\"%.1f\" y=\"%.1f\" class=\"xtick\">%.10g</text>\n",
                          to_x(p, x), base + 20, x);
    }
    sns_strbuf_printf(b, "<path class=\"axis\" d=\"M%d %.1fV%.1fH%d\"/>\n", LEFT, p->top, base,
                      WIDTH - RIGHT);
    sns_strbuf_printf(b, "<text x=\"%d\" y=\"%.1f\" class=\"xtick\">steps</text>\n",
                      (LEFT + WIDTH - RIGHT) / 2, base + 40);
}

/* A polyline of at most POINTS_MAX points, each the mean of its share. */
static void draw_line(const panel *p, const sns_point *points, size_t n, const char *style) {
    size_t share = n / POINTS_MAX + 1;
    sns_strbuf_printf(p->b, "<path class=\"%s\" d=\"", style);
    for (size_t i = 0; i < n; i += share) {
        size_t k = 0;
        double x = 0, y = 0;
        for (; k < share && i + k < n; k++) {
            x += points[i + k].x;
            y += points[i + k].y;
        }
        sns_strbuf_printf(p->b, "%c%.1f %.1f", i ? 'L' : 'M', to_x(p, x / (double)k),
                          to_y(p, y / (double)k));
    }
    sns_strbuf_puts(p->b, "\"/>\n");
}

/* Mean over a window of 1/40 of the run on either side, by a running sum. NULL: no memory. */
static sns_point *smoothed(const sns_series *s) {
    sns_point *out = calloc(s->count + 1, sizeof *out);
    double *sum = calloc(s->count + 1, sizeof *sum);
    if (out && sum) {
        size_t half = s->count / 40;
        for (size_t i = 0; i < s->count; i++) sum[i + 1] = sum[i] + s->points[i].y;
        for (size_t i = 0; i < s->count; i++) {
            size_t reach = i < half ? i : half;
            if (reach > s->count - 1 - i) reach = s->count - 1 - i;
            double total = sum[i + reach + 1] - sum[i - reach];
            out[i] = (sns_point){s->points[i].x, total / (double)(2 * reach + 1)};
        }
    } else {
        free(out);
        out = NULL;
    }
    free(sum);
    return out;
}

static void fit(panel *p, const sns_series *s) {
    p->y0 = INFINITY;
    p->y1 = -INFINITY;
    for (size_t i = 0; i < s->count; i++) {
        p->y0 = fmin(p->y0, s->points[i].y);
        p->y1 = fmax(p->y1, s->points[i].y);
    }
    if (p->percent || !(p->y0 <= p->y1)) p->y0 = 0;
    if (!(p->y1 > p->y0)) p->y1 = p->y0 + (p->percent ? 0.1 : 1);
    double step = nice_step(p->y1 - p->y0, 5);
    p->y0 = floor(p->y0 / step) * step;
    p->y1 = ceil(p->y1 / step) * step;
}

static double last_x(const sns_series *s) {
    return s->count ? s->points[s->count - 1].x : 0;
}

static bool draw_loss(panel *p, const sns_series *loss) {
    char title[96];
    sns_point *line = smoothed(loss);
    if (!line) return false;
    fit(p, loss);
    double last = loss->count ? line[loss->count - 1].y : 0;
    snprintf(title, sizeof title, "loss: %.3f after %.10g steps", last, last_x(loss));
    draw_axes(p, title);
    draw_line(p, loss->points, loss->count, "raw");
    draw_line(p, line, loss->count, "line");
    free(line);
    return true;
}

static void draw_recall(panel *p, const sns_series *recall) {
    char title[96];
    p->percent = true;
    fit(p, recall);
    snprintf(title, sizeof title, "held-out recall@10, text to picture: %.1f %%",
             100 * recall->points[recall->count - 1].y);
    draw_axes(p, title);
    draw_line(p, recall->points, recall->count, "line");
    for (size_t i = 0; i < recall->count; i++)
        sns_strbuf_printf(p->b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>\n",
                          to_x(p, recall->points[i].x), to_y(p, recall->points[i].y));
}

char *sns_curve_svg(const sns_series *loss, const sns_series *recall) {
    sns_strbuf b = {0};
    int height = TOP + (PANEL + GAP) * (recall->count ? 2 : 1);
    panel p = {.b = &b, .x1 = fmax(fmax(last_x(loss), last_x(recall)), 1), .top = TOP};
    sns_strbuf_printf(&b,
                      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
                      "width=\"%d\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n",
                      WIDTH, height, WIDTH, height);
    sns_strbuf_puts(&b, "<style>path{fill:none}text{fill:#444}.title{font-size:15px;fill:#111}"
                        ".grid{stroke:#e4e4e4}.axis,.tick{stroke:#888}.xtick{text-anchor:middle}"
                        ".ytick{text-anchor:end}.raw{stroke:#9ec5e8;stroke-width:1}"
                        ".line{stroke:#1663a6;stroke-width:2.2;stroke-linejoin:round}"
                        "circle{fill:#1663a6}</style>\n"
                        "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n");
    bool ok = draw_loss(&p, loss);
    p.top += PANEL + GAP;
    if (recall->count) draw_recall(&p, recall);
    sns_strbuf_puts(&b, "</svg>\n");
    if (!ok || b.failed) {
        sns_strbuf_free(&b);
        return NULL;
    }
    return b.data;
}
