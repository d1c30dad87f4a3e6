/* log_mel_config.c - preprocessor_config.json of a model that hears.
 *
 *   {"feature_extractor_type": "WhisperFeatureExtractor", "sampling_rate": 16000, "feature_size":
 * 80, "n_fft": 400, "hop_length": 160, "max_length": 200}
 *   {"feature_extractor_type": "ASTFeatureExtractor", "sampling_rate": 16000, "num_mel_bins": 128,
 *    "max_length": 1024, "mean": -4.2677393, "std": 4.5689974}
 *
 * The names are those of transformers' feature extractors; max_length counts frames. Two fields are
 * ours, since the others have no place for them: "win_length", and for ASTFeatureExtractor
 * "hop_length" and "n_fft". Where AST pads a spectrogram with zeros, sensus pads the sound. */
#include "prep/log_mel.h"
#include "base/error.h"
#include "base/file.h"
#include "base/strbuf.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CONFIG_BYTES = 1 << 20, MAX_FRAMES = 1 << 14 };
#define WHISPER   "WhisperFeatureExtractor"
#define AST       "ASTFeatureExtractor"
#define FILE_NAME "preprocessor_config.json"

typedef struct source {
    const char *path;
    const json_t *root;
    sns_error *err;
} source;

static sns_status read_size(const source *c, const char *key, size_t *out) {
    const json_t *v = json_object_get(c->root, key);
    if (!v || json_is_null(v)) return SNS_OK;
    json_int_t n = json_is_integer(v) ? json_integer_value(v) : -1;
    if (n < 1 || n > 1 << 24)
        return sns_fail(c->err, SNS_FORMAT, "%s: \"%s\" is not a number from 1 on", c->path, key);
    *out = (size_t)n;
    return SNS_OK;
}

static sns_status read_number(const source *c, const char *key, float *out) {
    const json_t *v = json_object_get(c->root, key);
    if (!v || json_is_null(v)) return SNS_OK;
    *out = json_is_number(v) ? (float)json_number_value(v) : NAN;
    if (isfinite(*out)) return SNS_OK;
    return sns_fail(c->err, SNS_FORMAT, "%s: \"%s\" is not a number", c->path, key);
}

static sns_status read_fields(const source *c, sns_log_mel_config *out, size_t *frames) {
    const char *type = json_string_value(json_object_get(c->root, "feature_extractor_type"));
    bool whisper = type && !strcmp(type, WHISPER);
    if (!type || (!whisper && strcmp(type, AST) != 0))
        return sns_fail(c->err, SNS_UNSUPPORTED,
                        "%s: \"feature_extractor_type\" is neither " WHISPER " nor " AST, c->path);
    if (whisper)
        sns_log_mel_whisper(out);
    else
        sns_log_mel_ast(out);
    *frames = whisper ? 3000 : 1024;
    sns_status s = read_size(c, "sampling_rate", &out->rate_hz);
    if (!s) s = read_size(c, whisper ? "feature_size" : "num_mel_bins", &out->mels);
    if (!s) s = read_size(c, "hop_length", &out->hop);
    if (!s) s = read_size(c, "n_fft", &out->n_fft);
    if (whisper) out->window = out->n_fft;
    if (!s) s = read_size(c, "win_length", &out->window);
    if (!s) s = read_size(c, "max_length", frames);
    if (!s && !whisper) s = read_number(c, "mean", &out->mean);
    if (!s && !whisper) s = read_number(c, "std", &out->std);
    if (!s && *frames > MAX_FRAMES)
        s = sns_fail(c->err, SNS_LIMIT, "%s: windows of %zu frames, at most %d", c->path, *frames,
                     MAX_FRAMES);
    if (!s && (s = sns_log_mel_check(out, c->err))) s = sns_fail_in(c->err, s, c->path);
    return s;
}

sns_status sns_log_mel_parse(const char *text, size_t size, const char *path, sns_log_mel_config *c,
                             size_t *frames, sns_error *err) {
    json_error_t where;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
    sns_status s;
    if (json_is_object(root)) {
        const source from = {path, root, err};
        s = read_fields(&from, c, frames);
    } else {
        s = root ? sns_fail(err, SNS_FORMAT, "%s: not a JSON object", path)
                 : sns_fail(err, SNS_FORMAT, "%s: line %d: %s", path, where.line, where.text);
    }
    json_decref(root);
    return s;
}

sns_status sns_log_mel_read(const char *dir, sns_log_mel_config *c, size_t *frames,
                            sns_error *err) {
    char *path = sns_path_join(dir, FILE_NAME), *text = NULL;
    size_t size = 0;
    if (!path) return sns_fail(err, SNS_NOMEM, "%s: no memory", dir);
    sns_status s = sns_file_read(path, MAX_CONFIG_BYTES, &text, &size, err);
    if (!s) s = sns_log_mel_parse(text, size, path, c, frames, err);
    free(text);
    free(path);
    return s;
}

sns_status sns_log_mel_write(const char *dir, const sns_log_mel_config *c, size_t frames,
                             sns_error *err) {
    bool whisper = c->kind == SNS_LOG_MEL_WHISPER;
    json_t *root = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "feature_extractor_type",
                             whisper ? WHISPER : AST, "sampling_rate", (json_int_t)c->rate_hz,
                             whisper ? "feature_size" : "num_mel_bins", (json_int_t)c->mels,
                             "n_fft", (json_int_t)c->n_fft, "win_length", (json_int_t)c->window,
                             "hop_length", (json_int_t)c->hop, "max_length", (json_int_t)frames);
    if (!whisper) {
        json_object_set_new(root, "mean", json_real((double)c->mean));
        json_object_set_new(root, "std", json_real((double)c->std));
    }
    char *text = root ? json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
    char *path = sns_path_join(dir, FILE_NAME);
    sns_status s = text && path ? sns_file_write(path, text, strlen(text), err)
                                : sns_fail(err, SNS_NOMEM, "%s: no memory", dir);
    free(path);
    free(text);
    json_decref(root);
    return s;
}
