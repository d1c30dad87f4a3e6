/* labels.h - classes and templates as people give them. */
#ifndef SENSUS_CLI_LABELS_H
#define SENSUS_CLI_LABELS_H
#include "command.h"
#include "progress.h"
#include <sensus/classifier.h>

/* What the options say. */
typedef struct cli_words {
    const char *labels, *labels_file; /* by commas; or a file with one a line */
    cli_list given;                   /* templates, one by one */
    const char *templates;            /* a named set, or a file with one a line */
} cli_words;

/* A classifier of either's labels, each "LABEL", which is its own name, or "LABEL = NAME | NAME
 * ...", with all templates; the set "plain" when there are none. bar: shows how far it is; NULL ok.
 * CLI_FAILED after a message. */
int cli_make_classifier(const cli_words *w, const sns_model *model, cli_progress *bar,
                        sns_classifier **out);

#define CLI_WORD_OPTIONS(type, member)                                                             \
    {'l',                                                                                          \
     "labels",                                                                                     \
     CLI_STRING,                                                                                   \
     "A,B,C",                                                                                      \
     NULL,                                                                                         \
     "the labels to choose from, separated by commas",                                             \
     offsetof(type, member.labels),                                                                \
     0,                                                                                            \
     0,                                                                                            \
     NULL},                                                                                        \
        {0,                                                                                        \
         "labels-file",                                                                            \
         CLI_STRING,                                                                               \
         "FILE",                                                                                   \
         NULL,                                                                                     \
         "the labels, one a line; \"dog = dog | puppy\" gives a label several names",              \
         offsetof(type, member.labels_file),                                                       \
         0,                                                                                        \
         0,                                                                                        \
         NULL},                                                                                    \
        {'t',                                                                                      \
         "template",                                                                               \
         CLI_LIST,                                                                                 \
         "TEXT",                                                                                   \
         NULL,                                                                                     \
         "a sentence with {} for the name, instead of the usual four; their vectors are averaged", \
         offsetof(type, member.given),                                                             \
         0,                                                                                        \
         0,                                                                                        \
         NULL},                                                                                    \
    {                                                                                              \
        0, "templates", CLI_STRING, "SET", NULL,                                                   \
            "the set plain, photos, drawings or all, or a file with one template a line",          \
            offsetof(type, member.templates), 0, 0, NULL                                           \
    }
#endif
