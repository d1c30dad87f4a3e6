/* teacher.h - another model that sees every batch too, and what the student learns from it. */
#ifndef SNS_TRAIN_TEACHER_H
#define SNS_TRAIN_TEACHER_H
#include "train/train_setup.h"

/* Load the options' teacher_dir; how many parameters the maps to its width add (0: same width, or
 * no teacher). */
sns_status sns_teacher_open(sns_run *r, size_t *more, sns_error *err);
/* Tie the maps to their place in the run's blocks and r->objective to the teacher. */
sns_status sns_teacher_bind(sns_run *r, sns_error *err);
/* Draw the maps' first values; a resumed run reads them from its checkpoint. */
void sns_teacher_init(sns_run *r);
/* The teacher's vectors of a piece, at its places. Nothing without a teacher. */
sns_status sns_teacher_look(sns_run *r, const sns_batch *b, sns_error *err);
/* The vectors of all processes' places. */
sns_status sns_teacher_gather(sns_run *r, sns_error *err);
/* 32 hex digits that name it. */
const char *sns_teacher_name(const sns_teacher *t);
void sns_teacher_close(sns_run *r);
#endif
