/* sound.c - any recording to mono samples at one rate, here or in a process of its own.
 *
 *     bytes -> av_input (container, decoder, limits) -> swresample (mix, resample) -> f32 [count]
 *
 * A stream may change its rate or channels on its way; the resampler is then emptied and made
 * anew. Limits are on what was decoded, never on what a header announces, which may be anything. */
#include "base/error.h"
#include "base/strbuf.h"
#include "media/av_input.h"
#include "media/av_calls.h"
#include "media/isolation.h"
#include "media/sound_read.h"
#include <libavutil/channel_layout.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_RATE_HZ = 16000,
    MIN_RATE_HZ = 1000,
    MAX_RATE_HZ = 192000,
    MAX_SOURCE_RATE_HZ = 1 << 20,
    MAX_CHANNELS = 64,
    TAIL = 4096 /* samples asked for at a time when the resampler is emptied */
};
static const double default_max_seconds = 3600, default_budget = 600, step_budget = 30;

/* Options, or what stands for those that are not set. */
static size_t rate_of(const sns_sound_options *o) {
    return o->rate_hz ? o->rate_hz : DEFAULT_RATE_HZ;
}
static double seconds_of(const sns_sound_options *o) {
    return o->max_seconds > 0 ? o->max_seconds : default_max_seconds;
}
static double budget_of(const sns_sound_options *o) {
    return o->budget_seconds > 0 ? o->budget_seconds : default_budget;
}

typedef struct reading {
    const char *name;
    sns_sound *out;
    size_t rate_hz, capacity, most; /* most: samples that are allowed, or kept */
    size_t before;                  /* samples that were handed out and are gone */
    bool cut, full;
    double budget, deadline; /* seconds that all of it may take, and when they are over */
    SwrContext *swr;
    int in_rate, in_format; /* what swr was made for */
    AVChannelLayout in_layout;
} reading;

static sns_status no_memory(const reading *r, sns_error *err) {
    return sns_fail(err, SNS_NOMEM, "%s: no memory for its sound", r->name);
}

/* Room for n more samples. */
static sns_status reserve(reading *r, size_t n, sns_error *err) {
    size_t need = r->out->count + n;
    if (need <= r->capacity) return SNS_OK;
    size_t capacity = r->capacity ? r->capacity : 1 << 14;
    while (capacity < need) capacity *= 2;
    float *samples = realloc(r->out->samples, capacity * sizeof *samples);
    if (!samples) return no_memory(r, err);
    r->out->samples = samples;
    r->capacity = capacity;
    return SNS_OK;
}

/* What the resampler gives for n samples of a frame, or (data NULL) has left. */
static sns_status convert(reading *r, const uint8_t **data, int n, int room, int *got,
                          sns_error *err) {
    sns_status s = reserve(r, (size_t)room, err);
    if (s) return s;
    uint8_t *to = (uint8_t *)(r->out->samples + r->out->count);
    *got = sns_av.swr_convert(r->swr, &to, room, data, n);
    if (*got < 0) return sns_fail(err, SNS_FORMAT, "%s: its sound can't be resampled", r->name);
    r->out->count += (size_t)*got;
    if (r->before + r->out->count <= r->most) return SNS_OK;
    if (!r->cut)
        return sns_fail(err, SNS_LIMIT, "%s: more than %.4g seconds of sound", r->name,
                        (double)r->most / (double)r->rate_hz);
    r->out->count = r->most - r->before;
    r->full = true;
    return SNS_OK;
}

static sns_status drain(reading *r, sns_error *err) {
    sns_status s = SNS_OK;
    for (int got = 1; r->swr && !s && got && !r->full;) s = convert(r, NULL, 0, TAIL, &got, err);
    sns_av.swr_free(&r->swr);
    sns_av.av_channel_layout_uninit(&r->in_layout);
    return s;
}

static bool fits(const reading *r, const AVFrame *f) {
    return r->swr && r->in_rate == f->sample_rate && r->in_format == f->format &&
           !sns_av.av_channel_layout_compare(&r->in_layout, &f->ch_layout);
}

/* A resampler for frames like this one. Channels in no stated order are taken to be in the usual
 * one. */
