/* test_tokenizer.c - token ids, loading, training.
 *
 * Two references: golden ids of a small vocabulary (tests/goldens/prep), and the independent
 * implementation in tests/goldens/clip_bpe.py, run here where Debian's Python with its regex module
 * is installed, with CLIP's own vocabulary where ../shared has it. */
#include "base/byte_source.h"
#include "base/file.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include "tool.h"
#include <errno.h>
#include <sensus/tokenizer.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { MAX_TOKENS = 77 };

static sns_tokenizer *load(const char *dir) {
    sns_tokenizer *tok;
    sns_error err = {0};
    if (sns_tokenizer_load(dir, &tok, &err)) fail_msg("%s", err.message);
    return tok;
}

static sns_tokenizer *load_small(void) {
    return load(tool_source("goldens/prep/small_vocab"));
}

/* The folder of CLIP's vocabulary; NULL where it is absent. */
static const char *clip_vocab(void) {
    static char dir[4096], file[4200];
    const char *shared = getenv("SNS_SHARED");
    snprintf(dir, sizeof dir, "%s/data/clip-vocab", shared ? shared : "../shared");
    snprintf(file, sizeof file, "%s/vocab.json", dir);
    return access(file, R_OK) == 0 ? dir : NULL;
}

static char *shared_file(const char *name) {
    const char *shared = getenv("SNS_SHARED");
    char *path = malloc(4096);
    snprintf(path, 4096, "%s/data/%s", shared ? shared : "../shared", name);
    return path;
}

static bool has_reference(void) {
    const char *const argv[] = {TOOL_PYTHON, "-c", "import regex", NULL};
    return access(TOOL_PYTHON, X_OK) == 0 && tool_run(argv);
}

/* ---- lists of texts: one a line, \xNN is a byte (as clip_bpe.py reads them) ---- */

static void add_escaped(sns_strbuf *b, const unsigned char *text, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (text[i] < 0x20 || text[i] == '\\' || text[i] == 0x7F)
            sns_strbuf_printf(b, "\\x%02x", text[i]);
        else
            sns_strbuf_add(b, text + i, 1);
    }
    sns_strbuf_puts(b, "\n");
}

static int hex_digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place; returns the new length. */
static size_t unescape(char *s, size_t n) {
    size_t out = 0;
    for (size_t i = 0; i < n; i++) {
        if (n - i >= 4 && s[i] == '\\' && s[i + 1] == 'x' && hex_digit(s[i + 2]) >= 0 &&
            hex_digit(s[i + 3]) >= 0) {
            s[out++] = (char)(hex_digit(s[i + 2]) * 16 + hex_digit(s[i + 3]));
            i += 3;
        } else {
            s[out++] = s[i];
        }
    }
    return out;
}

/* The next line of *p as [line, line + *size), moving *p on; NULL: no more. */
static char *next_line(char **p, char *end, size_t *size) {
    if (*p >= end) return NULL;
    char *line = *p, *eol = memchr(line, '\n', (size_t)(end - line));
    if (!eol) eol = end;
    *size = (size_t)(eol - line);
    *p = eol + 1;
    return line;
}

/* Encode every text of a list and compare with lines of ids; returns how many differ. */
static size_t count_mismatches(const sns_tokenizer *tok, char *texts, size_t texts_size, char *ids,
                               size_t ids_size, size_t *compared) {
    char *p = texts, *q = ids, *text, *want;
    size_t size, want_size, bad = 0;
    *compared = 0;
    while ((text = next_line(&p, texts + texts_size, &size))) {
        uint32_t got[MAX_TOKENS];
        size_t count;
        sns_strbuf line = {0};
        sns_error err = {0};
        size = unescape(text, size);
        if (sns_tokenizer_encode(tok, text, size, MAX_TOKENS, got, &count, &err))
            fail_msg("%s", err.message);
        for (size_t i = 0; i < count; i++) sns_strbuf_printf(&line, i ? " %u" : "%u", got[i]);
        want = next_line(&q, ids + ids_size, &want_size);
        if (!want || line.size != want_size || memcmp(line.data, want, want_size)) {
            if (bad++ < 5)
                print_message("text %zu \"%.*s\"\n  got  %s\n  want %.*s\n", *compared,
                              (int)(size < 200 ? size : 200), text, line.data,
                              want ? (int)want_size : 0, want ? want : "");
        }
        sns_strbuf_free(&line);
        ++*compared;
    }
    assert_null(next_line(&q, ids + ids_size, &want_size));
    return bad;
}

