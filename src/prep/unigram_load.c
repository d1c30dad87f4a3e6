/* unigram_load.c - the sections of a tokenizer.json whose model is Unigram.
 *
 * {"model": {"type": "Unigram", "vocab": [["piece", log probability], ...], "unk_id",
 * "byte_fallback"}, "normalizer", "pre_tokenizer": Metaspace, "post_processor":
 * TemplateProcessing}. What would change the ids and is not known is refused by name. Added tokens
 * are found in the text as it was given. */
#include "base/error.h"
#include "prep/tokenizer_internal.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct loader {
    sns_tokenizer *tok;
    sns_unigram *u;
    const char *path;
    size_t capacity;
    sns_error *err;
} loader;

static sns_status json_fail(const loader *l, const sns_json *j) {
    return sns_fail(l->err, SNS_FORMAT, "%s: byte %zu: %s", l->path, (size_t)(j->at - j->begin),
                    j->failed ? j->failed : "malformed");
}

static sns_status no_memory(const loader *l) {
    return sns_fail(l->err, SNS_NOMEM, "%s: no memory for the vocabulary", l->path);
}

/* ---- pieces ---- */

static sns_status grow(loader *l) {
    sns_unigram *u = l->u;
    if (u->count < l->capacity) return SNS_OK;
    if (u->count >= SNS_BPE_VOCAB_MAX)
        return sns_fail(l->err, SNS_LIMIT, "%s: more than %d tokens", l->path, SNS_BPE_VOCAB_MAX);
    size_t n = l->capacity ? 2 * l->capacity : 1024;
    sns_slice *pieces = realloc(u->pieces, n * sizeof *pieces);
    if (pieces) u->pieces = pieces;
    double *scores = realloc(u->scores, n * sizeof *scores);
    if (scores) u->scores = scores;
    if (!pieces || !scores) return no_memory(l);
    l->capacity = n;
    return SNS_OK;
}

/* ["piece", score] */
static bool read_piece(sns_json *j, sns_slice *piece, double *score) {
    bool first = true;
    return sns_json_enter(j, '[') && sns_json_next(j, &first, NULL) && sns_json_string(j, piece) &&
           sns_json_next(j, &first, NULL) && sns_json_number(j, score) &&
           !sns_json_next(j, &first, NULL) && !j->failed;
}

static sns_status read_pieces(loader *l, sns_json *j) {
    bool first = true;
    sns_unigram *u = l->u;
    sns_json_enter(j, '[');
    while (sns_json_next(j, &first, NULL)) {
        sns_status s = grow(l);
        if (s) return s;
        if (!read_piece(j, &u->pieces[u->count], &u->scores[u->count])) {
            if (!j->failed) j->failed = "a piece and its score were expected";
            break;
        }
        if (u->pieces[u->count].size > SNS_UNIGRAM_PIECE_MAX)
            return sns_fail(l->err, SNS_LIMIT, "%s: piece %zu has %zu bytes", l->path, u->count,
                            u->pieces[u->count].size);
        u->count++;
    }
    if (j->failed) return json_fail(l, j);
    return u->count ? SNS_OK : sns_fail(l->err, SNS_FORMAT, "%s: an empty vocabulary", l->path);
}

static sns_status read_model(loader *l, sns_json *j) {
    sns_unigram *u = l->u;
    sns_json vocab = {0};
    sns_slice key;
    uint32_t unknown = UINT32_MAX;
    bool first = true;
    sns_json_enter(j, '{');
    while (sns_json_next(j, &first, &key)) {
        if (sns_slice_is(key, "vocab"))
            sns_json_skip(j, &vocab);
        else if (sns_slice_is(key, "byte_fallback") && sns_json_peek(j) != 'n')
            sns_json_bool(j, &u->byte_fallback);
        else if (sns_slice_is(key, "unk_id") && sns_json_peek(j) != 'n')
            sns_json_u32(j, &unknown);
        else
            sns_json_skip(j, NULL);
    }
    if (j->failed) return json_fail(l, j);
    if (!vocab.begin) return sns_fail(l->err, SNS_FORMAT, "%s: the model has no vocab", l->path);
    sns_status s = read_pieces(l, &vocab);
    if (s) return s;
    if (unknown != UINT32_MAX && unknown >= u->count)
        return sns_fail(l->err, SNS_FORMAT, "%s: unk_id %u is outside of %zu pieces", l->path,
                        unknown, u->count);
    u->unknown_id = unknown == UINT32_MAX ? SNS_UNIGRAM_NONE : (int32_t)unknown;
    return SNS_OK;
}

