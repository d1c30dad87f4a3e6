/* npy.c - NumPy's array file.
 *
 * "\x93NUMPY", version (1 or 2, minor), u16 (version 2: u32) length H, H bytes of a Python literal
 * {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }, then the elements. */
#include "tensor/npy.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include "base/writer.h"
#include <errno.h>
#include <stdint.h>

enum { HEADER_MAX = 1 << 16 };

/* The text after "'key':" and spaces; NULL when the key is absent. */
static const char *value_of(const char *header, const char *key) {
    const char *p = strstr(header, key);
    if (!p) return NULL;
    p += strlen(key);
    while (*p == ' ') p++;
    if (*p++ != ':') return NULL;
    while (*p == ' ') p++;
    return p;
}

/* "(2, 3)", "(5,)", "()" */
static bool parse_shape(const char *p, sns_npy *out) {
    out->dims = 0;
    out->count = 1;
    if (!p || *p++ != '(') return false;
    for (;;) {
        while (*p == ' ' || *p == ',') p++;
        if (*p == ')') return true;
        if (*p < '0' || *p > '9' || out->dims == SNS_NPY_MAX_DIMS) return false;
        char *end;
        errno = 0;
        unsigned long long d = strtoull(p, &end, 10);
        if (errno || !sns_mul_size(out->count, d, &out->count)) return false;
        out->dim[out->dims++] = d;
        p = end;
    }
}

static sns_status parse_header(const char *path, const char *header, sns_npy *out, sns_error *err) {
    const char *descr = value_of(header, "'descr'"), *order = value_of(header, "'fortran_order'");
    if (!descr || !order || !parse_shape(value_of(header, "'shape'"), out))
        return sns_fail(err, SNS_FORMAT, "%s: its .npy header makes no sense", path);
    if (strncmp(descr, "'<f4'", 5) || strncmp(order, "False", 5))
        return sns_fail(err, SNS_UNSUPPORTED,
                        "%s: only little-endian float32 in C order ('<f4') is read", path);
    return SNS_OK;
}

/* *at <- where the elements begin. */
static sns_status read_header(const char *path, const sns_map *map, sns_npy *out, size_t *at,
                              sns_error *err) {
    const unsigned char *d = map->data;
    if (map->size < 12 || memcmp(d, "\x93NUMPY", 6) || d[6] < 1 || d[6] > 3)
        return sns_fail(err, SNS_FORMAT, "%s: not a .npy file", path);
    size_t start = d[6] == 1 ? 10 : 12, n = (size_t)d[8] | (size_t)d[9] << 8;
    if (d[6] > 1) n |= (size_t)d[10] << 16 | (size_t)d[11] << 24;
    if (n > HEADER_MAX || n > map->size - start)
        return sns_fail(err, SNS_FORMAT, "%s: a header of %zu bytes does not fit", path, n);
    char *header = sns_strndup((const char *)d + start, n);
    if (!header) return sns_fail(err, SNS_NOMEM, "%s: no memory for its header", path);
    sns_status s = parse_header(path, header, out, err);
    free(header);
    *at = start + n;
    return s;
}

sns_status sns_npy_read(const char *path, sns_npy *out, sns_error *err) {
    sns_map map;
    size_t at = 0, bytes;
    *out = (sns_npy){0};
    sns_status s = sns_map_open(path, &map, err);
    if (s) return s;
    s = read_header(path, &map, out, &at, err);
    if (!s && (!sns_mul_size(out->count, sizeof(float), &bytes) || bytes != map.size - at))
        s = sns_fail(err, SNS_FORMAT, "%s: %zu elements do not fit its %zu bytes", path, out->count,
                     map.size - at);
    if (!s && !(out->data = malloc(bytes ? bytes : 1)))
        s = sns_fail(err, SNS_NOMEM, "%s: no memory for %zu bytes", path, bytes);
    if (!s && bytes) memcpy(out->data, map.data + at, bytes);
    sns_map_close(&map);
    if (s) *out = (sns_npy){0};
    return s;
}

void sns_npy_free(sns_npy *a) {
    free(a->data);
    *a = (sns_npy){0};
}

sns_status sns_npy_write(const char *path, const float *data, int dims, const size_t *dim,
                         sns_error *err) {
    size_t count = 1, bytes;
    sns_strbuf h = {0};
    sns_strbuf_puts(&h, "{'descr': '<f4', 'fortran_order': False, 'shape': (");
    for (int i = 0; i < dims; i++) {
        sns_strbuf_printf(&h, "%zu%s", dim[i], dims == 1 ? "," : i + 1 < dims ? ", " : "");
        if (!sns_mul_size(count, dim[i], &count)) h.failed = true;
    }
    sns_strbuf_puts(&h, "), }");
    while ((10 + h.size + 1) % 64 && !h.failed) sns_strbuf_puts(&h, " ");
    sns_strbuf_puts(&h, "\n");
    if (h.failed || dims < 0 || dims > SNS_NPY_MAX_DIMS || h.size > UINT16_MAX ||
        !sns_mul_size(count, sizeof(float), &bytes)) {
        sns_strbuf_free(&h);
        return sns_fail(err, SNS_ARG, "%s: the array's shape", path);
    }
    unsigned char start[10] = "\x93NUMPY\x01";
    start[8] = (unsigned char)(h.size & 255);
    start[9] = (unsigned char)(h.size >> 8);
    sns_writer *w = NULL;
    sns_status s = sns_writer_open(path, &w, err);
    if (!s) s = sns_writer_put(w, start, sizeof start, err);
    if (!s) s = sns_writer_put(w, h.data, h.size, err);
    if (!s) s = sns_writer_put(w, data, bytes, err);
    sns_strbuf_free(&h);
    if (!s) return sns_writer_commit(w, err);
    sns_writer_abort(w);
    return s;
}
