/* progress.c - the progress line. */
#include "progress.h"
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double cli_now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void cli_progress_start(cli_progress *p, const char *label, const char *unit, size_t first) {
    *p = (cli_progress){.label = label, .unit = unit, .first = first};
    p->shown = isatty(STDERR_FILENO);
    p->start_s = cli_now_s();
}

static void format_eta(char *out, size_t size, double seconds) {
    if (!(seconds >= 0) || seconds > 359999) seconds = 359999;
    unsigned s = (unsigned)(seconds + 0.5);
    if (s >= 3600)
        snprintf(out, size, "%u:%02u:%02u", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, size, "%u:%02u", s / 60, s % 60);
}

void cli_progress_update(cli_progress *p, size_t done, size_t total, const char *note) {
    if (!p->shown) return;
    double now = cli_now_s();
    if (p->drawn_s > 0 && now - p->drawn_s < 0.1 && (!total || done < total)) return;
    p->drawn_s = now;
    enum { WIDTH = 24 };
    char bar[WIDTH + 3] = "", eta[24] = "", line[256];
    double elapsed = now - p->start_s;
    double rate = elapsed > 0 && done > p->first ? (double)(done - p->first) / elapsed : 0;
    int n;
    if (total) {
        size_t filled = done >= total ? WIDTH : done * WIDTH / total;
        memset(bar + 1, ' ', WIDTH);
        memset(bar + 1, '=', filled);
        if (filled < WIDTH) bar[1 + filled] = '>';
        bar[0] = '[';
        bar[WIDTH + 1] = ']';
        if (rate > 0)
            format_eta(eta, sizeof eta, (double)(total - (done < total ? done : total)) / rate);
        n = snprintf(line, sizeof line, "%s %s %zu/%zu  %.1f%s/s  ETA %s  %s", p->label, bar, done,
                     total, rate, p->unit, *eta ? eta : "?", note ? note : "");
    } else {
        n = snprintf(line, sizeof line, "%s %zu  %.1f%s/s  %s", p->label, done, rate, p->unit,
                     note ? note : "");
    }
    size_t width = n < 0 ? 0 : (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
    fprintf(stderr, "\r%s", line);
    for (size_t i = width; i < p->width; i++) fputc(' ', stderr);
    p->width = width;
    fflush(stderr);
}

void cli_progress_clear(cli_progress *p) {
    if (!p->shown || !p->width) return;
    fprintf(stderr, "\r%*s\r", (int)p->width, "");
    fflush(stderr);
    p->width = 0;
    p->drawn_s = 0;
}
