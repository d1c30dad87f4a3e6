/* eval_report.c - measures as a table or as JSON. */
#include "score/report.h"
#include <math.h>
#include <sensus/eval.h>
#include <stdlib.h>

static json_t *measure_json(const sns_measure *m) {
    return json_pack("{s:f,s:f,s:f,s:f}", "value", m->value, "low", m->low, "high", m->high,
                     "chance", m->chance);
}

static json_t *side_json(const sns_retrieval_side *s) {
    return json_pack("{s:I,s:I,s:o,s:o,s:o,s:o,s:o,s:o}", "queries", (json_int_t)s->queries,
                     "candidates", (json_int_t)s->candidates, "recall@1",
                     measure_json(&s->recall_1), "recall@5", measure_json(&s->recall_5),
                     "recall@10", measure_json(&s->recall_10), "median_rank",
                     measure_json(&s->median_rank), "mean_rank", measure_json(&s->mean_rank),
                     "mean_average_precision", measure_json(&s->mean_average_precision));
}

static void put_json(sns_strbuf *b, json_t *object) {
    sns_report_json(b, object, 6);
}

static void put_percent(sns_strbuf *b, const char *name, const sns_measure *m) {
    sns_strbuf_printf(b, "  %-18s %6.1f %%   %5.1f to %5.1f   chance %.1f %%\n", name,
                      100 * m->value, 100 * m->low, 100 * m->high, 100 * m->chance);
}

static void put_rank(sns_strbuf *b, const char *name, const sns_measure *m) {
    sns_strbuf_printf(b, "  %-18s %6.1f     %5.1f to %5.1f   chance %.1f\n", name, m->value, m->low,
                      m->high, m->chance);
}

static void put_side(sns_strbuf *b, const char *title, const sns_retrieval_side *s) {
    sns_strbuf_printf(b, "%s: %zu queries, %zu candidates\n", title, s->queries, s->candidates);
    put_percent(b, "recall@1", &s->recall_1);
    put_percent(b, "recall@5", &s->recall_5);
    put_percent(b, "recall@10", &s->recall_10);
    put_percent(b, "mAP", &s->mean_average_precision);
    put_rank(b, "median rank", &s->median_rank);
    put_rank(b, "mean rank", &s->mean_rank);
}

static const char *noun(int sounds) {
    return sounds ? "sounds" : "pictures";
}

sns_status sns_retrieval_report(const sns_retrieval *results, size_t count, int json, char **text,
                                sns_error *err) {
    sns_strbuf b = {0};
    for (size_t i = 0; i < count; i++) {
        const sns_retrieval *r = &results[i];
        if (json) {
            json_t *o = json_pack("{s:s,s:I,s:I,s:I,s:o,s:o}", "language", r->language, "images",
                                  (json_int_t)r->images, "texts", (json_int_t)r->texts, "pairs",
                                  (json_int_t)r->pairs, "text_to_image",
                                  side_json(&r->text_to_image), "image_to_text",
                                  side_json(&r->image_to_text));
            if (o && r->sounds) json_object_set_new(o, "sounds", json_true());
            put_json(&b, o);
            continue;
        }
        sns_strbuf_printf(&b, "%slanguage %s: %zu %s, %zu texts, %zu pairs\n", i ? "\n" : "",
                          r->language, r->images, noun(r->sounds), r->texts, r->pairs);
        put_side(&b, r->sounds ? "text to sound" : "text to image", &r->text_to_image);
        put_side(&b, r->sounds ? "sound to text" : "image to text", &r->image_to_text);
    }
    return sns_report_finish(&b, text, err);
}

sns_status sns_spoken_report(const sns_spoken *r, int json, char **text, sns_error *err) {
    sns_strbuf b = {0};
    if (json) {
        put_json(&b, json_pack("{s:I,s:I,s:I,s:o,s:o}", "sounds", (json_int_t)r->sounds, "images",
                               (json_int_t)r->images, "skipped", (json_int_t)r->skipped,
                               "sound_to_image", side_json(&r->sound_to_image), "image_to_sound",
                               side_json(&r->image_to_sound)));
    } else {
        sns_strbuf_printf(&b, "%zu sounds, %zu pictures\n", r->sounds, r->images);
        put_side(&b, "sound to image", &r->sound_to_image);
        put_side(&b, "image to sound", &r->image_to_sound);
    }
    return sns_report_finish(&b, text, err);
}

