/* decode_worker.c - the process that decodes: a film, or recordings one after another.
 *
 * It may take so much memory and be silent for so long, and no more: a decoder that eats memory
 * gets none, one that loops is ended by the alarm, one that crashes takes nobody along. Each of
 * these has its own line: the first two tell it here, of the last the other side sees the end. */
#include "base/error.h"
#include "media/isolation.h"
#include "media/sound_read.h"
#include "media/video_internal.h"
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_WORKS = 1000 }; /* then it ends, with whatever decoders have lost */
static const size_t default_memory = (size_t)4 << 30;
static const double default_budget = 30;

/* What the alarm says; of this process alone. */
static sns_answer hung;
static int hung_fd;

bool sns_send_all(int fd, const void *bytes, size_t n) {
    const char *at = bytes;
    while (n) {
        ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        at += sent;
        n -= (size_t)sent;
    }
    return true;
}

bool sns_receive_all(int fd, void *bytes, size_t n) {
    char *at = bytes;
    while (n) {
        ssize_t got = recv(fd, at, n, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        at += got;
        n -= (size_t)got;
    }
    return true;
}

static void on_alarm(int number) {
    (void)number;
    send(hung_fd, &hung, sizeof hung, MSG_NOSIGNAL | MSG_DONTWAIT);
    _exit(1);
}

/* Seconds of silence that are allowed: a step has its own budget, which ends before. */
static void set_alarm(void *seconds) {
    alarm(*(const unsigned *)seconds);
}

static unsigned start_alarm(int fd, const char *path, double budget) {
    unsigned silence = (unsigned)(2 * (budget > 0 ? budget : default_budget)) + 2;
    hung_fd = fd;
    sns_fail(&hung.err, SNS_LIMIT, "%s: its decoder hung for %u seconds", path, silence);
    signal(SIGALRM, on_alarm);
    alarm(silence);
    return silence;
}

/* Memory ends here by the limit. */
static void name_limit(sns_error *err, const char *path, size_t memory) {
    if (err->code == SNS_NOMEM)
        sns_fail(err, SNS_LIMIT, "%s: decoding it takes more than %zu MiB of memory", path,
                 memory >> 20);
}

static bool send_answer(int fd, sns_answer *a, const sns_error *err) {
    if (err) a->err = *err;
    return sns_send_all(fd, a, sizeof *a);
}

static void send_samples(int fd, const char *path, size_t memory, sns_video *video,
                         sns_shots *shots) {
    for (;;) {
        sns_error err = {0};
        sns_answer a = {.kind = SNS_ANSWER_SAMPLE};
        sns_status s = sns_shots_next(shots, &a.sample, &err);
        a.damaged = sns_video_damaged(video);
        if (!s && !a.sample.image.rgb) a.kind = SNS_ANSWER_END;
        name_limit(&err, path, memory);
        alarm(0); /* the other side may take its time */
        if (!send_answer(fd, &a, s ? &err : NULL) || s || a.kind == SNS_ANSWER_END) return;
        const sns_image *m = &a.sample.image;
        if (!sns_send_all(fd, m->rgb, m->width_px * m->height_px * 3)) return;
    }
}

static void decode_film(int fd, const sns_work *work, const char *path, size_t memory) {
    sns_video *video;
    sns_shots *shots;
    sns_video_info info;
    sns_error err = {0};
    sns_answer a = {.kind = SNS_ANSWER_OPEN, .duration = NAN};
    unsigned silence = start_alarm(fd, path, work->video.budget_seconds);
    sns_status s = sns_video_open(path, &work->video, &video, &err);
    if (!s) s = sns_shots_new(video, &work->sampling, &shots, &err);
    if (!s) {
        sns_video_describe(video, &info);
        a.duration = info.duration;
        video->in->on_frame = set_alarm;
        video->in->user = &silence;
    }
    name_limit(&err, path, memory);
    if (send_answer(fd, &a, s ? &err : NULL) && !s) send_samples(fd, path, memory, video, shots);
}

static void decode_sound(int fd, const sns_work *work, const char *path, const void *bytes,
                         size_t memory) {
    sns_sound sound;
    sns_error err = {0};
    sns_answer a = {.kind = SNS_ANSWER_SOUND};
    double budget = work->sound.budget_seconds;
    unsigned silence = start_alarm(fd, path, budget < default_budget ? budget : default_budget);
    sns_status s = sns_sound_read(bytes, work->bytes_size, path, &work->sound, set_alarm, &silence,
                                  &sound, &err);
    alarm(0);
    name_limit(&err, path, memory);
    a.count = sound.count;
    a.damaged = sound.damaged;
    if (send_answer(fd, &a, s ? &err : NULL) && !s)
        sns_send_all(fd, sound.samples, sound.count * sizeof *sound.samples);
    sns_sound_free(&sound);
}

/* Address space that is taken now; 0: unknown. */
static rlim_t memory_taken(void) {
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    bool known = f && fscanf(f, "%llu", &pages) == 1;
    if (f) fclose(f);
    return known ? (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) : 0;
}

/* The path, and the recording's bytes if it is in memory; false: the other side is gone. */
static bool receive_rest(int fd, const sns_work *work, char **path, char **bytes) {
    if (work->path_size > SNS_WORK_MOST_PATH || work->bytes_size > SNS_WORK_MOST_BYTES)
        return false;
    *path = calloc(1, work->path_size + 1);
    *bytes = work->in_memory ? malloc(work->bytes_size + 1) : NULL;
    return *path && (*bytes || !work->in_memory) && sns_receive_all(fd, *path, work->path_size) &&
           sns_receive_all(fd, *bytes, work->bytes_size);
}

static void decode(int fd, sns_work *work, const char *path, const char *bytes, rlim_t taken) {
    bool film = work->kind == SNS_WORK_FILM;
    size_t memory = film ? work->video.max_memory : work->sound.max_memory;
    if (!memory) memory = default_memory;
    const struct rlimit limit = {taken + memory, RLIM_INFINITY};
    if (taken) setrlimit(RLIMIT_AS, &limit);
    work->video.cancel = work->sound.cancel = NULL;
    if (film)
        decode_film(fd, work, path, memory);
    else
        decode_sound(fd, work, path, bytes, memory);
}

void sns_decode_for(int fd) {
    const struct rlimit no_core = {0, 0};
    const rlim_t taken = memory_taken();
    sns_work work;
    setrlimit(RLIMIT_CORE, &no_core);
    for (int i = 0; i < MOST_WORKS && sns_receive_all(fd, &work, sizeof work); i++) {
        char *path = NULL, *bytes = NULL;
        bool complete = receive_rest(fd, &work, &path, &bytes);
        if (complete) decode(fd, &work, path, bytes, taken);
        free(path);
        free(bytes);
        if (!complete) return;
    }
}
