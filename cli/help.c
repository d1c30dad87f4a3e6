/* help.c - the text of -h, man pages and shell completion, all from the command tables. */
#include "command.h"
#include <stdio.h>
#include <string.h>

enum { LINE = 80, OPTION_COLUMN = 24 };

static const cli_option help_option = {'h', "help", CLI_FLAG, NULL, NULL, "show this help",
                                       0,   0,      0,        NULL};

/* Prints words from column `at`, later lines indented by `indent`; returns the column reached. */
static size_t print_wrapped(const char *text, size_t n, size_t indent, size_t at) {
    for (size_t i = 0; i < n;) {
        while (i < n && (text[i] == ' ' || text[i] == '\n')) i++;
        size_t length = 0;
        while (i + length < n && text[i + length] != ' ' && text[i + length] != '\n') length++;
        if (!length) break;
        if (at > indent && at + 1 + length > LINE) {
            printf("\n%*s", (int)indent, "");
            at = indent;
        } else if (at > indent) {
            putchar(' ');
            at++;
        }
        fwrite(text + i, 1, length, stdout);
        at += length;
        i += length;
    }
    return at;
}

/* The next paragraph: a pointer to it and its length; NULL at the end. */
static const char *paragraph(const char *text, size_t *length) {
    while (*text == '\n') text++;
    if (!*text) return NULL;
    const char *end = strstr(text, "\n\n");
    *length = end ? (size_t)(end - text) : strlen(text);
    return text;
}

/* "default 10; may be repeated; one of a|b": what follows the help of an option. */
static void option_notes(const cli_option *o, char *out, size_t size) {
    const char *repeat = o->type == CLI_LIST ? "may be repeated" : "";
    bool initial = o->initial && *o->initial;
    *out = 0;
    if (!initial && !*repeat && !o->choices) return;
    snprintf(out, size, " (%s%s%s%s%s%s%s)", o->choices ? "one of " : "",
             o->choices ? o->choices : "", o->choices && (initial || *repeat) ? "; " : "", repeat,
             initial && *repeat ? "; " : "", initial ? "default " : "", initial ? o->initial : "");
}

static void print_option(const cli_option *o) {
    char head[96], notes[256], text[1024];
    char letter[8] = "    ";
    if (o->letter) snprintf(letter, sizeof letter, "-%c, ", o->letter);
    int n = snprintf(head, sizeof head, "  %s--%s%s%s", letter, o->name, o->value ? " " : "",
                     o->value ? o->value : "");
    option_notes(o, notes, sizeof notes);
    snprintf(text, sizeof text, "%s%s", o->help, notes);
    if (n + 2 > OPTION_COLUMN)
        printf("%s\n%*s", head, OPTION_COLUMN, "");
    else
        printf("%-*s", OPTION_COLUMN, head);
    print_wrapped(text, strlen(text), OPTION_COLUMN, OPTION_COLUMN);
    putchar('\n');
}

void cli_print_help(const cli_entry *e) {
    const cli_command *c = e->command;
    size_t n;
    printf("usage: sensus %s [OPTIONS]%s%s\n\n", e->name, *c->arguments ? " " : "", c->arguments);
    for (const char *p = c->description; (p = paragraph(p, &n)); p += n) {
        print_wrapped(p, n, 0, 0);
        printf("\n\n");
    }
    printf("Options:\n");
    for (size_t i = 0; i < c->table.count; i++) print_option(&c->table.options[i]);
    print_option(&help_option);
    if (!c->examples) return;
    printf("\nExamples:\n");
    for (const char *p = c->examples; *p;) {
        n = strcspn(p, "\n");
        printf("  %.*s\n", (int)n, p);
        p += n + (p[n] == '\n');
    }
}

void cli_print_overview(const cli_entry *entries, size_t count) {
    printf("usage: sensus COMMAND [OPTIONS] [ARGUMENTS]\n\n");
    printf("Find, compare and learn pictures and words in one space.\n\nCommands:\n");
    for (size_t i = 0; i < count; i++) printf("  %-18s %s\n", entries[i].name, entries[i].summary);
    printf("\nsensus COMMAND -h      what a command does and accepts\n"
           "sensus --version       the version, its parts, the kernels in use\n"
           "sensus --man [COMMAND] the same as -h, as a man page (troff)\n"
           "sensus --completion    completion for bash\n"
           "sensus --commands      the names of all commands\n");
}

/* Text for troff: hyphens and backslashes escaped, no control line by accident. */
static void troff(const char *text, size_t n) {
    bool line_start = true;
    for (size_t i = 0; i < n; i++) {
        if (line_start && (text[i] == '.' || text[i] == '\'')) fputs("\\&", stdout);
        line_start = text[i] == '\n';
        if (text[i] == '-')
            fputs("\\-", stdout);
        else if (text[i] == '\\')
            fputs("\\e", stdout);
        else
            putchar(text[i]);
    }
}

static void troff_text(const char *text) {
    troff(text, strlen(text));
}

/* "model info" becomes "model-info". */
static void page_name(char *out, size_t size, const char *name) {
    snprintf(out, size, "sensus-%s", name);
    for (char *c = out; *c; c++)
        if (*c == ' ') *c = '-';
}

static void man_option(const cli_option *o) {
    char notes[256];
    option_notes(o, notes, sizeof notes);
    printf(".TP\n");
    if (o->letter) printf("\\fB\\-%c\\fR, ", o->letter);
    printf("\\fB\\-\\-");
    troff_text(o->name);
    printf("\\fR");
    if (o->value) {
        printf(" \\fI");
        troff_text(o->value);
        printf("\\fR");
    }
    putchar('\n');
    troff_text(o->help);
    troff_text(notes);
    putchar('\n');
}