static int worst_first(const void *a, const void *b) {
    const sns_class_result *const *p = a, *const *q = b;
    if ((*p)->top_1 != (*q)->top_1) return (*p)->top_1 < (*q)->top_1 ? -1 : 1;
    return (*p > *q) - (*p < *q);
}

static void put_classes(sns_strbuf *b, const sns_zero_shot *r) {
    const sns_class_result **order = malloc((r->classes + 1) * sizeof *order);
    if (!order) {
        b->failed = true;
        return;
    }
    for (size_t c = 0; c < r->classes; c++) order[c] = &r->per_class[c];
    qsort(order, r->classes, sizeof *order, worst_first);
    sns_strbuf_printf(b, "\n   top-1    top-5  %8s  class\n", noun(r->sounds));
    for (size_t c = 0; c < r->classes; c++)
        sns_strbuf_printf(b, "%6.1f %% %6.1f %% %8zu  %s\n", 100 * order[c]->top_1,
                          100 * order[c]->top_5, order[c]->images, order[c]->label);
    free(order);
}

static json_t *classes_json(const sns_zero_shot *r) {
    json_t *list = json_array();
    for (size_t c = 0; c < r->classes; c++) {
        const sns_class_result *k = &r->per_class[c];
        json_array_append_new(list, json_pack("{s:s,s:I,s:f,s:f}", "label", k->label, "images",
                                              (json_int_t)k->images, "top_1", k->top_1, "top_5",
                                              k->top_5));
    }
    return list;
}

/* Rows of counts; null where there are too many classes. */
static json_t *confusion_json(const sns_zero_shot *r) {
    if (!r->confusion) return json_null();
    json_t *rows = json_array();
    for (size_t c = 0; c < r->classes; c++) {
        json_t *row = json_array();
        for (size_t a = 0; a < r->classes; a++)
            json_array_append_new(row, json_integer(r->confusion[c * r->classes + a]));
        json_array_append_new(rows, row);
    }
    return rows;
}

typedef struct mistake {
    uint32_t count;
    size_t class, answer;
} mistake;

/* The most frequent wrong answers. */
static void put_mistakes(sns_strbuf *b, const sns_zero_shot *r) {
    enum { MOST = 10 };
    mistake worst[MOST] = {{0}};
    for (size_t i = 0; r->confusion && i < r->classes * r->classes; i++) {
        mistake m = {r->confusion[i], i / r->classes, i % r->classes};
        if (m.class == m.answer) continue;
        for (size_t k = 0; k < MOST; k++)
            if (m.count > worst[k].count) {
                mistake t = worst[k];
                worst[k] = m;
                m = t;
            }
    }
    if (!worst[0].count) return;
    sns_strbuf_printf(b, "\n%8s  of class, answered\n", noun(r->sounds));
    for (size_t k = 0; k < MOST && worst[k].count; k++)
        sns_strbuf_printf(b, "%8u  %s, %s\n", worst[k].count, r->per_class[worst[k].class].label,
                          r->per_class[worst[k].answer].label);
}

sns_status sns_zero_shot_report(const sns_zero_shot *r, int json, char **text, sns_error *err) {
    sns_strbuf b = {0};
    if (json) {
        put_json(&b, json_pack("{s:I,s:I,s:I,s:o,s:o,s:o,s:o,s:o}", "images", (json_int_t)r->images,
                               "classes", (json_int_t)r->classes, "skipped", (json_int_t)r->skipped,
                               "top_1", measure_json(&r->top_1), "top_5", measure_json(&r->top_5),
                               "mean_per_class", measure_json(&r->mean_per_class), "per_class",
                               classes_json(r), "confusion", confusion_json(r)));
        return sns_report_finish(&b, text, err);
    }
    sns_strbuf_printf(&b, "zero-shot: %zu %s, %zu classes\n", r->images, noun(r->sounds),
                      r->classes);
    put_percent(&b, "top-1", &r->top_1);
    put_percent(&b, "top-5", &r->top_5);
    put_percent(&b, "mean per class", &r->mean_per_class);
    put_classes(&b, r);
    put_mistakes(&b, r);
    return sns_report_finish(&b, text, err);
}

