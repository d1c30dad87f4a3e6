/* av_source.c - the bytes of one film or recording: a file or memory, and when to stop reading.
 *
 * FFmpeg is never given a name to open: it gets a reader of one open file, so that a playlist, a
 * list of files or a path with a colon in it can reach nothing else. */
#include "media/av_source.h"
#include "media/av_calls.h"
#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <libavutil/error.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER_BYTES = 64 << 10 };

double sns_av_clock(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int sns_av_interrupted(void *source) {
    sns_av_source *s = source;
    if (s->deadline > 0 && sns_av_clock() > s->deadline) s->late = true;
    return s->late || (s->cancel && *(const volatile int *)s->cancel);
}

static int read_some(void *source, uint8_t *to, int n) {
    sns_av_source *s = source;
    if (sns_av_interrupted(s)) return AVERROR_EXIT;
    if (s->at >= s->size) return AVERROR_EOF;
    if (n > s->size - s->at) n = (int)(s->size - s->at);
    if (s->fd < 0) {
        memcpy(to, s->bytes + s->at, (size_t)n);
    } else {
        ssize_t got;
        do got = pread(s->fd, to, (size_t)n, (off_t)s->at);
        while (got < 0 && errno == EINTR);
        if (got < 0) return AVERROR(errno);
        if (got == 0) return AVERROR_EOF; /* it has shrunk since */
        n = (int)got;
    }
    s->at += n;
    return n;
}

static int64_t seek_to(void *source, int64_t offset, int whence) {
    sns_av_source *s = source;
    whence &= ~AVSEEK_FORCE;
    if (whence == AVSEEK_SIZE) return s->size;
    if (whence == SEEK_CUR) offset += s->at;
    if (whence == SEEK_END) offset += s->size;
    if (offset < 0) return AVERROR(EINVAL);
    return s->at = offset;
}

sns_status sns_av_source_file(const char *path, sns_av_source *out, sns_error *err) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    *out = (sns_av_source){.fd = fd};
    if (fd < 0)
        return sns_fail_errno(err, errno == ENOENT ? SNS_MISSING : SNS_IO, errno, "%s", path);
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        sns_av_source_close(out, NULL);
        return sns_fail(err, SNS_IO, "%s: not a regular file", path);
    }
    out->size = st.st_size;
    return SNS_OK;
}

AVIOContext *sns_av_source_context(sns_av_source *source) {
    unsigned char *buffer = sns_av.av_malloc(BUFFER_BYTES);
    AVIOContext *io = buffer ? sns_av.avio_alloc_context(buffer, BUFFER_BYTES, 0, source, read_some,
                                                         NULL, seek_to)
                             : NULL;
    if (!io) sns_av.av_free(buffer);
    return io;
}

void sns_av_source_close(sns_av_source *source, AVIOContext **io) {
    if (io && *io) {
        sns_av.av_freep(&(*io)->buffer); /* FFmpeg may have replaced the one it was given */
        sns_av.avio_context_free(io);
    }
    if (source->fd >= 0) close(source->fd);
    source->fd = -1;
}
