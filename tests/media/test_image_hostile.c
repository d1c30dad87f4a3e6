/* test_image_hostile.c - damaged pictures: cut anywhere, with flipped bytes, random, or many at
 * once. Whatever the bytes say, the answer is a picture or one line that names the file. */
#include "base/file.h"
#include "base/rng.h"
#include "tool.h"
#include <dirent.h>
#include <pthread.h>
#include <sensus/image.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { CUTS = 16, FLIPS = 24, MAX_PIXELS = 1 << 22 };

/* Decode; fail the test on an answer that no caller could use. */
static sns_status decode(const uint8_t *bytes, size_t size) {
    /* A copy of the exact size, so that reading past the end is an error under ASan. */
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, bytes, size);
    sns_image image;
    sns_error err = {0};
    const sns_image_options o = {.target_px = 8, .max_pixels = MAX_PIXELS};
    sns_status s = sns_image_decode(copy, size, "the-name", &o, &image, &err);
    if (s == SNS_OK) {
        assert_true(image.width_px > 0 && image.height_px > 0 && image.rgb);
        assert_true(image.width_px <= MAX_PIXELS / image.height_px);
        volatile uint8_t last = image.rgb[image.width_px * image.height_px * 3 - 1];
        (void)last;
    } else {
        assert_true(s == SNS_FORMAT || s == SNS_LIMIT || s == SNS_NOMEM);
        assert_non_null(strstr(err.message, "the-name"));
        assert_null(strchr(err.message, '\n'));
        assert_null(image.rgb);
    }
    sns_image_free(&image);
    free(copy);
    return s;
}

static void damage(const uint8_t *bytes, size_t size, sns_rng *rng) {
    for (int i = 0; i < CUTS; i++) decode(bytes, (size_t)sns_rng_below(rng, size));
    for (size_t n = 0; n < size && n < 32; n += 5) decode(bytes, n);
    uint8_t *copy = malloc(size);
    for (int i = 0; i < FLIPS; i++) {
        memcpy(copy, bytes, size);
        /* Headers matter most: half of the flips fall into the first bytes. */
        size_t range = i % 2 && size > 64 ? 64 : size;
        for (int k = 0; k <= i % 4; k++)
            copy[sns_rng_below(rng, range)] = (uint8_t)sns_rng_next(rng);
        decode(copy, size);
    }
    free(copy);
}

static size_t damage_folder(const char *dir) {
    size_t count = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        size_t length = strlen(e->d_name);
        if (e->d_name[0] == '.' || !strcmp(e->d_name, "cases.txt") ||
            (length > 4 && !strcmp(e->d_name + length - 4, ".rgb")))
            continue;
        char path[4400], *bytes;
        size_t size;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        assert_int_equal(sns_file_read(path, 1 << 24, &bytes, &size, NULL), SNS_OK);
        sns_rng rng;
        sns_rng_seed(&rng, size);
        assert_int_equal(decode((uint8_t *)bytes, size), SNS_OK);
        damage((uint8_t *)bytes, size, &rng);
        free(bytes);
        count++;
    }
    closedir(d);
    return count;
}

static void damaged_pictures(void **state) {
    (void)state;
    char dir[4200];
    snprintf(dir, sizeof dir, "%s", tool_source("goldens/media"));
    assert_true(damage_folder(dir) >= 5);
}

static void damaged_pictures_of_every_format(void **state) {
    (void)state;
    if (!tool_has_pillow()) skip();
    char *dir = tool_tmpdir(), script[4200];
    snprintf(script, sizeof script, "%s", tool_source("goldens/make_images.py"));
    const char *const argv[] = {TOOL_PYTHON, script, dir, "all", NULL};
    assert_true(tool_run(argv));
    assert_true(damage_folder(dir) >= 60);
    tool_remove(dir);
}