sns_status sns_transfer_report(const sns_transfer *r, int json, char **text, sns_error *err) {
    sns_strbuf b = {0};
    const sns_zero_shot *t = &r->test;
    if (json) {
        put_json(&b, json_pack("{s:I,s:I,s:f,s:I,s:I,s:I,s:o,s:o,s:o,s:o,s:o}", "train_images",
                               (json_int_t)r->train_images, "validation_images",
                               (json_int_t)r->validation_images, "lambda", r->lambda, "images",
                               (json_int_t)t->images, "classes", (json_int_t)t->classes, "skipped",
                               (json_int_t)t->skipped, "top_1", measure_json(&t->top_1), "top_5",
                               measure_json(&t->top_5), "mean_per_class",
                               measure_json(&t->mean_per_class), "per_class", classes_json(t),
                               "confusion", confusion_json(t)));
        return sns_report_finish(&b, text, err);
    }
    sns_strbuf_printf(&b, "%zu training %s, %zu test %s, %zu classes\n", r->train_images,
                      noun(t->sounds), t->images, noun(t->sounds), t->classes);
    if (r->lambda > 0)
        sns_strbuf_printf(&b, "lambda %.3g, chosen on %zu of the training %s\n", r->lambda,
                          r->validation_images, noun(t->sounds));
    put_percent(&b, "top-1", &t->top_1);
    put_percent(&b, "top-5", &t->top_5);
    put_percent(&b, "mean per class", &t->mean_per_class);
    put_classes(&b, t);
    put_mistakes(&b, t);
    return sns_report_finish(&b, text, err);
}

sns_status sns_few_shot_report(const sns_few_shot *r, int json, char **text, sns_error *err) {
    sns_strbuf b = {0};
    if (json) {
        json_t *curve = json_array();
        for (size_t i = 0; i < r->points; i++)
            json_array_append_new(curve, json_pack("{s:I,s:o}", "shots", (json_int_t)r->shots[i],
                                                   "accuracy", measure_json(&r->accuracy[i])));
        put_json(&b, json_pack("{s:I,s:I,s:I,s:I,s:o,s:o}", "images", (json_int_t)r->images,
                               "classes", (json_int_t)r->classes, "skipped", (json_int_t)r->skipped,
                               "seeds", (json_int_t)r->seeds, "curve", curve, "zero_shot",
                               measure_json(&r->zero_shot.top_1)));
        return sns_report_finish(&b, text, err);
    }
    sns_strbuf_printf(&b, "few-shot: %zu test %s, %zu classes, %zu draws each\n", r->images,
                      noun(r->zero_shot.sounds), r->classes, r->seeds);
    put_percent(&b, "zero-shot", &r->zero_shot.top_1);
    for (size_t i = 0; i < r->points; i++) {
        char name[32];
        snprintf(name, sizeof name, "probe, %zu-shot", r->shots[i]);
        put_percent(&b, name, &r->accuracy[i]);
    }
    return sns_report_finish(&b, text, err);
}

static json_t *relevance_json(const sns_relevance_way *w) {
    json_t *curve = json_array();
    for (size_t i = 0; i < SNS_RELEVANCE_POINTS; i++)
        json_array_append_new(curve, json_real(w->precision_at[i]));
    return json_pack("{s:f,s:o,s:o,s:o,s:o,s:f,s:f,s:f,s:o}", "threshold", w->threshold,
                     "precision", measure_json(&w->precision), "recall", measure_json(&w->recall),
                     "f1", measure_json(&w->f1), "silent", measure_json(&w->silent),
                     "average_precision", w->average_precision, "best_threshold", w->best_threshold,
                     "best_f1", w->best_f1, "precision_at_recall", curve);
}

static void put_spread(sns_strbuf *b, const char *name, const sns_measure *m) {
    sns_strbuf_printf(b, "  %-18s %6.1f %%   %5.1f to %5.1f\n", name, 100 * m->value, 100 * m->low,
                      100 * m->high);
}

