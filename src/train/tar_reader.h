/* tar_reader.h - walks a tar archive in memory: ustar, GNU long names, pax path and size. */
#ifndef SNS_TRAIN_TAR_READER_H
#define SNS_TRAIN_TAR_READER_H
#include "train/tar_format.h"

typedef struct sns_tar {
    const unsigned char *data;
    size_t size, at;
    const char *path; /* for messages */
    sns_tar_about about;
} sns_tar;

/* A regular file of the archive. name lives until the next call, data as long as the archive. */
typedef struct sns_tar_entry {
    const char *name;
    const unsigned char *data;
    size_t size;
} sns_tar_entry;

void sns_tar_begin(sns_tar *tar, const char *path, const void *data, size_t size);
/* The next regular file; *end <- true (and SNS_OK) after the last. Links, directories and devices
 * are passed over. Errors: SNS_FORMAT (a damaged header, a member that runs past the end),
 * SNS_LIMIT (a name longer than SNS_TAR_NAME_MAX). */
sns_status sns_tar_next(sns_tar *tar, sns_tar_entry *entry, bool *end, sns_error *err);
#endif
