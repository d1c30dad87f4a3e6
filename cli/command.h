/* command.h - what a command is, and what commands share. */
#ifndef SENSUS_CLI_COMMAND_H
#define SENSUS_CLI_COMMAND_H
#include "options.h"
#include <sensus/isolation.h>
#include <sensus/model.h>

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 }; /* exit codes */

/* One call of a command. */
typedef struct cli_call {
    const char *name;   /* "index", "model info" */
    const char *binary; /* argv[0] */
    const void *values; /* the command's struct, filled by its option table */
    char **arguments;
    size_t argument_count;
} cli_call;

typedef struct cli_command {
    const char *arguments;   /* in the usage line, after the options: "PATH..."; "" when none */
    const char *description; /* paragraphs, split by an empty line */
    const char *examples;    /* one command a line; NULL when none */
    cli_table table;
    size_t min_arguments, max_arguments;
    bool decodes;                     /* films or recordings: main starts cli_isolation */
    int (*run)(const cli_call *call); /* returns an exit code */
} cli_command;

/* The command table (main.c): one line per command, in the order of help. */
typedef struct cli_entry {
    const char *name;    /* one word, or two for a command of a group */
    const char *summary; /* one line, small letter first, no full stop */
    const cli_command *command;
} cli_entry;

/* Options that several commands have. */
#define CLI_CATALOG_OPTION(type, member)                                                           \
    {                                                                                              \
        'c', "catalog", CLI_STRING, "FILE", NULL,                                                  \
            "the catalog; without it $SENSUS_CATALOG, or the one in your data folder",             \
            offsetof(type, member), 0, 0, NULL                                                     \
    }
#define CLI_MODEL_OPTION(type, member)                                                             \
    {                                                                                              \
        'm', "model", CLI_STRING, "DIR", NULL,                                                     \
            "the model's folder, or a GGUF file; without it $SENSUS_MODEL, the catalog's, or the " \
            "one that came "                                                                       \
            "with sensus",                                                                         \
            offsetof(type, member), 0, 0, NULL                                                     \
    }

/* Where commands that take films or recordings decode them; started before there are threads, freed
 * at the end. NULL: not asked for. */
const sns_isolation *cli_isolation(void);
/* For a command that only sees from its arguments whether it decodes; once, and before it loads a
 * model. CLI_FAILED after a message. */
int cli_start_isolation(void);

/* One line on stderr; they return the exit code, so that `return cli_fail(...)` reads well. */
int cli_fail(const sns_error *err);                                        /* CLI_FAILED */
int cli_failf(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* CLI_FAILED */
/* Everything in a text file of at most 64 MiB; malloc'd, NUL-terminated, NULL after a message. */
char *cli_read_text(const char *path);
/* A whole text file, said to be written only when it is. */
int cli_write_text(const char *path, const char *text);
int cli_usage(const cli_call *call, const char *fmt, ...) /* CLI_USAGE */
    __attribute__((format(printf, 2, 3)));
void cli_note(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* no exit code */

/* The folder of the model to use: the argument, else $SENSUS_MODEL, else `other` (the catalog's;
 * NULL allowed) if it is still there, else the one that came with sensus: the first folder with a
 * config.json or open_clip_config.json of
 * ../models/sensus-small and ../../models/sensus-small beside the program, and
 * PREFIX/share/sensus/models/sensus-small. malloc'd. CLI_FAILED after a message when there is none.
 */
int cli_find_model(const char *given, const char *other, char **dir);
/* The model of that folder, loaded; without an `other`. CLI_FAILED after a message. */
int cli_load_model(const char *given, sns_model **model);

/* The catalog to use: the argument, else $SENSUS_CATALOG, else
 * ${XDG_DATA_HOME:-~/.local/share}/sensus/catalog.db, whose folder is made when `make` is set.
 * malloc'd. CLI_FAILED after a message when no place is known. */
int cli_find_catalog(const char *given, bool make, char **file);

/* mkdir -p. CLI_FAILED after a message. */
int cli_make_folders(const char *path);

/* Bytes of the UTF-8 character at s, 0 when it is none (RFC 3629). */
size_t cli_utf8_length(const char *s);
/* Bytes of a control character at s (also U+0080 to U+009F, two bytes), which can steer a terminal;
 * 0 when there is none. */
size_t cli_control_length(const char *s);
/* A JSON string with its quotes on stdout; bytes that are no UTF-8 become U+FFFD. */
void cli_print_json(const char *text);
/* s on stdout with control characters as '?', so that a name can't take over the terminal. */
void cli_print_safe(const char *s);

/* Help, man page and completion, from the tables (help.c). */
void cli_print_help(const cli_entry *e);
void cli_print_overview(const cli_entry *entries, size_t count);
void cli_print_man(const cli_entry *e);
void cli_print_man_overview(const cli_entry *entries, size_t count);
void cli_print_completion(const cli_entry *entries, size_t count);
#endif
