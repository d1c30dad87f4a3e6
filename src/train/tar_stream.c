/* tar_stream.c - one header, one member at a time: memory is that of the largest member.
 *
 * Behind a damaged header the next one is looked for, block by block: a header is known by its
 * checksum and the word "ustar". */
#include "train/tar_stream.h"
#include "base/error.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void sns_tar_stream_begin(sns_tar_stream *t, const char *path, sns_bytes *bytes) {
    t->bytes = bytes;
    t->path = path;
    t->at = 0;
    t->lost = t->ended = false;
}

static sns_status cut_off(sns_tar_stream *t, sns_error *err) {
    t->ended = true;
    return sns_fail(err, SNS_FORMAT, "%s: cut off at byte %" PRIu64, t->path, t->at);
}

/* Read n bytes; a source that ends before is cut off. */
static sns_status read_all(sns_tar_stream *t, void *out, size_t n, sns_error *err) {
    size_t got;
    sns_status s = sns_bytes_read(t->bytes, out, n, &got, err);
    t->at += got;
    return s ? s : got < n ? cut_off(t, err) : SNS_OK;
}

static sns_status skip_all(sns_tar_stream *t, uint64_t n, sns_error *err) {
    unsigned long long skipped;
    sns_status s = sns_bytes_skip(t->bytes, n, &skipped, err);
    t->at += skipped;
    return s ? s : skipped < n ? cut_off(t, err) : SNS_OK;
}

/* Read to the end, so that a command that fails late is noticed. */
static sns_status read_rest(sns_tar_stream *t, sns_error *err) {
    unsigned long long skipped;
    t->ended = true;
    return sns_bytes_skip(t->bytes, ~0ull, &skipped, err);
}

static uint64_t padding(uint64_t size) {
    return (SNS_TAR_BLOCK - size % SNS_TAR_BLOCK) % SNS_TAR_BLOCK;
}

/* The next header; SNS_TAR_ZERO at the end of the archive or of the bytes. */
static sns_status next_header(sns_tar_stream *t, sns_tar_kind *kind, uint64_t *size,
                              sns_error *err) {
    size_t got;
    do {
        sns_status s = sns_bytes_read(t->bytes, t->header, SNS_TAR_BLOCK, &got, err);
        t->at += got;
        *kind = SNS_TAR_ZERO;
        if (s) return s;
        if (!got) {
            t->ended = true;
            return SNS_OK;
        }
        if (got < SNS_TAR_BLOCK) return cut_off(t, err);
        *kind = sns_tar_header(&t->about, t->header, size);
    } while (t->lost && (*kind == SNS_TAR_BAD || *kind == SNS_TAR_ZERO ||
                         memcmp(t->header + 257, "ustar", 5)));
    t->lost = *kind == SNS_TAR_BAD;
    if (!t->lost) return SNS_OK;
    return sns_fail(err, SNS_FORMAT, "%s: damaged header at byte %" PRIu64, t->path,
                    t->at - SNS_TAR_BLOCK);
}

static sns_status read_extension(sns_tar_stream *t, uint64_t size, sns_error *err) {
    if (size > SNS_TAR_EXTENSION_MAX) {
        t->lost = true;
        return sns_fail(err, SNS_FORMAT, "%s: damaged header at byte %" PRIu64, t->path,
                        t->at - SNS_TAR_BLOCK);
    }
    unsigned char *body = malloc((size_t)size + 1);
    if (!body) return sns_fail(err, SNS_NOMEM, "%s: no memory for a header", t->path);
    sns_status s = read_all(t, body, (size_t)size, err);
    if (!s) s = skip_all(t, padding(size), err);
    if (!s) s = sns_tar_extend(&t->about, t->header, body, (size_t)size, t->path, t->at, err);
    free(body);
    return s;
}

/* A body, read in portions: a header can promise more than there is. */
static sns_status read_member(sns_tar_stream *t, uint64_t size, sns_tar_member *member,
                              sns_error *err) {
    enum { PORTION = 1 << 20 };
    size_t have = 0;
    unsigned char *data = NULL;
    sns_status s = SNS_OK;
    do {
        size_t n = size - have < PORTION ? (size_t)size - have : have < PORTION ? PORTION : have;
        if (n > size - have) n = (size_t)size - have;
        unsigned char *more = realloc(data, have + n + 1);
        if (!more) {
            s = sns_fail(err, SNS_NOMEM, "%s/%s: no memory for %" PRIu64 " bytes", t->path,
                         t->about.name, size);
            break;
        }
        data = more;
        s = read_all(t, data + have, n, err);
        have += n;
    } while (!s && have < size);
    if (s) {
        free(data);
        return s;
    }
    *member = (sns_tar_member){t->about.name, data, have};
    unsigned long long skipped; /* the last member may lack its padding */
    s = sns_bytes_skip(t->bytes, padding(size), &skipped, err);
    t->at += skipped;
    if (s) free(data);
    return s;
}

sns_status sns_tar_stream_next(sns_tar_stream *t, bool (*wanted)(const char *name),
                               sns_tar_member *member, bool *end, sns_error *err) {
    sns_tar_about_clear(&t->about);
    *member = (sns_tar_member){0};
    *end = false;
    while (!t->ended) {
        sns_tar_kind kind;
        uint64_t size;
        sns_status s = next_header(t, &kind, &size, err);
        if (!s && kind == SNS_TAR_ZERO) s = read_rest(t, err);
        if (!s && kind == SNS_TAR_EXTENSION) s = read_extension(t, size, err);
        if (s) return s;
        if (kind == SNS_TAR_ZERO || kind == SNS_TAR_EXTENSION) continue;
        if (kind == SNS_TAR_OTHER) {
            if ((s = skip_all(t, size + padding(size), err))) return s;
            sns_tar_about_clear(&t->about);
            continue;
        }
        bool want = !wanted || wanted(t->about.name);
        if (want && size <= SNS_MEMBER_BYTES_MAX) return read_member(t, size, member, err);
        if ((s = skip_all(t, size + padding(size), err))) return s;
        if (want)
            return sns_fail(err, SNS_LIMIT, "%s/%s: %" PRIu64 " bytes, more than %d", t->path,
                            t->about.name, size, SNS_MEMBER_BYTES_MAX);
        sns_tar_about_clear(&t->about);
    }
    *end = true;
    return SNS_OK;
}
