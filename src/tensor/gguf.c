/* gguf.c - reading: a cursor that cannot leave the file. */
#include "tensor/gguf.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include "tensor/blocks.h"
#include <math.h>
#include <sys/stat.h>

enum {
    ENTRIES_MAX = 1 << 16,
    TENSORS_MAX = 1 << 16,
    KEY_MAX = 1 << 16,
    GGML_DIMS_MAX = 4,
    ALIGNMENT_MAX = 1 << 16
};

/* Types of values. */
enum { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64, TYPES };
static const unsigned char type_bytes[TYPES] = {
    [U8] = 1,  [I8] = 1,   [U16] = 2, [I16] = 2, [U32] = 4, [I32] = 4,
    [F32] = 4, [BOOL] = 1, [U64] = 8, [I64] = 8, [F64] = 8};

typedef struct entry {
    sns_gguf_string key;
    uint32_t type; /* of an array: of its elements */
    bool array;
    size_t count; /* 1 for what is no array */
    const unsigned char *data;
} entry;

struct sns_gguf {
    char *path;
    sns_map map; /* empty: the memory is the caller's */
    const unsigned char *bytes;
    size_t size, header, alignment;
    entry *entries;
    size_t entry_count, count;
    sns_stored *tensors;
};

typedef struct cursor {
    const sns_gguf *g;
    size_t at;
    sns_error *err;
} cursor;

bool sns_gguf_is_file(const char *path) {
    struct stat st;
    return !stat(path, &st) && S_ISREG(st.st_mode);
}

/* ---- the cursor ---- */

static size_t left(const cursor *c) {
    return c->g->size - c->at;
}

static sns_status cut_short(const cursor *c, const char *what) {
    return sns_fail(c->err, SNS_FORMAT, "%s: byte %zu: the file ends inside %s: cut short?",
                    c->g->path, c->at, what);
}

static sns_status take(cursor *c, void *out, size_t n, const char *what) {
    if (n > left(c)) return cut_short(c, what);
    memcpy(out, c->g->bytes + c->at, n);
    c->at += n;
    return SNS_OK;
}

/* A count whose elements take at least `each` bytes of the file. */
static sns_status take_count(cursor *c, size_t each, size_t most, size_t *out, const char *what) {
    uint64_t n = 0;
    size_t begin = c->at;
    sns_status s = take(c, &n, sizeof n, what);
    if (s) return s;
    if (n > most)
        return sns_fail(c->err, SNS_LIMIT, "%s: byte %zu: %llu %s, more than the %zu allowed",
                        c->g->path, begin, (unsigned long long)n, what, most);
    if (n > left(c) / each) return cut_short(c, what);
    *out = (size_t)n;
    return SNS_OK;
}

static sns_status take_string(cursor *c, size_t most, sns_gguf_string *out, const char *what) {
    size_t n;
    sns_status s = take_count(c, 1, most, &n, what);
    if (s) return s;
    *out = (sns_gguf_string){(const char *)c->g->bytes + c->at, n};
    c->at += n;
    return SNS_OK;
}

/* ---- metadata ---- */

/* Past the elements of an array or the one value that e describes. */
static sns_status skip_values(cursor *c, const entry *e) {
    sns_gguf_string text;
    if (e->type != STRING) {
        size_t bytes = e->count * type_bytes[e->type]; /* a count was checked against the rest */
        if (bytes > left(c)) return cut_short(c, "a value");
        c->at += bytes;
        return SNS_OK;
    }
    sns_status s = SNS_OK;
    for (size_t i = 0; i < e->count && !s; i++) s = take_string(c, SIZE_MAX, &text, "a string");
    return s;
}

static sns_status read_type(cursor *c, uint32_t *out, bool may_be_array) {
    sns_status s = take(c, out, sizeof *out, "a value's type");
    if (s || (*out < TYPES && (may_be_array || *out != ARRAY))) return s;
    return sns_fail(c->err, SNS_UNSUPPORTED, "%s: byte %zu: a value of type %u", c->g->path,
                    c->at - sizeof *out, *out);
}

