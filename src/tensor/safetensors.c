/* safetensors.c - reading: every number of the header is checked before it is used. */
#include "tensor/safetensors.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include "tensor/blocks.h"
#include <jansson.h>
#include <sys/mman.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little-endian");

enum { HEADER_MAX_BYTES = 100 * 1000 * 1000, INDEX_MAX_BYTES = 64 << 20, SHARDS_MAX = 4096 };

typedef struct shard {
    char *path;
    sns_map map;
    json_t *header; /* owns the tensors' names */
} shard;

struct sns_safetensors {
    shard *shards;
    size_t shard_count, count, bytes;
    sns_stored *tensors;
};

static const struct {
    const char *name;
    size_t bytes;
} dtypes[] = {
#define SNS_DTYPE_ROW(name, bytes) {#name, bytes},
    SNS_DTYPE_LIST(SNS_DTYPE_ROW)
#undef SNS_DTYPE_ROW
};

const char *sns_dtype_name(sns_dtype dtype) {
    switch (dtype) {
#define SNS_BLOCK_NAME(name, bytes)                                                                \
    case SNS_DTYPE_##name:                                                                         \
        return #name;
        SNS_BLOCK_LIST(SNS_BLOCK_NAME)
#undef SNS_BLOCK_NAME
    default:
        return dtype < SNS_DTYPE_COUNT ? dtypes[dtype].name : "?";
    }
}

size_t sns_dtype_bytes(sns_dtype dtype) {
    return dtype < SNS_DTYPE_COUNT ? dtypes[dtype].bytes : 0;
}

sns_dtype sns_dtype_named(const char *name) {
    for (sns_dtype d = 0; d < SNS_DTYPE_COUNT; d++)
        if (!strcmp(dtypes[d].name, name)) return d;
    return SNS_DTYPE_COUNT;
}

const char *sns_shape_text(int dims, const size_t *dim, char *text, size_t size) {
    size_t n = 0;
    for (int i = 0; i < dims && n < size; i++)
        n += (size_t)snprintf(text + n, size - n, "%s%zu", i ? ", " : "[", dim[i]);
    if (n < size) snprintf(text + n, size - n, dims ? "]" : "[]");
    return text;
}

static bool size_from_json(const json_t *j, size_t *out) {
    if (!json_is_integer(j) || json_integer_value(j) < 0) return false;
    *out = (size_t)json_integer_value(j);
    return true;
}

static sns_status parse_shape(const json_t *shape, sns_stored *t, sns_error *err) {
    if (!json_is_array(shape))
        return sns_fail(err, SNS_FORMAT, "%s: tensor %s has no shape", t->file, t->name);
    if (json_array_size(shape) > SNS_STORED_MAX_DIMS)
        return sns_fail(err, SNS_LIMIT, "%s: tensor %s has %zu dimensions, at most %d are read",
                        t->file, t->name, json_array_size(shape), SNS_STORED_MAX_DIMS);
    t->dims = (int)json_array_size(shape);
    t->count = 1;
    for (int i = 0; i < t->dims; i++) {
        if (!size_from_json(json_array_get(shape, (size_t)i), &t->dim[i]))
            return sns_fail(err, SNS_FORMAT, "%s: tensor %s: dimension %d is not a size", t->file,
                            t->name, i);
        if (!sns_mul_size(t->count, t->dim[i], &t->count))
            return sns_fail(err, SNS_LIMIT, "%s: tensor %s: its shape overflows", t->file, t->name);
    }
    if (!sns_mul_size(t->count, sns_dtype_bytes(t->dtype), &t->bytes))
        return sns_fail(err, SNS_LIMIT, "%s: tensor %s: its shape overflows", t->file, t->name);
    return SNS_OK;
}

