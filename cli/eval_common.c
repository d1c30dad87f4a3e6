/* eval_common.c - see eval_common.h. */
#include "eval_common.h"
#include <stdio.h>
#include <stdlib.h>

void cli_eval_warn(void *bar, const char *message) {
    cli_progress_clear(bar);
    cli_note("%s", message);
}

void cli_eval_show(void *bar, size_t done, size_t total) {
    cli_progress_update(bar, done, total, NULL);
}

sns_eval_options cli_eval_begin(const cli_eval *e, cli_progress *bar) {
    cli_progress_start(bar, "encoding", "", 0);
    return (sns_eval_options){.image_root = e->images,
                              .limit = (size_t)e->limit,
                              .threads = (size_t)e->threads,
                              .exact = e->exact,
                              .isolation = cli_isolation(),
                              .warn = cli_eval_warn,
                              .progress = cli_eval_show,
                              .user = bar};
}

int cli_eval_end(cli_progress *bar, sns_status status, char *report, size_t skipped,
                 const sns_error *err) {
    cli_progress_clear(bar);
    if (!status) fputs(report, stdout);
    free(report);
    if (status) return cli_fail(err);
    return skipped ? cli_failf("%zu pictures or lines were left out", skipped) : CLI_DONE;
}
