/* class_output.c - verdicts as a table, JSON and CSV. */
#include "class_output.h"
#include "command.h"
#include <stdio.h>
#include <string.h>

static const char *label(const cli_verdict *v, size_t rank) {
    return sns_classifier_class(v->classifier, v->order[rank])->label;
}

const char *cli_class_label(const sns_classifier *c, size_t class) {
    return class < sns_classifier_count(c) ? sns_classifier_class(c, class)->label
                                           : "none of these";
}

size_t cli_verdict_class(const cli_verdict *v) {
    return v->none ? sns_classifier_count(v->classifier) : v->order[0];
}

/* What --json and --csv call it. */
static const char *deed_name(cli_deed deed) {
    static const char *const names[] = {"failed", "link", "move", "in place"};
    return names[deed];
}

void cli_placing_line(const cli_placing *p, const char *path, bool apply) {
    static const char *const done[] = {"", "linked", "moved", "in place"}, *const planned[] = {
                                                                               "", "would link",
                                                                               "would move",
                                                                               "in place"};
    printf("%s ", (apply ? done : planned)[p->deed]);
    cli_print_safe(path);
    fputs(" -> ", stdout);
    cli_print_safe(p->target);
    putchar('\n');
}

void cli_verdict_table(const cli_verdict *v, const char *path) {
    enum { BAR = 20 };
    cli_print_safe(path);
    putchar('\n');
    if (v->none) printf("  none of these\n");
    for (size_t i = 0; i < v->top; i++) {
        float p = v->probability[v->order[i]];
        int filled = (int)(p * BAR + 0.5f);
        printf("  %5.1f %%  ", 100 * p);
        for (int b = 0; b < BAR; b++) fputs(b < filled ? "\u2588" : "\u00b7", stdout);
        printf("  ");
        cli_print_safe(label(v, i));
        putchar('\n');
    }
}

void cli_verdict_json(const cli_verdict *v, const char *path, const cli_placing *placing) {
    printf("{\"path\": ");
    cli_print_json(path);
    if (v->none) printf(", \"none\": true");
    printf(", \"labels\": [");
    for (size_t i = 0; i < v->top; i++) {
        printf("%s{\"label\": ", i ? ", " : "");
        cli_print_json(label(v, i));
        printf(", \"probability\": %.6g}", v->probability[v->order[i]]);
    }
    printf("]");
    if (placing) printf(", \"action\": \"%s\"", deed_name(placing->deed));
    if (placing && placing->target) {
        printf(", \"target\": ");
        cli_print_json(placing->target);
    }
    printf("}\n");
}

/* In quotes where RFC 4180 asks for them. */
static void print_field(const char *text) {
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, stdout);
        return;
    }
    putchar('"');
    for (const char *c = text; *c; c++) {
        if (*c == '"') putchar('"');
        putchar(*c);
    }
    putchar('"');
}

void cli_verdict_csv_head(size_t top, bool placing) {
    fputs("path,class", stdout);
    for (size_t i = 1; i <= top; i++) printf(",label_%zu,probability_%zu", i, i);
    if (placing) fputs(",action,target", stdout);
    fputs("\r\n", stdout);
}

void cli_verdict_csv(const cli_verdict *v, const char *path, const cli_placing *placing) {
    print_field(path);
    putchar(',');
    print_field(cli_class_label(v->classifier, cli_verdict_class(v)));
    for (size_t i = 0; i < v->top; i++) {
        putchar(',');
        print_field(label(v, i));
        printf(",%.6g", v->probability[v->order[i]]);
    }
    if (placing) {
        printf(",%s,", deed_name(placing->deed));
        print_field(placing->target ? placing->target : "");
    }
    fputs("\r\n", stdout);
}
