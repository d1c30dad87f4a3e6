/* decode_worker.c - the process that decodes: one film or recording, then its end.
 *
 * It may take so much memory and be silent for so long, and no more: a decoder that eats memory
 * gets none, one that loops is ended by the alarm, one that crashes takes nobody along. */
#include "media/isolation.h"
#include "media/video_internal.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_PATH = 1 << 16 };
static const rlim_t more_memory = (rlim_t)4 << 30;
static const double default_budget = 30;

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

/* Seconds of silence that are allowed: a step has its own budget, which ends before. */
static void set_alarm(void *seconds) {
    alarm(*(const unsigned *)seconds);
}

static bool send_answer(int fd, sns_answer *a, const sns_error *err) {
    if (err) a->err = *err;
    return sns_send_all(fd, a, sizeof *a);
}

static void send_samples(int fd, sns_video *video, sns_shots *shots) {
    for (;;) {
        sns_error err = {0};
        sns_answer a = {.kind = SNS_ANSWER_SAMPLE};
        sns_status s = sns_shots_next(shots, &a.sample, &err);
        a.damaged = sns_video_damaged(video);
        if (!s && !a.sample.image.rgb) a.kind = SNS_ANSWER_END;
        alarm(0); /* the other side may take its time */
        if (!send_answer(fd, &a, s ? &err : NULL) || s || a.kind == SNS_ANSWER_END) return;
        const sns_image *m = &a.sample.image;
        if (!sns_send_all(fd, m->rgb, m->width_px * m->height_px * 3)) return;
    }
}

static void send_sound(int fd, sns_sound_stream *stream, unsigned silence) {
    for (;;) {
        sns_error err = {0};
        sns_answer a = {.kind = SNS_ANSWER_SOUND};
        const sns_sound *part;
        alarm(silence);
        sns_status s = sns_sound_stream_next(stream, SNS_SOUND_PART, &part, &err);
        alarm(0);
        a.damaged = part->damaged;
        a.count = part->count;
        a.start = sns_sound_stream_start(stream);
        if (!s && !a.count) a.kind = SNS_ANSWER_END;
        if (!send_answer(fd, &a, s ? &err : NULL) || s || a.kind == SNS_ANSWER_END) return;
        if (!sns_send_all(fd, part->samples, part->count * sizeof *part->samples)) return;
    }
}

static void listen_to(int fd, const sns_work *work, const char *path) {
    sns_sound_stream *stream;
    sns_error err = {0};
    sns_answer a = {.kind = SNS_ANSWER_OPEN, .duration = NAN};
    const unsigned silence = (unsigned)(2 * default_budget) + 2;
    alarm(silence);
    sns_status s = sns_sound_stream_open(path, &work->sound, &stream, &err);
    if (send_answer(fd, &a, s ? &err : NULL) && !s) send_sound(fd, stream, silence);
}

static void decode(int fd, const sns_work *work, const char *path) {
    sns_video *video;
    sns_shots *shots;
    sns_video_info info;
    sns_error err = {0};
    sns_answer a = {.kind = SNS_ANSWER_OPEN, .duration = NAN};
    double budget = work->video.budget_seconds;
    unsigned silence = (unsigned)(2 * (budget > 0 ? budget : default_budget)) + 2;
    alarm(silence);
    sns_status s = sns_video_open(path, &work->video, &video, &err);
    if (!s) s = sns_shots_new(video, &work->sampling, &shots, &err);
    if (!s) {
        sns_video_describe(video, &info);
        a.duration = info.duration;
        video->on_frame = set_alarm;
        video->user = &silence;
    }
    if (send_answer(fd, &a, s ? &err : NULL) && !s) send_samples(fd, video, shots);
}

/* So much more address space than was taken when it was forked. */
static void limit_memory(void) {
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    bool known = f && fscanf(f, "%llu", &pages) == 1;
    if (f) fclose(f);
    if (!known) return;
    rlim_t most = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + more_memory;
    const struct rlimit memory = {most, most};
    setrlimit(RLIMIT_AS, &memory);
}

void sns_decode_for(int fd) {
    sns_work work;
    char *path;
    const struct rlimit no_core = {0, 0};
    limit_memory();
    setrlimit(RLIMIT_CORE, &no_core);
    if (!sns_receive_all(fd, &work, sizeof work) || work.path_size > MOST_PATH) return;
    if (!(path = calloc(1, work.path_size + 1))) return;
    work.video.cancel = work.sound.cancel = NULL;
    if (sns_receive_all(fd, path, work.path_size))
        (work.hears ? listen_to : decode)(fd, &work, path);
    free(path);
}
