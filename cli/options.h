/* options.h - option tables: what a command accepts, said once.
 *
 * A command lists its options in a constant table; parsing, the text of -h, the man page and the
 * shell completion are all made from it. Values land in a struct of the command's own, at `offset`:
 *   CLI_FLAG    bool            --exact
 *   CLI_STRING  const char *    --catalog FILE, --catalog=FILE, -c FILE, -cFILE
 *   CLI_INT     int64_t         decimal, within min … max
 *   CLI_FLOAT   double          finite, within min … max
 *   CLI_LIST    cli_list        a string option that may be given more than once
 * Options may stand before, between and after other arguments; "--" ends them; "-" is an argument.
 */
#ifndef SENSUS_CLI_OPTIONS_H
#define SENSUS_CLI_OPTIONS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum cli_type { CLI_FLAG, CLI_STRING, CLI_INT, CLI_FLOAT, CLI_LIST } cli_type;

typedef struct cli_list {
    const char **items;
    size_t count;
} cli_list;

typedef struct cli_option {
    char letter;      /* 0: none */
    const char *name; /* without the dashes */
    cli_type type;
    const char *value;   /* what help calls the value: "FILE", "N"; NULL for a flag */
    const char *initial; /* the default as one would type it; NULL: 0, NULL, false, empty */
    const char *help;    /* a sentence without capital and full stop */
    size_t offset;       /* of the value in the command's struct */
    double min, max;     /* bounds of a number; both 0: none */
    const char *choices; /* the words a string may be: "f32|f16|bf16"; NULL: any */
} cli_option;

typedef struct cli_table {
    const cli_option *options;
    size_t count;
    size_t values_size; /* sizeof the command's struct */
} cli_table;

/* Fill a struct of table->values_size bytes from argv; the other arguments move to the front of
 * argv, and *argument_count says how many they are. Returns 0, or 1 when -h was asked for, or -1
 * with a message of one line in `problem`. Free what lists hold by cli_values_free in every case.
 */
int cli_parse(const cli_table *table, int argc, char **argv, void *values, size_t *argument_count,
              char *problem, size_t problem_size);
void cli_values_free(const cli_table *table, void *values);

/* The number of single-character edits between two words (Levenshtein), capped at 99: for "did you
 * mean". */
size_t cli_edit_distance(const char *a, const char *b);
#endif
