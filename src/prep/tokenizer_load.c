/* tokenizer_load.c - tokenizer.json, or vocab.json with merges.txt.
 *
 * tokenizer.json is Hugging Face `tokenizers`' own format. Only what CLIP's kind says is accepted:
 * anything else that would change the ids is refused by name rather than ignored. */
#include "base/error.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "prep/tokenizer_build.h"
#include <stdlib.h>
#include <string.h>

typedef sns_tokenizer_build loader;

static sns_status json_fail(loader *l, const sns_json *j) {
    return sns_fail(l->err, SNS_FORMAT, "%s: byte %zu: %s", l->path, (size_t)(j->at - j->begin),
                    j->failed ? j->failed : "malformed");
}

/* For messages: as much of a string as is worth showing. */
#define SHOWN(s) (int)((s).size < 40 ? (s).size : 40), (s).data

/* ---- tokens and merges ---- */

static sns_status read_vocab(loader *l, sns_json *j) {
    bool first = true;
    sns_slice token;
    sns_json_enter(j, '{');
    while (sns_json_next(j, &first, &token)) {
        uint32_t id;
        if (!sns_json_u32(j, &id)) break;
        sns_status s = sns_build_token(l, id, token);
        if (s) return s;
    }
    if (j->failed) return json_fail(l, j);
    if (!l->tok->vocab_size)
        return sns_fail(l->err, SNS_FORMAT, "%s: an empty vocabulary", l->path);
    return sns_build_index(l);
}

/* "left right": exactly one space. */
static sns_status add_merge_text(loader *l, sns_slice line) {
    const char *space = memchr(line.data, ' ', line.size);
    size_t n = space ? (size_t)(space - line.data) : 0, rest = line.size - n - (space ? 1 : 0);
    if (!n || !rest || memchr(space + 1, ' ', rest))
        return sns_fail(l->err, SNS_FORMAT, "%s: merge %zu, \"%.*s\", is not two tokens", l->path,
                        l->tok->bpe.merge_count, SHOWN(line));
    return sns_build_merge(l, (sns_slice){line.data, n}, (sns_slice){space + 1, rest});
}

static bool read_pair(sns_json *j, sns_slice pair[2]) {
    bool first = true, ok = sns_json_enter(j, '[');
    for (int i = 0; i < 2 && ok; i++)
        ok = sns_json_next(j, &first, NULL) && sns_json_string(j, &pair[i]);
    if (!ok && !j->failed) j->failed = "a pair was expected";
    if (ok && sns_json_next(j, &first, NULL)) {
        j->failed = "a pair was expected";
        ok = false;
    }
    return ok && !j->failed;
}

static sns_status read_merges(loader *l, sns_json *j) {
    bool first = true;
    sns_json_enter(j, '[');
    while (sns_json_next(j, &first, NULL)) {
        sns_slice pair[2];
        sns_status s;
        if (sns_json_peek(j) == '[') {
            if (!read_pair(j, pair)) break;
            s = sns_build_merge(l, pair[0], pair[1]);
        } else {
            if (!sns_json_string(j, pair)) break;
            s = add_merge_text(l, pair[0]);
        }
        if (s) return s;
    }
    return j->failed ? json_fail(l, j) : SNS_OK;
}

static sns_status read_merges_text(loader *l, const char *text, size_t size) {
    for (const char *p = text, *end = text + size, *eol; p < end; p = eol + 1) {
        eol = memchr(p, '\n', (size_t)(end - p));
        if (!eol) eol = end;
        sns_slice line = {p, (size_t)(eol - p)};
        if (line.size && line.data[line.size - 1] == '\r') line.size--;
        if (!line.size || (line.size > 8 && !memcmp(line.data, "#version", 8))) continue;
        sns_status s = add_merge_text(l, line);
        if (s) return s;
    }
    return SNS_OK;
}

/* ---- added tokens ---- */