static void read_golden(const char *name, char **data, size_t *size) {
    sns_error err = {0};
    if (sns_file_read(tool_source(name), 1 << 30, data, size, &err)) fail_msg("%s", err.message);
}

/* Compare with clip_bpe.py on a list of texts, which is consumed. */
static void compare_with_reference(const char *what, const char *vocab, sns_strbuf *texts) {
    char *dir = tool_tmpdir(), *in = sns_path_join(dir, "texts"), *out = sns_path_join(dir, "ids");
    char *script = sns_strdup(tool_source("goldens/clip_bpe.py"));
    const char *const argv[] = {
        "sh", "-c",   "exec " TOOL_PYTHON " \"$1\" encode \"$2\" < \"$3\" > \"$4\"",
        "sh", script, vocab,
        in,   out,    NULL};
    sns_error err = {0};
    char *ids;
    size_t ids_size, compared;
    assert_false(texts->failed);
    assert_int_equal(sns_file_write(in, texts->data, texts->size, &err), SNS_OK);
    assert_true(tool_run(argv));
    assert_int_equal(sns_file_read(out, (size_t)1 << 30, &ids, &ids_size, &err), SNS_OK);
    sns_tokenizer *tok = load(vocab);
    size_t bad = count_mismatches(tok, texts->data, texts->size, ids, ids_size, &compared);
    print_message("%s: %zu texts compared, %zu differ\n", what, compared, bad);
    sns_tokenizer_free(tok);
    sns_strbuf_free(texts);
    free(ids);
    free(in);
    free(out);
    free(script);
    tool_remove(dir);
    assert_int_equal(bad, 0);
}

/* ---- golden ids ---- */

static void names_give_the_golden_ids(void **state) {
    (void)state;
    char *texts, *ids;
    size_t texts_size, ids_size, compared;
    read_golden("goldens/prep/names.txt", &texts, &texts_size);
    read_golden("goldens/prep/names_ids.txt", &ids, &ids_size);
    sns_tokenizer *tok = load_small();
    assert_int_equal(sns_tokenizer_vocab_size(tok), 900);
    assert_int_equal(sns_tokenizer_start_id(tok), 898);
    assert_int_equal(sns_tokenizer_end_id(tok), 899);
    assert_int_equal(count_mismatches(tok, texts, texts_size, ids, ids_size, &compared), 0);
    print_message("names: %zu texts compared\n", compared);
    assert_true(compared > 70);
    sns_tokenizer_free(tok);
    free(texts);
    free(ids);
}

static void assert_same_file(const char *a, const char *b) {
    char *x, *y;
    size_t n, m;
    sns_error err = {0};
    assert_int_equal(sns_file_read(a, 1 << 26, &x, &n, &err), SNS_OK);
    assert_int_equal(sns_file_read(b, 1 << 26, &y, &m, &err), SNS_OK);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
}

static void training_equals_the_reference(void **state) {
    (void)state;
    char *dir = tool_tmpdir(), *text = sns_strdup(tool_source("goldens/prep/names.txt"));
    sns_error err = {0};
    const char *files[1] = {text};
    if (sns_tokenizer_train(files, 1, 900, dir, &err)) fail_msg("%s", err.message);
    static const char *const names[] = {"vocab.json", "merges.txt"};
    for (int i = 0; i < 2; i++) {
        char *mine = sns_path_join(dir, names[i]);
        char *golden = sns_path_join(tool_source("goldens/prep/small_vocab"), names[i]);
        assert_same_file(mine, golden);
        free(mine);
        free(golden);
    }
    /* This folder has a tokenizer.json too: the same ids come out of it. */
    char *texts, *ids;
    size_t texts_size, ids_size, compared;
    read_golden("goldens/prep/names.txt", &texts, &texts_size);
    read_golden("goldens/prep/names_ids.txt", &ids, &ids_size);
    sns_tokenizer *tok = load(dir);
    assert_int_equal(count_mismatches(tok, texts, texts_size, ids, ids_size, &compared), 0);
    sns_tokenizer_free(tok);
    free(texts);
    free(ids);
    free(text);
    tool_remove(dir);
}