static sns_status start(reading *r, const AVFrame *f, sns_error *err) {
    AVChannelLayout mono = AV_CHANNEL_LAYOUT_MONO;
    int channels = f->ch_layout.nb_channels, code = -1;
    if (f->sample_rate < 1 || f->sample_rate > MAX_SOURCE_RATE_HZ || channels < 1 ||
        channels > MAX_CHANNELS)
        return sns_fail(err, SNS_UNSUPPORTED, "%s: %d channels at %d Hz", r->name, channels,
                        f->sample_rate);
    AVChannelLayout layout = {0};
    if (f->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC)
        sns_av.av_channel_layout_default(&layout, channels);
    else if (sns_av.av_channel_layout_copy(&layout, &f->ch_layout) < 0)
        return no_memory(r, err);
    if (layout.order != AV_CHANNEL_ORDER_UNSPEC)
        code = sns_av.swr_alloc_set_opts2(&r->swr, &mono, AV_SAMPLE_FMT_FLT, (int)r->rate_hz,
                                          &layout, (enum AVSampleFormat)f->format, f->sample_rate,
                                          0, NULL);
    sns_av.av_channel_layout_uninit(&layout);
    if (code >= 0) code = sns_av.swr_init(r->swr);
    if (code == AVERROR(ENOMEM) || sns_av.av_channel_layout_copy(&r->in_layout, &f->ch_layout) < 0)
        return no_memory(r, err);
    if (code < 0)
        return sns_fail(err, SNS_UNSUPPORTED, "%s: its %d channels can't be mixed into one",
                        r->name, channels);
    r->in_rate = f->sample_rate;
    r->in_format = f->format;
    return SNS_OK;
}

static sns_status take(reading *r, const AVFrame *f, sns_error *err) {
    sns_status s = SNS_OK;
    int got;
    if (!fits(r, f)) {
        if ((s = drain(r, err)) || r->full || (s = start(r, f, err))) return s;
    }
    int room = sns_av.swr_get_out_samples(r->swr, f->nb_samples);
    if (room < 0) return sns_fail(err, SNS_FORMAT, "%s: its sound can't be resampled", r->name);
    return convert(r, (const uint8_t **)(uintptr_t)f->extended_data, f->nb_samples, room + 1, &got,
                   err);
}

/* Samples as players take them: within -1 ... 1. */
static sns_status tidy(const reading *r, sns_error *err) {
    sns_sound *o = r->out;
    for (size_t i = 0; i < o->count; i++) {
        float x = o->samples[i];
        if (!isfinite(x))
            return sns_fail(err, SNS_FORMAT, "%s: sample %zu is not a number", r->name,
                            r->before + i);
        o->samples[i] = x < -1 ? -1 : x > 1 ? 1 : x;
    }
    return SNS_OK;
}

/* ---- a part at a time ---- */

struct sns_sound_stream {
    reading r;
    sns_sound part;
    sns_av_input *in;
    char *name;
    double start; /* of the first sample; NaN: not known yet */
    bool ended;
};

static sns_status open_stream(sns_sound_stream *s, const void *bytes, size_t size, const char *name,
                              const sns_sound_options *o, sns_error *err) {
    size_t rate = rate_of(o);
    double seconds = seconds_of(o);
    if (rate < MIN_RATE_HZ || rate > MAX_RATE_HZ || !(seconds <= 1e6))
        return sns_fail(err, SNS_ARG, "%s: sound at %zu Hz of up to %g seconds can't be asked for",
                        name, rate, seconds);
    double budget = budget_of(o);
    const sns_av_options av = {.cancel = o->cancel,
                               .budget_seconds = budget < step_budget ? budget : step_budget};
    size_t most = (size_t)(seconds * (double)rate);
    s->part.rate_hz = rate;
    s->start = NAN;
    if (!(s->name = sns_strdup(name))) return sns_fail(err, SNS_NOMEM, "%s: no memory", name);
    s->r = (reading){.name = s->name,
                     .out = &s->part,
                     .rate_hz = rate,
                     .most = most ? most : 1,
                     .cut = o->cut != 0,
                     .deadline = INFINITY};
    return bytes ? sns_av_open_memory(bytes, size, name, AVMEDIA_TYPE_AUDIO, &av, &s->in, err)
                 : sns_av_open(name, AVMEDIA_TYPE_AUDIO, &av, &s->in, err);
}

