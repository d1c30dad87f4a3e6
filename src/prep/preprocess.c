/* preprocess.c - what a vision model sees of a picture, as preprocessor_config.json describes it.
 *
 *     RGB8 [height, width, 3] -> resize (shorter side) -> centre crop S x S
 *         -> (v * rescale - mean) / std -> planar f32 [3, S, S]
 *
 * The rounding is that of Hugging Face's CLIPImageProcessor: the longer side is
 * floor(size * long / short), the crop starts at floor((side - S) / 2), and a picture smaller than
 * the crop is padded with black before normalisation. */
#include "prep/preprocess.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include "prep/resize.h"
#include <jansson.h>
#include <math.h>

enum { MAX_PX = 4096, MAX_CONFIG_BYTES = 1 << 20 };

void sns_preprocess_default(sns_preprocess *p, size_t px) {
    *p = (sns_preprocess){.resize_px = px,
                          .do_resize = true,
                          .do_crop = true,
                          .do_normalize = true,
                          .crop_px = px,
                          .rescale = 1 / 255.0f,
                          .mean = {0.48145466f, 0.4578275f, 0.40821073f},
                          .std = {0.26862954f, 0.26130258f, 0.27577711f}};
}

/* ---- reading -------------------------------------------------------------------------------- */

typedef struct config {
    const char *path;
    const json_t *root;
    sns_error *err;
} config;

static sns_status read_bool(const config *c, const char *key, bool *out) {
    const json_t *v = json_object_get(c->root, key);
    if (!v || json_is_null(v)) return SNS_OK;
    if (!json_is_boolean(v))
        return sns_fail(c->err, SNS_FORMAT, "%s: \"%s\" is not true or false", c->path, key);
    *out = json_is_true(v);
    return SNS_OK;
}

static sns_status read_px(const config *c, const char *key, const json_t *v, size_t *out) {
    /* Some writers say 224.0. */
    double px = json_is_number(v) ? json_number_value(v) : 0;
    if (!(px >= 1) || px != floor(px))
        return sns_fail(c->err, SNS_FORMAT, "%s: \"%s\" is not a number of pixels", c->path, key);
    if (px > MAX_PX)
        return sns_fail(c->err, SNS_LIMIT, "%s: \"%s\" is more than %d pixels", c->path, key,
                        MAX_PX);
    *out = (size_t)px;
    return SNS_OK;
}

/* 224, {"shortest_edge": 224} (allowed for size only) or {"height": 224, "width": 224}. */
static sns_status read_size(const config *c, const char *key, size_t *out, bool *both) {
    const json_t *v = json_object_get(c->root, key);
    if (!v || json_is_null(v)) return SNS_OK;
    bool may_be_short = both != NULL;
    if (json_is_number(v)) {
        if (both) *both = false;
        return read_px(c, key, v, out);
    }
    const json_t *shorter = json_object_get(v, "shortest_edge");
    if (shorter && may_be_short) {
        if (json_object_get(v, "longest_edge"))
            return sns_fail(c->err, SNS_UNSUPPORTED, "%s: \"longest_edge\"", c->path);
        *both = false;
        return read_px(c, key, shorter, out);
    }
    size_t width = 0, height = 0;
    sns_status s = read_px(c, key, json_object_get(v, "height"), &height);
    if (!s) s = read_px(c, key, json_object_get(v, "width"), &width);
    if (s) return s;
    if (width != height)
        return sns_fail(c->err, SNS_UNSUPPORTED, "%s: \"%s\" is not square", c->path, key);
    if (both) *both = true;
    *out = width;
    return SNS_OK;
}

static sns_status read_triple(const config *c, const char *key, float out[3], bool positive) {
    const json_t *v = json_object_get(c->root, key);
    if (!v || json_is_null(v)) return SNS_OK;
    bool ok = json_is_array(v) && json_array_size(v) == 3;
    for (size_t i = 0; ok && i < 3; i++) {
        const json_t *x = json_array_get(v, i);
        out[i] = json_is_number(x) ? (float)json_number_value(x) : NAN;
        ok = isfinite(out[i]) && !(positive && out[i] < 1e-6f);
    }
    if (!ok)
        return sns_fail(c->err, SNS_FORMAT, "%s: \"%s\" is not a list of three %snumbers", c->path,
                        key, positive ? "positive " : "");
    return SNS_OK;
}

static sns_status read_resample(const config *c) {
    const json_t *v = json_object_get(c->root, "resample");
    if (!v || json_is_null(v) || (json_is_integer(v) && json_integer_value(v) == 3)) return SNS_OK;
    return sns_fail(c->err, SNS_UNSUPPORTED,
                    "%s: \"resample\" is not 3 (bicubic), the only resampling known", c->path);
}

static sns_status read_rescale(const config *c, float *out) {
    bool rescale = true;
    sns_status s = read_bool(c, "do_rescale", &rescale);
    if (s) return s;
    const json_t *v = json_object_get(c->root, "rescale_factor");
    if (v && !json_is_null(v)) {
        *out = json_is_number(v) ? (float)json_number_value(v) : NAN;
        if (!isfinite(*out))
            return sns_fail(c->err, SNS_FORMAT, "%s: \"rescale_factor\" is not a number", c->path);
    }
    if (!rescale) *out = 1;
    return SNS_OK;
}

