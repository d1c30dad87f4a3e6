/* robustness_svg.c - figure 13 of Radford et al. 2021: a panel for each shift, both axes in logits.
 *
 * A panel shows y = x (dashed: as good under the shift as without it), the baseline's line with its
 * band, every model with the intervals of both of its accuracies, and under the title each group's
 * effective robustness. */
#include "base/error.h"
#include "base/strbuf.h"
#include "score/robust_points.h"
#include <math.h>

enum {
    COLUMNS = 3,
    SIDE = 262, /* of a panel's square */
    LEFT = 62,
    TOP = 46, /* of the first title */
    BELOW = 52,
    GAP = 24,
    TICK_ROOM = 30, /* pixels between two ticks */
    LINE = 15
};

/* Okabe and Ito's colours, which also differ for those who see few; the baseline is grey. */
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73",
                                      "#cc79a7", "#e69f00", "#56b4e9"};
enum { COLOURS = sizeof colours / sizeof *colours };

/* Percentages that may have a tick; the more important first where two are too near. */
static const double ticks[] = {50,   10, 90, 1,  99, 0.1, 99.9, 20,   80,   30, 70,
                               5,    95, 2,  98, 40, 60,  3,    97,   15,   85, 0.5,
                               99.5, 25, 75, 35, 65, 45,  55,   0.01, 99.99};
enum { TICKS = sizeof ticks / sizeof *ticks };

typedef struct panel {
    sns_strbuf *b;
    const sns_robustness *r;
    const sns_robust_line *line;
    size_t index, groups_shown;
    double left, top;      /* pixels, of the square */
    double x0, x1, y0, y1; /* logits */
} panel;

static double to_x(const panel *p, double x) {
    return p->left + (x - p->x0) / (p->x1 - p->x0) * SIDE;
}

static double to_y(const panel *p, double y) {
    return p->top + (p->y1 - y) / (p->y1 - p->y0) * SIDE;
}

/* An end of an interval of accuracy, kept off 0 and 1 as the logit of the count is. */
static double end_logit(double share, size_t total) {
    double edge = 0.5 / ((double)total + 1), q = fmin(fmax(share, edge), 1 - edge);
    return log(q / (1 - q));
}

static void reach(double x, double *least, double *most) {
    *least = fmin(*least, x);
    *most = fmax(*most, x);
}

/* The axes hold the points with their intervals, and a margin. */
static void fit(panel *p) {
    const sns_robustness *r = p->r;
    p->x0 = p->y0 = INFINITY;
    p->x1 = p->y1 = -INFINITY;
    for (size_t i = 0; i < r->point_count; i++) {
        const sns_robust_point *q = &r->points[i];
        if (q->shift != p->line->shift) continue;
        reach(end_logit(q->id_accuracy.low, q->id.total), &p->x0, &p->x1);
        reach(end_logit(q->id_accuracy.high, q->id.total), &p->x0, &p->x1);
        reach(end_logit(q->shifted_accuracy.low, q->shifted.total), &p->y0, &p->y1);
        reach(end_logit(q->shifted_accuracy.high, q->shifted.total), &p->y0, &p->y1);
    }
    double mx = fmax(0.06 * (p->x1 - p->x0), 0.1), my = fmax(0.06 * (p->y1 - p->y0), 0.1);
    p->x0 -= mx;
    p->x1 += mx;
    p->y0 -= my;
    p->y1 += my;
}

static void draw_tick(const panel *p, double at, double percent, bool upright) {
    sns_strbuf *b = p->b;
    if (upright) {
        sns_strbuf_printf(b, "<path class=\"grid\" d=\"M%.1f %.1fh%d\"/>", p->left, at, SIDE);
        sns_strbuf_printf(b, "<text x=\"%.1f\" y=\"%.1f\" class=\"ytick\">%g %%</text>\n",
                          p->left - 6, at + 4, percent);
    } else {
        sns_strbuf_printf(b, "<path class=\"grid\" d=\"M%.1f %.1fv%d\"/>", at, p->top, SIDE);
        sns_strbuf_printf(b, "<text x=\"%.1f\" y=\"%.1f\" class=\"xtick\">%g %%</text>\n", at,
                          p->top + SIDE + 16, percent);
    }
}

/* Ticks of one axis: those that are in it and not too near to a more important one. */
static void draw_ticks(const panel *p, bool upright) {
    double room = upright ? TICK_ROOM - 8 : TICK_ROOM + 8, shown[TICKS];
    size_t n = 0;
    for (size_t i = 0; i < TICKS; i++) {
        double x = log(ticks[i] / (100 - ticks[i]));
        bool fits = upright ? x >= p->y0 && x <= p->y1 : x >= p->x0 && x <= p->x1;
        double at = upright ? to_y(p, x) : to_x(p, x);
        for (size_t k = 0; k < n && fits; k++) fits = fabs(shown[k] - at) >= room;
        if (!fits) continue;
        shown[n++] = at;
        draw_tick(p, at, ticks[i], upright);
    }
}

