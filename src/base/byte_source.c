/* byte_source.c - reading a file or a pipe in order, through one buffer.
 *
 * A command is started by posix_spawn in a process group of its own: Ctrl-C at the terminal is for
 * the training loop, which finishes its step and saves, and needs its data until then. What the
 * command says on standard error goes to a file in memory, whose last line explains a failure. */
#include "base/byte_source.h"
#include "base/error.h"
#include "base/strbuf.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 18, POLL_MS = 100 };

struct sns_bytes {
    char *name;
    int fd, messages; /* negative: none */
    pid_t pid;        /* of the command; 0: none, or it has ended */
    const volatile int *stop;
    const unsigned char *memory; /* fd negative: the bytes themselves */
    unsigned char *buffer;
    size_t size, at; /* of buffer or memory */
    bool ended;
};

bool sns_bytes_is_pipe(const char *name) {
    return !strncmp(name, "pipe:", 5);
}

static sns_bytes *bytes_new(const char *name) {
    sns_bytes *b = calloc(1, sizeof *b);
    if (!b) return NULL;
    b->fd = b->messages = -1;
    b->name = sns_strdup(name);
    if (b->name) return b;
    free(b);
    return NULL;
}

/* File actions and attributes of the command; nonzero: an errno. */
static int spawn_command(sns_bytes *b, int out) {
    char shell[] = "sh", flag[] = "-c";
    char *argv[] = {shell, flag, b->name + 5, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t reset, none;
    sigemptyset(&none);
    sigemptyset(&reset);
    sigaddset(&reset, SIGPIPE);
    sigaddset(&reset, SIGINT);
    sigaddset(&reset, SIGTERM);
    int e = posix_spawn_file_actions_init(&actions);
    if (e) return e;
    if ((e = posix_spawnattr_init(&attributes))) {
        posix_spawn_file_actions_destroy(&actions);
        return e;
    }
    e = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (!e) e = posix_spawn_file_actions_adddup2(&actions, out, 1);
    if (!e && b->messages >= 0) e = posix_spawn_file_actions_adddup2(&actions, b->messages, 2);
    if (!e)
        e = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                                      POSIX_SPAWN_SETSIGMASK);
    if (!e) e = posix_spawnattr_setpgroup(&attributes, 0);
    if (!e) e = posix_spawnattr_setsigdefault(&attributes, &reset);
    if (!e) e = posix_spawnattr_setsigmask(&attributes, &none);
    if (!e) e = posix_spawn(&b->pid, "/bin/sh", &actions, &attributes, argv, environ);
    if (e) b->pid = 0;
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return e;
}

static sns_status open_pipe(sns_bytes *b, sns_error *err) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) return sns_fail_errno(err, SNS_IO, errno, "%s", b->name);
    b->fd = ends[0];
    b->messages = memfd_create("messages", MFD_CLOEXEC);
    int e = spawn_command(b, ends[1]);
    close(ends[1]);
    return e ? sns_fail_errno(err, SNS_IO, e, "%s: cannot start the command", b->name) : SNS_OK;
}