static sns_status read_entry(cursor *c, entry *e) {
    sns_status s = take_string(c, KEY_MAX, &e->key, "a key");
    if (!s) s = read_type(c, &e->type, true);
    if (s) return s;
    e->count = 1;
    e->array = e->type == ARRAY;
    if (e->array) {
        s = read_type(c, &e->type, false);
        size_t each = !s && type_bytes[e->type] ? type_bytes[e->type] : sizeof(uint64_t);
        if (!s) s = take_count(c, each, SIZE_MAX, &e->count, "an array");
        if (s) return s;
    }
    e->data = c->g->bytes + c->at;
    return skip_values(c, e);
}

static const entry *find_entry(const sns_gguf *g, const char *key) {
    size_t n = strlen(key);
    for (size_t i = 0; i < g->entry_count; i++)
        if (g->entries[i].key.size == n && !memcmp(g->entries[i].key.data, key, n))
            return &g->entries[i];
    return NULL;
}

/* *out <- the entry, which must be of the given kind. */
static sns_status want(const sns_gguf *g, const char *key, bool array, bool fits(uint32_t type),
                       const char *kind, const entry **out, sns_error *err) {
    const entry *e = *out = find_entry(g, key);
    if (!e) return sns_fail(err, SNS_MISSING, "%s: has no %s", g->path, key);
    if (e->array == array && fits(e->type)) return SNS_OK;
    return sns_fail(err, SNS_FORMAT, "%s: %s is not %s", g->path, key, kind);
}

static bool is_number(uint32_t type) {
    return type_bytes[type] && type != BOOL;
}
static bool is_whole(uint32_t type) {
    return is_number(type) && type != F32 && type != F64;
}
static bool is_bool(uint32_t type) {
    return type == BOOL;
}
static bool is_string(uint32_t type) {
    return type == STRING;
}

#define VALUE(type)                                                                                \
    {                                                                                              \
        type v;                                                                                    \
        memcpy(&v, data, sizeof v);                                                                \
        return (double)v;                                                                          \
    }

static double number_at(uint32_t type, const unsigned char *data) {
    switch (type) {
    case U8:
        VALUE(uint8_t)
    case I8:
        VALUE(int8_t)
    case U16:
        VALUE(uint16_t)
    case I16:
        VALUE(int16_t)
    case U32:
        VALUE(uint32_t)
    case I32:
        VALUE(int32_t)
    case U64:
        VALUE(uint64_t)
    case I64:
        VALUE(int64_t)
    case F32:
        VALUE(float)
    default:
        VALUE(double)
    }
}

sns_status sns_gguf_size(const sns_gguf *g, const char *key, size_t *out, sns_error *err) {
    const entry *e;
    sns_status s = want(g, key, false, is_whole, "a whole number", &e, err);
    if (s) return s;
    double v = number_at(e->type, e->data);
    if (!(v >= 0 && v <= UINT32_MAX))
        return sns_fail(err, SNS_LIMIT, "%s: %s is %.0f", g->path, key, v);
    *out = (size_t)v;
    return SNS_OK;
}

sns_status sns_gguf_number(const sns_gguf *g, const char *key, double *out, sns_error *err) {
    const entry *e;
    sns_status s = want(g, key, false, is_number, "a number", &e, err);
    if (!s) *out = number_at(e->type, e->data);
    return s;
}

sns_status sns_gguf_bool(const sns_gguf *g, const char *key, bool *out, sns_error *err) {
    const entry *e;
    sns_status s = want(g, key, false, is_bool, "true or false", &e, err);
    if (!s) *out = *e->data != 0;
    return s;
}

/* A string that was passed over once, so it lies within the file. */
static sns_gguf_string string_at(const unsigned char **data) {
    uint64_t n;
    memcpy(&n, *data, sizeof n);
    sns_gguf_string text = {(const char *)*data + sizeof n, (size_t)n};
    *data += sizeof n + n;
    return text;
}

sns_status sns_gguf_text(const sns_gguf *g, const char *key, sns_gguf_string *out, sns_error *err) {
    const entry *e;
    sns_status s = want(g, key, false, is_string, "a string", &e, err);
    if (s) return s;
    const unsigned char *data = e->data;
    *out = string_at(&data);
    return SNS_OK;
}

