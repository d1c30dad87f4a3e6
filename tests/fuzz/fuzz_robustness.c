/* fuzz_robustness.c - libFuzzer target: points of models under shifts. What is accepted gives
 * finite intervals around each line, and a figure. */
#include "score/robust_points.h"
#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const sns_interval *i) {
    if (!isfinite(i->value) || !(i->low <= i->high)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    sns_robustness r = {0};
    sns_error err;
    char *text = malloc(size + 1), *svg;
    memcpy(text, data, size);
    text[size] = 0;
    if (!sns_robustness_parse(text, size, "fuzz", &r, &err) && r.point_count <= 16 &&
        !sns_robustness_measure(&r, r.groups[0], &err)) {
        for (size_t i = 0; i < r.point_count; i++) check(&r.points[i].effective);
        for (size_t i = 0; i < r.mean_count; i++) check(&r.means[i].effective);
        for (size_t i = 0; i < r.line_count; i++) check(&r.lines[i].slope);
        if (sns_robustness_svg(&r, &svg, &err)) abort();
        free(svg);
        if (sns_robustness_report(&r, 1, &svg, &err)) abort();
        free(svg);
    }
    sns_robustness_free(&r);
    free(text);
    return 0;
}
