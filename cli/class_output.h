/* class_output.h - what classify says of a picture, and what it does with the file. */
#ifndef SENSUS_CLI_CLASS_OUTPUT_H
#define SENSUS_CLI_CLASS_OUTPUT_H
#include <sensus/classifier.h>
#include <stdbool.h>
#include <stddef.h>

/* ---- verdicts (class_output.c) ---- */

/* One picture's answer: the classes from the most probable down. */
typedef struct cli_verdict {
    const sns_classifier *classifier;
    const size_t *order;      /* [top] */
    const float *probability; /* of each class */
    size_t top;
    bool none; /* no label stands out */
} cli_verdict;

/* With --into, what became of the file, or would. */
typedef enum cli_deed { CLI_NOT_PLACED, CLI_LINKED, CLI_MOVED, CLI_IN_PLACE } cli_deed;
typedef struct cli_placing {
    cli_deed deed;
    char *target; /* malloc'd: where the file is, or would be; NULL: CLI_NOT_PLACED */
} cli_placing;

/* The class that counts: the best, or the one past the last for none of them. */
size_t cli_verdict_class(const cli_verdict *v);
/* What a class is called: its label, or, past the last, what "none of these" is called. */
const char *cli_class_label(const sns_classifier *c, size_t class);

/* A bar each, one JSON object, one CSV row (RFC 4180). placing NULL: without --into. */
void cli_verdict_table(const cli_verdict *v, const char *path);
void cli_verdict_json(const cli_verdict *v, const char *path, const cli_placing *placing);
void cli_verdict_csv_head(size_t top, bool placing);
void cli_verdict_csv(const cli_verdict *v, const char *path, const cli_placing *placing);
/* "would link PATH -> TARGET" */
void cli_placing_line(const cli_placing *placing, const char *path, bool apply);

/* ---- names of folders (class_folders.c) ---- */

/* A folder's name for each class and, last, for none of them: without '/', control characters,
 * bytes that are no UTF-8 and a dot in front, at most 200 bytes, never empty, no two the same. A
 * label that is such a name keeps it. malloc'd [classes + 1]; NULL: no memory. */
char **cli_folder_names(const sns_classifier *c);
void cli_folder_names_free(char **names, const sns_classifier *c); /* NULL is fine */

/* ---- files into folders (class_files.c) ---- */

typedef struct cli_sorter cli_sorter;

/* folders: as cli_folder_names gives them, borrowed. apply: `into` is made if it is missing; else
 * nothing is ever changed. CLI_FAILED after a message. */
int cli_sorter_new(const char *into, char *const *folders, bool move, bool apply, cli_sorter **out);
void cli_sorter_free(cli_sorter *s);
/* Bring a file into INTO/FOLDER of its class: a symbolic link to it, or the file itself. Nothing is
 * ever overwritten: a taken name gets a number. CLI_FAILED after a message. */
int cli_sorter_place(cli_sorter *s, const char *path, size_t class, cli_placing *out);

/* ---- contact sheets (class_sheets.c) ---- */

/* The most certain pictures, or recordings, of each class; memory is bounded. */
typedef struct cli_class_sheets cli_class_sheets;
/* `most` pictures each of classes 0 ... n, n the one of "none". NULL: no memory. */
cli_class_sheets *cli_class_sheets_new(size_t classes, size_t most);
void cli_class_sheets_free(cli_class_sheets *s);
/* What a sheet shows: a picture or a recording in the file, or its bytes; or a frame of a film. */
typedef struct cli_shown {
    const char *path;
    const void *bytes; /* NULL: in the file */
    size_t size;
    bool sound; /* a recording: its spectrogram */
    bool in_time;
    double seconds; /* in_time: of the frame */
} cli_shown;
/* False: no memory. */
bool cli_class_sheets_add(cli_class_sheets *s, size_t class, float probability,
                          const cli_shown *shown);
/* FOLDER/NAME.png for every class that has pictures. *lost counts files that are gone since, each
 * told. CLI_FAILED after a message. */
int cli_class_sheets_write(const cli_class_sheets *s, const sns_classifier *c, char *const *names,
                           const char *folder, size_t *lost);
#endif