static void training_refuses_nonsense(void **state) {
    (void)state;
    char *dir = tool_tmpdir(), *empty = sns_path_join(dir, "empty.txt");
    sns_error err = {0};
    const char *files[2] = {empty, "/nonexistent/file"};
    assert_int_equal(sns_file_write(empty, " \n\t ", 4, &err), SNS_OK);
    assert_int_equal(sns_tokenizer_train(files, 1, 900, dir, &err), SNS_FORMAT);
    assert_int_equal(sns_tokenizer_train(files, 2, 900, dir, &err), SNS_MISSING);
    assert_int_equal(sns_tokenizer_train(files, 1, 513, dir, &err), SNS_ARG);
    free(empty);
    tool_remove(dir);
}

/* ---- limits ---- */

static void truncation_keeps_the_end(void **state) {
    (void)state;
    sns_tokenizer *tok = load_small();
    uint32_t ids[64], all[64];
    size_t count, full;
    sns_error err = {0};
    const char *text = "the cat sat on the mat, zyxwv 12345";
    assert_int_equal(sns_tokenizer_encode(tok, text, strlen(text), 64, all, &full, &err), SNS_OK);
    assert_true(full > 10 && full < 64);
    for (size_t max = 2; max < full + 3; max++) {
        memset(ids, 0xEE, sizeof ids);
        assert_int_equal(sns_tokenizer_encode(tok, text, strlen(text), max, ids, &count, &err),
                         SNS_OK);
        assert_int_equal(count, max < full ? max : full);
        assert_int_equal(ids[count - 1], sns_tokenizer_end_id(tok));
        assert_memory_equal(ids, all, (count - 1) * sizeof *ids);
        assert_int_equal(ids[count], 0xEEEEEEEE);
    }
    assert_int_equal(sns_tokenizer_encode(tok, text, 3, 1, ids, &count, &err), SNS_ARG);
    assert_int_equal(sns_tokenizer_encode(tok, "", 0, 2, ids, &count, &err), SNS_OK);
    assert_int_equal(count, 2);
    assert_int_equal(sns_tokenizer_encode(tok, text, (16 << 20) + 1, 9, ids, &count, &err),
                     SNS_LIMIT);
    sns_tokenizer_free(tok);
}

/* A megabyte of each kind that makes a careless implementation quadratic. */
static void long_texts_are_fine(void **state) {
    (void)state;
    static const char *const units[] = {"a",
                                        "ab",
                                        "\xC4\xB0",
                                        "!",
                                        "\xCC\x81\xCC\x96",
                                        "\xE3\x81\x8B\xE3\x82\x99",
                                        "'s",
                                        "\xFF",
                                        "<|startoftext|",
                                        "\xF0\x9F\x90\xB1",
                                        " ",
                                        "1"};
    const size_t size = 1 << 20;
    sns_tokenizer *tok = load_small();
    char *text = malloc(size);
    uint32_t *ids = malloc((4 * size + 2) * sizeof *ids);
    for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
        size_t n = strlen(units[u]), count, all;
        sns_error err = {0};
        for (size_t i = 0; i < size; i++) text[i] = units[u][i % n];
        assert_int_equal(sns_tokenizer_encode(tok, text, size, 77, ids, &count, &err), SNS_OK);
        assert_int_equal(ids[count - 1], sns_tokenizer_end_id(tok));
        assert_int_equal(sns_tokenizer_encode(tok, text, size, 4 * size + 2, ids, &all, &err),
                         SNS_OK);
        assert_true(all >= count);
    }
    free(text);
    free(ids);
    sns_tokenizer_free(tok);
}

