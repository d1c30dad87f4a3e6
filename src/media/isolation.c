/* isolation.c - films and recordings are decoded in processes of their own.
 *
 *     asking process --(socket)--> server --fork--> worker: a film, or recordings one after another
 *
 * Decoders are large, and what they read is hostile. The server is forked while the asking process
 * has no other threads, and does little but fork: a process with threads can't safely go on after
 * its own fork, for locks that other threads held are never released in the child. It loads
 * FFmpeg's libraries when it is first asked, so that its workers need not. For each worker the
 * asking side sends one end of a socket pair; one that ends without an answer has crashed, and that
 * is an error of its file alone. What a worker says is checked as if it came from the file.
 *
 * A worker takes longer to start than most recordings to decode, so one that gave its answer waits
 * for the next. Should it crash then, an earlier file may be to blame, and a new worker tries
 * again.
 */
#include "media/isolation.h"
#include "base/error.h"
#include "base/strbuf.h"
#include "media/av_calls.h"
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { POLL_MS = 100, MOST_IDLE = 16, PATIENCE_MS = 50 };
static const size_t default_max_pixels = (size_t)64 << 20;

struct sns_isolation {
    int server; /* socket */
    pid_t pid;
    pthread_mutex_t lock; /* of what follows */
    int idle[MOST_IDLE];  /* lines of workers that wait */
    size_t idle_count;
};

struct sns_worker {
    char *path;
    sns_line line;
    size_t max_pixels;
    sns_answer answer; /* the last one */
    double duration;
    sns_image image;
    sns_sound part;
    size_t room; /* of its samples */
    bool ended;
};

/* ---- the server ----------------------------------------------------------------------------- */

/* A file descriptor that was sent along with a byte; -1: the other side is gone. */
static int receive_fd(int from) {
    char byte;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {&byte, 1};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof control.bytes};
    ssize_t got;
    do got = recvmsg(from, &m, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    struct cmsghdr *c = got > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len < CMSG_LEN(sizeof(int))) return -1;
    int fd;
    memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return fd;
}

static bool send_fd(int to, int fd) {
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {"f", 1};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof control.bytes};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *c = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    return sendmsg(to, &m, MSG_NOSIGNAL) == 1;
}

/* Workers are waited for, so that their processor time counts as the asking process's. */
static void wait_workers(int number) {
    (void)number;
    int code = errno;
    while (waitpid(-1, NULL, WNOHANG) > 0) continue;
    errno = code;
}

static void serve(int from) {
    struct sigaction reap = {.sa_handler = wait_workers};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL); /* no one else's handlers */
    sigaction(SIGCHLD, &reap, NULL);
    signal(SIGINT, SIG_IGN);  /* a terminal's interrupt is for the asking process, */
    signal(SIGTERM, SIG_IGN); /* which may finish something; this one ends with it */
    for (int fd; (fd = receive_fd(from)) >= 0; close(fd)) {
        sns_av_start(NULL); /* a failure is the worker's to tell */
        if (fork()) continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(from);
        sns_decode_for(fd);
        _exit(0);
    }
    /* Those that only wait have been told to end; those that don't are killed with this one. */
    for (int i = 0; i < PATIENCE_MS && waitpid(-1, NULL, WNOHANG) >= 0; i++) usleep(1000);
}

sns_status sns_isolation_new(sns_isolation **out, sns_error *err) {
    int pair[2];
    *out = NULL;
    sns_isolation *i = calloc(1, sizeof *i);
    if (!i) return sns_fail(err, SNS_NOMEM, "no memory for a decoding process");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
        free(i);
        return sns_fail_errno(err, SNS_IO, errno, "a decoding process");
    }
    i->pid = fork();
    if (i->pid == 0) {
        close(pair[0]);
        serve(pair[1]);
        _exit(0);
    }
    close(pair[1]);
    i->server = pair[0];
    pthread_mutex_init(&i->lock, NULL);
    if (i->pid < 0) {
        int code = errno;
        sns_isolation_free(i);
        return sns_fail_errno(err, SNS_IO, code, "a decoding process");
    }
    *out = i;
    return SNS_OK;
}

void sns_isolation_free(sns_isolation *i) {
    if (!i) return;
    for (size_t k = 0; k < i->idle_count; k++) close(i->idle[k]); /* at which a worker ends, */
    close(i->server);                                             /* and the server */
    if (i->pid > 0)
        while (waitpid(i->pid, NULL, 0) < 0 && errno == EINTR) continue;
    pthread_mutex_destroy(&i->lock);
    free(i);
}

/* ---- the asking side ------------------------------------------------------------------------ */