sns_status sns_gguf_numbers(const sns_gguf *g, const char *key, size_t n, float *out,
                            sns_error *err) {
    const entry *e;
    sns_status s = want(g, key, true, is_number, "a list of numbers", &e, err);
    if (s) return s;
    if (e->count != n)
        return sns_fail(err, SNS_FORMAT, "%s: %s has %zu numbers, not %zu", g->path, key, e->count,
                        n);
    for (size_t i = 0; i < n; i++) {
        out[i] = (float)number_at(e->type, e->data + i * type_bytes[e->type]);
        if (!isfinite(out[i]))
            return sns_fail(err, SNS_FORMAT, "%s: %s: element %zu is not finite", g->path, key, i);
    }
    return SNS_OK;
}

sns_status sns_gguf_strings(const sns_gguf *g, const char *key, sns_gguf_string **out, size_t *n,
                            sns_error *err) {
    const entry *e;
    *out = NULL;
    sns_status s = want(g, key, true, is_string, "a list of strings", &e, err);
    if (s) return s;
    sns_gguf_string *list = malloc((e->count ? e->count : 1) * sizeof *list);
    if (!list) return sns_fail(err, SNS_NOMEM, "%s: no memory for %s", g->path, key);
    const unsigned char *data = e->data;
    for (size_t i = 0; i < e->count; i++) list[i] = string_at(&data);
    *out = list;
    *n = e->count;
    return SNS_OK;
}

/* ---- tensors ---- */

static sns_dtype dtype_of(uint32_t type) {
    switch (type) {
    case 0:
        return SNS_DTYPE_F32;
    case 1:
        return SNS_DTYPE_F16;
    case 2:
        return SNS_DTYPE_Q4_0;
    case 3:
        return SNS_DTYPE_Q4_1;
    case 6:
        return SNS_DTYPE_Q5_0;
    case 7:
        return SNS_DTYPE_Q5_1;
    case 8:
        return SNS_DTYPE_Q8_0;
    case 30:
        return SNS_DTYPE_BF16;
    default:
        return SNS_DTYPE_COUNT;
    }
}

/* count and bytes of t, whose dims and dtype are set. */
static sns_status measure(sns_stored *t, sns_error *err) {
    t->count = 1;
    for (int i = 0; i < t->dims; i++)
        if (!sns_mul_size(t->count, t->dim[i], &t->count))
            return sns_fail(err, SNS_LIMIT, "%s: tensor %s: its shape overflows", t->file, t->name);
    size_t block = sns_dtype_block_bytes(t->dtype), row = t->dims ? t->dim[t->dims - 1] : 1;
    if (block && row % SNS_BLOCK_ELEMENTS)
        return sns_fail(err, SNS_FORMAT, "%s: tensor %s: rows of %zu are no whole blocks of %s",
                        t->file, t->name, row, sns_dtype_name(t->dtype));
    size_t units = block ? t->count / SNS_BLOCK_ELEMENTS : t->count;
    if (!sns_mul_size(units, block ? block : sns_dtype_bytes(t->dtype), &t->bytes))
        return sns_fail(err, SNS_LIMIT, "%s: tensor %s: its shape overflows", t->file, t->name);
    return SNS_OK;
}

static sns_status read_dims(cursor *c, sns_stored *t) {
    uint32_t dims = 0;
    sns_status s = take(c, &dims, sizeof dims, "a tensor");
    if (!s && dims > GGML_DIMS_MAX)
        s = sns_fail(c->err, SNS_LIMIT, "%s: tensor %s has %u dimensions, at most %d are read",
                     t->file, t->name, dims, GGML_DIMS_MAX);
    if (!s) t->dims = (int)dims;
    for (int i = t->dims - 1; i >= 0 && !s; i--) {
        uint64_t n = 0;
        s = take(c, &n, sizeof n, "a tensor");
        t->dim[i] = (size_t)n;
    }
    return s;
}

