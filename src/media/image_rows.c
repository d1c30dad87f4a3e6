/* image_rows.c - strips of rows from libvips, on white, averaged by squares when asked. */
#include "media/image_rows.h"
#include "base/error.h"
#include <stdlib.h>
#include <string.h>

enum { STRIP_ROWS = 16 }; /* a multiple of every shrink */

/* Rows on their way out. */
typedef struct rows {
    size_t width, shrink, out_width;
    uint8_t *row;   /* [width, 3] one row on white; NULL, as sums, when shrink is 1 */
    uint32_t *sums; /* [out_width, 3] of the rows of a square so far */
    size_t summed;  /* rows in sums */
    uint8_t *next;  /* where the next row of the result goes */
} rows;

/* One row of RGB or RGBA to RGB, transparency on white: round((c a + 255 (255 - a)) / 255). */
static void row_on_white(uint8_t *out, const uint8_t *in, size_t w, int bands) {
    if (bands == 3) {
        memcpy(out, in, w * 3);
        return;
    }
    for (size_t x = 0; x < w; x++, in += 4, out += 3) {
        unsigned a = in[3];
        for (int c = 0; c < 3; c++) {
            unsigned v = in[c] * a + 255 * (255 - a) + 128;
            out[c] = (uint8_t)((v + (v >> 8)) >> 8);
        }
    }
}

/* The means of the squares that end here. */
static void emit(rows *r) {
    if (!r->summed) return;
    for (size_t x = 0; x < r->out_width; x++) {
        size_t left = r->width - x * r->shrink, columns = left < r->shrink ? left : r->shrink;
        uint32_t n = (uint32_t)(columns * r->summed);
        for (int c = 0; c < 3; c++) *r->next++ = (uint8_t)((r->sums[3 * x + c] + n / 2) / n);
    }
    memset(r->sums, 0, r->out_width * 3 * sizeof *r->sums);
    r->summed = 0;
}

static void take_row(rows *r, const uint8_t *in, int bands) {
    if (r->shrink == 1) {
        row_on_white(r->next, in, r->width, bands);
        r->next += r->width * 3;
        return;
    }
    row_on_white(r->row, in, r->width, bands);
    for (size_t x = 0; x < r->width; x++)
        for (int c = 0; c < 3; c++) r->sums[x / r->shrink * 3 + c] += r->row[3 * x + c];
    if (++r->summed == r->shrink) emit(r);
}

static sns_status pull(const sns_source *src, VipsImage *image, rows *r, sns_error *err) {
    int h = sns_vips.image_get_height(image), bands = sns_vips.image_get_bands(image);
    if (sns_vips.image_pio_input(image)) return sns_vips_fail(src, err);
    VipsRegion *region = sns_vips.region_new(image);
    if (!region) return sns_vips_fail(src, err);
    sns_status s = SNS_OK;
    for (int y = 0; !s && y < h; y += STRIP_ROWS) {
        VipsRect rect = {0, y, (int)r->width, h - y < STRIP_ROWS ? h - y : STRIP_ROWS};
        if (sns_vips.region_prepare(region, &rect)) s = sns_vips_fail(src, err);
        for (int i = 0; i < rect.height && !s; i++)
            take_row(r, region->data + (y + i - region->valid.top) * region->bpl, bands);
    }
    if (!s) emit(r);
    g_object_unref(region);
    return s;
}

sns_status sns_rows_pull(const sns_source *src, VipsImage *image, size_t shrink, sns_image *out,
                         sns_error *err) {
    size_t w = (size_t)sns_vips.image_get_width(image),
           h = (size_t)sns_vips.image_get_height(image);
    rows r = {.width = w, .shrink = shrink, .out_width = (w + shrink - 1) / shrink};
    *out = (sns_image){.width_px = r.out_width, .height_px = (h + shrink - 1) / shrink};
    out->rgb = r.next = malloc(out->width_px * out->height_px * 3);
    bool ok = out->rgb;
    if (shrink > 1) {
        r.row = malloc(w * 3);
        r.sums = calloc(r.out_width * 3, sizeof *r.sums);
        ok = ok && r.row && r.sums;
    }
    sns_status s = ok ? pull(src, image, &r, err)
                      : sns_fail(err, SNS_NOMEM, "%s: no memory for %zu x %zu pixels", src->name,
                                 out->width_px, out->height_px);
    free(r.row);
    free(r.sums);
    if (s) sns_image_free(out);
    return s;
}
