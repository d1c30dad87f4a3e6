/* suite_run.c - the measures of a suite, one after the other, as one JSON document. */
#include "base/error.h"
#include "base/file.h"
#include "score/suite_file.h"
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 1 << 20 };

/* A report's JSON: its one line, or an array of its lines. Takes text. */
static json_t *parse_report(char *text) {
    json_t *lines = json_array();
    for (char *at = text; *at;) {
        size_t n = strcspn(at, "\n");
        json_array_append_new(lines, json_loadb(at, n, 0, NULL));
        at += n + (at[n] == '\n');
    }
    free(text);
    if (json_array_size(lines) != 1) return lines;
    json_t *one = json_incref(json_array_get(lines, 0));
    json_decref(lines);
    return one;
}

static sns_status run_retrieval(const sns_model *model, const sns_suite_section *s,
                                const sns_eval_options *o, char **report, sns_error *err) {
    static const char *const usual = "en";
    size_t n = s->language_count ? s->language_count : 1;
    sns_retrieval *r = calloc(n, sizeof *r);
    if (!r) return sns_fail(err, SNS_NOMEM, "no memory for %zu languages", n);
    sns_status st = sns_eval_retrieval(
        model, s->data, s->language_count ? (const char *const *)s->languages : &usual, n, o, r,
        NULL, err);
    if (!st) st = sns_retrieval_report(r, n, 1, report, err);
    free(r);
    return st;
}

static sns_status run_zero_shot(const sns_model *model, const sns_suite_section *s,
                                const sns_eval_options *o, char **report, sns_error *err) {
    sns_zero_shot r;
    sns_status st = sns_eval_zero_shot(model, s->data, (const char *const *)s->templates,
                                       s->template_count, NULL, 0, o, &r, err);
    if (st) return st;
    st = sns_zero_shot_report(&r, 1, report, err);
    sns_zero_shot_free(&r);
    return st;
}

static sns_status run_transfer(const sns_model *model, const sns_suite_section *s,
                               const sns_eval_options *o, char **report, sns_error *err) {
    sns_transfer r;
    const sns_transfer_options what = {.method = s->kind == SNS_SUITE_KNN ? SNS_TRANSFER_KNN
                                                                          : SNS_TRANSFER_PROBE,
                                       .k = s->k,
                                       .temperature = 0.07,
                                       .shots = s->shots,
                                       .seed = 1};
    sns_status st = sns_eval_transfer(model, s->train, s->test, &what, o, &r, err);
    if (st) return st;
    st = sns_transfer_report(&r, 1, report, err);
    sns_zero_shot_free(&r.test);
    return st;
}

static sns_status run_few_shot(const sns_model *model, const sns_suite_section *s,
                               const sns_eval_options *o, char **report, sns_error *err) {
    sns_few_shot r;
    const sns_few_shot_options what = {.seeds = s->draws,
                                       .seed = 1,
                                       .templates = (const char *const *)s->templates,
                                       .template_count = s->template_count};
    sns_status st = sns_eval_few_shot(model, s->train, s->test, &what, o, &r, err);
    if (st) return st;
    st = sns_few_shot_report(&r, 1, report, err);
    sns_zero_shot_free(&r.zero_shot);
    return st;
}

static sns_status run_relevance(const sns_model *model, const sns_suite_section *s,
                                const sns_eval_options *o, char **report, sns_error *err) {
    sns_relevance_result r;
    sns_status st = sns_eval_relevance(model, s->data, s->language_count ? s->languages[0] : "en",
                                       o, &r, err);
    return st ? st : sns_relevance_report(&r, 1, report, err);
}

