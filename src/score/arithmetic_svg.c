/* arithmetic_svg.c - the figure of sns_eval_arithmetic: bars of recall at each k for each way, and
 * recall@10 along the weight w; thin lines are the 95 % intervals, dashes what guessing gives. */
#include "base/error.h"
#include "base/strbuf.h"
#include <math.h>
#include <sensus/eval.h>

enum {
    WIDTH = 860,
    HEIGHT = 770,
    LEFT = 64,
    RIGHT = 20,
    PANEL = 250,
    BARS_TOP = 84,
    CURVE_TOP = 452,
    BAR = 44
};

static const char *const COLOURS[SNS_ARITHMETIC_WAYS] = {"#8a8a8a", "#e0952b", "#1663a6"};
static const char *const NAMES[SNS_ARITHMETIC_WAYS] = {"text(B)", "image(A) + text(B)",
                                                       "image(A) \xe2\x88\x92 text(A) + text(B)"};

typedef struct panel {
    sns_strbuf *b;
    double top, y1; /* pixels; the highest value, from 0 */
} panel;

static double to_y(const panel *p, double value) {
    return p->top + (p->y1 - value) / p->y1 * PANEL;
}

/* A round number that holds the value. */
static double ceiling(double value) {
    static const double steps[] = {0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (value <= steps[i]) return steps[i];
    return 1;
}

static void draw_axes(const panel *p, const char *title) {
    double base = p->top + PANEL;
    sns_strbuf_printf(p->b, "<text x=\"%d\" y=\"%.1f\" class=\"title\">%s</text>\n", LEFT,
                      p->top - 44, title);
    for (int i = 0; i <= 4; i++) {
        double value = p->y1 * i / 4, y = to_y(p, value);
        sns_strbuf_printf(p->b, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>", LEFT, y, WIDTH - RIGHT);
        sns_strbuf_printf(p->b, "<text x=\"%d\" y=\"%.1f\" class=\"ytick\">%.3g %%</text>\n",
                          LEFT - 8, y + 4, 100 * value);
    }
    sns_strbuf_printf(p->b, "<path class=\"axis\" d=\"M%d %.1fV%.1fH%d\"/>\n", LEFT, p->top, base,
                      WIDTH - RIGHT);
}

static void draw_interval(const panel *p, double x, const sns_measure *m) {
    sns_strbuf_printf(p->b, "<path class=\"interval\" d=\"M%.1f %.1fh8m-4 0V%.1fm-4 0h8\"/>\n",
                      x - 4, to_y(p, m->high), to_y(p, m->low));
}

static void draw_legend(const panel *p) {
    double x = LEFT;
    for (size_t v = 0; v < SNS_ARITHMETIC_WAYS; v++) {
        sns_strbuf_printf(p->b,
                          "<rect x=\"%.0f\" y=\"%.1f\" width=\"12\" height=\"12\" fill=\"%s\"/>"
                          "<text x=\"%.0f\" y=\"%.1f\">%s</text>\n",
                          x, p->top - 31, COLOURS[v], x + 18, p->top - 21, NAMES[v]);
        x += v ? 160 : 90;
    }
}

static void draw_bars(const panel *p, const sns_arithmetic *r) {
    double group = (double)(WIDTH - LEFT - RIGHT) / SNS_ARITHMETIC_KS, base = p->top + PANEL;
    for (size_t j = 0; j < SNS_ARITHMETIC_KS; j++) {
        double x0 = LEFT + group * (double)j + (group - SNS_ARITHMETIC_WAYS * BAR) / 2, x = x0;
        for (size_t v = 0; v < SNS_ARITHMETIC_WAYS; v++, x += BAR) {
            const sns_measure *m = &r->recall[v][j];
            double y = to_y(p, m->value);
            sns_strbuf_printf(p->b,
                              "<rect x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%.1f\" "
                              "fill=\"%s\"/>",
                              x + 3, y, BAR - 6, base - y, COLOURS[v]);
            draw_interval(p, x + BAR / 2.0, m);
            sns_strbuf_printf(p->b, "<text x=\"%.1f\" y=\"%.1f\" class=\"value\">%.1f</text>\n",
                              x + BAR / 2.0, to_y(p, m->high) - 4, 100 * m->value);
        }
        sns_strbuf_printf(p->b, "<path class=\"chance\" d=\"M%.1f %.1fH%.1f\"/>", x0 - 6,
                          to_y(p, r->recall[0][j].chance), x + 6);
        sns_strbuf_printf(p->b, "<text x=\"%.1f\" y=\"%.1f\" class=\"xtick\">recall@%zu</text>\n",
                          x0 + SNS_ARITHMETIC_WAYS * BAR / 2.0, base + 20, r->k[j]);
    }
}

static double weight_x(const sns_arithmetic *r, double w) {
    return LEFT + 20 + w / r->weight[SNS_ARITHMETIC_WEIGHTS - 1] * (WIDTH - LEFT - RIGHT - 40);
}

/* A line over the whole panel: what does without a weight. */
static void draw_level(const panel *p, double value, const char *colour, const char *name) {
    sns_strbuf_printf(p->b,
                      "<path class=\"level\" stroke=\"%s\" d=\"M%d %.1fH%d\"/><text x=\"%d\" "
                      "y=\"%.1f\" class=\"ytick\">%s</text>\n",
                      colour, LEFT, to_y(p, value), WIDTH - RIGHT, WIDTH - RIGHT - 4,
                      to_y(p, value) - 4, name);
}

static void draw_curve(const panel *p, const sns_arithmetic *r) {
    double base = p->top + PANEL;
    draw_level(p, r->recall[SNS_ARITHMETIC_TEXT][2].value, COLOURS[0], NAMES[0]);
    draw_level(p, r->weighted[0].chance, "#c33", "chance");
    sns_strbuf_puts(p->b, "<path class=\"line\" d=\"");
    for (size_t w = 0; w < SNS_ARITHMETIC_WEIGHTS; w++)
        sns_strbuf_printf(p->b, "%c%.1f %.1f", w ? 'L' : 'M', weight_x(r, r->weight[w]),
                          to_y(p, r->weighted[w].value));
    sns_strbuf_puts(p->b, "\"/>\n");
    for (size_t w = 0; w < SNS_ARITHMETIC_WEIGHTS; w++) {
        double x = weight_x(r, r->weight[w]);
        draw_interval(p, x, &r->weighted[w]);
        sns_strbuf_printf(p->b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>", x,
                          to_y(p, r->weighted[w].value));
        sns_strbuf_printf(p->b, "<text x=\"%.1f\" y=\"%.1f\" class=\"xtick\">%g</text>\n", x,
                          base + 20, r->weight[w]);
    }
    sns_strbuf_printf(p->b, "<text x=\"%d\" y=\"%.1f\" class=\"xtick\">w</text>\n",
                      (LEFT + WIDTH - RIGHT) / 2, base + 42);
}

static double highest(const sns_measure *m, size_t n, double so_far) {
    for (size_t i = 0; i < n; i++) so_far = fmax(so_far, fmax(m[i].high, m[i].chance));
    return so_far;
}

sns_status sns_arithmetic_svg(const sns_arithmetic *r, char **svg, sns_error *err) {
    sns_strbuf b = {0};
    char title[160];
    panel p = {&b, BARS_TOP,
               ceiling(highest(r->recall[0], SNS_ARITHMETIC_WAYS * SNS_ARITHMETIC_KS, 0))};
    sns_strbuf_printf(&b,
                      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
                      "width=\"%d\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n",
                      WIDTH, HEIGHT, WIDTH, HEIGHT);
    sns_strbuf_puts(&b, "<style>path{fill:none}text{fill:#444}.title{font-size:15px;fill:#111}"
                        ".grid{stroke:#e4e4e4}.axis{stroke:#888}.xtick,.value{text-anchor:middle}"
                        ".value{font-size:11px}.ytick{text-anchor:end}.interval{stroke:#222}"
                        ".chance{stroke:#c33;stroke-dasharray:4 3;stroke-width:1.5}"
                        ".level{stroke-dasharray:6 4;stroke-width:1.5}"
                        ".line{stroke:#1663a6;stroke-width:2.2;stroke-linejoin:round}"
                        "circle{fill:#1663a6}</style>\n"
                        "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n");
    snprintf(title, sizeof title,
             "A picture of B is found: %zu pairs, %zu pictures, %zu concepts; dashed: chance",
             r->pairs, r->images, r->concepts);
    draw_axes(&p, title);
    draw_legend(&p);
    draw_bars(&p, r);
    p.top = CURVE_TOP;
    p.y1 = ceiling(
        highest(r->weighted, SNS_ARITHMETIC_WEIGHTS, r->recall[SNS_ARITHMETIC_TEXT][2].value));
    draw_axes(&p, "Recall@10 of image(A) + w (text(B) \xe2\x88\x92 text(A))");
    draw_curve(&p, r);
    sns_strbuf_puts(&b, "</svg>\n");
    *svg = b.failed ? NULL : b.data;
    if (*svg) return SNS_OK;
    sns_strbuf_free(&b);
    return sns_fail(err, SNS_NOMEM, "no memory for the figure");
}