/* The data of t within data [size]. */
static sns_status parse_offsets(const json_t *offsets, const unsigned char *data, size_t size,
                                sns_stored *t, sns_error *err) {
    size_t begin, end;
    if (!json_is_array(offsets) || json_array_size(offsets) != 2 ||
        !size_from_json(json_array_get(offsets, 0), &begin) ||
        !size_from_json(json_array_get(offsets, 1), &end))
        return sns_fail(err, SNS_FORMAT, "%s: tensor %s has no data_offsets [begin, end]", t->file,
                        t->name);
    if (begin > end || end > size)
        return sns_fail(err, SNS_FORMAT,
                        "%s: tensor %s: data at %zu to %zu, but the file holds %zu bytes of data",
                        t->file, t->name, begin, end, size);
    if (end - begin != t->bytes) {
        char shape[160];
        return sns_fail(err, SNS_FORMAT, "%s: tensor %s: %s %s takes %zu bytes, its data has %zu",
                        t->file, t->name, sns_dtype_name(t->dtype),
                        sns_shape_text(t->dims, t->dim, shape, sizeof shape), t->bytes,
                        end - begin);
    }
    t->data = data + begin;
    return SNS_OK;
}

static sns_status parse_tensor(const json_t *entry, const unsigned char *data, size_t size,
                               sns_stored *t, sns_error *err) {
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    if (strlen(t->name) > SNS_STORED_MAX_NAME)
        return sns_fail(err, SNS_LIMIT, "%s: a tensor's name of %zu bytes", t->file,
                        strlen(t->name));
    if (!dtype) return sns_fail(err, SNS_FORMAT, "%s: tensor %s has no dtype", t->file, t->name);
    t->dtype = sns_dtype_named(dtype);
    if (t->dtype == SNS_DTYPE_COUNT)
        return sns_fail(err, SNS_UNSUPPORTED, "%s: tensor %s has the unknown dtype %.32s", t->file,
                        t->name, dtype);
    sns_status s = parse_shape(json_object_get(entry, "shape"), t, err);
    if (!s) s = parse_offsets(json_object_get(entry, "data_offsets"), data, size, t, err);
    return s;
}

static int compare_data(const void *a, const void *b) {
    const sns_stored *x = a, *y = b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const sns_stored *)a)->name, ((const sns_stored *)b)->name);
}

/* Sorted by place, tensors must follow each other exactly and end where the file does. */
static sns_status check_cover(sns_stored *t, size_t n, const char *file, const unsigned char *data,
                              size_t size, sns_error *err) {
    qsort(t, n, sizeof *t, compare_data);
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        size_t begin = (size_t)(t[i].data - data);
        if (begin < at)
            return sns_fail(err, SNS_FORMAT, "%s: tensor %s overlaps tensor %s", file, t[i].name,
                            t[i - 1].name);
        if (begin > at)
            return sns_fail(err, SNS_FORMAT, "%s: a hole of %zu bytes before tensor %s", file,
                            begin - at, t[i].name);
        at += t[i].bytes;
    }
    if (at != size)
        return sns_fail(err, SNS_FORMAT, "%s: %zu bytes after the last tensor", file, size - at);
    return SNS_OK;
}

static sns_status check_metadata(const json_t *meta, const char *file, sns_error *err) {
    const char *key;
    json_t *value;
    if (!json_is_object(meta))
        return sns_fail(err, SNS_FORMAT, "%s: __metadata__ is not an object", file);
    json_object_foreach((json_t *)(uintptr_t)meta, key, value) {
        if (!json_is_string(value))
            return sns_fail(err, SNS_FORMAT, "%s: __metadata__ \"%.64s\" is not a string", file,
                            key);
    }
    return SNS_OK;
}

