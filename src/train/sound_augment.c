/* sound_augment.c - what makes two hearings of one recording differ.
 *
 * A random window of a longer sound, a shorter one at a random place in silence; its speed, and so
 * its pitch, changed (Ko et al. 2015, "Audio Augmentation for Speech Recognition"); loudness; white
 * noise; and in the spectrogram a curve over the bands, as another microphone or room would bring
 * it (Nam et al. 2022, "FilterAugment", with lines between points), high bands
 * as quiet as its quietest place, and one band of frames and one
 * of frequencies hidden by its mean (Park et al. 2019, "SpecAugment"). Every number is drawn
 * whether or not it is used, so one option does not shift another's draws. */
#include "train/sound_augment.h"
#include <math.h>
#include <string.h>

/* The share of the bands that is left; of Slaney's up to 8 kHz, 0.7 ends at 3 kHz. */
static const double least_left = 0.7;
enum { NOISE_LEAST_DB = 5, NOISE_MOST_DB = 30, POINTS = 5 };

typedef struct draws {
    double place, speed, gain, noise_db;
    bool noise;
    uint64_t noise_seed;
    double mask[2][2];     /* of frames, of bands: length as a share of the longest; place */
    double filter[POINTS]; /* dB, at evenly spaced bands */
    double left;           /* share of the bands that is heard */
} draws;

static double between(sns_rng *rng, double low, double high) {
    return low + (high - low) * sns_rng_uniform(rng);
}

static draws draw(const sns_sound_augment *a, sns_rng *rng) {
    draws d = {.place = sns_rng_uniform(rng),
               .speed = between(rng, 1 - a->speed, 1 + a->speed),
               .gain = pow(10, between(rng, -a->gain_db, a->gain_db) / 20)};
    d.noise = sns_rng_uniform(rng) < a->noise;
    d.noise_db = between(rng, NOISE_LEAST_DB, NOISE_MOST_DB);
    d.noise_seed = sns_rng_next(rng);
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++) d.mask[i][j] = sns_rng_uniform(rng);
    for (int i = 0; i < POINTS; i++) d.filter[i] = between(rng, -a->filter_db, a->filter_db);
    bool phone = sns_rng_uniform(rng) < a->phone;
    double left = between(rng, least_left, 1);
    d.left = phone ? left : 1;
    return d;
}

size_t sns_sound_augment_scratch(const sns_sound_augment *a) {
    return sns_log_mel_samples(sns_log_mel_config_of(a->mel), a->frames);
}

/* W samples from the sound, played at a speed; what lies outside of it is silent. */
static void cut(const draws *d, const int16_t *sound, size_t n, float *out, size_t W) {
    double length = (double)n / d->speed;           /* of the sound as it is played */
    double start = d->place * (length - (double)W); /* below 0: silence comes first */
    for (size_t i = 0; i < W; i++) {
        double at = (start + (double)i) * d->speed;
        double whole = floor(at), part = at - whole;
        out[i] = 0;
        if (whole < 0 || whole >= (double)n) continue;
        size_t k = (size_t)whole;
        double x = sound[k], y = k + 1 < n ? sound[k + 1] : x;
        out[i] = (float)((x + part * (y - x)) * d->gain / 32767);
    }
}

static void add_noise(const draws *d, float *x, size_t n) {
    sns_rng rng;
    double power = 0;
    if (!d->noise) return;
    for (size_t i = 0; i < n; i++) power += (double)x[i] * x[i];
    float level = (float)(sqrt(power / (double)n) * pow(10, -d->noise_db / 20));
    sns_rng_seed(&rng, d->noise_seed);
    for (size_t i = 0; i < n; i++) x[i] += level * (float)sns_rng_normal(&rng);
}

/* dB in the numbers of a spectrogram: logarithms of power, scaled. */
static double one_db(const sns_log_mel_config *c) {
    return c->kind == SNS_LOG_MEL_WHISPER ? 0.1 / 4 : 0.1 * M_LN10 / (2 * (double)c->std);
}

static void filter(const sns_sound_augment *a, const draws *d, float *x, size_t M) {
    double scale = one_db(sns_log_mel_config_of(a->mel));
    for (size_t m = 0; m < M; m++) {
        double at = (double)m / (double)M * (POINTS - 1);
        size_t i = (size_t)at;
        double gain = d->filter[i] + (at - (double)i) * (d->filter[i + 1] - d->filter[i]);
        for (size_t f = 0; f < a->frames; f++) x[f * M + m] += (float)(gain * scale);
    }
}

static void cut_high(const sns_sound_augment *a, const draws *d, float *x, size_t M) {
    float least = x[0];
    for (size_t i = 1; i < a->frames * M; i++) least = x[i] < least ? x[i] : least;
    for (size_t f = 0; f < a->frames; f++)
        for (size_t m = (size_t)(d->left * (double)M); m < M; m++) x[f * M + m] = least;
}

static void hide(const sns_sound_augment *a, const draws *d, float *x, size_t M) {
    size_t side[2] = {a->frames, M}, from[2], to[2];
    double sum = 0;
    for (size_t i = 0; i < a->frames * M; i++) sum += x[i];
    float mean = (float)(sum / (double)(a->frames * M));
    for (int i = 0; i < 2; i++) {
        size_t size = (size_t)(d->mask[i][0] * (a->mask * (double)side[i] + 1));
        if (size > side[i]) size = side[i];
        from[i] = (size_t)(d->mask[i][1] * (double)(side[i] - size + 1));
        to[i] = from[i] + size;
    }
    for (size_t f = 0; f < a->frames; f++)
        for (size_t m = 0; m < M; m++)
            if ((f >= from[0] && f < to[0]) || (m >= from[1] && m < to[1])) x[f * M + m] = mean;
}

sns_status sns_sound_augment_run(const sns_sound_augment *a, sns_rng *rng, const int16_t *sound,
                                 size_t n, float *scratch, float *out, sns_error *err) {
    size_t W = sns_sound_augment_scratch(a), M = sns_log_mel_config_of(a->mel)->mels;
    draws d = {.speed = 1, .gain = 1, .left = 1};
    if (rng) d = draw(a, rng);
    cut(&d, sound, n, scratch, W);
    if (rng) add_noise(&d, scratch, W);
    sns_status s = sns_log_mel_run(a->mel, scratch, W, out, err);
    if (!s && rng && a->filter_db > 0) filter(a, &d, out, M);
    if (!s && d.left < 1) cut_high(a, &d, out, M);
    if (!s && rng && a->mask > 0) hide(a, &d, out, M);
    return s;
}
