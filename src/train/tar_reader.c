/* tar_reader.c - POSIX.1-2001 tar (pax interchange format, ustar headers) and GNU long names.
 *
 * An archive is a row of 512-byte headers, each followed by its member's bytes padded to 512; two
 * zero blocks end it. A member of type 'x' (pax) or 'L' (GNU) describes the one after it. Members
 * are not copied: pictures are decoded from the mapped archive. */
#include "train/tar_reader.h"
#include "base/error.h"
#include <stdint.h>
#include <string.h>

enum { BLOCK = 512, EXTENSION_MAX = 1 << 20 };

void sns_tar_begin(sns_tar *tar, const char *path, const void *data, size_t size) {
    *tar = (sns_tar){.data = data, .size = size, .path = path};
}

/* An octal field, or GNU's base-256 (first bit set). False: malformed. */
static bool read_number(const unsigned char *field, size_t n, uint64_t *out) {
    uint64_t x = 0;
    size_t i = 0;
    if (field[0] & 0x80) {
        if (field[0] != 0x80) return false; /* negative or absurd */
        for (i = 1; i < n; i++) {
            if (x >> 56) return false;
            x = x << 8 | field[i];
        }
        *out = x;
        return true;
    }
    while (i < n && field[i] == ' ') i++;
    for (; i < n && field[i] >= '0' && field[i] <= '7'; i++) {
        if (x >> 60) return false;
        x = x << 3 | (uint64_t)(field[i] - '0');
    }
    *out = x;
    return i == n || field[i] == 0 || field[i] == ' ';
}

/* The sum of all bytes with the checksum's own field as spaces; some writers sum signed chars. */
static bool checksum_holds(const unsigned char *h) {
    uint64_t stated;
    int64_t sum = 0, sum_signed = 0;
    for (size_t i = 0; i < BLOCK; i++) {
        unsigned char c = i >= 148 && i < 156 ? ' ' : h[i];
        sum += c;
        sum_signed += (signed char)c;
    }
    return read_number(h + 148, 8, &stated) &&
           ((int64_t)stated == sum || (int64_t)stated == sum_signed);
}

static bool is_zero_block(const unsigned char *h) {
    for (size_t i = 0; i < BLOCK; i++)
        if (h[i]) return false;
    return true;
}

static size_t field_length(const unsigned char *field, size_t n) {
    const unsigned char *end = memchr(field, 0, n);
    return end ? (size_t)(end - field) : n;
}

/* prefix/name of a ustar header. */
static void header_name(sns_tar *tar, const unsigned char *h) {
    size_t n = 0, prefix = memcmp(h + 257, "ustar\0", 6) == 0 ? field_length(h + 345, 155) : 0;
    if (prefix) {
        memcpy(tar->name, h + 345, prefix);
        tar->name[prefix] = '/';
        n = prefix + 1;
    }
    size_t base = field_length(h, 100);
    memcpy(tar->name + n, h, base);
    tar->name[n + base] = 0;
}

/* Pax records "LENGTH key=value\n": takes path and size, passes over the rest. */
static sns_status read_pax(sns_tar *tar, const unsigned char *p, size_t n, bool *has_name,
                           bool *has_size, uint64_t *size, sns_error *err) {
    for (size_t at = 0; at < n;) {
        size_t length = 0, i = at;
        for (; i < n && p[i] >= '0' && p[i] <= '9' && length <= n; i++)
            length = length * 10 + (size_t)(p[i] - '0');
        size_t end = at + length;
        if (i == at || i >= n || p[i] != ' ' || length > n - at || end <= i + 1 ||
            p[end - 1] != '\n')
            return sns_fail(err, SNS_FORMAT, "%s: damaged pax record before byte %zu", tar->path,
                            tar->at);
        const unsigned char *key = p + i + 1;
        size_t rest = end - 1 - (i + 1);
        if (rest > 5 && !memcmp(key, "path=", 5)) {
            if (rest - 5 > SNS_TAR_NAME_MAX)
                return sns_fail(err, SNS_LIMIT, "%s: a name of %zu bytes", tar->path, rest - 5);
            memcpy(tar->name, key + 5, rest - 5);
            tar->name[rest - 5] = 0;
            *has_name = true;
        } else if (rest > 5 && !memcmp(key, "size=", 5)) {
            *size = 0;
            for (size_t k = 5; k < rest; k++) {
                if (key[k] < '0' || key[k] > '9' || *size >> 56)
                    return sns_fail(err, SNS_FORMAT, "%s: damaged pax size before byte %zu",
                                    tar->path, tar->at);
                *size = *size * 10 + (uint64_t)(key[k] - '0');
            }
            *has_size = true;
        }
        at = end;
    }
    return SNS_OK;
}

/* The name in a GNU 'L' member. */
static sns_status read_long_name(sns_tar *tar, const unsigned char *p, size_t n, sns_error *err) {
    size_t length = field_length(p, n);
    if (length > SNS_TAR_NAME_MAX)
        return sns_fail(err, SNS_LIMIT, "%s: a name of %zu bytes", tar->path, length);
    memcpy(tar->name, p, length);
    tar->name[length] = 0;
    return SNS_OK;
}

sns_status sns_tar_next(sns_tar *tar, sns_tar_entry *entry, bool *end, sns_error *err) {
    bool has_name = false, has_size = false;
    uint64_t pax_size = 0;
    *end = false;
    for (;;) {
        if (tar->at >= tar->size) {
            *end = true;
            return SNS_OK;
        }
        const unsigned char *h = tar->data + tar->at;
        size_t left = tar->size - tar->at;
        uint64_t size;
        if (left < BLOCK)
            return sns_fail(err, SNS_FORMAT, "%s: cut off at byte %zu", tar->path, tar->at);
        if (is_zero_block(h)) {
            *end = true;
            return SNS_OK;
        }
        if (!checksum_holds(h) || !read_number(h + 124, 12, &size))
            return sns_fail(err, SNS_FORMAT, "%s: damaged header at byte %zu", tar->path, tar->at);
        char type = (char)h[156];
        bool extension = type == 'x' || type == 'g' || type == 'L' || type == 'K';
        if (!extension && has_size) size = pax_size;
        if (size > left - BLOCK || (extension && size > EXTENSION_MAX))
            return sns_fail(err, SNS_FORMAT, "%s: the member at byte %zu runs past the end",
                            tar->path, tar->at);
        const unsigned char *body = h + BLOCK;
        size_t padded = ((size_t)size + BLOCK - 1) / BLOCK * BLOCK;
        tar->at += BLOCK + (padded < left - BLOCK ? padded : left - BLOCK);
        sns_status s = SNS_OK;
        if (type == 'x') {
            s = read_pax(tar, body, (size_t)size, &has_name, &has_size, &pax_size, err);
        } else if (type == 'L') {
            s = read_long_name(tar, body, (size_t)size, err);
            has_name = true;
        } else if (type == '0' || type == 0 || type == '7') {
            if (!has_name) header_name(tar, h);
            *entry = (sns_tar_entry){tar->name, body, (size_t)size};
            return SNS_OK;
        } else if (!extension) {
            has_name = has_size = false;
        }
        if (s) return s;
    }
}
