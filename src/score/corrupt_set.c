/* corrupt_set.c - copies of a test set under synthetic shifts. */
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/strbuf.h"
#include "prep/corrupt.h"
#include "score/eval_set.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PORTION = 64, PATH_BYTES = 48 };

const char *sns_shift_name(sns_shift shift) {
    static const char *const names[SNS_SHIFTS] = {"noise", "blur", "contrast", "jpeg", "fog"};
    return (unsigned)shift < SNS_SHIFTS ? names[shift] : NULL;
}

static uint64_t hash_of(const char *name) {
    uint64_t h = strlen(name);
    for (const char *c = name; *c; c++) h = sns_hash_mix(h, (unsigned char)*c);
    return h;
}

sns_status sns_image_corrupt(const sns_image *in, sns_shift shift, int strength, uint64_t seed,
                             const char *name, sns_image *out, sns_error *err) {
    *out = (sns_image){0};
    if (!in->rgb || !in->width_px || !in->height_px || strength < 1 || strength > SNS_STRENGTHS ||
        !sns_shift_name(shift))
        return sns_fail(err, SNS_ARG, "%s: %zu x %zu pixels, shift %d of strength %d", name,
                        in->width_px, in->height_px, (int)shift, strength);
    if (in->width_px > SNS_CORRUPT_PX_MAX || in->height_px > SNS_CORRUPT_PX_MAX)
        return sns_fail(err, SNS_LIMIT, "%s: %zu x %zu pixels; a side may have %d", name,
                        in->width_px, in->height_px, SNS_CORRUPT_PX_MAX);
    if (shift == SNS_SHIFT_JPEG) {
        uint8_t *bytes;
        size_t size;
        const sns_image_options whole = {0};
        sns_status s = sns_image_encode_jpeg(in, sns_corrupt_jpeg_quality(strength), name, &bytes,
                                             &size, err);
        if (!s) s = sns_image_decode(bytes, size, name, &whole, out, err);
        free(bytes);
        return s;
    }
    sns_rng rng;
    sns_rng_seed_at(&rng, seed, (uint64_t)shift, hash_of(name));
    uint8_t *rgb = malloc(in->width_px * in->height_px * 3);
    if (!rgb) return sns_fail(err, SNS_NOMEM, "%s: no memory for a copy", name);
    *out = (sns_image){in->width_px, in->height_px, rgb};
    sns_status s = sns_corrupt_rgb(shift, strength, &rng, in->rgb, in->width_px, in->height_px, rgb,
                                   err);
    if (s) sns_image_free(out);
    return s;
}

/* ---- a set ---- */

typedef struct work {
    const sns_corrupt_options *o;
    sns_eval_set set;
    char *root; /* what names of pictures leave out */
    unsigned shifts, strengths;
    char *failed;          /* [pictures] */
    size_t *start, *order; /* picture i's captions are order[start[i] ... start[i + 1]) */
    size_t done, total;
} work;

static void file_name(sns_shift shift, size_t i, char name[PATH_BYTES]) {
    snprintf(name, PATH_BYTES, "%06zu.%s", i, shift == SNS_SHIFT_JPEG ? "jpg" : "png");
}

static const char *name_of(const work *w, size_t i) {
    const char *path = w->set.pictures[i].path;
    size_t n = strlen(w->root);
    if (strncmp(path, w->root, n)) return path;
    return path + n + strspn(path + n, "/");
}

static sns_status write_copy(const work *w, const sns_image *image, sns_shift shift, int strength,
                             size_t i, sns_error *err) {
    char name[PATH_BYTES], tail[2 * PATH_BYTES];
    file_name(shift, i, name);
    snprintf(tail, sizeof tail, "%s-%d/%s", sns_shift_name(shift), strength, name);
    char *path = sns_path_join(w->o->out, tail);
    if (!path) return sns_fail(err, SNS_NOMEM, "%s: no memory for a path", tail);
    sns_status s;
    if (shift == SNS_SHIFT_JPEG) {
        uint8_t *bytes;
        size_t size;
        s = sns_image_encode_jpeg(image, sns_corrupt_jpeg_quality(strength), path, &bytes, &size,
                                  err);
        if (!s) s = sns_file_write(path, bytes, size, err);
        free(bytes);
    } else {
        sns_image copy;
        s = sns_image_corrupt(image, shift, strength, w->o->seed, name_of(w, i), &copy, err);
        if (!s) s = sns_image_save_png(&copy, path, err);
        sns_image_free(&copy);
    }
    free(path);
    return s;
}