static void draw_line(const panel *p) {
    sns_strbuf *b = p->b;
    const sns_robust_line *l = p->line;
    double least = fmin(p->x0, p->y0), most = fmax(p->x1, p->y1);
    sns_strbuf_printf(b, "<path class=\"same\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n", to_x(p, least),
                      to_y(p, least), to_x(p, most), to_y(p, most));
    for (size_t i = 0; i < SNS_ROBUST_BAND; i++)
        sns_strbuf_printf(b, "%s%.1f %.1f", i ? "L" : "<path class=\"band\" d=\"M",
                          to_x(p, l->band_x[i]), to_y(p, l->band[i].high));
    for (size_t i = SNS_ROBUST_BAND; i-- > 0;)
        sns_strbuf_printf(b, "L%.1f %.1f", to_x(p, l->band_x[i]), to_y(p, l->band[i].low));
    size_t last = SNS_ROBUST_BAND - 1;
    sns_strbuf_printf(b, "Z\"/>\n<path class=\"line\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n",
                      to_x(p, l->band_x[0]), to_y(p, l->band[0].value), to_x(p, l->band_x[last]),
                      to_y(p, l->band[last].value));
}

static size_t group_index(const sns_robustness *r, const char *group) {
    size_t g = 0;
    while (r->groups[g] != group) g++;
    return g;
}

/* The baseline takes no colour from the others. */
static const char *colour_of(const sns_robustness *r, const char *group) {
    size_t n = 0;
    if (group == r->baseline) return "#6b6b6b";
    for (size_t g = 0; g < group_index(r, group); g++) n += r->groups[g] != r->baseline;
    return colours[n % COLOURS];
}

/* Circles, squares, triangles, diamonds: a group has its form too. */
static void draw_mark(sns_strbuf *b, double x, double y, size_t form, const char *colour) {
    static const char *const paths[] = {"m-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
                                        "m-4 -4h8v8h-8z", "m0 -5.5l5 9h-10z",
                                        "m0 -5.5l5.5 5.5l-5.5 5.5l-5.5 -5.5z"};
    sns_strbuf_printf(b, "<path class=\"mark\" fill=\"%s\" d=\"M%.1f %.1f%s\"/>", colour, x, y,
                      paths[form % (sizeof paths / sizeof *paths)]);
}

static void draw_point(const panel *p, const sns_robust_point *q) {
    const char *colour = colour_of(p->r, q->group);
    double x = to_x(p, sns_score_logit(q->id)), y = to_y(p, sns_score_logit(q->shifted));
    const sns_interval *i = &q->id_accuracy, *s = &q->shifted_accuracy;
    sns_strbuf_printf(
        p->b, "<path class=\"bar\" stroke=\"%s\" d=\"M%.1f %.1fH%.1fM%.1f %.1fV%.1f\"/>", colour,
        to_x(p, end_logit(i->low, q->id.total)), y, to_x(p, end_logit(i->high, q->id.total)), x,
        to_y(p, end_logit(s->low, q->shifted.total)),
        to_y(p, end_logit(s->high, q->shifted.total)));
    sns_strbuf_puts(p->b, "<g><title>");
    sns_strbuf_xml(p->b, q->model);
    sns_strbuf_printf(p->b, ": %.1f %%, shifted %.1f %%</title>", 100 * i->value, 100 * s->value);
    draw_mark(p->b, x, y, group_index(p->r, q->group), colour);
    sns_strbuf_puts(p->b, "</g>\n");
}

/* The title, and what each group has beyond the line, in its colour. */
static void draw_heading(const panel *p) {
    const sns_robustness *r = p->r;
    double y = p->top - 10 - LINE * (double)p->groups_shown;
    sns_strbuf_printf(p->b, "<text x=\"%.1f\" y=\"%.1f\" class=\"title\">", p->left, y);
    sns_strbuf_xml(p->b, p->line->shift);
    sns_strbuf_puts(p->b, "</text>\n");
    for (size_t i = 0; i < r->mean_count; i++) {
        const sns_robust_mean *m = &r->means[i];
        if (m->model || m->shift != p->line->shift) continue;
        y += LINE;
        sns_strbuf_printf(p->b, "<text x=\"%.1f\" y=\"%.1f\" fill=\"%s\">", p->left, y,
                          colour_of(r, m->group));
        sns_strbuf_xml(p->b, m->group);
        sns_strbuf_printf(p->b, ": %+.1f (%+.1f to %+.1f)</text>\n", 100 * m->effective.value,
                          100 * m->effective.low, 100 * m->effective.high);
    }
}

