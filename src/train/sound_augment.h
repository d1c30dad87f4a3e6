/* sound_augment.h - a sound as training hears it: another place, speed, loudness, noise; parts of
 * its spectrogram hidden. */
#ifndef SNS_TRAIN_SOUND_AUGMENT_H
#define SNS_TRAIN_SOUND_AUGMENT_H
#include "base/rng.h"
#include "prep/log_mel.h"
#include <stdint.h>

typedef struct sns_sound_augment {
    const sns_log_mel *mel; /* NULL: there are no sounds */
    size_t frames;          /* of a window */
    double speed;           /* played at 1 +- speed */
    double gain_db;         /* louder or softer by up to so much */
    double noise;           /* share of the sounds that get white noise, 5 to 30 dB below them */
    double filter_db;       /* bands are louder or softer by up to so much, as by a microphone */
    double phone;           /* share of the sounds that lose their high bands, as by a telephone */
    double mask;            /* largest share of the frames, and of the bands, that is hidden */
} sns_sound_augment;

/* Samples of a window: floats of scratch. */
size_t sns_sound_augment_scratch(const sns_sound_augment *a);
/* sound [n], n > 0 -> out [frames, mels]. rng NULL: the first window as at inference, unchanged.
 * Errors: SNS_NOMEM. */
sns_status sns_sound_augment_run(const sns_sound_augment *a, sns_rng *rng, const int16_t *sound,
                                 size_t n, float *scratch, float *out, sns_error *err);
#endif
