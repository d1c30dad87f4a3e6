/* train_stream.h - a run whose data is streamed. */
#ifndef SNS_TRAIN_TRAIN_STREAM_H
#define SNS_TRAIN_TRAIN_STREAM_H
#include "train/train_setup.h"

/* Do the options ask for it: by a window to shuffle in, or by a command among the sources? */
bool sns_run_streams(const sns_train_options *o);
/* r->stream, and an r->data without samples. Errors: those of sns_stream_new, SNS_ARG (the number
 * of steps is not given). */
sns_status sns_run_open_stream(sns_run *r, sns_error *err);
/* To the step that r->state says. Errors: those of sns_stream_seek. */
sns_status sns_run_seek_stream(sns_run *r, sns_error *err);
#endif
