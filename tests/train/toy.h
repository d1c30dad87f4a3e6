/* toy.h - a toy training set: squares of a colour on a colour, with captions in two languages. */
#ifndef SNS_TESTS_TRAIN_TOY_H
#define SNS_TESTS_TRAIN_TOY_H
#include "base/error.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "tool.h"
#include <sensus/image.h>
#include <sensus/tokenizer.h>
#include <sensus/train.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { TOY_COLOURS = 6, TOY_COUNT = TOY_COLOURS * (TOY_COLOURS - 1) };

typedef struct toy {
    char *dir;
    char tokenizer[4096], manifest[4096];
} toy;

static const char *const toy_name[TOY_COLOURS] = {"red", "green", "blue", "white", "black", "pink"};
static const char *const toy_german[TOY_COLOURS] = {"rot",   "gruen",   "blau",
                                                    "weiss", "schwarz", "rosa"};
static const uint8_t toy_rgb[TOY_COLOURS][3] = {{220, 20, 20},   {20, 180, 30}, {20, 40, 220},
                                                {250, 250, 250}, {10, 10, 10},  {250, 150, 190}};

/* A square of colour a on a ground of colour b. */
static inline void toy_picture(const char *path, int a, int b) {
    enum { SIDE = 24 };
    uint8_t rgb[SIDE * SIDE * 3];
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            int inside = x > 6 && x < 18 && y > 6 && y < 18;
            memcpy(rgb + (y * SIDE + x) * 3, toy_rgb[inside ? a : b], 3);
        }
    sns_image image = {SIDE, SIDE, rgb};
    sns_error err;
    if (sns_image_save_png(&image, path, &err)) fail_msg("%s", err.message);
}

/* TOY_COUNT pictures, DIR/toy.jsonl and a vocabulary in DIR/tokenizer. */
static inline void toy_make(toy *t) {
    sns_strbuf lines = {0}, texts = {0};
    char path[5000];
    sns_error err;
    t->dir = tool_tmpdir();
    assert_non_null(t->dir);
    snprintf(t->tokenizer, sizeof t->tokenizer, "%s/tokenizer", t->dir);
    snprintf(t->manifest, sizeof t->manifest, "%s/toy.jsonl", t->dir);
    for (int a = 0; a < TOY_COLOURS; a++)
        for (int b = 0; b < TOY_COLOURS; b++) {
            if (a == b) continue;
            snprintf(path, sizeof path, "%s/%d-%d.png", t->dir, a, b);
            toy_picture(path, a, b);
            sns_strbuf_printf(&lines,
                              "{\"image\": \"%d-%d.png\", \"captions\": {\"en\": [\"a %s square on "
                              "%s\", \"%s on %s\"], \"de\": \"%s auf %s\"}, \"concept\": "
                              "\"%d-%d\"}\n",
                              a, b, toy_name[a], toy_name[b], toy_name[a], toy_name[b],
                              toy_german[a], toy_german[b], a, b);
            sns_strbuf_printf(&texts, "a %s square on %s\n%s auf %s\n", toy_name[a], toy_name[b],
                              toy_german[a], toy_german[b]);
        }
    if (sns_file_write(t->manifest, lines.data, lines.size, &err)) fail_msg("%s", err.message);
    snprintf(path, sizeof path, "%s/texts.txt", t->dir);
    if (sns_file_write(path, texts.data, texts.size, &err)) fail_msg("%s", err.message);
    const char *files[] = {path};
    if (sns_make_dirs(t->tokenizer, &err)) fail_msg("%s", err.message);
    if (sns_tokenizer_train(files, 1, 520, t->tokenizer, &err)) fail_msg("%s", err.message);
    sns_strbuf_free(&lines);
    sns_strbuf_free(&texts);
}

static inline void toy_free(toy *t) {
    tool_remove(t->dir);
}

/* Options of a run that takes milliseconds a step. data points into *t. */
static inline void toy_options(toy *t, const char **data, const char *out, sns_train_options *o) {
    sns_train_defaults(o);
    *data = t->manifest;
    o->data = data;
    o->data_count = 1;
    o->tokenizer_dir = t->tokenizer;
    o->out_dir = out;
    o->image_px = 16;
    o->patch_px = 8;
    o->vision = (sns_tower_size){32, 2, 2};
    o->text = (sns_tower_size){32, 2, 2};
    o->embed = 24;
    o->context = 12;
    o->batch = 10;
    o->steps = 12;
    o->warmup = 4;
    o->threads = 1;
    o->log_every = 1;
    o->save_minutes = 0;
    o->dtype = "F32";
}
#endif