static void man_exit_status(void) {
    printf(".SH EXIT STATUS\n0: done. 1: failed, or some of the files failed. 2: wrong usage.\n");
}

void cli_print_man(const cli_entry *e) {
    const cli_command *c = e->command;
    char page[64];
    size_t n;
    page_name(page, sizeof page, e->name);
    printf(".TH ");
    for (const char *p = page; *p; p++) putchar(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
    printf(" 1 \"\" \"sensus " SNS_VERSION "\"\n.SH NAME\n");
    troff_text(page);
    printf(" \\- ");
    troff_text(e->summary);
    printf("\n.SH SYNOPSIS\n\\fBsensus ");
    troff_text(e->name);
    printf("\\fR [OPTIONS]%s", *c->arguments ? " " : "");
    troff_text(c->arguments);
    printf("\n.SH DESCRIPTION\n");
    for (const char *p = c->description; (p = paragraph(p, &n)); p += n) {
        printf(".PP\n");
        troff(p, n);
        putchar('\n');
    }
    printf(".SH OPTIONS\n");
    for (size_t i = 0; i < c->table.count; i++) man_option(&c->table.options[i]);
    man_option(&help_option);
    if (c->examples) {
        printf(".SH EXAMPLES\n.nf\n");
        troff_text(c->examples);
        printf("\n.fi\n");
    }
    man_exit_status();
    printf(".SH SEE ALSO\n\\fBsensus\\fR(1)\n");
}

void cli_print_man_overview(const cli_entry *entries, size_t count) {
    printf(".TH SENSUS 1 \"\" \"sensus " SNS_VERSION "\"\n.SH NAME\n"
           "sensus \\- find, compare and learn pictures and words in one space\n"
           ".SH SYNOPSIS\n\\fBsensus\\fR COMMAND [OPTIONS] [ARGUMENTS]\n.SH COMMANDS\n");
    for (size_t i = 0; i < count; i++) {
        char page[64];
        page_name(page, sizeof page, entries[i].name);
        printf(".TP\n\\fB");
        troff_text(page);
        printf("\\fR(1)\n");
        troff_text(entries[i].summary);
        putchar('\n');
    }
    printf(
        ".SH ENVIRONMENT\n.TP\nSENSUS_MODEL\nthe folder of the model, unless \\-\\-model says\n"
        ".TP\nSENSUS_CATALOG\nthe catalog, unless \\-\\-catalog says\n"
        ".TP\nSENSUS_CPU\nref, avx2, avx512, avx512bf16 or neon: use no more than these "
        "instructions\n"
        ".TP\nSENSUS_PACKED_CACHE\noff: keep no packed weights of bf16 and int8 models in files\n");
    man_exit_status();
}

static void completion_case(const cli_entry *e) {
    printf("    \"%s\") words=\"--help", e->name);
    for (size_t i = 0; i < e->command->table.count; i++)
        printf(" --%s", e->command->table.options[i].name);
    printf("\" ;;\n");
}

void cli_print_completion(const cli_entry *entries, size_t count) {
    printf("# bash completion for sensus, made by sensus --completion\n"
           "_sensus() {\n"
           "    local current=${COMP_WORDS[COMP_CWORD]} first=${COMP_WORDS[1]} words=\n"
           "    local second=${COMP_WORDS[2]} name\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
           "        COMPREPLY=($(compgen -W \"");
    for (size_t i = 0; i < count; i++) {
        size_t n = strcspn(entries[i].name, " ");
        bool seen = i && !strncmp(entries[i - 1].name, entries[i].name, n + 1);
        if (!seen) printf("%s%.*s", i ? " " : "", (int)n, entries[i].name);
    }
    printf("\" -- \"$current\"))\n        return\n    fi\n"
           "    name=$first\n    case \"$first $second\" in\n");
    for (size_t i = 0; i < count; i++)
        if (strchr(entries[i].name, ' '))
            printf("    \"%s\") name=\"$first $second\" ;;\n", entries[i].name);
    printf("    esac\n    case \"$name\" in\n");
    for (size_t i = 0; i < count; i++) completion_case(&entries[i]);
    for (size_t i = 0; i < count; i++) {
        const char *space = strchr(entries[i].name, ' ');
        if (!space) continue;
        size_t n = (size_t)(space - entries[i].name);
        if (i && !strncmp(entries[i - 1].name, entries[i].name, n + 1)) continue;
        printf("    %.*s) words=\"", (int)n, entries[i].name);
        for (size_t k = i; k < count && !strncmp(entries[k].name, entries[i].name, n + 1); k++)
            printf("%s%s", k > i ? " " : "", entries[k].name + n + 1);
        printf("\" ;;\n");
    }
    printf("    esac\n"
           "    case \"$current\" in\n"
           "    -*) COMPREPLY=($(compgen -W \"$words\" -- \"$current\")) ;;\n"
           "    *) case \"$words\" in\n"
           "        --*) COMPREPLY=($(compgen -f -- \"$current\")) ;;\n"
           "        *) COMPREPLY=($(compgen -W \"$words\" -- \"$current\")) ;;\n"
           "        esac ;;\n"
           "    esac\n"
           "}\ncomplete -o filenames -F _sensus sensus\n");
}
