/* model_tower.c - a tower's weights in the form that inference wants.
 *
 * Linear weights are packed (oneDNN's order of the same numbers, and of the same type: what is
 * bfloat16 or int8 in the file stays so); q, k and v, three tensors in the file, become one weight
 * [3C, C]. Their pages in the mapping are given back afterwards, so that memory holds each weight
 * about once; bfloat16 and int8 towers are kept packed for the next start (packed_cache.h). The
 * token table is read where it lies, row by row; so are gains and biases in f32. */
#include "base/error.h"
#include "embed/packed_cache.h"

typedef struct readying {
    sns_model *model;
    sns_tower tower;
    size_t entry;      /* of the layout */
    size_t part_entry; /* where the current q, k, v group began */
    sns_error *err;
    sns_status status;
} readying;

sns_tower sns_model_tower_of(const char *name) {
    return !strncmp(name, "text", 4) ? SNS_TOWER_TEXT : SNS_TOWER_IMAGE;
}

/* Entries first … first + n - 1 one after another as f32 into out, each checked. */
static sns_status gather(const sns_model *m, size_t first, size_t n, float *out, sns_error *err) {
    sns_status s = SNS_OK;
    for (size_t i = first; i < first + n && !s; i++) {
        size_t count = m->layout.desc[i].count;
        s = sns_clip_weights_get(&m->weights, &m->layout, i, out, err);
        if (!s) s = sns_clip_weights_check(&m->weights, i, 0, out, count, err);
        out += count;
    }
    return s;
}

static void drop(const sns_model *m, size_t first, size_t n) {
    for (size_t i = first; i < first + n; i++) sns_stored_drop(m->weights.at[i].tensor);
}

static sns_status no_memory(const sns_model *m, size_t entry, sns_error *err) {
    return sns_fail(err, SNS_NOMEM, "%s: no memory for tensor %s", m->dir,
                    m->layout.desc[entry].name);
}

sns_packed_type sns_model_packing(const sns_model *m, size_t entry) {
    sns_dtype type = m->weights.at[entry].tensor->dtype;
    return type == SNS_DTYPE_BF16 ? SNS_PACKED_BF16
           : type == SNS_DTYPE_I8 ? SNS_PACKED_INT8
                                  : SNS_PACKED_F32;
}

/* How entries first … first + n - 1 are packed: in their own type where all are alike. */
static sns_packed_type packed_type(const sns_model *m, size_t first, size_t n) {
    sns_packed_type type = sns_model_packing(m, first);
    for (size_t i = first + 1; i < first + n; i++)
        if (sns_model_packing(m, i) != type) return SNS_PACKED_F32;
    return type;
}

/* Numbers to pack, and memory of their own where they do not lie in the mapping as they are. */
typedef struct to_pack {
    sns_packed_source from;
    void *copy;
    float *scale;
} to_pack;

/* Entries first … first + n - 1 where they lie; false: one of them can't be used so. */
static bool take_in_place(const sns_model *m, size_t first, size_t n, to_pack *p) {
    const void *at[3] = {NULL};
    for (size_t i = 0; i < n; i++) {
        sns_dtype type = m->weights.at[first + i].tensor->dtype;
        if (p->from.type == SNS_PACKED_F32 && type != SNS_DTYPE_F32) return false;
        if (!(at[i] = sns_clip_weights_in_place(&m->weights, first + i))) return false;
    }
    p->from.weights = at[0];
    p->from.more[0] = at[1];
    p->from.more[1] = at[2];
    return true;
}

static sns_status copy_wide(const sns_model *m, size_t first, size_t n, to_pack *p,
                            sns_error *err) {
    size_t count = m->layout.desc[first].count;
    p->from.weights = p->copy = sns_aligned_alloc(n * count * sizeof(float));
    return p->copy ? gather(m, first, n, p->copy, err) : no_memory(m, first, err);
}

/* bfloat16 and int8 as they are stored, one entry after another. */
static sns_status copy_narrow(const sns_model *m, size_t first, size_t n, to_pack *p,
                              sns_error *err) {
    const sns_param_desc *d = &m->layout.desc[first];
    size_t size = d->count * sns_dtype_bytes(m->weights.at[first].tensor->dtype);
    p->from.weights = p->copy = sns_aligned_alloc(n * size);
    if (!p->copy) return no_memory(m, first, err);
    for (size_t i = 0; i < n; i++)
        sns_clip_weights_narrow(&m->weights, &m->layout, first + i, (char *)p->copy + i * size,
                                p->scale + i * d->dim[0]);
    return SNS_OK;
}

static sns_status take(const sns_model *m, size_t first, size_t n, to_pack *p, sns_error *err) {
    const sns_param_desc *d = &m->layout.desc[first];
    bool wide = p->from.type == SNS_PACKED_F32;
    p->from.scale = p->scale = malloc(n * d->dim[0] * sizeof *p->scale);
    if (!p->scale) return no_memory(m, first, err);
    bool in_place = take_in_place(m, first, n, p);
    if (wide && !in_place) return copy_wide(m, first, n, p, err); /* checked there */
    sns_status s = SNS_OK;
    for (size_t i = 0; i < n && !s; i++) {
        s = sns_clip_weights_check_stored(&m->weights, first + i, d->count, err);
        sns_clip_weights_narrow(&m->weights, &m->layout, first + i, NULL, p->scale + i * d->dim[0]);
    }
    return s || in_place ? s : copy_narrow(m, first, n, p, err);
}

