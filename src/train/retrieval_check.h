/* retrieval_check.h - held-out retrieval while training. */
#ifndef SNS_TRAIN_RETRIEVAL_CHECK_H
#define SNS_TRAIN_RETRIEVAL_CHECK_H
#include "model/clip.h"
#include "train/augment.h"
#include "train/dataset.h"
#include "train/sound_augment.h"
#include <sensus/tokenizer.h>

/* Encode every sample of d (its first English caption, else its first; of a sound its first window)
 * with m and rank all pictures for each text. sound: for a set of sounds, instead of plain.
 * recall[3] <- the share of texts whose picture is among the first 1, 5, 10; equal scores count
 * against. `batch` pictures are encoded at a time. */
sns_status sns_retrieval_check(const sns_clip *m, const sns_dataset *d, const sns_tokenizer *tok,
                               const sns_augment *plain, const sns_sound_augment *sound,
                               size_t cache_px, size_t batch, double recall[3], sns_error *err);
#endif