static void draw_panel(panel *p) {
    sns_strbuf *b = p->b;
    fit(p);
    draw_heading(p);
    draw_ticks(p, false);
    draw_ticks(p, true);
    sns_strbuf_printf(b,
                      "<clipPath id=\"p%zu\"><rect x=\"%.1f\" y=\"%.1f\" width=\"%d\" "
                      "height=\"%d\"/></clipPath>\n<g clip-path=\"url(#p%zu)\">\n",
                      p->index, p->left, p->top, SIDE, SIDE, p->index);
    draw_line(p);
    /* The baseline's points below the others'. */
    for (int above = 0; above < 2; above++)
        for (size_t i = 0; i < p->r->point_count; i++) {
            const sns_robust_point *q = &p->r->points[i];
            if (q->shift == p->line->shift && (q->group != p->r->baseline) == above)
                draw_point(p, q);
        }
    sns_strbuf_printf(b,
                      "</g>\n<rect class=\"frame\" x=\"%.1f\" y=\"%.1f\" width=\"%d\" "
                      "height=\"%d\"/>\n",
                      p->left, p->top, SIDE, SIDE);
    sns_strbuf_printf(b,
                      "<text x=\"%.1f\" y=\"%.1f\" class=\"xtick\">accuracy without the "
                      "shift</text>\n",
                      p->left + SIDE / 2.0, p->top + SIDE + 34);
    if (p->index % COLUMNS == 0)
        sns_strbuf_printf(b,
                          "<text class=\"xtick\" transform=\"translate(%.1f %.1f) "
                          "rotate(-90)\">accuracy under the shift</text>\n",
                          p->left - 48, p->top + SIDE / 2.0);
}

static void draw_legend(sns_strbuf *b, const sns_robustness *r) {
    double x = LEFT;
    for (size_t g = 0; g < r->group_count; g++) {
        draw_mark(b, x + 5, 20, g, colour_of(r, r->groups[g]));
        sns_strbuf_printf(b, "<text x=\"%.1f\" y=\"24\">", x + 15);
        sns_strbuf_xml(b, r->groups[g]);
        sns_strbuf_puts(b, "</text>\n");
        x += 34 + 6.6 * (double)strlen(r->groups[g]);
    }
    sns_strbuf_printf(
        b, "<path class=\"line\" d=\"M%.1f 20h22\"/><text x=\"%.1f\" y=\"24\">line of ", x, x + 28);
    sns_strbuf_xml(b, r->baseline);
    x += 96 + 6.6 * (double)strlen(r->baseline);
    sns_strbuf_printf(b,
                      "</text><path class=\"same\" d=\"M%.1f 20h22\"/><text x=\"%.1f\" "
                      "y=\"24\">y = x</text>\n",
                      x, x + 28);
}

sns_status sns_robustness_svg(const sns_robustness *r, char **text, sns_error *err) {
    sns_strbuf b = {0};
    size_t columns = r->line_count < COLUMNS ? r->line_count : COLUMNS;
    size_t rows = (r->line_count + COLUMNS - 1) / COLUMNS, heading = r->group_count;
    double step_y = SIDE + BELOW + GAP + LINE * (double)heading;
    double width = (LEFT + SIDE) * (double)columns + GAP, height = TOP + step_y * (double)rows;
    width = fmax(width, 2 * (LEFT + SIDE) + GAP); /* the legend's */
    sns_strbuf_printf(&b,
                      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
                      "width=\"%.0f\" height=\"%.0f\" font-family=\"sans-serif\" "
                      "font-size=\"12\">\n",
                      width, height, width, height);
    sns_strbuf_puts(&b, "<style>.title{font-size:15px;fill:#111}.grid{stroke:#e8e8e8;fill:none}"
                        ".frame{stroke:#888;fill:none}.xtick{text-anchor:middle;fill:#444}"
                        ".ytick{text-anchor:end;fill:#444}"
                        ".same{stroke:#999;stroke-dasharray:5 4;fill:none}"
                        ".line{stroke:#6b6b6b;stroke-width:1.8;fill:none}"
                        ".band{fill:#6b6b6b;fill-opacity:.16}"
                        ".bar{stroke-width:1.1;stroke-opacity:.65;fill:none}"
                        ".mark{stroke:#fff;stroke-width:.8}</style>\n"
                        "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n");
    draw_legend(&b, r);
    for (size_t i = 0; i < r->line_count; i++) {
        panel p = {.b = &b, .r = r, .line = &r->lines[i], .index = i, .groups_shown = heading - 1};
        p.left = LEFT + (double)(i % COLUMNS) * (LEFT + SIDE);
        p.top = TOP + (double)(i / COLUMNS) * step_y + GAP + LINE * (double)heading;
        draw_panel(&p);
    }
    sns_strbuf_puts(&b, "</svg>\n");
    *text = b.failed ? NULL : b.data;
    if (*text) return SNS_OK;
    sns_strbuf_free(&b);
    return sns_fail(err, SNS_NOMEM, "no memory for the figure");
}
