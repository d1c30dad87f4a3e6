/* suite_compare.c - two runs of a suite, measure by measure.
 *
 * d = b - a; with half widths h of the 95 % intervals, that of d is  d +- sqrt(h_a^2 + h_b^2),  as
 * for independent normal errors. */
#include "base/error.h"
#include "score/report.h"
#include "score/suite_file.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct comparison {
    sns_strbuf b;
    const char *section;
    const json_t *other; /* b's result of the same section */
    bool json;
    size_t compared, different;
} comparison;

typedef struct lookup {
    const char *name;
    sns_measure *out;
    bool found;
} lookup;

static bool match(void *user, const char *name, const sns_measure *m) {
    lookup *l = user;
    if (strcmp(name, l->name)) return true;
    *l->out = *m;
    l->found = true;
    return false;
}

static bool compare_one(void *user, const char *name, const sns_measure *a) {
    comparison *c = user;
    sns_measure b;
    lookup l = {name, &b, false};
    sns_each_measure(c->other, "", match, &l);
    if (!l.found) return true;
    double d = b.value - a->value, h = hypot((a->high - a->low) / 2, (b.high - b.low) / 2);
    bool differs = fabs(d) > h;
    c->compared++;
    c->different += differs;
    if (c->json) {
        sns_report_json(&c->b,
                        json_pack("{s:s,s:s,s:f,s:f,s:f,s:f,s:f,s:b}", "section", c->section,
                                  "measure", name, "a", a->value, "b", b.value, "difference", d,
                                  "low", d - h, "high", d + h, "different", differs),
                        6);
    } else {
        bool share = a->value <= 1 && b.value <= 1 && !strstr(name, "rank");
        double unit = share ? 100 : 1;
        sns_strbuf_printf(&c->b, "  %-44s %8.1f %8.1f   %+7.1f  %+7.1f to %+.1f%s\n", name,
                          unit * a->value, unit * b.value, unit * d, unit * (d - h), unit * (d + h),
                          differs ? "  *" : "");
    }
    return true;
}

static const json_t *find_section(const json_t *document, const json_t *like) {
    size_t i;
    const json_t *entry;
    json_array_foreach(json_object_get(document, "results"), i, entry) {
        if (json_equal(json_object_get(entry, "name"), json_object_get(like, "name")) &&
            json_equal(json_object_get(entry, "kind"), json_object_get(like, "kind")))
            return entry;
    }
    return NULL;
}

sns_status sns_suite_compare(const char *a, const char *b, int as_json, char **text,
                             sns_error *err) {
    json_t *first = NULL, *second = NULL;
    comparison c = {.json = as_json};
    size_t i;
    json_t *entry;
    *text = NULL;
    sns_status st = sns_suite_load(a, &first, err);
    if (!st) st = sns_suite_load(b, &second, err);
    json_array_foreach(st ? NULL : json_object_get(first, "results"), i, entry) {
        const json_t *other = find_section(second, entry);
        if (!other) continue;
        c.section = json_string_value(json_object_get(entry, "name"));
        c.other = json_object_get(other, "result");
        if (!as_json)
            sns_strbuf_printf(&c.b, "%s (%s)\n  %-44s %8s %8s   %7s  95 %%, unpaired\n", c.section,
                              json_string_value(json_object_get(entry, "kind")), "", "a", "b",
                              "b - a");
        sns_each_measure(json_object_get(entry, "result"), "", compare_one, &c);
    }
    json_decref(first);
    json_decref(second);
    if (!st && !c.compared) {
        sns_strbuf_free(&c.b);
        return sns_fail(err, SNS_FORMAT, "the two have no measure in common");
    }
    if (!st && !as_json)
        sns_strbuf_printf(&c.b, "%zu of %zu measures differ (*)\n", c.different, c.compared);
    if (!st) return sns_report_finish(&c.b, text, err);
    sns_strbuf_free(&c.b);
    return st;
}
