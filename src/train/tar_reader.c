/* tar_reader.c - the members of an archive in memory. They are not copied: pictures are decoded
 * from the mapped archive. */
#include "train/tar_reader.h"
#include "base/error.h"

void sns_tar_begin(sns_tar *tar, const char *path, const void *data, size_t size) {
    *tar = (sns_tar){.data = data, .size = size, .path = path};
}

sns_status sns_tar_next(sns_tar *tar, sns_tar_entry *entry, bool *end, sns_error *err) {
    sns_tar_about_clear(&tar->about);
    *end = false;
    while (tar->at < tar->size) {
        const unsigned char *h = tar->data + tar->at, *body = h + SNS_TAR_BLOCK;
        size_t left = tar->size - tar->at, at = tar->at;
        uint64_t size;
        if (left < SNS_TAR_BLOCK)
            return sns_fail(err, SNS_FORMAT, "%s: cut off at byte %zu", tar->path, at);
        left -= SNS_TAR_BLOCK;
        sns_tar_kind kind = sns_tar_header(&tar->about, h, &size);
        if (kind == SNS_TAR_ZERO) break;
        if (kind == SNS_TAR_BAD)
            return sns_fail(err, SNS_FORMAT, "%s: damaged header at byte %zu", tar->path, at);
        if (size > left || (kind == SNS_TAR_EXTENSION && size > SNS_TAR_EXTENSION_MAX))
            return sns_fail(err, SNS_FORMAT, "%s: the member at byte %zu runs past the end",
                            tar->path, at);
        size_t padded = ((size_t)size + SNS_TAR_BLOCK - 1) / SNS_TAR_BLOCK * SNS_TAR_BLOCK;
        tar->at += SNS_TAR_BLOCK + (padded < left ? padded : left);
        if (kind == SNS_TAR_FILE) {
            *entry = (sns_tar_entry){tar->about.name, body, (size_t)size};
            return SNS_OK;
        }
        if (kind == SNS_TAR_OTHER) sns_tar_about_clear(&tar->about);
        sns_status s = kind == SNS_TAR_EXTENSION
                           ? sns_tar_extend(&tar->about, h, body, (size_t)size, tar->path, tar->at,
                                            err)
                           : SNS_OK;
        if (s) return s;
    }
    *end = true;
    return SNS_OK;
}
