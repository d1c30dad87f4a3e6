/* model_tower.c - a tower's weights in the form that inference wants.
 *
 * Linear weights are packed (oneDNN's order of the same numbers); q, k and v, three tensors in the
 * file, become one weight [3C, C]. Their pages in the mapping are given back afterwards, so that
 * memory holds each weight about once. Tables, gains and biases are read where they lie. */
#include "base/error.h"
#include "embed/model_internal.h"

typedef struct readying {
    sns_model *model;
    sns_tower tower;
    size_t entry;      /* of the layout */
    size_t part_entry; /* where the current q, k, v group began */
    sns_error *err;
    sns_status status;
} readying;

static bool is_table(const sns_clip *m, const sns_param *p) {
    return p == &m->token_table || p == &m->image_positions || p == &m->text_positions ||
           p == &m->resnet.positions || p == &m->siglip.probe;
}

/* A convolution that is more than a product of each pixel; patches are such products. */
static bool is_spatial(const sns_clip *m, const sns_param *p, const sns_param_desc *d) {
    return d->dims == 4 && d->dim[2] > 1 && p != &m->patch_weight;
}

static sns_tower tower_of(const char *name) {
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

static sns_status pack(sns_model *m, sns_param *p, size_t first, size_t n, sns_error *err) {
    if (m->packed[first]) return SNS_OK;
    const sns_param_desc *d = &m->layout.desc[first];
    size_t rows = d->dim[0], cols = d->count / rows;
    const float *data = n == 1 ? sns_clip_weights_mapped(&m->weights, first) : NULL;
    float *copy = NULL;
    sns_status s = SNS_OK;
    if (data) {
        s = sns_clip_weights_check(&m->weights, first, 0, data, d->count, err);
    } else {
        copy = sns_aligned_alloc(n * d->count * sizeof *copy);
        s = copy ? gather(m, first, n, copy, err) : no_memory(m, first, err);
        data = copy;
    }
    if (!s) s = sns_packed_new(data, n * rows, cols, &m->packed[first], err);
    sns_aligned_free(copy);
    if (s) return s;
    p->packed = m->packed[first];
    drop(m, first, n);
    return SNS_OK;
}

/* The token table in f32 is only touched row by row, so it is not read here to check it: a NaN in
 * it shows in the vectors, which are checked. */
static sns_status place(sns_model *m, sns_param *p, size_t first, size_t n, sns_error *err) {
    if (p->value.data) return SNS_OK;
    size_t count = m->layout.desc[first].count;
    const float *mapped = n == 1 ? sns_clip_weights_mapped(&m->weights, first) : NULL;
    if (mapped) {
        if (p != &m->clip->token_table) {
            sns_status s = sns_clip_weights_check(&m->weights, first, 0, mapped, count, err);
            if (s) return s;
        }
        p->value.data = (float *)(uintptr_t)mapped; /* inference only reads it */
        return SNS_OK;
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
    if (scalar || tower_of(desc->name) != r->tower) return true;
    if (third == 0) r->part_entry = entry;
    if (third >= 0 && third < 2) return true;
    size_t first = third < 0 ? entry : r->part_entry, n = third < 0 ? 1 : 3;
    bool linear = desc->dims >= 2 && !is_table(m->clip, param) && !is_spatial(m->clip, param, desc);
    r->status = linear ? pack(m, param, first, n, r->err) : place(m, param, first, n, r->err);
    return r->status == SNS_OK;
}

sns_status sns_model_ready(sns_model *m, sns_tower tower, sns_error *err) {
    if (atomic_load_explicit(&m->ready[tower], memory_order_acquire)) return SNS_OK;
    pthread_mutex_lock(&m->lock);
    readying r = {.model = m, .tower = tower, .err = err};
    if (!atomic_load_explicit(&m->ready[tower], memory_order_relaxed)) {
        sns_clip_visit(m->clip, visit, &r);
        if (!r.status) atomic_store_explicit(&m->ready[tower], true, memory_order_release);
    }
    pthread_mutex_unlock(&m->lock);
    return r.status;
}
