/* writer.c - atomic replacement of a file by streamed content. */
#include "base/writer.h"
#include "base/error.h"
#include "base/strbuf.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 16 };

struct sns_writer {
    sns_strbuf path, tmp;
    int fd, failed_errno;
    size_t used;
    char buffer[BUFFER_BYTES];
};

static void writer_free(sns_writer *w) {
    sns_strbuf_free(&w->path);
    sns_strbuf_free(&w->tmp);
    free(w);
}

static sns_status put_failed(sns_writer *w, sns_error *err) {
    return sns_fail_errno(err, SNS_IO, w->failed_errno, "%s: cannot write", w->path.data);
}

sns_status sns_writer_open(const char *path, sns_writer **out, sns_error *err) {
    *out = NULL;
    sns_writer *w = calloc(1, sizeof *w);
    if (!w) return sns_fail(err, SNS_NOMEM, "%s: no memory to write it", path);
    sns_strbuf_puts(&w->path, path);
    sns_strbuf_printf(&w->tmp, "%s.tmp.%ld", path, (long)getpid());
    if (w->path.failed || w->tmp.failed) {
        writer_free(w);
        return sns_fail(err, SNS_NOMEM, "%s: no memory for its name", path);
    }
    w->fd = open(w->tmp.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (w->fd < 0) {
        w->failed_errno = errno;
        sns_status s = put_failed(w, err);
        writer_free(w);
        return s;
    }
    *out = w;
    return SNS_OK;
}

static void write_all(sns_writer *w, const char *from, size_t n) {
    while (n && !w->failed_errno) {
        ssize_t put = write(w->fd, from, n);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) {
            w->failed_errno = errno;
        } else {
            from += put;
            n -= (size_t)put;
        }
    }
}

static void flush(sns_writer *w) {
    write_all(w, w->buffer, w->used);
    w->used = 0;
}

sns_status sns_writer_put(sns_writer *w, const void *bytes, size_t n, sns_error *err) {
    if (n > BUFFER_BYTES - w->used) flush(w);
    if (n >= BUFFER_BYTES) {
        write_all(w, bytes, n);
    } else if (n) {
        memcpy(w->buffer + w->used, bytes, n);
        w->used += n;
    }
    return w->failed_errno ? put_failed(w, err) : SNS_OK;
}

sns_status sns_writer_commit(sns_writer *w, sns_error *err) {
    flush(w);
    if (!w->failed_errno && fsync(w->fd)) w->failed_errno = errno;
    if (close(w->fd) && !w->failed_errno) w->failed_errno = errno;
    if (!w->failed_errno && rename(w->tmp.data, w->path.data)) w->failed_errno = errno;
    sns_status s = SNS_OK;
    if (w->failed_errno) {
        s = put_failed(w, err);
        unlink(w->tmp.data);
    }
    writer_free(w);
    return s;
}

void sns_writer_abort(sns_writer *w) {
    if (!w) return;
    close(w->fd);
    unlink(w->tmp.data);
    writer_free(w);
}