static sns_status open_file(sns_bytes *b, sns_error *err) {
    struct stat st;
    b->fd = open(b->name, O_RDONLY | O_CLOEXEC);
    if (b->fd < 0 || fstat(b->fd, &st))
        return sns_fail_errno(err, errno == ENOENT || errno == ENOTDIR ? SNS_MISSING : SNS_IO,
                              errno, "%s", b->name);
    if (S_ISDIR(st.st_mode)) return sns_fail(err, SNS_IO, "%s: is a folder", b->name);
    posix_fadvise(b->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return SNS_OK;
}

sns_status sns_bytes_open(const char *name, const volatile int *stop, sns_bytes **out,
                          sns_error *err) {
    *out = NULL;
    sns_bytes *b = bytes_new(name);
    if (b) b->buffer = malloc(BUFFER_BYTES);
    if (!b || !b->buffer) {
        sns_bytes_free(b);
        return sns_fail(err, SNS_NOMEM, "%s: no memory to read it", name);
    }
    b->stop = stop;
    sns_status s = sns_bytes_is_pipe(name) ? open_pipe(b, err) : open_file(b, err);
    if (s) {
        sns_bytes_free(b);
        return s;
    }
    *out = b;
    return SNS_OK;
}

sns_bytes *sns_bytes_of_memory(const char *name, const void *data, size_t size) {
    sns_bytes *b = bytes_new(name);
    if (!b) return NULL;
    b->memory = data;
    b->size = size;
    return b;
}

void sns_bytes_free(sns_bytes *b) {
    if (!b) return;
    if (b->fd >= 0) close(b->fd);
    if (b->pid) {
        kill(-b->pid, SIGKILL);
        while (waitpid(b->pid, NULL, 0) < 0 && errno == EINTR) continue;
    }
    if (b->messages >= 0) close(b->messages);
    free(b->buffer);
    free(b->name);
    free(b);
}

/* The last line that the command wrote to standard error; "" when there is none. */
static void last_message(const sns_bytes *b, char *text, size_t capacity) {
    text[0] = 0;
    off_t size = b->messages >= 0 ? lseek(b->messages, 0, SEEK_END) : 0;
    off_t from = size > (off_t)capacity - 1 ? size - ((off_t)capacity - 1) : 0;
    ssize_t n = size > 0 ? pread(b->messages, text, capacity - 1, from) : 0;
    if (n <= 0) return;
    while (n && (text[n - 1] == '\n' || text[n - 1] == ' ')) n--;
    text[n] = 0;
    const char *line = strrchr(text, '\n');
    if (line) memmove(text, line + 1, strlen(line + 1) + 1);
}

/* The command has closed its output: how did it end? */
static sns_status finish_command(sns_bytes *b, sns_error *err) {
    int status = 0;
    char message[200];
    if (!b->pid) return SNS_OK;
    while (waitpid(b->pid, &status, 0) < 0)
        if (errno != EINTR) return sns_fail_errno(err, SNS_IO, errno, "%s", b->name);
    b->pid = 0;
    if (WIFEXITED(status) && !WEXITSTATUS(status)) return SNS_OK;
    last_message(b, message, sizeof message);
    if (WIFSIGNALED(status))
        return sns_fail(err, SNS_IO, "%s: the command was ended by signal %d%s%s", b->name,
                        WTERMSIG(status), *message ? ": " : "", message);
    return sns_fail(err, SNS_IO, "%s: the command failed with exit status %d%s%s", b->name,
                    WEXITSTATUS(status), *message ? ": " : "", message);
}

/* Wait until the command has written something or is done. */
static sns_status wait_for_command(const sns_bytes *b, sns_error *err) {
    struct pollfd p = {.fd = b->fd, .events = POLLIN};
    while (b->pid) {
        if (b->stop && *b->stop) return sns_fail(err, SNS_CANCELLED, "%s: stopped", b->name);
        if (poll(&p, 1, POLL_MS) > 0) break;
    }
    return SNS_OK;
}

/* Read more into the empty buffer, or find the end. */
static sns_status refill(sns_bytes *b, sns_error *err) {
    if (b->memory || b->fd < 0) {
        b->ended = true;
        return SNS_OK;
    }
    for (;;) {
        sns_status s = wait_for_command(b, err);
        if (s) return s;
        ssize_t n = read(b->fd, b->buffer, BUFFER_BYTES);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return sns_fail_errno(err, SNS_IO, errno, "%s", b->name);
        b->at = 0;
        b->size = (size_t)n;
        if (n) return SNS_OK;
        b->ended = true;
        return finish_command(b, err);
    }
}

/* What is there of the next n bytes, at least one; NULL in *piece at the end. */
static sns_status next_piece(sns_bytes *b, unsigned long long n, const unsigned char **piece,
                             size_t *size, sns_error *err) {
    *piece = NULL;
    if (b->at == b->size && !b->ended) {
        sns_status s = refill(b, err);
        if (s) return s;
    }
    if (b->at == b->size) return SNS_OK;
    size_t there = b->size - b->at;
    *size = there < n ? there : (size_t)n;
    *piece = (b->memory ? b->memory : b->buffer) + b->at;
    b->at += *size;
    return SNS_OK;
}

sns_status sns_bytes_read(sns_bytes *b, void *out, size_t n, size_t *got, sns_error *err) {
    *got = 0;
    while (*got < n) {
        const unsigned char *piece;
        size_t size;
        sns_status s = next_piece(b, n - *got, &piece, &size, err);
        if (s || !piece) return s;
        memcpy((unsigned char *)out + *got, piece, size);
        *got += size;
    }
    return SNS_OK;
}

sns_status sns_bytes_skip(sns_bytes *b, unsigned long long n, unsigned long long *skipped,
                          sns_error *err) {
    *skipped = 0;
    while (*skipped < n) {
        const unsigned char *piece;
        size_t size;
        sns_status s = next_piece(b, n - *skipped, &piece, &size, err);
        if (s || !piece) return s;
        *skipped += size;
    }
    return SNS_OK;
}
