/* sound_reader.c - a sound of any length as the vectors of its windows, in bounded memory.
 *
 * With W samples of a window and n in all, windows are from 0, W/2, W, ... and the last from n - W,
 * as in encode_sound.c. Only what the windows to come may need is held: the last W + W/2 samples
 * and what was read ahead. A window stands for the time up to the middle between its own and the
 * next one's, so that spans join without gaps. A thread reads and makes spectrograms a batch ahead
 * (ahead.h), the caller encodes. */
#include "embed/sound_reader.h"
#include "base/error.h"
#include "base/memory.h"
#include "embed/ahead.h"
#include "embed/model_internal.h"
#include <math.h>

enum { WINDOWS_AT_ONCE = 16 };

/* A batch that was read. */
typedef struct read_batch {
    size_t count; /* windows */
    sns_span spans[WINDOWS_AT_ONCE];
    float *inputs; /* [WINDOWS_AT_ONCE, frames, mels] */
    bool more;
    size_t damaged;
    sns_error error; /* its code SNS_OK: none */
} read_batch;

struct sns_sound_reader {
    const sns_model *model;
    const char *path;
    sns_session *session;
    sns_sound_stream *stream; /* in this process, or a worker */
    sns_worker *worker;
    size_t size, step; /* samples of a window, between two */
    float *vectors;
    size_t damaged; /* up to the batch that was handed out */

    /* The thread's, once it has begun. */
    sns_ahead *ahead;
    read_batch batch[SNS_AHEAD_PLACES];
    float *samples; /* [room], from number `first` on; count of them */
    size_t first, count, room;
    size_t next;         /* window */
    size_t damaged_read; /* so far */
    bool ended;          /* no more samples */
    bool last;           /* the last window was taken */
    bool stop;           /* atomic: nobody waits for what is read */
};

/* ---- opening ---- */

static bool fill(void *user, size_t place);

static sns_status begin(sns_sound_reader *r, const sns_sound_reading *o, sns_error *err) {
    const sns_model *m = r->model;
    if (!m->mel) return sns_fail(err, SNS_SHAPE, "%s: the model has no audio tower", m->dir);
    const sns_sound_options sound = {.rate_hz = sns_model_sound_rate_hz(m),
                                     .max_seconds = o->max_seconds,
                                     .cut = 1,
                                     .cancel = o->cancel};
    r->size = sns_log_mel_samples(sns_log_mel_config_of(m->mel), m->config.frames);
    r->step = r->size / 2 ? r->size / 2 : 1;
    size_t floats = WINDOWS_AT_ONCE * sns_clip_input_floats(&m->config);
    bool room = (r->vectors = malloc(WINDOWS_AT_ONCE * m->config.embed * sizeof *r->vectors));
    for (size_t i = 0; i < SNS_AHEAD_PLACES && room; i++)
        room = (r->batch[i].inputs = sns_aligned_alloc(floats * sizeof(float)));
    if (!room) return sns_fail(err, SNS_NOMEM, "%s: no memory", r->path);
    sns_status s = o->isolation
                       ? sns_worker_open_sound(o->isolation, r->path, &sound, &r->worker, err)
                       : sns_sound_stream_open(r->path, &sound, &r->stream, err);
    if (!s) s = sns_session_new(m, &r->session, err);
    return s ? s : sns_ahead_new(fill, r, &r->ahead, err);
}

sns_status sns_sound_reader_open(const sns_model *model, const char *path,
                                 const sns_sound_reading *o, sns_sound_reader **out,
                                 sns_error *err) {
    *out = NULL;
    sns_sound_reader *r = calloc(1, sizeof *r);
    if (!r) return sns_fail(err, SNS_NOMEM, "%s: no memory", path);
    r->model = model;
    r->path = path;
    r->next = o->after;
    sns_status s = begin(r, o, err);
    if (s)
        sns_sound_reader_free(r);
    else
        *out = r;
    return s;
}

void sns_sound_reader_free(sns_sound_reader *r) {
    if (!r) return;
    __atomic_store_n(&r->stop, true, __ATOMIC_RELAXED);
    sns_ahead_free(r->ahead);
    sns_worker_free(r->worker);
    sns_sound_stream_close(r->stream);
    sns_session_free(r->session);
    free(r->samples);
    for (size_t i = 0; i < SNS_AHEAD_PLACES; i++) sns_aligned_free(r->batch[i].inputs);
    free(r->vectors);
    free(r);
}

size_t sns_sound_reader_damaged(const sns_sound_reader *r) {
    return r->damaged;
}

/* ---- samples ---- */

/* What comes before the window that is taken next, or could be the last, goes. */
static void forget(sns_sound_reader *r) {
    size_t keep = r->next ? (r->next - 1) * r->step : 0;
    if (keep <= r->first || !r->count) return;
    size_t gone = keep - r->first < r->count ? keep - r->first : r->count;
    memmove(r->samples, r->samples + gone, (r->count - gone) * sizeof *r->samples);
    r->first += gone;
    r->count -= gone;
}

