/* shots.c - a few frames that stand for all of a film, with the spans that they stand for.
 *
 * With d(t) the difference of a frame to the one before it (look.c), D(t) that to the last sample:
 *     cut        d >= 0.2 and d >= mean + 5 deviations of the 16 differences before
 *     changed    D >= 0.3: a dissolve, or motion, has made another picture; at most 4 a second
 *     due        `every` seconds since the last sample, and D >= 0.02
 *     long       `longest` seconds since the last sample
 * The threshold of a cut adapts to the motion around it: what is a cut in a still scene is a step
 * in a fast one. Source: Yusoff, Christmas and Kittler 2000, thresholds from a window of
 * differences. Only the past is looked at, so that a sample is known as soon as it is over; and
 * where a sample begins, the two pictures that others are compared with are its own, so that a few
 * numbers (sns_sampling) are all that it takes to go on there. */
#include "base/error.h"
#include "media/look.h"
#include "media/av_calls.h"
#include "media/video_internal.h"
#include <math.h>
#include <stdlib.h>

enum { WINDOW = SNS_SAMPLING_WINDOW };
static const double least_cut = 0.2, deviations = 5, least_deviation = 0.01, changed = 0.3,
                    repeated = 0.02, shortest = 0.25;

struct sns_shots {
    sns_video *video;
    sns_sample_options options;
    struct SwsContext *sws;
    sns_look before, sampled; /* of the frame before, of the last sample */
    sns_sampling state;
    sns_sample waiting; /* its end is not known yet; rgb NULL: there is none */
    sns_image image[2]; /* the waiting sample's and the one handed out */
    size_t at;          /* of the waiting sample's */
    double seen;        /* end of the last frame */
    bool started, ended;
};

static bool is_state(const sns_sampling *s) {
    bool ok = s->seconds >= 0 && isfinite(s->seconds) && isfinite(s->due);
    for (size_t i = 0; i < WINDOW; i++) ok &= isfinite(s->differences[i]);
    return ok;
}

/* What --fast leaves undecoded. H.264's B-frames may serve as references, but in practice to other
 * B-frames alone; elsewhere (HEVC) they may take the place of all P-frames. */
static enum AVDiscard needless_frames(enum AVCodecID codec) {
    return codec == AV_CODEC_ID_H264 ? AVDISCARD_BIDIR : AVDISCARD_NONREF;
}

sns_status sns_shots_new(sns_video *video, const sns_sample_options *options, sns_shots **out,
                         sns_error *err) {
    static const sns_sample_options defaults = {0};
    const sns_sample_options *o = options ? options : &defaults;
    *out = NULL;
    if (!(o->every >= 0) || !(o->from >= 0) || !(o->until >= 0) || !(o->longest >= 0))
        return sns_fail(err, SNS_ARG, "%s: samples every %g s from %g to %g s", video->in->name,
                        o->every, o->from, o->until);
    if (!is_state(&o->after))
        return sns_fail(err, SNS_ARG, "%s: no state that sampling can go on with", video->in->name);
    sns_shots *s = calloc(1, sizeof *s);
    if (!s) return sns_fail(err, SNS_NOMEM, "%s: no memory", video->in->name);
    s->video = video;
    s->options = *o;
    if (!(o->every > 0)) s->options.every = 1;
    s->state = o->after;
    if (o->after.seconds > 0) s->options.from = o->after.seconds;
    if (o->fast) video->in->decoder->skip_frame = needless_frames(video->in->decoder->codec_id);
    sns_status status = s->options.from > 0 ? sns_video_seek(video, s->options.from, err) : SNS_OK;
    if (status)
        sns_shots_free(s);
    else
        *out = s;
    return status;
}

void sns_shots_free(sns_shots *s) {
    if (!s) return;
    s->video->in->decoder->skip_frame = AVDISCARD_DEFAULT;
    sns_av.sws_freeContext(s->sws);
    sns_image_free(&s->image[0]);
    sns_image_free(&s->image[1]);
    free(s);
}

