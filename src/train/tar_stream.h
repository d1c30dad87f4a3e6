/* tar_stream.h - the members of a tar archive that arrives piece by piece. */
#ifndef SNS_TRAIN_TAR_STREAM_H
#define SNS_TRAIN_TAR_STREAM_H
#include "base/byte_source.h"
#include "train/tar_format.h"

enum { SNS_MEMBER_BYTES_MAX = 1 << 27 };

typedef struct sns_tar_stream {
    sns_bytes *bytes; /* borrowed */
    const char *path; /* for messages */
    uint64_t at;      /* bytes read */
    bool lost, ended; /* lost: the next header must be looked for */
    sns_tar_about about;
    unsigned char header[SNS_TAR_BLOCK];
} sns_tar_stream;

/* name lives until the next call; data is malloc'd and the caller's. */
typedef struct sns_tar_member {
    const char *name;
    unsigned char *data;
    size_t size;
} sns_tar_member;

void sns_tar_stream_begin(sns_tar_stream *t, const char *path, sns_bytes *bytes);
/* The next regular file whose name is wanted (NULL: every one); the others are passed over unread.
 * *end <- true (and SNS_OK) after the last. Errors after which the next call goes on behind the
 * damage: SNS_FORMAT (a damaged header, a cut-off archive), SNS_LIMIT (a name or a member larger
 * than SNS_MEMBER_BYTES_MAX). Others: those of sns_bytes_read, SNS_NOMEM. */
sns_status sns_tar_stream_next(sns_tar_stream *t, bool (*wanted)(const char *name),
                               sns_tar_member *member, bool *end, sns_error *err);
#endif
