/* labels.c - see labels.h. */
#include "labels.h"
#include <stdlib.h>
#include <string.h>

typedef struct labels {
    sns_class *classes; /* strings are this struct's own */
    size_t count;
} labels;

typedef struct templates {
    char **items;
    size_t count;
} templates;

/* A copy without the white space around it. */
static char *trimmed(const char *s, size_t n) {
    while (n && (*s == ' ' || *s == '\t')) s++, n--;
    while (n && strchr(" \t\r", s[n - 1])) n--;
    return strndup(s, n);
}

typedef int part_fn(void *to, const char *part, size_t n);

/* Each part of text between separators that is not empty. */
static int for_parts(const char *text, size_t size, char separator, part_fn *take, void *to) {
    int code = CLI_DONE;
    for (const char *p = text, *end = text + size; p <= end && !code;) {
        const char *stop = memchr(p, separator, (size_t)(end - p));
        if (!stop) stop = end;
        size_t n = (size_t)(stop - p);
        if (strspn(p, " \t\r") < n) code = take(to, p, n);
        p = stop + 1;
    }
    return code;
}

/* ---- labels ---- */

static int add_name(void *to, const char *part, size_t n) {
    sns_class *k = to;
    char **names = realloc((void *)(uintptr_t)k->names, (k->name_count + 1) * sizeof *names);
    if (!names) return cli_failf("out of memory");
    k->names = (const char *const *)names;
    if (!(names[k->name_count] = trimmed(part, n))) return cli_failf("out of memory");
    k->name_count++;
    return CLI_DONE;
}

/* "LABEL" or "LABEL = NAME | NAME" */
static int add_label(void *to, const char *part, size_t n) {
    labels *l = to;
    const char *equals = memchr(part, '=', n);
    size_t label = equals ? (size_t)(equals - part) : n;
    if (equals && strspn(part, " \t") == label)
        return cli_failf("'%.*s': no label before =", (int)n, part);
    sns_class *classes = realloc(l->classes, (l->count + 1) * sizeof *classes);
    if (!classes) return cli_failf("out of memory");
    l->classes = classes;
    sns_class *k = &classes[l->count++];
    *k = (sns_class){.label = trimmed(part, label)};
    if (!k->label) return cli_failf("out of memory");
    int code = equals ? for_parts(equals + 1, n - label - 1, '|', add_name, k)
                      : add_name(k, part, n);
    if (!code && !k->name_count) return cli_failf("label '%s' has no name after =", k->label);
    return code;
}

static int take_labels(labels *l, const char *commas, const char *file) {
    char *text = file ? cli_read_text(file) : NULL;
    if (file && !text) return CLI_FAILED;
    const char *from = text ? text : commas;
    int code = for_parts(from, strlen(from), text ? '\n' : ',', add_label, l);
    free(text);
    if (!code && !l->count) return cli_failf("there are no labels");
    return code;
}

static void free_labels(labels *l) {
    for (size_t i = 0; i < l->count; i++) {
        const sns_class *k = &l->classes[i];
        for (size_t n = 0; n < k->name_count; n++) free((char *)(uintptr_t)k->names[n]);
        free((void *)(uintptr_t)k->names);
        free((char *)(uintptr_t)k->label);
    }
    free(l->classes);
}

/* ---- templates ---- */

static int add_template(void *to, const char *part, size_t n) {
    templates *t = to;
    char **items = realloc(t->items, (t->count + 1) * sizeof *items);
    if (!items) return cli_failf("out of memory");
    t->items = items;
    if (!(items[t->count] = trimmed(part, n))) return cli_failf("out of memory");
    if (!strstr(items[t->count++], "{}"))
        return cli_failf("the template '%s' needs {} where the name goes", items[t->count - 1]);
    return CLI_DONE;
}

static int add_set(templates *t, const char *set_or_file) {
    size_t count;
    const char *const *set = sns_template_set(set_or_file, &count);
    int code = CLI_DONE;
    for (size_t i = 0; i < count && !code; i++) code = add_template(t, set[i], strlen(set[i]));
    if (set) return code;
    char *text = cli_read_text(set_or_file);
    if (!text) return CLI_FAILED;
    code = for_parts(text, strlen(text), '\n', add_template, t);
    free(text);
    if (!code && !t->count) return cli_failf("%s: no templates", set_or_file);
    return code;
}

static int take_templates(templates *t, const cli_list *given, const char *set_or_file) {
    int code = CLI_DONE;
    for (size_t i = 0; i < given->count && !code; i++)
        code = add_template(t, given->items[i], strlen(given->items[i]));
    if (!code && (set_or_file || !given->count))
        code = add_set(t, set_or_file ? set_or_file : "plain");
    return code;
}

static void free_templates(templates *t) {
    for (size_t i = 0; i < t->count; i++) free(t->items[i]);
    free(t->items);
}

static void show(void *bar, size_t done, size_t total) {
    if (bar) cli_progress_update(bar, done, total, NULL);
}

int cli_make_classifier(const cli_words *w, const sns_model *model, cli_progress *bar,
                        sns_classifier **out) {
    sns_error err;
    labels l = {0};
    templates t = {0};
    int code = take_labels(&l, w->labels, w->labels_file);
    if (!code) code = take_templates(&t, &w->given, w->templates);
    if (!code) {
        const sns_classifier_options o = {.progress = show, .user = bar};
        sns_status s = sns_classifier_new(model, l.classes, l.count, (const char *const *)t.items,
                                          t.count, &o, out, &err);
        if (bar) cli_progress_clear(bar);
        if (s) code = cli_fail(&err);
    }
    free_labels(&l);
    free_templates(&t);
    return code;
}
