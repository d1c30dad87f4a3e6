/* file.h - whole files: mapped, read with a cap, written so that a reader never sees half of one.
 */
#ifndef SNS_BASE_FILE_H
#define SNS_BASE_FILE_H
#include <sensus/status.h>
#include <stddef.h>
#include <stdint.h>

/* A read-only mapping of a regular file. data is NULL for an empty file. */
typedef struct sns_map {
    const unsigned char *data;
    size_t size;
} sns_map;

/* Errors: SNS_MISSING, SNS_IO (not a regular file, no permission). */
sns_status sns_map_open(const char *path, sns_map *out, sns_error *err);
void sns_map_close(sns_map *map);

/* Read all of path into *data (malloc, NUL-terminated, the NUL not counted).
 * Errors: SNS_MISSING, SNS_IO, SNS_LIMIT (larger than max bytes), SNS_NOMEM. */
sns_status sns_file_read(const char *path, size_t max, char **data, size_t *size, sns_error *err);

/* Replace path by the given bytes: written to a temporary file beside it, flushed to the disk, then
 * renamed, so that after a crash path holds all of the old content or all of the new one. */
sns_status sns_file_write(const char *path, const void *data, size_t size, sns_error *err);

/* mkdir -p. Existing directories are fine. */
sns_status sns_make_dirs(const char *path, sns_error *err);
#endif
