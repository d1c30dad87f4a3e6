/* image_kind.c - the signatures of the formats. */
#include "media/image_kind.h"
#include "base/error.h"
#include <stdbool.h>
#include <string.h>

typedef struct signature {
    sns_kind kind;
    size_t at, size;
    const char *bytes;
} signature;

static const signature signatures[] = {
    {SNS_KIND_JPEG, 0, 3, "\xff\xd8\xff"}, {SNS_KIND_PNG, 0, 8, "\x89PNG\r\n\x1a\n"},
    {SNS_KIND_WEBP, 8, 4, "WEBP"},         {SNS_KIND_GIF, 0, 6, "GIF87a"},
    {SNS_KIND_GIF, 0, 6, "GIF89a"},        {SNS_KIND_TIFF, 0, 4, "II*\0"},
    {SNS_KIND_TIFF, 0, 4, "MM\0*"},        {SNS_KIND_TIFF, 0, 4, "II+\0"},
    {SNS_KIND_TIFF, 0, 4, "MM\0+"},        {SNS_KIND_BMP, 0, 2, "BM"},
    {SNS_KIND_SVG, 0, 2, "\x1f\x8b"},
};

static bool is_heif(const uint8_t *b, size_t size) {
    static const char *const brands[] = {"heic", "heix", "hevc", "hevx", "heim",
                                         "heis", "mif1", "msf1", "avif", "avis"};
    if (size < 12 || memcmp(b + 4, "ftyp", 4) != 0) return false;
    for (size_t i = 0; i < sizeof brands / sizeof *brands; i++)
        if (!memcmp(b + 8, brands[i], 4)) return true;
    return false;
}

static bool is_ppm(const uint8_t *b, size_t size) {
    return size > 3 && b[0] == 'P' && b[1] >= '1' && b[1] <= '6' && strchr(" \t\r\n#", b[2]) &&
           b[2] != 0;
}

/* Text that starts with '<' and has an <svg element soon. */
static bool is_svg(const uint8_t *b, size_t size) {
    size_t at = size >= 3 && !memcmp(b, "\xef\xbb\xbf", 3) ? 3 : 0;
    while (at < size && (b[at] == ' ' || b[at] == '\t' || b[at] == '\r' || b[at] == '\n')) at++;
    if (at == size || b[at] != '<') return false;
    size_t end = size < 8192 ? size : 8192;
    for (; at + 4 < end; at++)
        if ((b[at] == '<' || b[at] == ':') && !memcmp(b + at + 1, "svg", 3)) return true;
    return false;
}

sns_kind sns_kind_of(const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        const signature *s = &signatures[i];
        if (size >= s->at + s->size && !memcmp(bytes + s->at, s->bytes, s->size) &&
            (s->kind != SNS_KIND_WEBP || !memcmp(bytes, "RIFF", 4)))
            return s->kind;
    }
    if (is_heif(bytes, size)) return SNS_KIND_HEIF;
    if (is_ppm(bytes, size)) return SNS_KIND_PPM;
    return is_svg(bytes, size) ? SNS_KIND_SVG : SNS_KIND_UNKNOWN;
}

const char *sns_kind_name(sns_kind kind) {
    static const char *const names[] = {"unknown", "JPEG", "PNG", "WebP", "GIF",
                                        "TIFF",    "HEIF", "SVG", "BMP",  "PPM"};
    return names[kind];
}

static uint32_t big_u32(const uint8_t *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static uint32_t little_u32(const uint8_t *b) {
    return (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[1] << 8 | b[0];
}

sns_status sns_kind_check_header(const sns_source *src, size_t max_pixels, sns_error *err) {
    const uint8_t *b = src->bytes;
    uint64_t w = 0, h = 0;
    if (src->kind == SNS_KIND_PNG && src->size >= 24) {
        w = big_u32(b + 16);
        h = big_u32(b + 20);
    } else if (src->kind == SNS_KIND_BMP && src->size >= 26) {
        if (little_u32(b + 14) == 12) {
            w = b[18] | (uint32_t)b[19] << 8;
            h = b[20] | (uint32_t)b[21] << 8;
        } else {
            int64_t rows = (int32_t)little_u32(b + 22); /* negative: stored from the top */
            w = little_u32(b + 18);
            h = (uint64_t)(rows < 0 ? -rows : rows);
        }
    } else {
        return SNS_OK;
    }
    if (!w || !h)
        return sns_fail(err, SNS_FORMAT, "%s: a %s picture without size", src->name,
                        sns_kind_name(src->kind));
    if (w > max_pixels / h)
        return sns_fail(err, SNS_LIMIT,
                        "%s: a %s picture of %llu x %llu pixels, more than the limit of %zu",
                        src->name, sns_kind_name(src->kind), (unsigned long long)w,
                        (unsigned long long)h, max_pixels);
    return SNS_OK;
}
