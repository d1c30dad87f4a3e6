/* fuzz_suite.c - libFuzzer target: the text of a suite. What is accepted has all that its kinds
 * need. */
#include "score/suite_file.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    sns_suite suite;
    sns_error err;
    if (sns_suite_parse((const char *)data, size, "folder/fuzz.suite", &suite, &err)) return 0;
    if (!suite.count) abort();
    for (size_t i = 0; i < suite.count; i++) {
        const sns_suite_section *s = &suite.sections[i];
        if (!s->name || !*s->name || s->kind >= SNS_SUITE_KINDS) abort();
        if (!s->data && !(s->train && s->test)) abort();
        for (size_t t = 0; t < s->template_count; t++)
            if (!strstr(s->templates[t], "{}")) abort();
    }
    sns_suite_free(&suite);
    return 0;
}