/* Append the tensors of a shard whose header is parsed. */
static sns_status add_tensors(sns_safetensors *f, const shard *sh, const unsigned char *data,
                              size_t size, sns_error *err) {
    size_t old = f->count, total = old + json_object_size(sh->header);
    sns_stored *grown = realloc(f->tensors, (total ? total : 1) * sizeof *grown);
    if (!grown) return sns_fail(err, SNS_NOMEM, "%s: no memory for its tensors", sh->path);
    f->tensors = grown;
    const char *key;
    json_t *entry;
    json_object_foreach(sh->header, key, entry) {
        sns_status s = SNS_OK;
        if (!strcmp(key, "__metadata__")) {
            s = check_metadata(entry, sh->path, err);
        } else {
            sns_stored *t = &grown[f->count++];
            *t = (sns_stored){.name = key, .file = sh->path};
            s = parse_tensor(entry, data, size, t, err);
        }
        if (s) return s;
    }
    return check_cover(grown + old, f->count - old, sh->path, data, size, err);
}

static sns_status parse_shard(sns_safetensors *f, shard *sh, const unsigned char *bytes,
                              size_t size, sns_error *err) {
    uint64_t header;
    if (size < sizeof header)
        return sns_fail(err, SNS_FORMAT, "%s: %zu bytes are too few for a safetensors file",
                        sh->path, size);
    memcpy(&header, bytes, sizeof header);
    if (header > HEADER_MAX_BYTES)
        return sns_fail(err, SNS_LIMIT, "%s: a header of %llu bytes, more than the %d allowed",
                        sh->path, (unsigned long long)header, HEADER_MAX_BYTES);
    if (header > size - sizeof header)
        return sns_fail(err, SNS_FORMAT,
                        "%s: a header of %llu bytes, but the file ends after %zu: cut short?",
                        sh->path, (unsigned long long)header, size - sizeof header);
    json_error_t at;
    sh->header = json_loadb((const char *)bytes + sizeof header, (size_t)header,
                            JSON_REJECT_DUPLICATES, &at);
    if (!sh->header)
        return sns_fail(err, SNS_FORMAT, "%s: header, byte %d: %s", sh->path, at.position, at.text);
    if (!json_is_object(sh->header))
        return sns_fail(err, SNS_FORMAT, "%s: its header is not a JSON object", sh->path);
    f->bytes += size;
    return add_tensors(f, sh, bytes + sizeof header + header, size - sizeof header - (size_t)header,
                       err);
}

static sns_status sort_by_name(sns_safetensors *f, sns_error *err) {
    if (f->count) qsort(f->tensors, f->count, sizeof *f->tensors, compare_names);
    for (size_t i = 1; i < f->count; i++) {
        const sns_stored *t = &f->tensors[i];
        if (!strcmp(t->name, t[-1].name))
            return sns_fail(err, SNS_FORMAT, "%s: tensor %s is also in %s", t->file, t->name,
                            t[-1].file);
    }
    return SNS_OK;
}

static sns_safetensors *new_file(size_t shards) {
    sns_safetensors *f = calloc(1, sizeof *f);
    if (f && !(f->shards = calloc(shards, sizeof *f->shards))) {
        free(f);
        f = NULL;
    }
    return f;
}

void sns_safetensors_close(sns_safetensors *f) {
    if (!f) return;
    for (size_t i = 0; i < f->shard_count; i++) {
        json_decref(f->shards[i].header);
        sns_map_close(&f->shards[i].map);
        free(f->shards[i].path);
    }
    free(f->shards);
    free(f->tensors);
    free(f);
}

/* Takes path. */
static sns_status add_shard(sns_safetensors *f, char *path, sns_error *err) {
    shard *sh = &f->shards[f->shard_count++];
    sh->path = path;
    sns_status s = sns_map_open(path, &sh->map, err);
    if (!s) s = parse_shard(f, sh, sh->map.data, sh->map.size, err);
    return s;
}

static sns_status finish(sns_safetensors *f, sns_status s, sns_safetensors **out, sns_error *err) {
    if (!s) s = sort_by_name(f, err);
    if (s)
        sns_safetensors_close(f);
    else
        *out = f;
    return s;
}

