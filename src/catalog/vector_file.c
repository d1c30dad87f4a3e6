/* vector_file.c - a catalog's vectors in two mapped files.
 *
 * Workload: hundreds of rows are added at a time, and all codes are read for each search, with a
 * few rows. The codes are a quarter of the rows' bytes and lie apart from them, so that a search
 * reads no more than it needs. */
#include "catalog/vector_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD_BYTES = 4096, VERSION = 1, MAX_DIM = 65536 };

/* The first bytes of each file; the rest of HEAD_BYTES is zero. */
typedef struct head {
    char magic[8];
    uint32_t version, dim;
    uint64_t generation, check; /* of what stands before it */
} head;

static const char rows_magic[8] = "snsvec\n", codes_magic[8] = "snscod\n";

static uint64_t hash_words(uint64_t state, const void *data, size_t bytes) {
    const unsigned char *p = data;
    for (; bytes; p += 8) {
        uint64_t word = 0;
        size_t n = bytes < 8 ? bytes : 8;
        memcpy(&word, p, n);
        state = sns_hash_mix(state, word);
        bytes -= n;
    }
    return state;
}

static head make_head(const char magic[8], size_t dim, uint64_t generation) {
    head h = {.version = VERSION, .dim = (uint32_t)dim, .generation = generation};
    memcpy(h.magic, magic, sizeof h.magic);
    h.check = hash_words(0, &h, offsetof(head, check));
    return h;
}

/* Swapped rows are found too, since the slot is in it. */
static uint32_t row_check(const float *row, size_t dim, size_t slot) {
    uint64_t h = hash_words(slot + 1, row, dim * sizeof *row);
    return (uint32_t)(sns_hash_mix(h, 0) >> 32);
}

static size_t block_bytes(const sns_vector_file *v) {
    return SNS_CODE_ROWS * (2 * sizeof(float) + sizeof(uint32_t) + v->width);
}

static size_t rows_bytes(const sns_vector_file *v, size_t count) {
    return HEAD_BYTES + count * v->dim * sizeof(float);
}

static size_t codes_bytes(const sns_vector_file *v, size_t count) {
    return HEAD_BYTES + (count + SNS_CODE_ROWS - 1) / SNS_CODE_ROWS * block_bytes(v);
}

static char *path_of(const char *base, const char *kind, uint64_t generation) {
    sns_strbuf b = {0};
    sns_strbuf_printf(&b, "%s-%s-%llu", base, kind, (unsigned long long)generation);
    if (!b.failed) return b.data;
    sns_strbuf_free(&b);
    return NULL;
}

static sns_status set_up(sns_vector_file *v, const char *base, uint64_t generation, size_t dim,
                         size_t count, sns_error *err) {
    *v = (sns_vector_file){.generation = generation, .dim = dim, .count = count};
    v->width = (dim + 63) / 64 * 64;
    v->rows_fd = v->codes_fd = -1;
    if (!dim || dim > MAX_DIM || count > UINT32_MAX)
        return sns_fail(err, SNS_LIMIT, "%s: %zu vectors of %zu numbers are too many", base, count,
                        dim);
    v->rows_path = path_of(base, "vectors", generation);
    v->codes_path = path_of(base, "codes", generation);
    if (!v->rows_path || !v->codes_path)
        return sns_fail(err, SNS_NOMEM, "%s: no memory for the names of its files", base);
    return SNS_OK;
}

void sns_vector_file_close(sns_vector_file *v) {
    if (!v->rows_path) return; /* never opened */
    sns_map_close(&v->rows);
    sns_map_close(&v->codes);
    if (v->rows_fd >= 0) close(v->rows_fd);
    if (v->codes_fd >= 0) close(v->codes_fd);
    free(v->rows_path);
    free(v->codes_path);
    *v = (sns_vector_file){.rows_fd = -1, .codes_fd = -1};
}

void sns_vector_file_delete(const char *base, uint64_t generation) {
    const char *const kinds[] = {"vectors", "codes"};
    for (size_t i = 0; i < 2; i++) {
        char *path = path_of(base, kinds[i], generation);
        if (path) unlink(path);
        free(path);
    }
}

static sns_status damaged(const char *path, const char *how, sns_error *err) {
    return sns_fail(err, SNS_FORMAT, "%s: %s; index again with --rebuild", path, how);
}

static sns_status check_head(const char *path, const head *found, const head *want,
                             sns_error *err) {
    if (!memcmp(found, want, sizeof *want)) return SNS_OK;
    return damaged(path, "it does not belong to this catalog, or is damaged", err);
}

