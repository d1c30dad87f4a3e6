/* digest.c - SHA-256 of a file. */
#include "catalog/digest.h"
#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <sys/stat.h>
#include <unistd.h>

static sns_status hash_fd(int fd, const char *path, unsigned char *buffer, size_t size,
                          GChecksum *sum, sns_error *err) {
    for (;;) {
        ssize_t n = read(fd, buffer, size);
        if (n > 0)
            g_checksum_update(sum, buffer, n);
        else if (!n)
            return SNS_OK;
        else if (errno != EINTR)
            return sns_fail_errno(err, SNS_IO, errno, "%s", path);
    }
}

sns_status sns_digest_file(const char *path, unsigned char out[SNS_DIGEST_BYTES], sns_error *err) {
    enum { BUFFER = 256 << 10 };
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return sns_fail_errno(err, errno == ENOENT ? SNS_MISSING : SNS_IO, errno, "%s", path);
    sns_status status = SNS_OK;
    unsigned char *buffer = malloc(BUFFER);
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    if (!buffer || !sum)
        status = sns_fail(err, SNS_NOMEM, "%s: no memory", path);
    else if (fstat(fd, &st) || !S_ISREG(st.st_mode))
        status = sns_fail(err, SNS_IO, "%s: not a file", path);
    else
        status = hash_fd(fd, path, buffer, BUFFER, sum, err);
    gsize length = SNS_DIGEST_BYTES;
    if (!status) g_checksum_get_digest(sum, out, &length);
    if (sum) g_checksum_free(sum);
    free(buffer);
    close(fd);
    return status;
}
