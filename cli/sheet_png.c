/* sheet_png.c - the contact sheet as one picture. */
#include "command.h"
#include "sheet.h"
#include <sensus/image.h>
#include <sensus/sound.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All lengths in pixels. A cell is a square frame with a caption below. */
enum {
    FRAME = 220,
    INSET = 8,
    CAPTION = 30,
    GAP = 16,
    TITLE = 26,
    NAME = 13,
    MAX_CARDS = 400,
    HEAD = GAP + TITLE * 3 / 2 + GAP,
    MAX_HEIGHT = 30000,
    SOUND_SECONDS = 600
};

static const uint8_t paper[3] = {246, 245, 242}, card[3] = {255, 255, 255}, ink[3] = {29, 28, 26},
                     soft[3] = {109, 106, 99};

/* Copy src into dst with its upper left corner at x, y; what sticks out is cut. */
static void paste(sns_image *dst, const sns_image *src, size_t x, size_t y) {
    for (size_t r = 0; r < src->height_px && y + r < dst->height_px; r++) {
        size_t n = src->width_px;
        if (x >= dst->width_px) return;
        if (n > dst->width_px - x) n = dst->width_px - x;
        memcpy(dst->rgb + ((y + r) * dst->width_px + x) * 3, src->rgb + r * src->width_px * 3,
               n * 3);
    }
}

static void fill(sns_image *dst, size_t x, size_t y, size_t w, size_t h, const uint8_t colour[3]) {
    for (size_t r = y; r < y + h && r < dst->height_px; r++)
        for (size_t c = x; c < x + w && c < dst->width_px; c++)
            memcpy(dst->rgb + (r * dst->width_px + c) * 3, colour, 3);
}

static sns_status put_text(sns_image *sheet, const char *text, size_t size, size_t x, size_t y,
                           size_t width, const uint8_t colour[3], sns_error *err) {
    sns_image line;
    sns_status status = sns_image_text(text, size, width, colour, paper, &line, err);
    if (status) return status;
    paste(sheet, &line, x, y);
    sns_image_free(&line);
    return SNS_OK;
}

/* The picture inside its frame, whole, never enlarged more than twice; an unreadable one leaves the
 * frame empty. */
static void put_picture(sns_image *sheet, const cli_card *c, size_t x, size_t y) {
    sns_image image = {0}, small = {0};
    const double inner = FRAME - 2 * INSET;
    fill(sheet, x, y, FRAME, FRAME, card);
    if (cli_card_image(c, FRAME, &image, NULL)) return;
    double longer = (double)(image.width_px > image.height_px ? image.width_px : image.height_px);
    double scale = inner / longer < 2 ? inner / longer : 2;
    size_t w = (size_t)((double)image.width_px * scale + 0.5);
    size_t h = (size_t)((double)image.height_px * scale + 0.5);
    if (!sns_image_resize(&image, w ? w : 1, h ? h : 1, &small, NULL))
        paste(sheet, &small, x + (FRAME - small.width_px) / 2, y + (FRAME - small.height_px) / 2);
    sns_image_free(&small);
    sns_image_free(&image);
}

static sns_status put_cell(sns_image *sheet, const cli_card *c, size_t rank, size_t x, size_t y,
                           sns_error *err) {
    char score[32], name[300];
    const char *slash = strrchr(c->path, '/');
    snprintf(score, sizeof score, "%.3f", (double)c->score);
    if (c->caption)
        snprintf(name, sizeof name, "%s", c->caption);
    else
        snprintf(name, sizeof name, "%zu. %s", rank, slash ? slash + 1 : c->path);
    put_picture(sheet, c, x, y);
    size_t width = c->has_score ? FRAME - 50 : FRAME;
    sns_status status = put_text(sheet, name, NAME, x, y + FRAME + 4, width, ink, err);
    if (status || !c->has_score) return status;
    return put_text(sheet, score, NAME, x + FRAME - 38, y + FRAME + 4, 38, soft, err);
}

static size_t columns_for(size_t count) {
    size_t columns = 1;
    while (columns * columns < count + columns && columns < 10) columns++;
    return columns < 3 ? 3 : columns;
}

static size_t shown(const cli_section *s) {
    return s->count < MAX_CARDS ? s->count : MAX_CARDS;
}

static size_t section_height(const cli_section *s, size_t columns) {
    size_t rows = (shown(s) + columns - 1) / columns;
    return HEAD + rows * (FRAME + CAPTION + GAP);
}

static sns_status put_section(sns_image *sheet, const cli_section *s, size_t columns, size_t y,
                              sns_error *err) {
    sns_status status = put_text(sheet, s->title, TITLE, GAP, y + GAP, sheet->width_px - 2 * GAP,
                                 ink, err);
    for (size_t i = 0; i < shown(s) && !status; i++)
        status = put_cell(sheet, &s->cards[i], i + 1, GAP + i % columns * (FRAME + GAP),
                          y + HEAD + i / columns * (FRAME + CAPTION + GAP), err);
    return status;
}

static sns_status sound_image(const cli_card *c, size_t width_px, sns_image *out, sns_error *err) {
    const sns_sound_options o = {
        .max_seconds = SOUND_SECONDS, .cut = 1, .isolation = cli_isolation()};
    sns_sound sound;
    *out = (sns_image){0};
    sns_status s = c->bytes ? sns_sound_decode(c->bytes, c->size, c->path, &o, &sound, err)
                            : sns_sound_load(c->path, &o, &sound, err);
    if (s) return s;
    s = sns_sound_picture(&sound, width_px, width_px * 3 / 4, out, err);
    sns_sound_free(&sound);
    return s;
}

sns_status cli_card_image(const cli_card *c, size_t target_px, sns_image *out, sns_error *err) {
    if (c->sound) return sound_image(c, target_px, out, err);
    const sns_image_options o = {.target_px = target_px};
    return c->bytes ? sns_image_decode(c->bytes, c->size, c->path, &o, out, err)
                    : sns_image_load(c->path, &o, out, err);
}

sns_status cli_sheet_png(const char *file, const cli_section *sections, size_t n, sns_error *err) {
    size_t columns = 0, height = 0, y = 0;
    for (size_t i = 0; i < n; i++)
        if (columns_for(shown(&sections[i])) > columns) columns = columns_for(shown(&sections[i]));
    for (size_t i = 0; i < n; i++) height += section_height(&sections[i], columns);
    sns_image sheet = {.width_px = GAP + columns * (FRAME + GAP), .height_px = height};
    if (height > MAX_HEIGHT) {
        *err = (sns_error){.code = SNS_LIMIT,
                           .message = "the contact sheet is too high: fewer queries, or --html"};
        return SNS_LIMIT;
    }
    sheet.rgb = malloc(sheet.width_px * sheet.height_px * 3);
    if (!sheet.rgb) {
        *err = (sns_error){.code = SNS_NOMEM, .message = "no memory for the contact sheet"};
        return SNS_NOMEM;
    }
    fill(&sheet, 0, 0, sheet.width_px, sheet.height_px, paper);
    sns_status status = SNS_OK;
    for (size_t i = 0; i < n && !status; y += section_height(&sections[i++], columns))
        status = put_section(&sheet, &sections[i], columns, y, err);
    if (!status) status = sns_image_save_png(&sheet, file, err);
    sns_image_free(&sheet);
    return status;
}