/* ---- writing ---- */

static sns_status put(int fd, const char *path, const void *data, size_t bytes, size_t at,
                      sns_error *err) {
    const char *from = data;
    while (bytes) {
        ssize_t n = pwrite(fd, from, bytes, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == ENOSPC)
            return sns_fail(err, SNS_IO, "%s: the disk is full; what was stored before is kept",
                            path);
        if (n < 0) return sns_fail_errno(err, SNS_IO, errno, "%s: cannot write", path);
        from += n;
        at += (size_t)n;
        bytes -= (size_t)n;
    }
    return SNS_OK;
}

/* Opens a file of `bytes` committed bytes; a longer one loses what was not. */
static sns_status open_one(const char *path, const head *want, size_t bytes, bool fresh, int *fd,
                           sns_error *err) {
    struct stat st;
    head found = {0};
    *fd = open(path, O_RDWR | O_CLOEXEC | (fresh ? O_CREAT | O_TRUNC : 0), 0666);
    if (*fd < 0 && errno == ENOENT && !fresh) return damaged(path, "it is missing", err);
    if (*fd < 0) return sns_fail_errno(err, SNS_IO, errno, "%s: can't write there", path);
    if (fresh) {
        sns_status status = put(*fd, path, want, sizeof *want, 0, err);
        if (status) return status;
    } else if (fstat(*fd, &st) || (size_t)st.st_size < bytes ||
               pread(*fd, &found, sizeof found, 0) != (ssize_t)sizeof found) {
        return damaged(path, "it is too short", err);
    } else {
        sns_status status = check_head(path, &found, want, err);
        if (status) return status;
    }
    if (ftruncate(*fd, (off_t)bytes))
        return sns_fail_errno(err, SNS_IO, errno, "%s: cannot set its size", path);
    return SNS_OK;
}

sns_status sns_vector_file_write(sns_vector_file *v, const char *base, uint64_t generation,
                                 size_t dim, size_t count, sns_error *err) {
    head rows = make_head(rows_magic, dim, generation);
    head codes = make_head(codes_magic, dim, generation);
    sns_status status = set_up(v, base, generation, dim, count, err);
    if (!status)
        status = open_one(v->rows_path, &rows, rows_bytes(v, count), !count, &v->rows_fd, err);
    if (!status)
        status = open_one(v->codes_path, &codes, codes_bytes(v, count), !count, &v->codes_fd, err);
    if (status) sns_vector_file_close(v);
    return status;
}

/* One row in 8 bits; padding is zero. Returns the scale. */
static float encode_row(int8_t *code, size_t width, const float *x, size_t dim, float *error) {
    float largest = 0;
    double residue = 0;
    for (size_t i = 0; i < dim; i++) largest = fmaxf(largest, fabsf(x[i]));
    float scale = largest / 127;
    memset(code + dim, 0, width - dim);
    for (size_t i = 0; i < dim; i++) {
        code[i] = scale > 0 ? (int8_t)lrintf(x[i] / scale) : 0;
        double r = (double)scale * code[i] - x[i];
        residue += r * r;
    }
    *error = (float)sqrt(residue);
    return scale;
}

/* Rows of one block, from slot on: their codes stand together, their scales too. */
static sns_status put_codes(sns_vector_file *v, const float *rows, size_t n, size_t slot,
                            int8_t *codes, sns_error *err) {
    float scale[SNS_CODE_ROWS], error[SNS_CODE_ROWS];
    uint32_t check[SNS_CODE_ROWS];
    for (size_t i = 0; i < n; i++) {
        const float *row = rows + i * v->dim;
        scale[i] = encode_row(codes + i * v->width, v->width, row, v->dim, &error[i]);
        check[i] = row_check(row, v->dim, slot + i);
    }
    size_t r = slot % SNS_CODE_ROWS, at = codes_bytes(v, slot - r);
    size_t meta = SNS_CODE_ROWS * sizeof(float);
    const struct {
        const void *data;
        size_t bytes, at;
    } parts[] = {{scale, n * sizeof *scale, at + r * sizeof *scale},
                 {error, n * sizeof *error, at + meta + r * sizeof *error},
                 {check, n * sizeof *check, at + 2 * meta + r * sizeof *check},
                 {codes, n * v->width, at + 3 * meta + r * v->width}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        sns_status status = put(v->codes_fd, v->codes_path, parts[i].data, parts[i].bytes,
                                parts[i].at, err);
        if (status) return status;
    }
    return SNS_OK;
}

