/* data_build.c - samples become tar shards, as WebDataset lays them out. */
#include "base/error.h"
#include "base/writer.h"
#include "media/image_kind.h"
#include "media/sound_kind.h"
#include "train/data_scan.h"
#include "train/dataset_internal.h"
#include <inttypes.h>
#include <jansson.h>
#include <sensus/sound.h>

enum { SHARD_BYTES = 256 << 20, JPEG_QUALITY = 90, MEDIUM_BYTES_MAX = 1 << 27 };

typedef struct builder {
    const sns_data_build_options *o;
    size_t limit; /* bytes of a shard */
    sns_writer *writer;
    size_t shard_samples;
    uint64_t shard_bytes;
    sns_data_counts counts;
    sns_strbuf path;
} builder;

static void left_out(builder *b, const char *message) {
    b->counts.skipped++;
    if (b->o->from.warn) b->o->from.warn(b->o->from.user, message);
}

static sns_status open_shard(builder *b, sns_error *err) {
    const char *out = b->o->out, *hole = strstr(out, "{}");
    sns_strbuf_clear(&b->path);
    sns_strbuf_printf(&b->path, "%.*s%06zu%s", (int)(hole - out), out, b->counts.shards, hole + 2);
    if (b->path.failed) return sns_fail(err, SNS_NOMEM, "%s: no memory for its name", out);
    b->shard_bytes = b->shard_samples = 0;
    return sns_writer_open(b->path.data, &b->writer, err);
}

static sns_status close_shard(builder *b, sns_error *err) {
    static const char zero[2 * SNS_TAR_BLOCK];
    if (!b->writer) return SNS_OK;
    sns_status s = sns_writer_put(b->writer, zero, sizeof zero, err);
    if (s)
        sns_writer_abort(b->writer);
    else
        s = sns_writer_commit(b->writer, err);
    b->writer = NULL;
    b->counts.shards++;
    b->counts.bytes += b->shard_bytes + sizeof zero;
    return s;
}

static uint64_t padded(size_t size) {
    return (size + SNS_TAR_BLOCK - 1) / SNS_TAR_BLOCK * SNS_TAR_BLOCK;
}

static sns_status put_member(builder *b, const char *ending, const void *data, size_t size,
                             sns_error *err) {
    static const char zero[SNS_TAR_BLOCK];
    unsigned char header[SNS_TAR_BLOCK];
    char name[64];
    snprintf(name, sizeof name, "%09zu.%s", b->counts.samples, ending);
    if (!sns_tar_write_header(header, name, size))
        return sns_fail(err, SNS_LIMIT, "%s/%s: %zu bytes", b->path.data, name, size);
    sns_status s = sns_writer_put(b->writer, header, sizeof header, err);
    if (!s) s = sns_writer_put(b->writer, data, size, err);
    if (!s) s = sns_writer_put(b->writer, zero, (size_t)(padded(size) - size), err);
    b->shard_bytes += sizeof header + padded(size);
    return s;
}

/* The captions as {"en": ["a", "b"]}, or as a list when no language is stated; NULL: no memory, or
 * none is UTF-8. */
static json_t *captions_json(const sns_pair *p, const sns_dataset *langs, size_t *count) {
    bool stated = false;
    for (size_t i = 0; i < p->caption_count; i++)
        stated |= *sns_dataset_lang(langs, p->captions[i].lang) != 0;
    json_t *all = stated ? json_object() : json_array();
    *count = 0;
    for (size_t i = 0; all && i < p->caption_count; i++) {
        const char *lang = sns_dataset_lang(langs, p->captions[i].lang);
        json_t *text = json_stringn(p->texts + p->captions[i].text, p->captions[i].size);
        if (!text) continue; /* not UTF-8 */
        json_t *list = stated ? json_object_get(all, lang) : all;
        if (!list) {
            list = json_array();
            if (json_object_set_new(all, lang, list)) list = NULL;
        }
        if (json_array_append_new(list, text)) continue;
        (*count)++;
    }
    return all;
}

/* The sample's json, malloc'd; NULL when no caption can be written. */
static char *sample_json(const sns_pair *p, const sns_dataset *langs, size_t *captions) {
    json_t *root = json_object(), *all = captions_json(p, langs, captions);
    char *text = NULL;
    json_object_set_new(root, "captions", all);
    if (*p->concept_name) json_object_set_new(root, "concept", json_string(p->concept_name));
    if (!p->flip) json_object_set_new(root, "flip", json_false());
    if (root && all && *captions) text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    return text;
}

static const char *ending_of(sns_kind kind) {
    return kind == SNS_KIND_JPEG   ? "jpg"
           : kind == SNS_KIND_PNG  ? "png"
           : kind == SNS_KIND_WEBP ? "webp"
                                   : NULL;
}

/* The sound as it goes into the shard: unchanged, or of a rarer kind as WAV. *owned is freed. */
static sns_status sound(const builder *b, const sns_pair *p, const void **data, size_t *size,
                        const char **ending, void **owned, sns_error *err) {
    const sns_sound_options o = {.isolation = b->o->from.isolation};
    sns_sound heard;
    uint8_t *bytes = NULL;
    *ending = sns_sound_ending(*data, *size);
    sns_status s = sns_sound_decode(*data, *size, p->name, &o, &heard, err);
    if (s) return s;
    if (!*ending) {
        s = sns_sound_encode_wav(&heard, &bytes, size, err);
        *ending = "wav";
    }
    sns_sound_free(&heard);
    if (!bytes) return s; /* as it is; decoded only to know that it can be */
    free(*owned);
    *data = *owned = bytes;
    return s;
}

