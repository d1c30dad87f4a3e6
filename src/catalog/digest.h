/* digest.h - naming a file's content. */
#ifndef SNS_CATALOG_DIGEST_H
#define SNS_CATALOG_DIGEST_H
#include <sensus/status.h>

enum { SNS_DIGEST_BYTES = 32 };

/* SHA-256 of a regular file's bytes. A cryptographic hash, because equal hashes share a vector:
 * nobody can make one picture be found as another. 200 MB/s a thread by GLib, which libvips brings
 * along; decoding a photograph costs several times that.
 * Errors: SNS_MISSING, SNS_IO, SNS_NOMEM. */
sns_status sns_digest_file(const char *path, unsigned char out[SNS_DIGEST_BYTES], sns_error *err);
#endif
