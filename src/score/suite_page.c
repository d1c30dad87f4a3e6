/* suite_page.c - the results of a suite as one page: HTML with figures in SVG, nothing from
 * elsewhere.
 *
 * Each section: its measures as bars (thin line: 95 % interval, dashes: guessing), one row for each
 * measure and one bar for each run; ranks as numbers; a curve for few-shot; a confusion matrix as a
 * heat map with the most frequent mistakes in words. */
#include "base/error.h"
#include "base/strbuf.h"
#include "score/suite_file.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS_MAX = 8, BAR = 420, ROW = 16, HEAT_MAX = 120, HEAT_PX = 480, MISTAKES = 12 };

static const char *const COLOURS[RUNS_MAX] = {"#1663a6", "#e0952b", "#2f8f5b", "#a8407a",
                                              "#6b5bb5", "#8a6d3b", "#3b8a8a", "#777777"};

typedef struct page {
    sns_strbuf b;
    size_t n;
    json_t *document[RUNS_MAX];
    char name[RUNS_MAX][80];
    const json_t *result[RUNS_MAX]; /* of the section at hand; NULL: this run has none */
} page;

static void put_style(sns_strbuf *b) {
    sns_strbuf_puts(
        b,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width,initial-scale=1\"><title>sensus eval suite</title><style>\n"
        "body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:900px;padding:24px;"
        "color:#1d1c1a;background:#fff}\nh1{font-size:24px}h2{font-size:19px;margin:36px 0 2px}"
        ".note{color:#666;margin:0 0 10px}table{border-collapse:collapse;width:100%}"
        "td{padding:3px 10px 3px 0;vertical-align:middle}td.name{width:190px}"
        "td.number{white-space:nowrap;font-variant-numeric:tabular-nums;width:190px}"
        "svg{display:block;max-width:100%}.key{display:inline-block;width:12px;height:12px;"
        "margin:0 6px 0 14px}small{color:#666}\n"
        "@media(max-width:640px){td{display:block;width:auto!important;padding:1px 0}"
        "td.name{font-weight:600;padding-top:8px}}\n"
        "@media(prefers-color-scheme:dark){body{background:#191917;color:#e8e6e1}"
        ".note,small{color:#a5a29a}svg text{fill:#cfccc4}.ink{stroke:#e8e6e1}}\n"
        "</style></head><body>\n");
}

/* The measure of this name in a run's result. */
typedef struct lookup {
    const char *name;
    sns_measure m;
    bool found;
} lookup;

static bool match(void *user, const char *name, const sns_measure *m) {
    lookup *l = user;
    if (strcmp(name, l->name)) return true;
    l->m = *m;
    l->found = true;
    return false;
}

static bool is_share(const char *name) {
    return !strstr(name, "rank");
}

static double at(double share) {
    return fmin(fmax(share, 0), 1) * BAR;
}

static void put_bar(sns_strbuf *b, const sns_measure *m, size_t run) {
    double y = (double)run * ROW;
    sns_strbuf_printf(b, "<rect x=\"0\" y=\"%.0f\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>",
                      y + 2, at(m->value), ROW - 4, COLOURS[run]);
    sns_strbuf_printf(b,
                      "<path class=\"ink\" d=\"M%.1f %.0fH%.1fM%.1f %.0fv8M%.1f %.0fv8\" "
                      "stroke=\"#222\" fill=\"none\"/>",
                      at(m->low), y + ROW / 2.0, at(m->high), at(m->low), y + 4, at(m->high),
                      y + 4);
    if (m->chance > 0)
        sns_strbuf_printf(b,
                          "<path d=\"M%.1f %.0fv%d\" stroke=\"#c33\" stroke-width=\"2\" "
                          "stroke-dasharray=\"3 2\"/>",
                          at(m->chance), y, ROW);
}

