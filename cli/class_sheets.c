/* class_sheets.c - a contact sheet for each class, of its most certain pictures. */
#include "class_output.h"
#include "film_common.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Pictures of shards are kept small, recordings as pictures, as far as that goes; later ones are
 * then left blank. */
enum { SMALL_PX = 220, SMALL_BYTES = 16 << 10, JPEG_QUALITY = 85, BYTES_MAX = 256 << 20 };

typedef struct picture {
    char *path;
    bool in_memory; /* else in the file `path` */
    void *bytes;    /* NULL with in_memory: there was no room for them */
    size_t size;
    float probability;
    bool sound;
    bool in_time; /* a film's frame */
    double seconds;
} picture;

typedef struct best {
    picture *items; /* [most], the most probable first */
    size_t count, all;
} best;

struct cli_class_sheets {
    best *of; /* [count] */
    size_t count, most, bytes;
};

cli_class_sheets *cli_class_sheets_new(size_t classes, size_t most) {
    cli_class_sheets *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->count = classes + 1;
    s->most = most;
    s->of = calloc(s->count, sizeof *s->of);
    if (s->of) return s;
    free(s);
    return NULL;
}

static void drop(cli_class_sheets *s, picture *p) {
    if (p->bytes) s->bytes -= p->size;
    free(p->bytes);
    free(p->path);
    *p = (picture){0};
}

void cli_class_sheets_free(cli_class_sheets *s) {
    if (!s) return;
    for (size_t c = 0; c < s->count; c++) {
        for (size_t i = 0; i < s->of[c].count; i++) drop(s, &s->of[c].items[i]);
        free(s->of[c].items);
    }
    free(s->of);
    free(s);
}

/* The picture's bytes as JPEG, no larger than a sheet shows it; false: as they are will do. */
static bool shrink(const char *name, const void *bytes, size_t size, picture *p) {
    const cli_card card = {.path = name, .bytes = bytes, .size = size, .sound = p->sound};
    sns_image image = {0}, small = {0};
    uint8_t *jpeg = NULL;
    if ((size <= SMALL_BYTES && !p->sound) || cli_card_image(&card, SMALL_PX, &image, NULL))
        return false;
    size_t w = image.width_px, h = image.height_px, longer = w > h ? w : h;
    bool large = longer > SMALL_PX;
    if (large) w = w * SMALL_PX / longer, h = h * SMALL_PX / longer;
    bool ok = (!large || !sns_image_resize(&image, w ? w : 1, h ? h : 1, &small, NULL)) &&
              !sns_image_encode_jpeg(large ? &small : &image, JPEG_QUALITY, name, &jpeg, &p->size,
                                     NULL);
    if (ok) p->bytes = jpeg;
    sns_image_free(&small);
    sns_image_free(&image);
    return ok;
}

/* What to show of a picture in memory; nothing where there is no room. False: no memory. */
static bool keep(cli_class_sheets *s, const char *name, const void *bytes, size_t size,
                 picture *p) {
    bool small = shrink(name, bytes, size, p);
    if (!small && p->sound) return true; /* it can't be shown */
    if (!small) p->size = size;
    if (p->size > BYTES_MAX - s->bytes) {
        free(p->bytes);
        p->bytes = NULL;
        p->size = 0;
        return true;
    }
    if (!small && !(p->bytes = malloc(size ? size : 1))) return false;
    if (!small) memcpy(p->bytes, bytes, size);
    s->bytes += p->size;
    return true;
}

bool cli_class_sheets_add(cli_class_sheets *s, size_t class, float probability,
                          const cli_shown *shown) {
    best *b = &s->of[class];
    b->all++;
    if (!b->items && !(b->items = calloc(s->most, sizeof *b->items))) return false;
    if (b->count == s->most && probability <= b->items[s->most - 1].probability) return true;
    picture p = {.path = strdup(shown->path),
                 .probability = probability,
                 .in_memory = shown->bytes != NULL,
                 .sound = shown->sound,
                 .in_time = shown->in_time,
                 .seconds = shown->seconds};
    if (!p.path) return false;
    if (b->count == s->most) drop(s, &b->items[--b->count]);
    if (shown->bytes && !keep(s, shown->path, shown->bytes, shown->size, &p)) {
        free(p.path);
        return false;
    }
    size_t at = b->count++;
    for (; at && b->items[at - 1].probability < probability; at--) b->items[at] = b->items[at - 1];
    b->items[at] = p;
    return true;
}

/* The card of a film shows a frame, which is decoded now. */
static void free_cards(cli_card *cards, const best *b) {
    for (size_t i = 0; cards && i < b->count; i++)
        if (b->items[i].in_time) free((void *)(uintptr_t)cards[i].bytes);
    free(cards);
}

/* What all of them are called. */
static const char *kind_of(const best *b) {
    size_t sounds = 0, films = 0;
    for (size_t i = 0; i < b->count; i++) {
        sounds += b->items[i].sound;
        films += b->items[i].in_time;
    }
    if (!sounds && !films) return "picture";
    return sounds == b->count ? "recording" : "file";
}

static int write_one(const best *b, const char *label, const char *name, const char *folder,
                     size_t *lost) {
    cli_card *cards = calloc(b->count, sizeof *cards);
    char title[512], *file = NULL;
    sns_error err;
    if (!cards || asprintf(&file, "%s/%s.png", folder, name) < 0) {
        free_cards(cards, b);
        return cli_failf("out of memory");
    }
    for (size_t i = 0; i < b->count; i++) {
        const picture *p = &b->items[i];
        cards[i] = (cli_card){.path = p->path,
                              .bytes = p->in_memory && !p->bytes ? "" : p->bytes,
                              .size = p->size,
                              .score = p->probability,
                              .has_score = true,
                              .sound = p->sound && !p->in_memory};
        bool there = p->in_memory || !access(p->path, R_OK);
        if (there && p->in_time) cli_card_frame(&cards[i], p->seconds);
        if (there) continue;
        cli_failf("%s: %s", p->path, errno == ENOENT ? "is gone" : strerror(errno));
        ++*lost;
    }
    snprintf(title, sizeof title, "%s: %zu %s%s", label, b->all, kind_of(b),
             b->all == 1 ? "" : "s");
    const cli_section section = {title, NULL, cards, b->count};
    int code = cli_sheet_png(file, &section, 1, &err) ? cli_fail(&err) : CLI_DONE;
    free(file);
    free_cards(cards, b);
    return code;
}

int cli_class_sheets_write(const cli_class_sheets *s, const sns_classifier *c, char *const *names,
                           const char *folder, size_t *lost) {
    int code = CLI_DONE;
    for (size_t i = 0; i < s->count && !code; i++)
        if (s->of[i].count)
            code = write_one(&s->of[i], cli_class_label(c, i), names[i], folder, lost);
    return code;
}
