/* options.c - parsing by an option table. */
#include "options.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct parser {
    const cli_table *table;
    void *values;
    char *problem;
    size_t problem_size;
} parser;

static int complain(const parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int complain(const parser *p, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    vsnprintf(p->problem, p->problem_size, fmt, args);
    va_end(args);
    return -1;
}

size_t cli_edit_distance(const char *a, const char *b) {
    enum { LONGEST = 48 };
    size_t n = strlen(a), m = strlen(b), row[LONGEST + 1];
    if (n > LONGEST || m > LONGEST) return 99;
    for (size_t j = 0; j <= m; j++) row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[m];
}

static void *slot(const parser *p, const cli_option *o) {
    return (char *)p->values + o->offset;
}

static int add_to_list(const parser *p, const cli_option *o, const char *text) {
    cli_list *list = slot(p, o);
    const char **items = realloc((void *)list->items, (list->count + 1) * sizeof *items);
    if (!items) return complain(p, "out of memory");
    items[list->count++] = text;
    list->items = items;
    return 0;
}

static bool is_choice(const char *choices, const char *text) {
    size_t n = strlen(text);
    for (const char *c = choices;;) {
        size_t length = strcspn(c, "|");
        if (length == n && !memcmp(c, text, n)) return true;
        if (!c[length]) return false;
        c += length + 1;
    }
}

static int check_range(const parser *p, const cli_option *o, double v, const char *text) {
    if ((o->min == 0 && o->max == 0) || (v >= o->min && v <= o->max)) return 0;
    return complain(p, "--%s must be %.15g to %.15g, not '%.80s'", o->name, o->min, o->max, text);
}

static int set_number(const parser *p, const cli_option *o, const char *text) {
    char *end;
    errno = 0;
    if (o->type == CLI_INT) {
        long long v = strtoll(text, &end, 10);
        if (errno || end == text || *end)
            return complain(p, "--%s needs a whole number, not '%.80s'", o->name, text);
        *(int64_t *)slot(p, o) = v;
        return check_range(p, o, (double)v, text);
    }
    double v = strtod(text, &end);
    if (end == text || *end || !isfinite(v))
        return complain(p, "--%s needs a number, not '%.80s'", o->name, text);
    *(double *)slot(p, o) = v;
    return check_range(p, o, v, text);
}

static int set_value(const parser *p, const cli_option *o, const char *text) {
    switch (o->type) {
    case CLI_FLAG:
        *(bool *)slot(p, o) = true;
        return 0;
    case CLI_LIST:
        return add_to_list(p, o, text);
    case CLI_STRING:
        if (o->choices && !is_choice(o->choices, text))
            return complain(p, "--%s must be one of %s, not '%.80s'", o->name, o->choices, text);
        *(const char **)slot(p, o) = text;
        return 0;
    case CLI_INT:
    case CLI_FLOAT:
        return set_number(p, o, text);
    }
    return -1;
}

static const cli_option *find_name(const cli_table *t, const char *name, size_t length) {
    for (size_t i = 0; i < t->count; i++) {
        const char *candidate = t->options[i].name;
        if (!strncmp(candidate, name, length) && !candidate[length]) return &t->options[i];
    }
    return NULL;
}

static int unknown_name(const parser *p, const char *name, size_t length) {
    char word[49];
    snprintf(word, sizeof word, "%.*s", (int)(length < 48 ? length : 48), name);
    for (size_t i = 0; i < p->table->count; i++)
        if (cli_edit_distance(word, p->table->options[i].name) <= 2)
            return complain(p, "unknown option --%s; did you mean --%s?", word,
                            p->table->options[i].name);
    return complain(p, "unknown option --%s", word);
}

/* argv[*i] starts with "--". */
static int parse_long(const parser *p, int argc, char **argv, int *i) {
    const char *name = argv[*i] + 2;
    size_t length = strcspn(name, "=");
    if (!strcmp(name, "help")) return 1;
    const cli_option *o = find_name(p->table, name, length);
    if (!o) return unknown_name(p, name, length);
    bool attached = name[length] == '=';
    if (o->type == CLI_FLAG) {
        if (attached) return complain(p, "--%s takes no value", o->name);
        return set_value(p, o, NULL);
    }
    if (attached) return set_value(p, o, name + length + 1);
    if (*i + 1 >= argc) return complain(p, "--%s needs a value (%s)", o->name, o->value);
    return set_value(p, o, argv[++*i]);
}

/* argv[*i] is "-" and at least one letter: flags in a row, the last may take a value. */
static int parse_letters(const parser *p, int argc, char **argv, int *i) {
    for (const char *c = argv[*i] + 1; *c; c++) {
        if (*c == 'h') return 1;
        const cli_option *o = NULL;
        for (size_t k = 0; k < p->table->count && !o; k++)
            if (p->table->options[k].letter == *c) o = &p->table->options[k];
        if (!o)
            return complain(p,
                            "unknown option -%c; for an argument that begins with -, put -- "
                            "before it",
                            (unsigned char)*c < 128 && *c >= ' ' ? *c : '?');
        if (o->type == CLI_FLAG) {
            set_value(p, o, NULL);
            continue;
        }
        if (c[1]) return set_value(p, o, c + 1);
        if (*i + 1 >= argc) return complain(p, "-%c needs a value (%s)", *c, o->value);
        return set_value(p, o, argv[++*i]);
    }
    return 0;
}

int cli_parse(const cli_table *table, int argc, char **argv, void *values, size_t *argument_count,
              char *problem, size_t problem_size) {
    parser p = {table, values, problem, problem_size};
    int kept = 0, status = 0;
    memset(values, 0, table->values_size);
    *argument_count = 0;
    for (size_t k = 0; k < table->count; k++)
        if (table->options[k].initial && table->options[k].type != CLI_LIST &&
            set_value(&p, &table->options[k], table->options[k].initial))
            return -1;
    for (int i = 0; i < argc && !status; i++) {
        if (!strcmp(argv[i], "--")) {
            for (i++; i < argc; i++) argv[kept++] = argv[i];
        } else if (argv[i][0] != '-' || !argv[i][1]) {
            argv[kept++] = argv[i];
        } else if (argv[i][1] == '-') {
            status = parse_long(&p, argc, argv, &i);
        } else {
            status = parse_letters(&p, argc, argv, &i);
        }
    }
    *argument_count = (size_t)kept;
    return status;
}

void cli_values_free(const cli_table *table, void *values) {
    for (size_t k = 0; k < table->count; k++)
        if (table->options[k].type == CLI_LIST)
            free((void *)((cli_list *)(void *)((char *)values + table->options[k].offset))->items);
}
