/* eval_common.h - what the commands of `sensus eval` share: their usual options, progress, reports.
 */
#ifndef SENSUS_CLI_EVAL_COMMON_H
#define SENSUS_CLI_EVAL_COMMON_H
#include "command.h"
#include "progress.h"
#include <sensus/eval.h>

/* What the usual options say. */
typedef struct cli_eval {
    const char *model, *images;
    int64_t limit, threads;
    bool exact, json;
} cli_eval;

/* Starts the bar; warnings and progress go to it. */
sns_eval_options cli_eval_begin(const cli_eval *e, cli_progress *bar);
void cli_eval_warn(void *bar, const char *message);
void cli_eval_show(void *bar, size_t done, size_t total);
/* Ends the bar, prints the report and frees it, or says why there is none; an exit code. Pictures
 * that were left out make it CLI_FAILED. */
int cli_eval_end(cli_progress *bar, sns_status status, char *report, size_t skipped,
                 const sns_error *err);

#define CLI_EVAL_DECODE_OPTIONS(type, member)                                                      \
    {'m',                                                                                          \
     "model",                                                                                      \
     CLI_STRING,                                                                                   \
     "DIR",                                                                                        \
     NULL,                                                                                         \
     "the model's folder; otherwise $SENSUS_MODEL or the one that came with sensus",               \
     offsetof(type, member.model),                                                                 \
     0,                                                                                            \
     0,                                                                                            \
     NULL},                                                                                        \
        {0,                                                                                        \
         "exact",                                                                                  \
         CLI_FLAG,                                                                                 \
         NULL,                                                                                     \
         NULL,                                                                                     \
         "never shrink a picture while decoding it",                                               \
         offsetof(type, member.exact),                                                             \
         0,                                                                                        \
         0,                                                                                        \
         NULL},                                                                                    \
    {                                                                                              \
        0, "threads", CLI_INT, "N", "0", "threads that decode; 0: one for each processor",         \
            offsetof(type, member.threads), 0, 1024, NULL                                          \
    }

#define CLI_EVAL_OPTIONS(type, member)                                                             \
    CLI_EVAL_DECODE_OPTIONS(type, member),                                                         \
        {0,                                                                                        \
         "images",                                                                                 \
         CLI_STRING,                                                                               \
         "DIR",                                                                                    \
         NULL,                                                                                     \
         "where relative image paths start; otherwise the manifest's folder",                      \
         offsetof(type, member.images),                                                            \
         0,                                                                                        \
         0,                                                                                        \
         NULL},                                                                                    \
        {0,                                                                                        \
         "limit",                                                                                  \
         CLI_INT,                                                                                  \
         "N",                                                                                      \
         "0",                                                                                      \
         "use the first N pictures; 0: all",                                                       \
         offsetof(type, member.limit),                                                             \
         0,                                                                                        \
         1e7,                                                                                      \
         NULL},                                                                                    \
    {                                                                                              \
        0, "json", CLI_FLAG, NULL, NULL, "one JSON object a line instead of a table",              \
            offsetof(type, member.json), 0, 0, NULL                                                \
    }
#endif
