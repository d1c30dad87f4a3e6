/* eval_read.c - manifests (JSON lines, CSV) and folders of classes. */
#include "base/error.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "score/eval_set.h"
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MANIFEST_MAX = 1 << 30 };
#define ENGLISH "en"

typedef struct reader {
    const char *file; /* the manifest */
    char *root;       /* folder of relative paths */
    const sns_eval_options *options;
    sns_eval_set *set;
    sns_eval_medium medium;
    size_t line, seen;
    sns_error *err;
} reader;

static sns_status skip_line(reader *r, const char *why) {
    char message[600];
    r->set->skipped++;
    snprintf(message, sizeof message, "%s: line %zu: %s", r->file, r->line, why);
    if (r->options->warn) r->options->warn(r->options->user, message);
    return SNS_OK;
}

/* Whether the picture would go beyond options->limit. Rows of one picture follow each other in most
 * manifests; those that come back later than that are cut with the rest. */
static bool beyond_limit(const reader *r, const char *path) {
    const sns_eval_set *set = r->set;
    if (!r->options->limit || r->seen < r->options->limit) return false;
    return !set->picture_count || strcmp(set->pictures[set->picture_count - 1].path, path);
}

static sns_status add_picture(reader *r, const char *image, const char *label, bool *added) {
    sns_eval_set *set = r->set;
    char *path = *image == '/' ? sns_strdup(image) : sns_path_join(r->root, image);
    *added = false;
    if (!path) return sns_fail(r->err, SNS_NOMEM, "%s: no memory for a path", r->file);
    sns_status s = SNS_OK;
    if (!beyond_limit(r, path)) {
        bool same = set->picture_count && !strcmp(set->pictures[set->picture_count - 1].path, path);
        r->seen += !same;
        *added = true;
        if (!same) s = sns_eval_set_add_picture(set, path, label, r->err);
    }
    free(path);
    return s;
}

/* What else a row says of the sound added last. */
static sns_status add_sound(reader *r, const char *image, const char *lang) {
    sns_eval_picture *p = &r->set->pictures[r->set->picture_count - 1];
    if (lang && !p->lang && !(p->lang = sns_strdup(lang)))
        return sns_fail(r->err, SNS_NOMEM, "%s: no memory for a row", r->file);
    if (!image || !*image) return SNS_OK;
    char *path = *image == '/' ? sns_strdup(image) : sns_path_join(r->root, image);
    if (!path) return sns_fail(r->err, SNS_NOMEM, "%s: no memory for a path", r->file);
    sns_status s = sns_eval_set_add_caption(r->set, SNS_EVAL_IMAGE, path, r->err);
    free(path);
    return s;
}

/* ---- JSON lines ---- */

static sns_status add_texts(reader *r, const char *language, const json_t *texts) {
    const json_t *text;
    size_t i;
    if (json_is_string(texts))
        return sns_eval_set_add_caption(r->set, language, json_string_value(texts), r->err);
    if (!json_is_array(texts)) return skip_line(r, "a caption is neither a string nor a list");
    json_array_foreach(texts, i, text) {
        if (!json_is_string(text)) return skip_line(r, "a caption in a list is not a string");
        sns_status s = sns_eval_set_add_caption(r->set, language, json_string_value(text), r->err);
        if (s) return s;
    }
    return SNS_OK;
}

static sns_status add_object(reader *r, json_t *o) {
    bool sounds = r->medium != SNS_EVAL_PICTURES;
    const char *image = json_string_value(json_object_get(o, "image")), *language;
    const char *path = sounds ? json_string_value(json_object_get(o, "audio")) : image;
    const char *label = json_string_value(json_object_get(o, "label"));
    json_t *captions = json_object_get(o, "captions"), *texts;
    if (!path && image && r->medium == SNS_EVAL_SPOKEN) return SNS_OK;
    if (!path || !*path)
        return skip_line(r, sounds ? "it names no \"audio\"" : "it names no \"image\"");
    bool added;
    sns_status s = add_picture(r, path, label, &added);
    if (s || !added) return s;
    if (sounds && (s = add_sound(r, image, json_string_value(json_object_get(o, "lang")))))
        return s;
    if ((texts = json_object_get(o, "caption")) && (s = add_texts(r, ENGLISH, texts))) return s;
    if (captions && !json_is_object(captions)) return add_texts(r, ENGLISH, captions);
    json_object_foreach(captions, language, texts) {
        if ((s = add_texts(r, language, texts))) return s;
    }
    return SNS_OK;
}

static sns_status read_json_lines(reader *r, char *text, size_t size) {
    for (char *p = text, *end = text + size, *eol; p < end; p = eol + 1) {
        json_error_t e;
        r->line++;
        eol = memchr(p, '\n', (size_t)(end - p));
        if (!eol) eol = end;
        if (strspn(p, " \t\r") >= (size_t)(eol - p)) continue;
        json_t *o = json_loadb(p, (size_t)(eol - p), 0, &e);
        sns_status s = !o                   ? skip_line(r, e.text)
                       : !json_is_object(o) ? skip_line(r, "not a JSON object")
                                            : add_object(r, o);
        json_decref(o);
        if (s) return s;
    }
    return SNS_OK;
}

/* ---- CSV (RFC 4180) ---- */

enum { FIELDS_MAX = 32 };

