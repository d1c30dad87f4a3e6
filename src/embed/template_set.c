/* template_set.c - sentences around a name, so that a label reads like a caption.
 *
 * Averaging many (Radford et al. 2021, 3.1.4) evens out what a single wording adds. */
#include <sensus/classifier.h>
#include <string.h>

static const char *const plain[] = {"{}", "a {}", "a photo of a {}", "a picture of a {}"};

static const char *const photos[] = {
    "a photo of a {}",
    "a photo of the {}",
    "a photo of one {}",
    "a photo of my {}",
    "a close-up photo of a {}",
    "a photo of a {} from far away",
    "a photo of a small {}",
    "a photo of a large {}",
    "a dark photo of a {}",
    "a bright photo of a {}",
    "a blurry photo of a {}",
    "a sharp photo of a {}",
    "a black and white photo of a {}",
    "a photo of a {} indoors",
    "a photo of a {} outdoors",
    "a photo of part of a {}",
};

static const char *const drawings[] = {
    "a drawing of a {}",
    "a drawing of the {}",
    "a simple drawing of a {}",
    "a colourful drawing of a {}",
    "a black and white drawing of a {}",
    "a sketch of a {}",
    "a painting of a {}",
    "a cartoon of a {}",
    "an icon of a {}",
    "a symbol of a {}",
    "an illustration of a {}",
    "a {} on a white background",
};

static const char *const all[] = {
    "{}",
    "a {}",
    "a photo of a {}",
    "a photo of the {}",
    "a close-up photo of a {}",
    "a photo of a small {}",
    "a photo of a large {}",
    "a blurry photo of a {}",
    "a black and white photo of a {}",
    "a picture of a {}",
    "a drawing of a {}",
    "a simple drawing of a {}",
    "a sketch of a {}",
    "a painting of a {}",
    "a cartoon of a {}",
    "a {} on a white background",
};

#define SET(name)                                                                                  \
    { #name, name, sizeof name / sizeof *name }

static const struct {
    const char *name;
    const char *const *templates;
    size_t count;
} sets[] = {SET(plain), SET(photos), SET(drawings), SET(all)};

const char *const *sns_template_set(const char *name, size_t *count) {
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (!strcmp(sets[i].name, name)) {
            *count = sets[i].count;
            return sets[i].templates;
        }
    *count = 0;
    return NULL;
}
