/* clip_save.c - a model's folder as transformers writes it, or as open_clip does: the tensors, then
 * the configuration.
 *
 * Quantised: W[n][k] = scale[n] q[n][k] for each output n of a linear layer and each row n of the
 * token table, scale[n] = max over k of |W[n][k]| / 127; all else is f16. */
#include "base/error.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "model/clip_io.h"
#include <math.h>

static const char *torch_dtype(sns_dtype dtype) {
    return dtype == SNS_DTYPE_F16    ? "float16"
           : dtype == SNS_DTYPE_BF16 ? "bfloat16"
           : dtype == SNS_DTYPE_I8   ? "int8"
                                     : "float32";
}

void sns_quantise_rows(const float *W, size_t rows, size_t cols, int8_t *q, float *scale) {
    for (size_t r = 0; r < rows; r++, W += cols, q += cols) {
        float largest = 0;
        for (size_t c = 0; c < cols; c++) largest = fmaxf(largest, fabsf(W[c]));
        bool zero = largest < 1e-30f; /* whose inverse would be no normal float */
        scale[r] = zero ? 1 : largest / 127;
        for (size_t c = 0; c < cols; c++) q[c] = zero ? 0 : (int8_t)lrintf(W[c] * (127 / largest));
    }
}

/* One tensor as a family of names wants it, and what had to be made for it. */
typedef struct item {
    sns_to_store tensor, scale; /* scale: of a quantised one */
    char name[160], scale_name[168];
    void *copy;  /* quantised or transposed */
    float *made; /* scales */
} item;

typedef struct to_write {
    item *item;
    sns_to_store *tensor; /* in the order of the file */
    size_t items, count;
} to_write;

static void free_list(to_write *w) {
    for (size_t i = 0; w->item && i < w->items; i++) {
        free(w->item[i].copy);
        free(w->item[i].made);
    }
    free(w->item);
    free(w->tensor);
}

/* rows x cols elements as cols x rows, malloc'd. */
static void *transposed(const void *in, size_t rows, size_t cols, size_t bytes) {
    const char *from = in;
    char *out = malloc(rows * cols * bytes), *to = out;
    for (size_t c = 0; out && c < cols; c++)
        for (size_t r = 0; r < rows; r++, to += bytes)
            memcpy(to, from + (r * cols + c) * bytes, bytes);
    return out;
}

/* What a tensor is stored in: a variance may be large, as may what f16 does not hold, and the
 * temperature is one number. */
static sns_dtype stored_dtype(const sns_param_desc *d, const float *data, sns_dtype dtype) {
    if (d->buffer || d->count == 1) return SNS_DTYPE_F32;
    if (dtype != SNS_DTYPE_I8 || d->use != SNS_USE_VALUES) return dtype;
    for (size_t i = 0; i < d->count; i++)
        if (fabsf(data[i]) >= 65504) return SNS_DTYPE_BF16;
    return SNS_DTYPE_F16;
}

static bool quantise(item *it, const float *data, size_t rows, size_t cols, bool transpose) {
    int8_t *q = malloc(rows * cols);
    it->copy = q;
    it->made = malloc(rows * sizeof *it->made);
    if (!q || !it->made) return false;
    sns_quantise_rows(data, rows, cols, q, it->made);
    if (transpose) {
        it->copy = transposed(q, rows, cols, 1);
        free(q);
    }
    snprintf(it->scale_name, sizeof it->scale_name, "%s_scale", it->name);
    it->scale = (sns_to_store){it->scale_name, SNS_DTYPE_F32, 1, {rows}, it->made};
    return it->copy != NULL;
}

