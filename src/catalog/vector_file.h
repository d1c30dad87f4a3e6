/* vector_file.h - a catalog's vectors: two mapped files that only grow at their end.
 *
 *   BASE-vectors-G   a head, then rows of f32 [dim], one a slot
 *   BASE-codes-G     a head, then blocks of SNS_CODE_ROWS slots: scale f32, error f32, check u32 of
 *                    each, then its numbers in 8 bits [SNS_CODE_ROWS, width], width = dim to 64
 *
 * A slot's code is  scale * code[i] = x[i] + r[i],  |r[i]| <= scale / 2,  error = |r|; it follows
 * from the row alone. G is the generation: compaction writes a new pair and deletes the old one.
 * How many slots count is said by whoever owns the files (the catalog's transaction); what lies
 * beyond was never committed and is written over. Numbers are little-endian.
 *
 * Threads: any number may read; one writer, in one process. Slots that were committed never change,
 * so a reader is not disturbed by it. */
#ifndef SNS_CATALOG_VECTOR_FILE_H
#define SNS_CATALOG_VECTOR_FILE_H
#include "base/file.h"

enum { SNS_CODE_ROWS = 256 };

typedef struct sns_vector_file {
    char *rows_path, *codes_path;
    uint64_t generation;
    size_t dim, width, count;
    int rows_fd, codes_fd; /* -1: opened for reading */
    sns_map rows, codes;   /* when reading */
} sns_vector_file;

/* The codes of SNS_CODE_ROWS slots from one that is a multiple of it; those beyond count mean
 * nothing. */
typedef struct sns_code_block {
    const float *scale, *error;
    const uint32_t *check;
    const int8_t *codes; /* [SNS_CODE_ROWS, width] */
} sns_code_block;

/* Open a pair for adding to it: the first `count` slots are kept. count == 0 makes it.
 * Errors: SNS_FORMAT (missing, damaged or shorter than count slots), SNS_IO, SNS_NOMEM. On failure
 * *v is closed. */
sns_status sns_vector_file_write(sns_vector_file *v, const char *base, uint64_t generation,
                                 size_t dim, size_t count, sns_error *err);
/* Map the first `count` > 0 slots. Errors: the same, and SNS_MISSING when a file isn't there. */
sns_status sns_vector_file_read(sns_vector_file *v, const char *base, uint64_t generation,
                                size_t dim, size_t count, sns_error *err);
void sns_vector_file_close(sns_vector_file *v); /* all zero is fine */
/* Remove the files of a generation; those that aren't there don't matter. */
void sns_vector_file_delete(const char *base, uint64_t generation);

/* Add n rows at slots count, count + 1 ... Errors: SNS_IO (full disk), SNS_NOMEM; then nothing was
 * added. */
sns_status sns_vector_file_append(sns_vector_file *v, const float *rows, size_t n, sns_error *err);
/* All that was added is on the disk. */
sns_status sns_vector_file_sync(sns_vector_file *v, sns_error *err);

/* Row of a slot < count, unchecked; mapped files only. */
const float *sns_vector_file_row(const sns_vector_file *v, size_t slot);
sns_code_block sns_vector_file_block(const sns_vector_file *v, size_t first_slot);
/* Is the row what was written? SNS_FORMAT if not. */
sns_status sns_vector_file_check(const sns_vector_file *v, size_t slot, sns_error *err);
/* Are all rows what was written, and do the codes follow from them? */
sns_status sns_vector_file_check_all(const sns_vector_file *v, sns_error *err);
#endif
