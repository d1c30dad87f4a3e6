/* teacher.c - distillation: the teacher's vectors of each batch (affinity_loss.c has the losses).
 *
 * The teacher may have any layout that sensus reads, another size of pictures, another vocabulary
 * and another width: it is given the student's augmented picture, scaled and normalised as its own
 * preprocessing says, and the caption's text. Where the widths differ, learned maps [W, E] take the
 * student's vectors to the teacher's space for the feature regression; they are trained and
 * checkpointed with the model and not part of what ships. */
#include "train/teacher.h"
#include "base/error.h"
#include "base/rng.h"
#include <math.h>
#include <sensus/model.h>

enum { MAP_STREAM = 0x6d617073 /* "maps" */ };

struct sns_teacher {
    sns_model *model;
    sns_session *session;
    size_t width;
    float *images, *texts; /* [batch, width] */
    uint8_t *rgb;          /* [piece, S, S, 3] */
    sns_image *pictures;   /* [piece] */
    sns_param_desc desc[2];
    sns_param map[2];
};

static sns_status allocate(sns_run *r, sns_teacher *t, sns_error *err) {
    size_t B = r->o.batch, n = r->o.micro_batch, S = r->config.image_px;
    t->images = sns_aligned_calloc(B * t->width * sizeof(float));
    t->texts = sns_aligned_calloc(B * t->width * sizeof(float));
    t->rgb = malloc(n * S * S * 3);
    t->pictures = calloc(n, sizeof *t->pictures);
    if (!t->images || !t->texts || !t->rgb || !t->pictures)
        return sns_fail(err, SNS_NOMEM, "no memory for a teacher's vectors");
    for (size_t i = 0; i < n; i++) t->pictures[i] = (sns_image){S, S, t->rgb + i * S * S * 3};
    return SNS_OK;
}

sns_status sns_teacher_open(sns_run *r, size_t *more, sns_error *err) {
    *more = 0;
    if (!r->o.teacher_dir) return SNS_OK;
    sns_teacher *t = r->teacher = calloc(1, sizeof *t);
    if (!t) return sns_fail(err, SNS_NOMEM, "no memory for a teacher");
    sns_status s = sns_model_load(r->o.teacher_dir, &t->model, err);
    if (!s) s = sns_session_new(t->model, &t->session, err);
    if (s) return s;
    t->width = sns_model_dim(t->model);
    if (t->width != r->config.embed) *more = 2 * t->width * r->config.embed;
    return allocate(r, t, err);
}

sns_status sns_teacher_bind(sns_run *r, sns_error *err) {
    static const char *const names[] = {"teacher.image_map", "teacher.text_map"};
    sns_teacher *t = r->teacher;
    if (!t) return SNS_OK;
    size_t E = r->config.embed, dim[2] = {t->width, E}, n = t->width * E;
    bool maps = t->width != E;
    for (size_t i = 0; i < 2 && maps; i++) {
        sns_param_desc *d = &t->desc[i];
        *d = (sns_param_desc){.dims = 2, .count = n, .offset = r->layout.total + i * n};
        snprintf(d->name, sizeof d->name, "%s", names[i]);
        if (!sns_tensor_set_shape(&t->map[i].value, 2, dim))
            return sns_fail(err, SNS_LIMIT, "the teacher's vectors are too wide: %zu", t->width);
        t->map[i].value.data = r->state.params + d->offset;
        t->map[i].value.grad = r->grads + d->offset;
    }
    if (maps) r->extra = (sns_layout){.desc = t->desc, .count = 2, .total = 2 * n};
    r->objective.teacher = (sns_teacher_view){t->images, t->texts, t->width,
                                              sns_model_scale(t->model)};
    r->objective.affinity = (float)r->o.distill_affinity;
    r->objective.features = (float)r->o.distill_features;
    r->objective.image_map = maps ? &t->map[0] : NULL;
    r->objective.text_map = maps ? &t->map[1] : NULL;
    return SNS_OK;
}

void sns_teacher_init(sns_run *r) {
    sns_rng rng;
    sns_rng_seed_at(&rng, r->o.seed, MAP_STREAM, 0);
    float std = 1 / sqrtf((float)r->config.embed);
    float *x = r->state.params + r->layout.total;
    for (size_t i = 0; i < r->extra.total; i++) x[i] = std * (float)sns_rng_normal(&rng);
}

/* The picture as bytes again, undoing the student's normalisation. out [S, S, 3] */
static void to_bytes(const sns_preprocess *p, const float *pixels, size_t S, uint8_t *out) {
    for (size_t c = 0; c < 3; c++)
        for (size_t i = 0; i < S * S; i++) {
            float v = 255 * (pixels[c * S * S + i] * p->std[c] + p->mean[c]);
            out[3 * i + c] = (uint8_t)lrintf(v < 0 ? 0 : v > 255 ? 255 : v);
        }
}

sns_status sns_teacher_look(sns_run *r, const sns_batch *b, sns_error *err) {
    sns_teacher *t = r->teacher;
    if (!t) return SNS_OK;
    size_t S = r->config.image_px;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < b->count; i++)
        to_bytes(&r->preprocess, b->pixels + i * 3 * S * S, S, t->rgb + i * S * S * 3);
    size_t at = b->first * t->width;
    sns_status s = sns_encode_images(t->session, t->pictures, b->count, t->images + at, err);
    return s ? s : sns_encode_texts(t->session, b->captions, b->count, t->texts + at, err);
}

sns_status sns_teacher_gather(sns_run *r, sns_error *err) {
    sns_teacher *t = r->teacher;
    if (!t) return SNS_OK;
    size_t each = sns_run_places(r) * t->width;
    sns_status s = sns_world_gather(&r->world, t->images, each, err);
    return s ? s : sns_world_gather(&r->world, t->texts, each, err);
}

const char *sns_teacher_name(const sns_teacher *t) {
    return sns_model_fingerprint(t->model);
}

void sns_teacher_close(sns_run *r) {
    sns_teacher *t = r->teacher;
    if (!t) return;
    sns_session_free(t->session);
    sns_model_free(t->model);
    sns_aligned_free(t->images);
    sns_aligned_free(t->texts);
    free(t->rgb);
    free(t->pictures);
    free(t);
}