static sns_status run_section(const sns_model *model, const sns_suite_section *s,
                              const sns_eval_options *options, json_t *results, sns_error *err) {
    typedef sns_status runner(const sns_model *, const sns_suite_section *,
                              const sns_eval_options *, char **, sns_error *);
    static runner *const run[SNS_SUITE_KINDS] = {
        [SNS_SUITE_RETRIEVAL] = run_retrieval, [SNS_SUITE_ZERO_SHOT] = run_zero_shot,
        [SNS_SUITE_PROBE] = run_transfer,      [SNS_SUITE_KNN] = run_transfer,
        [SNS_SUITE_FEW_SHOT] = run_few_shot,   [SNS_SUITE_RELEVANCE] = run_relevance};
    sns_eval_options o = *options;
    char *report = NULL;
    o.image_root = NULL;
    o.captions = s->captions;
    sns_status st = run[s->kind](model, s, &o, &report, err);
    if (st) return st;
    json_t *entry = json_pack("{s:s,s:s,s:s,s:o}", "name", s->name, "kind",
                              sns_suite_kind_names[s->kind], "data", s->data ? s->data : s->test,
                              "result", parse_report(report));
    return json_array_append_new(results, entry) ? sns_fail(err, SNS_NOMEM, "no memory for results")
                                                 : SNS_OK;
}

sns_status sns_suite_run(const sns_model *model, const char *path, const sns_eval_options *options,
                         char **json, sns_error *err) {
    static const sns_eval_options none;
    char *text;
    size_t size;
    sns_suite suite;
    *json = NULL;
    sns_status st = sns_file_read(path, FILE_MAX, &text, &size, err);
    if (st) return st;
    st = sns_suite_parse(text, size, path, &suite, err);
    free(text);
    if (st) return st;
    json_t *results = json_array();
    for (size_t i = 0; i < suite.count && !st; i++)
        st = run_section(model, &suite.sections[i], options ? options : &none, results, err);
    sns_suite_free(&suite);
    const char *slash = strrchr(path, '/');
    json_t *document = json_pack("{s:s,s:s,s:o}", "suite", slash ? slash + 1 : path, "fingerprint",
                                 sns_model_fingerprint(model), "results", results);
    if (!st && document) *json = json_dumps(document, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
    json_decref(document);
    return st ? st : *json ? SNS_OK : sns_fail(err, SNS_NOMEM, "no memory for the results");
}

/* ---- documents ---- */

sns_status sns_suite_load(const char *json, json_t **out, sns_error *err) {
    json_error_t why;
    *out = json_loads(json, 0, &why);
    const json_t *entry, *results = json_object_get(*out, "results");
    size_t i;
    bool ok = json_is_string(json_object_get(*out, "fingerprint")) && json_is_array(results);
    json_array_foreach(results, i, entry) {
        ok = ok && json_is_string(json_object_get(entry, "name")) &&
             json_is_string(json_object_get(entry, "kind")) && json_object_get(entry, "result");
    }
    if (ok) return SNS_OK;
    json_decref(*out);
    *out = NULL;
    return sns_fail(err, SNS_FORMAT, "not the results of sensus eval suite");
}

bool sns_is_measure(const json_t *v, sns_measure *out) {
    const json_t *value = json_object_get(v, "value"), *low = json_object_get(v, "low"),
                 *high = json_object_get(v, "high");
    if (!json_is_number(value) || !json_is_number(low) || !json_is_number(high)) return false;
    *out = (sns_measure){json_number_value(value), json_number_value(low), json_number_value(high),
                         json_number_value(json_object_get(v, "chance"))};
    return true;
}

bool sns_each_measure(const json_t *v, const char *name, sns_measure_fn *fn, void *user) {
    enum { LONGEST = 240 };
    char below[LONGEST];
    sns_measure m;
    const char *key;
    json_t *child;
    size_t i;
    if (sns_is_measure(v, &m)) return fn(user, name, &m);
    if (strlen(name) > LONGEST - 80) return true; /* no document of ours nests like that */
    json_object_foreach((json_t *)(uintptr_t)v, key, child) {
        snprintf(below, sizeof below, "%s%s%.64s", name, *name ? "." : "", key);
        if (!sns_each_measure(child, below, fn, user)) return false;
    }
    json_array_foreach(v, i, child) {
        const char *of = json_string_value(json_object_get(child, "language"));
        json_int_t shots = json_integer_value(json_object_get(child, "shots"));
        if (!of && !shots) continue; /* classes, curves of numbers */
        if (of)
            snprintf(below, sizeof below, "%s%s%.32s", name, *name ? "." : "", of);
        else
            snprintf(below, sizeof below, "%s%s%lld-shot", name, *name ? "." : "",
                     (long long)shots);
        if (!sns_each_measure(child, below, fn, user)) return false;
    }
    return true;
}