static sns_status read_added(loader *l, sns_json *j) {
    bool first = true;
    sns_json_enter(j, '[');
    while (sns_json_next(j, &first, NULL)) {
        sns_added a = {.normalized = true};
        sns_slice key;
        bool first_key = true, has_id = false, single_word = false;
        sns_json_enter(j, '{');
        while (sns_json_next(j, &first_key, &key)) {
            if (sns_slice_is(key, "id"))
                has_id = sns_json_u32(j, &a.id);
            else if (sns_slice_is(key, "content"))
                sns_json_string(j, &a.content);
            else if (sns_slice_is(key, "special"))
                sns_json_bool(j, &a.special);
            else if (sns_slice_is(key, "normalized"))
                sns_json_bool(j, &a.normalized);
            else if (sns_slice_is(key, "single_word"))
                sns_json_bool(j, &single_word);
            else
                sns_json_skip(j, NULL);
        }
        if (j->failed) break;
        if (!has_id) return sns_fail(l->err, SNS_FORMAT, "%s: an added token has no id", l->path);
        if (single_word)
            return sns_fail(l->err, SNS_UNSUPPORTED, "%s: the added token \"%.*s\" is single_word",
                            l->path, SHOWN(a.content));
        sns_status s = sns_build_added(l, a);
        if (s) return s;
    }
    return j->failed ? json_fail(l, j) : SNS_OK;
}

/* ---- what surrounds the model in tokenizer.json ---- */

static sns_status unsupported(loader *l, const char *what, sns_slice name) {
    return sns_fail(l->err, SNS_UNSUPPORTED, "%s: %s \"%.*s\" is not CLIP's", l->path, what,
                    SHOWN(name));
}

/* The parts of a normalizer or pre_tokenizer that matter here. */
typedef struct part {
    sns_slice type, content, regex;
    bool add_prefix_space, has_list;
    sns_json list; /* "normalizers" or "pretokenizers" */
} part;

static bool read_part(sns_json *j, part *p) {
    sns_slice key;
    sns_json pattern = {0};
    bool first = true;
    *p = (part){0};
    sns_json_enter(j, '{');
    while (sns_json_next(j, &first, &key)) {
        if (sns_slice_is(key, "type"))
            sns_json_string(j, &p->type);
        else if (sns_slice_is(key, "content"))
            sns_json_string(j, &p->content);
        else if (sns_slice_is(key, "add_prefix_space"))
            sns_json_bool(j, &p->add_prefix_space);
        else if (sns_slice_is(key, "pattern"))
            sns_json_skip(j, &pattern);
        else if (sns_slice_is(key, "normalizers") || sns_slice_is(key, "pretokenizers"))
            p->has_list = sns_json_skip(j, &p->list);
        else
            sns_json_skip(j, NULL);
    }
    if (pattern.begin && !j->failed) {
        first = true;
        sns_json_enter(&pattern, '{');
        while (sns_json_next(&pattern, &first, &key)) {
            if (sns_slice_is(key, "Regex"))
                sns_json_string(&pattern, &p->regex);
            else
                sns_json_skip(&pattern, NULL);
        }
        if (pattern.failed) *j = pattern;
    }
    return !j->failed;
}

static sns_status use_normalizer(loader *l, const part *p) {
    if (sns_slice_is(p->type, "NFC"))
        l->tok->rules.nfc = true;
    else if (sns_slice_is(p->type, "Lowercase"))
        l->tok->rules.lower = true;
    else if (!sns_slice_is(p->type, "Replace") || !sns_slice_is(p->regex, "\\s+") ||
             !sns_slice_is(p->content, " "))
        return unsupported(l, "the normalizer", p->type);
    return SNS_OK;
}

static sns_status use_pre_tokenizer(loader *l, const part *p) {
    const size_t n = sizeof SNS_TOKEN_PATTERN - 1;
    if (sns_slice_is(p->type, "Split")) {
        /* Some writers put the special tokens before the pattern; they are found before it runs. */
        if (p->regex.size < n || memcmp(p->regex.data + p->regex.size - n, SNS_TOKEN_PATTERN, n))
            return unsupported(l, "the pattern", p->regex);
    } else if (!sns_slice_is(p->type, "ByteLevel") || p->add_prefix_space) {
        return unsupported(l, "the pre_tokenizer", p->type);
    }
    return SNS_OK;
}