static sns_status pack(sns_model *m, sns_param *p, size_t first, size_t n, sns_error *err) {
    if (m->packed[first]) return SNS_OK;
    const sns_param_desc *d = &m->layout.desc[first];
    size_t rows = d->dim[0], cols = d->count / rows;
    sns_packed_memory *memory = &m->numbers[sns_model_tower_of(d->name)];
    to_pack t = {.from = {.type = packed_type(m, first, n)}};
    sns_status s = memory->filled ? SNS_OK : take(m, first, n, &t, err);
    if (!s)
        s = sns_packed_new_from(&t.from, n * rows, cols, memory->data ? memory : NULL,
                                &m->packed[first], err);
    sns_aligned_free(t.copy);
    free(t.scale);
    if (s) return s;
    p->packed = m->packed[first];
    drop(m, first, n);
    return SNS_OK;
}

/* A NaN in the token table, which is not read here, shows in the vectors, which are checked. */
static void keep_table(const sns_model *m, sns_param *p, size_t entry) {
    const float *mapped = sns_clip_weights_mapped(&m->weights, entry);
    p->value.data = (float *)(uintptr_t)mapped; /* inference only reads it */
    if (mapped) return;
    p->table = m->weights.at[entry].tensor;
    p->table_scale = m->weights.at[entry].scale;
}

static sns_status place(sns_model *m, sns_param *p, size_t first, size_t n, sns_error *err) {
    if (p->value.data) return SNS_OK;
    size_t count = m->layout.desc[first].count;
    const float *mapped = n == 1 ? sns_clip_weights_mapped(&m->weights, first) : NULL;
    if (mapped) {
        sns_status s = sns_clip_weights_check(&m->weights, first, 0, mapped, count, err);
        if (!s) p->value.data = (float *)(uintptr_t)mapped; /* inference only reads it */
        return s;
    }
    float *copy = sns_arena_alloc(m->converted, n * count * sizeof *copy);
    if (!copy) return no_memory(m, first, err);
    sns_status s = gather(m, first, n, copy, err);
    if (s) return s;
    drop(m, first, n);
    p->value.data = copy;
    return SNS_OK;
}

static bool visit(void *user, sns_param *param, int third, const sns_param_desc *desc) {
    readying *r = user;
    sns_model *m = r->model;
    size_t entry = r->entry++;
    bool scalar = param == &m->clip->logit_scale || param == &m->clip->logit_bias;
    if (scalar || sns_model_tower_of(desc->name) != r->tower) return true;
    if (third == 0) r->part_entry = entry;
    if (third >= 0 && third < 2) return true;
    size_t first = third < 0 ? entry : r->part_entry, n = third < 0 ? 1 : 3;
    sns_use use = m->layout.desc[entry].use;
    if (use == SNS_USE_TABLE)
        keep_table(m, param, entry);
    else
        r->status = use == SNS_USE_PRODUCT ? pack(m, param, first, n, r->err)
                                           : place(m, param, first, n, r->err);
    return r->status == SNS_OK;
}

/* More than the bytes that a tower's packed weights take. */
static size_t packed_room(const sns_model *m, sns_tower tower) {
    size_t n = 0;
    for (size_t i = 0; i < m->layout.count; i++) {
        const sns_param_desc *d = &m->layout.desc[i];
        if (d->use == SNS_USE_PRODUCT && sns_model_tower_of(d->name) == tower)
            n += sns_packed_room(sns_model_packing(m, i), d->dim[0], d->count / d->dim[0]);
    }
    return n;
}

static void visit_tower(readying *r) {
    r->entry = 0;
    r->status = SNS_OK;
    sns_clip_visit(r->model->clip, visit, r);
}

/* From the file where the packed weights were kept. False: they were packed otherwise, or not at
 * all; then no weight of the tower is packed. */
static bool ready_from_cache(readying *r) {
    sns_model *m = r->model;
    sns_packed_memory *numbers = &m->numbers[r->tower];
    sns_packed_cache cache;
    if (!sns_packed_cache_open(m, r->tower, &cache)) return false;
    *numbers = cache.memory;
    visit_tower(r);
    if (!r->status && numbers->layout == cache.layout && numbers->used == numbers->size) {
        m->kept[r->tower] = cache.map;
        return true;
    }
    for (size_t i = 0; i < m->layout.count; i++) {
        if (sns_model_tower_of(m->layout.desc[i].name) != r->tower) continue;
        sns_packed_free(m->packed[i]);
        m->packed[i] = NULL;
    }
    sns_packed_memory_free(numbers);
    sns_packed_cache_close(&cache);
    return false;
}

/* A first call that failed has packed some: then there is memory, and the others follow. */
static void ready_from_weights(readying *r) {
    sns_packed_memory *numbers = &r->model->numbers[r->tower];
    if (!numbers->data) sns_packed_memory_new(numbers, packed_room(r->model, r->tower));
    visit_tower(r);
    if (!r->status) sns_packed_cache_write(r->model, r->tower, numbers);
}

sns_status sns_model_ready(sns_model *m, sns_tower tower, sns_error *err) {
    if (atomic_load_explicit(&m->ready[tower], memory_order_acquire)) return SNS_OK;
    pthread_mutex_lock(&m->lock);
    readying r = {.model = m, .tower = tower, .err = err};
    if (!atomic_load_explicit(&m->ready[tower], memory_order_relaxed)) {
        if (m->numbers[tower].data || !ready_from_cache(&r)) ready_from_weights(&r);
        if (!r.status) atomic_store_explicit(&m->ready[tower], true, memory_order_release);
    }
    pthread_mutex_unlock(&m->lock);
    return r.status;
}
