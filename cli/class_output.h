/* class_output.h - what classify says of a picture, and what it does with the file. */
#ifndef SENSUS_CLI_CLASS_OUTPUT_H
#define SENSUS_CLI_CLASS_OUTPUT_H
#include <sensus/classifier.h>
#include <stdbool.h>
#include <stddef.h>

/* One picture's answer: the classes from the most probable down. */
typedef struct cli_verdict {
    const sns_classifier *classifier;
    const size_t *order;      /* [top] */
    const float *probability; /* of each class */
    size_t top;
    bool none; /* no label stands out */
} cli_verdict;

/* The label that counts: of the best class, or what "none of these" is called. */
const char *cli_verdict_label(const cli_verdict *v);

/* A bar each, one JSON object, one CSV row (RFC 4180). A JSON object ends with ", target": where
 * the file goes or went, unless target is NULL. */
void cli_verdict_table(const cli_verdict *v, const char *path);
void cli_verdict_json(const cli_verdict *v, const char *path, const char *target);
void cli_verdict_csv_head(size_t top);
void cli_verdict_csv(const cli_verdict *v, const char *path);

/* ---- files into folders (class_files.c) ---- */

typedef enum cli_sorting { CLI_SORT_LINK, CLI_SORT_MOVE } cli_sorting;

/* Bring a file into the folder of a label below `into`: a symbolic link to it, or the file itself.
 * Nothing is ever overwritten: a taken name gets a number. apply false: nothing is done.
 *   target  malloc'd: the folder (apply false) or the new name; NULL when nothing was to be done,
 *           since the link is there or the file is in the folder already
 * CLI_FAILED after a message. */
int cli_sort_file(const char *path, const char *into, const char *label, cli_sorting how,
                  bool apply, char **target);
/* A label as a folder's name: without '/', control characters and a dot in front, at most 200
 * bytes, never empty. malloc'd; NULL: no memory. */
char *cli_folder_name(const char *label);

/* ---- contact sheets (class_sheets.c) ---- */

/* The most certain pictures of each class; memory is bounded. */
typedef struct cli_class_sheets cli_class_sheets;
/* Classes 0 ... n, n the one of "none". NULL: no memory. */
cli_class_sheets *cli_class_sheets_new(size_t classes);
void cli_class_sheets_free(cli_class_sheets *s);
/* bytes NULL: the picture is in the file. False: no memory. */
bool cli_class_sheets_add(cli_class_sheets *s, size_t class, float probability, const char *path,
                          const void *bytes, size_t size);
/* FOLDER/LABEL.png for every class that has pictures; an exit code. */
int cli_class_sheets_write(const cli_class_sheets *s, const sns_classifier *c, const char *folder);
#endif
