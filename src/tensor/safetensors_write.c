/* safetensors_write.c - writing a safetensors file, streamed: memory stays small for any model. */
#include "base/error.h"
#include "base/memory.h"
#include "base/writer.h"
#include "tensor/safetensors.h"
#include <jansson.h>

enum { CHUNK = 16384 };

static sns_status no_memory(const char *path, sns_error *err) {
    return sns_fail(err, SNS_NOMEM, "%s: no memory for its header", path);
}

/* {"dtype": .., "shape": [..], "data_offsets": [begin, begin + bytes]} into header; *at moves on.
 */
static sns_status describe(json_t *header, const sns_to_store *t, size_t *at, const char *path,
                           sns_error *err) {
    size_t bytes = sns_dtype_bytes(t->dtype), end = 0;
    if (!bytes || t->dims < 0 || t->dims > SNS_STORED_MAX_DIMS)
        return sns_fail(err, SNS_ARG, "%s: tensor %s: dtype or shape", path, t->name);
    if (strlen(t->name) > SNS_STORED_MAX_NAME || json_object_get(header, t->name))
        return sns_fail(err, SNS_ARG, "%s: tensor %.64s: named twice or too long", path, t->name);
    json_t *shape = json_array();
    bool fits = true;
    for (int i = 0; i < t->dims; i++) {
        fits = fits && sns_mul_size(bytes, t->dim[i], &bytes);
        json_array_append_new(shape, json_integer((json_int_t)t->dim[i]));
    }
    fits = fits && sns_add_size(*at, bytes, &end) && end <= INT64_MAX;
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", sns_dtype_name(t->dtype), "shape",
                              shape, "data_offsets", (json_int_t)*at, (json_int_t)end);
    if (!fits) {
        json_decref(entry);
        return sns_fail(err, SNS_LIMIT, "%s: tensor %s: too large", path, t->name);
    }
    if (!entry || json_object_set_new(header, t->name, entry)) return no_memory(path, err);
    *at = end;
    return SNS_OK;
}

static sns_status describe_all(const sns_to_store *tensors, size_t n, const char *const *metadata,
                               const char *path, json_t **out, sns_error *err) {
    json_t *header = json_object(), *meta = json_object();
    size_t at = 0;
    sns_status s = SNS_OK;
    for (; metadata && *metadata && !s; metadata += 2)
        if (json_object_set_new(meta, metadata[0], json_string(metadata[1])))
            s = no_memory(path, err);
    if (json_object_size(meta) && json_object_set(header, "__metadata__", meta))
        s = no_memory(path, err);
    json_decref(meta);
    for (size_t i = 0; i < n && !s; i++) s = describe(header, &tensors[i], &at, path, err);
    if (s) {
        json_decref(header);
        header = NULL;
    }
    *out = header;
    return s;
}

/* The header padded with spaces so that the data begins at a multiple of 8. */
static sns_status put_header(sns_writer *w, json_t *header, const char *path, sns_error *err) {
    char *text = json_dumps(header, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (!text) return no_memory(path, err);
    size_t n = strlen(text);
    uint64_t padded = (n + 7) / 8 * 8;
    sns_status s = sns_writer_put(w, &padded, sizeof padded, err);
    if (!s) s = sns_writer_put(w, text, n, err);
    if (!s) s = sns_writer_put(w, "       ", padded - n, err);
    free(text);
    return s;
}

static sns_status put_data(sns_writer *w, const sns_to_store *t, const sns_kernels *k,
                           sns_error *err) {
    size_t n = 1;
    uint16_t half[CHUNK];
    for (int i = 0; i < t->dims; i++) n *= t->dim[i];
    if (t->dtype != SNS_DTYPE_F16 && t->dtype != SNS_DTYPE_BF16)
        return sns_writer_put(w, t->data, n * sns_dtype_bytes(t->dtype), err);
    const float *from = t->data;
    sns_status s = SNS_OK;
    for (size_t done = 0; done < n && !s;) {
        size_t part = n - done < CHUNK ? n - done : CHUNK;
        if (t->dtype == SNS_DTYPE_F16)
            k->f16_from_f32(half, from + done, part);
        else
            k->bf16_from_f32(half, from + done, part);
        s = sns_writer_put(w, half, 2 * part, err);
        done += part;
    }
    return s;
}

sns_status sns_safetensors_write(const char *path, const sns_to_store *tensors, size_t n,
                                 const char *const *metadata, const sns_kernels *k,
                                 sns_error *err) {
    json_t *header;
    sns_writer *w = NULL;
    sns_status s = describe_all(tensors, n, metadata, path, &header, err);
    if (s) return s;
    s = sns_writer_open(path, &w, err);
    if (!s) s = put_header(w, header, path, err);
    for (size_t i = 0; i < n && !s; i++) s = put_data(w, &tensors[i], k, err);
    json_decref(header);
    if (!s) return sns_writer_commit(w, err);
    sns_writer_abort(w);
    return s;
}