/* ---- added tokens ---- */

/* A token of the vocabulary, or the one after its last. */
static sns_status add_added(loader *l, const sns_added *a) {
    sns_tokenizer *tok = l->tok;
    sns_unigram *u = l->u;
    if (tok->added_count == SNS_ADDED_MAX)
        return sns_fail(l->err, SNS_LIMIT, "%s: more than %d added tokens", l->path, SNS_ADDED_MAX);
    if (!a->content.size)
        return sns_fail(l->err, SNS_FORMAT, "%s: an added token is empty", l->path);
    if (a->id > u->count)
        return sns_fail(l->err, SNS_UNSUPPORTED, "%s: the added token %u leaves ids unused",
                        l->path, a->id);
    if (a->id == u->count) {
        sns_status s = grow(l);
        if (s) return s;
        u->pieces[u->count] = (sns_slice){0}; /* never found as a piece */
        u->scores[u->count++] = 0;
    }
    if (!tok->added) tok->added = calloc(SNS_ADDED_MAX, sizeof *tok->added);
    if (!tok->added) return no_memory(l);
    tok->added[tok->added_count++] = *a;
    return SNS_OK;
}

static sns_status read_added(loader *l, sns_json *j) {
    bool first = true;
    sns_json_enter(j, '[');
    while (sns_json_next(j, &first, NULL)) {
        sns_added a = {.id = UINT32_MAX};
        sns_slice key;
        bool first_key = true;
        sns_json_enter(j, '{');
        while (sns_json_next(j, &first_key, &key)) {
            if (sns_slice_is(key, "id"))
                sns_json_u32(j, &a.id);
            else if (sns_slice_is(key, "content"))
                sns_json_string(j, &a.content);
            else if (sns_slice_is(key, "special"))
                sns_json_bool(j, &a.special);
            else
                sns_json_skip(j, NULL);
        }
        if (j->failed) break;
        sns_status s = add_added(l, &a);
        if (s) return s;
    }
    return j->failed ? json_fail(l, j) : SNS_OK;
}

/* ---- what surrounds the model ---- */

static sns_status use_metaspace(loader *l, const json_t *c) {
    sns_unigram *u = l->u;
    const json_t *mark = json_object_get(c, "replacement");
    const char *scheme = json_string_value(json_object_get(c, "prepend_scheme"));
    if (mark &&
        (!json_is_string(mark) || !json_string_length(mark) || json_string_length(mark) > 16))
        return sns_fail(l->err, SNS_FORMAT, "%s: Metaspace's replacement", l->path);
    snprintf(u->mark_text, sizeof u->mark_text, "%s", mark ? json_string_value(mark) : "\u2581");
    u->mark = (sns_slice){u->mark_text, strlen(u->mark_text)};
    u->has_mark = true;
    u->split = !json_is_false(json_object_get(c, "split"));
    if (!scheme)
        u->prefix = json_is_false(json_object_get(c, "add_prefix_space")) ? SNS_PREFIX_NEVER
                                                                          : SNS_PREFIX_ALWAYS;
    else if (!strcmp(scheme, "always"))
        u->prefix = SNS_PREFIX_ALWAYS;
    else if (!strcmp(scheme, "first"))
        u->prefix = SNS_PREFIX_FIRST;
    else if (!strcmp(scheme, "never"))
        u->prefix = SNS_PREFIX_NEVER;
    else
        return sns_fail(l->err, SNS_UNSUPPORTED, "%s: prepend_scheme \"%.40s\"", l->path, scheme);
    return SNS_OK;
}

static sns_status use_pre_tokenizer(loader *l, const json_t *c) {
    const char *type = json_string_value(json_object_get(c, "type"));
    const json_t *each;
    size_t i;
    if (type && !strcmp(type, "Metaspace")) return use_metaspace(l, c);
    if (type && !strcmp(type, "WhitespaceSplit")) {
        l->u->split_at_space = true;
        return SNS_OK;
    }
    if (!type || strcmp(type, "Sequence"))
        return sns_fail(l->err, SNS_UNSUPPORTED, "%s: the pre_tokenizer \"%.40s\" is not known",
                        l->path, type ? type : "");
    json_array_foreach(json_object_get(c, "pretokenizers"), i, each) {
        const char *inner = json_string_value(json_object_get(each, "type"));
        if (inner && !strcmp(inner, "Sequence"))
            return sns_fail(l->err, SNS_UNSUPPORTED, "%s: nested pre_tokenizers", l->path);
        sns_status s = use_pre_tokenizer(l, each);
        if (s) return s;
    }
    return SNS_OK;
}