sns_status sns_line_gone(sns_line *line, sns_error *err) {
    line->gone = true;
    return sns_fail(err, SNS_FORMAT, "%s: its decoder crashed", line->name);
}

/* sns_receive_all that looks at the caller's flag. */
sns_status sns_line_receive(sns_line *line, void *bytes, size_t n, sns_error *err) {
    char *at = bytes;
    while (n) {
        struct pollfd p = {line->fd, POLLIN, 0};
        if (line->cancel && *(const volatile int *)line->cancel)
            return sns_fail(err, SNS_CANCELLED, "%s: cancelled", line->name);
        if (poll(&p, 1, POLL_MS) <= 0) continue;
        ssize_t got = recv(line->fd, at, n, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return sns_line_gone(line, err);
        at += got;
        n -= (size_t)got;
    }
    return SNS_OK;
}

sns_status sns_line_answer(sns_line *line, sns_answer *a, sns_error *err) {
    sns_status s = sns_line_receive(line, a, sizeof *a, err);
    if (s) return s;
    a->sample.image.rgb = NULL;
    a->err.message[sizeof a->err.message - 1] = 0;
    return a->err.code ? sns_fail(err, a->err.code, "%s", a->err.message) : SNS_OK;
}

/* A worker that waits; below 0: there is none. */
static int take_idle(sns_isolation *i) {
    pthread_mutex_lock(&i->lock);
    int fd = i->idle_count ? i->idle[--i->idle_count] : -1;
    pthread_mutex_unlock(&i->lock);
    return fd;
}

static bool keep_idle(sns_isolation *i, int fd) {
    pthread_mutex_lock(&i->lock);
    bool room = i->idle_count < MOST_IDLE;
    if (room) i->idle[i->idle_count++] = fd;
    pthread_mutex_unlock(&i->lock);
    return room;
}

/* A new worker; below 0: there is none, and errno says why. */
static int start_worker(const sns_isolation *i) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) return -1;
    bool sent = send_fd(i->server, pair[1]);
    close(pair[1]);
    if (sent) return pair[0];
    close(pair[0]);
    return -1;
}

static bool tell(int fd, const sns_work *work, const char *path, const void *bytes) {
    return sns_send_all(fd, work, sizeof *work) && sns_send_all(fd, path, work->path_size) &&
           sns_send_all(fd, bytes, work->bytes_size);
}

sns_status sns_line_open(const sns_isolation *isolation, sns_work *work, const void *bytes,
                         sns_line *line, sns_error *err) {
    sns_isolation *i = (sns_isolation *)(uintptr_t)isolation;
    work->path_size = strlen(line->name);
    line->fd = -1;
    line->gone = false;
    if (work->path_size > SNS_WORK_MOST_PATH || work->bytes_size > SNS_WORK_MOST_BYTES)
        return sns_fail(err, SNS_LIMIT, "%.200s: %zu bytes are too many to decode in memory",
                        line->name, work->bytes_size);
    do {
        int fd = work->kind == SNS_WORK_SOUND ? take_idle(i) : -1;
        line->used = fd >= 0;
        if (fd < 0) fd = start_worker(i);
        if (fd >= 0 && tell(fd, work, line->name, bytes))
            line->fd = fd;
        else if (fd >= 0)
            close(fd);
    } while (line->fd < 0 && line->used);
    return line->fd < 0 ? sns_fail(err, SNS_IO, "%s: no process to decode it", line->name) : SNS_OK;
}

void sns_line_close(const sns_isolation *isolation, sns_line *line, bool keep) {
    if (line->fd < 0) return;
    if (!keep || !keep_idle((sns_isolation *)(uintptr_t)isolation, line->fd)) close(line->fd);
    line->fd = -1;
}

/* ---- films and sounds in parts --------------------------------------------------------------- */

/* An answer of a kind, or the end. */
static sns_status receive_answer(sns_worker *w, sns_answer_kind kind, sns_error *err) {
    sns_status s = sns_line_answer(&w->line, &w->answer, err);
    if (s) return s;
    sns_answer_kind got = w->answer.kind;
    return got == kind || (kind != SNS_ANSWER_OPEN && got == SNS_ANSWER_END)
               ? SNS_OK
               : sns_line_gone(&w->line, err);
}

static sns_status receive_pixels(sns_worker *w, sns_error *err) {
    size_t width = w->answer.sample.image.width_px, height = w->answer.sample.image.height_px;
    if (!width || !height || width > w->max_pixels / height) return sns_line_gone(&w->line, err);
    if (w->image.width_px != width || w->image.height_px != height) {
        sns_image_free(&w->image);
        if (!(w->image.rgb = malloc(3 * width * height)))
            return sns_fail(err, SNS_NOMEM, "%s: no memory for a frame", w->path);
        w->image.width_px = width;
        w->image.height_px = height;
    }
    return sns_line_receive(&w->line, w->image.rgb, 3 * width * height, err);
}