/* A single part, or a Sequence of them. */
static sns_status read_parts(loader *l, sns_json *j, sns_status (*use)(loader *, const part *)) {
    part p;
    if (!read_part(j, &p)) return json_fail(l, j);
    if (!sns_slice_is(p.type, "Sequence") || !p.has_list) return use(l, &p);
    bool first = true;
    sns_json list = p.list;
    sns_json_enter(&list, '[');
    while (sns_json_next(&list, &first, NULL)) {
        if (!read_part(&list, &p)) break;
        sns_status s = use(l, &p);
        if (s) return s;
    }
    return list.failed ? json_fail(l, &list) : SNS_OK;
}

/* ["text", id] */
static bool read_named_id(sns_json *j, uint32_t *id) {
    bool first = true;
    sns_slice name;
    return sns_json_enter(j, '[') && sns_json_next(j, &first, NULL) && sns_json_string(j, &name) &&
           sns_json_next(j, &first, NULL) && sns_json_u32(j, id) &&
           !sns_json_next(j, &first, NULL) && !j->failed;
}

/* RobertaProcessing names the first and last token; other kinds leave it to their usual names. */
static sns_status read_post_processor(loader *l, sns_json *j) {
    bool first = true;
    sns_slice key;
    sns_json_enter(j, '{');
    while (sns_json_next(j, &first, &key)) {
        if (sns_slice_is(key, "cls"))
            l->has_start = read_named_id(j, &l->tok->start_id);
        else if (sns_slice_is(key, "sep"))
            l->has_end = read_named_id(j, &l->tok->end_id);
        else
            sns_json_skip(j, NULL);
        if (!j->failed) continue;
        break;
    }
    return j->failed ? json_fail(l, j) : SNS_OK;
}

typedef struct model_part {
    sns_json vocab, merges;
    sns_slice type, unknown, prefix, suffix;
} model_part;

static bool string_or_null(sns_json *j, sns_slice *out) {
    return sns_json_peek(j) == '"' ? sns_json_string(j, out) : sns_json_skip(j, NULL);
}

static sns_status read_model(loader *l, sns_json *j) {
    model_part m = {0};
    sns_slice key;
    bool first = true;
    sns_json_enter(j, '{');
    while (sns_json_next(j, &first, &key)) {
        if (sns_slice_is(key, "type"))
            sns_json_string(j, &m.type);
        else if (sns_slice_is(key, "unk_token"))
            string_or_null(j, &m.unknown);
        else if (sns_slice_is(key, "continuing_subword_prefix"))
            string_or_null(j, &m.prefix);
        else if (sns_slice_is(key, "end_of_word_suffix"))
            string_or_null(j, &m.suffix);
        else
            sns_json_skip(j, sns_slice_is(key, "vocab")    ? &m.vocab
                             : sns_slice_is(key, "merges") ? &m.merges
                                                           : NULL);
    }
    if (j->failed) return json_fail(l, j);
    if (!sns_slice_is(m.type, "BPE")) return unsupported(l, "the model", m.type);
    if (m.prefix.size) return unsupported(l, "continuing_subword_prefix", m.prefix);
    if (!sns_slice_is(m.suffix, SNS_BPE_WORD_END))
        return unsupported(l, "end_of_word_suffix", m.suffix);
    if (!m.vocab.begin || !m.merges.begin)
        return sns_fail(l->err, SNS_FORMAT, "%s: the model has no %s", l->path,
                        m.vocab.begin ? "merges" : "vocab");
    sns_status s = read_vocab(l, &m.vocab);
    if (s || (s = read_merges(l, &m.merges))) return s;
    if (m.unknown.size)
        l->tok->bpe.unknown_id = sns_token_index_find(&l->index, m.unknown, (sns_slice){0});
    return SNS_OK;
}

enum section { MODEL, NORMALIZER, PRE_TOKENIZER, POST_PROCESSOR, ADDED, SECTIONS };