/* Marks in the worst order, more than the sort of short runs takes: NFC sorts them by class. */
static void long_runs_of_marks_are_sorted(void **state) {
    (void)state;
    sns_tokenizer *tok = load_small();
    sns_strbuf a = {0}, b = {0};
    sns_error err = {0};
    const int n = 200;
    sns_strbuf_puts(&a, "x");
    sns_strbuf_puts(&b, "x");
    for (int i = 0; i < 2 * n; i++) {
        sns_strbuf_puts(&a, i % 2 ? "\xCC\x96" : "\xCC\x8D"); /* 0316 is class 220, 030D is 230 */
        sns_strbuf_puts(&b, i < n ? "\xCC\x96" : "\xCC\x8D");
    }
    uint32_t x[2000], y[2000];
    size_t nx, ny;
    assert_int_equal(sns_tokenizer_encode(tok, a.data, a.size, 2000, x, &nx, &err), SNS_OK);
    assert_int_equal(sns_tokenizer_encode(tok, b.data, b.size, 2000, y, &ny, &err), SNS_OK);
    assert_int_equal(nx, ny);
    assert_memory_equal(x, y, nx * sizeof *x);
    sns_strbuf_free(&a);
    sns_strbuf_free(&b);
    sns_tokenizer_free(tok);
}

static void decoding_gives_the_words(void **state) {
    (void)state;
    sns_tokenizer *tok = load_small();
    uint32_t ids[256];
    size_t count;
    char *text;
    sns_error err = {0};
    const char *in = "A photo of 2 CATS \xE2\x80\x94 \xE7\x8C\xAB\xE3\x81\x8C";
    assert_int_equal(sns_tokenizer_encode(tok, in, strlen(in), 256, ids, &count, &err), SNS_OK);
    assert_int_equal(sns_tokenizer_decode(tok, ids, count, &text, &err), SNS_OK);
    assert_string_equal(text, "a photo of 2 cats \xE2\x80\x94 \xE7\x8C\xAB\xE3\x81\x8C");
    free(text);
    /* One long word without spaces comes back whole. */
    char word[4000];
    uint32_t *many = malloc(sizeof *many * 4002);
    sns_rng rng;
    sns_rng_seed(&rng, 7);
    for (size_t i = 0; i < sizeof word; i++) word[i] = (char)('a' + sns_rng_below(&rng, 5));
    assert_int_equal(sns_tokenizer_encode(tok, word, sizeof word, 4002, many, &count, &err),
                     SNS_OK);
    assert_int_equal(sns_tokenizer_decode(tok, many, count, &text, &err), SNS_OK);
    assert_int_equal(strlen(text), sizeof word);
    assert_memory_equal(text, word, sizeof word);
    free(text);
    free(many);
    ids[0] = 900;
    assert_int_equal(sns_tokenizer_decode(tok, ids, 1, &text, &err), SNS_ARG);
    /* Half a character becomes U+FFFD. */
    ids[0] = 160;
    assert_int_equal(sns_tokenizer_decode(tok, ids, 1, &text, &err), SNS_OK);
    assert_string_equal(text, "\xEF\xBF\xBD");
    free(text);
    sns_tokenizer_free(tok);
}

/* ---- files ---- */

/* A tokenizer.json around the given parts. */
static sns_status load_json(const char *model, const char *rest, sns_error *err,
                            sns_tokenizer **tok) {
    char *dir = tool_tmpdir(), *path = sns_path_join(dir, "tokenizer.json");
    sns_strbuf b = {0};
    sns_strbuf_printf(&b, "{\"model\": %s, %s}", model, rest);
    assert_int_equal(sns_file_write(path, b.data, b.size, err), SNS_OK);
    sns_status s = sns_tokenizer_load(dir, tok, err);
    sns_strbuf_free(&b);
    free(path);
    tool_remove(dir);
    return s;
}

#define MODEL_WITH(vocab, merges)                                                                  \
    "{\"type\": \"BPE\", \"end_of_word_suffix\": \"</w>\", \"unk_token\": \"<|endoftext|>\", "     \
    "\"vocab\": " vocab ", \"merges\": " merges "}"
