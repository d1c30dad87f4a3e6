/* checkpoint.c - parameters, moments and position in one safetensors file.
 *
 * A file appears under its name only when it is complete and flushed, and the one before it stays
 * until then, so a crash or a full disk costs at most the steps since the last checkpoint. Each
 * block has a checksum, because what a disk returns wrongly would otherwise be trained on. */
#include "train/checkpoint.h"
#include "base/error.h"
#include "base/hash.h"
#include "tensor/safetensors.h"
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#define FORMAT "sensus-checkpoint-1"
enum { KEEP = 2, SUM_CHARS = 17, SUMS_CAP = 4 * SUM_CHARS + 1 };

/* The step in "checkpoint-STEP.safetensors"; false for other names. */
static bool parse_name(const char *name, size_t *step) {
    static const char prefix[] = "checkpoint-";
    char *end;
    if (strncmp(name, prefix, sizeof prefix - 1)) return false;
    const char *digits = name + sizeof prefix - 1;
    if (*digits < '0' || *digits > '9') return false;
    errno = 0;
    unsigned long long n = strtoull(digits, &end, 10);
    *step = (size_t)n;
    return !errno && !strcmp(end, ".safetensors");
}

static bool format_path(char *path, const char *dir, size_t step) {
    int n = snprintf(path, SNS_PATH_CAP, "%s/checkpoint-%08zu.safetensors", dir, step);
    return n > 0 && n < SNS_PATH_CAP;
}

/* The largest step below `below` that has a file; false: none. */
static bool newest_below(const char *dir, size_t below, size_t *step) {
    DIR *d = opendir(dir);
    bool found = false;
    if (!d) return false;
    for (struct dirent *e; (e = readdir(d));) {
        size_t n;
        if (!parse_name(e->d_name, &n) || n >= below || (found && n <= *step)) continue;
        *step = n;
        found = true;
    }
    closedir(d);
    return found;
}

static void remove_old(const char *dir, size_t newest) {
    char path[SNS_PATH_CAP];
    size_t step = newest;
    for (int kept = 1; newest_below(dir, step, &step); kept++)
        if (kept >= KEEP && format_path(path, dir, step)) unlink(path);
}

/* Changes with any one changed bit. */
static uint64_t checksum(const float *x, size_t n) {
    uint64_t h = 0xcbf29ce484222325, word = 0;
    size_t bytes = n * sizeof *x, at = 0;
    for (; at + sizeof word <= bytes; at += sizeof word) {
        memcpy(&word, (const char *)x + at, sizeof word);
        h = sns_hash_mix(h, word);
    }
    word = 0;
    memcpy(&word, (const char *)x + at, bytes - at);
    return sns_hash_mix(h, word);
}

/* One of each block, in the order of the tensors. */
static void format_sums(const sns_train_state *s, char *out) {
    const float *const block[] = {s->params, s->m, s->v, s->ema};
    for (size_t i = 0; i < 4 && block[i]; i++)
        snprintf(out + i * SUM_CHARS, SUMS_CAP - i * SUM_CHARS, "%016" PRIx64 " ",
                 checksum(block[i], s->total));
}

sns_status sns_checkpoint_save(const char *dir, const sns_train_state *s, const sns_kernels *k,
                               char *path, sns_error *err) {
    char step[32], seed[32], data[32], batch[32], loss[64], stream[64], sums[SUMS_CAP];
    const char *const metadata[] = {
        "format", FORMAT, "step",     step,        "seed",   seed,   "data", data, "batch", batch,
        "loss",   loss,   "geometry", s->geometry, "stream", stream, "sums", sums, NULL};
    format_sums(s, sums);
    snprintf(stream, sizeof stream, "%zu/%zu", s->stream_epoch, s->stream_first_step);
    snprintf(step, sizeof step, "%zu", s->step);
    snprintf(seed, sizeof seed, "%" PRIu64, s->seed);
    snprintf(data, sizeof data, "%016" PRIx64, s->data);
    snprintf(batch, sizeof batch, "%zu", s->batch);
    snprintf(loss, sizeof loss, "%a", s->loss_average);
    sns_to_store t[] = {{"parameters", SNS_DTYPE_F32, 1, {s->total}, s->params},
                        {"moment1", SNS_DTYPE_F32, 1, {s->total}, s->m},
                        {"moment2", SNS_DTYPE_F32, 1, {s->total}, s->v},
                        {"average", SNS_DTYPE_F32, 1, {s->total}, s->ema}};
    if (!format_path(path, dir, s->step))
        return sns_fail(err, SNS_ARG, "%s: the path is too long", dir);
    sns_status st = sns_safetensors_write(path, t, s->ema ? 4 : 3, metadata, k, err);
    if (!st) remove_old(dir, s->step);
    return st;
}