static sns_status read_fields(const config *c, size_t image_px, sns_preprocess *p) {
    bool rgb = true;
    const char *type = json_string_value(json_object_get(c->root, "image_processor_type"));
    if (type && !strncmp(type, "Siglip", 6)) { /* its defaults: the whole picture, squeezed */
        p->do_crop = false;
        p->resize_both = true;
        for (int i = 0; i < 3; i++) p->mean[i] = p->std[i] = 0.5f;
    }
    sns_status s = read_bool(c, "do_resize", &p->do_resize);
    if (!s) s = read_bool(c, "do_center_crop", &p->do_crop);
    if (!s) s = read_bool(c, "do_normalize", &p->do_normalize);
    if (!s) s = read_bool(c, "do_convert_rgb", &rgb); /* checked only: pictures are always RGB */
    if (!s) s = read_resample(c);
    if (!s) s = read_size(c, "size", &p->resize_px, &p->resize_both);
    if (!s) s = read_size(c, "crop_size", &p->crop_px, NULL);
    if (!s) s = read_rescale(c, &p->rescale);
    if (!s) s = read_triple(c, "image_mean", p->mean, false);
    if (!s) s = read_triple(c, "image_std", p->std, true);
    if (s) return s;
    if (!p->do_crop) {
        if (!p->do_resize || !p->resize_both)
            return sns_fail(c->err, SNS_UNSUPPORTED,
                            "%s: without a crop \"size\" must give height and width", c->path);
        p->crop_px = p->resize_px;
    }
    if (image_px && p->crop_px != image_px)
        return sns_fail(c->err, SNS_SHAPE,
                        "%s: pictures become %zu pixels wide, the model takes %zu", c->path,
                        p->crop_px, image_px);
    return SNS_OK;
}

sns_status sns_preprocess_parse(const char *text, size_t size, const char *path, size_t image_px,
                                sns_preprocess *p, sns_error *err) {
    sns_preprocess_default(p, image_px ? image_px : 224);
    json_error_t where;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
    sns_status s;
    if (json_is_object(root)) {
        const config c = {path, root, err};
        s = read_fields(&c, image_px, p);
    } else {
        s = root ? sns_fail(err, SNS_FORMAT, "%s: not a JSON object", path)
                 : sns_fail(err, SNS_FORMAT, "%s: line %d: %s", path, where.line, where.text);
    }
    json_decref(root);
    return s;
}

sns_status sns_preprocess_gguf(const sns_gguf *g, size_t image_px, sns_preprocess *p,
                               sns_error *err) {
    size_t px = image_px;
    sns_status s = image_px ? SNS_OK : sns_gguf_size(g, "clip.vision.image_size", &px, err);
    if (s) return s;
    if (!px || px > MAX_PX)
        return sns_fail(err, SNS_LIMIT, "pictures of %zu pixels; 1 to %d are read", px, MAX_PX);
    sns_preprocess_default(p, px);
    s = sns_gguf_numbers(g, "clip.vision.image_mean", 3, p->mean, err);
    if (!s || s == SNS_MISSING) s = sns_gguf_numbers(g, "clip.vision.image_std", 3, p->std, err);
    if (s && s != SNS_MISSING) return s;
    for (int c = 0; c < 3; c++)
        if (!(p->std[c] >= 1e-6f))
            return sns_fail(err, SNS_FORMAT, "clip.vision.image_std: %g is not positive",
                            (double)p->std[c]);
    return SNS_OK;
}

static sns_status read_gguf(const char *path, size_t image_px, sns_preprocess *p, sns_error *err) {
    sns_gguf *g;
    sns_status s = sns_gguf_open(path, &g, err);
    if (s) return s;
    s = sns_preprocess_gguf(g, image_px, p, err);
    sns_gguf_close(g);
    return s;
}

sns_status sns_preprocess_read(const char *dir, size_t image_px, sns_preprocess *p,
                               sns_error *err) {
    if (sns_gguf_is_file(dir)) return read_gguf(dir, image_px, p, err);
    sns_preprocess_default(p, image_px ? image_px : 224);
    char *path = sns_path_join(dir, "preprocessor_config.json");
    if (!path) return sns_fail(err, SNS_NOMEM, "no memory");
    char *text = NULL;
    size_t size = 0;
    sns_status s = sns_file_read(path, MAX_CONFIG_BYTES, &text, &size, err);
    if (s == SNS_MISSING)
        s = SNS_OK;
    else if (!s)
        s = sns_preprocess_parse(text, size, path, image_px, p, err);
    free(text);
    free(path);
    return s;
}

/* ---- writing -------------------------------------------------------------------------------- */

static json_t *triple_json(const float v[3]) {
    json_t *list = json_array();
    for (int i = 0; i < 3; i++) {
        /* The shortest decimal that reads back as the same float. */
        char text[32];
        for (int digits = 6; digits <= 9; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, (double)v[i]);
            if (strtof(text, NULL) == v[i]) break;
        }
        json_array_append_new(list, json_real(strtod(text, NULL)));
    }
    return list;
}