static sns_status new_stream(const void *bytes, size_t size, const char *name,
                             const sns_sound_options *options, sns_sound_stream **out,
                             sns_error *err) {
    static const sns_sound_options defaults = {0};
    *out = NULL;
    sns_sound_stream *s = calloc(1, sizeof *s);
    if (!s) return sns_fail(err, SNS_NOMEM, "%s: no memory", name);
    sns_status status = open_stream(s, bytes, size, name, options ? options : &defaults, err);
    if (status)
        sns_sound_stream_close(s);
    else
        *out = s;
    return status;
}

sns_status sns_sound_stream_open(const char *path, const sns_sound_options *options,
                                 sns_sound_stream **out, sns_error *err) {
    return new_stream(NULL, 0, path, options, out, err);
}

void sns_sound_stream_close(sns_sound_stream *s) {
    if (!s) return;
    if (s->in) { /* without it FFmpeg may not be loaded */
        sns_av.swr_free(&s->r.swr);
        sns_av.av_channel_layout_uninit(&s->r.in_layout);
    }
    sns_av_close(s->in);
    sns_sound_free(&s->part);
    free(s->name);
    free(s);
}

double sns_sound_stream_start(const sns_sound_stream *s) {
    return s->start;
}

sns_status sns_sound_stream_next(sns_sound_stream *s, size_t least, const sns_sound **out,
                                 sns_error *err) {
    reading *r = &s->r;
    sns_status status = SNS_OK;
    *out = &s->part;
    r->before += s->part.count;
    s->part.count = 0;
    while (!status && !s->ended && s->part.count < least) {
        AVFrame *f;
        status = sns_av_next(s->in, &f, err);
        if (status) break;
        if (f && isnan(s->start)) s->start = sns_av_frame_seconds(s->in, f);
        status = f ? take(r, f, err) : drain(r, err);
        s->ended = !f || r->full;
        if (!status && sns_av_clock() > r->deadline)
            status = sns_fail(err, SNS_LIMIT, "%s: reading it takes more than %.3g seconds",
                              r->name, r->budget);
    }
    s->part.damaged = s->in->damaged;
    if (status) return status;
    if (s->ended && !r->before && !s->part.count)
        return sns_fail(err, SNS_FORMAT, "%s: %s", r->name,
                        s->part.damaged ? "none of its sound can be decoded"
                                        : "there is no sound in it, or next to none");
    return tidy(r, err);
}

void sns_sound_stream_watch(sns_sound_stream *s, void (*on_frame)(void *user), void *user) {
    s->in->on_frame = on_frame;
    s->in->user = user;
}

/* ---- all of it ---- */

sns_status sns_sound_read(const void *bytes, size_t size, const char *name,
                          const sns_sound_options *o, void (*on_frame)(void *user), void *user,
                          sns_sound *out, sns_error *err) {
    sns_sound_stream *stream;
    const sns_sound *all;
    double budget = budget_of(o);
    double deadline = sns_av_clock() + budget;
    *out = (sns_sound){0};
    sns_status s = new_stream(bytes, size, name, o, &stream, err);
    if (s) return s;
    stream->r.budget = budget;
    stream->r.deadline = deadline;
    sns_sound_stream_watch(stream, on_frame, user);
    if (!(s = sns_sound_stream_next(stream, SIZE_MAX, &all, err))) {
        *out = *all;
        stream->part = (sns_sound){0};
        float *fitted = realloc(out->samples, out->count * sizeof *fitted);
        if (fitted) out->samples = fitted;
    }
    sns_sound_stream_close(stream);
    return s;
}

/* What a worker says, checked as if it came from the file. */
static sns_status receive_sound(sns_line *line, const sns_sound_options *o, sns_sound *out,
                                sns_error *err) {
    sns_answer a;
    double seconds = seconds_of(o);
    size_t rate = rate_of(o);
    sns_status s = sns_line_answer(line, &a, err);
    if (s) return s;
    if (a.kind != SNS_ANSWER_SOUND || !a.count || (double)a.count > seconds * (double)rate + 1)
        return sns_line_gone(line, err);
    *out = (sns_sound){malloc(a.count * sizeof(float)), a.count, rate, a.damaged};
    s = out->samples ? sns_line_receive(line, out->samples, a.count * sizeof(float), err)
                     : sns_fail(err, SNS_NOMEM, "%s: no memory for its sound", line->name);
    for (size_t i = 0; i < a.count && !s; i++)
        if (!(fabsf(out->samples[i]) <= 1)) s = sns_line_gone(line, err);
    return s;
}

