/* image_text.c - a line of text as a picture, for contact sheets. */
#include "media/image_vips.h"
#include "base/error.h"
#include "base/strbuf.h"
#include <sensus/image.h>

enum { MAX_TEXT_PX = 512, MAX_LINE_BYTES = 1024 };

/* Valid UTF-8 of one line without markup, cut to keep bytes at a character's end. g_free it. */
static char *clean_line(const char *text, size_t keep) {
    char *valid = g_utf8_make_valid(text, (gssize)strnlen(text, MAX_LINE_BYTES));
    bool cut = strlen(valid) > keep;
    if (cut) {
        while (keep && (valid[keep] & 0xC0) == 0x80) keep--;
        valid[keep] = 0;
    }
    for (char *c = valid; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127) *c = ' ';
    char *escaped = g_markup_escape_text(valid, -1);
    g_free(valid);
    char *line = g_strconcat(escaped, cut ? "\u2026" : "", NULL);
    g_free(escaped);
    return line;
}

/* The text's coverage, one band; NULL when it can't be drawn (no letters, no fonts). */
static VipsImage *draw(const char *text, size_t keep, size_t size_px) {
    char *line = clean_line(text, keep);
    char font[32];
    VipsImage *mask = NULL;
    snprintf(font, sizeof font, "sans %zu", size_px);
    if (!*line || sns_vips.text(&mask, line, "font", font, "dpi", 72, NULL)) {
        sns_vips.error_clear();
        mask = NULL;
    }
    g_free(line);
    return mask;
}

/* Paper everywhere, ink where the mask covers. The mask's top is the text's, so it is centred. */
static sns_status blend(const VipsImage *mask, const uint8_t *cover, const uint8_t ink[3],
                        const uint8_t paper[3], sns_image *out) {
    size_t w = mask ? (size_t)mask->Xsize : 0, h = mask ? (size_t)mask->Ysize : 0;
    if (w > out->width_px) w = out->width_px;
    if (h > out->height_px) h = out->height_px;
    size_t top = (out->height_px - h) / 2;
    for (size_t i = 0; i < out->width_px * out->height_px * 3; i++) out->rgb[i] = paper[i % 3];
    for (size_t y = 0; y < h; y++)
        for (size_t x = 0; x < w; x++) {
            uint8_t *p = out->rgb + ((top + y) * out->width_px + x) * 3;
            unsigned a = cover[y * (size_t)mask->Xsize + x];
            for (int c = 0; c < 3; c++)
                p[c] = (uint8_t)((ink[c] * a + paper[c] * (255 - a) + 127) / 255);
        }
    return SNS_OK;
}

sns_status sns_image_text(const char *text, size_t size_px, size_t width_px, const uint8_t ink[3],
                          const uint8_t paper[3], sns_image *out, sns_error *err) {
    *out = (sns_image){0};
    if (!text || size_px < 4 || size_px > MAX_TEXT_PX || !width_px || width_px > VIPS_MAX_COORD)
        return sns_fail(err, SNS_ARG, "text of %zu pixels in %zu", size_px, width_px);
    sns_status s = sns_vips_start(err);
    if (s) return s;
    size_t keep = strnlen(text, MAX_LINE_BYTES), n = 0;
    VipsImage *mask = draw(text, keep, size_px);
    while (mask && (size_t)mask->Xsize > width_px && keep > 1) {
        size_t guess = keep * width_px / (size_t)mask->Xsize;
        keep = guess < keep - 1 ? guess : keep - 1;
        g_object_unref(mask);
        mask = draw(text, keep, size_px);
    }
    uint8_t *cover = mask ? sns_vips.image_write_to_memory(mask, &n) : NULL;
    if (mask && (!cover || mask->Bands != 1)) {
        g_object_unref(mask);
        mask = NULL;
        sns_vips.error_clear();
    }
    *out = (sns_image){width_px, size_px * 3 / 2, malloc(width_px * (size_px * 3 / 2) * 3)};
    if (out->rgb)
        s = blend(mask, cover, ink, paper, out);
    else
        s = sns_fail(err, SNS_NOMEM, "no memory for a line of text");
    g_free(cover);
    if (mask) g_object_unref(mask);
    return s;
}
