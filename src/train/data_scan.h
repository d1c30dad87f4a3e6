/* data_scan.h - all samples of some sources, one after the other. */
#ifndef SNS_TRAIN_DATA_SCAN_H
#define SNS_TRAIN_DATA_SCAN_H
#include "train/pair_reader.h"
#include <sensus/data.h>
#include <sensus/sound.h>

/* A sample and the languages that its captions mean. To keep the pair, hold it; the languages are
 * good until the call with pair NULL, which ends each source. */
typedef sns_status sns_scan_fn(void *user, sns_pair *pair, const sns_dataset *langs,
                               sns_error *err);
sns_status sns_scan(const sns_data_options *o, sns_scan_fn *fn, void *fn_user, size_t *skipped,
                    sns_error *err);

/* The same with every picture and sound decoded, several at a time. */
typedef struct sns_scan_work {
    /* On any thread: what is wanted of a picture goes to result [result_size], zeroed before; and
     * so for a sound, also one beside a picture. */
    sns_status (*prepare)(const sns_image *image, void *result, sns_error *err);
    sns_status (*prepare_sound)(const sns_sound *sound, void *result, sns_error *err);
    sns_sound_options sound; /* how they are decoded, but for where */
    size_t result_size;
    /* In order; result NULL: the picture or sound, or one of both, cannot be read, which was told
     * to warn. */
    sns_status (*take)(void *user, sns_pair *pair, const sns_dataset *langs, const void *result,
                       sns_error *err);
    void *user;
} sns_scan_work;
sns_status sns_scan_decoded(const sns_data_options *o, const sns_scan_work *work, size_t *skipped,
                            size_t *unreadable, sns_error *err);

/* All pictures and recordings below a folder become samples of d. Errors: SNS_MISSING, SNS_IO,
 * SNS_NOMEM. */
sns_status sns_dataset_read_folder(sns_dataset *d, const char *path, sns_data_naming naming,
                                   sns_error *err);
#endif
