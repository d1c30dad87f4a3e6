/* fuzz_safetensors.c - libFuzzer target: one safetensors file.
 *
 * A file that is accepted must keep its promises: every tensor lies inside of it, sorted by name,
 * found by name, and converts; and the tensors of a tiny CLIP are found in it or refused. */
#include "model/clip_io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const sns_clip_config tiny = {
    .vision = {2, 1, 1, 2, SNS_ACT_GELU, 1e-5f},
    .text = {2, 1, 1, 2, SNS_ACT_GELU, 1e-5f},
    .image_px = 2,
    .patch_px = 2,
    .vocab = 4,
    .context = 2,
    .start_id = 2,
    .end_id = 3,
    .embed = 2,
};

static void check_tensor(const sns_safetensors *f, size_t i, const uint8_t *data, size_t size) {
    const sns_stored *t = sns_safetensors_at(f, i);
    float out[64], sum = 0;
    char shape[16];
    size_t count = 1;
    for (int d = 0; d < t->dims; d++) count *= t->dim[d];
    if (t->data < data || t->bytes > size || (size_t)(t->data - data) > size - t->bytes ||
        count != t->count || t->count * sns_dtype_bytes(t->dtype) != t->bytes)
        abort();
    if (i && strcmp(sns_safetensors_at(f, i - 1)->name, t->name) >= 0) abort();
    if (sns_safetensors_find(f, t->name) != t) abort();
    sns_shape_text(t->dims, t->dim, shape, sizeof shape);
    for (size_t at = 0; at < t->count; at += 64) {
        size_t n = t->count - at < 64 ? t->count - at : 64;
        if (sns_stored_to_f32(t, sns_kernels_get(), at, n, out, NULL)) break;
        for (size_t j = 0; j < n; j++) sum += out[j];
    }
    const float *f32 = sns_stored_f32(t);
    for (size_t j = 0; f32 && j < t->count; j++) sum += f32[j];
}

static void load_clip(sns_safetensors *f) {
    sns_layout l;
    sns_clip_weights w;
    if (sns_clip_layout(&tiny, &l, NULL)) abort();
    if (sns_clip_weights_find(f, "fuzz", &l, &w, NULL) == SNS_OK) {
        float out[64], scale[64];
        for (size_t i = 0; i < l.count; i++) {
            if (l.desc[i].count > 64 || sns_clip_weights_get(&w, &l, i, out, NULL)) abort();
            sns_clip_weights_check(&w, i, 0, out, l.desc[i].count, NULL);
            sns_clip_weights_check_stored(&w, i, l.desc[i].count, NULL);
            sns_dtype type = w.at[i].tensor->dtype;
            if (l.desc[i].dims > 1 && (type == SNS_DTYPE_BF16 || type == SNS_DTYPE_I8))
                sns_clip_weights_narrow(&w, &l, i, out, scale);
            if (w.at[i].scale && !w.at[i].transposed)
                sns_stored_i8_row(w.at[i].tensor, w.at[i].scale, 0,
                                  l.desc[i].count / l.desc[i].dim[0], out);
        }
        sns_clip_weights_close(&w);
    }
    sns_layout_free(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    sns_safetensors *f;
    sns_error err;
    if (sns_safetensors_parse(data, size, "fuzz", &f, &err)) return 0;
    for (size_t i = 0; i < sns_safetensors_count(f); i++) check_tensor(f, i, data, size);
    sns_safetensors_metadata(f, "format");
    load_clip(f);
    return 0;
}