sns_status sns_safetensors_parse(const void *bytes, size_t size, const char *name,
                                 sns_safetensors **out, sns_error *err) {
    *out = NULL;
    sns_safetensors *f = new_file(1);
    char *path = sns_strdup(name);
    if (!f || !path) {
        free(path);
        sns_safetensors_close(f);
        return sns_fail(err, SNS_NOMEM, "%s: no memory to read it", name);
    }
    f->shards[f->shard_count++].path = path;
    return finish(f, parse_shard(f, &f->shards[0], bytes, size, err), out, err);
}

sns_status sns_safetensors_open(const char *path, sns_safetensors **out, sns_error *err) {
    *out = NULL;
    sns_safetensors *f = new_file(1);
    char *copy = sns_strdup(path);
    if (!f || !copy) {
        free(copy);
        sns_safetensors_close(f);
        return sns_fail(err, SNS_NOMEM, "%s: no memory to read it", path);
    }
    return finish(f, add_shard(f, copy, err), out, err);
}

/* "model-00001-of-00002.safetensors" beside the index; an index must not lead out of its folder. */
static sns_status shard_path(const char *index, const char *name, char **out, sns_error *err) {
    const char *slash = strrchr(index, '/');
    if (!*name || strchr(name, '/') || !sns_ends_with(name, ".safetensors"))
        return sns_fail(err, SNS_FORMAT, "%s: \"%.128s\" is not a shard beside it", index, name);
    char *dir = slash ? sns_strndup(index, (size_t)(slash - index)) : sns_strdup(".");
    *out = dir ? sns_path_join(dir, name) : NULL;
    free(dir);
    return *out ? SNS_OK : sns_fail(err, SNS_NOMEM, "%s: no memory for its shards", index);
}

/* Open every shard that the map names once; the set of names seen is a JSON object too. */
static sns_status open_shards(sns_safetensors *f, json_t *map, const char *index, sns_error *err) {
    json_t *seen = json_object(), *value;
    const char *key;
    sns_status s = seen ? SNS_OK : sns_fail(err, SNS_NOMEM, "%s: no memory to read it", index);
    json_object_foreach(map, key, value) {
        if (s) break;
        const char *name = json_string_value(value);
        char *path = NULL;
        if (!name)
            s = sns_fail(err, SNS_FORMAT, "%s: the file of tensor %.128s is no string", index, key);
        else if (json_object_get(seen, name))
            continue;
        else if (f->shard_count == SHARDS_MAX)
            s = sns_fail(err, SNS_LIMIT, "%s: more than %d shards", index, SHARDS_MAX);
        else if (!(s = shard_path(index, name, &path, err))) {
            s = add_shard(f, path, err);
            if (json_object_set_new(seen, name, json_true()) && !s)
                s = sns_fail(err, SNS_NOMEM, "%s: no memory to read it", index);
        }
    }
    json_decref(seen);
    return s;
}

static sns_status check_index(const sns_safetensors *f, json_t *map, const char *index,
                              sns_error *err) {
    const char *key;
    json_t *value;
    json_object_foreach(map, key, value) {
        const sns_stored *t = sns_safetensors_find(f, key);
        if (!t || !sns_ends_with(t->file, json_string_value(value)))
            return sns_fail(err, SNS_FORMAT, "%s: tensor %.128s is not in %s", index, key,
                            json_string_value(value));
    }
    return SNS_OK;
}

sns_status sns_safetensors_open_index(const char *path, sns_safetensors **out, sns_error *err) {
    char *text;
    size_t size;
    json_error_t at;
    *out = NULL;
    sns_status s = sns_file_read(path, INDEX_MAX_BYTES, &text, &size, err);
    if (s) return s;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &at);
    free(text);
    json_t *map = json_object_get(root, "weight_map");
    sns_safetensors *f = new_file(SHARDS_MAX);
    if (!root)
        s = sns_fail(err, SNS_FORMAT, "%s: byte %d: %s", path, at.position, at.text);
    else if (!json_is_object(map))
        s = sns_fail(err, SNS_FORMAT, "%s: has no weight_map", path);
    else if (!f)
        s = sns_fail(err, SNS_NOMEM, "%s: no memory to read it", path);
    if (!s) s = open_shards(f, map, path, err);
    if (s)
        sns_safetensors_close(f);
    else if (!(s = finish(f, SNS_OK, out, err)) && (s = check_index(f, map, path, err))) {
        sns_safetensors_close(f);
        *out = NULL;
    }
    json_decref(root);
    return s;
}

