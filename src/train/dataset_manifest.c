/* dataset_manifest.c - CSV (RFC 4180) and JSON-lines manifests.
 *
 * CSV: columns by the names of the first line (image|file|path|filename|audio and
 * caption|text|sentence,
 * optionally concept, lang), otherwise picture and caption in this order. Rows of one picture that
 * follow each other become one sample. Pictures are looked for beside the manifest and in the
 * folder images/ beside it. A line that is wrong is told with its number and left out. */
#include "base/error.h"
#include "media/sound_kind.h"
#include "train/dataset_internal.h"
#include <unistd.h>

enum { COLUMNS_MAX = 64 };

/* The path of a picture named in a manifest, malloc'd; NULL: not there. */
static char *find_picture(const char *manifest, const char *name) {
    static const char *const beside[] = {"", "images/"};
    const char *slash = strrchr(manifest, '/');
    int dir = name[0] != '/' && slash ? (int)(slash - manifest + 1) : 0;
    for (size_t i = 0; i < 2; i++) {
        sns_strbuf b = {0};
        sns_strbuf_printf(&b, "%.*s%s%s", dir, manifest, beside[i], name);
        if (!b.failed && access(b.data, R_OK) == 0) return b.data;
        sns_strbuf_free(&b);
    }
    return NULL;
}

/* Remember the sound beside a picture; one that is missing is told when it is read. */
static void put_beside(sns_dataset *d, sns_draft *draft, const char *manifest, const char *sound) {
    if (!d->both || !*sound) return;
    char *path = find_picture(manifest, sound);
    draft->sample.beside_name = d->pool.size;
    sns_strbuf_puts(&d->pool, path ? path : sound);
    sns_strbuf_add(&d->pool, "", 1);
    free(path);
}

/* Keep or leave out the sample of picture or sound `name`, whose captions are in the draft; beside
 * a picture there may be a sound, or "". */
static sns_status close_sample(sns_dataset *d, sns_draft *draft, const char *manifest, size_t line,
                               const char *name, const char *sound, sns_error *err) {
    if (d->caption_count == draft->sample.first_caption) {
        sns_dataset_skip(d, "%s:%zu: %s: no caption", manifest, line, name);
        return SNS_OK;
    }
    char *path = find_picture(manifest, name);
    if (!path) {
        sns_dataset_skip(d, "%s:%zu: %s: not found", manifest, line, name);
        sns_dataset_discard(d, draft);
        return SNS_OK;
    }
    if (sns_is_sound_name(name) || sns_is_film_name(name)) draft->sample.is_sound = true;
    put_beside(d, draft, manifest, sound);
    if (!draft->sample.concept) draft->sample.concept = sns_dataset_hash(path, strlen(path));
    sns_status s = sns_dataset_commit(d, draft, path, err);
    free(path);
    return s;
}

typedef struct csv {
    const char *text;
    size_t size, at, line, next_line; /* line: where the current record starts */
    sns_strbuf cell[COLUMNS_MAX];
    size_t cells;
    size_t image, audio, caption, concept, lang; /* column numbers; COLUMNS_MAX: none */
} csv;

/* Read one field into b; true when another one follows in this record. */
static bool csv_field(csv *c, sns_strbuf *b) {
    bool quoted = false;
    sns_strbuf_clear(b);
    while (c->at < c->size) {
        char ch = c->text[c->at++];
        if (ch == '\n') c->next_line++;
        if (quoted) {
            if (ch != '"')
                sns_strbuf_add(b, &ch, 1);
            else if (c->at < c->size && c->text[c->at] == '"')
                sns_strbuf_add(b, &c->text[c->at++], 1);
            else
                quoted = false;
        } else if (ch == '"' && !b->size) {
            quoted = true;
        } else if (ch == ',') {
            return true;
        } else if (ch == '\n') {
            return false;
        } else if (ch != '\r') {
            sns_strbuf_add(b, &ch, 1);
        }
        if (b->size > SNS_RECORD_BYTES_MAX) b->failed = true;
    }
    return false;
}

/* The next record; false at the end. */
static bool csv_record(csv *c) {
    if (c->at >= c->size) return false;
    c->line = c->next_line;
    c->cells = 0;
    bool more = true;
    while (more) {
        size_t i = c->cells < COLUMNS_MAX ? c->cells++ : COLUMNS_MAX - 1;
        more = csv_field(c, &c->cell[i]);
    }
    return true;
}

static size_t csv_column(const csv *c, const char *const *names) {
    for (size_t i = 0; i < c->cells; i++)
        for (const char *const *n = names; *n; n++)
            if (!strcasecmp(sns_strbuf_text(&c->cell[i]), *n)) return i;
    return COLUMNS_MAX;
}

/* Columns from the first record; false when it is no header. */
static bool csv_header(csv *c, bool sounds) {
    static const char *const image[] = {"image",     "file",  "path", "filename",
                                        "file_name", "audio", NULL};
    static const char *const audio[] = {"audio", NULL};
    static const char *const caption[] = {"caption", "text", "sentence", NULL};
    static const char *const concept[] = {"concept", NULL}, *const lang[] = {"lang", NULL};
    c->audio = csv_column(c, audio);
    c->image = sounds ? c->audio : COLUMNS_MAX;
    if (c->image == COLUMNS_MAX) c->image = csv_column(c, image);
    c->caption = csv_column(c, caption);
    c->concept = csv_column(c, concept);
    c->lang = csv_column(c, lang);
    if (c->image < COLUMNS_MAX && c->caption < COLUMNS_MAX) return true;
    c->image = 0;
    c->caption = 1;
    c->audio = c->concept = c->lang = COLUMNS_MAX;
    return false;
}