#define VOCAB                                                                                      \
    "{\"a\":0, \"b</w>\":1, \"ab</w>\":2, \"\\u0120\":3, \"\\\"\":4, \"<|startoftext|>\":5, "      \
    "\"<|endoftext|>\":6, \"\\\"b</w>\":7}"
#define PATTERN "\"'s|'t|'re|'ve|'m|'ll|'d|[\\\\p{L}]+|[\\\\p{N}]|[^\\\\s\\\\p{L}\\\\p{N}]+\""
#define PRE                                                                                        \
    "\"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", "       \
    "\"pattern\": {\"Regex\": " PATTERN "}, \"behavior\": \"Removed\", \"invert\": true}, "        \
    "{\"type\": \"ByteLevel\", \"add_prefix_space\": false}]}"

static void json_layouts(void **state) {
    (void)state;
    /* Merges as strings and as pairs, an added token, no normalizer, ends from the processor. */
    const char *models[2] = {MODEL_WITH(VOCAB, "[\"a b</w>\", \"\\\" b</w>\"]"),
                             MODEL_WITH(VOCAB, "[[\"a\", \"b</w>\"], [\"\\\"\",\"b</w>\"]]")};
    for (int i = 0; i < 2; i++) {
        sns_tokenizer *tok;
        sns_error err = {0};
        if (load_json(models[i],
                      PRE ", \"normalizer\": null, \"added_tokens\": [{\"id\": 8, \"content\": "
                          "\"<x>\", \"normalized\": false, \"special\": false}], "
                          "\"post_processor\": {\"type\": \"RobertaProcessing\", \"cls\": [\"s\", "
                          "6], \"sep\": [\"e\", 5]}",
                      &err, &tok))
            fail_msg("%s", err.message);
        uint32_t ids[16];
        size_t count;
        assert_int_equal(sns_tokenizer_vocab_size(tok), 9);
        assert_int_equal(sns_tokenizer_encode(tok, "ab<x>b B", 8, 16, ids, &count, &err), SNS_OK);
        const uint32_t want[] = {6, 2, 8, 1, 6, 5}; /* B is not in the vocabulary: unknown */
        assert_int_equal(count, 6);
        assert_memory_equal(ids, want, sizeof want);
        sns_tokenizer_free(tok);
    }
}

