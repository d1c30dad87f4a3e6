/* parity.h - comparing a model's vectors with the PyTorch reference's (tests/goldens/make_clip.py).
 */
#ifndef SNS_TESTS_PARITY_H
#define SNS_TESTS_PARITY_H
#include "embed/model_internal.h"
#include "tensor/npy.h"
#include "tool.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static inline bool parity_has_torch(void) {
    const char *const argv[] = {TOOL_PYTHON, "-c", "import torch, numpy", NULL};
    return access(TOOL_PYTHON, X_OK) == 0 && tool_run(argv);
}

/* Run tests/goldens/SCRIPT. */
static inline bool parity_script(const char *name, const char *verb, const char *dir) {
    char script[4200];
    snprintf(script, sizeof script, "%s/%s", tool_source("goldens"), name);
    const char *const argv[] = {"nice", "-n", "5", TOOL_PYTHON, script, verb, dir, NULL};
    return tool_run(argv);
}

static inline bool parity_make(const char *verb, const char *dir) {
    return parity_script("make_clip.py", verb, dir);
}

static inline sns_npy parity_read(const char *dir, const char *name) {
    char path[8300];
    sns_npy a;
    sns_error err = {0};
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (sns_npy_read(path, &a, &err)) fail_msg("%s", err.message);
    return a;
}

/* Rows of got against rows of want: the cosine, and |difference| as a share of the row's largest;
 * where products are rounded to bfloat16, to 8 bits each. */
static inline void parity_compare(const char *what, const float *got, const sns_npy *want,
                                  bool rounded) {
    size_t rows = want->dim[0], cols = want->dim[1];
    double worst_cosine = 1, worst_difference = 0;
    for (size_t r = 0; r < rows; r++) {
        const float *a = got + r * cols, *b = want->data + r * cols;
        double ab = 0, aa = 0, bb = 0, difference = 0, largest = 0;
        for (size_t c = 0; c < cols; c++) {
            ab += (double)a[c] * b[c];
            aa += (double)a[c] * a[c];
            bb += (double)b[c] * b[c];
            difference = fmax(difference, fabs((double)a[c] - b[c]));
            largest = fmax(largest, fabs((double)b[c]));
        }
        assert_true(fabs(aa - 1) < 1e-5);
        double cosine = ab / sqrt(aa * bb);
        if (!(cosine >= worst_cosine)) worst_cosine = cosine;
        if (!(difference / largest <= worst_difference)) worst_difference = difference / largest;
    }
    print_message("%-44s 1 - cosine %.1e, largest relative difference %.1e\n", what,
                  1 - worst_cosine, worst_difference);
    assert_true(worst_cosine >= (rounded ? 0.9999 : 0.99999));
    assert_true(worst_difference <= (rounded ? 2e-2 : 1e-4));
}

/* ids and starts of a folder as integers. */
typedef struct parity_texts {
    uint32_t *ids;
    size_t *starts, n;
} parity_texts;

static inline parity_texts parity_read_texts(const char *dir) {
    sns_npy ids = parity_read(dir, "ids.npy"), starts = parity_read(dir, "starts.npy");
    parity_texts t = {malloc(ids.count * sizeof *t.ids), malloc(starts.count * sizeof *t.starts),
                      starts.count - 1};
    for (size_t i = 0; i < ids.count; i++) t.ids[i] = (uint32_t)ids.data[i];
    for (size_t i = 0; i < starts.count; i++) t.starts[i] = (size_t)starts.data[i];
    sns_npy_free(&ids);
    sns_npy_free(&starts);
    return t;
}

/* Load dir/name and compare both towers. */
static inline void parity_check(const char *dir, const char *name) {
    char path[8192], what[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    sns_error err = {0};
    sns_model *m;
    sns_session *s;
    if (sns_model_load(path, &m, &err)) fail_msg("%s", err.message);
    assert_int_equal(sns_session_new(m, &s, &err), SNS_OK);
    sns_npy pixels = parity_read(path, "pixels.npy"), image = parity_read(path, "image.npy"),
            text = parity_read(path, "text.npy");
    parity_texts t = parity_read_texts(path);
    bool rounded = !strcasecmp(name, "bf16");
    assert_int_equal(image.dim[1], sns_model_dim(m));
    assert_int_equal(text.dim[0], t.n);
    float *out = malloc((image.count + text.count) * sizeof *out);
    if (sns_encode_pixels(s, pixels.data, pixels.dim[0], out, &err)) fail_msg("%s", err.message);
    snprintf(what, sizeof what, "%s, pictures", name);
    parity_compare(what, out, &image, rounded);
    if (sns_encode_tokens(s, t.ids, t.starts, t.n, out, &err)) fail_msg("%s", err.message);
    snprintf(what, sizeof what, "%s, texts", name);
    parity_compare(what, out, &text, rounded);
    free(out);
    free(t.ids);
    free(t.starts);
    sns_npy_free(&pixels);
    sns_npy_free(&image);
    sns_npy_free(&text);
    sns_session_free(s);
    sns_model_free(m);
}
#endif
