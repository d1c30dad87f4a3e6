/* tar_format.c - POSIX.1-2001 tar (pax interchange format, ustar headers) and GNU long names.
 *
 * An archive is a row of 512-byte headers, each followed by its member's bytes padded to 512; two
 * zero blocks end it. A member of type 'x' (pax) or 'L' (GNU) describes the one after it. */
#include "train/tar_format.h"
#include "base/error.h"
#include <inttypes.h>
#include <string.h>

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
    for (size_t i = 0; i < SNS_TAR_BLOCK; i++) {
        unsigned char c = i >= 148 && i < 156 ? ' ' : h[i];
        sum += c;
        sum_signed += (signed char)c;
    }
    return read_number(h + 148, 8, &stated) &&
           ((int64_t)stated == sum || (int64_t)stated == sum_signed);
}

static bool is_zero_block(const unsigned char *h) {
    for (size_t i = 0; i < SNS_TAR_BLOCK; i++)
        if (h[i]) return false;
    return true;
}

static size_t field_length(const unsigned char *field, size_t n) {
    const unsigned char *end = memchr(field, 0, n);
    return end ? (size_t)(end - field) : n;
}

/* prefix/name of a ustar header. */
static void header_name(sns_tar_about *about, const unsigned char *h) {
    size_t n = 0, prefix = memcmp(h + 257, "ustar\0", 6) == 0 ? field_length(h + 345, 155) : 0;
    if (prefix) {
        memcpy(about->name, h + 345, prefix);
        about->name[prefix] = '/';
        n = prefix + 1;
    }
    size_t base = field_length(h, 100);
    memcpy(about->name + n, h, base);
    about->name[n + base] = 0;
}

void sns_tar_about_clear(sns_tar_about *about) {
    about->has_name = about->has_size = false;
    about->size = 0;
    about->name[0] = 0;
}

sns_tar_kind sns_tar_header(sns_tar_about *about, const unsigned char *h, uint64_t *size) {
    *size = 0;
    if (is_zero_block(h)) return SNS_TAR_ZERO;
    if (!checksum_holds(h) || !read_number(h + 124, 12, size)) return SNS_TAR_BAD;
    char type = (char)h[156];
    if (type == 'x' || type == 'g' || type == 'L' || type == 'K') return SNS_TAR_EXTENSION;
    if (about->has_size) *size = about->size;
    if (type != '0' && type != 0 && type != '7') return SNS_TAR_OTHER;
    if (!about->has_name) header_name(about, h);
    return SNS_TAR_FILE;
}

/* The value of one pax record that matters. */
static sns_status take_record(sns_tar_about *about, const unsigned char *key, size_t n,
                              const char *path, uint64_t at, sns_error *err) {
    if (n > 5 && !memcmp(key, "path=", 5)) {
        if (n - 5 > SNS_TAR_NAME_MAX)
            return sns_fail(err, SNS_LIMIT, "%s: a name of %zu bytes", path, n - 5);
        memcpy(about->name, key + 5, n - 5);
        about->name[n - 5] = 0;
        about->has_name = true;
    } else if (n > 5 && !memcmp(key, "size=", 5)) {
        uint64_t size = 0;
        for (size_t k = 5; k < n; k++) {
            if (key[k] < '0' || key[k] > '9' || size >> 56)
                return sns_fail(err, SNS_FORMAT, "%s: damaged pax size before byte %" PRIu64, path,
                                at);
            size = size * 10 + (uint64_t)(key[k] - '0');
        }
        about->size = size;
        about->has_size = true;
    }
    return SNS_OK;
}

/* Pax records "LENGTH key=value\n": takes path and size, passes over the rest. */
static sns_status read_pax(sns_tar_about *about, const unsigned char *p, size_t n, const char *path,
                           uint64_t where, sns_error *err) {
    sns_status s = SNS_OK;
    for (size_t at = 0; at < n && !s;) {
        size_t length = 0, i = at;
        for (; i < n && p[i] >= '0' && p[i] <= '9' && length <= n; i++)
            length = length * 10 + (size_t)(p[i] - '0');
        size_t end = at + length;
        if (i == at || i >= n || p[i] != ' ' || length > n - at || end <= i + 1 ||
            p[end - 1] != '\n')
            return sns_fail(err, SNS_FORMAT, "%s: damaged pax record before byte %" PRIu64, path,
                            where);
        s = take_record(about, p + i + 1, end - 1 - (i + 1), path, where, err);
        at = end;
    }
    return s;
}

sns_status sns_tar_extend(sns_tar_about *about, const unsigned char *h, const unsigned char *body,
                          size_t n, const char *path, uint64_t at, sns_error *err) {
    if (h[156] == 'x') return read_pax(about, body, n, path, at, err);
    if (h[156] != 'L') return SNS_OK;
    size_t length = field_length(body, n);
    if (length > SNS_TAR_NAME_MAX)
        return sns_fail(err, SNS_LIMIT, "%s: a name of %zu bytes", path, length);
    memcpy(about->name, body, length);
    about->name[length] = 0;
    about->has_name = true;
    return SNS_OK;
}

bool sns_tar_write_header(unsigned char *h, const char *name, uint64_t size) {
    char text[32];
    unsigned sum = 0;
    size_t n = strlen(name);
    if (!n || n > 100 || size >> 33) return false;
    memset(h, 0, SNS_TAR_BLOCK);
    memcpy(h, name, n);
    memcpy(h + 100, "0000644", 7);
    memcpy(h + 108, "0000000", 7);
    memcpy(h + 116, "0000000", 7);
    snprintf(text, sizeof text, "%011" PRIo64, size);
    memcpy(h + 124, text, 11);
    memcpy(h + 136, "00000000000", 11); /* no time: the same samples give the same bytes */
    h[156] = '0';
    memcpy(h + 257, "ustar\00000", 8);
    memset(h + 148, ' ', 8);
    for (size_t i = 0; i < SNS_TAR_BLOCK; i++) sum += h[i];
    snprintf(text, sizeof text, "%06o", sum);
    memcpy(h + 148, text, 7); /* six digits, NUL, and a space stays */
    return true;
}