/* One item of a template: 0 the text, 1 a special token, -1 something else. */
static int template_item(const json_t *c, const json_t *item, uint32_t *id) {
    if (json_object_get(item, "Sequence")) return 0;
    const char *name = json_string_value(
        json_object_get(json_object_get(item, "SpecialToken"), "id"));
    const json_t *token = name ? json_object_get(json_object_get(c, "special_tokens"), name) : NULL;
    const json_t *ids = json_object_get(token, "ids"), *first = json_array_get(ids, 0);
    if (json_array_size(ids) != 1 || !json_is_integer(first) || json_integer_value(first) < 0 ||
        json_integer_value(first) >= SNS_BPE_VOCAB_MAX)
        return -1;
    *id = (uint32_t)json_integer_value(first);
    return 1;
}

/* [start] text end */
static sns_status use_template(loader *l, const json_t *c) {
    const char *type = json_string_value(json_object_get(c, "type"));
    const json_t *single = json_object_get(c, "single"), *item;
    size_t i, texts = 0;
    bool ok = type && !strcmp(type, "TemplateProcessing");
    json_array_foreach(single, i, item) {
        uint32_t id = 0;
        int kind = template_item(c, item, &id);
        bool *has = texts ? &l->u->has_end : &l->u->has_start;
        if (kind < 0 || (kind == 1 && *has)) ok = false;
        if (kind == 1) *has = true, *(texts ? &l->tok->end_id : &l->tok->start_id) = id;
        texts += kind == 0;
    }
    if (ok && texts == 1 && l->u->has_end) return SNS_OK;
    return sns_fail(l->err, SNS_UNSUPPORTED,
                    "%s: the post_processor does not put one token behind the text", l->path);
}

/* One section of the file, unchanged so far, as a tree. */
static sns_status as_tree(const loader *l, sns_slice text, json_t **out) {
    json_error_t at;
    *out = NULL;
    if (!text.size) return SNS_OK;
    if ((*out = json_loadb(text.data, text.size, JSON_DECODE_ANY, &at))) return SNS_OK;
    return sns_fail(l->err, SNS_FORMAT, "%s: %s", l->path, at.text);
}

static sns_status read_surroundings(loader *l, const sns_unigram_sections *in) {
    json_t *normalizer = NULL, *pre = NULL, *post = NULL;
    sns_status s = as_tree(l, in->normalizer, &normalizer);
    if (!s) s = as_tree(l, in->pre_tokenizer, &pre);
    if (!s) s = as_tree(l, in->post_processor, &post);
    if (!s) s = sns_normalizer_new(normalizer, l->path, &l->u->normalizer, l->err);
    if (!s && pre && !json_is_null(pre)) s = use_pre_tokenizer(l, pre);
    if (!s) s = use_template(l, post);
    json_decref(normalizer);
    json_decref(pre);
    json_decref(post);
    return s;
}

sns_status sns_unigram_load(sns_unigram_sections *in, const char *path, sns_tokenizer *tok,
                            sns_error *err) {
    loader l = {.tok = tok, .path = path, .err = err};
    if (!(l.u = tok->unigram = calloc(1, sizeof *tok->unigram))) return no_memory(&l);
    sns_status s = read_surroundings(&l, in);
    if (!s) s = read_model(&l, &in->model);
    if (!s && in->added.begin && sns_json_peek(&in->added) != 'n') s = read_added(&l, &in->added);
    if (s) return s;
    size_t n = l.u->count;
    if (tok->end_id >= n || (l.u->has_start && tok->start_id >= n))
        return sns_fail(err, SNS_FORMAT, "%s: the post_processor's tokens are outside of %zu", path,
                        n);
    if (!l.u->has_start) tok->start_id = tok->end_id;
    tok->vocab_size = n;
    return sns_unigram_index(l.u) ? SNS_OK : no_memory(&l);
}
