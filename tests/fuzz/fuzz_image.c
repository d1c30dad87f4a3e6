/* fuzz_image.c - libFuzzer target: bytes that may be a picture. The loaders themselves are their
 * libraries' own; what is checked is how they are used and that every answer can be used. */
#include <sensus/image.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { MAX_PIXELS = 1 << 16 };
    sns_image image;
    sns_error err = {0};
    const sns_image_options o = {.target_px = 4, .max_pixels = MAX_PIXELS};
    sns_status s = sns_image_decode(data, size, "fuzz", &o, &image, &err);
    if (!s && (!image.rgb || !image.width_px || image.height_px > MAX_PIXELS / image.width_px))
        abort();
    if (s && (image.rgb || s != err.code || strncmp(err.message, "fuzz: ", 6) != 0)) abort();
    sns_image_free(&image);
    return 0;
}