static void bad_files_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *model, *rest;
        sns_status status;
        const char *message;
    } cases[] = {
        {MODEL_WITH(VOCAB, "[\"a c\"]"), PRE, SNS_FORMAT, "not in the vocabulary"},
        {MODEL_WITH(VOCAB, "[\"ab\"]"), PRE, SNS_FORMAT, "not two tokens"},
        {MODEL_WITH(VOCAB, "[\"a b c\"]"), PRE, SNS_FORMAT, "not two tokens"},
        {MODEL_WITH(VOCAB, "[[\"a\"]]"), PRE, SNS_FORMAT, "pair"},
        {MODEL_WITH(VOCAB, "[[\"a\",\"b</w>\",\"c\"]]"), PRE, SNS_FORMAT, "pair"},
        {MODEL_WITH(VOCAB, "{}"), PRE, SNS_FORMAT, "array"},
        {MODEL_WITH("{}", "[]"), PRE, SNS_FORMAT, "empty vocabulary"},
        {MODEL_WITH("[]", "[]"), PRE, SNS_FORMAT, "object"},
        {MODEL_WITH("{\"a\":0,\"b\":0}", "[]"), PRE, SNS_FORMAT, "id 0 is given"},
        {MODEL_WITH("{\"a\":-1}", "[]"), PRE, SNS_FORMAT, "whole number"},
        {MODEL_WITH("{\"a\":1.5}", "[]"), PRE, SNS_FORMAT, "whole number"},
        {MODEL_WITH("{\"a\":99999999999}", "[]"), PRE, SNS_FORMAT, "2^32"},
        {MODEL_WITH("{\"a\":4000000000}", "[]"), PRE, SNS_LIMIT, "4000000000"},
        {MODEL_WITH("{\"a\":0}", "[]"), PRE, SNS_FORMAT, "<|startoftext|>"},
        {MODEL_WITH("{\"\":0}", "[]"), PRE, SNS_FORMAT, "empty"},
        {MODEL_WITH("{\"a\":0", "[]"), PRE, SNS_FORMAT, "byte"},
        {MODEL_WITH(VOCAB, "[]"), "\"pre_tokenizer\": null", SNS_UNSUPPORTED, "pre_tokenizer"},
        {MODEL_WITH(VOCAB, "[]"), PRE ", \"normalizer\": {\"type\": \"NFKC\"}", SNS_UNSUPPORTED,
         "NFKC"},
        {MODEL_WITH(VOCAB, "[]"), PRE ", \"added_tokens\": [{\"id\": 70, \"content\": \"a b\"}]",
         SNS_UNSUPPORTED, "white space"},
        {MODEL_WITH(VOCAB, "[]"), PRE ", \"added_tokens\": [{\"id\": 0, \"content\": \"x\"}]",
         SNS_FORMAT, "id 0"},
        {MODEL_WITH(VOCAB, "[]"),
         "\"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Regex\": \"a\"}}",
         SNS_UNSUPPORTED, "pattern"},
        {"{\"type\": \"WordPiece\", \"vocab\": {}}", PRE, SNS_UNSUPPORTED, "WordPiece"},
        {"{\"type\": \"BPE\", \"vocab\": {}, \"merges\": []}", PRE, SNS_UNSUPPORTED,
         "end_of_word_suffix"},
        {"[[[", PRE, SNS_FORMAT, "byte"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sns_tokenizer *tok;
        sns_error err = {0};
        sns_status s = load_json(cases[i].model, cases[i].rest, &err, &tok);
        if (s != cases[i].status || !strstr(err.message, cases[i].message) ||
            !strstr(err.message, "tokenizer.json"))
            fail_msg("case %zu: status %d, \"%s\"", i, s, err.message);
        assert_null(tok);
    }
    sns_tokenizer *tok;
    sns_error err = {0};
    assert_int_equal(sns_tokenizer_load("/nonexistent", &tok, &err), SNS_MISSING);
    assert_non_null(strstr(err.message, "/nonexistent"));
}

/* ---- against the independent implementation ---- */

/* Random bytes, biased to the lead and tail bytes of UTF-8. */
static void random_bytes_as_the_reference(void **state) {
    (void)state;
    if (!has_reference()) skip();
    sns_strbuf texts = {0};
    sns_rng rng;
    sns_rng_seed(&rng, 3);
    static const unsigned char picks[] = {0xE2, 0x82, 0xAC, 0xF0, 0x9F, 0x98, 0x80, 0xC3,
                                          0xED, 0xA0, 0xF4, 0x90, 'a',  '\'', ' ',  '<'};
    for (int i = 0; i < 4000; i++) {
        unsigned char text[24];
        size_t n = sns_rng_below(&rng, sizeof text);
        for (size_t k = 0; k < n; k++)
            text[k] = sns_rng_below(&rng, 2) ? picks[sns_rng_below(&rng, sizeof picks)]
                                             : (unsigned char)sns_rng_below(&rng, 256);
        add_escaped(&texts, text, n);
    }
    char *vocab = sns_strdup(tool_source("goldens/prep/small_vocab"));
    compare_with_reference("random bytes", vocab, &texts);
    free(vocab);
}

static void names_in_clips_vocabulary(void **state) {
    (void)state;
    if (!clip_vocab() || !has_reference()) {
        print_message("SKIP: needs ../shared/data/clip-vocab and python3-regex\n");
        skip();
    }
    sns_strbuf texts = {0};
    char *names;
    size_t size;
    read_golden("goldens/prep/names.txt", &names, &size);
    sns_strbuf_add(&texts, names, size);
    free(names);
    compare_with_reference("names, CLIP's vocabulary", clip_vocab(), &texts);
}