/* t->data is found later: *offset is from where the data begins. */
static sns_status read_tensor(cursor *c, sns_stored *t, uint64_t *offset) {
    sns_gguf_string name;
    uint32_t type = 0;
    sns_status s = take_string(c, SNS_STORED_MAX_NAME, &name, "a tensor's name");
    if (s) return s;
    if (memchr(name.data, 0, name.size))
        return sns_fail(c->err, SNS_FORMAT, "%s: byte %zu: a tensor's name has a NUL", t->file,
                        c->at);
    t->name = sns_strndup(name.data, name.size);
    if (!t->name) return sns_fail(c->err, SNS_NOMEM, "%s: no memory for its tensors", t->file);
    if ((s = read_dims(c, t)) || (s = take(c, &type, sizeof type, "a tensor")) ||
        (s = take(c, offset, sizeof *offset, "a tensor")))
        return s;
    t->dtype = dtype_of(type);
    if (t->dtype == SNS_DTYPE_COUNT)
        return sns_fail(c->err, SNS_UNSUPPORTED,
                        "%s: tensor %s is of ggml's type %u; F32, F16, BF16, Q4_0, Q4_1, Q5_0, "
                        "Q5_1 and Q8_0 are read",
                        t->file, t->name, type);
    return measure(t, c->err);
}

/* The data of t at offset within what follows the header. */
static sns_status place(const sns_gguf *g, sns_stored *t, uint64_t offset, sns_error *err) {
    size_t room = g->size - g->header;
    if (offset % g->alignment)
        return sns_fail(err, SNS_FORMAT, "%s: tensor %s: its offset %llu is no multiple of %zu",
                        t->file, t->name, (unsigned long long)offset, g->alignment);
    if (offset > room || t->bytes > room - offset)
        return sns_fail(err, SNS_FORMAT,
                        "%s: tensor %s: data at %llu, %zu bytes, but the file holds %zu bytes of "
                        "data: cut short?",
                        t->file, t->name, (unsigned long long)offset, t->bytes, room);
    t->data = g->bytes + g->header + offset;
    return SNS_OK;
}

static int compare_data(const void *a, const void *b) {
    const sns_stored *x = a, *y = b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const sns_stored *)a)->name, ((const sns_stored *)b)->name);
}

static sns_status check_apart(sns_gguf *g, sns_error *err) {
    sns_stored *t = g->tensors;
    if (!g->count) return SNS_OK;
    qsort(t, g->count, sizeof *t, compare_data);
    for (size_t i = 1; i < g->count; i++)
        if (t[i].data < t[i - 1].data + t[i - 1].bytes)
            return sns_fail(err, SNS_FORMAT, "%s: tensor %s overlaps tensor %s", g->path, t[i].name,
                            t[i - 1].name);
    qsort(t, g->count, sizeof *t, compare_names);
    for (size_t i = 1; i < g->count; i++)
        if (!strcmp(t[i].name, t[i - 1].name))
            return sns_fail(err, SNS_FORMAT, "%s: two tensors %s", g->path, t[i].name);
    return SNS_OK;
}

static sns_status find_alignment(sns_gguf *g, sns_error *err) {
    static const char key[] = "general.alignment";
    g->alignment = 32;
    if (!find_entry(g, key)) return SNS_OK;
    sns_status s = sns_gguf_size(g, key, &g->alignment, err);
    if (s) return s;
    if (g->alignment % 8 || !g->alignment || g->alignment > ALIGNMENT_MAX)
        return sns_fail(err, SNS_FORMAT, "%s: %s is %zu", g->path, key, g->alignment);
    return SNS_OK;
}

static sns_status read_tensors(cursor *c, sns_gguf *g, size_t count) {
    uint64_t *offset = malloc((count ? count : 1) * sizeof *offset);
    g->tensors = calloc(count ? count : 1, sizeof *g->tensors);
    sns_status s = SNS_OK;
    if (!offset || !g->tensors)
        s = sns_fail(c->err, SNS_NOMEM, "%s: no memory for its tensors", g->path);
    for (size_t i = 0; i < count && !s; i++) {
        g->tensors[i].file = g->path;
        g->count++;
        s = read_tensor(c, &g->tensors[i], &offset[i]);
    }
    size_t pad = c->at % g->alignment;
    if (!s && pad && !sns_add_size(c->at, g->alignment - pad, &g->header))
        s = cut_short(c, "its header");
    if (!pad) g->header = c->at;
    if (g->header > g->size) g->header = g->size; /* no data, no padding */
    for (size_t i = 0; i < count && !s; i++) s = place(g, &g->tensors[i], offset[i], c->err);
    free(offset);
    return s ? s : check_apart(g, c->err);
}

