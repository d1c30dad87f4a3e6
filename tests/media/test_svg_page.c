/* test_svg_page.c - a drawing is shown whole whatever unit its page is measured in: a page with a
 * square of its own colour in each corner. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tool.h"
#include <sensus/image.h>

/* The root's attributes, then the units (of 1/96 inch, or of the viewBox) of the page's sides. */
typedef struct page {
    const char *root, *before;
    int width, height;
} page;

static const uint8_t colours[4][3] = {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {255, 255, 0}};

static void draw(const page *p, char *text, size_t size) {
    int at = snprintf(text, size, "%s<svg xmlns='http://www.w3.org/2000/svg' %s>", p->before,
                      p->root);
    for (int i = 0; i < 4; i++)
        at += snprintf(text + at, size - (size_t)at,
                       "<rect x='%d' y='%d' width='20' height='20' fill='#%02x%02x%02x'/>",
                       i % 2 ? p->width - 20 : 0, i / 2 ? p->height - 20 : 0, colours[i][0],
                       colours[i][1], colours[i][2]);
    snprintf(text + at, size - (size_t)at, "</svg>");
}

static void check_corners(const page *p, size_t target_px) {
    char text[2048];
    draw(p, text, sizeof text);
    sns_image image;
    sns_error err = {0};
    sns_image_options o = {.target_px = target_px};
    if (sns_image_decode(text, strlen(text), p->root, &o, &image, &err))
        fail_msg("%s", err.message);
    for (int i = 0; i < 4; i++) {
        size_t x = i % 2 ? image.width_px - 3 : 2, y = i / 2 ? image.height_px - 3 : 2;
        const uint8_t *got = image.rgb + (y * image.width_px + x) * 3;
        if (memcmp(got, colours[i], 3) != 0)
            fail_msg("%s at %zu px: corner %d is %d %d %d", p->root, target_px, i, got[0], got[1],
                     got[2]);
    }
    double ratio = (double)image.width_px / (double)image.height_px;
    assert_float_equal(ratio, (double)p->width / p->height, 0.02);
    sns_image_free(&image);
}

static void every_corner_is_shown(void **state) {
    (void)state;
    const page pages[] = {
        {"width='200' height='100'", "", 200, 100},
        {"width='200px' height='100px'", "", 200, 100},
        {"width='150pt' height='75pt'", "", 200, 100},
        {"width=\"150pt\"\nheight = \"75 pt\"", "", 200, 100},
        {"width='25.4mm' height='50.8mm'", "", 96, 192},
        {"width='2.54cm' height='5.08cm'", "", 96, 192},
        {"width='2in' height='1in'", "", 192, 96},
        {"width='10pc' height='5pc'", "", 160, 80},
        {"width='150pt' height='75pt' viewBox='0 0 50 25'", "", 50, 25},
        {"width='25.4mm' height='25.4mm' viewBox='0 0 80 80'", "", 80, 80},
        {"width='100%' height='100%' viewBox='0 0 80 40'", "", 80, 40},
        {"viewBox='0 0 80 40'", "", 80, 40},
        {"width='150pt' height='75pt'", "<?xml version='1.0'?><!-- <svg> --> \n", 200, 100},
        {"width='150pt' height='75pt'",
         "<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'a>b' [<!ENTITY a '<svg>'>]>", 200, 100},
    };
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        for (size_t target = 0; target < 3; target++) check_corners(&pages[i], target * 112);
}

/* Half a root element and worse: an error or a picture, nothing else. */
static void torn_roots_are_errors(void **state) {
    (void)state;
    const char *const torn[] = {"<svg",
                                "<svg width='3pt",
                                "<svg width='3pt' height=",
                                "<svg width",
                                "<svg width='3pt' height='4pt'",
                                "<!DOCTYPE svg [ <svg",
                                "<!-- <svg width='3pt' height='4pt'>"};
    for (size_t i = 0; i < sizeof torn / sizeof *torn; i++) {
        sns_image image;
        sns_error err = {0};
        assert_int_equal(sns_image_decode(torn[i], strlen(torn[i]), "torn.svg", NULL, &image, &err),
                         SNS_FORMAT);
        assert_non_null(strstr(err.message, "torn.svg"));
        sns_image_free(&image);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_corner_is_shown),
                                       cmocka_unit_test(torn_roots_are_errors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