static const char *csv_cell(const csv *c, size_t i) {
    return i < c->cells ? sns_strbuf_text(&c->cell[i]) : "";
}

static sns_status csv_rows(sns_dataset *d, csv *c, const char *path, sns_error *err) {
    sns_strbuf name = {0}, sound = {0};
    sns_draft draft;
    size_t line = 1;
    bool open = false, have = csv_record(c);
    sns_status s = SNS_OK;
    if (have && csv_header(c, d->sound_rate_hz > 0)) have = csv_record(c);
    for (; have && !s; have = csv_record(c)) {
        const char *image = csv_cell(c, c->image), *text = csv_cell(c, c->caption);
        if (c->cells == 1 && !*image) continue; /* an empty line */
        if (!*image || !*text || c->cell[c->image].failed || c->cell[c->caption].failed) {
            sns_dataset_skip(d, "%s:%zu: no %s", path, c->line,
                             *image ? "caption" : "picture or sound");
            continue;
        }
        if (!open || strcmp(sns_strbuf_text(&name), image)) {
            if (open)
                s = close_sample(d, &draft, path, line, sns_strbuf_text(&name),
                                 sns_strbuf_text(&sound), err);
            if (s) break;
            sns_strbuf_clear(&name);
            sns_strbuf_puts(&name, image);
            sns_strbuf_clear(&sound);
            if (c->audio != c->image) sns_strbuf_puts(&sound, csv_cell(c, c->audio));
            if (name.failed || sound.failed) s = sns_fail(err, SNS_NOMEM, "%s: no memory", path);
            sns_dataset_begin(d, &draft);
            draft.sample.is_sound = c->audio == c->image;
            open = true;
            line = c->line;
        }
        sns_dataset_set_concept(d, &draft, csv_cell(c, c->concept));
        sns_error why;
        sns_status st = s ? s
                          : sns_dataset_add_caption(d, &draft, csv_cell(c, c->lang), text,
                                                    strlen(text), &why);
        if (st == SNS_NOMEM) s = sns_fail(err, st, "%s: no memory", path);
        if (st == SNS_LIMIT) sns_dataset_skip(d, "%s:%zu: %s", path, c->line, why.message);
    }
    if (!s && open)
        s = close_sample(d, &draft, path, line, sns_strbuf_text(&name), sns_strbuf_text(&sound),
                         err);
    sns_strbuf_free(&name);
    sns_strbuf_free(&sound);
    return s;
}

sns_status sns_dataset_read_csv(sns_dataset *d, const char *path, sns_map map, sns_error *err) {
    csv *c = calloc(1, sizeof *c);
    if (!c) return sns_fail(err, SNS_NOMEM, "%s: no memory", path);
    c->text = (const char *)map.data;
    c->size = map.size;
    c->next_line = 1;
    if (c->size >= 3 && !memcmp(c->text, "\xef\xbb\xbf", 3)) c->at = 3;
    sns_status s = csv_rows(d, c, path, err);
    for (size_t i = 0; i < COLUMNS_MAX; i++) sns_strbuf_free(&c->cell[i]);
    free(c);
    return s;
}

static bool is_blank(const char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (p[i] != ' ' && p[i] != '\t' && p[i] != '\r') return false;
    return true;
}

/* What the set is of counts, or else what is named. */
static sns_status close_named(sns_dataset *d, sns_draft *draft, const char *manifest, size_t line,
                              const sns_media_names *names, sns_error *err) {
    bool hears = names->sound && (d->sound_rate_hz || !names->picture);
    draft->sample.is_sound = hears;
    return close_sample(d, draft, manifest, line, hears ? names->sound : names->picture,
                        hears || !names->sound ? "" : names->sound, err);
}

sns_status sns_dataset_read_jsonl(sns_dataset *d, const char *path, sns_map map, sns_error *err) {
    const char *p = (const char *)map.data;
    size_t left = map.size;
    sns_status s = SNS_OK;
    for (size_t line = 1; left && !s; line++) {
        const char *end = memchr(p, '\n', left);
        size_t n = end ? (size_t)(end - p) : left, step = n + (end != NULL);
        sns_draft draft;
        sns_error why;
        sns_media_names names = {0};
        sns_dataset_begin(d, &draft);
        sns_status st = is_blank(p, n) ? SNS_OK
                                       : sns_dataset_add_json(d, &draft, p, n, &names, &why);
        bool named = names.picture || names.sound;
        if (st == SNS_NOMEM)
            s = sns_fail(err, st, "%s:%zu: %s", path, line, why.message);
        else if (st || (!named && d->caption_count > draft.sample.first_caption)) {
            sns_dataset_skip(d, "%s:%zu: %s", path, line, st ? why.message : "no picture or sound");
            sns_dataset_discard(d, &draft);
        } else if (named)
            s = close_named(d, &draft, path, line, &names, err);
        free(names.picture);
        free(names.sound);
        p += step;
        left -= step;
    }
    return s;
}
