/* progress.h - a line on stderr that shows how far the work is; silent when stderr is no terminal.
 *
 *   indexing  [=========>          ]  412/1044  38.5/s  ETA 0:16
 */
#ifndef SENSUS_CLI_PROGRESS_H
#define SENSUS_CLI_PROGRESS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cli_progress {
    const char *label;
    const char *unit; /* after the rate: "" gives "38.5/s" */
    bool shown;       /* stderr is a terminal */
    double start_s, drawn_s;
    size_t first; /* what was done before the start, not counted in the rate */
    size_t width; /* of the last line drawn */
} cli_progress;

void cli_progress_start(cli_progress *p, const char *label, const char *unit, size_t first);
/* Draws at most ten times a second; total 0: unknown. `note` (NULL allowed) follows the bar. */
void cli_progress_update(cli_progress *p, size_t done, size_t total, const char *note);
/* Removes the line, so that other lines may follow. The next update draws it again. */
void cli_progress_clear(cli_progress *p);

/* Seconds of a clock that only goes forward. */
double cli_now_s(void);
#endif
