/* tar_format.h - one header of a tar archive, and what the headers before a member say about it. */
#ifndef SNS_TRAIN_TAR_FORMAT_H
#define SNS_TRAIN_TAR_FORMAT_H
#include <sensus/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SNS_TAR_NAME_MAX = 4096, SNS_TAR_BLOCK = 512, SNS_TAR_EXTENSION_MAX = 1 << 20 };

/* Name and size of the next member, gathered from its header and the extensions before it. Zeroed
 * before each member. */
typedef struct sns_tar_about {
    bool has_name, has_size; /* an extension said so */
    uint64_t size;
    char name[SNS_TAR_NAME_MAX + 1];
} sns_tar_about;

typedef enum sns_tar_kind {
    SNS_TAR_BAD,       /* damaged */
    SNS_TAR_ZERO,      /* the archive's end */
    SNS_TAR_FILE,      /* a regular file: about->name and *size are right */
    SNS_TAR_EXTENSION, /* says something about the next one, or about all */
    SNS_TAR_OTHER      /* a link, folder or device */
} sns_tar_kind;

/* What the header h [SNS_TAR_BLOCK] starts; *size <- bytes of the body that follows it. */
sns_tar_kind sns_tar_header(sns_tar_about *about, const unsigned char *h, uint64_t *size);
/* Take in the body [n] of the extension with header h. path and at are for messages. Errors:
 * SNS_FORMAT, SNS_LIMIT (a name longer than SNS_TAR_NAME_MAX). */
sns_status sns_tar_extend(sns_tar_about *about, const unsigned char *h, const unsigned char *body,
                          size_t n, const char *path, uint64_t at, sns_error *err);
/* The same, ready for the next member. */
void sns_tar_about_clear(sns_tar_about *about);
/* The header of a regular file; false: the name does not fit a ustar header. */
bool sns_tar_write_header(unsigned char *h, const char *name, uint64_t size);
#endif