/* Whether an error is the picture's own, so that the others go on. */
static bool is_picture_error(sns_status s) {
    return s == SNS_MISSING || s == SNS_FORMAT || s == SNS_LIMIT || s == SNS_IO;
}

/* All copies of one picture; *read <- whether it could be decoded. */
static sns_status write_copies(const work *w, size_t i, bool *read, sns_error *err) {
    const sns_image_options whole = {0, 1, 0};
    sns_image image;
    sns_status s = sns_image_load(w->set.pictures[i].path, &whole, &image, err);
    *read = !s;
    if (s) return s;
    if (image.width_px > SNS_CORRUPT_PX_MAX || image.height_px > SNS_CORRUPT_PX_MAX) {
        *read = false;
        s = sns_fail(err, SNS_LIMIT, "%s: %zu x %zu pixels; a side may have %d",
                     w->set.pictures[i].path, image.width_px, image.height_px, SNS_CORRUPT_PX_MAX);
    }
    for (int k = 0; k < SNS_SHIFTS; k++)
        for (int strength = 1; strength <= SNS_STRENGTHS && !s; strength++)
            if (w->shifts >> k & 1 && w->strengths >> strength & 1)
                s = write_copy(w, &image, (sns_shift)k, strength, i, err);
    sns_image_free(&image);
    return s;
}

/* Some pictures at a time; what is told is told in their order, by this thread. */
static sns_status write_portion(work *w, size_t first, size_t n, sns_error *err) {
    sns_error *why = calloc(n, sizeof *why);
    bool *read = calloc(n, sizeof *read);
    sns_status *status = calloc(n, sizeof *status), s = SNS_OK;
    if (!why || !read || !status) s = sns_fail(err, SNS_NOMEM, "no memory for %zu pictures", n);
    if (!s) {
#pragma omp parallel for schedule(dynamic)
        for (size_t i = 0; i < n; i++) status[i] = write_copies(w, first + i, &read[i], &why[i]);
    }
    for (size_t i = 0; i < n && !s; i++) {
        if (!status[i]) continue;
        if (read[i] || !is_picture_error(status[i])) {
            s = sns_fail(err, status[i], "%s", why[i].message);
            continue;
        }
        w->failed[first + i] = 1;
        w->set.skipped++;
        if (w->o->warn) w->o->warn(w->o->user, why[i].message);
    }
    free(why);
    free(read);
    free(status);
    w->done += n;
    if (!s && w->o->progress && w->o->progress(w->o->user, w->done, w->total))
        s = sns_fail(err, SNS_CANCELLED, "stopped after %zu of %zu pictures", w->done, w->total);
    return s;
}

/* The captions of picture i as {"en": [...]}; NULL: there are none, or no memory. */
static json_t *captions_json(const work *w, size_t i) {
    json_t *all = w->start[i] < w->start[i + 1] ? json_object() : NULL;
    for (size_t k = w->start[i]; k < w->start[i + 1]; k++) {
        const sns_eval_caption *c = &w->set.captions[w->order[k]];
        json_t *list = json_object_get(all, c->language);
        if (!list) {
            list = json_array();
            json_object_set_new(all, c->language, list);
        }
        json_array_append_new(list, json_string(c->text));
    }
    return all;
}

static sns_status write_manifest(const work *w, sns_shift shift, int strength, sns_error *err) {
    char name[PATH_BYTES];
    sns_strbuf text = {0};
    for (size_t i = 0; i < w->set.picture_count; i++) {
        if (w->failed[i]) continue;
        file_name(shift, i, name);
        json_t *o = json_pack("{s:s,s:s*,s:o*}", "image", name, "label", w->set.pictures[i].label,
                              "captions", captions_json(w, i));
        char *line = o ? json_dumps(o, JSON_COMPACT) : NULL;
        text.failed |= !line;
        if (line) sns_strbuf_printf(&text, "%s\n", line);
        free(line);
        json_decref(o);
    }
    snprintf(name, sizeof name, "%s-%d/manifest.jsonl", sns_shift_name(shift), strength);
    char *path = sns_path_join(w->o->out, name);
    sns_status s = text.failed || !path
                       ? sns_fail(err, SNS_NOMEM, "no memory for %s", name)
                       : sns_file_write(path, sns_strbuf_text(&text), text.size, err);
    free(path);
    sns_strbuf_free(&text);
    return s;
}

