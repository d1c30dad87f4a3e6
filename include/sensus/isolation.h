/* isolation.h - decoding films and recordings in processes of their own.
 *
 *     sns_isolation_new(&isolation, &err);         before this process has other threads
 *     const sns_sound_options o = {.isolation = isolation};
 *     sns_sound_load("voice.ogg", &o, &sound, &err);
 *
 * A decoder that crashes, hangs or takes too much memory is then an error of its file alone. */
#ifndef SENSUS_ISOLATION_H
#define SENSUS_ISOLATION_H
#include <sensus/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sns_isolation
    sns_isolation; /* a process that starts others; any thread may ask it */

/* Start the process that will start those that decode. Call it before this process has other
 * threads (OpenMP's, those of a model): it forks. Errors: SNS_IO, SNS_NOMEM. */
SNS_API sns_status sns_isolation_new(sns_isolation **out, sns_error *err);
SNS_API void sns_isolation_free(sns_isolation *isolation); /* NULL ok; after its workers */

#ifdef __cplusplus
}
#endif
#endif
