/* robustness_report.c - effective robustness as a table or as JSON lines. */
#include "score/report.h"
#include <math.h>
#include <sensus/robustness.h>
#include <stdlib.h>

/* ---- JSON ---- */

static json_t *interval_json(const sns_interval *i) {
    return json_pack("{s:f,s:f,s:f}", "value", i->value, "low", i->low, "high", i->high);
}

static void put_json(sns_strbuf *b, json_t *object) {
    sns_report_json(b, object, 9);
}

static void put_all_json(sns_strbuf *b, const sns_robustness *r) {
    for (size_t i = 0; i < r->line_count; i++) {
        const sns_robust_line *l = &r->lines[i];
        put_json(b, json_pack("{s:s,s:s,s:s,s:I,s:o,s:o,s:f}", "kind", "line", "shift", l->shift,
                              "baseline", r->baseline, "models", (json_int_t)l->models, "slope",
                              interval_json(&l->slope), "intercept", interval_json(&l->intercept),
                              "r2", l->r2));
    }
    for (size_t i = 0; i < r->mean_count; i++) {
        const sns_robust_mean *m = &r->means[i];
        put_json(b, json_pack("{s:s,s:s,s:s?,s:s?,s:I,s:o}", "kind", "mean", "group", m->group,
                              "model", m->model, "shift", m->shift, "points", (json_int_t)m->points,
                              "effective_robustness", interval_json(&m->effective)));
    }
    for (size_t i = 0; i < r->point_count; i++) {
        const sns_robust_point *p = &r->points[i];
        put_json(b, json_pack("{s:s,s:s,s:s,s:s,s:o,s:o,s:o}", "kind", "point", "model", p->model,
                              "group", p->group, "shift", p->shift, "id",
                              interval_json(&p->id_accuracy), "shifted",
                              interval_json(&p->shifted_accuracy), "effective_robustness",
                              interval_json(&p->effective)));
    }
}

/* ---- table ---- */

/* In points of accuracy, with its sign. */
static void put_effective(sns_strbuf *b, const sns_interval *i) {
    sns_strbuf_printf(b, "%+6.1f  (%+.1f to %+.1f)", 100 * i->value, 100 * i->low, 100 * i->high);
}

static void put_lines(sns_strbuf *b, const sns_robustness *r) {
    sns_strbuf_printf(b, "logit(shifted) = intercept + slope * logit(id), over \"%s\"\n",
                      r->baseline);
    sns_strbuf_puts(b, "  models   slope  (95 %)             intercept  R2     shift\n");
    for (size_t i = 0; i < r->line_count; i++) {
        const sns_robust_line *l = &r->lines[i];
        sns_strbuf_printf(b, "  %6zu  %6.2f  (%5.2f to %5.2f)  %10.2f  %.3f  %s\n", l->models,
                          l->slope.value, l->slope.low, l->slope.high, l->intercept.value, l->r2,
                          l->shift);
    }
}

static void put_means(sns_strbuf *b, const sns_robustness *r) {
    const char *group = NULL;
    if (r->mean_count)
        sns_strbuf_puts(b, "\neffective robustness: points of accuracy above the line (95 %)\n");
    for (size_t i = 0; i < r->mean_count; i++) {
        const sns_robust_mean *m = &r->means[i];
        if (m->group != group) sns_strbuf_printf(b, "%s\n", m->group);
        group = m->group;
        sns_strbuf_puts(b, "  ");
        put_effective(b, &m->effective);
        if (m->shift)
            sns_strbuf_printf(b, "  on %s, %zu model%s\n", m->shift, m->points,
                              m->points == 1 ? "" : "s");
        else if (m->model)
            sns_strbuf_printf(b, "  %s, mean over %zu shift%s\n", m->model, m->points,
                              m->points == 1 ? "" : "s");
        else
            sns_strbuf_puts(b, "  mean over shifts\n");
    }
}

static void put_points(sns_strbuf *b, const sns_robustness *r) {
    sns_strbuf_puts(b, "\n      id  shifted  effective robustness     model\n");
    for (size_t i = 0; i < r->point_count; i++) {
        const sns_robust_point *p = &r->points[i];
        sns_strbuf_printf(b, "%6.1f %% %6.1f %%  ", 100 * p->id_accuracy.value,
                          100 * p->shifted_accuracy.value);
        put_effective(b, &p->effective);
        sns_strbuf_printf(b, "  %s (%s) on %s\n", p->model, p->group, p->shift);
    }
}

sns_status sns_robustness_report(const sns_robustness *r, int json, char **text, sns_error *err) {
    sns_strbuf b = {0};
    if (json) {
        put_all_json(&b, r);
    } else {
        put_lines(&b, r);
        put_means(&b, r);
        put_points(&b, r);
    }
    return sns_report_finish(&b, text, err);
}
