/* name_reader.c - one buffer that holds the longest name; a terminal or pipe is polled, so that a
 * reader that waits can be stopped. */
#include "train/name_reader.h"
#include "base/error.h"
#include "base/strbuf.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { POLL_MS = 100 };

struct sns_name_reader {
    int fd; /* 0 is not ours to close */
    char end;
    const volatile int *stop;
    char *path;
    bool ended, passing; /* passing: what is read belongs to a name that is too long */
    size_t at, size;     /* the bytes of data that are not yet given out */
    char data[SNS_LISTED_NAME_MAX + 2];
};

sns_status sns_name_reader_open(const char *path, char end, const volatile int *stop,
                                sns_name_reader **out, sns_error *err) {
    sns_name_reader *r = calloc(1, sizeof *r);
    *out = NULL;
    if (r) r->path = sns_strdup(strcmp(path, "-") ? path : "standard input");
    if (!r || !r->path) {
        free(r);
        return sns_fail(err, SNS_NOMEM, "%s: no memory to read it", path);
    }
    r->end = end;
    r->stop = stop;
    r->fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (r->fd < 0) {
        int why = errno;
        sns_name_reader_free(r);
        return sns_fail_errno(err, why == ENOENT ? SNS_MISSING : SNS_IO, why, "%s", path);
    }
    *out = r;
    return SNS_OK;
}

void sns_name_reader_free(sns_name_reader *r) {
    if (!r) return;
    if (r->fd > STDIN_FILENO) close(r->fd);
    free(r->path);
    free(r);
}

/* More bytes behind those that are there, or the end. */
static sns_status refill(sns_name_reader *r, sns_error *err) {
    struct pollfd p = {.fd = r->fd, .events = POLLIN};
    memmove(r->data, r->data + r->at, r->size);
    r->at = 0;
    while (!*r->stop && poll(&p, 1, POLL_MS) <= 0) continue;
    if (*r->stop) return sns_fail(err, SNS_CANCELLED, "%s: stopped", r->path);
    ssize_t n = read(r->fd, r->data + r->size, sizeof r->data - 1 - r->size);
    if (n < 0 && errno != EINTR) return sns_fail_errno(err, SNS_IO, errno, "%s", r->path);
    if (!n) r->ended = true;
    if (n > 0) r->size += (size_t)n;
    return SNS_OK;
}

/* Give out n bytes and the end after them, which need not be there. */
static char *cut(sns_name_reader *r, size_t n) {
    char *name = r->data + r->at;
    name[n] = 0;
    size_t used = n < r->size ? n + 1 : n;
    r->at += used;
    r->size -= used;
    return name;
}

sns_status sns_name_reader_next(sns_name_reader *r, const char **name, sns_error *err) {
    *name = NULL;
    for (;;) {
        const char *from = r->data + r->at, *end = memchr(from, r->end, r->size);
        if (!end && !r->ended && r->size <= SNS_LISTED_NAME_MAX) {
            sns_status s = refill(r, err);
            if (s) return s;
            continue;
        }
        if (!end && !r->size) return SNS_OK;
        size_t n = end ? (size_t)(end - from) : r->size;
        bool passed = r->passing, too_long = n > SNS_LISTED_NAME_MAX;
        const char *text = cut(r, n);
        r->passing = !end && too_long;
        if (passed) continue;
        if (too_long)
            return sns_fail(err, SNS_LIMIT, "%s: %.60s...: a name longer than %d bytes", r->path,
                            text, SNS_LISTED_NAME_MAX);
        if (!*text) continue;
        *name = text;
        return SNS_OK;
    }
}