static void random_bytes_behind_every_signature(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } starts[] = {{"\xff\xd8\xff\xe0", 4},
                  {"\x89PNG\r\n\x1a\n", 8},
                  {"RIFF\0\1\0\0WEBPVP8 ", 16},
                  {"GIF89a", 6},
                  {"II*\0\x08\0\0\0", 8},
                  {"\0\0\0\x18"
                   "ftypheic",
                   12},
                  {"\0\0\0\x18"
                   "ftypavif",
                   12},
                  {"BM", 2},
                  {"P6 9 9 255\n", 11},
                  {"P3 9 9 255\n", 11},
                  {"<svg>", 5},
                  {"\x1f\x8b\x08\0", 4},
                  {"", 0}};
    uint8_t b[512];
    sns_rng rng;
    sns_rng_seed(&rng, 9);
    for (size_t k = 0; k < sizeof starts / sizeof *starts; k++)
        for (int i = 0; i < 40; i++) {
            for (size_t j = 0; j < sizeof b; j++) b[j] = (uint8_t)sns_rng_next(&rng);
            memcpy(b, starts[k].bytes, starts[k].size);
            decode(b, starts[k].size + (size_t)sns_rng_below(&rng, sizeof b - starts[k].size));
        }
}

/* Drawings that ask for other files, for endless memory, or for an absurd size. */
static void hostile_drawings(void **state) {
    (void)state;
    static const char *const drawings[] = {
        "<svg xmlns='http://www.w3.org/2000/svg' width='1e9' height='1e9'/>",
        "<svg xmlns='http://www.w3.org/2000/svg' width='0' height='0'/>",
        "<svg xmlns='http://www.w3.org/2000/svg' width='-5' height='nan'/>",
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 1e-30 1e30'/>",
        "<!DOCTYPE svg [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>"
        "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'><!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;'>"
        "<!ENTITY e '&d;&d;&d;&d;&d;&d;&d;&d;'><!ENTITY f '&e;&e;&e;&e;&e;&e;&e;&e;'>]>"
        "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><text>&f;&f;</text></svg>",
        "<svg",
    };
    for (size_t i = 0; i < sizeof drawings / sizeof *drawings; i++)
        decode((const uint8_t *)drawings[i], strlen(drawings[i]));
}

/* A drawing must not show what lies in another file. */
static void drawings_read_no_other_file(void **state) {
    (void)state;
    char *dir = tool_tmpdir(), secret[4200], text[8800], drawing[4200];
    snprintf(secret, sizeof secret, "%s/secret.png", dir);
    uint8_t black[12] = {0};
    sns_image image = {2, 2, black};
    assert_int_equal(sns_image_save_png(&image, secret, NULL), SNS_OK);
    snprintf(text, sizeof text,
             "<svg xmlns='http://www.w3.org/2000/svg' "
             "xmlns:xlink='http://www.w3.org/1999/xlink' width='8' height='8'>"
             "<image width='8' height='8' xlink:href='file://%s'/></svg>",
             secret);
    snprintf(drawing, sizeof drawing, "%s/a.svg", dir);
    assert_int_equal(sns_file_write(drawing, text, strlen(text), NULL), SNS_OK);
    sns_image out;
    assert_int_equal(sns_image_load(drawing, NULL, &out, NULL), SNS_OK);
    assert_int_equal(out.rgb[(4 * 8 + 4) * 3], 255);
    sns_image_free(&out);
    tool_remove(dir);
}

static void *decode_often(void *arg) {
    const sns_map *map = arg;
    size_t good = 0;
    for (int i = 0; i < 40; i++) {
        sns_image image;
        size_t size = i % 2 ? map->size / 2 : map->size;
        if (!sns_image_decode(map->data, size, "x", NULL, &image, NULL)) good++;
        sns_image_free(&image);
    }
    return (void *)(uintptr_t)good;
}

static void threads_decode_at_once(void **state) {
    (void)state;
    sns_map map;
    assert_int_equal(sns_map_open(tool_source("goldens/media/exif6.jpg"), &map, NULL), SNS_OK);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, decode_often, &map);
    for (int i = 0; i < 4; i++) {
        void *good = NULL;
        pthread_join(threads[i], &good);
        assert_int_equal((uintptr_t)good, 20);
    }
    sns_map_close(&map);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(damaged_pictures),
                                       cmocka_unit_test(damaged_pictures_of_every_format),
                                       cmocka_unit_test(random_bytes_behind_every_signature),
                                       cmocka_unit_test(hostile_drawings),
                                       cmocka_unit_test(drawings_read_no_other_file),
                                       cmocka_unit_test(threads_decode_at_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
