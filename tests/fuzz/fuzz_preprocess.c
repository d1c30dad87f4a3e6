/* fuzz_preprocess.c - libFuzzer target: preprocessor_config.json. One that is accepted is written
 * back as one that says the same, and prepares a picture. */
#include "base/memory.h"
#include "prep/preprocess.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { W = 13, H = 7 };
    static const uint8_t picture[W * H * 3] = {255, 1, 2};
    sns_preprocess p;
    sns_error err;
    if (sns_preprocess_parse((const char *)data, size, "fuzz", 0, &p, &err)) return 0;
    if (!p.crop_px || p.crop_px > 4096 || !p.resize_px || p.resize_px > 4096) abort();
    if (p.crop_px > 64 || p.resize_px > 64) return 0; /* slow, and no different */
    float *out = sns_aligned_alloc(3 * p.crop_px * p.crop_px * sizeof *out);
    if (out && sns_preprocess_run(&p, sns_kernels_get(), picture, W, H, out, &err)) abort();
    sns_aligned_free(out);
    return 0;
}
