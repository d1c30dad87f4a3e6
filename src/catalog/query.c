/* query.c - queries that add and subtract pictures, recordings and texts.
 *
 *   query := [+ | -] term { [+ | -] term }        term := [weight ":"] (file | words)
 *   vector = normalise(sum of sign * weight * unit(term))
 * Vector arithmetic in the joint space after Kiros et al. 2014, "Unifying Visual-Semantic
 * Embeddings", section 4.2. */
#include "catalog/walk.h"
#include "base/error.h"
#include "base/strbuf.h"
#include "media/sound_kind.h"
#include "kernel/kernel.h"
#include <sensus/catalog.h>
#include <errno.h>
#include <math.h>
#include <sys/stat.h>

enum { MAX_TERMS = 256, MAX_TEXT = 16 << 20 };

static bool is_file(const char *path) {
    struct stat st;
    return !stat(path, &st) && S_ISREG(st.st_mode);
}

/* A name that nobody would mean as words. */
static bool looks_like_file(const char *word) {
    return (sns_is_picture_name(word) || sns_is_sound_name(word)) && !strpbrk(word, " \t\n");
}

/* Why a name of a picture or recording is not one of a file. */
static sns_status fail_file(const char *path, sns_error *err) {
    struct stat st;
    if (!stat(path, &st)) return sns_fail(err, SNS_IO, "%s: not a regular file", path);
    if (errno == ENOENT)
        return sns_fail(err, SNS_MISSING, "%s: no such %s", path,
                        sns_is_sound_name(path) ? "recording" : "picture");
    return sns_fail_errno(err, SNS_IO, errno, "%s", path);
}

/* "2:leash": the weight goes to *weight, what follows is returned. A file of that whole name, or
 * anything but a number before the colon, means no weight. */
static const char *split_weight(const char *word, double *weight) {
    char *end;
    *weight = 1;
    if ((*word < '0' || *word > '9') && *word != '.') return word;
    double w = strtod(word, &end);
    if (*end != ':' || is_file(word)) return word;
    *weight = w;
    return end + 1;
}

static sns_status add_term(sns_query *q, double weight, const char *text, sns_error *err) {
    if (!isfinite(weight) || weight <= 0 || weight > 1e6)
        return sns_fail(err, SNS_ARG, "query: a weight must be above 0 and at most 1000000");
    if (!*text) return sns_fail(err, SNS_ARG, "query: a term is empty");
    if (strlen(text) > MAX_TEXT)
        return sns_fail(err, SNS_LIMIT, "query: a text of more than 16 MiB");
    if (q->count == MAX_TERMS)
        return sns_fail(err, SNS_LIMIT, "query: more than %d terms", (int)MAX_TERMS);
    sns_query_term *t = &q->terms[q->count];
    *t = (sns_query_term){.is_image = is_file(text), .weight = (float)weight};
    if (!t->is_image && looks_like_file(text)) return fail_file(text, err);
    if (!(t->text = sns_strdup(text))) return sns_fail(err, SNS_NOMEM, "query: no memory");
    q->count++;
    return SNS_OK;
}

static bool is_sign(const char *word) {
    return !strcmp(word, "+") || !strcmp(word, "-");
}

/* Words that stand next to each other are one text; a picture ends and begins a term of its own.
 * The words after the first that go on with its text are appended; returns how many. */
static sns_status join_words(sns_query_term *t, const char *const *words, size_t n, size_t *used,
                             sns_error *err) {
    sns_strbuf b = {0};
    double weight;
    *used = 0;
    if (t->is_image) return SNS_OK;
    sns_strbuf_puts(&b, t->text);
    for (; *used < n && b.size <= MAX_TEXT; ++*used) {
        const char *word = words[*used];
        if (is_sign(word) || split_weight(word, &weight) != word || is_file(word) ||
            looks_like_file(word))
            break;
        sns_strbuf_puts(&b, " ");
        sns_strbuf_puts(&b, word);
    }
    if (b.failed || b.size > MAX_TEXT) {
        bool failed = b.failed;
        sns_strbuf_free(&b);
        return failed ? sns_fail(err, SNS_NOMEM, "query: no memory")
                      : sns_fail(err, SNS_LIMIT, "query: a text of more than 16 MiB");
    }
    free(t->text);
    t->text = b.data;
    return SNS_OK;
}