sns_status sns_relevance_report(const sns_relevance_result *r, int json, char **text,
                                sns_error *err) {
    static const char *const names[] = {
        [SNS_BY_RELEVANCE] = "relevance, threshold fixed beforehand",
        [SNS_BY_COSINE] = "cosine, the best flat threshold in hindsight"};
    sns_strbuf b = {0};
    if (json) {
        put_json(&b, json_pack("{s:I,s:I,s:I,s:I,s:o,s:o}", "images", (json_int_t)r->images,
                               "queries", (json_int_t)r->queries, "pairs", (json_int_t)r->pairs,
                               "skipped", (json_int_t)r->skipped, "relevance",
                               relevance_json(&r->way[SNS_BY_RELEVANCE]), "cosine",
                               relevance_json(&r->way[SNS_BY_COSINE])));
        return sns_report_finish(&b, text, err);
    }
    sns_strbuf_printf(&b, "relevance: %zu pictures, %zu queries; %zu pairs fit, %.2f %% of all\n",
                      r->images, r->queries, r->pairs,
                      100.0 * (double)r->pairs / ((double)r->images * (double)r->queries));
    for (int i = 0; i < SNS_RELEVANCE_WAYS; i++) {
        const sns_relevance_way *w = &r->way[i];
        sns_strbuf_printf(&b, "%s (%.3f)\n", names[i], w->threshold);
        put_spread(&b, "precision", &w->precision);
        put_spread(&b, "recall", &w->recall);
        put_spread(&b, "F1", &w->f1);
        put_spread(&b, "nothing, rightly", &w->silent);
        sns_strbuf_printf(&b, "  %-18s %6.1f %%\n", "average precision",
                          100 * w->average_precision);
        sns_strbuf_printf(&b, "  %-18s %6.1f %%   at %.3f\n", "best F1", 100 * w->best_f1,
                          w->best_threshold);
    }
    return sns_report_finish(&b, text, err);
}

static const char *const WAY_NAMES[SNS_ARITHMETIC_WAYS] = {
    [SNS_ARITHMETIC_TEXT] = "text(B)",
    [SNS_ARITHMETIC_SUM] = "image(A) + text(B)",
    [SNS_ARITHMETIC_ANALOGY] = "image(A) - text(A) + text(B)"};

static json_t *arithmetic_json(const sns_arithmetic *r) {
    static const char *const keys[SNS_ARITHMETIC_WAYS] = {[SNS_ARITHMETIC_TEXT] = "text",
                                                          [SNS_ARITHMETIC_SUM] = "sum",
                                                          [SNS_ARITHMETIC_ANALOGY] = "analogy"};
    json_t *root = json_pack("{s:I,s:I,s:I,s:I,s:I}", "images", (json_int_t)r->images, "concepts",
                             (json_int_t)r->concepts, "skipped", (json_int_t)r->skipped, "pairs",
                             (json_int_t)r->pairs, "pairs_in_all", (json_int_t)r->pairs_in_all);
    json_t *weights = json_array();
    for (size_t v = 0; v < SNS_ARITHMETIC_WAYS; v++) {
        json_t *way = json_object();
        for (size_t j = 0; j < SNS_ARITHMETIC_KS; j++) {
            char name[32];
            snprintf(name, sizeof name, "recall@%zu", r->k[j]);
            json_object_set_new(way, name, measure_json(&r->recall[v][j]));
        }
        json_object_set_new(root, keys[v], way);
    }
    for (size_t w = 0; w < SNS_ARITHMETIC_WEIGHTS; w++)
        json_array_append_new(weights, json_pack("{s:f,s:o}", "weight", r->weight[w], "recall@10",
                                                 measure_json(&r->weighted[w])));
    json_object_set_new(root, "weights", weights);
    return root;
}

sns_status sns_arithmetic_report(const sns_arithmetic *r, int json, char **text, sns_error *err) {
    sns_strbuf b = {0};
    char name[64];
    if (json) {
        put_json(&b, arithmetic_json(r));
        return sns_report_finish(&b, text, err);
    }
    sns_strbuf_printf(&b,
                      "arithmetic: %zu pictures, %zu concepts; %zu of %zu pairs of a picture of A "
                      "and another concept B\n",
                      r->images, r->concepts, r->pairs, r->pairs_in_all);
    for (size_t v = 0; v < SNS_ARITHMETIC_WAYS; v++) {
        sns_strbuf_printf(&b, "%s\n", WAY_NAMES[v]);
        for (size_t j = 0; j < SNS_ARITHMETIC_KS; j++) {
            snprintf(name, sizeof name, "recall@%zu", r->k[j]);
            put_percent(&b, name, &r->recall[v][j]);
        }
    }
    sns_strbuf_puts(&b, "image(A) + w (text(B) - text(A)), recall@10\n");
    for (size_t w = 0; w < SNS_ARITHMETIC_WEIGHTS; w++) {
        snprintf(name, sizeof name, "w = %g", r->weight[w]);
        put_percent(&b, name, &r->weighted[w]);
    }
    return sns_report_finish(&b, text, err);
}
