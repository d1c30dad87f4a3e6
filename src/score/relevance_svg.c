/* relevance_svg.c - the figure of sns_eval_relevance: precision along recall by relevance and by
 * cosine; a dot with its intervals is what the threshold gives, the dashed line what guessing does.
 */
#include "base/error.h"
#include "base/strbuf.h"
#include <sensus/eval.h>

enum { WIDTH = 640, HEIGHT = 520, LEFT = 64, RIGHT = 24, TOP = 84, BASE = 450 };

static const char *const COLOURS[SNS_RELEVANCE_WAYS] = {"#1663a6", "#e0952b"};
static const char *const NAMES[SNS_RELEVANCE_WAYS] = {
    "relevance; the dot: the threshold fixed beforehand",
    "cosine; the dot: the best flat threshold in hindsight"};

static double to_x(double recall) {
    return LEFT + recall * (WIDTH - LEFT - RIGHT);
}

static double to_y(double precision) {
    return TOP + (1 - precision) * (BASE - TOP);
}

static void draw_axes(sns_strbuf *b, const sns_relevance_result *r) {
    double guess = (double)r->pairs / ((double)r->images * (double)r->queries);
    for (int i = 0; i <= 5; i++) {
        double v = i / 5.0;
        sns_strbuf_printf(b, "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>", to_x(0), to_y(v),
                          to_x(1));
        sns_strbuf_printf(b, "<text class=\"ytick\" x=\"%d\" y=\"%.1f\">%d %%</text>", LEFT - 8,
                          to_y(v) + 4, i * 20);
        sns_strbuf_printf(b, "<text class=\"xtick\" x=\"%.1f\" y=\"%d\">%d %%</text>\n", to_x(v),
                          BASE + 20, i * 20);
    }
    sns_strbuf_printf(b, "<path class=\"axis\" d=\"M%d %dV%dH%d\"/>\n", LEFT, TOP, BASE,
                      WIDTH - RIGHT);
    sns_strbuf_printf(b, "<path class=\"chance\" d=\"M%.1f %.1fH%.1f\"/>\n", to_x(0), to_y(guess),
                      to_x(1));
    sns_strbuf_printf(b,
                      "<text class=\"xtick\" x=\"%d\" y=\"%d\">recall: fitting pictures that are "
                      "listed</text>\n",
                      (LEFT + WIDTH - RIGHT) / 2, BASE + 44);
    sns_strbuf_printf(
        b,
        "<text class=\"title\" x=\"%d\" y=\"28\">Precision along recall: %zu queries, "
        "%zu pictures; dashed: guessing</text>\n",
        LEFT, r->queries, r->images);
}

static void draw_way(sns_strbuf *b, const sns_relevance_way *w, int i) {
    sns_strbuf_printf(b, "<path stroke=\"%s\" stroke-width=\"2\" d=\"", COLOURS[i]);
    for (int p = 0; p < SNS_RELEVANCE_POINTS; p++)
        sns_strbuf_printf(b, "%c%.1f %.1f", p ? 'L' : 'M',
                          to_x((double)(p + 1) / SNS_RELEVANCE_POINTS), to_y(w->precision_at[p]));
    sns_strbuf_puts(b, "\"/>\n");
    double x = to_x(w->recall.value), y = to_y(w->precision.value);
    sns_strbuf_printf(b,
                      "<path stroke=\"%s\" d=\"M%.1f %.1fH%.1fM%.1f %.1fV%.1f\"/><circle "
                      "fill=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"5\"/>\n",
                      COLOURS[i], to_x(w->recall.low), y, to_x(w->recall.high), x,
                      to_y(w->precision.low), to_y(w->precision.high), COLOURS[i], x, y);
    sns_strbuf_printf(b,
                      "<rect x=\"%d\" y=\"%d\" width=\"12\" height=\"12\" fill=\"%s\"/><text "
                      "x=\"%d\" y=\"%d\">%s: F1 %.1f %%</text>\n",
                      LEFT, 40 + 18 * i, COLOURS[i], LEFT + 18, 50 + 18 * i, NAMES[i],
                      100 * w->f1.value);
}

sns_status sns_relevance_svg(const sns_relevance_result *r, char **svg, sns_error *err) {
    sns_strbuf b = {0};
    sns_strbuf_printf(
        &b,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
        "height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n",
        WIDTH, HEIGHT, WIDTH, HEIGHT);
    sns_strbuf_puts(&b, "<style>path{fill:none;stroke-linejoin:round}text{fill:#444}"
                        ".title{font-size:15px;fill:#111}.grid{stroke:#e4e4e4}.axis{stroke:#888}"
                        ".xtick{text-anchor:middle}.ytick{text-anchor:end}"
                        ".chance{stroke:#c33;stroke-dasharray:4 3;stroke-width:1.5}</style>\n"
                        "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n");
    draw_axes(&b, r);
    for (int i = 0; i < SNS_RELEVANCE_WAYS; i++) draw_way(&b, &r->way[i], i);
    sns_strbuf_puts(&b, "</svg>\n");
    *svg = b.failed ? NULL : b.data;
    if (*svg) return SNS_OK;
    sns_strbuf_free(&b);
    return sns_fail(err, SNS_NOMEM, "no memory for the figure");
}