static sns_status open_worker(const sns_isolation *isolation, const char *path, sns_work *work,
                              const int *cancel, sns_worker **out, sns_error *err) {
    *out = NULL;
    sns_worker *w = calloc(1, sizeof *w);
    if (!w || !(w->path = sns_strdup(path))) {
        free(w);
        return sns_fail(err, SNS_NOMEM, "%s: no memory", path);
    }
    w->line = (sns_line){.name = w->path, .fd = -1, .cancel = cancel};
    w->max_pixels = work->video.max_pixels ? work->video.max_pixels : default_max_pixels;
    w->part.rate_hz = work->sound.rate_hz;
    sns_status s = sns_line_open(isolation, work, NULL, &w->line, err);
    if (!s) s = receive_answer(w, SNS_ANSWER_OPEN, err);
    w->duration = w->answer.duration;
    if (s)
        sns_worker_free(w);
    else
        *out = w;
    return s;
}

sns_status sns_worker_open(const sns_isolation *isolation, const char *path,
                           const sns_video_options *video, const sns_sample_options *sampling,
                           sns_worker **out, sns_error *err) {
    sns_work work = {.kind = SNS_WORK_FILM};
    if (video) work.video = *video;
    if (sampling) work.sampling = *sampling;
    return open_worker(isolation, path, &work, work.video.cancel, out, err);
}

sns_status sns_worker_open_sound(const sns_isolation *isolation, const char *path,
                                 const sns_sound_options *options, sns_worker **out,
                                 sns_error *err) {
    sns_work work = {.kind = SNS_WORK_PARTS};
    if (options) work.sound = *options;
    return open_worker(isolation, path, &work, work.sound.cancel, out, err);
}

sns_status sns_worker_next(sns_worker *w, sns_sample *out, sns_error *err) {
    *out = (sns_sample){0};
    if (w->ended) return SNS_OK;
    sns_status s = receive_answer(w, SNS_ANSWER_SAMPLE, err);
    if (!s && w->answer.kind == SNS_ANSWER_SAMPLE) s = receive_pixels(w, err);
    w->ended = s || w->answer.kind == SNS_ANSWER_END;
    if (w->ended) return s;
    const sns_sample *sample = &w->answer.sample;
    if (!(sample->start <= sample->seconds && sample->seconds < sample->end) ||
        (sample->next.seconds != 0 && sample->next.seconds != sample->end)) {
        w->ended = true;
        return sns_line_gone(&w->line, err);
    }
    *out = *sample;
    out->image = w->image;
    return SNS_OK;
}

static sns_status receive_part(sns_worker *w, sns_error *err) {
    size_t n = w->answer.count;
    if (!n || n > SNS_SOUND_PART_MOST || isinf(w->answer.start))
        return sns_line_gone(&w->line, err);
    if (n > w->room) {
        free(w->part.samples);
        w->room = n;
        if (!(w->part.samples = malloc(n * sizeof *w->part.samples))) {
            w->room = 0;
            return sns_fail(err, SNS_NOMEM, "%s: no memory for its sound", w->path);
        }
    }
    sns_status s = sns_line_receive(&w->line, w->part.samples, n * sizeof *w->part.samples, err);
    for (size_t i = 0; i < n && !s; i++)
        if (!(fabsf(w->part.samples[i]) <= 1)) s = sns_line_gone(&w->line, err);
    w->part.count = s ? 0 : n;
    return s;
}

sns_status sns_worker_next_sound(sns_worker *w, const sns_sound **out, sns_error *err) {
    *out = &w->part;
    w->part.count = 0;
    if (w->ended) return SNS_OK;
    sns_status s = receive_answer(w, SNS_ANSWER_SOUND, err);
    w->ended = s || w->answer.kind == SNS_ANSWER_END;
    if (!w->ended) s = receive_part(w, err);
    w->ended |= s != SNS_OK;
    w->part.damaged = w->answer.damaged;
    return s;
}

double sns_worker_start(const sns_worker *w) {
    return w->answer.start;
}

double sns_worker_duration(const sns_worker *w) {
    return w->duration;
}

size_t sns_worker_damaged(const sns_worker *w) {
    return w->answer.damaged;
}

void sns_worker_free(sns_worker *w) {
    if (!w) return;
    if (w->line.fd >= 0) close(w->line.fd); /* a worker that still writes ends by that */
    sns_image_free(&w->image);
    sns_sound_free(&w->part);
    free(w->path);
    free(w);
}