static sns_status read_elsewhere(const void *bytes, size_t size, const char *name,
                                 const sns_sound_options *o, sns_sound *out, sns_error *err) {
    sns_work work = {
        .kind = SNS_WORK_SOUND, .sound = *o, .bytes_size = size, .in_memory = bytes != NULL};
    sns_line line = {.name = name, .cancel = o->cancel};
    sns_status s;
    do {
        *out = (sns_sound){0};
        s = sns_line_open(o->isolation, &work, bytes, &line, err);
        if (!s) s = receive_sound(&line, o, out, err);
        bool answered = !line.gone && s != SNS_CANCELLED && s != SNS_LIMIT && s != SNS_NOMEM;
        sns_line_close(o->isolation, &line, answered);
        if (s) sns_sound_free(out);
    } while (line.gone && line.used); /* perhaps an earlier recording's fault */
    return s;
}

static sns_status read_sound(const void *bytes, size_t size, const char *name,
                             const sns_sound_options *options, sns_sound *out, sns_error *err) {
    static const sns_sound_options defaults = {0};
    const sns_sound_options *o = options ? options : &defaults;
    return o->isolation ? read_elsewhere(bytes, size, name, o, out, err)
                        : sns_sound_read(bytes, size, name, o, NULL, NULL, out, err);
}

sns_status sns_sound_load(const char *path, const sns_sound_options *options, sns_sound *out,
                          sns_error *err) {
    return read_sound(NULL, 0, path, options, out, err);
}

sns_status sns_sound_decode(const void *bytes, size_t size, const char *name,
                            const sns_sound_options *options, sns_sound *out, sns_error *err) {
    return read_sound(bytes ? bytes : "", bytes ? size : 0, name, options, out, err);
}

void sns_sound_free(sns_sound *sound) {
    if (!sound) return;
    free(sound->samples);
    *sound = (sns_sound){0};
}

/* ---- writing ---- */

static uint8_t *put(uint8_t *at, uint32_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) at[i] = (uint8_t)(value >> 8 * i);
    return at + bytes;
}

static uint8_t *put_tag(uint8_t *at, const char *tag) {
    memcpy(at, tag, 4);
    return at + 4;
}

sns_status sns_sound_encode_wav(const sns_sound *sound, uint8_t **bytes, size_t *size,
                                sns_error *err) {
    enum { HEADER = 44, PCM = 1 };
    *bytes = NULL;
    if (!sound->count) return sns_fail(err, SNS_ARG, "an empty sound can't be written");
    if (sound->count > (1u << 30) - HEADER || sound->rate_hz > UINT32_MAX / 2)
        return sns_fail(err, SNS_LIMIT, "%zu samples are too many for a WAV file", sound->count);
    uint32_t data = (uint32_t)sound->count * 2, rate = (uint32_t)sound->rate_hz;
    uint8_t *out = malloc(HEADER + data), *at = out;
    if (!out) return sns_fail(err, SNS_NOMEM, "no memory for %zu samples", sound->count);
    at = put(put_tag(at, "RIFF"), HEADER - 8 + data, 4);
    at = put(put_tag(put_tag(at, "WAVE"), "fmt "), 16, 4);
    at = put(put(at, PCM, 2), 1, 2);
    at = put(put(at, rate, 4), rate * 2, 4);
    at = put(put(at, 2, 2), 16, 2);
    at = put(put_tag(at, "data"), data, 4);
    for (size_t i = 0; i < sound->count; i++) {
        float x = sound->samples[i];
        x = x < -1 ? -1 : x > 1 ? 1 : x;
        at = put(at, (uint32_t)(int32_t)lrintf(x * 32767), 2);
    }
    *bytes = out;
    *size = HEADER + data;
    return SNS_OK;
}
