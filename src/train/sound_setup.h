/* sound_setup.h - the part of a run's setup that only models that hear have. */
#ifndef SNS_TRAIN_SOUND_SETUP_H
#define SNS_TRAIN_SOUND_SETUP_H
#include "train/train_setup.h"

/* The options' audio tower takes the image tower's place in r->config; texts stay. Errors: SNS_ARG,
 * SNS_UNSUPPORTED (a text tower that goes with one image tower only). */
sns_status sns_run_set_sound(sns_run *r, sns_error *err);
/* r->mel, its tables and r->sound: as the model in dir hears, or (NULL) as the options say, for the
 * frames and bands of r->config. */
sns_status sns_run_open_mel(sns_run *r, const char *dir, sns_error *err);
/* The text tower of the model in the options' init_dir, which sees; all else is new, or that of
 * sound_init_dir. */
sns_status sns_run_read_text_tower(sns_run *r, const sns_clip_config *stored, sns_error *err);
#endif
