/* film.h - for tests: films and recordings made by the command ffmpeg, where there is one. */
#ifndef SNS_TESTS_FILM_H
#define SNS_TESTS_FILM_H
#include "tool.h"

static inline bool film_has_ffmpeg(void) {
    const char *const argv[] = {"ffmpeg", "-v", "quiet", "-version", NULL};
    int out = dup(1);
    bool quiet = freopen("/dev/null", "w", stdout) && tool_run(argv);
    fflush(stdout);
    dup2(out, 1);
    close(out);
    return quiet;
}

/* Run ffmpeg with arguments parted by single spaces, the last of which is `name` below dir. A '%'
 * in an argument stands for a space. Returns the path, valid until the next call, or NULL. */
static inline const char *film_make(const char *dir, const char *name, const char *arguments) {
    static char path[4200];
    char text[4096], *next = NULL;
    const char *argv[96] = {"ffmpeg", "-nostdin", "-v", "error", "-y"};
    size_t n = 5;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    snprintf(text, sizeof text, "%s", arguments);
    for (char *a = strtok_r(text, " ", &next); a && n < 94; a = strtok_r(NULL, " ", &next)) {
        for (char *p = a; *p; p++)
            if (*p == '%') *p = ' ';
        argv[n++] = a;
    }
    argv[n++] = path;
    return tool_run(argv) ? path : NULL;
}
#endif