/* Is a difference out of the ordinary for this shot? */
static bool is_cut(const sns_shots *s, double d) {
    size_t n = s->state.count < WINDOW ? (size_t)s->state.count : WINDOW;
    const double *differences = s->state.differences;
    if (d < least_cut || !n) return d >= least_cut;
    double mean = 0, square = 0;
    for (size_t i = 0; i < n; i++) mean += differences[i];
    mean /= (double)n;
    for (size_t i = 0; i < n; i++) square += pow(differences[i] - mean, 2);
    double deviation = sqrt(square / (double)n);
    return d >= mean + deviations * (deviation > least_deviation ? deviation : least_deviation);
}

/* Does a frame begin a new sample? *cut: it begins a shot; *on_time: because it is due. */
static bool begins(sns_shots *s, const sns_look *look, double seconds, bool *cut, bool *on_time) {
    *on_time = false;
    if (!s->started) {
        *cut = s->options.after.seconds > 0 ? s->options.after.cut != 0 : !(s->options.from > 0);
        return true;
    }
    double d = sns_look_difference(look, &s->before);
    double since = seconds - s->waiting.seconds;
    *cut = is_cut(s, d);
    if (*cut)
        s->state.count = 0;
    else
        s->state.differences[s->state.count++ % WINDOW] = d;
    if (*cut) return true;
    double all = sns_look_difference(look, &s->sampled);
    double gap = s->options.every < shortest ? s->options.every : shortest;
    if (since >= gap && all >= changed) return true;
    if (s->options.longest > 0 && since >= s->options.longest) return true;
    /* Half a microsecond: times and `every` are both rounded. */
    if (seconds < s->state.due - 5e-7 || (!s->options.keep_repeated && all < repeated))
        return false;
    *on_time = true;
    return true;
}

/* The waiting sample is over; the frame, if any, is the next one. */
static sns_status advance(sns_shots *s, const AVFrame *frame, double seconds, bool cut,
                          sns_sample *out, sns_error *err) {
    if (s->waiting.image.rgb) {
        *out = s->waiting;
        out->end = frame ? seconds : s->seen;
        if (frame) {
            out->next = s->state;
            out->next.seconds = seconds;
            out->next.cut = cut;
        }
        s->at = !s->at;
    }
    s->waiting = (sns_sample){0};
    if (!frame) return SNS_OK;
    sns_status status = sns_video_show(s->video, frame, &s->image[s->at], err);
    if (!status)
        s->waiting = (sns_sample){
            .seconds = seconds, .start = seconds, .cut = cut, .image = s->image[s->at]};
    return status;
}

sns_status sns_shots_next(sns_shots *s, sns_sample *out, sns_error *err) {
    *out = (sns_sample){0};
    while (!out->image.rgb && !s->ended) {
        AVFrame *frame;
        double seconds = 0;
        sns_look look;
        bool cut, on_time;
        sns_status status = sns_video_pull(s->video, &frame, &seconds, err);
        if (status) return status;
        if (!frame || (s->options.until > 0 && seconds >= s->options.until)) {
            s->ended = true;
            if (frame) s->seen = s->options.until;
            return advance(s, NULL, 0, false, out, err);
        }
        status = sns_look_at(&s->sws, frame, s->video->in->name, &look, err);
        if (status) return status;
        bool begun = begins(s, &look, seconds, &cut, &on_time);
        bool goes_on = !s->started && s->options.after.seconds > 0; /* due is known */
        s->started = true;
        s->before = look;
        s->seen = seconds + sns_video_frame_duration(s->video, frame);
        if (!begun) continue;
        /* Frames come a little later than they are due, which must not add up. */
        double due = s->state.due;
        double from = on_time && due + s->options.every > seconds ? due : seconds;
        if (!goes_on) s->state.due = from + s->options.every;
        s->sampled = look;
        status = advance(s, frame, seconds, cut, out, err);
        if (status) return status;
    }
    return SNS_OK;
}