static sns_status read_entries(cursor *c, sns_gguf *g, size_t count) {
    g->entries = calloc(count ? count : 1, sizeof *g->entries);
    if (!g->entries) return sns_fail(c->err, SNS_NOMEM, "%s: no memory to read it", g->path);
    for (size_t i = 0; i < count; i++) {
        entry e = {0};
        sns_status s = read_entry(c, &e);
        if (s) return s;
        g->entries[g->entry_count++] = e;
    }
    return find_alignment(g, c->err);
}

static sns_status parse(sns_gguf *g, sns_error *err) {
    /* key, type and a value of a byte; name, dims, type and offset */
    enum { ENTRY_LEAST = 8 + 4 + 1, TENSOR_LEAST = 8 + 4 + 4 + 8 };
    cursor c = {.g = g, .err = err};
    char magic[4];
    uint32_t version = 0;
    size_t tensors = 0, entries = 0;
    if (g->size < sizeof magic || memcmp(g->bytes, "GGUF", 4) != 0)
        return sns_fail(err, SNS_FORMAT, "%s: not a GGUF file (other models are folders)", g->path);
    sns_status s = take(&c, magic, sizeof magic, "its header");
    if (!s) s = take(&c, &version, sizeof version, "its header");
    if (!s && version && !(version & 0xffff))
        return sns_fail(err, SNS_UNSUPPORTED, "%s: numbers of the other byte order", g->path);
    if (!s && version != 2 && version != 3)
        return sns_fail(err, SNS_UNSUPPORTED, "%s: GGUF of version %u; 2 and 3 are read", g->path,
                        version);
    if (!s) s = take_count(&c, TENSOR_LEAST, TENSORS_MAX, &tensors, "tensors");
    if (!s) s = take_count(&c, ENTRY_LEAST, ENTRIES_MAX, &entries, "metadata entries");
    if (!s) s = read_entries(&c, g, entries);
    return s ? s : read_tensors(&c, g, tensors);
}

/* ---- opening ---- */

/* Parses what g->bytes holds; g is freed on failure. */
static sns_status finish(sns_gguf *g, sns_gguf **out, sns_error *err) {
    sns_status s = parse(g, err);
    if (s)
        sns_gguf_close(g);
    else
        *out = g;
    return s;
}

static sns_gguf *new_file(const char *path) {
    sns_gguf *g = calloc(1, sizeof *g);
    if (g && !(g->path = sns_strdup(path))) {
        free(g);
        g = NULL;
    }
    return g;
}

sns_status sns_gguf_open(const char *path, sns_gguf **out, sns_error *err) {
    *out = NULL;
    sns_gguf *g = new_file(path);
    if (!g) return sns_fail(err, SNS_NOMEM, "%s: no memory to read it", path);
    sns_status s = sns_map_open(path, &g->map, err);
    if (s) {
        sns_gguf_close(g);
        return s;
    }
    g->bytes = g->map.data;
    g->size = g->map.size;
    return finish(g, out, err);
}

sns_status sns_gguf_parse(const void *bytes, size_t size, const char *name, sns_gguf **out,
                          sns_error *err) {
    *out = NULL;
    sns_gguf *g = new_file(name);
    if (!g) return sns_fail(err, SNS_NOMEM, "%s: no memory to read it", name);
    g->bytes = bytes;
    g->size = size;
    return finish(g, out, err);
}

void sns_gguf_close(sns_gguf *g) {
    if (!g) return;
    for (size_t i = 0; i < g->count; i++) free((char *)(uintptr_t)g->tensors[i].name);
    free(g->tensors);
    free(g->entries);
    sns_map_close(&g->map);
    free(g->path);
    free(g);
}

size_t sns_gguf_count(const sns_gguf *g) {
    return g->count;
}

const sns_stored *sns_gguf_at(const sns_gguf *g, size_t i) {
    return i < g->count ? &g->tensors[i] : NULL;
}

const sns_stored *sns_gguf_find(const sns_gguf *g, const char *name) {
    sns_stored key = {.name = name};
    return g->count ? bsearch(&key, g->tensors, g->count, sizeof key, compare_names) : NULL;
}

size_t sns_gguf_bytes(const sns_gguf *g) {
    return g->size;
}

sns_gguf_string sns_gguf_header(const sns_gguf *g) {
    return (sns_gguf_string){(const char *)g->bytes, g->header};
}