/* One row of the table; called for each measure of the first run that has the section. */
static bool put_measure(void *user, const char *name, const sns_measure *first) {
    page *p = user;
    (void)first;
    sns_strbuf_puts(&p->b, "<tr><td class=\"name\">");
    sns_strbuf_xml(&p->b, name);
    sns_strbuf_puts(&p->b, "</td><td>");
    lookup l[RUNS_MAX];
    for (size_t r = 0; r < p->n; r++) {
        l[r] = (lookup){.name = name};
        if (p->result[r]) sns_each_measure(p->result[r], "", match, &l[r]);
    }
    if (is_share(name)) {
        sns_strbuf_printf(&p->b,
                          "<svg viewBox=\"0 0 %d %zu\" width=\"%d\" height=\"%zu\"><rect "
                          "width=\"%d\" height=\"%zu\" fill=\"#8882\"/>",
                          BAR, p->n * ROW, BAR, p->n * ROW, BAR, p->n * ROW);
        for (size_t r = 0; r < p->n; r++)
            if (l[r].found) put_bar(&p->b, &l[r].m, r);
        sns_strbuf_puts(&p->b, "</svg>");
    }
    sns_strbuf_puts(&p->b, "</td><td class=\"number\">");
    for (size_t r = 0; r < p->n; r++) {
        const sns_measure *m = &l[r].m;
        if (r) sns_strbuf_puts(&p->b, "<br>");
        if (!l[r].found)
            sns_strbuf_puts(&p->b, "<small>none</small>");
        else if (is_share(name))
            sns_strbuf_printf(&p->b, "%.1f %% <small>(%.1f to %.1f; chance %.1f)</small>",
                              100 * m->value, 100 * m->low, 100 * m->high, 100 * m->chance);
        else
            sns_strbuf_printf(&p->b, "%.1f <small>(%.1f to %.1f; chance %.1f)</small>", m->value,
                              m->low, m->high, m->chance);
    }
    sns_strbuf_puts(&p->b, "</td></tr>\n");
    return true;
}

/* ---- few-shot ---- */

enum { CURVE_W = 560, CURVE_H = 260, CURVE_LEFT = 50, CURVE_TOP = 12, CURVE_BASE = 220 };

static double curve_x(double shots) {
    return CURVE_LEFT + 20 + log2(shots) / 4 * (CURVE_W - CURVE_LEFT - 50);
}

static double curve_y(double share) {
    return CURVE_BASE - fmin(fmax(share, 0), 1) * (CURVE_BASE - CURVE_TOP);
}

static void put_curve_of(sns_strbuf *b, const json_t *result, size_t run) {
    const json_t *point;
    size_t i;
    sns_measure m;
    if (sns_is_measure(json_object_get(result, "zero_shot"), &m))
        sns_strbuf_printf(b,
                          "<path d=\"M%d %.1fH%d\" stroke=\"%s\" stroke-width=\"2\" "
                          "stroke-dasharray=\"7 4\" fill=\"none\"/>",
                          CURVE_LEFT, curve_y(m.value), CURVE_W - 10, COLOURS[run]);
    sns_strbuf_printf(b, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"2\" d=\"", COLOURS[run]);
    json_array_foreach(json_object_get(result, "curve"), i, point) {
        double shots = json_number_value(json_object_get(point, "shots"));
        if (shots >= 1 && sns_is_measure(json_object_get(point, "accuracy"), &m))
            sns_strbuf_printf(b, "%c%.1f %.1f", i ? 'L' : 'M', curve_x(shots), curve_y(m.value));
    }
    sns_strbuf_puts(b, "\"/>");
    json_array_foreach(json_object_get(result, "curve"), i, point) {
        double shots = json_number_value(json_object_get(point, "shots"));
        if (shots >= 1 && sns_is_measure(json_object_get(point, "accuracy"), &m))
            sns_strbuf_printf(b,
                              "<path d=\"M%.1f %.1fV%.1f\" stroke=\"%s\"/><circle cx=\"%.1f\" "
                              "cy=\"%.1f\" r=\"4\" fill=\"%s\"/>",
                              curve_x(shots), curve_y(m.low), curve_y(m.high), COLOURS[run],
                              curve_x(shots), curve_y(m.value), COLOURS[run]);
    }
}

