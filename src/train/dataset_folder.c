/* dataset_folder.c - a folder of pictures and recordings as a data set: texts beside them, or their
 * names. */
#include "base/error.h"
#include "catalog/walk.h"
#include "media/sound_kind.h"
#include "train/data_scan.h"
#include "train/dataset_internal.h"
#include <ctype.h>
#include <unistd.h>

/* PATH with the picture's ending replaced. */
static bool beside(const char *path, const char *ending, sns_strbuf *out) {
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
    sns_strbuf_clear(out);
    sns_strbuf_add(out, path, dot ? (size_t)(dot - path) : strlen(path));
    sns_strbuf_puts(out, ending);
    return !out->failed && access(out->data, R_OK) == 0;
}

/* Every line is a caption. */
static sns_status add_lines(sns_dataset *d, sns_draft *draft, const char *text, size_t size,
                            sns_error *err) {
    sns_status s = SNS_OK;
    while (size && !s) {
        const char *end = memchr(text, '\n', size);
        size_t n = end ? (size_t)(end - text) : size;
        s = sns_dataset_add_caption(d, draft, "", text, n, err);
        n += end != NULL;
        text += n;
        size -= n;
    }
    return s;
}

/* The words of a name: what follows the last dot is dropped, then digits at the end and the marks
 * before them; other marks become spaces. */
static void words_of(const char *name, size_t n, bool is_file, sns_strbuf *out) {
    if (is_file)
        for (size_t i = n; i-- > 1;)
            if (name[i] == '.') {
                n = i;
                break;
            }
    size_t kept = n;
    while (kept && (isdigit((unsigned char)name[kept - 1]) || strchr("_-. ", name[kept - 1])))
        kept--;
    if (kept) n = kept;
    sns_strbuf_clear(out);
    for (size_t i = 0; i < n; i++) sns_strbuf_add(out, strchr("_-.", name[i]) ? " " : &name[i], 1);
}

static sns_status add_name(sns_dataset *d, sns_draft *draft, const char *path,
                           sns_data_naming naming, sns_strbuf *words, sns_error *err) {
    const char *slash = strrchr(path, '/');
    if (naming == SNS_DATA_BY_TEXT) return SNS_OK;
    if (naming == SNS_DATA_BY_FILE) {
        const char *name = slash ? slash + 1 : path;
        words_of(name, strlen(name), true, words);
    } else {
        const char *from = slash ? slash : path;
        while (from > path && from[-1] != '/') from--;
        words_of(from, slash ? (size_t)(slash - from) : 0, false, words);
        sns_dataset_set_concept(d, draft, sns_strbuf_text(words));
    }
    return sns_dataset_add_caption(d, draft, "", sns_strbuf_text(words), words->size, err);
}

/* The captions of one picture. */
static sns_status add_texts(sns_dataset *d, sns_draft *draft, const char *path,
                            sns_data_naming naming, sns_strbuf *scratch, sns_error *err) {
    char *text = NULL;
    size_t size;
    bool json = beside(path, ".json", scratch);
    if (!json && !beside(path, ".txt", scratch))
        return scratch->failed ? sns_fail(err, SNS_NOMEM, "%s: no memory", path)
                               : add_name(d, draft, path, naming, scratch, err);
    sns_status s = sns_file_read(scratch->data, SNS_RECORD_BYTES_MAX, &text, &size, err);
    if (!s)
        s = json ? sns_dataset_add_json(d, draft, text, size, NULL, err)
                 : add_lines(d, draft, text, size, err);
    free(text);
    return s;
}

static sns_status add_picture(sns_dataset *d, const char *path, sns_data_naming naming,
                              sns_strbuf *scratch, sns_error *err) {
    sns_draft draft;
    sns_error why;
    sns_dataset_begin(d, &draft);
    draft.sample.is_sound = sns_is_sound_name(path);
    sns_status s = add_texts(d, &draft, path, naming, scratch, &why);
    if (s == SNS_NOMEM) return sns_fail(err, s, "%s", why.message);
    if (!s && d->caption_count > draft.sample.first_caption)
        return sns_dataset_commit(d, &draft, path, err);
    sns_dataset_skip(d, "%s: %s", path, s ? why.message : "no caption");
    sns_dataset_discard(d, &draft);
    return SNS_OK;
}

sns_status sns_dataset_read_folder(sns_dataset *d, const char *path, sns_data_naming naming,
                                   sns_error *err) {
    sns_walk w = {.sounds = true};
    sns_strbuf scratch = {0};
    sns_status s = sns_walk_paths(&w, &path, 1, err);
    for (size_t i = 0; !s && i < w.problems.count; i++)
        sns_dataset_skip(d, "%s", w.problems.items[i]);
    for (size_t i = 0; !s && i < w.count; i++)
        s = add_picture(d, w.files[i].path, naming, &scratch, err);
    sns_strbuf_free(&scratch);
    sns_walk_free(&w);
    return s;
}