/* One record from *p, unquoted in place; moves *p to the next. Returns the number of fields, those
 * beyond FIELDS_MAX dropped. */
static size_t read_record(char **p, char *end, char *fields[FIELDS_MAX], size_t *lines) {
    char *in = *p;
    size_t n = 0;
    for (bool more = true; more;) {
        char *out = in, *field = in;
        bool quoted = in < end && *in == '"';
        in += quoted;
        while (in < end && (quoted || (*in != ',' && *in != '\n'))) {
            if (quoted && *in == '"' && !(in + 1 < end && in[1] == '"')) {
                quoted = false;
                in++;
                continue;
            }
            if (quoted && *in == '"') in++;
            *lines += *in == '\n';
            *out++ = *in++;
        }
        more = in < end && *in == ',';
        if (in < end) *lines += *in == '\n', in++;
        if (!more && out > field && out[-1] == '\r') out--;
        *out = 0;
        if (n < FIELDS_MAX) fields[n++] = field;
    }
    *p = in;
    return n;
}

static size_t column(char *const fields[], size_t n, const char *name) {
    size_t i = 0;
    while (i < n && strcmp(fields[i], name)) i++;
    return i;
}

static sns_status read_csv(reader *r, char *text, size_t size) {
    char *p = text, *end = text + size, *fields[FIELDS_MAX];
    size_t lines = 0, n = read_record(&p, end, fields, &lines);
    const char *key = r->medium == SNS_EVAL_PICTURES ? "image" : "audio";
    size_t image = column(fields, n, key), caption = column(fields, n, "caption");
    size_t label = column(fields, n, "label"), width = n;
    if (image == n)
        return sns_fail(r->err, SNS_FORMAT, "%s: the first line names no column \"%s\"", r->file,
                        key);
    while (p < end) {
        r->line = lines + 1;
        n = read_record(&p, end, fields, &lines);
        if (n == 1 && !*fields[0]) continue;
        bool added;
        sns_status s;
        if (n != width || !*fields[image]) {
            s = skip_line(r, *fields[n > image ? image : 0] ? "not as many fields as the first line"
                                                            : "the image is empty");
        } else {
            s = add_picture(r, fields[image], label < n ? fields[label] : NULL, &added);
            if (!s && added && caption < n && *fields[caption])
                s = sns_eval_set_add_caption(r->set, ENGLISH, fields[caption], r->err);
        }
        if (s) return s;
    }
    return SNS_OK;
}

/* ---- a folder of classes ---- */

static int not_hidden(const struct dirent *d) {
    return d->d_name[0] != '.';
}

static int name_order(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Call use(r, dir/name, name) for each entry in byte order. */
static sns_status each_entry(reader *r, const char *dir, const char *label,
                             sns_status (*use)(reader *, const char *, const char *)) {
    struct dirent **names;
    int n = scandir(dir, &names, not_hidden, name_order);
    if (n < 0) return sns_fail_errno(r->err, SNS_IO, errno, "%s", dir);
    sns_status s = SNS_OK;
    for (int i = 0; i < n; i++) {
        char *path = s ? NULL : sns_path_join(dir, names[i]->d_name);
        if (path) s = use(r, path, label ? label : names[i]->d_name);
        if (!path && !s) s = sns_fail(r->err, SNS_NOMEM, "%s: no memory for a path", dir);
        free(path);
        free(names[i]);
    }
    free(names);
    return s;
}

static sns_status add_file(reader *r, const char *path, const char *label) {
    size_t limit = r->options->limit;
    if (is_folder(path) || (limit && r->set->picture_count >= limit)) return SNS_OK;
    return sns_eval_set_add_picture(r->set, path, label, r->err);
}

static sns_status add_class(reader *r, const char *path, const char *label) {
    return is_folder(path) ? each_entry(r, path, label, add_file) : SNS_OK;
}

/* ---- the whole ---- */

static sns_status read_manifest(reader *r) {
    char *text, *slash = strrchr(r->file, '/');
    size_t size;
    r->root = r->options->image_root ? sns_strdup(r->options->image_root)
              : slash                ? sns_strndup(r->file, (size_t)(slash - r->file) + 1)
                                     : sns_strdup(".");
    if (!r->root) return sns_fail(r->err, SNS_NOMEM, "%s: no memory for its name", r->file);
    sns_status s = sns_file_read(r->file, MANIFEST_MAX, &text, &size, r->err);
    if (s) return s;
    s = sns_ends_with_nocase(r->file, ".csv") ? read_csv(r, text, size)
                                              : read_json_lines(r, text, size);
    free(text);
    return s;
}

sns_status sns_eval_set_read(const char *data, sns_eval_medium medium,
                             const sns_eval_options *options, sns_eval_set *out, sns_error *err) {
    reader r = {.file = data, .medium = medium, .options = options, .set = out, .err = err};
    *out = (sns_eval_set){0};
    sns_status s = is_folder(data) ? each_entry(&r, data, NULL, add_class) : read_manifest(&r);
    free(r.root);
    if (!s && !out->picture_count)
        s = sns_fail(err, SNS_FORMAT, "%s: there is no %s in it", data,
                     medium == SNS_EVAL_PICTURES ? "picture" : "sound");
    if (!s) s = sns_eval_set_join(out, err);
    if (s) sns_eval_set_free(out);
    return s;
}