/* Calls use for each shift and strength. */
static sns_status each_folder(const work *w,
                              sns_status (*use)(const work *, sns_shift, int, sns_error *),
                              sns_error *err) {
    sns_status s = SNS_OK;
    for (int k = 0; k < SNS_SHIFTS; k++)
        for (int strength = 1; strength <= SNS_STRENGTHS && !s; strength++)
            if (w->shifts >> k & 1 && w->strengths >> strength & 1)
                s = use(w, (sns_shift)k, strength, err);
    return s;
}

static sns_status make_folder(const work *w, sns_shift shift, int strength, sns_error *err) {
    char name[PATH_BYTES];
    snprintf(name, sizeof name, "%s-%d", sns_shift_name(shift), strength);
    char *path = sns_path_join(w->o->out, name);
    sns_status s = path ? sns_make_dirs(path, err) : sns_fail(err, SNS_NOMEM, "no memory");
    free(path);
    return s;
}

/* Which captions each picture has, in the order of the file. */
static bool order_captions(work *w) {
    const sns_eval_set *set = &w->set;
    w->start = calloc(set->picture_count + 2, sizeof *w->start);
    w->order = calloc(set->caption_count + 1, sizeof *w->order);
    if (!w->start || !w->order) return false;
    for (size_t k = 0; k < set->caption_count; k++) w->start[set->captions[k].picture + 2]++;
    for (size_t i = 0; i < set->picture_count; i++) w->start[i + 2] += w->start[i + 1];
    for (size_t k = 0; k < set->caption_count; k++)
        w->order[w->start[set->captions[k].picture + 1]++] = k;
    return true;
}

/* What the names of pictures leave out: the folder that they are in. */
static char *root_of(const sns_corrupt_options *o) {
    const char *slash = strrchr(o->data, '/');
    struct stat st;
    if (o->image_root) return sns_strdup(o->image_root);
    if (!stat(o->data, &st) && S_ISDIR(st.st_mode)) return sns_strdup(o->data);
    return slash ? sns_strndup(o->data, (size_t)(slash - o->data)) : sns_strdup(".");
}

static sns_status open_work(work *w, sns_error *err) {
    const sns_corrupt_options *o = w->o;
    const unsigned every_strength = 1u << 1 | 1u << 2 | 1u << 3 | 1u << 4 | 1u << 5;
    w->shifts = o->shifts ? o->shifts : (1u << SNS_SHIFTS) - 1;
    w->strengths = o->strengths ? o->strengths : every_strength;
    if (w->shifts >> SNS_SHIFTS || w->strengths & ~every_strength)
        return sns_fail(err, SNS_ARG, "shifts %x of strengths %x", w->shifts, w->strengths);
    const sns_eval_options reading = {
        .image_root = o->image_root, .limit = o->limit, .warn = o->warn, .user = o->user};
    sns_status s = sns_eval_set_read(o->data, SNS_EVAL_PICTURES, &reading, &w->set, err);
    if (s) return s;
    w->root = root_of(o);
    w->total = w->set.picture_count;
    w->failed = calloc(w->total, 1);
    if (w->root && w->failed && order_captions(w)) return SNS_OK;
    return sns_fail(err, SNS_NOMEM, "no memory for %zu pictures", w->total);
}

sns_status sns_data_corrupt(const sns_corrupt_options *options, size_t *skipped, sns_error *err) {
    work w = {.o = options};
    sns_status s = open_work(&w, err);
    if (!s) s = each_folder(&w, make_folder, err);
    for (size_t i = 0; i < w.total && !s; i += PORTION)
        s = write_portion(&w, i, w.total - i < PORTION ? w.total - i : PORTION, err);
    size_t left = 0;
    for (size_t i = 0; i < w.total && !s; i++) left += !w.failed[i];
    if (!s && !left)
        s = sns_fail(err, SNS_FORMAT, "%s: no picture in it can be read", options->data);
    if (!s) s = each_folder(&w, write_manifest, err);
    if (skipped) *skipped = w.set.skipped;
    free(w.failed);
    free(w.start);
    free(w.order);
    free(w.root);
    sns_eval_set_free(&w.set);
    return s;
}