/* The picture as it goes into the shard: unchanged, or reduced and as JPEG. *owned is freed. */
static sns_status picture(const builder *b, const sns_pair *p, const void **data, size_t *size,
                          const char **ending, void **owned, sns_error *err) {
    *ending = ending_of(sns_kind_of(*data, *size));
    const sns_image_options options = {.target_px = b->o->image_px};
    sns_image image = {0}, small = {0};
    sns_status s = sns_image_decode(*data, *size, p->name, &options, &image, err);
    size_t w = image.width_px, h = image.height_px, shorter = w < h ? w : h, px = b->o->image_px;
    bool reduce = !s && px && shorter > px;
    if (s || (!reduce && *ending)) {
        sns_image_free(&image);
        return s; /* as it is; decoded only to know that it can be */
    }
    if (reduce)
        s = sns_image_resize(&image, (w * px + shorter / 2) / shorter,
                             (h * px + shorter / 2) / shorter, &small, err);
    uint8_t *bytes = NULL;
    if (!s)
        s = sns_image_encode_jpeg(reduce ? &small : &image, JPEG_QUALITY, p->name, &bytes, size,
                                  err);
    sns_image_free(&small);
    sns_image_free(&image);
    if (s) return s;
    free(*owned);
    *data = *owned = bytes;
    *ending = "jpg";
    return SNS_OK;
}

static sns_status medium(const builder *b, const sns_pair *p, const void **data, size_t *size,
                         const char **ending, void **owned, sns_error *err) {
    char *file = NULL;
    *owned = NULL;
    *data = p->bytes;
    *size = p->size;
    if (!p->bytes) {
        sns_status s = sns_file_read(p->name, MEDIUM_BYTES_MAX, &file, size, err);
        if (s) return s;
        *data = *owned = file;
    }
    return p->is_sound || sns_sound_ending(*data, *size)
               ? sound(b, p, data, size, ending, owned, err)
               : picture(b, p, data, size, ending, owned, err);
}

static bool shard_is_full(const builder *b) {
    const sns_data_build_options *o = b->o;
    return b->writer && (b->shard_bytes >= b->limit ||
                         (o->shard_samples && b->shard_samples >= o->shard_samples));
}

static sns_status put_sample(builder *b, const void *data, size_t size, const char *ending,
                             const char *json, sns_error *err) {
    sns_status s = shard_is_full(b) ? close_shard(b, err) : SNS_OK;
    if (!s && !b->writer) s = open_shard(b, err);
    if (!s) s = put_member(b, ending, data, size, err);
    if (!s) s = put_member(b, "json", json, strlen(json), err);
    b->shard_samples++;
    b->counts.samples++;
    return s;
}

static sns_status add(void *user, sns_pair *p, const sns_dataset *langs, sns_error *err) {
    builder *b = user;
    const void *data;
    const char *ending;
    void *owned = NULL;
    size_t size, captions = 0;
    sns_error why;
    char line[600];
    if (!p) return SNS_OK;
    sns_status s = medium(b, p, &data, &size, &ending, &owned, &why);
    if (s == SNS_NOMEM) return sns_fail(err, s, "%s", why.message);
    char *json = s ? NULL : sample_json(p, langs, &captions);
    if (json) {
        s = put_sample(b, data, size, ending, json, err);
        b->counts.captions += captions;
    } else {
        if (s)
            snprintf(line, sizeof line, "%s", why.message);
        else
            snprintf(line, sizeof line, "%.500s: no caption in UTF-8", p->name);
        left_out(b, line);
        s = SNS_OK;
    }
    free(json);
    free(owned);
    return s;
}

/* The folder that the shards go to. */
static sns_status make_folder(const char *out, sns_error *err) {
    const char *slash = strrchr(out, '/');
    if (!slash || slash == out) return SNS_OK;
    char *dir = sns_strndup(out, (size_t)(slash - out));
    if (!dir) return sns_fail(err, SNS_NOMEM, "%s: no memory", out);
    sns_status s = sns_make_dirs(dir, err);
    free(dir);
    return s;
}

sns_status sns_data_build(const sns_data_build_options *o, sns_data_counts *counts,
                          sns_error *err) {
    builder b = {.o = o, .limit = o->shard_bytes ? o->shard_bytes : SHARD_BYTES};
    size_t skipped = 0;
    *counts = (sns_data_counts){0};
    if (!o->out || !strstr(o->out, "{}"))
        return sns_fail(err, SNS_ARG, "%s: the name of the shards needs {} for their number",
                        o->out ? o->out : "(none)");
    sns_status s = make_folder(o->out, err);
    if (!s) s = sns_scan(&o->from, add, &b, &skipped, err);
    if (!s) s = close_shard(&b, err);
    if (s) sns_writer_abort(b.writer);
    sns_strbuf_free(&b.path);
    b.counts.skipped += skipped;
    *counts = b.counts;
    if (!s && !b.counts.samples)
        s = sns_fail(err, SNS_ARG,
                     "%s: no sample with a picture or sound and a caption (%zu skipped)",
                     o->from.sources[0], b.counts.skipped);
    return s;
}