static sns_status read_sections(loader *l, sns_json section[SECTIONS]) {
    static const char *const names[SECTIONS] = {
        [MODEL] = "model", [PRE_TOKENIZER] = "pre_tokenizer"};
    for (int i = 0; i < SECTIONS; i++) {
        bool given = section[i].begin && sns_json_peek(&section[i]) != 'n';
        if (!given && names[i])
            return sns_fail(l->err, SNS_UNSUPPORTED, "%s: it has no %s", l->path, names[i]);
        if (!given) continue;
        sns_json *j = &section[i];
        sns_status s = i == MODEL            ? read_model(l, j)
                       : i == NORMALIZER     ? read_parts(l, j, use_normalizer)
                       : i == PRE_TOKENIZER  ? read_parts(l, j, use_pre_tokenizer)
                       : i == POST_PROCESSOR ? read_post_processor(l, j)
                                             : read_added(l, j);
        if (s) return s;
    }
    return SNS_OK;
}

/* Without unescaping anything, since the section is read again. */
static bool is_unigram(sns_json j) {
    static const char wanted[] = "\"Unigram\"";
    sns_slice key;
    bool first = true;
    if (!j.begin || sns_json_peek(&j) != '{') return false;
    sns_json_enter(&j, '{');
    while (sns_json_next(&j, &first, &key)) {
        sns_json value = {0};
        if (!sns_json_skip(&j, &value)) return false;
        size_t n = (size_t)(j.at - value.at);
        if (sns_slice_is(key, "type"))
            return n == sizeof wanted - 1 && !memcmp(value.at, wanted, n);
    }
    return false;
}

static sns_status read_tokenizer_json(loader *l, char *text, size_t size) {
    static const char *const names[SECTIONS] = {"model", "normalizer", "pre_tokenizer",
                                                "post_processor", "added_tokens"};
    sns_json j = sns_json_open(text, size), section[SECTIONS] = {0};
    sns_slice key, raw[SECTIONS] = {{0}};
    bool first = true;
    sns_json_enter(&j, '{');
    while (sns_json_next(&j, &first, &key)) {
        int which = SECTIONS;
        for (int i = 0; i < SECTIONS; i++)
            if (sns_slice_is(key, names[i])) which = i;
        if (which == SECTIONS) {
            sns_json_skip(&j, NULL);
        } else if (sns_json_skip(&j, &section[which])) {
            const char *begin = section[which].at;
            raw[which] = (sns_slice){begin, (size_t)(j.at - begin)};
        }
    }
    if (j.failed || !sns_json_finish(&j)) return json_fail(l, &j);
    if (!is_unigram(section[MODEL])) return read_sections(l, section);
    sns_unigram_sections unigram = {section[MODEL], section[ADDED], raw[NORMALIZER],
                                    raw[PRE_TOKENIZER], raw[POST_PROCESSOR]};
    return sns_unigram_load(&unigram, l->path, l->tok, l->err);
}

/* ---- putting it together ---- */

sns_status sns_tokenizer_parse_json(char *text, size_t size, const char *name, sns_tokenizer **out,
                                    sns_error *err) {
    sns_tokenizer *tok = calloc(1, sizeof *tok);
    loader l = {.tok = tok, .path = name, .err = err};
    *out = NULL;
    if (!tok) {
        free(text);
        return sns_build_no_memory(&l);
    }
    tok->files[0] = text;
    tok->bpe.unknown_id = SNS_BPE_NONE;
    sns_status s = read_tokenizer_json(&l, text, size);
    if (!s && !tok->unigram) s = sns_build_finish(&l);
    sns_token_index_free(&l.index);
    if (s)
        sns_tokenizer_free(tok);
    else
        *out = tok;
    return s;
}

