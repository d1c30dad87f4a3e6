/* common.c - what commands share: messages, finding the model and the catalog, printing. */
#include "command.h"
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

size_t cli_control_length(const char *s) {
    const unsigned char *u = (const unsigned char *)s;
    if (u[0] < ' ' || u[0] == 127) return 1;
    return u[0] == 0xC2 && u[1] >= 0x80 && u[1] <= 0x9F ? 2 : 0;
}

static void print_line(const char *prefix, const char *fmt, va_list args) {
    char line[2048];
    vsnprintf(line, sizeof line, fmt, args);
    for (char *c = line; *c; c++) memset(c, '?', cli_control_length(c));
    fprintf(stderr, "%s%s\n", prefix, line);
}

int cli_failf(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    print_line("sensus: ", fmt, args);
    va_end(args);
    return CLI_FAILED;
}

char *cli_read_text(const char *path) {
    enum { MOST = 64 << 20, FIRST = 1 << 14 };
    FILE *in = fopen(path, "rb");
    char *text = NULL, *more;
    size_t size = 0, capacity = FIRST;
    bool ended = false, failed = !in;
    while (!failed && !ended && size <= MOST) {
        if (!(more = realloc(text, (capacity *= 2) + 1))) break;
        text = more;
        size += fread(text + size, 1, capacity - size, in);
        failed = ferror(in);
        ended = feof(in);
    }
    if (failed) cli_failf("%s: %s", path, strerror(errno));
    if (!failed && size > MOST) cli_failf("%s: more than 64 MiB", path);
    if (!failed && !ended && size <= MOST) cli_failf("out of memory");
    if (in) fclose(in);
    if (ended && !failed && size <= MOST) {
        text[size] = 0;
        return text;
    }
    free(text);
    return NULL;
}

int cli_write_text(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    bool ok = f && fputs(text, f) >= 0;
    if (f && fclose(f)) ok = false;
    return ok ? CLI_DONE : cli_failf("%s: %s", path, strerror(errno));
}

int cli_fail(const sns_error *err) {
    return cli_failf("%s", err->message);
}

int cli_usage(const cli_call *call, const char *fmt, ...) {
    char prefix[64];
    snprintf(prefix, sizeof prefix, "sensus %s: ", call->name);
    va_list args;
    va_start(args, fmt);
    print_line(prefix, fmt, args);
    va_end(args);
    fprintf(stderr, "Try: sensus %s -h\n", call->name);
    return CLI_USAGE;
}

void cli_note(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    print_line("", fmt, args);
    va_end(args);
}

/* Hugging Face's layout or open_clip's, or a file: GGUF. */
static bool is_model(const char *dir) {
    static const char *const configs[] = {"config.json", "open_clip_config.json"};
    char path[PATH_MAX];
    struct stat st;
    if (!stat(dir, &st) && S_ISREG(st.st_mode)) return !access(dir, R_OK);
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        int n = snprintf(path, sizeof path, "%s/%s", dir, configs[i]);
        if (n > 0 && (size_t)n < sizeof path && !access(path, R_OK)) return true;
    }
    return false;
}

/* DIR/below, if that is a model; else NULL. */
static char *model_below(const char *dir, const char *below) {
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", dir, below);
    if (n < 0 || (size_t)n >= sizeof path || !is_model(path)) return NULL;
    return realpath(path, NULL);
}

/* The model that came with this program, found from where the program lies. */
static char *shipped_model(void) {
    static const char *const places[] = {"../models/sensus-small", "../../models/sensus-small",
                                         "../share/sensus/models/sensus-small"};
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    char *found = NULL;
    if (n > 0) {
        exe[n] = 0;
        char *slash = strrchr(exe, '/');
        if (slash) *slash = 0;
        for (size_t i = 0; i < sizeof places / sizeof *places && !found; i++)
            found = model_below(exe, places[i]);
    }
    return found ? found : model_below(SENSUS_DATADIR, "models/sensus-small");
}

int cli_find_model(const char *given, const char *other, char **dir) {
    const char *environment = getenv("SENSUS_MODEL");
    const char *chosen = given;
    if (!chosen && environment && *environment) chosen = environment;
    if (!chosen && other && is_model(other)) chosen = other;
    if (!chosen)
        *dir = shipped_model();
    else if (!(*dir = realpath(chosen, NULL)))
        return cli_failf("%s: %s", chosen, strerror(errno));
    return *dir ? CLI_DONE : cli_failf("no model found; say --model DIR or set SENSUS_MODEL");
}

int cli_load_model(const char *given, sns_model **model) {
    char *dir;
    sns_error err;
    int code = cli_find_model(given, NULL, &dir);
    if (code) return code;
    if (sns_model_load(dir, model, &err)) code = cli_fail(&err);
    free(dir);
    return code;
}

static int make_folder(const char *path) {
    if (!mkdir(path, 0777) || errno == EEXIST) return CLI_DONE;
    return cli_failf("%s: can't make this folder: %s", path, strerror(errno));
}

/* mkdir -p for everything before the last '/' of path. */
static int make_parents(char *path) {
    int code = CLI_DONE;
    for (char *c = path; *c && !code; c++) {
        if (*c != '/' || c == path) continue;
        *c = 0;
        code = make_folder(path);
        *c = '/';
    }
    return code;
}

int cli_make_folders(const char *path) {
    char *copy = strdup(path);
    int code = copy ? make_parents(copy) : cli_failf("out of memory");
    free(copy);
    return code ? code : make_folder(path);
}

int cli_find_catalog(const char *given, bool make, char **file) {
    const char *environment = getenv("SENSUS_CATALOG");
    char path[PATH_MAX];
    if (!given && environment && *environment) given = environment;
    if (given) {
        *file = strdup(given);
        return *file ? CLI_DONE : cli_failf("out of memory");
    }
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    int n;
    if (data && *data == '/')
        n = snprintf(path, sizeof path, "%s/sensus/catalog.db", data);
    else if (home && *home)
        n = snprintf(path, sizeof path, "%s/.local/share/sensus/catalog.db", home);
    else
        return cli_failf("no place for the catalog is known; say --catalog FILE");
    if (n < 0 || (size_t)n >= sizeof path) return cli_failf("the catalog's path is too long");
    if (make && make_parents(path)) return CLI_FAILED;
    *file = strdup(path);
    return *file ? CLI_DONE : cli_failf("out of memory");
}

size_t cli_utf8_length(const char *text) {
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] < 0x80) return 1;
    size_t n = s[0] >= 0xC2 && s[0] < 0xE0   ? 2
               : (s[0] & 0xF0) == 0xE0       ? 3
               : s[0] >= 0xF0 && s[0] < 0xF5 ? 4
                                             : 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xC0) != 0x80) return 0;
    if (n == 3 && ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] >= 0xA0))) return 0;
    if (n == 4 && ((s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] >= 0x90))) return 0;
    return n;
}

void cli_print_json(const char *text) {
    putchar('"');
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        size_t n = cli_utf8_length((const char *)s);
        if (!n) {
            fputs("\\ufffd", stdout);
            n = 1;
        } else if (*s == '"' || *s == '\\') {
            printf("\\%c", *s);
        } else if (*s < ' ' || *s == 127) {
            printf("\\u%04x", *s);
        } else {
            fwrite(s, 1, n, stdout);
        }
        s += n;
    }
    putchar('"');
}

void cli_print_safe(const char *s) {
    for (; *s; s++) {
        size_t n = cli_control_length(s);
        putchar(n ? '?' : *s);
        s += n == 2;
    }
}