static void put_curve(page *p) {
    sns_strbuf *b = &p->b;
    sns_strbuf_printf(b,
                      "<svg viewBox=\"0 0 %d %d\" width=\"%d\" font-size=\"12\" "
                      "font-family=\"sans-serif\">",
                      CURVE_W, CURVE_H, CURVE_W);
    for (int i = 0; i <= 4; i++)
        sns_strbuf_printf(b,
                          "<path d=\"M%d %.1fH%d\" stroke=\"#8884\"/><text x=\"%d\" y=\"%.1f\" "
                          "text-anchor=\"end\">%d %%</text>",
                          CURVE_LEFT, curve_y(i / 4.0), CURVE_W - 10, CURVE_LEFT - 6,
                          curve_y(i / 4.0) + 4, 25 * i);
    for (int shots = 1; shots <= 16; shots *= 2)
        sns_strbuf_printf(b, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%d</text>",
                          curve_x(shots), CURVE_BASE + 18, shots);
    sns_strbuf_printf(b,
                      "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">examples of each class; "
                      "dashed: zero-shot</text>\n",
                      (CURVE_LEFT + CURVE_W) / 2, CURVE_BASE + 36);
    for (size_t r = 0; r < p->n; r++)
        if (p->result[r]) put_curve_of(b, p->result[r], r);
    sns_strbuf_puts(b, "</svg>\n");
}

/* ---- confusion ---- */

static const char *class_name(const json_t *result, size_t i) {
    const char *s = json_string_value(
        json_object_get(json_array_get(json_object_get(result, "per_class"), i), "label"));
    return s ? s : "?";
}

static double cell(const json_t *matrix, size_t c, size_t a) {
    return json_number_value(json_array_get(json_array_get(matrix, c), a));
}

static void put_heat(sns_strbuf *b, const json_t *result, const json_t *matrix, size_t n) {
    double side = (double)HEAT_PX / (double)n;
    sns_strbuf_printf(b,
                      "<svg viewBox=\"0 0 %d %d\" width=\"%d\" role=\"img\"><rect width=\"%d\" "
                      "height=\"%d\" fill=\"#8881\"/>",
                      HEAT_PX, HEAT_PX, HEAT_PX, HEAT_PX, HEAT_PX);
    for (size_t c = 0; c < n; c++) {
        double all = 0;
        for (size_t a = 0; a < n; a++) all += cell(matrix, c, a);
        for (size_t a = 0; a < n; a++) {
            double share = all > 0 ? cell(matrix, c, a) / all : 0;
            if (share <= 0) continue;
            sns_strbuf_printf(b,
                              "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" "
                              "fill=\"%s\" fill-opacity=\"%.2f\"><title>",
                              side * (double)a, side * (double)c, side, side,
                              a == c ? "#1663a6" : "#c33", fmax(share, 0.08));
            sns_strbuf_xml(b, class_name(result, c));
            sns_strbuf_puts(b, " → ");
            sns_strbuf_xml(b, class_name(result, a));
            sns_strbuf_printf(b, ": %.0f of %.0f</title></rect>", cell(matrix, c, a), all);
        }
    }
    sns_strbuf_puts(b, "</svg>\n<p class=\"note\">Rows: what it is; columns: what was answered, in "
                       "the same order; blue: right. Point at a cell for names.</p>\n");
}

typedef struct mistake {
    double count;
    size_t class, answer;
} mistake;

static void put_mistakes(sns_strbuf *b, const json_t *result, const json_t *matrix, size_t n) {
    mistake worst[MISTAKES] = {{0}};
    for (size_t i = 0; i < n * n; i++) {
        mistake m = {i / n == i % n ? 0 : cell(matrix, i / n, i % n), i / n, i % n};
        for (size_t k = 0; k < MISTAKES && m.count > 0; k++)
            if (m.count > worst[k].count) {
                mistake t = worst[k];
                worst[k] = m;
                m = t;
            }
    }
    if (worst[0].count <= 0) return;
    sns_strbuf_puts(b, "<p>Most frequent mistakes: ");
    for (size_t k = 0; k < MISTAKES && worst[k].count > 0; k++) {
        sns_strbuf_printf(b, "%s%.0f × ", k ? ", " : "", worst[k].count);
        sns_strbuf_xml(b, class_name(result, worst[k].class));
        sns_strbuf_puts(b, " as ");
        sns_strbuf_xml(b, class_name(result, worst[k].answer));
    }
    sns_strbuf_puts(b, ".</p>\n");
}