/* vocab.json + merges.txt say nothing of the rest, so it is CLIP's. */
static sns_status read_vocab_merges(loader *l, char *vocab, size_t vocab_size,
                                    const char *vocab_name, const char *merges, size_t merges_size,
                                    const char *merges_name) {
    sns_json j = sns_json_open(vocab, vocab_size);
    l->path = vocab_name;
    l->tok->rules = (sns_text_rules){.nfc = true, .lower = true};
    sns_status s = read_vocab(l, &j);
    if (s) return s;
    if (!sns_json_finish(&j)) return json_fail(l, &j);
    l->path = merges_name;
    if ((s = read_merges_text(l, merges, merges_size))) return s;
    l->path = vocab_name;
    static const char *const names[2] = {SNS_TOKEN_START, SNS_TOKEN_END};
    for (int i = 0; i < 2; i++) {
        int32_t id = sns_token_index_find(&l->index, sns_slice_of(names[i]), (sns_slice){0});
        if (id < 0) return sns_fail(l->err, SNS_FORMAT, "%s: no token %s", l->path, names[i]);
        sns_added a = {sns_slice_of(names[i]), (uint32_t)id, true, true, {0}};
        if ((s = sns_build_added(l, a))) return s;
        l->tok->bpe.unknown_id = id; /* the end token, in CLIP */
    }
    return SNS_OK;
}

sns_status sns_tokenizer_parse_pair(char *vocab, size_t vocab_size, const char *vocab_name,
                                    char *merges, size_t merges_size, const char *merges_name,
                                    sns_tokenizer **out, sns_error *err) {
    sns_tokenizer *tok = calloc(1, sizeof *tok);
    loader l = {.tok = tok, .path = vocab_name, .err = err};
    *out = NULL;
    if (!tok) {
        free(vocab);
        free(merges);
        return sns_build_no_memory(&l);
    }
    tok->files[0] = vocab;
    tok->files[1] = merges;
    tok->bpe.unknown_id = SNS_BPE_NONE;
    sns_status s = read_vocab_merges(&l, vocab, vocab_size, vocab_name, merges, merges_size,
                                     merges_name);
    if (!s) s = sns_build_finish(&l);
    sns_token_index_free(&l.index);
    if (s)
        sns_tokenizer_free(tok);
    else
        *out = tok;
    return s;
}

static sns_status load_pair(const char *vocab_path, const char *merges_path, sns_tokenizer **out,
                            sns_error *err) {
    char *vocab, *merges;
    size_t vocab_size, merges_size;
    sns_status s = sns_file_read(vocab_path, SNS_TOKENIZER_FILE_MAX, &vocab, &vocab_size, err);
    if (s) return s;
    s = sns_file_read(merges_path, SNS_TOKENIZER_FILE_MAX, &merges, &merges_size, err);
    if (s) {
        free(vocab);
        return s;
    }
    return sns_tokenizer_parse_pair(vocab, vocab_size, vocab_path, merges, merges_size, merges_path,
                                    out, err);
}

static sns_status load_gguf(const char *path, sns_tokenizer **out, sns_error *err) {
    sns_gguf *g;
    *out = NULL;
    sns_status s = sns_gguf_open(path, &g, err);
    if (s) return s;
    s = sns_tokenizer_gguf(g, path, out, err);
    sns_gguf_close(g);
    return s;
}

sns_status sns_tokenizer_load(const char *dir, sns_tokenizer **out, sns_error *err) {
    if (sns_gguf_is_file(dir)) return load_gguf(dir, out, err);
    char *json_path = sns_path_join(dir, "tokenizer.json");
    char *vocab_path = sns_path_join(dir, "vocab.json");
    char *merges_path = sns_path_join(dir, "merges.txt");
    sns_status s;
    *out = NULL;
    if (!json_path || !vocab_path || !merges_path) {
        s = sns_fail(err, SNS_NOMEM, "%s: no memory for its name", dir);
    } else {
        char *text;
        size_t size;
        s = sns_file_read(json_path, SNS_TOKENIZER_FILE_MAX, &text, &size, err);
        if (!s) {
            s = sns_tokenizer_parse_json(text, size, json_path, out, err);
        } else if (s == SNS_MISSING) {
            s = load_pair(vocab_path, merges_path, out, err);
            if (s == SNS_MISSING)
                sns_fail(err, s, "%s: neither tokenizer.json nor vocab.json with merges.txt", dir);
        }
    }
    free(json_path);
    free(vocab_path);
    free(merges_path);
    return s;
}