bool sns_checkpoint_before(const char *dir, size_t step, size_t *before) {
    return newest_below(dir, step, before);
}

sns_status sns_checkpoint_newest(const char *dir, char *path, size_t *step, sns_error *err) {
    if (!newest_below(dir, SIZE_MAX, step))
        return sns_fail(err, SNS_MISSING, "%s: no checkpoint in it", dir);
    if (!format_path(path, dir, *step))
        return sns_fail(err, SNS_ARG, "%s: the path is too long", dir);
    return SNS_OK;
}

static sns_status expect(const sns_safetensors *f, const char *path, const char *key,
                         const char *want, sns_error *err) {
    const char *have = sns_safetensors_metadata(f, key);
    if (!have) return sns_fail(err, SNS_FORMAT, "%s: not a checkpoint (no %s)", path, key);
    if (strcmp(have, want))
        return sns_fail(err, SNS_MISMATCH, "%s: made with %s %s, now it is %s", path, key, have,
                        want);
    return SNS_OK;
}

static sns_status check_identity(const sns_safetensors *f, const char *path,
                                 const sns_train_state *s, sns_error *err) {
    char seed[32], data[32], batch[32];
    snprintf(seed, sizeof seed, "%" PRIu64, s->seed);
    snprintf(data, sizeof data, "%016" PRIx64, s->data);
    snprintf(batch, sizeof batch, "%zu", s->batch);
    const char *pairs[][2] = {{"format", FORMAT},
                              {"geometry", s->geometry},
                              {"seed", seed},
                              {"batch", batch},
                              {"data", data}};
    sns_status st = SNS_OK;
    for (size_t i = 0; i < 5 && !st; i++) st = expect(f, path, pairs[i][0], pairs[i][1], err);
    return st;
}

static const char *const block_names[] = {"parameters", "moment1", "moment2", "average"};

static sns_status check_sum(const sns_safetensors *f, const char *path, size_t i, const float *x,
                            size_t total, sns_error *err) {
    char have[SUM_CHARS];
    const char *want = sns_safetensors_metadata(f, "sums");
    if (!want) return SNS_OK; /* files of before had none */
    snprintf(have, sizeof have, "%016" PRIx64, checksum(x, total));
    if (strlen(want) >= (i + 1) * SUM_CHARS && !strncmp(want + i * SUM_CHARS, have, SUM_CHARS - 1))
        return SNS_OK;
    return sns_fail(err, SNS_FORMAT, "%s: damaged: '%s' does not have its checksum", path,
                    block_names[i]);
}

static sns_status read_block(const sns_safetensors *f, const char *path, size_t i, size_t total,
                             float *out, const sns_kernels *k, sns_error *err) {
    const char *name = block_names[i];
    const sns_stored *t = sns_safetensors_find(f, name);
    if (!t) return sns_fail(err, SNS_MISMATCH, "%s: no tensor '%s'", path, name);
    if (t->count != total || t->dtype != SNS_DTYPE_F32)
        return sns_fail(err, SNS_SHAPE, "%s: '%s' has %zu values, the model %zu", path, name,
                        t->count, total);
    sns_status st = sns_stored_to_f32(t, k, 0, total, out, err);
    return st ? st : check_sum(f, path, i, out, total, err);
}

static sns_status read_position(const sns_safetensors *f, const char *path, sns_train_state *s,
                                sns_error *err) {
    const char *step = sns_safetensors_metadata(f, "step");
    const char *loss = sns_safetensors_metadata(f, "loss");
    char *end = NULL;
    errno = 0;
    unsigned long long n = step ? strtoull(step, &end, 10) : 0;
    if (!step || !loss || errno || *end || end == step)
        return sns_fail(err, SNS_FORMAT, "%s: damaged position", path);
    s->step = (size_t)n;
    s->loss_average = strtod(loss, NULL);
    const char *stream = sns_safetensors_metadata(f, "stream");
    if (stream) {
        s->stream_epoch = (size_t)strtoull(stream, &end, 10);
        s->stream_first_step = *end == '/' ? (size_t)strtoull(end + 1, NULL, 10) : 0;
    }
    return SNS_OK;
}

sns_status sns_checkpoint_load(const char *path, sns_train_state *s, const sns_kernels *k,
                               sns_error *err) {
    sns_safetensors *f = NULL;
    sns_status st = sns_safetensors_open(path, &f, err);
    if (st) return st;
    st = check_identity(f, path, s, err);
    if (!st) st = read_position(f, path, s, err);
    float *const block[] = {s->params, s->m, s->v, s->ema};
    for (size_t i = 0; i < 4 && block[i] && !st; i++)
        st = read_block(f, path, i, s->total, block[i], k, err);
    sns_safetensors_close(f);
    return st;
}
