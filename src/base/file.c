/* file.c - whole files: mapped, read with a cap, written atomically. */
#include "base/file.h"
#include "base/error.h"
#include "base/strbuf.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Open a regular file for reading; its size goes to *size. */
static sns_status open_regular(const char *path, int *fd, size_t *size, sns_error *err) {
    struct stat st;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return sns_fail_errno(err, errno == ENOENT ? SNS_MISSING : SNS_IO, errno, "%s", path);
    if (fstat(*fd, &st) == 0 && S_ISREG(st.st_mode)) {
        *size = (size_t)st.st_size;
        return SNS_OK;
    }
    close(*fd);
    return sns_fail(err, SNS_IO, "%s: not a regular file", path);
}

sns_status sns_map_open(const char *path, sns_map *out, sns_error *err) {
    int fd;
    size_t size;
    *out = (sns_map){0};
    sns_status s = open_regular(path, &fd, &size, err);
    if (s) return s;
    if (size) {
        void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
            s = sns_fail_errno(err, SNS_IO, errno, "%s: cannot map", path);
        else
            *out = (sns_map){p, size};
    }
    close(fd);
    return s;
}

void sns_map_close(sns_map *map) {
    if (map->data) munmap((void *)(uintptr_t)map->data, map->size);
    *map = (sns_map){0};
}

static sns_status read_fully(int fd, char *to, size_t n, const char *path, sns_error *err) {
    for (size_t done = 0; done < n;) {
        ssize_t got = read(fd, to + done, n - done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return sns_fail_errno(err, SNS_IO, errno, "%s", path);
        if (got == 0) return sns_fail(err, SNS_IO, "%s: shrank while being read", path);
        done += (size_t)got;
    }
    return SNS_OK;
}

sns_status sns_file_read(const char *path, size_t max, char **data, size_t *size, sns_error *err) {
    int fd;
    size_t n;
    *data = NULL;
    *size = 0;
    sns_status s = open_regular(path, &fd, &n, err);
    if (s) return s;
    if (n > max) {
        s = sns_fail(err, SNS_LIMIT, "%s: %zu bytes, more than the %zu allowed", path, n, max);
    } else {
        char *buf = malloc(n + 1);
        if (!buf)
            s = sns_fail(err, SNS_NOMEM, "%s: no memory for %zu bytes", path, n);
        else if ((s = read_fully(fd, buf, n, path, err)))
            free(buf);
        else {
            buf[n] = 0;
            *data = buf;
            *size = n;
        }
    }
    close(fd);
    return s;
}

static int write_fully(int fd, const char *from, size_t n) {
    while (n) {
        ssize_t put = write(fd, from, n);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return errno;
        from += put;
        n -= (size_t)put;
    }
    return 0;
}

sns_status sns_file_write(const char *path, const void *data, size_t size, sns_error *err) {
    sns_strbuf tmp = {0};
    sns_strbuf_printf(&tmp, "%s.tmp.%ld", path, (long)getpid());
    if (tmp.failed) return sns_fail(err, SNS_NOMEM, "%s: no memory for its name", path);
    int fd = open(tmp.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666), e = 0;
    if (fd < 0) {
        e = errno;
    } else {
        e = write_fully(fd, data, size);
        if (!e && fsync(fd)) e = errno;
        if (close(fd) && !e) e = errno;
        if (!e && rename(tmp.data, path)) e = errno;
        if (e) unlink(tmp.data);
    }
    sns_strbuf_free(&tmp);
    return e ? sns_fail_errno(err, SNS_IO, e, "%s: cannot write", path) : SNS_OK;
}

sns_status sns_make_dirs(const char *path, sns_error *err) {
    char *copy = sns_strdup(path);
    if (!copy) return sns_fail(err, SNS_NOMEM, "%s: no memory for its name", path);
    int e = 0;
    for (char *p = copy + 1; !e; p++) {
        if (*p != '/' && *p) continue;
        char c = *p;
        *p = 0;
        struct stat st;
        if (mkdir(copy, 0777) && errno != EEXIST)
            e = errno;
        else if (stat(copy, &st) == 0 && !S_ISDIR(st.st_mode))
            e = ENOTDIR;
        *p = c;
        if (!c) break;
    }
    free(copy);
    return e ? sns_fail_errno(err, SNS_IO, e, "%s: cannot make the folder", path) : SNS_OK;
}