static sns_status add(sns_sound_reader *r, const sns_sound *part, sns_error *err) {
    forget(r);
    if (r->count + part->count > r->room) {
        size_t room = r->count + part->count + 2 * r->size;
        float *samples = realloc(r->samples, room * sizeof *samples);
        if (!samples) return sns_fail(err, SNS_NOMEM, "%s: no memory for its sound", r->path);
        r->samples = samples;
        r->room = room;
    }
    memcpy(r->samples + r->count, part->samples, part->count * sizeof *r->samples);
    r->count += part->count;
    return SNS_OK;
}

/* Read until sample number `to` is there, or the sound has ended. */
static sns_status read_to(sns_sound_reader *r, size_t to, sns_error *err) {
    sns_status s = SNS_OK;
    while (!s && !r->ended && r->first + r->count <= to) {
        const sns_sound *part;
        s = r->worker ? sns_worker_next_sound(r->worker, &part, err)
                      : sns_sound_stream_next(r->stream, r->size, &part, err);
        if (s) break;
        r->damaged_read = part->damaged;
        r->ended = !part->count;
        if (part->count) s = add(r, part, err);
    }
    return s;
}

/* ---- windows ---- */

static double seconds_of(const sns_sound_reader *r, double sample) {
    double start = r->worker ? sns_worker_start(r->worker) : sns_sound_stream_start(r->stream);
    if (!(start > 0)) start = 0;
    return start + sample / (double)sns_model_sound_rate_hz(r->model);
}

/* The first sample of window i; *last: no other follows. read_to(first sample after it) came
 * before. */
static size_t place_of(const sns_sound_reader *r, size_t i, bool *last) {
    size_t n = r->first + r->count, at = i * r->step;
    *last = r->ended && n <= at + r->size;
    return *last && at + r->size > n ? (n > r->size ? n - r->size : 0) : at;
}

static sns_span span_of(const sns_sound_reader *r, size_t i, size_t at, bool last) {
    double half = (double)r->step / 2, middle = (double)(i * r->step) + (double)r->size / 2;
    double start = i ? middle - half : 0;
    double end = last ? (double)(r->first + r->count) : middle + half;
    size_t have = r->first + r->count - at;
    double peak = (double)at + (double)(have < r->size ? have : r->size) / 2;
    return (sns_span){.start = seconds_of(r, start),
                      .end = seconds_of(r, end),
                      .seconds = seconds_of(r, fmin(fmax(peak, start), end - 0.5))};
}

/* The spectrogram and the span of the next window. */
static sns_status take(sns_sound_reader *r, read_batch *b, sns_error *err) {
    const sns_model *m = r->model;
    float *padded = NULL, *out = b->inputs + b->count * sns_clip_input_floats(&m->config);
    size_t at = place_of(r, r->next, &r->last), have = r->first + r->count - at;
    const float *from = r->samples + (at - r->first);
    if (have < r->size) { /* the whole sound is shorter than a window */
        if (!(padded = calloc(r->size, sizeof *padded)))
            return sns_fail(err, SNS_NOMEM, "%s: no memory for its sound", r->path);
        memcpy(padded, from, have * sizeof *padded);
        from = padded;
    }
    sns_status s = sns_log_mel_run(m->mel, from, r->size, out, err);
    b->spans[b->count++] = span_of(r, r->next++, at, r->last);
    free(padded);
    return s;
}

static sns_status read_windows(sns_sound_reader *r, read_batch *b, sns_error *err) {
    while (b->count < WINDOWS_AT_ONCE && !r->last && !__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
        sns_status s = read_to(r, r->next * r->step + r->size, err);
        if (s) return s;
        /* Was the window before the last one? Only where `after` says so. */
        if (r->next && r->first + r->count <= (r->next - 1) * r->step + r->size) break;
        if ((s = take(r, b, err))) return s;
    }
    b->more = b->count && !r->last;
    return SNS_OK;
}

static bool fill(void *user, size_t place) {
    sns_sound_reader *r = user;
    read_batch *b = &r->batch[place];
    b->count = 0;
    b->more = false;
    b->error.code = SNS_OK;
    sns_status s = read_windows(r, b, &b->error);
    b->damaged = r->damaged_read;
    return !s && b->count;
}

sns_status sns_sound_reader_next(sns_sound_reader *r, sns_sound_batch *out, sns_error *err) {
    const read_batch *b = &r->batch[sns_ahead_next(r->ahead)];
    *out = (sns_sound_batch){.spans = b->spans, .vectors = r->vectors};
    r->damaged = b->damaged;
    if (b->error.code) return sns_fail(err, b->error.code, "%s", b->error.message);
    out->count = b->count;
    out->more = b->more;
    if (!b->count) return SNS_OK;
    return sns_encode_pixels(r->session, b->inputs, b->count, r->vectors, err);
}
