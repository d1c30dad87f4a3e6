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

/* A copy of the first of these members that is a string and not empty; *out NULL: there is none. */
static sns_status take_name(const json_t *root, const char *const *members, size_t n, char **out,
                            sns_error *err) {
    for (size_t i = 0; i < n; i++) {
        const char *path = json_string_value(json_object_get(root, members[i]));
        if (!path || !*path) continue;
        *out = sns_strdup(path);
        return *out ? SNS_OK : sns_fail(err, SNS_NOMEM, "no memory for a path");
    }
    return SNS_OK;
}

static sns_status add_root(sns_dataset *d, sns_draft *draft, json_t *root, sns_media_names *names,
                           sns_error *err) {
    static const char *const pictures[] = {"image", "file_name", "file", "path"}, *const sounds[] =
                                                                                      {"audio"};
    if (!json_is_object(root)) return sns_fail(err, SNS_FORMAT, "not a JSON object");
    const char *concept = json_string_value(json_object_get(root, "concept"));
    if (concept) sns_dataset_set_concept(d, draft, concept);
    json_t *flip = json_object_get(root, "flip");
    if (json_is_false(flip)) draft->sample.flip = false;
    sns_status s = names ? take_name(root, pictures, 4, &names->picture, err) : SNS_OK;
    if (!s && names) s = take_name(root, sounds, 1, &names->sound, err);
    return s ? s : add_captions(d, draft, root, err);
}

sns_status sns_dataset_add_json(sns_dataset *d, sns_draft *draft, const char *text, size_t size,
                                sns_media_names *names, sns_error *err) {
    json_error_t where;
    if (names) *names = (sns_media_names){0};
    if (size > SNS_RECORD_BYTES_MAX)
        return sns_fail(err, SNS_LIMIT, "%zu bytes of JSON, more than %d", size,
                        SNS_RECORD_BYTES_MAX);
    json_t *root = json_loadb(text, size, 0, &where);
    if (!root) return sns_fail(err, SNS_FORMAT, "%s", where.text);
    sns_status s = add_root(d, draft, root, names, err);
    json_decref(root);
    return s;
}