static json_t *square_json(size_t px) {
    return json_pack("{s:I, s:I}", "height", (json_int_t)px, "width", (json_int_t)px);
}

sns_status sns_preprocess_write(const char *dir, const sns_preprocess *p, sns_error *err) {
    json_t *size = p->resize_both ? square_json(p->resize_px)
                                  : json_pack("{s:I}", "shortest_edge", (json_int_t)p->resize_px);
    /* 1/255 in double, as other writers give it: as a float it would read as another number. */
    double rescale = p->rescale == 1 / 255.0f ? 1 / 255.0 : (double)p->rescale;
    json_t *root = json_pack(
        "{s:s, s:b, s:b, s:b, s:b, s:b, s:o, s:o, s:i, s:f, s:o, s:o}", "image_processor_type",
        "CLIPImageProcessor", "do_resize", p->do_resize, "do_center_crop", p->do_crop, "do_rescale",
        p->rescale != 1, "do_normalize", p->do_normalize, "do_convert_rgb", 1, "size", size,
        "crop_size", square_json(p->crop_px), "resample", 3, "rescale_factor", rescale,
        "image_mean", triple_json(p->mean), "image_std", triple_json(p->std));
    char *text = root ? json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(16)) : NULL;
    char *path = sns_path_join(dir, "preprocessor_config.json");
    sns_status s = text && path ? sns_file_write(path, text, strlen(text), err)
                                : sns_fail(err, SNS_NOMEM, "%s: no memory", dir);
    free(path);
    free(text);
    json_decref(root);
    return s;
}

/* ---- running -------------------------------------------------------------------------------- */

static void resized_size(const sns_preprocess *p, size_t w, size_t h, size_t *out_w,
                         size_t *out_h) {
    *out_w = w;
    *out_h = h;
    if (!p->do_resize) return;
    *out_w = *out_h = p->resize_px;
    if (p->resize_both) return;
    if (w < h)
        *out_h = (size_t)((unsigned __int128)p->resize_px * h / w);
    else
        *out_w = (size_t)((unsigned __int128)p->resize_px * w / h);
}

/* Where the crop lies along one axis: `from` of the resized picture, `at` of the output (when the
 * picture is smaller than the crop), n pixels. */
typedef struct span {
    size_t from, at, n;
} span;

static span crop_span(size_t side, size_t crop) {
    if (side >= crop) return (span){(side - crop) / 2, 0, crop};
    return (span){0, (crop - side + 1) / 2, side}; /* the larger half of the padding goes first */
}

/* The crop as RGB8 [S, S, 3], black where the picture doesn't reach. */
static sns_status crop_resized(const sns_preprocess *p, const uint8_t *rgb, size_t w, size_t h,
                               uint8_t *crop, sns_error *err) {
    size_t rw, rh, S = p->crop_px;
    resized_size(p, w, h, &rw, &rh);
    if (!p->do_crop && (rw != S || rh != S))
        return sns_fail(err, SNS_SHAPE, "a picture of %zu x %zu, the model takes %zu", rw, rh, S);
    span x = crop_span(rw, S), y = crop_span(rh, S);
    sns_resize_job job = {rgb, w, h, 0, 0, (double)w, (double)h, rw, rh, x.from, y.from, x.n, y.n};
    if (x.n == S && y.n == S) return sns_resize_window(&job, crop, err);
    uint8_t *part = malloc(x.n * y.n * 3);
    if (!part) return sns_fail(err, SNS_NOMEM, "prepare: no memory");
    sns_status s = sns_resize_window(&job, part, err);
    memset(crop, 0, S * S * 3);
    for (size_t i = 0; !s && i < y.n; i++)
        memcpy(crop + ((y.at + i) * S + x.at) * 3, part + i * x.n * 3, x.n * 3);
    free(part);
    return s;
}

sns_status sns_preprocess_run(const sns_preprocess *p, const sns_kernels *k, const uint8_t *rgb,
                              size_t width_px, size_t height_px, float *out, sns_error *err) {
    if (!p || !k || !rgb || !out || !width_px || !height_px || !p->crop_px || p->crop_px > MAX_PX ||
        (p->do_resize && (!p->resize_px || p->resize_px > MAX_PX)))
        return sns_fail(err, SNS_ARG, "prepare: an empty picture or size");
    size_t plane = p->crop_px * p->crop_px;
    uint8_t *crop = malloc(plane * 3);
    if (!crop) return sns_fail(err, SNS_NOMEM, "prepare: no memory");
    sns_status s = crop_resized(p, rgb, width_px, height_px, crop, err);
    if (!s) {
        float mul[3], add[3];
        for (int c = 0; c < 3; c++) {
            mul[c] = p->do_normalize ? p->rescale / p->std[c] : p->rescale;
            add[c] = p->do_normalize ? -p->mean[c] / p->std[c] : 0;
        }
        k->planar_from_rgb8(out, plane, crop, plane, mul, add);
    }
    free(crop);
    return s;
}
