/* clip_save.c - a model's folder as transformers writes it, or as open_clip does: the tensors, then
 * the configuration. */
#include "base/error.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "model/clip_io.h"

static const char *torch_dtype(sns_dtype dtype) {
    return dtype == SNS_DTYPE_F16 ? "float16" : dtype == SNS_DTYPE_BF16 ? "bfloat16" : "float32";
}

/* The tensors as one family of names wants them. */
typedef struct to_write {
    sns_to_store *tensor;
    sns_open_clip_form *form; /* of each; NULL: the layout's own names */
    float **copy;             /* transposed ones */
    size_t count;
} to_write;

static void free_list(to_write *w) {
    for (size_t i = 0; w->copy && i < w->count; i++) free(w->copy[i]);
    free(w->copy);
    free(w->form);
    free(w->tensor);
}

static float *transposed(const float *in, size_t rows, size_t cols) {
    float *out = malloc(rows * cols * sizeof *out);
    for (size_t c = 0; out && c < cols; c++)
        for (size_t r = 0; r < rows; r++) out[c * rows + r] = in[r * cols + c];
    return out;
}

/* q, k and v lie one after another: the first stands for all three. */
static bool add_open_clip(to_write *w, const sns_param_desc *d, const float *data) {
    sns_open_clip_form *f = &w->form[w->count];
    sns_to_store *t = &w->tensor[w->count];
    *f = sns_open_clip_form_of(d);
    if (f->third > 0) return true;
    t->name = f->name;
    memcpy(t->dim, f->dim, sizeof f->dim);
    if (f->transposed) {
        t->data = w->copy[w->count] = transposed(data, d->dim[0], d->dim[1]);
        if (!t->data) return false;
    }
    w->count++;
    return true;
}

static bool list_tensors(to_write *w, bool open_clip, const sns_layout *l, const float *data,
                         sns_dtype dtype) {
    size_t n = l->count ? l->count : 1;
    w->tensor = calloc(n, sizeof *w->tensor);
    w->form = calloc(open_clip ? n : 1, sizeof *w->form);
    w->copy = calloc(n, sizeof *w->copy);
    if (!w->tensor || !w->form || !w->copy) return false;
    for (size_t i = 0; i < l->count; i++) {
        const sns_param_desc *d = &l->desc[i];
        sns_to_store *t = &w->tensor[w->count];
        *t = (sns_to_store){.name = d->name,
                            .dtype = d->buffer ? SNS_DTYPE_F32
                                               : dtype, /* a variance may be large */
                            .dims = d->dims,
                            .data = data + d->offset};
        memcpy(t->dim, d->dim, sizeof d->dim);
        if (!open_clip)
            w->count++;
        else if (!add_open_clip(w, d, data + d->offset))
            return false;
    }
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

sns_status sns_clip_save(const char *dir, const sns_clip_config *c, const sns_layout *l,
                         const float *data, const char *dtype, sns_error *err) {
    sns_dtype d = sns_dtype_named(dtype);
    if (d != SNS_DTYPE_F32 && d != SNS_DTYPE_F16 && d != SNS_DTYPE_BF16)
        return sns_fail(err, SNS_ARG, "%s: weights are saved as F32, F16 or BF16, not %s", dir,
                        dtype);
    sns_status s = sns_make_dirs(dir, err);
    bool open_clip = sns_clip_written_kind(c) == SNS_CONFIG_OPEN_CLIP;
    if (!s) s = write_tensors(dir, open_clip, l, data, d, err);
    if (!s) s = sns_clip_config_write(dir, c, torch_dtype(d), err);
    return s;
}
