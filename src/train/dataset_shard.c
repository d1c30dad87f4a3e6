/* dataset_shard.c - tar shards as WebDataset lays them out: members that share a name up to the
 * first dot of its last part, and follow each other, are one sample. */
#include "base/error.h"
#include "media/sound_kind.h"
#include "train/dataset_internal.h"

/* Length of the key: up to the first dot after the last slash. */
static size_t key_length(const char *name) {
    const char *base = strrchr(name, '/'), *dot = strchr(base ? base : name, '.');
    return dot ? (size_t)(dot - name) : strlen(name);
}

static const char *full_name(sns_shard *s, const char *member) {
    sns_strbuf_clear(&s->full);
    sns_strbuf_printf(&s->full, "%s/%s", s->path, member);
    return sns_strbuf_text(&s->full);
}

/* What the set is of counts, or else what there is. */
static void choose_medium(const sns_dataset *d, sns_draft *draft) {
    bool sound = d->sound_rate_hz > 0;
    if (!draft->media[sound].bytes) sound = !sound;
    draft->sample.is_sound = sound;
    draft->sample.bytes = draft->media[sound].bytes;
    draft->sample.size = draft->media[sound].size;
    if (!d->both || sound) return;
    draft->sample.beside = draft->media[1].bytes;
    draft->sample.beside_size = draft->media[1].size;
}

sns_status sns_shard_close(sns_shard *s, sns_error *err) {
    if (!s->open) return SNS_OK;
    s->open = false;
    choose_medium(s->d, &s->draft);
    const char *name = full_name(s, s->key);
    if (!s->bad && s->draft.sample.bytes && s->d->caption_count > s->draft.sample.first_caption)
        return sns_dataset_commit(s->d, &s->draft, name, err);
    if (!s->bad)
        sns_dataset_skip(s->d, "%s: no %s", name,
                         s->draft.sample.bytes ? "caption" : "picture or sound");
    sns_dataset_discard(s->d, &s->draft);
    return SNS_OK;
}

static bool is_picture(const char *name) {
    static const char *const endings[] = {".jpg", ".jpeg", ".png", ".webp"};
    for (size_t i = 0; i < 4; i++)
        if (sns_ends_with_nocase(name, endings[i])) return true;
    return false;
}

/* Every line is a caption. */
static sns_status add_lines(sns_shard *s, const char *text, size_t size, sns_error *err) {
    sns_status st = SNS_OK;
    while (size && !st) {
        const char *end = memchr(text, '\n', size);
        size_t n = end ? (size_t)(end - text) : size;
        st = sns_dataset_add_caption(s->d, &s->draft, "", text, n, err);
        n += end != NULL;
        text += n;
        size -= n;
    }
    return st;
}

bool sns_shard_wants(const char *member) {
    return is_picture(member) || sns_is_sound_name(member) ||
           sns_ends_with_nocase(member, ".json") || sns_ends_with_nocase(member, ".txt");
}

bool sns_shard_starts_new(const sns_shard *s, const char *member) {
    size_t n = key_length(member);
    return !s->open || strncmp(s->key, member, n) || s->key[n];
}

static void open_sample(sns_shard *s, const char *member) {
    size_t n = key_length(member);
    memcpy(s->key, member, n);
    s->key[n] = 0;
    s->open = true;
    s->bad = false;
    sns_dataset_begin(s->d, &s->draft);
}

sns_status sns_shard_add(sns_shard *s, const sns_tar_entry *e, sns_error *err) {
    sns_error why;
    sns_status st = SNS_OK;
    if (!s->open) open_sample(s, e->name);
    bool sound = sns_is_sound_name(e->name);
    if (sound || is_picture(e->name)) {
        s->draft.media[sound].bytes = e->data;
        s->draft.media[sound].size = e->size;
    } else if (sns_ends_with_nocase(e->name, ".json")) {
        st = sns_dataset_add_json(s->d, &s->draft, (const char *)e->data, e->size, NULL, &why);
    } else if (sns_ends_with_nocase(e->name, ".txt")) {
        st = add_lines(s, (const char *)e->data, e->size, &why);
    }
    if (st == SNS_NOMEM) return sns_fail(err, st, "%s: %s", s->path, why.message);
    if (st && !s->bad) {
        s->bad = true;
        sns_dataset_skip(s->d, "%s: %s", full_name(s, e->name), why.message);
    }
    return SNS_OK;
}

sns_status sns_dataset_read_shard(sns_dataset *d, const char *path, sns_map map, sns_error *err) {
    sns_tar tar;
    sns_tar_entry e;
    bool end = false;
    sns_shard *s = calloc(1, sizeof *s);
    if (!s) return sns_fail(err, SNS_NOMEM, "%s: no memory", path);
    s->d = d;
    s->path = path;
    sns_tar_begin(&tar, path, map.data, map.size);
    sns_status st;
    while (!(st = sns_tar_next(&tar, &e, &end, err)) && !end) {
        if (sns_shard_starts_new(s, e.name) && (st = sns_shard_close(s, err))) break;
        if ((st = sns_shard_add(s, &e, err))) break;
    }
    if (!st) st = sns_shard_close(s, err);
    sns_strbuf_free(&s->full);
    free(s);
    return st;
}
