/* labels.h - classes and templates as people give them. */
#ifndef SENSUS_CLI_LABELS_H
#define SENSUS_CLI_LABELS_H
#include "command.h"
#include <sensus/classifier.h>

typedef struct cli_labels {
    sns_class *classes; /* strings are this struct's own */
    size_t count;
} cli_labels;

/* What the options say: labels by commas, or a file with one a line. Each is "LABEL", which is its
 * own name, or "LABEL = NAME | NAME ...". */
int cli_labels_take(cli_labels *l, const char *commas, const char *file);
void cli_labels_free(cli_labels *l);

typedef struct cli_templates {
    char **items;
    size_t count;
} cli_templates;

/* Those given one by one and those of a named set or of a file with one a line; the set "plain"
 * when none is given. */
int cli_templates_take(cli_templates *t, const cli_list *given, const char *set_or_file);
void cli_templates_free(cli_templates *t);

#define CLI_LABEL_OPTIONS(type)                                                                    \
    {'l',                                                                                          \
     "labels",                                                                                     \
     CLI_STRING,                                                                                   \
     "A,B,C",                                                                                      \
     NULL,                                                                                         \
     "the labels to choose from, separated by commas",                                             \
     offsetof(type, labels),                                                                       \
     0,                                                                                            \
     0,                                                                                            \
     NULL},                                                                                        \
        {0,                                                                                        \
         "labels-file",                                                                            \
         CLI_STRING,                                                                               \
         "FILE",                                                                                   \
         NULL,                                                                                     \
         "the labels, one a line; \"dog = dog | puppy\" gives a label several names",              \
         offsetof(type, labels_file),                                                              \
         0,                                                                                        \
         0,                                                                                        \
         NULL},                                                                                    \
        {'t',                                                                                      \
         "template",                                                                               \
         CLI_LIST,                                                                                 \
         "TEXT",                                                                                   \
         NULL,                                                                                     \
         "a sentence with {} for the name, instead of the usual four; their vectors are averaged", \
         offsetof(type, given_templates),                                                          \
         0,                                                                                        \
         0,                                                                                        \
         NULL},                                                                                    \
    {                                                                                              \
        0, "templates", CLI_STRING, "SET", NULL,                                                   \
            "the set plain, photos, drawings or all, or a file with one template a line",          \
            offsetof(type, templates), 0, 0, NULL                                                  \
    }
#endif