/* Fills *it for one entry of the layout. */
static bool make_item(item *it, bool open_clip, const sns_param_desc *d, const float *data,
                      sns_dtype dtype) {
    sns_open_clip_form f = {.third = -1};
    if (open_clip) {
        f = sns_open_clip_form_of(d);
    } else {
        snprintf(f.name, sizeof f.name, "%s", d->name);
        memcpy(f.dim, d->dim, sizeof f.dim);
    }
    *it = (item){.tensor = {.name = it->name, .dims = d->dims, .data = data}};
    memcpy(it->name, f.name, sizeof it->name);
    memcpy(it->tensor.dim, f.dim, sizeof f.dim);
    it->tensor.dtype = stored_dtype(d, data, dtype);
    size_t rows = d->dim[0], cols = d->dims ? d->count / rows : 1;
    if (it->tensor.dtype == SNS_DTYPE_I8) {
        if (!quantise(it, data, f.third < 0 ? rows : 3 * rows, cols, f.transposed)) return false;
    } else if (f.transposed) {
        it->copy = transposed(data, rows, cols, sizeof(float));
        if (!it->copy) return false;
    }
    if (it->copy) it->tensor.data = it->copy;
    return true;
}

/* Wider elements first, so that all are aligned where the file is mapped. */
static void order(to_write *w) {
    for (size_t bytes = 4; bytes; bytes /= 2)
        for (size_t i = 0; i < w->items; i++) {
            const item *it = &w->item[i];
            if (it->scale.name && bytes == 4) w->tensor[w->count++] = it->scale;
            if (sns_dtype_bytes(it->tensor.dtype) == bytes) w->tensor[w->count++] = it->tensor;
        }
}

/* q, k and v lie one after another: in open_clip's layout the first stands for all three. */
static bool list_tensors(to_write *w, bool open_clip, const sns_layout *l, const float *data,
                         sns_dtype dtype) {
    w->item = calloc(l->count ? l->count : 1, sizeof *w->item);
    w->tensor = calloc(2 * l->count + 1, sizeof *w->tensor);
    if (!w->item || !w->tensor) return false;
    for (size_t i = 0; i < l->count; i++) {
        const sns_param_desc *d = &l->desc[i];
        if (open_clip && sns_open_clip_form_of(d).third > 0) continue;
        if (!make_item(&w->item[w->items++], open_clip, d, data + d->offset, dtype)) return false;
    }
    if (dtype == SNS_DTYPE_I8)
        order(w);
    else
        for (size_t i = 0; i < w->items; i++) w->tensor[w->count++] = w->item[i].tensor;
    return true;
}

static sns_status write_tensors(const char *dir, bool open_clip, const sns_layout *l,
                                const float *data, sns_dtype dtype, sns_error *err) {
    static const char *const metadata[] = {"format", "pt", NULL};
    char *path = sns_path_join(dir,
                               open_clip ? "open_clip_model.safetensors" : "model.safetensors");
    to_write w = {0};
    sns_status s;
    if (!path || !list_tensors(&w, open_clip, l, data, dtype))
        s = sns_fail(err, SNS_NOMEM, "%s: no memory to write it", dir);
    else
        s = sns_safetensors_write(path, w.tensor, w.count, metadata, sns_kernels_get(), err);
    free_list(&w);
    free(path);
    return s;
}

static sns_status save(const char *dir, const sns_clip_config *c, const sns_layout *l,
                       const float *data, sns_dtype dtype, sns_error *err) {
    sns_status s = sns_make_dirs(dir, err);
    bool open_clip = sns_clip_written_kind(c) == SNS_CONFIG_OPEN_CLIP;
    if (!s) s = write_tensors(dir, open_clip, l, data, dtype, err);
    if (!s) s = sns_clip_config_write(dir, c, torch_dtype(dtype), err);
    return s;
}

sns_status sns_clip_save(const char *dir, const sns_clip_config *c, const sns_layout *l,
                         const float *data, const char *dtype, sns_error *err) {
    sns_dtype d = sns_dtype_named(dtype);
    if (d != SNS_DTYPE_F32 && d != SNS_DTYPE_F16 && d != SNS_DTYPE_BF16)
        return sns_fail(err, SNS_ARG, "%s: weights are saved as F32, F16 or BF16, not %s", dir,
                        dtype);
    return save(dir, c, l, data, d, err);
}

sns_status sns_clip_save_int8(const char *dir, const sns_clip_config *c, const sns_layout *l,
                              const float *data, sns_error *err) {
    return save(dir, c, l, data, SNS_DTYPE_I8, err);
}