static void put_confusion(page *p) {
    for (size_t r = 0; r < p->n; r++) {
        const json_t *matrix = json_object_get(p->result[r], "confusion");
        size_t n = json_array_size(matrix);
        if (!n || n > 4096) continue;
        if (p->n > 1) {
            sns_strbuf_puts(&p->b, "<p><b>");
            sns_strbuf_xml(&p->b, p->name[r]);
            sns_strbuf_puts(&p->b, "</b></p>\n");
        }
        if (n <= HEAT_MAX) put_heat(&p->b, p->result[r], matrix, n);
        put_mistakes(&p->b, p->result[r], matrix, n);
    }
}

/* ---- sections ---- */

static const json_t *result_of(const json_t *document, const json_t *like) {
    size_t i;
    const json_t *entry;
    json_array_foreach(json_object_get(document, "results"), i, entry) {
        if (json_equal(json_object_get(entry, "name"), json_object_get(like, "name")) &&
            json_equal(json_object_get(entry, "kind"), json_object_get(like, "kind")))
            return json_object_get(entry, "result");
    }
    return NULL;
}

static void put_section(page *p, const json_t *entry, size_t first) {
    const char *data = json_string_value(json_object_get(entry, "data"));
    for (size_t r = 0; r < p->n; r++) p->result[r] = result_of(p->document[r], entry);
    sns_strbuf_puts(&p->b, "<h2>");
    sns_strbuf_xml(&p->b, json_string_value(json_object_get(entry, "name")));
    sns_strbuf_puts(&p->b, "</h2>\n<p class=\"note\">");
    sns_strbuf_xml(&p->b, json_string_value(json_object_get(entry, "kind")));
    sns_strbuf_puts(&p->b, ": ");
    sns_strbuf_xml(&p->b, data ? data : "");
    sns_strbuf_puts(&p->b, "</p>\n");
    if (json_object_get(p->result[first], "curve")) put_curve(p);
    sns_strbuf_puts(&p->b, "<table>\n");
    sns_each_measure(p->result[first], "", put_measure, p);
    sns_strbuf_puts(&p->b, "</table>\n");
    put_confusion(p);
}

static void put_head(page *p) {
    put_style(&p->b);
    sns_strbuf_puts(&p->b, "<h1>");
    sns_strbuf_xml(&p->b, json_is_string(json_object_get(p->document[0], "suite"))
                              ? json_string_value(json_object_get(p->document[0], "suite"))
                              : "suite");
    sns_strbuf_puts(&p->b,
                    "</h1>\n<p>Bars: the measure, with the 95 % interval that comes from having "
                    "asked these questions and not others; red dashes: guessing.</p>\n<p>");
    for (size_t r = 0; r < p->n; r++) {
        sns_strbuf_printf(&p->b, "<span class=\"key\" style=\"background:%s\"></span>", COLOURS[r]);
        sns_strbuf_xml(&p->b, p->name[r]);
    }
    sns_strbuf_puts(&p->b, "</p>\n");
}

sns_status sns_suite_page(const char *const *json, const char *const *names, size_t n, char **html,
                          sns_error *err) {
    page p = {.n = n};
    *html = NULL;
    if (!n || n > RUNS_MAX)
        return sns_fail(err, SNS_ARG, "a page shows 1 to %d runs, not %zu", (int)RUNS_MAX, n);
    sns_status s = SNS_OK;
    for (size_t r = 0; r < n && !s; r++) {
        s = sns_suite_load(json[r], &p.document[r], err);
        if (!s)
            snprintf(p.name[r], sizeof p.name[r], "%.79s",
                     names ? names[r]
                           : json_string_value(json_object_get(p.document[r], "fingerprint")));
    }
    if (!s) put_head(&p);
    for (size_t r = 0; r < n && !s; r++) {
        size_t i;
        const json_t *entry;
        json_array_foreach(json_object_get(p.document[r], "results"), i, entry) {
            bool shown = false;
            for (size_t k = 0; k < r; k++) shown = shown || result_of(p.document[k], entry);
            if (!shown) put_section(&p, entry, r);
        }
    }
    sns_strbuf_puts(&p.b, "</body></html>\n");
    for (size_t r = 0; r < n; r++) json_decref(p.document[r]);
    if (!s && p.b.failed) s = sns_fail(err, SNS_NOMEM, "no memory for the page");
    if (s)
        sns_strbuf_free(&p.b);
    else
        *html = p.b.data;
    return s;
}
