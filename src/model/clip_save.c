/* clip_save.c - a model's folder as transformers writes it: model.safetensors, then config.json. */
#include "base/error.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "model/clip_io.h"

static const char *torch_dtype(sns_dtype dtype) {
    return dtype == SNS_DTYPE_F16 ? "float16" : dtype == SNS_DTYPE_BF16 ? "bfloat16" : "float32";
}

static sns_status write_tensors(const char *dir, const sns_layout *l, const float *data,
                                sns_dtype dtype, sns_error *err) {
    static const char *const metadata[] = {"format", "pt", NULL};
    char *path = sns_path_join(dir, "model.safetensors");
    sns_to_store *tensors = calloc(l->count ? l->count : 1, sizeof *tensors);
    sns_status s;
    if (!path || !tensors) {
        s = sns_fail(err, SNS_NOMEM, "%s: no memory to write it", dir);
    } else {
        for (size_t i = 0; i < l->count; i++) {
            const sns_param_desc *d = &l->desc[i];
            tensors[i] = (sns_to_store){
                .name = d->name, .dtype = dtype, .dims = d->dims, .data = data + d->offset};
            memcpy(tensors[i].dim, d->dim, sizeof d->dim);
        }
        s = sns_safetensors_write(path, tensors, l->count, metadata, sns_kernels_get(), err);
    }
    free(tensors);
    free(path);
    return s;
}

sns_status sns_clip_save(const char *dir, const sns_clip_config *c, const sns_layout *l,
                         const float *data, const char *dtype, sns_error *err) {
    sns_dtype d = sns_dtype_named(dtype);
    if (d != SNS_DTYPE_F32 && d != SNS_DTYPE_F16 && d != SNS_DTYPE_BF16)
        return sns_fail(err, SNS_ARG, "%s: weights are saved as F32, F16 or BF16, not %s", dir,
                        dtype);
    sns_status s = sns_make_dirs(dir, err);
    if (!s) s = write_tensors(dir, l, data, d, err);
    if (!s) s = sns_clip_config_write(dir, c, torch_dtype(d), err);
    return s;
}
