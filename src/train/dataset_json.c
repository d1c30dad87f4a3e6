/* dataset_json.c - what a sample's json says: captions by language, concept, whether to mirror. */
#include "base/error.h"
#include "train/dataset_internal.h"
#include <jansson.h>

static sns_status add_text(sns_dataset *d, sns_draft *draft, const char *lang, const json_t *v,
                           sns_error *err) {
    if (!json_is_string(v)) return sns_fail(err, SNS_FORMAT, "a caption is not a string");
    return sns_dataset_add_caption(d, draft, lang, json_string_value(v), json_string_length(v),
                                   err);
}

/* A string or a list of strings. */
static sns_status add_texts(sns_dataset *d, sns_draft *draft, const char *lang, const json_t *v,
                            sns_error *err) {
    if (!json_is_array(v)) return add_text(d, draft, lang, v, err);
    sns_status s = SNS_OK;
    for (size_t i = 0; !s && i < json_array_size(v); i++)
        s = add_text(d, draft, lang, json_array_get(v, i), err);
    return s;
}

static sns_status add_captions(sns_dataset *d, sns_draft *draft, json_t *root, sns_error *err) {
    static const char *const single[] = {"caption", "text"};
    json_t *captions = json_object_get(root, "captions"), *v;
    sns_status s = SNS_OK;
    for (size_t i = 0; i < 2 && !s; i++)
        if ((v = json_object_get(root, single[i]))) {
            const char *lang = json_string_value(json_object_get(root, "lang"));
            s = add_texts(d, draft, lang ? lang : "", v, err);
        }
    if (s || !captions) return s;
    if (!json_is_object(captions)) return add_texts(d, draft, "", captions, err);
    const char *lang;
    json_object_foreach(captions, lang, v) {
        if (s) break;
        s = add_texts(d, draft, lang, v, err);
    }
    return s;
}

static sns_status add_root(sns_dataset *d, sns_draft *draft, json_t *root, char **image,
                           sns_error *err) {
    static const char *const names[] = {"image", "file_name", "file", "path", "audio"};
    if (!json_is_object(root)) return sns_fail(err, SNS_FORMAT, "not a JSON object");
    const char *concept = json_string_value(json_object_get(root, "concept"));
    if (concept) sns_dataset_set_concept(d, draft, concept);
    json_t *flip = json_object_get(root, "flip");
    if (json_is_false(flip)) draft->sample.flip = false;
    enum { NAMES = sizeof names / sizeof *names };
    size_t first = d->sound_rate_hz ? NAMES - 1 : 0;
    for (size_t i = 0; image && !*image && i < NAMES; i++) {
        const char *name = names[(first + i) % NAMES];
        const char *path = json_string_value(json_object_get(root, name));
        if (path && *path && !(*image = sns_strdup(path)))
            return sns_fail(err, SNS_NOMEM, "no memory for a path");
    }
    return add_captions(d, draft, root, err);
}

sns_status sns_dataset_add_json(sns_dataset *d, sns_draft *draft, const char *text, size_t size,
                                char **image, sns_error *err) {
    json_error_t where;
    if (image) *image = NULL;
    if (size > SNS_RECORD_BYTES_MAX)
        return sns_fail(err, SNS_LIMIT, "%zu bytes of JSON, more than %d", size,
                        SNS_RECORD_BYTES_MAX);
    json_t *root = json_loadb(text, size, 0, &where);
    if (!root) return sns_fail(err, SNS_FORMAT, "%s", where.text);
    sns_status s = add_root(d, draft, root, image, err);
    json_decref(root);
    return s;
}
