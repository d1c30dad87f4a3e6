/* fuzz_classifier.c - libFuzzer target: a classifier's file.
 *
 * One that is accepted has a label and a name for every class, a template, and unit rows. */
#include "embed/classifier_internal.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const sns_classifier *c) {
    if (!c->count || !c->dim || !c->template_count || strlen(c->fingerprint) != 32) abort();
    for (size_t i = 0; i < c->count; i++) {
        double norm = 0;
        for (size_t e = 0; e < c->dim; e++)
            norm += (double)c->weights[i * c->dim + e] * (double)c->weights[i * c->dim + e];
        if (!(fabs(norm - 1) < 2e-3) || !c->classes[i].label || !c->classes[i].name_count) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    sns_safetensors *f;
    sns_classifier *c;
    sns_error err;
    if (sns_safetensors_parse(data, size, "fuzz", &f, &err)) return 0;
    if (sns_classifier_read(f, "fuzz", &c, &err) == SNS_OK) {
        check(c);
        sns_classifier_free(c);
    }
    sns_safetensors_close(f);
    return 0;
}
