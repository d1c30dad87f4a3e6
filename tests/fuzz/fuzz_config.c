/* fuzz_config.c - libFuzzer target: a model's configuration; the first byte picks whose (even:
 * Hugging Face's, odd: open_clip's). One that is accepted must have a layout. */
#include "model/clip_io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    sns_clip_config c;
    sns_layout l;
    sns_error err;
    if (!size) return 0;
    sns_config_kind kind = data[0] & 1 ? SNS_CONFIG_OPEN_CLIP : SNS_CONFIG_HF;
    if (sns_clip_config_parse(kind, (const char *)data + 1, size - 1, "fuzz", &c, &err)) return 0;
    if (c.end_id >= c.vocab || c.vision.width % c.vision.heads) abort();
    if (sns_clip_layout(&c, &l, &err)) abort();
    if (!l.count || !sns_layout_find(&l, "logit_scale")) abort();
    sns_layout_free(&l);
    return 0;
}