size_t sns_safetensors_count(const sns_safetensors *f) {
    return f->count;
}

const sns_stored *sns_safetensors_at(const sns_safetensors *f, size_t i) {
    return i < f->count ? &f->tensors[i] : NULL;
}

const sns_stored *sns_safetensors_find(const sns_safetensors *f, const char *name) {
    sns_stored key = {.name = name};
    return f->count ? bsearch(&key, f->tensors, f->count, sizeof key, compare_names) : NULL;
}

const char *sns_safetensors_metadata(const sns_safetensors *f, const char *key) {
    for (size_t i = 0; i < f->shard_count; i++) {
        json_t *meta = json_object_get(f->shards[i].header, "__metadata__");
        const char *value = json_string_value(json_object_get(meta, key));
        if (value) return value;
    }
    return NULL;
}

size_t sns_safetensors_bytes(const sns_safetensors *f) {
    return f->bytes;
}

/* 16-bit elements of an unaligned tensor go through an aligned buffer. */
static void convert_16(const sns_stored *t, const sns_kernels *k, size_t first, size_t n,
                       float *out) {
    uint16_t buffer[1024];
    const unsigned char *from = t->data + 2 * first;
    for (size_t done = 0; done < n;) {
        size_t part = n - done < 1024 ? n - done : 1024;
        memcpy(buffer, from + 2 * done, 2 * part);
        if (t->dtype == SNS_DTYPE_F16)
            k->f32_from_f16(out + done, buffer, part);
        else
            k->f32_from_bf16(out + done, buffer, part);
        done += part;
    }
}

sns_status sns_stored_to_f32(const sns_stored *t, const sns_kernels *k, size_t first, size_t n,
                             float *out, sns_error *err) {
    if (first > t->count || n > t->count - first)
        return sns_fail(err, SNS_ARG, "%s: tensor %s: elements %zu + %zu of %zu", t->file, t->name,
                        first, n, t->count);
    if (t->dtype == SNS_DTYPE_F32)
        memcpy(out, t->data + 4 * first, 4 * n);
    else if (t->dtype == SNS_DTYPE_F16 || t->dtype == SNS_DTYPE_BF16)
        convert_16(t, k, first, n, out);
    else if (sns_dtype_is_block(t->dtype))
        sns_blocks_to_f32(t->dtype, t->data, k, first, n, out);
    else
        return sns_fail(err, SNS_UNSUPPORTED, "%s: tensor %s is %s; F32, F16 and BF16 are read",
                        t->file, t->name, sns_dtype_name(t->dtype));
    return SNS_OK;
}

void sns_stored_i8_row(const sns_stored *t, const sns_stored *scale, size_t r, size_t C,
                       float *out) {
    const int8_t *q = (const int8_t *)t->data + r * C;
    float by;
    memcpy(&by, scale->data + r * sizeof by, sizeof by);
    for (size_t c = 0; c < C; c++) out[c] = by * q[c];
}

const float *sns_stored_f32(const sns_stored *t) {
    if (t->dtype != SNS_DTYPE_F32 || (uintptr_t)t->data % sizeof(float)) return NULL;
    return (const float *)(const void *)t->data;
}

void sns_stored_drop(const sns_stored *t) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = ((uintptr_t)t->data + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)t->data + t->bytes) / page * page;
    if (begin < end) madvise((void *)begin, end - begin, MADV_DONTNEED);
}