static sns_status parse_words(const char *const *words, size_t n, sns_query *q, sns_error *err) {
    double sign = 1, weight;
    bool expect = true; /* a term must follow: at the start and after + or - */
    sns_status status = SNS_OK;
    for (size_t i = 0; i < n && !status; i++) {
        if (is_sign(words[i])) {
            if (expect && i)
                return sns_fail(err, SNS_ARG, "query: two signs without a term between");
            sign = *words[i] == '-' ? -1 : 1;
            expect = true;
            continue;
        }
        const char *text = split_weight(words[i], &weight);
        if ((status = add_term(q, weight, text, err))) break;
        sns_query_term *t = &q->terms[q->count - 1];
        size_t used;
        t->weight *= (float)sign;
        sign = 1; /* a sign is one term's; a term without one is added */
        status = join_words(t, words + i + 1, n - i - 1, &used, err);
        i += used;
        expect = false;
    }
    if (!status && expect)
        return sns_fail(err, SNS_ARG, n ? "query: a sign without a term after it" : "query: empty");
    return status;
}

sns_status sns_query_parse(const char *const *words, size_t n, sns_query *out, sns_error *err) {
    *out = (sns_query){.terms = calloc(MAX_TERMS, sizeof *out->terms)};
    if (!out->terms) return sns_fail(err, SNS_NOMEM, "query: no memory");
    sns_status status = parse_words(words, n, out, err);
    if (status) sns_query_free(out);
    return status;
}

void sns_query_free(sns_query *q) {
    if (!q) return;
    for (size_t i = 0; i < q->count; i++) free(q->terms[i].text);
    free(q->terms);
    *q = (sns_query){0};
}

static sns_status encode_picture(const sns_model *model, sns_session *session, const char *path,
                                 float *out, sns_error *err) {
    sns_image image = {0};
    sns_image_options o = {.target_px = sns_model_image_px(model)};
    sns_status status = sns_image_load(path, &o, &image, err);
    if (!status) status = sns_encode_images(session, &image, 1, out, err);
    sns_image_free(&image);
    return status;
}

static sns_status encode_recording(const sns_model *hears, sns_session *session,
                                   const sns_isolation *isolation, const char *path, float *out,
                                   sns_error *err) {
    sns_sound sound;
    sns_sound_options o = {.rate_hz = sns_model_sound_rate_hz(hears), .isolation = isolation};
    sns_status status = sns_sound_load(path, &o, &sound, err);
    if (status) return status;
    status = sns_encode_sound(session, &sound, out, err);
    sns_sound_free(&sound);
    return status;
}

/* A file is a recording where no model sees, or by its name. */
static sns_status encode_term(const sns_query_models *m, const sns_query_term *t, float *out,
                              sns_error *err) {
    if (!t->is_image)
        return sns_encode_texts(m->session, (const char *const *)&t->text, 1, out, err);
    bool sees = sns_model_image_px(m->model) > 0;
    if (!sees) return encode_recording(m->model, m->session, m->isolation, t->text, out, err);
    if (!sns_is_sound_name(t->text)) return encode_picture(m->model, m->session, t->text, out, err);
    if (m->hears) return encode_recording(m->hears, m->hearing, m->isolation, t->text, out, err);
    return sns_fail(err, SNS_SHAPE, "%s: a recording, but the catalog has no model that hears",
                    t->text);
}

sns_status sns_query_encode(const sns_model *model, sns_session *session, const sns_query *q,
                            float *out, sns_error *err) {
    const sns_query_models m = {.model = model, .session = session};
    return sns_query_encode_by(&m, q, out, err);
}

sns_status sns_query_encode_by(const sns_query_models *m, const sns_query *q, float *out,
                               sns_error *err) {
    const sns_model *model = m->model;
    const sns_kernels *k = sns_kernels_get();
    size_t dim = sns_model_dim(model);
    float *one = malloc(dim * sizeof *one), total = 0;
    sns_status status = SNS_OK;
    if (!one) return sns_fail(err, SNS_NOMEM, "query: no memory");
    memset(out, 0, dim * sizeof *out);
    for (size_t i = 0; i < q->count && !status; i++) {
        if ((status = encode_term(m, &q->terms[i], one, err))) break;
        k->axpy(out, q->terms[i].weight, one, dim);
        total += fabsf(q->terms[i].weight);
    }
    free(one);
    if (status) return status;
    double norm = sqrt(k->sum_squares(out, dim));
    if (!(norm > 1e-6 * total)) return sns_fail(err, SNS_ARG, "query: its terms cancel out");
    k->scale(out, (float)(1 / norm), dim);
    return SNS_OK;
}