sns_status sns_vector_file_append(sns_vector_file *v, const float *rows, size_t n, sns_error *err) {
    if (n > UINT32_MAX - v->count)
        return sns_fail(err, SNS_LIMIT, "%s: too many vectors", v->rows_path);
    int8_t *codes = malloc(SNS_CODE_ROWS * v->width);
    if (!codes) return sns_fail(err, SNS_NOMEM, "%s: no memory to add to it", v->rows_path);
    sns_status status = put(v->rows_fd, v->rows_path, rows, n * v->dim * sizeof *rows,
                            rows_bytes(v, v->count), err);
    /* Whole blocks are mapped, so the file ends with one. */
    if (!status && ftruncate(v->codes_fd, (off_t)codes_bytes(v, v->count + n)))
        status = sns_fail_errno(err, SNS_IO, errno, "%s: cannot set its size", v->codes_path);
    for (size_t done = 0; done < n && !status;) {
        size_t slot = v->count + done, room = SNS_CODE_ROWS - slot % SNS_CODE_ROWS;
        size_t part = n - done < room ? n - done : room;
        status = put_codes(v, rows + done * v->dim, part, slot, codes, err);
        done += part;
    }
    if (!status) v->count += n;
    free(codes);
    return status;
}

sns_status sns_vector_file_sync(sns_vector_file *v, sns_error *err) {
    if (!fdatasync(v->rows_fd) && !fdatasync(v->codes_fd)) return SNS_OK;
    return sns_fail_errno(err, SNS_IO, errno, "%s: cannot be brought to the disk", v->rows_path);
}

/* ---- reading ---- */

static sns_status map_one(const char *path, const head *want, size_t bytes, sns_map *map,
                          sns_error *err) {
    sns_status status = sns_map_open(path, map, err);
    if (status) return status;
    if (map->size < bytes) return damaged(path, "it is too short", err);
    head found;
    memcpy(&found, map->data, sizeof found);
    return check_head(path, &found, want, err);
}

sns_status sns_vector_file_read(sns_vector_file *v, const char *base, uint64_t generation,
                                size_t dim, size_t count, sns_error *err) {
    head rows = make_head(rows_magic, dim, generation);
    head codes = make_head(codes_magic, dim, generation);
    sns_status status = set_up(v, base, generation, dim, count, err);
    if (!status) status = map_one(v->rows_path, &rows, rows_bytes(v, count), &v->rows, err);
    if (!status) status = map_one(v->codes_path, &codes, codes_bytes(v, count), &v->codes, err);
    if (status) sns_vector_file_close(v);
    return status;
}

const float *sns_vector_file_row(const sns_vector_file *v, size_t slot) {
    return (const float *)(const void *)(v->rows.data + rows_bytes(v, slot));
}

sns_code_block sns_vector_file_block(const sns_vector_file *v, size_t first_slot) {
    const unsigned char *at = v->codes.data + codes_bytes(v, first_slot);
    size_t meta = SNS_CODE_ROWS * sizeof(float);
    return (sns_code_block){
        (const float *)(const void *)at, (const float *)(const void *)(at + meta),
        (const uint32_t *)(const void *)(at + 2 * meta), (const int8_t *)(at + 3 * meta)};
}

sns_status sns_vector_file_check(const sns_vector_file *v, size_t slot, sns_error *err) {
    size_t r = slot % SNS_CODE_ROWS;
    sns_code_block b = sns_vector_file_block(v, slot - r);
    if (row_check(sns_vector_file_row(v, slot), v->dim, slot) == b.check[r]) return SNS_OK;
    return sns_fail(err, SNS_FORMAT, "%s: vector %zu is damaged; index again with --rebuild",
                    v->rows_path, slot);
}

sns_status sns_vector_file_check_all(const sns_vector_file *v, sns_error *err) {
    int8_t *code = malloc(v->width);
    if (!code) return sns_fail(err, SNS_NOMEM, "%s: no memory to check it", v->codes_path);
    sns_status status = SNS_OK;
    for (size_t slot = 0; slot < v->count && !status; slot++) {
        size_t r = slot % SNS_CODE_ROWS;
        sns_code_block b = sns_vector_file_block(v, slot - r);
        float error,
            scale = encode_row(code, v->width, sns_vector_file_row(v, slot), v->dim, &error);
        status = sns_vector_file_check(v, slot, err);
        if (!status && (scale != b.scale[r] || error != b.error[r] ||
                        memcmp(code, b.codes + r * v->width, v->width)))
            status = sns_fail(err, SNS_FORMAT,
                              "%s: code %zu is damaged; index again with --rebuild", v->codes_path,
                              slot);
    }
    free(code);
    return status;
}