/* Each `step`-th line of a text file, packed or not. */
static void add_lines(sns_strbuf *texts, const char *name, size_t step) {
    char *path = shared_file(name), *block = malloc(1 << 16);
    sns_strbuf source = {0}, all = {0};
    sns_bytes *bytes;
    sns_error err;
    size_t got;
    sns_strbuf_printf(&source, "%s%s", sns_ends_with(path, ".gz") ? "pipe:gzip -dc " : "", path);
    if (sns_bytes_open(source.data, NULL, &bytes, &err)) fail_msg("%s", err.message);
    do {
        if (sns_bytes_read(bytes, block, 1 << 16, &got, &err)) fail_msg("%s", err.message);
        sns_strbuf_add(&all, block, got);
    } while (got == 1 << 16);
    sns_bytes_free(bytes);
    sns_strbuf_free(&source);
    char *p = all.data, *line;
    size_t size, i = 0;
    while ((line = next_line(&p, all.data + all.size, &size)))
        if (i++ % step == 0) add_escaped(texts, (unsigned char *)line, size);
    sns_strbuf_free(&all);
    free(block);
    free(path);
}

static void captions(size_t step) {
    static const char *const files[] = {"photos/captions.csv",
                                        "photos/captions-text-only.txt",
                                        "translation/train.en.gz",
                                        "translation/train.de.gz",
                                        "translation/train.fr.gz",
                                        "translation/val.en.gz",
                                        "translation/val.de.gz",
                                        "translation/val.fr.gz",
                                        "translation/test_2016_flickr.en.gz",
                                        "translation/test_2016_flickr.de.gz",
                                        "translation/test_2016_flickr.fr.gz"};
    if (!clip_vocab() || !has_reference()) {
        print_message("SKIP: needs ../shared/data and python3-regex\n");
        skip();
    }
    sns_strbuf texts = {0};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) add_lines(&texts, files[i], step);
    compare_with_reference("captions in en, de, fr", clip_vocab(), &texts);
}

static void some_captions(void **state) {
    (void)state;
    captions(50);
}

static void all_captions(void **state) {
    (void)state;
    captions(1);
}

/* Every code point that Python's Unicode version assigns: inside a word, and before a cut byte. */
static void all_code_points(void **state) {
    (void)state;
    if (!has_reference()) skip();
    char *dir = tool_tmpdir(), *list = sns_path_join(dir, "list"), *data;
    const char *const argv[] = {
        "sh",
        "-c",
        "exec " TOOL_PYTHON " -c 'import sys, unicodedata\n"
        "for c in range(0x80, 0x110000):\n"
        "    if unicodedata.category(chr(c)) not in (\"Cn\", \"Cs\"):\n"
        "        sys.stdout.buffer.write((\"a%sB x%s\\xcc\\n\" % (chr(c), chr(c))).encode())\n"
        "' > \"$1\"",
        "sh",
        list,
        NULL};
    assert_true(tool_run(argv));
    size_t size;
    sns_error err = {0};
    assert_int_equal(sns_file_read(list, 1 << 28, &data, &size, &err), SNS_OK);
    sns_strbuf texts = {0};
    sns_strbuf_add(&texts, data, size);
    char *vocab = sns_strdup(tool_source("goldens/prep/small_vocab"));
    compare_with_reference("all code points", vocab, &texts);
    free(vocab);
    free(data);
    free(list);
    tool_remove(dir);
}

int main(int argc, char **argv) {
    const struct CMUnitTest fast[] = {
        cmocka_unit_test(names_give_the_golden_ids),
        cmocka_unit_test(training_equals_the_reference),
        cmocka_unit_test(training_refuses_nonsense),
        cmocka_unit_test(truncation_keeps_the_end),
        cmocka_unit_test(long_texts_are_fine),
        cmocka_unit_test(long_runs_of_marks_are_sorted),
        cmocka_unit_test(decoding_gives_the_words),
        cmocka_unit_test(json_layouts),
        cmocka_unit_test(bad_files_are_refused),
        cmocka_unit_test(random_bytes_as_the_reference),
        cmocka_unit_test(names_in_clips_vocabulary),
        cmocka_unit_test(some_captions),
    };
    const struct CMUnitTest slow[] = {
        cmocka_unit_test(all_captions),
        cmocka_unit_test(all_code_points),
    };
    if (argc > 1 && !strcmp(argv[1], "long")) return cmocka_run_group_tests(slow, NULL, NULL);
    return cmocka_run_group_tests(fast, NULL, NULL);
}
